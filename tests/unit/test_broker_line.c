/* Lines of raw TCP: where they begin and end, and how long they may take. What they say: test_sessions. */
#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/ring.h"
#include "server/protocol/session.h"

#define PING "{\"action\":\"ping\",\"id\":1}"

enum {
    STEP_SECONDS = 30, /* of the timer of a line that has begun */
    STEP_BYTES = 30 * 1024,
};

static int setup(void **state)
{
    int rc = protocol_setup(state);

    protocol_freeze_time(*state);
    return rc;
}

static void the_last_line_may_end_with_the_connection(void **state)
{
    static const char *const lines[] = {
        PING,
        PING "\r",
        (PING "\n" PING),
        ("{\"action\":\"ping\"}\n" PING),
    };
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (int in_pieces = 0; in_pieces < 2; in_pieces++) {
            struct peer *peer = peer_line(f);

            peer_write_text(peer, lines[i]);
            if (in_pieces)
                protocol_settle(f);
            peer_end(peer);
            if (i >= 2)
                assert_part(peer_line_next(peer), "\"pong\"");
            assert_part(peer_line_next(peer), "\"id\":1}");
            peer_wait_end(peer);
            peer_close(peer);
        }
    }
}

static void a_last_line_that_is_cut_says_so_and_does_nothing(void **state)
{
    struct protocol_fixture *f = *state;
    static const char whole[] = "{\"action\":\"publish\",\"topic\":\"t\",\"message\":12}";

    for (size_t cut = 1; cut < sizeof whole - 1; cut++) {
        struct peer *peer = peer_line(f);

        peer_write(peer, whole, cut);
        peer_end(peer);
        assert_part(peer_line_next(peer), "\"code\":\"bad_json\"");
        peer_wait_end(peer);
        peer_close(peer);
    }
    assert_int_equal(ring_tail(f->base->bus).seq, 0);
}

static void a_last_publish_without_an_end_of_line_is_answered_when_it_is_on_disk(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    peer_write_text(peer,
                    "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}");
    peer_end(peer);
    peer_expect_nothing(peer);
    assert_false(peer->is_ended);
    topics_commit(f->base, NULL);
    assert_part(peer_line_next(peer), "\"published\"");
    peer_wait_end(peer);
}

static void who_ends_without_a_word_is_gone(void **state)
{
    static const char *const texts[] = {"", PING "\n \t", PING "\n\r"};
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct peer *peer = peer_line(f);

        peer_write_text(peer, texts[i]);
        peer_end(peer);
        if (i > 0)
            assert_part(peer_line_next(peer), "\"pong\"");
        peer_wait_end(peer);
        assert_int_equal(peer->received_bytes, peer->taken_bytes);
        peer_close(peer);
    }
}

static void the_limit_is_that_of_the_text_whatever_ends_it(void **state)
{
    struct protocol_fixture *f = *state;
    char line[104];
    struct peer *peer;

    f->service.limits.message_bytes_max = 100;
    memset(line, ' ', sizeof line);
    memcpy(line, PING, sizeof PING - 1);
    memcpy(line + 100, "\r\n", 2);
    peer = peer_line(f);
    peer_write(peer, line, 102);
    assert_part(peer_line_next(peer), "\"pong\"");
    peer_write(peer, line, 101); /* the LF comes later */
    peer_expect_nothing(peer);
    peer_write(peer, "\n", 1);
    assert_part(peer_line_next(peer), "\"pong\"");
    peer_write(peer, line, 100); /* and here the whole end */
    peer_expect_nothing(peer);
    peer_write(peer, "\r\n", 2);
    assert_part(peer_line_next(peer), "\"pong\"");

    memcpy(line + 100, " \r\n", 3);
    peer_write(peer, line, 103);
    assert_part(peer_line_next(peer), "\"code\":\"too_large\"");
    peer_wait_end(peer);
    peer_close(peer);

    peer = peer_line(f); /* a CR that turns out not to be the end */
    memcpy(line + 100, "\r\r\n", 3);
    peer_write(peer, line, 101);
    peer_expect_nothing(peer);
    peer_write(peer, line + 101, 2);
    assert_part(peer_line_next(peer), "\"code\":\"too_large\"");
    peer_wait_end(peer);
}

static void many_small_lines_at_once_are_all_answered_in_order(void **state)
{
    enum { LINES = 20000, LINE_BYTES = 32 };
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    char *text = calloc(LINES, LINE_BYTES);
    char *end = text;
    char wanted[16];

    assert_non_null(text);
    for (int i = 0; i < LINES; i++)
        end += snprintf(end, LINE_BYTES, "{\"action\":\"ping\",\"id\":%d}\n", i);
    peer_write(peer, text, (size_t)(end - text));
    free(text);
    for (int i = 0; i < LINES; i++) {
        (void)snprintf(wanted, sizeof wanted, "\"id\":%d}", i);
        assert_part(peer_line_next(peer), wanted);
    }
    peer_expect_nothing(peer);
}

static void a_line_that_stalls_is_given_up(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    peer_write_text(peer, PING "\n{\"action\"");
    assert_part(peer_line_next(peer), "\"pong\"");
    protocol_pass(f, STEP_SECONDS - 1);
    peer_write_text(peer, ":"); /* so little does not count */
    peer_expect_nothing(peer);
    assert_false(peer->is_ended);
    protocol_pass(f, 2);
    assert_part(peer_line_next(peer), "\"code\":\"bad_request\"");
    peer_wait_end(peer);
}

static void who_is_sent_away_in_the_middle_of_a_line_has_broken_no_rule(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    struct client *client;

    peer_write_text(peer, "{\"action\"");
    protocol_settle(f);
    protocol_pass(f, STEP_SECONDS - 1);
    client = &protocol_session(f)->client;
    client->operations->close(client);
    assert_part(peer_line_next(peer), "\"shutdown\"");
    protocol_pass(f, 2);
    peer_wait_end(peer);
    assert_int_equal(topics_stat(f->base, STAT_PROTOCOL_ERRORS), 0);
}

static void a_line_that_moves_is_waited_for(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    char *piece = calloc(1, STEP_BYTES);

    assert_non_null(piece);
    memset(piece, ' ', STEP_BYTES);
    peer_write_text(peer, "{\"action\":");
    protocol_settle(f);
    for (int i = 0; i < 3; i++) {
        peer_write(peer, piece, STEP_BYTES);
        peer_expect_nothing(peer);
        protocol_pass(f, STEP_SECONDS + 1);
        peer_expect_nothing(peer);
        assert_false(peer->is_ended);
    }
    peer_write_text(peer, "\"ping\"}\n");
    assert_part(peer_line_next(peer), "\"pong\"");

    /* A byte less in all that time is too little. */
    peer_write_text(peer, "{");
    protocol_settle(f);
    peer_write(peer, piece, STEP_BYTES - 1);
    free(piece);
    peer_expect_nothing(peer);
    protocol_pass(f, STEP_SECONDS + 1);
    assert_part(peer_line_next(peer), "\"code\":\"bad_request\"");
    peer_wait_end(peer);
}

static void silence_between_lines_may_last(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *newcomer = peer_line(f);
    struct peer *peer = peer_line(f);

    peer_write_text(peer, "{\"action\":"); /* each line has its own time */
    protocol_settle(f);
    protocol_pass(f, STEP_SECONDS - 1);
    peer_write_text(peer, "\"ping\"}\n{\"action\":");
    assert_part(peer_line_next(peer), "\"pong\"");
    protocol_pass(f, STEP_SECONDS - 1);
    peer_write_text(peer, "\"ping\"}\n");
    assert_part(peer_line_next(peer), "\"pong\"");
    protocol_pass(f, 1000 * STEP_SECONDS);
    peer_write_text(peer, PING "\n");
    assert_part(peer_line_next(peer), "\"pong\"");
    peer_write_text(newcomer, PING "\n");
    assert_part(peer_line_next(newcomer), "\"pong\"");
}

/* Whoever is not read from cannot end his line. */
static void the_time_of_a_line_does_not_run_while_reading_is_held(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    char text[128];

    for (int i = 0; i < SESSION_PENDING_MAX; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}\n");
        peer_write_text(peer, text);
    }
    peer_write_text(peer, "{\"action\":");
    protocol_settle(f);
    assert_true(protocol_session(f)->is_held);
    protocol_pass(f, 2 * STEP_SECONDS);
    topics_commit(f->base, NULL);
    for (int i = 0; i < SESSION_PENDING_MAX; i++)
        assert_part(peer_line_next(peer), "\"published\"");
    protocol_settle(f);
    assert_false(protocol_session(f)->is_held);
    protocol_pass(f, STEP_SECONDS - 1);
    peer_write_text(peer, "\"ping\"}\n");
    assert_part(peer_line_next(peer), "\"pong\"");
}

int main(void)
{
#define LINE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        LINE_TEST(the_last_line_may_end_with_the_connection),
        LINE_TEST(a_last_line_that_is_cut_says_so_and_does_nothing),
        LINE_TEST(a_last_publish_without_an_end_of_line_is_answered_when_it_is_on_disk),
        LINE_TEST(who_ends_without_a_word_is_gone),
        LINE_TEST(the_limit_is_that_of_the_text_whatever_ends_it),
        LINE_TEST(many_small_lines_at_once_are_all_answered_in_order),
        LINE_TEST(a_line_that_stalls_is_given_up),
        LINE_TEST(who_is_sent_away_in_the_middle_of_a_line_has_broken_no_rule),
        LINE_TEST(a_line_that_moves_is_waited_for),
        LINE_TEST(silence_between_lines_may_last),
        LINE_TEST(the_time_of_a_line_does_not_run_while_reading_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
