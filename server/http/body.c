#include "server/http/body.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/head.h"
#include "server/json/json.h"
#include "server/net/budget.h"

enum {
    CAPACITY_MIN = 256,
    SIZE_DIGITS_MAX = 15, /* what fits into 60 bits */
};

enum state {
    STATE_LENGTH, /* of a body with Content-Length */
    STATE_OPEN,
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER_BEGIN,
    STATE_TRAILER_NAME,
    STATE_TRAILER,
    STATE_TRAILER_LF,
    STATE_LAST_LF,
    STATE_DONE,
};

void body_begin_length(struct body *body, uint64_t content_length, const struct body_limits *limits)
{
    *body = (struct body){
        .limits = *limits,
        .left = content_length,
        .state = content_length > 0 ? STATE_LENGTH : STATE_DONE,
    };
}

void body_begin_chunked(struct body *body, const struct body_limits *limits)
{
    *body = (struct body){.limits = *limits, .state = STATE_SIZE};
}

void body_begin_open(struct body *body, const struct body_limits *limits)
{
    *body = (struct body){.limits = *limits, .state = STATE_OPEN};
}

void body_done(struct body *body)
{
    budget_give(body->limits.budget, body->charged_bytes);
    free(body->bytes);
    *body = (struct body){0};
}

static bool make_room(struct body *body, size_t bytes)
{
    size_t needed = body->size + bytes;
    size_t capacity = body->capacity > 0 ? body->capacity : CAPACITY_MIN;
    uint8_t *grown;

    if (needed <= body->capacity)
        return true;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > body->limits.bytes_max)
        capacity = body->limits.bytes_max; /* needed is not more than that */
    grown = realloc(body->bytes, capacity);
    if (grown == NULL)
        return false;
    body->bytes = grown;
    body->capacity = capacity;
    return true;
}

/* What goes on waiting does so at the budget's expense. */
static bool charge(struct body *body)
{
    size_t bytes = budget_charge(body->capacity + body->limits.beside_bytes);

    if (bytes <= body->charged_bytes)
        return true;
    if (!budget_take(body->limits.budget, bytes - body->charged_bytes))
        return false;
    body->charged_bytes = bytes;
    return true;
}

/* Takes up to `left` bytes of data. */
static enum body_result take_data(struct body *body, const uint8_t *bytes, size_t size,
                                  size_t *ret_taken)
{
    size_t taken = body->left < size ? (size_t)body->left : size;

    if (body->left > body->limits.bytes_max - body->size)
        return BODY_TOO_LARGE;
    if (!make_room(body, taken))
        return BODY_NO_MEMORY;
    memcpy(body->bytes + body->size, bytes, taken);
    body->size += taken;
    body->left -= taken;
    *ret_taken = taken;
    return BODY_MORE;
}

/* A byte of the chunk size's line; -1: malformed. Otherwise the next state. */
static int step_size(struct body *body, uint8_t c)
{
    int digit = json_hex_digit(c);

    if (digit >= 0) {
        if (body->digits == SIZE_DIGITS_MAX)
            return -1;
        body->digits++;
        body->left = body->left << 4 | (uint64_t)digit;
        return STATE_SIZE;
    }
    if (body->digits == 0)
        return -1;
    if (c == ';')
        return STATE_EXTENSION;
    return c == '\r' ? STATE_SIZE_LF : -1;
}

/* A byte of an extension or a trailer line, which are not kept. */
static int step_line(struct body *body, uint8_t c, int state, int state_at_end)
{
    if (++body->line_bytes > BODY_LINES_MAX)
        return -1;
    if (c == '\r')
        return state_at_end;
    return (c < ' ' && c != '\t') || c == 0x7F ? -1 : state;
}

/* The name of a trailer, up to its colon: what is no field line might be somebody's request. */
static int step_trailer_name(struct body *body, uint8_t c)
{
    if (c == ':')
        return body->state == STATE_TRAILER_NAME ? step_line(body, c, STATE_TRAILER, -1) : -1;
    if (!head_is_token_char((char)c))
        return -1; /* a folded line, no colon, or a blank before it */
    return step_line(body, c, STATE_TRAILER_NAME, -1);
}

static int expect(uint8_t c, uint8_t wanted, int state)
{
    return c == wanted ? state : -1;
}

/* One byte outside the data. */
static int step(struct body *body, uint8_t c)
{
    switch ((enum state)body->state) {
    case STATE_SIZE:
        return step_size(body, c);
    case STATE_EXTENSION:
        return step_line(body, c, STATE_EXTENSION, STATE_SIZE_LF);
    case STATE_SIZE_LF:
        return expect(c, '\n', body->left > 0 ? STATE_DATA : STATE_TRAILER_BEGIN);
    case STATE_DATA_CR:
        return expect(c, '\r', STATE_DATA_LF);
    case STATE_DATA_LF:
        body->digits = 0;
        return expect(c, '\n', STATE_SIZE);
    case STATE_TRAILER_BEGIN:
        return c == '\r' ? STATE_LAST_LF : step_trailer_name(body, c);
    case STATE_TRAILER_NAME:
        return step_trailer_name(body, c);
    case STATE_TRAILER:
        return step_line(body, c, STATE_TRAILER, STATE_TRAILER_LF);
    case STATE_TRAILER_LF:
        return expect(c, '\n', STATE_TRAILER_BEGIN);
    case STATE_LAST_LF:
        return expect(c, '\n', STATE_DONE);
    case STATE_LENGTH:
    case STATE_OPEN:
    case STATE_DATA:
    case STATE_DONE:
    default:
        return -1; /* not reached: body_feed sees to these */
    }
}

enum body_result body_feed(struct body *body, const uint8_t *bytes, size_t size,
                           size_t *ret_consumed)
{
    enum body_result result = BODY_MORE;
    size_t used = 0;

    if (body->state == STATE_LENGTH && body->left > body->limits.bytes_max - body->size)
        result = BODY_TOO_LARGE;
    if (body->state == STATE_OPEN) {
        body->left = size;
        if (size > 0)
            result = take_data(body, bytes, size, &used);
    }
    while (used < size && body->state != STATE_DONE && result == BODY_MORE) {
        size_t taken = 1;

        if (body->state == STATE_LENGTH || body->state == STATE_DATA) {
            result = take_data(body, bytes + used, size - used, &taken);
            if (result == BODY_MORE && body->left == 0)
                body->state = body->state == STATE_DATA ? STATE_DATA_CR : STATE_DONE;
        } else {
            int next = step(body, bytes[used]);

            if (next < 0)
                result = BODY_BAD;
            else
                body->state = (uint8_t)next;
            if (next == STATE_DATA && body->left > body->limits.bytes_max - body->size)
                result = BODY_TOO_LARGE;
        }
        used += taken;
    }
    *ret_consumed = used;
    if (result != BODY_MORE)
        return result;
    if (body->state == STATE_DONE)
        return BODY_DONE;
    return charge(body) ? BODY_MORE : BODY_NO_MEMORY;
}
