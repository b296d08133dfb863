#include "server/protocol/graphql_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "server/api/group.h"
#include "server/api/operation.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/net/stream.h"
#include "server/protocol/event_stream.h"
#include "server/protocol/graphql_http.h"
#include "server/protocol/put.h"
#include "server/protocol/service.h"
#include "server/topics/topics.h"

#define NEXT     "event: next\ndata: "
#define COMPLETE "event: complete\ndata:\n\n"

struct graphql_stream {
    struct event_stream events; /* first: event_stream.h frees it */
    struct group_member member;
};

void graphql_stream_write(const struct operation *operation, struct text *out)
{
    text_add_string(out, NEXT);
    operation_write(operation, out); /* JSON of ours has no line ends */
    text_add_string(out, "\n\n" COMPLETE);
}

/* Half a stream is worse than none: without memory for the rest, the client has to come back. */
static void send_text(struct event_stream *events, struct text *text)
{
    if (text_is_whole(text))
        event_stream_write(events, text->bytes, text->size);
    else
        stream_abort(events->stream);
    text_done(text);
}

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    struct graphql_stream *graphql_stream = user;
    struct text text = {0};

    (void)topic; /* the only one */
    (void)topic_bytes;
    text_add_string(&text, NEXT);
    group_write_gap(&graphql_stream->member, oldest, &text);
    text_add_string(&text, "\n\n");
    send_text(&graphql_stream->events, &text);
}

static void warn(struct client *client, uint32_t remaining_seconds)
{
    struct graphql_stream *graphql_stream = (struct graphql_stream *)(void *)client;
    char text[64];
    char *end = put_literal(text, ": server is shutting down, ");

    end = put_decimal(end, remaining_seconds);
    end = put_literal(end, " s remain\n\n");
    event_stream_write(&graphql_stream->events, text, (size_t)(end - text));
}

static void leave(struct event_stream *events)
{
    struct graphql_stream *graphql_stream = (struct graphql_stream *)(void *)events;

    group_leave(&graphql_stream->member);
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_GRAPHQL_SSE,
    .describe = event_stream_describe,
    .warn = warn,
    .close = event_stream_close,
    .kick = event_stream_kick,
};

static const struct subscriber_handlers subscriber_handlers = {
    .on_gap = on_gap,
};

/* What group_join has refused it for. */
static enum stat_close_reason refusal_reason(int error)
{
    if (error == -EINVAL)
        return STAT_CLOSED_PROTOCOL_ERROR;
    return error == -E2BIG ? STAT_CLOSED_OVERLOADED : STAT_CLOSED_ERROR;
}

static void subscribe(struct graphql_stream *graphql_stream, struct operation *operation,
                      const struct resume *resume)
{
    struct event_stream *events = &graphql_stream->events;
    const struct group_join_options options = {
        .stream = events->stream,
        .style = GROUP_EVENT_STREAM,
        .handlers = &subscriber_handlers,
        .user = graphql_stream,
        .resume = resume,
    };
    struct subscribed subscribed;
    struct text text = {0};
    int rc = group_join(operation, &graphql_stream->member, &options, &subscribed);

    if (rc != 0) {
        graphql_stream_write(operation, &text); /* it is refused now */
        send_text(events, &text);
        event_stream_finish(events, refusal_reason(rc));
        return;
    }
    event_stream_begin(events, &graphql_stream->member.spliced.subscriber, subscribed.seq);
    if (subscribed.gap_oldest != 0)
        on_gap(graphql_stream, NULL, 0, subscribed.gap_oldest);
}

void graphql_stream_serve(struct service *service, struct http_exchange *exchange,
                          struct operation *operation, const struct resume *resume)
{
    struct graphql_stream *graphql_stream;

    if (!event_stream_is_due(service, exchange))
        return;
    graphql_stream = calloc(1, sizeof *graphql_stream);
    if (graphql_stream == NULL) {
        graphql_http_refuse(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    graphql_stream->events.service = service;
    graphql_stream->events.leave = leave;
    if (event_stream_open(&graphql_stream->events, exchange, &operations))
        subscribe(graphql_stream, operation, resume);
    else
        free(graphql_stream);
}
