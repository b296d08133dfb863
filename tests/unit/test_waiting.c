#include "tests/unit/protocol_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "bus/ring.h"
#include "server/protocol/waiting.h"

enum {
    MANY = 5 * WAITING_STEPS + 3,
};

/* What was stepped, in this order. */
static struct {
    int names[4 * MANY];
    int count;
} stepped;

struct job {
    struct waiting_request waiting;
    struct service *service;
    int name;
    int left; /* steps to the answer */
};

static void step(struct waiting_request *waiting)
{
    struct job *job = (struct job *)(void *)waiting; /* its first member */

    stepped.names[stepped.count++] = job->name;
    if (--job->left == 0)
        waiting_leave(job->service, waiting);
}

static struct job job_of(struct protocol_fixture *f, int name, int left)
{
    return (struct job){
        .waiting = {.step = step}, .service = &f->service, .name = name, .left = left};
}

static int setup(void **state)
{
    memset(&stepped, 0, sizeof stepped);
    return protocol_setup(state);
}

static void a_turn_works_on_the_oldest_few(void **state)
{
    struct protocol_fixture *f = *state;
    struct job jobs[WAITING_STEPS + 1];

    for (int i = 0; i <= WAITING_STEPS; i++) {
        jobs[i] = job_of(f, i, i == 0 ? 1 : 2);
        waiting_join(&f->service, &jobs[i].waiting);
    }
    assert_true(waiting_turn(&f->service, 0));
    assert_int_equal(stepped.count, WAITING_STEPS);
    assert_true(waiting_turn(&f->service, 0));
    assert_int_equal(stepped.count, 2 * WAITING_STEPS);
    for (int i = 0; i < WAITING_STEPS; i++) {
        assert_int_equal(stepped.names[i], i);
        assert_int_equal(stepped.names[WAITING_STEPS + i], i + 1);
    }
    assert_true(waiting_turn(&f->service, 0)); /* the last one's second step */
    assert_int_equal(stepped.count, 2 * WAITING_STEPS + 1);
    assert_false(waiting_turn(&f->service, 0));
}

static void who_waits_for_a_commit_costs_nothing_until_it_comes(void **state)
{
    struct protocol_fixture *f = *state;
    struct job jobs[MANY];
    int turns = 0;

    (void)topics_append(f->base, "news", "1");
    for (int i = 0; i < MANY; i++) {
        jobs[i] = job_of(f, i, 1);
        waiting_join_committed(&f->service, &jobs[i].waiting);
    }
    assert_false(waiting_turn(&f->service, loop_now_ns(f->loop)));
    assert_true(waiting_is_for_commit(&f->service));
    assert_int_equal(stepped.count, 0);
    /* The oldest one speaks for all: the others are not even looked at. */
    jobs[1].waiting.until_seq = 0;
    assert_false(waiting_turn(&f->service, loop_now_ns(f->loop)));
    assert_int_equal(stepped.count, 0);

    topics_commit(f->base, NULL);
    while (waiting_turn(&f->service, loop_now_ns(f->loop))) {
        turns++;
        assert_true(stepped.count <= turns * WAITING_STEPS);
    }
    assert_int_equal(stepped.count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(stepped.names[i], i);
    assert_false(waiting_is_for_commit(&f->service));
}

static void what_is_committed_already_is_worked_on_in_the_next_turn(void **state)
{
    struct protocol_fixture *f = *state;
    struct job first = job_of(f, 1, 1);
    struct job second = job_of(f, 2, 1);

    (void)topics_append(f->base, "news", "1");
    topics_commit(f->base, NULL);
    waiting_join_committed(&f->service, &first.waiting);
    (void)topics_append(f->base, "news", "2");
    waiting_join_committed(&f->service, &second.waiting);
    assert_true(waiting_turn(&f->service, loop_now_ns(f->loop)));
    assert_false(waiting_turn(&f->service, loop_now_ns(f->loop)));
    assert_int_equal(stepped.count, 1);
    waiting_leave(&f->service, &second.waiting);
}

static void a_disk_that_has_stopped_is_not_waited_for_for_ever(void **state)
{
    struct protocol_fixture *f = *state;
    struct job job = job_of(f, 1, 1);
    int64_t now_ns = loop_now_ns(f->loop);

    (void)topics_append(f->base, "news", "1");
    waiting_join_committed(&f->service, &job.waiting);
    assert_false(waiting_turn(&f->service, now_ns + WAITING_COMMIT_NS - 1));
    assert_true(waiting_turn(&f->service, now_ns + WAITING_COMMIT_NS));
    assert_int_equal(stepped.count, 1);
}

static void anyone_may_leave_whichever_list_he_is_in(void **state)
{
    struct protocol_fixture *f = *state;
    struct job jobs[6];

    (void)topics_append(f->base, "news", "1");
    for (int i = 0; i < 6; i++) {
        jobs[i] = job_of(f, i, 1);
        if (i < 3)
            waiting_join(&f->service, &jobs[i].waiting);
        else
            waiting_join_committed(&f->service, &jobs[i].waiting);
    }
    waiting_leave(&f->service, &jobs[2].waiting); /* the last of the one */
    waiting_leave(&f->service, &jobs[5].waiting); /* ... and of the other list */
    waiting_leave(&f->service, &jobs[3].waiting);
    jobs[2].name = 12;
    waiting_join(&f->service, &jobs[2].waiting);
    jobs[5].name = 15;
    waiting_join_committed(&f->service, &jobs[5].waiting);
    topics_commit(f->base, NULL);
    while (waiting_turn(&f->service, loop_now_ns(f->loop)))
        continue;
    assert_int_equal(stepped.count, 5);
    assert_int_equal(stepped.names[0], 0);
    assert_int_equal(stepped.names[1], 1);
    assert_int_equal(stepped.names[2], 12);
    assert_int_equal(stepped.names[3], 4);
    assert_int_equal(stepped.names[4], 15);
}

int main(void)
{
#define WAITING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        WAITING_TEST(a_turn_works_on_the_oldest_few),
        WAITING_TEST(who_waits_for_a_commit_costs_nothing_until_it_comes),
        WAITING_TEST(what_is_committed_already_is_worked_on_in_the_next_turn),
        WAITING_TEST(a_disk_that_has_stopped_is_not_waited_for_for_ever),
        WAITING_TEST(anyone_may_leave_whichever_list_he_is_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
