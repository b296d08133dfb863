#include "server/graphql/parser_internal.h"

#include <string.h>

static struct ast_operation_type *parse_operation_type(struct parser *parser)
{
    struct ast_operation_type *type = parser_alloc(parser, sizeof *type);

    if (type == NULL)
        return NULL;
    type->node = (struct ast_node){AST_OPERATION_TYPE, parser->token.at};
    if (!parse_operation_kind(parser, &type->operation) || !parser_expect(parser, TOKEN_COLON))
        return NULL;
    type->type = parse_named_type(parser);
    return type->type != NULL ? type : NULL;
}

void parse_schema(struct parser *parser, struct ast_definition *definition)
{
    struct ast_operation_type **end = &definition->operation_types;

    definition->directives = parse_directives(parser, true);
    if (definition->is_extension && !parser_is_at(parser, TOKEN_BRACE_L))
        return;
    if (!parser_expect(parser, TOKEN_BRACE_L))
        return;
    do {
        *end = parse_operation_type(parser);
        if (*end == NULL)
            return;
        end = &(*end)->next;
    } while (!parser_skip(parser, TOKEN_BRACE_R));
}

/* Names of types, @delimiter between them, and before the first one if one likes. */
static struct ast_type *parse_types(struct parser *parser, enum token_kind delimiter)
{
    struct ast_type *first = NULL;
    struct ast_type **end = &first;

    (void)parser_skip(parser, delimiter); /* it may be there or not */
    do {
        *end = parse_named_type(parser);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
    } while (parser_skip(parser, delimiter));
    return first;
}

static struct ast_input_value *parse_input_value(struct parser *parser)
{
    struct ast_input_value *value = parser_alloc(parser, sizeof *value);

    if (value == NULL)
        return NULL;
    value->node = (struct ast_node){AST_INPUT_VALUE, parser->token.at};
    value->description = parse_description(parser);
    if (!parser_expect_name(parser, &value->name) || !parser_expect(parser, TOKEN_COLON))
        return NULL;
    value->type = parse_type(parser);
    if (parser_skip(parser, TOKEN_EQUALS))
        value->default_value = parse_value(parser, true);
    value->directives = parse_directives(parser, true);
    return parser_has_failed(parser) ? NULL : value;
}

/* Arguments in parentheses, input fields in braces. */
static struct ast_input_value *parse_input_values(struct parser *parser, enum token_kind open,
                                                  enum token_kind close)
{
    struct ast_input_value *first = NULL;
    struct ast_input_value **end = &first;

    if (!parser_skip(parser, open))
        return NULL;
    do {
        *end = parse_input_value(parser);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
    } while (!parser_skip(parser, close));
    return first;
}

static struct ast_field_definition *parse_field_definition(struct parser *parser)
{
    struct ast_field_definition *field = parser_alloc(parser, sizeof *field);

    if (field == NULL)
        return NULL;
    field->node = (struct ast_node){AST_FIELD_DEFINITION, parser->token.at};
    field->description = parse_description(parser);
    if (!parser_expect_name(parser, &field->name))
        return NULL;
    field->arguments = parse_input_values(parser, TOKEN_PAREN_L, TOKEN_PAREN_R);
    if (!parser_expect(parser, TOKEN_COLON))
        return NULL;
    field->type = parse_type(parser);
    field->directives = parse_directives(parser, true);
    return parser_has_failed(parser) ? NULL : field;
}

static struct ast_enum_value *parse_enum_value(struct parser *parser)
{
    struct ast_enum_value *value = parser_alloc(parser, sizeof *value);
    struct ast_text word;

    if (value == NULL)
        return NULL;
    value->node = (struct ast_node){AST_ENUM_VALUE, parser->token.at};
    value->description = parse_description(parser);
    word = parser->token.text;
    if (ast_text_is(word, "true") || ast_text_is(word, "false") || ast_text_is(word, "null")) {
        const char *found = parser_describe(parser, &parser->token);

        if (found != NULL)
            parser_fail(parser, parser->token.at,
                        "%s is reserved and cannot be used for an enum value.", found);
        return NULL;
    }
    if (!parser_expect_name(parser, &value->name))
        return NULL;
    value->directives = parse_directives(parser, true);
    return parser_has_failed(parser) ? NULL : value;
}

/* `Name @directives`: what all definitions of types begin with. */
static void parse_head(struct parser *parser, struct ast_definition *definition)
{
    if (parser_expect_name(parser, &definition->name))
        definition->directives = parse_directives(parser, true);
}

void parse_scalar_type(struct parser *parser, struct ast_definition *definition)
{
    parse_head(parser, definition);
}

void parse_object_type(struct parser *parser, struct ast_definition *definition)
{
    struct ast_field_definition **end = &definition->fields;

    if (!parser_expect_name(parser, &definition->name))
        return;
    if (parser_skip_keyword(parser, "implements"))
        definition->interfaces = parse_types(parser, TOKEN_AMP);
    definition->directives = parse_directives(parser, true);
    if (!parser_skip(parser, TOKEN_BRACE_L))
        return;
    do {
        *end = parse_field_definition(parser);
        if (*end == NULL)
            return;
        end = &(*end)->next;
    } while (!parser_skip(parser, TOKEN_BRACE_R));
}

void parse_union_type(struct parser *parser, struct ast_definition *definition)
{
    parse_head(parser, definition);
    if (parser_skip(parser, TOKEN_EQUALS))
        definition->members = parse_types(parser, TOKEN_PIPE);
}

void parse_enum_type(struct parser *parser, struct ast_definition *definition)
{
    struct ast_enum_value **end = &definition->values;

    parse_head(parser, definition);
    if (!parser_skip(parser, TOKEN_BRACE_L))
        return;
    do {
        *end = parse_enum_value(parser);
        if (*end == NULL)
            return;
        end = &(*end)->next;
    } while (!parser_skip(parser, TOKEN_BRACE_R));
}

void parse_input_object_type(struct parser *parser, struct ast_definition *definition)
{
    parse_head(parser, definition);
    definition->input_values = parse_input_values(parser, TOKEN_BRACE_L, TOKEN_BRACE_R);
}

static bool is_directive_location(struct ast_text name)
{
    static const char *const locations[] = {
        "QUERY",
        "MUTATION",
        "SUBSCRIPTION",
        "FIELD",
        "FRAGMENT_DEFINITION",
        "FRAGMENT_SPREAD",
        "INLINE_FRAGMENT",
        "VARIABLE_DEFINITION",
        "SCHEMA",
        "SCALAR",
        "OBJECT",
        "FIELD_DEFINITION",
        "ARGUMENT_DEFINITION",
        "INTERFACE",
        "UNION",
        "ENUM",
        "ENUM_VALUE",
        "INPUT_OBJECT",
        "INPUT_FIELD_DEFINITION",
        "DIRECTIVE_DEFINITION",
    };

    for (size_t i = 0; i < sizeof locations / sizeof locations[0]; i++) {
        if (ast_text_is(name, locations[i]))
            return true;
    }
    return false;
}

/* Room for one more name; the array grows by doubling, in the region. */
static struct ast_name *add_location(struct parser *parser, struct ast_definition *definition)
{
    uint32_t count = definition->location_count;

    if ((count & (count - 1)) == 0) { /* 0 or a power of two: full */
        struct ast_name *grown = parser_alloc(parser, (count > 0 ? 2 * count : 1) * sizeof *grown);

        if (grown == NULL)
            return NULL;
        if (count > 0)
            memcpy(grown, definition->locations, count * sizeof *grown);
        definition->locations = grown;
    }
    return &definition->locations[definition->location_count++];
}

void parse_directive_definition(struct parser *parser, struct ast_definition *definition)
{
    if (!parser_expect(parser, TOKEN_AT) || !parser_expect_name(parser, &definition->name))
        return;
    definition->input_values = parse_input_values(parser, TOKEN_PAREN_L, TOKEN_PAREN_R);
    definition->is_repeatable = parser_skip_keyword(parser, "repeatable");
    if (!parser_expect_keyword(parser, "on"))
        return;
    (void)parser_skip(parser, TOKEN_PIPE); /* it may be there or not */
    do {
        struct token token = parser->token;
        struct ast_name *location = add_location(parser, definition);

        if (location == NULL || !parser_expect_name(parser, location))
            return;
        if (!is_directive_location(token.text)) {
            parser_fail_unexpected(parser, &token);
            return;
        }
    } while (parser_skip(parser, TOKEN_PIPE));
}
