#include "server/protocol/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/check.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/service.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define SECOND_NS    UINT64_C(1000000000)

enum {
    NAME_BYTES = 24,   /* "store writer", worker="63" */
    LABELS_BYTES = 80, /* of one sample */
    VALUE_BYTES = 32,  /* digits, a point, a NUL */
    NS_DIGITS = 9,
};

/* --- what there is to tell -------------------------------------------------------------------- */

/* One process; of a worker those of both generations together. */
struct process {
    char name[NAME_BYTES];         /* "worker 0" */
    char worker_label[NAME_BYTES]; /* "": it is none */
    uint64_t words[STAT_COUNT];
};

/* All of it at one moment, so that sums are those of what is told of each. */
struct snapshot {
    uint64_t totals[STAT_COUNT];
    unsigned process_count;
    struct process processes[];
};

static_assert(BUS_WORKERS_MAX <= 64, "a bit for each");

/* A bit for each worker that there is or was. */
static uint64_t find_workers(const struct bus *bus)
{
    uint64_t found = 0;

    for (unsigned index = 0; index < BUS_WORKERS_MAX; index++) {
        for (unsigned parity = 0; parity < BUS_GENERATIONS; parity++) {
            if (stat_get(bus, bus_worker_slot(index, parity), STAT_STARTS) > 0)
                found |= UINT64_C(1) << index;
        }
    }
    return found;
}

static struct process *add_process(struct snapshot *snapshot, const char *name)
{
    struct process *process = &snapshot->processes[snapshot->process_count++];

    (void)snprintf(process->name, sizeof process->name, "%s", name); /* fits */
    return process;
}

static void add_slot(struct process *process, const struct bus *bus, unsigned slot)
{
    for (unsigned word = 0; word < STAT_COUNT; word++)
        process->words[word] += stat_get(bus, slot, (enum stat_id)word);
}

static void add_others(struct snapshot *snapshot, const struct bus *bus)
{
    static const char *const names[BUS_SLOT_WORKERS] = {
        [BUS_SLOT_MASTER] = "master",
        [BUS_SLOT_WRITER] = "store writer",
        [BUS_SLOT_BRIDGE] = "bridge",
    };

    for (unsigned slot = 0; slot < BUS_SLOT_WORKERS; slot++) {
        if (stat_get(bus, slot, STAT_STARTS) > 0)
            add_slot(add_process(snapshot, names[slot]), bus, slot);
    }
}

static void add_worker(struct snapshot *snapshot, const struct bus *bus, unsigned index)
{
    char name[NAME_BYTES];
    struct process *process;

    (void)snprintf(name, sizeof name, "worker %u", index); /* fits, as the label does */
    process = add_process(snapshot, name);
    (void)snprintf(process->worker_label, sizeof process->worker_label, "worker=\"%u\"", index);
    for (unsigned parity = 0; parity < BUS_GENERATIONS; parity++)
        add_slot(process, bus, bus_worker_slot(index, parity));
}

/* NULL: no memory. */
static struct snapshot *take_snapshot(const struct bus *bus)
{
    uint64_t workers = find_workers(bus);
    size_t process_count_max = BUS_SLOT_WORKERS + (size_t)__builtin_popcountll(workers);
    struct snapshot *snapshot =
        calloc(1, sizeof *snapshot + process_count_max * sizeof(struct process));

    if (snapshot == NULL)
        return NULL;
    add_others(snapshot, bus);
    for (unsigned index = 0; index < BUS_WORKERS_MAX; index++) {
        if ((workers >> index & 1) != 0)
            add_worker(snapshot, bus, index);
    }
    CHECK(snapshot->process_count <= process_count_max);
    for (unsigned i = 0; i < snapshot->process_count; i++) {
        for (unsigned word = 0; word < STAT_COUNT; word++)
            snapshot->totals[word] += snapshot->processes[i].words[word];
    }
    return snapshot;
}

/* --- samples ---------------------------------------------------------------------------------- */

/* As a decimal number in the base unit: exact, which a double would not be. */
static const char *format_value(char out[VALUE_BYTES], uint64_t value, enum stat_unit unit)
{
    int size;

    if (unit != STAT_UNIT_NS || value % SECOND_NS == 0) {
        (void)snprintf(out, VALUE_BYTES, "%" PRIu64,
                       unit == STAT_UNIT_NS ? value / SECOND_NS : value);
        return out;
    }
    size = snprintf(out, VALUE_BYTES, "%" PRIu64 ".%0*" PRIu64, value / SECOND_NS, NS_DIGITS,
                    value % SECOND_NS);
    while (out[size - 1] == '0')
        out[--size] = '\0';
    return out;
}

static void add_head(struct text *out, const char *name, const char *type, const char *help)
{
    text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* @labels: two lists, either of which may be empty. */
static void add_sample(struct text *out, const char *name, const char *const labels[2],
                       const char *value)
{
    bool has_first = *labels[0] != '\0';
    bool has_second = *labels[1] != '\0';

    text_add_string(out, name);
    if (has_first || has_second)
        text_printf(out, "{%s%s%s}", labels[0], has_first && has_second ? "," : "", labels[1]);
    text_printf(out, " %s\n", value);
}

/* --- rows ------------------------------------------------------------------------------------- */

static const char *const type_names[] = {
    [STAT_KIND_COUNTER] = "counter",
    [STAT_KIND_GAUGE] = "gauge",
    [STAT_KIND_HISTOGRAM] = "histogram",
};

/* What tells the word at @index from the others of its row. */
static void format_labels(char out[LABELS_BYTES], const struct stat_info *info, unsigned index)
{
    static const char *const durabilities[STAT_DURABILITY_COUNT] = {
        [STAT_BUFFERED] = "buffered",
        [STAT_DURABLE] = "durable",
    };

    switch (info->label) {
    case STAT_LABEL_PROTOCOL:
        (void)snprintf(out, LABELS_BYTES, "protocol=\"%s\"", stat_protocol_name(index));
        break;
    case STAT_LABEL_REASON:
        (void)snprintf(out, LABELS_BYTES, "reason=\"%s\"", stat_close_reason_name(index));
        break;
    case STAT_LABEL_PUBLISH:
        (void)snprintf(out, LABELS_BYTES, "protocol=\"%s\",durability=\"%s\"",
                       stat_protocol_name(index / STAT_DURABILITY_COUNT),
                       durabilities[index % STAT_DURABILITY_COUNT]);
        break;
    case STAT_LABEL_NONE:
    case STAT_LABEL_BUCKET:
    case STAT_LABEL_PROCESS:
        out[0] = '\0';
        break;
    }
}

static void add_words(struct text *out, const struct stat_info *info, const char *name,
                      const char *label, const uint64_t *words)
{
    for (unsigned i = 0; i < info->word_count; i++) {
        char labels[LABELS_BYTES];
        char value[VALUE_BYTES];

        format_labels(labels, info, i);
        add_sample(out, name, (const char *const[]){label, labels},
                   format_value(value, words[info->first + i], info->unit));
    }
}

static void add_histogram(struct text *out, const struct stat_info *info, const char *base,
                          const char *label, const uint64_t *words)
{
    const uint64_t *buckets = &words[info->first];
    unsigned bound_count;
    const uint64_t *bounds = stat_bounds(info->first, &bound_count);
    uint64_t count = 0;
    char name[LABELS_BYTES];
    char value[VALUE_BYTES];

    (void)snprintf(name, sizeof name, "%s_bucket", base);
    for (unsigned i = 0; i <= bound_count; i++) {
        char bound[VALUE_BYTES] = "+Inf";
        char le[LABELS_BYTES];

        count += buckets[i];
        if (i < bound_count)
            (void)format_value(bound, bounds[i], info->unit);
        (void)snprintf(le, sizeof le, "le=\"%s\"", bound);
        add_sample(out, name, (const char *const[]){label, le},
                   format_value(value, count, STAT_UNIT_COUNT));
    }
    (void)snprintf(name, sizeof name, "%s_sum", base);
    add_sample(out, name, (const char *const[]){label, ""},
               format_value(value, buckets[bound_count + 1], info->unit));
    (void)snprintf(name, sizeof name, "%s_count", base);
    add_sample(out, name, (const char *const[]){label, ""},
               format_value(value, count, STAT_UNIT_COUNT));
}

static void add_row(struct text *out, const struct stat_info *info, const char *name,
                    const char *label, const uint64_t *words)
{
    if (info->kind == STAT_KIND_HISTOGRAM)
        add_histogram(out, info, name, label, words);
    else
        add_words(out, info, name, label, words);
}

static void add_processes(struct text *out, const struct stat_info *info, const char *name,
                          const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->process_count; i++) {
        const struct process *process = &snapshot->processes[i];
        char label[LABELS_BYTES];

        (void)snprintf(label, sizeof label, "process=\"%s\"", process->name);
        add_row(out, info, name, label, process->words);
    }
}

static void add_workers(struct text *out, const struct stat_info *info, const char *name,
                        const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->process_count; i++) {
        const struct process *process = &snapshot->processes[i];

        if (process->worker_label[0] != '\0')
            add_row(out, info, name, process->worker_label, process->words);
    }
}

static void add_family(struct text *out, const struct stat_info *info,
                       const struct snapshot *snapshot)
{
    char name[LABELS_BYTES];

    if (info->name[0] == '\0')
        return;
    (void)snprintf(name, sizeof name, "sluice_%s", info->name);
    add_head(out, name, type_names[info->kind], info->help);
    if (info->label == STAT_LABEL_PROCESS)
        add_processes(out, info, name, snapshot);
    else
        add_row(out, info, name, "", snapshot->totals);
    if (!info->is_per_worker)
        return;
    (void)snprintf(name, sizeof name, "sluice_worker_%s", info->name);
    add_head(out, name, type_names[info->kind], info->help);
    add_workers(out, info, name, snapshot);
}

/* --- the server as a whole -------------------------------------------------------------------- */

static uint64_t uptime(const struct service *service)
{
    return (uint64_t)bus_uptime_ns(service->bus);
}

static uint64_t is_draining(const struct service *service)
{
    return bus_phase(service->bus) >= BUS_DRAINING ? 1 : 0;
}

static uint64_t drain_remaining(const struct service *service)
{
    return is_draining(service) * service_remaining_seconds(service);
}

static uint64_t is_full(const struct service *service)
{
    return bus_refusal(service->bus) == BUS_STORAGE_FULL ? 1 : 0;
}

static uint64_t worker_count(const struct service *service)
{
    uint64_t count = 0;

    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++)
        count += bus_slot_is_active(service->bus, slot) ? 1 : 0;
    return count;
}

static uint64_t first_seq(const struct service *service)
{
    return ring_first_seq(service->bus);
}

static uint64_t last_seq(const struct service *service)
{
    return ring_tail(service->bus).seq;
}

static uint64_t committed_seq(const struct service *service)
{
    return ring_committed(service->bus).seq;
}

static uint64_t ring_bytes(const struct service *service)
{
    return bus_size(service->bus);
}

static uint64_t uncommitted_bytes(const struct service *service)
{
    uint64_t committed_pos =
        ring_committed(service->bus).pos; /* first: the tail is not before it */

    return ring_tail(service->bus).pos - committed_pos;
}

static const struct gauge {
    const char *name;
    enum stat_unit unit;
    uint64_t (*read)(const struct service *service);
    const char *help;
} gauges[] = {
#define GAUGE(name, unit, read, help) {"sluice_" name, STAT_UNIT_##unit, read, help},
    METRICS_GAUGES(GAUGE)
#undef GAUGE
};

static void add_gauges(struct text *out, const struct service *service)
{
    char value[VALUE_BYTES];

    add_head(out, "sluice_build_info", "gauge", METRICS_BUILD_INFO);
    text_add_string(out, "sluice_build_info{version=\"" SLUICE_VERSION "\",compiler=\"" __VERSION__
                         "\"} 1\n");
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        const struct gauge *gauge = &gauges[i];

        add_head(out, gauge->name, "gauge", gauge->help);
        add_sample(out, gauge->name, (const char *const[]){"", ""},
                   format_value(value, gauge->read(service), gauge->unit));
    }
}

/* --- all ---------------------------------------------------------------------------------------- */

void metrics_write(const struct service *service, struct text *out)
{
    struct snapshot *snapshot = take_snapshot(service->bus);

    if (snapshot == NULL) {
        out->has_failed = true;
        return;
    }
    add_gauges(out, service);
    for (unsigned row = 0; row < stat_info_count(); row++)
        add_family(out, stat_info(row), snapshot);
    free(snapshot);
}

void metrics_serve(struct service *service, struct http_exchange *exchange)
{
    struct text body = {0};

    metrics_write(service, &body);
    answer_text(service, exchange, CONTENT_TYPE, &body, "Cache-Control: no-store\r\n");
    text_done(&body);
}
