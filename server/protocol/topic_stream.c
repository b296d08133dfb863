/*
 * Event streams of topics (PROTOCOLS section 4): live events for EventSource and curl, as the
 * broker's messages.
 */
#include <stdlib.h>

#include "server/protocol/answer.h"
#include "server/protocol/broker_message.h"
#include "server/protocol/event_stream.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/topics/topics.h"

enum {
    BLOCK_BYTES_MAX = BROKER_REPLY_BYTES_MAX + 64,
};

struct topic_stream {
    struct event_stream events; /* first: event_stream.h frees it */
    struct subscriber subscriber;
};

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    struct topic_stream *topic_stream = user;
    char text[BLOCK_BYTES_MAX];
    char *end = put_literal(text, "event: gap\ndata: ");

    end += broker_write_gap(end, topic, topic_bytes, oldest);
    end = put_literal(end, "\n\n");
    event_stream_write(&topic_stream->events, text, (size_t)(end - text));
}

static void warn(struct client *client, uint32_t remaining_seconds)
{
    struct topic_stream *topic_stream = (struct topic_stream *)(void *)client;
    char text[BLOCK_BYTES_MAX];
    char *end = put_literal(text, "event: shutdown\ndata: ");

    end += broker_write_shutdown(end, remaining_seconds, service_realtime_ns());
    end = put_literal(end, "\n\n");
    event_stream_write(&topic_stream->events, text, (size_t)(end - text));
}

static void leave(struct event_stream *events)
{
    struct topic_stream *topic_stream = (struct topic_stream *)(void *)events;

    subscriber_done(events->service->topics, &topic_stream->subscriber);
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_EVENT_STREAM,
    .describe = event_stream_describe,
    .warn = warn,
    .close = event_stream_close,
    .kick = event_stream_kick,
};

static const struct subscriber_handlers subscriber_handlers = {
    .on_gap = on_gap,
};

static void serve(struct topic_stream *topic_stream, struct http_exchange *exchange,
                  const struct resume *resume, const char *topic, size_t topic_bytes)
{
    struct event_stream *events = &topic_stream->events;
    struct service *service = events->service;
    struct subscribed subscribed;
    int rc;

    if (!event_stream_open(events, exchange, &operations)) {
        free(topic_stream);
        return;
    }
    subscriber_init(&topic_stream->subscriber, events->stream, service->event_stream_encoding,
                    &subscriber_handlers, topic_stream);
    rc = topics_subscribe(service->topics, &topic_stream->subscriber, topic, topic_bytes, resume,
                          &subscribed);
    if (rc != 0) {
        event_stream_finish(events, STAT_CLOSED_ERROR);
        return;
    }
    event_stream_begin(events, &topic_stream->subscriber, subscribed.seq);
    if (subscribed.gap_oldest != 0)
        on_gap(topic_stream, topic, topic_bytes, subscribed.gap_oldest);
}

void topic_stream_serve(struct service *service, struct http_exchange *exchange, const char *topic,
                        size_t topic_bytes)
{
    const struct http_request *request = http_request(exchange);
    const struct http_text *last_event_id = http_header(request, "last-event-id");
    struct topic_stream *topic_stream;
    struct resume resume;
    const char *reason = query_resume(request->query, &resume);

    if (last_event_id != NULL && last_event_id->size > 0) {
        query_event_id(*last_event_id, &resume);
    } else if (reason != NULL) {
        answer_error(service, exchange, ANSWER_BAD_REQUEST, reason, "Vary: Accept\r\n");
        return;
    }
    if (!event_stream_is_due(service, exchange))
        return;
    topic_stream = calloc(1, sizeof *topic_stream);
    if (topic_stream == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    topic_stream->events.service = service;
    topic_stream->events.leave = leave;
    serve(topic_stream, exchange, &resume, topic, topic_bytes);
}
