#include "bus/hash_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/layout.h"
#include "bus/shm.h"

/* W: the slot's owner (master: clears). An entry whose count is 0 may be given to another name. */
struct entry {
    _Atomic uint64_t hash;  /* 0: never used. O: release, before the new name's first count */
    _Atomic uint64_t count; /* O: acquire / release */
};

struct hash_counts {
    struct entry *entries; /* shared; [BUS_SLOT_COUNT][HASH_COUNTS_ENTRIES] */
};

static const size_t TABLE_BYTES = HASH_COUNTS_ENTRIES * sizeof(struct entry);

static_assert(sizeof(struct entry) == 16, "256 to a page");
static_assert((HASH_COUNTS_ENTRIES & (HASH_COUNTS_ENTRIES - 1)) == 0, "a hash is masked");

/* 0 stands for "never used". */
static uint64_t hash_or_one(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

static struct entry *table_at(const struct hash_counts *counts, unsigned slot)
{
    CHECK(slot < BUS_SLOT_COUNT);
    return counts->entries + (size_t)slot * HASH_COUNTS_ENTRIES;
}

static struct entry *probe(struct entry *table, uint64_t hash, unsigned step)
{
    return &table[(hash + step) & (HASH_COUNTS_ENTRIES - 1)];
}

int hash_counts_open(const char *name, struct hash_counts **ret_counts)
{
    const size_t bytes = BUS_SLOT_COUNT * TABLE_BYTES;
    struct hash_counts *counts = calloc(1, sizeof *counts);
    void *map = MAP_FAILED;
    int fd = -1;
    int rc = -ENOMEM;

    if (counts == NULL)
        return rc;
    fd = memfd_create(name, MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
        map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED)
        rc = -errno;
    if (fd >= 0)
        (void)close(fd); /* the mapping keeps the file */
    if (map == MAP_FAILED) {
        free(counts);
        return rc;
    }
    counts->entries = map;
    *ret_counts = counts;
    return 0;
}

void hash_counts_close(struct hash_counts *counts)
{
    if (counts == NULL)
        return;
    (void)munmap(counts->entries, BUS_SLOT_COUNT * TABLE_BYTES);
    free(counts);
}

/* The entry of @hash; else, when @may_claim, one that it may have from now on; else NULL. */
static struct entry *entry_find(struct entry *table, uint64_t hash, bool may_claim)
{
    struct entry *free_entry = NULL;

    for (unsigned step = 0; step < HASH_COUNTS_PROBES; step++) {
        struct entry *entry = probe(table, hash, step);
        uint64_t found = atomic_load_explicit(&entry->hash, memory_order_relaxed);

        if (found == hash)
            return entry;
        if (free_entry == NULL && atomic_load_explicit(&entry->count, memory_order_relaxed) == 0)
            free_entry = entry;
        if (found == 0)
            break; /* never used: nothing was ever put behind it */
    }
    if (!may_claim || free_entry == NULL)
        return NULL;
    atomic_store_explicit(&free_entry->hash, hash, memory_order_release);
    return free_entry;
}

bool hash_counts_add(struct hash_counts *counts, unsigned slot, uint64_t hash, int delta)
{
    struct entry *entry = entry_find(table_at(counts, slot), hash_or_one(hash), delta > 0);
    const uint64_t leaving = delta < 0 ? (uint64_t)(-(int64_t)delta) : 0;
    uint64_t count;

    if (entry == NULL)
        return false; /* all probes are taken by others */
    count = atomic_load_explicit(&entry->count, memory_order_relaxed);
    if (delta >= 0)
        count += (uint64_t)delta;
    else
        count -= count < leaving ? count : leaving; /* some may never have been counted */
    atomic_store_explicit(&entry->count, count, memory_order_release);
    return true;
}

static uint64_t table_count(struct entry *table, uint64_t hash)
{
    for (unsigned step = 0; step < HASH_COUNTS_PROBES; step++) {
        struct entry *entry = probe(table, hash, step);
        uint64_t found = atomic_load_explicit(&entry->hash, memory_order_acquire);
        uint64_t count;

        if (found == 0)
            break;
        if (found != hash)
            continue;
        count = atomic_load_explicit(&entry->count, memory_order_acquire);
        /* Given to another name meanwhile: then this one's last subscriber has left. */
        if (atomic_load_explicit(&entry->hash, memory_order_relaxed) == hash)
            return count;
    }
    return 0;
}

uint64_t hash_counts_sum(const struct hash_counts *counts, const struct bus *bus, uint64_t hash)
{
    uint64_t sum = 0;

    atomic_thread_fence(memory_order_seq_cst); /* own counts first, then those of the others */
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        if (bus_slot_is_active(bus, slot))
            sum += table_count(table_at(counts, slot), hash_or_one(hash));
    }
    return sum;
}

void hash_counts_clear(struct hash_counts *counts, unsigned slot)
{
    struct entry *table = table_at(counts, slot);

    /* Gives the pages back too; they read as zeros from now on. */
    if (madvise(table, TABLE_BYTES, MADV_REMOVE) != 0)
        memset(table, 0, TABLE_BYTES);
}
