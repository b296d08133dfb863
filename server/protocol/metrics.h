/*
 * server/protocol/metrics.h - the stats of all processes in Prometheus' text format 0.0.4.
 *
 * Shape    every row of bus/stats.h that has a name is a family `sluice_NAME`, added up over all
 *          processes (or, with STAT_LABEL_PROCESS, one sample for each of them); those that are told
 *          per worker once more as `sluice_worker_NAME{worker="0",…}`, for each worker that there is or
 *          was. Besides them some of the server as a whole. Each process is read once, so that what is
 *          told per worker adds up to the sum in the same answer.
 * Units    seconds, bytes, plain counts. Histograms are cumulative.
 * Cost     for 64 workers some 8,000 lines and a few ms: metrics.c looks at nothing else than the slots.
 * For      people: tools/prometheus/METRICS.md, which a test holds against what is written here.
 */
#ifndef SERVER_PROTOCOL_METRICS_H
#define SERVER_PROTOCOL_METRICS_H

struct service;
struct text;

/* @out is not whole when there was no memory. Of @service only the bus is looked at. */
void metrics_write(const struct service *service, struct text *out);

#endif
