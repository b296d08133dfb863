#include "server/graphql/execute.h"

#include <stdarg.h>

#include "bus/check.h"
#include "server/graphql/execute_internal.h"

enum {
    RESULT_BYTES = 2048, /* most results are shorter: then the text never grows */
    STEP_BYTES = 1024,   /* so much of a result costs what a field costs */
};

/* --- operations ------------------------------------------------------------------------------- */

const struct ast_definition *execute_select(const struct ast_document *document,
                                            struct ast_text operation_name,
                                            struct graphql_errors *errors)
{
    const struct ast_definition *found = NULL;

    for (const struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next) {
        if (definition->node.kind != AST_OPERATION)
            continue;
        if (operation_name.size > 0 && !ast_text_equals(definition->name.text, operation_name))
            continue;
        if (operation_name.size == 0 && found != NULL) {
            (void)graphql_errors_add(
                errors, GRAPHQL_BAD_USER_INPUT,
                "Must provide operation name if query contains multiple operations.");
            return NULL;
        }
        found = definition;
    }
    if (found == NULL && operation_name.size > 0)
        (void)graphql_errors_add(errors, GRAPHQL_BAD_USER_INPUT,
                                 "Unknown operation named \"%.*s\".", (int)operation_name.size,
                                 operation_name.bytes);
    else if (found == NULL)
        (void)graphql_errors_add(errors, GRAPHQL_BAD_USER_INPUT, "Must provide an operation.");
    return found;
}

struct execution *execute_new(const struct execute_options *options)
{
    struct region region;
    struct execution *execution;

    CHECK(options->limits != NULL);
    CHECK(options->variables != NULL);
    CHECK(options->operation->node.kind == AST_OPERATION);
    region_init(&region, EXECUTE_REGION_BYTES_MAX);
    execution = region_alloc(&region, sizeof *execution);
    if (execution == NULL)
        return NULL;
    execution->region = region;
    execution->options = *options;
    execution->state = EXECUTE_MORE;
    graphql_errors_init(&execution->errors, &execution->region);
    execution->coerce = (struct coerce){
        .schema = options->schema,
        .document = options->document,
        .region = &execution->region,
        .errors = &execution->errors,
    };
    execution->collect = (struct collect){
        .coerce = &execution->coerce,
        .variables = options->variables,
        .region = &execution->region,
    };
    execution->call = (struct execute_call){
        .execution = execution,
        .region = &execution->region,
        .context = options->context,
    };
    return execution;
}

void execute_free(struct execution *execution)
{
    struct region region;

    if (execution == NULL)
        return;
    CHECK(!execution->is_running);
    text_done(&execution->text);
    region = execution->region; /* it lies in itself */
    region_done(&region);
}

/* --- errors ----------------------------------------------------------------------------------- */

/* Where the value in hand stands in the response. NULL: at the root, or no memory. */
static const struct graphql_path *make_path(struct execution *execution)
{
    struct graphql_path *leaf = NULL;
    struct graphql_path *last = NULL;

    for (const struct frame *frame = execution->top; frame != NULL; frame = frame->below) {
        struct graphql_path *step = region_alloc(&execution->region, sizeof *step);

        if (step == NULL)
            return NULL;
        if (frame->is_list) {
            step->index = frame->index;
        } else {
            step->key = frame->field->key.bytes;
            step->key_bytes = frame->field->key.size;
        }
        if (leaf == NULL)
            leaf = step;
        else
            last->parent = step;
        last = step;
    }
    return leaf;
}

void execute_fail_added(struct execution *execution, uint32_t count)
{
    if (execution->errors.count > count && !execution->errors.has_overflown)
        execution->errors.last->path = make_path(execution);
}

void execute_fail(struct execution *execution, enum graphql_code code, const char *format, ...)
{
    struct graphql_error *error;
    const char *message;
    va_list arguments;

    if (execution->errors.has_overflown)
        return;
    va_start(arguments, format);
    message = region_vprintf(&execution->region, format, arguments);
    va_end(arguments);
    if (message == NULL)
        return;
    error = graphql_errors_add(&execution->errors, code, "%s", message);
    if (error == NULL)
        return;
    error->path = make_path(execution);
    for (const struct plan_node *node = &execution->top->field->nodes; node != NULL;
         node = node->next)
        graphql_error_locate(&execution->errors, error, execution->options.document,
                             node->selection->node.at);
}

/* --- the stack -------------------------------------------------------------------------------- */

struct frame *execute_push(struct execution *execution, size_t begin, bool is_nullable)
{
    struct frame *top = execution->top;
    struct frame *frame = top == NULL ? execution->bottom : top->above;

    if (frame == NULL) {
        frame = region_alloc(&execution->region, sizeof *frame);
        if (frame == NULL)
            return NULL;
        frame->below = top;
        if (top == NULL)
            execution->bottom = frame;
        else
            top->above = frame;
    }
    frame->field = NULL;
    frame->begin = begin;
    frame->is_nullable = is_nullable;
    frame->index = 0;
    execution->top = frame;
    return frame;
}

void execute_null(struct execution *execution, size_t begin, bool is_nullable)
{
    while (!is_nullable) {
        const struct frame *frame = execution->top;

        begin = frame->begin;
        is_nullable = frame->is_nullable;
        execution->top = frame->below;
    }
    execution->text.size = begin;
    execute_write_bytes(execution, "null", 4);
}

static void begin_operation(struct execution *execution)
{
    static const char *const names[] = {"query", "mutation", "subscription"};
    const struct ast_definition *operation = execution->options.operation;
    const struct schema_type *type = execution->options.schema->roots[operation->operation];
    struct graphql_error *error;
    struct frame *frame;
    struct plan *plan;

    (void)text_reserve(&execution->text, RESULT_BYTES); /* the text remembers a failure */
    if (type == NULL) {
        error = graphql_errors_add(&execution->errors, GRAPHQL_VALIDATION_FAILED,
                                   "Schema is not configured to execute %s operation.",
                                   names[operation->operation]);
        graphql_error_locate(&execution->errors, error, execution->options.document,
                             operation->node.at);
        execute_null(execution, 0, true);
        return;
    }
    plan = collect_root(&execution->collect, operation, type);
    if (plan == NULL) {
        execute_null(execution, 0, true);
        return;
    }
    frame = execute_push(execution, 0, true);
    if (frame == NULL)
        return;
    frame->is_list = false;
    frame->plan = plan;
    frame->object = execution->options.root;
    execute_write_bytes(execution, "{", 1);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* False: an error was added. */
static bool coerce_field_arguments(struct execution *execution, struct plan_field *field)
{
    const struct ast_selection *selection = field->nodes.selection;
    const struct coerce_call call = {
        .inputs = field->field->arguments,
        .input_count = field->field->argument_count,
        .arguments = selection->arguments,
        .node = &selection->node,
    };
    uint32_t error_count = execution->errors.count;
    struct value *arguments;

    if (!coerce_arguments(&execution->coerce, &call, execution->options.variables, &arguments)) {
        execute_fail_added(execution, error_count);
        return false;
    }
    field->arguments = arguments;
    return true;
}

/* The value in hand has been answered. */
static void take_answer(struct execution *execution)
{
    execution->has_answer = false;
    execution->state = EXECUTE_MORE;
    execute_complete(execution, execution->top->field->field->type, &execution->answer);
}

/* The next field of a selection set, or its end. */
static void step_field(struct execution *execution, struct frame *frame)
{
    struct plan_field *previous = frame->field;
    struct plan_field *field = previous == NULL ? frame->plan->first : previous->next;
    bool is_nullable;

    if (field == NULL) {
        execute_write_bytes(execution, "}", 1);
        execution->top = frame->below;
        return;
    }
    frame->field = field;
    if (previous == NULL) /* without the comma */
        execute_write_bytes(execution, field->prefix + 1, field->prefix_bytes - 1);
    else
        execute_write_bytes(execution, field->prefix, field->prefix_bytes);
    if (field->arguments == NULL && field->field->argument_count > 0 &&
        !coerce_field_arguments(execution, field)) {
        is_nullable = !schema_ref_is_non_null(field->field->type);
        execute_null(execution, execution->text.size, is_nullable);
        return;
    }
    execution->call.object = frame->object;
    execution->call.parent_type = field->parent;
    execution->call.field = field->field;
    execution->call.arguments = field->arguments;
    execution->state = EXECUTE_WAITING;
    CHECK(field->field->resolve != NULL);
    field->field->resolve(&execution->call);
    if (execution->has_answer)
        take_answer(execution);
}

/* The next item of a list, or its end. */
static void step_item(struct execution *execution, struct frame *frame)
{
    bool is_first = execution->text.size == frame->begin + 1;

    frame->index += is_first ? 0 : 1;
    if (frame->index == frame->count) {
        execute_write_bytes(execution, "]", 1);
        execution->top = frame->below;
        return;
    }
    if (!is_first)
        execute_write_bytes(execution, ",", 1);
    execute_complete(execution, frame->item_type, &frame->items[frame->index]);
}

/* Begins the operation, takes a late answer, or does the next field or item; and its price. */
static void advance(struct execution *execution)
{
    size_t size = execution->text.size;
    uint64_t visited_count = execution->collect.visited_count;

    if (size == 0)
        begin_operation(execution);
    else if (execution->has_answer)
        take_answer(execution);
    else if (execution->top->is_list)
        step_item(execution, execution->top);
    else
        step_field(execution, execution->top);
    execution->budget -= 1 + (int64_t)(execution->collect.visited_count - visited_count);
    if (execution->text.size > size)
        execution->budget -= (int64_t)((execution->text.size - size) / STEP_BYTES);
}

static bool has_failed(const struct execution *execution)
{
    return execution->region.has_failed || !text_is_whole(&execution->text);
}

static bool is_too_large(const struct execution *execution)
{
    return execution->text.size > EXECUTE_RESULT_BYTES_MAX;
}

void execute_answer(struct execution *execution, const struct execute_result *result)
{
    CHECK(execution->state == EXECUTE_WAITING);
    CHECK(!execution->has_answer);
    execution->answer = *result;
    execution->has_answer = true;
    if (!execution->is_running && execution->options.on_ready != NULL)
        execution->options.on_ready(execution->options.context);
}

void execute_spend(struct execution *execution, uint32_t steps)
{
    execution->budget -= steps;
}

enum execute_state execute_run(struct execution *execution, uint32_t steps)
{
    CHECK(!execution->is_running);
    CHECK(steps > 0);
    if (execution->state != EXECUTE_MORE && execution->state != EXECUTE_WAITING)
        return execution->state;
    if (execution->state == EXECUTE_WAITING && !execution->has_answer)
        return EXECUTE_WAITING;
    execution->is_running = true;
    execution->budget = steps;
    do
        advance(execution);
    while (execution->top != NULL && execution->state == EXECUTE_MORE && execution->budget > 0 &&
           !has_failed(execution) && !is_too_large(execution));
    execution->is_running = false;
    if (has_failed(execution))
        execution->state = EXECUTE_FAILED;
    else if (is_too_large(execution))
        execution->state = EXECUTE_TOO_LARGE;
    else if (execution->top == NULL)
        execution->state = EXECUTE_DONE;
    return execution->state;
}

int64_t execute_steps_left(const struct execution *execution)
{
    return execution->budget;
}

size_t execute_bytes(const struct execution *execution)
{
    return execution->region.used_bytes + execution->text.capacity;
}

void execute_write(const struct execution *execution, struct text *out)
{
    CHECK(execution->state == EXECUTE_DONE);
    text_add_string(out, "{\"data\":");
    text_add(out, execution->text.bytes, execution->text.size);
    if (!execute_has_errors(execution))
        return;
    text_add_string(out, ",\"errors\":");
    graphql_errors_write(&execution->errors, out);
}

bool execute_has_errors(const struct execution *execution)
{
    return execution->errors.count > 0;
}
