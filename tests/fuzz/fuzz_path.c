/*
 * Request targets and resume tokens: the input is taken for a target, for a query, for a topic's
 * name and for a Last-Event-ID, and each is held against a plain reading:
 *
 *   target    path and query are pieces of it, and nothing else is in it;
 *   decoding  by hand gives the same bytes or the same refusal, whatever the room;
 *   query     the first parameter of a name, and its value as number, switch or text;
 *   topic     as PROTOCOLS section 1 says, character by character; whatever is a topic can be
 *             asked for by its percent-encoded path;
 *   token     EPOCH-SEQ, or an unknown position.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "server/http/head.h"
#include "server/http/http.h"
#include "server/protocol/broker_message.h"
#include "server/protocol/query.h"
#include "server/topics/topics.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"

static bool is_same(struct http_text text, const char *bytes, size_t size)
{
    return text.size == size && (size == 0 || memcmp(text.bytes, bytes, size) == 0);
}

/* --- percent-encoding --------------------------------------------------------------------------- */

/* 0 to 15; -1: none. */
static int digit_of(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)((at - digits) % 16);
}

/* Into @out, as large as @text. -1: a bad `%` or bad UTF-8. */
static ptrdiff_t plain_decode(struct http_text text, char *out)
{
    size_t used = 0;
    size_t at = 0;

    while (at < text.size) {
        if (text.bytes[at] != '%') {
            out[used++] = text.bytes[at++];
            continue;
        }
        if (text.size - at < 3 || digit_of(text.bytes[at + 1]) < 0 ||
            digit_of(text.bytes[at + 2]) < 0)
            return -1;
        out[used++] = (char)(digit_of(text.bytes[at + 1]) * 16 + digit_of(text.bytes[at + 2]));
        at += 3;
    }
    return reference_utf8_is_valid(out, used) ? (ptrdiff_t)used : -1;
}

static void check_decode(struct http_text text)
{
    char *wanted = malloc(text.size + 1);
    char *out = malloc(text.size + 1);
    ptrdiff_t wanted_size;
    ptrdiff_t size;

    CHECK(wanted != NULL && out != NULL);
    wanted_size = plain_decode(text, wanted);
    size = http_decode(text, out, text.size);
    CHECK(size == (wanted_size < 0 ? -EILSEQ : wanted_size));
    if (size > 0) {
        char *exact = malloc((size_t)size);

        CHECK(exact != NULL);
        CHECK(memcmp(out, wanted, (size_t)size) == 0);
        CHECK(http_decode(text, exact, (size_t)size) == size);
        CHECK(http_decode(text, exact, (size_t)size - 1) == -ENOBUFS);
        free(exact);
    }
    free(out);
    free(wanted);
}

/* --- topics ------------------------------------------------------------------------------------- */

/* Valid UTF-8's character at *at, which is moved behind it. */
static unsigned next_character(const char *bytes, size_t *at)
{
    unsigned first = (uint8_t)bytes[(*at)++];
    unsigned left = first < 0xC0 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    unsigned character = left == 0 ? first : first & (0x3FU >> left);

    while (left-- > 0)
        character = character << 6 | ((uint8_t)bytes[(*at)++] & 0x3FU);
    return character;
}

static bool plain_is_topic(const char *name, size_t size)
{
    size_t at = 0;

    if (size < 1 || size > 255 || name[0] == '$' || !reference_utf8_is_valid(name, size))
        return false;
    while (at < size) {
        unsigned character = next_character(name, &at);

        if (character < 0x20 || (character >= 0x7F && character <= 0x9F))
            return false;
    }
    return true;
}

static void check_topic(const char *name, size_t size)
{
    char decoded[RECORD_TOPIC_BYTES_MAX];
    char path[3 * RECORD_TOPIC_BYTES_MAX + 1];
    bool is_topic = plain_is_topic(name, size);

    CHECK(topic_name_is_valid(name, size) == is_topic);
    if (!is_topic)
        return;
    for (size_t i = 0; i < size; i++)
        (void)snprintf(path + 3 * i, 4, "%%%02x", (unsigned)(uint8_t)name[i]);
    CHECK(http_decode((struct http_text){path, 3 * size}, decoded, sizeof decoded) ==
          (ptrdiff_t)size);
    CHECK(memcmp(decoded, name, size) == 0);
}

/* --- queries ------------------------------------------------------------------------------------ */

/* The raw value of the first parameter of that name; false: there is none. */
static bool plain_get(struct http_text query, const char *name, struct http_text *ret)
{
    size_t begin = 0;

    while (begin < query.size) {
        size_t end = begin;
        size_t equals;

        while (end < query.size && query.bytes[end] != '&')
            end++;
        equals = begin;
        while (equals < end && query.bytes[equals] != '=')
            equals++;
        if (is_same((struct http_text){query.bytes + begin, equals - begin}, name, strlen(name))) {
            size_t value = equals < end ? equals + 1 : end;

            *ret = (struct http_text){query.bytes + value, end - value};
            return true;
        }
        begin = end + 1;
    }
    return false;
}

/* Decimal digits that fit into 64 bits. */
static bool plain_number(const char *text, size_t size, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(text[i] - '0'), ret))
            return false;
    }
    return size > 0;
}

static void check_values(struct http_text query, const char *name)
{
    char *decoded = malloc(query.size + 1);
    struct http_text wanted = {0};
    struct http_text value = {0};
    bool is_there = plain_get(query, name, &wanted);
    uint64_t wanted_number;
    uint64_t number = 0;
    bool is_true = false;
    ptrdiff_t size = -1;
    int rc;

    CHECK(decoded != NULL);
    CHECK(http_query_get(query, name, &value) == is_there);
    if (is_there) {
        CHECK(value.bytes == wanted.bytes && value.size == wanted.size);
        size = plain_decode(value, decoded);
    }
    if (size > 32)
        size = -1; /* longer than any number or word */
    rc = query_uint64(query, name, &number);
    if (!is_there)
        CHECK(rc == 0);
    else if (size >= 0 && plain_number(decoded, (size_t)size, &wanted_number))
        CHECK(rc == 1 && number == wanted_number);
    else
        CHECK(rc == -EINVAL);
    rc = query_bool(query, name, &is_true);
    if (size == 4 && memcmp(decoded, "true", 4) == 0)
        CHECK(rc == 1 && is_true);
    else if (size == 5 && memcmp(decoded, "false", 5) == 0)
        CHECK(rc == 1 && !is_true);
    else
        CHECK(rc == (is_there ? -EINVAL : 0));
    free(decoded);
}

/* --- resume tokens ------------------------------------------------------------------------------ */

static bool plain_epoch(const char *text, size_t size, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < size; i++) {
        if (digit_of(text[i]) < 0)
            return false;
        *ret = *ret * 16 + (uint64_t)digit_of(text[i]);
    }
    return size == 16;
}

static void check_resume(struct http_text query)
{
    struct http_text since;
    struct http_text epoch;
    struct resume resume;
    const char *reason = query_resume(query, &resume);
    uint64_t number = 0;
    char digits[16];

    if (reason != NULL)
        return; /* check_values says when that is due */
    CHECK(resume.has_since == plain_get(query, "since", &since));
    CHECK(resume.has_epoch == plain_get(query, "epoch", &epoch));
    if (resume.has_since)
        CHECK(query_uint64(query, "since", &number) == 1);
    CHECK(resume.since == number);
    if (resume.has_epoch) {
        CHECK(http_decode(epoch, digits, sizeof digits) == sizeof digits);
        CHECK(plain_epoch(digits, sizeof digits, &number));
        CHECK(resume.epoch == number);
    }
}

static void check_event_id(struct http_text id)
{
    uint64_t epoch = 0;
    uint64_t seq = 0;
    struct resume resume;

    if (id.size < 18 || id.bytes[16] != '-' || !plain_epoch(id.bytes, 16, &epoch) ||
        !plain_number(id.bytes + 17, id.size - 17, &seq)) {
        epoch = 0;
        seq = 0;
    }
    query_event_id(id, &resume);
    CHECK(resume.has_since && resume.has_epoch);
    CHECK(resume.epoch == epoch);
    CHECK(resume.since == seq);
}

/* --- targets ------------------------------------------------------------------------------------ */

static void check_query(struct http_text query)
{
    check_values(query, "since");
    check_values(query, "limit");
    check_values(query, "durable");
    check_resume(query);
}

/* The piece of the target behind @piece; NULL: it is no piece of it. */
static const char *behind(struct http_text target, struct http_text piece)
{
    if (piece.bytes < target.bytes || piece.bytes + piece.size > target.bytes + target.size)
        return NULL;
    return piece.bytes + piece.size;
}

/* The query ends the target; a path that is left out stands for a slash. */
static void check_pieces(struct http_text target, const struct head_target *split)
{
    const char *end = target.bytes + target.size;
    const char *path_end = behind(target, split->path);

    if (split->query.size > 0) {
        CHECK(behind(target, split->query) == end);
        CHECK(split->query.bytes[-1] == '?');
        CHECK(path_end == split->query.bytes - 1 || is_same(split->path, "/", 1));
    } else {
        CHECK(path_end == end || path_end == end - 1 || is_same(split->path, "/", 1));
    }
    if (split->authority.size == 0) {
        CHECK(split->path.bytes == target.bytes);
        CHECK(!split->is_https);
        return;
    }
    CHECK(behind(target, split->authority) != NULL);
    CHECK(memcmp(split->authority.bytes - 3, "://", 3) == 0);
    CHECK(split->authority.bytes - target.bytes == (split->is_https ? 8 : 7));
}

static void check_target(struct http_text target)
{
    struct head_target split;

    if (!head_split_target(target, &split)) {
        /* What begins with a slash is always one. */
        CHECK(target.size == 0 || target.bytes[0] != '/');
        return;
    }
    CHECK(is_same(split.path, "*", 1) || (split.path.size > 0 && split.path.bytes[0] == '/'));
    CHECK(memchr(split.path.bytes, '?', split.path.size) == NULL);
    CHECK(split.authority.size > 0 || target.bytes[0] == '/' || is_same(target, "*", 1));
    check_pieces(target, &split);
    check_decode(split.path);
    check_query(split.query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size > 0 ? size : 1); /* of the exact size, for ASan's sake */
    const struct http_text text = {bytes, size};
    char decoded[RECORD_TOPIC_BYTES_MAX];
    ptrdiff_t topic_bytes;

    CHECK(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    check_target(text);
    check_decode(text);
    check_query(text);
    check_event_id(text);
    check_topic(bytes, size);
    topic_bytes = http_decode(text, decoded, sizeof decoded);
    if (topic_bytes >= 0)
        check_topic(decoded, (size_t)topic_bytes);
    free(bytes);
    return 0;
}
