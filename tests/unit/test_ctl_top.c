/* What sluicectl top makes of two answers of the server. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluicectl/field.h"
#include "tools/sluicectl/top_sample.h"
#include "tools/sluicectl/top_view.h"

#define ANSWER                                                                                     \
    "{\"version\":\"0.1.0\",\"status\":\"healthy\",\"uptime_seconds\":%d.5,\"time_seconds\":%d."   \
    "25,"                                                                                          \
    "\"epoch\":\"9f86d081884c7d65\",\"first_seq\":1,\"last_seq\":%d,\"committed_seq\":100,"        \
    "\"processes\":[{\"name\":\"worker "                                                           \
    "0\",\"pid\":11,\"slot\":3,\"clients\":2,\"subscriptions\":3,"                                 \
    "\"lagging\":1,\"queued_bytes\":4096,\"messages_in\":%d,\"delivered\":%d,\"bytes_in\":1000,"   \
    "\"bytes_out\":%d,\"turns\":1,\"cpu_seconds\":%s,\"rss_bytes\":1048576},"                      \
    "{\"name\":\"master\",\"pid\":10,\"slot\":%d,\"clients\":0,\"messages_in\":%d}],"              \
    "\"published\":%d,\"publish_refused\":0,"                                                      \
    "\"ring\":{\"bytes\":4194304,\"uncommitted_bytes\":1048576,\"waits\":0},"                      \
    "\"commits\":{\"count\":%d,\"operations\":%d,\"seconds\":%s,\"bounds_seconds\":[0.001,0.01],"  \
    "\"buckets\":[%d,%d,%d]},\"store\":{\"used_bytes\":1024,\"map_bytes\":2048,"                   \
    "\"disk_free_bytes\":5,\"log_bytes\":6,\"log_operations\":7},"                                 \
    "\"transports\":{\"http2_connections\":3,\"http2_streams\":12,\"http2_floods\":%d,"            \
    "\"tls_handshakes\":%d,\"tls_failed\":%d,\"deflate_clients\":2,\"deflate_input_bytes\":%d,"    \
    "\"deflate_output_bytes\":%d},"                                                                \
    "\"topics\":{\"seconds\":2.0,\"operations\":10,\"busiest\":[{\"topic\":\"a\\u001bb\","         \
    "\"operations\":6,\"bytes\":60,\"subscribers\":3}]}}"

__attribute__((format(printf, 2, 3))) static void read_sample(struct top_sample *ret_sample,
                                                              const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct json_object *object = field_parse(text, (size_t)bytes);
    assert_non_null(object);
    assert_true(top_sample_read(ret_sample, object));
}

struct fixture {
    struct top_sample older;
    struct top_sample newer;
    struct top_rates rates;
};

/* Two seconds apart: 100 published, 50 in, 200 delivered, 4 commits of 100, half a processor. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    read_sample(&f->older, ANSWER, 10, 500, 101, 100, 1000, 5000, "1.0", 0, 7, 1000, 10, 500, "0.5",
                5, 5, 0, 1, 10, 2, 1000, 900);
    read_sample(&f->newer, ANSWER, 12, 502, 1201, 150, 1200, 5400, "2.0", 1, 7, 1100, 14, 600,
                "0.52", 8, 5, 1, 2, 14, 5, 5000, 1900);
    top_rates_between(&f->older, &f->newer, &f->rates);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    top_sample_done(&f->older);
    top_sample_done(&f->newer);
    free(f);
    return 0;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-9))
        fail_msg("%f, not %f", value, expected);
}

static void rates_are_what_happened_in_between_by_the_servers_clock(void **state)
{
    const struct fixture *f = *state;

    assert_near(f->rates.seconds, 2);
    assert_near(f->rates.published, 50);
    assert_near(f->rates.publish_refused, 0);
    assert_near(f->rates.processes[0].messages_in, 25);
    assert_near(f->rates.all.delivered, 100);
    assert_near(f->rates.all.bytes_in, 0);
    assert_near(f->rates.all.bytes_out, 200);
    assert_near(f->rates.processes[0].cpu, 0.5);
    assert_near(f->rates.commits, 2);
    assert_near(f->rates.operations_per_commit, 25);
    assert_near(f->rates.commit_mean_seconds, 0.005);
    assert_near(f->rates.http2_floods, 0.5);
    assert_near(f->rates.tls_handshakes, 2);
    assert_near(f->rates.tls_failed, 1.5);
    assert_near(f->rates.deflate_share, 0.25);
    assert_int_equal(f->newer.all.clients, 2);
    assert_int_equal(f->newer.all.lagging, 1);
}

static void the_slowest_hundredth_of_the_commits_tells_the_bound(void **state)
{
    struct fixture *f = *state;

    assert_true(isinf(f->rates.commit_p99_seconds)); /* one of four was past the last */
    f->newer.buckets[2] = 0;
    f->newer.buckets[1] = 6;
    top_rates_between(&f->older, &f->newer, &f->rates);
    assert_near(f->rates.commit_p99_seconds, 0.01);
    f->newer.commit_count = f->older.commit_count;
    top_rates_between(&f->older, &f->newer, &f->rates);
    assert_near(f->rates.commit_p99_seconds, 0);
    assert_near(f->rates.operations_per_commit, 0);
}

static void processes_are_compared_by_their_slot_and_nothing_goes_back(void **state)
{
    struct fixture *f = *state;

    /* The master stood in another slot before: all that it has counted is new. */
    assert_near(f->rates.processes[1].messages_in, 3.5);
    top_rates_between(&f->newer, &f->older, &f->rates);
    assert_near(f->rates.seconds, 0);
    assert_near(f->rates.published, 0);
    f->older.time_seconds = 501;
    f->older.published = 5000;
    top_rates_between(&f->older, &f->newer, &f->rates);
    assert_near(f->rates.published, 0);
}

static void what_is_no_answer_of_top_is_refused(void **state)
{
    static const char *const answers[] = {"{}", "{\"time_seconds\":1}",
                                          "{\"time_seconds\":1,\"processes\":{}}",
                                          "{\"time_seconds\":\"1\",\"processes\":[{}]}"};
    struct top_sample sample;

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_false(top_sample_read(&sample, field_parse(answers[i], strlen(answers[i]))));
    assert_false(top_sample_read(&sample, NULL));
    assert_null(field_parse("[]", 2));
    assert_null(field_parse("{\"a\":", 5));
}

static char *view_of(const struct fixture *f, struct json_object *lagging)
{
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);

    assert_non_null(memory);
    assert_int_equal(top_view_write(memory, &f->newer, &f->rates, lagging), 0);
    assert_int_equal(fclose(memory), 0);
    return text;
}

static void the_table_shows_it_all_and_nothing_that_a_terminal_obeys(void **state)
{
    static const char *const shown[] = {
        "sluice 0.1.0, healthy, up 12.5 s, clients 2, subscriptions 3, 1 of them lagging\n",
        "published 50.0/s, refused 0/s, delivered 100/s, in 0 B/s, out 200 B/s\n",
        "commits 2.0/s of 25.0 operations, 5.0 ms each, more than 1 % of them beyond measure\n",
        "ring 25 % of 4.0 MiB not on disk (1,101 operations), waits for room 0/s\n",
        "store 1.0 KiB, 50 % of its largest size, log 6 B, numbers 1 to 1,201, disk has 5 B left\n",
        "http/2 connections 3, streams 12, floods 0.5/s, tls handshakes 2.0/s, failed 1.5/s, ",
        "deflate clients 2, to 25 % of what it was\n",
        "worker 0   11  50 %  1.0 MiB        2       3    1  4.0 KiB  25.0    100       0 ",
        "     3.0     30.0            3  a\\u001bb\n",
        "(of the newest 10 operations, 2.0 s)\n",
        "0-17             broker    \\u001b  127.0.0.1:5000    1     9 B\n",
    };
    static const char list[] =
        "{\"clients\":[{\"id\":\"0-17\",\"protocol\":\"broker\",\"name\":\"\\u001b\",\"lagging\":1,"
        "\"peer\":\"127.0.0.1:5000\",\"queued_bytes\":9}]}";
    struct json_object *clients = field_parse(list, sizeof list - 1);
    char *text = view_of(*state, field_array(clients, "clients"));

    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (strstr(text, shown[i]) == NULL)
            fail_msg("not there: %s\nbut\n%s", shown[i], text);
    }
    assert_null(strchr(text, '\33'));
    free(text);
    json_object_put(clients);
}

static void for_machines_it_is_one_object(void **state)
{
    const struct fixture *f = *state;
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);

    assert_non_null(memory);
    top_view_json(memory, &f->newer, &f->rates, NULL);
    assert_int_equal(fclose(memory), 0);
    assert_int_equal(strcspn(text, "\n"), bytes - 1);
    struct json_object *object = field_parse(text, bytes);
    assert_non_null(object);
    assert_near(field_double(field_object(object, "rates"), "published"), 50);
    assert_near(field_double(field_object(object, "rates"), "tls_failed"), 1.5);
    assert_near(field_double(field_object(object, "rates"), "deflate_share"), 0.25);
    assert_int_equal(field_number(field_object(object, "server"), "last_seq"), 1201);
    json_object_put(object);
    free(text);
}

static void a_screen_is_cut_to_the_terminals_size(void **state)
{
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);

    (void)state;
    assert_non_null(memory);
    top_view_screen(memory, "one\ntw\xc3\xb6 and more\nthree\n", 2, 3);
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(text, "\33[Hone\33[K\r\ntw\xc3\xb6\33[K\33[J");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rates_are_what_happened_in_between_by_the_servers_clock,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_slowest_hundredth_of_the_commits_tells_the_bound, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(processes_are_compared_by_their_slot_and_nothing_goes_back,
                                        setup, teardown),
        cmocka_unit_test(what_is_no_answer_of_top_is_refused),
        cmocka_unit_test_setup_teardown(the_table_shows_it_all_and_nothing_that_a_terminal_obeys,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(for_machines_it_is_one_object, setup, teardown),
        cmocka_unit_test(a_screen_is_cut_to_the_terminals_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
