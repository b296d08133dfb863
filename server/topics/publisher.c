#include "server/topics/publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/wake.h"

enum {
    BATCH_BYTES_MIN = 16 * 1024,
    BATCH_BYTES_KEPT = 256 * 1024,  /* what an empty batch may keep of its memory */
    BATCH_BYTES_EAGER = 128 * 1024, /* appended without waiting for the turn's end */
    WAITERS_MIN = 64,
    WAITERS_KEPT = 4096,
    TURN_ROUNDS_MAX = 8, /* of appending what answers have led to */
    EXPIRED_MAX = 1024,  /* answered in one go before what else there is gets its turn */
};
#define PUBLISH_TIMEOUT_NS INT64_C(5000000000)

struct waiter {
    publish_done_function *on_done; /* NULL: nobody (any more) */
    void *user;
    uint64_t tag;
    uint64_t seq;     /* 0: not appended yet */
    int64_t time_ns;  /* of the operation; before that: since when it waits for room, 0: not yet */
    uint8_t protocol; /* enum stat_protocol */
    bool is_durable;
};

/* First in, first out; a ring of a power of two. */
struct waiter_queue {
    struct waiter *waiters;
    size_t capacity;
    size_t head;
    size_t count;
};

struct publisher {
    struct publisher_options options;
    uint32_t generation;
    uint64_t request; /* number of the last publish: with slot and generation its name */

    /* Encoded records; those from start to end are not appended yet. */
    uint8_t *batch;
    size_t batch_capacity;
    size_t batch_start;
    size_t batch_end;

    struct waiter_queue fresh; /* every publish in order: first the appended ones that have not been
                                  answered, then one per record of the batch */
    size_t appended_count;     /* of fresh */
    struct waiter_queue durable; /* appended, waiting for their commit */
    bool is_blocked;             /* the ring was full at the last try */
    bool is_lost;                /* the append lock cannot be recovered */
    bool is_in_turn;             /* on_done may be publishing: nothing is appended meanwhile */
};

/* --- queues of those who wait ----------------------------------------------------------------- */

static struct waiter *waiter_at(const struct waiter_queue *queue, size_t index)
{
    return &queue->waiters[(queue->head + index) & (queue->capacity - 1)];
}

static int resize_queue(struct waiter_queue *queue, size_t capacity)
{
    struct waiter *waiters = malloc(capacity * sizeof *waiters);

    if (waiters == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < queue->count; i++)
        waiters[i] = *waiter_at(queue, i);
    free(queue->waiters);
    queue->waiters = waiters;
    queue->capacity = capacity;
    queue->head = 0;
    return 0;
}

static int reserve_waiter(struct waiter_queue *queue)
{
    if (queue->count < queue->capacity)
        return 0;
    return resize_queue(queue, queue->capacity == 0 ? WAITERS_MIN : queue->capacity * 2);
}

static void push_waiter(struct waiter_queue *queue, const struct waiter *waiter)
{
    CHECK(queue->count < queue->capacity);
    queue->count++;
    *waiter_at(queue, queue->count - 1) = *waiter;
}

static struct waiter pop_waiter(struct waiter_queue *queue)
{
    struct waiter waiter;

    CHECK(queue->count > 0);
    waiter = *waiter_at(queue, 0);
    queue->head = (queue->head + 1) & (queue->capacity - 1);
    queue->count--;
    return waiter;
}

static void shrink_queue(struct waiter_queue *queue)
{
    if (queue->count > 0 || queue->capacity <= WAITERS_KEPT)
        return;
    free(queue->waiters);
    *queue = (struct waiter_queue){0};
}

static void forget_user(const struct waiter_queue *queue, const void *user)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct waiter *waiter = waiter_at(queue, i);

        if (waiter->user == user)
            waiter->on_done = NULL;
    }
}

static void answer(const struct waiter *waiter, const struct publish_result *result)
{
    if (waiter->on_done != NULL)
        waiter->on_done(waiter->user, waiter->tag, result);
}

/* --- opening ---------------------------------------------------------------------------------- */

int publisher_open(const struct publisher_options *options, struct publisher **ret_publisher)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);

    if (publisher == NULL)
        return -ENOMEM;
    publisher->options = *options;
    publisher->generation = bus_slot_generation(options->bus, options->slot);
    *ret_publisher = publisher;
    return 0;
}

void publisher_close(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    free(publisher->fresh.waiters);
    free(publisher->durable.waiters);
    free(publisher->batch);
    free(publisher);
}

/* --- the batch -------------------------------------------------------------------------------- */

/*
 * More than a ring of waiting operations is never worth its memory; but what a small ring's clients
 * send in one turn has to wait for room, not to be refused.
 */
static size_t batch_bytes_max(const struct publisher *publisher)
{
    size_t ring_bytes = (size_t)bus_size(publisher->options.bus);

    return ring_bytes > PUBLISHER_WAITING_BYTES_MIN ? ring_bytes : PUBLISHER_WAITING_BYTES_MIN;
}

static void move_to_front(struct publisher *publisher)
{
    if (publisher->batch_start == 0)
        return;
    memmove(publisher->batch, publisher->batch + publisher->batch_start,
            publisher->batch_end - publisher->batch_start);
    publisher->batch_end -= publisher->batch_start;
    publisher->batch_start = 0;
}

/* Room for @bytes behind the batch. */
static int reserve_batch(struct publisher *publisher, size_t bytes)
{
    size_t used = publisher->batch_end - publisher->batch_start;
    size_t capacity = publisher->batch_capacity == 0 ? BATCH_BYTES_MIN : publisher->batch_capacity;
    uint8_t *batch;

    if (used + bytes > batch_bytes_max(publisher))
        return -ENOMEM;
    if (publisher->batch_end + bytes <= publisher->batch_capacity)
        return 0;
    move_to_front(publisher);
    while (capacity < used + bytes)
        capacity *= 2;
    if (capacity == publisher->batch_capacity)
        return 0;
    batch = realloc(publisher->batch, capacity);
    if (batch == NULL)
        return -ENOMEM;
    publisher->batch = batch;
    publisher->batch_capacity = capacity;
    return 0;
}

static void take_from_batch(struct publisher *publisher, size_t bytes)
{
    CHECK(bytes <= publisher->batch_end - publisher->batch_start);
    publisher->batch_start += bytes;
    if (publisher->batch_start < publisher->batch_end)
        return;
    publisher->batch_start = 0;
    publisher->batch_end = 0;
    if (publisher->batch_capacity > BATCH_BYTES_KEPT) {
        free(publisher->batch);
        publisher->batch = NULL;
        publisher->batch_capacity = 0;
    }
}

static size_t unsent_count(const struct publisher *publisher)
{
    return publisher->fresh.count - publisher->appended_count;
}

/* --- appending -------------------------------------------------------------------------------- */

static void count_appended(const struct publisher *publisher, const uint32_t *counts)
{
    for (unsigned i = 0; i < STAT_PROTOCOL_COUNT * STAT_DURABILITY_COUNT; i++) {
        if (counts[i] > 0)
            stat_add(publisher->options.bus, publisher->options.slot, stat_at(STAT_PUBLISHED, i),
                     counts[i]);
    }
}

static void note_appended(struct publisher *publisher, const struct ring_appended *appended)
{
    uint32_t counts[STAT_PROTOCOL_COUNT * STAT_DURABILITY_COUNT] = {0};

    CHECK(appended->count <= unsent_count(publisher));
    for (uint32_t i = 0; i < appended->count; i++) {
        struct waiter *waiter = waiter_at(&publisher->fresh, publisher->appended_count + i);

        waiter->seq = appended->first_seq + i;
        waiter->time_ns = appended->time_ns;
        counts[stat_published(waiter->protocol, waiter->is_durable) - STAT_PUBLISHED]++;
    }
    publisher->appended_count += appended->count;
    take_from_batch(publisher, appended->bytes);
    count_appended(publisher, counts);
}

/* Appends all there is room for. 0: all of it; else what ring_append said. */
static int append_batch(struct publisher *publisher)
{
    while (publisher->batch_start < publisher->batch_end) {
        struct ring_appended appended;
        int rc = ring_append(publisher->options.bus, publisher->batch + publisher->batch_start,
                             publisher->batch_end - publisher->batch_start, &appended);

        if (rc != 0) {
            if (rc == -EAGAIN && !publisher->is_blocked)
                stat_add(publisher->options.bus, publisher->options.slot, STAT_RING_WAITS, 1);
            publisher->is_blocked = rc == -EAGAIN;
            publisher->is_lost |= rc == -ENOTRECOVERABLE;
            return rc;
        }
        note_appended(publisher, &appended);
    }
    publisher->is_blocked = false;
    return 0;
}

static int add_waiter(struct publisher *publisher, const struct publish *publish, bool is_durable)
{
    const struct waiter waiter = {.on_done = publish->on_done,
                                  .user = publish->user,
                                  .tag = publish->tag,
                                  .protocol = (uint8_t)publish->protocol,
                                  .is_durable = is_durable};

    if (reserve_waiter(&publisher->fresh) != 0)
        return -ENOMEM;
    push_waiter(&publisher->fresh, &waiter);
    return 0;
}

static bool should_append_now(const struct publisher *publisher)
{
    return !publisher->is_blocked && !publisher->is_in_turn &&
           publisher->batch_end - publisher->batch_start >= BATCH_BYTES_EAGER;
}

/* What a COMMAND comes to is known when it is committed, and not before. */
static bool waits_for_commit(const struct publisher *publisher, const struct publish *publish)
{
    return publish->is_durable || publish->is_command || *publisher->options.always_durable;
}

static int gather(struct publisher *publisher, const struct publish *publish)
{
    const struct record_topic topic = {.name = publish->topic, .bytes = publish->topic_bytes};
    bool is_durable = waits_for_commit(publisher, publish);
    const struct record_spec spec = {
        .kind = publish->is_command ? RECORD_COMMAND : RECORD_EVENT,
        .flags = publish->flags | (is_durable ? (unsigned)RECORD_URGENT : 0),
        .topics = &topic,
        .topic_count = publish->is_command ? 0 : 1,
        .payload = publish->payload,
        .payload_bytes = publish->payload_bytes,
        .origin_slot = (uint16_t)publisher->options.slot,
        .origin_generation = publisher->generation,
        .origin_request = publisher->request + 1,
    };
    size_t bytes = record_encoded_bytes(&spec);
    int rc;

    if (bytes == 0 || bytes > bus_size(publisher->options.bus) / 4)
        return -EMSGSIZE;
    rc = reserve_batch(publisher, bytes);
    if (rc == 0)
        rc = add_waiter(publisher, publish, is_durable);
    if (rc != 0)
        return rc;
    publisher->request++;
    (void)record_encode(publisher->batch + publisher->batch_end, &spec); /* bytes, as asked */
    publisher->batch_end += bytes;
    return 0;
}

int publisher_publish(struct publisher *publisher, const struct publish *publish)
{
    int rc = gather(publisher, publish);

    if (rc != 0)
        stat_add(publisher->options.bus, publisher->options.slot, STAT_PUBLISH_REFUSED, 1);
    else if (should_append_now(publisher))
        (void)append_batch(publisher); /* the turn tries again and answers */
    return rc;
}

/* --- answering -------------------------------------------------------------------------------- */

/* on_done may publish and cancel: whoever is answered has left the queue before. */
static void answer_appended(struct publisher *publisher)
{
    while (publisher->appended_count > 0) {
        struct waiter waiter = pop_waiter(&publisher->fresh);
        struct publish_result result = {.seq = waiter.seq, .time_ns = waiter.time_ns};

        publisher->appended_count--;
        if (!waiter.is_durable) {
            answer(&waiter, &result);
        } else if (waiter.on_done != NULL) {
            if (reserve_waiter(&publisher->durable) == 0) {
                push_waiter(&publisher->durable, &waiter);
                continue;
            }
            result.error = -ENOMEM; /* it is published, but nobody can wait for the disk */
            answer(&waiter, &result);
        }
    }
}

static void answer_committed(struct publisher *publisher)
{
    uint64_t committed_seq;

    if (publisher->durable.count == 0)
        return;
    committed_seq = ring_committed(publisher->options.bus).seq;
    while (publisher->durable.count > 0 &&
           waiter_at(&publisher->durable, 0)->seq <= committed_seq) {
        struct waiter waiter = pop_waiter(&publisher->durable);
        struct publish_result result = {.seq = waiter.seq, .time_ns = waiter.time_ns};

        answer(&waiter, &result);
    }
}

/* Takes the oldest publish that is not appended out of the batch and answers it with @error. */
static void refuse_first(struct publisher *publisher, int error)
{
    const struct publish_result result = {.error = error};
    struct record_head head;
    struct waiter waiter;

    CHECK(publisher->appended_count == 0);
    CHECK(publisher->batch != NULL);
    memcpy(&head, publisher->batch + publisher->batch_start, sizeof head);
    take_from_batch(publisher, head.length);
    waiter = pop_waiter(&publisher->fresh);
    stat_add(publisher->options.bus, publisher->options.slot, STAT_PUBLISH_REFUSED, 1);
    answer(&waiter, &result);
}

static void refuse_all(struct publisher *publisher, int error)
{
    /* Not those that on_done publishes now: they get a try of their own. */
    for (size_t count = publisher->fresh.count; count > 0; count--)
        refuse_first(publisher, error);
}

/* Whoever waits for room begins to wait now, if it has not before; at the end are the newest. */
static void note_waiting(struct publisher *publisher, int64_t now_ns)
{
    for (size_t i = publisher->fresh.count; i-- > 0;) {
        struct waiter *waiter = waiter_at(&publisher->fresh, i);

        if (waiter->time_ns != 0)
            break;
        waiter->time_ns = now_ns;
    }
}

static void refuse_expired(struct publisher *publisher, int64_t now_ns)
{
    note_waiting(publisher, now_ns);
    for (int i = 0; i < EXPIRED_MAX && publisher->fresh.count > 0; i++) {
        if (now_ns - waiter_at(&publisher->fresh, 0)->time_ns < PUBLISH_TIMEOUT_NS)
            break;
        refuse_first(publisher, -ETIMEDOUT);
        note_waiting(publisher, now_ns); /* what on_done has published begins to wait too */
    }
    publisher->is_blocked = publisher->fresh.count > 0;
}

/* Appends and answers once. True when that has led to something new to append. */
static bool turn_once(struct publisher *publisher, int64_t now_ns)
{
    int rc = append_batch(publisher);

    answer_appended(publisher);
    if (rc == -EAGAIN)
        refuse_expired(publisher, now_ns);
    else if (rc == -EMSGSIZE)
        refuse_first(publisher, rc);
    else if (rc == -ENOSPC)
        refuse_all(publisher, rc);
    else if (rc != 0)
        refuse_all(publisher, -ETIMEDOUT);
    answer_committed(publisher);
    return publisher->fresh.count > 0 && !publisher->is_blocked;
}

void publisher_turn(struct publisher *publisher, int64_t now_ns)
{
    publisher->is_in_turn = true;
    for (int i = 0; i < TURN_ROUNDS_MAX && turn_once(publisher, now_ns); i++)
        continue;
    publisher->is_in_turn = false;
    shrink_queue(&publisher->fresh);
    shrink_queue(&publisher->durable);
}

/* --- questions -------------------------------------------------------------------------------- */

void publisher_cancel(struct publisher *publisher, const void *user)
{
    forget_user(&publisher->fresh, user);
    forget_user(&publisher->durable, user);
}

bool publisher_is_blocked(const struct publisher *publisher)
{
    return publisher->is_blocked;
}

bool publisher_is_lost(const struct publisher *publisher)
{
    return publisher->is_lost;
}

unsigned publisher_wake_reasons(const struct publisher *publisher)
{
    return publisher->fresh.count > 0 || publisher->durable.count > 0 ? (unsigned)WAKE_COMMIT : 0;
}

bool publisher_is_idle(const struct publisher *publisher)
{
    return publisher->fresh.count == 0 && publisher->durable.count == 0;
}
