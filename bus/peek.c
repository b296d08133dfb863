#include "bus/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bus/layout.h"

enum {
    ATTEMPTS_MAX = 100,
};

/* As struct bus_header has them, but for a copy that nobody shares. */
struct state {
    uint64_t tail;
    uint64_t next_seq;
    int64_t time_ns;
};

struct states {
    uint64_t count;
    struct state states[2];
};

static_assert(sizeof(struct states) == sizeof(uint64_t) + 2 * sizeof(struct bus_state),
              "both have no padding");

static int states_read(int fd, struct states *ret_states)
{
    ssize_t got =
        pread(fd, ret_states, sizeof *ret_states, (off_t)offsetof(struct bus_header, state_count));

    if (got < 0)
        return -errno;
    return got == (ssize_t)sizeof *ret_states ? 0 : -EINVAL;
}

/* One state that was in force: the counter, which names it, was the same before and after. */
static int state_read(int fd, struct state *ret_state)
{
    struct states before;
    struct states after;
    int rc = states_read(fd, &before);

    for (int i = 0; rc == 0 && i < ATTEMPTS_MAX; i++) {
        rc = states_read(fd, &after);
        if (rc == 0 && before.count == after.count) {
            *ret_state = after.states[after.count & 1];
            return 0;
        }
        before = after;
    }
    return rc != 0 ? rc : -EAGAIN;
}

int bus_peek(const char *path, uint64_t store_id, struct bus_peek *ret_peek)
{
    struct bus_identity identity;
    struct state state = {.next_seq = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;
    int rc;

    if (fd < 0)
        return -errno;
    got = pread(fd, &identity, sizeof identity, 0);
    rc = got < 0 ? -errno : 0;
    if (rc == 0 && (got != (ssize_t)sizeof identity ||
                    memcmp(identity.magic, BUS_MAGIC, sizeof identity.magic) != 0 ||
                    identity.layout_version != BUS_LAYOUT_VERSION || identity.store_id != store_id))
        rc = -EINVAL;
    if (rc == 0)
        rc = state_read(fd, &state);
    (void)close(fd); /* only read */
    if (rc != 0)
        return rc;
    ret_peek->epoch = atomic_load_explicit(&identity.epoch, memory_order_relaxed);
    ret_peek->last_seq = state.next_seq > 0 ? state.next_seq - 1 : 0;
    return 0;
}
