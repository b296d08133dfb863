/* What mutations assign, to which row. */
#include "server/api/model_build.h"

#include "bus/check.h"

static bool check_table(struct model_builder *builder, const struct model_work *work)
{
    if (work->plan->table != NULL)
        return true;
    MODEL_REPORT(builder, work->plan->field->definition->name.at,
                 "Field \"%.*s.%.*s\" with @%.*s must be of a @table type: it is \"%s\".",
                 NAME(work->type->name), NAME(work->plan->field->name),
                 NAME(work->directive->name.text),
                 model_ref_text(builder, work->plan->field->type));
    return false;
}

/* --- id --------------------------------------------------------------------------------------- */

static void take_id(struct model_builder *builder, struct model_work *work)
{
    struct model_field *plan = work->plan;
    const struct model_column *id = &plan->table->columns[plan->table->id];
    struct model_taken *taken = NULL;

    switch (model_find_input(work, id->name, &taken)) {
    case MODEL_NOT_FOUND:
        MODEL_REPORT(builder, plan->field->definition->name.at,
                     "Field \"%.*s.%.*s\" with @%.*s needs an argument \"id\" of type \"%s\".",
                     NAME(work->type->name), NAME(plan->field->name),
                     NAME(work->directive->name.text), model_ref_text(builder, id->field->type));
        return;
    case MODEL_AMBIGUOUS:
        MODEL_REPORT(builder, plan->field->definition->name.at,
                     "Field \"%.*s.%.*s\" has more than one \"id\" among what it takes.",
                     NAME(work->type->name), NAME(plan->field->name));
        for (uint32_t i = 0; i < work->taken_count; i++)
            work->taken[i].is_used |= ast_text_equals(work->taken[i].input.input->name, id->name);
        return;
    case MODEL_FOUND:
        break;
    }
    taken->is_used = true;
    plan->id = taken->input;
    if (model_fits(id, taken->input.input->type) &&
        model_input_is_nullable(plan->field, &taken->input))
        MODEL_REPORT(builder, taken->input.input->definition->name.at,
                     "\"%.*s.%.*s\": %s can be null, and says which row it is.",
                     NAME(work->type->name), NAME(plan->field->name),
                     model_input_text(builder, plan->field, &taken->input));
    else if (!model_fits(id, taken->input.input->type))
        MODEL_REPORT(builder, taken->input.input->definition->name.at,
                     "The %s of \"%.*s.%.*s\" must be of type \"%s\": it is \"%s\".",
                     model_input_text(builder, plan->field, &taken->input), NAME(work->type->name),
                     NAME(plan->field->name), model_ref_text(builder, id->field->type),
                     model_ref_text(builder, taken->input.input->type));
}

/* --- assignments ------------------------------------------------------------------------------ */

static void report_no_column(struct model_builder *builder, const struct model_work *work,
                             const struct model_input *input)
{
    const struct model_table *table = work->plan->table;
    struct model_names names;

    model_names_begin(&names, builder, input->input->name);
    model_offer_columns(&names, table);
    MODEL_REPORT(builder, input->input->definition->name.at,
                 "\"%.*s.%.*s\": %s is no column of \"%.*s\".%s", NAME(work->type->name),
                 NAME(work->plan->field->name), model_input_text(builder, work->plan->field, input),
                 NAME(table->type->name), model_names_end(&names));
}

/* Whether nothing assigns the column yet. */
static bool check_once(struct model_builder *builder, const struct model_work *work,
                       const struct model_input *input, uint32_t column)
{
    const struct model_field *plan = work->plan;

    for (uint32_t i = 0; i < plan->assignment_count; i++) {
        if (plan->assignments[i].column != column)
            continue;
        MODEL_REPORT(builder, input->input->definition->name.at,
                     "\"%.*s.%.*s\": %s and %s are the same column.", NAME(work->type->name),
                     NAME(plan->field->name),
                     model_input_text(builder, plan->field, &plan->assignments[i].input),
                     model_input_text(builder, plan->field, input));
        return false;
    }
    return true;
}

static void assign(struct model_builder *builder, struct model_work *work,
                   struct model_taken *taken)
{
    struct model_field *plan = work->plan;
    const struct schema_input *input = taken->input.input;
    uint32_t index = model_find_column(plan->table, input->name);
    const struct model_column *column;

    taken->is_used = true;
    if (index == MODEL_NO_COLUMN) {
        report_no_column(builder, work, &taken->input);
        return;
    }
    column = &plan->table->columns[index];
    if (index == plan->table->id) { /* an update's is used already */
        MODEL_REPORT(builder, input->definition->name.at,
                     "\"%.*s.%.*s\" cannot set \"id\", which the server gives.",
                     NAME(work->type->name), NAME(plan->field->name));
        return;
    }
    if (!check_once(builder, work, &taken->input, index))
        return;
    plan->assignments[plan->assignment_count++] =
        (struct model_assignment){.column = index, .input = taken->input};
    if (!model_fits(column, input->type))
        MODEL_REPORT(builder, input->definition->name.at,
                     "\"%.*s.%.*s\": %s of type \"%s\" does not fit column \"%.*s.%.*s\" of type "
                     "\"%s\".",
                     NAME(work->type->name), NAME(plan->field->name),
                     model_input_text(builder, plan->field, &taken->input),
                     model_ref_text(builder, input->type), NAME(plan->table->type->name),
                     NAME(column->name), model_ref_text(builder, column->field->type));
    else if (plan->action == MODEL_CREATE && column->is_required &&
             column->now == COLUMN_NOW_NEVER && column->default_json.size == 0 &&
             model_input_is_nullable(plan->field, &taken->input))
        MODEL_REPORT(builder, input->definition->name.at,
                     "\"%.*s.%.*s\": %s can be null, and column \"%.*s.%.*s\" cannot.",
                     NAME(work->type->name), NAME(plan->field->name),
                     model_input_text(builder, plan->field, &taken->input),
                     NAME(plan->table->type->name), NAME(column->name));
}

/* All that nothing else has asked for. */
static void read_assignments(struct model_builder *builder, struct model_work *work)
{
    struct model_field *plan = work->plan;

    plan->assignments =
        region_alloc(builder->region, work->taken_count * sizeof *plan->assignments);
    if (plan->assignments == NULL)
        return;
    for (uint32_t i = 0; i < work->taken_count; i++) {
        if (!work->taken[i].is_opened && !work->taken[i].is_used)
            assign(builder, work, &work->taken[i]);
    }
}

/* --- create, update, delete ------------------------------------------------------------------- */

static bool is_assigned(const struct model_field *plan, uint32_t column)
{
    for (uint32_t i = 0; i < plan->assignment_count; i++) {
        if (plan->assignments[i].column == column)
            return true;
    }
    return false;
}

void model_plan_create(struct model_builder *builder, struct model_work *work)
{
    struct model_field *plan = work->plan;

    if (!check_table(builder, work))
        return;
    read_assignments(builder, work);
    for (uint32_t i = 0; i < plan->table->column_count; i++) {
        const struct model_column *column = &plan->table->columns[i];

        if (column->is_required && i != plan->table->id && column->now == COLUMN_NOW_NEVER &&
            column->default_json.size == 0 && !is_assigned(plan, i))
            MODEL_REPORT(builder, plan->field->definition->name.at,
                         "\"%.*s.%.*s\" never sets \"%.*s.%.*s\", which cannot be null: it needs "
                         "an argument of that name, or the column @default or @now.",
                         NAME(work->type->name), NAME(plan->field->name),
                         NAME(plan->table->type->name), NAME(column->name));
    }
    model_read_topics(builder, work);
}

void model_plan_update(struct model_builder *builder, struct model_work *work)
{
    if (!check_table(builder, work))
        return;
    take_id(builder, work);
    model_read_conditions(builder, work, "if", model_argument(work->directive, "if"));
    read_assignments(builder, work);
    model_read_topics(builder, work);
}

void model_plan_delete(struct model_builder *builder, struct model_work *work)
{
    if (!check_table(builder, work))
        return;
    take_id(builder, work);
    model_read_topics(builder, work); /* whatever else it takes is not used */
}
