/*
 * server/net/timer.h - a wheel of timers: O(1) to set, move and cancel, 100 ms of resolution.
 *
 * Memory   a struct timer (24 bytes) is embedded by its owner, who stops it before freeing it.
 * Limits   a timer fires at or after its time, never before; up to 100 ms late. At most
 *          TIMER_FIRE_MAX fire in one turn; the others in the next.
 * Callers  the loop's process. on_fire may start and stop any timer.
 */
#ifndef SERVER_NET_TIMER_H
#define SERVER_NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer_wheel;
struct timer;

typedef void timer_function(struct timer *timer);

struct timer {
    struct timer *next;
    struct timer **link; /* what points at this timer; NULL: not running */
    uint32_t due_tick;
    uint32_t kind; /* index of its callback: timer_wheel_register */
};

enum {
    TIMER_TICK_NS = 100 * 1000 * 1000,
    TIMER_KINDS_MAX = 32,
    TIMER_FIRE_MAX = 4096,
};

int timer_wheel_open(int64_t now_ns, struct timer_wheel **ret_wheel);
void timer_wheel_close(struct timer_wheel *wheel);
/* A kind of timer: one callback, registered once at start. Returns its number. */
uint32_t timer_wheel_register(struct timer_wheel *wheel, timer_function *on_fire);

void timer_init(struct timer *timer, uint32_t kind);
/* Starts or moves it: fires @delay_ns from the wheel's now on. */
void timer_start(struct timer_wheel *wheel, struct timer *timer, int64_t delay_ns);
void timer_stop(struct timer *timer);
bool timer_is_running(const struct timer *timer);

/* --- for the loop ---------------------------------------------------------------------------- */

/* What timer_start counts from; fires nothing. Time never goes back. */
void timer_wheel_set_now(struct timer_wheel *wheel, int64_t now_ns);
/* Fires what is due. Returns as timer_wheel_next. Not from inside on_fire. */
int64_t timer_wheel_advance(struct timer_wheel *wheel, int64_t now_ns);
/*
 * ns from @now_ns until the wheel has to be looked at again, INT64_MAX if it is empty. It may be
 * sooner than the next timer (one that was stopped, or is rounds away), never later.
 */
int64_t timer_wheel_next(const struct timer_wheel *wheel, int64_t now_ns);

#endif
