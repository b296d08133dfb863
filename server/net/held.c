#include "server/net/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/net/budget.h"

enum {
    SLACK_BYTES = 4096, /* less than this is not worth giving back */
    GROWTH_PARTS = 8,   /* what grows again grows by an 8th more than it must */
};

/* Of a buffer for so many bytes. */
static size_t charge_for(size_t capacity)
{
    return budget_charge(sizeof(struct held) + capacity);
}

static size_t charge_of(const struct held *held)
{
    return held != NULL ? charge_for(held->capacity) : 0;
}

static int resize(struct held **held, struct budget *budget, size_t capacity)
{
    size_t more_bytes = charge_for(capacity) - charge_of(*held);
    struct held *grown;

    if (capacity > UINT32_MAX / 2 || !budget_take(budget, more_bytes))
        return -ENOBUFS;
    grown = realloc(*held, sizeof *grown + capacity);
    if (grown == NULL) {
        budget_give(budget, more_bytes);
        return -ENOMEM;
    }
    if (*held == NULL)
        grown->size = 0;
    grown->capacity = (uint32_t)capacity;
    *held = grown;
    return 0;
}

static int grow(struct held **held, struct budget *budget, size_t needed)
{
    if (*held != NULL && resize(held, budget, needed + needed / GROWTH_PARTS) == 0)
        return 0;
    return resize(held, budget, needed); /* the first is often the last */
}

int held_append(struct held **held, struct budget *budget, const uint8_t *bytes, size_t size)
{
    size_t needed = held_bytes(*held) + size;

    if (size == 0)
        return 0;
    if (*held == NULL || needed > (*held)->capacity) {
        int rc = grow(held, budget, needed);

        if (rc != 0)
            return rc;
    }
    memcpy((*held)->bytes + (*held)->size, bytes, size);
    (*held)->size = (uint32_t)needed;
    return 0;
}

void held_consume(struct held **held, struct budget *budget, size_t size)
{
    struct held *rest = *held;
    struct held *shrunk;

    CHECK(size <= held_bytes(rest));
    if (size == 0)
        return;
    if (size == rest->size) {
        held_drop(held, budget);
        return;
    }
    memmove(rest->bytes, rest->bytes + size, rest->size - size);
    rest->size -= (uint32_t)size;
    if (rest->capacity - rest->size < SLACK_BYTES)
        return;
    shrunk = realloc(rest, sizeof *rest + rest->size);
    if (shrunk == NULL)
        return; /* it stays as large, and charged, as it was */
    budget_give(budget, charge_of(shrunk) - charge_for(shrunk->size));
    shrunk->capacity = shrunk->size;
    *held = shrunk;
}

void held_drop(struct held **held, struct budget *budget)
{
    budget_give(budget, charge_of(*held));
    free(*held);
    *held = NULL;
}
