/*
 * server/protocol/session.h - what room, broker, raw TCP and echo clients have in common.
 *
 * Shape    a protocol's own session begins with a struct session: the client, what it is subscribed
 *          to, its WebSocket (or bare stream), and whether its reading is held.
 * Reading  is held while the client's publishes cannot get in (the ring is full), while too many of
 *          them wait for the disk, or while it does not take its answers. Each end of such a state
 *          leads to session_go_on, which looks at all of them again.
 * Memory   the protocol allocates and frees it; about 100 bytes.
 * Limits   SESSION_PENDING_MAX publishes unanswered, --max-queue bytes of output: then it waits.
 */
#ifndef SERVER_PROTOCOL_SESSION_H
#define SERVER_PROTOCOL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/protocol/client.h"
#include "server/topics/topics.h"
#include "server/websocket/websocket.h"

struct http_exchange;
struct service;

enum {
    SESSION_PENDING_MAX = 4096,
};

/* Said with rate_limited. */
#define SESSION_TOO_FAST "messages come faster than this connection may send them"

struct session {
    struct client client;
    struct subscriber subscriber;
    struct service *service;
    struct websocket *websocket; /* NULL: a bare stream */
    uint16_t pending_count;      /* publishes that have not been answered */
    bool is_held;                /* reading is paused */
    uint8_t own;                 /* a byte for the protocol, where padding would be */
};

static inline struct session *session_of_client(struct client *client)
{
    return (struct session *)(void *)((char *)client - offsetof(struct session, client));
}

/* How a session is begun. */
struct session_options {
    struct service *service;
    struct stream *stream;
    struct websocket *websocket; /* NULL: a bare stream */
    /* One, or, of a WebSocket, one for each window; NULL: it never subscribes. */
    struct topics_encoding *const *encodings;
    const struct subscriber_handlers *handlers; /* NULL: likewise */
    const struct client_operations *operations;
    uint8_t own; /* session.own */
};

/* Its protocol's own part has been made: it may be described from now on. */
void session_init(struct session *session, const struct session_options *options);
/* The connection has gone: unsubscribes, forgets its publishes, leaves. The protocol then frees it. */
void session_done(struct session *session);
/* The same from on_close of its WebSocket. */
void session_closed(struct session *session, enum websocket_end end, int code);
/* A message has come: counts it. */
void session_count_message(struct session *session);
/* Closes its WebSocket for that reason. Nothing when it is closing. */
void session_close_because(struct session *session, enum stat_close_reason reason, int code,
                           const char *text);

/* One text: a WebSocket frame, or a line. Nothing once it is closing. */
void session_send(struct session *session, const char *text, size_t size);
/* Whether the next message may be read; false: reading is to be paused (and session_go_on will end that). */
bool session_wants_more(struct session *session);
/* Resumes reading if nothing stands against it any more. */
void session_go_on(struct session *session);
/* From on_drained of its stream. */
void session_drained(struct session *session);

/* client_operations.describe: all but a name. */
void session_describe(const struct client *client, struct client_view *view);
/* client_operations.warn: the shutdown object. */
void session_warn(struct client *client, uint32_t remaining_seconds);
/* client_operations.close of WebSockets: 1001. */
void session_close(struct client *client);
/* client_operations.kick of WebSockets: 1008. */
void session_kick(struct client *client);
/* on_gap of those whose frames carry the broker's objects. */
void session_send_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest);

/*
 * Accepts a newcomer and closes with @code at once: browsers do not show a refused upgrade's status to
 * the page, a close code they do. Of those that offer subprotocols they show it only where one was
 * chosen, so the first one is.
 */
void session_refuse(struct service *service, struct http_exchange *exchange, int code,
                    const char *reason);
/*
 * The common beginning of all WebSocket endpoints: false when the request has been answered here,
 * because it is none (426), malformed, or a newcomer that is refused (closed with 1001 or 1013).
 */
bool session_check_upgrade(struct service *service, struct http_exchange *exchange);

#endif
