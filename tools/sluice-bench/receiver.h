/*
 * tools/sluice-bench/receiver.h - judges what the subscribers of one client process receive.
 *
 * Shape    Per subscriber and publisher a struct sequence (once, lost, doubled, out of order);
 *          per publisher how many messages have reached all subscribers here: a prefix, with a
 *          count per message for the window beyond it.
 * Callers  client.c, one receiver per process.
 * Memory   receiver_init allocates all, by the options.
 * Errors   -ENOMEM.
 */
#ifndef TOOLS_SLUICE_BENCH_RECEIVER_H
#define TOOLS_SLUICE_BENCH_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/sluice-bench/control.h"
#include "tools/sluice-bench/options.h"
#include "tools/sluice-bench/payload.h"
#include "tools/sluice-bench/sequence.h"

struct receiver_publisher {
    uint64_t completed; /* messages before this number have reached all subscribers here */
    uint32_t *arrived;  /* how often message n has come, at n & receiver.window_mask */
};

struct receiver {
    const struct options *options;
    uint32_t first_connection;
    uint32_t end_connection;
    struct sequence *sequences; /* [connection - first_connection][publisher] */
    struct receiver_publisher *publishers;
    uint32_t *arrived; /* all the publishers' */
    uint64_t window_mask;
    bool is_measuring;
    bool has_progress; /* some completed has grown; the user clears it */
};

int receiver_init(struct receiver *receiver, const struct options *options, uint32_t process);
void receiver_done(struct receiver *receiver);

/*
 * Takes a message that has come to @connection (its number among all) at @now_ns. The latency
 * counts while measuring.
 */
void receiver_take(struct receiver *receiver, uint32_t connection, const struct payload_mark *mark,
                   uint64_t now_ns, struct control_account *account);

#endif
