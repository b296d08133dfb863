/*
 * yardstick: the least that a prefork epoll program can do for a room, to compare Sluice with.
 *
 * It keeps nothing, checks next to nothing and promises nothing: no log, no order between
 * workers, no resume; a client that does not read is dropped. What is left is the work nobody
 * can avoid: read a message, wrap it, tell the other workers, write it to every client. One
 * send() for each delivery; with --batch up to 64 messages in one write. The wire is Sluice's as
 * far as sluice-bench uses it: the room (/ws) and subscribe and publish of the broker (/broker).
 *
 * Shape    The master makes a listening socket per worker (SO_REUSEPORT spreads the clients) and
 *          a pipe from each worker to each other one, forks, and waits. A worker's loop turn:
 *          read all that has come, collect the messages of the turn in one buffer, pass the own
 *          ones on, then write to the clients.
 * Limits   MESSAGE_BYTES_MAX for a message, FDS_MAX for a descriptor; a client over either, or
 *          one whose socket is full, is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "tests/bench/wire.h"

#define WORKERS_MAX       16
#define FDS_MAX           65536
#define EVENTS_PER_TURN   256
#define READ_BYTES        (256u << 10)
#define MESSAGE_BYTES_MAX (64u << 10)
#define TURN_MESSAGES_MAX 16384
#define TURN_BYTES_MAX    (4u << 20)
#define BATCH_MAX         64
#define WRAP_BYTES_MAX    512 /* around a message: JSON and the frame's header */
#define TOPIC_BYTES_MAX   255
#define PIPE_BYTES        (1 << 20)
#define ROOM              "room"

struct client {
    int fd;
    uint32_t index; /* in worker.clients */
    uint32_t topic_hash;
    bool is_upgraded;
    bool is_broker;
    char name[16];
    char *kept; /* the beginning of a message or request that is not whole yet */
    size_t kept_bytes;
};

/* A frame of this turn, ready for the clients: worker.turn_bytes from `start` on. */
struct message {
    size_t start;
    size_t bytes;
    uint32_t topic_hash;
};

/* A frame on its way through a pipe to another worker. */
struct passed {
    uint32_t frame_bytes;
    uint32_t topic_hash;
};

struct pipe_in {
    int fd;
    char *kept;
    size_t kept_bytes;
};

struct pipe_out {
    int fd;
    char *waiting; /* what did not fit into the pipe */
    size_t waiting_bytes;
};

struct worker {
    int index;
    int count;
    bool is_batching;
    int epoll_fd;
    int listen_fd;
    struct client *by_fd[FDS_MAX];
    struct client *clients[FDS_MAX];
    uint32_t client_count;
    struct client *gone[FDS_MAX]; /* dropped in this turn, freed at its end */
    uint32_t gone_count;
    struct pipe_in in[WORKERS_MAX];
    struct pipe_out out[WORKERS_MAX];
    char *turn_bytes;
    size_t turn_used;
    struct message turn[TURN_MESSAGES_MAX];
    uint32_t turn_count;
    char *pass_bytes; /* the own messages of the turn, as the pipes have them */
    size_t pass_used;
    char *read_buffer;
    uint64_t seq;
    char now_text[WIRE_TIME_BYTES];
};

static int pipes[WORKERS_MAX][WORKERS_MAX][2]; /* [from][to]{read, write} */

_Noreturn static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL)
        die("yardstick: memory");
    return memory;
}

static void client_drop(struct worker *worker, struct client *client)
{
    if (client->fd < 0)
        return;
    worker->by_fd[client->fd] = NULL;
    worker->clients[client->index] = worker->clients[--worker->client_count];
    worker->clients[client->index]->index = client->index;
    (void)close(client->fd);
    client->fd = -1;
    worker->gone[worker->gone_count++] = client;
}

static void client_send(struct worker *worker, struct client *client, const void *data,
                        size_t bytes)
{
    if (client->fd >= 0 && send(client->fd, data, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        client_drop(worker, client); /* does not read: the yardstick does not wait */
}

static void text_send(struct worker *worker, struct client *client, const char *text)
{
    char frame[WRAP_BYTES_MAX];
    size_t bytes = strlen(text);
    size_t header_bytes = wire_header_write(frame, bytes);

    memcpy(frame + header_bytes, text, bytes);
    client_send(worker, client, frame, header_bytes + bytes);
}

/* Takes a frame into this turn; those of the own clients also go to the other workers. */
static void turn_add(struct worker *worker, const char *frame, size_t bytes, uint32_t topic_hash,
                     bool is_own)
{
    /* Cannot be: a turn that is half full is ended, and one read is less than the other half. */
    CHECK(worker->turn_count < TURN_MESSAGES_MAX);
    CHECK(worker->turn_used + bytes <= TURN_BYTES_MAX);
    memcpy(worker->turn_bytes + worker->turn_used, frame, bytes);
    worker->turn[worker->turn_count++] =
        (struct message){.start = worker->turn_used, .bytes = bytes, .topic_hash = topic_hash};
    worker->turn_used += bytes;
    if (!is_own || worker->count == 1)
        return;

    struct passed passed = {.frame_bytes = (uint32_t)bytes, .topic_hash = topic_hash};
    memcpy(worker->pass_bytes + worker->pass_used, &passed, sizeof passed);
    memcpy(worker->pass_bytes + worker->pass_used + sizeof passed, frame, bytes);
    worker->pass_used += sizeof passed + bytes;
}

/* @head and @tail around @data, as one frame of this turn. */
static void message_publish(struct worker *worker, const char *head, const char *data,
                            size_t data_bytes, uint32_t topic_hash)
{
    static char frame[MESSAGE_BYTES_MAX + 2 * WRAP_BYTES_MAX];
    char tail[96];

    worker->seq++;
    int tail_bytes = snprintf(tail, sizeof tail, "\",\"seq\":%llu,\"time\":\"%s\"}",
                              (unsigned long long)worker->seq, worker->now_text);
    size_t head_bytes = strlen(head);
    size_t header_bytes = wire_header_write(frame, head_bytes + data_bytes + (size_t)tail_bytes);
    char *at = frame + header_bytes;
    memcpy(at, head, head_bytes);
    memcpy(at + head_bytes, data, data_bytes);
    memcpy(at + head_bytes + data_bytes, tail, (size_t)tail_bytes);
    turn_add(worker, frame, header_bytes + head_bytes + data_bytes + (size_t)tail_bytes, topic_hash,
             true);
}

static void on_broker_text(struct worker *worker, struct client *client, const char *text,
                           size_t bytes)
{
    static const char subscribe[] = "{\"action\":\"subscribe\"";
    char head[WRAP_BYTES_MAX];
    char answer[WRAP_BYTES_MAX / 2 + TOPIC_BYTES_MAX];
    size_t topic_bytes;
    size_t data_bytes;

    const char *topic = wire_string_after(text, bytes, "\"topic\":\"", &topic_bytes);
    if (topic == NULL || topic_bytes > TOPIC_BYTES_MAX) {
        client_drop(worker, client);
        return;
    }
    uint32_t topic_hash = wire_hash(topic, topic_bytes);
    if (bytes > sizeof subscribe && memcmp(text, subscribe, sizeof subscribe - 1) == 0) {
        client->topic_hash = topic_hash;
        (void)snprintf(answer, sizeof answer,
                       "{\"status\":\"subscribed\",\"topic\":\"%.*s\",\"seq\":%llu}",
                       (int)topic_bytes, topic, (unsigned long long)worker->seq);
        text_send(worker, client, answer);
        return;
    }

    const char *data = wire_string_after(text, bytes, "\"message\":\"", &data_bytes);
    if (data == NULL) {
        client_drop(worker, client);
        return;
    }
    (void)snprintf(head, sizeof head, "{\"type\":\"message\",\"topic\":\"%.*s\",\"data\":\"",
                   (int)topic_bytes, topic);
    message_publish(worker, head, data, data_bytes, topic_hash);
    (void)snprintf(answer, sizeof answer,
                   "{\"status\":\"published\",\"topic\":\"%.*s\",\"seq\":%llu}", (int)topic_bytes,
                   topic, (unsigned long long)worker->seq);
    text_send(worker, client, answer);
}

static void on_text(struct worker *worker, struct client *client, const char *text, size_t bytes)
{
    char head[WRAP_BYTES_MAX];

    if (client->is_broker) {
        on_broker_text(worker, client, text, bytes);
        return;
    }
    (void)snprintf(head, sizeof head, "{\"type\":\"message\",\"from\":\"%s\",\"data\":\"",
                   client->name);
    message_publish(worker, head, text, bytes, client->topic_hash);
}

/* Takes one frame; the bytes it had, or 0 if it is not whole. Drops what it does not know. */
static size_t frame_take(struct worker *worker, struct client *client, char *data, size_t bytes)
{
    struct wire_frame frame;

    if (!wire_frame_read(data, bytes, &frame))
        return 0;
    if (frame.opcode == WIRE_CLOSE || !frame.is_masked || frame.data_bytes > MESSAGE_BYTES_MAX) {
        client_drop(worker, client);
        return 0;
    }
    if (bytes - frame.header_bytes < frame.data_bytes)
        return 0;

    char *text = data + frame.header_bytes;
    const char *mask = text - 4;
    for (size_t i = 0; i < frame.data_bytes; i++)
        text[i] = (char)(text[i] ^ mask[i & 3]);
    if (frame.opcode == WIRE_TEXT)
        on_text(worker, client, text, (size_t)frame.data_bytes);
    return frame.header_bytes + (size_t)frame.data_bytes;
}

static size_t request_take(struct worker *worker, struct client *client, char *data, size_t bytes)
{
    char accept[WIRE_ACCEPT_BYTES];
    char answer[WRAP_BYTES_MAX];

    const char *end = memmem(data, bytes, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t request_bytes = (size_t)(end - data) + 4;
    data[request_bytes - 1] = '\0'; /* a string, for strcasestr */
    if (!wire_accept_compute(data, accept)) {
        client_drop(worker, client);
        return 0;
    }
    int answer_bytes = snprintf(answer, sizeof answer,
                                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                                accept);
    client_send(worker, client, answer, (size_t)answer_bytes);
    client->is_upgraded = true;
    client->is_broker = strncmp(data, "GET /broker", 11) == 0;
    if (client->is_broker || client->fd < 0)
        return request_bytes;

    client->topic_hash = wire_hash(ROOM, strlen(ROOM));
    (void)snprintf(client->name, sizeof client->name, "client-%08x",
                   (unsigned)client->fd << 4 | (unsigned)worker->index);
    (void)snprintf(answer, sizeof answer,
                   "{\"type\":\"greeting\",\"client_id\":\"%s\",\"active_connections\":%u}",
                   client->name, worker->client_count);
    text_send(worker, client, answer);
    return request_bytes;
}

/* Keeps @bytes of @data in front of the next read. */
static void keep(char **kept, size_t *kept_bytes, const char *data, size_t bytes)
{
    free(*kept);
    *kept = NULL;
    *kept_bytes = bytes;
    if (bytes > 0) {
        *kept = allocate(bytes);
        memcpy(*kept, data, bytes);
    }
}

/* One read, after what was kept; the bytes there are, 0 if none came, -1 at the end. */
static ssize_t read_after(struct worker *worker, int fd, const char *kept, size_t kept_bytes)
{
    if (kept_bytes > 0)
        memcpy(worker->read_buffer, kept, kept_bytes);
    ssize_t got = read(fd, worker->read_buffer + kept_bytes, READ_BYTES - kept_bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return got <= 0 ? -1 : got + (ssize_t)kept_bytes;
}

static void on_client(struct worker *worker, struct client *client)
{
    ssize_t bytes = read_after(worker, client->fd, client->kept, client->kept_bytes);
    size_t taken = 0;
    size_t step;

    if (bytes < 0)
        client_drop(worker, client);
    if (bytes <= 0)
        return;
    do {
        char *at = worker->read_buffer + taken;
        size_t left = (size_t)bytes - taken;
        step = client->is_upgraded ? frame_take(worker, client, at, left)
                                   : request_take(worker, client, at, left);
        taken += step;
    } while (step > 0 && client->fd >= 0 && taken < (size_t)bytes);

    if (client->fd < 0)
        return;
    if (client->kept_bytes > 0 || taken < (size_t)bytes)
        keep(&client->kept, &client->kept_bytes, worker->read_buffer + taken,
             (size_t)bytes - taken);
}

static void on_pipe_in(struct worker *worker, struct pipe_in *in)
{
    ssize_t bytes = read_after(worker, in->fd, in->kept, in->kept_bytes);
    size_t taken = 0;

    if (bytes < 0)
        exit(EXIT_SUCCESS); /* the other worker has ended, and with it the yardstick */
    if (bytes == 0)
        return;
    for (;;) {
        struct passed passed;
        size_t left = (size_t)bytes - taken;
        if (left < sizeof passed)
            break;
        memcpy(&passed, worker->read_buffer + taken, sizeof passed);
        if (left - sizeof passed < passed.frame_bytes)
            break;
        turn_add(worker, worker->read_buffer + taken + sizeof passed, passed.frame_bytes,
                 passed.topic_hash, false);
        taken += sizeof passed + passed.frame_bytes;
    }
    keep(&in->kept, &in->kept_bytes, worker->read_buffer + taken, (size_t)bytes - taken);
}

/* What the pipe does not take waits for EPOLLOUT. */
static void pipe_wait(const struct worker *worker, struct pipe_out *out, const char *data,
                      size_t bytes)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = out->fd};

    out->waiting = realloc(out->waiting, out->waiting_bytes + bytes);
    if (out->waiting == NULL)
        die("yardstick: memory");
    memcpy(out->waiting + out->waiting_bytes, data, bytes);
    out->waiting_bytes += bytes;
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, out->fd, &event) < 0)
        die("yardstick: epoll_ctl");
}

static void pipe_write(const struct worker *worker, struct pipe_out *out, const char *data,
                       size_t bytes)
{
    ssize_t written = out->waiting_bytes > 0 ? 0 : write(out->fd, data, bytes);

    if (written < 0 && errno != EAGAIN)
        die("yardstick: pipe");
    if (written < 0)
        written = 0;
    if ((size_t)written < bytes)
        pipe_wait(worker, out, data + written, bytes - (size_t)written);
}

static void on_pipe_out(const struct worker *worker, struct pipe_out *out)
{
    struct epoll_event event = {.events = 0, .data.fd = out->fd};
    ssize_t written = write(out->fd, out->waiting, out->waiting_bytes);

    if (written <= 0)
        return;
    out->waiting_bytes -= (size_t)written;
    memmove(out->waiting, out->waiting + written, out->waiting_bytes);
    if (out->waiting_bytes == 0 && epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, out->fd, &event) < 0)
        die("yardstick: epoll_ctl");
}

/* One send() for each delivery. */
static void turn_write_each(struct worker *worker)
{
    for (uint32_t m = 0; m < worker->turn_count; m++) {
        const struct message *message = &worker->turn[m];
        /* Backwards: a dropped client is replaced by the last, which has had its turn. */
        for (uint32_t i = worker->client_count; i-- > 0;) {
            struct client *client = worker->clients[i];
            if (client->topic_hash == message->topic_hash)
                client_send(worker, client, worker->turn_bytes + message->start, message->bytes);
        }
    }
}

/* Up to BATCH_MAX messages in one write; neighbours in memory are one part of it. */
static void turn_write_batched(struct worker *worker, struct client *client)
{
    struct iovec parts[BATCH_MAX];
    struct msghdr header = {.msg_iov = parts};
    size_t message_count = 0;
    size_t bytes = 0;

    for (uint32_t m = 0; m < worker->turn_count; m++) {
        const struct message *message = &worker->turn[m];
        if (client->topic_hash == message->topic_hash) {
            char *start = worker->turn_bytes + message->start;
            struct iovec *last = header.msg_iovlen > 0 ? &parts[header.msg_iovlen - 1] : NULL;
            if (last != NULL && (char *)last->iov_base + last->iov_len == start)
                last->iov_len += message->bytes;
            else
                parts[header.msg_iovlen++] =
                    (struct iovec){.iov_base = start, .iov_len = message->bytes};
            message_count++;
            bytes += message->bytes;
        }
        if (message_count == BATCH_MAX || (m + 1 == worker->turn_count && message_count > 0)) {
            if (sendmsg(client->fd, &header, MSG_NOSIGNAL) != (ssize_t)bytes) {
                client_drop(worker, client);
                return;
            }
            header.msg_iovlen = 0;
            message_count = 0;
            bytes = 0;
        }
    }
}

static void turn_end(struct worker *worker)
{
    for (int to = 0; worker->pass_used > 0 && to < worker->count; to++) {
        if (to != worker->index)
            pipe_write(worker, &worker->out[to], worker->pass_bytes, worker->pass_used);
    }
    if (worker->is_batching) {
        for (uint32_t i = worker->client_count; i-- > 0 && worker->turn_count > 0;)
            turn_write_batched(worker, worker->clients[i]);
    } else {
        turn_write_each(worker);
    }
    worker->turn_count = 0;
    worker->turn_used = 0;
    worker->pass_used = 0;
    for (uint32_t i = 0; i < worker->gone_count; i++) {
        free(worker->gone[i]->kept);
        free(worker->gone[i]);
    }
    worker->gone_count = 0;
}

static void on_listener(struct worker *worker)
{
    int on = 1;

    for (int n = 0; n < EVENTS_PER_TURN; n++) {
        int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= FDS_MAX) {
            (void)close(fd);
            continue;
        }
        struct client *client = allocate(sizeof *client);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        client->fd = fd;
        client->index = worker->client_count;
        worker->by_fd[fd] = client;
        worker->clients[worker->client_count++] = client;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
            epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            client_drop(worker, client);
    }
}

static void on_event(struct worker *worker, const struct epoll_event *event)
{
    int fd = event->data.fd;

    if (fd == worker->listen_fd) {
        on_listener(worker);
        return;
    }
    for (int i = 0; i < worker->count; i++) {
        if (i == worker->index)
            continue;
        if (fd == worker->in[i].fd) {
            on_pipe_in(worker, &worker->in[i]);
            return;
        }
        if (fd == worker->out[i].fd) {
            on_pipe_out(worker, &worker->out[i]);
            return;
        }
    }
    if (worker->by_fd[fd] != NULL)
        on_client(worker, worker->by_fd[fd]);
}

static void watch(const struct worker *worker, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("yardstick: epoll_ctl");
}

_Noreturn static void worker_run(int index, int count, bool is_batching, int listen_fd)
{
    struct worker *worker = allocate(sizeof *worker);
    struct epoll_event events[EVENTS_PER_TURN];

    worker->index = index;
    worker->count = count;
    worker->is_batching = is_batching;
    worker->listen_fd = listen_fd;
    worker->turn_bytes = allocate(TURN_BYTES_MAX);
    worker->pass_bytes = allocate(TURN_BYTES_MAX + TURN_MESSAGES_MAX * sizeof(struct passed));
    worker->read_buffer = allocate(READ_BYTES);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0)
        die("yardstick: epoll");
    watch(worker, listen_fd, EPOLLIN);
    for (int i = 0; i < count; i++) {
        if (i == index)
            continue;
        worker->in[i].fd = pipes[i][index][0];
        worker->out[i].fd = pipes[index][i][1];
        watch(worker, worker->in[i].fd, EPOLLIN);
        watch(worker, worker->out[i].fd, 0);
    }
    for (;;) {
        int event_count = epoll_wait(worker->epoll_fd, events, EVENTS_PER_TURN, -1);
        if (event_count < 0 && errno != EINTR)
            die("yardstick: epoll_wait");
        wire_time_write(worker->now_text);
        for (int i = 0; i < event_count; i++) {
            on_event(worker, &events[i]);
            if (worker->turn_count > TURN_MESSAGES_MAX / 2 ||
                worker->turn_used > TURN_BYTES_MAX / 2)
                turn_end(worker);
        }
        turn_end(worker);
    }
}

/* Port 0: any free one, which @address then has. */
static int listener_open(struct sockaddr_in *address)
{
    socklen_t address_bytes = sizeof *address;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &address_bytes) < 0 || listen(fd, 4096) < 0)
        die("yardstick: listen");
    return fd;
}

static void pipes_open(int count)
{
    for (int from = 0; from < count; from++) {
        for (int to = 0; to < count; to++) {
            if (from == to)
                continue;
            if (pipe2(pipes[from][to], O_NONBLOCK | O_CLOEXEC) < 0)
                die("yardstick: pipe");
            /* Larger is better, but the default will do. */
            (void)fcntl(pipes[from][to][1], F_SETPIPE_SZ, PIPE_BYTES);
        }
    }
}

static void yardstick_run(long port, int count, bool is_batching)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    int listeners[WORKERS_MAX];
    struct rlimit limit;
    pid_t master = getpid();

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* else fewer clients */
    }
    (void)signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < count; i++)
        listeners[i] = listener_open(&address);
    pipes_open(count);
    (void)printf("yardstick: listening on port %d, master %d, workers", ntohs(address.sin_port),
                 (int)master);
    (void)fflush(stdout);
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0)
            die("yardstick: fork");
        if (pid == 0) {
            if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL) < 0 || getppid() != master)
                exit(EXIT_FAILURE);
            for (int other = 0; other < count; other++) {
                if (other != i)
                    (void)close(listeners[other]); /* its queue is not ours */
            }
            worker_run(i, count, is_batching, listeners[i]);
        }
        (void)printf(" %d", (int)pid);
        (void)fflush(stdout);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    (void)wait(NULL); /* none ends on purpose; when one does, all do */
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"workers", required_argument, NULL, 'w'},
        {"batch", no_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    long port = 8001;
    bool is_batching = false;
    long count = 2;
    int option;

    while ((option = getopt_long(argc, argv, "p:w:bh", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            port = strtol(optarg, NULL, 10);
            break;
        case 'w':
            count = strtol(optarg, NULL, 10);
            break;
        case 'b':
            is_batching = true;
            break;
        default:
            (void)fputs(
                "Usage: yardstick [--port PORT] [--workers N] [--batch]\n"
                "Defaults: port 8001 (of 127.0.0.1; 0: any), 2 workers, one send() a delivery.\n",
                option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : 2;
        }
    }
    if (count < 1 || count > WORKERS_MAX) {
        (void)fprintf(stderr, "yardstick: --workers must be 1 to %d\n", WORKERS_MAX);
        return 2;
    }
    if (port < 0 || port > UINT16_MAX) {
        (void)fputs("yardstick: --port must be 0 to 65535\n", stderr);
        return 2;
    }
    yardstick_run(port, (int)count, is_batching);
    return EXIT_FAILURE;
}
