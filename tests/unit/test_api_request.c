/* {"query":…,"variables":…}: what is taken, and what is wrong with the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/api/request.h"

struct fixture {
    struct region region;
    struct api_request request;
};

static int setup(void **state)
{
    static struct fixture fixture;

    region_init(&fixture.region, 1 << 20);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    region_done(&f->region);
    return 0;
}

static const char *parse(struct fixture *f, const char *json)
{
    f->request = (struct api_request){0};
    return request_parse((struct json_span){json, strlen(json)}, &f->region, &f->request);
}

static void assert_text(struct ast_text text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.bytes, expected, text.size);
}

static void all_members_are_read(void **state)
{
    struct fixture *f = *state;

    assert_null(parse(f,
                      "{\"query\":\"{hello}\",\"operationName\":\"A\",\"variables\":{\"a\":[1]},"
                      "\"extensions\":{\"resume\":{\"epoch\":\"9F86d081884c7d65\",\"seq\":\"58\"}},"
                      "\"id\":7}"));
    assert_text(f->request.query, "{hello}");
    assert_text(f->request.operation_name, "A");
    assert_int_equal(f->request.variables.size, strlen("{\"a\":[1]}"));
    assert_true(f->request.resume.has_since);
    assert_true(f->request.resume.has_epoch);
    assert_int_equal(f->request.resume.since, 58);
    assert_true(f->request.resume.epoch == UINT64_C(0x9f86d081884c7d65));
}

static void a_query_alone_is_enough_and_nulls_are_nothing(void **state)
{
    struct fixture *f = *state;

    assert_null(parse(f, "{\"query\":\"\"}"));
    assert_int_equal(f->request.query.size, 0);
    assert_null(parse(f, "{\"query\":\"{a}\",\"operationName\":null,\"variables\":null,"
                         "\"extensions\":null}"));
    assert_int_equal(f->request.operation_name.size, 0);
    assert_int_equal(f->request.variables.size, 0);
    assert_false(f->request.resume.has_since);
    assert_null(parse(f, "{\"query\":\"{a}\",\"extensions\":{\"resume\":null,\"other\":1}}"));
    assert_false(f->request.resume.has_since);
}

static void escapes_in_a_query_are_decoded(void **state)
{
    struct fixture *f = *state;

    assert_null(parse(f, "{\"query\":\"{\\n  a(x: \\\"\\u00e9\\\")\\n}\"}"));
    assert_text(f->request.query, "{\n  a(x: \"\xc3\xa9\")\n}");
}

static void the_seq_may_be_a_number(void **state)
{
    struct fixture *f = *state;

    assert_null(parse(f, "{\"query\":\"{a}\",\"extensions\":{\"resume\":"
                         "{\"seq\":18446744073709551615,\"epoch\":\"0000000000000000\"}}}"));
    assert_true(f->request.resume.since == UINT64_MAX);
    assert_int_equal(f->request.resume.epoch, 0);
}

static void what_is_wrong_is_said_in_words(void **state)
{
    static const struct {
        const char *json;
        const char *words;
    } wrong[] = {
        {"[]", "a GraphQL request must be a JSON object"},
        {"\"{hello}\"", "a GraphQL request must be a JSON object"},
        {"{}", "`query` must be given, as a string"},
        {"{\"query\":null}", "`query` must be given, as a string"},
        {"{\"query\":{\"a\":1}}", "`query` must be given, as a string"},
        {"{\"query\":\"\\ud800\"}", "`query` must be given, as a string"},
        {"{\"query\":\"{a}\",\"operationName\":1}", "`operationName` must be a string or null"},
        {"{\"query\":\"{a}\",\"variables\":[]}", "`variables` must be an object or null"},
        {"{\"query\":\"{a}\",\"variables\":\"{}\"}", "`variables` must be an object or null"},
        {"{\"query\":\"{a}\",\"extensions\":[]}", "`extensions` must be an object or null"},
        {"{\"query\":\"{a}\",\"extensions\":{\"resume\":\"58\"}}",
         "`extensions.resume` must be an object"},
        {"{\"query\":\"{a}\",\"extensions\":{\"resume\":{\"epoch\":\"0000000000000000\"}}}",
         "`extensions.resume.seq` must be a string of decimal digits, or an integer"},
        {"{\"query\":\"{a}\",\"extensions\":{\"resume\":{\"seq\":-1,\"epoch\":\"0000000000000000\"}"
         "}}",
         "`extensions.resume.seq` must be a string of decimal digits, or an integer"},
        {"{\"query\":\"{a}\",\"extensions\":{\"resume\":{\"seq\":\"58\"}}}",
         "`extensions.resume.epoch` must be a string of 16 hex digits"},
        {"{\"query\":\"{a}\",\"extensions\":{\"resume\":{\"seq\":\"58\",\"epoch\":\"12\"}}}",
         "`extensions.resume.epoch` must be a string of 16 hex digits"},
        {"{\"query\":\"{a}\",\"extensions\":{\"resume\":{\"seq\":\"58\",\"epoch\":7}}}",
         "`extensions.resume.epoch` must be a string of 16 hex digits"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *words = parse(*state, wrong[i].json);

        assert_non_null(words);
        assert_string_equal(words, wrong[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_members_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_query_alone_is_enough_and_nulls_are_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(escapes_in_a_query_are_decoded, setup, teardown),
        cmocka_unit_test_setup_teardown(the_seq_may_be_a_number, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_in_words, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
