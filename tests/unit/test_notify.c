/* What the service manager is told, with a socket of ours as the manager's and a clock in our hands. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/log.h"
#include "server/notify.h"

#define SECOND INT64_C(1000000000)
#define NOW    (1000 * SECOND)

struct fixture {
    int fd; /* the manager's */
    char name[64];
    struct notify notify;
};

static struct fixture the_fixture;

static void make_manager(struct fixture *f, bool is_abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length;

    (void)snprintf(f->name, sizeof f->name, "%s/tmp/sluice-test-notify-%d", is_abstract ? "@" : "",
                   (int)getpid());
    length = strlen(f->name);
    memcpy(address.sun_path, f->name, length);
    if (is_abstract)
        address.sun_path[0] = '\0';
    f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(f->fd >= 0);
    (void)unlink(f->name);
    assert_int_equal(
        bind(f->fd, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (is_abstract ? 0 : 1))),
        0);
    assert_int_equal(setenv("NOTIFY_SOCKET", f->name, 1), 0);
}

static void end_manager(struct fixture *f)
{
    assert_int_equal(close(f->fd), 0);
    (void)unlink(f->name);
}

static int set_up(void **state)
{
    log_init(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    the_fixture = (struct fixture){.fd = -1};
    make_manager(&the_fixture, false);
    notify_open(&the_fixture.notify);
    *state = &the_fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    notify_close(&f->notify);
    end_manager(f);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return 0;
}

/* Opens it anew with a watchdog of so many microseconds. */
static void want_watchdog(struct fixture *f, const char *period_us)
{
    assert_int_equal(setenv("WATCHDOG_USEC", period_us, 1), 0);
    notify_close(&f->notify);
    notify_open(&f->notify);
}

/* The next datagram; "" when there is none. Lasts until the next call. */
static const char *told(const struct fixture *f)
{
    static char text[1024];
    ssize_t bytes = recv(f->fd, text, sizeof text - 1, 0);

    text[bytes > 0 ? bytes : 0] = '\0';
    return text;
}

static const struct notify_view serving = {
    .phase = NOTIFY_SERVING,
    .worker_count = 2,
    .serving_count = 2,
    .client_count = 3,
};

static const struct notify_view draining = {
    .phase = NOTIFY_DRAINING,
    .worker_count = 2,
    .serving_count = 2,
    .client_count = 3,
    .deadline_ns = 1800 * SECOND - 1,
};

static void it_is_ready_when_it_serves_and_says_so_once(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = {.phase = NOTIFY_RECOVERING, .worker_count = 2};

    notify_turn(&f->notify, &view, NOW);
    assert_string_equal(told(f), "STATUS=recovering the store\nEXTEND_TIMEOUT_USEC=30000000\n");
    view.phase = NOTIFY_OPENING;
    notify_turn(&f->notify, &view, NOW + 1);
    assert_string_equal(told(f), "STATUS=starting 2 workers\n");
    notify_turn(&f->notify, &serving, NOW + 2);
    assert_string_equal(told(f), "READY=1\nSTATUS=3 clients, 2 workers\n");
    notify_turn(&f->notify, &serving, NOW + 100 * SECOND);
    assert_string_equal(told(f), "");
}

static void the_status_follows_at_most_once_a_second_and_only_when_it_changes(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = serving;

    notify_turn(&f->notify, &view, NOW);
    (void)told(f);
    view.client_count = 1;
    notify_turn(&f->notify, &view, NOW + SECOND - 1);
    assert_string_equal(told(f), "");
    notify_turn(&f->notify, &view, NOW + SECOND);
    assert_string_equal(told(f), "STATUS=1 client, 2 workers\n");
    view.serving_count = 1;
    view.is_refusing = true;
    notify_turn(&f->notify, &view, NOW + 3 * SECOND);
    assert_string_equal(
        told(f), "STATUS=1 client, 1 of 2 workers; the store is full, publishing is refused\n");
}

static void a_drain_stops_once_counts_down_and_asks_for_time(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = draining;

    notify_turn(&f->notify, &serving, NOW);
    (void)told(f);
    notify_turn(&f->notify, &view, NOW + 1); /* a new phase: at once */
    assert_string_equal(told(f), "STOPPING=1\nSTATUS=draining: 3 clients left, 1800 s until the "
                                 "deadline\nEXTEND_TIMEOUT_USEC=30000000\n");
    view.client_count = 1;
    view.deadline_ns -= 9 * SECOND;
    notify_turn(&f->notify, &view, NOW + 9 * SECOND);
    assert_string_equal(told(f), "STATUS=draining: 1 client left, 1791 s until the deadline\n");
    notify_turn(&f->notify, &view, NOW + 1 + NOTIFY_EXTEND_NS);
    assert_string_equal(told(f), "EXTEND_TIMEOUT_USEC=30000000\n");
    view.phase = NOTIFY_CLOSING;
    notify_turn(&f->notify, &view, NOW + 11 * SECOND);
    assert_string_equal(told(f), "STATUS=draining: 1 client left, being closed\n");
    view.phase = NOTIFY_STOPPING;
    notify_turn(&f->notify, &view, NOW + 12 * SECOND);
    assert_string_equal(told(f), "STATUS=stopping the workers\n");
    view.phase = NOTIFY_COMMITTING;
    notify_turn(&f->notify, &view, NOW + 1 + 2 * NOTIFY_EXTEND_NS);
    assert_string_equal(told(f), "STATUS=committing what is left\nEXTEND_TIMEOUT_USEC=30000000\n");
}

static void time_to_end_is_asked_for_however_short_ago_time_to_start_was(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = {.phase = NOTIFY_RECOVERING, .worker_count = 2};

    notify_turn(&f->notify, &view, NOW);
    assert_non_null(strstr(told(f), "EXTEND_TIMEOUT_USEC=30000000\n"));
    notify_turn(&f->notify, &serving, NOW + 1);
    (void)told(f);
    notify_turn(&f->notify, &draining, NOW + 2);
    assert_non_null(strstr(told(f), "EXTEND_TIMEOUT_USEC=30000000\n"));
}

static void an_end_before_it_serves_is_told_at_once_and_has_its_time(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = {.phase = NOTIFY_RECOVERING, .worker_count = 2};

    notify_turn(&f->notify, &view, NOW);
    (void)told(f);
    view.is_ending = true;
    notify_turn(&f->notify, &view, NOW + 1);
    assert_string_equal(told(f), "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\n");
}

static void a_start_that_keeps_failing_gets_no_more_time_but_an_end_does(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = {.phase = NOTIFY_OPENING, .worker_count = 1};

    view.has_failed_starts = true;
    notify_turn(&f->notify, &view, NOW);
    assert_string_equal(told(f), "STATUS=starting 1 worker\n");
    view = draining;
    view.has_failed_starts = true;
    notify_turn(&f->notify, &view, NOW + 1);
    assert_non_null(strstr(told(f), "EXTEND_TIMEOUT_USEC=30000000\n"));
    view.phase = NOTIFY_RENEWING; /* in the middle of it */
    notify_turn(&f->notify, &view, NOW + 1 + NOTIFY_EXTEND_NS);
    assert_string_equal(told(f),
                        "STATUS=starting all processes anew\nEXTEND_TIMEOUT_USEC=30000000\n");
}

static void the_watchdog_is_told_at_half_its_time(void **state)
{
    struct fixture *f = *state;

    want_watchdog(f, "30000000");
    notify_turn(&f->notify, &serving, NOW);
    assert_string_equal(told(f), "READY=1\nSTATUS=3 clients, 2 workers\nWATCHDOG=1\n");
    assert_int_equal(notify_due_ns(&f->notify), NOW + 15 * SECOND);
    notify_turn(&f->notify, &serving, NOW + 15 * SECOND - 1);
    assert_string_equal(told(f), "");
    notify_turn(&f->notify, &serving, NOW + 15 * SECOND);
    assert_string_equal(told(f), "WATCHDOG=1\n");
}

static void the_watchdog_is_not_told_while_no_worker_serves(void **state)
{
    struct fixture *f = *state;
    struct notify_view view = serving;

    want_watchdog(f, "4000000");
    notify_turn(&f->notify, &view, NOW);
    (void)told(f);
    view.serving_count = 0;
    notify_turn(&f->notify, &view, NOW + 2 * SECOND);
    assert_string_equal(told(f), "STATUS=3 clients, 0 of 2 workers\n");
    assert_true(notify_due_ns(&f->notify) > NOW + 2 * SECOND); /* no turning in circles */
    view.serving_count = 1;
    notify_turn(&f->notify, &view, notify_due_ns(&f->notify));
    assert_string_equal(told(f), "STATUS=3 clients, 1 of 2 workers\nWATCHDOG=1\n");
}

static void the_watchdog_is_told_while_the_writer_recovers_or_commits(void **state)
{
    static const enum notify_phase phases[] = {NOTIFY_RECOVERING, NOTIFY_RENEWING, NOTIFY_STOPPING,
                                               NOTIFY_COMMITTING};
    struct fixture *f = *state;
    struct notify_view view = {.worker_count = 2};

    want_watchdog(f, "4000000");
    for (int i = 0; i < (int)(sizeof phases / sizeof phases[0]); i++) {
        view.phase = phases[i];
        notify_turn(&f->notify, &view, NOW + SECOND * 2 * i);
        assert_non_null(strstr(told(f), "WATCHDOG=1\n"));
    }
}

static void another_process_s_watchdog_is_not_ours(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    want_watchdog(f, "4000000");
    assert_int_equal(notify_due_ns(&f->notify), NOTIFY_NEVER);
}

/* How many messages a new notifier gets rid of before one finds no room. */
static int fill(void)
{
    struct notify_view view = serving;
    struct notify notify;
    int count;

    notify_open(&notify);
    for (count = 0; count < 100000; count++) {
        view.client_count = (uint64_t)count;
        notify_turn(&notify, &view, NOW + count * SECOND);
        if (notify.has_failed)
            break;
    }
    assert_true(notify.has_failed);
    notify_close(&notify);
    return count;
}

/* As many as the kernel lets wait, and as many as it lets one send: the next is not held up, nor forgotten. */
static void a_manager_that_takes_nothing_holds_nobody_up_and_misses_nothing(void **state)
{
    struct fixture *f = *state;

    while (fill() > 0)
        continue;
    notify_turn(&f->notify, &serving, NOW);
    while (*told(f) != '\0')
        continue;
    notify_turn(&f->notify, &serving, NOW + SECOND - 1); /* not at every turn */
    assert_string_equal(told(f), "");
    notify_turn(&f->notify, &serving, NOW + SECOND);
    assert_string_equal(told(f), "READY=1\nSTATUS=3 clients, 2 workers\n");
}

static void a_name_in_the_abstract_namespace_will_do(void **state)
{
    struct fixture *f = *state;

    notify_close(&f->notify);
    end_manager(f);
    make_manager(f, true);
    notify_open(&f->notify);
    notify_turn(&f->notify, &serving, NOW);
    assert_string_equal(told(f), "READY=1\nSTATUS=3 clients, 2 workers\n");
}

static void without_a_manager_or_with_one_that_cannot_be_reached_nothing_happens(void **state)
{
    static char too_long[200];
    const char *const names[] = {"", "relative", "vsock:2:1234", too_long, NULL};
    struct fixture *f = *state;
    struct notify notify;

    too_long[0] = '/';
    memset(too_long + 1, 'x', sizeof too_long - 2);
    for (const char *const *name = names; *name != NULL; name++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", *name, 1), 0);
        notify_open(&notify);
        assert_int_equal(notify.fd, -1);
        notify_turn(&notify, &serving, NOW);
        notify_close(&notify);
    }
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_open(&notify);
    assert_int_equal(notify.fd, -1);
    notify_turn(&notify, &serving, NOW);
    assert_int_equal(notify_due_ns(&notify), NOTIFY_NEVER);
    assert_string_equal(told(f), "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_ready_when_it_serves_and_says_so_once),
        TEST(the_status_follows_at_most_once_a_second_and_only_when_it_changes),
        TEST(a_drain_stops_once_counts_down_and_asks_for_time),
        TEST(time_to_end_is_asked_for_however_short_ago_time_to_start_was),
        TEST(an_end_before_it_serves_is_told_at_once_and_has_its_time),
        TEST(a_start_that_keeps_failing_gets_no_more_time_but_an_end_does),
        TEST(the_watchdog_is_told_at_half_its_time),
        TEST(the_watchdog_is_not_told_while_no_worker_serves),
        TEST(the_watchdog_is_told_while_the_writer_recovers_or_commits),
        TEST(another_process_s_watchdog_is_not_ours),
        TEST(a_manager_that_takes_nothing_holds_nobody_up_and_misses_nothing),
        TEST(a_name_in_the_abstract_namespace_will_do),
        TEST(without_a_manager_or_with_one_that_cannot_be_reached_nothing_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
