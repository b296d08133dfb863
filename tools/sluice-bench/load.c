#include "tools/sluice-bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "tools/sluice-bench/clock.h"
#include "tools/sluice-bench/http.h"
#include "tools/sluice-bench/payload.h"
#include "tools/sluice-bench/websocket.h"

#define OUT_BYTES_MAX    (64u << 10) /* waiting in a publisher's connection, flat out */
#define TURN_COUNT_MAX   4096        /* messages of a publisher before others are heard */
#define OUTSTANDING_RATE 65536       /* unanswered at a rate, of all publishers */
#define OUTSTANDING_MIN  1024
#define TICK_NS_MIN      UINT64_C(100000)

static uint64_t outstanding_limit(const struct options *options)
{
    if (options->pace == OPTIONS_PACE_FLAT_OUT)
        return options->pipeline_count;
    if (options->pace == OPTIONS_PACE_WINDOW)
        return OUTSTANDING_RATE; /* the window is the limit, but answers may come later */
    uint64_t share = OUTSTANDING_RATE / options->publisher_count;
    return share < OUTSTANDING_MIN ? OUTSTANDING_MIN : share;
}

static int publisher_init(const struct load *load, struct load_publisher *publisher)
{
    const struct options *options = load->options;

    if (options_is_acknowledged(options)) {
        publisher->sent_ns = calloc(load->outstanding_mask + 1, sizeof publisher->sent_ns[0]);
        if (publisher->sent_ns == NULL)
            return -ENOMEM;
    }
    if (options->pace == OPTIONS_PACE_WINDOW) {
        publisher->completed = calloc(options->process_count, sizeof publisher->completed[0]);
        if (publisher->completed == NULL)
            return -ENOMEM;
    }
    return 0;
}

int load_init(struct load *load, const struct options *options, uint32_t process, uint32_t run)
{
    uint64_t slot_count = 1;

    *load = (struct load){.options = options, .run = run};
    if (options->publisher_count == 0)
        return 0;
    while (slot_count < outstanding_limit(options))
        slot_count *= 2;
    load->outstanding_mask = slot_count - 1;
    load->publishers = calloc(options->publisher_count, sizeof load->publishers[0]);
    if (load->publishers == NULL)
        return -ENOMEM;

    for (uint32_t i = 0; i < options->publisher_count; i++) {
        if (options_publisher_process(options, i) != process)
            continue;
        struct load_publisher *publisher = &load->publishers[load->publisher_count++];
        publisher->number = i;
        int rc = publisher_init(load, publisher);
        if (rc < 0) {
            load_done(load);
            return rc;
        }
    }
    load->rate = options->rate * load->publisher_count / options->publisher_count;
    return 0;
}

void load_done(struct load *load)
{
    for (uint32_t i = 0; i < load->publisher_count; i++) {
        free(load->publishers[i].sent_ns);
        free(load->publishers[i].completed);
    }
    free(load->publishers);
    *load = (struct load){0};
}

void load_start(struct load *load, uint64_t message_limit, bool is_measuring, uint64_t now_ns)
{
    uint32_t count = load->options->publisher_count;

    for (uint32_t i = 0; i < load->publisher_count; i++) {
        struct load_publisher *publisher = &load->publishers[i];
        uint64_t share = message_limit / count + (publisher->number < message_limit % count);
        publisher->sent_limit = message_limit == 0 ? UINT64_MAX : publisher->sent + share;
    }
    load->is_running = true;
    load->is_measuring = is_measuring;
    load->rate_from_ns = now_ns;
    load->rate_sent = 0;
}

/* Messages that have reached all subscribers of all processes. */
static uint64_t completed_everywhere(const struct load *load,
                                     const struct load_publisher *publisher)
{
    uint64_t least = publisher->completed[0];

    for (uint32_t i = 1; i < load->options->process_count; i++) {
        if (publisher->completed[i] < least)
            least = publisher->completed[i];
    }
    return least;
}

static bool may_publish(const struct load *load, const struct load_publisher *publisher)
{
    const struct options *options = load->options;

    if (publisher->conn->state != CONN_READY || publisher->sent >= publisher->sent_limit)
        return false;
    if (options_is_acknowledged(options) &&
        publisher->sent - publisher->answered >= outstanding_limit(options))
        return false;

    switch (options->pace) {
    case OPTIONS_PACE_WINDOW:
        return publisher->sent - completed_everywhere(load, publisher) < options->window_count;
    case OPTIONS_PACE_FLAT_OUT:
        return buffer_bytes(&publisher->conn->out) < OUT_BYTES_MAX;
    case OPTIONS_PACE_RATE:
        return true;
    case OPTIONS_PACE_DEFAULT:
        break;
    }
    UNREACHABLE();
}

/* Appends one message as the protocol has it, with room for the payload. */
static int message_extend(const struct load *load, struct buffer *out, uint32_t topic,
                          char **ret_payload)
{
    const struct options *options = load->options;
    size_t payload_bytes = options->payload_bytes;
    char name[256];
    char head[384];
    char *room;
    int rc;

    (void)snprintf(name, sizeof name, "%s-%u", options->topic_prefix, topic);
    if (options->via == OPTIONS_VIA_HTTP) {
        struct http_target target = {
            .host = options->host,
            .topic = options->protocol == OPTIONS_ROOM ? "room" : name,
            .is_durable = options->is_durable,
        };
        return http_publish_extend(out, &target, payload_bytes, ret_payload);
    }
    if (options->protocol == OPTIONS_ROOM)
        return websocket_frame_extend(out, WEBSOCKET_TEXT, payload_bytes, ret_payload);

    const char *tail = options->is_durable ? "\",\"durable\":true}" : "\"}";
    size_t tail_bytes = strlen(tail);
    int head_bytes = snprintf(head, sizeof head,
                              "{\"action\":\"publish\",\"topic\":\"%s\",\"message\":\"", name);
    CHECK(head_bytes > 0 && (size_t)head_bytes < sizeof head);
    rc = websocket_frame_extend(out, WEBSOCKET_TEXT,
                                (size_t)head_bytes + payload_bytes + tail_bytes, &room);
    if (rc < 0)
        return rc;
    memcpy(room, head, (size_t)head_bytes);
    memcpy(room + head_bytes + payload_bytes, tail, tail_bytes);
    *ret_payload = room + head_bytes;
    return 0;
}

static int publish_one(struct load *load, struct load_publisher *publisher, uint64_t now_ns,
                       struct control_report *report)
{
    const struct options *options = load->options;
    uint32_t topic = (uint32_t)(publisher->sent % options->topic_count);
    char *payload;

    int rc = message_extend(load, &publisher->conn->out, topic, &payload);
    if (rc < 0)
        return rc;
    payload_write(payload, options->payload_bytes,
                  &(struct payload_mark){
                      .run = load->run,
                      .publisher = publisher->number,
                      .number = publisher->sent,
                      .time_ns = now_ns,
                  });
    if (publisher->sent_ns != NULL)
        publisher->sent_ns[publisher->sent & load->outstanding_mask] = now_ns;
    publisher->sent++;
    report->published++;
    report->expected += options_subscriber_count(options, topic, 0, options->connection_count);
    return 0;
}

/* One message to one publisher after the other, until as many are out as are due. */
static int publish_due(struct load *load, uint64_t now_ns, struct control_report *report)
{
    double elapsed_s = (double)(now_ns - load->rate_from_ns) / (double)CLOCK_NS_PER_S;
    uint64_t due = (uint64_t)(elapsed_s * load->rate);
    uint32_t refusals = 0;

    while (load->rate_sent < due && refusals < load->publisher_count) {
        struct load_publisher *publisher = &load->publishers[load->next_publisher];
        load->next_publisher = (load->next_publisher + 1) % load->publisher_count;
        if (!may_publish(load, publisher)) {
            refusals++;
            continue;
        }
        refusals = 0;
        int rc = publish_one(load, publisher, now_ns, report);
        if (rc < 0)
            return rc;
        load->rate_sent++;
    }
    return 0;
}

int load_publish(struct load *load, uint64_t now_ns, struct control_report *report)
{
    if (!load->is_running || load->publisher_count == 0)
        return 0;
    if (load->options->pace == OPTIONS_PACE_RATE)
        return publish_due(load, now_ns, report);

    for (uint32_t i = 0; i < load->publisher_count; i++) {
        struct load_publisher *publisher = &load->publishers[i];
        for (int n = 0; n < TURN_COUNT_MAX && may_publish(load, publisher); n++) {
            int rc = publish_one(load, publisher, now_ns, report);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

void load_answered(struct load *load, uint32_t publisher_index, bool is_refused, uint64_t now_ns,
                   struct control_account *account)
{
    struct control_report *report = &account->report;

    CHECK(publisher_index < load->publisher_count);
    struct load_publisher *publisher = &load->publishers[publisher_index];

    if (publisher->answered == publisher->sent) {
        report->refused++; /* an answer to nothing: never mistaken for an acknowledgement */
        return;
    }
    uint64_t sent_ns = publisher->sent_ns[publisher->answered & load->outstanding_mask];
    publisher->answered++;
    if (is_refused) {
        report->refused++;
        return;
    }
    report->acknowledged++;
    report->last_acknowledged_ns = now_ns;
    if (load->is_measuring)
        histogram_add(&account->result->acknowledged, now_ns > sent_ns ? now_ns - sent_ns : 0);
}

void load_progress(struct load *load, uint32_t process, uint32_t publisher_number,
                   uint64_t completed)
{
    CHECK(process < load->options->process_count);
    /* Under a window all publishers are in one process: their index is their number. */
    CHECK(publisher_number < load->publisher_count);
    load->publishers[publisher_number].completed[process] = completed;
}

uint64_t load_tick_ns(const struct load *load)
{
    if (load->options->pace != OPTIONS_PACE_RATE || load->publisher_count == 0)
        return 0;
    uint64_t interval_ns = (uint64_t)((double)CLOCK_NS_PER_S / load->rate);
    return interval_ns < TICK_NS_MIN ? TICK_NS_MIN : interval_ns;
}
