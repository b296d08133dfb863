#include "server/net/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "server/net/timer.h"

struct loop {
    int epoll_fd;
    int64_t now_ns;
    struct timer_wheel *timers;
    struct loop_task *tasks; /* those for the next turn, in the order of loop_defer */
    int event_count;         /* of this turn's events; 0 between turns */
    int event_index;         /* the one being called */
    struct epoll_event events[LOOP_EVENTS_MAX];
};

static int64_t clock_ns(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int loop_open(struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    int rc;

    if (loop == NULL)
        return -ENOMEM;
    loop->now_ns = clock_ns();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        rc = -errno;
        goto fail;
    }
    rc = timer_wheel_open(loop->now_ns, &loop->timers);
    if (rc != 0)
        goto fail;
    *ret_loop = loop;
    return 0;

fail:
    loop_close(loop);
    return rc;
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    timer_wheel_close(loop->timers);
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd); /* holds nothing that could be lost */
    free(loop);
}

/* What has not been called yet in this turn shall not be called for @source any more. */
static void drop_events(struct loop *loop, const struct loop_source *source)
{
    for (int i = loop->event_index; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == source)
            loop->events[i].data.ptr = NULL;
    }
}

bool loop_will_call(const struct loop *loop, const struct loop_source *source)
{
    for (int i = loop->event_index; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == source)
            return true;
    }
    return false;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = source}};
    int operation = EPOLL_CTL_MOD;

    if (events == source->events)
        return 0;
    /* An exclusive watch cannot be changed in place: epoll_ctl(2). */
    if (source->events != 0 && (events == 0 || ((source->events | events) & EPOLLEXCLUSIVE) != 0)) {
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) != 0)
            return -errno;
        source->events = 0;
        drop_events(loop, source);
        if (events == 0)
            return 0;
    }
    if (source->events == 0)
        operation = EPOLL_CTL_ADD;
    if (epoll_ctl(loop->epoll_fd, operation, source->fd, &event) != 0)
        return -errno;
    source->events = events;
    return 0;
}

void loop_forget(struct loop *loop, struct loop_source *source)
{
    if (source->events != 0)
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL); /* may be closed */
    source->events = 0;
    drop_events(loop, source);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    struct loop_task **link = &loop->tasks;

    if (task->is_deferred)
        return;
    while (*link != NULL) /* a handful: one per set of streams */
        link = &(*link)->next;
    *link = task;
    task->next = NULL;
    task->is_deferred = true;
}

void loop_cancel(struct loop *loop, struct loop_task *task)
{
    struct loop_task **link = &loop->tasks;

    if (!task->is_deferred)
        return;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    task->is_deferred = false;
}

/* Runs as many tasks as there were when the turn began: one may defer itself again. */
static int run_tasks(struct loop *loop)
{
    int count = 0;

    for (const struct loop_task *task = loop->tasks; task != NULL; task = task->next)
        count++;
    for (int i = 0; i < count && loop->tasks != NULL; i++) {
        struct loop_task *task = loop->tasks;

        loop_cancel(loop, task);
        task->on_run(task);
    }
    return count;
}

static int wait_ms(const struct loop *loop, int64_t timeout_ns)
{
    int64_t wait_ns;

    if (timeout_ns <= 0 || loop->tasks != NULL)
        return 0;
    wait_ns = timer_wheel_next(loop->timers, clock_ns());
    if (timeout_ns < wait_ns)
        wait_ns = timeout_ns;
    wait_ns = wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    return wait_ns < INT_MAX ? (int)wait_ns : INT_MAX;
}

int loop_turn(struct loop *loop, int64_t timeout_ns)
{
    int called = 0;
    int count;

    CHECK(loop->event_count == 0); /* not from inside a callback */
    count = epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS_MAX, wait_ms(loop, timeout_ns));
    if (count < 0 && errno != EINTR)
        return -errno;
    loop->now_ns = clock_ns();
    timer_wheel_set_now(loop->timers, loop->now_ns);

    loop->event_count = count > 0 ? count : 0;
    loop->event_index = 0;
    called = run_tasks(loop);
    for (; loop->event_index < loop->event_count; loop->event_index++) {
        struct epoll_event *event = &loop->events[loop->event_index];
        struct loop_source *source = event->data.ptr;

        if (source == NULL)
            continue;
        event->data.ptr = NULL;
        called++;
        source->on_event(source, event->events);
    }
    loop->event_count = 0;
    /*
     * A process that is stopped and goes on (SIGSTOP, a container's freezer) is told nothing but EINTR:
     * what came meanwhile is looked at first. The wheel is asked again before the next wait.
     */
    if (count >= 0)
        (void)timer_wheel_advance(loop->timers, loop->now_ns);
    return called;
}

int64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

struct timer_wheel *loop_timers(struct loop *loop)
{
    return loop->timers;
}
