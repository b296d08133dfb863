#include "tests/unit/bus_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/stats.h"
#include "server/json/text.h"
#include "server/protocol/metrics.h"
#include "server/protocol/service.h"

#define MS UINT64_C(1000000)

/* Two workers; the second has had a worker of the other generation, too. */
static const unsigned slots[] = {BUS_SLOT_WORKERS, BUS_SLOT_WORKERS + 1,
                                 BUS_SLOT_WORKERS + BUS_WORKERS_MAX + 1};

static char *write_metrics(const struct fixture *f)
{
    const struct service service = {.bus = f->bus};
    struct text text = {0};

    metrics_write(&service, &text);
    text_add(&text, "", 1);
    assert_true(text_is_whole(&text));
    return text.bytes;
}

/* Everything of the family @name is @lines, its HELP apart. */
static void assert_family(const char *metrics, const char *name, const char *lines)
{
    char begin[128];
    char expected[4096];
    const char *found;

    (void)snprintf(begin, sizeof begin, "# HELP %s ", name);
    found = strstr(metrics, begin);
    assert_non_null(found);
    assert_null(strstr(found + 1, begin));
    found = strchr(found, '\n') + 1;
    (void)snprintf(expected, sizeof expected, "# TYPE %s %s", name, lines);
    if (strncmp(found, expected, strlen(expected)) != 0)
        assert_string_equal(found, expected);
    found += strlen(expected);
    assert_true(*found == '\0' || strncmp(found, "# HELP ", 7) == 0);
}

static void occupy_slots(const struct fixture *f)
{
    bus_slot_occupy(f->bus, BUS_SLOT_MASTER);
    bus_slot_occupy(f->bus, BUS_SLOT_WRITER);
    for (size_t i = 0; i < 3; i++)
        bus_slot_occupy(f->bus, slots[i]);
}

static void what_is_told_per_worker_adds_up_to_the_sum(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    for (size_t i = 0; i < 3; i++)
        stat_add(f->bus, slots[i], STAT_HTTP_REQUESTS, (int64_t)(i == 0 ? 1 : 10 * i));
    stat_add(f->bus, BUS_SLOT_WRITER, STAT_LOG_BYTES, 77);
    metrics = write_metrics(f);
    assert_family(metrics, "sluice_http_requests_total",
                  "counter\n"
                  "sluice_http_requests_total 31\n");
    assert_family(metrics, "sluice_worker_http_requests_total",
                  "counter\n"
                  "sluice_worker_http_requests_total{worker=\"0\"} 1\n"
                  "sluice_worker_http_requests_total{worker=\"1\"} 30\n");
    assert_family(metrics, "sluice_log_bytes", "gauge\nsluice_log_bytes 77\n");
    assert_null(strstr(metrics, "sluice_worker_log_bytes"));
    free(metrics);
}

static void labels_tell_the_words_of_a_stat_apart(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    stat_add(f->bus, slots[0], stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM), 2);
    stat_add(f->bus, slots[1], stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_GRAPHQL_SSE), 3);
    stat_add(f->bus, slots[1], stat_published(STAT_PROTOCOL_SERVER, true), 5);
    stat_add(f->bus, slots[1], stat_at(STAT_CLOSED, STAT_CLOSED_PING_TIMEOUT), 4);
    metrics = write_metrics(f);
    assert_family(metrics, "sluice_clients",
                  "gauge\n"
                  "sluice_clients{protocol=\"room\"} 2\n"
                  "sluice_clients{protocol=\"broker\"} 0\n"
                  "sluice_clients{protocol=\"broker-tcp\"} 0\n"
                  "sluice_clients{protocol=\"event-stream\"} 0\n"
                  "sluice_clients{protocol=\"graphql-ws\"} 0\n"
                  "sluice_clients{protocol=\"graphql-sse\"} 3\n"
                  "sluice_clients{protocol=\"echo\"} 0\n");
    assert_non_null(strstr(metrics,
                           "\nsluice_worker_clients{worker=\"1\",protocol=\"graphql-sse\"} "
                           "3\n"));
    assert_non_null(strstr(
        metrics, "\nsluice_published_total{protocol=\"server\",durability=\"durable\"} 5\n"));
    assert_non_null(strstr(
        metrics, "\nsluice_published_total{protocol=\"server\",durability=\"buffered\"} 0\n"));
    assert_non_null(strstr(metrics, "\nsluice_clients_closed_total{reason=\"ping_timeout\"} 4\n"));
    free(metrics);
}

static void histograms_are_cumulative_and_in_seconds(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    stat_observe(f->bus, BUS_SLOT_WRITER, STAT_COMMIT_TIME, MS / 4, 1); /* on the first bound */
    stat_observe(f->bus, BUS_SLOT_WRITER, STAT_COMMIT_TIME, 3 * MS + 1, 2);
    stat_observe(f->bus, BUS_SLOT_WRITER, STAT_COMMIT_TIME, 11000 * MS, 1);
    metrics = write_metrics(f);
    assert_family(metrics, "sluice_commit_seconds",
                  "histogram\n"
                  "sluice_commit_seconds_bucket{le=\"0.00025\"} 1\n"
                  "sluice_commit_seconds_bucket{le=\"0.0005\"} 1\n"
                  "sluice_commit_seconds_bucket{le=\"0.001\"} 1\n"
                  "sluice_commit_seconds_bucket{le=\"0.0025\"} 1\n"
                  "sluice_commit_seconds_bucket{le=\"0.005\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"0.01\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"0.025\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"0.05\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"0.1\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"0.25\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"0.5\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"1\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"2.5\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"10\"} 3\n"
                  "sluice_commit_seconds_bucket{le=\"+Inf\"} 4\n"
                  "sluice_commit_seconds_sum 11.006250002\n"
                  "sluice_commit_seconds_count 4\n");
    free(metrics);
}

static void a_histogram_of_workers_is_told_for_each(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    stat_observe(f->bus, slots[1], STAT_TURN_TIME, 2000 * MS, 1);
    stat_observe(f->bus, slots[2], STAT_TURN_TIME, 1, 1);
    metrics = write_metrics(f);
    assert_non_null(strstr(metrics, "\nsluice_loop_turn_seconds_count 2\n"));
    assert_non_null(strstr(metrics, "\nsluice_worker_loop_turn_seconds_count{worker=\"0\"} 0\n"));
    assert_non_null(strstr(metrics,
                           "\nsluice_worker_loop_turn_seconds_bucket{worker=\"1\",le=\"1\"} 1\n"
                           "sluice_worker_loop_turn_seconds_bucket{worker=\"1\",le=\"+Inf\"} 2\n"
                           "sluice_worker_loop_turn_seconds_sum{worker=\"1\"} 2.000000001\n"
                           "sluice_worker_loop_turn_seconds_count{worker=\"1\"} 2\n"));
    free(metrics);
}

static void processes_are_told_by_name_and_not_added_up(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    stat_add(f->bus, BUS_SLOT_MASTER, STAT_CPU_NS, (int64_t)(1500 * MS));
    stat_add(f->bus, BUS_SLOT_WRITER, STAT_CPU_NS, (int64_t)(2000 * MS));
    stat_add(f->bus, slots[1], STAT_CPU_NS, 10);
    stat_add(f->bus, slots[2], STAT_CPU_NS, 11);
    stat_set(f->bus, slots[0], STAT_RSS_BYTES, 4096);
    metrics = write_metrics(f);
    assert_family(metrics, "sluice_process_cpu_seconds_total",
                  "counter\n"
                  "sluice_process_cpu_seconds_total{process=\"master\"} 1.5\n"
                  "sluice_process_cpu_seconds_total{process=\"store writer\"} 2\n"
                  "sluice_process_cpu_seconds_total{process=\"worker 0\"} 0\n"
                  "sluice_process_cpu_seconds_total{process=\"worker 1\"} 0.000000021\n");
    assert_family(metrics, "sluice_process_starts_total",
                  "counter\n"
                  "sluice_process_starts_total{process=\"master\"} 1\n"
                  "sluice_process_starts_total{process=\"store writer\"} 1\n"
                  "sluice_process_starts_total{process=\"worker 0\"} 1\n"
                  "sluice_process_starts_total{process=\"worker 1\"} 2\n");
    free(metrics);
}

static void who_has_died_is_told_without_gauges(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    stat_add(f->bus, slots[0], STAT_ACCEPTED, 7);
    stat_add(f->bus, slots[0], STAT_CONNECTIONS, 3);
    bus_slot_vacate(f->bus, slots[0]);
    metrics = write_metrics(f);
    assert_non_null(strstr(metrics, "\nsluice_workers 2\n"));
    assert_non_null(strstr(metrics, "\nsluice_worker_connections{worker=\"0\"} 0\n"));
    assert_non_null(strstr(metrics, "\nsluice_connections_accepted_total 7\n"));
    assert_null(strstr(metrics, "worker=\"2\""));
    assert_null(strstr(metrics, "bridge"));
    free(metrics);
}

static void the_server_as_a_whole_is_told(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    char *metrics;

    occupy_slots(f);
    assert_int_equal(fixture_append(f->bus, 128, 1, &appended), 0);
    metrics = write_metrics(f);
    assert_family(metrics, "sluice_build_info",
                  "gauge\nsluice_build_info{version=\"" SLUICE_VERSION "\",compiler=\"" __VERSION__
                  "\"} 1\n");
    assert_family(metrics, "sluice_ring_bytes", "gauge\nsluice_ring_bytes 65536\n");
    assert_family(metrics, "sluice_ring_uncommitted_bytes",
                  "gauge\nsluice_ring_uncommitted_bytes 128\n");
    assert_family(metrics, "sluice_log_last_seq", "gauge\nsluice_log_last_seq 1\n");
    assert_family(metrics, "sluice_log_committed_seq", "gauge\nsluice_log_committed_seq 0\n");
    assert_family(metrics, "sluice_draining", "gauge\nsluice_draining 0\n");
    assert_family(metrics, "sluice_drain_remaining_seconds",
                  "gauge\nsluice_drain_remaining_seconds 0\n");
    assert_family(metrics, "sluice_storage_full", "gauge\nsluice_storage_full 0\n");
    free(metrics);

    bus_set_refusal(f->bus, BUS_STORAGE_FULL, 0);
    bus_set_phase(f->bus, BUS_DRAINING, INT64_MAX);
    metrics = write_metrics(f);
    assert_family(metrics, "sluice_draining", "gauge\nsluice_draining 1\n");
    assert_family(metrics, "sluice_storage_full", "gauge\nsluice_storage_full 1\n");
    assert_null(strstr(metrics, "\nsluice_drain_remaining_seconds 0\n"));
    free(metrics);
}

static void every_row_with_a_name_is_a_family(void **state)
{
    struct fixture *f = *state;
    char *metrics;

    occupy_slots(f);
    metrics = write_metrics(f);
    for (unsigned row = 0; row < stat_info_count(); row++) {
        const struct stat_info *info = stat_info(row);
        char head[512];

        if (info->name[0] == '\0')
            continue;
        assert_null(strpbrk(info->help, "\\\n")); /* which would have to be escaped */
        (void)snprintf(head, sizeof head, "# HELP sluice_%s %s\n", info->name, info->help);
        assert_non_null(strstr(metrics, head));
        (void)snprintf(head, sizeof head, "\n# HELP sluice_worker_%s ", info->name);
        assert_int_equal(strstr(metrics, head) != NULL, info->is_per_worker);
    }
    free(metrics);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_told_per_worker_adds_up_to_the_sum),
        TEST(labels_tell_the_words_of_a_stat_apart),
        TEST(histograms_are_cumulative_and_in_seconds),
        TEST(a_histogram_of_workers_is_told_for_each),
        TEST(processes_are_told_by_name_and_not_added_up),
        TEST(who_has_died_is_told_without_gauges),
        TEST(the_server_as_a_whole_is_told),
        TEST(every_row_with_a_name_is_a_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
