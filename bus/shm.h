/*
 * bus/shm.h - the ring file: create, map, lock, and the words of its header that are not the ring.
 *
 * Shape    struct bus is a process-private handle on one shared mapping. Children inherit the
 *          mapping and the descriptors over fork; nobody opens the file by name but the master
 *          at start (and tools, read only).
 * Callers  bus_open, bus_unlink, bus_slot_*: master. The rest: every process, as said.
 * Memory   bus_open allocates the handle, bus_close frees it and unmaps (the file stays).
 * Errors   0 or -errno. bus_error_text() says in words what went wrong with the last bus_open.
 * Crashes  bus/README.md, "Deaths".
 */
#ifndef BUS_SHM_H
#define BUS_SHM_H

#include <stdbool.h>
#include <stdint.h>

#include "bus/slots.h"

struct bus;

enum {
    BUS_SIZE_MIN = 64 * 1024,
};
#define BUS_SIZE_MAX (UINT64_C(16) << 30)

struct bus_options {
    const char *path; /* of the ring file, on a tmpfs */
    uint64_t store_id;
    uint64_t size; /* bytes of the data part, a power of two; an existing ring keeps its own */
};

/*
 * Opens the ring file, or creates it; locks it (flock, waiting up to 5 s for old processes);
 * allocates every page; maps the data part twice; makes everything anew but identity, epoch and
 * positions; makes one eventfd per slot. The phase is BUS_STARTING; the ring must then be
 * recovered or reset by the writer (bus/ring.h) before anybody appends.
 *
 *   -EWOULDBLOCK  another server holds it
 *   -ENOSPC       the tmpfs is too small (and nothing was created)
 *   -EINVAL       size is no power of two or out of bounds
 */
int bus_open(const struct bus_options *options, struct bus **ret_bus);
const char *bus_error_text(void);
void bus_close(struct bus *bus);

/* Unlinks the file: a drain committed everything. Writer or master. */
int bus_unlink(struct bus *bus);

uint64_t bus_size(const struct bus *bus);
uint64_t bus_epoch(const struct bus *bus);
uint64_t bus_store_id(const struct bus *bus);
/* Since the master started; ns. */
int64_t bus_uptime_ns(const struct bus *bus);

/* --- server state ------------------------------------------------------------------------ */

enum bus_phase bus_phase(const struct bus *bus);
/* Master. The deadline (CLOCK_BOOTTIME, ns; 0: none) is stored first. Wakes everybody. */
void bus_set_phase(struct bus *bus, enum bus_phase phase, int64_t deadline_ns);
int64_t bus_drain_deadline_ns(const struct bus *bus);
/*
 * CLOCK_REALTIME as the uptime would have it, and a minute: what operations are stamped with and aged
 * by at most, so that a clock that jumps ahead is not followed.
 */
int64_t bus_latest_time_ns(const struct bus *bus);
/* Whether the writer has recovered the ring since this start. */
bool bus_is_recovered(const struct bus *bus);

/* Writer: why appends are refused; the errno of the last commit (0: it went well). */
void bus_set_refusal(struct bus *bus, enum bus_refusal refusal, int commit_error);
enum bus_refusal bus_refusal(const struct bus *bus);
int bus_commit_error(const struct bus *bus);

/*
 * True for exactly one caller of all workers when the room's tick is due; plans the next one
 * @interval_ns later (0: never). The very first call only plans. Ticks that nobody claimed are not
 * made up for. Workers.
 */
bool bus_claim_tick(struct bus *bus, int64_t now_boottime_ns, int64_t interval_ns);

/* --- slots ------------------------------------------------------------------------------- */

/* Slot of worker @index in a generation of that parity. */
unsigned bus_worker_slot(unsigned index, unsigned generation_parity);
/*
 * Master, around a fork. Occupying counts the slot's generation up (it begins at a random number
 * at each start) and clears its gauges.
 */
void bus_slot_occupy(struct bus *bus, unsigned slot);
void bus_slot_set_pid(struct bus *bus, unsigned slot, int32_t pid);
/* Master, when the process is gone: clears gauges and sleep word, wakes everybody. */
void bus_slot_vacate(struct bus *bus, unsigned slot);

bool bus_slot_is_active(const struct bus *bus, unsigned slot);
int32_t bus_slot_pid(const struct bus *bus, unsigned slot);
uint32_t bus_slot_generation(const struct bus *bus, unsigned slot);
/* Owner: once per loop turn. */
void bus_slot_turn(struct bus *bus, unsigned slot);
uint64_t bus_slot_turn_count(const struct bus *bus, unsigned slot);
void bus_slot_set_mark(struct bus *bus, unsigned slot, enum slot_mark mark);
enum slot_mark bus_slot_mark(const struct bus *bus, unsigned slot);
void bus_slot_set_cursor(struct bus *bus, unsigned slot, uint64_t seq);
uint64_t bus_slot_cursor(const struct bus *bus, unsigned slot);
/* The COMMAND that its owner executes; 0: none. It stays when the owner dies. */
void bus_slot_set_applying(struct bus *bus, unsigned slot, uint64_t seq);
uint64_t bus_slot_applying(const struct bus *bus, unsigned slot);

#endif
