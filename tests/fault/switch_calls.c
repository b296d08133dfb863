#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "bus/ring.h"
#include "store/commit.h"
#include "store/log.h"
#include "tests/fault/switch_calls.h"

static struct {
    void (*between)(void *user, enum switch_call call);
    void *user;
    pid_t pid; /* whose calls: not those of a writer forked later */
    bool is_inside;
    uint32_t page_bytes;
    bool are_commits_small;
    struct switch_held held;
} calls;

void switch_calls_set(void (*between)(void *user, enum switch_call call), void *user)
{
    calls.between = between;
    calls.user = user;
    calls.pid = getpid();
}

void switch_calls_set_page(uint32_t bytes, bool are_commits_small)
{
    calls.page_bytes = bytes;
    calls.are_commits_small = are_commits_small;
}

struct switch_held switch_calls_held(void)
{
    return calls.held;
}

static void meddle(enum switch_call call)
{
    if (calls.between == NULL || calls.is_inside || calls.pid != getpid())
        return;
    calls.is_inside = true;
    calls.between(calls.user, call);
    calls.is_inside = false;
}

/* --- in place of the product's -------------------------------------------------------------------- */

struct ring_position __real_ring_tail(const struct bus *bus);
struct ring_position __wrap_ring_tail(const struct bus *bus);
struct ring_position __real_ring_committed(const struct bus *bus);
struct ring_position __wrap_ring_committed(const struct bus *bus);
ptrdiff_t __real_ring_read(const struct bus *bus, uint64_t *pos, uint64_t limit_pos, void *buf,
                           size_t buf_bytes, size_t *ret_needed);
ptrdiff_t __wrap_ring_read(const struct bus *bus, uint64_t *pos, uint64_t limit_pos, void *buf,
                           size_t buf_bytes, size_t *ret_needed);
int __real_store_snapshot_begin(struct store *store, uint64_t committed_seq);
int __wrap_store_snapshot_begin(struct store *store, uint64_t committed_seq);
int __real_log_block_at(struct store *store, uint64_t seq, struct block *ret_block);
int __wrap_log_block_at(struct store *store, uint64_t seq, struct block *ret_block);
int __real_log_topic_info(struct store *store, const char *topic, size_t topic_bytes,
                          struct log_topic *ret_topic);
int __wrap_log_topic_info(struct store *store, const char *topic, size_t topic_bytes,
                          struct log_topic *ret_topic);

struct ring_position __wrap_ring_tail(const struct bus *bus)
{
    struct ring_position tail;

    meddle(SWITCH_CALL_TAIL);
    tail = __real_ring_tail(bus);
    meddle(SWITCH_CALL_TAIL);
    return tail;
}

struct ring_position __wrap_ring_committed(const struct bus *bus)
{
    struct ring_position committed;

    meddle(SWITCH_CALL_COMMITTED);
    committed = __real_ring_committed(bus);
    meddle(SWITCH_CALL_COMMITTED);
    return committed;
}

// NOLINTNEXTLINE(readability-function-size): as many as the product's
ptrdiff_t __wrap_ring_read(const struct bus *bus, uint64_t *pos, uint64_t limit_pos, void *buf,
                           size_t buf_bytes, size_t *ret_needed)
{
    bool is_writers = buf_bytes == COMMIT_BYTES_MAX;
    bool is_small = calls.page_bytes != 0 && calls.page_bytes < buf_bytes &&
                    (!is_writers || calls.are_commits_small);
    size_t bytes = is_small ? calls.page_bytes : buf_bytes;
    uint64_t from = *pos;
    ptrdiff_t read;

    meddle(SWITCH_CALL_READ);
    read = __real_ring_read(bus, pos, limit_pos, buf, bytes, ret_needed);
    if (read == -EMSGSIZE && *ret_needed <= buf_bytes)
        read = __real_ring_read(bus, pos, limit_pos, buf, *ret_needed, ret_needed);
    if (read > 0)
        calls.held = (struct switch_held){.is_of_ring = true, .from = from, .to = *pos};
    meddle(SWITCH_CALL_READ);
    return read;
}

int __wrap_store_snapshot_begin(struct store *store, uint64_t committed_seq)
{
    int rc;

    meddle(SWITCH_CALL_SNAPSHOT);
    rc = __real_store_snapshot_begin(store, committed_seq);
    meddle(SWITCH_CALL_SNAPSHOT);
    return rc;
}

int __wrap_log_block_at(struct store *store, uint64_t seq, struct block *ret_block)
{
    int rc = __real_log_block_at(store, seq, ret_block);

    if (rc == 0)
        calls.held =
            (struct switch_held){.from = ret_block->head.first_seq, .to = ret_block->head.last_seq};
    return rc;
}

int __wrap_log_topic_info(struct store *store, const char *topic, size_t topic_bytes,
                          struct log_topic *ret_topic)
{
    int rc;

    meddle(SWITCH_CALL_TOPIC);
    rc = __real_log_topic_info(store, topic, topic_bytes, ret_topic);
    meddle(SWITCH_CALL_TOPIC);
    return rc;
}
