#include "server/graphql/print.h"

#include <string.h>

#include "bus/check.h"
#include "server/graphql/block_string.h"
#include "server/json/text.h"
#include "server/json/utf8.h"

enum {
    LINE_UNITS_MAX = 80, /* a field with longer arguments gets a line for each */
    INDENT_SPACES = 2,
};

struct printer {
    struct text *out;
    uint32_t indent; /* spaces */
};

static void put(struct printer *printer, const char *string)
{
    text_add_string(printer->out, string);
}

static void put_text(struct printer *printer, struct ast_text text)
{
    text_add(printer->out, text.bytes, text.size);
}

static void put_newline(struct printer *printer)
{
    char *at = text_reserve(printer->out, (size_t)printer->indent + 1);

    if (at == NULL)
        return;
    *at = '\n';
    memset(at + 1, ' ', printer->indent);
    text_grow(printer->out, at + 1 + printer->indent);
}

/* `{` or `(`, and a line that is indented. */
static void put_open(struct printer *printer, const char *bracket)
{
    put(printer, bracket);
    printer->indent += INDENT_SPACES;
    put_newline(printer);
}

static void put_close(struct printer *printer, const char *bracket)
{
    CHECK(printer->indent >= INDENT_SPACES);
    printer->indent -= INDENT_SPACES;
    put_newline(printer);
    put(printer, bracket);
}

/* A control character, `"` or `\`, escaped. */
static void put_escape(struct text *out, unsigned char c)
{
    static const char letters[] = "btn\0fr"; /* U+0008 to U+000D; U+000B has none */

    if (c == '"' || c == '\\')
        text_printf(out, "\\%c", c);
    else if (c >= '\b' && c <= '\r' && c != '\v')
        text_printf(out, "\\%c", letters[c - '\b']);
    else
        text_printf(out, "\\u%04X", c);
}

void print_string(struct ast_text value, struct text *out)
{
    uint32_t run = 0; /* begin of what has still to be copied */

    text_add_string(out, "\"");
    for (uint32_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.bytes[i];
        uint32_t bytes = 1;

        if (c == 0xC2 && (unsigned char)value.bytes[i + 1] < 0xA0) {
            c = (unsigned char)value.bytes[i + 1]; /* U+0080 to U+009F */
            bytes = 2;
        } else if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            continue;
        }
        text_add(out, value.bytes + run, i - run);
        put_escape(out, c);
        i += bytes - 1;
        run = i + 1;
    }
    text_add(out, value.bytes + run, value.size - run);
    text_add_string(out, "\"");
}

static void put_value(struct printer *printer, const struct ast_value *value);

static void put_list(struct printer *printer, const struct ast_value *list)
{
    put(printer, "[");
    for (const struct ast_value *item = list->items; item != NULL; item = item->next) {
        put_value(printer, item);
        if (item->next != NULL)
            put(printer, ", ");
    }
    put(printer, "]");
}

static void put_object(struct printer *printer, const struct ast_value *object)
{
    const struct ast_object_field *field;

    put(printer, "{");
    for (field = object->fields; field != NULL; field = field->next) {
        put_text(printer, field->name.text);
        put(printer, ": ");
        put_value(printer, field->value);
        if (field->next != NULL)
            put(printer, ", ");
    }
    put(printer, "}");
}

/* Recursion: as deep as the parser's limit. */
static void put_value(struct printer *printer, const struct ast_value *value)
{
    switch ((int)value->node.kind) {
    case AST_VARIABLE:
        put(printer, "$");
        put_text(printer, value->text);
        break;
    case AST_STRING:
        if (value->is_block)
            block_string_print(value->text, printer->indent, printer->out);
        else
            print_string(value->text, printer->out);
        break;
    case AST_BOOLEAN:
        put(printer, value->boolean ? "true" : "false");
        break;
    case AST_NULL:
        put(printer, "null");
        break;
    case AST_LIST:
        put_list(printer, value);
        break;
    case AST_OBJECT:
        put_object(printer, value);
        break;
    default: /* numbers and enum values, as they were written */
        put_text(printer, value->text);
        break;
    }
}

/* Recursion: likewise. */
static void put_type(struct printer *printer, const struct ast_type *type)
{
    switch ((int)type->node.kind) {
    case AST_LIST_OF:
        put(printer, "[");
        put_type(printer, type->of);
        put(printer, "]");
        break;
    case AST_NON_NULL:
        put_type(printer, type->of);
        put(printer, "!");
        break;
    default:
        put_text(printer, type->name);
        break;
    }
}

static void put_description(struct printer *printer, const struct ast_value *description)
{
    if (description == NULL)
        return;
    put_value(printer, description);
    put_newline(printer);
}

/* The arguments on one line, or on one each. */
static void put_arguments(struct printer *printer, const struct ast_argument *arguments,
                          bool has_lines)
{
    if (has_lines)
        put_open(printer, "(");
    else
        put(printer, "(");
    for (const struct ast_argument *argument = arguments; argument != NULL;
         argument = argument->next) {
        put_text(printer, argument->name.text);
        put(printer, ": ");
        put_value(printer, argument->value);
        if (argument->next == NULL)
            break;
        if (has_lines)
            put_newline(printer);
        else
            put(printer, ", ");
    }
    if (has_lines)
        put_close(printer, ")");
    else
        put(printer, ")");
}

/* Each with a space before it. */
static void put_directives(struct printer *printer, const struct ast_directive *directives)
{
    const struct ast_directive *directive;

    for (directive = directives; directive != NULL; directive = directive->next) {
        put(printer, " @");
        put_text(printer, directive->name.text);
        if (directive->arguments != NULL)
            put_arguments(printer, directive->arguments, false);
    }
}

/*
 * To know whether something is too long or has several lines it is printed once for the measure,
 * not indented, and taken back. What is measured has nothing in it that is measured.
 */
struct measure {
    size_t begin;
    uint32_t indent;
};

static struct measure measure_begin(struct printer *printer)
{
    struct measure measure = {printer->out->size, printer->indent};

    printer->indent = 0;
    return measure;
}

/* Takes back what was printed; its length in UTF-16, and whether it has several lines. */
static size_t measure_end(struct printer *printer, struct measure measure, bool *ret_has_lines)
{
    const char *printed = printer->out->bytes + measure.begin;
    size_t bytes = printer->out->size - measure.begin;

    printer->out->size = measure.begin;
    printer->indent = measure.indent;
    if (bytes == 0)
        return 0; /* no memory */
    *ret_has_lines = memchr(printed, '\n', bytes) != NULL;
    return utf8_utf16_units(printed, bytes);
}

static void put_field_arguments(struct printer *printer, const struct ast_selection *field)
{
    size_t units = field->name.text.size;
    bool has_lines = false;
    struct measure measure;

    if (field->arguments == NULL)
        return;
    if (field->alias.text.size > 0)
        units += field->alias.text.size + 2;
    measure = measure_begin(printer);
    put_arguments(printer, field->arguments, false);
    units += measure_end(printer, measure, &has_lines);
    put_arguments(printer, field->arguments, units > LINE_UNITS_MAX);
}

static void put_selections(struct printer *printer, const struct ast_selection_set *set);

/* Recursion: as deep as the parser's limit. */
static void put_selection(struct printer *printer, const struct ast_selection *selection)
{
    if (selection->node.kind == AST_FIELD) {
        if (selection->alias.text.size > 0) {
            put_text(printer, selection->alias.text);
            put(printer, ": ");
        }
        put_text(printer, selection->name.text);
        put_field_arguments(printer, selection);
    } else {
        put(printer, "...");
        put_text(printer, selection->name.text);
        if (selection->type_condition != NULL) {
            put(printer, " on ");
            put_type(printer, selection->type_condition);
        }
    }
    put_directives(printer, selection->directives);
    if (selection->selections != NULL) {
        put(printer, " ");
        put_selections(printer, selection->selections);
    }
}

static void put_selections(struct printer *printer, const struct ast_selection_set *set)
{
    put_open(printer, "{");
    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        put_selection(printer, selection);
        if (selection->next != NULL)
            put_newline(printer);
    }
    put_close(printer, "}");
}

static void put_variables(struct printer *printer, const struct ast_variable_definition *variables,
                          bool has_lines)
{
    const struct ast_variable_definition *variable;

    put(printer, "(");
    for (variable = variables; variable != NULL; variable = variable->next) {
        if (has_lines)
            put_newline(printer);
        put_description(printer, variable->description);
        put(printer, "$");
        put_text(printer, variable->name.text);
        put(printer, ": ");
        put_type(printer, variable->type);
        if (variable->default_value != NULL) {
            put(printer, " = ");
            put_value(printer, variable->default_value);
        }
        put_directives(printer, variable->directives);
        if (variable->next != NULL && !has_lines)
            put(printer, ", ");
    }
    if (has_lines)
        put_newline(printer);
    put(printer, ")");
}

/* Whether a brace behind this definition (NULL: none) would be taken for its own. */
static bool may_be_continued(const struct ast_definition *definition)
{
    if (definition == NULL)
        return false;
    switch ((int)definition->node.kind) {
    case AST_SCHEMA:
        return definition->operation_types == NULL;
    case AST_OBJECT_TYPE:
    case AST_INTERFACE_TYPE:
        return definition->fields == NULL;
    case AST_ENUM_TYPE:
        return definition->values == NULL;
    case AST_INPUT_OBJECT_TYPE:
        return definition->input_values == NULL;
    default:
        return false;
    }
}

static void put_operation(struct printer *printer, const struct ast_definition *operation,
                          const struct ast_definition *before)
{
    static const char *const words[] = {
        [AST_QUERY] = "query",
        [AST_MUTATION] = "mutation",
        [AST_SUBSCRIPTION] = "subscription",
    };
    bool has_name = operation->name.text.size > 0;
    bool has_lines = false;
    struct measure measure;

    if (operation->operation != AST_QUERY || has_name || operation->variables != NULL ||
        operation->directives != NULL || operation->description != NULL ||
        may_be_continued(before)) {
        put_description(printer, operation->description);
        put(printer, words[operation->operation]);
        if (has_name || operation->variables != NULL)
            put(printer, " ");
        put_text(printer, operation->name.text);
        if (operation->variables != NULL) {
            measure = measure_begin(printer);
            put_variables(printer, operation->variables, false);
            (void)measure_end(printer, measure, &has_lines); /* their length does not matter */
            put_variables(printer, operation->variables, has_lines);
        }
        put_directives(printer, operation->directives);
        put(printer, " ");
    }
    put_selections(printer, operation->selections);
}

static void put_fragment(struct printer *printer, const struct ast_definition *fragment)
{
    put_description(printer, fragment->description);
    put(printer, "fragment ");
    put_text(printer, fragment->name.text);
    put(printer, " on ");
    put_type(printer, fragment->type_condition);
    put_directives(printer, fragment->directives);
    put(printer, " ");
    put_selections(printer, fragment->selections);
}

static void put_operation_types(struct printer *printer, const struct ast_operation_type *types)
{
    static const char *const words[] = {
        [AST_QUERY] = "query: ",
        [AST_MUTATION] = "mutation: ",
        [AST_SUBSCRIPTION] = "subscription: ",
    };

    if (types == NULL)
        return;
    put(printer, " ");
    put_open(printer, "{");
    for (const struct ast_operation_type *type = types; type != NULL; type = type->next) {
        put(printer, words[type->operation]);
        put_type(printer, type->type);
        if (type->next != NULL)
            put_newline(printer);
    }
    put_close(printer, "}");
}

static void put_types(struct printer *printer, const char *before, const struct ast_type *types,
                      const char *between)
{
    if (types == NULL)
        return;
    put(printer, before);
    for (const struct ast_type *type = types; type != NULL; type = type->next) {
        put_type(printer, type);
        if (type->next != NULL)
            put(printer, between);
    }
}

/* One below the other, or all on one line. */
static void put_input_values(struct printer *printer, const struct ast_input_value *values,
                             bool has_lines)
{
    for (const struct ast_input_value *value = values; value != NULL; value = value->next) {
        put_description(printer, value->description);
        put_text(printer, value->name.text);
        put(printer, ": ");
        put_type(printer, value->type);
        if (value->default_value != NULL) {
            put(printer, " = ");
            put_value(printer, value->default_value);
        }
        put_directives(printer, value->directives);
        if (value->next == NULL)
            break;
        if (has_lines)
            put_newline(printer);
        else
            put(printer, ", ");
    }
}

static void put_argument_definitions(struct printer *printer,
                                     const struct ast_input_value *arguments)
{
    bool has_lines = false;
    struct measure measure;

    if (arguments == NULL)
        return;
    measure = measure_begin(printer);
    put_input_values(printer, arguments, false);
    (void)measure_end(printer, measure, &has_lines); /* their length does not matter */
    if (has_lines)
        put_open(printer, "(");
    else
        put(printer, "(");
    put_input_values(printer, arguments, has_lines);
    if (has_lines)
        put_close(printer, ")");
    else
        put(printer, ")");
}

static void put_fields(struct printer *printer, const struct ast_field_definition *fields)
{
    const struct ast_field_definition *field;

    if (fields == NULL)
        return;
    put(printer, " ");
    put_open(printer, "{");
    for (field = fields; field != NULL; field = field->next) {
        put_description(printer, field->description);
        put_text(printer, field->name.text);
        put_argument_definitions(printer, field->arguments);
        put(printer, ": ");
        put_type(printer, field->type);
        put_directives(printer, field->directives);
        if (field->next != NULL)
            put_newline(printer);
    }
    put_close(printer, "}");
}

static void put_enum_values(struct printer *printer, const struct ast_enum_value *values)
{
    if (values == NULL)
        return;
    put(printer, " ");
    put_open(printer, "{");
    for (const struct ast_enum_value *value = values; value != NULL; value = value->next) {
        put_description(printer, value->description);
        put_text(printer, value->name.text);
        put_directives(printer, value->directives);
        if (value->next != NULL)
            put_newline(printer);
    }
    put_close(printer, "}");
}

static void put_input_fields(struct printer *printer, const struct ast_input_value *fields)
{
    if (fields == NULL)
        return;
    put(printer, " ");
    put_open(printer, "{");
    put_input_values(printer, fields, true);
    put_close(printer, "}");
}

static void put_directive_definition(struct printer *printer,
                                     const struct ast_definition *directive)
{
    put_description(printer, directive->description);
    put(printer, "directive @");
    put_text(printer, directive->name.text);
    put_argument_definitions(printer, directive->input_values);
    if (directive->is_repeatable)
        put(printer, " repeatable");
    put(printer, " on ");
    for (uint32_t i = 0; i < directive->location_count; i++) {
        if (i > 0)
            put(printer, " | ");
        put_text(printer, directive->locations[i].text);
    }
}

/* A schema or a type: what its kind does not have is empty. */
static void put_type_definition(struct printer *printer, const struct ast_definition *definition)
{
    static const char *const words[AST_KIND_COUNT] = {
        [AST_SCHEMA] = "schema",
        [AST_SCALAR_TYPE] = "scalar ",
        [AST_OBJECT_TYPE] = "type ",
        [AST_INTERFACE_TYPE] = "interface ",
        [AST_UNION_TYPE] = "union ",
        [AST_ENUM_TYPE] = "enum ",
        [AST_INPUT_OBJECT_TYPE] = "input ",
    };

    put_description(printer, definition->description);
    if (definition->is_extension)
        put(printer, "extend ");
    put(printer, words[definition->node.kind]);
    put_text(printer, definition->name.text);
    put_types(printer, " implements ", definition->interfaces, " & ");
    put_directives(printer, definition->directives);
    put_types(printer, " = ", definition->members, " | ");
    put_operation_types(printer, definition->operation_types);
    put_fields(printer, definition->fields);
    put_enum_values(printer, definition->values);
    put_input_fields(printer, definition->input_values);
}

void print_document(const struct ast_document *document, struct text *out)
{
    struct printer printer = {out, 0};
    const struct ast_definition *before = NULL;

    for (const struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next) {
        if (definition->node.kind == AST_OPERATION)
            put_operation(&printer, definition, before);
        else if (definition->node.kind == AST_FRAGMENT)
            put_fragment(&printer, definition);
        else if (definition->node.kind == AST_DIRECTIVE_DEFINITION)
            put_directive_definition(&printer, definition);
        else
            put_type_definition(&printer, definition);
        if (definition->next != NULL)
            put(&printer, "\n\n");
        before = definition;
    }
}

void print_value(const struct ast_value *value, struct text *out)
{
    put_value(&(struct printer){out, 0}, value);
}

void print_type(const struct ast_type *type, struct text *out)
{
    put_type(&(struct printer){out, 0}, type);
}
