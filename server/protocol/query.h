/*
 * server/protocol/query.h - values behind the `?` of a request, and of Last-Event-ID.
 *
 * Errors   0: absent, 1: read, -EINVAL: there, but not what it should be.
 */
#ifndef SERVER_PROTOCOL_QUERY_H
#define SERVER_PROTOCOL_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/http.h"

struct resume;

/* Decimal digits, up to UINT64_MAX. */
int query_uint64(struct http_text query, const char *name, uint64_t *ret_value);
/* `true` or `false`. */
int query_bool(struct http_text query, const char *name, bool *ret_value);
/* Percent-decoded text; its length in *ret_size. */
int query_text(struct http_text query, const char *name, char *buf, size_t buf_bytes,
               size_t *ret_size);
/* `since` and `epoch`. NULL when they are absent or good, else what is wrong, in words. */
const char *query_resume(struct http_text query, struct resume *ret_resume);
/*
 * The value of Last-Event-ID, `EPOCH-SEQ`. What is no id of ours was given by another server: its
 * holder is told of a gap, as one with an epoch that we do not know (0); an error would stop
 * EventSource for good.
 */
void query_event_id(struct http_text id, struct resume *ret_resume);

/* Decimal digits and nothing else. */
bool query_decimal(const char *text, size_t size, uint64_t *ret_value);

#endif
