#include "tools/sluicectl/run_dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/peek.h"

/* As server/heritage.c names it: in a directory of everybody's with the program's name in front. */
static bool ring_look(const char *dir, const char *prefix, uint64_t store_id,
                      uint64_t committed_seq, struct run_dir_ring *ret_ring)
{
    struct bus_peek peek;
    int length = snprintf(ret_ring->path, sizeof ret_ring->path, "%s/%s%016" PRIx64 ".ring", dir,
                          prefix, store_id);

    if (length < 0 || (size_t)length >= sizeof ret_ring->path ||
        bus_peek(ret_ring->path, store_id, &peek) != 0)
        return false;
    ret_ring->count = peek.last_seq > committed_seq ? peek.last_seq - committed_seq : 0;
    return true;
}

bool run_dir_find_ring(uint64_t store_id, uint64_t committed_seq, struct run_dir_ring *ret_ring)
{
    const char *const dirs[] = {getenv("SLUICE_RUN_DIR"), getenv("RUNTIME_DIRECTORY"),
                                "/run/sluice", "/dev/shm"};

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        if (dirs[i] == NULL || *dirs[i] == '\0')
            continue;
        if (ring_look(dirs[i], "", store_id, committed_seq, ret_ring) ||
            ring_look(dirs[i], "sluice-", store_id, committed_seq, ret_ring))
            return true;
    }
    return false;
}
