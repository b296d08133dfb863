#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "server/net/network.h"

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address;

    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    return address;
}

static void a_network_has_the_addresses_with_its_prefix(void **state)
{
    static const struct {
        const char *network;
        const char *address; /* anything else: a unix socket */
        bool has;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.128.0.0/9", "10.127.255.255", false},
        {"10.128.0.0/9", "10.128.0.0", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"0.0.0.0/0", "unix", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::/0", "2001:db8::1", true},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::/0", "::ffff:10.1.2.3", false}, /* it is an IPv4 address */
        {"unix", "unix", true},
        {"unix", "127.0.0.1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_storage address = address_of(cases[i].address);
        struct network network;
        const char *reason;

        assert_int_equal(network_parse(cases[i].network, &network, &reason), 0);
        if (network_has(&network, &address) != cases[i].has)
            fail_msg("%s and %s", cases[i].network, cases[i].address);
    }
}

static void what_is_no_network_is_refused_with_its_reason(void **state)
{
    static const char *const cases[] = {
        "",
        "10",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0/8",
        "10.0.0.1/8",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0.0/8 ",
        "::/129",
        "::1/64",
        "2001:db8::g",
        "example.org",
        "localhost",
        "unix:/run",
        "[::1]",
        "10.0.0.0:80",
        "10.0.0.0/0008",
        "/8",
        "1234567890123456789012345678901234567890123456789/8",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct network network;
        const char *reason = NULL;

        if (network_parse(cases[i], &network, &reason) != -EINVAL || reason == NULL)
            fail_msg("%s is taken", cases[i]);
    }
}

static void any_of_several_networks_will_do(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8", "unix", "2001:db8::/32"};
    struct network networks[3];
    const char *reason;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(network_parse(texts[i], &networks[i], &reason), 0);
    assert_true(networks_have(networks, 3, &(struct sockaddr_storage){.ss_family = AF_UNIX}));
    assert_true(
        networks_have(networks, 3, &(struct sockaddr_storage[]){address_of("10.1.1.1")}[0]));
    assert_false(networks_have(networks, 1, &(struct sockaddr_storage){.ss_family = AF_UNIX}));
    assert_false(networks_have(NULL, 0, &(struct sockaddr_storage){.ss_family = AF_UNIX}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_has_the_addresses_with_its_prefix),
        cmocka_unit_test(what_is_no_network_is_refused_with_its_reason),
        cmocka_unit_test(any_of_several_networks_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
