#include "server/websocket/message.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "bus/check.h"
#include "server/json/json.h"
#include "server/net/budget.h"
#include "server/websocket/deflate.h"
#include "server/websocket/websocket.h"

enum {
    CAPACITY_MIN = 512,
    /* Blocks that are stored, and empty ones of a flush here and there. */
    DEFLATE_EXCESS_PART = 64,
    DEFLATE_EXCESS_BYTES = 256,
    /*
     * What is compressed is inflated in pieces, of which each becomes at most half a MiB (1032 for one,
     * zlib says); a byte of it may cost as much as so many of what comes out (the tables of a block).
     */
    INFLATE_PIECE_BYTES = 512,
    INFLATE_WIRE_COST = 16,
};

struct message {
    struct message *next; /* in the pool */
    struct budget *budget;
    struct message_watch watch;
    size_t charged_bytes; /* what the budget knows of capacity; 0 unless it is kept */
    wslay_event_context_ptr context;
    const uint8_t *feed; /* what wslay may take now */
    size_t feed_bytes;
    uint64_t frame_left;
    struct inflater *inflater; /* of a compressed one; NULL: it is none */
    uint64_t wire_bytes;       /* of its payload, as it comes */
    uint8_t *bytes;            /* the message so far */
    size_t size;
    size_t capacity; /* may be more than bytes_max, after a reload */
    size_t bytes_max;
    size_t step_bytes; /* what this message_feed has inflated */
    bool is_text;
    bool is_begun;    /* the first frame has been, the last one has not */
    bool is_complete; /* until the next frame begins */
    bool is_failed;
    bool is_kept;
    bool has_no_room;
    uint16_t inflate_failure; /* the close code for what cannot be inflated; 0: it can */
};

/* --- what wslay calls --------------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *buf, size_t size, int flags,
                       void *user)
{
    struct message *message = user;

    (void)flags; /* always 0 */
    if (message->feed_bytes == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (size > message->feed_bytes)
        size = message->feed_bytes;
    memcpy(buf, message->feed, size);
    message->feed += size;
    message->feed_bytes -= size;
    return (ssize_t)size;
}

/* wslay wants to send a close frame; only its status is of interest (message_feed). */
static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                       int flags, void *user)
{
    (void)context;
    (void)bytes;
    (void)flags;
    (void)user;
    return (ssize_t)size;
}

/* For a buffer of @capacity bytes, which is not less than what has been charged for. */
static bool charge(struct message *message, size_t capacity)
{
    size_t beside_bytes = message->inflater != NULL ? INFLATER_BYTES_MAX : 0;
    size_t bytes = budget_charge(capacity + beside_bytes);

    CHECK(bytes >= message->charged_bytes);
    if (!budget_take(message->budget, bytes - message->charged_bytes))
        return false;
    message->charged_bytes = bytes;
    return true;
}

static void uncharge(struct message *message)
{
    budget_give(message->budget, message->charged_bytes);
    message->charged_bytes = 0;
}

/* Doubles, but never beyond the longest message. */
static size_t next_capacity(const struct message *message, size_t needed)
{
    size_t capacity = message->capacity > 0 ? message->capacity : CAPACITY_MIN;

    while (capacity < needed)
        capacity *= 2;
    return capacity < message->bytes_max ? capacity : message->bytes_max;
}

static bool make_room(struct message *message, size_t bytes)
{
    size_t needed = message->size + bytes;
    size_t capacity;
    uint8_t *grown;

    if (needed <= message->capacity)
        return true;
    CHECK(needed <= message->bytes_max);
    capacity = next_capacity(message, needed);
    if (message->is_kept && !charge(message, capacity))
        return false;
    grown = realloc(message->bytes, capacity);
    if (grown == NULL)
        return false; /* the connection ends, and gives back what it was charged */
    message->bytes = grown;
    message->capacity = capacity;
    return true;
}

/* Room for some of what @in_bytes become: nobody knows how much that is. */
static bool make_some_room(struct message *message, size_t in_bytes)
{
    size_t left = message->bytes_max - message->size;
    size_t wanted = in_bytes < CAPACITY_MIN ? CAPACITY_MIN : in_bytes;

    return message->size < message->capacity || make_room(message, wanted < left ? wanted : left);
}

/* One step; into a byte to spare, when the buffer holds the longest message there may be. */
static enum inflate_result inflate_step(struct message *message, const uint8_t **in,
                                        size_t *in_bytes)
{
    bool is_full = message->size == message->bytes_max;
    enum inflate_result result;
    uint8_t spare;
    size_t room = 1;
    size_t made;

    if (!is_full && !make_some_room(message, *in_bytes))
        return INFLATE_NO_MEMORY;
    if (!is_full)
        room = (message->capacity < message->bytes_max ? message->capacity : message->bytes_max) -
               message->size;
    result = inflater_run(message->inflater, in, in_bytes,
                          is_full ? &spare : message->bytes + message->size, room, &made);
    if (result == INFLATE_BAD)
        message->inflate_failure = WEBSOCKET_BAD_TEXT;
    else if (is_full && made > 0)
        message->inflate_failure = WEBSOCKET_TOO_BIG;
    else
        message->size += made;
    message->step_bytes += made;
    return result;
}

static void inflate_chunk(struct message *message, const uint8_t *in, size_t in_bytes)
{
    enum inflate_result result = INFLATE_FULL;

    while (result == INFLATE_FULL && message->inflate_failure == 0)
        result = inflate_step(message, &in, &in_bytes);
    if (result == INFLATE_NO_MEMORY)
        message->has_no_room = true; /* for good: the rest of this chunk is lost */
}

/* The sender has left out what ends the last block (RFC 7692 section 7.2.2). */
static void inflate_end(struct message *message)
{
    inflate_chunk(message, inflate_tail, sizeof inflate_tail);
    if (message->inflate_failure != 0 || message->has_no_room)
        return;
    if (!inflater_is_between(message->inflater) ||
        (message->is_text && !utf8_is_valid((const char *)message->bytes, message->size)))
        message->inflate_failure = WEBSOCKET_BAD_TEXT;
    else
        deflate_note_inflated(message->wire_bytes, message->size);
}

/* Unmasked and, in a text message that is not compressed, UTF-8 so far. */
static void on_chunk(wslay_event_context_ptr context,
                     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *user)
{
    struct message *message = user;

    (void)context;
    if (chunk->data_length == 0 || message->inflate_failure != 0 || message->has_no_room)
        return;
    if (message->inflater != NULL) {
        inflate_chunk(message, chunk->data, chunk->data_length);
        return;
    }
    if (!make_room(message, chunk->data_length)) {
        message->has_no_room = true;
        return;
    }
    memcpy(message->bytes + message->size, chunk->data, chunk->data_length);
    message->size += chunk->data_length;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    struct message *message = user;

    (void)context;
    message->is_text = arg->opcode == WSLAY_TEXT_FRAME;
    if (message->inflater != NULL && message->inflate_failure == 0 && !message->has_no_room)
        inflate_end(message);
    message->is_complete = true;
    message->is_begun = false;
}

/* --- pool --------------------------------------------------------------------------------------- */

static void free_message(struct message *message)
{
    if (message == NULL)
        return;
    if (message->context != NULL)
        wslay_event_context_free(message->context);
    inflater_return(message->inflater);
    free(message->bytes);
    free(message);
}

void message_pool_done(struct message_pool *pool)
{
    while (pool->first != NULL) {
        struct message *message = pool->first;

        pool->first = message->next;
        free_message(message);
    }
    pool->count = 0;
}

struct message *message_borrow(struct message_pool *pool)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_message,
    };
    struct message *message = pool->first;

    if (message != NULL) {
        pool->first = message->next;
        pool->count--;
        message->next = NULL;
        message->budget = pool->budget;
        return message;
    }
    message = calloc(1, sizeof *message);
    if (message == NULL)
        return NULL;
    if (wslay_event_context_server_init(&message->context, &callbacks, message) != 0) {
        message->context = NULL; /* it has freed what it had */
        free_message(message);
        return NULL;
    }
    wslay_event_config_set_no_buffering(message->context, 1);
    /* Whether it may be set is websocket.c's affair. */
    wslay_event_config_set_allowed_rsv_bits(message->context, WSLAY_RSV1_BIT);
    message->budget = pool->budget;
    return message;
}

void message_return(struct message_pool *pool, struct message *message)
{
    if (message == NULL)
        return;
    uncharge(message);
    message->is_kept = false;
    timer_stop(&message->watch.timer);
    message->watch = (struct message_watch){0};
    if (!message_is_idle(message) || pool->count >= MESSAGE_POOL_MAX) {
        free_message(message);
        return;
    }
    if (message->capacity > MESSAGE_BUFFER_KEPT) {
        free(message->bytes);
        message->bytes = NULL;
        message->capacity = 0;
    }
    inflater_return(message->inflater);
    message->inflater = NULL;
    message->size = 0;
    message->is_complete = false;
    message->next = pool->first;
    pool->first = message;
    pool->count++;
}

struct message_watch *message_watch(struct message *message)
{
    return &message->watch;
}

size_t message_bytes(const struct message *message)
{
    return message->size;
}

/* The buffer may be larger than this message needs: another has made it grow. */
static void shrink(struct message *message)
{
    uint8_t *shrunk;

    if (message->size > BUDGET_OWN_BYTES || message->capacity <= BUDGET_OWN_BYTES)
        return;
    shrunk = realloc(message->bytes, BUDGET_OWN_BYTES);
    if (shrunk == NULL)
        return;
    message->bytes = shrunk;
    message->capacity = BUDGET_OWN_BYTES;
}

bool message_keep(struct message *message)
{
    if (message->is_kept)
        return true;
    shrink(message);
    message->is_kept = charge(message, message->capacity);
    return message->is_kept;
}

/* --- frames ------------------------------------------------------------------------------------- */

void message_lend_inflater(struct message *message, struct inflater *inflater)
{
    CHECK(message->inflater == NULL && !message->is_begun);
    message->inflater = inflater;
}

struct inflater *message_take_inflater(struct message *message)
{
    struct inflater *inflater = message->inflater;

    message->inflater = NULL;
    return inflater;
}

/* Known before it comes. What is compressed may be a little longer than what it becomes. */
static bool is_too_big(const struct message *message, uint64_t payload_bytes)
{
    uint64_t bytes_max = message->bytes_max;

    if (message->inflater != NULL)
        bytes_max += bytes_max / DEFLATE_EXCESS_PART + DEFLATE_EXCESS_BYTES;
    return message->size > message->bytes_max || message->wire_bytes > bytes_max ||
           payload_bytes > bytes_max - message->wire_bytes;
}

int message_begin_frame(struct message *message, const struct frame_head *head, size_t bytes_max)
{
    CHECK(message->frame_left == 0);
    CHECK(!message->is_failed);
    if (!message->is_begun) {
        message->size = 0;
        message->wire_bytes = 0;
        message->is_complete = false;
        message->is_begun = true;
        if (head->is_compressed && message->inflater == NULL)
            message->inflater = inflater_borrow();
        message->is_failed = head->is_compressed && message->inflater == NULL;
    }
    if (message->is_failed)
        return WEBSOCKET_TRY_LATER;
    message->bytes_max = bytes_max;
    if (is_too_big(message, head->payload_bytes)) {
        message->is_failed = true;
        return WEBSOCKET_TOO_BIG;
    }
    message->wire_bytes += head->payload_bytes;
    message->frame_left = head->head_bytes + head->payload_bytes;
    return 0;
}

uint64_t message_frame_left(const struct message *message)
{
    return message->frame_left;
}

/* Why wslay has stopped reading. */
static int close_code(struct message *message)
{
    int code;

    /* It has queued a close frame with the code; sending it (to nobody) makes it tell. */
    (void)wslay_event_send(message->context);
    code = wslay_event_get_status_code_sent(message->context);
    return code == WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA ? WEBSOCKET_BAD_TEXT
                                                         : WEBSOCKET_PROTOCOL_ERROR;
}

/*
 * The frame goes on behind these bytes, so the message will have to be kept, and there is no room
 * for it. Seen before it is unmasked: floods of such messages would cost the others that time.
 */
static bool is_hopeless(const struct message *message, size_t size)
{
    size_t bytes = message->size + size; /* at least, but for a head */

    if (size == message->frame_left || bytes < FRAME_HEAD_BYTES_MAX)
        return false;
    bytes = budget_charge(bytes - FRAME_HEAD_BYTES_MAX);
    return bytes > message->charged_bytes &&
           !budget_has(message->budget, bytes - message->charged_bytes);
}

/* Feeds wslay; as message_feed. */
static int feed(struct message *message, const uint8_t *bytes, size_t size)
{
    int rc;

    message->feed = bytes;
    message->feed_bytes = size;
    message->frame_left -= size;
    rc = wslay_event_recv(message->context);
    message->feed = NULL;
    if (rc == WSLAY_ERR_NOMEM || message->has_no_room)
        return WEBSOCKET_TRY_LATER;
    if (message->inflate_failure != 0)
        return message->inflate_failure;
    if (rc != 0 || !wslay_event_get_read_enabled(message->context))
        return close_code(message);
    CHECK(message->feed_bytes == 0);
    return 0;
}

int message_feed(struct message *message, const uint8_t *bytes, size_t size)
{
    size_t piece_max = message->inflater != NULL ? INFLATE_PIECE_BYTES : size;
    int code = 0;

    CHECK(size <= message->frame_left);
    CHECK(!message->is_failed);
    message->step_bytes = 0;
    if (is_hopeless(message, size))
        code = WEBSOCKET_TRY_LATER;
    while (code == 0 && size > 0 && message->step_bytes < MESSAGE_STEP_BYTES) {
        size_t piece = size < piece_max ? size : piece_max;

        code = feed(message, bytes, piece);
        bytes += piece;
        size -= piece;
        message->step_bytes += message->inflater != NULL ? piece * INFLATE_WIRE_COST : 0;
    }
    message->is_failed = code != 0;
    return code;
}

size_t message_step_bytes(const struct message *message)
{
    return message->step_bytes;
}

bool message_is_complete(const struct message *message, bool *ret_is_text,
                         const uint8_t **ret_bytes, size_t *ret_size)
{
    static const uint8_t nothing[1];

    if (!message->is_complete)
        return false;
    *ret_is_text = message->is_text;
    *ret_bytes = message->size > 0 ? message->bytes : nothing;
    *ret_size = message->size;
    return true;
}

bool message_is_idle(const struct message *message)
{
    return message->frame_left == 0 && !message->is_begun && !message->is_failed;
}
