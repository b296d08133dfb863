/*
 * server/websocket/message.h - data frames into messages, by wslay.
 *
 * A struct message is a wslay event context (8.6 KB) and a buffer, borrowed from a pool by the
 * connection whose message is in flight. wslay keeps up to 4 KiB of input to itself and cannot be
 * asked what it still holds, so it is fed exactly one data frame at a time (message_begin_frame
 * tells where it ends): at a frame's end it holds nothing, reading can stop right there, and at a
 * message's end the context is as good as new.
 * wslay runs unbuffered (it would allocate what a frame's head claims): the buffer here grows with
 * what has arrived, up to the limit given.
 *
 * Deflate  a compressed message is inflated as it comes, into the same buffer and up to the same limit. wslay
 *          does not check its UTF-8, which is done here, when it is whole.
 * Budget   what the buffer of a message that is kept over the turn (message_keep) has beyond the
 *          connection's own bytes (net/budget.h) is charged to the worker's budget, and from then
 *          on before it grows. One that begins and ends within what has been read is not, nor are
 *          the free ones in the pool, which are at most MESSAGE_POOL_MAX contexts with
 *          MESSAGE_BUFFER_KEPT bytes each (1.6 MB).
 * Callers  websocket.c.
 */
#ifndef SERVER_WEBSOCKET_MESSAGE_H
#define SERVER_WEBSOCKET_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/timer.h"
#include "server/websocket/frame.h"

struct budget;
struct inflater;
struct message;

enum {
    MESSAGE_POOL_MAX = 64,           /* free ones kept */
    MESSAGE_BUFFER_KEPT = 16 * 1024, /* a larger buffer is freed when it is given back */
    MESSAGE_STEP_BYTES = 256 * 1024, /* made of compressed bytes, then others have their turn */
};

/* Zeroed but for the budget. */
struct message_pool {
    struct budget *budget; /* NULL: no bound */
    struct message *first;
    unsigned count;
};

void message_pool_done(struct message_pool *pool);

/* NULL: no memory. */
struct message *message_borrow(struct message_pool *pool);
/* Pooled if it stands between two messages, freed otherwise. NULL is fine. */
void message_return(struct message_pool *pool, struct message *message);

/* What its user notes about a message in flight, to see that it goes on. Zero when borrowed. */
struct message_watch {
    struct timer timer; /* stopped by message_return */
    void *user;
    size_t mark_bytes; /* how much had come when the timer was started */
};

struct message_watch *message_watch(struct message *message);
/* So much of it has come. */
size_t message_bytes(const struct message *message);

/* It will be in flight for longer than this turn. False: the budget has no room for it. */
bool message_keep(struct message *message);

/*
 * For compressed messages: one that knows what came before is lent to it, before the first frame begins, and
 * taken back when it is whole. Otherwise it borrows one, for itself.
 */
void message_lend_inflater(struct message *message, struct inflater *inflater);
struct inflater *message_take_inflater(struct message *message);

/*
 * The next bytes to feed are this data frame's. 0, WEBSOCKET_TOO_BIG if the message would
 * become longer than @bytes_max, or WEBSOCKET_TRY_LATER: no memory to inflate it.
 */
int message_begin_frame(struct message *message, const struct frame_head *head, size_t bytes_max);
/* Bytes of the current frame that have not been fed yet; 0: begin a frame. */
uint64_t message_frame_left(const struct message *message);

/*
 * Feeds bytes of the current frame, at most message_frame_left; how many of them it has taken
 * message_frame_left tells. Those of a compressed message are not all taken when they make too much work
 * for one turn (message_step_bytes).
 *
 *   0        what it has taken is in
 *   > 0      the close code for what is wrong with them, or with us (WEBSOCKET_TRY_LATER: no
 *            memory, no room in the budget); the message is of no further use
 */
int message_feed(struct message *message, const uint8_t *bytes, size_t size);

/* The work of the last message_feed, in bytes that were inflated: MESSAGE_STEP_BYTES are enough. 0: it was none. */
size_t message_step_bytes(const struct message *message);

/* True once a message is whole. Borrowed until the next frame is begun; *ret_bytes is not NULL. */
bool message_is_complete(const struct message *message, bool *ret_is_text,
                         const uint8_t **ret_bytes, size_t *ret_size);
/* True between two messages. */
bool message_is_idle(const struct message *message);

#endif
