/*
 * bus/handle.h - a process's own view of the shared mapping. Included by bus/ only (and its tests).
 *
 * Shared and private state are never one struct: what processes share is in bus/layout.h, what
 * one process knows about it is here, made by bus_open before the first fork and never changed.
 */
#ifndef BUS_HANDLE_H
#define BUS_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/check.h"
#include "bus/layout.h"

struct bus {
    struct bus_header *header; /* the start of the mapping */
    uint8_t *data;             /* the data part, twice in a row */
    uint64_t size;             /* of the data part; header->identity.size is only evidence */
    uint64_t store_id;
    uint8_t boot_id[16];
    char *path;
    int fd;                       /* holds the flock */
    int eventfds[BUS_SLOT_COUNT]; /* -1: not made yet */
};

/* The place of position @pos; what lies behind it goes on for a whole ring size without a wrap. */
static inline uint8_t *bus_bytes_at(const struct bus *bus, uint64_t pos)
{
    return bus->data + (pos & (bus->size - 1));
}

/* The same for whoever shares it with others: relaxed 8-byte atomics only. */
static inline _Atomic uint64_t *bus_words_at(const struct bus *bus, uint64_t pos)
{
    return (_Atomic uint64_t *)(void *)bus_bytes_at(bus, pos);
}

/* A record is at most a quarter of the ring (bus/ring.h, "Limits"). */
static inline uint64_t bus_record_bytes_max(const struct bus *bus)
{
    return bus->size / 4;
}

static inline struct bus_process_slot *bus_slot_at(const struct bus *bus, unsigned slot)
{
    CHECK(slot < BUS_SLOT_COUNT);
    return &bus->header->slots[slot];
}

#endif
