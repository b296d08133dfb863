#include "tools/sluice-bench/report.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name;
    double fraction;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}};

#define QUANTILE_COUNT (sizeof quantiles / sizeof quantiles[0])

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static double ratio(double value, double by)
{
    return by > 0.0 ? value / by : 0.0;
}

static uint64_t lost(const struct report *report)
{
    return report->expected > report->delivered ? report->expected - report->delivered : 0;
}

bool report_is_clean(const struct report *report)
{
    return lost(report) == 0 && report->duplicates == 0 && report->order_errors == 0 &&
           report->refused == 0 && report->failed_count == 0 && report->closed_count == 0 &&
           !report->is_given_up;
}

static void latency_text(const char *title, const struct histogram *histogram)
{
    (void)printf("%-24s", title);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        (void)printf(" %s %.1f", quantiles[i].name,
                     us(histogram_quantile_ns(histogram, quantiles[i].fraction)));
    (void)printf(" us\n");
}

static void text_print(const struct report *report, const struct options *options)
{
    double measured_s = seconds(report->measured_ns);

    (void)printf(
        "%-24s %" PRIu32 " opened, %" PRIu32 " failed, %" PRIu32 " closed, %.0f a second\n",
        "connections", report->connection_count, report->failed_count, report->closed_count,
        ratio((double)report->connection_count, seconds(report->connect_ns)));
    if (report->has_memory)
        (void)printf("%-24s %.0f bytes of the server\n", "an idle connection",
                     ratio((double)report->memory_growth_bytes, (double)report->connection_count));
    if (options->is_idle)
        return;

    (void)printf("%-24s %" PRIu64 " in %.3f s, %.0f a second\n", "published", report->published,
                 measured_s, ratio((double)report->published, measured_s));
    if (options_is_acknowledged(options)) {
        (void)printf("%-24s %" PRIu64 ", %.0f a second, %" PRIu64 " refused\n", "acknowledged",
                     report->acknowledged, ratio((double)report->acknowledged, measured_s),
                     report->refused);
        latency_text("acknowledged after", report->acknowledgement);
    }
    if (!options->is_publish_only) {
        (void)printf("%-24s %" PRIu64 ", %.0f a second\n", "delivered", report->delivered,
                     ratio((double)report->delivered, measured_s));
        (void)printf("%-24s %" PRIu64 " lost, %" PRIu64 " doubled, %" PRIu64 " out of order\n",
                     "errors", lost(report), report->duplicates, report->order_errors);
        latency_text("delivered after", report->delivery);
    }
    if (report->has_cpu) {
        (void)printf("%-24s %.3f s", "server CPU", seconds(report->server_cpu_ns));
        if (!options->is_publish_only)
            (void)printf(", %.3f us a delivery",
                         ratio(us(report->server_cpu_ns), (double)report->delivered));
        (void)printf(", %.3f us a publish\n",
                     ratio(us(report->server_cpu_ns), (double)report->published));
    }
    (void)printf("%-24s %.3f s\n", "bench CPU", seconds(report->client_cpu_ns));
}

static void latency_json(const char *name, const struct histogram *histogram)
{
    (void)printf(",\"%s\":{", name);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        (void)printf("%s\"%s\":%.1f", i > 0 ? "," : "", quantiles[i].name,
                     us(histogram_quantile_ns(histogram, quantiles[i].fraction)));
    (void)printf("}");
}

static void json_print(const struct report *report, const struct options *options)
{
    double measured_s = seconds(report->measured_ns);

    (void)printf("{\"connections\":%" PRIu32 ",\"failed\":%" PRIu32 ",\"closed\":%" PRIu32
                 ",\"connections_per_s\":%.0f",
                 report->connection_count, report->failed_count, report->closed_count,
                 ratio((double)report->connection_count, seconds(report->connect_ns)));
    if (report->has_memory)
        (void)printf(",\"bytes_per_connection\":%.1f",
                     ratio((double)report->memory_growth_bytes, (double)report->connection_count));
    if (!options->is_idle) {
        (void)printf(",\"seconds\":%.6f,\"published\":%" PRIu64 ",\"published_per_s\":%.1f"
                     ",\"acknowledged\":%" PRIu64 ",\"acknowledged_per_s\":%.1f"
                     ",\"refused\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"delivered_per_s\":%.1f"
                     ",\"lost\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"order_errors\":%" PRIu64,
                     measured_s, report->published, ratio((double)report->published, measured_s),
                     report->acknowledged, ratio((double)report->acknowledged, measured_s),
                     report->refused, report->delivered,
                     ratio((double)report->delivered, measured_s), lost(report), report->duplicates,
                     report->order_errors);
        latency_json("delivery_us", report->delivery);
        latency_json("acknowledgement_us", report->acknowledgement);
        if (report->has_cpu)
            (void)printf(",\"server_cpu_s\":%.6f,\"cpu_us_per_delivery\":%.4f"
                         ",\"cpu_us_per_publish\":%.4f",
                         seconds(report->server_cpu_ns),
                         ratio(us(report->server_cpu_ns), (double)report->delivered),
                         ratio(us(report->server_cpu_ns), (double)report->published));
        (void)printf(",\"bench_cpu_s\":%.6f", seconds(report->client_cpu_ns));
    }
    (void)printf(",\"given_up\":%s,\"clean\":%s}\n", report->is_given_up ? "true" : "false",
                 report_is_clean(report) ? "true" : "false");
}

void report_print(const struct report *report, const struct options *options)
{
    if (options->is_json)
        json_print(report, options);
    else
        text_print(report, options);
}
