/*
 * Control frames are handled here, whole (they are at most 125 bytes; until one is, it stays in
 * the stream's kept input); data frames go to wslay (message.h). wslay would take control frames,
 * too, but it queues a pong per ping without bound, answers a close frame of one byte as if it had
 * none, takes the registered codes 1012 to 1014 for errors, overlooks bad UTF-8 in a reason that
 * comes in pieces, and gives no close code for malformed frame heads.
 *
 * States: OPEN; CLOSING, our close frame is queued and the peer's awaited; DONE, both have been, or
 * the connection has failed: the stream is finishing and on_close will tell close_code.
 */
#include "server/websocket/websocket.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bus/check.h"
#include "server/http/http.h"
#include "server/json/json.h"
#include "server/net/stream.h"
#include "server/net/timer.h"
#include "server/websocket/frame.h"
#include "server/websocket/handshake.h"
#include "server/websocket/message.h"

#define SECOND_NS        INT64_C(1000000000)
#define CLOSE_TIMEOUT_NS (5 * SECOND_NS)

enum {
    PONGS_MAX = 16, /* that wait to be sent; from then on only the newest is kept */
    PING_BYTES = 2,
    HOLD_BYTES_MAX = 256, /* more than any frame's head and any control frame */
};

enum state {
    STATE_OPEN,
    STATE_CLOSING,
    STATE_DONE,
};

/* The answer to the newest ping, while PONGS_MAX others wait. */
struct late_pong {
    uint8_t size;
    uint8_t payload[FRAME_CONTROL_PAYLOAD_MAX];
};

struct websocket {
    struct stream *stream;
    struct websocket_set *set;
    const struct websocket_handlers *handlers;
    void *user;
    struct message *message;   /* borrowed while one is in flight */
    struct inflater *inflater; /* kept between messages, with context takeover; or NULL */
    struct late_pong *late_pong;
    uint64_t pong_mark; /* where in the stream's output the last pong ends */
    struct timer timer; /* OPEN: pings. CLOSING: the peer's close */
    uint32_t delivered; /* low half of the stream's delivered_bytes at the ping or last look */
    uint16_t close_code;
    uint8_t pong_count; /* queued up to pong_mark since all had been sent */
    uint8_t state : 2;
    bool is_held : 1;   /* on_message has said false */
    bool is_pinged : 1; /* a sign of life is awaited */
    uint8_t end : 4;    /* enum websocket_end */
    bool is_deflate : 1;
    bool keeps_context : 1;
    uint8_t window : 2; /* enum deflate_window */
};

static_assert(sizeof(struct websocket) <= 104, "an idle connection is small");

struct websocket_set {
    struct timer_wheel *timers;
    struct websocket_options options;
    struct message_pool messages;
    uint64_t contexts_bytes; /* of those who keep theirs */
    uint32_t phase;          /* of the next one's pings, in 2^-32 of the interval */
    size_t step_bytes;       /* message_step_bytes, of one call of on_data */
    uint32_t timer_kind;
    uint32_t message_timer_kind;
    uint32_t open_count;
};

/* --- output ------------------------------------------------------------------------------------- */

static void start_timer(struct websocket *websocket, int64_t delay_ns)
{
    timer_start(websocket->set->timers, &websocket->timer, delay_ns);
}

/* The last frame: whatever is pushed behind it, by whomever, is dropped. */
static void send_close(struct websocket *websocket, int code, const char *reason,
                       size_t reason_bytes)
{
    uint8_t frame[FRAME_CONTROL_BYTES_MAX];

    stream_write(websocket->stream, frame, frame_close(frame, code, reason, reason_bytes));
    websocket->stream->is_sealed = true;
}

static void give_back_message(struct websocket *websocket)
{
    message_return(&websocket->set->messages, websocket->message);
    websocket->message = NULL;
}

/* What came first is what ended it. */
static void note_end(struct websocket *websocket, enum websocket_end end)
{
    if (websocket->end == WEBSOCKET_END_NONE)
        websocket->end = end & 0xf;
}

/* Nothing more is expected from the peer. */
static void finish(struct websocket *websocket, enum websocket_end end, int code)
{
    note_end(websocket, end);
    websocket->state = STATE_DONE;
    websocket->close_code = (uint16_t)code;
    timer_stop(&websocket->timer);
    give_back_message(websocket);
    stream_finish(websocket->stream);
}

static void fail_because(struct websocket *websocket, enum websocket_end end, int code,
                         const char *reason)
{
    if (websocket->state == STATE_OPEN)
        send_close(websocket, code, reason, strlen(reason));
    finish(websocket, end, code);
}

/* The peer has broken a rule (RFC 6455 section 7.1.7), which the code tells; or asks too much. */
static void fail(struct websocket *websocket, int code)
{
    enum websocket_end end = WEBSOCKET_END_BROKEN;
    char reason[64] = "";

    if (code == WEBSOCKET_TOO_BIG) {
        end = WEBSOCKET_END_TOO_BIG;
        (void)snprintf(reason, sizeof reason, "the message is over the limit of %" PRIu32 " bytes",
                       websocket->set->options.message_bytes_max);
    }
    if (code == WEBSOCKET_TRY_LATER) {
        end = WEBSOCKET_END_NO_ROOM;
        (void)snprintf(reason, sizeof reason, "no room for a message that is not whole");
    }
    fail_because(websocket, end, code, reason);
}

static void send_pong(struct websocket *websocket, const uint8_t *payload, size_t size)
{
    uint8_t frame[FRAME_CONTROL_BYTES_MAX];
    const struct outq *queue = &websocket->stream->out;

    stream_write(websocket->stream, frame, frame_control(frame, FRAME_PONG, payload, size));
    websocket->pong_mark = queue->sent_bytes + queue->bytes;
    websocket->pong_count++;
}

static void answer_ping(struct websocket *websocket, const uint8_t *payload, size_t size)
{
    struct stream *stream = websocket->stream;

    if (websocket->state != STATE_OPEN)
        return;
    if (stream->out.sent_bytes >= websocket->pong_mark && websocket->late_pong == NULL)
        websocket->pong_count = 0;
    if (websocket->pong_count < PONGS_MAX) {
        send_pong(websocket, payload, size);
        return;
    }
    /* RFC 6455 section 5.5.3: only the newest of several pings has to be answered. */
    if (websocket->late_pong == NULL)
        websocket->late_pong = malloc(sizeof *websocket->late_pong);
    if (websocket->late_pong == NULL) {
        stream_abort(stream);
        return;
    }
    websocket->late_pong->size = (uint8_t)size;
    memcpy(websocket->late_pong->payload, payload, size);
    stream->wants_drained = true;
}

/* After a flush: the newest pong may go when those before it have gone. */
static void send_late_pong(struct websocket *websocket)
{
    struct late_pong *pong = websocket->late_pong;

    if (pong == NULL)
        return;
    if (websocket->stream->out.sent_bytes < websocket->pong_mark) {
        websocket->stream->wants_drained = true;
        return;
    }
    websocket->late_pong = NULL;
    websocket->pong_count = 0;
    send_pong(websocket, pong->payload, pong->size);
    free(pong);
}

/* --- input -------------------------------------------------------------------------------------- */

static void take_close(struct websocket *websocket, const uint8_t *payload, size_t size)
{
    int code = WEBSOCKET_NO_STATUS;

    if (size >= 2)
        code = payload[0] << 8 | payload[1];
    if (size == 1 || (size >= 2 && !frame_close_code_is_valid(code))) {
        fail(websocket, WEBSOCKET_PROTOCOL_ERROR);
        return;
    }
    if (size > 2 && !utf8_is_valid((const char *)payload + 2, size - 2)) {
        fail(websocket, WEBSOCKET_BAD_TEXT);
        return;
    }
    if (websocket->state == STATE_OPEN)
        send_close(websocket, code, NULL, 0);
    else
        code = websocket->close_code; /* it was us who began */
    finish(websocket, WEBSOCKET_END_BY_PEER, code);
}

/* Returns how much it has consumed: the whole frame or nothing. */
static size_t take_control(struct websocket *websocket, const struct frame_head *head,
                           const uint8_t *bytes, size_t size)
{
    uint8_t payload[FRAME_CONTROL_PAYLOAD_MAX];
    size_t payload_bytes = (size_t)head->payload_bytes;

    if (size < head->head_bytes + payload_bytes)
        return 0;
    frame_unmask(head, bytes + head->head_bytes, payload);
    if (head->opcode == FRAME_CLOSE)
        take_close(websocket, payload, payload_bytes);
    else if (head->opcode == FRAME_PING)
        answer_ping(websocket, payload, payload_bytes);
    return head->head_bytes + payload_bytes;
}

static void deliver(struct websocket *websocket)
{
    struct message *message = websocket->message;
    const uint8_t *bytes;
    size_t size;
    bool is_text;

    if (!message_is_complete(message, &is_text, &bytes, &size))
        return;
    websocket->message = NULL; /* its user may close the websocket from inside on_message */
    if (websocket->keeps_context && websocket->inflater == NULL)
        websocket->inflater = message_take_inflater(message);
    if (websocket->state == STATE_OPEN &&
        !websocket->handlers->on_message(websocket->user, is_text, bytes, size) &&
        websocket->state == STATE_OPEN) {
        websocket->is_held = true;
        stream_pause(websocket->stream);
    }
    message_return(&websocket->set->messages, message);
}

/* Bytes of the frame that has been begun. Returns how much it has consumed. */
static size_t feed_frame(struct websocket *websocket, const uint8_t *bytes, size_t size)
{
    uint64_t left = message_frame_left(websocket->message);
    int code;

    if (size > left)
        size = (size_t)left;
    code = message_feed(websocket->message, bytes, size);
    left -= message_frame_left(websocket->message);
    websocket->set->step_bytes += message_step_bytes(websocket->message);
    if (code != 0)
        fail(websocket, code);
    else if (message_frame_left(websocket->message) == 0)
        deliver(websocket);
    return (size_t)left;
}

static size_t begin_frame(struct websocket *websocket, const struct frame_head *head,
                          const uint8_t *bytes, size_t size)
{
    struct websocket_set *set = websocket->set;
    int code;

    if (websocket->message == NULL)
        websocket->message = message_borrow(&set->messages);
    if (websocket->message == NULL) {
        fail(websocket, WEBSOCKET_TRY_LATER);
        return 0;
    }
    /* One that begins inside another message is refused: it begins none. */
    if (head->is_compressed && websocket->inflater != NULL && message_is_idle(websocket->message)) {
        message_lend_inflater(websocket->message, websocket->inflater);
        websocket->inflater = NULL;
    }
    code = message_begin_frame(websocket->message, head, set->options.message_bytes_max);
    if (code != 0) {
        fail(websocket, code);
        return 0;
    }
    return feed_frame(websocket, bytes, size);
}

/* Returns how much it has consumed; 0: more is needed, or nothing more is wanted. */
static size_t take_frame(struct websocket *websocket, const uint8_t *bytes, size_t size)
{
    struct frame_head head;

    if (websocket->message != NULL && message_frame_left(websocket->message) > 0)
        return feed_frame(websocket, bytes, size);
    switch (frame_parse_head(bytes, size, &head)) {
    case FRAME_MORE:
        return 0;
    case FRAME_BAD:
        fail(websocket, WEBSOCKET_PROTOCOL_ERROR);
        return 0;
    case FRAME_OK:
    default:
        if (head.is_compressed && !websocket->is_deflate) {
            fail(websocket, WEBSOCKET_PROTOCOL_ERROR);
            return 0;
        }
        return frame_is_control(&head) ? take_control(websocket, &head, bytes, size)
                                       : begin_frame(websocket, &head, bytes, size);
    }
}

static void watch_message(struct websocket *websocket)
{
    struct message_watch *watch = message_watch(websocket->message);

    watch->mark_bytes = message_bytes(websocket->message);
    timer_start(websocket->set->timers, &watch->timer, WEBSOCKET_MESSAGE_S * SECOND_NS);
}

static void on_message_timer(struct timer *timer)
{
    struct message_watch *watch =
        (struct message_watch *)(void *)((char *)timer - offsetof(struct message_watch, timer));
    struct websocket *websocket = watch->user;
    size_t bytes_max = websocket->set->options.message_bytes_max;
    size_t come = message_bytes(websocket->message) - watch->mark_bytes;

    if (websocket->stream->is_closed)
        return;
    if (come < bytes_max / WEBSOCKET_MESSAGE_PARTS)
        fail_because(websocket, WEBSOCKET_END_SLOW, WEBSOCKET_POLICY,
                     "the message comes too slowly");
    else
        watch_message(websocket);
}

/* All that has come has been looked at, and the message is not whole. */
static void keep_message(struct websocket *websocket)
{
    struct message_watch *watch = message_watch(websocket->message);

    if (!message_keep(websocket->message)) {
        fail(websocket, WEBSOCKET_TRY_LATER);
        return;
    }
    if (watch->user != NULL)
        return; /* it has been before */
    watch->user = websocket;
    timer_init(&watch->timer, websocket->set->message_timer_kind);
    watch_message(websocket);
}

static bool wants_input(const struct websocket *websocket)
{
    return websocket->state != STATE_DONE && !websocket->is_held && !websocket->stream->is_closed;
}

/* --- the stream's user -------------------------------------------------------------------------- */

static void await_next_ping(struct websocket *websocket)
{
    int64_t interval_ns = websocket->set->options.ping_interval_ns;

    if (interval_ns > 0)
        start_timer(websocket, interval_ns);
    else
        timer_stop(&websocket->timer); /* a reload has switched them off */
}

static void note_life(struct websocket *websocket)
{
    websocket->is_pinged = false;
    await_next_ping(websocket);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct websocket *websocket = user;
    struct websocket_set *set = websocket->set;
    size_t used = 0;

    if (websocket->is_pinged && websocket->state == STATE_OPEN)
        note_life(websocket);
    set->step_bytes = 0;
    while (used < size && wants_input(websocket) && set->step_bytes < MESSAGE_STEP_BYTES) {
        size_t taken = take_frame(websocket, bytes + used, size - used);

        if (taken == 0)
            break;
        used += taken;
    }
    if (used < size && wants_input(websocket) && set->step_bytes >= MESSAGE_STEP_BYTES) {
        stream_pause(websocket->stream); /* it makes much work: the rest comes in another turn */
        stream_resume(websocket->stream);
    }
    if (websocket->message != NULL && wants_input(websocket))
        keep_message(websocket);
    return used;
}

static void on_no_room(void *user)
{
    fail(user, WEBSOCKET_TRY_LATER);
}

static void on_end(void *user)
{
    struct websocket *websocket = user;

    /* Without a close frame: nobody is there to be told why. */
    finish(websocket, WEBSOCKET_END_LOST, WEBSOCKET_ABNORMAL);
}

static void on_drained(void *user)
{
    struct websocket *websocket = user;

    send_late_pong(websocket);
    if (websocket->handlers->on_drained != NULL)
        websocket->handlers->on_drained(websocket->user);
}

static enum websocket_end end_of_stream(enum stream_close_reason reason)
{
    switch (reason) {
    case STREAM_CLOSED_BY_PEER:
        return WEBSOCKET_END_LOST;
    case STREAM_CLOSED_STALLED:
        return WEBSOCKET_END_STALLED;
    case STREAM_CLOSED_BY_BOTH:
    case STREAM_CLOSED_BY_US:
    case STREAM_CLOSED_ERROR:
    default:
        return WEBSOCKET_END_FAILED;
    }
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct websocket *websocket = user;
    int code = websocket->state == STATE_DONE ? websocket->close_code : WEBSOCKET_ABNORMAL;

    note_end(websocket, end_of_stream(reason));
    if (websocket->state == STATE_CLOSING && reason != STREAM_CLOSED_BY_PEER)
        websocket->end = WEBSOCKET_END_UNANSWERED;
    timer_stop(&websocket->timer);
    give_back_message(websocket);
    websocket->set->open_count--;
    websocket->handlers->on_close(websocket->user, (enum websocket_end)websocket->end, code);
    inflater_return(websocket->inflater);
    deflate_note_end(websocket->is_deflate);
    if (websocket->keeps_context)
        websocket->set->contexts_bytes -= INFLATER_BYTES_MAX;
    free(websocket->late_pong);
    free(websocket);
}

static const struct stream_handlers stream_handlers = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_no_room = on_no_room,
    .on_close = on_close,
};

/* --- pings -------------------------------------------------------------------------------------- */

static void send_ping(struct websocket *websocket)
{
    uint8_t frame[FRAME_CONTROL_BYTES_MAX];

    websocket->is_pinged = true;
    websocket->delivered = (uint32_t)stream_delivered_bytes(websocket->stream);
    stream_write(websocket->stream, frame, frame_control(frame, FRAME_PING, NULL, 0));
    start_timer(websocket, websocket->set->options.ping_timeout_ns);
}

static void end_silence(struct websocket *websocket)
{
    note_end(websocket, WEBSOCKET_END_PING_TIMEOUT);
    stream_abort(websocket->stream);
}

/*
 * No answer to the ping yet. It may still stand behind other output, so anything taken beyond the
 * ping itself is a sign of life, too; and one that reads nothing at all may still be there. How
 * long that one may go on is the stream's affair.
 */
static void judge_silence(struct websocket *websocket)
{
    uint32_t delivered = (uint32_t)stream_delivered_bytes(websocket->stream);
    uint32_t taken = delivered - websocket->delivered;

    websocket->delivered = delivered;
    if (taken > PING_BYTES || stream_peer(websocket->stream) == STREAM_PEER_LAGS)
        start_timer(websocket, websocket->set->options.ping_timeout_ns);
    else
        end_silence(websocket);
}

static void on_timer(struct timer *timer)
{
    struct websocket *websocket =
        (struct websocket *)(void *)((char *)timer - offsetof(struct websocket, timer));

    if (websocket->stream->is_closed)
        return;
    if (websocket->state != STATE_OPEN)
        stream_abort(websocket->stream); /* the peer has not answered our close */
    else if (websocket->is_held)
        note_life(websocket); /* its answers cannot be seen, so none are asked for */
    else if (websocket->is_pinged)
        judge_silence(websocket);
    else
        send_ping(websocket);
}

/* Their phases lie apart by the golden section, which spreads however many there are. */
static void start_pings(struct websocket *websocket)
{
    struct websocket_set *set = websocket->set;
    int64_t interval_ns = set->options.ping_interval_ns;

    set->phase += UINT32_C(0x9E3779B9);
    if (interval_ns > 0)
        start_timer(websocket, 1 + (interval_ns >> 24) * (int64_t)(set->phase >> 8));
}

/* --- public ------------------------------------------------------------------------------------- */

int websocket_set_open(struct timer_wheel *timers, const struct websocket_options *options,
                       struct websocket_set **ret_set)
{
    struct websocket_set *set = calloc(1, sizeof *set);

    if (set == NULL)
        return -ENOMEM;
    set->timers = timers;
    set->options = *options;
    set->messages.budget = options->input_budget;
    set->timer_kind = timer_wheel_register(timers, on_timer);
    set->message_timer_kind = timer_wheel_register(timers, on_message_timer);
    (void)getrandom(&set->phase, sizeof set->phase, GRND_NONBLOCK); /* or workers begin alike */
    handshake_prepare();
    *ret_set = set;
    return 0;
}

void websocket_set_configure(struct websocket_set *set, const struct websocket_options *options)
{
    CHECK(options->input_budget == set->messages.budget);
    set->options = *options;
}

void websocket_set_close(struct websocket_set *set)
{
    if (set == NULL)
        return;
    CHECK(set->open_count == 0);
    message_pool_done(&set->messages);
    deflate_clear();
    free(set);
}

/* Who keeps its context costs an inflater from its first compressed message on: counted from the start. */
static bool has_room_for_context(const struct websocket_set *set)
{
    return set->options.allows_takeover &&
           set->contexts_bytes + INFLATER_BYTES_MAX <= set->options.contexts_bytes_max;
}

struct websocket *websocket_accept(struct websocket_set *set, struct http_exchange *exchange,
                                   const char *protocol, const struct websocket_handlers *handlers,
                                   void *user)
{
    struct websocket *websocket = calloc(1, sizeof *websocket);
    const struct http_request *request = http_request(exchange);
    char extensions[DEFLATE_ANSWER_BYTES_MAX] = "";
    struct deflate_terms terms = {0};
    char *headers = NULL;

    if (set->options.is_deflate_offered)
        (void)deflate_negotiate(request, has_room_for_context(set), &terms, extensions);
    if (websocket != NULL)
        headers = handshake_headers(request, protocol, extensions);
    if (headers == NULL) {
        free(websocket);
        http_respond_error(exchange, 503, "unavailable", "out of memory", NULL);
        return NULL;
    }
    websocket->stream = http_upgrade(exchange, headers);
    free(headers);
    websocket->set = set;
    websocket->handlers = handlers;
    websocket->user = user;
    websocket->is_deflate = terms.is_agreed;
    deflate_note_client(terms.is_agreed);
    websocket->keeps_context = terms.keeps_context;
    websocket->window = terms.window & 0x3;
    if (terms.keeps_context)
        set->contexts_bytes += INFLATER_BYTES_MAX;
    timer_init(&websocket->timer, set->timer_kind);
    set->open_count++;
    websocket->stream->hold_bytes_max = HOLD_BYTES_MAX;
    stream_set_user(websocket->stream, &stream_handlers, websocket);
    start_pings(websocket);
    return websocket;
}

struct stream *websocket_stream(const struct websocket *websocket)
{
    return websocket->stream;
}

enum deflate_window websocket_window(const struct websocket *websocket)
{
    return (enum deflate_window)websocket->window;
}

static void send_message(struct websocket *websocket, enum frame_opcode opcode, const void *bytes,
                         size_t size)
{
    uint8_t head[WEBSOCKET_HEAD_BYTES_MAX];
    const uint8_t *compressed = NULL;

    if (websocket->state != STATE_OPEN)
        return;
    if (size >= WEBSOCKET_DEFLATE_REPLY)
        compressed = deflate_message(websocket_window(websocket), bytes, size, 1, &size);
    stream_write(websocket->stream, head, frame_head(head, opcode, compressed != NULL, size));
    stream_write(websocket->stream, compressed != NULL ? compressed : bytes, size);
}

void websocket_send_text(struct websocket *websocket, const void *bytes, size_t size)
{
    send_message(websocket, FRAME_TEXT, bytes, size);
}

void websocket_send_arena(struct websocket *websocket, struct arena *arena)
{
    uint8_t head[WEBSOCKET_HEAD_BYTES_MAX];

    if (websocket->state != STATE_OPEN)
        return;
    stream_write(websocket->stream, head, frame_head(head, FRAME_TEXT, false, arena->capacity));
    stream_push(websocket->stream, (struct range){.arena = arena, .length = arena->capacity});
}

void websocket_send_binary(struct websocket *websocket, const void *bytes, size_t size)
{
    send_message(websocket, FRAME_BINARY, bytes, size);
}

void websocket_close(struct websocket *websocket, int code, const char *reason)
{
    if (websocket->state != STATE_OPEN || websocket->stream->is_closed)
        return;
    send_close(websocket, code, reason, reason != NULL ? strlen(reason) : 0);
    note_end(websocket, WEBSOCKET_END_BY_USER);
    websocket->state = STATE_CLOSING;
    websocket->close_code = (uint16_t)code;
    start_timer(websocket, CLOSE_TIMEOUT_NS);
    websocket_resume(websocket); /* the answer stands behind what is held */
}

void websocket_resume(struct websocket *websocket)
{
    if (!websocket->is_held)
        return;
    websocket->is_held = false;
    stream_resume(websocket->stream);
}

bool websocket_is_closing(const struct websocket *websocket)
{
    return websocket->state != STATE_OPEN || websocket->stream->is_closed;
}
