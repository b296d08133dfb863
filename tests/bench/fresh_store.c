#include "tests/bench/fresh_store.h"

#include <errno.h>

#include "bus/role.h"

int fresh_store_open(const char *dir, struct store **ret_store, struct store_meta *ret_meta)
{
    const struct store_options options = {.data_dir = dir, .is_writer = true};
    uint64_t store_id;
    int rc;

    role_set(ROLE_WRITER);
    rc = store_identify(dir, &store_id);
    if (rc == 0)
        rc = store_open(&options, ret_store);
    if (rc == 0)
        rc = store_snapshot_begin(*ret_store, 0);
    if (rc != 0)
        return rc;
    *ret_meta = *store_snapshot_meta(*ret_store);
    store_snapshot_end(*ret_store);
    return ret_meta->committed_seq == 0 ? 0 : -EEXIST;
}
