#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/protocol/origin.h"
#include "server/protocol/service.h"

static const char *const hosts[] = {"events.example", "other.example"};
static const char *const cors_origins[] = {"https://app.example", "http://b.example:8080",
                                           "https://c.example:443", "http://[2001:db8::2]",
                                           "app://desk"};
static const struct service_limits limits = {
    .hosts = hosts,
    .host_count = 2,
    .cors_origins = cors_origins,
    .cors_origin_count = sizeof cors_origins / sizeof *cors_origins,
};

static struct http_text text_of(const char *string)
{
    return (struct http_text){string, strlen(string)};
}

static bool is_trusted(const char *origin, const char *host)
{
    const struct origin_question question = {.origin = text_of(origin), .host = text_of(host)};

    return origin_is_trusted(&limits, &question);
}

static bool is_trusted_over_loopback(const char *origin, const char *host)
{
    const struct origin_question question = {
        .origin = text_of(origin), .host = text_of(host), .is_loopback = true};

    return origin_is_trusted(&limits, &question);
}

static bool is_trusted_over_tls(const char *origin, const char *host)
{
    const struct origin_question question = {
        .origin = text_of(origin), .host = text_of(host), .is_secure = true};

    return origin_is_trusted(&limits, &question);
}

static void the_servers_own_pages_are_trusted(void **state)
{
    (void)state;
    assert_true(is_trusted("http://192.0.2.1:8000", "192.0.2.1:8000"));
    assert_true(is_trusted("http://[2001:db8::1]:8000", "[2001:db8::1]:8000"));
    assert_true(is_trusted("http://localhost:8000", "localhost:8000"));
    assert_true(is_trusted("http://events.example", "events.example"));
    assert_true(is_trusted("http://Events.Example:8000", "events.example:8000"));
    assert_true(is_trusted_over_tls("https://events.example", "events.example"));
}

static void scheme_name_and_port_must_all_be_equal(void **state)
{
    (void)state;
    assert_false(is_trusted("https://192.0.2.1:8000", "192.0.2.1:8000"));
    assert_false(is_trusted_over_tls("http://192.0.2.1:8000", "192.0.2.1:8000"));
    assert_false(is_trusted("http://192.0.2.1:8001", "192.0.2.1:8000"));
    assert_false(is_trusted("http://192.0.2.2:8000", "192.0.2.1:8000"));
    assert_false(is_trusted("http://events.example:8000", "events.example"));
    assert_false(is_trusted("http://other.example", "events.example"));
}

static void the_usual_port_may_be_left_out(void **state)
{
    (void)state;
    assert_true(is_trusted("http://events.example", "events.example:80"));
    assert_true(is_trusted_over_tls("https://events.example:443", "events.example"));
    assert_false(is_trusted("http://events.example", "events.example:443"));
}

static void a_name_that_was_made_to_point_here_is_not_trusted(void **state)
{
    (void)state;
    assert_false(is_trusted("http://evil.example:8000", "evil.example:8000"));
    assert_false(is_trusted_over_loopback("http://evil.example:8000", "evil.example:8000"));
    assert_false(is_trusted("http://events.example.evil.example", "events.example.evil.example"));
    assert_false(is_trusted("http://localhost.evil.example", "localhost.evil.example"));
    assert_false(is_trusted("http://127.0.0.1.evil.example", "127.0.0.1.evil.example"));
}

static void listed_origins_are_trusted_whatever_the_host(void **state)
{
    (void)state;
    assert_true(is_trusted("https://app.example", "192.0.2.1:8000"));
    assert_true(is_trusted("https://APP.example", "whatever"));
    assert_true(is_trusted("http://b.example:8080", ""));
    assert_false(is_trusted("http://app.example", "192.0.2.1:8000"));
    assert_false(is_trusted("https://app.example:8443", "192.0.2.1:8000"));
    assert_false(is_trusted("https://app.example.evil.example", "192.0.2.1:8000"));
}

static void the_usual_port_may_be_left_out_of_a_listed_origin_or_not(void **state)
{
    (void)state;
    assert_true(is_trusted("https://c.example", "192.0.2.1:8000"));
    assert_true(is_trusted("https://app.example:443", "192.0.2.1:8000"));
    assert_true(is_trusted("http://[2001:db8::2]:80", "192.0.2.1:8000"));
    assert_true(is_trusted("app://desk", "192.0.2.1:8000"));
    assert_false(is_trusted("http://c.example:443", "192.0.2.1:8000"));
    assert_false(is_trusted("https://c.example:80", "192.0.2.1:8000"));
    assert_false(is_trusted("http://2001:db8::2", "192.0.2.1:8000"));
    assert_false(is_trusted("app://desk:80", "192.0.2.1:8000"));
}

static void a_name_is_compared_whole(void **state)
{
    (void)state;
    /* A dot at the end makes another name of it, also to a browser. */
    assert_false(is_trusted("http://events.example.", "events.example."));
    assert_false(is_trusted("http://localhost.:8000", "localhost.:8000"));
    assert_false(is_trusted_over_loopback("http://localhost.:3000", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://127.0.0.1.:3000", "127.0.0.1:8000"));
    assert_false(is_trusted("http://user@192.0.2.1:8000", "user@192.0.2.1:8000"));
    assert_false(is_trusted("http://user@192.0.2.1:8000", "192.0.2.1:8000"));
    assert_false(is_trusted("http://127.1:8000", "127.1:8000"));
    assert_false(is_trusted("http://0x7f000001:8000", "0x7f000001:8000"));
    assert_false(is_trusted("http://events.example.example", "events.example.example"));
    assert_true(is_trusted("HTTP://EVENTS.EXAMPLE:8000", "Events.Example:8000"));
    assert_true(is_trusted("http://[2001:DB8::1]:8000", "[2001:db8::1]:8000"));
    assert_false(is_trusted_over_loopback("http://localhost http://localhost", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://localhost,http://localhost", "127.0.0.1:8000"));
}

static void pages_of_this_machine_are_trusted_over_loopback_only(void **state)
{
    (void)state;
    assert_true(is_trusted_over_loopback("http://localhost:3000", "127.0.0.1:8000"));
    assert_true(is_trusted_over_loopback("https://127.0.0.2", "localhost:8000"));
    assert_true(is_trusted_over_loopback("http://[::1]:5173", "127.0.0.1:8000"));
    assert_false(is_trusted("http://localhost:3000", "192.0.2.1:8000"));
    assert_false(is_trusted_over_loopback("http://192.0.2.1:3000", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://[::2]:5173", "127.0.0.1:8000"));
}

static void what_is_no_origin_of_the_web_is_not_trusted(void **state)
{
    char name[ORIGIN_BYTES_MAX + 32];

    (void)state;
    assert_false(is_trusted_over_loopback("null", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("file://localhost", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://:80", ":80"));
    assert_false(is_trusted_over_loopback("http://localhost:", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://localhost:80a", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://localhost:123456", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://localhost/", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://localhost@evil.example", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://[::1", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://[::1]x", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://[localhost]", "127.0.0.1:8000"));
    assert_false(is_trusted_over_loopback("http://::1", "127.0.0.1:8000"));
    assert_false(is_trusted("http://192.0.2.1:8000", ""));

    memset(name, '1', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memcpy(name, "http://", 7);
    assert_false(is_trusted(name, name + 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_servers_own_pages_are_trusted),
        cmocka_unit_test(scheme_name_and_port_must_all_be_equal),
        cmocka_unit_test(the_usual_port_may_be_left_out),
        cmocka_unit_test(a_name_that_was_made_to_point_here_is_not_trusted),
        cmocka_unit_test(listed_origins_are_trusted_whatever_the_host),
        cmocka_unit_test(the_usual_port_may_be_left_out_of_a_listed_origin_or_not),
        cmocka_unit_test(a_name_is_compared_whole),
        cmocka_unit_test(pages_of_this_machine_are_trusted_over_loopback_only),
        cmocka_unit_test(what_is_no_origin_of_the_web_is_not_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
