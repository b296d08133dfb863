/*
 * bus/topic_counts.h - how many subscribers each topic has, over all workers.
 *
 * Shape    per worker slot a table of TOPIC_COUNTS_ENTRIES {hash of the name, count}, written by
 *          its owner alone; whoever asks adds up all active slots. An anonymous shared file
 *          (memfd), mapped before the first fork; pages that nobody uses cost nothing.
 * Limits   a name probes TOPIC_COUNTS_PROBES entries; when all are taken by others its
 *          subscribers are not counted (the number reported is then too low; nothing else
 *          depends on it).
 * Crashes  the master clears the table of a dead worker.
 */
#ifndef BUS_TOPIC_COUNTS_H
#define BUS_TOPIC_COUNTS_H

#include <stddef.h>
#include <stdint.h>

struct bus;
struct topic_counts;

enum {
    TOPIC_COUNTS_ENTRIES = 65536,
    TOPIC_COUNTS_PROBES = 32,
};

/* Master, before the first fork. */
int topic_counts_open(struct topic_counts **ret_counts);
void topic_counts_close(struct topic_counts *counts);
/* Owner of @slot: adds @delta to the topic with this hash (XXH3-64 of the name). */
void topic_counts_add(struct topic_counts *counts, unsigned slot, uint64_t hash, int delta);
/* Subscribers over all slots active in @bus. */
uint64_t topic_counts_sum(const struct topic_counts *counts, const struct bus *bus, uint64_t hash);
/* Master. */
void topic_counts_clear(struct topic_counts *counts, unsigned slot);

#endif
