/* What the fields of the query and subscription types do, and those of types that are no tables. */
#include "server/api/model_build.h"

#include <string.h>

#include "bus/check.h"
#include "server/graphql/value.h"

/* --- what a field takes ----------------------------------------------------------------------- */

static bool is_input_object(const struct schema_input *input)
{
    const struct schema_ref *ref = schema_ref_nullable(input->type);

    return ref->wrapper == SCHEMA_NAMED && ref->type->kind == SCHEMA_INPUT_OBJECT;
}

/* Whether an argument stands for its members: not if it sets a column itself, as JSON. */
static bool is_opened(const struct model_work *work, const struct schema_input *argument)
{
    const struct model_field *plan = work->plan;
    bool sets_columns = plan->action == MODEL_CREATE || plan->action == MODEL_UPDATE;

    if (sets_columns && plan->table != NULL &&
        model_find_column(plan->table, argument->name) != MODEL_NO_COLUMN)
        return false;
    return is_input_object(argument);
}

static uint32_t count_inputs(const struct model_work *work)
{
    const struct schema_field *field = work->plan->field;
    uint32_t count = field->argument_count;

    for (uint32_t i = 0; i < field->argument_count && count <= MODEL_INPUTS_MAX; i++) {
        if (is_opened(work, &field->arguments[i]))
            count += schema_ref_named(field->arguments[i].type)->input_count;
    }
    return count;
}

/* False: too many, or no memory. */
static bool gather_inputs(struct model_builder *builder, struct model_work *work)
{
    const struct schema_field *field = work->plan->field;
    uint32_t count = count_inputs(work);

    if (count > MODEL_INPUTS_MAX) {
        MODEL_REPORT(builder, field->definition->name.at,
                     "Field \"%.*s.%.*s\" takes more than %d values.", NAME(work->type->name),
                     NAME(field->name), MODEL_INPUTS_MAX);
        return false;
    }
    work->taken = region_alloc(&builder->scratch, count * sizeof *work->taken);
    if (work->taken == NULL)
        return false;
    for (uint32_t i = 0; i < field->argument_count; i++) {
        const struct schema_input *argument = &field->arguments[i];
        struct model_taken *taken = &work->taken[work->taken_count++];
        const struct schema_type *type = schema_ref_named(argument->type);

        *taken = (struct model_taken){.input = {argument, i, UINT32_MAX}};
        taken->is_opened = is_opened(work, argument);
        for (uint32_t j = 0; taken->is_opened && j < type->input_count; j++)
            work->taken[work->taken_count++].input = (struct model_input){&type->inputs[j], i, j};
    }
    return true;
}

enum model_found model_find_input(const struct model_work *work, struct ast_text name,
                                  struct model_taken **ret_taken)
{
    enum model_found found = MODEL_NOT_FOUND;

    for (uint32_t i = 0; i < work->taken_count; i++) {
        struct model_taken *taken = &work->taken[i];

        if (taken->is_opened || taken->is_own || !ast_text_equals(taken->input.input->name, name))
            continue;
        if (found == MODEL_FOUND)
            return MODEL_AMBIGUOUS;
        *ret_taken = taken;
        found = MODEL_FOUND;
    }
    return found;
}

void model_offer_inputs(struct model_names *names, const struct model_work *work)
{
    for (uint32_t i = 0; i < work->taken_count; i++) {
        if (!work->taken[i].is_opened && !work->taken[i].is_own)
            model_names_offer(names, work->taken[i].input.input->name);
    }
}

bool model_input_is_nullable(const struct schema_field *field, const struct model_input *input)
{
    return !schema_ref_is_non_null(input->input->type) ||
           !schema_ref_is_non_null(field->arguments[input->argument].type);
}

const char *model_input_text(struct model_builder *builder, const struct schema_field *field,
                             const struct model_input *input)
{
    const char *text;

    if (input->member == UINT32_MAX)
        text = region_printf(&builder->scratch, "argument \"%.*s\"", NAME(input->input->name));
    else
        text =
            region_printf(&builder->scratch, "field \"%.*s\" of argument \"%.*s\"",
                          NAME(input->input->name), NAME(field->arguments[input->argument].name));
    return text == NULL ? "" : text;
}

/* What nothing asks for would be taken and do nothing. */
static void check_used(struct model_builder *builder, const struct model_work *work)
{
    for (uint32_t i = 0; i < work->taken_count; i++) {
        const struct model_taken *taken = &work->taken[i];

        if (!taken->is_opened && !taken->is_used)
            MODEL_REPORT(builder, taken->input.input->definition->name.at,
                         "Nothing in \"%.*s.%.*s\" uses %s.", NAME(work->type->name),
                         NAME(work->plan->field->name),
                         model_input_text(builder, work->plan->field, &taken->input));
    }
}

/* --- return types ----------------------------------------------------------------------------- */

static void report_type(struct model_builder *builder, const struct model_work *work,
                        const char *wanted)
{
    MODEL_REPORT(builder, work->plan->field->definition->name.at,
                 "Field \"%.*s.%.*s\" with @%.*s must be of %s: it is \"%s\".",
                 NAME(work->type->name), NAME(work->plan->field->name),
                 NAME(work->directive->name.text), wanted,
                 model_ref_text(builder, work->plan->field->type));
}

/* The object type that a field gives, one or a list of them. NULL: something else. */
static const struct schema_type *object_type(const struct schema_field *field, bool is_list)
{
    const struct schema_ref *ref = schema_ref_nullable(field->type);

    if (is_list && ref->wrapper == SCHEMA_LIST)
        ref = schema_ref_nullable(ref->of);
    else if (is_list)
        return NULL;
    return ref->wrapper == SCHEMA_NAMED && ref->type->kind == SCHEMA_OBJECT ? ref->type : NULL;
}

static bool is_root(const struct schema *schema, const struct schema_type *type)
{
    return type == schema->roots[AST_QUERY] || type == schema->roots[AST_MUTATION] ||
           type == schema->roots[AST_SUBSCRIPTION];
}

/* Whether a type's fields are those named, no more and no less. */
static bool has_exactly(const struct schema_type *type, const char *const *names, uint32_t count)
{
    if (type->kind != SCHEMA_OBJECT || type->field_count != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = 0;

        while (j < count && !ast_text_is(type->fields[j].name, names[i]))
            j++;
        if (j == count)
            return false;
    }
    return true;
}

static const char *const event_fields[] = {"topic", "seq", "epoch", "time", "data"};
static const char *const position_fields[] = {"epoch", "seq"};

static bool is_event(const struct schema_type *type)
{
    return has_exactly(type, event_fields, sizeof event_fields / sizeof *event_fields);
}

/* A field of an event or a position is a leaf of one type; @is_nullable: it may be null. */
static void check_field_type(struct model_builder *builder, const struct schema_type *type,
                             const char *name, const char *leaf)
{
    bool is_nullable = strcmp(leaf, "JSON") == 0;

    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        const struct schema_ref *ref = schema_ref_nullable(field->type);

        if (!ast_text_is(field->name, name) ||
            (ref->wrapper == SCHEMA_NAMED && ast_text_is(ref->type->name, leaf) &&
             (!is_nullable || ref == field->type)))
            continue;
        MODEL_REPORT(builder, field->definition->name.at,
                     "\"%.*s.%.*s\" must be of type \"%s%s\": it is \"%s\".", NAME(type->name),
                     NAME(field->name), leaf, is_nullable ? "" : "!",
                     model_ref_text(builder, field->type));
    }
}

static void check_event_type(struct model_builder *builder, const struct schema_type *type)
{
    check_field_type(builder, type, "topic", "String");
    check_field_type(builder, type, "seq", "ID");
    check_field_type(builder, type, "epoch", "ID");
    check_field_type(builder, type, "time", "DateTime");
    check_field_type(builder, type, "data", "JSON");
}

/* --- plans ------------------------------------------------------------------------------------ */

static void plan_value(struct model_builder *builder, struct model_work *work)
{
    const struct ast_value *json = model_argument(work->directive, "json");
    struct model_field *plan = work->plan;
    const struct model_json_place place = {builder->region, plan->field->type};
    char why[JSON_ERROR_TEXT_BYTES];
    enum model_json result;
    struct json_error error;

    if (!schema_is_leaf(schema_ref_named(plan->field->type))) {
        report_type(builder, work, "a scalar, an enum or a list of them");
        return;
    }
    result = model_read_json(&place, json->text, &plan->value, &error);
    if (result == MODEL_JSON_BROKEN)
        MODEL_REPORT(builder, json->node.at, "The value is no JSON: %s.",
                     json_error_text(&error, why));
    else if (result == MODEL_JSON_MISFIT)
        MODEL_REPORT(builder, json->node.at, "The value does not fit the type \"%s\".",
                     model_ref_text(builder, plan->field->type));
}

static void plan_position(struct model_builder *builder, struct model_work *work)
{
    const struct schema_type *type = object_type(work->plan->field, false);

    if (type == NULL || type->user != NULL || !has_exactly(type, position_fields, 2)) {
        report_type(builder, work, "a type with exactly the fields epoch and seq");
        return;
    }
    check_field_type(builder, type, "epoch", "ID");
    check_field_type(builder, type, "seq", "ID");
}

/* An argument that the directive itself asks for. NULL: the field has none such. */
static const struct schema_input *take(struct model_builder *builder, struct model_work *work,
                                       const char *name, enum schema_scalar scalar)
{
    static const char *const type_names[] = {[SCHEMA_CUSTOM] = "JSON",
                                             [SCHEMA_INT] = "Int",
                                             [SCHEMA_STRING] = "String",
                                             [SCHEMA_ID] = "ID"};
    struct model_taken *taken;
    const struct schema_ref *ref;
    const struct schema_input *input;

    for (taken = work->taken; taken < work->taken + work->taken_count; taken++) {
        if (ast_text_is(taken->input.input->name, name) && taken->input.member == UINT32_MAX)
            break;
    }
    if (taken == work->taken + work->taken_count)
        return NULL;
    taken->is_own = true;
    taken->is_used = true;
    taken->is_opened = false;
    input = taken->input.input;
    ref = schema_ref_nullable(input->type);
    if (ref->wrapper != SCHEMA_NAMED || ref->type->kind != SCHEMA_SCALAR ||
        !ast_text_is(ref->type->name, type_names[scalar]))
        MODEL_REPORT(builder, input->definition->name.at,
                     "Argument \"%s\" of \"%.*s.%.*s\" must be of type \"%s\": it is \"%s\".", name,
                     NAME(work->type->name), NAME(work->plan->field->name), type_names[scalar],
                     model_ref_text(builder, input->type));
    return input;
}

/* `limit` and the like: a default must be one that a request could give. */
static const struct schema_input *take_number(struct model_builder *builder,
                                              struct model_work *work, const char *name,
                                              int32_t greatest)
{
    const struct schema_input *input = take(builder, work, name, SCHEMA_INT);
    const struct value *value = input == NULL ? NULL : input->default_value;

    if (value != NULL && value->kind == VALUE_INT &&
        (value->integer < 0 || value->integer > greatest))
        MODEL_REPORT(builder, input->default_literal->node.at,
                     "The default of \"%s\" must be from 0 to %d.", name, greatest);
    return input;
}

static void plan_get(struct model_builder *builder, struct model_work *work)
{
    const struct ast_value *where = model_argument(work->directive, "where");
    struct model_field *plan = work->plan;

    if (plan->table == NULL) {
        report_type(builder, work, "a @table type");
        return;
    }
    plan->order = plan->table->id;
    if (where == NULL)
        model_add_id_condition(builder, work);
    else
        model_read_conditions(builder, work, "where", where);
}

static void read_order(struct model_builder *builder, struct model_work *work)
{
    const struct ast_value *order = model_argument(work->directive, "orderBy");
    const struct ast_value *desc = model_argument(work->directive, "desc");
    struct model_field *plan = work->plan;
    struct model_names names;

    plan->order = plan->table->id;
    plan->is_desc = desc != NULL && desc->boolean;
    if (order == NULL)
        return;
    plan->order = model_find_column(plan->table, order->text);
    if (plan->order == MODEL_NO_COLUMN) {
        model_names_begin(&names, builder, order->text);
        model_offer_columns(&names, plan->table);
        MODEL_REPORT(builder, order->node.at, "\"%.*s\" is no column of \"%.*s\".%s",
                     NAME(order->text), NAME(plan->table->type->name), model_names_end(&names));
    } else if (plan->table->columns[plan->order].kind == COLUMN_JSON) {
        MODEL_REPORT(builder, order->node.at, "Rows cannot be ordered by \"%.*s\" of type \"%s\".",
                     NAME(order->text),
                     model_ref_text(builder, plan->table->columns[plan->order].field->type));
    }
}

static void plan_list(struct model_builder *builder, struct model_work *work)
{
    struct model_field *plan = work->plan;

    if (plan->table == NULL) {
        report_type(builder, work, "a list of a @table type");
        return;
    }
    plan->limit = take_number(builder, work, "limit", MODEL_ITEMS_MAX);
    plan->offset = take_number(builder, work, "offset", INT32_MAX);
    plan->after = take(builder, work, "after", SCHEMA_ID);
    read_order(builder, work);
    model_read_conditions(builder, work, "where", model_argument(work->directive, "where"));
}

/* An argument that must be there, and must be given unless @is_nullable. */
static void require(struct model_builder *builder, struct model_work *work, const char *name,
                    enum schema_scalar scalar)
{
    const struct schema_input *input = take(builder, work, name, scalar);

    if (input != NULL && (scalar == SCHEMA_CUSTOM || schema_ref_is_non_null(input->type)))
        return;
    MODEL_REPORT(builder, work->plan->field->definition->name.at,
                 "Field \"%.*s.%.*s\" with @%.*s needs an argument \"%s\" of type \"%s!\".",
                 NAME(work->type->name), NAME(work->plan->field->name),
                 NAME(work->directive->name.text), name,
                 scalar == SCHEMA_CUSTOM ? "JSON" : "String");
}

static void plan_history(struct model_builder *builder, struct model_work *work)
{
    const struct schema_type *type = object_type(work->plan->field, true);

    if (type == NULL || !is_event(type))
        report_type(builder, work,
                    "a list of a type with exactly the fields topic, seq, epoch, time and data");
    require(builder, work, "topic", SCHEMA_STRING);
    (void)take(builder, work, "since", SCHEMA_ID); /* resolved by its name */
    work->plan->limit = take_number(builder, work, "limit", MODEL_ITEMS_MAX);
}

static void plan_publish(struct model_builder *builder, struct model_work *work)
{
    const struct schema_type *type = object_type(work->plan->field, false);

    if (type == NULL || !is_event(type))
        report_type(builder, work,
                    "a type with exactly the fields topic, seq, epoch, time and data");
    require(builder, work, "topic", SCHEMA_STRING);
    require(builder, work, "data", SCHEMA_CUSTOM);
}

static void plan_subscribe(struct model_builder *builder, struct model_work *work)
{
    const struct ast_value *where = model_argument(work->directive, "where");
    const struct schema_type *type = object_type(work->plan->field, false);
    struct model_field *plan = work->plan;

    if (type == NULL || is_root(builder->schema, type)) {
        report_type(builder, work, "an object type that is no root");
        return;
    }
    plan->delivery = type->user != NULL ? MODEL_ROWS
                     : is_event(type)   ? MODEL_EVENTS
                                        : MODEL_OBJECTS;
    model_read_topic(builder, work);
    if (where != NULL && plan->delivery != MODEL_ROWS)
        MODEL_REPORT(builder, where->node.at,
                     "`where` is about rows, and \"%.*s\" is no @table type.", NAME(type->name));
    else
        model_read_conditions(builder, work, "where", where);
}

/* --- types that are no tables ----------------------------------------------------------------- */

/* A member of a JSON object: what nobody could answer is told here. */
static void check_member(struct model_builder *builder, const struct model_work *work)
{
    const struct schema_field *field = work->plan->field;
    const struct schema_type *type = schema_ref_named(field->type);
    const char *why = NULL;

    if (type->user != NULL)
        why = "a @table type's rows come by @get or @list, on a root field or a @table type";
    else if (is_root(builder->schema, type))
        why = "it is a root type";
    else if (type->kind == SCHEMA_INTERFACE || type->kind == SCHEMA_UNION)
        why = "nothing says which object type a value is of";
    if (why != NULL)
        MODEL_REPORT(builder, field->definition->name.at,
                     "\"%.*s.%.*s\" cannot be of type \"%s\": %s.", NAME(work->type->name),
                     NAME(field->name), model_ref_text(builder, field->type), why);
    for (uint32_t i = 0; i < field->argument_count; i++)
        MODEL_REPORT(builder, field->arguments[i].definition->name.at,
                     "\"%.*s.%.*s\" takes no arguments: \"%.*s\" is no @table type.",
                     NAME(work->type->name), NAME(field->name), NAME(work->type->name));
}

static void check_members(struct model_builder *builder, const struct model_work *work)
{
    const struct schema_type *type = work->type;

    if (type->kind != SCHEMA_OBJECT || type->user != NULL || is_root(builder->schema, type))
        return; /* an interface's fields answer nothing; the others' mistakes were reported */
    check_member(builder, work);
    if (work->plan->field == type->fields && is_event(type))
        check_event_type(builder, type); /* with its first field */
}

/* --- all of them ------------------------------------------------------------------------------ */

typedef void plan_function(struct model_builder *builder, struct model_work *work);

static plan_function *const plan_functions[] = {
    [MODEL_VALUE] = plan_value,
    [MODEL_POSITION] = plan_position,
    [MODEL_GET] = plan_get,
    [MODEL_LIST] = plan_list,
    [MODEL_HISTORY] = plan_history,
    [MODEL_CREATE] = model_plan_create,
    [MODEL_UPDATE] = model_plan_update,
    [MODEL_DELETE] = model_plan_delete,
    [MODEL_PUBLISH] = plan_publish,
    [MODEL_SUBSCRIBE] = plan_subscribe,
};

static void plan_field(struct model_builder *builder, struct model_work *work)
{
    struct model_field *plan = work->plan;
    const struct schema_type *type = object_type(plan->field, plan->action == MODEL_LIST);
    uint32_t before = builder->errors->count;

    if (plan->action == MODEL_COLUMN)
        return;
    if (plan->action == MODEL_MEMBER) {
        check_members(builder, work);
        return;
    }
    if (type != NULL && type->user != NULL) {
        plan->table = type->user;
        if (plan->table->id == MODEL_NO_COLUMN)
            return; /* reported */
    }
    if (!gather_inputs(builder, work))
        return;
    plan_functions[plan->action](builder, work);
    if (builder->errors->count == before)
        check_used(builder, work); /* else what uses it may be what is wrong */
}

void model_plan_fields(struct model_builder *builder)
{
    for (uint32_t i = 0; i < builder->parts->field_count; i++)
        plan_field(builder, &builder->works[i]);
}
