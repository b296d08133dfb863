/*
 * server/api/live.h - one subscription's topic, and its result of an event; for group.c.
 *
 * Shape    made of an operation (kind subscription, not refused), of which it copies what it needs. Any
 *          number of events are executed with it, each by itself and at once.
 * Passed   what the subscription does not deliver: model.h, enum model_delivery, and `where`.
 * over
 * Budget   live_execute takes its steps from api->group_steps, which api_turn fills up again; one
 *          execution may overdraw it, by no more than the complexity limit lets through.
 */
#ifndef SERVER_API_LIVE_H
#define SERVER_API_LIVE_H

#include "bus/record.h"

struct event;
struct live;
struct operation;
struct text;

/*
 * What two operations with the same results of every event have in common: the normal form and the
 * coerced variables, as bytes to compare. @out is not whole when there was no memory.
 */
void live_key(const struct operation *operation, struct text *out);

/*
 *   -EINVAL  its topic cannot be made of its arguments, or is no valid name: the operation is
 *            refused now and has the error
 *   -E2BIG   together they would have more than API_LIVE_BYTES_MAX
 *   -ENOMEM
 */
int live_new(struct operation *operation, struct live **ret_live);
/* Takes NULL. */
void live_free(struct live *live);
/* The name belongs to @live. */
struct record_topic live_topic(const struct live *live);

enum live_result {
    LIVE_PASSED_OVER,
    LIVE_MADE,
};

/*
 * Executes the selection on @event and adds {"data":…,"errors":[…],"extensions":{"seq":"58","epoch":"…"}}
 * to @out ("errors" only if there are any; alone if the limits of a result are passed).
 *
 *   LIVE_MADE, LIVE_PASSED_OVER (nothing was added)
 *   -EAGAIN  not in this turn: API_GROUP_STEPS are used up
 *   -ENOMEM
 *   -errno   the store cannot be read
 */
int live_execute(struct live *live, const struct event *event, struct text *out);

#endif
