#include "tools/sluicectl/top_view.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/table.h"
#include "tools/sluicectl/top_sample.h"

#define TOPICS_MAX 10

static void write_text(FILE *output, const char *text)
{
    (void)escape_write(output, text, strlen(text));
}

/* --- the lines on top ------------------------------------------------------------------------- */

static void write_state(FILE *output, const struct top_sample *sample)
{
    struct json_object *object = sample->object;
    const char *reason = field_text(object, "reason");
    uint64_t remaining = field_number(object, "remaining_seconds");
    char text[FORMAT_BYTES];

    (void)fputs("sluice ", output);
    write_text(output, field_text(object, "version"));
    (void)fputs(", ", output);
    write_text(output, field_text(object, "status"));
    if (*reason != '\0') {
        (void)fputs(" (", output);
        write_text(output, reason);
        (void)fputc(')', output);
    }
    if (remaining > 0)
        (void)fprintf(output, ", deadline in %s", format_duration(text, (double)remaining));
    (void)fprintf(output, ", up %s", format_duration(text, field_double(object, "uptime_seconds")));
    (void)fprintf(output, ", clients %s", format_count(text, sample->all.clients));
    (void)fprintf(output, ", subscriptions %s", format_count(text, sample->all.subscriptions));
    (void)fprintf(output, ", %s of them lagging\n", format_count(text, sample->all.lagging));
}

static void write_traffic(FILE *output, const struct top_rates *rates)
{
    char text[FORMAT_BYTES];

    (void)fprintf(output, "published %s/s", format_rate(text, rates->published));
    (void)fprintf(output, ", refused %s/s", format_rate(text, rates->publish_refused));
    (void)fprintf(output, ", delivered %s/s", format_rate(text, rates->all.delivered));
    (void)fprintf(output, ", in %s/s", format_bytes(text, (uint64_t)rates->all.bytes_in));
    (void)fprintf(output, ", out %s/s\n", format_bytes(text, (uint64_t)rates->all.bytes_out));
}

static void write_commits(FILE *output, const struct top_rates *rates)
{
    char text[FORMAT_BYTES];

    (void)fprintf(output, "commits %s/s", format_rate(text, rates->commits));
    if (rates->operations_per_commit > 0) {
        (void)fprintf(output, " of %s operations", format_rate(text, rates->operations_per_commit));
        (void)fprintf(output, ", %s each", format_latency(text, rates->commit_mean_seconds));
        if (isinf(rates->commit_p99_seconds))
            (void)fputs(", more than 1 % of them beyond measure", output);
        else if (rates->commit_p99_seconds > 0)
            (void)fprintf(output, ", 99 %% within %s",
                          format_latency(text, rates->commit_p99_seconds));
    }
    (void)fputc('\n', output);
}

static void write_ring(FILE *output, const struct top_sample *sample, const struct top_rates *rates)
{
    struct json_object *ring = field_object(sample->object, "ring");
    uint64_t bytes = field_number(ring, "bytes");
    uint64_t used = field_number(ring, "uncommitted_bytes");
    uint64_t last = field_number(sample->object, "last_seq");
    uint64_t committed = field_number(sample->object, "committed_seq");
    char text[FORMAT_BYTES];

    (void)fprintf(output, "ring %s", format_share(text, (double)used, (double)bytes));
    (void)fprintf(output, " of %s not on disk", format_bytes(text, bytes));
    (void)fprintf(output, " (%s operations)",
                  format_count(text, last > committed ? last - committed : 0));
    (void)fprintf(output, ", waits for room %s/s\n", format_rate(text, rates->ring_waits));
}

static void write_store(FILE *output, const struct top_sample *sample)
{
    struct json_object *store = field_object(sample->object, "store");
    uint64_t used = field_number(store, "used_bytes");
    uint64_t map = field_number(store, "map_bytes");
    char text[FORMAT_BYTES];

    (void)fprintf(output, "store %s", format_bytes(text, used));
    (void)fprintf(output, ", %s of its largest size",
                  format_share(text, (double)used, (double)map));
    (void)fprintf(output, ", log %s", format_bytes(text, field_number(store, "log_bytes")));
    (void)fprintf(output, ", numbers %s",
                  format_count(text, field_number(sample->object, "first_seq")));
    (void)fprintf(output, " to %s", format_count(text, field_number(sample->object, "last_seq")));
    (void)fprintf(output, ", disk has %s left\n",
                  format_bytes(text, field_number(store, "disk_free_bytes")));
}

static void write_transports(FILE *output, const struct top_sample *sample,
                             const struct top_rates *rates)
{
    struct json_object *transports = field_object(sample->object, "transports");
    char text[FORMAT_BYTES];

    (void)fprintf(output, "http/2 connections %s",
                  format_count(text, field_number(transports, "http2_connections")));
    (void)fprintf(output, ", streams %s",
                  format_count(text, field_number(transports, "http2_streams")));
    (void)fprintf(output, ", floods %s/s", format_rate(text, rates->http2_floods));
    (void)fprintf(output, ", tls handshakes %s/s", format_rate(text, rates->tls_handshakes));
    (void)fprintf(output, ", failed %s/s", format_rate(text, rates->tls_failed));
    (void)fprintf(output, ", deflate clients %s",
                  format_count(text, field_number(transports, "deflate_clients")));
    if (rates->deflate_share > 0)
        (void)fprintf(output, ", to %s of what it was",
                      format_share(text, rates->deflate_share, 1));
    (void)fputc('\n', output);
}

/* --- the tables ------------------------------------------------------------------------------- */

static int write_processes(FILE *output, const struct top_sample *sample,
                           const struct top_rates *rates)
{
    static const struct table_column columns[] = {
        {"PROCESS", false}, {"PID", true},    {"CPU", true},    {"MEMORY", true},
        {"CLIENTS", true},  {"SUBSCR", true}, {"LAG", true},    {"QUEUED", true},
        {"IN/S", true},     {"OUT/S", true},  {"IN B/S", true}, {"OUT B/S", true},
    };
    struct table table;

    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < sample->process_count; i++) {
        const struct top_process *process = &sample->processes[i];
        const struct top_process_rates *rate = &rates->processes[i];
        char text[FORMAT_BYTES];

        table_add_text(&table, process->name);
        (void)snprintf(text, sizeof text, "%" PRIu64, process->pid);
        table_add_text(&table, text);
        table_add_text(&table, format_share(text, rate->cpu, 1));
        table_add_bytes(&table, process->counts.rss_bytes);
        table_add_count(&table, process->counts.clients);
        table_add_count(&table, process->counts.subscriptions);
        table_add_count(&table, process->counts.lagging);
        table_add_bytes(&table, process->counts.queued_bytes);
        table_add_rate(&table, rate->messages_in);
        table_add_rate(&table, rate->delivered);
        table_add_rate(&table, rate->bytes_in);
        table_add_rate(&table, rate->bytes_out);
    }
    int rc = table_write(&table, output, SIZE_MAX);
    table_done(&table);
    return rc;
}

/* Counted by the server in the newest stretch of the ring, however long that took to come together. */
static int write_topics(FILE *output, const struct top_sample *sample)
{
    static const struct table_column columns[] = {
        {"EVENTS/S", true}, {"BYTES/S", true}, {"SUBSCRIBERS", true}, {"BUSIEST TOPICS", false}};
    struct json_object *topics = field_object(sample->object, "topics");
    struct json_object *busiest = field_array(topics, "busiest");
    double seconds = field_double(topics, "seconds");
    char text[FORMAT_BYTES];
    struct table table;

    if (field_array_count(busiest) == 0)
        return 0;
    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < field_array_count(busiest) && i < TOPICS_MAX; i++) {
        struct json_object *topic = json_object_array_get_idx(busiest, i);

        table_add_rate(&table, seconds > 0 ? field_double(topic, "operations") / seconds : 0);
        table_add_rate(&table, seconds > 0 ? field_double(topic, "bytes") / seconds : 0);
        table_add_count(&table, field_number(topic, "subscribers"));
        table_add_text(&table, field_text(topic, "topic"));
    }
    (void)fputc('\n', output);
    int rc = table_write(&table, output, SIZE_MAX);
    (void)fprintf(output, "(of the newest %s operations",
                  format_count(text, field_number(topics, "operations")));
    (void)fprintf(output, ", %s)\n", format_duration(text, seconds));
    table_done(&table);
    return rc;
}

static int write_lagging(FILE *output, struct json_object *lagging)
{
    static const struct table_column columns[] = {
        {"LAGGING CLIENTS", false}, {"PROTOCOL", false}, {"NAME", false},
        {"ADDRESS", false},         {"LAG", true},       {"QUEUED", true},
    };
    size_t count = field_array_count(lagging);
    struct table table;

    if (count == 0)
        return 0;
    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count; i++) {
        struct json_object *client = json_object_array_get_idx(lagging, i);
        const char *name = field_text(client, "name");

        table_add_text(&table, field_text(client, "id"));
        table_add_text(&table, field_text(client, "protocol"));
        table_add_text(&table, *name != '\0' ? name : "-");
        table_add_text(&table, field_text(client, "peer"));
        table_add_count(&table, field_number(client, "lagging"));
        table_add_bytes(&table, field_number(client, "queued_bytes"));
    }
    (void)fputc('\n', output);
    int rc = table_write(&table, output, TOP_VIEW_LAGGING_MAX);
    table_done(&table);
    return rc;
}

int top_view_write(FILE *output, const struct top_sample *sample, const struct top_rates *rates,
                   struct json_object *lagging)
{
    int rc;

    write_state(output, sample);
    write_traffic(output, rates);
    write_commits(output, rates);
    write_ring(output, sample, rates);
    write_store(output, sample);
    write_transports(output, sample, rates);
    (void)fputc('\n', output);
    rc = write_processes(output, sample, rates);
    if (rc == 0)
        rc = write_topics(output, sample);
    return rc == 0 ? write_lagging(output, lagging) : rc;
}

/* --- for machines ------------------------------------------------------------------------------- */

void top_view_json(FILE *output, const struct top_sample *sample, const struct top_rates *rates,
                   struct json_object *lagging)
{
    bool has_p99 = rates->commit_p99_seconds > 0 && !isinf(rates->commit_p99_seconds);

    (void)fprintf(output,
                  "{\"seconds\":%.6f,\"rates\":{\"published\":%.3f,\"publish_refused\":%.3f,"
                  "\"messages_in\":%.3f,\"delivered\":%.3f,\"bytes_in\":%.3f,\"bytes_out\":%.3f,"
                  "\"ring_waits\":%.3f,\"http2_floods\":%.3f,\"tls_handshakes\":%.3f,"
                  "\"tls_failed\":%.3f,\"deflate_share\":%.3f,"
                  "\"commits\":%.3f,\"operations_per_commit\":%.3f,"
                  "\"commit_mean_seconds\":%.6f,\"commit_p99_seconds\":",
                  rates->seconds, rates->published, rates->publish_refused, rates->all.messages_in,
                  rates->all.delivered, rates->all.bytes_in, rates->all.bytes_out,
                  rates->ring_waits, rates->http2_floods, rates->tls_handshakes, rates->tls_failed,
                  rates->deflate_share, rates->commits, rates->operations_per_commit,
                  rates->commit_mean_seconds);
    if (has_p99)
        (void)fprintf(output, "%.6f", rates->commit_p99_seconds);
    else
        (void)fputs("null", output);
    (void)fprintf(output, ",\"cpu\":%.3f},\"lagging\":", rates->all.cpu);
    (void)fputs(lagging != NULL ? field_line(lagging) : "[]", output);
    (void)fprintf(output, ",\"server\":%s}\n", field_line(sample->object));
}

/* --- for a terminal ------------------------------------------------------------------------------- */

/* @text is what escape_write has let through: whole characters, none that moves the cursor. */
static void write_cut(FILE *output, const char *text, size_t bytes, size_t column_count)
{
    size_t columns = 0;

    while (bytes > 0) {
        unsigned character = 0;
        size_t size = escape_character_bytes(text, bytes, &character);

        if (size == 0)
            return;
        columns += escape_character_columns(character);
        if (columns > column_count)
            return;
        (void)fwrite(text, 1, size, output); /* who ends with the stream looks at its state */
        text += size;
        bytes -= size;
    }
}

void top_view_screen(FILE *output, const char *text, size_t row_count, size_t column_count)
{
    (void)fputs("\33[H", output);
    for (size_t row = 0; row < row_count && *text != '\0'; row++) {
        size_t bytes = strcspn(text, "\n");

        if (row > 0)
            (void)fputs("\r\n", output);
        write_cut(output, text, bytes, column_count);
        (void)fputs("\33[K", output);
        text += bytes + (text[bytes] == '\n');
    }
    (void)fputs("\33[J", output);
}
