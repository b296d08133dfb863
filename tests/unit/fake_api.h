/*
 * tests/unit/fake_api.h - operations and subscriptions that do what their text says, in place of
 * server/api's own: for tests of groups and transports.
 *
 *   query X            done at once: {"data":X}; mutation X: likewise
 *   fails X            likewise, but it ends without data: {"errors":[{"message":"X"}]}
 *   sized N            likewise: {"data":"x…"}, N times x (at most FAKE_SIZED_BYTES_MAX)
 *   later X            done when fake_api_finish says so: {"data":X}
 *   refused            refused: one error; `refused twice`: two
 *   subscription T X   on topic T, whatever X. An event's result is {"data":PAYLOAD,"extensions":{"seq":"N"}}; the
 *                      payloads null, "wait", "fail" are passed over, -EAGAIN until told otherwise,
 *                      -ENOMEM.
 *   subscription       has no topic, or no valid name of one: refused by live_new
 *
 * Links in place of api.c, operation.c and live.c: it defines their symbols. Whatever was made must
 * have been freed when the fixture is.
 */
#ifndef TESTS_UNIT_FAKE_API_H
#define TESTS_UNIT_FAKE_API_H

#include "server/api/api_internal.h"

struct bus;
struct topics;

enum {
    FAKE_SIZED_BYTES_MAX = 1024 * 1024,
};

struct fake_api {
    struct api api;
    int operation_count; /* not freed */
    int live_count;
    int executed_count;        /* events, by all */
    bool is_waiting;           /* "wait" is -EAGAIN */
    bool has_no_memory;        /* for large answers */
    struct operation *pending; /* by `next`: those that are to be finished */
};

struct fake_api *fake_api_new(struct bus *bus, struct topics *topics);
void fake_api_free(struct fake_api *fake);

/* An operation as a transport would make it. */
struct operation *fake_api_operation(struct fake_api *fake, const char *text);
/* Finishes the one called X, as from the worker's turn; fails unless it is under way. */
void fake_api_finish(struct fake_api *fake, const char *name);
/* The same of the one that has begun last; false: none is under way. */
bool fake_api_finish_any(struct fake_api *fake);
bool fake_api_is_pending(const struct fake_api *fake, const char *name);

#endif
