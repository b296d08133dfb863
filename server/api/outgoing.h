/*
 * server/api/outgoing.h - large answers that have been made and have not left yet.
 *
 * Shape    an answer lies in an arena of its own, which output queues share (net/outq.h); one more
 *          reference is kept here. When it is the only one left, the bytes have gone out, or nobody
 *          wants them any more: that is looked for once a turn (outgoing_turn).
 * Callers  api.c, for transports: api_share_answer.
 */
#ifndef SERVER_API_OUTGOING_H
#define SERVER_API_OUTGOING_H

#include <stddef.h>

struct arena;

struct outgoing {
    struct arena **arenas; /* in no order */
    size_t count;
    size_t capacity;
    size_t bytes; /* of all of them */
};

/* A copy of @bytes with one reference for the caller; NULL: no memory. A zeroed struct is empty. */
struct arena *outgoing_add(struct outgoing *outgoing, const void *bytes, size_t size);
/* Lets go of those that nobody else has. */
void outgoing_turn(struct outgoing *outgoing);
/* Lets go of all. */
void outgoing_done(struct outgoing *outgoing);

#endif
