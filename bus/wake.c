#include "bus/wake.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/test_point.h"

/* A full counter (EAGAIN) is as good as one more. */
static void ring_bell(const struct bus *bus, unsigned slot)
{
    CHECK(eventfd_write(bus->eventfds[slot], 1) == 0 || errno == EAGAIN);
}

void wake_prepare(struct bus *bus, unsigned slot, unsigned reasons)
{
    CHECK((reasons & ~WAKE_ALL) == 0);
    atomic_store_explicit(&bus_slot_at(bus, slot)->sleeping, reasons, memory_order_relaxed);
    TEST_POINT(WAKE_SLEEPING);
    /* Pairs with wake_signal: either it sees the word, or the owner's next look sees the change. */
    atomic_thread_fence(memory_order_seq_cst);
}

void wake_done(struct bus *bus, unsigned slot)
{
    eventfd_t count;

    atomic_store_explicit(&bus_slot_at(bus, slot)->sleeping, 0, memory_order_relaxed);
    TEST_POINT(WAKE_UP);
    (void)eventfd_read(bus->eventfds[slot], &count); /* EAGAIN: woken by something else */
}

int wake_fd(const struct bus *bus, unsigned slot)
{
    CHECK(slot < BUS_SLOT_COUNT);
    return bus->eventfds[slot];
}

void wake_signal(struct bus *bus, unsigned reasons)
{
    atomic_thread_fence(memory_order_seq_cst);
    TEST_POINT(WAKE_FENCED);
    for (unsigned word = 0; word < BUS_SLOT_WORDS; word++) {
        uint64_t active =
            atomic_load_explicit(&bus->header->active_slots[word], memory_order_relaxed);

        for (; active != 0; active &= active - 1) {
            unsigned slot = word * 64 + (unsigned)__builtin_ctzll(active);
            unsigned sleeping =
                atomic_load_explicit(&bus_slot_at(bus, slot)->sleeping, memory_order_relaxed);

            if ((sleeping & reasons) == 0)
                continue;
            ring_bell(bus, slot);
            TEST_POINT(WAKE_RUNG);
        }
    }
}

void wake_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

void wake_slot_for(struct bus *bus, unsigned slot, unsigned reasons)
{
    CHECK(slot < BUS_SLOT_COUNT);
    if ((atomic_load_explicit(&bus_slot_at(bus, slot)->sleeping, memory_order_relaxed) & reasons) !=
        0)
        ring_bell(bus, slot);
}

void wake_everybody(struct bus *bus)
{
    for (unsigned word = 0; word < BUS_SLOT_WORDS; word++) {
        uint64_t active =
            atomic_load_explicit(&bus->header->active_slots[word], memory_order_acquire);

        for (; active != 0; active &= active - 1) {
            ring_bell(bus, word * 64 + (unsigned)__builtin_ctzll(active));
            TEST_POINT(CALL_RUNG);
        }
    }
}

void wake_slot(struct bus *bus, unsigned slot)
{
    CHECK(slot < BUS_SLOT_COUNT);
    ring_bell(bus, slot);
}
