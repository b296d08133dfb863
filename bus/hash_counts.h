/*
 * bus/hash_counts.h - how many there are of each, over all workers: subscribers of a topic,
 * connections of an address.
 *
 * Shape    per worker slot a table of HASH_COUNTS_ENTRIES {hash, count}, written by its owner
 *          alone; whoever asks adds up all active slots. An anonymous shared file (memfd), mapped
 *          before the first fork; pages that nobody uses cost nothing (a table in use: 1 MiB at
 *          most).
 * Hashes   bus/hash.h, with the same seed in all processes. Two names with one hash are counted as
 *          one; with 64 secret bits that does not happen.
 * Limits   a hash probes HASH_COUNTS_PROBES entries; when all are taken by others it is not counted,
 *          and hash_counts_add says so. Whoever is counted exactly remembers that, and takes back
 *          only what was counted.
 * Crashes  the master clears the table of a dead worker.
 */
#ifndef BUS_HASH_COUNTS_H
#define BUS_HASH_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct hash_counts;

enum {
    HASH_COUNTS_ENTRIES = 65536,
    HASH_COUNTS_PROBES = 32,
};

/* Master, before the first fork. @name: of the shared file, for whoever looks at /proc. */
int hash_counts_open(const char *name, struct hash_counts **ret_counts);
void hash_counts_close(struct hash_counts *counts);
/* Owner of @slot: adds @delta to what has this hash; never below 0. False: it is not counted. */
bool hash_counts_add(struct hash_counts *counts, unsigned slot, uint64_t hash, int delta);
/*
 * Over all slots active in @bus. Of two processes that add and then ask, at least one sees both.
 */
uint64_t hash_counts_sum(const struct hash_counts *counts, const struct bus *bus, uint64_t hash);
/* Master. */
void hash_counts_clear(struct hash_counts *counts, unsigned slot);

#endif
