#include "server/graphql/parser_internal.h"

static struct ast_value *new_value(struct parser *parser, enum ast_kind kind)
{
    struct ast_value *value = parser_alloc(parser, sizeof *value);

    if (value != NULL) {
        value->node = (struct ast_node){kind, parser->token.at};
        value->text = parser->token.text;
    }
    return value;
}

/* A value that is one token. */
static struct ast_value *parse_leaf(struct parser *parser, enum ast_kind kind)
{
    struct ast_value *value = new_value(parser, kind);

    parser_advance(parser);
    return parser_has_failed(parser) ? NULL : value;
}

static struct ast_value *parse_string(struct parser *parser)
{
    bool is_block = parser_is_at(parser, TOKEN_BLOCK_STRING);
    struct ast_value *value = parse_leaf(parser, AST_STRING);

    if (value != NULL)
        value->is_block = is_block;
    return value;
}

/* true, false, null, or an enum's value. */
static struct ast_value *parse_word(struct parser *parser)
{
    struct ast_text word = parser->token.text;
    struct ast_value *value;

    if (ast_text_is(word, "null"))
        return parse_leaf(parser, AST_NULL);
    if (!ast_text_is(word, "true") && !ast_text_is(word, "false"))
        return parse_leaf(parser, AST_ENUM);
    value = parse_leaf(parser, AST_BOOLEAN);
    if (value != NULL)
        value->boolean = word.size == 4;
    return value;
}

static struct ast_value *parse_variable(struct parser *parser)
{
    struct ast_value *value = new_value(parser, AST_VARIABLE);
    struct ast_name name;

    parser_advance(parser);
    if (!parser_expect_name(parser, &name))
        return NULL;
    value->text = name.text;
    return value;
}

static void fail_at_variable(struct parser *parser)
{
    struct token dollar = parser->token;

    parser_advance(parser);
    if (parser_is_at(parser, TOKEN_NAME))
        parser_fail(parser, dollar.at, "Unexpected variable \"$%.*s\" in constant value.",
                    (int)parser->token.text.size, parser->token.text.bytes);
    else
        parser_fail_unexpected(parser, &dollar);
}

static struct ast_value *parse_list(struct parser *parser, bool is_constant)
{
    struct ast_value *list = new_value(parser, AST_LIST);
    struct ast_value **end;

    if (list == NULL || !parser_enter(parser))
        return NULL;
    parser_advance(parser);
    end = &list->items;
    while (!parser_skip(parser, TOKEN_BRACKET_R)) {
        *end = parse_value(parser, is_constant);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
        list->count++;
    }
    parser_leave(parser);
    return parser_has_failed(parser) ? NULL : list;
}

static struct ast_object_field *parse_object_field(struct parser *parser, bool is_constant)
{
    struct ast_object_field *field = parser_alloc(parser, sizeof *field);

    if (field == NULL)
        return NULL;
    field->node = (struct ast_node){AST_OBJECT_FIELD, parser->token.at};
    if (!parser_expect_name(parser, &field->name) || !parser_expect(parser, TOKEN_COLON))
        return NULL;
    field->value = parse_value(parser, is_constant);
    return field->value != NULL ? field : NULL;
}

static struct ast_value *parse_object(struct parser *parser, bool is_constant)
{
    struct ast_value *object = new_value(parser, AST_OBJECT);
    struct ast_object_field **end;

    if (object == NULL || !parser_enter(parser))
        return NULL;
    parser_advance(parser);
    end = &object->fields;
    while (!parser_skip(parser, TOKEN_BRACE_R)) {
        *end = parse_object_field(parser, is_constant);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
        object->count++;
    }
    parser_leave(parser);
    return parser_has_failed(parser) ? NULL : object;
}

/* Recursion: bounded by parser_enter. */
struct ast_value *parse_value(struct parser *parser, bool is_constant)
{
    switch ((int)parser->token.kind) {
    case TOKEN_NAME:
        return parse_word(parser);
    case TOKEN_INT:
        return parse_leaf(parser, AST_INT);
    case TOKEN_FLOAT:
        return parse_leaf(parser, AST_FLOAT);
    case TOKEN_STRING:
    case TOKEN_BLOCK_STRING:
        return parse_string(parser);
    case TOKEN_BRACKET_L:
        return parse_list(parser, is_constant);
    case TOKEN_BRACE_L:
        return parse_object(parser, is_constant);
    case TOKEN_DOLLAR:
        if (!is_constant)
            return parse_variable(parser);
        fail_at_variable(parser);
        return NULL;
    default:
        parser_fail_unexpected(parser, &parser->token);
        return NULL;
    }
}

struct ast_value *parse_description(struct parser *parser)
{
    if (!parser_is_at(parser, TOKEN_STRING) && !parser_is_at(parser, TOKEN_BLOCK_STRING))
        return NULL;
    return parse_string(parser);
}

static struct ast_argument *parse_argument(struct parser *parser, bool is_constant)
{
    struct ast_argument *argument = parser_alloc(parser, sizeof *argument);

    if (argument == NULL)
        return NULL;
    argument->node = (struct ast_node){AST_ARGUMENT, parser->token.at};
    if (!parser_expect_name(parser, &argument->name) || !parser_expect(parser, TOKEN_COLON))
        return NULL;
    argument->value = parse_value(parser, is_constant);
    return argument->value != NULL ? argument : NULL;
}

struct ast_argument *parse_arguments(struct parser *parser, bool is_constant)
{
    struct ast_argument *first = NULL;
    struct ast_argument **end = &first;

    if (!parser_skip(parser, TOKEN_PAREN_L))
        return NULL;
    do {
        *end = parse_argument(parser, is_constant);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
    } while (!parser_skip(parser, TOKEN_PAREN_R));
    return first;
}

struct ast_directive *parse_directives(struct parser *parser, bool is_constant)
{
    struct ast_directive *first = NULL;
    struct ast_directive **end = &first;

    while (parser_is_at(parser, TOKEN_AT)) {
        struct ast_directive *directive = parser_alloc(parser, sizeof *directive);

        if (directive == NULL)
            return NULL;
        directive->node = (struct ast_node){AST_DIRECTIVE, parser->token.at};
        parser_advance(parser);
        if (!parser_expect_name(parser, &directive->name))
            return NULL;
        directive->arguments = parse_arguments(parser, is_constant);
        *end = directive;
        end = &directive->next;
    }
    return first;
}

struct ast_type *parse_named_type(struct parser *parser)
{
    struct ast_type *type = parser_alloc(parser, sizeof *type);
    struct ast_name name;

    if (type == NULL || !parser_expect_name(parser, &name))
        return NULL;
    type->node = (struct ast_node){AST_NAMED, name.at};
    type->name = name.text;
    return type;
}

static struct ast_type *parse_list_type(struct parser *parser)
{
    struct ast_type *type = parser_alloc(parser, sizeof *type);

    if (type == NULL || !parser_enter(parser))
        return NULL;
    type->node = (struct ast_node){AST_LIST_OF, parser->token.at};
    parser_advance(parser);
    type->of = parse_type(parser);
    parser_leave(parser);
    return type->of != NULL && parser_expect(parser, TOKEN_BRACKET_R) ? type : NULL;
}

/* Recursion: bounded by parser_enter. */
struct ast_type *parse_type(struct parser *parser)
{
    struct ast_type *type =
        parser_is_at(parser, TOKEN_BRACKET_L) ? parse_list_type(parser) : parse_named_type(parser);
    struct ast_type *non_null;

    if (type == NULL || !parser_is_at(parser, TOKEN_BANG))
        return type;
    non_null = parser_alloc(parser, sizeof *non_null);
    if (non_null == NULL)
        return NULL;
    non_null->node = (struct ast_node){AST_NON_NULL, type->node.at};
    non_null->of = type;
    parser_advance(parser);
    return parser_has_failed(parser) ? NULL : non_null;
}
