/* Variables and arguments, as graphql-js's getVariableValues and getArgumentValues have them. */
#include "server/graphql/coerce.h"

#include "bus/check.h"
#include "server/graphql/coerce_json.h"
#include "server/graphql/print.h"
#include "server/graphql/region.h"
#include "server/json/text.h"

/* --- variables -------------------------------------------------------------------------------- */

static uint32_t count_variables(const struct ast_definition *operation)
{
    uint32_t count = 0;

    for (const struct ast_variable_definition *variable = operation->variables; variable != NULL;
         variable = variable->next)
        count++;
    return count;
}

/* Names to places in values. */
static void name_variables(struct coerce_variables *variables)
{
    struct value *value = variables->values;

    for (const struct ast_variable_definition *variable = variables->operation->variables;
         variable != NULL; variable = variable->next, value++) {
        void **place = name_map_put(&variables->names, variable->name.text);

        if (place != NULL && *place == NULL)
            *place = value;
    }
}

/*
 * What was given for each variable, beside them; no bytes: nothing. Of members of the same name the
 * last one counts, as in JavaScript.
 */
static void find_given(const struct coerce_variables *variables, struct json_span json,
                       struct region *region, struct json_span *given)
{
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(json, &offset, &key, &value)) {
        const struct value *place;
        struct ast_text name;

        if (!coerce_string(key, region, &name))
            continue; /* it is the name of nothing */
        place = name_map_find(&variables->names, name);
        if (place != NULL)
            given[place - variables->values] = value;
    }
}

/* `Variable "$a" @before "Int!" @behind`, at @node */
static void fail_variable(struct coerce_json *context, const struct ast_node *node,
                          const char *before, const char *behind)
{
    struct ast_text name = context->variable->name.text;
    struct text out = {0};

    text_add_string(&out, "Variable \"$");
    text_add(&out, name.bytes, name.size);
    text_add_string(&out, "\" ");
    text_add_string(&out, before);
    text_add_string(&out, " \"");
    print_type(context->variable->type, &out);
    text_add_string(&out, "\" ");
    text_add_string(&out, behind);
    coerce_json_fail(context, node,
                     text_is_whole(&out) ? region_copy(context->region, out.bytes, out.size)
                                         : NULL);
    text_done(&out);
}

static void coerce_one(struct coerce_json *context, struct json_span given, struct value *ret_value)
{
    const struct ast_variable_definition *variable = context->variable;
    const struct schema_ref *type =
        schema_ref_of(context->coerce->schema, variable->type, context->region);

    if (context->region->has_failed)
        return;
    if (type == NULL || !schema_is_input(schema_ref_named(type))) {
        fail_variable(context, &variable->type->node, "expected value of type",
                      "which cannot be used as an input type.");
        return;
    }
    if (given.bytes == NULL) {
        if (variable->default_value != NULL)
            (void)coerce_literal(variable->default_value, type, NULL, context->region,
                                 ret_value); /* validated; else it stays absent, as in graphql-js */
        else if (schema_ref_is_non_null(type))
            fail_variable(context, &variable->node, "of required type", "was not provided.");
        return;
    }
    if (json_type(given) == JSON_NULL && schema_ref_is_non_null(type)) {
        fail_variable(context, &variable->node, "of non-null type", "must not be null.");
        return;
    }
    coerce_json(context, given, type, ret_value);
}

bool coerce_variables(const struct coerce *coerce, const struct ast_definition *operation,
                      struct json_span json, struct coerce_variables *ret_variables)
{
    struct region *region = coerce->region;
    struct coerce_json context = {.coerce = coerce, .region = region};
    uint32_t count = count_variables(operation);
    struct json_span *given;
    uint32_t i = 0;

    *ret_variables = (struct coerce_variables){.operation = operation};
    name_map_init(&ret_variables->names, region);
    if (count == 0)
        return true;
    ret_variables->values = region_alloc(region, count * sizeof *ret_variables->values);
    given = region_alloc(region, count * sizeof *given);
    if (ret_variables->values == NULL || given == NULL)
        return false;
    name_variables(ret_variables);
    if (json.size > 0 && json_type(json) != JSON_NULL) {
        CHECK(json_type(json) == JSON_OBJECT);
        CHECK(json.size <= UINT32_MAX);
        find_given(ret_variables, json, region, given);
    }
    for (const struct ast_variable_definition *variable = operation->variables;
         variable != NULL && !context.has_ended && !region->has_failed; variable = variable->next) {
        context.variable = variable;
        coerce_one(&context, given[i], &ret_variables->values[i]);
        i++;
    }
    return context.error_count == 0 && !context.has_ended && !region->has_failed;
}

/* --- arguments -------------------------------------------------------------------------------- */

/* What one call of coerce_arguments hands down. */
struct arguments {
    const struct coerce *coerce;
    const struct coerce_call *call;
    const struct coerce_variables *variables;
};

/* Ends the message in @out. */
static bool fail_argument(const struct arguments *context, const struct ast_node *node,
                          struct text *out)
{
    struct graphql_errors *errors = context->coerce->errors;
    struct graphql_error *error;

    if (text_is_whole(out) && out->size <= INT32_MAX) {
        error =
            graphql_errors_add(errors, GRAPHQL_BAD_USER_INPUT, "%.*s", (int)out->size, out->bytes);
        graphql_error_locate(errors, error, context->coerce->document, node->at);
    } else {
        context->coerce->region->has_failed = true;
    }
    text_done(out);
    return false;
}

/* `Argument "a" of @what type "Int!" ` */
static void begin_message(const struct schema_input *input, const char *what, struct text *out)
{
    text_add_string(out, "Argument \"");
    text_add(out, input->name.bytes, input->name.size);
    text_add_string(out, "\" of ");
    text_add_string(out, what);
    text_add_string(out, " type \"");
    schema_ref_print(input->type, out);
    text_add_string(out, "\" ");
}

/* Nothing was given, or @variable, which has no value. */
static bool coerce_missing(const struct arguments *context, const struct schema_input *input,
                           const struct ast_value *variable, struct value *ret_value)
{
    struct text out = {0};

    if (input->default_value != NULL) {
        *ret_value = *input->default_value;
        return true;
    }
    if (!schema_ref_is_non_null(input->type))
        return true;
    begin_message(input, "required", &out);
    if (variable == NULL) {
        text_add_string(&out, "was not provided.");
        return fail_argument(context, context->call->node, &out);
    }
    text_add_string(&out, "was provided the variable \"$");
    text_add(&out, variable->text.bytes, variable->text.size);
    text_add_string(&out, "\" which was not provided a runtime value.");
    return fail_argument(context, &variable->node, &out);
}

static bool coerce_given(const struct arguments *context, const struct schema_input *input,
                         const struct ast_value *literal, struct value *ret_value)
{
    const struct value *variable = NULL;
    struct text out = {0};
    bool is_null = literal->node.kind == AST_NULL;

    if (literal->node.kind == AST_VARIABLE) {
        variable = coerce_variable(context->variables, literal->text);
        if (variable == NULL || variable->kind == VALUE_ABSENT)
            return coerce_missing(context, input, literal, ret_value);
        is_null = variable->kind == VALUE_NULL;
    }
    if (is_null && schema_ref_is_non_null(input->type)) {
        begin_message(input, "non-null", &out);
        text_add_string(&out, "must not be null.");
        return fail_argument(context, &literal->node, &out);
    }
    if (variable != NULL) {
        *ret_value = *variable;
        return true;
    }
    if (coerce_literal(literal, input->type, context->variables, context->coerce->region,
                       ret_value))
        return true;
    if (context->coerce->region->has_failed)
        return false;
    text_add_string(&out, "Argument \"");
    text_add(&out, input->name.bytes, input->name.size);
    text_add_string(&out, "\" has invalid value ");
    print_value(literal, &out);
    text_add_string(&out, ".");
    return fail_argument(context, &literal->node, &out);
}

bool coerce_arguments(const struct coerce *coerce, const struct coerce_call *call,
                      const struct coerce_variables *variables, struct value **ret_values)
{
    const struct arguments context = {coerce, call, variables};
    struct value *values =
        region_alloc(coerce->region, ((size_t)call->input_count + 1) * sizeof *values);

    if (values == NULL)
        return false;
    for (uint32_t i = 0; i < call->input_count; i++) {
        const struct schema_input *input = &call->inputs[i];
        const struct ast_argument *given = call->arguments;
        bool is_good;

        while (given != NULL && !ast_text_equals(given->name.text, input->name))
            given = given->next;
        is_good = given == NULL ? coerce_missing(&context, input, NULL, &values[i])
                                : coerce_given(&context, input, given->value, &values[i]);
        if (!is_good)
            return false;
    }
    *ret_values = values;
    return true;
}
