/*
 * tests/fault/power_cut_disk.h - what a disk may hold after a power cut at any record of a trace.
 *
 * Model    A write, a new size or a change of a directory is on the disk for certain once a sync
 *          that began behind it has ended (an O_DSYNC write: once it is over); until then it may be
 *          there or not.
 *          Of the uncertain changes of a file any subset can be there. A write can be torn at
 *          512 bytes, which is what disks write at once: LMDB's head is less than that, within such
 *          a sector, and LMDB relies on it. A file can have its size without its data (zeros);
 *          sizes are not torn below 4 KiB, a file system's block.
 *          Of the uncertain changes of a directory any first part is there (file systems keep
 *          them in a journal), each directory for itself. A rename is there as a whole or not. That
 *          a file is synced says nothing about its name.
 *          What is written through a shared mapping is not in the trace: lock.mdb gets rubbish.
 * Callers  tests only. A trace that cannot be is the end of the process.
 */
#ifndef TESTS_FAULT_POWER_CUT_DISK_H
#define TESTS_FAULT_POWER_CUT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fault/power_cut_trace.h"

enum disk_choice {
    DISK_NOTHING, /* of what is uncertain */
    DISK_ALL,
    DISK_SOME,  /* each change or not */
    DISK_TORN,  /* each sector or not */
    DISK_HOLES, /* as DISK_SOME, but files have the size that they were to have */
    DISK_CHOICE_COUNT,
};

struct disk;

/* The whole trace; a record that was cut off at its end is left out. */
struct disk *disk_load(const char *trace);
void disk_free(struct disk *disk);
size_t disk_record_count(const struct disk *disk);
const struct trace_record *disk_record(const struct disk *disk, size_t place);
/* A fault of the disk: now and then a write that was synced is lost. For testing the test. */
void disk_plant_loss(struct disk *disk);
/* Goes on to the moment before record @place; never back. */
void disk_advance(struct disk *disk, size_t place);
/* What is uncertain now: changes of files and directories. */
size_t disk_uncertain_count(const struct disk *disk);
/* Makes the files below @dir, which is not there yet. */
void disk_rebuild(const struct disk *disk, enum disk_choice choice, uint64_t seed, const char *dir);
/* The next of the numbers that @state decides. */
uint64_t disk_random(uint64_t *state);

#endif
