/*
 * The language's parser and printers: what parses is printed, parses again and is printed the same;
 * a normal form is its own normal form; what does not parse has exactly one error, at a place in the
 * text; and with less memory than it takes there is no tree, no error and no leak.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/errors.h"
#include "server/graphql/parser.h"
#include "server/graphql/print.h"
#include "server/graphql/region.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "tests/fuzz/target.h"

enum {
    REGION_BYTES = 512 * 1024 * 1024,
    DEPTH_MAX = 40,
};

static const struct parser_limits limits = {
    .source_bytes_max = 64 * 1024 * 1024, /* indentation is longer than what was read */
    .token_count_max = 200 * 1000,
    .depth_max = DEPTH_MAX,
};

/* A text, what was parsed from it, and the errors. */
struct parsed {
    struct region region;
    struct graphql_errors errors;
    struct ast_document *document;
};

static void parse(struct parsed *parsed, const char *bytes, size_t size, size_t region_bytes_max)
{
    region_init(&parsed->region, region_bytes_max);
    graphql_errors_init(&parsed->errors, &parsed->region);
    parsed->document = parser_parse((struct ast_text){bytes, (uint32_t)size}, "fuzz", &limits,
                                    &parsed->region, &parsed->errors);
}

static void check_errors(const struct graphql_errors *errors, size_t size)
{
    struct text out = {0};
    struct json_error reason;

    CHECK(errors->count == 1);
    CHECK(errors->first->location_count == 1);
    CHECK(errors->first->locations[0].at <= size);
    graphql_errors_write(errors, &out);
    CHECK(text_is_whole(&out));
    CHECK(json_compact(out.bytes, out.size, out.bytes, &reason) == (ptrdiff_t)out.size);
    text_done(&out);
}

static void check_equal(const struct text *a, const struct text *b)
{
    CHECK(text_is_whole(a));
    CHECK(text_is_whole(b));
    CHECK(a->size == b->size);
    CHECK(a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static void check_print(const struct ast_document *document)
{
    struct text first = {0};
    struct text second = {0};
    struct parsed again;

    print_document(document, &first);
    parse(&again, first.bytes, first.size, REGION_BYTES);
    CHECK(again.document != NULL);
    CHECK(again.document->definition_count == document->definition_count);
    CHECK(again.document->token_count <= document->token_count); /* optional `&` and `|` */
    print_document(again.document, &second);
    check_equal(&first, &second);
    region_done(&again.region);
    text_done(&second);
    text_done(&first);
}

static void check_normal_form(const struct ast_document *document,
                              const struct ast_definition *operation)
{
    struct text first = {0};
    struct text second = {0};
    struct parsed again;

    print_normal_form(document, operation, &first);
    parse(&again, first.bytes, first.size, REGION_BYTES);
    CHECK(again.document != NULL);
    print_normal_form(again.document, again.document->definitions, &second);
    check_equal(&first, &second);
    region_done(&again.region);
    text_done(&second);
    text_done(&first);
}

/* With three quarters of the memory that it took. */
static void check_without_memory(const char *bytes, size_t size, size_t used_bytes)
{
    struct parsed parsed;

    parse(&parsed, bytes, size, used_bytes / 4 * 3);
    if (parsed.document == NULL)
        CHECK(parsed.region.has_failed);
    CHECK(parsed.errors.count == 0);
    region_done(&parsed.region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct ast_document source = {.source = {bytes, (uint32_t)size}};
    const struct ast_definition *operation;
    struct parsed parsed;

    parse(&parsed, bytes, size, REGION_BYTES);
    CHECK(!parsed.region.has_failed);
    if (parsed.document != NULL) {
        CHECK(parsed.errors.count == 0);
        check_print(parsed.document);
        operation = parsed.document->definitions;
        while (operation != NULL && operation->node.kind != AST_OPERATION)
            operation = operation->next;
        if (operation != NULL)
            check_normal_form(parsed.document, operation);
        check_without_memory(bytes, size, parsed.region.used_bytes);
    } else {
        check_errors(&parsed.errors, size);
    }
    region_done(&parsed.region);

    region_init(&parsed.region, REGION_BYTES);
    graphql_errors_init(&parsed.errors, &parsed.region);
    if (parser_parse_value(&source, &parsed.region, &parsed.errors) == NULL)
        check_errors(&parsed.errors, size);
    region_done(&parsed.region);
    return 0;
}
