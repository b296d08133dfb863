/*
 * The language's parser and printers: what parses is printed token by token, parses again and is
 * printed the same; a normal form has the tokens of what it is made from, and is its own normal
 * form; what does not parse has exactly one error, at a place in the text; and with less memory than
 * it takes there is no tree, no error and no leak.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/errors.h"
#include "server/graphql/lexer.h"
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

/* --- tokens ----------------------------------------------------------------------------------- */

/* A text read token by token, one ahead. */
struct reader {
    struct ast_document text;
    struct region region;
    struct graphql_errors errors;
    struct lexer lexer;
    struct token token;
};

static void reader_init(struct reader *reader, const char *begin, const char *end)
{
    reader->text = (struct ast_document){.source = {begin, (uint32_t)(end - begin)}};
    region_init(&reader->region, REGION_BYTES);
    graphql_errors_init(&reader->errors, &reader->region);
    lexer_init(&reader->lexer, &reader->text, &reader->region, &reader->errors);
    lexer_next(&reader->lexer, &reader->token);
}

static void reader_next(struct reader *reader)
{
    lexer_next(&reader->lexer, &reader->token);
    CHECK(reader->token.kind != TOKEN_FAILED);
}

static bool is_string(const struct token *token)
{
    return token->kind == TOKEN_STRING || token->kind == TOKEN_BLOCK_STRING;
}

static bool is_same(const struct token *a, const struct token *b)
{
    return (a->kind == b->kind || (is_string(a) && is_string(b))) &&
           ast_text_equals(a->text, b->text);
}

/*
 * The same tokens, but for what the source need not have: a first `&` or `|`, and `query`; in a
 * normal form also `name:` before that name, and descriptions of variables.
 */
static void check_tokens(struct reader *source, struct reader *printed, bool is_normal_form)
{
    struct token last = {.kind = TOKEN_EOF};

    while (source->token.kind != TOKEN_EOF || printed->token.kind != TOKEN_EOF) {
        if (is_same(&source->token, &printed->token)) {
            last = source->token;
            reader_next(source);
            reader_next(printed);
        } else if (source->token.kind == TOKEN_AMP || source->token.kind == TOKEN_PIPE) {
            CHECK(last.kind == TOKEN_NAME || last.kind == TOKEN_EQUALS);
            reader_next(source);
        } else if (is_normal_form && source->token.kind == TOKEN_COLON) {
            reader_next(source);
            CHECK(last.kind == TOKEN_NAME);
            CHECK(is_same(&source->token, &last));
            reader_next(source);
        } else if (is_normal_form && printed->token.kind == TOKEN_DOLLAR) {
            CHECK(is_string(&source->token));
            reader_next(source);
        } else {
            CHECK(printed->token.kind == TOKEN_BRACE_L);
            CHECK(ast_text_is(source->token.text, "query"));
            reader_next(source);
        }
    }
    region_done(&source->region);
    region_done(&printed->region);
}

/* --- the printers ----------------------------------------------------------------------------- */

static void check_print(const struct ast_document *document)
{
    struct text first = {0};
    struct text second = {0};
    struct reader source;
    struct reader printed;
    struct parsed again;

    print_document(document, &first);
    reader_init(&source, document->source.bytes, document->source.bytes + document->source.size);
    reader_init(&printed, first.bytes, first.bytes + first.size);
    check_tokens(&source, &printed, false);
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

/* Behind the name of an operation or fragment. */
static void read_definition(struct reader *reader, const struct ast_document *document,
                            const struct ast_definition *definition)
{
    const char *source = document->source.bytes;

    reader_init(reader, source + definition->node.at,
                definition->next == NULL ? source + document->source.size
                                         : source + definition->next->node.at);
    if (definition->description != NULL)
        reader_next(reader);
    if (reader->token.kind == TOKEN_NAME)
        reader_next(reader);
    if (reader->token.kind == TOKEN_NAME)
        reader_next(reader);
}

/* One definition of a normal form, and what it is made from: the first of its name. */
static void check_definition(const struct ast_document *document,
                             const struct ast_definition *operation,
                             const struct ast_document *normal_form,
                             const struct ast_definition *normal)
{
    const struct ast_definition *original = operation;
    struct reader source;
    struct reader printed;

    if (normal->node.kind == AST_FRAGMENT) {
        original = document->definitions;
        while (original->node.kind != AST_FRAGMENT ||
               !ast_text_equals(original->name.text, normal->name.text))
            original = original->next;
    }
    CHECK(normal->node.kind == original->node.kind);
    CHECK(normal->operation == original->operation);
    read_definition(&source, document, original);
    read_definition(&printed, normal_form, normal);
    check_tokens(&source, &printed, true);
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
    for (const struct ast_definition *normal = again.document->definitions; normal != NULL;
         normal = normal->next)
        check_definition(document, operation, again.document, normal);
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
