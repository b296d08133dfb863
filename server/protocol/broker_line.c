/*
 * The broker protocol over raw TCP (PROTOCOLS section 3): one JSON object per line.
 *
 * A first line that does not begin with `{` closes the connection: a browser that was talked into
 * sending HTTP here must not get as far as a line of its body.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/stats.h"
#include "server/net/stream.h"
#include "server/protocol/broker.h"
#include "server/protocol/service.h"

struct line_session {
    struct broker_session broker;
    uint32_t scanned_bytes; /* of what is kept: holds no end of line */
    bool has_begun;         /* the first byte was a `{` */
    bool has_ended;         /* the peer sends no more: finish when all is answered */
};

static struct stream *stream_of(const struct line_session *line)
{
    return line->broker.session.subscriber.stream;
}

static bool is_blank(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r')
            return false;
    }
    return true;
}

/*
 * Someone who shut his side down (`nc -N`) still gets his answers. While reading is held there may
 * be lines that have not been looked at.
 */
static void finish_when_answered(struct line_session *line)
{
    if (line->has_ended && line->broker.session.pending_count == 0 &&
        !line->broker.session.is_held && !stream_of(line)->is_finishing)
        stream_finish(stream_of(line));
}

static size_t refuse_input(struct line_session *line, size_t size)
{
    struct service *service = line->broker.session.service;

    stat_add(service->bus, service->slot, STAT_PROTOCOL_ERRORS, 1);
    stream_finish(stream_of(line));
    return size;
}

static size_t refuse_long_line(struct line_session *line, size_t size)
{
    broker_send_error(&line->broker, BROKER_TOO_LARGE, "the line is over the limit");
    return refuse_input(line, size);
}

/* Handles whole lines; returns what it has consumed. */
static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct line_session *line = user;
    struct session *session = &line->broker.session;
    size_t bytes_max = session->service->limits.message_bytes_max;
    size_t start = 0;

    if (stream_of(line)->is_finishing)
        return size;
    if (!line->has_begun && size > 0 && bytes[0] != '{')
        return refuse_input(line, size);
    line->has_begun = true;

    while (start < size) {
        const uint8_t *text = bytes + start;
        const uint8_t *end =
            memchr(text + line->scanned_bytes, '\n', size - start - line->scanned_bytes);
        size_t text_bytes = end == NULL ? size - start : (size_t)(end - text);

        if (text_bytes > bytes_max)
            return refuse_long_line(line, size);
        if (end == NULL) {
            line->scanned_bytes = (uint32_t)text_bytes;
            break;
        }
        line->scanned_bytes = 0;
        start += text_bytes + 1;
        if (!is_blank(text, text_bytes) &&
            !broker_handle(&line->broker, (const char *)text, text_bytes)) {
            stream_pause(stream_of(line));
            break;
        }
    }
    stream_of(line)->hold_bytes_max = (uint32_t)bytes_max + 1; /* a reload may have changed it */
    finish_when_answered(line);
    return start;
}

static void on_answered(struct broker_session *broker)
{
    finish_when_answered((struct line_session *)(void *)broker);
}

static void on_end(void *user)
{
    struct line_session *line = user;

    line->has_ended = true;
    finish_when_answered(line);
}

static void on_drained(void *user)
{
    struct line_session *line = user;

    finish_when_answered(line);
    session_drained(&line->broker.session);
}

/* The rest of a line that has begun cannot be kept. */
static void on_no_room(void *user)
{
    struct line_session *line = user;

    broker_send_error(&line->broker, BROKER_UNAVAILABLE, "too much unfinished input");
    stream_finish(stream_of(line));
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct line_session *line = user;

    (void)reason;
    broker_done(&line->broker);
    free(line);
}

static void say_goodbye(struct client *client)
{
    struct session *session = session_of_client(client);

    if (session->subscriber.stream->is_finishing)
        return;
    session_warn(client, 0);
    stream_finish(session->subscriber.stream);
}

static const struct client_operations operations = {
    .protocol = "broker-tcp",
    .warn = session_warn,
    .close = say_goodbye,
};

static const struct subscriber_handlers subscriber_handlers = {
    .on_gap = session_send_gap,
};

static const struct stream_handlers stream_handlers = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_no_room = on_no_room,
    .on_close = on_close,
};

/* --- newcomers that are refused --------------------------------------------------------------- */

static size_t on_refused_data(void *user, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    return size;
}

static void on_refused_close(void *user, enum stream_close_reason reason)
{
    (void)user;
    (void)reason;
}

/* @reason: unless the server shuts down. */
static void refuse_newcomer(struct service *service, struct stream *stream, const char *reason)
{
    static const struct stream_handlers handlers = {
        .on_data = on_refused_data,
        .on_close = on_refused_close,
    };
    static const struct broker_context nothing_known;
    char text[BROKER_REPLY_BYTES_MAX + 1];
    size_t size;

    if (service->is_refusing)
        size =
            broker_write_shutdown(text, service_remaining_seconds(service), service_realtime_ns());
    else
        size = broker_write_error(text, "status", &nothing_known, BROKER_UNAVAILABLE, reason);
    text[size] = '\n';
    stat_add(service->bus, service->slot, STAT_REFUSED, 1);
    stream_set_user(stream, &handlers, NULL);
    stream_write(stream, text, size + 1);
    stream_finish(stream);
}

void broker_line_serve(struct service *service, struct stream *stream)
{
    struct session_options options = {
        .service = service,
        .stream = stream,
        .encoding = service->line_encoding,
        .handlers = &subscriber_handlers,
        .operations = &operations,
    };
    struct line_session *line;

    if (service->is_refusing || service->full_reason != NULL) {
        refuse_newcomer(service, stream, service->full_reason);
        return;
    }
    line = calloc(1, sizeof *line);
    if (line == NULL) {
        refuse_newcomer(service, stream, "out of memory");
        return;
    }
    line->broker.on_answered = on_answered;
    stream->hold_bytes_max = service->limits.message_bytes_max + 1;
    stream_set_user(stream, &stream_handlers, line);
    session_init(&line->broker.session, &options);
}
