/*
 * bus/peek.h - how far the ring of a store reaches, read from its file from outside.
 *
 * Nothing is mapped, locked or changed: a server may have the ring, or start with it meanwhile.
 * Callers  tools.
 */
#ifndef BUS_PEEK_H
#define BUS_PEEK_H

#include <stdint.h>

struct bus_peek {
    uint64_t epoch;
    uint64_t last_seq; /* of the newest operation that was appended; 0: none ever */
};

/*
 * 0;  -ENOENT  there is no such file;  -EINVAL  it is no ring of this store, or of another version;
 * -EAGAIN  it is being written too fast to be read;  -errno.
 */
int bus_peek(const char *path, uint64_t store_id, struct bus_peek *ret_peek);

#endif
