/*
 * server/protocol/metrics.h - the stats of all processes in Prometheus' text format 0.0.4.
 *
 * Shape    every row of bus/stats.h that has a name is a family `sluice_NAME`, added up over all
 *          processes (or, with STAT_LABEL_PROCESS, one sample for each of them); those that are told
 *          per worker once more as `sluice_worker_NAME{worker="0",…}`, for each worker that there is or
 *          was. Besides them some of the server as a whole. Each process is read once, so that what is
 *          told per worker adds up to the sum in the same answer.
 * Units    seconds, bytes, plain counts. Histograms are cumulative.
 * Cost     with 64 workers 3,500 lines, 220 KB, 1.3 ms of one of them; no process waits for it.
 * Manual   sluice(8) has the rows of both tables (server/tables.c).
 */
#ifndef SERVER_PROTOCOL_METRICS_H
#define SERVER_PROTOCOL_METRICS_H

#include "bus/stats.h"

struct service;
struct text;

/*
 * The server as a whole: X(name, unit, read, help); /metrics shows `name` with the prefix sluice_, a
 * gauge. read: metrics.c's function.
 */
/* clang-format off */
#define METRICS_GAUGES(X) \
    X("uptime_seconds", NS, uptime, "Since the start of the server") \
    X("draining", COUNT, is_draining, "1 while the server shuts down") \
    X("drain_remaining_seconds", COUNT, drain_remaining, "Until the drain's deadline; 0 when there is none") \
    X("storage_full", COUNT, is_full, "1 while publishing is refused because disk or store are full") \
    X("workers", COUNT, worker_count, "Workers that run") \
    X("log_first_seq", COUNT, first_seq, "Oldest operation that is kept") \
    X("log_last_seq", COUNT, last_seq, "Newest operation") \
    X("log_committed_seq", COUNT, committed_seq, "Newest operation on disk") \
    X("ring_bytes", BYTES, ring_bytes, "Size of the ring") \
    X("ring_uncommitted_bytes", BYTES, uncommitted_bytes, "Bytes in the ring that wait for the disk")
/* clang-format on */
#define METRICS_BUILD_INFO "Always 1; the labels tell what is running"

/* @out is not whole when there was no memory. Of @service only the bus is looked at. */
void metrics_write(const struct service *service, struct text *out);

#endif
