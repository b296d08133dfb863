/*
 * Event streams (PROTOCOLS section 4): a topic's live events for EventSource and curl.
 *
 * The blocks written here are few; events are frames shared by all streams (frames.c).
 */
#include "server/protocol/event_stream.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bus/shm.h"
#include "bus/stats.h"
#include "server/net/stream.h"
#include "server/protocol/answer.h"
#include "server/protocol/broker_message.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/topics/topics.h"

#define POSITION_INTERVAL_NS INT64_C(15000000000)
#define CONTENT_TYPE         "text/event-stream"
#define HEADERS              "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\nVary: Accept\r\n"
#define RETRY                "retry: 2000\n\n"

enum {
    BLOCK_BYTES_MAX = BROKER_REPLY_BYTES_MAX + 64,
};

struct event_stream {
    struct client client;
    struct subscriber subscriber;
    struct timer timer;
    struct service *service;
};

static struct event_stream *event_stream_of_client(struct client *client)
{
    return (struct event_stream *)(void *)((char *)client - offsetof(struct event_stream, client));
}

static struct event_stream *event_stream_of_timer(struct timer *timer)
{
    return (struct event_stream *)(void *)((char *)timer - offsetof(struct event_stream, timer));
}

static void send_bytes(struct event_stream *events, const char *bytes, size_t size)
{
    stream_write(events->subscriber.stream, bytes, size);
}

/* A block that moves the client's Last-Event-ID and shows no event. */
static void send_position(struct event_stream *events, uint64_t seq)
{
    char text[64];
    char *end = put_literal(text, "id: ");

    end = put_epoch(end, bus_epoch(events->service->bus));
    end = put_literal(end, "-");
    end = put_decimal(end, seq);
    end = put_literal(end, "\n\n");
    send_bytes(events, text, (size_t)(end - text));
}

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    char text[BLOCK_BYTES_MAX];
    char *end = put_literal(text, "event: gap\ndata: ");

    end += broker_write_gap(end, topic, topic_bytes, oldest);
    end = put_literal(end, "\n\n");
    send_bytes(user, text, (size_t)(end - text));
}

static void warn(struct client *client, uint32_t remaining_seconds)
{
    char text[BLOCK_BYTES_MAX];
    char *end = put_literal(text, "event: shutdown\ndata: ");

    end += broker_write_shutdown(end, remaining_seconds, service_realtime_ns());
    end = put_literal(end, "\n\n");
    send_bytes(event_stream_of_client(client), text, (size_t)(end - text));
}

static void close_politely(struct client *client)
{
    struct stream *stream = event_stream_of_client(client)->subscriber.stream;

    if (stream->is_finishing)
        return;
    warn(client, 0);
    stream_finish(stream);
}

/* To a client that is behind, the position says nothing that its events will not say. */
static void on_position_timer(struct timer *timer)
{
    struct event_stream *events = event_stream_of_timer(timer);

    if (outq_is_empty(&events->subscriber.stream->out))
        send_position(events, topics_position(events->service->topics, &events->subscriber));
    timer_start(events->service->timers, timer, POSITION_INTERVAL_NS);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    return size; /* the body has no end: there can be no further request */
}

static void on_drained(void *user)
{
    struct event_stream *events = user;

    subscriber_drained(events->service->topics, &events->subscriber);
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct event_stream *events = user;

    (void)reason;
    timer_stop(&events->timer);
    subscriber_done(events->service->topics, &events->subscriber);
    client_leave(&events->service->clients, &events->client, NULL);
    free(events);
}

static void on_close_unserved(void *user, enum stream_close_reason reason)
{
    (void)user;
    (void)reason;
}

static const struct client_operations operations = {
    .protocol = "event-stream",
    .warn = warn,
    .close = close_politely,
};

static const struct subscriber_handlers subscriber_handlers = {
    .on_gap = on_gap,
};

static const struct stream_handlers stream_handlers = {
    .on_data = on_data,
    .on_drained = on_drained,
    .on_close = on_close,
};

static const struct stream_handlers unserved_handlers = {
    .on_data = on_data,
    .on_close = on_close_unserved,
};

/* --- arriving --------------------------------------------------------------------------------- */

static struct stream *begin(struct service *service, struct http_exchange *exchange)
{
    char headers[ANSWER_HEADERS_BYTES_MAX];

    answer_headers(service, exchange, HEADERS, headers);
    return http_begin_stream(exchange, CONTENT_TYPE, headers);
}

/* A 503 would stop EventSource for good; after this it comes back, to another server. */
static void refuse(struct service *service, struct http_exchange *exchange)
{
    struct stream *stream = begin(service, exchange);

    stat_add(service->bus, service->slot, STAT_REFUSED, 1);
    if (stream == NULL)
        return;
    stream_set_user(stream, &unserved_handlers, NULL);
    stream_write(stream, RETRY, sizeof RETRY - 1);
    stream_finish(stream);
}

static void answer_head(struct service *service, struct http_exchange *exchange)
{
    char headers[ANSWER_HEADERS_BYTES_MAX];
    struct http_response response = {
        .status = 200, .content_type = CONTENT_TYPE, .headers = headers, .is_endless = true};

    answer_headers(service, exchange, HEADERS, headers);
    http_respond(exchange, &response);
}

static void serve(struct event_stream *events, struct http_exchange *exchange,
                  const struct resume *resume, const char *topic, size_t topic_bytes)
{
    struct service *service = events->service;
    struct stream *stream = begin(service, exchange);
    struct subscribed subscribed;
    int rc;

    if (stream == NULL) {
        free(events);
        return;
    }
    stream->drained_bytes = service->limits.queue_bytes_max / 2;
    stream_set_user(stream, &stream_handlers, events);
    subscriber_init(&events->subscriber, stream, service->event_stream_encoding,
                    &subscriber_handlers, events);
    timer_init(&events->timer, service->event_stream_timer);
    client_join(&service->clients, &events->client, &operations, NULL);

    stream_write(stream, RETRY, sizeof RETRY - 1);
    rc = topics_subscribe(service->topics, &events->subscriber, topic, topic_bytes, resume,
                          &subscribed);
    if (rc != 0) {
        stream_finish(stream); /* it comes back in two seconds */
        return;
    }
    send_position(events, subscribed.seq);
    if (subscribed.gap_oldest != 0)
        on_gap(events, topic, topic_bytes, subscribed.gap_oldest);
    timer_start(service->timers, &events->timer, POSITION_INTERVAL_NS);
}

void event_stream_serve(struct service *service, struct http_exchange *exchange, const char *topic,
                        size_t topic_bytes)
{
    const struct http_request *request = http_request(exchange);
    const struct http_text *last_event_id = http_header(request, "last-event-id");
    struct event_stream *events;
    struct resume resume;
    const char *reason = query_resume(request->query, &resume);

    if (last_event_id != NULL && last_event_id->size > 0) {
        query_event_id(*last_event_id, &resume);
    } else if (reason != NULL) {
        answer_error(service, exchange, ANSWER_BAD_REQUEST, reason, "Vary: Accept\r\n");
        return;
    }
    if (request->method == HTTP_METHOD_HEAD) {
        answer_head(service, exchange);
        return;
    }
    if (service->is_refusing) {
        refuse(service, exchange);
        return;
    }
    events = calloc(1, sizeof *events);
    if (events == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    events->service = service;
    serve(events, exchange, &resume, topic, topic_bytes);
}

void event_stream_start(struct service *service)
{
    service->event_stream_timer = timer_wheel_register(service->timers, on_position_timer);
}
