/* What OverlappingFieldsCanBeMerged compares: found once for each selection set, pair, or literal. */
#include <stdlib.h>
#include <string.h>

#include "server/graphql/rules_overlap.h"
#include "server/json/text.h"

bool overlap_spend(struct validate *validate, uint32_t work)
{
    struct overlap *overlap = validate->overlap;

    if (work > overlap->work_left) {
        validate_abort(validate);
        return false;
    }
    overlap->work_left -= work;
    return true;
}

/* The fields and spreads of a set and of the inline fragments in it, in their order. */
struct flat_set {
    struct overlap_field *fields;
    struct ast_text *keys;
    struct ast_text *spreads;
    uint32_t field_count;
    uint32_t spread_count;
};

/* Recursion, here and below: inline fragments in one another, which the parser bounds. */
static void count_selections(const struct ast_selection_set *set, struct flat_set *flat)
{
    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        if (selection->node.kind == AST_FIELD)
            flat->field_count++;
        else if (selection->node.kind == AST_FRAGMENT_SPREAD)
            flat->spread_count++;
        else
            count_selections(selection->selections, flat);
    }
}

static bool is_meta(struct ast_text name)
{
    return name.size >= 2 && name.bytes[0] == '_' && name.bytes[1] == '_';
}

static void flatten(const struct validate *validate, const struct schema_type *parent,
                    const struct ast_selection_set *set, struct flat_set *flat)
{
    bool has_fields =
        parent != NULL && (parent->kind == SCHEMA_OBJECT || parent->kind == SCHEMA_INTERFACE);

    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        if (selection->node.kind == AST_FIELD) {
            struct overlap_field *field = &flat->fields[flat->field_count];

            field->node = selection;
            field->parent = parent;
            if (has_fields && !is_meta(selection->name.text))
                field->definition =
                    schema_find_field(validate->schema, parent, selection->name.text);
            flat->keys[flat->field_count++] = ast_response_key(selection);
        } else if (selection->node.kind == AST_FRAGMENT_SPREAD) {
            flat->spreads[flat->spread_count++] = selection->name.text;
        } else {
            const struct ast_type *condition = selection->type_condition;

            flatten(validate, condition == NULL ? parent : validate_condition(validate, condition),
                    selection->selections, flat);
        }
    }
}

static bool make_groups(struct validate *validate, const struct flat_set *flat,
                        struct overlap_set *set)
{
    struct region *region = &validate->scratch;
    struct overlap_field *fields = flat->fields;
    struct validate_groups groups = {.group_count = flat->field_count};
    bool has_twins = validate_names_group(flat->keys, flat->field_count, region, &groups);

    if (!has_twins)
        groups.group_count = flat->field_count;
    if (has_twins)
        fields = region_alloc(region, flat->field_count * sizeof *fields);
    set->groups = region_alloc(region, groups.group_count * sizeof *set->groups);
    if (region->has_failed)
        return false;
    for (uint32_t i = 0; has_twins && i < flat->field_count; i++)
        fields[i] = flat->fields[groups.members[i]];
    for (uint32_t i = 0; i < groups.group_count; i++) {
        uint32_t begin = has_twins ? groups.starts[i] : i;
        uint32_t end = has_twins ? groups.starts[i + 1] : i + 1;

        set->groups[i] = (struct overlap_group){ast_response_key(fields[begin].node),
                                                &fields[begin], end - begin};
    }
    set->group_count = groups.group_count;
    name_map_init(&set->keys, region);
    return true;
}

static bool make_fragments(struct validate *validate, const struct flat_set *flat,
                           struct overlap_set *set)
{
    struct validate_groups groups;
    bool has_twins;

    if (flat->spread_count == 0)
        return true;
    set->fragments = region_alloc(&validate->scratch, flat->spread_count * sizeof(void *));
    has_twins =
        validate_names_group(flat->spreads, flat->spread_count, &validate->scratch, &groups);
    if (validate->scratch.has_failed)
        return false;
    for (uint32_t i = 0; i < flat->spread_count; i++) {
        if (!has_twins || groups.first[i] == i)
            set->fragments[set->fragment_count++] =
                validate_find_fragment(validate, flat->spreads[i]);
    }
    return true;
}

static struct overlap_set *make_set(struct validate *validate, const struct schema_type *parent,
                                    const struct ast_selection_set *selections)
{
    struct region *region = &validate->scratch;
    struct overlap_set *set = region_alloc(region, sizeof *set);
    struct flat_set flat = {0};

    count_selections(selections, &flat);
    flat.fields = region_alloc(region, flat.field_count * sizeof *flat.fields);
    flat.keys = region_alloc(region, flat.field_count * sizeof *flat.keys);
    flat.spreads = region_alloc(region, flat.spread_count * sizeof *flat.spreads);
    if (region->has_failed)
        return NULL;
    flat.field_count = 0;
    flat.spread_count = 0;
    flatten(validate, parent, selections, &flat);
    return make_groups(validate, &flat, set) && make_fragments(validate, &flat, set) ? set : NULL;
}

struct overlap_set *overlap_set_of(struct validate *validate, const struct schema_type *parent,
                                   const struct ast_selection_set *selections)
{
    void **place =
        validate_pairs_at(&validate->overlap->sets, (uintptr_t)selections, (uintptr_t)parent);

    if (place == NULL)
        return NULL;
    if (*place == NULL)
        *place = make_set(validate, parent, selections);
    return *place;
}

struct overlap_set *overlap_set_of_fragment(struct validate *validate,
                                            struct validate_fragment *fragment)
{
    const struct ast_definition *definition = fragment->definition;

    if (fragment->overlap_set == NULL)
        fragment->overlap_set =
            overlap_set_of(validate, validate_condition(validate, definition->type_condition),
                           definition->selections);
    return fragment->overlap_set;
}

struct overlap_pair *overlap_pair_of(struct validate *validate, struct overlap_set *a,
                                     struct overlap_set *b, int *ret_index)
{
    bool is_reversed = (uintptr_t)a > (uintptr_t)b;
    void **place = validate_pairs_at(&validate->overlap->pairs, (uintptr_t)(is_reversed ? b : a),
                                     (uintptr_t)(is_reversed ? a : b));

    *ret_index = is_reversed ? 1 : 0;
    if (place == NULL)
        return NULL;
    if (*place == NULL)
        *place = region_alloc(&validate->scratch, sizeof(struct overlap_pair));
    return *place;
}

static const struct overlap_group *find_group(struct overlap_set *set, struct ast_text key)
{
    for (uint32_t i = set->keys.count; i < set->group_count; i++) { /* none, or all */
        void **place = name_map_put(&set->keys, set->groups[i].key);

        if (place == NULL)
            return NULL;
        *place = &set->groups[i];
    }
    return name_map_find(&set->keys, key);
}

/* NULL: no memory. */
static const struct overlap_shared *find_shared(struct validate *validate,
                                                const struct overlap_set *a, struct overlap_set *b)
{
    static const struct overlap_shared none;
    uint32_t count_max = a->group_count < b->group_count ? a->group_count : b->group_count;
    struct overlap_shared *shared = NULL;

    for (uint32_t i = 0; i < a->group_count; i++) {
        const struct overlap_group *other = find_group(b, a->groups[i].key);

        if (other == NULL)
            continue;
        if (shared == NULL)
            shared = region_alloc(&validate->scratch,
                                  sizeof *shared + count_max * sizeof shared->matches[0]);
        if (shared == NULL)
            return NULL;
        shared->matches[shared->count++] = (struct overlap_match){&a->groups[i], other};
    }
    return shared == NULL ? &none : shared;
}

const struct overlap_shared *overlap_shared_of(struct validate *validate, struct overlap_set *a,
                                               struct overlap_set *b)
{
    int index;
    struct overlap_pair *pair = overlap_pair_of(validate, a, b, &index);

    if (pair == NULL)
        return NULL;
    if (pair->shared[index] == NULL && overlap_spend(validate, a->group_count))
        pair->shared[index] = find_shared(validate, a, b);
    return pair->shared[index];
}

static int compare_fields(const void *left, const void *right)
{
    const struct ast_object_field *a = *(const struct ast_object_field *const *)left;
    const struct ast_object_field *b = *(const struct ast_object_field *const *)right;
    uint32_t size = a->name.text.size < b->name.text.size ? a->name.text.size : b->name.text.size;
    int order = memcmp(a->name.text.bytes, b->name.text.bytes, size);

    if (order == 0)
        order = (a->name.text.size > size) - (b->name.text.size > size);
    return order != 0 ? order : (a->node.at > b->node.at) - (a->node.at < b->node.at);
}

static void write_canonical(struct validate *validate, const struct ast_value *value,
                            struct text *out);

/* The order of the fields does not matter. */
static void write_fields(struct validate *validate, const struct ast_value *object,
                         struct text *out)
{
    const struct ast_object_field **fields =
        region_alloc(&validate->scratch, object->count * sizeof(void *));
    uint32_t count = 0;

    if (fields == NULL)
        return;
    for (const struct ast_object_field *field = object->fields; field != NULL; field = field->next)
        fields[count++] = field;
    qsort(fields, count, sizeof(void *), compare_fields);
    for (uint32_t i = 0; i < count; i++) {
        text_printf(out, "%.*s:", NAME(fields[i]->name.text));
        write_canonical(validate, fields[i]->value, out);
    }
}

/*
 * Equal texts for literals that are the same, different ones for all others; nobody reads them.
 * Recursion: as deep as the literal, which the parser bounds.
 */
static void write_canonical(struct validate *validate, const struct ast_value *value,
                            struct text *out)
{
    text_printf(out, "%d", (int)value->node.kind);
    if (value->node.kind == AST_LIST) {
        text_add_string(out, "[");
        for (const struct ast_value *item = value->items; item != NULL; item = item->next)
            write_canonical(validate, item, out);
        text_add_string(out, "]");
    } else if (value->node.kind == AST_OBJECT) {
        text_add_string(out, "{");
        write_fields(validate, value, out);
        text_add_string(out, "}");
    } else {
        text_printf(out, "%c%c%u=", value->boolean ? 't' : 'f', value->is_block ? 'b' : '-',
                    (unsigned)value->text.size);
        text_add(out, value->text.bytes, value->text.size);
    }
    text_add_string(out, ",");
}

static const struct ast_text *canonical(struct validate *validate, const struct ast_value *value)
{
    void **place = validate_pairs_at(&validate->overlap->values, (uintptr_t)value, 0);
    struct ast_text *form;
    struct text out = {0};

    if (place == NULL || *place != NULL)
        return place == NULL ? NULL : *place;
    form = region_alloc(&validate->scratch, sizeof *form);
    write_canonical(validate, value, &out);
    validate->scratch.has_failed |= !text_is_whole(&out) || out.size > UINT32_MAX;
    if (form != NULL && !validate->scratch.has_failed) {
        form->bytes = region_copy(&validate->scratch, out.bytes, out.size);
        form->size = (uint32_t)out.size;
        *place = form->bytes == NULL ? NULL : form;
    }
    text_done(&out);
    return *place;
}

static bool is_same_value(struct validate *validate, const struct ast_value *a,
                          const struct ast_value *b)
{
    const struct ast_text *left;
    const struct ast_text *right;

    if (a->node.kind != b->node.kind)
        return false;
    if (a->node.kind != AST_LIST && a->node.kind != AST_OBJECT)
        return a->boolean == b->boolean && a->is_block == b->is_block &&
               ast_text_equals(a->text, b->text);
    left = canonical(validate, a);
    right = canonical(validate, b);
    return left != NULL && right != NULL && ast_text_equals(*left, *right);
}

static struct overlap_arguments *arguments_of(struct validate *validate,
                                              struct overlap_field *field)
{
    struct overlap_arguments *arguments = field->arguments;

    if (arguments != NULL)
        return arguments;
    arguments = region_alloc(&validate->scratch, sizeof *arguments);
    if (arguments == NULL)
        return NULL;
    name_map_init(&arguments->names, &validate->scratch);
    for (struct ast_argument *argument = field->node->arguments; argument != NULL;
         argument = argument->next) {
        void **place = name_map_put(&arguments->names, argument->name.text);

        if (place == NULL)
            return NULL;
        *place = argument;
        arguments->count++;
    }
    field->arguments = arguments;
    return arguments;
}

static bool compare_arguments(struct validate *validate, const struct ast_argument *argument,
                              const struct overlap_arguments *others)
{
    for (; argument != NULL; argument = argument->next) {
        const struct ast_argument *other;

        if (!overlap_spend(validate, 1))
            return false;
        other = name_map_find(&others->names, argument->name.text);
        if (other == NULL || !is_same_value(validate, argument->value, other->value))
            return false;
    }
    return true;
}

bool overlap_has_same_arguments(struct validate *validate, struct overlap_field *a,
                                struct overlap_field *b)
{
    static char same;
    static char different;
    struct overlap_arguments *of_a;
    struct overlap_arguments *of_b;
    void **place;

    if (a->node->arguments == NULL || b->node->arguments == NULL)
        return a->node->arguments == b->node->arguments;
    of_a = arguments_of(validate, a);
    of_b = arguments_of(validate, b);
    if (of_a == NULL || of_b == NULL || of_a->count != of_b->count)
        return false;
    place = validate_pairs_at(&validate->overlap->arguments, (uintptr_t)a, (uintptr_t)b);
    if (place == NULL)
        return false;
    if (*place == NULL)
        *place = compare_arguments(validate, a->node->arguments, of_b) ? &same : &different;
    return *place == &same;
}
