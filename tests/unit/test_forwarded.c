#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/http/forwarded.h"
#include "server/http/http.h"
#include "server/net/network.h"
#include "server/net/tcp.h"

struct said {
    const char *name;
    const char *value;
};

/* What is made of these headers, 10.0.0.0/8 and fd00::/8 being proxies: "192.0.2.7" or "https [2001:db8::7]". */
static const char *read_headers(const struct said *said, size_t count)
{
    static struct http_request request;
    static char text[TCP_ADDRESS_TEXT_MAX + 8];
    struct network trusted[2];
    const char *reason;
    struct forwarded forwarded;
    char address[TCP_ADDRESS_TEXT_MAX] = "-";

    assert_int_equal(network_parse("10.0.0.0/8", &trusted[0], &reason), 0);
    assert_int_equal(network_parse("fd00::/8", &trusted[1], &reason), 0);
    request.header_count = 0;
    for (size_t i = 0; i < count && said[i].name != NULL; i++)
        request.headers[request.header_count++] = (struct http_header){
            {said[i].name, strlen(said[i].name)}, {said[i].value, strlen(said[i].value)}};
    forwarded = forwarded_read(&request, trusted, 2);
    if (forwarded.address.ss_family != AF_UNSPEC)
        tcp_address_text(&forwarded.address, address, sizeof address);
    (void)snprintf(text, sizeof text, "%s%s", forwarded.is_secure ? "https " : "", address);
    return text;
}

static void the_last_address_that_is_no_proxy_s_is_the_client(void **state)
{
    static const struct {
        struct said said[3];
        const char *wanted;
    } cases[] = {
        {{{"host", "a"}}, "-"},
        {{{"x-forwarded-for", "192.0.2.7"}}, "192.0.2.7"},
        {{{"x-forwarded-for", "192.0.2.7:4711"}}, "192.0.2.7"},
        {{{"x-forwarded-for", "2001:db8::7"}}, "[2001:db8::7]"},
        {{{"x-forwarded-for", "[2001:db8::7]:4711"}}, "[2001:db8::7]"},
        {{{"x-forwarded-for", "198.51.100.1, 192.0.2.7"}}, "192.0.2.7"},
        {{{"x-forwarded-for", "198.51.100.1, 192.0.2.7, 10.1.1.1 , fd00::1"}}, "192.0.2.7"},
        {{{"x-forwarded-for", "198.51.100.1"}, {"x-forwarded-for", "192.0.2.7,10.1.1.1"}},
         "192.0.2.7"},
        {{{"x-forwarded-for", "10.9.9.9, 10.1.1.1"}}, "10.9.9.9"},
        {{{"x-forwarded-for", "192.0.2.7, unknown"}}, "-"},
        {{{"x-forwarded-for", "192.0.2.7, 10.1.1.1, nonsense"}}, "-"},
        {{{"x-forwarded-for", ""}}, "-"},
        {{{"x-forwarded-for", "192.0.2.7,"}}, "192.0.2.7"},
        {{{"forwarded", "for=192.0.2.7"}}, "192.0.2.7"},
        {{{"forwarded", "For=\"[2001:db8::7]:4711\";by=10.1.1.1"}}, "[2001:db8::7]"},
        {{{"forwarded", "by=10.1.1.1;for=192.0.2.7;proto=https"}}, "https 192.0.2.7"},
        {{{"forwarded", "for=198.51.100.1;proto=https, for=192.0.2.7;proto=http, for=10.1.1.1"}},
         "192.0.2.7"},
        {{{"forwarded", "for=_hidden;proto=HTTPS"}}, "https -"},
        {{{"forwarded", "for=\"_a, b\";proto=https"}}, "https -"},
        {{{"forwarded", "proto=https"}}, "https -"},
        /* Whichever the proxy writes, the other one may be the client's. */
        {{{"forwarded", "for=198.51.100.1"}, {"x-forwarded-for", "192.0.2.7"}}, "192.0.2.7"},
        {{{"forwarded", "proto=https"}, {"x-forwarded-for", "192.0.2.7"}}, "192.0.2.7"},
        {{{"x-forwarded-for", "192.0.2.7"}, {"x-forwarded-proto", "https"}}, "https 192.0.2.7"},
        {{{"x-forwarded-for", "192.0.2.7"}, {"x-forwarded-proto", "https, http"}}, "192.0.2.7"},
        {{{"x-forwarded-proto", "HTTPS"}}, "https -"},
        {{{"x-forwarded-proto", "httpsx"}}, "-"},
        /* A quote that the client has left open takes nothing of what the proxy has appended. */
        {{{"x-forwarded-for", "\", 192.0.2.7"}}, "192.0.2.7"},
        {{{"x-forwarded-for", "a=\"\\, 192.0.2.7, 10.1.1.1"}}, "192.0.2.7"},
        {{{"x-forwarded-proto", "\", https"}}, "https -"},
        {{{"forwarded", "for=\"x, for=192.0.2.7;proto=https"}}, "https 192.0.2.7"},
        {{{"forwarded", "for=\"\\, for=\"[2001:db8::7]:1\", for=10.1.1.1"}}, "[2001:db8::7]"},
        {{{"forwarded", "for=\"x"}, {"forwarded", "for=192.0.2.7"}}, "192.0.2.7"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = read_headers(cases[i].said, 3);

        if (strcmp(got, cases[i].wanted) != 0)
            fail_msg("%s: %s: %s, not %s", cases[i].said[0].name, cases[i].said[0].value, got,
                     cases[i].wanted);
    }
}

static void a_list_of_thousands_is_looked_at_from_its_end_only(void **state)
{
    static char list[16 * 1024];
    size_t bytes = 0;

    (void)state;
    bytes += (size_t)snprintf(list, sizeof list, "192.0.2.7");
    for (int i = 0; i < FORWARDED_HOPS_MAX - 1; i++)
        bytes += (size_t)snprintf(list + bytes, sizeof list - bytes, ",10.0.0.%d", i);
    assert_string_equal(read_headers(&(struct said){"x-forwarded-for", list}, 1), "192.0.2.7");
    while (bytes < sizeof list - 16)
        bytes += (size_t)snprintf(list + bytes, sizeof list - bytes, ",10.9.9.9");
    assert_string_equal(read_headers(&(struct said){"x-forwarded-for", list}, 1), "10.9.9.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_address_that_is_no_proxy_s_is_the_client),
        cmocka_unit_test(a_list_of_thousands_is_looked_at_from_its_end_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
