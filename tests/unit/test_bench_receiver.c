/* What the bench says of a server that loses, doubles, reorders or misdirects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluice-bench/payload.h"
#include "tools/sluice-bench/receiver.h"
#include "tools/sluice-bench/report.h"
#include "tools/sluice-bench/sequence.h"

#define RUN 0xfeedbeefu

struct fixture {
    struct options options; /* 4 subscribers of 2 topics, 2 publishers, a window of 8 */
    struct receiver receiver;
    struct control_account account;
    struct control_result result;
};

static int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    f->options = (struct options){
        .connection_count = 4,
        .topic_count = 2,
        .publisher_count = 2,
        .process_count = 1,
        .window_count = 8,
        .pace = OPTIONS_PACE_WINDOW,
    };
    f->account.result = &f->result;
    *state = f;
    return receiver_init(&f->receiver, &f->options, 0);
}

static int fixture_drop(void **state)
{
    struct fixture *f = *state;
    receiver_done(&f->receiver);
    free(f);
    return 0;
}

static void take(struct fixture *f, uint32_t connection, uint32_t publisher, uint64_t number)
{
    struct payload_mark mark = {
        .run = RUN, .publisher = publisher, .number = number, .time_ns = 1000};
    receiver_take(&f->receiver, connection, &mark, 1500, &f->account);
}

static void numbers_in_order_are_new(void **state)
{
    struct sequence sequence = {0};

    (void)state;
    for (uint64_t number = 0; number < 200; number++)
        assert_int_equal(sequence_take(&sequence, number), SEQUENCE_NEW);
}

static void a_number_that_comes_again_is_a_duplicate(void **state)
{
    struct sequence sequence = {0};

    (void)state;
    assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_NEW);
    assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_DUPLICATE);
    assert_int_equal(sequence_take(&sequence, 1), SEQUENCE_NEW);
    assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_DUPLICATE);
}

static void a_number_after_a_greater_one_is_late_once(void **state)
{
    struct sequence sequence = {0};

    (void)state;
    assert_int_equal(sequence_take(&sequence, 2), SEQUENCE_NEW);
    assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_LATE);
    assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_DUPLICATE);
    assert_int_equal(sequence_take(&sequence, 1), SEQUENCE_LATE);
    assert_int_equal(sequence_take(&sequence, 3), SEQUENCE_NEW);
}

static void a_jump_of_any_width_is_remembered_rightly(void **state)
{
    (void)state;
    for (uint64_t jump = 1; jump <= UINT64_C(2) * SEQUENCE_MEMORY; jump++) {
        struct sequence sequence = {0};
        assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_NEW);
        assert_int_equal(sequence_take(&sequence, jump), SEQUENCE_NEW);
        assert_int_equal(sequence_take(&sequence, 0), SEQUENCE_DUPLICATE);
        if (jump > 1)
            assert_int_equal(sequence_take(&sequence, jump - 1), SEQUENCE_LATE);
    }
}

static void a_payload_is_found_again_wherever_it_stands(void **state)
{
    struct payload_mark mark = {
        .run = RUN, .publisher = 7, .number = 0x123456789abcdef0, .time_ns = UINT64_MAX};
    struct payload_mark found;
    char text[200];
    size_t hint = 0;

    (void)state;
    for (size_t at = 0; at + PAYLOAD_BYTES_MIN <= sizeof text; at++) {
        memset(text, 'B', sizeof text); /* false beginnings everywhere */
        payload_write(text + at, PAYLOAD_BYTES_MIN, &mark);
        assert_true(payload_find(text, sizeof text, RUN, &hint, &found));
        assert_int_equal(hint, at);
        assert_memory_equal(&found, &mark, sizeof mark);
    }
}

static void a_payload_of_another_run_or_cut_short_is_not_found(void **state)
{
    struct payload_mark mark = {.run = RUN};
    struct payload_mark found;
    char text[100];
    size_t hint = 0;

    (void)state;
    payload_write(text, sizeof text, &mark);
    assert_false(payload_find(text, sizeof text, RUN + 1, &hint, &found));
    assert_false(payload_find(text, PAYLOAD_BYTES_MIN - 1, RUN, &hint, &found));
    assert_false(payload_find(text + 1, sizeof text - 1, RUN, &hint, &found));
    hint = 99;
    assert_true(payload_find(text, sizeof text, RUN, &hint, &found));
}

static void a_message_is_complete_when_all_its_subscribers_have_it(void **state)
{
    struct fixture *f = *state;

    take(f, 0, 0, 0); /* topic 0: connections 0 and 2; topic 1: 1 and 3 */
    assert_int_equal(f->receiver.publishers[0].completed, 0);
    take(f, 1, 0, 1);
    take(f, 3, 0, 1);
    assert_int_equal(f->receiver.publishers[0].completed, 0); /* 1 is, but 0 is not */
    assert_false(f->receiver.has_progress);
    take(f, 2, 0, 0);
    assert_int_equal(f->receiver.publishers[0].completed, 2);
    assert_true(f->receiver.has_progress);
    assert_int_equal(f->receiver.publishers[1].completed, 0);
    assert_int_equal(f->account.report.delivered, 4);
    assert_int_equal(f->account.report.duplicates + f->account.report.order_errors, 0);
}

static void windows_follow_each_other_without_mixing(void **state)
{
    struct fixture *f = *state;

    for (uint64_t number = 0; number < 100; number++) {
        uint32_t topic = (uint32_t)(number % 2);
        take(f, topic, 1, number);
        take(f, topic + 2, 1, number);
        assert_int_equal(f->receiver.publishers[1].completed, number + 1);
    }
    assert_int_equal(f->account.report.delivered, 200);
}

static void doubled_and_late_messages_are_counted_and_delivered_once(void **state)
{
    struct fixture *f = *state;

    take(f, 0, 0, 2);
    take(f, 0, 0, 0);
    take(f, 0, 0, 0);
    assert_int_equal(f->account.report.delivered, 2);
    assert_int_equal(f->account.report.order_errors, 1);
    assert_int_equal(f->account.report.duplicates, 1);
}

static void what_cannot_be_is_an_order_error_and_not_delivered(void **state)
{
    struct fixture *f = *state;

    take(f, 0, 0, 1);        /* a message of the other topic */
    take(f, 0, 2, 0);        /* a publisher that there is not */
    take(f, 0, 0, 1u << 20); /* far beyond the window */
    assert_int_equal(f->account.report.delivered, 0);
    assert_int_equal(f->account.report.order_errors, 3);
    assert_int_equal(f->account.report.duplicates, 0);
}

static void latency_counts_only_while_measuring(void **state)
{
    struct fixture *f = *state;

    take(f, 0, 0, 0);
    assert_int_equal(f->result.delivery.count, 0);
    f->receiver.is_measuring = true;
    take(f, 2, 0, 0);
    assert_int_equal(f->result.delivery.count, 1);
    assert_int_equal(f->result.delivery.ns_max, 500);
}

static void every_kind_of_error_makes_a_report_unclean(void **state)
{
    const struct report clean = {.expected = 10, .delivered = 10};
    struct report report = clean;

    (void)state;
    assert_true(report_is_clean(&report));
    report.delivered = 9;
    assert_false(report_is_clean(&report));
    report = clean;
    report.duplicates = 1;
    assert_false(report_is_clean(&report));
    report = clean;
    report.order_errors = 1;
    assert_false(report_is_clean(&report));
    report = clean;
    report.refused = 1;
    assert_false(report_is_clean(&report));
    report = clean;
    report.failed_count = 1;
    assert_false(report_is_clean(&report));
    report = clean;
    report.closed_count = 1;
    assert_false(report_is_clean(&report));
    report = clean;
    report.is_given_up = true;
    assert_false(report_is_clean(&report));
}

static void the_parts_of_the_processes_are_the_whole(void **state)
{
    struct options options = {.connection_count = 103, .topic_count = 7, .process_count = 4};

    (void)state;
    for (uint32_t topic = 0; topic < options.topic_count; topic++) {
        uint32_t sum = 0;
        for (uint32_t process = 0; process < options.process_count; process++)
            sum += options_subscriber_count(&options, topic,
                                            options_first_connection(&options, process),
                                            options_first_connection(&options, process + 1));
        assert_int_equal(sum, 103 / 7 + (topic < 103 % 7));
        assert_int_equal(options_subscriber_count(&options, topic, 0, 103), sum);
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_order_are_new),
        cmocka_unit_test(a_number_that_comes_again_is_a_duplicate),
        cmocka_unit_test(a_number_after_a_greater_one_is_late_once),
        cmocka_unit_test(a_jump_of_any_width_is_remembered_rightly),
        cmocka_unit_test(a_payload_is_found_again_wherever_it_stands),
        cmocka_unit_test(a_payload_of_another_run_or_cut_short_is_not_found),
        WITH_FIXTURE(a_message_is_complete_when_all_its_subscribers_have_it),
        WITH_FIXTURE(windows_follow_each_other_without_mixing),
        WITH_FIXTURE(doubled_and_late_messages_are_counted_and_delivered_once),
        WITH_FIXTURE(what_cannot_be_is_an_order_error_and_not_delivered),
        WITH_FIXTURE(latency_counts_only_while_measuring),
        cmocka_unit_test(every_kind_of_error_makes_a_report_unclean),
        cmocka_unit_test(the_parts_of_the_processes_are_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
