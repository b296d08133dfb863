/*
 * FragmentsOnCompositeTypes, UniqueFragmentNames, KnownFragmentNames, NoUnusedFragments,
 * PossibleFragmentSpreads, NoFragmentCycles.
 */
#include "server/graphql/validate_internal.h"
#include "server/json/text.h"

enum {
    CYCLE_SPREADS_MAX = 100, /* that are told of one cycle */
};

void rule_fragments_on_composite_types(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *definition = NULL;
    const struct ast_type *condition;
    const struct schema_type *type;
    struct graphql_error *error;

    if (node->kind == AST_FRAGMENT) {
        definition = (const struct ast_definition *)node;
        condition = definition->type_condition;
    } else {
        condition = ((const struct ast_selection *)node)->type_condition;
    }
    type = condition == NULL ? NULL : schema_find_type(validate->schema, condition->name);
    if (type == NULL || schema_is_composite(type))
        return;
    if (definition == NULL)
        error = REPORT(validate, "Fragment cannot condition on non composite type \"%.*s\".",
                       NAME(type->name));
    else
        error =
            REPORT(validate, "Fragment \"%.*s\" cannot condition on non composite type \"%.*s\".",
                   NAME(definition->name.text), NAME(type->name));
    validate_locate(validate, error, condition->node.at);
}

void rule_unique_fragment_names(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *definition = (const struct ast_definition *)node;
    uint32_t first = validate->fragments[validate->fragment_index].first;
    struct graphql_error *error;

    if (first == validate->fragment_index)
        return;
    error = REPORT(validate, "There can be only one fragment named \"%.*s\".",
                   NAME(definition->name.text));
    validate_locate(validate, error, validate->fragments[first].definition->name.at);
    validate_locate(validate, error, definition->name.at);
}

void rule_known_fragment_names(struct validate *validate, const struct ast_node *node)
{
    const struct ast_selection *spread = (const struct ast_selection *)node;

    if (validate_find_fragment(validate, spread->name.text) != NULL)
        return;
    validate_locate(validate,
                    REPORT(validate, "Unknown fragment \"%.*s\".", NAME(spread->name.text)),
                    spread->name.at);
}

void rule_no_unused_fragments_leave(struct validate *validate, const struct ast_node *node)
{
    const struct validate_closure *closure;
    uint32_t mark;

    (void)node; /* the document */
    if (validate->fragment_count == 0)
        return;
    closure = validate_closure_of(validate, validate->operations, validate->operation_count);
    if (closure == NULL)
        return;
    mark = validate_next_mark(validate);
    for (uint32_t i = 0; i < closure->count; i++)
        closure->fragments[i]->mark = mark;
    for (uint32_t i = 0; i < validate->fragment_count && !validate_is_over(validate); i++) {
        const struct ast_definition *definition = validate->fragments[i].definition;

        /* Of several with the same name it is the last one that is used. */
        if (validate_find_fragment(validate, definition->name.text)->mark != mark)
            validate_locate(
                validate,
                REPORT(validate, "Fragment \"%.*s\" is never used.", NAME(definition->name.text)),
                definition->node.at);
    }
}

/* Whether there is an object type that is both. */
static bool do_overlap(const struct schema_type *a, const struct schema_type *b)
{
    if (a == b)
        return true;
    if (a->kind == SCHEMA_OBJECT)
        return schema_is_possible(b, a);
    if (b->kind == SCHEMA_OBJECT)
        return schema_is_possible(a, b);
    for (uint32_t i = 0; i < a->possible_count; i++) {
        if (schema_is_possible(b, a->possible[i]))
            return true;
    }
    return false;
}

static void check_inline_fragment(struct validate *validate, const struct ast_node *node)
{
    const struct schema_ref *ref = validate->place.type;
    const struct schema_type *type = ref == NULL ? NULL : schema_ref_named(ref);
    const struct schema_type *parent = validate->place.parent;

    if (type == NULL || parent == NULL || !schema_is_composite(type) || do_overlap(type, parent))
        return;
    validate_locate(validate,
                    REPORT(validate,
                           "Fragment cannot be spread here as objects of type \"%.*s\" can never "
                           "be of type \"%.*s\".",
                           NAME(parent->name), NAME(type->name)),
                    node->at);
}

void rule_possible_fragment_spreads(struct validate *validate, const struct ast_node *node)
{
    const struct ast_selection *spread = (const struct ast_selection *)node;
    const struct schema_type *parent = validate->place.parent;
    const struct validate_fragment *fragment;
    const struct schema_type *type;

    if (node->kind == AST_INLINE_FRAGMENT) {
        check_inline_fragment(validate, node);
        return;
    }
    fragment = validate_find_fragment(validate, spread->name.text);
    if (fragment == NULL || parent == NULL)
        return;
    type = validate_condition(validate, fragment->definition->type_condition);
    if (type == NULL || do_overlap(type, parent))
        return;
    validate_locate(validate,
                    REPORT(validate,
                           "Fragment \"%.*s\" cannot be spread here as objects of type \"%.*s\" "
                           "can never be of type \"%.*s\".",
                           NAME(spread->name.text), NAME(parent->name), NAME(type->name)),
                    node->at);
}

/* One fragment on the path that is being searched, and its spread that the path goes on with. */
struct cycle_step {
    struct validate_fragment *fragment;
    uint32_t spread_index;
};

struct cycle_path {
    struct cycle_step *steps;
    uint32_t count;
    uint32_t capacity;
};

static const struct validate_spread *spread_of(const struct cycle_step *step)
{
    return &step->fragment->spreads.items[step->spread_index];
}

/* Steps from @begin on lead back to where they began. A very long cycle is not told in full. */
static void report_cycle(struct validate *validate, const struct cycle_path *path, uint32_t begin)
{
    const struct cycle_step *steps = path->steps + begin;
    uint32_t count = path->count - begin;
    uint32_t told = count < CYCLE_SPREADS_MAX ? count : CYCLE_SPREADS_MAX;
    struct text via = {0};
    struct graphql_error *error;

    for (uint32_t i = 0; i + 1 < told; i++)
        text_printf(&via, "%s\"%.*s\"", i == 0 ? " via " : ", ",
                    NAME(spread_of(&steps[i])->node->name.text));
    if (told < count)
        text_add_string(&via, ", …");
    validate->scratch.has_failed |= !text_is_whole(&via);
    error = REPORT(validate, "Cannot spread fragment \"%.*s\" within itself%.*s.",
                   NAME(spread_of(&steps[count - 1])->node->name.text), (int)via.size, via.bytes);
    for (uint32_t i = 0; i < told; i++)
        validate_locate(validate, error, spread_of(&steps[i])->node->node.at);
    text_done(&via);
}

/* Goes on to a fragment that has not been searched; false: no memory. */
static bool step_into(struct validate *validate, struct cycle_path *path,
                      struct validate_fragment *fragment)
{
    if (path->count == path->capacity) {
        uint32_t capacity = path->capacity == 0 ? 8 : path->capacity * 2;
        struct cycle_step *grown = region_alloc(&validate->scratch, capacity * sizeof *grown);

        if (grown == NULL)
            return false;
        for (uint32_t i = 0; i < path->count; i++)
            grown[i] = path->steps[i];
        path->steps = grown;
        path->capacity = capacity;
    }
    fragment->is_searched = true;
    (void)validate_spreads_of(validate, fragment->definition->selections, &fragment->spreads);
    path->steps[path->count++] = (struct cycle_step){.fragment = fragment};
    fragment->path_length = path->count;
    return true;
}

/*
 * Depth first, each fragment once. Of several fragments with the same name the last one is searched,
 * unless the walk comes to another one first: names are what counts, as in graphql-js.
 */
void rule_no_fragment_cycles(struct validate *validate, const struct ast_node *node)
{
    struct validate_fragment *begin = &validate->fragments[validate->fragment_index];
    struct validate_fragment *named =
        validate_find_fragment(validate, begin->definition->name.text);
    struct cycle_path path = {0};

    (void)node; /* of the fragment */
    if (named->is_searched)
        return;
    named->is_searched = true;
    if (!step_into(validate, &path, begin))
        return;
    named->path_length = 1;
    while (path.count > 0 && !validate_is_over(validate)) {
        struct cycle_step *step = &path.steps[path.count - 1];
        struct validate_fragment *next;

        if (step->spread_index == step->fragment->spreads.count) {
            step->fragment->path_length = 0;
            path.count--;
            if (path.count > 0)
                path.steps[path.count - 1].spread_index++;
            continue;
        }
        next = spread_of(step)->fragment;
        if (next != NULL && next->path_length > 0)
            report_cycle(validate, &path, next->path_length - 1);
        if (next != NULL && next->path_length == 0 && !next->is_searched &&
            step_into(validate, &path, next))
            continue;
        step->spread_index++;
    }
    named->path_length = 0;
}
