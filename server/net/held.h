/*
 * server/net/held.h - input that a stream's user has not consumed: the only copy of it.
 *
 * Memory   NULL: nothing is held. What is allocated beyond BUDGET_OWN_BYTES is charged to the
 *          budget and given back as it is freed; a part that has been consumed, as soon as it is
 *          worth it.
 * Errors   held_append: -ENOBUFS (the budget is used up) or -ENOMEM; nothing has changed then.
 */
#ifndef SERVER_NET_HELD_H
#define SERVER_NET_HELD_H

#include <stddef.h>
#include <stdint.h>

struct budget;

struct held {
    uint32_t size;
    uint32_t capacity;
    uint8_t bytes[];
};

static inline size_t held_bytes(const struct held *held)
{
    return held != NULL ? held->size : 0;
}

int held_append(struct held **held, struct budget *budget, const uint8_t *bytes, size_t size);
/* @size bytes from the front are no longer wanted. */
void held_consume(struct held **held, struct budget *budget, size_t size);
void held_drop(struct held **held, struct budget *budget);

#endif
