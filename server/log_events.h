/*
 * server/log_events.h - what the log tells: every event, every field. Their names are a promise to
 * whoever reads the JSON format; fields may be added, none is renamed.
 *
 * Every line has `time`, `level`, `process`, `pid`, `event` and `message`; what else an event has
 * stands in its row, as far as it is known then.
 */
#ifndef SERVER_LOG_EVENTS_H
#define SERVER_LOG_EVENTS_H

/*
 * X(id, name, bound, fields, what it tells). BOUNDED: of one message (one format of the source) a
 * process writes LOG_REPEATED_PER_S a second and counts the rest; EVERY: never left out.
 */
/* clang-format off */
#define LOG_EVENTS(X) \
    X(LOG_READY,             "ready",               EVERY,   "version workers data", "clients may come") \
    X(LOG_START_WARNING,     "start_warning",       BOUNDED, "", "it starts, and something may not be as it was meant") \
    X(LOG_START_FAILED,      "start_failed",        BOUNDED, "", "a process cannot start, and why") \
    X(LOG_FAILED,            "failed",              BOUNDED, "", "the process or the server ends, and why") \
    X(LOG_SIGNAL_REFUSED,    "signal_refused",      BOUNDED, "", "a signal asks for what there is not") \
    X(LOG_PROCESS_ENDED,     "process_ended",       BOUNDED, "child child_pid signal status", "a child has ended; it is started again unless it was meant to") \
    X(LOG_PROCESS_KILLED,    "process_killed",      BOUNDED, "child child_pid", "a child that did not answer is ended") \
    X(LOG_PROCESS_UNSTARTED, "process_not_started", BOUNDED, "child", "a child cannot be started now") \
    X(LOG_RENEWED,           "processes_renewed",   BOUNDED, "", "all children are started anew") \
    X(LOG_CLIENT_JOINED,     "client_joined",       BOUNDED, "client protocol name peer transport", "a client has come (debug)") \
    X(LOG_CLIENT_LEFT,       "client_left",         BOUNDED, "client protocol name peer transport seconds messages_in messages_out bytes_in bytes_out reason close_code", "a client has gone") \
    X(LOG_TLS_HANDSHAKE,     "tls_handshake",       BOUNDED, "peer", "TLS has begun on a connection, or failed, and why (debug)") \
    X(LOG_NO_PROXY_HEADER,   "no_proxy_header",     BOUNDED, "peer", "one of trusted_proxies does not begin its connections as proxy_protocol asks") \
    X(LOG_SHUTDOWN_BEGUN,    "shutdown_begun",      EVERY,   "connections deadline_seconds", "a drain begins") \
    X(LOG_SHUTDOWN_CLIENT,   "shutdown_client",     EVERY,   "connections", "a client has left in a drain") \
    X(LOG_SHUTDOWN_LOST,     "shutdown_lost",       EVERY,   "child lost connections", "clients were lost with their worker in a drain") \
    X(LOG_SHUTDOWN_PROGRESS, "shutdown_progress",   EVERY,   "connections elapsed_seconds remaining_seconds", "how the drain stands, every 10 s") \
    X(LOG_SHUTDOWN_HURRIED,  "shutdown_hurried",    EVERY,   "connections", "asked again: whoever is left is closed") \
    X(LOG_SHUTDOWN_DEADLINE, "shutdown_deadline",   EVERY,   "connections", "the time is over: whoever is left is closed") \
    X(LOG_SHUTDOWN_LEFT,     "shutdown_left",       EVERY,   "clean forced", "all clients of a drain are gone") \
    X(LOG_SHUTDOWN_DONE,     "shutdown_done",       EVERY,   "", "everything is committed") \
    X(LOG_SHUTDOWN_UNCOMMITTED, "shutdown_uncommitted", EVERY, "", "the ring keeps what could not be committed") \
    X(LOG_STORE_CREATED,     "store_created",       BOUNDED, "data", "a new, empty store begins") \
    X(LOG_STORE_FAILED,      "store_failed",        BOUNDED, "", "the store could not do something, and why") \
    X(LOG_STORAGE_FULL,      "storage_full",        BOUNDED, "disk_free_bytes map_used_bytes map_bytes", "publishing is refused until there is room") \
    X(LOG_STORAGE_RETRIED,   "storage_retried",     BOUNDED, "", "a commit found no room; or, later, has") \
    X(LOG_STORAGE_FREE,      "storage_free",        BOUNDED, "", "there is room again: publishing goes on") \
    X(LOG_EPOCH_BEGUN,       "epoch_begun",         BOUNDED, "epoch operations seq", "events may have been lost: positions of before are not good any more") \
    X(LOG_OPERATIONS_KEPT,   "operations_kept",     BOUNDED, "operations seq", "the ring had kept what was not committed") \
    X(LOG_OPERATION_SUSPECT, "operation_suspect",   BOUNDED, "seq", "an operation may have ended the writer") \
    X(LOG_SCHEMA_STORED,     "schema_stored",       BOUNDED, "seq", "rows have another schema from there on") \
    X(LOG_SCHEMA_REFUSED,    "schema_refused",      BOUNDED, "", "a schema does not fit the rows; nothing has changed") \
    X(LOG_COMMITTED,         "committed",           BOUNDED, "seq", "the writer ends, everything is committed (debug)") \
    X(LOG_REPEATED,          "repeated",            EVERY,   "of count", "so many lines of an event were left out in the last second") \
    X(LOG_LINES_LOST,        "lines_lost",          EVERY,   "count", "so many lines found a full pipe")

/* X(id, name, what it is). Counts and sizes are numbers, seconds with a fraction where it is known. */
#define LOG_FIELDS(X) \
    X(LOG_FIELD_BYTES_IN,          "bytes_in",          "received on the connection, its handshake included") \
    X(LOG_FIELD_BYTES_OUT,         "bytes_out",         "sent on it, likewise") \
    X(LOG_FIELD_CHILD,             "child",             "the process that it is about: worker 0, store writer") \
    X(LOG_FIELD_CHILD_PID,         "child_pid",         "its pid") \
    X(LOG_FIELD_CLEAN,             "clean",             "clients that left in a drain by themselves, or when they were asked to") \
    X(LOG_FIELD_CLIENT,            "client",            "a client's id for sluicectl kick: its worker, and a number never used again there") \
    X(LOG_FIELD_CLOSE_CODE,        "close_code",        "of a WebSocket's close frame, if there was one with a code") \
    X(LOG_FIELD_CONNECTIONS,       "connections",       "clients of the whole server that are left") \
    X(LOG_FIELD_COUNT,             "count",             "lines") \
    X(LOG_FIELD_DATA,              "data",              "the data directory") \
    X(LOG_FIELD_DEADLINE_SECONDS,  "deadline_seconds",  "how long the drain may take") \
    X(LOG_FIELD_DISK_FREE_BYTES,   "disk_free_bytes",   "on the store's file system") \
    X(LOG_FIELD_ELAPSED_SECONDS,   "elapsed_seconds",   "since the drain began") \
    X(LOG_FIELD_EPOCH,             "epoch",             "the log's, as clients see it") \
    X(LOG_FIELD_FORCED,            "forced",            "clients that were cut off in a drain, or lost with their worker") \
    X(LOG_FIELD_LOST,              "lost",              "clients that went with a process") \
    X(LOG_FIELD_MAP_BYTES,         "map_bytes",         "the store's largest size") \
    X(LOG_FIELD_MAP_USED_BYTES,    "map_used_bytes",    "what of it is in use") \
    X(LOG_FIELD_MESSAGES_IN,       "messages_in",       "messages that the client has sent") \
    X(LOG_FIELD_MESSAGES_OUT,      "messages_out",      "events that were queued for it; answers are not counted") \
    X(LOG_FIELD_NAME,              "name",              "that the client gave itself in the room") \
    X(LOG_FIELD_OF,                "of",                "the event whose lines were left out") \
    X(LOG_FIELD_OPERATIONS,        "operations",        "how many") \
    X(LOG_FIELD_PEER,              "peer",              "the client's address and port, or unix") \
    X(LOG_FIELD_PROTOCOL,          "protocol",          "room, broker, broker-tcp, event-stream, graphql-ws, graphql-sse, echo") \
    X(LOG_FIELD_REASON,            "reason",            "why a client has left: client, gone, ping_timeout, stalled, slow, protocol_error, too_large, rate_limited, overloaded, shutdown, kicked, error") \
    X(LOG_FIELD_REMAINING_SECONDS, "remaining_seconds", "until the drain's deadline") \
    X(LOG_FIELD_SECONDS,           "seconds",           "how long the client was connected") \
    X(LOG_FIELD_SEQ,               "seq",               "an operation's number") \
    X(LOG_FIELD_SIGNAL,            "signal",            "that ended the process") \
    X(LOG_FIELD_STATUS,            "status",            "that the process ended with") \
    X(LOG_FIELD_TRANSPORT,         "transport",         "how the client's bytes come: plain, tls, h2c (HTTP/2), h2 (HTTP/2 over TLS); from a proxy: how it speaks to this server") \
    X(LOG_FIELD_VERSION,           "version",           "of the server") \
    X(LOG_FIELD_WORKERS,           "workers",           "worker processes")
/* clang-format on */

enum log_event {
#define LOG_ENUMERATOR(id, name, bound, fields, what) id,
    LOG_EVENTS(LOG_ENUMERATOR)
#undef LOG_ENUMERATOR
        LOG_EVENT_COUNT,
};

enum log_field_name {
#define LOG_ENUMERATOR(id, name, what) id,
    LOG_FIELDS(LOG_ENUMERATOR)
#undef LOG_ENUMERATOR
        LOG_FIELD_NAME_COUNT,
};

#endif
