#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/net/loop.h"
#include "server/net/timer.h"

enum {
    SOURCE_COUNT = 3,
};

struct watched {
    struct loop_source source; /* first: on_event gets its address */
    int called;
    uint32_t events;
    struct watched *forgets; /* forgotten when this one is called */
};

static struct loop *loop;
static struct watched watched[SOURCE_COUNT];

static void on_event(struct loop_source *source, uint32_t events)
{
    struct watched *self = (struct watched *)(void *)source;

    self->called++;
    self->events = events;
    if (self->forgets != NULL)
        loop_forget(loop, &self->forgets->source);
}

static int open_loop(void **state)
{
    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    for (int i = 0; i < SOURCE_COUNT; i++) {
        watched[i] = (struct watched){.source = {.on_event = on_event}};
        watched[i].source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_true(watched[i].source.fd >= 0);
    }
    return 0;
}

static int close_loop(void **state)
{
    (void)state;
    for (int i = 0; i < SOURCE_COUNT; i++) {
        loop_forget(loop, &watched[i].source);
        assert_int_equal(close(watched[i].source.fd), 0);
    }
    loop_close(loop);
    return 0;
}

static void ring(int i)
{
    assert_int_equal(eventfd_write(watched[i].source.fd, 1), 0);
}

static void what_is_ready_is_called_once_a_turn(void **state)
{
    (void)state;
    for (int i = 0; i < SOURCE_COUNT; i++)
        assert_int_equal(loop_watch(loop, &watched[i].source, EPOLLIN), 0);
    ring(0);
    ring(2);
    assert_int_equal(loop_turn(loop, 0), 2);
    assert_int_equal(watched[0].called, 1);
    assert_int_equal(watched[1].called, 0);
    assert_int_equal(watched[2].called, 1);
    assert_int_equal(watched[0].events, EPOLLIN);
    assert_int_equal(loop_turn(loop, 0), 2); /* level-triggered: still ready */
}

static void an_edge_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN | EPOLLET), 0);
    ring(0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_turn(loop, 0), 0);
    ring(0);
    assert_int_equal(loop_turn(loop, 0), 1);
}

static void a_watch_can_be_changed_taken_out_and_put_back(void **state)
{
    (void)state;
    ring(0);
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN), 0);
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLOUT), 0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(watched[0].events, EPOLLOUT);
    assert_int_equal(loop_watch(loop, &watched[0].source, 0), 0);
    assert_int_equal(loop_watch(loop, &watched[0].source, 0), 0);
    assert_int_equal(loop_turn(loop, 0), 0);
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN), 0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(watched[0].events, EPOLLIN);
}

static void an_exclusive_watch_can_be_changed_too(void **state)
{
    (void)state;
    ring(0);
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN | EPOLLEXCLUSIVE), 0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLOUT | EPOLLEXCLUSIVE), 0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(watched[0].events, EPOLLOUT);
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN), 0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_watch(loop, &watched[0].source, 0), 0);
    assert_int_equal(loop_turn(loop, 0), 0);
}

static void a_descriptor_that_cannot_be_watched_is_an_error(void **state)
{
    struct loop_source source = {.on_event = on_event, .fd = -1};

    (void)state;
    assert_int_equal(loop_watch(loop, &source, EPOLLIN), -EBADF);
    assert_int_equal(source.events, 0);
}

static void a_source_forgotten_in_a_turn_is_not_called_in_it(void **state)
{
    (void)state;
    /* Whichever is called first forgets the other. */
    watched[0].forgets = &watched[1];
    watched[1].forgets = &watched[0];
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN), 0);
    assert_int_equal(loop_watch(loop, &watched[1].source, EPOLLIN), 0);
    ring(0);
    ring(1);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(watched[0].called + watched[1].called, 1);
}

static void a_source_may_forget_itself(void **state)
{
    (void)state;
    watched[0].forgets = &watched[0];
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN), 0);
    ring(0);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_turn(loop, 0), 0);
}

struct fired {
    struct timer timer; /* first: on_fire gets its address */
    int count;
};

static void on_fire(struct timer *timer)
{
    ((struct fired *)(void *)timer)->count++;
}

static void a_turn_waits_no_longer_than_the_next_timer(void **state)
{
    struct fired fired = {.count = 0};
    int64_t begun_ns;

    (void)state;
    timer_init(&fired.timer, timer_wheel_register(loop_timers(loop), on_fire));
    assert_int_equal(loop_turn(loop, 0), 0);
    begun_ns = loop_now_ns(loop);
    timer_start(loop_timers(loop), &fired.timer, 50000000);
    while (fired.count == 0)
        assert_int_equal(loop_turn(loop, INT64_MAX), 0); /* would hang without the timer */
    assert_int_equal(fired.count, 1);
    assert_true(loop_now_ns(loop) - begun_ns >= 50000000);
}

/* --- a process that stood still -------------------------------------------------------------------- */

static int64_t due_ns;
static bool has_fired;

static void on_due(struct timer *timer)
{
    (void)timer;
    has_fired = true;
    assert_int_equal(watched[0].called, 1);
}

/* While it waited: what it waits for has come, and so has the timer's time. */
static void on_alarm(int signal_number)
{
    (void)signal_number;
    if (eventfd_write(watched[0].source.fd, 1) != 0)
        abort();
    while (clock_monotonic_ns() < due_ns)
        ;
}

static void what_came_while_it_stood_still_is_taken_before_timers_fire(void **state)
{
    const struct itimerval soon = {.it_value = {.tv_usec = 50000}};
    const struct sigaction alarmed = {.sa_handler = on_alarm};
    struct sigaction before;
    struct timer timer;

    (void)state;
    timer_init(&timer, timer_wheel_register(loop_timers(loop), on_due));
    timer_start(loop_timers(loop), &timer, INT64_C(300000000));
    due_ns = loop_now_ns(loop) + INT64_C(500000000); /* rounded to ticks: it is later than asked */
    assert_int_equal(loop_watch(loop, &watched[0].source, EPOLLIN | EPOLLET), 0);
    assert_int_equal(sigaction(SIGALRM, &alarmed, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    while (!has_fired)
        assert_true(loop_turn(loop, INT64_MAX) >= 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

struct deferred {
    struct loop_task task; /* first: on_run gets its address */
    int run;
    int again;
    int order;
};

static int order;

static void on_run(struct loop_task *task)
{
    struct deferred *self = (struct deferred *)(void *)task;

    self->run++;
    self->order = ++order;
    if (self->again > 0) {
        self->again--;
        loop_defer(loop, task);
    }
}

static void deferred_tasks_run_once_in_the_next_turn_in_order(void **state)
{
    struct deferred first = {.task = {.on_run = on_run}};
    struct deferred second = {.task = {.on_run = on_run}};

    (void)state;
    order = 0;
    loop_defer(loop, &first.task);
    loop_defer(loop, &second.task);
    loop_defer(loop, &first.task); /* twice is once */
    assert_int_equal(first.run, 0);
    assert_int_equal(loop_turn(loop, INT64_MAX), 2); /* and does not wait */
    assert_int_equal(first.order, 1);
    assert_int_equal(second.order, 2);
    assert_int_equal(loop_turn(loop, 0), 0);
    assert_int_equal(first.run, 1);
}

static void a_task_that_defers_itself_runs_again_in_the_turn_after(void **state)
{
    struct deferred task = {.task = {.on_run = on_run}, .again = 2};

    (void)state;
    loop_defer(loop, &task.task);
    for (int turn = 1; turn <= 3; turn++) {
        assert_int_equal(loop_turn(loop, INT64_MAX), 1);
        assert_int_equal(task.run, turn);
    }
    assert_int_equal(loop_turn(loop, 0), 0);
}

static void a_cancelled_task_does_not_run(void **state)
{
    struct deferred tasks[3] = {
        {.task = {.on_run = on_run}}, {.task = {.on_run = on_run}}, {.task = {.on_run = on_run}}};

    (void)state;
    for (int i = 0; i < 3; i++)
        loop_defer(loop, &tasks[i].task);
    loop_cancel(loop, &tasks[1].task);
    loop_cancel(loop, &tasks[1].task);
    assert_int_equal(loop_turn(loop, 0), 2);
    assert_int_equal(tasks[0].run, 1);
    assert_int_equal(tasks[1].run, 0);
    assert_int_equal(tasks[2].run, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_ready_is_called_once_a_turn),
        TEST(an_edge_is_told_once),
        TEST(a_watch_can_be_changed_taken_out_and_put_back),
        TEST(an_exclusive_watch_can_be_changed_too),
        TEST(a_descriptor_that_cannot_be_watched_is_an_error),
        TEST(a_source_forgotten_in_a_turn_is_not_called_in_it),
        TEST(a_source_may_forget_itself),
        TEST(a_turn_waits_no_longer_than_the_next_timer),
        TEST(what_came_while_it_stood_still_is_taken_before_timers_fire),
        TEST(deferred_tasks_run_once_in_the_next_turn_in_order),
        TEST(a_task_that_defers_itself_runs_again_in_the_turn_after),
        TEST(a_cancelled_task_does_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
