#include "server/graphql/parser.h"

#include <stdarg.h>

#include "server/graphql/errors.h"
#include "server/graphql/parser_internal.h"

/* parser_parse_value has no limits of its own: what it is given comes from the operator. */
enum {
    VALUE_DEPTH_MAX = 200,
};

void parser_advance(struct parser *parser)
{
    if (parser->has_ahead)
        parser->token = parser->ahead;
    else
        lexer_next(&parser->lexer, &parser->token);
    parser->has_ahead = false;
    if (parser->token.kind <= TOKEN_EOF)
        return;
    if (parser->token_count == parser->token_count_max) {
        lexer_fail(&parser->lexer, GRAPHQL_LIMIT_EXCEEDED, parser->token.at,
                   "Document contains more that %u tokens. Parsing aborted.",
                   parser->token_count_max);
        parser_stop(parser);
        return;
    }
    parser->token_count++;
}

const struct token *parser_look_ahead(struct parser *parser)
{
    if (parser_has_failed(parser))
        return &parser->token;
    lexer_next(&parser->lexer, &parser->ahead);
    parser->has_ahead = true;
    if (parser->ahead.kind == TOKEN_FAILED)
        parser_stop(parser);
    return &parser->ahead;
}

void parser_stop(struct parser *parser)
{
    parser->lexer.has_failed = true;
    parser->token = (struct token){.kind = TOKEN_FAILED, .at = parser->token.at};
    parser->has_ahead = false;
}

void parser_fail(struct parser *parser, uint32_t at, const char *format, ...)
{
    va_list arguments;
    const char *message;

    if (parser_has_failed(parser))
        return;
    va_start(arguments, format);
    message = region_vprintf(parser->lexer.region, format, arguments);
    va_end(arguments);
    if (message != NULL)
        lexer_fail(&parser->lexer, GRAPHQL_PARSE_FAILED, at, "%s", message);
    parser_stop(parser);
}

const char *parser_describe(struct parser *parser, const struct token *token)
{
    const char *description = token_describe(token, parser->lexer.region);

    if (description == NULL)
        parser_stop(parser);
    return description;
}

void parser_fail_unexpected(struct parser *parser, const struct token *found)
{
    const char *description = parser_describe(parser, found);

    if (description != NULL)
        parser_fail(parser, found->at, "Unexpected %s.", description);
}

static void fail_expected(struct parser *parser, const char *quote, const char *expected)
{
    const char *found = parser_describe(parser, &parser->token);

    if (found != NULL)
        parser_fail(parser, parser->token.at, "Expected %s%s%s, found %s.", quote, expected, quote,
                    found);
}

bool parser_expect(struct parser *parser, enum token_kind kind)
{
    if (parser->token.kind == kind) {
        parser_advance(parser);
        return true;
    }
    fail_expected(parser, "", token_kind_name(kind));
    return false;
}

bool parser_is_at_keyword(const struct parser *parser, const char *keyword)
{
    return parser_is_at(parser, TOKEN_NAME) && ast_text_is(parser->token.text, keyword);
}

bool parser_skip_keyword(struct parser *parser, const char *keyword)
{
    if (!parser_is_at_keyword(parser, keyword))
        return false;
    parser_advance(parser);
    return true;
}

bool parser_expect_keyword(struct parser *parser, const char *keyword)
{
    if (parser_skip_keyword(parser, keyword))
        return true;
    fail_expected(parser, "\"", keyword);
    return false;
}

bool parser_expect_name(struct parser *parser, struct ast_name *ret_name)
{
    if (!parser_is_at(parser, TOKEN_NAME)) {
        fail_expected(parser, "", token_kind_name(TOKEN_NAME));
        return false;
    }
    /* One by one: a copy of the whole would wait until what has just been stored is in the cache. */
    ret_name->text.bytes = parser->token.text.bytes;
    ret_name->text.size = parser->token.text.size;
    ret_name->at = parser->token.at;
    parser_advance(parser);
    return !parser_has_failed(parser);
}

bool parser_enter(struct parser *parser)
{
    if (parser_has_failed(parser))
        return false;
    if (parser->depth == parser->depth_max) {
        lexer_fail(&parser->lexer, GRAPHQL_LIMIT_EXCEEDED, parser->token.at,
                   "Document is nested more than %u levels deep. Parsing aborted.",
                   parser->depth_max);
        parser_stop(parser);
        return false;
    }
    parser->depth++;
    return true;
}

static struct ast_definition *new_definition(struct parser *parser, enum ast_kind kind)
{
    struct ast_definition *definition = parser_alloc(parser, sizeof *definition);

    if (definition != NULL)
        definition->node = (struct ast_node){kind, parser->token.at};
    return definition;
}

static bool find_operation_kind(struct ast_text word, enum ast_operation_kind *ret_kind)
{
    static const char *const words[] = {
        [AST_QUERY] = "query",
        [AST_MUTATION] = "mutation",
        [AST_SUBSCRIPTION] = "subscription",
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (ast_text_is(word, words[i])) {
            *ret_kind = (enum ast_operation_kind)i;
            return true;
        }
    }
    return false;
}

bool parse_operation_kind(struct parser *parser, enum ast_operation_kind *ret_kind)
{
    struct token token = parser->token;
    struct ast_name name;

    if (!parser_expect_name(parser, &name))
        return false;
    if (find_operation_kind(name.text, ret_kind))
        return true;
    parser_fail_unexpected(parser, &token);
    return false;
}

static struct ast_variable_definition *parse_variable_definition(struct parser *parser)
{
    struct ast_variable_definition *variable = parser_alloc(parser, sizeof *variable);
    uint32_t at;

    if (variable == NULL)
        return NULL;
    variable->node = (struct ast_node){AST_VARIABLE_DEFINITION, parser->token.at};
    variable->description = parse_description(parser);
    at = parser->token.at;
    if (!parser_expect(parser, TOKEN_DOLLAR) || !parser_expect_name(parser, &variable->name))
        return NULL;
    variable->name.at = at;
    if (!parser_expect(parser, TOKEN_COLON))
        return NULL;
    variable->type = parse_type(parser);
    if (parser_skip(parser, TOKEN_EQUALS))
        variable->default_value = parse_value(parser, true);
    variable->directives = parse_directives(parser, true);
    return parser_has_failed(parser) ? NULL : variable;
}

static struct ast_variable_definition *parse_variable_definitions(struct parser *parser)
{
    struct ast_variable_definition *first = NULL;
    struct ast_variable_definition **end = &first;

    if (!parser_skip(parser, TOKEN_PAREN_L))
        return NULL;
    do {
        *end = parse_variable_definition(parser);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
    } while (!parser_skip(parser, TOKEN_PAREN_R));
    return first;
}

static struct ast_selection_set *parse_selection_set(struct parser *parser);

static void parse_field(struct parser *parser, struct ast_selection *field)
{
    field->node.kind = AST_FIELD;
    if (!parser_expect_name(parser, &field->name))
        return;
    if (parser_skip(parser, TOKEN_COLON)) {
        field->alias = field->name;
        if (!parser_expect_name(parser, &field->name))
            return;
    }
    field->arguments = parse_arguments(parser, false);
    field->directives = parse_directives(parser, false);
    if (parser_is_at(parser, TOKEN_BRACE_L))
        field->selections = parse_selection_set(parser);
}

/* `...`: a spread or an inline fragment. */
static void parse_fragment(struct parser *parser, struct ast_selection *fragment)
{
    parser_advance(parser);
    if (parser_is_at(parser, TOKEN_NAME) && !ast_text_is(parser->token.text, "on")) {
        fragment->node.kind = AST_FRAGMENT_SPREAD;
        (void)parser_expect_name(parser, &fragment->name); /* it is there */
        fragment->directives = parse_directives(parser, false);
        return;
    }
    fragment->node.kind = AST_INLINE_FRAGMENT;
    if (parser_skip_keyword(parser, "on"))
        fragment->type_condition = parse_named_type(parser);
    fragment->directives = parse_directives(parser, false);
    fragment->selections = parse_selection_set(parser);
}

static struct ast_selection *parse_selection(struct parser *parser)
{
    struct ast_selection *selection = parser_alloc(parser, sizeof *selection);

    if (selection == NULL)
        return NULL;
    selection->node.at = parser->token.at;
    if (parser_is_at(parser, TOKEN_SPREAD))
        parse_fragment(parser, selection);
    else
        parse_field(parser, selection);
    return parser_has_failed(parser) ? NULL : selection;
}

/* Recursion: bounded by parser_enter. */
static struct ast_selection_set *parse_selection_set(struct parser *parser)
{
    struct ast_selection_set *set = parser_alloc(parser, sizeof *set);
    struct ast_selection **end;

    if (set == NULL || !parser_enter(parser))
        return NULL;
    set->node = (struct ast_node){AST_SELECTION_SET, parser->token.at};
    end = &set->first;
    if (!parser_expect(parser, TOKEN_BRACE_L))
        return NULL;
    do {
        *end = parse_selection(parser);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
        set->count++;
    } while (!parser_skip(parser, TOKEN_BRACE_R));
    parser_leave(parser);
    return parser_has_failed(parser) ? NULL : set;
}

static void parse_operation(struct parser *parser, struct ast_definition *operation)
{
    if (parser_is_at(parser, TOKEN_NAME))
        (void)parser_expect_name(parser, &operation->name); /* it is there */
    operation->variables = parse_variable_definitions(parser);
    operation->directives = parse_directives(parser, false);
    operation->selections = parse_selection_set(parser);
}

static void parse_fragment_definition(struct parser *parser, struct ast_definition *fragment)
{
    if (ast_text_is(parser->token.text, "on")) {
        parser_fail_unexpected(parser, &parser->token);
        return;
    }
    if (!parser_expect_name(parser, &fragment->name) || !parser_expect_keyword(parser, "on"))
        return;
    fragment->type_condition = parse_named_type(parser);
    fragment->directives = parse_directives(parser, false);
    fragment->selections = parse_selection_set(parser);
}

/* What a definition may begin with, but for `{`. */
static const struct keyword {
    const char *word;
    enum ast_kind kind;
    bool is_extensible; /* `extend` may stand before it */
    parse_definition_rest *parse;
} keywords[] = {
    {"query", AST_OPERATION, false, parse_operation},
    {"mutation", AST_OPERATION, false, parse_operation},
    {"subscription", AST_OPERATION, false, parse_operation},
    {"fragment", AST_FRAGMENT, false, parse_fragment_definition},
    {"schema", AST_SCHEMA, true, parse_schema},
    {"scalar", AST_SCALAR_TYPE, true, parse_scalar_type},
    {"type", AST_OBJECT_TYPE, true, parse_object_type},
    {"interface", AST_INTERFACE_TYPE, true, parse_object_type},
    {"union", AST_UNION_TYPE, true, parse_union_type},
    {"enum", AST_ENUM_TYPE, true, parse_enum_type},
    {"input", AST_INPUT_OBJECT_TYPE, true, parse_input_object_type},
    {"directive", AST_DIRECTIVE_DEFINITION, false, parse_directive_definition},
};

static const struct keyword *find_keyword(const struct token *token)
{
    if (token->kind != TOKEN_NAME)
        return NULL;
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (ast_text_is(token->text, keywords[i].word))
            return &keywords[i];
    }
    return NULL;
}

static struct ast_definition *parse_extension(struct parser *parser)
{
    const struct token *token = parser_look_ahead(parser);
    const struct keyword *keyword = find_keyword(token);
    struct ast_definition *extension;

    if (keyword == NULL || !keyword->is_extensible) {
        parser_fail_unexpected(parser, token);
        return NULL;
    }
    extension = new_definition(parser, keyword->kind);
    if (extension == NULL)
        return NULL;
    extension->is_extension = true;
    parser_advance(parser);
    parser_advance(parser);
    keyword->parse(parser, extension);
    if (extension->directives == NULL && extension->operation_types == NULL &&
        extension->interfaces == NULL && extension->fields == NULL && extension->members == NULL &&
        extension->values == NULL && extension->input_values == NULL)
        parser_fail_unexpected(parser, &parser->token);
    return parser_has_failed(parser) ? NULL : extension;
}

/* `{…}`: a query that needs no more words. */
static struct ast_definition *parse_shorthand(struct parser *parser)
{
    struct ast_definition *operation = new_definition(parser, AST_OPERATION);

    if (operation == NULL)
        return NULL;
    operation->operation = AST_QUERY;
    operation->selections = parse_selection_set(parser);
    return parser_has_failed(parser) ? NULL : operation;
}

/* The token that says what a definition is: the one behind the description, if there is one. */
static void fail_at_definition(struct parser *parser, const struct token *token,
                               bool has_description)
{
    if (has_description && token->kind == TOKEN_BRACE_L)
        parser_fail(parser, parser->token.at,
                    "Unexpected description, descriptions are not supported on shorthand queries.");
    else if (has_description && token->kind == TOKEN_NAME)
        parser_fail(parser, parser->token.at,
                    "Unexpected description, only GraphQL definitions support descriptions.");
    else
        parser_fail_unexpected(parser, token);
}

static struct ast_definition *parse_definition(struct parser *parser)
{
    bool has_description =
        parser_is_at(parser, TOKEN_STRING) || parser_is_at(parser, TOKEN_BLOCK_STRING);
    const struct token *token = has_description ? parser_look_ahead(parser) : &parser->token;
    const struct keyword *keyword = find_keyword(token);
    struct ast_definition *definition;

    if (parser_is_at(parser, TOKEN_BRACE_L))
        return parse_shorthand(parser);
    if (!has_description && parser_is_at_keyword(parser, "extend"))
        return parse_extension(parser);
    if (keyword == NULL) {
        fail_at_definition(parser, token, has_description);
        return NULL;
    }
    definition = new_definition(parser, keyword->kind);
    if (definition == NULL)
        return NULL;
    definition->description = parse_description(parser);
    if (keyword->kind == AST_OPERATION)
        (void)parse_operation_kind(parser, &definition->operation); /* it is one */
    else
        parser_advance(parser);
    keyword->parse(parser, definition);
    return parser_has_failed(parser) ? NULL : definition;
}

static void parse_definitions(struct parser *parser, struct ast_document *document)
{
    struct ast_definition **end = &document->definitions;

    parser_advance(parser);
    do {
        *end = parse_definition(parser);
        if (*end == NULL)
            return;
        end = &(*end)->next;
        document->definition_count++;
    } while (!parser_is_at(parser, TOKEN_EOF));
}

struct ast_document *parser_parse(struct ast_text source, const char *name,
                                  const struct parser_limits *limits, struct region *region,
                                  struct graphql_errors *errors)
{
    struct ast_document *document = region_alloc(region, sizeof *document);
    struct parser parser = {
        .token_count_max = limits->token_count_max,
        .depth_max = limits->depth_max,
    };

    if (document == NULL)
        return NULL;
    document->source = source;
    document->name = name;
    lexer_init(&parser.lexer, document, region, errors);
    if (source.size > limits->source_bytes_max) {
        lexer_fail(&parser.lexer, GRAPHQL_LIMIT_EXCEEDED, limits->source_bytes_max,
                   "Source contains more than %u bytes. Parsing aborted.",
                   limits->source_bytes_max);
        return NULL;
    }
    if (!lexer_check_source(&parser.lexer))
        return NULL;
    parse_definitions(&parser, document);
    document->token_count = parser.token_count;
    return parser_has_failed(&parser) ? NULL : document;
}

struct ast_value *parser_parse_value(struct ast_document *document, struct region *region,
                                     struct graphql_errors *errors)
{
    struct parser parser = {.token_count_max = UINT32_MAX, .depth_max = VALUE_DEPTH_MAX};
    struct ast_value *value;

    lexer_init(&parser.lexer, document, region, errors);
    if (!lexer_check_source(&parser.lexer))
        return NULL;
    parser_advance(&parser);
    value = parse_value(&parser, true);
    if (value == NULL || !parser_expect(&parser, TOKEN_EOF))
        return NULL;
    return value;
}
