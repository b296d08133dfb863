/*
 * server/protocol/broker.h - the broker protocol's session, over WebSocket or raw TCP.
 *
 * broker.c knows what messages mean and serves WebSockets; broker_line.c cuts a raw stream into
 * lines. Both give each message to broker_handle.
 * Memory   publishes that have not been answered are kept in pooled structs, at most
 *          SESSION_PENDING_MAX per session.
 */
#ifndef SERVER_PROTOCOL_BROKER_H
#define SERVER_PROTOCOL_BROKER_H

#include <stdbool.h>
#include <stddef.h>

#include "server/protocol/broker_message.h"
#include "server/protocol/session.h"

struct pending_publish;

struct broker_session {
    struct session session;
    struct pending_publish *pendings; /* list */
    /* A publish has been answered; called before reading may go on. NULL: nobody asks. */
    void (*on_answered)(struct broker_session *broker);
};

/*
 * Handles one message. False: the next one is not to be read yet; session.is_held says it and
 * session_go_on will end it.
 */
bool broker_handle(struct broker_session *broker, const char *text, size_t size);
/* An error that answers no message in particular. */
void broker_send_error(struct broker_session *broker, enum broker_error error, const char *reason);
/* Its session is done: lets go of its publishes; the caller frees it. */
void broker_done(struct broker_session *broker);

/* Raw TCP's part in the service's start: registers the timer of lines that have begun. */
void broker_line_start(struct service *service);
/* Frees the pool. */
void broker_pool_clear(struct service *service);

#endif
