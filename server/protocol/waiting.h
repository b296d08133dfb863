/*
 * server/protocol/waiting.h - HTTP requests that are answered over several turns of the loop.
 *
 * Shape    two lists per service, oldest first: requests that are worked on, and requests that
 *          first wait for a commit. In each turn of the loop `step` of the oldest WAITING_STEPS of the
 *          former is called; the others wait: that bounds the time of a turn and the memory of
 *          answers being built. The latter come in the order of what they wait for, so that the
 *          oldest tells about all: a turn looks at one more of them than it lets go on.
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
#define WAITING_COMMIT_NS INT64_C(1000000000)

struct waiting_request {
    struct waiting_request *next;
    struct waiting_request **link;
    /* One bounded step; it goes on in a later turn unless it has answered, left and been freed. */
    void (*step)(struct waiting_request *request);
    uint64_t until_seq;
    int64_t give_up_ns;
    bool is_for_commit; /* which of the lists it is in */
};

/* @request's step is set; the rest is written here. */
void waiting_join(struct service *service, struct waiting_request *request);
/*
 * Joins likewise, but waits before its first step until everything that is in the ring now is
 * committed, for which it asks; a disk that has stopped is waited for WAITING_COMMIT_NS.
 */
void waiting_join_committed(struct service *service, struct waiting_request *request);
void waiting_leave(struct service *service, struct waiting_request *request);
/* A step of the oldest ones; true when there was one: there may be more to do at once. */
bool waiting_turn(struct service *service, int64_t now_ns);
/* Whether one waits for a commit. */
bool waiting_is_for_commit(const struct service *service);

#endif
