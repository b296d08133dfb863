/*
 * server/commit_plan.h - when the store writer commits: group commit, and what it does between.
 *
 * Rule     at once when somebody waits for a commit, a quarter of the ring waits, the last commit
 *          left something behind, or the server ends; otherwise COMMIT_PLAN_DELAY_NS after the
 *          first operation that waits. With nothing waiting it trims when that is due. Pure.
 * Bound    a commit is late by at most the delay and the commit (or trim step) under way. DESIGN
 *          section 5.
 */
#ifndef SERVER_COMMIT_PLAN_H
#define SERVER_COMMIT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define COMMIT_PLAN_DELAY_NS INT64_C(50000000)
#define COMMIT_PLAN_IDLE_NS  INT64_C(1000000000) /* longest sleep: the master counts turns */

struct commit_view {
    uint64_t waiting_bytes; /* in the ring, not committed */
    uint64_t ring_bytes;
    int64_t waiting_since_ns; /* when the first of them was seen; only with waiting_bytes */
    int64_t trim_due_ns;
    int64_t retry_ns; /* a commit failed: not before this time; 0: none did */
    int64_t now_ns;
    bool is_urgent;
    bool has_more; /* the last commit took all that one may */
    bool is_ending;
};

enum commit_choice {
    COMMIT_SLEEP,
    COMMIT_COMMIT,
    COMMIT_TRIM,
};

struct commit_plan {
    enum commit_choice choice;
    int64_t sleep_ns; /* at most, when sleeping */
};

struct commit_plan commit_plan(const struct commit_view *view);

#endif
