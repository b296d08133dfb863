/*
 * tools/sluicectl/sse.h - an event stream's bytes, as they come, into events (HTML Living Standard,
 * 9.2.6 "Interpreting an event stream").
 *
 * Callers  sse_feed with whatever arrived; on_event is called from within it, once for each block that
 *          has ended. A block that its connection's end cut short never counts: sse_reset.
 * Memory   The caller embeds the struct; sse_init, sse_done. What on_event gets is valid during it.
 * Errors   sse_feed: 0, -ENOMEM, -EMSGSIZE (a block longer than SSE_BLOCK_BYTES_MAX), or what on_event
 *          returned, if that was not 0.
 */
#ifndef TOOLS_SLUICECTL_SSE_H
#define TOOLS_SLUICECTL_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/sluice-bench/buffer.h"

#define SSE_BLOCK_BYTES_MAX (512u << 20)
#define SSE_NAME_BYTES      32 /* longer names are cut: none that we know is */
#define SSE_ID_BYTES        64 /* longer ids are ignored: none of ours is */

struct sse_event {
    const char *name; /* "message" unless the block has one */
    const char *id;   /* the newest so far; "" */
    const char *data; /* without the last line break; not '\0'-terminated */
    size_t data_bytes;
    bool has_data; /* false: the block only had an id */
};

typedef int sse_function(void *user, const struct sse_event *event);

struct sse {
    sse_function *on_event;
    void *user;
    struct buffer line;
    struct buffer data;
    char name[SSE_NAME_BYTES];
    char id[SSE_ID_BYTES];     /* of the last block that has ended */
    char new_id[SSE_ID_BYTES]; /* of this block */
    bool has_name;
    bool has_id;      /* in this block */
    bool is_begun;    /* past a byte order mark */
    bool is_after_cr; /* a line feed belongs to it */
};

void sse_init(struct sse *sse, sse_function *on_event, void *user);
void sse_done(struct sse *sse);
/* A new connection: what was half there is forgotten, the id stays. */
void sse_reset(struct sse *sse);
int sse_feed(struct sse *sse, const char *bytes, size_t size);

#endif
