#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/broker_message.h"

enum {
    MESSAGE_BYTES_MAX = 4096,
};

/* A message and what it was parsed from. */
struct parsed {
    char compact[MESSAGE_BYTES_MAX];
    struct broker_message message;
    const char *reason;
    enum broker_error error;
};

static struct parsed *parse(const char *text)
{
    static struct parsed parsed;

    assert_true(strlen(text) <= MESSAGE_BYTES_MAX);
    memset(&parsed, 0xa5, sizeof parsed); /* what is not set must show */
    parsed.reason = NULL;
    parsed.error =
        broker_message_parse(text, strlen(text), parsed.compact, &parsed.message, &parsed.reason);
    if (parsed.error != BROKER_OK)
        assert_non_null(parsed.reason);
    return &parsed;
}

static void assert_error(const char *text, enum broker_error error)
{
    enum broker_error got = parse(text)->error;

    if (got != error)
        fail_msg("%s: %s, not %s", text, broker_error_code(got), broker_error_code(error));
}

static void assert_text(const char *got, size_t got_bytes, const char *wanted)
{
    if (got_bytes != strlen(wanted) || memcmp(got, wanted, got_bytes) != 0)
        fail_msg("got    %.*s\n         wanted %s", (int)got_bytes, got, wanted);
}

static void assert_span(struct json_span span, const char *wanted)
{
    assert_text(span.bytes, span.size, wanted);
}

/* --- parsing ---------------------------------------------------------------------------------- */

static void a_publish_passes_its_value_through(void **state)
{
    struct parsed *parsed = parse("{ \"action\" : \"publish\", \"topic\": \"news\",\n"
                                  "\"message\": {\"a\": [1.0, 1e400, \"\\u00e9\"], \"a\":2} }");

    (void)state;
    assert_int_equal(parsed->error, BROKER_OK);
    assert_int_equal(parsed->message.action, BROKER_PUBLISH);
    assert_text(parsed->message.context.topic, parsed->message.context.topic_bytes, "news");
    assert_span(parsed->message.payload, "{\"a\":[1.0,1e400,\"\\u00e9\"],\"a\":2}");
    assert_false(parsed->message.is_durable);
    assert_int_equal(parsed->message.context.id.size, 0);
}

static void any_json_value_is_a_message(void **state)
{
    static const char *const values[] = {"null", "true", "false", "0", "\"\"", "[]", "{}"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        (void)snprintf(text, sizeof text, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":%s}",
                       values[i]);
        assert_int_equal(parse(text)->error, BROKER_OK);
        assert_span(parse(text)->message.payload, values[i]);
    }
}

static void durable_must_be_a_boolean(void **state)
{
    (void)state;
    assert_true(parse("{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}")
                    ->message.is_durable);
    assert_false(parse("{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":false}")
                     ->message.is_durable);
    assert_error("{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":1}",
                 BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":\"true\"}",
                 BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":null}",
                 BROKER_BAD_REQUEST);
}

static void a_publish_needs_a_message(void **state)
{
    (void)state;
    assert_error("{\"action\":\"publish\",\"topic\":\"t\"}", BROKER_BAD_REQUEST);
}

static void a_subscription_may_resume(void **state)
{
    struct parsed *parsed = parse("{\"action\":\"subscribe\",\"topic\":\"t\"}");

    (void)state;
    assert_int_equal(parsed->error, BROKER_OK);
    assert_int_equal(parsed->message.action, BROKER_SUBSCRIBE);
    assert_false(parsed->message.resume.has_since);
    assert_false(parsed->message.resume.has_epoch);

    parsed = parse("{\"action\":\"subscribe\",\"topic\":\"t\",\"since\":18446744073709551615,"
                   "\"epoch\":\"9f86D081884c7d65\"}");
    assert_int_equal(parsed->error, BROKER_OK);
    assert_true(parsed->message.resume.has_since);
    assert_true(parsed->message.resume.since == UINT64_MAX);
    assert_true(parsed->message.resume.has_epoch);
    assert_true(parsed->message.resume.epoch == UINT64_C(0x9f86d081884c7d65));
}

static void since_is_an_integer_and_epoch_16_hex_digits(void **state)
{
    static const char *const wrong[] = {
        "\"since\":-1",
        "\"since\":1.5",
        "\"since\":1e3",
        "\"since\":\"1\"",
        "\"since\":null",
        "\"since\":18446744073709551616",
        "\"since\":1,\"epoch\":1",
        "\"since\":1,\"epoch\":\"\"",
        "\"since\":1,\"epoch\":\"9f86d081884c7d6\"",
        "\"since\":1,\"epoch\":\"9f86d081884c7d650\"",
        "\"since\":1,\"epoch\":\"9f86d081884c7d6g\"",
        "\"since\":1,\"epoch\":null",
        "\"epoch\":\"?\"",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        (void)snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"topic\":\"t\",%s}",
                       wrong[i]);
        assert_error(text, BROKER_BAD_REQUEST);
    }
}

static void what_an_action_does_not_use_is_ignored(void **state)
{
    (void)state;
    assert_error("{\"action\":\"ping\",\"topic\":5,\"since\":-1,\"x\":{\"y\":[]}}", BROKER_OK);
    assert_error("{\"action\":\"unsubscribe\",\"topic\":\"t\",\"durable\":7,\"epoch\":0}",
                 BROKER_OK);
    assert_error("{\"action\":\"subscribe\",\"topic\":\"t\",\"message\":1,\"durable\":7}",
                 BROKER_OK);
    assert_error("{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"since\":-1}", BROKER_OK);
}

static void an_id_is_kept_as_it_was(void **state)
{
    (void)state;
    assert_span(parse("{\"action\":\"ping\",\"id\":1.50}")->message.context.id, "1.50");
    assert_span(parse("{\"action\":\"ping\",\"id\":\"\\u0041\"}")->message.context.id,
                "\"\\u0041\"");
    assert_span(parse("{\"action\":\"ping\",\"id\":\"\"}")->message.context.id, "\"\"");
    /* An error returns it too. */
    assert_span(parse("{\"action\":\"dance\",\"id\":7}")->message.context.id, "7");
    assert_span(parse("{\"id\":8}")->message.context.id, "8");
}

static void an_id_of_another_kind_or_too_long_is_refused(void **state)
{
    char text[BROKER_ID_BYTES_MAX + 64];
    char digits[BROKER_ID_BYTES_MAX + 2];

    (void)state;
    assert_error("{\"action\":\"ping\",\"id\":true}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"ping\",\"id\":null}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"ping\",\"id\":[1]}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"ping\",\"id\":{}}", BROKER_BAD_REQUEST);

    memset(digits, '1', sizeof digits);
    digits[BROKER_ID_BYTES_MAX] = '\0';
    (void)snprintf(text, sizeof text, "{\"action\":\"ping\",\"id\":%s}", digits);
    assert_int_equal(parse(text)->error, BROKER_OK);
    digits[BROKER_ID_BYTES_MAX] = '1';
    digits[BROKER_ID_BYTES_MAX + 1] = '\0';
    (void)snprintf(text, sizeof text, "{\"action\":\"ping\",\"id\":%s}", digits);
    assert_error(text, BROKER_BAD_REQUEST);
    assert_int_equal(parse(text)->message.context.id.size, 0);
}

static void topics_are_names(void **state)
{
    char name[300];
    char text[400];

    (void)state;
    assert_error("{\"action\":\"subscribe\"}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"subscribe\",\"topic\":7}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"subscribe\",\"topic\":null}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"subscribe\",\"topic\":\"\"}", BROKER_BAD_TOPIC);
    assert_error("{\"action\":\"subscribe\",\"topic\":\"$SYS\"}", BROKER_BAD_TOPIC);
    assert_error("{\"action\":\"subscribe\",\"topic\":\"a\\u0000b\"}", BROKER_BAD_TOPIC);
    assert_error("{\"action\":\"subscribe\",\"topic\":\"a\\nb\"}", BROKER_BAD_TOPIC);
    assert_error("{\"action\":\"subscribe\",\"topic\":\"\\ud800\"}", BROKER_BAD_TOPIC);
    assert_error("{\"action\":\"publish\",\"topic\":\"$SYS\",\"message\":1}", BROKER_BAD_TOPIC);

    memset(name, 'x', sizeof name);
    name[255] = '\0';
    (void)snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"topic\":\"%s\"}", name);
    assert_error(text, BROKER_OK);
    name[255] = 'x';
    name[256] = '\0';
    (void)snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"topic\":\"%s\"}", name);
    assert_error(text, BROKER_BAD_TOPIC);
}

static void a_topic_is_decoded(void **state)
{
    struct parsed *parsed =
        parse("{\"action\":\"subscribe\",\"topic\":\"\\u00e4\\/\\ud83d\\ude00\"}");

    (void)state;
    assert_int_equal(parsed->error, BROKER_OK);
    assert_text(parsed->message.context.topic, parsed->message.context.topic_bytes,
                "\xc3\xa4/\xf0\x9f\x98\x80");
}

static void an_error_knows_the_topic_if_there_is_one(void **state)
{
    struct parsed *parsed = parse("{\"action\":\"dance\",\"topic\":\"news\"}");

    (void)state;
    assert_int_equal(parsed->error, BROKER_UNKNOWN_ACTION);
    assert_text(parsed->message.context.topic, parsed->message.context.topic_bytes, "news");
    assert_int_equal(parse("{\"action\":\"dance\"}")->message.context.topic_bytes, 0);
    assert_int_equal(parse("nonsense")->message.context.topic_bytes, 0);
    assert_int_equal(parse("nonsense")->message.context.id.size, 0);
}

static void what_is_no_json_object_is_told_apart(void **state)
{
    (void)state;
    assert_error("", BROKER_BAD_JSON);
    assert_error("{", BROKER_BAD_JSON);
    assert_error("{\"action\":\"ping\"} x", BROKER_BAD_JSON);
    assert_error("{'action':'ping'}", BROKER_BAD_JSON);
    assert_error("{\"action\":\"publish\",\"topic\":\"t\",\"message\":NaN}", BROKER_BAD_JSON);
    assert_error("[]", BROKER_BAD_REQUEST);
    assert_error("\"ping\"", BROKER_BAD_REQUEST);
    assert_error("null", BROKER_BAD_REQUEST);
    assert_error("{}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":1}", BROKER_BAD_REQUEST);
    assert_error("{\"action\":\"PING\"}", BROKER_UNKNOWN_ACTION);
    assert_error("{\"action\":\"\"}", BROKER_UNKNOWN_ACTION);
}

static void what_is_no_json_is_told_why_and_where(void **state)
{
    (void)state;
    assert_string_equal(parse("{\"action\":pong}")->reason, "value expected at offset 10");
    assert_string_equal(parse("{\"action\":\"ping\"} {}")->reason, "end expected at offset 18");
    assert_string_equal(parse("")->reason, "unexpected end at offset 0");
}

static void escapes_in_names_and_words_count_as_what_they_are(void **state)
{
    struct parsed *parsed =
        parse("{\"\\u0061ction\":\"pu\\u0062lish\",\"topi\\u0063\":\"t\",\"message\":1}");

    (void)state;
    assert_int_equal(parsed->error, BROKER_OK);
    assert_int_equal(parsed->message.action, BROKER_PUBLISH);
}

static void of_a_member_given_twice_the_last_one_counts(void **state)
{
    struct parsed *parsed = parse("{\"action\":\"ping\",\"topic\":\"a\",\"action\":\"subscribe\","
                                  "\"topic\":\"b\"}");

    (void)state;
    assert_int_equal(parsed->error, BROKER_OK);
    assert_int_equal(parsed->message.action, BROKER_SUBSCRIBE);
    assert_text(parsed->message.context.topic, parsed->message.context.topic_bytes, "b");
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct broker_context context_of(const char *topic, const char *id)
{
    struct broker_context context = {.topic_bytes = strlen(topic),
                                     .id = {.bytes = id, .size = strlen(id)}};

    memcpy(context.topic, topic, context.topic_bytes);
    return context;
}

static void answers_are_as_the_protocol_shows_them(void **state)
{
    char out[BROKER_REPLY_BYTES_MAX];
    const struct broker_context plain = context_of("news", "");
    struct subscribed subscribed = {.seq = 57, .epoch = UINT64_C(0x9f86d081884c7d65)};

    (void)state;
    assert_text(out, broker_write_subscribed(out, &plain, &subscribed),
                "{\"status\":\"subscribed\",\"topic\":\"news\",\"seq\":57,"
                "\"epoch\":\"9f86d081884c7d65\"}");
    subscribed.has_recovered = true;
    assert_text(out, broker_write_subscribed(out, &plain, &subscribed),
                "{\"status\":\"subscribed\",\"topic\":\"news\",\"seq\":57,"
                "\"epoch\":\"9f86d081884c7d65\",\"recovered\":false}");
    subscribed.recovered = true;
    assert_text(out, broker_write_subscribed(out, &plain, &subscribed),
                "{\"status\":\"subscribed\",\"topic\":\"news\",\"seq\":57,"
                "\"epoch\":\"9f86d081884c7d65\",\"recovered\":true}");
    assert_text(out, broker_write_unsubscribed(out, &plain),
                "{\"status\":\"unsubscribed\",\"topic\":\"news\"}");
    assert_text(out, broker_write_published(out, &plain, 58),
                "{\"status\":\"published\",\"topic\":\"news\",\"seq\":58}");
    assert_text(out, broker_write_error(out, "status", &plain, BROKER_NOT_SUBSCRIBED, "why \"so\""),
                "{\"status\":\"error\",\"code\":\"not_subscribed\",\"message\":\"why \\\"so\\\"\","
                "\"topic\":\"news\"}");
    assert_text(out, broker_write_gap(out, "news", 4, 40),
                "{\"type\":\"gap\",\"topic\":\"news\",\"oldest\":40}");
    assert_text(out, broker_write_shutdown(out, 1800, INT64_C(1769860800123456789)),
                "{\"type\":\"shutdown\",\"message\":\"Server is shutting down\","
                "\"remaining_seconds\":1800,\"time\":\"2026-01-31T12:00:00.123456Z\"}");
}

static void the_id_comes_last_and_as_it_was(void **state)
{
    char out[BROKER_REPLY_BYTES_MAX];
    const struct broker_context named = context_of("a\"b", "\"x\\u0041\"");
    const struct broker_context bare = context_of("", "7.0");

    (void)state;
    assert_text(out, broker_write_published(out, &named, 1),
                "{\"status\":\"published\",\"topic\":\"a\\\"b\",\"seq\":1,\"id\":\"x\\u0041\"}");
    assert_text(out, broker_write_pong(out, &bare, 60, 1),
                "{\"status\":\"pong\",\"seq\":60,\"epoch\":\"0000000000000001\",\"id\":7.0}");
    assert_text(out, broker_write_error(out, "type", &bare, BROKER_UNAVAILABLE, "later"),
                "{\"type\":\"error\",\"code\":\"unavailable\",\"message\":\"later\",\"id\":7.0}");
}

static void the_longest_answer_fits(void **state)
{
    char *out = malloc(BROKER_REPLY_BYTES_MAX); /* so that a byte more is noticed */
    char reason[201];
    char id[BROKER_ID_BYTES_MAX];
    struct broker_context context = {.topic_bytes = sizeof context.topic,
                                     .id = {.bytes = id, .size = sizeof id}};
    size_t size;

    (void)state;
    assert_non_null(out);
    memset(context.topic, 1, sizeof context.topic); /* six bytes each when escaped */
    memset(id, '1', sizeof id);
    memset(reason, '"', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    size = broker_write_error(out, "status", &context, BROKER_TOO_MANY_SUBSCRIPTIONS, reason);
    assert_true(size <= BROKER_REPLY_BYTES_MAX);
    free(out);
}

static void errors_of_publishing_have_codes(void **state)
{
    const char *reason = NULL;

    (void)state;
    assert_int_equal(broker_publish_error(-EMSGSIZE, &reason), BROKER_TOO_LARGE);
    assert_int_equal(broker_publish_error(-ENOSPC, &reason), BROKER_STORAGE_FULL);
    assert_int_equal(broker_publish_error(-ETIMEDOUT, &reason), BROKER_UNAVAILABLE);
    assert_int_equal(broker_publish_error(-ENOMEM, &reason), BROKER_UNAVAILABLE);
    assert_non_null(reason);
    assert_string_equal(broker_error_code(BROKER_STORAGE_FULL), "storage_full");
    assert_string_equal(broker_error_code(BROKER_RATE_LIMITED), "rate_limited");
    assert_string_equal(broker_error_code(BROKER_FORBIDDEN), "forbidden");
    assert_string_equal(broker_error_code(BROKER_BAD_JSON), "bad_json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publish_passes_its_value_through),
        cmocka_unit_test(any_json_value_is_a_message),
        cmocka_unit_test(durable_must_be_a_boolean),
        cmocka_unit_test(a_publish_needs_a_message),
        cmocka_unit_test(a_subscription_may_resume),
        cmocka_unit_test(since_is_an_integer_and_epoch_16_hex_digits),
        cmocka_unit_test(what_an_action_does_not_use_is_ignored),
        cmocka_unit_test(an_id_is_kept_as_it_was),
        cmocka_unit_test(an_id_of_another_kind_or_too_long_is_refused),
        cmocka_unit_test(topics_are_names),
        cmocka_unit_test(a_topic_is_decoded),
        cmocka_unit_test(an_error_knows_the_topic_if_there_is_one),
        cmocka_unit_test(what_is_no_json_object_is_told_apart),
        cmocka_unit_test(what_is_no_json_is_told_why_and_where),
        cmocka_unit_test(escapes_in_names_and_words_count_as_what_they_are),
        cmocka_unit_test(of_a_member_given_twice_the_last_one_counts),
        cmocka_unit_test(answers_are_as_the_protocol_shows_them),
        cmocka_unit_test(the_id_comes_last_and_as_it_was),
        cmocka_unit_test(the_longest_answer_fits),
        cmocka_unit_test(errors_of_publishing_have_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
