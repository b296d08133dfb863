#include "server/graphql/limits.h"

#include <inttypes.h>

#include "bus/check.h"
#include "server/graphql/name_map.h"
#include "server/graphql/region.h"

enum {
    ITEMS_UNKNOWN = 10, /* of a list that does not say how many it will have */
    FRAMES_MIN = 16,
    SCRATCH_BYTES_MAX = 256 * 1024 * 1024,
};

/* What a set of selections costs where it stands alone. All sums end at UINT64_MAX. */
struct cost {
    uint64_t complexity;
    uint64_t alias_count;
    uint64_t field_count; /* at its own level */
    uint64_t depth;
};

struct limits_fragment {
    const struct ast_definition *definition;
    struct cost cost;
    bool is_known;
    bool is_open; /* it is being added up */
};

/* A set that is being added up, and what it is a part of. */
struct frame {
    const struct ast_selection *next;
    const struct ast_selection *owner; /* the selection that the set is in; NULL: the operation */
    const struct schema_type *type;    /* that it selects from */
    struct limits_fragment *fragment;  /* whose set it is; NULL: none's */
    uint64_t depth;                    /* of the fields around it */
    uint64_t items;                    /* how often it will be executed for one of its owner, */
    uint64_t times;                    /* and in all */
    bool is_root;
    struct cost cost;
};

struct check {
    const struct schema *schema;
    const struct ast_document *document;
    const struct coerce_variables *variables;
    const struct limits *limits;
    struct graphql_errors *errors;
    struct region scratch;
    struct name_map fragments; /* to struct limits_fragment */
    struct frame *frames;      /* in one another; a stack of its own, for fragments may go deep */
    uint32_t count;
    uint32_t capacity;
    uint64_t complexity; /* up to here, in all */
    uint64_t alias_count;
    uint64_t root_field_count;
    bool is_over; /* a limit is passed */
};

static uint64_t sum_of(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t product_of(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static void name_fragments(struct check *check)
{
    name_map_init(&check->fragments, &check->scratch);
    for (const struct ast_definition *definition = check->document->definitions; definition != NULL;
         definition = definition->next) {
        struct limits_fragment *fragment;
        void **place;

        if (definition->node.kind != AST_FRAGMENT)
            continue;
        fragment = region_alloc(&check->scratch, sizeof *fragment);
        place = name_map_put(&check->fragments, definition->name.text);
        if (fragment == NULL || place == NULL)
            return;
        fragment->definition = definition;
        *place = fragment;
    }
}

/* Whether a directive of that name says @wanted. What cannot be known says the opposite. */
static bool does_say(const struct check *check, const struct ast_selection *selection,
                     const char *name, bool wanted)
{
    const struct ast_directive *directive = selection->directives;
    const struct ast_value *given;
    const struct value *value;

    while (directive != NULL && !ast_text_is(directive->name.text, name))
        directive = directive->next;
    if (directive == NULL || directive->arguments == NULL)
        return false;
    given = directive->arguments->value;
    if (given->node.kind == AST_BOOLEAN)
        return given->boolean == wanted;
    value =
        given->node.kind == AST_VARIABLE ? coerce_variable(check->variables, given->text) : NULL;
    return value != NULL && value->kind == VALUE_BOOLEAN && value->boolean == wanted;
}

static bool is_left_out(const struct check *check, const struct ast_selection *selection)
{
    return selection->directives != NULL && (does_say(check, selection, "skip", true) ||
                                             does_say(check, selection, "include", false));
}

/* The `limit` that is given, if it is a number. */
static bool read_limit(const struct check *check, const struct ast_selection *selection,
                       int32_t *ret_limit)
{
    const struct ast_argument *argument = selection->arguments;
    const struct value *value;

    while (argument != NULL && !ast_text_is(argument->name.text, "limit"))
        argument = argument->next;
    if (argument == NULL)
        return false;
    if (argument->value->node.kind == AST_INT)
        return coerce_int32(argument->value->text, ret_limit);
    if (argument->value->node.kind != AST_VARIABLE)
        return false;
    value = coerce_variable(check->variables, argument->value->text);
    if (value == NULL || value->kind != VALUE_INT)
        return false;
    *ret_limit = value->integer;
    return true;
}

/* How many items a field may have. */
static uint64_t items_of(const struct check *check, const struct schema_field *field,
                         const struct ast_selection *selection)
{
    const struct ast_text name = {"limit", 5};
    const struct schema_input *input;
    int32_t limit = ITEMS_UNKNOWN;

    if (schema_ref_nullable(field->type)->wrapper != SCHEMA_LIST)
        return 1;
    input = schema_find_input(field->arguments, field->argument_count, name);
    if (input != NULL && !read_limit(check, selection, &limit) && input->default_value != NULL &&
        input->default_value->kind == VALUE_INT)
        limit = input->default_value->integer;
    return limit < 1 ? 1 : (uint64_t)limit;
}

static void push_frame(struct check *check, const struct frame *frame)
{
    if (check->count == check->capacity) {
        uint32_t capacity = check->capacity == 0 ? FRAMES_MIN : check->capacity * 2;
        struct frame *grown = region_alloc(&check->scratch, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        for (uint32_t i = 0; i < check->count; i++)
            grown[i] = check->frames[i];
        check->frames = grown;
        check->capacity = capacity;
    }
    check->frames[check->count++] = *frame;
}

static void refuse(struct check *check, const struct ast_selection *selection, const char *what,
                   uint64_t found, uint64_t max)
{
    struct graphql_error *error = graphql_errors_add(
        check->errors, GRAPHQL_LIMIT_EXCEEDED,
        "The operation's %s is at least %" PRIu64 "; the limit is %" PRIu64 ".", what, found, max);

    graphql_error_locate(check->errors, error, check->document, selection->node.at);
    check->is_over = true;
}

static void add_to(struct cost *sum, const struct cost *cost)
{
    sum->complexity = sum_of(sum->complexity, cost->complexity);
    sum->alias_count = sum_of(sum->alias_count, cost->alias_count);
    sum->field_count = sum_of(sum->field_count, cost->field_count);
    if (cost->depth > sum->depth)
        sum->depth = cost->depth;
}

/* @selection, a part of @frame's set, is as much more: is it too much? */
static void spend(struct check *check, struct frame *frame, const struct ast_selection *selection,
                  const struct cost *cost)
{
    const struct limits *limits = check->limits;
    uint64_t depth = sum_of(frame->depth, cost->depth);

    add_to(&frame->cost, cost);
    check->complexity = sum_of(check->complexity, product_of(cost->complexity, frame->times));
    check->alias_count = sum_of(check->alias_count, cost->alias_count);
    if (frame->is_root)
        check->root_field_count = sum_of(check->root_field_count, cost->field_count);
    if (depth > limits->depth_max)
        refuse(check, selection, "depth", depth, limits->depth_max);
    else if (check->alias_count > limits->alias_count_max)
        refuse(check, selection, "number of aliases", check->alias_count, limits->alias_count_max);
    else if (check->root_field_count > limits->root_field_count_max)
        refuse(check, selection, "number of root fields", check->root_field_count,
               limits->root_field_count_max);
    else if (check->complexity > limits->complexity_max)
        refuse(check, selection, "complexity", check->complexity, limits->complexity_max);
}

/* A field alone; what is selected in it comes later. */
static struct cost cost_of_field(const struct frame *frame, const struct ast_selection *selection)
{
    return (struct cost){
        .complexity = 1,
        .alias_count = selection->alias.text.size > 0 ? 1 : 0,
        .field_count = 1,
        .depth = frame->type->is_built_in ? 0 : 1,
    };
}

static void enter_field(struct check *check, struct frame *frame,
                        const struct ast_selection *selection)
{
    const struct schema_field *field =
        schema_find_field(check->schema, frame->type, selection->name.text);
    struct cost cost = cost_of_field(frame, selection);
    struct frame inner = {.owner = selection};

    CHECK(field != NULL); /* the document is valid */
    spend(check, frame, selection, &cost);
    if (check->is_over || selection->selections == NULL)
        return;
    inner.next = selection->selections->first;
    inner.type = schema_ref_named(field->type);
    inner.depth = frame->depth + cost.depth;
    inner.items = inner.type->is_built_in ? 1 : items_of(check, field, selection);
    inner.times = product_of(frame->times, inner.items);
    push_frame(check, &inner);
}

static void enter_fragment(struct check *check, struct frame *frame,
                           const struct ast_selection *selection)
{
    struct frame inner = *frame; /* of the same depth */
    const struct ast_type *condition = selection->type_condition;
    const struct ast_selection_set *set = selection->selections;
    struct limits_fragment *fragment = NULL;

    if (selection->node.kind == AST_FRAGMENT_SPREAD) {
        fragment = name_map_find(&check->fragments, selection->name.text);
        CHECK(fragment != NULL); /* the document is valid */
        CHECK(!fragment->is_open);
        if (fragment->is_known) {
            spend(check, frame, selection, &fragment->cost);
            return;
        }
        fragment->is_open = true;
        condition = fragment->definition->type_condition;
        set = fragment->definition->selections;
    }
    inner.owner = selection;
    inner.fragment = fragment;
    inner.next = set->first;
    inner.items = 1;
    inner.cost = (struct cost){0};
    if (condition != NULL)
        inner.type = schema_find_type(check->schema, condition->name);
    push_frame(check, &inner);
}

/* A set is done: its cost, which has been spent, is a part of that of the one around it. */
static void leave_frame(struct check *check)
{
    struct frame done = check->frames[--check->count];
    struct frame *outer;

    if (done.fragment != NULL) {
        done.fragment->cost = done.cost;
        done.fragment->is_known = true;
        done.fragment->is_open = false;
    }
    if (check->count == 0)
        return;
    outer = &check->frames[check->count - 1];
    CHECK(done.owner != NULL);
    if (done.owner->node.kind == AST_FIELD) {
        done.cost.complexity = product_of(done.cost.complexity, done.items);
        done.cost.field_count = 0;
        done.cost.depth += done.depth - outer->depth;
    }
    add_to(&outer->cost, &done.cost);
}

static void add_up(struct check *check)
{
    while (check->count > 0 && !check->is_over && !check->scratch.has_failed) {
        struct frame *frame = &check->frames[check->count - 1];
        const struct ast_selection *selection = frame->next;

        if (selection == NULL) {
            leave_frame(check);
            continue;
        }
        frame->next = selection->next;
        if (is_left_out(check, selection))
            continue;
        if (selection->node.kind == AST_FIELD)
            enter_field(check, frame, selection);
        else
            enter_fragment(check, frame, selection);
    }
}

bool limits_check(const struct coerce *coerce, const struct ast_definition *operation,
                  const struct coerce_variables *variables, const struct limits *limits)
{
    struct check check = {
        .schema = coerce->schema,
        .document = coerce->document,
        .variables = variables,
        .limits = limits,
        .errors = coerce->errors,
    };
    struct frame frame = {
        .next = operation->selections->first,
        .type = coerce->schema->roots[operation->operation],
        .items = 1,
        .times = 1,
        .is_root = true,
    };

    if (frame.type == NULL) /* nothing can be asked for; execution says so */
        return true;
    region_init(&check.scratch, SCRATCH_BYTES_MAX);
    name_fragments(&check);
    push_frame(&check, &frame);
    add_up(&check);
    coerce->region->has_failed |= check.scratch.has_failed;
    region_done(&check.scratch);
    return !check.is_over && !coerce->region->has_failed;
}
