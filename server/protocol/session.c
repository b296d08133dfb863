#include "server/protocol/session.h"

#include <assert.h>
#include <string.h>

#include "bus/stats.h"
#include "server/http/http.h"
#include "server/net/stream.h"
#include "server/protocol/answer.h"
#include "server/protocol/broker_message.h"
#include "server/protocol/service.h"
#include "server/topics/publisher.h"
#include "server/websocket/websocket.h"

enum {
    PROTOCOL_BYTES_MAX = 64, /* of a subprotocol's name, terminated */
};

static_assert(sizeof(struct session) <= 128, "an idle room client costs little (DESIGN section 6)");

void session_init(struct session *session, const struct session_options *options)
{
    struct topics_encoding *encoding = NULL;

    if (options->encodings != NULL)
        encoding =
            options->encodings[options->websocket != NULL ? websocket_window(options->websocket)
                                                          : DEFLATE_NONE];
    *session = (struct session){
        .service = options->service,
        .websocket = options->websocket,
        .own = options->own,
    };
    options->stream->drained_bytes = options->service->limits.queue_bytes_max / 2;
    options->stream->rate = (struct rate){0}; /* its first request is no message */
    subscriber_init(&session->subscriber, options->stream, encoding, options->handlers, session);
    client_join(&options->service->clients, &session->client, options->operations);
}

void session_done(struct session *session)
{
    struct service *service = session->service;

    subscriber_done(service->topics, &session->subscriber);
    if (session->pending_count > 0)
        publisher_cancel(service->publisher, session);
    client_leave(&service->clients, &session->client);
}

void session_closed(struct session *session, enum websocket_end end, int code)
{
    static const uint8_t reasons[] = {
        [WEBSOCKET_END_NONE] = STAT_CLOSED_ERROR,
        [WEBSOCKET_END_BY_PEER] = STAT_CLOSED_CLIENT,
        [WEBSOCKET_END_BY_USER] = STAT_CLOSED_ERROR, /* session_close_because has said another */
        [WEBSOCKET_END_UNANSWERED] = STAT_CLOSED_ERROR,
        [WEBSOCKET_END_LOST] = STAT_CLOSED_GONE,
        [WEBSOCKET_END_PING_TIMEOUT] = STAT_CLOSED_PING_TIMEOUT,
        [WEBSOCKET_END_STALLED] = STAT_CLOSED_STALLED,
        [WEBSOCKET_END_BROKEN] = STAT_CLOSED_PROTOCOL_ERROR,
        [WEBSOCKET_END_TOO_BIG] = STAT_CLOSED_TOO_LARGE,
        [WEBSOCKET_END_SLOW] = STAT_CLOSED_SLOW,
        [WEBSOCKET_END_NO_ROOM] = STAT_CLOSED_OVERLOADED,
        [WEBSOCKET_END_FAILED] = STAT_CLOSED_ERROR,
    };

    session->client.was_cut = end == WEBSOCKET_END_UNANSWERED ||
                              end == WEBSOCKET_END_PING_TIMEOUT || end == WEBSOCKET_END_STALLED ||
                              end == WEBSOCKET_END_FAILED;
    client_give_reason(&session->client, (enum stat_close_reason)reasons[end]);
    if (code != WEBSOCKET_NO_STATUS && code != WEBSOCKET_ABNORMAL)
        session->client.close_code = (uint16_t)code;
    session_done(session);
}

void session_count_message(struct session *session)
{
    session->client.messages_in++;
    service_count_message(session->service, session->client.operations->protocol);
}

void session_close_because(struct session *session, enum stat_close_reason reason, int code,
                           const char *text)
{
    if (websocket_is_closing(session->websocket))
        return;
    client_give_reason(&session->client, reason);
    websocket_close(session->websocket, code, text);
}

void session_send(struct session *session, const char *text, size_t size)
{
    if (session->websocket != NULL) {
        websocket_send_text(session->websocket, text, size);
    } else {
        stream_write(session->subscriber.stream, text, size);
        stream_write(session->subscriber.stream, "\n", 1);
    }
}

static bool is_output_full(const struct session *session)
{
    return outq_is_over(&session->subscriber.stream->out, session->service->limits.queue_bytes_max);
}

/* Their answers will come, and with them session_go_on. */
static bool is_publishing_held(const struct session *session)
{
    return session->pending_count >= SESSION_PENDING_MAX ||
           (session->pending_count > 0 && publisher_is_blocked(session->service->publisher));
}

/* Whatever it has to wait for, its end calls session_go_on. */
static bool must_wait(struct session *session)
{
    if (is_publishing_held(session))
        return true;
    if (!is_output_full(session))
        return false;
    session->subscriber.stream->wants_drained = true;
    return true;
}

bool session_wants_more(struct session *session)
{
    if (!session->is_held)
        session->is_held = must_wait(session);
    return !session->is_held;
}

void session_go_on(struct session *session)
{
    if (!session->is_held || must_wait(session))
        return;
    session->is_held = false;
    if (session->websocket != NULL)
        websocket_resume(session->websocket);
    else
        stream_resume(session->subscriber.stream);
}

void session_drained(struct session *session)
{
    session_go_on(session);
    subscriber_drained(session->service->topics, &session->subscriber);
}

void session_describe(const struct client *client, struct client_view *view)
{
    const struct session *session =
        (const struct session *)(const void *)((const char *)client -
                                               offsetof(struct session, client));

    client_view_stream(view, session->subscriber.stream);
    view->subscriptions = session->subscriber.subscription_count;
    view->lagging = subscriber_lagging_count(&session->subscriber);
}

void session_warn(struct client *client, uint32_t remaining_seconds)
{
    char text[BROKER_REPLY_BYTES_MAX];
    size_t size = broker_write_shutdown(text, remaining_seconds, service_realtime_ns());

    session_send(session_of_client(client), text, size);
}

void session_close(struct client *client)
{
    session_close_because(session_of_client(client), STAT_CLOSED_SHUTDOWN, WEBSOCKET_GOING_AWAY,
                          "server is shutting down");
}

void session_kick(struct client *client)
{
    session_close_because(session_of_client(client), STAT_CLOSED_KICKED, WEBSOCKET_POLICY,
                          "closed by the administrator");
}

void session_send_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    char text[BROKER_REPLY_BYTES_MAX];
    size_t size = broker_write_gap(text, topic, topic_bytes, oldest);

    session_send(user, text, size);
}

/* --- newcomers -------------------------------------------------------------------------------- */

static bool on_refused_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)is_text;
    (void)bytes;
    (void)size;
    return true;
}

static void on_refused_close(void *user, enum websocket_end end, int code)
{
    (void)user;
    (void)end;
    (void)code;
}

/* The first subprotocol that is offered; empty: none, or one that is too long to be any. */
static void first_offer(const struct http_exchange *exchange, char out[PROTOCOL_BYTES_MAX])
{
    const struct http_text *header = http_header(http_request(exchange), "sec-websocket-protocol");
    struct http_text offers = {0};
    struct http_element offer;

    out[0] = '\0';
    if (header != NULL)
        offers = *header;
    if (!http_element_next(&offers, &offer) || offer.token.size >= PROTOCOL_BYTES_MAX)
        return;
    memcpy(out, offer.token.bytes, offer.token.size);
    out[offer.token.size] = '\0';
}

void session_refuse(struct service *service, struct http_exchange *exchange, int code,
                    const char *reason)
{
    static const struct websocket_handlers handlers = {
        .on_message = on_refused_message,
        .on_close = on_refused_close,
    };
    char protocol[PROTOCOL_BYTES_MAX];
    struct websocket *websocket;

    stat_add(service->bus, service->slot, STAT_REFUSED, 1);
    first_offer(exchange, protocol);
    websocket = websocket_accept(service->websockets, exchange,
                                 protocol[0] != '\0' ? protocol : NULL, &handlers, NULL);
    if (websocket != NULL)
        websocket_close(websocket, code, reason);
}

bool session_check_upgrade(struct service *service, struct http_exchange *exchange)
{
    int result = websocket_check(exchange);

    if (result < 0)
        return false; /* answered there */
    if (result == 0) {
        answer_error(service, exchange, ANSWER_UPGRADE_REQUIRED, "this is a WebSocket endpoint",
                     "Upgrade: websocket\r\nConnection: Upgrade\r\n");
        return false;
    }
    if (service->is_refusing) {
        session_refuse(service, exchange, WEBSOCKET_GOING_AWAY, "server is shutting down");
        return false;
    }
    if (service->full_reason != NULL) {
        session_refuse(service, exchange, WEBSOCKET_TRY_LATER, service->full_reason);
        return false;
    }
    return true;
}
