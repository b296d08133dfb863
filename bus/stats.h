/*
 * bus/stats.h - counters, gauges and histograms of each process, one writer each, summed by whoever asks.
 *
 * Shape    a *stat* is one or several 64-bit words in the process's slot: one, or one per protocol,
 *          reason or other label value (stat_at), or a histogram (a word per bucket, each for itself
 *          and not cumulative, then the one above all bounds, then the sum). The owner adds; anybody reads.
 *          A gauge of a dead process is cleared by the master (stat_clear_gauges); counters of a
 *          slot go on over restarts, so that they never go back while the server runs.
 * Units    as the row says: ns, bytes, or plain counts. /metrics shows ns as seconds.
 * Callers  stat_add, stat_set, stat_observe: the slot's owner. stat_get, stat_sum: all processes.
 * Shown    by server/protocol/metrics.c, row by row, and explained in sluice(8).
 */
#ifndef BUS_STATS_H
#define BUS_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct bus;

/* What a client speaks, and what a publish came by. */
enum stat_protocol {
    STAT_PROTOCOL_ROOM,
    STAT_PROTOCOL_BROKER,
    STAT_PROTOCOL_BROKER_TCP,
    STAT_PROTOCOL_EVENT_STREAM,
    STAT_PROTOCOL_GRAPHQL_WS,
    STAT_PROTOCOL_GRAPHQL_SSE,
    STAT_PROTOCOL_ECHO,
    STAT_PROTOCOL_CLIENTS,                        /* those before this one have clients */
    STAT_PROTOCOL_HTTP = STAT_PROTOCOL_CLIENTS,   /* no client of its own: POST /topics */
    STAT_PROTOCOL_GRAPHQL_HTTP,                   /* likewise */
    STAT_PROTOCOL_SENDERS,                        /* those before this one send messages */
    STAT_PROTOCOL_SERVER = STAT_PROTOCOL_SENDERS, /* ticks, schema operations */
    STAT_PROTOCOL_COUNT,
};

/* Why a client left; the first reason counts. */
enum stat_close_reason {
    STAT_CLOSED_CLIENT,         /* it said goodbye */
    STAT_CLOSED_GONE,           /* its connection ended or broke without one */
    STAT_CLOSED_PING_TIMEOUT,   /* no sign of life after a ping */
    STAT_CLOSED_STALLED,        /* took nothing of what waited for it */
    STAT_CLOSED_SLOW,           /* its message or its line took too long to arrive */
    STAT_CLOSED_PROTOCOL_ERROR, /* what it sent breaks the protocol: 1002, 1003, 1007, 44xx */
    STAT_CLOSED_TOO_LARGE,      /* 1009 */
    STAT_CLOSED_RATE_LIMITED,
    STAT_CLOSED_OVERLOADED, /* 1013 */
    STAT_CLOSED_SHUTDOWN,   /* 1001: a drain */
    STAT_CLOSED_KICKED,     /* sluicectl kick */
    STAT_CLOSED_ERROR,      /* ours: memory, the store, the socket */
    STAT_CLOSED_COUNT,
};

enum stat_durability {
    STAT_BUFFERED,
    STAT_DURABLE,
    STAT_DURABILITY_COUNT,
};

enum stat_kind {
    STAT_KIND_COUNTER,
    STAT_KIND_GAUGE,
    STAT_KIND_HISTOGRAM,
};

/* What tells the words of one stat apart. */
enum stat_label {
    STAT_LABEL_NONE,
    STAT_LABEL_PROTOCOL,
    STAT_LABEL_REASON,
    STAT_LABEL_PUBLISH, /* protocol * STAT_DURABILITY_COUNT + durability */
    STAT_LABEL_BUCKET,  /* a histogram */
    STAT_LABEL_PROCESS, /* one word: each process for itself, not added up */
};

enum stat_unit {
    STAT_UNIT_COUNT,
    STAT_UNIT_BYTES,
    STAT_UNIT_NS,
};

/* Bounds of the histograms; two words more: what is above the last, and the sum. */
enum {
    STAT_COMMIT_TIME_BOUNDS = 14,
    STAT_COMMIT_SIZE_BOUNDS = 11,
    STAT_DELIVERY_TIME_BOUNDS = 16,
    STAT_TURN_TIME_BOUNDS = 13,
    STAT_WRITE_RANGES_BOUNDS = 9,
    STAT_HISTOGRAM_EXTRA = 2,
};

/*
 * X(id, words, kind, label, unit, is_per_worker, name, help): /metrics shows `name` with the prefix
 * sluice_, added up over all processes, and, if is_per_worker, as sluice_worker_… for each worker. ""
 * for a name: not shown.
 */
/* clang-format off */
#define STATS(X) \
    X(STAT_CLIENTS, 1, GAUGE, NONE, COUNT, false, "", "All of the next row, for those who ask often") \
    X(STAT_CLIENTS_OF, STAT_PROTOCOL_CLIENTS, GAUGE, PROTOCOL, COUNT, true, "clients", "Clients: WebSockets, event streams, raw TCP connections") \
    X(STAT_CONNECTIONS, 1, GAUGE, NONE, COUNT, true, "connections", "Open sockets, idle HTTP ones too; not those being refused") \
    X(STAT_BUSY, 1, GAUGE, NONE, COUNT, false, "", "HTTP connections with a request under way, for the drain") \
    X(STAT_LEFT_CLEAN, 1, COUNTER, NONE, COUNT, false, "", "Clients that have left in a drain") \
    X(STAT_LEFT_FORCED, 1, COUNTER, NONE, COUNT, false, "", "Clients that were cut off in a drain") \
    X(STAT_SUBSCRIPTIONS, 1, GAUGE, NONE, COUNT, true, "subscriptions", "Subscriptions, live and lagging") \
    X(STAT_LAGGING, 1, GAUGE, NONE, COUNT, true, "lagging_subscriptions", "Subscriptions that are fed from the log") \
    X(STAT_QUEUED_BYTES, 1, GAUGE, NONE, BYTES, true, "queued_bytes", "Bytes in output queues") \
    X(STAT_OPENED, STAT_PROTOCOL_CLIENTS, COUNTER, PROTOCOL, COUNT, false, "clients_opened_total", "Clients that came") \
    X(STAT_CLOSED, STAT_CLOSED_COUNT, COUNTER, REASON, COUNT, false, "clients_closed_total", "Clients that left, by the reason") \
    X(STAT_ACCEPTED, 1, COUNTER, NONE, COUNT, true, "connections_accepted_total", "Connections accepted") \
    X(STAT_REFUSED, 1, COUNTER, NONE, COUNT, false, "connections_refused_total", "Connections refused by a limit or a drain") \
    X(STAT_EVICTED, 1, COUNTER, NONE, COUNT, false, "connections_evicted_total", "Connections closed in favour of newcomers while they waited") \
    X(STAT_STALLED, 1, COUNTER, NONE, COUNT, false, "connections_stalled_total", "Connections closed while output waited that nobody took") \
    X(STAT_TLS_HANDSHAKES, 1, COUNTER, NONE, COUNT, true, "tls_handshakes_total", "Handshakes of TLS that were completed, resumed ones too") \
    X(STAT_TLS_RESUMED, 1, COUNTER, NONE, COUNT, false, "tls_resumed_total", "Handshakes that resumed a session") \
    X(STAT_TLS_FAILED, 1, COUNTER, NONE, COUNT, false, "tls_handshakes_failed_total", "Handshakes that failed, and connections that spoke no TLS where it is expected") \
    X(STAT_HTTP2_CONNECTIONS, 1, GAUGE, NONE, COUNT, true, "http2_connections", "Connections that speak HTTP/2") \
    X(STAT_HTTP2_CONNECTIONS_OPENED, 1, COUNTER, NONE, COUNT, false, "http2_connections_opened_total", "Connections that began to speak HTTP/2") \
    X(STAT_HTTP2_STREAMS, 1, GAUGE, NONE, COUNT, true, "http2_streams", "Streams of HTTP/2: WebSockets, event streams and requests") \
    X(STAT_HTTP2_STREAMS_OPENED, 1, COUNTER, NONE, COUNT, false, "http2_streams_opened_total", "Streams of HTTP/2 that came") \
    X(STAT_HTTP2_STREAMS_REFUSED, 1, COUNTER, NONE, COUNT, false, "http2_streams_refused_total", "Streams beyond those that a connection may have at a time, reset with REFUSED_STREAM") \
    X(STAT_HTTP2_STREAMS_RESET, 1, COUNTER, NONE, COUNT, false, "http2_streams_reset_total", "Streams that their client has reset") \
    X(STAT_HTTP2_FLOODS, 1, COUNTER, NONE, COUNT, false, "http2_floods_total", "Connections of HTTP/2 ended with ENHANCE_YOUR_CALM: too many frames that cost their client nothing, a head far too large or too slow") \
    X(STAT_DEFLATE_CLIENTS, 1, GAUGE, NONE, COUNT, false, "deflate_clients", "WebSockets that agreed to permessage-deflate") \
    X(STAT_DEFLATE_CLIENTS_OPENED, 1, COUNTER, NONE, COUNT, false, "deflate_clients_opened_total", "WebSockets that came and agreed to permessage-deflate") \
    X(STAT_DEFLATE_COMPRESSED, 1, COUNTER, NONE, COUNT, false, "deflate_compressed_total", "Messages compressed, each once for all clients of a worker that get the same") \
    X(STAT_DEFLATE_COMPRESSED_IN, 1, COUNTER, NONE, BYTES, false, "deflate_compressed_input_bytes_total", "Bytes of these messages") \
    X(STAT_DEFLATE_COMPRESSED_OUT, 1, COUNTER, NONE, BYTES, false, "deflate_compressed_output_bytes_total", "Bytes that these messages became") \
    X(STAT_DEFLATE_INFLATED, 1, COUNTER, NONE, COUNT, false, "deflate_inflated_total", "Messages that came compressed") \
    X(STAT_DEFLATE_INFLATED_IN, 1, COUNTER, NONE, BYTES, false, "deflate_inflated_input_bytes_total", "Bytes of these messages as they came") \
    X(STAT_DEFLATE_INFLATED_OUT, 1, COUNTER, NONE, BYTES, false, "deflate_inflated_output_bytes_total", "Bytes that these messages became") \
    X(STAT_HTTP_REQUESTS, 1, COUNTER, NONE, COUNT, true, "http_requests_total", "HTTP requests") \
    X(STAT_MESSAGES_IN, STAT_PROTOCOL_SENDERS, COUNTER, PROTOCOL, COUNT, true, "messages_received_total", "Messages from clients; over HTTP: publishes and GraphQL requests") \
    X(STAT_MESSAGES_DELIVERED, STAT_PROTOCOL_CLIENTS, COUNTER, PROTOCOL, COUNT, true, "messages_delivered_total", "Events queued to subscribers, live and lagging") \
    X(STAT_BYTES_IN, 1, COUNTER, NONE, BYTES, true, "received_bytes_total", "Bytes read from all connections; of TLS what is inside") \
    X(STAT_BYTES_OUT, 1, COUNTER, NONE, BYTES, true, "sent_bytes_total", "Bytes written to all connections; of TLS what is inside") \
    X(STAT_WRITE_RANGES, STAT_WRITE_RANGES_BOUNDS + STAT_HISTOGRAM_EXTRA, HISTOGRAM, BUCKET, COUNT, false, "write_ranges", "Runs of bytes that one write to a connection gave to the kernel") \
    X(STAT_PUBLISHED, STAT_PROTOCOL_COUNT * STAT_DURABILITY_COUNT, COUNTER, PUBLISH, COUNT, false, "published_total", "Operations appended to the log") \
    X(STAT_PUBLISH_REFUSED, 1, COUNTER, NONE, COUNT, false, "publish_refused_total", "Publishes refused: the store is full, the ring stayed full, too large, no memory") \
    X(STAT_RING_WAITS, 1, COUNTER, NONE, COUNT, false, "ring_waits_total", "Times that publishing had to wait for room in the ring") \
    X(STAT_BECAME_LAGGING, 1, COUNTER, NONE, COUNT, false, "became_lagging_total", "Times a connection fell behind") \
    X(STAT_GAPS, 1, COUNTER, NONE, COUNT, false, "gaps_total", "Gaps told to clients") \
    X(STAT_LAPPED, 1, COUNTER, NONE, COUNT, false, "lapped_total", "Times a worker's own cursor was lapped") \
    X(STAT_REPLAY_READS, 1, COUNTER, NONE, COUNT, false, "replay_reads_total", "Blocks read from the store to feed lagging subscriptions; what several share is read once") \
    X(STAT_REPLAYED, 1, COUNTER, NONE, COUNT, false, "replayed_total", "Events queued to lagging subscriptions: a part of those delivered") \
    X(STAT_PROTOCOL_ERRORS, 1, COUNTER, NONE, COUNT, false, "protocol_errors_total", "Connections closed for what their client sent") \
    X(STAT_RATE_LIMITED, 1, COUNTER, NONE, COUNT, false, "rate_limited_total", "Messages and requests over their connection's rate") \
    X(STAT_DELIVERY_TIME, STAT_DELIVERY_TIME_BOUNDS + STAT_HISTOGRAM_EXTRA, HISTOGRAM, BUCKET, NS, false, "delivery_seconds", "From an event's append to its being queued to live subscribers, once per event and worker that has some; events of rows wait for their commit") \
    X(STAT_TURN_TIME, STAT_TURN_TIME_BOUNDS + STAT_HISTOGRAM_EXTRA, HISTOGRAM, BUCKET, NS, true, "loop_turn_seconds", "A turn of a worker's loop, sleep not counted") \
    X(STAT_COMMIT_TIME, STAT_COMMIT_TIME_BOUNDS + STAT_HISTOGRAM_EXTRA, HISTOGRAM, BUCKET, NS, false, "commit_seconds", "A commit that succeeded, with its sync") \
    X(STAT_COMMIT_SIZE, STAT_COMMIT_SIZE_BOUNDS + STAT_HISTOGRAM_EXTRA, HISTOGRAM, BUCKET, COUNT, false, "commit_operations", "Operations in one commit") \
    X(STAT_COMMITS_FAILED, 1, COUNTER, NONE, COUNT, false, "commits_failed_total", "Commits that failed; what they held is tried again") \
    X(STAT_TRIMMED_OPERATIONS, 1, COUNTER, NONE, COUNT, false, "trimmed_operations_total", "Operations that retention took") \
    X(STAT_LOG_OPERATIONS, 1, GAUGE, NONE, COUNT, false, "log_operations", "Operations kept in the log") \
    X(STAT_LOG_BYTES, 1, GAUGE, NONE, BYTES, false, "log_bytes", "Bytes of the log as retention counts them") \
    X(STAT_RETENTION_OPERATIONS, 1, GAUGE, NONE, COUNT, false, "retention_operations", "What --retention-events says; 0: off") \
    X(STAT_RETENTION_BYTES, 1, GAUGE, NONE, BYTES, false, "retention_bytes", "What --retention-bytes says; 0: off") \
    X(STAT_RETENTION_NS, 1, GAUGE, NONE, NS, false, "retention_seconds", "What --retention-age says; 0: off") \
    X(STAT_STORE_USED_BYTES, 1, GAUGE, NONE, BYTES, false, "store_used_bytes", "Pages of the store in use") \
    X(STAT_STORE_MAP_BYTES, 1, GAUGE, NONE, BYTES, false, "store_map_bytes", "Largest size of the store") \
    X(STAT_DISK_FREE_BYTES, 1, GAUGE, NONE, BYTES, false, "disk_free_bytes", "Free on the store's file system") \
    X(STAT_STARTS, 1, COUNTER, PROCESS, COUNT, false, "process_starts_total", "Times that a process has been started") \
    X(STAT_CPU_NS, 1, COUNTER, PROCESS, NS, false, "process_cpu_seconds_total", "Processor time of a process and of those before it in its place") \
    X(STAT_RSS_BYTES, 1, GAUGE, PROCESS, BYTES, false, "process_resident_memory_bytes", "Resident memory of a process, what it shares with the others included")
/* clang-format on */

/* The first word of each; STAT_x_LAST is its last. */
enum stat_id {
#define STAT_ENUMERATOR(id, words, kind, label, unit, is_per_worker, name, help)                   \
    id, id##_LAST = (id) + (words)-1,
    STATS(STAT_ENUMERATOR)
#undef STAT_ENUMERATOR
        STAT_COUNT,
};

struct stat_info {
    enum stat_id first;
    unsigned word_count;
    enum stat_kind kind;
    enum stat_label label;
    enum stat_unit unit;
    bool is_per_worker;
    const char *name; /* without prefix; "": not shown */
    const char *help;
};

/* The table, row by row. */
unsigned stat_info_count(void);
const struct stat_info *stat_info(unsigned row);
/* "room", "broker-tcp"; "client", "ping_timeout". Never NULL. */
const char *stat_protocol_name(enum stat_protocol protocol);
const char *stat_close_reason_name(enum stat_close_reason reason);

/* "protocol", "protocol, durability"; "" for words that nothing tells apart. Never NULL. */
const char *stat_label_names(enum stat_label label);

/* Of a histogram (named by its first word): rising, inclusive, in its unit. */
const uint64_t *stat_bounds(enum stat_id histogram, unsigned *ret_count);
/* Its bucket that @value falls into. */
unsigned stat_bucket(enum stat_id histogram, uint64_t value);

/* The word of a stat that has several. */
static inline enum stat_id stat_at(enum stat_id first, unsigned index)
{
    return (enum stat_id)((unsigned)first + index);
}

static inline enum stat_id stat_published(enum stat_protocol protocol, bool is_durable)
{
    return stat_at(STAT_PUBLISHED, (unsigned)protocol * STAT_DURABILITY_COUNT +
                                       (is_durable ? STAT_DURABLE : STAT_BUFFERED));
}

/* Adds @delta (two's complement: a gauge goes down by a negative one) in slot @slot. */
void stat_add(struct bus *bus, unsigned slot, enum stat_id stat, int64_t delta);
void stat_set(struct bus *bus, unsigned slot, enum stat_id stat, uint64_t value);
/* One more observation, or @count of them, of @value in a histogram (named by its first word). */
void stat_observe(struct bus *bus, unsigned slot, enum stat_id histogram, uint64_t value,
                  uint64_t count);
uint64_t stat_get(const struct bus *bus, unsigned slot, enum stat_id stat);
/* Over all slots. Of two processes that add and then ask, at least one sees both. */
uint64_t stat_sum(const struct bus *bus, enum stat_id stat);
/* Master, when the slot's process has died. */
void stat_clear_gauges(struct bus *bus, unsigned slot);

#endif
