/*
 * server/protocol/health.h - how the server is, in one word and one reason: /health and /control/top.
 */
#ifndef SERVER_PROTOCOL_HEALTH_H
#define SERVER_PROTOCOL_HEALTH_H

struct service;

/* `healthy`, `draining`, or `degraded` with *ret_reason; NULL otherwise. */
const char *health_status(const struct service *service, const char **ret_reason);

#endif
