#include "server/websocket/deflate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bus/check.h"
#include "server/http/http.h"

enum {
    BITS_MIN = 8, /* in an offer */
    BITS_MAX = 15,
    NARROW_BITS = 9, /* the smallest that zlib can make */
    /*
     * Each message begins anew, and zlib then clears its hash table: 2^(level + 7) entries of two bytes.
     * 64 KiB of them cost 0.5 us, and of what is hard to compress halve the time: 128 KiB of random
     * base64 take 3.2 ms (JSON 1.6), with 8 KiB 6.7. A narrow window slides that table
     * every 512 bytes: there 8 KiB take 2.8 ms and 64 KiB 6.
     */
    MEMORY_LEVEL_WIDE = 8,
    MEMORY_LEVEL_NARROW = 5,
    /*
     * Of JSON of 1 / 16 / 128 KiB this leaves 49 / 29 / 26 % in 8 us / 80 us / 1.6 ms; level 1: 50 / 31 / 29 %
     * in 8 us / 55 us / 1.0 ms, level 6 saves another 2 % for two to three times as long.
     */
    LEVEL = 3,
    TAIL_BYTES = 4,
};

const uint8_t inflate_tail[TAIL_BYTES] = {0x00, 0x00, 0xFF, 0xFF};

/* --- terms ---------------------------------------------------------------------------------------- */

/* What an offer says (section 7.1). */
struct offer {
    bool has_server_no_takeover;
    bool has_client_no_takeover;
    bool has_server_bits;
    bool has_client_bits;
    unsigned server_bits;
};

/* 8 to 15 without a leading zero; 0: anything else. */
static unsigned window_bits(struct http_text value)
{
    unsigned bits = 0;

    if (value.size == 0 || value.size > 2 || value.bytes[0] == '0')
        return 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return 0;
        bits = bits * 10 + (unsigned)(value.bytes[i] - '0');
    }
    return bits >= BITS_MIN && bits <= BITS_MAX ? bits : 0;
}

/* False: it stands there twice, or has a value and must not have one. */
static bool take_flag(bool *flag, const struct http_parameter *parameter)
{
    bool is_good = !*flag && !parameter->has_value;

    *flag = true;
    return is_good;
}

static bool take_parameter(struct offer *offer, const struct http_parameter *parameter)
{
    bool is_repeated;

    if (http_text_equals(parameter->name, "server_no_context_takeover"))
        return take_flag(&offer->has_server_no_takeover, parameter);
    if (http_text_equals(parameter->name, "client_no_context_takeover"))
        return take_flag(&offer->has_client_no_takeover, parameter);
    if (http_text_equals(parameter->name, "server_max_window_bits")) {
        is_repeated = offer->has_server_bits;
        offer->has_server_bits = true;
        offer->server_bits = window_bits(parameter->value);
        return !is_repeated && offer->server_bits != 0;
    }
    if (http_text_equals(parameter->name, "client_max_window_bits")) {
        is_repeated = offer->has_client_bits;
        offer->has_client_bits = true;
        return !is_repeated && (!parameter->has_value || window_bits(parameter->value) != 0);
    }
    return false;
}

/* False: it is no offer of ours, or none that can be met. */
static bool read_offer(const struct http_element *element, struct offer *ret_offer)
{
    struct http_text rest = element->parameters;
    struct http_parameter parameter;

    if (!http_element_is(element, "permessage-deflate"))
        return false;
    *ret_offer = (struct offer){.server_bits = BITS_MAX};
    while (http_parameter_next(&rest, &parameter)) {
        if (!take_parameter(ret_offer, &parameter))
            return false;
    }
    return true;
}

static enum deflate_window window_of(unsigned bits)
{
    if (bits == BITS_MAX)
        return DEFLATE_WIDE;
    return bits >= NARROW_BITS ? DEFLATE_NARROW : DEFLATE_NONE;
}

static void agree(const struct offer *offer, bool allows_takeover, struct deflate_terms *ret_terms,
                  char answer[DEFLATE_ANSWER_BYTES_MAX])
{
    char bits[sizeof "; server_max_window_bits=15"] = "";
    int length;

    *ret_terms = (struct deflate_terms){
        .is_agreed = true,
        .keeps_context = allows_takeover && !offer->has_client_no_takeover,
        .window = window_of(offer->server_bits),
    };
    if (offer->has_server_bits)
        (void)snprintf(bits, sizeof bits, "; server_max_window_bits=%u", offer->server_bits % 100);
    length = snprintf(answer, DEFLATE_ANSWER_BYTES_MAX,
                      "permessage-deflate; server_no_context_takeover%s%s",
                      ret_terms->keeps_context ? "" : "; client_no_context_takeover", bits);
    CHECK(length > 0 && length < DEFLATE_ANSWER_BYTES_MAX);
}

bool deflate_negotiate(const struct http_request *request, bool allows_takeover,
                       struct deflate_terms *ret_terms, char answer[DEFLATE_ANSWER_BYTES_MAX])
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text list = request->headers[i].value;
        struct http_element element;
        struct offer offer;

        if (!http_text_equals(request->headers[i].name, "sec-websocket-extensions"))
            continue;
        while (http_element_next(&list, &element)) {
            if (read_offer(&element, &offer)) {
                agree(&offer, allows_takeover, ret_terms, answer);
                return true;
            }
        }
    }
    *ret_terms = (struct deflate_terms){0};
    return false;
}

/* --- counts ---------------------------------------------------------------------------------------- */

static struct deflate_counts counts;

const struct deflate_counts *deflate_counts(void)
{
    return &counts;
}

void deflate_note_client(bool has_agreed)
{
    counts.clients += has_agreed;
    counts.clients_opened += has_agreed;
}

void deflate_note_end(bool had_agreed)
{
    counts.clients -= had_agreed;
}

static void note_work(struct deflate_work *work, uint64_t bytes_in, uint64_t bytes_out)
{
    work->messages++;
    work->bytes_in += bytes_in;
    work->bytes_out += bytes_out;
}

void deflate_note_inflated(uint64_t bytes_in, uint64_t bytes_out)
{
    note_work(&counts.inflated, bytes_in, bytes_out);
}

/* --- out ------------------------------------------------------------------------------------------ */

static struct compressor {
    z_stream stream;
    bool is_open;
} compressors[DEFLATE_WIDE + 1];

/* Ready for a message; NULL: no memory. */
static z_stream *compressor_begin(enum deflate_window window)
{
    struct compressor *compressor = &compressors[window];
    bool is_wide = window == DEFLATE_WIDE;

    if (compressor->is_open)
        return deflateReset(&compressor->stream) == Z_OK ? &compressor->stream : NULL;
    compressor->stream = (z_stream){0};
    compressor->is_open =
        deflateInit2(&compressor->stream, LEVEL, Z_DEFLATED, is_wide ? -BITS_MAX : -NARROW_BITS,
                     is_wide ? MEMORY_LEVEL_WIDE : MEMORY_LEVEL_NARROW, Z_DEFAULT_STRATEGY) == Z_OK;
    return compressor->is_open ? &compressor->stream : NULL;
}

/* What the last message became. */
static uint8_t *output;
static size_t output_capacity;

static bool make_room(size_t bytes)
{
    uint8_t *grown;

    if (bytes <= output_capacity)
        return true;
    grown = realloc(output, bytes);
    if (grown == NULL)
        return false;
    output = grown;
    output_capacity = bytes;
    return true;
}

const uint8_t *deflate_message(enum deflate_window window, const void *text, size_t text_bytes,
                               size_t saved_bytes, size_t *ret_bytes)
{
    z_stream *stream;
    size_t bytes;

    if (window == DEFLATE_NONE || text_bytes < DEFLATE_BYTES_MIN ||
        text_bytes > DEFLATE_BYTES_MAX || saved_bytes >= text_bytes)
        return NULL;
    stream = compressor_begin(window);
    if (stream == NULL || !make_room(text_bytes + TAIL_BYTES + 1))
        return NULL;
    stream->next_in = (Bytef *)(uintptr_t)text; /* zlib only reads it */
    stream->avail_in = (uInt)text_bytes;
    stream->next_out = output;
    /* The flush has to be whole, and is when room is left: its last four bytes are not sent. */
    stream->avail_out = (uInt)(text_bytes - saved_bytes + TAIL_BYTES + 1);
    if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in > 0 || stream->avail_out == 0)
        return NULL;
    bytes = (size_t)(stream->next_out - output);
    CHECK(bytes >= TAIL_BYTES);
    *ret_bytes = bytes - TAIL_BYTES;
    note_work(&counts.compressed, text_bytes, *ret_bytes);
    return output;
}

void deflate_stored_head(uint8_t head[DEFLATE_STORED_HEAD_BYTES], uint16_t bytes)
{
    head[0] = 0;
    head[1] = (uint8_t)(bytes & 0xFF);
    head[2] = (uint8_t)(bytes >> 8);
    head[3] = (uint8_t)~head[1];
    head[4] = (uint8_t)~head[2];
}

/* --- in ------------------------------------------------------------------------------------------- */

struct inflater {
    z_stream stream;
    struct inflater *next; /* in the pool */
};

static struct inflater *pool;
static unsigned pool_count;

static void inflater_free(struct inflater *inflater)
{
    (void)inflateEnd(&inflater->stream); /* it is a whole one */
    free(inflater);
}

struct inflater *inflater_borrow(void)
{
    struct inflater *inflater = pool;

    if (inflater != NULL) {
        pool = inflater->next;
        pool_count--;
        inflater->next = NULL;
        return inflater;
    }
    inflater = calloc(1, sizeof *inflater);
    if (inflater == NULL)
        return NULL;
    /* The largest window there is: a smaller one that was agreed on is none the worse for it. */
    if (inflateInit2(&inflater->stream, -BITS_MAX) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void inflater_return(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    if (pool_count == INFLATER_POOL_MAX) {
        inflater_free(inflater);
        return;
    }
    inflater_forget(inflater);
    inflater->next = pool;
    pool = inflater;
    pool_count++;
}

void inflater_forget(struct inflater *inflater)
{
    CHECK(inflateReset(&inflater->stream) == Z_OK);
}

// NOLINTNEXTLINE(readability-function-size): input and output are a place and a length each
enum inflate_result inflater_run(struct inflater *inflater, const uint8_t **in, size_t *in_bytes,
                                 uint8_t *out, size_t out_bytes, size_t *ret_made)
{
    z_stream *stream = &inflater->stream;
    enum inflate_result result = INFLATE_MORE;

    CHECK(*in_bytes <= UINT32_MAX && out_bytes <= UINT32_MAX);
    stream->next_in = (Bytef *)(uintptr_t)*in; /* zlib only reads it */
    stream->avail_in = (uInt)*in_bytes;
    stream->next_out = out;
    stream->avail_out = (uInt)out_bytes;
    while (result == INFLATE_MORE) {
        int rc = inflate(stream, Z_SYNC_FLUSH);

        if (rc == Z_STREAM_END)
            inflater_forget(inflater); /* a last block; more may follow it (section 7.2.3.5) */
        else if (rc == Z_MEM_ERROR)
            result = INFLATE_NO_MEMORY;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            result = INFLATE_BAD;
        if (result != INFLATE_MORE || stream->avail_in == 0)
            break;
        if (stream->avail_out == 0)
            result = INFLATE_FULL;
    }
    if (result == INFLATE_MORE && stream->avail_out == 0)
        result = INFLATE_FULL;
    *in = stream->next_in;
    *in_bytes = stream->avail_in;
    *ret_made = out_bytes - stream->avail_out;
    return result;
}

bool inflater_is_between(const struct inflater *inflater)
{
    enum {
        BETWEEN_BLOCKS = 128, /* in data_type, as inflate() has left it: zlib.h */
    };

    return (inflater->stream.data_type & BETWEEN_BLOCKS) != 0;
}

void deflate_clear(void)
{
    while (pool != NULL) {
        struct inflater *inflater = pool;

        pool = inflater->next;
        inflater_free(inflater);
    }
    pool_count = 0;
    free(output);
    output = NULL;
    output_capacity = 0;
    for (size_t i = 0; i < sizeof compressors / sizeof compressors[0]; i++) {
        if (compressors[i].is_open)
            (void)deflateEnd(
                &compressors[i].stream); /* a message of it may be cut off: all is freed */
        compressors[i].is_open = false;
    }
}
