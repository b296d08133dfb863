#include "server/protocol/event_stream.h"

#include <stdlib.h>

#include "bus/shm.h"
#include "bus/stats.h"
#include "server/net/stream.h"
#include "server/protocol/answer.h"
#include "server/protocol/put.h"
#include "server/protocol/service.h"
#include "server/topics/topics.h"

#define POSITION_INTERVAL_NS INT64_C(15000000000)
#define CONTENT_TYPE         "text/event-stream"
#define RETRY                "retry: 2000\n\n"

static struct event_stream *event_stream_of_client(struct client *client)
{
    return (struct event_stream *)(void *)((char *)client - offsetof(struct event_stream, client));
}

static struct event_stream *event_stream_of_timer(struct timer *timer)
{
    return (struct event_stream *)(void *)((char *)timer - offsetof(struct event_stream, timer));
}

void event_stream_write(struct event_stream *events, const char *bytes, size_t size)
{
    stream_write(events->stream, bytes, size);
}

static void send_position(struct event_stream *events, uint64_t seq)
{
    char text[64];
    char *end = put_literal(text, "id: ");

    end = put_epoch(end, bus_epoch(events->service->bus));
    end = put_literal(end, "-");
    end = put_decimal(end, seq);
    end = put_literal(end, "\n\n");
    event_stream_write(events, text, (size_t)(end - text));
}

void event_stream_finish(struct event_stream *events, enum stat_close_reason reason)
{
    if (stream_is_ended(events->stream))
        return;
    client_give_reason(&events->client, reason);
    stream_finish(events->stream);
}

void event_stream_describe(const struct client *client, struct client_view *view)
{
    const struct event_stream *events =
        (const struct event_stream *)(const void *)((const char *)client -
                                                    offsetof(struct event_stream, client));

    client_view_stream(view, events->stream);
    if (events->subscriber == NULL)
        return;
    view->subscriptions = events->subscriber->subscription_count;
    view->lagging = subscriber_lagging_count(events->subscriber);
}

void event_stream_close(struct client *client)
{
    struct event_stream *events = event_stream_of_client(client);

    if (stream_is_ended(events->stream))
        return;
    client->operations->warn(client, 0);
    event_stream_finish(events, STAT_CLOSED_SHUTDOWN);
}

void event_stream_kick(struct client *client)
{
    event_stream_finish(event_stream_of_client(client), STAT_CLOSED_KICKED);
}

/* To a client that is behind, the position says nothing that its events will not say. */
static void on_position_timer(struct timer *timer)
{
    struct event_stream *events = event_stream_of_timer(timer);

    if (outq_is_empty(&events->stream->out))
        send_position(events, topics_position(events->service->topics, events->subscriber));
    timer_start(events->service->timers, timer, POSITION_INTERVAL_NS);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    return size; /* the body has no end: there can be no further request */
}

static void on_end(void *user)
{
    event_stream_finish(user, STAT_CLOSED_CLIENT);
}

static void on_drained(void *user)
{
    struct event_stream *events = user;

    if (events->subscriber != NULL)
        subscriber_drained(events->service->topics, events->subscriber);
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct event_stream *events = user;

    timer_stop(&events->timer);
    events->leave(events);
    client_give_stream_reason(&events->client, reason);
    client_leave(&events->service->clients, &events->client);
    free(events);
}

static void on_close_unserved(void *user, enum stream_close_reason reason)
{
    (void)user;
    (void)reason;
}

static const struct stream_handlers stream_handlers = {
    .on_data = on_data,
    .on_end = on_end,
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

    answer_headers(service, exchange, EVENT_STREAM_HEADERS, headers);
    return http_begin_stream(exchange, CONTENT_TYPE, headers);
}

bool event_stream_open(struct event_stream *events, struct http_exchange *exchange,
                       const struct client_operations *operations)
{
    struct service *service = events->service;
    struct stream *stream = begin(service, exchange);

    if (stream == NULL)
        return false;
    events->stream = stream;
    stream->drained_bytes = service->limits.queue_bytes_max / 2;
    stream_set_user(stream, &stream_handlers, events);
    timer_init(&events->timer, service->event_stream_timer);
    client_join(&service->clients, &events->client, operations);
    stream_write(stream, RETRY, sizeof RETRY - 1);
    return true;
}

void event_stream_begin(struct event_stream *events, struct subscriber *subscriber, uint64_t seq)
{
    events->subscriber = subscriber;
    send_position(events, seq);
    timer_start(events->service->timers, &events->timer, POSITION_INTERVAL_NS);
}

void event_stream_refuse(struct service *service, struct http_exchange *exchange)
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

    answer_headers(service, exchange, EVENT_STREAM_HEADERS, headers);
    http_respond(exchange, &response);
}

bool event_stream_is_due(struct service *service, struct http_exchange *exchange)
{
    bool is_head = http_request(exchange)->method == HTTP_METHOD_HEAD;

    if (is_head)
        answer_head(service, exchange);
    else if (service->is_refusing)
        event_stream_refuse(service, exchange);
    return !is_head && !service->is_refusing;
}

void event_stream_start(struct service *service)
{
    service->event_stream_timer = timer_wheel_register(service->timers, on_position_timer);
}
