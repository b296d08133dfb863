#include "server/net/stream.h"

#include <errno.h>
#include <string.h>

#include "server/net/arena.h"

/* What stream_write copies to; its arenas are shared by all streams of the process. */
static struct arena_writer copies;

void stream_init(struct stream *stream, const struct stream_operations *operations)
{
    *stream = (struct stream){
        .operations = operations,
        .drained_bytes = STREAM_DRAINED_BYTES,
    };
    outq_init(&stream->out);
}

const struct stream_security *stream_security(const struct stream *stream)
{
    static const struct stream_security plain = {.alpn = ""};

    return stream->operations->security != NULL ? stream->operations->security(stream) : &plain;
}

const char *stream_transport(const struct stream *stream)
{
    bool is_secure = stream_security(stream)->is_secure;

    if (stream->operations->is_http2)
        return is_secure ? "h2" : "h2c";
    return is_secure ? "tls" : "plain";
}

bool stream_look(struct stream *stream, uint32_t taken_bytes)
{
    if (stream->is_finishing) {
        stream->looks++;
        return taken_bytes >= STREAM_FINISH_BYTES_MIN && stream->looks < STREAM_FINISH_LOOKS_MAX;
    }
    stream->looks = taken_bytes == 0 ? stream->looks + 1 : 0;
    return stream->looks < STREAM_STALLED_LOOKS;
}

void stream_tell_drained(struct stream *stream)
{
    stream->wants_drained = false;
    if (!stream->is_finishing && stream->handlers != NULL && stream->handlers->on_drained != NULL)
        stream->handlers->on_drained(stream->user);
}

/* --- output ------------------------------------------------------------------------------------- */

static bool is_open(const struct stream *stream)
{
    return !stream->is_sealed && !stream->is_finishing && !stream->is_closed;
}

/* Something has been queued, or could not be: half of what was to be said is worse than nothing. */
static void settle(struct stream *stream, int rc)
{
    if (rc != 0)
        stream_abort(stream);
    else
        stream_dirty(stream);
}

void stream_write(struct stream *stream, const void *bytes, size_t size)
{
    if (is_open(stream))
        settle(stream, outq_push_copy(&stream->out, &copies, bytes, size));
}

void stream_push(struct stream *stream, struct range range)
{
    if (is_open(stream))
        settle(stream, outq_push(&stream->out, range));
}

void stream_push_spliced(struct stream *stream, const struct range *pieces, unsigned piece_count,
                         struct range splice)
{
    if (is_open(stream))
        settle(stream, outq_push_spliced(&stream->out, pieces, piece_count, splice));
}

void stream_move(struct stream *stream, struct stream *from, size_t size)
{
    if (is_open(stream))
        settle(stream, outq_push_front_of(&stream->out, &from->out, size));
    outq_consume(&from->out, size);
}

static int push_joined(struct outq *queue, const void *head, size_t head_bytes,
                       const struct outq *from, size_t size)
{
    uint8_t *room = arena_writer_reserve(&copies, head_bytes + size);

    if (room == NULL)
        return -ENOMEM;
    memcpy(room, head, head_bytes);
    outq_copy_front_of(from, room + head_bytes, size);
    return outq_push(queue, arena_writer_commit(&copies, head_bytes + size));
}

void stream_move_copy(struct stream *stream, const void *head, size_t head_bytes,
                      struct stream *from, size_t size)
{
    if (is_open(stream))
        settle(stream, push_joined(&stream->out, head, head_bytes, &from->out, size));
    outq_consume(&from->out, size);
}

void stream_copies_clear(void)
{
    arena_writer_done(&copies);
}
