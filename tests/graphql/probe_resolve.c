/*
 * What the resolvers answer follows from the request's seed, the way to the field (names and
 * arguments, places in lists) and its type: lib/values.mjs computes the same for graphql-js, and its
 * tables must stay equal to those here.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/execute.h"
#include "server/graphql/value.h"
#include "tests/graphql/probe.h"
#include "tests/graphql/probe_execute.h"

/* What is picked by an id, so that picks do not depend on one another. */
enum pick {
    PICK_MISHAP,
    PICK_VALUE,
    PICK_COUNT,
    PICK_TYPE,
    PICK_ECHO,
    PICK_ITEM, /* and its index */
};

enum {
    MISHAP_RANGE = 64,
    MISHAP_NULLS = 6, /* of MISHAP_RANGE, where null is allowed */
    MISHAP_ERROR = 8,
    MISHAP_WRONG = 9,
    ITEM_COUNT_RANGE = 4,
};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .kind = EXECUTE_STRING, .text = {(literal), sizeof(literal) - 1 }                          \
    }
#define COUNT(table) (uint32_t)(sizeof(table) / sizeof((table)[0]))

static const struct execute_result leaves[] = {
    {.kind = EXECUTE_BOOLEAN, .boolean = true},
    {.kind = EXECUTE_BOOLEAN, .boolean = false},
    {.kind = EXECUTE_INT, .integer = 0},
    {.kind = EXECUTE_INT, .integer = 1},
    {.kind = EXECUTE_INT, .integer = -1},
    {.kind = EXECUTE_INT, .integer = INT32_MAX},
    {.kind = EXECUTE_INT, .integer = INT32_MIN},
    {.kind = EXECUTE_INT, .integer = INT64_C(2147483648)},
    {.kind = EXECUTE_INT, .integer = INT64_C(-2147483649)},
    {.kind = EXECUTE_INT, .integer = INT64_C(9007199254740991)},
    {.kind = EXECUTE_FLOAT, .number = 1.5},
    {.kind = EXECUTE_FLOAT, .number = 3.0},
    {.kind = EXECUTE_FLOAT, .number = -0.0},
    {.kind = EXECUTE_FLOAT, .number = 1e21},
    {.kind = EXECUTE_FLOAT, .number = 1e-7},
    {.kind = EXECUTE_FLOAT, .number = 5e-324},
    {.kind = EXECUTE_FLOAT, .number = DBL_MAX},
    {.kind = EXECUTE_FLOAT, .number = 2147483648.0},
    {.kind = EXECUTE_FLOAT, .number = NAN},
    {.kind = EXECUTE_FLOAT, .number = INFINITY},
    TEXT(""),
    TEXT("abc"),
    TEXT("12"),
    TEXT("1.5"),
    TEXT(" "),
    TEXT("ünïcödé 😀"),
    TEXT("\xE2\x80\xA8\x01\"\\\n\x7F"),
    TEXT("true"),
    TEXT("0x10"),
    {.kind = EXECUTE_LIST, .list = {.items = NULL, .count = 0}},
};

/* Of leaves: what fits a type. */
static const struct fitting {
    uint8_t first;
    uint8_t count;
} fitting[] = {
    [SCHEMA_INT] = {2, 5},     [SCHEMA_FLOAT] = {2, 16}, [SCHEMA_STRING] = {20, 9},
    [SCHEMA_BOOLEAN] = {0, 2}, [SCHEMA_ID] = {20, 7},
};

static const char *const custom[] = {
    "{\"a\":[1,2,{\"b\":null}],\"c\":\"d\"}", "[]", "\"text\"", "1.5e+300", "true", "-7", "{}",
};

/* Bits well mixed (the last steps of MurmurHash3). */
static uint32_t mix(uint32_t hash)
{
    hash ^= hash >> 16;
    hash *= 0x85EBCA6B;
    hash ^= hash >> 13;
    hash *= 0xC2B2AE35;
    hash ^= hash >> 16;
    return hash;
}

static uint32_t hash_bytes(uint32_t hash, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619; /* FNV-1a */
    return hash;
}

/* Below @range. */
static uint32_t pick(uint32_t id, uint32_t what, uint32_t range)
{
    return mix(id + (what + 1) * 0x9E3779B9) % range;
}

static void make(struct execute_call *call, const struct schema_ref *type, uint32_t id,
                 struct execute_result *result);

static void make_list(struct execute_call *call, const struct schema_ref *item_type, uint32_t id,
                      struct execute_result *result)
{
    uint32_t count = pick(id, PICK_COUNT, ITEM_COUNT_RANGE);
    struct execute_result *items = region_alloc(call->region, (count + 1) * sizeof *items);

    CHECK(items != NULL);
    for (uint32_t i = 0; i < count; i++)
        make(call, item_type, pick(id, PICK_ITEM + i, UINT32_MAX), &items[i]);
    result->kind = EXECUTE_LIST;
    result->list.items = items;
    result->list.count = count;
}

static void make_object(struct execute_call *call, const struct schema_type *type, uint32_t id,
                        bool is_wrong, struct execute_result *result)
{
    const struct probe_context *context = call->context;
    uint32_t *object = region_alloc(call->region, sizeof *object);

    CHECK(object != NULL);
    *object = id;
    result->kind = EXECUTE_OBJECT;
    result->object.object = object;
    result->object.type = NULL;
    if (type->kind == SCHEMA_OBJECT)
        return;
    if (!is_wrong && type->possible_count > 0)
        result->object.type = type->possible[pick(id, PICK_TYPE, type->possible_count)];
    else if (pick(id, PICK_TYPE, 2) == 0)
        result->object.type = context->query_type; /* as likely as not, none that it can be */
}

static void make_leaf(const struct schema_type *type, uint32_t id, struct execute_result *result)
{
    if (type->kind == SCHEMA_ENUM) {
        result->kind = EXECUTE_STRING;
        result->text = type->values[pick(id, PICK_VALUE, type->value_count)].name;
    } else if (type->scalar == SCHEMA_CUSTOM) {
        const char *json = custom[pick(id, PICK_VALUE, COUNT(custom))];

        result->kind = EXECUTE_JSON;
        result->text = (struct ast_text){json, (uint32_t)strlen(json)};
    } else {
        const struct fitting *fit = &fitting[type->scalar];

        *result = leaves[fit->first + pick(id, PICK_VALUE, fit->count)];
    }
}

/* Anything is right for a custom scalar; what an object really is nobody can tell. */
static bool can_be_wrong(const struct schema_ref *type)
{
    return type->wrapper == SCHEMA_LIST ||
           (schema_is_leaf(type->type) &&
            (type->type->kind == SCHEMA_ENUM || type->type->scalar != SCHEMA_CUSTOM));
}

/* Recursion: as deep as the type's lists. */
static void make(struct execute_call *call, const struct schema_ref *type, uint32_t id,
                 struct execute_result *result)
{
    const struct probe_context *context = call->context;
    uint32_t mishap = pick(id, PICK_MISHAP, MISHAP_RANGE);
    bool is_required = schema_ref_is_non_null(type);
    bool is_wrong = context->has_mishaps && mishap == MISHAP_WRONG;

    type = schema_ref_nullable(type);
    memset(result, 0, sizeof *result);
    if (is_required ? context->has_mishaps && mishap == 0 : mishap < MISHAP_NULLS) {
        result->kind = EXECUTE_NULL;
    } else if (context->has_mishaps && mishap == MISHAP_ERROR) {
        result->kind = EXECUTE_ERROR;
        result->error.message = "A résolver's \"mishap\".";
        result->error.code = GRAPHQL_NOT_FOUND;
    } else if (is_wrong && can_be_wrong(type)) {
        *result = leaves[pick(id, PICK_VALUE, COUNT(leaves))];
    } else if (type->wrapper == SCHEMA_LIST) {
        make_list(call, type->of, id, result);
    } else if (schema_is_composite(type->type)) {
        make_object(call, type->type, id, is_wrong, result);
    } else {
        make_leaf(type->type, id, result);
    }
}

/* The answer as JSON, if all of it can be: lists of leaves. */
static bool write_json(const struct execute_result *result, struct text *out)
{
    struct value value = {.kind = VALUE_NULL};

    switch ((int)result->kind) {
    case EXECUTE_NULL:
        break;
    case EXECUTE_BOOLEAN:
        value = (struct value){.kind = VALUE_BOOLEAN, .boolean = result->boolean};
        break;
    case EXECUTE_INT: /* all of them are exact doubles */
        value = (struct value){.kind = VALUE_FLOAT, .number = (double)result->integer};
        break;
    case EXECUTE_FLOAT:
        value = (struct value){.kind = VALUE_FLOAT, .number = result->number};
        if (!isfinite(result->number))
            return false;
        break;
    case EXECUTE_STRING:
        value = (struct value){.kind = VALUE_STRING, .text = result->text};
        break;
    case EXECUTE_JSON:
        value = (struct value){.kind = VALUE_JSON, .text = result->text};
        break;
    case EXECUTE_LIST:
        text_add_string(out, "[");
        for (uint32_t i = 0; i < result->list.count; i++) {
            if (i > 0)
                text_add_string(out, ",");
            if (!write_json(&result->list.items[i], out))
                return false;
        }
        text_add_string(out, "]");
        return true;
    default:
        return false;
    }
    value_write(&value, out);
    return true;
}

static void make_json(const struct execute_call *call, struct execute_result *result)
{
    struct text json = {0};

    if (result->kind != EXECUTE_NULL && write_json(result, &json)) {
        result->text.bytes = region_copy(call->region, json.bytes, json.size);
        result->text.size = (uint32_t)json.size;
        result->kind = EXECUTE_JSON;
        CHECK(result->text.bytes != NULL);
    }
    text_done(&json);
}

/* Those that were given, in the order of the field's definition, as JSON. */
static void write_arguments(const struct execute_call *call, struct text *out)
{
    const char *comma = "";

    text_add_string(out, "{");
    for (uint32_t i = 0; i < call->field->argument_count; i++) {
        const struct schema_input *argument = &call->field->arguments[i];

        if (call->arguments[i].kind == VALUE_ABSENT)
            continue;
        text_add_string(out, comma);
        text_add_quoted(out, argument->name.bytes, argument->name.size);
        text_add_string(out, ":");
        value_write(&call->arguments[i], out);
        comma = ",";
    }
    text_add_string(out, "}");
    CHECK(text_is_whole(out));
}

static void resolve(struct execute_call *call)
{
    struct probe_context *context = call->context;
    const uint32_t *parent = call->object;
    const struct schema_field *field = call->field;
    const struct schema_ref *type = schema_ref_nullable(field->type);
    struct execute_result result;
    struct text arguments = {0};
    uint32_t id;

    write_arguments(call, &arguments);
    id = hash_bytes(*parent, field->name.bytes, field->name.size);
    id = mix(hash_bytes(id, arguments.bytes, arguments.size));
    make(call, field->type, id, &result);
    if (field->argument_count > 0 && type->wrapper == SCHEMA_NAMED &&
        type->type->scalar == SCHEMA_STRING && pick(id, PICK_ECHO, 2) == 0) {
        char *copy = region_copy(call->region, arguments.bytes, arguments.size);

        CHECK(copy != NULL);
        result.kind = EXECUTE_STRING;
        result.text = (struct ast_text){copy, (uint32_t)arguments.size};
    }
    text_done(&arguments);
    if (context->as_json)
        make_json(call, &result);
    probe_answer(call->execution, context, &result);
}

void probe_bind(struct schema *schema)
{
    for (uint32_t i = 0; i < schema->type_count; i++) {
        struct schema_type *type = schema->types[i];

        for (uint32_t j = 0; j < type->field_count && !type->is_built_in; j++)
            type->fields[j].resolve = resolve;
    }
}
