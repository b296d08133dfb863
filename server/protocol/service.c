#include "server/protocol/service.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bus/check.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/wake.h"
#include "server/net/loop.h"
#include "server/net/stream.h"
#include "server/protocol/broker.h"
#include "server/protocol/event_stream.h"
#include "server/protocol/frames.h"
#include "server/protocol/graphql_socket.h"
#include "server/protocol/room.h"
#include "server/protocol/waiting.h"
#include "server/topics/topics.h"

#define SECOND_NS INT64_C(1000000000)
/* How often a worker looks whether the room's tick is due: a fraction of the interval. */
#define TICK_LOOKS       20
#define TICK_LOOK_NS_MIN (SECOND_NS / 10)
#define TICK_LOOK_NS_MAX (SECOND_NS / 2)

enum {
    SCRATCH_BYTES_MIN = 64 * 1024,
    SCRATCH_BYTES_KEPT = 1024 * 1024, /* a larger one is given back at the end of the turn */
};

static struct service *service_of_timer(struct timer *timer)
{
    return (struct service *)(void *)((char *)timer - offsetof(struct service, tick_timer));
}

static int64_t boottime_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* this clock cannot fail */
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

int64_t service_realtime_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock cannot fail */
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* --- the room's tick -------------------------------------------------------------------------- */

static void tick_timer_start(struct service *service)
{
    int64_t look_ns = service->limits.tick_ns / TICK_LOOKS;

    if (look_ns < TICK_LOOK_NS_MIN)
        look_ns = TICK_LOOK_NS_MIN;
    if (look_ns > TICK_LOOK_NS_MAX || service->limits.tick_ns == 0)
        look_ns = TICK_LOOK_NS_MAX; /* a reload may turn it on */
    timer_start(service->timers, &service->tick_timer, look_ns);
}

/*
 * The interval runs on whether or not somebody is in the room, so that who comes in does not get
 * a tick at once.
 */
static void on_tick_timer(struct timer *timer)
{
    struct service *service = service_of_timer(timer);

    if (service->limits.tick_ns > 0 &&
        bus_claim_tick(service->bus, boottime_ns(), service->limits.tick_ns))
        room_tick(service);
    tick_timer_start(service);
}

/* --- the turn --------------------------------------------------------------------------------- */

/* Of every kind and window; how many. */
enum {
    ENCODINGS_MAX = 2 * DEFLATE_WINDOWS + 2,
};

struct wanted_encoding {
    struct topics_encoding **added;
    const struct encoding *encoding;
};

static void list_encodings(struct service *service, struct wanted_encoding list[ENCODINGS_MAX])
{
    size_t count = 0;

    for (enum deflate_window window = DEFLATE_NONE; window < DEFLATE_WINDOWS; window++) {
        list[count++] = (struct wanted_encoding){&service->room_encodings[window],
                                                 frames_encoding(FRAMES_ROOM, window)};
        list[count++] = (struct wanted_encoding){&service->broker_encodings[window],
                                                 frames_encoding(FRAMES_BROKER, window)};
    }
    list[count++] = (struct wanted_encoding){&service->line_encoding,
                                             frames_encoding(FRAMES_LINE, DEFLATE_NONE)};
    list[count++] = (struct wanted_encoding){&service->event_stream_encoding,
                                             frames_encoding(FRAMES_EVENT_STREAM, DEFLATE_NONE)};
    CHECK(count == ENCODINGS_MAX);
}

static bool add_encodings(struct service *service)
{
    struct wanted_encoding list[ENCODINGS_MAX];

    list_encodings(service, list);
    for (size_t i = 0; i < ENCODINGS_MAX; i++) {
        *list[i].added = topics_add_encoding(service->topics, list[i].encoding);
        if (*list[i].added == NULL)
            return false;
    }
    return true;
}

static void remove_encodings(struct service *service)
{
    struct wanted_encoding list[ENCODINGS_MAX];

    list_encodings(service, list);
    for (size_t i = 0; i < ENCODINGS_MAX; i++)
        topics_remove_encoding(service->topics, *list[i].added);
}

int service_start(struct service *service)
{
    CHECK(service->clients.bus != NULL); /* clients_init comes first */
    CHECK(service->limits.message_bytes_max > 0);

    frames_init(service->bus);
    if (!add_encodings(service))
        return -ENOMEM;

    service->waiting = NULL;
    service->waiting_end = &service->waiting;
    service->commit_waiting = NULL;
    service->commit_waiting_end = &service->commit_waiting;
    if (service_scratch(service, SCRATCH_BYTES_MIN) == NULL)
        return -ENOMEM;

    event_stream_start(service);
    broker_line_start(service);
    graphql_socket_start(service);
    timer_init(&service->tick_timer, timer_wheel_register(service->timers, on_tick_timer));
    tick_timer_start(service);
    return 0;
}

void service_stop(struct service *service)
{
    CHECK(service->clients.count == 0);
    CHECK(service->waiting == NULL);
    CHECK(service->commit_waiting == NULL);
    CHECK(service->graphql_waiting_count == 0);

    graphql_socket_turn(service);
    timer_stop(&service->tick_timer);
    broker_pool_clear(service);
    remove_encodings(service);
    free(service->scratch);
    service->scratch = NULL;
    service->scratch_bytes = 0;
}

static void scratch_shrink(struct service *service)
{
    if (service->scratch_bytes <= SCRATCH_BYTES_KEPT)
        return;
    free(service->scratch);
    service->scratch = NULL;
    service->scratch_bytes = 0;
}

bool service_turn(struct service *service, int64_t now_ns)
{
    bool has_more = waiting_turn(service, now_ns);

    scratch_shrink(service);
    if (service->api != NULL)
        has_more |= api_turn(service->api);
    graphql_socket_turn(service);
    return has_more;
}

unsigned service_wake_reasons(const struct service *service)
{
    return waiting_is_for_commit(service) ? (unsigned)WAKE_COMMIT : 0u;
}

uint32_t service_remaining_seconds(const struct service *service)
{
    int64_t deadline_ns = bus_drain_deadline_ns(service->bus);
    int64_t left_ns = deadline_ns - boottime_ns();

    if (deadline_ns == 0 || left_ns <= 0)
        return 0;
    return (uint32_t)((left_ns + SECOND_NS - 1) / SECOND_NS);
}

int64_t service_rate_take(struct service *service, struct stream *stream, size_t bytes)
{
    int64_t wait_ns =
        rate_take(&stream->rate, &service->limits.rates, bytes, loop_now_ns(service->loop));

    if (wait_ns > 0)
        stat_add(service->bus, service->slot, STAT_RATE_LIMITED, 1);
    return wait_ns;
}

void service_count_message(struct service *service, enum stat_protocol protocol)
{
    CHECK(protocol < STAT_PROTOCOL_SENDERS);
    stat_add(service->bus, service->slot, stat_at(STAT_MESSAGES_IN, protocol), 1);
}

char *service_scratch(struct service *service, size_t bytes)
{
    size_t grown_bytes =
        service->scratch_bytes < SCRATCH_BYTES_MIN ? SCRATCH_BYTES_MIN : service->scratch_bytes;
    char *grown;

    if (bytes <= service->scratch_bytes)
        return service->scratch;
    while (grown_bytes < bytes)
        grown_bytes *= 2;
    grown = malloc(grown_bytes); /* nothing in it is worth a copy */
    if (grown == NULL)
        return NULL;
    free(service->scratch);
    service->scratch = grown;
    service->scratch_bytes = grown_bytes;
    return grown;
}
