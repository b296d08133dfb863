#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/http/assets.h"
#include "server/http/exchange.h"
#include "server/net/arena.h"

static const struct asset both = {
    .path = "/page",
    .content_type = "text/html",
    .plain = {(const uint8_t *)"plain", 5, "\"tag\"", NULL},
    .gzip = {(const uint8_t *)"gzip", 4, "\"tag-gzip\"", NULL},
    .policy = "default-src 'none'",
};
static const struct asset one = {
    .path = "/one",
    .content_type = "text/css",
    .plain = {(const uint8_t *)"plain", 5, "\"tag\"", NULL},
};

/* What was answered last. */
static struct {
    int status;
    char headers[4096];
    char content_type[64];
    char body[256];
} last;

static void respond(struct http_exchange *exchange, const struct http_response *response)
{
    (void)exchange;
    last.status = response->status;
    (void)snprintf(last.headers, sizeof last.headers, "\r\n%s", response->headers);
    (void)snprintf(last.content_type, sizeof last.content_type, "%s",
                   response->content_type == NULL ? "" : response->content_type);
    (void)snprintf(last.body, sizeof last.body, "%.*s", (int)response->body_bytes,
                   response->body == NULL ? "" : (const char *)response->body);
}

/* Asks with up to two header lines; a NULL name: none. */
static void ask(const struct asset *asset, const char *first, const char *first_value,
                const char *second, const char *second_value)
{
    static const struct http_exchange_operations operations = {.respond = respond};
    static struct http_exchange exchange;
    const char *const lines[][2] = {{first, first_value}, {second, second_value}};

    exchange.operations = &operations;
    exchange.request.header_count = 0;
    for (size_t i = 0; i < 2; i++) {
        if (lines[i][0] != NULL)
            exchange.request.headers[exchange.request.header_count++] = (struct http_header){
                {lines[i][0], strlen(lines[i][0])}, {lines[i][1], strlen(lines[i][1])}};
    }
    asset_respond(&exchange, asset, "X-More: yes\r\n");
}

static void assert_header(const char *line)
{
    char wanted[256];

    (void)snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
    if (strstr(last.headers, wanted) == NULL)
        fail_msg("no %s in %s", line, last.headers);
}

static void whoever_says_nothing_gets_it_as_it_is(void **state)
{
    (void)state;
    ask(&both, NULL, NULL, NULL, NULL);
    assert_int_equal(last.status, 200);
    assert_string_equal(last.content_type, "text/html");
    assert_string_equal(last.body, "plain");
    assert_header("ETag: \"tag\"");
    assert_header("Cache-Control: no-cache");
    assert_header("Vary: Accept, Accept-Encoding");
    assert_header("X-Content-Type-Options: nosniff");
    assert_header("Content-Security-Policy: default-src 'none'");
    assert_header("X-More: yes");
    assert_null(strstr(last.headers, "Content-Encoding"));
    ask(&one, NULL, NULL, NULL, NULL);
    assert_null(strstr(last.headers, "Content-Security-Policy"));
}

static void the_coding_that_is_wanted_more_is_chosen(void **state)
{
    static const struct {
        const char *wishes;
        const char *body; /* NULL: 406 */
    } cases[] = {
        {"gzip", "gzip"},
        {"gzip, deflate, br, zstd", "gzip"},
        {"GZip;q=0.001", "gzip"},
        {"x-gzip", "gzip"},
        {"*", "gzip"},
        {"br;q=1.0, *;q=0.1", "gzip"},
        {"gzip;q=0.5, identity;q=0.5", "gzip"},
        {"identity;q=0, gzip", "gzip"},
        {"*;q=0, gzip", "gzip"},
        {"", "plain"},
        {"identity", "plain"},
        {"br, deflate", "plain"},
        {"gzip;q=0", "plain"},
        {"gzip;q=0, *", "plain"},
        {"gzip;q=0.4, identity;q=0.5", "plain"},
        {"gzip;q=0.4, *;q=0.5", "plain"},
        {"gzip;q=nonsense", "plain"},
        {"identity;q=0", NULL},
        {"*;q=0", NULL},
        {"br, gzip;q=0, identity;q=0", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(&both, "accept-encoding", cases[i].wishes, NULL, NULL);
        if (last.status != (cases[i].body == NULL ? 406 : 200))
            fail_msg("%s: %d", cases[i].wishes, last.status);
        assert_header("Vary: Accept, Accept-Encoding");
        assert_header("X-More: yes");
        if (cases[i].body == NULL) {
            assert_non_null(strstr(last.body, "{\"error\":{\"code\":\"not_acceptable\","));
            continue;
        }
        if (strcmp(last.body, cases[i].body) != 0)
            fail_msg("%s: %s", cases[i].wishes, last.body);
        if (strcmp(last.body, "gzip") == 0) {
            assert_header("Content-Encoding: gzip");
            assert_header("ETag: \"tag-gzip\"");
        } else {
            assert_header("ETag: \"tag\"");
        }
    }
    ask(&both, "accept-encoding", "br", "accept-encoding", "gzip");
    assert_string_equal(last.body, "gzip");
    ask(&one, "accept-encoding", "gzip", NULL, NULL);
    assert_string_equal(last.body, "plain");
    ask(&one, "accept-encoding", "gzip, identity;q=0", NULL, NULL);
    assert_int_equal(last.status, 406);
}

static void who_has_it_is_told_so(void **state)
{
    static const struct {
        const char *tags;
        bool has_it;
    } cases[] = {
        {"\"tag\"", true},
        {"W/\"tag\"", true},
        {"*", true},
        {"\"other\", \"tag\"", true},
        {"\"a,b\",\t W/\"c\" ,,\"tag\", \"d\"", true},
        {"\"a\\\", \"tag\"", true}, /* a backslash escapes nothing here */
        {"\"tag-gzip\"", false},    /* another representation */
        {"\"other\"", false},
        {"\"TAG\"", false},
        {"tag", false},
        {"", false},
        {"w/\"tag\"", false},
        {"W/ \"tag\"", false},
        {"\"tag", false},
        {"\"*\"", false},
        {"nonsense, \"tag\"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(&both, "if-none-match", cases[i].tags, NULL, NULL);
        if (last.status != (cases[i].has_it ? 304 : 200))
            fail_msg("%s: %d", cases[i].tags, last.status);
    }
    ask(&both, "if-none-match", "\"a\"", "if-none-match", "\"tag\"");
    assert_int_equal(last.status, 304);
    assert_string_equal(last.body, "");
    assert_string_equal(last.content_type, "");
    assert_header("ETag: \"tag\"");
    assert_header("Cache-Control: no-cache");
    assert_header("Vary: Accept, Accept-Encoding");
    assert_header("X-More: yes");
    ask(&both, "if-none-match", "\"tag-gzip\"", "accept-encoding", "gzip");
    assert_int_equal(last.status, 304);
    assert_header("ETag: \"tag-gzip\"");
}

static void who_wants_another_one_is_told_that_it_is_gone(void **state)
{
    static const struct {
        const char *tags;
        bool is_met;
    } cases[] = {
        {"*", true},      {"\"x\", \"tag\"", true},
        {"\"x\"", false}, {"W/\"tag\"", false}, /* strong comparison */
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(&both, "if-match", cases[i].tags, NULL, NULL);
        if (last.status != (cases[i].is_met ? 200 : 412))
            fail_msg("%s: %d", cases[i].tags, last.status);
    }
    ask(&both, "if-match", "\"x\"", "if-none-match", "\"tag\"");
    assert_int_equal(last.status, 412); /* it is asked first */
    ask(&both, "if-match", "\"tag\"", "if-none-match", "\"tag\"");
    assert_int_equal(last.status, 304);
}

static void what_is_embedded_is_found_by_its_whole_path(void **state)
{
    static const char *const wrong[] = {"", "//", "/index.html", "/x"};
    const struct asset *page = asset_find((struct http_text){"/", 1});

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(asset_find((struct http_text){wrong[i], strlen(wrong[i])}));
    assert_non_null(page);
    assert_string_equal(page->content_type, "text/html; charset=utf-8");
    assert_true(page->gzip.size < page->plain.size);
    assert_int_equal(page->gzip.bytes[0], 0x1F);
    assert_int_equal(page->gzip.bytes[1], 0x8B);
    assert_memory_equal(page->gzip.bytes + 4, "\0\0\0\0", 4); /* no time: builds are the same */
    assert_string_not_equal(page->gzip.etag, page->plain.etag);
    assert_int_equal(page->plain.etag[0], '"');
    assert_null(strstr(page->policy, "unsafe"));
    assert_null(memmem(page->plain.bytes, page->plain.size, "@VERSION@", 9));
}

static void what_is_embedded_can_be_shared_by_all_it_is_sent_to(void **state)
{
    size_t count;
    const struct asset *assets = asset_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct asset_variant *variants[] = {&assets[i].plain, &assets[i].gzip};

        for (size_t n = 0; n < 2 && variants[n]->etag != NULL; n++) {
            const struct arena *arena = variants[n]->arena;

            assert_ptr_equal(arena->bytes, variants[n]->bytes);
            assert_int_equal(arena->capacity, variants[n]->size);
            assert_int_equal(arena->refs, 1); /* which nobody drops */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_says_nothing_gets_it_as_it_is),
        cmocka_unit_test(the_coding_that_is_wanted_more_is_chosen),
        cmocka_unit_test(who_has_it_is_told_so),
        cmocka_unit_test(who_wants_another_one_is_told_that_it_is_gone),
        cmocka_unit_test(what_is_embedded_is_found_by_its_whole_path),
        cmocka_unit_test(what_is_embedded_can_be_shared_by_all_it_is_sent_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
