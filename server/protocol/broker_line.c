/*
 * The broker protocol over raw TCP (PROTOCOLS section 3): one JSON object per line.
 *
 * A first line that does not begin with `{` closes the connection: a browser that was talked into
 * sending HTTP here must not get as far as a line of its body.
 * Lines    end in LF or CRLF, the last one also where the peer's side ends. Empty ones say nothing.
 * Limits   a line's text is at most as long as a message may be (`too_large`, closed). One that has
 *          begun must end within LINE_STEP_NS, or bring LINE_STEP_BYTES more each time (`bad_request`,
 *          closed): so a line of the usual limit, 1 MiB, is waited for a quarter of an hour at most, and
 *          a stalled one 30 s. A peer that is silent between lines stays while TCP keep-alive finds
 *          it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/stats.h"
#include "server/net/stream.h"
#include "server/protocol/broker.h"
#include "server/protocol/service.h"

#define LINE_STEP_NS INT64_C(30000000000)

enum {
    LINE_STEP_BYTES = 30 * 1024, /* 1 KiB a second, as of HTTP's bodies */
};

struct line_session {
    struct broker_session broker;
    struct timer timer;     /* runs while a line has begun and reading is not held */
    uint32_t scanned_bytes; /* of what is kept: holds no end of line */
    uint32_t watched_bytes; /* how long the line was when the timer was started */
    bool has_begun;         /* the first byte was a `{` */
    bool has_ended;         /* the peer sends no more: finish when all is answered */
};

static struct stream *stream_of(const struct line_session *line)
{
    return line->broker.session.subscriber.stream;
}

static struct line_session *line_of_timer(struct timer *timer)
{
    return (struct line_session *)(void *)((char *)timer - offsetof(struct line_session, timer));
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
 * Someone who shut his side down (`nc -N`) still gets his answers. While reading is held, or the
 * last line is still to be given again, there is something that has not been looked at.
 */
static void finish_when_answered(struct line_session *line)
{
    if (line->has_ended && line->scanned_bytes == 0 && line->broker.session.pending_count == 0 &&
        !line->broker.session.is_held && !stream_of(line)->is_finishing)
        stream_finish(stream_of(line));
}

static size_t refuse_input(struct line_session *line, enum stat_close_reason reason, size_t size)
{
    struct service *service = line->broker.session.service;

    client_give_reason(&line->broker.session.client, reason);
    stat_add(service->bus, service->slot, STAT_PROTOCOL_ERRORS, 1);
    stream_finish(stream_of(line));
    return size;
}

static size_t refuse_long_line(struct line_session *line, size_t size)
{
    char reason[64];

    (void)snprintf(reason, sizeof reason, "the line is over the limit of %" PRIu32 " bytes",
                   line->broker.session.service->limits.message_bytes_max);
    broker_send_error(&line->broker, BROKER_TOO_LARGE, reason);
    return refuse_input(line, STAT_CLOSED_TOO_LARGE, size);
}

static void on_timer(struct timer *timer)
{
    struct line_session *line = line_of_timer(timer);

    if (stream_of(line)->is_finishing || stream_of(line)->is_closed)
        return; /* whatever ended it, it was not this line */
    if (line->scanned_bytes - line->watched_bytes >= LINE_STEP_BYTES) {
        line->watched_bytes = line->scanned_bytes;
        timer_start(line->broker.session.service->timers, timer, LINE_STEP_NS);
        return;
    }
    broker_send_error(&line->broker, BROKER_BAD_REQUEST, "the line does not come to its end");
    (void)refuse_input(line, STAT_CLOSED_SLOW, 0); /* nothing is being consumed here */
}

/* After input: @is_new: the line that has begun, if any, is not the one that had. */
static void watch_line(struct line_session *line, bool is_new)
{
    if (line->scanned_bytes == 0 || line->broker.session.is_held) {
        timer_stop(&line->timer);
    } else if (is_new || !timer_is_running(&line->timer)) {
        line->watched_bytes = line->scanned_bytes;
        timer_start(line->broker.session.service->timers, &line->timer, LINE_STEP_NS);
    }
}

/* How much of @size bytes is the next line, its end included; 0: it has not come to its end. */
static size_t line_next(struct line_session *line, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes + line->scanned_bytes, '\n', size - line->scanned_bytes);

    if (end != NULL)
        return (size_t)(end - bytes) + 1;
    return line->has_ended ? size : 0;
}

/* Without the end of the line, or what may become it. */
static size_t text_bytes_of(const uint8_t *line, size_t line_bytes)
{
    if (line_bytes > 0 && line[line_bytes - 1] == '\n')
        line_bytes--;
    if (line_bytes > 0 && line[line_bytes - 1] == '\r')
        line_bytes--;
    return line_bytes;
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
    if (!line->has_begun && bytes[0] != '{')
        return refuse_input(line, STAT_CLOSED_PROTOCOL_ERROR, size);
    if (stream_security(stream_of(line))->is_plain_on_tls) {
        broker_send_error(&line->broker, BROKER_BAD_REQUEST, "this port speaks TLS");
        return refuse_input(line, STAT_CLOSED_PROTOCOL_ERROR, size);
    }
    line->has_begun = true;

    while (start < size) {
        const uint8_t *text = bytes + start;
        size_t line_bytes = line_next(line, text, size - start);
        size_t text_bytes = text_bytes_of(text, line_bytes == 0 ? size - start : line_bytes);

        if (text_bytes > bytes_max)
            return refuse_long_line(line, size);
        if (line_bytes == 0) {
            line->scanned_bytes = (uint32_t)(size - start);
            break;
        }
        line->scanned_bytes = 0;
        start += line_bytes;
        if (!is_blank(text, text_bytes) &&
            !broker_handle(&line->broker, (const char *)text, text_bytes)) {
            stream_pause(stream_of(line));
            break;
        }
    }
    stream_of(line)->hold_bytes_max = (uint32_t)bytes_max + 1; /* a reload may have changed it */
    watch_line(line, start > 0);
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
    client_give_reason(&line->broker.session.client, STAT_CLOSED_CLIENT);
    if (line->scanned_bytes > 0)
        stream_resume(stream_of(line)); /* gives what is kept again: the last line */
    finish_when_answered(line);
}

static void on_drained(void *user)
{
    struct line_session *line = user;

    session_drained(&line->broker.session);
    finish_when_answered(line);
}

/* The rest of a line that has begun cannot be kept. */
static void on_no_room(void *user)
{
    struct line_session *line = user;

    client_give_reason(&line->broker.session.client, STAT_CLOSED_OVERLOADED);
    broker_send_error(&line->broker, BROKER_UNAVAILABLE, "too much unfinished input");
    stream_finish(stream_of(line));
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct line_session *line = user;

    timer_stop(&line->timer);
    client_give_stream_reason(&line->broker.session.client, reason);
    session_done(&line->broker.session); /* no answer comes from here on */
    broker_done(&line->broker);
    free(line);
}

static void say_goodbye(struct client *client)
{
    struct session *session = session_of_client(client);

    if (stream_is_ended(session->subscriber.stream))
        return;
    client_give_reason(client, STAT_CLOSED_SHUTDOWN);
    session_warn(client, 0);
    stream_finish(session->subscriber.stream);
}

/* Without a word: the protocol has none for it. */
static void kick(struct client *client)
{
    struct session *session = session_of_client(client);

    if (stream_is_ended(session->subscriber.stream))
        return;
    client_give_reason(client, STAT_CLOSED_KICKED);
    stream_finish(session->subscriber.stream);
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_BROKER_TCP,
    .describe = session_describe,
    .warn = session_warn,
    .close = say_goodbye,
    .kick = kick,
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
        .encodings = &service->line_encoding,
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
    timer_init(&line->timer, service->line_timer);
    stream->hold_bytes_max = service->limits.message_bytes_max + 1;
    stream_set_user(stream, &stream_handlers, line);
    session_init(&line->broker.session, &options);
}

void broker_line_start(struct service *service)
{
    service->line_timer = timer_wheel_register(service->timers, on_timer);
}
