#include "server/protocol/frames.h"

#include <stdbool.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/json/json.h"
#include "server/protocol/put.h"
#include "server/websocket/websocket.h"

enum {
    /* What stands around topic and payload: member names, seq, time, a tick's text and number. */
    MESSAGE_OVERHEAD_BYTES = 192,
    /* `id: EPOCH-SEQ\ndata: ` and the empty line. */
    BLOCK_OVERHEAD_BYTES = 64,
};

/* One per process: encodings have no word of their own, and a worker has one bus. */
static const struct bus *frames_bus;

void frames_init(const struct bus *bus)
{
    frames_bus = bus;
}

static size_t message_bytes_max(const struct event *event)
{
    return MESSAGE_OVERHEAD_BYTES + json_quoted_bytes_max(event->topic_bytes) +
           event->payload_bytes;
}

static char *put_seq_and_time(char *out, const struct event *event)
{
    out = put_literal(out, ",\"seq\":");
    out = put_decimal(out, event->seq);
    out = put_literal(out, ",\"time\":\"");
    out = put_time(out, event->time_ns);
    return put_literal(out, "\"}");
}

static char *put_broker_message(char *out, const struct event *event)
{
    out = put_literal(out, "{\"type\":\"message\",\"topic\":");
    out = put_quoted(out, event->topic, event->topic_bytes);
    out = put_literal(out, ",\"data\":");
    out = put_bytes(out, event->payload, event->payload_bytes);
    return put_seq_and_time(out, event);
}

/* A flag says that room.c wrote it; that it is an object is looked at all the same. */
static bool is_from_room(const struct event *event)
{
    return (event->flags & RECORD_FROM_ROOM) != 0 && event->payload_bytes > 2 &&
           event->payload[0] == '{' && event->payload[event->payload_bytes - 1] == '}';
}

static char *put_room_message(char *out, const struct event *event)
{
    if ((event->flags & RECORD_TICK) != 0) {
        out = put_literal(out, "{\"type\":\"tick\",\"message\":\"Periodic broadcast\","
                               "\"active_connections\":");
        out = put_decimal(out, stat_sum(frames_bus, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM)));
    } else if (is_from_room(event)) {
        /* The members `from` and `data` as they stand in the payload. */
        out = put_literal(out, "{\"type\":\"message\",");
        out = put_bytes(out, event->payload + 1, event->payload_bytes - 2);
    } else {
        out = put_literal(out, "{\"type\":\"message\",\"from\":null,\"data\":");
        out = put_bytes(out, event->payload, event->payload_bytes);
    }
    return put_seq_and_time(out, event);
}

static ptrdiff_t websocket_bytes_max(const struct encoding *encoding, const struct event *event)
{
    (void)encoding;
    return (ptrdiff_t)(WEBSOCKET_HEAD_BYTES_MAX + message_bytes_max(event));
}

/* An encoding whose frames may be compressed. */
struct websocket_encoding {
    struct encoding encoding; /* first */
    char *(*put_message)(char *out, const struct event *event);
    enum deflate_window window;
};

/*
 * The head's size depends on what follows it, which is known when it is written: it is written
 * where it belongs for the likeliest size and moved when that was wrong.
 */
static size_t encode_websocket(const struct encoding *encoding, const struct event *event,
                               uint8_t *out, size_t *ret_splice)
{
    const struct websocket_encoding *own =
        (const struct websocket_encoding *)(const void *)encoding;
    uint8_t head[WEBSOCKET_HEAD_BYTES_MAX];
    size_t likely_bytes = websocket_frame_head(head, event->topic_bytes + event->payload_bytes +
                                                         MESSAGE_OVERHEAD_BYTES / 2);
    char *text = (char *)out + likely_bytes;
    size_t size = (size_t)(own->put_message(text, event) - text);
    const uint8_t *compressed = deflate_message(own->window, text, size, 1, &size);
    size_t head_bytes = compressed != NULL ? websocket_compressed_head(head, size)
                                           : websocket_frame_head(head, size);

    (void)ret_splice;
    if (compressed != NULL)
        memcpy(out + head_bytes, compressed, size);
    else if (head_bytes != likely_bytes)
        memmove(out + head_bytes, text, size);
    memcpy(out, head, head_bytes);
    return head_bytes + size;
}

static ptrdiff_t line_bytes_max(const struct encoding *encoding, const struct event *event)
{
    (void)encoding;
    return (ptrdiff_t)message_bytes_max(event) + 1;
}

static size_t encode_line(const struct encoding *encoding, const struct event *event, uint8_t *out,
                          size_t *ret_splice)
{
    char *end = put_broker_message((char *)out, event);

    (void)encoding;
    (void)ret_splice;
    end = put_literal(end, "\n");
    return (size_t)(end - (char *)out);
}

static ptrdiff_t event_stream_bytes_max(const struct encoding *encoding, const struct event *event)
{
    (void)encoding;
    return (ptrdiff_t)message_bytes_max(event) + BLOCK_OVERHEAD_BYTES;
}

static size_t encode_event_stream(const struct encoding *encoding, const struct event *event,
                                  uint8_t *out, size_t *ret_splice)
{
    char *end = (char *)out;

    (void)encoding;
    (void)ret_splice;
    end = put_literal(end, "id: ");
    end = put_epoch(end, bus_epoch(frames_bus));
    end = put_literal(end, "-");
    end = put_decimal(end, event->seq);
    end = put_literal(end, "\ndata: ");
    end = put_broker_message(end, event);
    end = put_literal(end, "\n\n");
    return (size_t)(end - (char *)out);
}

#define WEBSOCKET_ENCODING(name, protocol, put_message, window)                                    \
    {                                                                                              \
        {name, protocol, false, websocket_bytes_max, encode_websocket}, put_message, window        \
    }

static const struct encoding *websocket_encoding(enum frames_kind kind, enum deflate_window window)
{
    static const struct websocket_encoding encodings[][DEFLATE_WINDOWS] = {
        [FRAMES_ROOM] =
            {
                WEBSOCKET_ENCODING("room", STAT_PROTOCOL_ROOM, put_room_message, DEFLATE_NONE),
                WEBSOCKET_ENCODING("room", STAT_PROTOCOL_ROOM, put_room_message, DEFLATE_NARROW),
                WEBSOCKET_ENCODING("room", STAT_PROTOCOL_ROOM, put_room_message, DEFLATE_WIDE),
            },
        [FRAMES_BROKER] =
            {
                WEBSOCKET_ENCODING("broker", STAT_PROTOCOL_BROKER, put_broker_message,
                                   DEFLATE_NONE),
                WEBSOCKET_ENCODING("broker", STAT_PROTOCOL_BROKER, put_broker_message,
                                   DEFLATE_NARROW),
                WEBSOCKET_ENCODING("broker", STAT_PROTOCOL_BROKER, put_broker_message,
                                   DEFLATE_WIDE),
            },
    };

    CHECK(encodings[kind][window].window == window);
    return &encodings[kind][window].encoding;
}

const struct encoding *frames_encoding(enum frames_kind kind, enum deflate_window window)
{
    static const struct encoding line = {"line", STAT_PROTOCOL_BROKER_TCP, false, line_bytes_max,
                                         encode_line};
    static const struct encoding event_stream = {"event-stream", STAT_PROTOCOL_EVENT_STREAM, false,
                                                 event_stream_bytes_max, encode_event_stream};

    if (kind == FRAMES_ROOM || kind == FRAMES_BROKER)
        return websocket_encoding(kind, window);
    CHECK(window == DEFLATE_NONE);
    return kind == FRAMES_LINE ? &line : &event_stream;
}
