/*
 * What operations and fragments refer to, found once for each of them. As in graphql-js every look
 * at a reference is paid for from one budget, because with many operations and many fragments there
 * may be as many looks as pairs of them.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/hash.h"
#include "server/graphql/validate_internal.h"

static const struct validate_rules usage_rules[VALIDATE_KIND_COUNT] = {
    [AST_VARIABLE] = {.enter = {validate_note_usage}},
};

bool validate_spend(struct validate *validate, uint64_t work)
{
    if (work <= validate->fragment_work_left) {
        validate->fragment_work_left -= (uint32_t)work;
        return !validate_is_over(validate);
    }
    validate_abort(validate);
    return false;
}

uint32_t validate_next_mark(struct validate *validate)
{
    return ++validate->mark;
}

/* A stack of sets for one walk through a tree of them. */
struct set_stack {
    const struct ast_selection_set **sets;
    uint32_t count;
    uint32_t capacity;
};

/* An array that doubles in the scratch region; NULL: no memory. */
static void *grow(struct validate *validate, const void *array, uint32_t count, uint32_t *capacity,
                  size_t item_bytes)
{
    uint32_t grown_capacity = *capacity == 0 ? 8 : *capacity * 2;
    void *grown = region_alloc(&validate->scratch, grown_capacity * item_bytes);

    if (grown == NULL)
        return NULL;
    if (count > 0)
        memcpy(grown, array, count * item_bytes);
    *capacity = grown_capacity;
    return grown;
}

static void push_set(struct validate *validate, struct set_stack *stack,
                     const struct ast_selection_set *set)
{
    if (stack->count == stack->capacity) {
        const struct ast_selection_set **grown =
            grow(validate, stack->sets, stack->count, &stack->capacity, sizeof(void *));

        if (grown == NULL)
            return;
        stack->sets = grown;
    }
    stack->sets[stack->count++] = set;
}

const struct validate_spreads *validate_spreads_of(struct validate *validate,
                                                   const struct ast_selection_set *selections,
                                                   struct validate_spreads *spreads)
{
    struct set_stack stack = {0};
    uint32_t capacity = 0;

    if (spreads->is_gathered)
        return spreads;
    spreads->is_gathered = true;
    push_set(validate, &stack, selections);
    while (stack.count > 0 && !validate->scratch.has_failed) {
        const struct ast_selection *selection = stack.sets[--stack.count]->first;

        for (; selection != NULL; selection = selection->next) {
            if (selection->selections != NULL)
                push_set(validate, &stack, selection->selections);
            if (selection->node.kind != AST_FRAGMENT_SPREAD)
                continue;
            if (spreads->count == capacity) {
                struct validate_spread *grown =
                    grow(validate, spreads->items, spreads->count, &capacity, sizeof *grown);

                if (grown == NULL)
                    return spreads;
                spreads->items = grown;
            }
            spreads->items[spreads->count++] = (struct validate_spread){
                selection, validate_find_fragment(validate, selection->name.text)};
        }
    }
    return spreads;
}

/* By their place in the document. */
static int compare_fragments(const void *left, const void *right)
{
    const struct validate_fragment *a = *(struct validate_fragment *const *)left;
    const struct validate_fragment *b = *(struct validate_fragment *const *)right;

    return (a > b) - (a < b);
}

/* Adds the fragments that are new to the pass. */
static void add_new(struct validate_fragment **list, uint32_t *count,
                    const struct validate_spreads *spreads, uint32_t mark)
{
    for (uint32_t i = 0; i < spreads->count; i++) {
        struct validate_fragment *fragment = spreads->items[i].fragment;

        if (fragment == NULL || fragment->mark == mark)
            continue;
        fragment->mark = mark;
        list[(*count)++] = fragment;
    }
}

/* From the names to everything that they lead to. They are marked. */
static void follow(struct validate *validate, struct validate_closure *closure, uint32_t mark)
{
    uint32_t capacity = closure->count;

    for (uint32_t i = 0; i < closure->count && !validate_is_over(validate); i++) {
        struct validate_fragment *fragment = closure->fragments[i];
        const struct validate_spreads *spreads =
            validate_spreads_of(validate, fragment->definition->selections, &fragment->spreads);

        if (!validate_spend(validate, spreads->count))
            return;
        while (capacity - closure->count < spreads->count) {
            struct validate_fragment **grown =
                grow(validate, closure->fragments, closure->count, &capacity, sizeof(void *));

            if (grown == NULL)
                return;
            closure->fragments = grown;
        }
        add_new(closure->fragments, &closure->count, spreads, mark);
    }
}

/*
 * The place of what the names lead to, NULL in it if nobody has asked yet. Should two sets of names
 * ever have the same hash, the later one is not remembered.
 */
static void **remembered(struct validate *validate, const struct validate_closure *closure)
{
    uint64_t hash = hash_bytes((uintptr_t)validate->fragments, closure->names,
                               closure->name_count * sizeof(void *));

    return validate_pairs_at(&validate->closures, (uintptr_t)hash | 1, closure->name_count);
}

static bool has_names(const struct validate_closure *closure, const struct validate_closure *other)
{
    return closure->name_count == other->name_count &&
           memcmp(closure->names, other->names, closure->name_count * sizeof(void *)) == 0;
}

/* The fragments that the operations spread themselves; NULL: no memory. */
static struct validate_closure *begin_closure(struct validate *validate,
                                              struct validate_operation *operations, uint32_t count,
                                              uint32_t mark)
{
    struct validate_closure *closure = region_alloc(&validate->scratch, sizeof *closure);
    size_t spread_count = 0;

    for (uint32_t i = 0; i < count; i++)
        spread_count += validate_spreads_of(validate, operations[i].definition->selections,
                                            &operations[i].spreads)
                            ->count;
    if (closure == NULL)
        return NULL;
    closure->names = region_alloc(&validate->scratch, spread_count * sizeof(void *));
    closure->fragments = region_alloc(&validate->scratch, spread_count * sizeof(void *));
    if (validate_is_over(validate))
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        add_new(closure->fragments, &closure->count, &operations[i].spreads, mark);
    closure->name_count = closure->count;
    if (closure->count > 0)
        memcpy(closure->names, closure->fragments, closure->count * sizeof(void *));
    qsort(closure->names, closure->name_count, sizeof(void *), compare_fragments);
    return closure;
}

struct validate_closure *validate_closure_of(struct validate *validate,
                                             struct validate_operation *operations, uint32_t count)
{
    uint32_t mark = validate_next_mark(validate);
    struct validate_closure *closure;
    void **place;

    if (validate->fragment_count == 0)
        return &validate->empty_closure;
    closure = begin_closure(validate, operations, count, mark);
    if (closure == NULL)
        return NULL;
    place = remembered(validate, closure);
    if (place == NULL)
        return NULL;
    if (*place != NULL && has_names(*place, closure))
        return *place;
    if (*place == NULL)
        *place = closure;
    if (!validate_spend(validate, closure->name_count))
        return NULL;
    follow(validate, closure, mark);
    return validate_is_over(validate) ? NULL : closure;
}

void validate_note_usage(struct validate *validate, const struct ast_node *node)
{
    struct validate_usages *usages = validate->usages;

    if (usages == NULL)
        return;
    if (usages->count == usages->capacity) {
        struct validate_usage *grown =
            grow(validate, usages->items, usages->count, &usages->capacity, sizeof *grown);

        if (grown == NULL)
            return;
        usages->items = grown;
    }
    usages->items[usages->count++] = (struct validate_usage){
        .variable = (const struct ast_value *)node,
        .type = validate->place.input,
        .has_default = validate->place.has_default,
    };
}

static void collect_usages(struct validate *validate, struct validate_fragment *fragment)
{
    const struct validate_rules *rules = validate->rules;
    struct validate_usages *usages = validate->usages;

    if (fragment->has_usages)
        return;
    fragment->has_usages = true;
    validate->rules = usage_rules;
    validate->usages = &fragment->usages;
    validate_walk_definition(validate, fragment->definition);
    validate->rules = rules;
    validate->usages = usages;
}

struct validate_closure *validate_usages_of(struct validate *validate,
                                            struct validate_operation *operation)
{
    struct validate_closure *closure = validate_closure_of(validate, operation, 1);

    if (closure == NULL)
        return NULL;
    if (!closure->has_usages) {
        if (!validate_spend(validate, closure->count))
            return NULL;
        for (uint32_t i = 0; i < closure->count; i++) {
            collect_usages(validate, closure->fragments[i]);
            closure->usage_count += closure->fragments[i]->usages.count;
            if (!validate_spend(validate, closure->fragments[i]->usages.count))
                return NULL;
        }
        closure->has_usages = true;
    }
    return validate_spend(validate, closure->usage_count) ? closure : NULL;
}
