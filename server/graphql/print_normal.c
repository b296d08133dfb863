#include <stdlib.h>
#include <string.h>

#include "server/graphql/print.h"
#include "server/json/text.h"

/* One fragment of the document. */
struct fragment {
    const struct ast_definition *definition;
    struct fragment *next_to_read;
    bool is_used;
};

/* What was printed last: two words need a space between them, and so do two strings. */
enum behind {
    BEHIND_SIGN,
    BEHIND_WORD,
    BEHIND_STRING,
};

struct normal {
    struct text *out;
    enum behind behind;
    struct fragment *fragments; /* sorted by name */
    uint32_t fragment_count;
    struct fragment *to_read; /* used ones whose own spreads have not been seen */
};

static void put_sign(struct normal *normal, const char *sign)
{
    text_add_string(normal->out, sign);
    normal->behind = BEHIND_SIGN;
}

static void put_space(struct normal *normal, enum behind next)
{
    if (normal->behind == next)
        text_add(normal->out, " ", 1);
    normal->behind = next;
}

static void put_word(struct normal *normal, struct ast_text word)
{
    put_space(normal, BEHIND_WORD);
    text_add(normal->out, word.bytes, word.size);
}

static void put_literal(struct normal *normal, const char *word)
{
    put_word(normal, (struct ast_text){word, (uint32_t)strlen(word)});
}

static void put_value(struct normal *normal, const struct ast_value *value);

static void put_list(struct normal *normal, const struct ast_value *list)
{
    put_sign(normal, "[");
    for (const struct ast_value *item = list->items; item != NULL; item = item->next)
        put_value(normal, item);
    put_sign(normal, "]");
}

static void put_object(struct normal *normal, const struct ast_value *object)
{
    const struct ast_object_field *field;

    put_sign(normal, "{");
    for (field = object->fields; field != NULL; field = field->next) {
        put_word(normal, field->name.text);
        put_sign(normal, ":");
        put_value(normal, field->value);
    }
    put_sign(normal, "}");
}

/* Recursion: as deep as the parser's limit. */
static void put_value(struct normal *normal, const struct ast_value *value)
{
    switch ((int)value->node.kind) {
    case AST_VARIABLE:
        put_sign(normal, "$");
        put_word(normal, value->text);
        break;
    case AST_STRING:
        put_space(normal, BEHIND_STRING);
        print_string(value->text, normal->out);
        break;
    case AST_BOOLEAN:
        put_literal(normal, value->boolean ? "true" : "false");
        break;
    case AST_NULL:
        put_literal(normal, "null");
        break;
    case AST_LIST:
        put_list(normal, value);
        break;
    case AST_OBJECT:
        put_object(normal, value);
        break;
    default: /* numbers and enum values, as they were written */
        put_word(normal, value->text);
        break;
    }
}

/* Recursion: likewise. */
static void put_type(struct normal *normal, const struct ast_type *type)
{
    switch ((int)type->node.kind) {
    case AST_LIST_OF:
        put_sign(normal, "[");
        put_type(normal, type->of);
        put_sign(normal, "]");
        break;
    case AST_NON_NULL:
        put_type(normal, type->of);
        put_sign(normal, "!");
        break;
    default:
        put_word(normal, type->name);
        break;
    }
}

static void put_arguments(struct normal *normal, const struct ast_argument *arguments)
{
    const struct ast_argument *argument;

    if (arguments == NULL)
        return;
    put_sign(normal, "(");
    for (argument = arguments; argument != NULL; argument = argument->next) {
        put_word(normal, argument->name.text);
        put_sign(normal, ":");
        put_value(normal, argument->value);
    }
    put_sign(normal, ")");
}

static void put_directives(struct normal *normal, const struct ast_directive *directives)
{
    const struct ast_directive *directive;

    for (directive = directives; directive != NULL; directive = directive->next) {
        put_sign(normal, "@");
        put_word(normal, directive->name.text);
        put_arguments(normal, directive->arguments);
    }
}

static int compare_texts(struct ast_text a, struct ast_text b)
{
    int order = memcmp(a.bytes, b.bytes, a.size < b.size ? a.size : b.size);

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* By name; those of one name, which no valid document has, in the order of the source. */
static int compare_fragments(const void *a, const void *b)
{
    const struct ast_definition *left = ((const struct fragment *)a)->definition;
    const struct ast_definition *right = ((const struct fragment *)b)->definition;
    int order = compare_texts(left->name.text, right->name.text);

    return order != 0 ? order : (left->node.at > right->node.at) - (left->node.at < right->node.at);
}

/* The first fragment of this name; NULL: none. */
static struct fragment *find_fragment(const struct normal *normal, struct ast_text name)
{
    uint32_t low = 0;
    uint32_t high = normal->fragment_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_texts(normal->fragments[middle].definition->name.text, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == normal->fragment_count ||
        !ast_text_equals(normal->fragments[low].definition->name.text, name))
        return NULL;
    return &normal->fragments[low];
}

static void use_fragment(struct normal *normal, struct ast_text name)
{
    struct fragment *fragment = find_fragment(normal, name);

    if (fragment == NULL || fragment->is_used)
        return;
    fragment->is_used = true;
    fragment->next_to_read = normal->to_read;
    normal->to_read = fragment;
}

/* Recursion: as deep as the parser's limit. */
static void find_spreads(struct normal *normal, const struct ast_selection_set *set)
{
    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        if (selection->node.kind == AST_FRAGMENT_SPREAD)
            use_fragment(normal, selection->name.text);
        else if (selection->selections != NULL)
            find_spreads(normal, selection->selections);
    }
}

/* Recursion: likewise. */
static void put_selections(struct normal *normal, const struct ast_selection_set *set)
{
    put_sign(normal, "{");
    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        bool has_alias = selection->alias.text.size > 0 &&
                         !ast_text_equals(selection->alias.text, selection->name.text);

        if (selection->node.kind != AST_FIELD)
            put_sign(normal, "...");
        if (has_alias) {
            put_word(normal, selection->alias.text);
            put_sign(normal, ":");
        }
        if (selection->name.text.size > 0)
            put_word(normal, selection->name.text);
        if (selection->type_condition != NULL) {
            put_literal(normal, "on");
            put_type(normal, selection->type_condition);
        }
        put_arguments(normal, selection->arguments);
        put_directives(normal, selection->directives);
        if (selection->selections != NULL)
            put_selections(normal, selection->selections);
    }
    put_sign(normal, "}");
}

static void put_variables(struct normal *normal, const struct ast_variable_definition *variables)
{
    const struct ast_variable_definition *variable;

    if (variables == NULL)
        return;
    put_sign(normal, "(");
    for (variable = variables; variable != NULL; variable = variable->next) {
        put_sign(normal, "$");
        put_word(normal, variable->name.text);
        put_sign(normal, ":");
        put_type(normal, variable->type);
        if (variable->default_value != NULL) {
            put_sign(normal, "=");
            put_value(normal, variable->default_value);
        }
        put_directives(normal, variable->directives);
    }
    put_sign(normal, ")");
}

static void put_operation(struct normal *normal, const struct ast_definition *operation)
{
    static const char *const words[] = {
        [AST_QUERY] = "query",
        [AST_MUTATION] = "mutation",
        [AST_SUBSCRIPTION] = "subscription",
    };

    if (operation->operation != AST_QUERY || operation->variables != NULL ||
        operation->directives != NULL)
        put_literal(normal, words[operation->operation]);
    put_variables(normal, operation->variables);
    put_directives(normal, operation->directives);
    put_selections(normal, operation->selections);
}

static void put_fragment(struct normal *normal, const struct ast_definition *fragment)
{
    put_literal(normal, "fragment");
    put_word(normal, fragment->name.text);
    put_literal(normal, "on");
    put_type(normal, fragment->type_condition);
    put_directives(normal, fragment->directives);
    put_selections(normal, fragment->selections);
}

/* All fragments of the document, by name; false: no memory. */
static bool collect_fragments(struct normal *normal, const struct ast_document *document)
{
    const struct ast_definition *definition;
    uint32_t count = 0;

    for (definition = document->definitions; definition != NULL; definition = definition->next)
        count += definition->node.kind == AST_FRAGMENT;
    if (count == 0)
        return true;
    normal->fragments = calloc(count, sizeof *normal->fragments);
    if (normal->fragments == NULL)
        return false;
    for (definition = document->definitions; definition != NULL; definition = definition->next) {
        if (definition->node.kind == AST_FRAGMENT)
            normal->fragments[normal->fragment_count++].definition = definition;
    }
    qsort(normal->fragments, count, sizeof *normal->fragments, compare_fragments);
    return true;
}

void print_normal_form(const struct ast_document *document, const struct ast_definition *operation,
                       struct text *out)
{
    struct normal normal = {.out = out};

    if (!collect_fragments(&normal, document)) {
        out->has_failed = true;
        return;
    }
    find_spreads(&normal, operation->selections);
    while (normal.to_read != NULL) {
        const struct ast_definition *fragment = normal.to_read->definition;

        normal.to_read = normal.to_read->next_to_read;
        find_spreads(&normal, fragment->selections);
    }
    put_operation(&normal, operation);
    for (uint32_t i = 0; i < normal.fragment_count; i++) {
        if (normal.fragments[i].is_used)
            put_fragment(&normal, normal.fragments[i].definition);
    }
    free(normal.fragments);
}
