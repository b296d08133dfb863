/* Headers of the PROXY protocol: whole, in every length short of that, and with each byte wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/proxy_header.h"
#include "server/net/tcp.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define INET      "\xC0\x00\x02\x07\x0A\x00\x00\x01\x30\x39\x00\x50" /* 192.0.2.7:12345 -> 10.0.0.1:80 */
#define INET6                                                                                      \
    "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\x00\x50"

struct header {
    const char *bytes;
    size_t size;
    const char *address; /* as logs have it; NULL: the connection's own stands */
    bool is_secure;
};

#define HEADER(bytes, address)                                                                     \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, (address), false                                                 \
    }
#define SECURE(bytes, address)                                                                     \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, (address), true                                                  \
    }

/* TLVs (2.2.7): of TLS, by the flags of its client, with its version in it; no operation; a checksum. */
#define SSL(client) "\x20\x00\x0F" client "\0\0\0\0\x21\x00\x07TLSv1.3"
#define NOOP        "\x04\x00\x01\x00"

static const struct header good[] = {
    HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n", "192.0.2.7:12345"),
    HEADER("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"),
    HEADER("PROXY TCP6 2001:db8::7 ::1 12345 80\r\n", "[2001:db8::7]:12345"),
    HEADER("PROXY UNKNOWN\r\n", NULL),
    HEADER("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", NULL),
    HEADER(SIGNATURE "\x21\x11\x00\x0C" INET, "192.0.2.7:12345"),
    HEADER(SIGNATURE "\x21\x21\x00\x24" INET6, "[2001:db8::7]:12345"),
    HEADER(SIGNATURE "\x21\x11\x00\x10" INET "\x04\x00\x01\x00", "192.0.2.7:12345"), /* a TLV */
    HEADER(SIGNATURE "\x21\x11\x00\x19" INET "\x01\x00\x02h2\xEE\x00\x05"
                     "hello",
           "192.0.2.7:12345"), /* ALPN, and one that nobody knows */
    SECURE(SIGNATURE "\x21\x11\x00\x1E" INET SSL("\x01"), "192.0.2.7:12345"),
    SECURE(SIGNATURE "\x21\x21\x00\x3A" INET6 NOOP SSL("\x07"), "[2001:db8::7]:12345"),
    HEADER(SIGNATURE "\x21\x11\x00\x1E" INET SSL("\x06"), "192.0.2.7:12345"), /* not this time */
    HEADER(SIGNATURE "\x21\x11\x00\x13" INET "\x03\x00\x04\x25\xC4\xEB\x7A", "192.0.2.7:12345"),
    SECURE(SIGNATURE "\x21\x11\x00\x1F" INET
                     "\x20\x00\x05\x01\0\0\0\0\x03\x00\x04\x04\x27\xD9\x4C" NOOP,
           "192.0.2.7:12345"),
    HEADER(SIGNATURE "\x20\x11\x00\x1E" INET SSL("\x01"), NULL), /* LOCAL: none of it counts */
    HEADER(SIGNATURE "\x20\x00\x00\x00", NULL),
    HEADER(SIGNATURE "\x20\x11\x00\x0C" INET, NULL),
    HEADER(SIGNATURE "\x21\x00\x00\x00", NULL), /* AF_UNSPEC */
    HEADER(SIGNATURE "\x21\x31\x00\x04"
                     "abcd",
           NULL), /* AF_UNIX */
};

/* A copy that ends where memory does, so that sanitizers see a read beyond it. */
static ptrdiff_t read_copy(const char *bytes, size_t size, struct proxy_header *ret_header)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    ptrdiff_t rc;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    rc = proxy_header_read(copy, size, ret_header);
    free(copy);
    return rc;
}

static void a_whole_header_names_the_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct proxy_header header;
        char text[TCP_ADDRESS_TEXT_MAX];

        assert_int_equal(read_copy(good[i].bytes, good[i].size, &header), good[i].size);
        assert_int_equal(header.is_secure, good[i].is_secure);
        if (good[i].address == NULL) {
            assert_int_equal(header.address.ss_family, AF_UNSPEC);
            continue;
        }
        tcp_address_text(&header.address, text, sizeof text);
        assert_string_equal(text, good[i].address);
    }
}

static void what_follows_the_header_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        static const char rest[] = "GET / HTTP/1.1\r\n";
        struct proxy_header header;
        char bytes[256];

        memcpy(bytes, good[i].bytes, good[i].size);
        memcpy(bytes + good[i].size, rest, sizeof rest);
        assert_int_equal(read_copy(bytes, good[i].size + sizeof rest, &header), good[i].size);
    }
}

static void a_header_that_is_not_whole_is_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (size_t size = 0; size < good[i].size; size++) {
            struct proxy_header header;

            assert_int_equal(read_copy(good[i].bytes, size, &header), -EAGAIN);
        }
    }
}

static void anything_else_is_refused(void **state)
{
    static const struct header bad[] = {
        HEADER("GET / HTTP/1.1\r\n", NULL),
        HEADER("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\x00", NULL), /* TLS */
        HEADER("proxy TCP4 192.0.2.7 10.0.0.1 12345 80\r\n", NULL),
        HEADER("PROXY TCP5 192.0.2.7 10.0.0.1 12345 80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 12345 80 1\r\n", NULL),
        HEADER("PROXY TCP4  192.0.2.7 10.0.0.1 12345 80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 12345 80 \r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.256 10.0.0.1 12345 80\r\n", NULL),
        HEADER("PROXY TCP4 2001:db8::7 ::1 12345 80\r\n", NULL),
        HEADER("PROXY TCP6 192.0.2.7 10.0.0.1 12345 80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 012345 80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 -1 80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 12345 +80\r\n", NULL),
        HEADER("PROXY TCP4 192.0.2.7\0 10.0.0.1 12345 80\r\n", NULL),
        HEADER("PROXY UNKNOWNS\r\n", NULL),
        HEADER("PROXY \r\n", NULL),
        HEADER(SIGNATURE "\x11\x11\x00\x0C" INET, NULL), /* a version that is none */
        HEADER(SIGNATURE "\x22\x11\x00\x0C" INET, NULL), /* a command */
        HEADER(SIGNATURE "\x21\x11\x00\x0B" INET, NULL), /* too short for its addresses */
        HEADER(SIGNATURE "\x21\x21\x00\x0C" INET, NULL),
        HEADER(SIGNATURE "\x21\x11\xFF\xFF" INET, NULL),            /* too long for anybody */
        HEADER(SIGNATURE "\x21\x11\x00\x0E" INET "\x04\x00", NULL), /* half a TLV's head */
        HEADER(SIGNATURE "\x21\x11\x00\x10" INET "\x04\x00\x02\x00",
               NULL), /* one longer than there is */
        HEADER(SIGNATURE "\x21\x11\x00\x13" INET "\x20\x00\x04\x01\0\0\0",
               NULL), /* TLS, too short */
        HEADER(SIGNATURE "\x21\x11\x00\x12" INET "\x03\x00\x03\x25\xC4\xEB",
               NULL), /* a checksum, too */
        HEADER(SIGNATURE "\x21\x11\x00\x13" INET "\x03\x00\x04\x25\xC4\xEB\x7B",
               NULL), /* a wrong one */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct proxy_header header;

        if (read_copy(bad[i].bytes, bad[i].size, &header) != -EPROTO)
            fail_msg("%zu is taken", i);
    }
}

static void a_line_without_an_end_is_not_waited_for_for_ever(void **state)
{
    char line[107];
    struct proxy_header header;

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", strlen("PROXY UNKNOWN "));
    assert_int_equal(read_copy(line, sizeof line - 1, &header), -EAGAIN);
    assert_int_equal(read_copy(line, sizeof line, &header), -EPROTO);
    line[105] = '\r';
    line[106] = '\n';
    assert_int_equal(read_copy(line, sizeof line, &header), 107);
}

/* As long as a header may be, and one byte longer. */
static void tlvs_that_nobody_knows_are_passed_over_up_to_the_limit(void **state)
{
    static const char head[] = SIGNATURE "\x21\x11";
    char bytes[PROXY_HEADER_BYTES_MAX + 1] = {0};
    size_t at = sizeof head - 1 + 2 + sizeof INET - 1;

    (void)state;
    memcpy(bytes, head, sizeof head - 1);
    memcpy(bytes + sizeof head - 1 + 2, INET, sizeof INET - 1);
    bytes[at] = '\xEA'; /* what AWS has for itself; then of another's */
    bytes[at + 2] = 100;
    bytes[at + 103] = '\xE5';
    for (size_t size = PROXY_HEADER_BYTES_MAX; size <= sizeof bytes; size++) {
        size_t last = size - (at + 103 + 3);
        struct proxy_header header;

        bytes[14] = (char)((size - 16) >> 8);
        bytes[15] = (char)(size - 16);
        bytes[at + 104] = (char)(last >> 8);
        bytes[at + 105] = (char)last;
        assert_int_equal(read_copy(bytes, size, &header),
                         size > PROXY_HEADER_BYTES_MAX ? -EPROTO : (ptrdiff_t)size);
    }
}

/* Whatever is changed, the checksum does not fit any more; or it is no header, or none of its length. */
static void a_checksum_covers_every_byte(void **state)
{
    static const char whole[] = SIGNATURE "\x21\x11\x00\x13" INET "\x03\x00\x04\x25\xC4\xEB\x7A";

    (void)state;
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (int bit = 0; bit < 8; bit++) {
            struct proxy_header header;
            char bytes[sizeof whole - 1];
            ptrdiff_t rc;

            memcpy(bytes, whole, sizeof bytes);
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
            rc = read_copy(bytes, sizeof bytes, &header);
            if (at == 28 || (at == 12 && bit == 0) || (at == 13 && bit >= 4))
                continue; /* no checksum then: another TLV's, LOCAL's, a family without addresses */
            assert_true(rc == -EPROTO || rc == -EAGAIN);
        }
    }
}

static void no_byte_that_is_changed_leads_out_of_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (size_t at = 0; at < good[i].size; at++) {
            for (int value = 0; value < 256; value++) {
                struct proxy_header header;
                char bytes[256];
                ptrdiff_t rc;

                memcpy(bytes, good[i].bytes, good[i].size);
                bytes[at] = (char)value;
                rc = read_copy(bytes, good[i].size, &header);
                assert_true(rc == -EPROTO || rc == -EAGAIN ||
                            (rc > 0 && (size_t)rc <= good[i].size));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_header_names_the_client),
        cmocka_unit_test(what_follows_the_header_is_left_alone),
        cmocka_unit_test(a_header_that_is_not_whole_is_waited_for),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_line_without_an_end_is_not_waited_for_for_ever),
        cmocka_unit_test(tlvs_that_nobody_knows_are_passed_over_up_to_the_limit),
        cmocka_unit_test(a_checksum_covers_every_byte),
        cmocka_unit_test(no_byte_that_is_changed_leads_out_of_the_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
