#include "server/commit_plan.h"

enum {
    RING_PART = 4, /* a quarter of the ring is reason enough */
};

static bool is_pressing(const struct commit_view *view)
{
    return view->is_urgent || view->has_more || view->is_ending ||
           view->waiting_bytes >= view->ring_bytes / RING_PART;
}

static struct commit_plan sleep_until(const struct commit_view *view, int64_t due_ns)
{
    int64_t sleep_ns = due_ns - view->now_ns;

    if (sleep_ns > COMMIT_PLAN_IDLE_NS)
        sleep_ns = COMMIT_PLAN_IDLE_NS;
    return (struct commit_plan){.choice = COMMIT_SLEEP, .sleep_ns = sleep_ns};
}

struct commit_plan commit_plan(const struct commit_view *view)
{
    int64_t due_ns = view->waiting_since_ns + COMMIT_PLAN_DELAY_NS;

    if (view->retry_ns > view->now_ns)
        return sleep_until(view, view->retry_ns);
    if (view->waiting_bytes > 0) {
        if (is_pressing(view) || view->now_ns >= due_ns)
            return (struct commit_plan){.choice = COMMIT_COMMIT};
        return sleep_until(view, due_ns);
    }
    if (view->now_ns >= view->trim_due_ns && !view->is_ending)
        return (struct commit_plan){.choice = COMMIT_TRIM};
    return sleep_until(view,
                       view->is_ending ? view->now_ns + COMMIT_PLAN_IDLE_NS : view->trim_due_ns);
}
