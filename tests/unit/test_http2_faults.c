/*
 * Every allocation of a connection's life fails once, those of nghttp2 too: the stream or the connection ends, nobody
 * is told twice or not at all, and everything is given back (which the fixture looks at).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "server/http/http1.h"
#include "tests/unit/failing_calls.h"
#include "tests/unit/http2_fixture.h"

/* --- nghttp2's memory is the product's: what is wrapped, whatever the fixture has ---------------- */

void *__wrap_malloc(size_t bytes);

/* What a session that cannot be freed leaves behind is freed here. */
struct block {
    struct block *prev;
    struct block *next;
    size_t bytes;
    size_t unused;
};

static struct block *blocks;

static void *note(struct block *block, size_t bytes)
{
    if (block == NULL)
        return NULL;
    block->bytes = bytes;
    DL_APPEND(blocks, block);
    return block + 1;
}

static void *take(size_t bytes, void *user)
{
    (void)user;
    return note(__wrap_malloc(sizeof(struct block) + bytes), bytes);
}

static void give(void *memory, void *user)
{
    struct block *block = memory;

    (void)user;
    if (block == NULL)
        return;
    block--;
    DL_DELETE(blocks, block);
    free(block);
}

static void *take_zeroed(size_t count, size_t bytes, void *user)
{
    void *memory = take(count * bytes, user);

    return memory != NULL ? memset(memory, 0, count * bytes) : NULL;
}

static void *take_again(void *memory, size_t bytes, void *user)
{
    const struct block *old = memory;
    void *grown = take(bytes, user);

    if (grown == NULL || old == NULL)
        return grown;
    old--;
    memcpy(grown, memory, old->bytes < bytes ? old->bytes : bytes);
    give(memory, user);
    return grown;
}

/* How many sessions could not be freed: none, or the one that had no memory for DATA. */
static int free_rest(void)
{
    int count = blocks != NULL ? 1 : 0;

    while (blocks != NULL)
        give(blocks + 1, NULL);
    return count;
}

int __wrap_nghttp2_session_server_new2(nghttp2_session **session,
                                       const nghttp2_session_callbacks *callbacks, void *user,
                                       const nghttp2_option *option);

int __wrap_nghttp2_session_server_new2(nghttp2_session **session,
                                       const nghttp2_session_callbacks *callbacks, void *user,
                                       const nghttp2_option *option)
{
    nghttp2_mem memory = {
        .malloc = take, .free = give, .calloc = take_zeroed, .realloc = take_again};

    return nghttp2_session_server_new3(session, callbacks, user, option, &memory);
}

/* --- a life ------------------------------------------------------------------------------------- */

/* What the client sends is made before anything fails, and what it gets is read after. */
struct scene {
    struct text bytes[8];
    size_t count;
};

static void add(struct scene *scene, const char *script)
{
    http2_put_script(&scene->bytes[scene->count++], script);
}

static void scene_make(struct scene *scene)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    *scene = (struct scene){0};
    text_add(&scene->bytes[0], preface, sizeof preface - 1);
    add(scene, "SETTINGS 0; SETTINGS+ACK 0; PING 0 'h2spec!!';");
    add(scene, "HEADERS+EH 1 $post [expect 100-continue]; DATA 1 'te'; DATA+ES 1 'st';"
               "HEADERS+EH+ES 3 [:method GET :scheme http :path /big :authority h];"
               "HEADERS+EH+ES 5 [:method GET :scheme http :path /later :authority h];");
    add(scene, "HEADERS+EH 7 $connect; DATA 7 'one'; HEADERS+EH 9 [:method CONNECT :protocol "
               "websocket :scheme http :path /pause :authority h]; DATA 9 61*5000;");
    add(scene,
        "HEADERS+EH+ES 11 [:method GET :scheme http :path /stream :authority h];"
        "HEADERS+EH+ES 13 [:method GET :scheme http :path /error :authority h];"
        "HEADERS+EH+ES 15 $get [Bad b]; WINDOW_UPDATE 0 00100000; WINDOW_UPDATE 3 00010000;");
    add(scene, "HEADERS+EH 17 $post [content-length 5000]; RST_STREAM 9 00000008; DATA+ES 7;");
}

static void scene_done(struct scene *scene)
{
    for (size_t i = 0; i < scene->count; i++)
        text_done(&scene->bytes[i]);
}

static void live(struct http2_fixture *f, const struct scene *scene)
{
    for (size_t i = 1; i < scene->count; i++)
        http2_reader_sent(&f->reader, scene->bytes[i].bytes, scene->bytes[i].size);
    for (size_t i = 0; i < scene->count; i++) {
        fake_stream_feed(&f->fake, scene->bytes[i].bytes, scene->bytes[i].size);
        fake_stream_run(&f->fake);
    }
    for (size_t i = 0; i < f->later_count; i++) {
        struct http_exchange *exchange = f->later[i];

        f->later[i] = NULL;
        if (exchange != NULL)
            http2_answer(f, exchange);
    }
    fake_stream_run(&f->fake);
    http_begin_closing(&f->server);
    fake_stream_run(&f->fake);
}

static void any_allocation_may_fail(void **state)
{
    struct http2_fixture *f = *state;
    bool has_failed = true;
    int ended_count = 0;
    int left_count = 0;

    for (int n = 1; has_failed; n++) {
        struct scene scene;

        scene_make(&scene);
        http2_end(f);
        left_count += free_rest();
        http2_begin(f);
        failing_calls_arm(n);
        live(f, &scene);
        has_failed = failing_calls_disarm();
        http2_run(f); /* what was sent is frames, as far as it goes */
        ended_count += f->fake.is_reported ? 1 : 0;
        if (!has_failed) {
            assert_answered(f, 1, 200, "POST /? test");
            assert_answered(f, 5, 200, NULL);
            assert_answered(f, 7, 200, "one");
            assert_answered(f, 13, 404, NULL);
            assert_false(f->fake.is_reported);
        }
        scene_done(&scene);
    }
    assert_true(ended_count > 10);
    assert_in_range(left_count, 1, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_allocation_may_fail, http2_setup, http2_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
