/*
 * server/client_log.h - the lines about clients that come and go: log_events.h, client_joined and
 * client_left.
 *
 * Callers  drain_worker.c, from a worker's struct clients.
 */
#ifndef SERVER_CLIENT_LOG_H
#define SERVER_CLIENT_LOG_H

struct client;

/* At debug. */
void client_log_joined(unsigned worker_index, const struct client *client);
/* At info, with what it has done and why it has gone. */
void client_log_left(unsigned worker_index, const struct client *client);

#endif
