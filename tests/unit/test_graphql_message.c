#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/json/text.h"
#include "server/protocol/graphql_message.h"

enum {
    COMPACT_BYTES = 4096,
};

static char compact[COMPACT_BYTES];
static struct graphql_message message;

static const char *parse(enum graphql_protocol protocol, const char *in)
{
    return graphql_message_parse(protocol, in, strlen(in), compact, &message);
}

static void assert_id(const char *wanted)
{
    assert_int_equal(message.id_bytes, strlen(wanted));
    assert_memory_equal(message.id, wanted, message.id_bytes);
}

static void assert_bad(enum graphql_protocol protocol, const char *in, const char *reason)
{
    const char *got = parse(protocol, in);

    assert_non_null(got);
    assert_string_equal(got, reason);
}

/* --- parsing ---------------------------------------------------------------------------------- */

static void each_protocol_has_its_own_words(void **state)
{
    static const struct {
        enum graphql_protocol protocol;
        const char *in;
        enum graphql_message_type type;
    } cases[] = {
        {GRAPHQL_TRANSPORT_WS, "{\"type\":\"connection_init\"}", GRAPHQL_INIT},
        {GRAPHQL_TRANSPORT_WS, "{\"type\":\"ping\"}", GRAPHQL_PING},
        {GRAPHQL_TRANSPORT_WS, "{\"type\":\"pong\",\"payload\":null}", GRAPHQL_PONG},
        {GRAPHQL_TRANSPORT_WS, "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"\"}}",
         GRAPHQL_START},
        {GRAPHQL_TRANSPORT_WS, "{\"type\":\"complete\",\"id\":\"1\"}", GRAPHQL_STOP},
        {GRAPHQL_OLD_WS, "{\"type\":\"connection_init\",\"payload\":7}", GRAPHQL_INIT},
        {GRAPHQL_OLD_WS, "{\"type\":\"start\",\"id\":\"1\",\"payload\":{\"query\":\"\"}}",
         GRAPHQL_START},
        {GRAPHQL_OLD_WS, "{\"type\":\"stop\",\"id\":\"1\"}", GRAPHQL_STOP},
        {GRAPHQL_OLD_WS, "{\"type\":\"connection_terminate\"}", GRAPHQL_TERMINATE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(parse(cases[i].protocol, cases[i].in));
        assert_int_equal(message.type, cases[i].type);
    }
    assert_bad(GRAPHQL_TRANSPORT_WS,
               "{\"type\":\"start\",\"id\":\"1\",\"payload\":{\"query\":\"\"}}",
               "not a type that a client sends");
    assert_bad(GRAPHQL_OLD_WS, "{\"type\":\"ping\"}", "not a type that a client sends");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}",
               "not a type that a client sends");
}

static void what_is_no_message_is_told_apart(void **state)
{
    (void)state;
    assert_bad(GRAPHQL_TRANSPORT_WS, "", "not JSON");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"ping\"", "not JSON");
    assert_bad(GRAPHQL_TRANSPORT_WS, "[]", "not an object");
    assert_bad(GRAPHQL_TRANSPORT_WS, "\"ping\"", "not an object");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{}", "type must be a string");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":1}", "type must be a string");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"\"}", "not a type that a client sends");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"ping\",\"payload\":[]}",
               "payload must be an object");
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"connection_init\",\"payload\":\"x\"}",
               "payload must be an object");
}

static void a_request_has_the_shape_that_the_protocol_says(void **state)
{
    static const struct {
        const char *payload;
        const char *reason;
    } cases[] = {
        {"null", "payload must be an object"},
        {"{}", "payload.query must be a string"},
        {"{\"query\":{}}", "payload.query must be a string"},
        {"{\"query\":\"\",\"variables\":[]}", "payload.variables must be an object"},
        {"{\"query\":\"\",\"operationName\":1}", "payload.operationName must be a string"},
        {"{\"query\":\"\",\"extensions\":\"\"}", "payload.extensions must be an object"},
        {"{\"query\":\"\",\"variables\":null,\"operationName\":null,\"extensions\":null,\"x\":1}",
         NULL},
        {"{\"query\":1,\"query\":\"the last one counts\"}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text in = {0};
        const char *reason;

        text_printf(&in, "{\"id\":\"a\",\"type\":\"subscribe\",\"payload\":%s}", cases[i].payload);
        reason = graphql_message_parse(GRAPHQL_TRANSPORT_WS, in.bytes, in.size, compact, &message);
        if (cases[i].reason == NULL)
            assert_null(reason);
        else
            assert_string_equal(reason, cases[i].reason);
        assert_id("\"a\"");
        text_done(&in);
    }
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"subscribe\",\"id\":\"1\"}",
               "payload must be an object");
}

static void equal_ids_are_equal_bytes(void **state)
{
    (void)state;
    assert_null(
        parse(GRAPHQL_TRANSPORT_WS, "{\"type\":\"complete\",\"id\":\"\\u0061/\\/\\u00e4\"}"));
    assert_id("\"a//\xC3\xA4\"");
    assert_null(parse(GRAPHQL_TRANSPORT_WS, "{\"type\":\"complete\",\"id\":\"a\\/\\/\xC3\xA4\"}"));
    assert_id("\"a//\xC3\xA4\"");
    assert_null(parse(GRAPHQL_TRANSPORT_WS, "{\"type\":\"complete\",\"id\":\"\\\"\\u000A\"}"));
    assert_id("\"\\\"\\n\"");
}

static void ids_that_cannot_be_sent_back_are_refused(void **state)
{
    static const char *const bad[] = {"1", "null", "\"\"", "{}", "\"\\ud800\"", "true"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct text in = {0};

        text_printf(&in, "{\"type\":\"complete\",\"id\":%s}", bad[i]);
        text_add(&in, "", 1);
        assert_bad(GRAPHQL_TRANSPORT_WS, in.bytes,
                   "id must be a string, not empty and as JSON of at most 256 bytes");
        assert_int_equal(message.id_bytes, 0);
        text_done(&in);
    }
    assert_bad(GRAPHQL_TRANSPORT_WS, "{\"type\":\"complete\"}",
               "id must be a string, not empty and as JSON of at most 256 bytes");
    /* Older clients count; what they sent is what they get. */
    assert_null(parse(GRAPHQL_OLD_WS, "{\"type\":\"stop\",\"id\":12}"));
    assert_id("12");
}

static void an_id_has_a_longest_length(void **state)
{
    char in[1024];
    char id[GROUP_ID_BYTES_MAX];

    (void)state;
    memset(id, 'x', sizeof id);
    (void)snprintf(in, sizeof in, "{\"type\":\"complete\",\"id\":\"%.*s\"}", GROUP_ID_BYTES_MAX - 2,
                   id);
    assert_null(parse(GRAPHQL_TRANSPORT_WS, in));
    assert_int_equal(message.id_bytes, GROUP_ID_BYTES_MAX);
    (void)snprintf(in, sizeof in, "{\"type\":\"complete\",\"id\":\"%.*s\"}", GROUP_ID_BYTES_MAX - 1,
                   id);
    assert_non_null(parse(GRAPHQL_TRANSPORT_WS, in));
    /* Written, it is longer than it is. */
    (void)snprintf(in, sizeof in, "{\"type\":\"complete\",\"id\":\"%.*s\\u0001\"}",
                   GROUP_ID_BYTES_MAX - 7, id);
    assert_non_null(parse(GRAPHQL_TRANSPORT_WS, in));
}

/* --- answers ---------------------------------------------------------------------------------- */

#define SPAN(literal) ((struct json_span){"" literal, sizeof(literal) - 1})

static void assert_text(struct text *text, const char *wanted)
{
    assert_true(text_is_whole(text));
    text_add(text, "", 1);
    assert_string_equal(text->bytes, wanted);
    text_done(text);
    *text = (struct text){0};
}

static void errors_have_each_protocols_shape(void **state)
{
    const struct json_span id = SPAN("\"1\"");
    struct text out = {0};

    (void)state;
    graphql_message_write_errors(GRAPHQL_TRANSPORT_WS, id,
                                 SPAN("{\"errors\":[{\"message\":\"a\"},{\"message\":\"b\"}]}"),
                                 &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"error\",\"payload\":[{\"message\":\"a\"},"
                      "{\"message\":\"b\"}]}");
    graphql_message_write_errors(
        GRAPHQL_OLD_WS, id, SPAN("{\"errors\":[{\"message\":\"a\"}],\"extensions\":{}}"), &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"error\",\"payload\":{\"message\":\"a\"}}");
    graphql_message_write_errors(
        GRAPHQL_OLD_WS, id, SPAN("{\"errors\":[{\"message\":\"a\"},{\"message\":\"b\"}]}"), &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"error\",\"payload\":{\"message\":\"a\",\"errors\":["
                      "{\"message\":\"a\"},{\"message\":\"b\"}]}}");
    graphql_message_write_error(GRAPHQL_TRANSPORT_WS, id, GRAPHQL_RATE_LIMITED, "\"", &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"error\",\"payload\":[{\"message\":\"\\\"\","
                      "\"extensions\":{\"code\":\"RATE_LIMITED\"}}]}");
    graphql_message_write_error(GRAPHQL_OLD_WS, id, GRAPHQL_UNAVAILABLE, "x", &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"error\",\"payload\":{\"message\":\"x\","
                      "\"extensions\":{\"code\":\"UNAVAILABLE\"}}}");
    graphql_message_write_connection_error("not JSON", &out);
    assert_text(&out, "{\"type\":\"connection_error\",\"payload\":{\"message\":\"not JSON\"}}");
}

static void everything_else_is_as_the_protocols_say(void **state)
{
    struct text out = {0};

    (void)state;
    graphql_message_begin_result(GRAPHQL_TRANSPORT_WS, SPAN("\"1\""), &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"next\",\"payload\":");
    graphql_message_begin_result(GRAPHQL_OLD_WS, SPAN("1"), &out);
    assert_text(&out, "{\"id\":1,\"type\":\"data\",\"payload\":");
    graphql_message_write_complete(SPAN("\"1\""), &out);
    assert_text(&out, "{\"id\":\"1\",\"type\":\"complete\"}");
    graphql_message_write_acknowledgement(UINT64_C(0x9f86d081884c7d65), UINT64_MAX, &out);
    assert_text(&out, "{\"type\":\"connection_ack\",\"payload\":{\"epoch\":\"9f86d081884c7d65\","
                      "\"seq\":\"18446744073709551615\"}}");
    graphql_message_write_pong(SPAN("{\"a\":1}"), &out);
    assert_text(&out, "{\"type\":\"pong\",\"payload\":{\"a\":1}}");
    graphql_message_write_pong(SPAN("null"), &out);
    assert_text(&out, "{\"type\":\"pong\"}");
    graphql_message_write_pong((struct json_span){0}, &out);
    assert_text(&out, "{\"type\":\"pong\"}");
    graphql_message_write_shutdown(1800, &out);
    assert_text(&out, "{\"type\":\"ping\",\"payload\":{\"type\":\"shutdown\","
                      "\"remaining_seconds\":1800}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_protocol_has_its_own_words),
        cmocka_unit_test(what_is_no_message_is_told_apart),
        cmocka_unit_test(a_request_has_the_shape_that_the_protocol_says),
        cmocka_unit_test(equal_ids_are_equal_bytes),
        cmocka_unit_test(ids_that_cannot_be_sent_back_are_refused),
        cmocka_unit_test(an_id_has_a_longest_length),
        cmocka_unit_test(errors_have_each_protocols_shape),
        cmocka_unit_test(everything_else_is_as_the_protocols_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
