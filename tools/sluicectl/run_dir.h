/*
 * tools/sluicectl/run_dir.h - the ring that a server has left, where servers usually have theirs.
 *
 * $SLUICE_RUN_DIR, $RUNTIME_DIRECTORY, /run/sluice and /dev/shm: a ring has its store's number in its
 * name, so that it is taken for no other's.
 */
#ifndef TOOLS_SLUICECTL_RUN_DIR_H
#define TOOLS_SLUICECTL_RUN_DIR_H

#include <stdbool.h>
#include <stdint.h>

struct run_dir_ring {
    char path[4096];
    uint64_t count; /* of its operations that are not in the store */
};

/* Of the store with this number, up to @committed_seq. False: there is none, or it cannot be read. */
bool run_dir_find_ring(uint64_t store_id, uint64_t committed_seq, struct run_dir_ring *ret_ring);

#endif
