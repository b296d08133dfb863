/* Conditions: what each column is compared with, and the indexes by which such rows are found. */
#include "server/api/model_build.h"

#include <assert.h>
#include <string.h>

#include "bus/check.h"

enum {
    RANGE_ENDS = 2, /* of one column */
    CONDITIONS_MAX = RANGE_ENDS * MODEL_SLOTS_MAX,
};

static_assert(MODEL_SLOTS_MAX + 2 <= CATALOG_INDEX_COLUMNS_MAX,
              "all columns of a `where`, and an order");

/* A `where` or `if` that is being read. */
struct where {
    struct model_builder *builder;
    struct model_work *work;
    const char *name;
    uint32_t column;
    bool has_range; /* a column before has one */
};

static const struct model_column *column_of(const struct where *where)
{
    return &where->work->plan->table->columns[where->column];
}

/* --- sources ---------------------------------------------------------------------------------- */

static void report_misfit(const struct where *where, const struct ast_value *name,
                          const char *source, const struct schema_ref *type)
{
    MODEL_REPORT(where->builder, name->node.at,
                 "The %s of type \"%s\" cannot be compared with column \"%.*s\" of type \"%s\".",
                 source == NULL ? "" : source, model_ref_text(where->builder, type),
                 NAME(column_of(where)->name),
                 model_ref_text(where->builder, column_of(where)->field->type));
}

static bool take_input(const struct where *where, const struct ast_value *name,
                       struct model_taken *taken, struct model_source *ret_source)
{
    const struct schema_ref *type = taken->input.input->type;

    taken->is_used = true;
    *ret_source = (struct model_source){.input = taken->input};
    if (model_fits(column_of(where), type))
        return true;
    report_misfit(where, name,
                  model_input_text(where->builder, where->work->plan->field, &taken->input), type);
    return false;
}

static bool take_parent_column(const struct where *where, const struct ast_value *name,
                               uint32_t column, struct model_source *ret_source)
{
    const struct model_column *source = &where->work->plan->parent->columns[column];

    *ret_source = (struct model_source){.is_column = true, .column = column};
    if (source->kind != COLUMN_JSON && model_fits(column_of(where), source->field->type))
        return true;
    report_misfit(
        where, name,
        region_printf(&where->builder->scratch, "parent's column \"%.*s\"", NAME(source->name)),
        source->field->type);
    return false;
}

/* limit, offset or after. */
static bool is_own(const struct model_work *work, struct ast_text name)
{
    for (uint32_t i = 0; i < work->taken_count; i++) {
        if (work->taken[i].is_own && ast_text_equals(work->taken[i].input.input->name, name))
            return true;
    }
    return false;
}

static bool report_no_source(const struct where *where, const struct ast_value *name)
{
    const struct model_work *work = where->work;
    struct model_names names;

    if (is_own(work, name->text)) {
        MODEL_REPORT(
            where->builder, name->node.at,
            "Argument \"%.*s\" says how much of the list is asked for: it is no condition.",
            NAME(name->text));
        return false;
    }

    model_names_begin(&names, where->builder, name->text);
    model_offer_inputs(&names, work);
    if (work->plan->parent != NULL)
        model_offer_columns(&names, work->plan->parent);
    MODEL_REPORT(where->builder, name->node.at, "\"%.*s\" is no argument of \"%.*s.%.*s\"%s.%s",
                 NAME(name->text), NAME(work->type->name), NAME(work->plan->field->name),
                 work->plan->parent != NULL ? ", and no column of its type" : "",
                 model_names_end(&names));
    return false;
}

/* False: a mistake was reported. */
static bool find_source(const struct where *where, const struct ast_value *name,
                        struct model_source *ret_source)
{
    const struct model_work *work = where->work;
    struct model_taken *taken = NULL;
    uint32_t column;

    if (name->node.kind != AST_STRING) {
        MODEL_REPORT(where->builder, name->node.at,
                     "`%s` names what a column is compared with: a string is expected here.",
                     where->name);
        return false;
    }
    switch (model_find_input(work, name->text, &taken)) {
    case MODEL_FOUND:
        return take_input(where, name, taken, ret_source);
    case MODEL_AMBIGUOUS:
        MODEL_REPORT(where->builder, name->node.at,
                     "\"%.*s\" stands more than once among what \"%.*s.%.*s\" takes.",
                     NAME(name->text), NAME(work->type->name), NAME(work->plan->field->name));
        return false;
    case MODEL_NOT_FOUND:
        break;
    }
    if (work->plan->parent == NULL)
        return report_no_source(where, name);
    column = model_find_column(work->plan->parent, name->text);
    if (column == MODEL_NO_COLUMN)
        return report_no_source(where, name);
    return take_parent_column(where, name, column, ret_source);
}

/* --- conditions ------------------------------------------------------------------------------- */

static void add_condition(const struct where *where, enum model_operator operator,
                          const struct ast_value * name)
{
    struct model_field *plan = where->work->plan;
    struct model_condition condition = {
        .column = where->column, .operator= operator, .slot = plan->slot_count };

    if (find_source(where, name, &condition.source))
        plan->conditions[plan->condition_count++] = condition;
}

/* MODEL_EQUAL: there is no such operator. */
static enum model_operator find_operator(struct ast_text name)
{
    static const char *const names[] = {
        [MODEL_GT] = "gt", [MODEL_GTE] = "gte", [MODEL_LT] = "lt", [MODEL_LTE] = "lte"};

    for (enum model_operator i = MODEL_GT; i <= MODEL_LTE; i++) {
        if (ast_text_is(name, names[i]))
            return i;
    }
    return MODEL_EQUAL;
}

/* Whether the column can have a range here. */
static bool check_range(const struct where *where, uint32_t at)
{
    const struct model_field *plan = where->work->plan;
    const struct model_column *column = column_of(where);
    const char *why = NULL;

    if (plan->action == MODEL_GET)
        why = "@get finds one row by values that are equal; @list has ranges";
    else if (plan->action == MODEL_UPDATE)
        why = "`if` compares for equality";
    else if (where->column == plan->table->id)
        why = "a list goes on behind a row by its argument `after`";
    else if (column->kind == COLUMN_BOOLEAN || column->kind == COLUMN_ENUM)
        why = "its values have no order";
    else if (where->has_range)
        why = "one column of a `where` can have a range, and another one has";
    if (why != NULL)
        MODEL_REPORT(where->builder, at, "There can be no range of \"%.*s\": %s.",
                     NAME(column->name), why);
    return why == NULL;
}

/* What a condition names that cannot be made is not looked at again, as if it did nothing. */
static void excuse_inputs(const struct where *where, const struct ast_value *value)
{
    struct model_taken *taken = NULL;

    if (value->node.kind == AST_STRING &&
        model_find_input(where->work, value->text, &taken) == MODEL_FOUND)
        taken->is_used = true;
    for (const struct ast_object_field *end = value->fields; end != NULL; end = end->next) {
        if (end->value->node.kind == AST_STRING)
            excuse_inputs(where, end->value);
    }
}

static void read_range(struct where *where, const struct ast_value *range)
{
    bool has_end[RANGE_ENDS] = {false, false};

    if (!check_range(where, range->node.at)) {
        excuse_inputs(where, range);
        return;
    }
    where->has_range = true;
    if (range->fields == NULL)
        MODEL_REPORT(where->builder, range->node.at,
                     "A range has one or two of gt, gte, lt and lte.");
    for (const struct ast_object_field *end = range->fields; end != NULL; end = end->next) {
        enum model_operator operator= find_operator(end->name.text);
        bool is_upper = operator== MODEL_LT || operator== MODEL_LTE;

        if (operator== MODEL_EQUAL) {
            MODEL_REPORT(where->builder, end->name.at, "\"%.*s\" is none of gt, gte, lt and lte.",
                         NAME(end->name.text));
        } else if (has_end[is_upper]) {
            MODEL_REPORT(where->builder, end->name.at, "A range has one %s end.",
                         is_upper ? "upper" : "lower");
        } else {
            has_end[is_upper] = true;
            add_condition(where, operator, end->value);
        }
    }
}

/* Whether anything can be compared with the column. */
static bool check_column(const struct where *where, const struct ast_object_field *field)
{
    const struct model_field *plan = where->work->plan;
    struct model_names names;

    if (where->column == MODEL_NO_COLUMN) {
        model_names_begin(&names, where->builder, field->name.text);
        model_offer_columns(&names, plan->table);
        MODEL_REPORT(where->builder, field->name.at, "\"%.*s\" is no column of \"%.*s\".%s",
                     NAME(field->name.text), NAME(plan->table->type->name),
                     model_names_end(&names));
        return false;
    }
    if (column_of(where)->kind == COLUMN_JSON) {
        MODEL_REPORT(where->builder, field->name.at,
                     "Column \"%.*s\" of type \"%s\" cannot be compared with anything.",
                     NAME(field->name.text),
                     model_ref_text(where->builder, column_of(where)->field->type));
        return false;
    }
    if (plan->action == MODEL_UPDATE && where->column == plan->table->id) {
        MODEL_REPORT(where->builder, field->name.at,
                     "\"id\" says which row it is: `if` is about its other columns.");
        return false;
    }
    return true;
}

static uint32_t count_fields(const struct ast_value *object)
{
    uint32_t count = 0;

    for (const struct ast_object_field *field = object->fields; field != NULL; field = field->next)
        count++;
    return count;
}

/* Whether it is an object of few enough columns. */
static bool check_literal(struct model_builder *builder, const struct model_work *work,
                          const char *name, const struct ast_value *literal)
{
    uint32_t count;

    if (literal->node.kind != AST_OBJECT) {
        MODEL_REPORT(builder, literal->node.at, "`%s` must be an object: {column: \"argument\"}.",
                     name);
        return false;
    }
    count = count_fields(literal);
    if (count > MODEL_SLOTS_MAX) {
        MODEL_REPORT(builder, literal->node.at, "`%s` has %u columns, more than %d.", name, count,
                     MODEL_SLOTS_MAX);
        return false;
    }
    if (count == 0 && work->plan->action == MODEL_GET) {
        MODEL_REPORT(builder, literal->node.at,
                     "@get needs a column to find a row by: `where` is empty.");
        return false;
    }
    return true;
}

/* Where model_bind puts the index of each mask. */
static void make_indexes(struct model_builder *builder, struct model_field *plan)
{
    size_t count = (size_t)1 << plan->slot_count;

    if (plan->action == MODEL_GET || plan->action == MODEL_LIST)
        plan->indexes = region_alloc(builder->region, count * sizeof(struct catalog_index *));
}

void model_read_conditions(struct model_builder *builder, struct model_work *work, const char *name,
                           const struct ast_value *literal)
{
    struct where where = {.builder = builder, .work = work, .name = name};
    struct model_field *plan = work->plan;

    if (literal == NULL) {
        make_indexes(builder, plan);
        return;
    }
    if (!check_literal(builder, work, name, literal))
        return;
    plan->conditions = region_alloc(builder->region, CONDITIONS_MAX * sizeof *plan->conditions);
    if (plan->conditions == NULL)
        return;
    for (const struct ast_object_field *field = literal->fields; field != NULL;
         field = field->next) {
        where.column = model_find_column(plan->table, field->name.text);
        if (!check_column(&where, field)) {
            excuse_inputs(&where, field->value);
            continue;
        }
        if (field->value->node.kind == AST_OBJECT)
            read_range(&where, field->value);
        else
            add_condition(&where, MODEL_EQUAL, field->value);
        plan->slot_count++;
    }
    make_indexes(builder, plan);
}

void model_add_id_condition(struct model_builder *builder, struct model_work *work)
{
    struct model_field *plan = work->plan;
    const struct ast_value name = {.node = {AST_STRING, work->directive->node.at},
                                   .text = plan->table->columns[plan->table->id].name};
    struct where where = {
        .builder = builder, .work = work, .name = "where", .column = plan->table->id};

    plan->conditions = region_alloc(builder->region, sizeof *plan->conditions);
    if (plan->conditions == NULL)
        return;
    add_condition(&where, MODEL_EQUAL, &name);
    plan->slot_count = 1;
    make_indexes(builder, plan);
}

/* --- indexes ---------------------------------------------------------------------------------- */

bool model_mask_is_reachable(const struct model_field *plan, uint32_t mask)
{
    if (mask == 0 && plan->action == MODEL_GET)
        return false; /* it finds nothing */
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        const struct model_condition *condition = &plan->conditions[i];
        bool is_given = condition->source.is_column ||
                        !model_input_is_nullable(plan->field, &condition->source.input);

        if (is_given && (mask & 1U << condition->slot) == 0)
            return false;
    }
    return true;
}

/* Adds a column to the equal ones, by their numbers. */
static void add_equal(struct catalog_index *index, uint16_t number)
{
    uint8_t place = index->equal_count++;

    while (place > 0 && index->columns[place - 1] > number) {
        index->columns[place] = index->columns[place - 1];
        place--;
    }
    index->columns[place] = number;
}

static bool has_column(const struct catalog_index *index, uint16_t number)
{
    for (int i = 0; i < index->equal_count + index->ordered_count; i++) {
        if (index->columns[i] == number)
            return true;
    }
    return false;
}

bool model_index_of(const struct model_field *plan, uint32_t mask, struct catalog_index *ret_index)
{
    const struct model_table *table = plan->table;
    struct catalog_index index = {0};
    uint32_t range = MODEL_NO_COLUMN;

    for (uint32_t i = 0; i < plan->condition_count; i++) {
        const struct model_condition *condition = &plan->conditions[i];

        if ((mask & 1U << condition->slot) == 0)
            continue;
        if (condition->operator!= MODEL_EQUAL)
            range = condition->column;
        else if (condition->column == table->id)
            return false; /* there is one such row at most */
        else
            add_equal(&index, table->columns[condition->column].number);
    }
    if (range != MODEL_NO_COLUMN)
        index.columns[index.equal_count + index.ordered_count++] = table->columns[range].number;
    if (plan->order != table->id && !has_column(&index, table->columns[plan->order].number))
        index.columns[index.equal_count + index.ordered_count++] =
            table->columns[plan->order].number;
    *ret_index = index;
    return index.equal_count + index.ordered_count > 0;
}
