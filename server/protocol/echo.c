/*
 * /echo: sends every message back as it came, for conformance suites; only with --echo.
 */
#include <stdlib.h>

#include "server/net/stream.h"
#include "server/protocol/answer.h"
#include "server/protocol/service.h"
#include "server/protocol/session.h"
#include "server/websocket/websocket.h"

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct session *session = user;
    struct stream *stream = session->subscriber.stream;

    session_count_message(session);
    if (service_rate_take(session->service, stream, size) > 0) {
        session_close_because(session, STAT_CLOSED_RATE_LIMITED, WEBSOCKET_POLICY,
                              "too fast"); /* it has no errors */
        return true;
    }
    if (is_text)
        websocket_send_text(session->websocket, bytes, size);
    else
        websocket_send_binary(session->websocket, bytes, size);
    stream->messages_out++;
    return session_wants_more(session);
}

static void on_drained(void *user)
{
    session_go_on(user);
}

static void on_close(void *user, enum websocket_end end, int code)
{
    session_closed(user, end, code);
    free(user);
}

/* Its peer compares what comes back: a notice would be taken for an echo. */
static void warn(struct client *client, uint32_t remaining_seconds)
{
    (void)client;
    (void)remaining_seconds;
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_ECHO,
    .describe = session_describe,
    .warn = warn,
    .close = session_close,
    .kick = session_kick,
};

static const struct websocket_handlers websocket_handlers = {
    .on_message = on_message,
    .on_drained = on_drained,
    .on_close = on_close,
};

void echo_serve(struct service *service, struct http_exchange *exchange)
{
    struct session_options options = {.service = service, .operations = &operations};
    struct session *session;

    if (!session_check_upgrade(service, exchange))
        return;
    session = malloc(sizeof *session);
    if (session == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    options.websocket =
        websocket_accept(service->websockets, exchange, NULL, &websocket_handlers, session);
    if (options.websocket == NULL) {
        free(session);
        return;
    }
    options.stream = websocket_stream(options.websocket);
    session_init(session, &options);
}
