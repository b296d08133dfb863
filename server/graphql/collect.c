#include "server/graphql/collect.h"

#include <string.h>

#include "server/graphql/region.h"

struct collect_fragment {
    const struct ast_definition *definition;
    uint32_t plan_number; /* the last one that it was opened for */
};

/* Where to go on when what a fragment holds is done. */
struct collect_place {
    const struct ast_selection *selection;
    struct collect_place *below;
};

/* A plan that is being made. */
struct work {
    struct collect *collect;
    struct plan *plan;
    struct plan_field *last;
    struct name_map keys; /* response key → struct plan_field */
    struct collect_place *places;
};

/* --- @skip and @include ----------------------------------------------------------------------- */

enum verdict {
    VERDICT_IN,
    VERDICT_OUT,
    VERDICT_FAILED,
};

/* The value of the directive's `if`, by the book: its errors are added. */
static bool read_condition(struct collect *collect, const struct ast_directive *directive,
                           bool *ret_condition)
{
    const struct schema_directive *definition =
        schema_find_directive(collect->coerce->schema, directive->name.text);
    const struct coerce_call call = {
        .inputs = definition->arguments,
        .input_count = definition->argument_count,
        .arguments = directive->arguments,
        .node = &directive->node,
    };
    struct value *values;

    if (!coerce_arguments(collect->coerce, &call, collect->variables, &values))
        return false;
    *ret_condition = values[0].kind == VALUE_BOOLEAN && values[0].boolean;
    return true;
}

/* The same, quickly where nothing can be wrong. */
static bool find_condition(struct collect *collect, const struct ast_directive *directive,
                           bool *ret_condition)
{
    const struct ast_value *given =
        directive->arguments == NULL ? NULL : directive->arguments->value;
    const struct value *variable;

    if (given != NULL && given->node.kind == AST_BOOLEAN) {
        *ret_condition = given->boolean;
        return true;
    }
    if (given != NULL && given->node.kind == AST_VARIABLE) {
        variable = coerce_variable(collect->variables, given->text);
        if (variable != NULL && variable->kind == VALUE_BOOLEAN) {
            *ret_condition = variable->boolean;
            return true;
        }
    }
    return read_condition(collect, directive, ret_condition);
}

static const struct ast_directive *find_directive(const struct ast_selection *selection,
                                                  const char *name)
{
    const struct ast_directive *directive = selection->directives;

    while (directive != NULL && !ast_text_is(directive->name.text, name))
        directive = directive->next;
    return directive;
}

/* @skip first, as graphql-js does. */
static enum verdict judge(struct collect *collect, const struct ast_selection *selection)
{
    const struct ast_directive *directive;
    bool condition = false;

    if (selection->directives == NULL)
        return VERDICT_IN;
    directive = find_directive(selection, "skip");
    if (directive != NULL && !find_condition(collect, directive, &condition))
        return VERDICT_FAILED;
    if (condition)
        return VERDICT_OUT;
    condition = true;
    directive = find_directive(selection, "include");
    if (directive != NULL && !find_condition(collect, directive, &condition))
        return VERDICT_FAILED;
    return condition ? VERDICT_IN : VERDICT_OUT;
}

/* --- fragments -------------------------------------------------------------------------------- */

static void name_fragments(struct collect *collect)
{
    collect->has_fragments = true;
    name_map_init(&collect->fragments, collect->region);
    for (const struct ast_definition *definition = collect->coerce->document->definitions;
         definition != NULL; definition = definition->next) {
        struct collect_fragment *fragment;
        void **place;

        if (definition->node.kind != AST_FRAGMENT)
            continue;
        fragment = region_alloc(collect->region, sizeof *fragment);
        place = name_map_put(&collect->fragments, definition->name.text);
        if (fragment == NULL || place == NULL)
            return;
        fragment->definition = definition;
        *place = fragment;
    }
}

static bool does_match(const struct collect *collect, const struct ast_type *condition,
                       const struct schema_type *type)
{
    const struct schema_type *abstract;

    if (condition == NULL || ast_text_equals(condition->name, type->name))
        return true;
    abstract = schema_find_type(collect->coerce->schema, condition->name);
    return abstract != NULL && schema_is_possible(abstract, type);
}

/* What is selected by a fragment or spread; NULL: nothing that counts here. */
static const struct ast_selection *open_fragment(const struct work *work,
                                                 const struct ast_selection *selection)
{
    struct collect *collect = work->collect;
    const struct schema_type *type = work->plan->type;
    struct collect_fragment *fragment;

    if (selection->node.kind == AST_INLINE_FRAGMENT)
        return does_match(collect, selection->type_condition, type) ? selection->selections->first
                                                                    : NULL;
    if (!collect->has_fragments)
        name_fragments(collect);
    fragment = name_map_find(&collect->fragments, selection->name.text);
    if (fragment == NULL || fragment->plan_number == collect->plan_count)
        return NULL;
    fragment->plan_number = collect->plan_count;
    return does_match(collect, fragment->definition->type_condition, type)
               ? fragment->definition->selections->first
               : NULL;
}

/* --- fields ----------------------------------------------------------------------------------- */

/* `,"key":`; a key is a name, in which nothing has to be escaped. */
static bool write_prefix(struct plan_field *field, struct region *region)
{
    char *prefix = region_alloc(region, (size_t)field->key.size + 4);

    if (prefix == NULL)
        return false;
    prefix[0] = ',';
    prefix[1] = '"';
    memcpy(prefix + 2, field->key.bytes, field->key.size);
    prefix[2 + field->key.size] = '"';
    prefix[3 + field->key.size] = ':';
    field->prefix = prefix;
    field->prefix_bytes = field->key.size + 4;
    return true;
}

/* NULL: no memory, or (in a document that is not valid) no such field. */
static struct plan_field *make_field(struct work *work, const struct ast_selection *selection)
{
    struct collect *collect = work->collect;
    const struct schema_type *parent = work->plan->type;
    const struct schema_field *definition =
        schema_find_field(collect->coerce->schema, parent, selection->name.text);
    struct plan_field *field;

    if (definition == NULL)
        return NULL;
    field = region_alloc(collect->region, sizeof *field);
    if (field == NULL)
        return NULL;
    field->field = definition;
    field->parent = parent;
    field->type = schema_ref_named(definition->type);
    field->key = ast_response_key(selection);
    field->nodes.selection = selection;
    field->last_node = &field->nodes;
    if (!write_prefix(field, collect->region))
        return NULL;
    if (work->last == NULL)
        work->plan->first = field;
    else
        work->last->next = field;
    work->last = field;
    return field;
}

static void add_field(struct work *work, const struct ast_selection *selection)
{
    void **place = name_map_put(&work->keys, ast_response_key(selection));
    struct plan_field *field;
    struct plan_node *node;

    if (place == NULL)
        return;
    field = *place;
    if (field == NULL) {
        *place = make_field(work, selection);
        return;
    }
    node = region_alloc(work->collect->region, sizeof *node);
    if (node == NULL)
        return;
    node->selection = selection;
    field->last_node->next = node;
    field->last_node = node;
}

/* --- plans ------------------------------------------------------------------------------------ */

/* Remembers to go on behind @selection when what is in it is done. False: no memory. */
static bool enter(struct work *work, const struct ast_selection *selection)
{
    struct collect *collect = work->collect;
    struct collect_place *place = collect->free_places;

    if (place != NULL)
        collect->free_places = place->below;
    else
        place = region_alloc(collect->region, sizeof *place);
    if (place == NULL)
        return false;
    place->selection = selection->next;
    place->below = work->places;
    work->places = place;
    return true;
}

/* The selection to go on with when a list of them is done; NULL: all are. */
static const struct ast_selection *leave(struct work *work)
{
    struct collect *collect = work->collect;
    const struct ast_selection *selection = NULL;

    while (selection == NULL && work->places != NULL) {
        struct collect_place *place = work->places;

        selection = place->selection;
        work->places = place->below;
        place->below = collect->free_places;
        collect->free_places = place;
    }
    return selection;
}

/* Adds what one selection set selects. False: an error was added, or no memory. */
static bool add_selections(struct work *work, const struct ast_selection_set *set)
{
    struct collect *collect = work->collect;
    const struct ast_selection *selection = set->first;
    const struct ast_selection *inner;

    while (selection != NULL) {
        enum verdict verdict = judge(collect, selection);

        collect->visited_count++;
        if (verdict == VERDICT_FAILED)
            return false;
        inner = NULL;
        if (verdict == VERDICT_IN && selection->node.kind == AST_FIELD)
            add_field(work, selection);
        else if (verdict == VERDICT_IN)
            inner = open_fragment(work, selection);
        if (inner != NULL && !enter(work, selection))
            return false;
        selection = inner != NULL ? inner : selection->next;
        if (selection == NULL)
            selection = leave(work);
    }
    return !collect->region->has_failed;
}

static bool begin(struct work *work, struct collect *collect, const struct schema_type *type)
{
    *work = (struct work){.collect = collect};
    work->plan = region_alloc(collect->region, sizeof *work->plan);
    if (work->plan == NULL)
        return false;
    work->plan->type = type;
    name_map_init(&work->keys, collect->region);
    collect->plan_count++;
    return true;
}

struct plan *collect_root(struct collect *collect, const struct ast_definition *operation,
                          const struct schema_type *type)
{
    struct work work;

    if (!begin(&work, collect, type) || !add_selections(&work, operation->selections))
        return NULL;
    return work.plan;
}

struct plan *collect_below(struct collect *collect, struct plan_field *field,
                           const struct schema_type *type)
{
    struct plan *plan = field->plans;
    struct work work;

    while (plan != NULL && plan->type != type)
        plan = plan->next;
    if (plan != NULL)
        return plan;
    if (!begin(&work, collect, type))
        return NULL;
    for (const struct plan_node *node = &field->nodes; node != NULL; node = node->next) {
        const struct ast_selection_set *set = node->selection->selections;

        if (set != NULL && !add_selections(&work, set))
            return NULL;
    }
    work.plan->next = field->plans;
    field->plans = work.plan;
    return work.plan;
}
