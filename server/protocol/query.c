#include "server/protocol/query.h"

#include <errno.h>
#include <string.h>

#include "server/protocol/put.h"
#include "server/topics/topics.h"

enum {
    WORD_BYTES_MAX = 32, /* the longest number, epoch or switch is shorter */
};

bool query_decimal(const char *text, size_t size, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (size == 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint64_t digit;

        if (text[i] < '0' || text[i] > '9')
            return false;
        digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

int query_text(struct http_text query, const char *name, char *buf, size_t buf_bytes,
               size_t *ret_size)
{
    struct http_text value;
    ptrdiff_t size;

    if (!http_query_get(query, name, &value))
        return 0;
    size = http_decode(value, buf, buf_bytes);
    if (size < 0)
        return -EINVAL;
    *ret_size = (size_t)size;
    return 1;
}

int query_uint64(struct http_text query, const char *name, uint64_t *ret_value)
{
    char word[WORD_BYTES_MAX];
    size_t size;
    int rc = query_text(query, name, word, sizeof word, &size);

    if (rc <= 0)
        return rc;
    return query_decimal(word, size, ret_value) ? 1 : -EINVAL;
}

int query_bool(struct http_text query, const char *name, bool *ret_value)
{
    char word[WORD_BYTES_MAX];
    size_t size;
    int rc = query_text(query, name, word, sizeof word, &size);

    if (rc <= 0)
        return rc;
    if (size == 4 && memcmp(word, "true", 4) == 0)
        *ret_value = true;
    else if (size == 5 && memcmp(word, "false", 5) == 0)
        *ret_value = false;
    else
        return -EINVAL;
    return 1;
}

const char *query_resume(struct http_text query, struct resume *ret_resume)
{
    char word[WORD_BYTES_MAX];
    size_t size;
    int rc;

    *ret_resume = (struct resume){0};
    rc = query_uint64(query, "since", &ret_resume->since);
    if (rc < 0)
        return "`since` must be an integer, 0 or more";
    ret_resume->has_since = rc > 0;

    rc = query_text(query, "epoch", word, sizeof word, &size);
    if (rc < 0 || (rc > 0 && !event_epoch_parse(word, size, &ret_resume->epoch)))
        return "`epoch` must be 16 hex digits";
    ret_resume->has_epoch = rc > 0;
    return NULL;
}

void query_event_id(struct http_text id, struct resume *ret_resume)
{
    *ret_resume = (struct resume){.has_since = true, .has_epoch = true};
    if (id.size > PUT_EPOCH_BYTES + 1 && id.bytes[PUT_EPOCH_BYTES] == '-' &&
        query_decimal(id.bytes + PUT_EPOCH_BYTES + 1, id.size - PUT_EPOCH_BYTES - 1,
                      &ret_resume->since) &&
        !event_epoch_parse(id.bytes, PUT_EPOCH_BYTES, &ret_resume->epoch))
        ret_resume->since = 0;
}
