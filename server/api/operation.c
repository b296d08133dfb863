#include "server/api/operation.h"

#include <assert.h>
#include <stdarg.h>

#include "bus/check.h"
#include "server/api/api_internal.h"
#include "server/api/resolve.h"
#include "server/topics/publisher.h"

enum {
    OPERATION_BYTES_MAX = 64 * 1024 * 1024, /* of memory for variables and errors */
    FIRST_STEPS = 2000,                     /* at once, when it is run: api->first_steps */
    PAGE_STEPS = API_STEPS / 8,             /* what a block of the log costs */
};

static_assert((int)OPERATION_RESULT_BYTES_MAX == (int)EXECUTE_RESULT_BYTES_MAX,
              "an answer is one execution's result");

/* --- refusing --------------------------------------------------------------------------------- */

/* Brings its part of the operations' memory up to date. */
static void count_bytes(struct operation *operation)
{
    struct api *api = operation->context.api;
    size_t bytes = operation->execution == NULL ? 0 : execute_bytes(operation->execution);

    CHECK(operation->bytes <= api->operations_bytes);
    api->operations_bytes += bytes - operation->bytes;
    operation->bytes = bytes;
}

/* Nothing answers what it has asked for any more. */
static void stop(struct operation *operation)
{
    api_remove_ready(operation->context.api, operation);
    if (operation->wait == OPERATION_PUBLISHER)
        publisher_cancel(operation->context.api->options.publisher, operation);
    operation->wait = OPERATION_NO_WAIT;
    execute_free(operation->execution);
    operation->execution = NULL;
    count_bytes(operation);
}

void operation_refuse(struct operation *operation, enum graphql_code code, const char *format, ...)
{
    const char *message;
    va_list arguments;

    operation->is_refused = true;
    va_start(arguments, format);
    message = region_vprintf(&operation->region, format, arguments);
    va_end(arguments);
    if (message != NULL)
        (void)graphql_errors_add(&operation->errors, code, "%s", message);
}

/* --- making one ------------------------------------------------------------------------------- */

/* False: it is refused. */
static bool find_document(struct operation *operation, const struct api_request *request)
{
    struct document_cache *documents = api_documents(operation->context.api);

    if (documents != NULL)
        operation->document = document_get(documents, request->query.bytes, request->query.size);
    operation->is_refused = operation->document == NULL || operation->document->errors->count > 0;
    return !operation->is_refused;
}

/* Likewise. */
static bool find_operation(struct operation *operation, const struct api_request *request)
{
    operation->definition =
        execute_select(operation->document->tree, request->operation_name, &operation->errors);
    operation->is_refused = operation->definition == NULL;
    return !operation->is_refused;
}

static bool read_variables(struct operation *operation, const struct api_request *request)
{
    const struct api *api = operation->context.api;
    const struct coerce coerce = {
        .schema = api->model->schema,
        .document = operation->document->tree,
        .region = &operation->region,
        .errors = &operation->errors,
    };
    struct json_span *json = &operation->variables_json;

    json->size = request->variables.size;
    json->bytes = region_copy(&operation->region, request->variables.bytes, json->size);
    if (json->bytes == NULL)
        json->size = 0;
    operation->is_refused =
        !coerce_variables(&coerce, operation->definition, *json, &operation->variables) ||
        !limits_check(&coerce, operation->definition, &operation->variables,
                      &api->options.limits->operation) ||
        operation->region.has_failed;
    return !operation->is_refused;
}

struct operation *operation_new(struct api *api, const struct api_request *request)
{
    struct region region;
    struct operation *operation;

    region_init(&region, OPERATION_BYTES_MAX);
    operation = region_alloc(&region, sizeof *operation);
    if (operation == NULL)
        return NULL;
    operation->region = region;
    operation->context.api = api;
    operation->context.operation = operation;
    operation->protocol = request->protocol;
    graphql_errors_init(&operation->errors, &operation->region);
    api->operation_count++;
    if (find_document(operation, request) && find_operation(operation, request))
        (void)read_variables(operation, request); /* is_refused tells */
    return operation;
}

void operation_free(struct operation *operation)
{
    struct region region;

    if (operation == NULL)
        return;
    stop(operation);
    document_unref(operation->document);
    operation->context.api->operation_count--;
    region = operation->region; /* it lies in itself */
    region_done(&region);
}

bool operation_is_refused(const struct operation *operation)
{
    return operation->is_refused;
}

enum ast_operation_kind operation_kind(const struct operation *operation)
{
    return operation->definition == NULL ? AST_QUERY : operation->definition->operation;
}

/* --- running ---------------------------------------------------------------------------------- */

/* A request error in place of a result. */
static void end_without_data(struct operation *operation, enum execute_state state)
{
    stop(operation);
    if (state == EXECUTE_TOO_LARGE)
        operation_refuse(operation, GRAPHQL_LIMIT_EXCEEDED, "The answer has more than %d MiB.",
                         OPERATION_RESULT_BYTES_MAX >> 20);
    else
        operation_refuse(operation, GRAPHQL_LIMIT_EXCEEDED,
                         "The operation takes more memory than it may have, or than there is.");
}

/* Returns the steps that it took: more than @steps when a field alone did. */
static int64_t run(struct operation *operation, uint32_t steps)
{
    enum execute_state state = execute_run(operation->execution, steps);
    int64_t taken = (int64_t)steps - execute_steps_left(operation->execution);

    count_bytes(operation);
    switch (state) {
    case EXECUTE_MORE:
        api_add_ready(operation->context.api, operation);
        break;
    case EXECUTE_WAITING:
        break; /* its resolver has seen to it that somebody goes on */
    case EXECUTE_DONE:
        operation->is_done = true;
        break;
    case EXECUTE_FAILED:
    case EXECUTE_TOO_LARGE:
        end_without_data(operation, state);
        operation->is_done = true;
        break;
    }
    return taken;
}

static void on_ready(void *context)
{
    struct operation *operation = context;

    api_add_ready(operation->context.api, operation);
}

enum operation_state operation_run(struct operation *operation, void (*on_done)(void *user),
                                   void *user)
{
    struct api *api = operation->context.api;
    const struct execute_options options = {
        .schema = api->model->schema,
        .document = operation->is_refused ? NULL : operation->document->tree,
        .operation = operation->definition,
        .variables = &operation->variables,
        .limits = &api->options.limits->operation,
        .context = operation,
        .on_ready = on_ready,
    };

    CHECK(!operation->is_refused);
    CHECK(operation->execution == NULL);
    CHECK(operation_kind(operation) != AST_SUBSCRIPTION);
    api_begin(&operation->context);
    operation->execution = execute_new(&options);
    if (operation->execution == NULL) {
        end_without_data(operation, EXECUTE_FAILED);
        operation->is_done = true;
        return OPERATION_DONE;
    }
    if (api->first_steps > 0 && !api_is_memory_short(api))
        api->first_steps -= run(operation, FIRST_STEPS);
    else
        api_add_ready(api, operation); /* behind those that wait already */
    if (operation->is_done)
        return OPERATION_DONE;
    operation->on_done = on_done;
    operation->user = user;
    return OPERATION_LATER;
}

int64_t operation_go_on(struct operation *operation, uint32_t steps)
{
    int64_t taken = PAGE_STEPS;

    CHECK(!operation->is_done);
    if (operation->wait == OPERATION_PAGE) {
        resolve_history_step(operation);
        count_bytes(operation);
        api_add_ready(operation->context.api, operation); /* for the next step, or its answer */
    } else {
        taken = run(operation, steps);
    }
    if (operation->is_done)
        operation->on_done(operation->user); /* it may be gone now */
    return taken;
}

/* --- answering -------------------------------------------------------------------------------- */

/* Those of the request; NULL: there was no memory for any. */
static const struct graphql_errors *request_errors(const struct operation *operation)
{
    if (operation->errors.count > 0)
        return &operation->errors;
    if (operation->document != NULL && operation->document->errors->count > 0)
        return operation->document->errors;
    return NULL;
}

void operation_write(const struct operation *operation, struct text *out)
{
    const struct graphql_errors *errors = request_errors(operation);

    CHECK(operation->is_refused || operation->is_done);
    if (!operation->is_refused) {
        execute_write(operation->execution, out);
    } else if (errors == NULL) {
        text_add_string(out, "{\"errors\":[{\"message\":\"Out of memory.\","
                             "\"extensions\":{\"code\":\"UNAVAILABLE\"}}]");
    } else {
        text_add_string(out, "{\"errors\":");
        graphql_errors_write(errors, out);
    }
    text_add_string(out, "}");
}

bool operation_has_errors(const struct operation *operation)
{
    return operation->is_refused || execute_has_errors(operation->execution);
}
