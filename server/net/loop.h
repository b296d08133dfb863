/*
 * server/net/loop.h - one process's epoll loop: descriptors in, callbacks out, one turn at a time.
 *
 * Turn     loop_turn: wait (at most the time given), run the tasks deferred before it, call the
 *          callback of every ready source once, fire timers that are due (not when the wait was
 *          interrupted: nobody's time is over before it is known what they have sent). What is
 *          decided per turn (appending, delivering, flushing) is done by the caller between turns,
 *          never inside a descriptor's callback.
 * Units    times in ns of CLOCK_MONOTONIC, read once per turn (loop_now_ns).
 * Memory   a struct loop_source or loop_task is embedded by its owner, who removes it before
 *          freeing it. A source removed during a turn gets no further callback in that turn.
 * Limits   at most LOOP_EVENTS_MAX sources are called in a turn, the others in the next.
 * Callers  worker, writer and master, each with a loop of its own.
 */
#ifndef SERVER_NET_LOOP_H
#define SERVER_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_source;
struct loop_task;

enum {
    LOOP_EVENTS_MAX = 256,
};

/* @events: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR as epoll gave them. */
typedef void loop_source_function(struct loop_source *source, uint32_t events);

struct loop_source {
    loop_source_function *on_event;
    int fd;
    uint32_t events; /* wanted now; 0: not in the epoll set */
};

/* Work put off to the next turn, which then does not wait. */
struct loop_task {
    void (*on_run)(struct loop_task *task);
    struct loop_task *next;
    bool is_deferred;
};

int loop_open(struct loop **ret_loop);
void loop_close(struct loop *loop);

/* Sets what @source waits for (0 takes it out). EPOLLEXCLUSIVE and EPOLLET may be given. */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);
/* Takes it out and forgets it; safe inside any callback. */
void loop_forget(struct loop *loop, struct loop_source *source);
/* Whether it will still be called in this turn, for what it was waiting for. */
bool loop_will_call(const struct loop *loop, const struct loop_source *source);

/* Runs @task once in the next turn; nothing happens when it is deferred already. */
void loop_defer(struct loop *loop, struct loop_task *task);
void loop_cancel(struct loop *loop, struct loop_task *task);

/*
 * One turn: waits at most @timeout_ns (0: not at all), or until the next timer if that is sooner.
 * Returns the number of sources called and tasks run, or -errno.
 */
int loop_turn(struct loop *loop, int64_t timeout_ns);
int64_t loop_now_ns(const struct loop *loop);
struct timer_wheel *loop_timers(struct loop *loop);

#endif
