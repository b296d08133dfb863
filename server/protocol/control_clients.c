/*
 * Lists the clients, and closes some: walks over all of them, CONTROL_STEP in a turn.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/shm.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/client.h"
#include "server/protocol/control.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/waiting.h"

#define NOT_STORED "Cache-Control: no-store\r\n"

/* Whose clients a kick is for. */
struct target {
    char name[CLIENT_NAME_BYTES_MAX]; /* terminated */
    bool is_id;
    uint64_t worker;
    uint64_t number;
};

struct walk_request {
    struct waiting_request waiting;
    struct service *service;
    struct http_exchange *exchange;
    struct clients_walk walk;
    client_visit_function *visit;
    void (*answer)(struct walk_request *request);
    uint64_t count; /* of clients listed, or kicked */

    /* Of a list. */
    struct text body;
    uint64_t limit;
    uint64_t before; /* 0: all */
    bool is_lagging_only;
    bool has_more;

    struct target target; /* of a kick */
};

static struct walk_request *request_of(struct waiting_request *waiting)
{
    return (struct walk_request *)(void *)((char *)waiting -
                                           offsetof(struct walk_request, waiting));
}

static void request_free(struct walk_request *request)
{
    clients_walk_end(&request->walk);
    text_done(&request->body);
    free(request);
}

static void on_gone(void *user)
{
    struct walk_request *request = user;

    waiting_leave(request->service, &request->waiting);
    request_free(request);
}

static void step(struct waiting_request *waiting)
{
    struct walk_request *request = request_of(waiting);
    bool is_over = clients_walk(&request->walk, CONTROL_STEP, request->visit, request) != 0;

    if (!is_over && !request->has_more && text_is_whole(&request->body))
        return;
    request->answer(request);
    waiting_leave(request->service, waiting);
    request_free(request);
}

static struct walk_request *request_new(struct service *service, struct http_exchange *exchange)
{
    struct walk_request *request = calloc(1, sizeof *request);

    if (request == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return NULL;
    }
    request->service = service;
    request->exchange = exchange;
    request->waiting.step = step;
    return request;
}

static void refuse(struct walk_request *request, const char *reason)
{
    answer_error(request->service, request->exchange, ANSWER_BAD_REQUEST, reason, NULL);
    request_free(request);
}

static void begin(struct walk_request *request)
{
    clients_walk_begin(&request->service->clients, &request->walk);
    http_exchange_set_user(request->exchange, on_gone, request);
    waiting_join(request->service, &request->waiting);
}

/* --- /control/clients ------------------------------------------------------------------------- */

static void add_client(struct walk_request *request, const struct client_view *view)
{
    struct text *body = &request->body;

    text_printf(body, "%s{\"id\":\"%u-%" PRIu32 "\",\"protocol\":\"%s\",\"name\":",
                request->count > 0 ? "," : "", request->service->worker_index, view->number,
                stat_protocol_name(view->protocol));
    if (*view->name == '\0')
        text_add_string(body, "null");
    else
        text_add_quoted(body, view->name, strlen(view->name));
    text_add_string(body, ",\"peer\":");
    text_add_quoted(body, view->peer, strlen(view->peer));
    text_printf(body,
                ",\"transport\":\"%s\",\"connected_seconds\":%" PRIu32 ",\"messages_in\":%" PRIu64
                ",\"messages_out\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
                ",\"queued_bytes\":%" PRIu64 ",\"subscriptions\":%" PRIu32 ",\"lagging\":%" PRIu32
                "}",
                view->transport, view->age_s, view->messages_in, view->messages_out, view->bytes_in,
                view->bytes_out, view->queued_bytes, view->subscriptions, view->lagging);
    request->count++;
}

static void list_client(void *user, struct client *client)
{
    struct walk_request *request = user;
    struct client_view view;

    if (request->has_more || (request->before != 0 && client->number >= request->before))
        return;
    client_describe(client, &view);
    if (request->is_lagging_only && view.lagging == 0)
        return;
    if (request->count == request->limit)
        request->has_more = true;
    else
        add_client(request, &view);
}

static void answer_list(struct walk_request *request)
{
    text_printf(&request->body, "],\"more\":%s}", request->has_more ? "true" : "false");
    answer_json(request->service, request->exchange, 200, &request->body, NOT_STORED);
}

static const char *read_list_query(struct walk_request *request)
{
    struct http_text query = http_request(request->exchange)->query;
    int rc;

    request->limit = CONTROL_CLIENTS_MAX;
    if (query_uint64(query, "limit", &request->limit) < 0 || request->limit < 1 ||
        request->limit > CONTROL_CLIENTS_MAX)
        return "`limit` must be an integer from 1 to 1000";
    rc = query_uint64(query, "before", &request->before);
    if (rc < 0 || (rc > 0 && request->before == 0))
        return "`before` must be a client's number, from 1";
    if (query_bool(query, "lagging", &request->is_lagging_only) < 0)
        return "`lagging` must be true or false";
    return NULL;
}

void control_clients_serve(struct service *service, struct http_exchange *exchange)
{
    struct walk_request *request = request_new(service, exchange);
    const char *reason;

    if (request == NULL)
        return;
    reason = read_list_query(request);
    if (reason != NULL) {
        refuse(request, reason);
        return;
    }
    text_printf(&request->body, "{\"worker\":%u,\"pid\":%" PRId32 ",\"clients\":[",
                service->worker_index, bus_slot_pid(service->bus, service->slot));
    request->visit = list_client;
    request->answer = answer_list;
    begin(request);
}

/* --- /control/kick ---------------------------------------------------------------------------- */

static bool is_target(const struct walk_request *request, const struct client *client)
{
    const struct target *target = &request->target;
    struct client_view view;

    if (target->is_id)
        return target->worker == request->service->worker_index && target->number == client->number;
    client_describe(client, &view);
    return strcmp(view.name, target->name) == 0;
}

static void kick_client(void *user, struct client *client)
{
    struct walk_request *request = user;

    if (client->has_reason || !is_target(request, client))
        return; /* it is leaving, or another's */
    client_kick(client);
    request->count++;
}

static void answer_kick(struct walk_request *request)
{
    text_printf(&request->body, "{\"kicked\":%" PRIu64 "}", request->count);
    answer_json(request->service, request->exchange, 200, &request->body, NULL);
}

/* WORKER-NUMBER. */
static bool read_id(const char *text, size_t size, struct target *target)
{
    const char *dash = memchr(text, '-', size);

    return dash != NULL && query_decimal(text, (size_t)(dash - text), &target->worker) &&
           query_decimal(dash + 1, size - (size_t)(dash + 1 - text), &target->number);
}

static const char *read_kick_query(struct walk_request *request)
{
    struct target *target = &request->target;
    size_t size = 0;
    int rc = query_text(http_request(request->exchange)->query, "client", target->name,
                        sizeof target->name - 1, &size);

    if (rc <= 0 || size == 0 || memchr(target->name, '\0', size) != NULL)
        return "`client` must be a client's id, as 0-17, or a name";
    target->name[size] = '\0';
    target->is_id = read_id(target->name, size, target);
    return NULL;
}

void control_kick_serve(struct service *service, struct http_exchange *exchange)
{
    struct walk_request *request = request_new(service, exchange);
    const char *reason;

    if (request == NULL)
        return;
    reason = read_kick_query(request);
    if (reason != NULL) {
        refuse(request, reason);
        return;
    }
    request->visit = kick_client;
    request->answer = answer_kick;
    begin(request);
}
