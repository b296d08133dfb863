/*
 * One wheel of SLOT_COUNT slots, a tick apart. A timer sits in the slot of its due tick modulo
 * SLOT_COUNT; one that is more than a round away is passed over until its round comes. `filled`
 * has a bit per slot that may hold a timer, so that the next one is found without a walk.
 */
#include "server/net/timer.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "bus/check.h"

enum {
    SLOT_COUNT = 1024, /* 102 s a round */
    WORD_BITS = 64,
    WORD_COUNT = SLOT_COUNT / WORD_BITS,
};

static_assert((SLOT_COUNT & (SLOT_COUNT - 1)) == 0, "slots are found by masking");
static_assert(sizeof(struct timer) <= 24, "a timer is embedded in every connection");

struct timer_wheel {
    int64_t base_ns; /* the time of tick 0 */
    int64_t now_ns;
    uint32_t tick; /* everything due up to it has fired, but for what is in `firing` */
    uint32_t kind_count;
    struct timer *firing; /* the current slot's timers that have still to be looked at */
    timer_function *on_fire[TIMER_KINDS_MAX];
    uint64_t filled[WORD_COUNT];
    struct timer *slots[SLOT_COUNT];
};

int timer_wheel_open(int64_t now_ns, struct timer_wheel **ret_wheel)
{
    struct timer_wheel *wheel = calloc(1, sizeof *wheel);

    if (wheel == NULL)
        return -ENOMEM;
    wheel->base_ns = now_ns;
    wheel->now_ns = now_ns;
    *ret_wheel = wheel;
    return 0;
}

void timer_wheel_close(struct timer_wheel *wheel)
{
    free(wheel);
}

uint32_t timer_wheel_register(struct timer_wheel *wheel, timer_function *on_fire)
{
    CHECK(wheel->kind_count < TIMER_KINDS_MAX);
    CHECK(on_fire != NULL);
    wheel->on_fire[wheel->kind_count] = on_fire;
    return wheel->kind_count++;
}

void timer_init(struct timer *timer, uint32_t kind)
{
    timer->next = NULL;
    timer->link = NULL;
    timer->due_tick = 0;
    timer->kind = kind;
}

static void put_in_slot(struct timer_wheel *wheel, struct timer *timer)
{
    uint32_t slot = timer->due_tick % SLOT_COUNT;
    struct timer **head = &wheel->slots[slot];

    timer->next = *head;
    timer->link = head;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *head = timer;
    wheel->filled[slot / WORD_BITS] |= UINT64_C(1) << (slot % WORD_BITS);
}

void timer_start(struct timer_wheel *wheel, struct timer *timer, int64_t delay_ns)
{
    int64_t due_ns;
    uint32_t due_tick;

    CHECK(timer->kind < wheel->kind_count);
    timer_stop(timer);
    if (delay_ns < 0)
        delay_ns = 0;
    due_ns = wheel->now_ns - wheel->base_ns;
    if (__builtin_add_overflow(due_ns, delay_ns, &due_ns) ||
        due_ns / TIMER_TICK_NS >= INT64_C(0x7fffffff))
        due_ns = INT64_C(0x7fffffff) * TIMER_TICK_NS; /* years: never, for a running process */
    due_tick = (uint32_t)((due_ns + TIMER_TICK_NS - 1) / TIMER_TICK_NS);
    timer->due_tick = due_tick > wheel->tick ? due_tick : wheel->tick + 1;
    put_in_slot(wheel, timer);
}

void timer_stop(struct timer *timer)
{
    if (timer->link == NULL)
        return;
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->next = NULL;
    timer->link = NULL;
}

bool timer_is_running(const struct timer *timer)
{
    return timer->link != NULL;
}

void timer_wheel_set_now(struct timer_wheel *wheel, int64_t now_ns)
{
    if (now_ns > wheel->now_ns)
        wheel->now_ns = now_ns;
}

/* Moves a slot's timers to `firing`, where callbacks may still stop or move any of them. */
static void begin_tick(struct timer_wheel *wheel)
{
    uint32_t slot = wheel->tick % SLOT_COUNT;

    wheel->firing = wheel->slots[slot];
    wheel->slots[slot] = NULL;
    wheel->filled[slot / WORD_BITS] &= ~(UINT64_C(1) << (slot % WORD_BITS));
    if (wheel->firing != NULL)
        wheel->firing->link = &wheel->firing;
}

int64_t timer_wheel_advance(struct timer_wheel *wheel, int64_t now_ns)
{
    unsigned fired = 0;
    uint32_t target;

    timer_wheel_set_now(wheel, now_ns);
    target = (uint32_t)((wheel->now_ns - wheel->base_ns) / TIMER_TICK_NS);
    while (fired < TIMER_FIRE_MAX && (wheel->firing != NULL || wheel->tick < target)) {
        struct timer *timer = wheel->firing;

        if (timer == NULL) {
            /* After a long sleep one look at each slot is enough: all that is due fires. */
            wheel->tick = target - wheel->tick > SLOT_COUNT ? target - SLOT_COUNT : wheel->tick + 1;
            begin_tick(wheel);
            continue;
        }
        timer_stop(timer);
        if (timer->due_tick > wheel->tick) {
            put_in_slot(wheel, timer);
            continue;
        }
        fired++;
        wheel->on_fire[timer->kind](timer);
    }
    return timer_wheel_next(wheel, wheel->now_ns);
}

/* Ticks from wheel->tick to the next slot that may hold a timer; 0: there is none. */
static uint32_t ticks_to_next(const struct timer_wheel *wheel)
{
    uint32_t start = (wheel->tick + 1) % SLOT_COUNT;

    /* The first word is looked at twice: from `start` on, and at last the part before it. */
    for (uint32_t i = 0; i <= WORD_COUNT; i++) {
        uint32_t word = (start / WORD_BITS + i) % WORD_COUNT;
        uint64_t bits = wheel->filled[word];

        if (i == 0)
            bits &= ~UINT64_C(0) << (start % WORD_BITS);
        if (bits != 0) {
            uint32_t slot = word * WORD_BITS + (uint32_t)__builtin_ctzll(bits);

            return (slot - start) % SLOT_COUNT + 1;
        }
    }
    return 0;
}

int64_t timer_wheel_next(const struct timer_wheel *wheel, int64_t now_ns)
{
    uint32_t ticks;
    int64_t due_ns;

    if (wheel->firing != NULL)
        return 0;
    ticks = ticks_to_next(wheel);
    if (ticks == 0)
        return INT64_MAX;
    due_ns = wheel->base_ns + ((int64_t)wheel->tick + ticks) * TIMER_TICK_NS;
    return due_ns > now_ns ? due_ns - now_ns : 0;
}
