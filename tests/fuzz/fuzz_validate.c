/*
 * The validator and the limits, against the schema of tests/graphql/corpus: errors have places in the
 * text and are JSON; the verdict is the same in whatever order the definitions stand, and all errors
 * are when the document is printed first; what is valid has a normal form, and that is valid; and
 * limits are what a plain sum over the opened fragments says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/limits.h"
#include "server/graphql/parser.h"
#include "server/graphql/print.h"
#include "server/graphql/validate.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "tests/fuzz/target.h"

enum {
    REGION_BYTES = 512 * 1024 * 1024,
    SCHEMA_BYTES = 64 * 1024,
    SOURCE_BYTES_MAX = 64 * 1024,
    STEPS_MAX = 20 * 1000, /* of the plain sum: fragments multiply */
};

static const struct parser_limits parser_limits = {
    .source_bytes_max = 64 * 1024 * 1024, /* indentation is longer than what was read */
    .token_count_max = 200 * 1000,
    .depth_max = 40,
};

/* Made once: it stays until the process ends. */
static struct schema *schema;

/* A text, what was parsed from it, and the verdict. */
struct judged {
    struct region region;
    struct graphql_errors errors;
    struct ast_document *document;
    bool is_valid;
};

static void read_schema(void)
{
    static char sdl[SCHEMA_BYTES];
    struct region region;
    struct graphql_errors errors;
    FILE *file = fopen(SCHEMA_FILE, "rb");
    size_t size;

    CHECK(file != NULL);
    size = fread(sdl, 1, sizeof sdl, file);
    CHECK(size > 0);
    CHECK(size < sizeof sdl);
    (void)fclose(file); /* read only: nothing can be lost */
    region_init(&region, REGION_BYTES);
    graphql_errors_init(&errors, &region);
    schema = schema_build(sdl, size, SCHEMA_FILE, &errors);
    CHECK(schema != NULL);
    region_done(&region);
}

static void validate(struct judged *judged)
{
    uint32_t count = judged->errors.count;

    judged->is_valid =
        validate_document(schema, judged->document, &judged->region, &judged->errors);
    CHECK(!judged->region.has_failed);
    CHECK(judged->is_valid == (judged->errors.count == count));
    CHECK(judged->errors.count <= ERRORS_MAX + 1);
}

/* False: it does not parse. */
static bool judge(struct judged *judged, const char *bytes, size_t size)
{
    region_init(&judged->region, REGION_BYTES);
    graphql_errors_init(&judged->errors, &judged->region);
    judged->document = parser_parse((struct ast_text){bytes, (uint32_t)size}, "fuzz",
                                    &parser_limits, &judged->region, &judged->errors);
    if (judged->document != NULL)
        validate(judged);
    return judged->document != NULL;
}

static bool is_aborted(const struct judged *judged)
{
    return judged->errors.last != NULL && judged->errors.last->code == GRAPHQL_LIMIT_EXCEEDED;
}

static void check_errors(const struct judged *judged, size_t size)
{
    struct text out = {0};
    struct json_error reason;

    for (const struct graphql_error *error = judged->errors.first; error != NULL;
         error = error->next) {
        for (uint32_t i = 0; i < error->location_count; i++)
            CHECK(error->locations[i].at < size);
    }
    graphql_errors_write(&judged->errors, &out);
    CHECK(text_is_whole(&out));
    CHECK(json_compact(out.bytes, out.size, out.bytes, &reason) == (ptrdiff_t)out.size);
    text_done(&out);
}

/* graphql-js and we print `extend type A` and `{ a }` behind it so that they read as one. */
static bool is_executable(const struct ast_document *document)
{
    const struct ast_definition *definition = document->definitions;

    while (definition != NULL &&
           (definition->node.kind == AST_OPERATION || definition->node.kind == AST_FRAGMENT))
        definition = definition->next;
    return definition == NULL;
}

/* The same errors, at the same number of places. */
static void check_print(const struct judged *judged)
{
    struct text text = {0};
    struct judged again;
    const struct graphql_error *error = judged->errors.first;

    print_document(judged->document, &text);
    CHECK(text_is_whole(&text));
    CHECK(judge(&again, text.bytes, text.size));
    CHECK(again.errors.count == judged->errors.count);
    for (const struct graphql_error *same = again.errors.first; same != NULL; same = same->next) {
        CHECK(strcmp(same->message, error->message) == 0);
        CHECK(same->location_count == error->location_count);
        error = error->next;
    }
    region_done(&again.region);
    text_done(&text);
}

static void check_normal_form(const struct judged *judged, const struct ast_definition *operation)
{
    struct text text = {0};
    struct judged again;

    print_normal_form(judged->document, operation, &text);
    CHECK(text_is_whole(&text));
    CHECK(judge(&again, text.bytes, text.size));
    CHECK(again.is_valid);
    region_done(&again.region);
    text_done(&text);
}

/* The tree is the worse for it: to be called last. */
static void check_reversed(struct judged *judged)
{
    struct ast_definition *reversed = NULL;
    bool was_valid = judged->is_valid;
    bool was_aborted = is_aborted(judged);

    while (judged->document->definitions != NULL) {
        struct ast_definition *definition = judged->document->definitions;

        judged->document->definitions = definition->next;
        definition->next = reversed;
        reversed = definition;
    }
    judged->document->definitions = reversed;
    graphql_errors_init(&judged->errors, &judged->region);
    validate(judged);
    if (!was_aborted && !is_aborted(judged)) /* a budget may last longer in another order */
        CHECK(judged->is_valid == was_valid);
}

/* --- limits ----------------------------------------------------------------------------------- */

struct sum {
    struct judged *judged;
    const struct coerce_variables *variables;
    uint32_t step_count;
    uint64_t complexity;
    uint64_t alias_count;
    uint64_t root_field_count;
    uint64_t depth;
};

struct sum_place {
    const struct schema_type *type;
    uint64_t depth;
    uint64_t times;
    bool is_root;
};

static bool condition_of(const struct sum *sum, const struct ast_selection *selection,
                         const char *name, bool otherwise)
{
    for (const struct ast_directive *directive = selection->directives; directive != NULL;
         directive = directive->next) {
        const struct ast_value *value;
        const struct value *variable;

        if (!ast_text_is(directive->name.text, name))
            continue;
        value = directive->arguments->value;
        if (value->node.kind != AST_VARIABLE)
            return value->boolean;
        variable = coerce_variable(sum->variables, value->text);
        return variable->kind == VALUE_BOOLEAN ? variable->boolean : otherwise;
    }
    return otherwise;
}

static uint64_t items_of(const struct sum *sum, const struct schema_field *field,
                         const struct ast_selection *selection)
{
    int32_t limit = 10;

    if (schema_ref_nullable(field->type)->wrapper != SCHEMA_LIST)
        return 1;
    for (uint32_t i = 0; i < field->argument_count; i++) {
        const struct schema_input *input = &field->arguments[i];
        struct value value = {.kind = VALUE_ABSENT};

        if (!ast_text_is(input->name, "limit"))
            continue;
        for (const struct ast_argument *argument = selection->arguments; argument != NULL;
             argument = argument->next) {
            if (ast_text_is(argument->name.text, "limit") &&
                !coerce_literal(argument->value, input->type, sum->variables, &sum->judged->region,
                                &value))
                value.kind = VALUE_ABSENT;
        }
        if (value.kind == VALUE_INT)
            limit = value.integer;
        else if (input->default_value != NULL && input->default_value->kind == VALUE_INT)
            limit = input->default_value->integer;
    }
    return limit < 1 ? 1 : (uint64_t)limit;
}

static const struct ast_definition *find_fragment(const struct sum *sum, struct ast_text name)
{
    const struct ast_definition *definition = sum->judged->document->definitions;

    while (definition->node.kind != AST_FRAGMENT || !ast_text_equals(definition->name.text, name))
        definition = definition->next;
    return definition;
}

static uint64_t product_of(uint64_t a, uint64_t b)
{
    return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

/* Recursion: as deep as the parser allowed, and STEPS_MAX. */
static void add_set(struct sum *sum, const struct ast_selection_set *set, struct sum_place place)
{
    for (const struct ast_selection *selection = set->first;
         selection != NULL && sum->step_count < STEPS_MAX; selection = selection->next) {
        struct sum_place inner = place;
        const struct ast_type *condition = selection->type_condition;
        const struct ast_selection_set *inner_set = selection->selections;

        sum->step_count++;
        if (condition_of(sum, selection, "skip", false) ||
            !condition_of(sum, selection, "include", true))
            continue;
        if (selection->node.kind == AST_FIELD) {
            const struct schema_field *field =
                schema_find_field(schema, place.type, selection->name.text);

            sum->complexity = sum->complexity > UINT64_MAX - place.times
                                  ? UINT64_MAX
                                  : sum->complexity + place.times;
            sum->alias_count += selection->alias.text.size > 0 ? 1 : 0;
            sum->root_field_count += place.is_root ? 1 : 0;
            inner.is_root = false;
            inner.type = schema_ref_named(field->type);
            inner.depth += place.type->is_built_in ? 0 : 1;
            if (inner.depth > sum->depth)
                sum->depth = inner.depth;
            if (!inner.type->is_built_in)
                inner.times = product_of(place.times, items_of(sum, field, selection));
        } else if (selection->node.kind == AST_FRAGMENT_SPREAD) {
            const struct ast_definition *fragment = find_fragment(sum, selection->name.text);

            condition = fragment->type_condition;
            inner_set = fragment->selections;
        }
        if (condition != NULL)
            inner.type = schema_find_type(schema, condition->name);
        if (inner_set != NULL)
            add_set(sum, inner_set, inner);
    }
}

static bool is_within(struct judged *judged, const struct ast_definition *operation,
                      const struct coerce_variables *variables, const struct limits *limits)
{
    struct coerce coerce = {schema, judged->document, &judged->region, &judged->errors};
    bool is_within;

    graphql_errors_init(&judged->errors, &judged->region);
    is_within = limits_check(&coerce, operation, variables, limits);
    CHECK(!judged->region.has_failed);
    CHECK(judged->errors.count == (is_within ? 0 : 1));
    return is_within;
}

/* Each limit exactly at what there is, and one below. */
static void check_limits(struct judged *judged, const struct ast_definition *operation)
{
    struct coerce coerce = {schema, judged->document, &judged->region, &judged->errors};
    struct sum_place place = {
        .type = schema->roots[operation->operation], .times = 1, .is_root = true};
    struct coerce_variables variables;
    struct sum sum = {.judged = judged, .variables = &variables};
    struct limits limits;

    if (place.type == NULL ||
        !coerce_variables(&coerce, operation, (struct json_span){"{}", 2}, &variables))
        return;
    add_set(&sum, operation->selections, place);
    if (sum.step_count == STEPS_MAX || sum.complexity == UINT64_MAX)
        return;
    limits = (struct limits){
        .depth_max = (uint32_t)sum.depth,
        .complexity_max = sum.complexity,
        .alias_count_max = (uint32_t)sum.alias_count,
        .root_field_count_max = (uint32_t)sum.root_field_count,
    };
    CHECK(is_within(judged, operation, &variables, &limits));
    limits.depth_max--;
    CHECK(sum.depth == 0 || !is_within(judged, operation, &variables, &limits));
    limits.depth_max++;
    limits.complexity_max--;
    CHECK(sum.complexity == 0 || !is_within(judged, operation, &variables, &limits));
    limits.complexity_max++;
    limits.alias_count_max--;
    CHECK(sum.alias_count == 0 || !is_within(judged, operation, &variables, &limits));
    limits.alias_count_max++;
    limits.root_field_count_max--;
    CHECK(sum.root_field_count == 0 || !is_within(judged, operation, &variables, &limits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct judged judged;
    struct ast_definition *operation;

    if (schema == NULL)
        read_schema();
    if (size > SOURCE_BYTES_MAX)
        return 0;
    if (judge(&judged, (const char *)data, size)) {
        check_errors(&judged, size);
        if (is_executable(judged.document))
            check_print(&judged);
        for (operation = judged.document->definitions; judged.is_valid && operation != NULL;
             operation = operation->next) {
            if (operation->node.kind != AST_OPERATION)
                continue;
            check_normal_form(&judged, operation);
            check_limits(&judged, operation);
            graphql_errors_init(&judged.errors, &judged.region);
        }
        check_reversed(&judged);
    }
    region_done(&judged.region);
    return 0;
}
