#include "tests/unit/execute_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/schema_fixture.h"

static struct json_span to_span(const char *json)
{
    return (struct json_span){json, strlen(json)};
}

/* --- the resolver ----------------------------------------------------------------------------- */

static void convert(struct execute_call *call, struct json_span json,
                    struct execute_result *result);

/* Keys of the tests' data have no escapes. */
static bool find_member(struct json_span object, struct ast_text name, struct json_span *ret_value)
{
    struct json_span key;
    size_t offset = 0;

    while (json_object_next(object, &offset, &key, ret_value)) {
        if (key.size == name.size + 2 && memcmp(key.bytes + 1, name.bytes, name.size) == 0)
            return true;
    }
    return false;
}

static void convert_string(struct execute_call *call, struct json_span json,
                           struct execute_result *result)
{
    char *text = region_alloc(call->region, json.size);
    ptrdiff_t size;

    if (text == NULL)
        return;
    size = json_string_decode(json, text, json.size);
    assert_true(size >= 0);
    result->kind = EXECUTE_STRING;
    result->text = (struct ast_text){text, (uint32_t)size};
    if (text[0] != '!')
        return;
    result->kind = EXECUTE_ERROR;
    result->error.message = text + 1;
    result->error.code = GRAPHQL_INTERNAL;
    if (strncmp(text, "!LIMIT ", 7) == 0) {
        result->error.message = text + 7;
        result->error.code = GRAPHQL_LIMIT_EXCEEDED;
    }
}

static void convert_number(struct json_span json, struct execute_result *result)
{
    char digits[64];

    assert_true(json.size < sizeof digits);
    memcpy(digits, json.bytes, json.size);
    digits[json.size] = '\0';
    if (strpbrk(digits, ".eE") == NULL) {
        result->kind = EXECUTE_INT;
        result->integer = strtoll(digits, NULL, 10);
    } else {
        result->kind = EXECUTE_FLOAT;
        result->number = strtod(digits, NULL);
    }
}

static void convert_array(struct execute_call *call, struct json_span json,
                          struct execute_result *result)
{
    struct execute_result *items;
    struct json_span item;
    size_t offset = 0;
    uint32_t count = 0;

    while (json_array_next(json, &offset, &item))
        count++;
    items = region_alloc(call->region, (count + 1) * sizeof *items);
    if (items == NULL)
        return;
    result->kind = EXECUTE_LIST;
    result->list.items = items;
    result->list.count = count;
    offset = 0;
    while (json_array_next(json, &offset, &item))
        convert(call, item, items++);
}

static void convert_object(struct execute_call *call, struct json_span json,
                           struct execute_result *result)
{
    struct execute_fixture *f = call->context;
    struct json_span *object = region_alloc(call->region, sizeof *object);
    struct json_span name;

    if (object == NULL)
        return;
    *object = json;
    result->kind = EXECUTE_OBJECT;
    result->object.object = object;
    result->object.type = NULL;
    if (find_member(json, schema_fixture_text("__typename"), &name))
        result->object.type =
            schema_find_type(f->schema, (struct ast_text){name.bytes + 1, (uint32_t)name.size - 2});
}

/* Without memory it becomes null: the execution fails anyhow. */
static void convert(struct execute_call *call, struct json_span json, struct execute_result *result)
{
    const struct schema_type *type = schema_ref_named(call->field->type);

    result->kind = EXECUTE_NULL;
    if (type->kind == SCHEMA_SCALAR && type->scalar == SCHEMA_CUSTOM &&
        json_type(json) != JSON_STRING) {
        result->kind = EXECUTE_JSON;
        result->text = (struct ast_text){json.bytes, (uint32_t)json.size};
        return;
    }
    switch (json_type(json)) {
    case JSON_NULL:
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        result->kind = EXECUTE_BOOLEAN;
        result->boolean = json_type(json) == JSON_TRUE;
        break;
    case JSON_NUMBER:
        convert_number(json, result);
        break;
    case JSON_STRING:
        convert_string(call, json, result);
        break;
    case JSON_ARRAY:
        convert_array(call, json, result);
        break;
    case JSON_OBJECT:
        convert_object(call, json, result);
        break;
    }
}

static void answer(struct execute_call *call)
{
    struct execute_result result = {.kind = EXECUTE_NULL};
    const struct json_span *object = call->object;
    struct json_span value;

    if (find_member(*object, call->field->name, &value))
        convert(call, value, &result);
    execute_answer(call->execution, &result);
}

static void resolve(struct execute_call *call)
{
    struct execute_fixture *f = call->context;

    f->call_count++;
    assert_null(f->asked);
    if (f->is_late)
        f->asked = call;
    else
        answer(call);
}

static void on_ready(void *context)
{
    struct execute_fixture *f = context;

    f->ready_count++;
}

/* --- the rest --------------------------------------------------------------------------------- */

void execute_fixture_init(struct execute_fixture *f, const char *sdl)
{
    *f = (struct execute_fixture){.limits = LIMITS_DEFAULT};
    graphql_fixture_init(&f->base, FIXTURE_REGION_BYTES);
    f->schema = schema_fixture_good(&f->base, sdl);
    for (uint32_t i = 0; i < f->schema->type_count; i++) {
        struct schema_type *type = f->schema->types[i];

        for (uint32_t j = 0; j < type->field_count && !type->is_built_in; j++)
            type->fields[j].resolve = resolve;
    }
}

void execute_fixture_done(struct execute_fixture *f)
{
    execute_free(f->execution);
    graphql_fixture_done(&f->base);
    schema_free(f->schema);
}

int execute_fixture_setup(void **state, const char *sdl)
{
    struct execute_fixture *f = malloc(sizeof *f);

    assert_non_null(f);
    execute_fixture_init(f, sdl);
    *state = f;
    return 0;
}

int execute_fixture_teardown(void **state)
{
    execute_fixture_done(*state);
    free(*state);
    return 0;
}

bool execute_fixture_prepare(struct execute_fixture *f, const char *query, const char *variables,
                             const char *operation_name)
{
    struct coerce coerce = {f->schema, NULL, &f->base.region, &f->base.errors};
    const struct ast_definition *operation;

    execute_free(f->execution);
    f->execution = NULL;
    f->asked = NULL;
    region_reset(&f->base.region);
    graphql_errors_init(&f->base.errors, &f->base.region);
    f->document = graphql_fixture_parse(&f->base, query);
    if (f->document == NULL)
        fail_msg("%s\n%s", query, graphql_fixture_errors(&f->base));
    coerce.document = f->document;
    operation = execute_select(f->document, schema_fixture_text(operation_name), &f->base.errors);
    return operation != NULL &&
           coerce_variables(&coerce, operation, to_span(variables), &f->variables);
}

struct execution *execute_fixture_begin(struct execute_fixture *f, const char *data)
{
    const struct execute_options options = {
        .schema = f->schema,
        .document = f->document,
        .operation = f->variables.operation,
        .variables = &f->variables,
        .limits = &f->limits,
        .root = &f->root,
        .context = f,
        .on_ready = on_ready,
    };

    execute_free(f->execution);
    f->asked = NULL;
    f->call_count = 0;
    f->ready_count = 0;
    f->root = to_span(data);
    f->execution = execute_new(&options);
    return f->execution;
}

void execute_fixture_answer(struct execute_fixture *f)
{
    struct execute_call *call = f->asked;

    if (call == NULL) {
        fail_msg("nothing was asked");
        return;
    }
    f->asked = NULL;
    answer(call);
}

enum execute_state execute_fixture_run(struct execute_fixture *f, uint32_t steps)
{
    enum execute_state state = EXECUTE_MORE;

    while (state == EXECUTE_MORE || state == EXECUTE_WAITING) {
        state = execute_run(f->execution, steps);
        if (state == EXECUTE_WAITING) {
            assert_int_equal(execute_run(f->execution, steps), EXECUTE_WAITING);
            execute_fixture_answer(f);
        }
    }
    return state;
}

const char *execute_fixture_result(struct execute_fixture *f)
{
    f->base.out.size = 0;
    execute_write(f->execution, &f->base.out);
    text_add_string(&f->base.out, "}");
    return graphql_fixture_take(&f->base);
}

const char *execute_fixture_query(struct execute_fixture *f, const char *query,
                                  const char *variables, const char *data)
{
    static const struct {
        uint32_t steps;
        bool is_late;
    } ways[] = {{1, false}, {1, true}, {UINT32_MAX, true}, {3, false}, {UINT32_MAX, false}};
    char *first = NULL;
    const char *result = NULL;

    if (!execute_fixture_prepare(f, query, variables, "")) {
        f->base.out.size = 0;
        text_add_string(&f->base.out, "{\"errors\":");
        graphql_errors_write(&f->base.errors, &f->base.out);
        text_add_string(&f->base.out, "}");
        return graphql_fixture_take(&f->base);
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        f->is_late = ways[i].is_late;
        assert_non_null(execute_fixture_begin(f, data));
        assert_int_equal(execute_fixture_run(f, ways[i].steps), EXECUTE_DONE);
        assert_int_equal(f->ready_count, f->is_late ? f->call_count : 0);
        result = execute_fixture_result(f);
        if (first == NULL) {
            first = strdup(result);
            assert_non_null(first);
        }
        assert_string_equal(result, first);
    }
    free(first);
    return result;
}
