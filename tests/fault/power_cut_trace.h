/*
 * tests/fault/power_cut_trace.h - what a server did to its files, one record after the other.
 *
 * Written   by power_cut_record.so inside the server's processes, each record by one appending
 *           write: their order in the file is their order.
 * Shape     struct trace_record, then @path_bytes, @to_bytes and @data_bytes of bytes. Paths are
 *           relative to the recorded directory; that directory itself is "".
 * Order     a write stands there before it is made (it may be on the disk from then on), the end of
 *           a sync after it has returned (only then is it known to be).
 */
#ifndef TESTS_FAULT_POWER_CUT_TRACE_H
#define TESTS_FAULT_POWER_CUT_TRACE_H

#include <assert.h>
#include <stdint.h>

#define TRACE_MAGIC UINT32_C(0x74756377) /* "wcut" */

enum trace_kind {
    TRACE_CREATE = 1, /* path: a new file */
    TRACE_MAKE_DIR,   /* path */
    TRACE_RENAME,     /* path, to */
    TRACE_UNLINK,     /* path */
    TRACE_WRITE,      /* offset, data */
    TRACE_WRITTEN,  /* the writer's last TRACE_WRITE to this file was an O_DSYNC one, and is over */
    TRACE_RESIZE,   /* offset: its new size */
    TRACE_ALLOCATE, /* offset: its least size from now on */
    TRACE_SYNC_BEGIN, /* of a file or a directory */
    TRACE_SYNC_END,
    TRACE_FAILED, /* a write that did not do all of what it should: the trace is of no use */
};

struct trace_record {
    uint32_t magic;
    uint32_t kind;   /* enum trace_kind */
    int64_t time_ns; /* CLOCK_MONOTONIC */
    uint64_t inode;  /* of the file or directory; numbers are used again after an unlink */
    uint64_t offset;
    uint32_t pid;
    uint32_t path_bytes;
    uint32_t to_bytes;
    uint32_t data_bytes;
};

static_assert(sizeof(struct trace_record) == 48, "written as it stands");

#endif
