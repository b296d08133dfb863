/*
 * OverlappingFieldsCanBeMerged: two fields with the same response key must be the same field, as far
 * as both can be in one object. The algorithm is graphql-js's, for its order of errors:
 *
 *   A  each selection set: its fields with one another;
 *   B  its fields with those of each fragment that it spreads, and of all that these spread;
 *   C  these fragments with one another, with all that they spread;
 *   H  two fields of the same key: the sets in them, and I, J: their fragments likewise.
 *
 * What has been compared is not compared again, and each comparison is paid for from one budget.
 * Fragments that spread fragments are followed without recursion; fields in fields by recursion, but
 * not deeper than VALIDATE_OVERLAP_DEPTH_MAX.
 */
#include "server/graphql/rules_overlap.h"

#include "server/json/text.h"

enum {
    DETAIL_BYTES_MAX = 1000, /* graphql-js abbreviates what is longer */
    NODES_MAX = 20,          /* and tells no more places, for each of both sides */
    CONFLICTS_MAX =
        ERRORS_MAX + 1, /* of one set: what is told of more than that would not be kept */
};

enum conflict_kind {
    CONFLICT_NAMES,
    CONFLICT_ARGUMENTS,
    CONFLICT_TYPES,
    CONFLICT_INSIDE,
};

struct conflict {
    struct conflict *next;
    enum conflict_kind kind;
    struct ast_text key;
    const struct overlap_field *a;
    const struct overlap_field *b;
    const char *inside;                /* CONFLICT_INSIDE: what is wrong there, */
    const struct ast_selection **of_a; /* and where, in and below a */
    const struct ast_selection **of_b;
    uint32_t of_a_count;
    uint32_t of_b_count;
};

struct conflicts {
    struct conflict *first;
    struct conflict *last;
    uint32_t count;
};

/* What is being compared. */
struct comparison {
    struct validate *validate;
    struct conflicts *conflicts; /* where it is noted */
    bool is_exclusive;           /* the objects that both are in cannot be the same one */
};

static struct conflict *add_conflict(const struct comparison *comparison, enum conflict_kind kind,
                                     struct ast_text key)
{
    struct conflicts *conflicts = comparison->conflicts;
    struct conflict *conflict;

    if (conflicts->count == CONFLICTS_MAX)
        return NULL;
    conflict = region_alloc(&comparison->validate->scratch, sizeof *conflict);
    if (conflict == NULL)
        return NULL;
    conflict->kind = kind;
    conflict->key = key;
    if (conflicts->last != NULL)
        conflicts->last->next = conflict;
    else
        conflicts->first = conflict;
    conflicts->last = conflict;
    conflicts->count++;
    return conflict;
}

/* A text that is not longer than graphql-js lets it be. Names and reasons are ASCII. */
static void add_abbreviated(struct text *out, const char *bytes, size_t size)
{
    text_add(out, bytes, size < DETAIL_BYTES_MAX ? size : DETAIL_BYTES_MAX);
    if (size > DETAIL_BYTES_MAX)
        text_add_string(out, "...");
}

static void add_reason(const struct conflict *conflict, struct text *out)
{
    struct ast_text name;

    switch (conflict->kind) {
    case CONFLICT_NAMES:
        text_add_string(out, "\"");
        name = conflict->a->node->name.text;
        add_abbreviated(out, name.bytes, name.size);
        text_add_string(out, "\" and \"");
        name = conflict->b->node->name.text;
        add_abbreviated(out, name.bytes, name.size);
        text_add_string(out, "\" are different fields");
        break;
    case CONFLICT_ARGUMENTS:
        text_add_string(out, "they have differing arguments");
        break;
    case CONFLICT_TYPES:
        text_add_string(out, "they return conflicting types \"");
        schema_ref_print(conflict->a->definition->type, out);
        text_add_string(out, "\" and \"");
        schema_ref_print(conflict->b->definition->type, out);
        text_add_string(out, "\"");
        break;
    case CONFLICT_INSIDE:
        text_add_string(out, conflict->inside);
        break;
    }
}

/* The reason for a conflict of two fields whose subfields have these; "" without memory. */
static const char *describe_inside(struct validate *validate, const struct conflicts *conflicts)
{
    struct text all = {0};
    struct text out = {0};
    const char *copy = NULL;

    for (const struct conflict *conflict = conflicts->first;
         conflict != NULL && all.size <= DETAIL_BYTES_MAX; conflict = conflict->next) {
        text_add_string(&all, all.size == 0 ? "subfields \"" : " and subfields \"");
        add_abbreviated(&all, conflict->key.bytes, conflict->key.size);
        text_add_string(&all, "\" conflict because ");
        add_reason(conflict, &all);
    }
    add_abbreviated(&out, all.bytes, all.size);
    if (text_is_whole(&all) && text_is_whole(&out))
        copy = region_copy(&validate->scratch, out.bytes, out.size);
    else
        validate->scratch.has_failed = true;
    text_done(&all);
    text_done(&out);
    return copy != NULL ? copy : "";
}

/* One side of a conflict: the field, or for a conflict inside it and what is in conflict there. */
static const struct ast_selection *const *nodes_of(const struct conflict *conflict, bool is_a,
                                                   uint32_t *ret_count)
{
    if (conflict->kind == CONFLICT_INSIDE) {
        *ret_count = is_a ? conflict->of_a_count : conflict->of_b_count;
        return is_a ? conflict->of_a : conflict->of_b;
    }
    *ret_count = 1;
    return is_a ? &conflict->a->node : &conflict->b->node;
}

/* @node, and the places of the conflicts in it: of each the deepest, as far as there is room. */
static const struct ast_selection **collect_nodes(struct validate *validate,
                                                  const struct ast_selection *node,
                                                  const struct conflicts *conflicts, bool is_a,
                                                  uint32_t *ret_count)
{
    const struct ast_selection *found[NODES_MAX] = {node};
    const struct ast_selection **nodes;
    uint32_t count = 1;

    for (const struct conflict *conflict = conflicts->first; conflict != NULL && count < NODES_MAX;
         conflict = conflict->next) {
        uint32_t room = NODES_MAX - count;
        uint32_t of_count;
        const struct ast_selection *const *of = nodes_of(conflict, is_a, &of_count);

        for (uint32_t i = of_count > room ? of_count - room : 0; i < of_count; i++)
            found[count++] = of[i];
    }
    nodes = region_alloc(&validate->scratch, count * sizeof(void *));
    for (uint32_t i = 0; nodes != NULL && i < count; i++)
        nodes[i] = found[i];
    *ret_count = nodes == NULL ? 0 : count;
    return nodes;
}

/* Whether no value could be of both types. Those of composite types are judged by their fields. */
static bool do_types_conflict(struct validate *validate, const struct schema_ref *a,
                              const struct schema_ref *b)
{
    for (;;) {
        if (a == b || !overlap_spend(validate, 1))
            return false;
        if (a->wrapper == SCHEMA_NAMED && b->wrapper == SCHEMA_NAMED)
            return schema_is_leaf(a->type) || schema_is_leaf(b->type);
        if (a->wrapper != b->wrapper)
            return true;
        a = a->of;
        b = b->of;
    }
}

static void compare_sets(const struct comparison *comparison, struct overlap_set *a,
                         struct overlap_set *b);
static void compare_inside(const struct comparison *comparison, const struct overlap_field *a,
                           const struct overlap_field *b);

static bool is_simple_leaf(const struct overlap_field *field)
{
    return field->node->arguments == NULL && field->node->selections == NULL;
}

static const struct schema_ref *type_of(const struct overlap_field *field)
{
    return field->definition == NULL ? NULL : field->definition->type;
}

static bool is_object(const struct schema_type *type)
{
    return type != NULL && type->kind == SCHEMA_OBJECT;
}

/* The names or arguments of two fields that may be in one object; false: a conflict is noted. */
static bool compare_heads(const struct comparison *comparison, struct ast_text key,
                          struct overlap_field *a, struct overlap_field *b)
{
    struct conflict *conflict;

    if (!ast_text_equals(a->node->name.text, b->node->name.text))
        conflict = add_conflict(comparison, CONFLICT_NAMES, key);
    else if (!overlap_has_same_arguments(comparison->validate, a, b))
        conflict = add_conflict(comparison, CONFLICT_ARGUMENTS, key);
    else
        return true;
    if (conflict != NULL) {
        conflict->a = a;
        conflict->b = b;
    }
    return false;
}

/* Two fields with the same response key. */
static void compare_fields(const struct comparison *comparison, struct ast_text key,
                           struct overlap_field *a, struct overlap_field *b)
{
    struct validate *validate = comparison->validate;
    struct comparison inner = *comparison;
    const struct schema_ref *type_a = type_of(a);
    const struct schema_ref *type_b = type_of(b);
    struct conflict *conflict;

    inner.is_exclusive |= a->parent != b->parent && is_object(a->parent) && is_object(b->parent);
    if (!overlap_spend(validate, 2))
        return;
    if (is_simple_leaf(a) && is_simple_leaf(b) && type_a == type_b &&
        ast_text_equals(a->node->name.text, b->node->name.text))
        return;
    if (!inner.is_exclusive && !compare_heads(&inner, key, a, b))
        return;
    if (type_a != NULL && type_b != NULL && do_types_conflict(validate, type_a, type_b)) {
        conflict = add_conflict(comparison, CONFLICT_TYPES, key);
        if (conflict != NULL) {
            conflict->a = a;
            conflict->b = b;
        }
        return;
    }
    if (a->node->selections != NULL && b->node->selections != NULL)
        compare_inside(&inner, a, b);
}

static void compare_sets(const struct comparison *comparison, struct overlap_set *a,
                         struct overlap_set *b)
{
    const struct overlap_shared *shared;

    if (a->group_count == 0 || b->group_count == 0)
        return;
    shared = overlap_shared_of(comparison->validate, a, b);
    for (uint32_t k = 0; shared != NULL && k < shared->count; k++) {
        const struct overlap_match *match = &shared->matches[k];

        for (uint32_t i = 0; i < match->a->count; i++) {
            for (uint32_t j = 0; j < match->b->count && !validate_is_over(comparison->validate);
                 j++)
                compare_fields(comparison, match->a->key, &match->a->fields[i],
                               &match->b->fields[j]);
        }
    }
}

/* True: two sets have been compared well enough; else it is remembered that now they are. */
static bool is_done(const struct comparison *comparison, enum overlap_done *done)
{
    enum overlap_done wanted =
        comparison->is_exclusive ? OVERLAP_COMPARED_EXCLUSIVE : OVERLAP_COMPARED;

    if (*done >= wanted)
        return true;
    *done = wanted;
    return false;
}

/* A fragment, or two, and which of those that they spread comes next. */
struct fragment_step {
    struct validate_fragment *a;
    struct validate_fragment *b;
    struct overlap_set *set_a;
    struct overlap_set *set_b;
    uint32_t next;
};

struct fragment_path {
    struct fragment_step *steps;
    uint32_t count;
    uint32_t capacity;
};

static void push_step(struct validate *validate, struct fragment_path *path,
                      const struct fragment_step *step)
{
    if (path->count == path->capacity) {
        uint32_t capacity = path->capacity == 0 ? 8 : path->capacity * 2;
        struct fragment_step *grown = region_alloc(&validate->scratch, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        for (uint32_t i = 0; i < path->count; i++)
            grown[i] = path->steps[i];
        path->steps = grown;
        path->capacity = capacity;
    }
    path->steps[path->count++] = *step;
}

/* The fields of @set with those of a fragment; then what it spreads is to be compared, too. */
static void visit_fragment(const struct comparison *comparison, struct fragment_path *path,
                           struct overlap_set *set, struct validate_fragment *fragment)
{
    struct validate *validate = comparison->validate;
    struct fragment_step step = {.a = fragment};
    struct overlap_pair *pair;
    int index;

    if (!overlap_spend(validate, 1) || set->group_count == 0 || fragment == NULL)
        return;
    step.set_a = overlap_set_of_fragment(validate, fragment);
    if (step.set_a == NULL || step.set_a == set)
        return;
    pair = overlap_pair_of(validate, set, step.set_a, &index);
    if (pair == NULL || is_done(comparison, &pair->set_and_fragment[index]))
        return;
    compare_sets(comparison, set, step.set_a);
    push_step(validate, path, &step);
}

/* B, I: the fields of a set with a fragment and all that it leads to. */
static void compare_set_and_fragment(const struct comparison *comparison, struct overlap_set *set,
                                     struct validate_fragment *fragment)
{
    struct fragment_path path = {0};

    visit_fragment(comparison, &path, set, fragment);
    while (path.count > 0 && !validate_is_over(comparison->validate)) {
        struct fragment_step *step = &path.steps[path.count - 1];

        if (step->next == step->set_a->fragment_count)
            path.count--;
        else
            visit_fragment(comparison, &path, set, step->set_a->fragments[step->next++]);
    }
}

static void visit_fragments(const struct comparison *comparison, struct fragment_path *path,
                            struct validate_fragment *a, struct validate_fragment *b)
{
    struct validate *validate = comparison->validate;
    struct fragment_step step = {.a = a, .b = b};
    struct overlap_pair *pair;
    int index;

    if (!overlap_spend(validate, 2) || a == b || a == NULL || b == NULL)
        return;
    step.set_a = overlap_set_of_fragment(validate, a);
    step.set_b = overlap_set_of_fragment(validate, b);
    if (step.set_a == NULL || step.set_b == NULL)
        return;
    pair = overlap_pair_of(validate, step.set_a, step.set_b, &index);
    if (pair == NULL || is_done(comparison, &pair->fragments))
        return;
    compare_sets(comparison, step.set_a, step.set_b);
    push_step(validate, path, &step);
}

/* C, J: two fragments, each of them with all that the other one spreads. */
static void compare_fragments(const struct comparison *comparison, struct validate_fragment *a,
                              struct validate_fragment *b)
{
    struct fragment_path path = {0};

    visit_fragments(comparison, &path, a, b);
    while (path.count > 0 && !validate_is_over(comparison->validate)) {
        struct fragment_step *step = &path.steps[path.count - 1];
        uint32_t of_b = step->set_b->fragment_count;
        uint32_t next = step->next++;

        if (next < of_b)
            visit_fragments(comparison, &path, step->a, step->set_b->fragments[next]);
        else if (next - of_b < step->set_a->fragment_count)
            visit_fragments(comparison, &path, step->set_a->fragments[next - of_b], step->b);
        else
            path.count--;
    }
}

/* H to J: the sets in two fields. @comparison has the conflicts of what they are in. */
static void compare_selections(const struct comparison *comparison, struct overlap_set *a,
                               struct overlap_set *b)
{
    compare_sets(comparison, a, b);
    for (uint32_t i = 0; i < b->fragment_count && !validate_is_over(comparison->validate); i++)
        compare_set_and_fragment(comparison, a, b->fragments[i]);
    for (uint32_t i = 0; i < a->fragment_count && !validate_is_over(comparison->validate); i++)
        compare_set_and_fragment(comparison, b, a->fragments[i]);
    for (uint32_t i = 0; i < a->fragment_count; i++) {
        for (uint32_t j = 0; j < b->fragment_count && !validate_is_over(comparison->validate); j++)
            compare_fragments(comparison, a->fragments[i], b->fragments[j]);
    }
}

static const struct schema_type *named_type_of(const struct overlap_field *field)
{
    const struct schema_ref *type = type_of(field);

    return type == NULL ? NULL : schema_ref_named(type);
}

/* Recursion: fields in one another, VALIDATE_OVERLAP_DEPTH_MAX of them. */
static void compare_inside(const struct comparison *comparison, const struct overlap_field *a,
                           const struct overlap_field *b)
{
    struct validate *validate = comparison->validate;
    struct conflicts conflicts = {0};
    struct comparison inner = {validate, &conflicts, comparison->is_exclusive};
    struct overlap_set *set_a = overlap_set_of(validate, named_type_of(a), a->node->selections);
    struct overlap_set *set_b = overlap_set_of(validate, named_type_of(b), b->node->selections);
    struct conflict *conflict;

    if (set_a == NULL || set_b == NULL)
        return;
    if (validate->overlap->depth == VALIDATE_OVERLAP_DEPTH_MAX) {
        validate_abort(validate);
        return;
    }
    validate->overlap->depth++;
    compare_selections(&inner, set_a, set_b);
    validate->overlap->depth--;
    if (conflicts.count == 0 || validate_is_over(validate))
        return;
    conflict = add_conflict(comparison, CONFLICT_INSIDE, ast_response_key(a->node));
    if (conflict == NULL)
        return;
    conflict->inside = describe_inside(validate, &conflicts);
    conflict->of_a = collect_nodes(validate, a->node, &conflicts, true, &conflict->of_a_count);
    conflict->of_b = collect_nodes(validate, b->node, &conflicts, false, &conflict->of_b_count);
}

/* A to C. */
static void compare_within(const struct comparison *comparison, struct overlap_set *set)
{
    struct validate *validate = comparison->validate;

    for (uint32_t k = 0; k < set->group_count; k++) {
        const struct overlap_group *group = &set->groups[k];

        for (uint32_t i = 0; i < group->count; i++) {
            for (uint32_t j = i + 1; j < group->count && !validate_is_over(validate); j++)
                compare_fields(comparison, group->key, &group->fields[i], &group->fields[j]);
        }
    }
    if (set->group_count == 0 && set->fragment_count < 2)
        return;
    for (uint32_t i = 0; i < set->fragment_count && !validate_is_over(validate); i++) {
        compare_set_and_fragment(comparison, set, set->fragments[i]);
        for (uint32_t j = i + 1; j < set->fragment_count && !validate_is_over(validate); j++)
            compare_fragments(comparison, set->fragments[i], set->fragments[j]);
    }
}

static void report(struct validate *validate, const struct conflict *conflict)
{
    struct text out = {0};
    struct graphql_error *error;

    text_add_string(&out, "Fields \"");
    add_abbreviated(&out, conflict->key.bytes, conflict->key.size);
    text_add_string(&out, "\" conflict because ");
    add_reason(conflict, &out);
    validate->scratch.has_failed |= !text_is_whole(&out);
    error = REPORT(validate,
                   "%.*s. Use different aliases on the fields to fetch both if this was "
                   "intentional.",
                   (int)out.size, out.bytes);
    text_done(&out);
    for (int side = 0; side < 2; side++) {
        uint32_t count;
        const struct ast_selection *const *nodes = nodes_of(conflict, side == 0, &count);

        for (uint32_t i = 0; i < count; i++)
            validate_locate(validate, error, nodes[i]->node.at);
    }
}

static struct overlap *begin_overlap(struct validate *validate)
{
    struct overlap *overlap = validate->overlap;

    if (overlap != NULL)
        return overlap;
    overlap = region_alloc(&validate->scratch, sizeof *overlap);
    if (overlap == NULL)
        return NULL;
    validate_pairs_init(&overlap->sets, &validate->scratch);
    validate_pairs_init(&overlap->pairs, &validate->scratch);
    validate_pairs_init(&overlap->arguments, &validate->scratch);
    validate_pairs_init(&overlap->values, &validate->scratch);
    overlap->work_left = VALIDATE_OVERLAP_WORK_MAX;
    validate->overlap = overlap;
    return overlap;
}

/* A few fields with different keys, and no fragments: most sets are so. */
static bool is_plain(const struct ast_selection_set *set)
{
    if (set->count > VALIDATE_NAMES_FEW)
        return false;
    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        struct ast_text key = ast_response_key(selection);

        if (selection->node.kind != AST_FIELD)
            return false;
        for (const struct ast_selection *other = set->first; other != selection;
             other = other->next) {
            if (ast_text_equals(ast_response_key(other), key))
                return false;
        }
    }
    return true;
}

void rule_overlapping_fields_can_be_merged(struct validate *validate, const struct ast_node *node)
{
    const struct ast_selection_set *selections = (const struct ast_selection_set *)node;
    struct overlap_set *set;
    struct conflicts conflicts = {0};
    struct comparison comparison = {validate, &conflicts, false};

    /* An inline fragment's fields have been compared with those around it. */
    if (validate->place.is_in_fragment || is_plain(selections) ||
        (selections->count == 1 && selections->first->node.kind != AST_INLINE_FRAGMENT))
        return;
    if (begin_overlap(validate) == NULL)
        return;
    set = overlap_set_of(validate, validate->place.parent, selections);
    if (set != NULL)
        compare_within(&comparison, set);
    for (const struct conflict *conflict = conflicts.first;
         conflict != NULL && !validate_is_over(validate); conflict = conflict->next)
        report(validate, conflict);
}
