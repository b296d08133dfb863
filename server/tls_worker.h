/*
 * server/tls_worker.h - what a worker counts and tells of its handshakes of TLS.
 *
 * Each costs one line at debug (log_events.h, tls_handshake), with what was agreed on or why it has
 * failed, and counts in /metrics.
 * Callers  a worker: as tcp_set_on_tls calls it, with the struct worker.
 */
#ifndef SERVER_TLS_WORKER_H
#define SERVER_TLS_WORKER_H

struct stream;
struct tls_outcome;

void tls_worker_on_handshake(void *user, const struct stream *stream,
                             const struct tls_outcome *outcome);

#endif
