/*
 * The executor: the first SCRIPT_BYTES choose what the resolvers answer (nulls, errors, values of
 * the wrong kind, lists; at once or later), then come a document, a zero byte, and variables. A
 * document that is valid gives JSON, the same bytes step by step and at once, with late answers and
 * without, and the same data in its normal form, and what is in it fits the
 * types; it may end at any moment, or for want of memory,
 * and leaves nothing behind.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/document.h"
#include "server/graphql/execute.h"
#include "server/graphql/print.h"
#include "server/json/json.h"
#include "tests/fuzz/target.h"

enum {
    SCRIPT_BYTES = 32,
    REGION_BYTES = 64 * 1024 * 1024,
    SOURCE_BYTES_MAX = 64 * 1024,
    DEPTH_MAX = 12,
    CALLS_MAX = 2000, /* then all is null: lists in lists multiply */
    ITEMS_MAX = 3,
    PATH_KEYS_MAX = 40,           /* what is deeper is not looked at */
    SEARCH_STEPS_MAX = 20 * 1000, /* fragments in fragments multiply */
};

static const char sdl[] =
    "scalar J\n"
    "enum E { A B C }\n"
    "input I { a: Int = 7 b: Int! c: [String!] d: I e: E j: J f: Float i: ID n: Int! = 3 }\n"
    "interface N { id: ID! n: N }\n"
    "type T implements N { id: ID! n: N t: T u: U l: [T!] k: [T!]! s(a: Int, o: I): String }\n"
    "type V implements N { id: ID! n: N w: [[Int!]]! j: J }\n"
    "union U = T | V\n"
    "type Query { i: Int f: Float s(a: Int! = 1, l: [Int!], o: I, e: E = B, d: ID): String b: "
    "Boolean\n"
    "  d: ID e: E j: J x: Int! l: [Int] m: [Int!] w: [[String]!] t: T v: V! n: N u: U q: [U!] r: "
    "[N] k: [[Int!]!]!\n"
    "}\n"
    "type Mutation { i: Int t: T! }\n"
    "type Subscription { i: Int t: T }\n";

/* Made once: they stay until the process ends. */
static struct document_cache *cache;
static struct schema *schema;

/* --- the resolver ----------------------------------------------------------------------------- */

struct run {
    const uint8_t *script;
    uint32_t script_at;
    uint32_t call_count;
    bool may_be_late;
    bool is_ready;
    struct execute_call *asked;
};

static uint8_t next_byte(struct run *run)
{
    return run->script[run->script_at++ % SCRIPT_BYTES];
}

static void make(struct execute_call *call, const struct schema_ref *type,
                 struct execute_result *result);

static void make_list(struct execute_call *call, const struct schema_ref *item_type,
                      struct execute_result *result)
{
    struct run *run = call->context;
    uint32_t count = next_byte(run) % (ITEMS_MAX + 1);
    struct execute_result *items = region_alloc(call->region, (count + 1) * sizeof *items);

    if (items == NULL)
        return; /* the execution fails anyhow */
    for (uint32_t i = 0; i < count; i++)
        make(call, item_type, &items[i]);
    result->kind = EXECUTE_LIST;
    result->list.items = items;
    result->list.count = count;
}

static void make_text(struct execute_result *result, enum execute_result_kind kind, uint8_t choice)
{
    static const char *const texts[] = {"A", "C", "", "12", " -1.5e2 ", "é\"\n\x01", "abc"};
    static const char *const json[] = {
        "null",           "true",         "17", "-1.50", "\"A\"", "\"\\u0042\\ud800\"",
        "[1,\"B\",null]", "{\"a\":[[]]}", "[]",
    };
    const char *text = kind == EXECUTE_JSON ? json[choice % (sizeof json / sizeof *json)]
                                            : texts[choice % (sizeof texts / sizeof *texts)];

    result->kind = kind;
    result->text = (struct ast_text){text, (uint32_t)strlen(text)};
}

static void make_leaf(struct run *run, struct execute_result *result)
{
    static const double numbers[] = {
        0, 1, 1.5, -2147483649.0, 1e21, 1e-7, (double)__builtin_nanf(""), (double)__builtin_inff()};
    uint8_t choice = next_byte(run);

    switch (choice % 5) {
    case 0:
        result->kind = EXECUTE_INT;
        result->integer = choice < 200 ? choice : INT64_MIN + choice;
        break;
    case 1:
        result->kind = EXECUTE_FLOAT;
        result->number = numbers[choice / 5 % (sizeof numbers / sizeof *numbers)];
        break;
    case 2:
        result->kind = EXECUTE_BOOLEAN;
        result->boolean = choice > 100;
        break;
    default:
        make_text(result, choice % 5 == 3 ? EXECUTE_STRING : EXECUTE_JSON, choice / 5);
        break;
    }
}

static void make_object(struct run *run, const struct schema_type *type,
                        struct execute_result *result)
{
    static const char nobody;
    uint8_t choice = next_byte(run);

    result->kind = EXECUTE_OBJECT;
    result->object.object = &nobody;
    result->object.type = NULL;
    if (type->possible_count > 0 && choice < 250)
        result->object.type = type->possible[choice % type->possible_count];
    else if (choice > 252)
        result->object.type = type;
}

/* Recursion: as deep as the wrappers of the schema's types. */
static void make(struct execute_call *call, const struct schema_ref *type,
                 struct execute_result *result)
{
    struct run *run = call->context;
    const struct schema_ref *nullable = schema_ref_nullable(type);
    uint8_t choice = next_byte(run);

    result->kind = EXECUTE_NULL;
    if (choice < 16 || run->call_count > CALLS_MAX)
        return;
    if (choice < 24) {
        result->kind = EXECUTE_ERROR;
        result->error.message = "no";
        result->error.code = GRAPHQL_NOT_FOUND;
    } else if (nullable->wrapper == SCHEMA_LIST && choice < 240) {
        make_list(call, nullable->of, result);
    } else if (nullable->wrapper == SCHEMA_NAMED && schema_is_composite(nullable->type) &&
               choice < 250) {
        make_object(run, nullable->type, result);
    } else {
        make_leaf(run, result);
    }
}

static void answer(struct execute_call *call)
{
    struct execute_result result;

    make(call, call->field->type, &result);
    execute_answer(call->execution, &result);
}

static void resolve(struct execute_call *call)
{
    struct run *run = call->context;

    run->call_count++;
    CHECK(run->asked == NULL);
    if (run->may_be_late && run->script[run->call_count % SCRIPT_BYTES] % 2 == 0)
        run->asked = call;
    else
        answer(call);
}

static void on_ready(void *context)
{
    struct run *run = context;

    CHECK(!run->is_ready);
    run->is_ready = true;
}

/* --- one execution ---------------------------------------------------------------------------- */

/* Runs until it is done, or @runs_max times; the result with its last brace is in *out. */
static void execute(const struct execute_options *options, struct run *run, uint32_t steps,
                    uint32_t runs_max, struct text *out)
{
    struct execute_options mine = *options;
    enum execute_state state = EXECUTE_MORE;
    struct execution *execution;

    mine.context = run;
    mine.on_ready = on_ready;
    execution = execute_new(&mine);
    CHECK(execution != NULL);
    for (uint32_t i = 0; i < runs_max && state != EXECUTE_DONE; i++) {
        state = execute_run(execution, steps);
        CHECK(state != EXECUTE_FAILED);
        CHECK((state == EXECUTE_WAITING) == (run->asked != NULL));
        if (state == EXECUTE_WAITING && i + 1 < runs_max) {
            struct execute_call *asked = run->asked;

            run->asked = NULL;
            answer(asked);
            CHECK(run->is_ready);
            run->is_ready = false;
        }
    }
    if (state == EXECUTE_DONE) {
        execute_write(execution, out);
        text_add(out, "}", 1);
        CHECK(text_is_whole(out));
    }
    execute_free(execution);
}

static void check_json(const struct text *out)
{
    struct json_error error;
    char *copy = malloc(out->size);

    CHECK(copy != NULL);
    CHECK(json_compact(out->bytes, out->size, copy, &error) == (ptrdiff_t)out->size);
    free(copy);
}

/* --- does the data fit the types? -------------------------------------------------------------- */

/* Where in the data, by keys; and what is left of the steps to look for the fields that it is of. */
struct shape {
    const struct execute_options *options;
    struct ast_text path[PATH_KEYS_MAX];
    uint32_t depth;
    uint32_t steps;
};

static const struct ast_selection_set *fragment_of(const struct shape *shape, struct ast_text name,
                                                   const struct schema_type **type)
{
    const struct ast_definition *definition = shape->options->document->definitions;

    while (definition->node.kind != AST_FRAGMENT || !ast_text_equals(definition->name.text, name))
        definition = definition->next;
    *type = schema_find_type(schema, definition->type_condition->name);
    return definition->selections;
}

/*
 * The type of a field at the path from its key @at on. All fields there have types of one shape.
 * NULL: there is none (or no more steps). Recursion: as deep as the document, through fragments.
 */
static const struct schema_ref *find_ref(struct shape *shape, const struct ast_selection_set *set,
                                         const struct schema_type *type, uint32_t at)
{
    const struct schema_ref *ref = NULL;

    for (const struct ast_selection *selection = set->first;
         selection != NULL && ref == NULL && shape->steps > 0; selection = selection->next) {
        const struct schema_type *inner = type;
        const struct ast_selection_set *inner_set = selection->selections;

        shape->steps--;
        if (selection->node.kind == AST_FIELD) {
            if (!ast_text_equals(ast_response_key(selection), shape->path[at]))
                continue;
            ref = schema_find_field(schema, type, selection->name.text)->type;
            if (at + 1 < shape->depth)
                ref = find_ref(shape, inner_set, schema_ref_named(ref), at + 1);
        } else if (selection->node.kind == AST_FRAGMENT_SPREAD) {
            inner_set = fragment_of(shape, selection->name.text, &inner);
            ref = find_ref(shape, inner_set, inner, at);
        } else {
            if (selection->type_condition != NULL)
                inner = schema_find_type(schema, selection->type_condition->name);
            ref = find_ref(shape, inner_set, inner, at);
        }
    }
    return ref;
}

static void check_object(struct shape *shape, struct json_span object);

static void check_leaf(const struct schema_type *type, struct json_span value)
{
    enum json_type kind = json_type(value);

    if (type->kind == SCHEMA_ENUM)
        CHECK(kind == JSON_STRING);
    else if (type->scalar == SCHEMA_INT || type->scalar == SCHEMA_FLOAT)
        CHECK(kind == JSON_NUMBER);
    else if (type->scalar == SCHEMA_BOOLEAN)
        CHECK(kind == JSON_TRUE || kind == JSON_FALSE);
    else if (type->scalar != SCHEMA_CUSTOM)
        CHECK(kind == JSON_STRING);
}

/* Recursion: as deep as the data, which is as deep as the document and its types. */
static void check_value(struct shape *shape, const struct schema_ref *ref, struct json_span value)
{
    struct json_span item;
    size_t offset = 0;

    if (json_type(value) == JSON_NULL) {
        CHECK(!schema_ref_is_non_null(ref));
        return;
    }
    ref = schema_ref_nullable(ref);
    if (ref->wrapper == SCHEMA_LIST) {
        CHECK(json_type(value) == JSON_ARRAY);
        while (json_array_next(value, &offset, &item))
            check_value(shape, ref->of, item);
    } else if (schema_is_leaf(ref->type)) {
        check_leaf(ref->type, value);
    } else {
        CHECK(json_type(value) == JSON_OBJECT);
        check_object(shape, value);
    }
}

static void check_object(struct shape *shape, struct json_span object)
{
    const struct execute_options *options = shape->options;
    const struct schema_type *root = schema->roots[options->operation->operation];
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (shape->depth < PATH_KEYS_MAX && json_object_next(object, &offset, &key, &value)) {
        const struct schema_ref *ref;

        shape->path[shape->depth++] = (struct ast_text){key.bytes + 1, (uint32_t)key.size - 2};
        ref = find_ref(shape, options->operation->selections, root, 0);
        CHECK(ref != NULL || shape->steps == 0);
        if (ref != NULL)
            check_value(shape, ref, value);
        shape->depth--;
    }
}

/* The value of "data", which stands first. */
static struct json_span data_of(const struct text *out)
{
    struct json_span key;
    struct json_span data;
    size_t offset = 0;

    CHECK(json_object_next((struct json_span){out->bytes, out->size}, &offset, &key, &data));
    CHECK(json_string_equals(key, "data"));
    return data;
}

static void check_shape(const struct execute_options *options, const struct text *out)
{
    struct shape shape = {.options = options, .steps = SEARCH_STEPS_MAX};
    struct json_span data = data_of(out);

    if (json_type(data) != JSON_NULL)
        check_object(&shape, data);
}

/* --- all -------------------------------------------------------------------------------------- */

static void check_ways(const struct execute_options *options, const uint8_t *script)
{
    static const struct {
        uint32_t steps;
        bool may_be_late;
    } ways[] = {{1, false}, {UINT32_MAX, false}, {1, true}, {5, true}};
    struct run cut = {.script = script, .may_be_late = true};
    struct text first = {0};
    struct text unused = {0};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct run run = {.script = script, .may_be_late = ways[i].may_be_late};
        struct text out = {0};

        execute(options, &run, ways[i].steps, UINT32_MAX, &out);
        check_json(&out);
        if (i == 0) {
            first = out;
            check_shape(options, &first);
            continue;
        }
        CHECK(out.size == first.size);
        CHECK(memcmp(out.bytes, first.bytes, out.size) == 0);
        text_done(&out);
    }
    text_done(&first);
    execute(options, &cut, 1, script[0], &unused);
    text_done(&unused);
}

/* The same data, byte by byte; errors name other places. */
static void check_equal_data(const struct text *a, const struct text *b)
{
    struct json_span data[2] = {data_of(a), data_of(b)};

    CHECK(data[0].size == data[1].size);
    CHECK(memcmp(data[0].bytes, data[1].bytes, data[0].size) == 0);
}

/* Which is valid, and asks for the same: subscriptions with equal ones share one execution. */
static void check_normal_form(const struct execute_options *options, struct json_span variables,
                              const uint8_t *script)
{
    struct run runs[2] = {{.script = script}, {.script = script}};
    struct execute_options mine = *options;
    struct coerce coerce = {mine.schema, NULL, NULL, NULL};
    const struct document *document;
    struct coerce_variables coerced;
    struct graphql_errors errors;
    struct text text = {0};
    struct text out[2] = {{0}, {0}};
    struct region region;

    print_normal_form(options->document, options->operation, &text);
    CHECK(text_is_whole(&text));
    document = document_get(cache, text.bytes, text.size);
    CHECK(document != NULL);
    if (document->errors->count > 0) {
        CHECK(text.size > SOURCE_BYTES_MAX); /* escapes are longer than what they stand for */
        goto done;
    }
    region_init(&region, REGION_BYTES);
    graphql_errors_init(&errors, &region);
    mine.document = coerce.document = document->tree;
    mine.operation = document->tree->definitions;
    mine.variables = &coerced;
    coerce.region = &region;
    coerce.errors = &errors;
    CHECK(coerce_variables(&coerce, mine.operation, variables, &coerced));
    execute(options, &runs[0], UINT32_MAX, UINT32_MAX, &out[0]);
    execute(&mine, &runs[1], UINT32_MAX, UINT32_MAX, &out[1]);
    check_equal_data(&out[0], &out[1]);
    region_done(&region);

done:
    text_done(&text);
    text_done(&out[0]);
    text_done(&out[1]);
    document_unref(document);
}

static void check_operation(const struct execute_options *options, struct json_span variables,
                            const uint8_t *script)
{
    struct execute_options mine = *options;
    struct coerce coerce = {mine.schema, mine.document, NULL, NULL};
    struct coerce_variables coerced;
    struct graphql_errors errors;
    struct region region;
    struct text out = {0};

    region_init(&region, REGION_BYTES);
    graphql_errors_init(&errors, &region);
    coerce.region = &region;
    coerce.errors = &errors;
    if (coerce_variables(&coerce, mine.operation, variables, &coerced)) {
        CHECK(errors.count == 0);
        mine.variables = &coerced;
        check_ways(&mine, script);
        check_normal_form(&mine, variables, script);
    } else {
        CHECK(errors.count > 0);
        CHECK(errors.count <= COERCE_ERRORS_MAX + 1);
        graphql_errors_write(&errors, &out);
        CHECK(text_is_whole(&out));
        check_json(&out);
        text_done(&out);
    }
    CHECK(!region.has_failed);
    region_done(&region);
}

/* --- the target ------------------------------------------------------------------------------- */

static void make_schema(void)
{
    struct document_cache_options options = {
        .limits = {.source_bytes_max = SOURCE_BYTES_MAX,
                   .token_count_max = 10000,
                   .depth_max = DEPTH_MAX},
        .bytes_max = 1, /* every document is made anew */
    };
    struct graphql_errors errors;
    struct region region;

    region_init(&region, REGION_BYTES);
    graphql_errors_init(&errors, &region);
    schema = schema_build(sdl, sizeof sdl - 1, "fuzz", &errors);
    CHECK(schema != NULL);
    region_done(&region);
    for (uint32_t i = 0; i < schema->type_count; i++) {
        for (uint32_t j = 0; j < schema->types[i]->field_count; j++) {
            if (!schema->types[i]->is_built_in)
                schema->types[i]->fields[j].resolve = resolve;
        }
    }
    options.schema = schema;
    CHECK(document_cache_open(&options, &cache) == 0);
}

/* A checked and compact object, or nothing. */
static struct json_span read_variables(const char *bytes, size_t size, char *out)
{
    struct json_error error;
    ptrdiff_t length = json_compact(bytes, size, out, &error);
    struct json_span span = {out, length > 0 ? (size_t)length : 0};

    if (span.size > 0 && json_type(span) != JSON_OBJECT)
        span.size = 0;
    return span;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct limits limits = {.list_items_max = ITEMS_MAX - 1};
    struct execute_options options = {.limits = &limits};
    const char *text = (const char *)data + SCRIPT_BYTES;
    const struct document *document;
    const char *end;
    size_t text_size;
    char *variables;

    if (schema == NULL)
        make_schema();
    if (size <= SCRIPT_BYTES)
        return 0;
    size -= SCRIPT_BYTES;
    end = memchr(text, '\0', size);
    text_size = end == NULL ? size : (size_t)(end - text);
    document = document_get(cache, text, text_size);
    CHECK(document != NULL);
    if (document->errors->count == 0) {
        size_t rest = end == NULL ? 0 : size - text_size - 1;

        variables = malloc(rest + 1);
        CHECK(variables != NULL);
        options.schema = schema;
        options.document = document->tree;
        for (const struct ast_definition *definition = document->tree->definitions;
             definition != NULL; definition = definition->next) {
            options.operation = definition;
            if (definition->node.kind == AST_OPERATION)
                check_operation(&options, read_variables(text + text_size + 1, rest, variables),
                                data);
        }
        free(variables);
    }
    document_unref(document);
    return 0;
}
