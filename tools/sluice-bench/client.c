#include "tools/sluice-bench/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bus/check.h"
#include "tools/sluice-bench/clock.h"
#include "tools/sluice-bench/conn.h"
#include "tools/sluice-bench/http.h"
#include "tools/sluice-bench/load.h"
#include "tools/sluice-bench/payload.h"
#include "tools/sluice-bench/receiver.h"
#include "tools/sluice-bench/websocket.h"

#define EVENTS_PER_TURN    256
#define READ_BYTES_MIN     (256u << 10)
#define FRAME_BYTES_EXTRA  (64u << 10) /* around a payload, generously */
#define CONNECTING_MAX     128         /* handshakes under way at once */
#define REPORT_INTERVAL_MS 5
#define PROGRESS_PER_TURN  1024

/* Event ids beside the connections' indices. */
#define EVENT_CONTROL  (UINT64_MAX - 1)
#define EVENT_PROGRESS (UINT64_MAX - 2)
#define EVENT_TIMER    (UINT64_MAX - 3)

struct client {
    const struct client_place *place;
    const struct options *options;
    struct control_account account;
    struct control_report reported;
    uint64_t reported_ns;
    uint64_t now_ns; /* of this turn's last read */
    struct receiver receiver;
    struct load load;
    int epoll_fd;
    int timer_fd;
    struct conn *conns; /* subscribers, then publishers with connections of their own */
    uint32_t conn_count;
    uint32_t opened_count;
    uint32_t connecting_count;
    size_t mark_hint; /* where in a message the payload stands */
    char *read_buffer;
    size_t read_bytes;
    bool has_complained;
    bool has_ended;
};

static uint64_t event_id(const struct client *client, const struct conn *conn)
{
    return (uint64_t)(conn - client->conns);
}

/* The first error in words; the rest are only counted, for they tend to be the same. */
static void conn_complain(struct client *client, const struct conn *conn, const char *what)
{
    if (client->has_complained)
        return;
    client->has_complained = true;
    (void)fprintf(stderr, "sluice-bench: %s %u: %s\n",
                  conn->kind == CONN_SUBSCRIBER ? "connection" : "publisher", conn->number, what);
}

static void conn_lose(struct client *client, struct conn *conn, const char *why)
{
    if (conn->state == CONN_READY) {
        client->account.report.closed_count++;
    } else {
        client->account.report.failed_count++;
        client->connecting_count--;
    }
    conn_complain(client, conn, why);
    conn_close(conn);
}

static void conn_write(struct client *client, struct conn *conn)
{
    int rc = conn_flush(conn, client->epoll_fd, event_id(client, conn));
    if (rc < 0)
        conn_lose(client, conn, strerror(-rc));
}

static void conn_ready(struct client *client, struct conn *conn)
{
    conn->state = CONN_READY;
    client->connecting_count--;
    client->account.report.ready_count++;
    client->account.report.ready_ns = clock_now_ns();
}

/* Opens connections, some at a time, until all have been. */
static void open_some(struct client *client)
{
    while (client->opened_count < client->conn_count && client->connecting_count < CONNECTING_MAX) {
        struct conn *conn = &client->conns[client->opened_count++];
        client->connecting_count++;
        int rc = conn_open(conn, client->options, client->epoll_fd, event_id(client, conn));
        if (rc < 0)
            conn_lose(client, conn, strerror(-rc));
    }
}

static int subscribe_append(const struct client *client, struct conn *conn)
{
    char request[384];
    char *room;
    int bytes =
        snprintf(request, sizeof request, "{\"action\":\"subscribe\",\"topic\":\"%s-%u\"}",
                 client->options->topic_prefix, conn->number % client->options->topic_count);

    CHECK(bytes > 0 && (size_t)bytes < sizeof request);
    int rc = websocket_frame_extend(&conn->out, WEBSOCKET_TEXT, (size_t)bytes, &room);
    if (rc < 0)
        return rc;
    memcpy(room, request, (size_t)bytes);
    return 0;
}

/* The connection stands: ask for what it is for. */
static void on_connected(struct client *client, struct conn *conn)
{
    const struct options *options = client->options;
    int rc;

    if (conn->kind == CONN_PUBLISHER_HTTP) {
        conn_ready(client, conn);
        conn_write(client, conn); /* nothing to write: stops watching for it */
        return;
    }
    conn->state = CONN_UPGRADING;
    rc = websocket_request_append(&conn->out, options->host,
                                  options->protocol == OPTIONS_ROOM ? "/ws" : "/broker");
    if (rc < 0) {
        conn_lose(client, conn, strerror(-rc));
        return;
    }
    conn_write(client, conn);
}

static void on_securing(struct client *client, struct conn *conn)
{
    int rc = conn_secure(conn, client->epoll_fd, event_id(client, conn));

    if (rc == 0)
        on_connected(client, conn);
    else if (rc == -EPROTO)
        conn_lose(client, conn, "the handshake of TLS has failed");
    else if (rc != -EAGAIN)
        conn_lose(client, conn, strerror(-rc));
}

/* Whatever has become of connect(). */
static void on_connecting(struct client *client, struct conn *conn)
{
    int rc = conn_connected(conn);

    if (rc < 0) {
        conn_lose(client, conn, strerror(-rc));
    } else if (conn->ssl == NULL) {
        on_connected(client, conn);
    } else {
        conn->state = CONN_SECURING;
        on_securing(client, conn);
    }
}

static void on_upgraded(struct client *client, struct conn *conn)
{
    if (conn->kind == CONN_PUBLISHER) {
        conn_ready(client, conn);
        return;
    }
    conn->state = CONN_SUBSCRIBING;
    if (client->options->protocol == OPTIONS_ROOM)
        return; /* the greeting comes by itself */
    int rc = subscribe_append(client, conn);
    if (rc < 0) {
        conn_lose(client, conn, strerror(-rc));
        return;
    }
    conn_write(client, conn);
}

static bool text_begins(const struct websocket_frame *frame, const char *prefix)
{
    size_t bytes = strlen(prefix);
    return frame->data_bytes >= bytes && memcmp(frame->data, prefix, bytes) == 0;
}

static bool text_has(const struct websocket_frame *frame, const char *part)
{
    return memmem(frame->data, frame->data_bytes, part, strlen(part)) != NULL;
}

static void on_refusal(struct client *client, struct conn *conn, const char *data, size_t bytes)
{
    char text[256];
    (void)snprintf(text, sizeof text, "the server says: %.*s", (int)(bytes < 200 ? bytes : 200),
                   data);
    conn_complain(client, conn, text);
}

static void on_text(struct client *client, struct conn *conn, const struct websocket_frame *frame)
{
    struct payload_mark mark;

    if (conn->state == CONN_SUBSCRIBING) {
        if (text_has(frame, "\"greeting\"") || text_has(frame, "\"subscribed\""))
            conn_ready(client, conn);
        else if (text_has(frame, "\"error\""))
            conn_lose(client, conn, "could not subscribe");
        return;
    }
    if (conn->kind == CONN_SUBSCRIBER &&
        payload_find(frame->data, frame->data_bytes, client->place->run, &client->mark_hint,
                     &mark)) {
        receiver_take(&client->receiver, conn->number, &mark, client->now_ns, &client->account);
        return;
    }
    if (conn->kind == CONN_PUBLISHER && text_begins(frame, "{\"status\":\"published\"")) {
        load_answered(&client->load, conn->publisher, false, client->now_ns, &client->account);
        return;
    }
    if (!text_has(frame, "\"error\""))
        return; /* a tick, or a message of somebody else */
    on_refusal(client, conn, frame->data, frame->data_bytes);
    if (conn->kind == CONN_PUBLISHER)
        load_answered(&client->load, conn->publisher, true, client->now_ns, &client->account);
    else
        client->account.report.refused++;
}

/* One frame; false when the connection is gone. */
static bool on_frame(struct client *client, struct conn *conn, const struct websocket_frame *frame)
{
    char *room;

    switch (frame->opcode) {
    case WEBSOCKET_TEXT:
        on_text(client, conn, frame);
        break;
    case WEBSOCKET_PING:
        if (websocket_frame_extend(&conn->out, WEBSOCKET_PONG, frame->data_bytes, &room) < 0) {
            conn_lose(client, conn, strerror(ENOMEM));
            break;
        }
        memcpy(room, frame->data, frame->data_bytes);
        conn_write(client, conn);
        break;
    case WEBSOCKET_PONG:
        break;
    case WEBSOCKET_CLOSE:
        conn_lose(client, conn, "closed by the server");
        break;
    default:
        conn_lose(client, conn, "an unexpected kind of frame");
        break;
    }
    return conn->state != CONN_CLOSED;
}

/* Each of these takes what is whole from @data and returns how many bytes that was. */
static size_t frames_take(struct client *client, struct conn *conn, const char *data, size_t bytes)
{
    size_t taken = 0;

    while (taken < bytes) {
        struct websocket_frame frame;
        enum websocket_result result = websocket_frame_read(data + taken, bytes - taken, &frame);
        if (result == WEBSOCKET_MORE)
            break;
        if (result == WEBSOCKET_BAD) {
            conn_lose(client, conn, "not a WebSocket frame that a server may send");
            break;
        }
        taken += frame.frame_bytes;
        if (!on_frame(client, conn, &frame))
            break;
    }
    return taken;
}

static size_t upgrade_take(struct client *client, struct conn *conn, const char *data, size_t bytes)
{
    size_t head_bytes;

    switch (websocket_answer_read(data, bytes, &head_bytes)) {
    case WEBSOCKET_MORE:
        return 0;
    case WEBSOCKET_BAD:
        on_refusal(client, conn, data, strcspn(data, "\r\n"));
        conn_lose(client, conn, "the handshake was refused");
        return 0;
    case WEBSOCKET_OK:
        break;
    }
    on_upgraded(client, conn);
    if (conn->state == CONN_CLOSED)
        return 0;
    return head_bytes + frames_take(client, conn, data + head_bytes, bytes - head_bytes);
}

static size_t answers_take(struct client *client, struct conn *conn, const char *data, size_t bytes)
{
    size_t taken = 0;

    while (taken < bytes) {
        int status;
        size_t answer_bytes;
        enum http_result result =
            http_answer_read(data + taken, bytes - taken, &status, &answer_bytes);
        if (result == HTTP_MORE)
            break;
        if (result == HTTP_BAD) {
            conn_lose(client, conn, "not an HTTP answer of known length");
            break;
        }
        if (status != 201)
            on_refusal(client, conn, data + taken, strcspn(data + taken, "\r\n"));
        load_answered(&client->load, conn->publisher, status != 201, client->now_ns,
                      &client->account);
        taken += answer_bytes;
    }
    return taken;
}

/* Reads once; what is not whole is kept with the connection, in front of the next read. */
static void conn_read(struct client *client, struct conn *conn)
{
    size_t kept = buffer_bytes(&conn->in);
    char *data = client->read_buffer;

    CHECK(kept < client->read_bytes);
    if (kept > 0)
        memcpy(data, buffer_front(&conn->in), kept);
    ssize_t got = conn_recv(conn, data + kept, client->read_bytes - kept);
    if (got == -EAGAIN || got == -EINTR)
        return;
    if (got <= 0) {
        conn_lose(client, conn, got < 0 ? strerror((int)-got) : "closed by the server");
        return;
    }

    size_t bytes = kept + (size_t)got;
    size_t taken;
    data[bytes] = '\0'; /* for strcspn; the buffer is one longer than it says */
    client->now_ns = clock_now_ns();
    if (conn->state == CONN_UPGRADING)
        taken = upgrade_take(client, conn, data, bytes);
    else if (conn->kind == CONN_PUBLISHER_HTTP)
        taken = answers_take(client, conn, data, bytes);
    else
        taken = frames_take(client, conn, data, bytes);

    if (conn->state == CONN_CLOSED)
        return;
    if (bytes - taken == client->read_bytes) {
        conn_lose(client, conn, "a frame larger than expected");
        return;
    }
    buffer_clear(&conn->in);
    if (bytes > taken && buffer_append(&conn->in, data + taken, bytes - taken) < 0)
        conn_lose(client, conn, strerror(ENOMEM));
}

static void on_conn_event(struct client *client, struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_CLOSED)
        return; /* earlier in this turn */
    if (conn->state == CONN_CONNECTING) {
        on_connecting(client, conn);
        return;
    }
    if (conn->state == CONN_SECURING) {
        on_securing(client, conn);
        return;
    }
    if (events & EPOLLOUT)
        conn_write(client, conn);
    if (conn->state == CONN_CLOSED || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    do
        conn_read(client, conn);
    while (conn->state != CONN_CLOSED && conn_has_more(conn));
}

static int timer_set(const struct client *client, uint64_t interval_ns)
{
    struct timespec interval = {
        .tv_sec = (time_t)(interval_ns / CLOCK_NS_PER_S),
        .tv_nsec = (long)(interval_ns % CLOCK_NS_PER_S),
    };
    struct itimerspec timer = {.it_interval = interval, .it_value = interval};
    return timerfd_settime(client->timer_fd, 0, &timer, NULL) < 0 ? -errno : 0;
}

static int on_command(struct client *client)
{
    struct control_command command;
    ssize_t got = recv(client->place->control_fd, &command, sizeof command, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got != (ssize_t)sizeof command || command.phase == CONTROL_END) {
        client->has_ended = true; /* told to, or the coordinator is gone */
        return 0;
    }

    bool is_measuring = command.phase == CONTROL_MEASURE;
    client->account.report.phase = command.phase;
    if (command.phase == CONTROL_PAUSE) {
        client->load.is_running = false; /* answers to what is out are still measured */
        return timer_set(client, 0);
    }
    client->receiver.is_measuring = is_measuring;
    load_start(&client->load, command.message_limit, is_measuring, clock_now_ns());
    return timer_set(client, load_tick_ns(&client->load));
}

static void on_progress(struct client *client)
{
    for (int i = 0; i < PROGRESS_PER_TURN; i++) {
        struct control_progress progress;
        ssize_t got = recv(client->place->progress_fd, &progress, sizeof progress, MSG_DONTWAIT);
        if (got != (ssize_t)sizeof progress)
            return;
        load_progress(&client->load, progress.process, progress.publisher, progress.completed);
    }
}

/* Lets the publishers, which are here or in process 0, know how far this process's subscribers are.
 */
static int progress_tell(struct client *client)
{
    struct receiver *receiver = &client->receiver;

    if (!receiver->has_progress)
        return 0;
    receiver->has_progress = false;
    for (uint32_t i = 0; i < client->options->publisher_count; i++) {
        struct control_progress progress = {
            .process = client->place->process,
            .publisher = i,
            .completed = receiver->publishers[i].completed,
        };
        if (client->place->process == 0) {
            load_progress(&client->load, 0, i, progress.completed);
            continue;
        }
        /* May wait for process 0, which never waits for us. */
        if (send(client->place->progress_fd, &progress, sizeof progress, MSG_NOSIGNAL) < 0)
            return -errno;
    }
    return 0;
}

static int publish(struct client *client)
{
    int rc = load_publish(&client->load, clock_now_ns(), &client->account.report);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < client->load.publisher_count; i++) {
        struct conn *conn = client->load.publishers[i].conn;
        if (conn->state == CONN_READY && buffer_bytes(&conn->out) > 0 && !conn->is_watching_write)
            conn_write(client, conn);
    }
    return 0;
}

/* Reports changes, but not more often than the coordinator needs; a new phase at once. */
static void report_changes(struct client *client, uint64_t now_ns)
{
    if (memcmp(&client->account.report, &client->reported, sizeof client->account.report) == 0)
        return;
    if (client->account.report.phase == client->reported.phase &&
        now_ns - client->reported_ns < REPORT_INTERVAL_MS * UINT64_C(1000000))
        return;
    ssize_t sent = send(client->place->control_fd, &client->account.report,
                        sizeof client->account.report, MSG_DONTWAIT | MSG_NOSIGNAL);
    client->reported_ns = now_ns;
    if (sent == (ssize_t)sizeof client->account.report)
        client->reported = client->account.report;
    else if (sent < 0 && errno != EAGAIN)
        client->has_ended = true;
}

static int turn(struct client *client)
{
    struct epoll_event events[EVENTS_PER_TURN];
    bool is_current =
        memcmp(&client->account.report, &client->reported, sizeof client->account.report) == 0;
    int rc = 0;

    int count =
        epoll_wait(client->epoll_fd, events, EVENTS_PER_TURN, is_current ? -1 : REPORT_INTERVAL_MS);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;

    for (int i = 0; i < count && rc == 0; i++) {
        uint64_t expirations;
        if (events[i].data.u64 == EVENT_CONTROL)
            rc = on_command(client);
        else if (events[i].data.u64 == EVENT_PROGRESS)
            on_progress(client);
        else if (events[i].data.u64 == EVENT_TIMER)
            (void)read(client->timer_fd, &expirations, sizeof expirations); /* only to clear it */
        else
            on_conn_event(client, &client->conns[events[i].data.u64], events[i].events);
    }
    if (rc == 0)
        rc = progress_tell(client);
    if (rc == 0)
        rc = publish(client);
    open_some(client);
    report_changes(client, clock_now_ns());
    return rc;
}

/* Numbers the connections and gives the publishers theirs. */
static void conns_assign(struct client *client)
{
    const struct options *options = client->options;
    uint32_t first = options_first_connection(options, client->place->process);
    uint32_t subscriber_count =
        options_first_connection(options, client->place->process + 1) - first;

    for (uint32_t i = 0; i < client->conn_count; i++) {
        client->conns[i] = (struct conn){
            .fd = -1,
            .number = first + i,
            .publisher = CONN_NO_PUBLISHER,
            .kind = CONN_SUBSCRIBER,
        };
    }
    for (uint32_t i = 0; i < client->load.publisher_count; i++) {
        struct conn *conn = &client->conns[i]; /* the room: one of the subscribers */
        if (options_has_publisher_connections(options)) {
            conn = &client->conns[subscriber_count + i];
            conn->number = client->load.publishers[i].number;
            conn->kind = options->via == OPTIONS_VIA_HTTP ? CONN_PUBLISHER_HTTP : CONN_PUBLISHER;
        }
        conn->publisher = i;
        client->load.publishers[i].conn = conn;
    }
}

static int watch(const struct client *client, int fd, uint64_t id)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = id};
    return epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int client_init(struct client *client, const struct client_place *place)
{
    const struct options *options = place->options;
    uint32_t process = place->process;
    int rc;

    *client = (struct client){
        .place = place,
        .options = options,
        .account.result = place->result,
        .epoll_fd = -1,
        .timer_fd = -1,
    };
    rc = receiver_init(&client->receiver, options, process);
    if (rc < 0)
        return rc;
    rc = load_init(&client->load, options, process, place->run);
    if (rc < 0)
        return rc;

    client->conn_count =
        options_first_connection(options, process + 1) - options_first_connection(options, process);
    if (options_has_publisher_connections(options))
        client->conn_count += client->load.publisher_count;
    client->read_bytes = READ_BYTES_MIN + options->payload_bytes + FRAME_BYTES_EXTRA;
    client->read_buffer = malloc(client->read_bytes + 1);
    client->conns = calloc((size_t)client->conn_count + 1, sizeof client->conns[0]);
    if (client->read_buffer == NULL || client->conns == NULL)
        return -ENOMEM;
    conns_assign(client);

    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll_fd < 0)
        return -errno;
    client->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (client->timer_fd < 0)
        return -errno;
    rc = watch(client, client->timer_fd, EVENT_TIMER);
    if (rc == 0)
        rc = watch(client, place->control_fd, EVENT_CONTROL);
    if (rc == 0 && process == 0 && place->progress_fd >= 0)
        rc = watch(client, place->progress_fd, EVENT_PROGRESS);
    return rc;
}

static void client_done(struct client *client)
{
    for (uint32_t i = 0; client->conns != NULL && i < client->conn_count; i++)
        conn_close(&client->conns[i]);
    free(client->conns);
    free(client->read_buffer);
    load_done(&client->load);
    receiver_done(&client->receiver);
    if (client->timer_fd >= 0)
        (void)close(client->timer_fd);
    if (client->epoll_fd >= 0)
        (void)close(client->epoll_fd);
}

int client_run(const struct client_place *place)
{
    struct client client;
    int rc = client_init(&client, place);

    if (rc == 0)
        open_some(&client);
    while (rc == 0 && !client.has_ended)
        rc = turn(&client);
    client_done(&client);
    return rc;
}
