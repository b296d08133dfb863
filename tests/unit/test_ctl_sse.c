/* sluicectl's event streams: whatever the cuts, the same events. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluicectl/sse.h"

/* Every event as "name|id|data" or "name|id" on a line. */
struct fixture {
    struct sse sse;
    char seen[4096];
    int result; /* of the callback */
};

static int on_event(void *user, const struct sse_event *event)
{
    struct fixture *f = user;
    size_t used = strlen(f->seen);

    if (event->has_data)
        (void)snprintf(f->seen + used, sizeof f->seen - used, "%s|%s|%.*s\n", event->name,
                       event->id, (int)event->data_bytes, event->data);
    else
        (void)snprintf(f->seen + used, sizeof f->seen - used, "%s|%s\n", event->name, event->id);
    return f->result;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    sse_init(&f->sse, on_event, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sse_done(&f->sse);
    free(f);
    return 0;
}

static const char stream[] = "\xef\xbb\xbf"
                             "retry: 2000\n\n"
                             "id: e-1\n\n"
                             ": a comment\n"
                             "id: e-2\ndata: {\"a\":1}\n\n"
                             "event: gap\r\ndata:one\r\ndata: two\r\n\r\n"
                             "id\rdata:\r\r"
                             "event: never shown\n\n"
                             "unknown: x\ndata\n\n"
                             "id: cut short";

static const char expected[] = "message|e-1\n"
                               "message|e-2|{\"a\":1}\n"
                               "gap|e-2|one\ntwo\n"
                               "message||\n"
                               "message||\n";

static void a_stream_gives_its_events(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sse_feed(&f->sse, stream, sizeof stream - 1), 0);
    assert_string_equal(f->seen, expected);
}

static void wherever_it_is_cut_the_events_are_the_same(void **state)
{
    struct fixture *f = *state;
    size_t size = sizeof stream - 1;

    for (size_t first = 0; first <= size; first++) {
        f->seen[0] = '\0';
        f->sse.id[0] = '\0';
        sse_reset(&f->sse);
        assert_int_equal(sse_feed(&f->sse, stream, first), 0);
        for (size_t i = first; i < size; i++)
            assert_int_equal(sse_feed(&f->sse, stream + i, 1), 0);
        assert_string_equal(f->seen, expected);
    }
}

static void what_a_connection_left_half_done_is_forgotten_but_the_id(void **state)
{
    struct fixture *f = *state;
    static const char before[] = "id: e-5\ndata: 5\n\nid: e-6\nevent: gap\ndata: half";
    static const char after[] = "data: 7\n\n";

    assert_int_equal(sse_feed(&f->sse, before, sizeof before - 1), 0);
    assert_string_equal(f->seen, "message|e-5|5\n");
    sse_reset(&f->sse);
    assert_string_equal(f->sse.id, "e-5");
    assert_int_equal(sse_feed(&f->sse, after, sizeof after - 1), 0);
    assert_string_equal(f->seen, "message|e-5|5\nmessage|e-5|7\n");
}

static void ids_that_cannot_be_ours_are_ignored(void **state)
{
    struct fixture *f = *state;
    char text[256];
    size_t size =
        (size_t)snprintf(text, sizeof text, "id: good\ndata: 1\n\nid: %0100d\ndata: 2\n\n", 1);
    static const char with_nul[] = "id: a\0b\ndata: 3\n\n";

    assert_int_equal(sse_feed(&f->sse, text, size), 0);
    assert_int_equal(sse_feed(&f->sse, with_nul, sizeof with_nul - 1), 0);
    assert_string_equal(f->seen, "message|good|1\nmessage|good|2\nmessage|good|3\n");
}

static void what_the_callback_says_ends_the_feeding(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "data: 1\n\ndata: 2\n\n";

    f->result = -EIO;
    assert_int_equal(sse_feed(&f->sse, text, sizeof text - 1), -EIO);
    assert_string_equal(f->seen, "message||1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stream_gives_its_events, setup, teardown),
        cmocka_unit_test_setup_teardown(wherever_it_is_cut_the_events_are_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_connection_left_half_done_is_forgotten_but_the_id,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(ids_that_cannot_be_ours_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_callback_says_ends_the_feeding, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
