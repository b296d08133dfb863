#include "tools/sluicectl/top_sample.h"

#include <math.h>

#include "tools/sluicectl/field.h"

static void read_counts(struct json_object *process, struct top_counts *counts)
{
    *counts = (struct top_counts){
        .clients = field_number(process, "clients"),
        .subscriptions = field_number(process, "subscriptions"),
        .lagging = field_number(process, "lagging"),
        .queued_bytes = field_number(process, "queued_bytes"),
        .messages_in = field_number(process, "messages_in"),
        .delivered = field_number(process, "delivered"),
        .bytes_in = field_number(process, "bytes_in"),
        .bytes_out = field_number(process, "bytes_out"),
        .rss_bytes = field_number(process, "rss_bytes"),
        .cpu_seconds = field_double(process, "cpu_seconds"),
    };
}

static void add_counts(struct top_counts *all, const struct top_counts *counts)
{
    all->clients += counts->clients;
    all->subscriptions += counts->subscriptions;
    all->lagging += counts->lagging;
    all->queued_bytes += counts->queued_bytes;
    all->messages_in += counts->messages_in;
    all->delivered += counts->delivered;
    all->bytes_in += counts->bytes_in;
    all->bytes_out += counts->bytes_out;
    all->rss_bytes += counts->rss_bytes;
    all->cpu_seconds += counts->cpu_seconds;
}

static void read_processes(struct top_sample *sample)
{
    struct json_object *processes = field_array(sample->object, "processes");
    size_t count = field_array_count(processes);

    sample->process_count = count < TOP_PROCESSES_MAX ? count : TOP_PROCESSES_MAX;
    for (size_t i = 0; i < sample->process_count; i++) {
        struct json_object *object = json_object_array_get_idx(processes, i);
        struct top_process *process = &sample->processes[i];

        process->name = field_text(object, "name");
        process->pid = field_number(object, "pid");
        process->slot = field_number(object, "slot");
        read_counts(object, &process->counts);
        add_counts(&sample->all, &process->counts);
    }
}

static void read_transports(struct top_sample *sample)
{
    struct json_object *transports = field_object(sample->object, "transports");

    sample->http2_floods = field_number(transports, "http2_floods");
    sample->tls_handshakes = field_number(transports, "tls_handshakes");
    sample->tls_failed = field_number(transports, "tls_failed");
    sample->deflate_input_bytes = field_number(transports, "deflate_input_bytes");
    sample->deflate_output_bytes = field_number(transports, "deflate_output_bytes");
}

static void read_commits(struct top_sample *sample)
{
    struct json_object *commits = field_object(sample->object, "commits");
    struct json_object *bounds = field_array(commits, "bounds_seconds");
    struct json_object *buckets = field_array(commits, "buckets");
    size_t count = field_array_count(buckets);

    sample->commit_count = field_number(commits, "count");
    sample->commit_operations = field_number(commits, "operations");
    sample->commit_seconds = field_double(commits, "seconds");
    sample->bucket_count = count < TOP_BUCKETS_MAX ? count : TOP_BUCKETS_MAX;
    for (size_t i = 0; i < sample->bucket_count; i++) {
        sample->buckets[i] = json_object_get_uint64(json_object_array_get_idx(buckets, i));
        sample->bucket_bounds[i] =
            i < field_array_count(bounds)
                ? json_object_get_double(json_object_array_get_idx(bounds, i))
                : (double)INFINITY;
    }
}

bool top_sample_read(struct top_sample *ret_sample, struct json_object *object)
{
    *ret_sample = (struct top_sample){.object = object};
    ret_sample->time_seconds = field_double(object, "time_seconds");
    ret_sample->published = field_number(object, "published");
    ret_sample->publish_refused = field_number(object, "publish_refused");
    ret_sample->ring_waits = field_number(field_object(object, "ring"), "waits");
    read_processes(ret_sample);
    read_transports(ret_sample);
    read_commits(ret_sample);
    if (ret_sample->time_seconds > 0 && ret_sample->process_count > 0)
        return true;
    top_sample_done(ret_sample);
    return false;
}

void top_sample_done(struct top_sample *sample)
{
    json_object_put(sample->object);
    sample->object = NULL;
}

/* --- rates ------------------------------------------------------------------------------------ */

static double difference(uint64_t older, uint64_t newer)
{
    return newer > older ? (double)(newer - older) : 0;
}

static double positive(double value)
{
    return value > 0 ? value : 0;
}

static void rates_of(const struct top_counts *older, const struct top_counts *newer, double seconds,
                     struct top_process_rates *ret_rates)
{
    *ret_rates = (struct top_process_rates){
        .cpu = positive(newer->cpu_seconds - older->cpu_seconds) / seconds,
        .messages_in = difference(older->messages_in, newer->messages_in) / seconds,
        .delivered = difference(older->delivered, newer->delivered) / seconds,
        .bytes_in = difference(older->bytes_in, newer->bytes_in) / seconds,
        .bytes_out = difference(older->bytes_out, newer->bytes_out) / seconds,
    };
}

static const struct top_process *find_process(const struct top_sample *sample, uint64_t slot)
{
    for (size_t i = 0; i < sample->process_count; i++) {
        if (sample->processes[i].slot == slot)
            return &sample->processes[i];
    }
    return NULL;
}

/* The bound of the bucket in which the hundredth part that took longest begins. */
static double commit_p99(const struct top_sample *older, const struct top_sample *newer,
                         double commit_count)
{
    double seen = 0;

    for (size_t i = 0; i < newer->bucket_count; i++) {
        seen += difference(i < older->bucket_count ? older->buckets[i] : 0, newer->buckets[i]);
        if (seen >= 0.99 * commit_count)
            return newer->bucket_bounds[i];
    }
    return 0; /* the buckets have not kept up with the count */
}

static void commit_rates(const struct top_sample *older, const struct top_sample *newer,
                         struct top_rates *rates)
{
    double count = difference(older->commit_count, newer->commit_count);

    rates->commits = count / rates->seconds;
    if (count < 1)
        return;
    rates->operations_per_commit =
        difference(older->commit_operations, newer->commit_operations) / count;
    rates->commit_mean_seconds = positive(newer->commit_seconds - older->commit_seconds) / count;
    rates->commit_p99_seconds = commit_p99(older, newer, count);
}

static void transport_rates(const struct top_sample *older, const struct top_sample *newer,
                            struct top_rates *rates)
{
    double in_bytes = difference(older->deflate_input_bytes, newer->deflate_input_bytes);
    double out_bytes = difference(older->deflate_output_bytes, newer->deflate_output_bytes);

    rates->http2_floods = difference(older->http2_floods, newer->http2_floods) / rates->seconds;
    rates->tls_handshakes =
        difference(older->tls_handshakes, newer->tls_handshakes) / rates->seconds;
    rates->tls_failed = difference(older->tls_failed, newer->tls_failed) / rates->seconds;
    rates->deflate_share = in_bytes > 0 ? out_bytes / in_bytes : 0;
}

void top_rates_between(const struct top_sample *older, const struct top_sample *newer,
                       struct top_rates *ret_rates)
{
    static const struct top_counts none;
    double seconds = newer->time_seconds - older->time_seconds;

    *ret_rates = (struct top_rates){.seconds = seconds > 0 ? seconds : 0};
    if (!(seconds > 0))
        return;
    rates_of(&older->all, &newer->all, seconds, &ret_rates->all);
    for (size_t i = 0; i < newer->process_count; i++) {
        const struct top_process *process = &newer->processes[i];
        const struct top_process *before = find_process(older, process->slot);
        rates_of(before != NULL ? &before->counts : &none, &process->counts, seconds,
                 &ret_rates->processes[i]);
    }
    ret_rates->published = difference(older->published, newer->published) / seconds;
    ret_rates->publish_refused =
        difference(older->publish_refused, newer->publish_refused) / seconds;
    ret_rates->ring_waits = difference(older->ring_waits, newer->ring_waits) / seconds;
    transport_rates(older, newer, ret_rates);
    commit_rates(older, newer, ret_rates);
}
