#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "server/protocol/query.h"
#include "server/topics/topics.h"

static struct http_text text_of(const char *string)
{
    return (struct http_text){string, strlen(string)};
}

static void a_number_is_digits_alone(void **state)
{
    static const char *const wrong[] = {"n=",   "n=-1", "n=+1",  "n=1.0",
                                        "n=1x", "n= 1", "n=%20", "n=18446744073709551616"};
    uint64_t value = 77;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(query_uint64(text_of(wrong[i]), "n", &value), -EINVAL);
    assert_int_equal(query_uint64(text_of("m=1"), "n", &value), 0);
    assert_int_equal(query_uint64(text_of(""), "n", &value), 0);
    assert_int_equal(value, 77);
    assert_int_equal(query_uint64(text_of("m=1&n=18446744073709551615"), "n", &value), 1);
    assert_true(value == UINT64_MAX);
    assert_int_equal(query_uint64(text_of("n=%34%32"), "n", &value), 1);
    assert_int_equal(value, 42);
}

static void a_switch_is_true_or_false(void **state)
{
    bool value = true;

    (void)state;
    assert_int_equal(query_bool(text_of("durable=false"), "durable", &value), 1);
    assert_false(value);
    assert_int_equal(query_bool(text_of("durable=true"), "durable", &value), 1);
    assert_true(value);
    assert_int_equal(query_bool(text_of("x=true"), "durable", &value), 0);
    assert_int_equal(query_bool(text_of("durable=1"), "durable", &value), -EINVAL);
    assert_int_equal(query_bool(text_of("durable="), "durable", &value), -EINVAL);
    assert_int_equal(query_bool(text_of("durable=TRUE"), "durable", &value), -EINVAL);
}

static void a_text_is_decoded_once(void **state)
{
    char buf[8];
    size_t size = 0;

    (void)state;
    assert_int_equal(query_text(text_of("p=c%2F%25"), "p", buf, sizeof buf, &size), 1);
    assert_int_equal(size, 3);
    assert_memory_equal(buf, "c/%", 3);
    assert_int_equal(query_text(text_of("p="), "p", buf, sizeof buf, &size), 1);
    assert_int_equal(size, 0);
    assert_int_equal(query_text(text_of("p=%zz"), "p", buf, sizeof buf, &size), -EINVAL);
    assert_int_equal(query_text(text_of("p=%ff"), "p", buf, sizeof buf, &size), -EINVAL);
    assert_int_equal(query_text(text_of("p=123456789"), "p", buf, sizeof buf, &size), -EINVAL);
}

static void a_token_is_since_and_epoch(void **state)
{
    struct resume resume;

    (void)state;
    assert_null(query_resume(text_of(""), &resume));
    assert_false(resume.has_since || resume.has_epoch);
    assert_null(query_resume(text_of("since=42&epoch=9f86d081884c7d65"), &resume));
    assert_true(resume.has_since && resume.has_epoch);
    assert_int_equal(resume.since, 42);
    assert_true(resume.epoch == UINT64_C(0x9f86d081884c7d65));
    assert_non_null(query_resume(text_of("since=x"), &resume));
    assert_non_null(query_resume(text_of("since=1&epoch=xyz"), &resume));
    assert_non_null(query_resume(text_of("epoch="), &resume));
}

static void an_event_id_is_an_epoch_and_a_seq_or_an_unknown_position(void **state)
{
    static const char *const strange[] = {
        "9f86d081884c7d65",
        "9f86d081884c7d65-",
        "9f86d081884c7d65-x",
        "9f86d081884c7d6-57",
        "9f86d081884c7d6x-5",
        "9f86d081884c7d65_5",
        "9f86d081884c7d65-18446744073709551616",
    };
    struct resume resume;

    (void)state;
    query_event_id(text_of("9f86d081884c7d65-18446744073709551615"), &resume);
    assert_true(resume.has_since && resume.has_epoch);
    assert_true(resume.epoch == UINT64_C(0x9f86d081884c7d65));
    assert_true(resume.since == UINT64_MAX);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        query_event_id(text_of(strange[i]), &resume);
        assert_true(resume.has_since && resume.has_epoch);
        assert_true(resume.epoch == 0);
        assert_true(resume.since == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_digits_alone),
        cmocka_unit_test(a_switch_is_true_or_false),
        cmocka_unit_test(a_text_is_decoded_once),
        cmocka_unit_test(a_token_is_since_and_epoch),
        cmocka_unit_test(an_event_id_is_an_epoch_and_a_seq_or_an_unknown_position),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
