/*
 * tools/sluice-bench/http.h - HTTP/1.1 publishing from the client's side, bytes only.
 *
 * Shape    POST /topics/{topic} over a connection kept alive, pipelined if the caller wishes;
 *          answers are read one at a time, of known length (Content-Length).
 * Callers  load.c writes requests, client.c reads answers. No socket here, and no state.
 */
#ifndef TOOLS_SLUICE_BENCH_HTTP_H
#define TOOLS_SLUICE_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/sluice-bench/buffer.h"

#define HTTP_ANSWER_BYTES_MAX 16384

struct http_target {
    const char *host;
    const char *topic;
    bool is_durable; /* answer when it is on disk */
};

enum http_result {
    HTTP_OK,
    HTTP_MORE,
    HTTP_BAD,
};

/* Appends a request with room for a body of @body_bytes; the caller fills it. */
int http_publish_extend(struct buffer *out, const struct http_target *target, size_t body_bytes,
                        char **ret_body);

/* Reads one whole answer; its status and length go to the last two. */
enum http_result http_answer_read(const char *data, size_t bytes, int *ret_status,
                                  size_t *ret_answer_bytes);

#endif
