/*
 * server/protocol/control.h - what an administrator may ask and order: HTTP on the control sockets.
 *
 * Each worker has a unix socket of its own (server/control_sockets.h); the permissions of its file are
 * the authorisation. On it everything that the other listeners serve is served, also while
 * draining, to everybody and at any rate, and whatever a browser's Origin or Host would say; and
 * below /control/, there only:
 *
 *   GET  /control/clients?limit=1000&before=NUMBER&lagging=true   this worker's, newest first
 *   POST /control/kick?client=ID-OR-NAME                          this worker's: {"kicked":N}
 *   POST /control/drain                                           202, as a SIGTERM to the master
 *   GET  /control/log?from=1&limit=100&topic=NAME                 a page of the log, all topics or one
 *   GET  /control/top                                             what all processes do
 *
 * Answers  JSON, compact; fields may be added. Errors as those of all other paths. OPTIONS is not
 *          answered: no browser comes here.
 * Clients  {"worker":0,"pid":4711,"clients":[{"id":"0-17","protocol":"room","name":"alice",
 *          "peer":"127.0.0.1:5000","connected_seconds":12,"messages_in":1,"messages_out":2,
 *          "bytes_in":3,"bytes_out":4,"queued_bytes":0,"subscriptions":1,"lagging":0}],"more":false};
 *          a client without a name has null. An id is worker and number; the next page is asked for
 *          with `before` as the last one's number. `lagging=true`: only those with such subscriptions.
 * Kick     `client` is an id if it has the form of one, else a name: everybody's who has it. Who
 *          is leaving already is left alone.
 * Log      {"epoch":"9f86d081884c7d65","events":[{"seq":1,"time":"…","kind":"event","topics":["news"],
 *          "data":…}],"first_seq":1,"last_seq":57,"next":58}; kind is `event`; of what a COMMAND came to
 *          `row`, `schema` or `failed`. The page ends after `limit` events, CONTROL_LOG_BYTES_MAX (but
 *          one event at least), a stretch of log that has taken CONTROL_LOG_STEPS_MAX turns to read,
 *          or before a COMMAND that has not been executed yet. Whoever wants more goes on `from`
 *          `next` while that is not past `last_seq`, even if there were no events: at once, or a little
 *          later if `next` is where the page began.
 * Limits   what takes time goes on over several turns (server/protocol/waiting.h): CONTROL_STEP
 *          clients, or a block of the log, in each. Connections: server/accept.c.
 * Callers  the worker: http_handlers.on_request of its control socket. @user: its struct service.
 */
#ifndef SERVER_PROTOCOL_CONTROL_H
#define SERVER_PROTOCOL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct http_exchange;
struct service;

enum {
    CONTROL_CLIENTS_MAX = 1000, /* in one answer; also what is given unless asked otherwise */
    CONTROL_STEP = 500,         /* clients looked at in a turn, for one request */
    CONTROL_LOG_LIMIT_DEFAULT = 100,
    CONTROL_LOG_LIMIT_MAX = 1000,
    CONTROL_LOG_BYTES_MAX = 256 * 1024,
    CONTROL_LOG_STEPS_MAX = 512,
};

void control_on_request(void *user, struct http_exchange *exchange);

/* --- below /control/ -------------------------------------------------------------------------- */

void control_clients_serve(struct service *service, struct http_exchange *exchange);
void control_kick_serve(struct service *service, struct http_exchange *exchange);
void control_log_serve(struct service *service, struct http_exchange *exchange);
void control_top_serve(struct service *service, struct http_exchange *exchange);

#endif
