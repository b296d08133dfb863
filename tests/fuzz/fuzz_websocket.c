/*
 * WebSocket input behind a good handshake, through our glue and wslay: whatever comes, and however
 * it is cut, what is received and answered is what a plain reading of RFC 6455 says (struct model
 * below reads the whole input at once): the same messages, pongs and close codes, up to the same
 * byte. Pings of the server between the pieces change nothing of it. With little memory it is a
 * beginning of that, and then 1013. Inputs with RSV1 somewhere are tried with permessage-deflate agreed on, too
 * (RFC 7692), without and with contexts that are kept: the model inflates byte by byte.
 *
 * The user holds its reading after some messages and closes by itself after others; both follow
 * from the message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bus/check.h"
#include "server/http/http1.h"
#include "server/json/text.h"
#include "server/net/budget.h"
#include "server/net/timer.h"
#include "server/websocket/frame.h"
#include "server/websocket/websocket.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"
#include "tests/unit/fake_stream.h"

enum {
    MESSAGE_MAX = 70000,
    PONGS_MAX = 16,       /* that websocket.c keeps for a peer who does not read */
    OWN_CODE = 4321,      /* of our own close */
    SLOW_BYTES_MAX = 512, /* inputs up to this length are fed byte by byte, too */
    WIRE_MAX = MESSAGE_MAX + MESSAGE_MAX / 64 + 256, /* of a compressed message: message.c */
    RSV1 = 0x40,
    BETWEEN_BLOCKS = 128, /* in data_type: zlib.h, inflate() */
};

/* What has been agreed on. */
enum terms {
    TERMS_PLAIN,
    TERMS_DEFLATE,
    TERMS_TAKEOVER,
    TERMS_COUNT,
};

#define HANDSHAKE                                                                                  \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                 \
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
#define SECOND      INT64_C(1000000000)
#define TIME_MAX_NS (WEBSOCKET_MESSAGE_S * SECOND) /* or a message would come too slowly */

/* What has come of an input, by either way. */
struct outcome {
    struct text messages; /* each: T or B, its length, its bytes */
    struct text pongs;    /* each: its length, its payload */
    unsigned pong_count;
    bool may_be_bad; /* it has become too long, and might not be DEFLATE further on */
    int sent_code;   /* of the close frame that was sent; 0: none, 1005: one without a code */
    int code;        /* as the user is told at the end; 0: still open */
};

static void outcome_done(struct outcome *outcome)
{
    text_done(&outcome->messages);
    text_done(&outcome->pongs);
}

static void add_message(struct outcome *outcome, bool is_text, const void *bytes, size_t size)
{
    text_printf(&outcome->messages, "%c%zu:", is_text ? 'T' : 'B', size);
    text_add(&outcome->messages, bytes, size);
}

static void add_pong(struct outcome *outcome, const void *payload, size_t size)
{
    text_printf(&outcome->pongs, "%zu:", size);
    text_add(&outcome->pongs, payload, size);
    outcome->pong_count++;
}

static bool closes(bool is_text, const uint8_t *bytes, size_t size)
{
    return is_text && size >= 3 && memcmp(bytes, "bye", 3) == 0;
}

/* --- the model ---------------------------------------------------------------------------------- */

struct model {
    struct outcome outcome;
    const uint8_t *at;
    size_t left;
    uint8_t *message; /* so far */
    size_t message_bytes;
    bool is_text;
    bool is_begun;
    struct reference_utf8 utf8;
    bool is_closing; /* we began */
    enum terms terms;
    bool is_compressed;
    bool has_seen_rsv1;
    uint64_t wire_bytes; /* of a compressed one */
    z_stream inflater;
};

struct frame {
    unsigned opcode;
    bool is_final;
    bool is_compressed;
    uint64_t payload_bytes;
    uint8_t mask[4];
};

static void end_with(struct model *model, int code)
{
    if (!model->is_closing)
        model->outcome.sent_code = code;
    model->outcome.code = code;
}

/* True: a whole head, taken. False: more is needed, or it is the end. */
static bool take_head(struct model *model, struct frame *ret)
{
    const uint8_t *at = model->at;
    unsigned length_bytes;

    if (model->left < 2)
        return false;
    ret->is_final = (at[0] & 0x80) != 0;
    ret->opcode = at[0] & 0x0F;
    ret->is_compressed = (at[0] & RSV1) != 0;
    ret->payload_bytes = at[1] & 0x7F;
    length_bytes = ret->payload_bytes == 126 ? 2 : ret->payload_bytes == 127 ? 8 : 0;
    if ((at[0] & 0x30) != 0 || (ret->is_compressed && ret->opcode != 1 && ret->opcode != 2) ||
        (ret->opcode > 2 && ret->opcode < 8) || ret->opcode > 10 || (at[1] & 0x80) == 0 ||
        (ret->opcode >= 8 && (!ret->is_final || length_bytes > 0))) {
        end_with(model, 1002);
        return false;
    }
    if (model->left < 2 + length_bytes + 4)
        return false;
    if (length_bytes > 0) {
        ret->payload_bytes = 0;
        for (unsigned i = 0; i < length_bytes; i++)
            ret->payload_bytes = ret->payload_bytes * 256 + at[2 + i];
        if (ret->payload_bytes < (length_bytes == 2 ? 126 : 65536) ||
            ret->payload_bytes >= UINT64_C(1) << 63) {
            end_with(model, 1002);
            return false;
        }
    }
    model->has_seen_rsv1 = model->has_seen_rsv1 || ret->is_compressed;
    if (ret->is_compressed && model->terms == TERMS_PLAIN) {
        end_with(model, 1002);
        return false;
    }
    memcpy(ret->mask, at + 2 + length_bytes, 4);
    model->at += 2 + length_bytes + 4;
    model->left -= 2 + length_bytes + 4;
    return true;
}

static void take_close(struct model *model, const uint8_t *payload, size_t size)
{
    int code = size >= 2 ? payload[0] * 256 + payload[1] : 1005;
    bool is_good = size == 0 || (size >= 2 && ((code >= 1000 && code <= 1003) ||
                                               (code >= 1007 && code <= 1014) ||
                                               (code >= 3000 && code <= 4999)));

    if (!is_good)
        code = 1002;
    else if (size > 2 && !reference_utf8_is_valid(payload + 2, size - 2))
        code = 1007;
    end_with(model, code);
    if (model->is_closing && is_good && code != 1007)
        model->outcome.code = OWN_CODE;
}

/* False: more is needed. */
static bool take_control(struct model *model, const struct frame *frame)
{
    size_t size = (size_t)frame->payload_bytes;
    uint8_t payload[125];

    if (model->left < size)
        return false;
    for (size_t i = 0; i < size; i++)
        payload[i] = model->at[i] ^ frame->mask[i % 4];
    model->at += size;
    model->left -= size;
    if (frame->opcode == 8)
        take_close(model, payload, size);
    else if (frame->opcode == 9 && !model->is_closing)
        add_pong(&model->outcome, payload, size);
    return true;
}

static void take_message(struct model *model)
{
    model->is_begun = false;
    if (model->is_closing)
        return;
    add_message(&model->outcome, model->is_text, model->message, model->message_bytes);
    if (closes(model->is_text, model->message, model->message_bytes)) {
        model->is_closing = true;
        model->outcome.sent_code = OWN_CODE;
    }
}

/* What a byte becomes. False: it is the end. */
static bool inflate_byte(struct model *model, uint8_t byte)
{
    z_stream *stream = &model->inflater;
    uint8_t out[512];
    int rc;

    stream->next_in = &byte;
    stream->avail_in = 1;
    do {
        size_t made;

        stream->next_out = out;
        stream->avail_out = sizeof out;
        rc = inflate(stream, Z_SYNC_FLUSH);
        made = sizeof out - stream->avail_out;
        if (made > MESSAGE_MAX - model->message_bytes) {
            model->outcome.may_be_bad = true;
            end_with(model, 1009);
            return false;
        }
        memcpy(model->message + model->message_bytes, out, made);
        model->message_bytes += made;
        if (rc == Z_STREAM_END)
            CHECK(inflateReset(stream) == Z_OK);
        else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            end_with(model, 1007);
            return false;
        }
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return true;
}

/* The end of a compressed message. False: it is that of all. */
static bool end_deflate(struct model *model)
{
    static const uint8_t tail[4] = {0, 0, 0xFF, 0xFF};

    for (int i = 0; i < 4; i++) {
        if (!inflate_byte(model, tail[i]))
            return false;
    }
    if ((model->inflater.data_type & BETWEEN_BLOCKS) != 0 &&
        (!model->is_text || reference_utf8_is_valid(model->message, model->message_bytes)))
        return true;
    end_with(model, 1007);
    return false;
}

/* A byte of a message that is not compressed. False: it is the end. */
static bool take_byte(struct model *model, uint8_t byte)
{
    model->message[model->message_bytes++] = byte;
    if (!model->is_text || reference_utf8_step(&model->utf8, byte))
        return true;
    end_with(model, 1007);
    return false;
}

static bool is_too_long(const struct model *model, const struct frame *frame, bool is_compressed)
{
    if (is_compressed)
        return frame->payload_bytes > WIRE_MAX - model->wire_bytes;
    return frame->payload_bytes > MESSAGE_MAX - model->message_bytes;
}

static void begin_message(struct model *model, const struct frame *frame)
{
    model->is_text = frame->opcode == 1;
    model->utf8 = (struct reference_utf8){0};
    model->is_compressed = frame->is_compressed;
    if (model->is_compressed && model->terms == TERMS_DEFLATE)
        CHECK(inflateReset(&model->inflater) == Z_OK);
}

/* False: more is needed, or it is the end. */
static bool take_data(struct model *model, const struct frame *frame)
{
    if (!model->is_begun) {
        model->message_bytes = 0;
        model->wire_bytes = 0;
    }
    if (is_too_long(model, frame, model->is_begun ? model->is_compressed : frame->is_compressed)) {
        end_with(model, 1009);
        return false;
    }
    if (frame->payload_bytes > 0 && model->left == 0)
        return false; /* wslay looks at the opcode when it has some of the payload, too */
    if ((frame->opcode == 0) != model->is_begun) {
        end_with(model, 1002);
        return false;
    }
    if (frame->opcode != 0)
        begin_message(model, frame);
    model->is_begun = true;
    model->wire_bytes += frame->payload_bytes;
    for (uint64_t i = 0; i < frame->payload_bytes; i++) {
        uint8_t byte;

        if (model->left == 0)
            return false;
        byte = *model->at++ ^ frame->mask[i % 4];
        model->left--;
        if (!(model->is_compressed ? inflate_byte(model, byte) : take_byte(model, byte)))
            return false;
    }
    if (frame->is_final && model->is_compressed && !end_deflate(model))
        return false;
    if (frame->is_final && !model->is_compressed && model->is_text && model->utf8.left > 0) {
        end_with(model, 1007);
        return false;
    }
    if (frame->is_final)
        take_message(model);
    return true;
}

static void model_read(struct model *model, enum terms terms, const uint8_t *data, size_t size)
{
    struct frame frame;
    bool goes_on = true;

    *model =
        (struct model){.terms = terms, .at = data, .left = size, .message = malloc(MESSAGE_MAX)};
    CHECK(model->message != NULL);
    CHECK(inflateInit2(&model->inflater, -15) == Z_OK);
    while (goes_on && model->outcome.code == 0 && take_head(model, &frame))
        goes_on = frame.opcode >= 8 ? take_control(model, &frame) : take_data(model, &frame);
    free(model->message);
    CHECK(inflateEnd(&model->inflater) == Z_OK);
}

/* --- the product -------------------------------------------------------------------------------- */

struct manner {
    enum terms terms;
    struct reference_random random;
    size_t piece_bytes_max; /* 0: all at once */
    int64_t piece_ns;       /* time between two pieces */
    int64_t ping_interval_ns;
    struct budget *budget; /* NULL: no bound */
    bool hesitates;        /* the client does not read at times */
};

struct session {
    struct fake_stream fake;
    struct timer_wheel *timers;
    struct websocket_set *set;
    struct websocket *websocket;
    struct outcome outcome;
    int64_t now_ns;
    bool is_held;
};

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct session *session = user;

    CHECK(!session->is_held);
    CHECK(size <= MESSAGE_MAX);
    add_message(&session->outcome, is_text, bytes, size);
    if (closes(is_text, bytes, size)) {
        websocket_close(session->websocket, OWN_CODE, NULL);
        return true;
    }
    session->is_held = size % 3 == 0;
    return !session->is_held;
}

static void on_close(void *user, enum websocket_end end, int code)
{
    struct session *session = user;

    CHECK(end != WEBSOCKET_END_NONE);
    CHECK(session->outcome.code == 0);
    session->outcome.code = code;
    session->websocket = NULL;
}

static void on_request(void *user, struct http_exchange *exchange)
{
    static const struct websocket_handlers handlers = {
        .on_message = on_message,
        .on_close = on_close,
    };
    struct session *session = user;

    CHECK(websocket_check(exchange) == 1);
    session->websocket = websocket_accept(session->set, exchange, NULL, &handlers, session);
    CHECK(session->websocket != NULL);
}

static void go_on(struct session *session)
{
    fake_stream_run(&session->fake);
    while (session->is_held && session->websocket != NULL) {
        session->is_held = false;
        websocket_resume(session->websocket);
        fake_stream_run(&session->fake);
    }
}

static void feed(struct session *session, const struct manner *manner, const uint8_t *data,
                 size_t size)
{
    struct reference_random random = manner->random;

    for (size_t at = 0; at < size;) {
        size_t bytes = size;

        if (manner->piece_bytes_max > 0)
            bytes = 1 + reference_random_below(&random, manner->piece_bytes_max);
        if (bytes > size - at)
            bytes = size - at;
        session->fake.is_stuck = manner->hesitates && reference_random_below(&random, 3) > 0;
        fake_stream_feed(&session->fake, data + at, bytes);
        go_on(session);
        if (session->now_ns + manner->piece_ns < TIME_MAX_NS)
            session->now_ns += manner->piece_ns;
        (void)timer_wheel_advance(session->timers, session->now_ns);
        go_on(session);
        at += bytes;
    }
    session->fake.is_stuck = false;
    go_on(session);
}

/* The frames that were sent. Nothing stands behind a close frame. */
static void read_sent(struct outcome *outcome, const uint8_t *at, size_t left)
{
    while (left > 0) {
        size_t size;

        CHECK(left >= 2);
        size = at[1];
        CHECK(size <= 125);
        CHECK(left >= 2 + size);
        CHECK(outcome->sent_code == 0);
        if (at[0] == 0x8A) {
            add_pong(outcome, at + 2, size);
        } else if (at[0] == 0x88) {
            CHECK(size != 1);
            if (size > 2)
                CHECK(reference_utf8_is_valid(at + 4, size - 2));
            outcome->sent_code = size == 0 ? WEBSOCKET_NO_STATUS : at[2] * 256 + at[3];
        } else {
            CHECK(at[0] == 0x89 && size == 0);
        }
        at += 2 + size;
        left -= 2 + size;
    }
}

static void run(struct outcome *ret, const struct manner *manner, const uint8_t *data, size_t size)
{
    static const struct http_handlers handlers = {.on_request = on_request};
    static const struct http_limits limits = {.head_bytes_max = 4096};
    const struct websocket_options options = {.message_bytes_max = MESSAGE_MAX,
                                              .ping_interval_ns = manner->ping_interval_ns,
                                              .ping_timeout_ns = 2 * SECOND,
                                              .is_deflate_offered = manner->terms != TERMS_PLAIN,
                                              .allows_takeover = manner->terms == TERMS_TAKEOVER,
                                              .contexts_bytes_max = INFLATER_BYTES_MAX,
                                              .input_budget = manner->budget};
    struct session session = {.is_held = false};
    struct http_server server = {.handlers = &handlers, .user = &session, .limits = &limits};
    size_t sent_bytes;
    const char *sent;

    CHECK(timer_wheel_open(0, &server.timers) == 0);
    session.timers = server.timers;
    CHECK(websocket_set_open(server.timers, &options, &session.set) == 0);
    fake_stream_init(&session.fake);
    CHECK(http1_serve(&server, &session.fake.stream) == 0);
    fake_stream_feed(&session.fake, HANDSHAKE, sizeof HANDSHAKE - 1);
    fake_stream_run(&session.fake);
    (void)fake_stream_take(&session.fake, NULL);
    feed(&session, manner, data, size);
    sent = fake_stream_take(&session.fake, &sent_bytes);
    *ret = session.outcome;
    read_sent(ret, (const uint8_t *)sent, sent_bytes);
    session.outcome = *ret;
    fake_stream_done(&session.fake);
    CHECK(session.websocket == NULL);
    websocket_set_close(session.set);
    timer_wheel_close(server.timers);
}

/* --- both --------------------------------------------------------------------------------------- */

static bool is_same(const struct text *a, const struct text *b)
{
    CHECK(text_is_whole(a) && text_is_whole(b));
    return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static void check(const struct outcome *wanted, const struct manner *manner, const uint8_t *data,
                  size_t size)
{
    struct outcome outcome;

    run(&outcome, manner, data, size);
    CHECK(is_same(&outcome.messages, &wanted->messages));
    if (!wanted->may_be_bad || outcome.code != WEBSOCKET_BAD_TEXT) {
        CHECK(outcome.sent_code == wanted->sent_code);
        CHECK(outcome.code == wanted->code);
    }
    /* Of many pings at once only some are answered, the newest among them. */
    if (wanted->pong_count <= PONGS_MAX)
        CHECK(is_same(&outcome.pongs, &wanted->pongs));
    else
        CHECK(outcome.pong_count >= 1 && outcome.pong_count <= wanted->pong_count);
    outcome_done(&outcome);
}

/* What has come of it as long as there was memory; then the peer is told to try later. */
static void check_poor(const struct outcome *wanted, const struct manner *manner,
                       const uint8_t *data, size_t size)
{
    struct outcome outcome;

    run(&outcome, manner, data, size);
    CHECK(manner->budget->used_bytes == 0);
    CHECK(outcome.messages.size <= wanted->messages.size);
    if (outcome.messages.size > 0 && wanted->messages.bytes != NULL)
        CHECK(memcmp(outcome.messages.bytes, wanted->messages.bytes, outcome.messages.size) == 0);
    if (outcome.code != WEBSOCKET_TRY_LATER) {
        CHECK(outcome.messages.size == wanted->messages.size);
        CHECK(outcome.code == wanted->code || wanted->may_be_bad);
        CHECK(outcome.sent_code == wanted->sent_code || wanted->may_be_bad);
    } else {
        CHECK(outcome.sent_code == WEBSOCKET_TRY_LATER || outcome.sent_code == OWN_CODE ||
              wanted->code == WEBSOCKET_TRY_LATER);
    }
    outcome_done(&outcome);
}

/* Returns whether there may be more to it with other terms. */
static bool try_terms(enum terms terms, const uint8_t *data, size_t size)
{
    struct reference_random random = reference_random_of(data, size);
    const struct manner together = {.terms = terms, .random = random};
    const struct manner byte_by_byte = {
        .terms = terms, .random = random, .piece_bytes_max = 1, .hesitates = true};
    struct manner in_pieces = {
        .terms = terms,
        .random = random,
        .piece_bytes_max = 2 + reference_random_below(&random, 1 + size / 2),
        .piece_ns = SECOND,
        .ping_interval_ns = 3 * SECOND,
    };
    struct budget budget = {.bytes_max = reference_random_below(&random, (size_t)2 * MESSAGE_MAX)};
    const struct manner poor = {
        .terms = terms, .random = random, .piece_bytes_max = 1024, .budget = &budget};
    struct model model;

    model_read(&model, terms, data, size);
    if (model.is_closing)
        in_pieces.piece_ns = 0; /* or the answer to our close might come too late */
    check(&model.outcome, &together, data, size);
    if (size <= SLOW_BYTES_MAX)
        check(&model.outcome, &byte_by_byte, data, size);
    check(&model.outcome, &in_pieces, data, size);
    check_poor(&model.outcome, &poor, data, size);
    outcome_done(&model.outcome);
    return model.has_seen_rsv1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum terms terms = TERMS_PLAIN; terms < TERMS_COUNT; terms++) {
        if (!try_terms(terms, data, size))
            break;
    }
    return 0;
}
