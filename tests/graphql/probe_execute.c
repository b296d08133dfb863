#include "tests/graphql/probe_execute.h"

#include "bus/check.h"
#include "server/graphql/coerce.h"
#include "server/graphql/limits.h"
#include "server/graphql/validate.h"
#include "tests/graphql/probe.h"

void probe_answer(struct execution *execution, struct probe_context *context,
                  const struct execute_result *result)
{
    CHECK(!context->is_waiting);
    context->call_count++;
    if (context->later == 0 || context->call_count % context->later != 0) {
        execute_answer(execution, result);
        return;
    }
    context->is_waiting = true;
    context->answer = *result;
}

static void on_ready(void *user)
{
    struct probe_context *context = user;

    context->is_ready = true;
}

static void answer_later(struct execution *execution, struct probe_context *context)
{
    CHECK(context->is_waiting);
    context->is_waiting = false;
    context->is_ready = false;
    execute_answer(execution, &context->answer);
    CHECK(context->is_ready);
}

static void run(struct probe *probe, const struct execute_options *options, uint32_t steps)
{
    struct execution *execution = execute_new(options);
    enum execute_state state;

    CHECK(execution != NULL);
    do {
        state = execute_run(execution, steps);
        if (state == EXECUTE_WAITING)
            answer_later(execution, options->context);
    } while (state == EXECUTE_MORE || state == EXECUTE_WAITING);
    CHECK(state == EXECUTE_DONE);
    execute_write(execution, &probe->out);
    text_add_string(&probe->out, "}");
    execute_free(execution);
}

static uint64_t limit_or(uint64_t limit, uint64_t otherwise)
{
    return limit > 0 ? limit : otherwise;
}

static struct limits limits_of(const struct probe_request *request)
{
    return (struct limits){
        .depth_max = (uint32_t)limit_or(request->depth_max, UINT32_MAX),
        .complexity_max = limit_or(request->complexity_max, UINT64_MAX),
        .alias_count_max = (uint32_t)limit_or(request->alias_count_max, UINT32_MAX),
        .root_field_count_max = (uint32_t)limit_or(request->root_field_count_max, UINT32_MAX),
        .list_items_max = (uint32_t)limit_or(request->list_items_max, UINT32_MAX),
    };
}

void probe_execute(struct probe *probe, const struct probe_request *request)
{
    const struct schema *schema = probe_schema(probe, request);
    struct ast_document *document = probe_parse(probe, request);
    struct limits limits = limits_of(request);
    struct coerce_variables variables;
    uint32_t root = (uint32_t)request->seed;
    struct probe_context context = {
        .query_type = schema->roots[AST_QUERY],
        .has_mishaps = request->seed % 4 != 0,
        .as_json = request->json != 0,
        .later = request->later,
    };
    struct execute_options options = {
        .schema = schema,
        .document = document,
        .variables = &variables,
        .limits = &limits,
        .root = &root,
        .context = &context,
        .on_ready = on_ready,
    };
    struct coerce coerce = {
        .schema = schema,
        .document = document,
        .region = &probe->region,
        .errors = &probe->errors,
    };
    struct ast_text name = {request->operation.bytes, (uint32_t)request->operation.size};

    if (document == NULL)
        return;
    if (!validate_document(schema, document, &probe->region, &probe->errors))
        goto fail;
    options.operation = execute_select(document, name, &probe->errors);
    if (options.operation == NULL)
        goto fail;
    if (!coerce_variables(&coerce, options.operation, request->variables, &variables))
        goto fail;
    if (!limits_check(&coerce, options.operation, &variables, &limits))
        goto fail;
    run(probe, &options, (uint32_t)limit_or(request->steps, UINT32_MAX));
    return;

fail:
    probe_answer_errors(probe);
}
