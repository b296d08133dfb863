/*
 * graphql_live_load: subscribers and publishers of whatever is said in JSON over WebSocket or HTTP,
 * with what they are to say given on the command line: so Sluice's GraphQL, its broker and other
 * servers get the very same load from the very same program. graphql_live.mjs runs it.
 *
 * Shape    One process, one epoll loop. Every peer opens a WebSocket and says its opening lines; a
 *          line that is to be answered keeps the next one back. Then publishers publish: a window of
 *          messages that have not reached all subscribers, a rate, or (without subscribers) one
 *          outstanding each. Every message carries its number and time (sluice-bench/payload.h):
 *          each subscriber must get 0, 1, 2 ...; latency is from publish to delivery.
 * Ends     after warm-up and duration, when everything on its way has arrived. Prints one line of
 *          JSON. Status 1 if something was lost, refused or out of order, or nobody moved for long.
 * Limits   frames in fragments are refused, as in sluice-bench.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus/check.h"
#include "tests/bench/graphql_live_options.h"
#include "tools/sluice-bench/clock.h"
#include "tools/sluice-bench/conn.h"
#include "tools/sluice-bench/histogram.h"
#include "tools/sluice-bench/http.h"
#include "tools/sluice-bench/measure.h"
#include "tools/sluice-bench/payload.h"
#include "tools/sluice-bench/websocket.h"

#define OPENING_MAX     64 /* connections being opened at once */
#define EVENTS_PER_TURN 256
#define READ_BYTES      (64u << 10)
#define STUCK_NS        (20 * CLOCK_NS_PER_S)
#define RUN             0x11e5u
#define NOBODY          UINT32_MAX /* conn.publisher: idle buffers are given back */

struct peer {
    struct conn conn;
    const struct live_script *script;
    uint32_t said_count;   /* lines */
    uint32_t waited_count; /* frames that the last line still waits for */
    uint64_t next_number;  /* of what a subscriber is to get */
    uint64_t sent;         /* a publisher's messages */
    uint64_t answered;
    uint32_t answer_frames; /* of the message that is being answered */
    uint64_t *sent_ns;      /* at number & (LIVE_WINDOW_MAX - 1), without subscribers and by HTTP */
    bool is_subscriber;
    bool is_ready;
};

static struct live_options options;

static struct {
    int epoll_fd;
    struct peer *peers;
    uint32_t peer_count;
    uint32_t opened_count;
    uint32_t ready_count;
    uint64_t published;
    uint64_t completed; /* messages before this one have reached all subscribers */
    uint32_t arrived[LIVE_WINDOW_MAX];
    uint64_t delivered;
    uint64_t answered;
    uint64_t refused;
    uint64_t disorder;
    uint64_t rate_from_ns;
    uint64_t rate_sent;
    uint64_t moved_ns; /* when something last came */
    bool is_publishing;
    bool is_measuring;
    size_t hint;
    struct histogram delivery;
    struct histogram answer;
} load;

_Noreturn static void die(const char *what, int error)
{
    (void)fprintf(stderr, "graphql_live_load: %s: %s\n", what, strerror(error));
    exit(EXIT_FAILURE);
}

static uint32_t peer_index(const struct peer *peer)
{
    return (uint32_t)(peer - load.peers);
}

static void peer_flush(struct peer *peer)
{
    int rc = conn_flush(&peer->conn, load.epoll_fd, peer_index(peer));
    if (rc < 0)
        die("a connection broke", -rc);
}

static void peer_say(struct peer *peer, const char *text, size_t bytes)
{
    char *room;
    int rc = websocket_frame_extend(&peer->conn.out, WEBSOCKET_TEXT, bytes, &room);
    if (rc < 0)
        die("memory", -rc);
    memcpy(room, text, bytes);
}

static void peer_open(struct peer *peer)
{
    int rc = conn_open(&peer->conn, &options.place, load.epoll_fd, peer_index(peer));
    if (rc < 0)
        die("connecting", -rc);
}

/* A line, with the peer's own number, always as long, in the place of {peer}. */
static void line_say(struct peer *peer, const char *text)
{
    static const char place[] = "{peer}";
    char line[2048];
    const char *at = strstr(text, place);

    if (at == NULL) {
        peer_say(peer, text, strlen(text));
        return;
    }
    int bytes = snprintf(line, sizeof line, "%.*s%012x%s", (int)(at - text), text, peer_index(peer),
                         at + sizeof place - 1);
    if (bytes < 0 || (size_t)bytes >= sizeof line)
        die(text, ENAMETOOLONG);
    peer_say(peer, line, (size_t)bytes);
}

/* Says its lines up to the first that must be answered; after the last it is ready. */
static void peer_go_on(struct peer *peer)
{
    while (peer->waited_count == 0 && peer->said_count < peer->script->line_count) {
        const struct live_line *line = &peer->script->lines[peer->said_count++];
        line_say(peer, line->text);
        peer->waited_count = line->answer_count;
    }
    if (peer->waited_count == 0 && !peer->is_ready) {
        peer->is_ready = true;
        load.ready_count++;
        load.moved_ns = clock_now_ns();
        if (load.opened_count < load.peer_count)
            peer_open(&load.peers[load.opened_count++]);
    }
    peer_flush(peer);
}

/* The message of @number: the template with its payload and its number. */
static void message_append(struct peer *peer, uint64_t number, uint64_t now_ns)
{
    static char text[PAYLOAD_BYTES_MIN + (64u << 10)];
    static char payload[32u << 10];
    struct payload_mark mark = {.run = RUN, .number = number, .time_ns = now_ns};
    size_t bytes = 0;

    payload_write(payload, options.payload_bytes, &mark);
    for (const char *at = options.publish; *at != '\0';) {
        int added = 1;
        CHECK(bytes + options.payload_bytes + 32 < sizeof text);
        if (strncmp(at, "{payload}", 9) == 0) {
            memcpy(text + bytes, payload, options.payload_bytes);
            added = (int)options.payload_bytes;
            at += 9;
        } else if (strncmp(at, "{number}", 8) == 0) {
            added = snprintf(text + bytes, 24, "%llu", (unsigned long long)number);
            at += 8;
        } else {
            text[bytes] = *at++;
        }
        bytes += (size_t)added;
    }
    if (!options.is_http) {
        peer_say(peer, text, bytes);
        return;
    }
    char head[256];
    int head_bytes = snprintf(head, sizeof head,
                              "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              options.publisher.path, bytes);
    if (buffer_append(&peer->conn.out, head, (size_t)head_bytes) < 0 ||
        buffer_append(&peer->conn.out, text, bytes) < 0)
        die("memory", ENOMEM);
}

static void publish_one(struct peer *peer, uint64_t now_ns)
{
    message_append(peer, load.published, now_ns);
    peer->sent_ns[peer->sent & (LIVE_WINDOW_MAX - 1)] = now_ns;
    peer->sent++;
    load.published++;
}

/* How many messages may go now, by rate or window. */
static uint64_t allowance(uint64_t now_ns)
{
    if (options.rate > 0) {
        double due = (double)(now_ns - load.rate_from_ns) / (double)CLOCK_NS_PER_S * options.rate;
        return (uint64_t)due > load.rate_sent ? (uint64_t)due - load.rate_sent : 0;
    }
    if (options.subscriber_count == 0)
        return UINT64_MAX; /* by what each connection has outstanding */
    uint64_t on_their_way = load.published - load.completed;
    return options.window > on_their_way ? options.window - on_their_way : 0;
}

static void publish_due(uint64_t now_ns)
{
    static uint32_t turn;
    uint64_t left = allowance(now_ns);

    if (!load.is_publishing)
        return;
    for (uint32_t i = 0; i < options.publisher_count && left > 0; i++) {
        struct peer *peer =
            &load.peers[options.subscriber_count + turn++ % options.publisher_count];
        uint64_t room = LIVE_WINDOW_MAX;
        if (options.subscriber_count == 0 && options.rate <= 0)
            room = options.window;
        uint64_t before = peer->sent;
        while (left > 0 && peer->sent - peer->answered < room) {
            publish_one(peer, now_ns);
            load.rate_sent++;
            left--;
            if (options.rate > 0)
                break; /* to all in turn */
        }
        if (peer->sent != before)
            peer_flush(peer);
    }
}

static void on_answer(struct peer *peer, const char *text, size_t bytes, uint64_t now_ns)
{
    static const char *const bad[] = {"\"errors\":", "\"type\":\"error\"", "\"status\":\"error\""};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (memmem(text, bytes, bad[i], strlen(bad[i])) == NULL)
            continue;
        if (load.refused++ == 0)
            (void)fprintf(stderr, "graphql_live_load: refused: %.*s\n", (int)bytes, text);
        break;
    }
    if (++peer->answer_frames < options.answer_count)
        return;
    peer->answer_frames = 0;
    if (load.is_measuring) {
        uint64_t sent_ns = peer->sent_ns[peer->answered & (LIVE_WINDOW_MAX - 1)];
        histogram_add(&load.answer, now_ns - sent_ns);
    }
    peer->answered++;
    load.answered++;
}

static void on_delivery(struct peer *peer, const char *text, size_t bytes, uint64_t now_ns)
{
    struct payload_mark mark;

    if (!payload_find(text, bytes, RUN, &load.hint, &mark))
        return;
    if (mark.number != peer->next_number || mark.number >= load.published)
        load.disorder++;
    peer->next_number = mark.number + 1;
    load.delivered++;
    if (load.is_measuring)
        histogram_add(&load.delivery, now_ns - mark.time_ns);
    load.arrived[mark.number & (LIVE_WINDOW_MAX - 1)]++;
    while (load.arrived[load.completed & (LIVE_WINDOW_MAX - 1)] == options.subscriber_count) {
        load.arrived[load.completed & (LIVE_WINDOW_MAX - 1)] = 0;
        load.completed++;
    }
}

static void on_text(struct peer *peer, const char *text, size_t bytes, uint64_t now_ns)
{
    load.moved_ns = now_ns;
    if (!peer->is_ready) {
        if (peer->waited_count > 0)
            peer->waited_count--;
        peer_go_on(peer);
    } else if (peer->is_subscriber) {
        on_delivery(peer, text, bytes, now_ns);
    } else {
        on_answer(peer, text, bytes, now_ns);
    }
}

/* False: no whole frame is left. */
static bool frame_take(struct peer *peer, uint64_t now_ns)
{
    struct websocket_frame frame;
    struct buffer *in = &peer->conn.in;

    switch (websocket_frame_read(buffer_front(in), buffer_bytes(in), &frame)) {
    case WEBSOCKET_MORE:
        return false;
    case WEBSOCKET_BAD:
        die("a frame that is none", EPROTO);
    case WEBSOCKET_OK:
        break;
    }
    if (frame.opcode == WEBSOCKET_CLOSE)
        die("closed by the server", ECONNRESET);
    if (frame.opcode == WEBSOCKET_PING) {
        char *room;
        if (websocket_frame_extend(&peer->conn.out, WEBSOCKET_PONG, frame.data_bytes, &room) < 0)
            die("memory", ENOMEM);
        memcpy(room, frame.data, frame.data_bytes);
        peer_flush(peer);
    } else {
        on_text(peer, frame.data, frame.data_bytes, now_ns);
    }
    buffer_consume(in, frame.frame_bytes);
    return true;
}

static bool answer_take(struct peer *peer, uint64_t now_ns)
{
    struct buffer *in = &peer->conn.in;
    int status = 0;
    size_t bytes;

    switch (http_answer_read(buffer_front(in), buffer_bytes(in), &status, &bytes)) {
    case HTTP_MORE:
        return false;
    case HTTP_BAD:
        die("an answer that is none", EPROTO);
    case HTTP_OK:
        break;
    }
    if (status != 200)
        load.refused++;
    on_text(peer, buffer_front(in), bytes, now_ns);
    buffer_consume(in, bytes);
    return true;
}

static bool handshake_take(struct peer *peer)
{
    struct buffer *in = &peer->conn.in;
    size_t bytes;

    switch (websocket_answer_read(buffer_front(in), buffer_bytes(in), &bytes)) {
    case WEBSOCKET_MORE:
        return false;
    case WEBSOCKET_BAD:
        die("no WebSocket there", EPROTO);
    case WEBSOCKET_OK:
        break;
    }
    buffer_consume(in, bytes);
    peer->conn.state = CONN_READY;
    peer_go_on(peer);
    return true;
}

static void on_connected(struct peer *peer)
{
    char host[512];
    int rc = conn_connected(&peer->conn);

    if (rc < 0)
        die("connecting", -rc);
    if (options.is_http && !peer->is_subscriber) {
        peer->conn.state = CONN_READY;
        peer_go_on(peer);
        return;
    }
    /* The protocol goes with the host: sluice-bench, whose request this is, offers none. */
    const char *protocol = peer->script->protocol;
    (void)snprintf(host, sizeof host, "%s%s%s", options.place.host,
                   protocol != NULL ? "\r\nSec-WebSocket-Protocol: " : "",
                   protocol != NULL ? protocol : "");
    rc = websocket_request_append(&peer->conn.out, host, peer->script->path);
    if (rc < 0)
        die("the handshake", -rc);
    peer->conn.state = CONN_UPGRADING;
    peer_flush(peer);
}

static void on_readable(struct peer *peer)
{
    char *room;
    bool is_more = true;

    if (buffer_extend(&peer->conn.in, READ_BYTES, &room) < 0)
        die("memory", ENOMEM);
    ssize_t got = read(peer->conn.fd, room, READ_BYTES);
    peer->conn.in.end_bytes -= READ_BYTES - (size_t)(got > 0 ? got : 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        die("a connection broke", got == 0 ? ECONNRESET : errno);

    uint64_t now_ns = clock_now_ns();
    while (is_more && buffer_bytes(&peer->conn.in) > 0) {
        if (peer->conn.state == CONN_UPGRADING)
            is_more = handshake_take(peer);
        else if (options.is_http && !peer->is_subscriber)
            is_more = answer_take(peer, now_ns);
        else
            is_more = frame_take(peer, now_ns);
    }
    if (buffer_bytes(&peer->conn.in) == 0)
        buffer_clear(&peer->conn.in);
}

static void on_event(const struct epoll_event *event)
{
    struct peer *peer = &load.peers[event->data.u64];

    if (peer->conn.state == CONN_CONNECTING) {
        on_connected(peer);
        return;
    }
    if ((event->events & EPOLLOUT) != 0)
        peer_flush(peer);
    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        on_readable(peer);
}

static void turn(void)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int timeout_ms = options.rate > 0 ? 1 : 100;

    int count = epoll_wait(load.epoll_fd, events, EVENTS_PER_TURN, timeout_ms);
    if (count < 0 && errno != EINTR)
        die("epoll_wait", errno);
    for (int i = 0; i < count; i++)
        on_event(&events[i]);
    uint64_t now_ns = clock_now_ns();
    publish_due(now_ns);
    if (now_ns - load.moved_ns > STUCK_NS)
        die("nothing has moved", ETIMEDOUT);
}

static bool is_all_in(void)
{
    return load.answered == load.published &&
           (options.subscriber_count == 0 || load.completed == load.published);
}

static void run_for(uint64_t ns)
{
    uint64_t until_ns = clock_now_ns() + ns;

    while (clock_now_ns() < until_ns)
        turn();
}

static void everybody_open(void)
{
    load.peer_count = options.subscriber_count + options.publisher_count;
    load.peers = calloc(load.peer_count, sizeof *load.peers);
    if (load.peers == NULL)
        die("memory", ENOMEM);
    for (uint32_t i = 0; i < load.peer_count; i++) {
        struct peer *peer = &load.peers[i];
        peer->is_subscriber = i < options.subscriber_count;
        peer->script = peer->is_subscriber ? &options.subscriber : &options.publisher;
        peer->conn.publisher = NOBODY;
        if (!peer->is_subscriber &&
            (peer->sent_ns = calloc(LIVE_WINDOW_MAX, sizeof(uint64_t))) == NULL)
            die("memory", ENOMEM);
    }
    load.moved_ns = clock_now_ns();
    while (load.opened_count < load.peer_count && load.opened_count < OPENING_MAX)
        peer_open(&load.peers[load.opened_count++]);
    while (load.ready_count < load.peer_count)
        turn();
}

struct sample {
    struct measure_cpu cpu;
    uint64_t at_ns;
    uint64_t delivered;
    uint64_t answered;
};

static void sample_take(struct sample *sample)
{
    if (options.pid > 0) {
        int rc = measure_cpu_sample(&options.pid, 1, true, &sample->cpu);
        if (rc < 0)
            die("the server's CPU time", -rc);
    }
    sample->at_ns = clock_now_ns();
    sample->delivered = load.delivered;
    sample->answered = load.answered;
}

static double in_us(uint64_t ns)
{
    return (double)ns / 1000;
}

/* Status 0 if nothing was amiss. */
static int report(const struct sample *from, const struct sample *to)
{
    double seconds = (double)(to->at_ns - from->at_ns) / (double)CLOCK_NS_PER_S;
    uint64_t delivered = to->delivered - from->delivered;
    uint64_t answered = to->answered - from->answered;
    double cpu_us = in_us(measure_cpu_between_ns(&from->cpu, &to->cpu));
    struct rusage own;

    (void)getrusage(RUSAGE_SELF, &own);
    (void)printf("{\"seconds\":%.2f,\"delivered\":%llu,\"answered\":%llu,\"answered_per_s\":%.0f,"
                 "\"cpu_us_per_delivery\":%.4f,\"cpu_us_per_answer\":%.3f,\"cpu_share\":%.2f",
                 seconds, (unsigned long long)delivered, (unsigned long long)answered,
                 (double)answered / seconds, delivered > 0 ? cpu_us / (double)delivered : 0.0,
                 answered > 0 ? cpu_us / (double)answered : 0.0, cpu_us / 1e6 / seconds);
    (void)printf(",\"delivery_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}"
                 ",\"answer_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}"
                 ",\"refused\":%llu,\"disorder\":%llu,\"load_cpu_s\":%.2f}\n",
                 in_us(histogram_quantile_ns(&load.delivery, 0.5)),
                 in_us(histogram_quantile_ns(&load.delivery, 0.99)), in_us(load.delivery.ns_max),
                 in_us(histogram_quantile_ns(&load.answer, 0.5)),
                 in_us(histogram_quantile_ns(&load.answer, 0.99)), in_us(load.answer.ns_max),
                 (unsigned long long)load.refused, (unsigned long long)load.disorder,
                 (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                     (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6);
    return load.refused == 0 && load.disorder == 0 && delivered + answered > 0 ? EXIT_SUCCESS
                                                                               : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct sample from;
    static struct sample to;

    if (!live_options_read(argc, argv, &options))
        return 2;
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll_fd < 0)
        die("epoll_create1", errno);
    everybody_open();
    load.rate_from_ns = clock_now_ns();
    load.is_publishing = true;
    publish_due(clock_now_ns());
    run_for(options.warmup_ns);
    load.is_measuring = true;
    sample_take(&from);
    run_for(options.duration_ns);
    sample_take(&to);
    load.is_measuring = false;
    load.is_publishing = false;
    while (!is_all_in())
        turn();
    return report(&from, &to);
}
