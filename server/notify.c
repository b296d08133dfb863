#include "server/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "bus/check.h"
#include "server/clock.h"
#include "server/log.h"

enum {
    MESSAGE_BYTES = 512, /* all that is ever told at once */
};
#define RETRY_NS        CLOCK_SECOND_NS
#define WATCHDOG_NS_MIN INT64_C(10000000) /* whatever the manager asks for */

/* What each phase means to the manager. */
static const struct rule {
    bool is_ready;
    bool is_stopping;
    bool is_starting;
    bool is_served; /* by workers: without one there is nothing to keep alive */
} rules[NOTIFY_PHASE_COUNT] = {
    [NOTIFY_RECOVERING] = {.is_starting = true},
    [NOTIFY_OPENING] = {.is_starting = true, .is_served = true},
    [NOTIFY_SERVING] = {.is_ready = true, .is_served = true},
    [NOTIFY_DRAINING] = {.is_stopping = true, .is_served = true},
    [NOTIFY_CLOSING] = {.is_stopping = true, .is_served = true},
    [NOTIFY_STOPPING] = {.is_stopping = true},
    [NOTIFY_COMMITTING] = {.is_stopping = true},
    [NOTIFY_RENEWING] = {.is_starting = true},
};

struct message {
    char text[MESSAGE_BYTES];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct message *message, const char *format,
                                                      ...)
{
    size_t room = sizeof message->text - message->length;
    va_list arguments;
    int bytes;

    va_start(arguments, format);
    bytes = vsnprintf(message->text + message->length, room, format, arguments);
    va_end(arguments);
    CHECK(bytes >= 0 && (size_t)bytes < room);
    message->length += (size_t)bytes;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* "/run/systemd/notify", or "@name" in the abstract namespace. */
static int parse_address(const char *name, struct notify *notify)
{
    size_t bytes = strlen(name);

    if (*name != '/' && *name != '@')
        return -EAFNOSUPPORT;
    if (bytes >= sizeof notify->address.sun_path)
        return -ENAMETOOLONG;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, bytes);
    if (*name == '@')
        notify->address.sun_path[0] = '\0';
    else
        bytes++; /* a path ends with a terminator, an abstract name with its length */
    notify->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
    return 0;
}

static void read_watchdog(struct notify *notify)
{
    uint64_t period_us = 0;

    if (sd_watchdog_enabled(0, &period_us) <= 0 || period_us >= INT64_MAX / 1000)
        return;
    notify->watchdog_ns = (int64_t)period_us * 1000 / 2;
    if (notify->watchdog_ns < WATCHDOG_NS_MIN)
        notify->watchdog_ns = WATCHDOG_NS_MIN;
}

void notify_open(struct notify *notify)
{
    const char *name = getenv("NOTIFY_SOCKET");
    int rc;

    *notify = (struct notify){.fd = -1, .phase = NOTIFY_PHASE_COUNT};
    if (name == NULL || *name == '\0')
        return;
    rc = parse_address(name, notify);
    if (rc == 0) {
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        rc = notify->fd >= 0 ? 0 : -errno;
    }
    if (rc == 0)
        read_watchdog(notify);
    else
        log_warning(LOG_START_WARNING,
                    "the service manager at NOTIFY_SOCKET=%s cannot be told anything: %s", name,
                    strerror(-rc));
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        (void)close(notify->fd); /* what was sent is the manager's */
    notify->fd = -1;
}

/* --- what is said --------------------------------------------------------------------------------- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void describe_serving(const struct notify_view *view, char *out, size_t bytes)
{
    char of[32] = "";

    if (view->serving_count != view->worker_count)
        (void)snprintf(of, sizeof of, "%u of ", view->serving_count);
    (void)snprintf(out, bytes, "%" PRIu64 " client%s, %s%u worker%s%s", view->client_count,
                   plural(view->client_count), of, view->worker_count, plural(view->worker_count),
                   view->is_refusing ? "; the store is full, publishing is refused" : "");
}

static void describe(const struct notify_view *view, char *out, size_t bytes)
{
    switch (view->phase) {
    case NOTIFY_RECOVERING:
        (void)snprintf(out, bytes, "recovering the store");
        break;
    case NOTIFY_OPENING:
        (void)snprintf(out, bytes, "starting %u worker%s", view->worker_count,
                       plural(view->worker_count));
        break;
    case NOTIFY_SERVING:
        describe_serving(view, out, bytes);
        break;
    case NOTIFY_DRAINING:
        (void)snprintf(out, bytes,
                       "draining: %" PRIu64 " client%s left, %" PRId64 " s until the deadline",
                       view->client_count, plural(view->client_count),
                       (view->deadline_ns + CLOCK_SECOND_NS / 2) / CLOCK_SECOND_NS);
        break;
    case NOTIFY_CLOSING:
        (void)snprintf(out, bytes, "draining: %" PRIu64 " client%s left, being closed",
                       view->client_count, plural(view->client_count));
        break;
    case NOTIFY_STOPPING:
        (void)snprintf(out, bytes, "stopping the workers");
        break;
    case NOTIFY_COMMITTING:
        (void)snprintf(out, bytes, "committing what is left");
        break;
    case NOTIFY_RENEWING:
        (void)snprintf(out, bytes, "starting all processes anew");
        break;
    case NOTIFY_PHASE_COUNT:
        UNREACHABLE();
    }
}

/* --- telling it ----------------------------------------------------------------------------------- */

static bool is_time_wanted(const struct notify *notify, const struct notify_view *view)
{
    if (notify->is_stopping_told)
        return true;
    return rules[view->phase].is_starting && !view->has_failed_starts;
}

/* Adds what is due to @message, and to @next what will have been told with it. */
static void compose(struct message *message, struct notify *next, const struct notify_view *view,
                    int64_t now_ns)
{
    const struct rule *rule = &rules[view->phase];
    char status[NOTIFY_STATUS_BYTES];

    if (rule->is_ready && !next->is_ready_told) {
        add(message, "READY=1\n");
        next->is_ready_told = true;
    }
    if ((rule->is_stopping || view->is_ending) && !next->is_stopping_told) {
        add(message, "STOPPING=1\n");
        next->is_stopping_told = true;
        next->extend_due_ns = now_ns; /* what was asked for was time to start */
    }
    describe(view, status, sizeof status);
    if (strcmp(status, next->status) != 0 &&
        (view->phase != next->phase || now_ns >= next->status_due_ns)) {
        add(message, "STATUS=%s\n", status);
        memcpy(next->status, status, sizeof status);
        next->status_due_ns = now_ns + NOTIFY_STATUS_NS;
    }
    next->phase = view->phase;
    if (is_time_wanted(next, view) && now_ns >= next->extend_due_ns) {
        add(message, "EXTEND_TIMEOUT_USEC=%" PRId64 "\n", NOTIFY_EXTRA_NS / 1000);
        next->extend_due_ns = now_ns + NOTIFY_EXTEND_NS;
    }
    if (next->watchdog_ns == 0 || now_ns < next->watchdog_due_ns)
        return;
    if (rule->is_served && view->serving_count == 0) {
        next->watchdog_due_ns = now_ns + RETRY_NS; /* looks again: not told */
        return;
    }
    add(message, "WATCHDOG=1\n");
    next->watchdog_due_ns = now_ns + next->watchdog_ns;
}

static int send_message(const struct notify *notify, const struct message *message)
{
    const struct sockaddr *address = (const void *)&notify->address;
    ssize_t bytes = sendto(notify->fd, message->text, message->length, MSG_NOSIGNAL, address,
                           notify->address_bytes);

    return bytes < 0 ? -errno : 0;
}

void notify_turn(struct notify *notify, const struct notify_view *view, int64_t now_ns)
{
    struct message message = {.length = 0};
    struct notify next = *notify;
    int rc;

    CHECK(view->phase < NOTIFY_PHASE_COUNT);
    if (notify->fd < 0 || now_ns < notify->retry_ns)
        return;
    compose(&message, &next, view, now_ns);
    rc = message.length > 0 ? send_message(notify, &message) : 0;
    if (rc == 0) {
        *notify = next;
        return;
    }
    notify->retry_ns = now_ns + RETRY_NS;
    if (!notify->has_failed)
        log_warning(LOG_START_WARNING, "the service manager does not take what it is told: %s",
                    strerror(-rc));
    notify->has_failed = true;
}

int64_t notify_due_ns(const struct notify *notify)
{
    if (notify->fd < 0 || notify->watchdog_ns == 0)
        return NOTIFY_NEVER;
    return notify->watchdog_due_ns > notify->retry_ns ? notify->watchdog_due_ns : notify->retry_ns;
}
