/* JSON into values, as graphql-js's coerceInputValue has it: all mistakes, in its order. */
#include "server/graphql/coerce_json.h"

#include <math.h>

#include "server/graphql/inspect.h"
#include "server/graphql/region.h"
#include "server/graphql/suggest.h"
#include "server/json/text.h"

/* A text for "%.*s". */
#define NAME(text) (int)(text).size, (text).bytes

enum {
    PLAIN_BYTES_MAX = 256, /* of a value that may be read once per level of its nesting */
};

/* A value, and where it stands in the variable. */
struct place {
    const struct graphql_path *path; /* NULL: it is the variable's own */
    struct json_span json;
};

static void coerce_any(struct coerce_json *context, const struct place *place,
                       const struct schema_ref *type, struct value *ret_value);

/* --- errors ----------------------------------------------------------------------------------- */

void coerce_json_fail(struct coerce_json *context, const struct ast_node *node, const char *message)
{
    struct graphql_errors *errors = context->coerce->errors;
    struct graphql_error *error;

    context->has_ended |= message == NULL;
    if (context->has_ended)
        return;
    if (context->error_count == COERCE_ERRORS_MAX) {
        context->has_ended = true;
        (void)graphql_errors_add(
            errors, GRAPHQL_BAD_USER_INPUT,
            "Too many errors processing variables, error limit reached. Execution aborted.");
        return;
    }
    context->error_count++;
    error = graphql_errors_add(errors, GRAPHQL_BAD_USER_INPUT, "%s", message);
    graphql_error_locate(errors, error, context->coerce->document, node->at);
    context->has_ended |= error == NULL;
}

/* What has been written, as a terminated text of the region; empties @out. NULL: no memory. */
static const char *take_text(struct coerce_json *context, struct text *out)
{
    const char *taken = NULL;

    if (text_is_whole(out))
        taken = region_copy(context->region, out->bytes, out->size);
    else
        context->region->has_failed = true;
    text_done(out);
    return taken;
}

static const char *inspect(struct coerce_json *context, struct json_span json)
{
    struct text out = {0};

    if (context->inspected.bytes != json.bytes || context->inspected_text == NULL) {
        inspect_json(json, context->region, &out);
        context->inspected = json;
        context->inspected_text = take_text(context, &out);
    }
    return context->inspected_text == NULL ? "" : context->inspected_text;
}

/* Recursion: as deep as the value is nested in the variable, JSON_DEPTH_MAX. */
static void write_path(const struct graphql_path *path, struct text *out)
{
    if (path == NULL)
        return;
    write_path(path->parent, out);
    if (path->key == NULL) {
        text_printf(out, "[%u]", path->index);
    } else {
        text_add_string(out, ".");
        text_add(out, path->key, path->key_bytes);
    }
}

/* @message: what is wrong with the value; NULL: no memory. */
static void fail(struct coerce_json *context, const struct place *place, const char *message)
{
    struct ast_text name = context->variable->name.text;
    struct text out = {0};

    if (message == NULL) {
        context->has_ended = true;
        return;
    }
    text_add_string(&out, "Variable \"$");
    text_add(&out, name.bytes, name.size);
    text_add_string(&out, "\" got invalid value ");
    text_add_string(&out, inspect(context, place->json));
    if (place->path != NULL) {
        text_add_string(&out, " at \"");
        text_add(&out, name.bytes, name.size);
        write_path(place->path, &out);
        text_add_string(&out, "\"");
    }
    text_add_string(&out, "; ");
    text_add_string(&out, message);
    coerce_json_fail(context, &context->variable->node, take_text(context, &out));
}

/* @what, and the value behind it. */
static void fail_unfit(struct coerce_json *context, const struct place *place, const char *what)
{
    const char *shown = inspect(context, place->json);

    fail(context, place, region_printf(context->region, "%s%s", what, shown));
}

/* A type's reference as a text. */
static const char *ref_text(struct coerce_json *context, const struct schema_ref *type)
{
    struct text out = {0};
    const char *text;

    schema_ref_print(type, &out);
    text = take_text(context, &out);
    return text == NULL ? "" : text;
}

/* --- scalars and enums ------------------------------------------------------------------------ */

bool coerce_string(struct json_span string, struct region *region, struct ast_text *ret_text)
{
    size_t size = string.size - 2;
    char *decoded;
    ptrdiff_t length;

    *ret_text = (struct ast_text){string.bytes + 1, (uint32_t)size};
    if (__builtin_memchr(string.bytes, '\\', string.size) == NULL)
        return true;
    decoded = region_alloc(region, size);
    if (decoded == NULL)
        return false;
    length = json_string_decode(string, decoded, size);
    if (length < 0)
        return false;
    *ret_text = (struct ast_text){decoded, (uint32_t)length};
    return true;
}

static struct ast_text span_text(struct json_span json)
{
    return (struct ast_text){json.bytes, (uint32_t)json.size};
}

/* Whether it is a number; infinite ones are, too. */
static bool read_number(struct coerce_json *context, struct json_span json, double *ret_number)
{
    return json_type(json) == JSON_NUMBER &&
           coerce_number(span_text(json), context->region, ret_number);
}

/* Whether it is a string that can be decoded. */
static bool read_string(struct coerce_json *context, struct json_span json,
                        struct ast_text *ret_text)
{
    return json_type(json) == JSON_STRING && coerce_string(json, context->region, ret_text);
}

static bool is_digits(struct json_span json)
{
    for (size_t i = json.bytes[0] == '-' ? 1 : 0; i < json.size; i++) {
        if (json.bytes[i] < '0' || json.bytes[i] > '9')
            return false;
    }
    return true;
}

static void coerce_int(struct coerce_json *context, const struct place *place,
                       struct value *ret_value)
{
    double number = NAN;

    ret_value->kind = VALUE_INT;
    if (json_type(place->json) == JSON_NUMBER && is_digits(place->json) &&
        coerce_int32(span_text(place->json), &ret_value->integer))
        return;
    if (!read_number(context, place->json, &number) || !isfinite(number) || trunc(number) != number)
        fail_unfit(context, place, "Int cannot represent non-integer value: ");
    else if (number > INT32_MAX || number < INT32_MIN)
        fail_unfit(context, place, "Int cannot represent non 32-bit signed integer value: ");
    else
        ret_value->integer = (int32_t)number;
}

/* A string, or an integer as JavaScript writes it. */
static void coerce_id(struct coerce_json *context, const struct place *place,
                      struct value *ret_value)
{
    enum { EXACT_DIGITS_MAX = 15 }; /* of integers that doubles hold */
    struct text out = {0};
    double number;

    ret_value->kind = VALUE_STRING;
    if (read_string(context, place->json, &ret_value->text))
        return;
    if (!read_number(context, place->json, &number) || !isfinite(number) ||
        trunc(number) != number) {
        fail_unfit(context, place, "ID cannot represent value: ");
        return;
    }
    if (place->json.size <= EXACT_DIGITS_MAX && is_digits(place->json) && number != 0) {
        ret_value->text = span_text(place->json);
        return;
    }
    inspect_number(number, &out);
    ret_value->text.size = (uint32_t)out.size;
    ret_value->text.bytes = take_text(context, &out);
}

static void coerce_scalar(struct coerce_json *context, const struct place *place,
                          const struct schema_type *type, struct value *ret_value)
{
    enum json_type kind = json_type(place->json);

    switch (type->scalar) {
    case SCHEMA_CUSTOM:
        *ret_value = (struct value){.kind = VALUE_JSON, .text = span_text(place->json)};
        break;
    case SCHEMA_INT:
        coerce_int(context, place, ret_value);
        break;
    case SCHEMA_FLOAT:
        ret_value->kind = VALUE_FLOAT;
        if (!read_number(context, place->json, &ret_value->number) || !isfinite(ret_value->number))
            fail_unfit(context, place, "Float cannot represent non numeric value: ");
        break;
    case SCHEMA_STRING:
        ret_value->kind = VALUE_STRING;
        if (!read_string(context, place->json, &ret_value->text))
            fail_unfit(context, place, "String cannot represent a non string value: ");
        break;
    case SCHEMA_BOOLEAN:
        *ret_value = (struct value){.kind = VALUE_BOOLEAN, .boolean = kind == JSON_TRUE};
        if (kind != JSON_TRUE && kind != JSON_FALSE)
            fail_unfit(context, place, "Boolean cannot represent a non boolean value: ");
        break;
    case SCHEMA_ID:
        coerce_id(context, place, ret_value);
        break;
    }
}

/* @shown: what was given, in @out's message. */
static void fail_enum(struct coerce_json *context, const struct place *place,
                      const struct schema_type *type, struct ast_text shown, struct text *out)
{
    struct suggest suggest;

    suggest_begin(&suggest, shown, context->region);
    suggest_hide(&suggest, context->coerce->schema);
    for (uint32_t i = 0; i < type->value_count; i++)
        suggest_offer(&suggest, type->values[i].name);
    text_add_string(out, suggest_end(&suggest, "the enum value"));
    fail(context, place, take_text(context, out));
}

static void coerce_enum(struct coerce_json *context, const struct place *place,
                        const struct schema_type *type, struct value *ret_value)
{
    struct ast_text given = {0};
    const struct schema_enum_value *value;
    struct text out = {0};
    const char *shown;

    if (!read_string(context, place->json, &given)) {
        shown = inspect(context, place->json);
        text_add_string(&out, "Enum \"");
        text_add(&out, type->name.bytes, type->name.size);
        text_add_string(&out, "\" cannot represent non-string value: ");
        text_add_string(&out, shown);
        text_add_string(&out, ".");
        given = (struct ast_text){shown, (uint32_t)__builtin_strlen(shown)};
        fail_enum(context, place, type, given, &out);
        return;
    }
    value = schema_find_value(type, given);
    if (value != NULL) {
        *ret_value = (struct value){.kind = VALUE_ENUM, .text = value->name};
        return;
    }
    text_add_string(&out, "Value \"");
    inspect_text(given, &out);
    text_add_string(&out, "\" does not exist in \"");
    text_add(&out, type->name.bytes, type->name.size);
    text_add_string(&out, "\" enum.");
    fail_enum(context, place, type, given, &out);
}

/* --- lists and input objects ------------------------------------------------------------------ */

static const struct json_ends *ends_of(const struct coerce_json *context)
{
    return context->ends.items == NULL ? NULL : &context->ends;
}

static bool next_item(const struct coerce_json *context, struct json_span array, size_t *offset,
                      struct json_span *ret_item)
{
    return json_array_next_with(ends_of(context), array, offset, ret_item);
}

static bool next_member(const struct coerce_json *context, struct json_span object, size_t *offset,
                        struct json_span *ret_key, struct json_span *ret_value)
{
    return json_object_next_with(ends_of(context), object, offset, ret_key, ret_value);
}

static void coerce_list(struct coerce_json *context, const struct place *place,
                        const struct schema_ref *item_type, struct value *ret_value)
{
    bool is_array = json_type(place->json) == JSON_ARRAY;
    struct graphql_path path = {.parent = place->path};
    struct place item = {.path = &path};
    struct value *items;
    uint32_t count = 0;
    size_t offset = 0;

    while (is_array && next_item(context, place->json, &offset, &item.json))
        count++;
    if (!is_array)
        count = 1;
    items = region_alloc(context->region, ((size_t)count + 1) * sizeof *items);
    context->has_ended |= items == NULL;
    if (items == NULL)
        return;
    offset = 0;
    if (!is_array)
        coerce_any(context, place, item_type, items);
    while (is_array && !context->has_ended &&
           next_item(context, place->json, &offset, &item.json)) {
        coerce_any(context, &item, item_type, &items[path.index]);
        path.index++;
    }
    *ret_value = (struct value){.kind = VALUE_LIST, .list = {items, count}};
}

/* The name of a member; one that cannot be decoded is the name of nothing. */
static struct ast_text member_name(struct coerce_json *context, struct json_span key)
{
    struct ast_text name;

    if (coerce_string(key, context->region, &name))
        return name;
    return (struct ast_text){key.bytes + 1, (uint32_t)(key.size - 2)};
}

/*
 * Finds what was given for each input field, an array beside them; no bytes: nothing. Of members of
 * the same name the last one counts, as in JavaScript. NULL: no memory.
 */
static struct json_span *find_members(struct coerce_json *context, const struct place *place,
                                      const struct schema_type *type, bool *ret_has_unknown)
{
    struct json_span *given =
        region_alloc(context->region, ((size_t)type->input_count + 1) * sizeof *given);
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    *ret_has_unknown = false;
    while (given != NULL && next_member(context, place->json, &offset, &key, &value)) {
        struct ast_text name = member_name(context, key);
        const struct schema_input *input = schema_find_input(type->inputs, type->input_count, name);

        if (input == NULL)
            *ret_has_unknown = true;
        else
            given[input - type->inputs] = value;
    }
    return given;
}

static void fail_unknown(struct coerce_json *context, const struct place *place,
                         const struct schema_type *type, struct ast_text name)
{
    struct suggest suggest;
    struct text out = {0};

    text_add_string(&out, "Field \"");
    inspect_text(name, &out);
    text_add_string(&out, "\" is not defined by type \"");
    text_add(&out, type->name.bytes, type->name.size);
    text_add_string(&out, "\".");
    suggest_begin(&suggest, name, context->region);
    suggest_hide(&suggest, context->coerce->schema);
    for (uint32_t i = 0; i < type->input_count; i++)
        suggest_offer(&suggest, type->inputs[i].name);
    text_add_string(&out, suggest_end(&suggest, NULL));
    fail(context, place, take_text(context, &out));
}

static void check_unknown(struct coerce_json *context, const struct place *place,
                          const struct schema_type *type)
{
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (!context->has_ended && next_member(context, place->json, &offset, &key, &value)) {
        struct ast_text name = member_name(context, key);

        if (schema_find_input(type->inputs, type->input_count, name) == NULL)
            fail_unknown(context, place, type, name);
    }
}

static void coerce_object(struct coerce_json *context, const struct place *place,
                          const struct schema_type *type, struct value *ret_value)
{
    struct value *members =
        region_alloc(context->region, ((size_t)type->input_count + 1) * sizeof *members);
    struct json_span *given;
    bool has_unknown;

    if (json_type(place->json) != JSON_OBJECT) {
        fail(context, place,
             region_printf(context->region, "Expected type \"%.*s\" to be an object.",
                           NAME(type->name)));
        return;
    }
    given = find_members(context, place, type, &has_unknown);
    context->has_ended |= members == NULL || given == NULL;
    for (uint32_t i = 0; i < type->input_count && !context->has_ended; i++) {
        const struct schema_input *input = &type->inputs[i];
        struct graphql_path path = {place->path, input->name.bytes, input->name.size, 0};
        struct place member = {&path, given[i]};

        if (given[i].bytes != NULL)
            coerce_any(context, &member, input->type, &members[i]);
        else if (input->default_value != NULL)
            members[i] = *input->default_value;
        else if (schema_ref_is_non_null(input->type))
            fail(context, place,
                 region_printf(context->region,
                               "Field \"%.*s\" of required type \"%s\" was not provided.",
                               NAME(input->name), ref_text(context, input->type)));
    }
    if (has_unknown)
        check_unknown(context, place, type);
    *ret_value = (struct value){.kind = VALUE_OBJECT, .object = {members, type}};
}

/*
 * Recursion: as deep as the JSON text and the wrappers of the type, which their parsers bound.
 * The value is absent after an error.
 */
static void coerce_any(struct coerce_json *context, const struct place *place,
                       const struct schema_ref *type, struct value *ret_value)
{
    const struct schema_ref *nullable = schema_ref_nullable(type);

    if (json_type(place->json) == JSON_NULL) {
        ret_value->kind = VALUE_NULL;
        if (schema_ref_is_non_null(type))
            fail(context, place,
                 region_printf(context->region, "Expected non-nullable type \"%s\" not to be null.",
                               ref_text(context, type)));
    } else if (nullable->wrapper == SCHEMA_LIST) {
        coerce_list(context, place, nullable->of, ret_value);
    } else if (nullable->type->kind == SCHEMA_INPUT_OBJECT) {
        coerce_object(context, place, nullable->type, ret_value);
    } else if (nullable->type->kind == SCHEMA_ENUM) {
        coerce_enum(context, place, nullable->type, ret_value);
    } else {
        coerce_scalar(context, place, nullable->type, ret_value);
    }
}

void coerce_json(struct coerce_json *context, struct json_span json, const struct schema_ref *type,
                 struct value *ret_value)
{
    struct place place = {.json = json};
    bool is_custom = schema_ref_named(type)->scalar == SCHEMA_CUSTOM &&
                     schema_ref_named(type)->kind == SCHEMA_SCALAR;

    context->ends = (struct json_ends){0};
    if (json.size > PLAIN_BYTES_MAX && json_type(json) >= JSON_ARRAY && !is_custom) {
        size_t count = json_ends_count(json);

        context->ends.items = region_alloc(context->region, count * sizeof *context->ends.items);
        context->has_ended |= context->ends.items == NULL;
        if (context->has_ended)
            return;
        json_ends_fill(&context->ends, json);
    }
    coerce_any(context, &place, type, ret_value);
    context->has_ended |= context->region->has_failed;
}
