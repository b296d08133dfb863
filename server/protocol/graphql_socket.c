/*
 * One state machine for both protocols: a message of either means the same (graphql_message.h), and
 * what the server says differs in a few words.
 *
 *   AWAITING ──connection_init──▶ READY
 *      └── --handshake-timeout: 4408
 *
 * A subscription that retention overtook is freed in the service's turn.
 */
#include "server/protocol/graphql_socket.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/api/api.h"
#include "server/api/operation.h"
#include "server/graphql/errors.h"
#include "server/graphql/region.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/net/arena.h"
#include "server/net/stream.h"
#include "server/protocol/answer.h"
#include "server/protocol/graphql_message.h"
#include "server/protocol/graphql_operations.h"
#include "server/protocol/service.h"
#include "server/protocol/session.h"
#include "server/websocket/websocket.h"

/* Half of what the old protocol's client waits for one, once it has seen the first. */
#define KEEP_ALIVE_NS INT64_C(15000000000)

enum {
    CLOSE_BAD_MESSAGE = 4400,
    CLOSE_UNAUTHORIZED = 4401,
    CLOSE_FORBIDDEN = 4403,
    CLOSE_NO_SUBPROTOCOL = 4406,
    CLOSE_INIT_TIMEOUT = 4408,
    CLOSE_ID_IN_USE = 4409,
    CLOSE_SECOND_INIT = 4429,
    CLOSE_REASON_BYTES_MAX = 123,
};

/* session.own */
enum socket_flag {
    IS_OLD = 1,   /* GRAPHQL_OLD_WS */
    IS_READY = 2, /* acknowledged */
};

struct graphql_socket {
    struct session session;
    struct timer timer; /* AWAITING: its end. READY: the old protocol's next `ka` */
    struct graphql_operations operations;
};

static_assert(sizeof(struct graphql_socket) <= 168, "an idle connection is small");
static_assert(offsetof(struct graphql_socket, session.client) == 0, "describe casts");
static_assert(sizeof(struct graphql_operation) <= 112, "and so is a subscription");

static struct graphql_socket *socket_of_timer(struct timer *timer)
{
    return (struct graphql_socket *)(void *)((char *)timer -
                                             offsetof(struct graphql_socket, timer));
}

static enum graphql_protocol protocol_of(const struct graphql_socket *socket)
{
    return (socket->session.own & IS_OLD) != 0 ? GRAPHQL_OLD_WS : GRAPHQL_TRANSPORT_WS;
}

static bool is_old(const struct graphql_socket *socket)
{
    return protocol_of(socket) == GRAPHQL_OLD_WS;
}

static bool is_ready(const struct graphql_socket *socket)
{
    return (socket->session.own & IS_READY) != 0;
}

/* --- what the server says ------------------------------------------------------------------------- */

/* Half a message is worse than none: without memory for it the client has to come back. */
static void send_text(struct graphql_socket *socket, struct text *text)
{
    if (text_is_whole(text))
        session_send(&socket->session, text->bytes, text->size);
    else
        stream_abort(socket->session.subscriber.stream);
    text_done(text);
}

/* The same for what may be large. False: there is no room for it, and nothing was sent. */
static bool send_result(struct graphql_socket *socket, struct text *text)
{
    struct arena *arena;

    if (!text_is_whole(text) || text->size < API_ANSWER_BYTES_MIN) {
        send_text(socket, text);
        return true;
    }
    arena = api_share_answer(socket->session.service->api, text);
    text_done(text);
    if (arena == NULL)
        return false;
    websocket_send_arena(socket->session.websocket, arena);
    arena_unref(arena);
    return true;
}

static struct json_span id_of(const struct graphql_operation *operation)
{
    return (struct json_span){(const char *)operation->id->bytes, operation->id->capacity};
}

static void send_complete(const struct graphql_operation *operation)
{
    struct text out = {0};

    graphql_message_write_complete(id_of(operation), &out);
    send_text(operation->socket, &out);
}

/* @answer, {"errors":[…]}, is freed. The client expects nothing more of the operation. */
static void send_errors(const struct graphql_operation *operation, struct text *answer)
{
    struct graphql_socket *socket = operation->socket;
    struct text out = {0};

    if (text_is_whole(answer))
        graphql_message_write_errors(protocol_of(socket), id_of(operation),
                                     (struct json_span){answer->bytes, answer->size}, &out);
    else
        out.has_failed = true;
    text_done(answer);
    send_text(socket, &out);
}

static void send_error(struct graphql_socket *socket, const struct graphql_message *message,
                       enum graphql_code code, const char *reason)
{
    struct text out = {0};

    graphql_message_write_error(protocol_of(socket),
                                (struct json_span){message->id, message->id_bytes}, code, reason,
                                &out);
    send_text(socket, &out);
}

static void send_connection_error(struct graphql_socket *socket, const char *reason)
{
    struct text out = {0};

    graphql_message_write_connection_error(reason, &out);
    send_text(socket, &out);
}

static void send_acknowledgement(struct graphql_socket *socket)
{
    const struct bus *bus = socket->session.service->bus;
    struct text out = {0};

    graphql_message_write_acknowledgement(bus_epoch(bus), ring_committed(bus).seq, &out);
    send_text(socket, &out);
}

static void send_keep_alive(struct graphql_socket *socket)
{
    static const char text[] = "{\"type\":\"ka\"}";

    session_send(&socket->session, text, sizeof text - 1);
    timer_start(socket->session.service->timers, &socket->timer, KEEP_ALIVE_NS);
}

static void close_because(struct graphql_socket *socket, int code, const char *reason)
{
    struct service *service = socket->session.service;

    stat_add(service->bus, service->slot, STAT_PROTOCOL_ERRORS, 1);
    session_close_because(&socket->session, STAT_CLOSED_PROTOCOL_ERROR, code, reason);
}

/* --- operations ------------------------------------------------------------------------------------- */

static struct graphql_operation *new_operation(struct graphql_socket *socket,
                                               const struct graphql_message *message)
{
    struct graphql_operation *operation = calloc(1, sizeof *operation);

    if (operation == NULL)
        return NULL;
    operation->socket = socket;
    operation->id = arena_copy(message->id, message->id_bytes);
    if (operation->id == NULL) {
        free(operation);
        return NULL;
    }
    return operation;
}

/* It is in no table. */
static void free_operation(struct graphql_operation *operation)
{
    group_leave(&operation->member);
    operation_free(operation->operation);
    arena_unref(operation->id);
    free(operation);
}

/* Out of the connection's table. */
static void take_out(struct graphql_operation *operation)
{
    struct graphql_socket *socket = operation->socket;

    graphql_operations_remove(&socket->operations, operation);
    if (operation->operation != NULL)
        socket->session.pending_count--;
}

static void cancel(struct graphql_operation *operation)
{
    take_out(operation);
    free_operation(operation);
}

/* From inside on_gap, whose subscriber is still looked at. */
static void free_later(struct graphql_operation *operation)
{
    struct service *service = operation->socket->session.service;

    group_leave(&operation->member);
    operation->next = service->graphql_ended;
    service->graphql_ended = operation;
}

static void answer(struct graphql_operation *operation)
{
    struct graphql_socket *socket = operation->socket;
    struct text out = {0};

    if (operation_is_refused(operation->operation)) {
        operation_write(operation->operation, &out);
        send_errors(operation, &out);
        return;
    }
    graphql_message_begin_result(protocol_of(socket), id_of(operation), &out);
    operation_write(operation->operation, &out);
    text_add(&out, "}", 1);
    if (send_result(socket, &out)) {
        send_complete(operation);
    } else {
        bool is_done = operation_kind(operation->operation) == AST_MUTATION;

        graphql_message_write_error(protocol_of(socket), id_of(operation),
                                    is_done ? GRAPHQL_INTERNAL : GRAPHQL_UNAVAILABLE,
                                    is_done ? API_NO_ROOM_DONE : API_NO_ROOM, &out);
        send_text(socket, &out);
    }
}

static void on_done(void *user)
{
    struct graphql_operation *operation = user;
    struct graphql_socket *socket = operation->socket;

    answer(operation);
    cancel(operation);
    session_go_on(&socket->session);
}

static void run(struct graphql_operation *operation)
{
    struct graphql_socket *socket = operation->socket;

    if (operation_run(operation->operation, on_done, operation) == OPERATION_DONE) {
        answer(operation);
        free_operation(operation);
        return;
    }
    socket->session.pending_count++;
    graphql_operations_add(&socket->operations, operation);
}

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    struct graphql_operation *operation = user;
    struct text answer = {0};

    (void)topic; /* what the client asked for is known by its id */
    (void)topic_bytes;
    group_write_gap(&operation->member, oldest, &answer);
    send_errors(operation, &answer);
    take_out(operation);
    free_later(operation);
}

static const struct subscriber_handlers subscriber_handlers = {
    .on_gap = on_gap,
};

static void subscribe(struct graphql_operation *operation, const struct resume *resume)
{
    struct graphql_socket *socket = operation->socket;
    const struct group_join_options options = {
        .stream = socket->session.subscriber.stream,
        .style = is_old(socket) ? GROUP_OLD_WS : GROUP_TRANSPORT_WS,
        .window = websocket_window(socket->session.websocket),
        .id = operation->id,
        .handlers = &subscriber_handlers,
        .user = operation,
        .resume = resume,
    };
    struct subscribed subscribed;
    struct text answer = {0};

    if (group_join(operation->operation, &operation->member, &options, &subscribed) != 0) {
        operation_write(operation->operation, &answer);
        send_errors(operation, &answer);
        free_operation(operation);
        return;
    }
    operation_free(operation->operation);
    operation->operation = NULL;
    if (subscribed.has_recovered && !subscribed.recovered) {
        group_write_gap(&operation->member, subscribed.gap_oldest, &answer);
        send_errors(operation, &answer);
        free_operation(operation);
        return;
    }
    graphql_operations_add(&socket->operations, operation);
}

/* --- what clients say ------------------------------------------------------------------------------- */

static void begin(struct graphql_operation *operation, const struct graphql_message *message)
{
    struct graphql_socket *socket = operation->socket;
    struct service *service = socket->session.service;
    struct api_request request;
    struct region region;
    struct text refusal = {0};
    const char *reason;

    region_init(&region, 2 * (size_t)service->limits.message_bytes_max); /* decoded */
    reason = request_parse(message->payload, &region, &request);
    if (reason == NULL) {
        request.protocol = STAT_PROTOCOL_GRAPHQL_WS;
        operation->operation = operation_new(service->api, &request);
    }
    if (reason != NULL || operation->operation == NULL) {
        send_error(socket, message, reason != NULL ? GRAPHQL_BAD_USER_INPUT : GRAPHQL_UNAVAILABLE,
                   reason != NULL ? reason : "out of memory");
        free_operation(operation);
    } else if (operation_is_refused(operation->operation)) {
        operation_write(operation->operation, &refusal);
        send_errors(operation, &refusal);
        free_operation(operation);
    } else if (operation_kind(operation->operation) == AST_SUBSCRIPTION) {
        subscribe(operation, &request.resume);
    } else {
        run(operation);
    }
    region_done(&region);
}

/* An operation with this id is under way. False: nothing more is to be done with the new one. */
static bool make_way(struct graphql_socket *socket, struct graphql_operation *old,
                     const struct graphql_message *message)
{
    char reason[CLOSE_REASON_BYTES_MAX + 1] = "Subscriber already exists";
    struct json_span id = {message->id, message->id_bytes};
    char text[CLOSE_REASON_BYTES_MAX];
    ptrdiff_t text_bytes;

    if (is_old(socket)) {
        cancel(old);
        return true;
    }
    text_bytes = json_string_decode(id, text, sizeof text - sizeof "Subscriber for already exists");
    if (text_bytes >= 0)
        (void)snprintf(reason, sizeof reason, "Subscriber for %.*s already exists", (int)text_bytes,
                       text);
    close_because(socket, CLOSE_ID_IN_USE, reason);
    return false;
}

static void handle_start(struct graphql_socket *socket, const struct graphql_message *message,
                         bool is_over_rate)
{
    struct graphql_operation *operation =
        graphql_operations_find(&socket->operations, message->id, message->id_bytes);

    if (!is_ready(socket)) {
        if (is_old(socket))
            send_connection_error(socket, "connection_init comes first");
        close_because(socket, CLOSE_UNAUTHORIZED, "Unauthorized");
        return;
    }
    if (operation != NULL && !make_way(socket, operation, message))
        return;
    if (is_over_rate) {
        send_error(socket, message, GRAPHQL_RATE_LIMITED, SESSION_TOO_FAST);
    } else if (socket->operations.count >= socket->session.service->limits.subscriptions_max) {
        send_error(socket, message, GRAPHQL_LIMIT_EXCEEDED,
                   "this connection has as many operations under way as it may have");
    } else {
        operation = new_operation(socket, message);
        if (operation != NULL)
            begin(operation, message);
        else
            send_error(socket, message, GRAPHQL_UNAVAILABLE, "out of memory");
    }
}

static void handle_stop(struct graphql_socket *socket, const struct graphql_message *message)
{
    struct graphql_operation *operation =
        graphql_operations_find(&socket->operations, message->id, message->id_bytes);

    if (operation == NULL)
        return; /* it has ended meanwhile */
    if (is_old(socket))
        send_complete(operation);
    cancel(operation);
}

static void handle_init(struct graphql_socket *socket)
{
    if (is_ready(socket) && !is_old(socket)) {
        close_because(socket, CLOSE_SECOND_INIT, "Too many initialisation requests");
        return;
    }
    timer_stop(&socket->timer);
    socket->session.own |= IS_READY;
    send_acknowledgement(socket);
    if (is_old(socket))
        send_keep_alive(socket);
}

static void handle_ping(struct graphql_socket *socket, const struct graphql_message *message)
{
    struct text out = {0};

    graphql_message_write_pong(message->payload, &out);
    send_text(socket, &out);
}

static void handle_bad(struct graphql_socket *socket, const struct graphql_message *message,
                       const char *reason)
{
    if (!is_old(socket))
        close_because(socket, CLOSE_BAD_MESSAGE, "Invalid message received");
    else if (message->id_bytes > 0)
        send_error(socket, message, GRAPHQL_BAD_USER_INPUT, reason);
    else
        send_connection_error(socket, reason);
}

/* Over the rate nothing is begun and no ping answered; what ends something is heard all the same. */
static void handle(struct graphql_socket *socket, const struct graphql_message *message,
                   bool is_over_rate)
{
    switch (message->type) {
    case GRAPHQL_START:
        handle_start(socket, message, is_over_rate);
        break;
    case GRAPHQL_STOP:
        handle_stop(socket, message);
        break;
    case GRAPHQL_INIT:
        handle_init(socket);
        break;
    case GRAPHQL_PING:
        if (!is_over_rate)
            handle_ping(socket, message);
        break;
    case GRAPHQL_PONG:
        break;
    case GRAPHQL_TERMINATE:
        session_close_because(&socket->session, STAT_CLOSED_CLIENT, WEBSOCKET_NORMAL, NULL);
        break;
    }
}

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct graphql_socket *socket = user;
    struct service *service = socket->session.service;
    struct graphql_message message;
    bool is_over_rate;
    const char *reason;
    char *compact;

    if (!is_text) {
        close_because(socket, WEBSOCKET_UNSUPPORTED, "text messages only");
        return true;
    }
    session_count_message(&socket->session);
    is_over_rate = service_rate_take(service, socket->session.subscriber.stream, size) > 0;
    compact = service_scratch(service, size);
    if (compact == NULL) {
        session_close_because(&socket->session, STAT_CLOSED_OVERLOADED, WEBSOCKET_TRY_LATER,
                              "out of memory");
        return true;
    }
    reason =
        graphql_message_parse(protocol_of(socket), (const char *)bytes, size, compact, &message);
    if (reason != NULL)
        handle_bad(socket, &message, reason);
    else
        handle(socket, &message, is_over_rate);
    return session_wants_more(&socket->session);
}

/* --- the connection --------------------------------------------------------------------------------- */

static void let_feed(struct graphql_operation *operation)
{
    if (operation->member.style != NULL)
        subscriber_drained(operation->socket->session.service->topics,
                           &operation->member.spliced.subscriber);
}

static void on_drained(void *user)
{
    struct graphql_socket *socket = user;

    session_drained(&socket->session);
    graphql_operations_visit(&socket->operations, let_feed); /* at most --max-subscriptions */
}

static void on_close(void *user, enum websocket_end end, int code)
{
    struct graphql_socket *socket = user;

    timer_stop(&socket->timer);
    graphql_operations_visit(&socket->operations, cancel);
    graphql_operations_done(&socket->operations);
    session_closed(&socket->session, end, code);
    free(socket);
}

static void on_timer(struct timer *timer)
{
    struct graphql_socket *socket = socket_of_timer(timer);

    if (websocket_is_closing(socket->session.websocket))
        return;
    if (is_ready(socket))
        send_keep_alive(socket);
    else
        close_because(socket, CLOSE_INIT_TIMEOUT, "Connection initialisation timeout");
}

/* The old protocol has no word for it. */
static void warn(struct client *client, uint32_t remaining_seconds)
{
    struct graphql_socket *socket =
        (struct graphql_socket *)(void *)session_of_client(client); /* its first member */
    struct text out = {0};

    if (is_old(socket))
        return;
    graphql_message_write_shutdown(remaining_seconds, &out);
    send_text(socket, &out);
}

static uint32_t count_subscriptions(const struct graphql_operation *operation)
{
    return operation->member.spliced.subscriber.subscription_count;
}

static uint32_t count_lagging(const struct graphql_operation *operation)
{
    return subscriber_lagging_count(&operation->member.spliced.subscriber);
}

static void describe(const struct client *client, struct client_view *view)
{
    const struct graphql_socket *socket = (const struct graphql_socket *)(const void *)client;

    session_describe(client, view);
    view->subscriptions = graphql_operations_sum(&socket->operations, count_subscriptions);
    view->lagging = graphql_operations_sum(&socket->operations, count_lagging);
}

static void kick(struct client *client)
{
    session_close_because(session_of_client(client), STAT_CLOSED_KICKED, CLOSE_FORBIDDEN,
                          "Forbidden");
}

static const struct client_operations client_operations = {
    .protocol = STAT_PROTOCOL_GRAPHQL_WS,
    .describe = describe,
    .warn = warn,
    .close = session_close,
    .kick = kick,
};

static const struct websocket_handlers websocket_handlers = {
    .on_message = on_message,
    .on_drained = on_drained,
    .on_close = on_close,
};

/* The newer one wherever it is offered; NULL: none that is known. */
static const char *choose_protocol(const struct http_request *request)
{
    static const char newer[] = "graphql-transport-ws";
    static const char older[] = "graphql-ws";
    const char *chosen = NULL;

    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text offers = request->headers[i].value;
        struct http_element offer;

        if (!http_text_equals(request->headers[i].name, "sec-websocket-protocol"))
            continue;
        while (http_element_next(&offers, &offer)) {
            if (http_text_equals(offer.token, newer))
                return newer;
            if (http_text_equals(offer.token, older))
                chosen = older;
        }
    }
    return chosen;
}

static void accept_client(struct service *service, struct http_exchange *exchange,
                          const char *protocol)
{
    bool is_older = strcmp(protocol, "graphql-ws") == 0;
    struct session_options options = {
        .service = service,
        .operations = &client_operations,
        .own = is_older ? IS_OLD : 0,
    };
    struct graphql_socket *socket = calloc(1, sizeof *socket);

    if (socket == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    options.websocket =
        websocket_accept(service->websockets, exchange, protocol, &websocket_handlers, socket);
    if (options.websocket == NULL) {
        free(socket);
        return;
    }
    options.stream = websocket_stream(options.websocket);
    session_init(&socket->session, &options);
    timer_init(&socket->timer, service->graphql_socket_timer);
    timer_start(service->timers, &socket->timer, service->limits.handshake_timeout_ns);
}

void graphql_socket_serve(struct service *service, struct http_exchange *exchange)
{
    const char *protocol = choose_protocol(http_request(exchange));

    if (!session_check_upgrade(service, exchange))
        return;
    if (protocol == NULL)
        session_refuse(service, exchange, CLOSE_NO_SUBPROTOCOL, "Subprotocol not acceptable");
    else
        accept_client(service, exchange, protocol);
}

void graphql_socket_start(struct service *service)
{
    service->graphql_socket_timer = timer_wheel_register(service->timers, on_timer);
}

void graphql_socket_turn(struct service *service)
{
    while (service->graphql_ended != NULL) {
        struct graphql_operation *operation = service->graphql_ended;

        service->graphql_ended = operation->next;
        free_operation(operation);
    }
}
