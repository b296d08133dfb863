#include "server/api/api.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "bus/check.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "server/api/api_internal.h"
#include "server/api/resolve.h"
#include "server/json/text.h"
#include "store/env.h"

enum {
    DOCUMENT_DEPTH_MAX = 200, /* of selection sets, values and types in one another */
    SLICE_STEPS = 2000,       /* of one operation, before the next one has its turn */
    SCRATCH_BYTES_MAX = 256 * 1024 * 1024,
};

/* --- opening ---------------------------------------------------------------------------------- */

/* A row's columns are found without a search: the catalog has them in the schema's order. */
static int check_order(const struct model *model)
{
    for (uint32_t i = 0; i < model->table_count; i++) {
        const struct model_table *table = &model->tables[i];

        if (table->stored->column_count < table->column_count)
            return -ESTALE;
        for (uint32_t j = 0; j < table->column_count; j++) {
            if (table->stored->columns[j].number != table->columns[j].number)
                return -ESTALE;
        }
    }
    return 0;
}

static int bind(struct api *api)
{
    const struct api_options *options = &api->options;
    int rc = store_snapshot_begin(options->store, ring_committed(options->bus).seq);

    if (rc == 0)
        rc = catalog_load(options->store, &api->catalog);
    if (rc == 0)
        rc = model_bind(api->model, api->catalog);
    if (rc == 0)
        rc = check_order(api->model);
    store_snapshot_end(options->store);
    return rc;
}

static void set_resolvers(const struct schema *schema)
{
    for (uint32_t i = 0; i < schema->type_count; i++) {
        struct schema_type *type = schema->types[i];

        for (uint32_t j = 0; j < type->field_count; j++) {
            const struct model_field *plan = model_field_of(&type->fields[j]);

            if (plan != NULL && !type->is_built_in)
                type->fields[j].resolve = resolve_of(plan->action);
        }
    }
}

static int open_documents(struct api *api)
{
    const struct api_limits *limits = api->options.limits;
    const struct document_cache_options options = {
        .schema = api->model->schema,
        .limits =
            {
                .source_bytes_max = limits->document_bytes_max,
                .token_count_max = limits->document_bytes_max, /* a token has a byte at least */
                .depth_max = DOCUMENT_DEPTH_MAX,
            },
        .count_max = API_DOCUMENTS_MAX,
        .bytes_max = API_DOCUMENTS_BYTES_MAX,
    };

    api->document_bytes_max = limits->document_bytes_max;
    api->model->schema->is_introspectable = limits->is_introspection_allowed;
    return document_cache_open(&options, &api->documents);
}

int api_open(const struct api_options *options, struct api **ret_api)
{
    struct api *api = calloc(1, sizeof *api);
    int rc;

    if (api == NULL)
        return -ENOMEM;
    api->options = *options;
    api->model = options->model;
    api->first_steps = API_STEPS;
    api->group_steps = API_GROUP_STEPS;
    region_init(&api->scratch, SCRATCH_BYTES_MAX);
    rc = bind(api);
    if (rc == 0)
        rc = open_documents(api);
    if (rc != 0) {
        api_close(api);
        return rc;
    }
    set_resolvers(api->model->schema);
    *ret_api = api;
    return 0;
}

void api_close(struct api *api)
{
    if (api == NULL)
        return;
    CHECK(api->operation_count == 0);
    CHECK(api->groups == NULL);
    document_cache_close(api->documents);
    catalog_free(api->catalog);
    region_done(&api->scratch);
    outgoing_done(&api->outgoing);
    free(api);
}

struct document_cache *api_documents(struct api *api)
{
    const struct api_limits *limits = api->options.limits;

    if (api->documents != NULL && api->document_bytes_max == limits->document_bytes_max &&
        api->model->schema->is_introspectable == limits->is_introspection_allowed)
        return api->documents;
    document_cache_close(api->documents);
    api->documents = NULL;
    (void)open_documents(api); /* what fails is tried again by the next request */
    return api->documents;
}

/* --- running ---------------------------------------------------------------------------------- */

void api_begin(struct resolve_context *context)
{
    const struct api_options *options = &context->api->options;

    context->epoch = bus_epoch(options->bus);
    context->seq = ring_committed(options->bus).seq;
    context->read_seq = context->seq;
}

int api_snapshot(const struct resolve_context *context)
{
    return store_snapshot_begin(context->api->options.store, context->read_seq);
}

bool api_is_memory_short(const struct api *api)
{
    return api->operations_bytes >= API_OPERATIONS_BYTES_MAX;
}

struct arena *api_share_answer(struct api *api, const struct text *answer)
{
    CHECK(text_is_whole(answer));
    CHECK(answer->size >= API_ANSWER_BYTES_MIN);
    if (api->outgoing.bytes + answer->size > API_ANSWERS_BYTES_MAX)
        return NULL;
    return outgoing_add(&api->outgoing, answer->bytes, answer->size);
}

void api_add_ready(struct api *api, struct operation *operation)
{
    if (operation->is_ready)
        return;
    operation->is_ready = true;
    if (operation->bytes > 0 && api_is_memory_short(api))
        DL_PREPEND(api->ready, operation);
    else
        DL_APPEND(api->ready, operation);
}

void api_remove_ready(struct api *api, struct operation *operation)
{
    if (!operation->is_ready)
        return;
    operation->is_ready = false;
    DL_DELETE(api->ready, operation);
}

/*
 * The one that has waited longest; NULL: none. While memory is short it is one that has begun, and
 * the same one until its end, which gives back what it has.
 */
static struct operation *next_ready(const struct api *api)
{
    struct operation *operation = api->ready;

    if (!api_is_memory_short(api))
        return operation;
    while (operation != NULL && operation->bytes == 0)
        operation = operation->next;
    return operation;
}

/*
 * Each gets a slice, whoever waits longest first: a long one delays nobody by more than that. What is
 * sent here, by operations with several mutations, waits for the publisher's next turn.
 */
bool api_turn(struct api *api)
{
    struct operation *operation;
    int64_t steps = API_STEPS;

    outgoing_turn(&api->outgoing);
    api->has_sent = false;
    api->first_steps = API_STEPS;
    api->group_steps = API_GROUP_STEPS;
    for (operation = next_ready(api); operation != NULL && steps > 0; operation = next_ready(api)) {
        api_remove_ready(api, operation);
        steps -= operation_go_on(operation, SLICE_STEPS);
    }
    return operation != NULL || api->has_sent;
}
