/*
 * server/protocol/waiting.h - HTTP requests that are answered over several turns of the loop.
 *
 * Shape    one list per service, oldest first. In each turn `step` of the oldest ones is called until
 *          WAITING_STEPS of them have found something to do. The others wait: that bounds the
 *          time of a turn and the memory of answers being built.
 * Memory   a request embeds struct waiting_request; its owner frees it after waiting_leave.
 */
#ifndef SERVER_PROTOCOL_WAITING_H
#define SERVER_PROTOCOL_WAITING_H

#include <stdbool.h>
#include <stdint.h>

struct service;
struct waiting_request;

enum {
    WAITING_STEPS = 8,
};

struct waiting_request {
    struct waiting_request *next;
    struct waiting_request **link;
    /*
     * One bounded step. False: it found nothing to do yet. True: it worked, and either goes on in the
     * next turn or has answered, left and been freed.
     */
    bool (*step)(struct waiting_request *request, int64_t now_ns);
    bool is_for_commit; /* waits for committed_seq to move */
};

void waiting_join(struct service *service, struct waiting_request *request);
void waiting_leave(struct service *service, struct waiting_request *request);
/* A step of the oldest ones; true when one of them worked: there may be more to do at once. */
bool waiting_turn(struct service *service, int64_t now_ns);
/* Whether one waits for a commit. */
bool waiting_is_for_commit(const struct service *service);

#endif
