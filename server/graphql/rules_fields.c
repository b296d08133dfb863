/*
 * KnownTypeNames, ScalarLeafs, FieldsOnCorrectType, MaxIntrospectionDepth; and NoSchemaIntrospection
 * where the schema does not want to be known.
 */
#include "server/graphql/suggest.h"
#include "server/graphql/validate_internal.h"

enum {
    INTROSPECTION_LISTS_MAX = 3, /* in one another, of types: so many are too many */
};

/* Those that a text may name although its schema has not got them. */
static const char *const standard_types[] = {
    "String",     "Int",      "Float",        "Boolean",
    "ID",         "__Schema", "__Directive",  "__DirectiveLocation",
    "__Type",     "__Field",  "__InputValue", "__EnumValue",
    "__TypeKind",
};

static bool is_type_definition(const struct ast_definition *definition)
{
    return !definition->is_extension && definition->node.kind != AST_SCHEMA &&
           definition->node.kind != AST_DIRECTIVE_DEFINITION;
}

static bool is_defined_type(const struct validate *validate, struct ast_text name)
{
    for (uint32_t i = 0; i < validate->type_system_count; i++) {
        if (is_type_definition(validate->type_system[i]) &&
            ast_text_equals(validate->type_system[i]->name.text, name))
            return true;
    }
    return false;
}

static bool is_standard_type(struct ast_text name)
{
    for (size_t i = 0; i < sizeof standard_types / sizeof *standard_types; i++) {
        if (ast_text_is(name, standard_types[i]))
            return true;
    }
    return false;
}

static const char *suggest_types(struct validate *validate, struct ast_text name)
{
    struct suggest suggest;

    suggest_begin(&suggest, name, &validate->scratch);
    suggest_hide(&suggest, validate->schema);
    for (uint32_t i = 0; i < validate->schema->type_count; i++)
        suggest_offer(&suggest, validate->schema->types[i]->name);
    for (uint32_t i = 0; i < validate->type_system_count; i++) {
        if (is_type_definition(validate->type_system[i]))
            suggest_offer(&suggest, validate->type_system[i]->name.text);
    }
    for (size_t i = 0; i < sizeof standard_types / sizeof *standard_types; i++) {
        const char *standard = standard_types[i];

        if (validate->place.is_type_system)
            suggest_offer(&suggest,
                          (struct ast_text){standard, (uint32_t)__builtin_strlen(standard)});
    }
    return suggest_end(&suggest, NULL);
}

void rule_known_type_names(struct validate *validate, const struct ast_node *node)
{
    struct ast_text name = ((const struct ast_type *)node)->name;

    if (schema_find_type(validate->schema, name) != NULL || is_defined_type(validate, name) ||
        (validate->place.is_type_system && is_standard_type(name)))
        return;
    validate_locate(
        validate,
        REPORT(validate, "Unknown type \"%.*s\".%s", NAME(name), suggest_types(validate, name)),
        node->at);
}

void rule_scalar_leafs(struct validate *validate, const struct ast_node *node)
{
    const struct ast_selection *selection = (const struct ast_selection *)node;
    const struct schema_ref *type = validate->place.type;
    bool is_leaf;

    if (type == NULL)
        return;
    is_leaf = schema_is_leaf(schema_ref_named(type));
    if (is_leaf && selection->selections != NULL)
        validate_locate(validate,
                        REPORT(validate,
                               "Field \"%.*s\" must not have a selection since type \"%s\" has no "
                               "subfields.",
                               NAME(selection->name.text), validate_ref_text(validate, type)),
                        selection->selections->node.at);
    else if (!is_leaf && selection->selections == NULL)
        validate_locate(validate,
                        REPORT(validate,
                               "Field \"%.*s\" of type \"%s\" must have a selection of subfields. "
                               "Did you mean \"%.*s { ... }\"?",
                               NAME(selection->name.text), validate_ref_text(validate, type),
                               NAME(selection->name.text)),
                        node->at);
}

/* A type that has the field which was asked for, and how often it came up. */
struct candidate {
    const struct schema_type *type;
    uint32_t usage_count;
};

/* Which of two is suggested first; graphql-js's order. Above 0: @b is. */
static int compare_candidates(const struct candidate *a, const struct candidate *b)
{
    if (a->usage_count != b->usage_count)
        return a->usage_count > b->usage_count ? -1 : 1;
    if (a->type->kind == SCHEMA_INTERFACE && schema_is_possible(a->type, b->type))
        return -1;
    if (b->type->kind == SCHEMA_INTERFACE && schema_is_possible(b->type, a->type))
        return 1;
    return suggest_compare(a->type->name, b->type->name);
}

/*
 * That order is not always one (of three types each may stand before the next), so the way in which
 * it is sorted shows: by binary insertion behind what is sorted already, as JavaScript's engines do
 * it with short arrays.
 */
static void sort_candidates(struct candidate *candidates, uint32_t count)
{
    uint32_t run = count < 2 ? count : 2;
    bool is_descending;

    if (count < 2)
        return;
    is_descending = compare_candidates(&candidates[1], &candidates[0]) < 0;
    while (run < count &&
           (compare_candidates(&candidates[run], &candidates[run - 1]) < 0) == is_descending)
        run++;
    for (uint32_t i = 0; is_descending && i < run / 2; i++) {
        struct candidate swapped = candidates[i];

        candidates[i] = candidates[run - 1 - i];
        candidates[run - 1 - i] = swapped;
    }
    for (; run < count; run++) {
        struct candidate pivot = candidates[run];
        uint32_t low = 0;
        uint32_t high = run;

        while (low < high) {
            uint32_t middle = low + (high - low) / 2;

            if (compare_candidates(&pivot, &candidates[middle]) < 0)
                high = middle;
            else
                low = middle + 1;
        }
        for (uint32_t i = run; i > low; i--)
            candidates[i] = candidates[i - 1];
        candidates[low] = pivot;
    }
}

static bool has_field(const struct validate *validate, const struct schema_type *type,
                      struct ast_text name)
{
    bool is_meta = name.size >= 2 && name.bytes[0] == '_' && name.bytes[1] == '_';

    return !is_meta && schema_find_field(validate->schema, type, name) != NULL;
}

static void count_candidate(struct candidate *candidates, uint32_t *count,
                            const struct schema_type *type)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (candidates[i].type == type) {
            candidates[i].usage_count++;
            return;
        }
    }
    candidates[(*count)++] = (struct candidate){type, 1};
}

/* The types that an interface's or union's objects may have, and their interfaces, with the field. */
static uint32_t find_candidates(struct validate *validate, const struct schema_type *type,
                                struct ast_text name, struct candidate **ret_candidates)
{
    struct candidate *candidates;
    uint32_t count = 0;
    size_t capacity = 0;

    for (uint32_t i = 0; i < type->possible_count; i++)
        capacity += 1 + (size_t)type->possible[i]->interface_count;
    candidates = region_alloc(&validate->scratch, capacity * sizeof *candidates);
    if (candidates == NULL)
        return 0;
    for (uint32_t i = 0; i < type->possible_count; i++) {
        const struct schema_type *possible = type->possible[i];

        if (!has_field(validate, possible, name))
            continue;
        count_candidate(candidates, &count, possible);
        for (uint32_t j = 0; j < possible->interface_count; j++) {
            if (has_field(validate, possible->interfaces[j], name))
                count_candidate(candidates, &count, possible->interfaces[j]);
        }
    }
    *ret_candidates = candidates;
    return count;
}

static const char *suggest_fragments(struct validate *validate, const struct schema_type *type,
                                     struct ast_text name)
{
    struct candidate *candidates = NULL;
    struct suggest suggest;
    uint32_t count = 0;

    if (type->kind != SCHEMA_OBJECT)
        count = find_candidates(validate, type, name, &candidates);
    sort_candidates(candidates, count);
    suggest_begin(&suggest, name, &validate->scratch);
    suggest_hide(&suggest, validate->schema);
    for (uint32_t i = 0; i < count && i < SUGGEST_MAX; i++)
        suggest.found[suggest.found_count++] = candidates[i].type->name;
    return suggest_end(&suggest, "to use an inline fragment on");
}

static const char *suggest_fields(struct validate *validate, const struct schema_type *type,
                                  struct ast_text name)
{
    struct suggest suggest;

    suggest_begin(&suggest, name, &validate->scratch);
    suggest_hide(&suggest, validate->schema);
    for (uint32_t i = 0; i < type->field_count; i++)
        suggest_offer(&suggest, type->fields[i].name);
    return suggest_end(&suggest, NULL);
}

void rule_fields_on_correct_type(struct validate *validate, const struct ast_node *node)
{
    struct ast_text name = ((const struct ast_selection *)node)->name.text;
    const struct schema_type *type = validate->place.parent;
    const char *suggestion;

    if (type == NULL || validate->place.field != NULL || validate_is_over(validate))
        return;
    suggestion = suggest_fragments(validate, type, name);
    if (suggestion[0] == '\0')
        suggestion = suggest_fields(validate, type, name);
    validate_locate(validate,
                    REPORT(validate, "Cannot query field \"%.*s\" on type \"%.*s\".%s", NAME(name),
                           NAME(type->name), suggestion),
                    node->at);
}

/* Sets of selections that are to be looked at, each with the number of lists around it. */
struct depth_search {
    struct depth_item {
        const struct ast_selection_set *set;
        uint32_t depth;
    } * items;
    uint32_t count;
    uint32_t capacity;
};

static void push_depth(struct validate *validate, struct depth_search *search,
                       const struct ast_selection_set *set, uint32_t depth)
{
    if (search->count == search->capacity) {
        uint32_t capacity = search->capacity == 0 ? 8 : search->capacity * 2;
        struct depth_item *grown = region_alloc(&validate->scratch, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        for (uint32_t i = 0; i < search->count; i++)
            grown[i] = search->items[i];
        search->items = grown;
        search->capacity = capacity;
    }
    search->items[search->count++] = (struct depth_item){set, depth};
}

static bool is_list_of_types(struct ast_text name)
{
    return ast_text_is(name, "fields") || ast_text_is(name, "interfaces") ||
           ast_text_is(name, "possibleTypes") || ast_text_is(name, "inputFields");
}

/* True: it leads to too many lists in one another. */
static bool look_into(struct validate *validate, struct depth_search *search,
                      const struct ast_selection *selection, uint32_t depth)
{
    struct validate_fragment *fragment;

    if (selection->node.kind == AST_FRAGMENT_SPREAD) {
        fragment = validate_find_fragment(validate, selection->name.text);
        if (fragment == NULL || fragment->harmless_depth > depth)
            return false;
        fragment->harmless_depth = depth + 1;
        push_depth(validate, search, fragment->definition->selections, depth);
        return false;
    }
    if (selection->node.kind == AST_FIELD && is_list_of_types(selection->name.text))
        depth++;
    if (depth >= INTROSPECTION_LISTS_MAX)
        return true;
    if (selection->selections != NULL)
        push_depth(validate, search, selection->selections, depth);
    return false;
}

static bool is_too_deep(struct validate *validate, const struct ast_selection_set *set)
{
    struct depth_search search = {0};

    push_depth(validate, &search, set, 0);
    while (search.count > 0 && !validate_is_over(validate)) {
        struct depth_item item = search.items[--search.count];

        for (const struct ast_selection *selection = item.set->first; selection != NULL;
             selection = selection->next) {
            if (look_into(validate, &search, selection, item.depth))
                return true;
        }
    }
    return false;
}

void rule_max_introspection_depth(struct validate *validate, const struct ast_node *node)
{
    const struct ast_selection *field = (const struct ast_selection *)node;

    if (field->name.text.size < 6 || field->name.text.bytes[0] != '_' ||
        field->selections == NULL || validate->skipped_field != NULL ||
        (!ast_text_is(field->name.text, "__schema") && !ast_text_is(field->name.text, "__type")) ||
        !is_too_deep(validate, field->selections))
        return;
    validate_locate(validate, REPORT(validate, "Maximum introspection depth exceeded"), node->at);
    validate->skipped_field = field;
    /* What was found harmless may have been left before all of it was seen. */
    for (uint32_t i = 0; i < validate->fragment_count; i++)
        validate->fragments[i].harmless_depth = 0;
}

void rule_max_introspection_depth_leave(struct validate *validate, const struct ast_node *node)
{
    if (validate->skipped_field == (const struct ast_selection *)node)
        validate->skipped_field = NULL;
}

static bool is_introspection_type(const struct schema_type *type)
{
    return type->name.size > 2 && type->name.bytes[0] == '_' && type->name.bytes[1] == '_';
}

void rule_no_schema_introspection(struct validate *validate, const struct ast_node *node)
{
    const struct ast_selection *field = (const struct ast_selection *)node;
    const struct schema_ref *type = validate->place.type;

    if (validate->schema->is_introspectable || type == NULL ||
        !is_introspection_type(schema_ref_named(type)))
        return;
    validate_locate(validate,
                    REPORT(validate,
                           "GraphQL introspection has been disabled, but the requested query "
                           "contained the field \"%.*s\".",
                           NAME(field->name.text)),
                    node->at);
}
