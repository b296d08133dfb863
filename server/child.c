#include "server/child.h"

#include <stdio.h>

#include "bus/check.h"

struct step {
    enum child_action action;
    enum child_state next;
};

/*
 * Every event in every state. An event that says nothing new in a state leaves it as it is: a
 * silence after the kill, a turn after the first, a death that was counted already.
 */
/* clang-format off */
static const struct step actions[CHILD_STATE_COUNT][CHILD_EVENT_COUNT] = {
    [CHILD_ABSENT] = {
        [CHILD_IS_WANTED]  = {CHILD_SPAWN,   CHILD_STARTING},
        [CHILD_HAS_TURNED] = {CHILD_NOTHING, CHILD_ABSENT},
        [CHILD_IS_SILENT]  = {CHILD_NOTHING, CHILD_ABSENT},
        [CHILD_HAS_DIED]   = {CHILD_NOTHING, CHILD_ABSENT},
        [CHILD_HAS_RESTED] = {CHILD_NOTHING, CHILD_ABSENT},
        [CHILD_IS_RETIRED] = {CHILD_NOTHING, CHILD_ABSENT},
    },
    [CHILD_STARTING] = {
        [CHILD_IS_WANTED]  = {CHILD_NOTHING, CHILD_STARTING},
        [CHILD_HAS_TURNED] = {CHILD_NOTHING, CHILD_RUNNING},
        [CHILD_IS_SILENT]  = {CHILD_KILL,    CHILD_CONDEMNED},
        [CHILD_HAS_DIED]   = {CHILD_REST,    CHILD_RESTING},
        [CHILD_HAS_RESTED] = {CHILD_NOTHING, CHILD_STARTING},
        [CHILD_IS_RETIRED] = {CHILD_NOTHING, CHILD_RETIRING},
    },
    [CHILD_RUNNING] = {
        [CHILD_IS_WANTED]  = {CHILD_NOTHING, CHILD_RUNNING},
        [CHILD_HAS_TURNED] = {CHILD_NOTHING, CHILD_RUNNING},
        [CHILD_IS_SILENT]  = {CHILD_KILL,    CHILD_CONDEMNED},
        [CHILD_HAS_DIED]   = {CHILD_REST,    CHILD_RESTING},
        [CHILD_HAS_RESTED] = {CHILD_NOTHING, CHILD_RUNNING},
        [CHILD_IS_RETIRED] = {CHILD_NOTHING, CHILD_RETIRING},
    },
    [CHILD_CONDEMNED] = {
        [CHILD_IS_WANTED]  = {CHILD_NOTHING, CHILD_CONDEMNED},
        [CHILD_HAS_TURNED] = {CHILD_NOTHING, CHILD_CONDEMNED},
        [CHILD_IS_SILENT]  = {CHILD_NOTHING, CHILD_CONDEMNED},
        [CHILD_HAS_DIED]   = {CHILD_REST,    CHILD_RESTING},
        [CHILD_HAS_RESTED] = {CHILD_NOTHING, CHILD_CONDEMNED},
        [CHILD_IS_RETIRED] = {CHILD_NOTHING, CHILD_RETIRING},
    },
    [CHILD_RESTING] = {
        [CHILD_IS_WANTED]  = {CHILD_NOTHING, CHILD_RESTING},
        [CHILD_HAS_TURNED] = {CHILD_NOTHING, CHILD_RESTING},
        [CHILD_IS_SILENT]  = {CHILD_NOTHING, CHILD_RESTING},
        [CHILD_HAS_DIED]   = {CHILD_NOTHING, CHILD_RESTING},
        [CHILD_HAS_RESTED] = {CHILD_SPAWN,   CHILD_STARTING},
        [CHILD_IS_RETIRED] = {CHILD_NOTHING, CHILD_ABSENT},
    },
    [CHILD_RETIRING] = {
        [CHILD_IS_WANTED]  = {CHILD_NOTHING, CHILD_RETIRING},
        [CHILD_HAS_TURNED] = {CHILD_NOTHING, CHILD_RETIRING},
        [CHILD_IS_SILENT]  = {CHILD_KILL,    CHILD_RETIRING},
        [CHILD_HAS_DIED]   = {CHILD_NOTHING, CHILD_ABSENT},
        [CHILD_HAS_RESTED] = {CHILD_NOTHING, CHILD_RETIRING},
        [CHILD_IS_RETIRED] = {CHILD_NOTHING, CHILD_RETIRING},
    },
};
/* clang-format on */

enum child_action child_step(struct child *child, enum child_event event)
{
    const struct step *step;

    CHECK(child->state < CHILD_STATE_COUNT);
    CHECK(event < CHILD_EVENT_COUNT);
    step = &actions[child->state][event];
    child->state = step->next;
    return step->action;
}

int64_t child_rest_ns(int64_t previous_ns, int64_t lived_ns)
{
    if (previous_ns == 0 || lived_ns >= CHILD_STABLE_NS)
        return CHILD_REST_NS_MIN;
    return previous_ns > CHILD_REST_NS_MAX / 2 ? CHILD_REST_NS_MAX : previous_ns * 2;
}

bool child_is_silent(struct child *child, uint64_t turn_count, bool is_excused)
{
    if (turn_count != child->turn_count || is_excused)
        child->silent_checks = 0;
    else
        child->silent_checks++;
    child->turn_count = turn_count;
    return child->silent_checks >= CHILD_SILENT_CHECKS;
}

unsigned child_count_running(const struct child *children, unsigned count)
{
    unsigned running = 0;

    for (unsigned i = 0; i < count; i++)
        running += children[i].state == CHILD_RUNNING;
    return running;
}

bool child_has_any_died(const struct child *children, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (children[i].rest_ns != 0)
            return true;
    }
    return false;
}

void child_name(const struct child *child, char *buf, unsigned buf_bytes)
{
    if (child->kind == CHILD_WRITER)
        (void)snprintf(buf, buf_bytes, "store writer");
    else
        (void)snprintf(buf, buf_bytes, "worker %u", child->index);
}
