/*
 * http_load: one HTTP/1.1 request, sent again and again over keep-alive connections.
 *
 *   http_load PORT CONNECTIONS PIPELINE SECONDS < REQUEST
 *
 * Each connection to 127.0.0.1 has PIPELINE requests under way and sends another for each answer.
 * Prints one line of JSON: requests answered, and the time it took.
 * Every other answer must be of the same length. Exit status 1 when one is not, or is none.
 * What the server does is the caller's to measure: this program is only cheap.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_BYTES_MAX = 64 * 1024,
    ANSWER_BYTES_MAX = 256 * 1024,
    CONNECTIONS_MAX = 4096,
    PIPELINE_MAX = 64,
    EVENTS_PER_TURN = 256,
};
#define USAGE     "usage: http_load PORT CONNECTIONS PIPELINE SECONDS < REQUEST"
#define STATUS_OK "HTTP/1.1 200 "
#define SECOND_NS INT64_C(1000000000)

struct connection {
    int fd;
    size_t bytes; /* of answers, so far; it begins with one */
    char answers[ANSWER_BYTES_MAX];
};

static char requests[PIPELINE_MAX * REQUEST_BYTES_MAX]; /* the same, again and again */
static size_t request_bytes;
static size_t answer_bytes; /* of the first one, head included */
static uint64_t answered_count;

__attribute__((noreturn)) static void die(const char *what)
{
    (void)fprintf(stderr, "http_load: %s\n", what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock cannot fail */
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void read_request(void)
{
    request_bytes = fread(requests, 1, REQUEST_BYTES_MAX, stdin);
    if (request_bytes == 0 || request_bytes == REQUEST_BYTES_MAX)
        die("the request on standard input is empty, or too long");
    for (size_t i = 1; i < PIPELINE_MAX; i++)
        memcpy(requests + i * request_bytes, requests, request_bytes);
}

static void send_requests(const struct connection *connection, size_t count)
{
    /* They fit into the socket: as many as there is room for have been answered. */
    if (write(connection->fd, requests, count * request_bytes) != (ssize_t)(count * request_bytes))
        die("requests cannot be sent");
}

static void open_connection(struct connection *connection, int epoll, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        die("no connection");
}

/* The length of an answer that begins with this head; 0: the head is not whole. */
static size_t measure(const char *answer)
{
    static const char length_name[] = "\r\ncontent-length:";
    const char *head_end = strstr(answer, "\r\n\r\n");
    const char *length;

    if (head_end == NULL)
        return 0;
    if (strncmp(answer, STATUS_OK, sizeof STATUS_OK - 1) != 0)
        die(answer);
    length = strcasestr(answer, length_name);
    if (length == NULL || length > head_end)
        die("an answer without Content-Length");
    return (size_t)(head_end - answer) + 4 +
           (size_t)strtoul(length + sizeof length_name - 1, NULL, 10);
}

static void take(struct connection *connection)
{
    ssize_t got = read(connection->fd, connection->answers + connection->bytes,
                       sizeof connection->answers - 1 - connection->bytes);
    size_t count = 0;
    size_t left;

    if (got <= 0)
        die("a connection was closed");
    connection->bytes += (size_t)got;
    if (answer_bytes == 0) {
        connection->answers[connection->bytes] = '\0';
        answer_bytes = measure(connection->answers);
    }
    for (left = connection->bytes; answer_bytes != 0 && left >= answer_bytes;
         left -= answer_bytes) {
        if (memcmp(connection->answers + connection->bytes - left, STATUS_OK,
                   sizeof STATUS_OK - 1) != 0)
            die("the answers are not all alike");
        count++;
    }
    if (count == 0)
        return;
    memmove(connection->answers, connection->answers + connection->bytes - left, left);
    connection->bytes = left;
    answered_count += count;
    send_requests(connection, count);
}

static void run(int epoll, int64_t until_ns)
{
    struct epoll_event events[EVENTS_PER_TURN];

    while (now_ns() < until_ns) {
        int count = epoll_wait(epoll, events, EVENTS_PER_TURN, 1000);

        if (count < 0 && errno != EINTR)
            die("cannot wait");
        if (count == 0)
            die("the server has stopped answering");
        for (int i = 0; i < count; i++)
            take(events[i].data.ptr);
    }
}

static long number(const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*end != '\0' || value < 1 || value > most)
        die(USAGE);
    return value;
}

int main(int argc, char **argv)
{
    struct connection *connections;
    int64_t begin_ns;
    long count;
    long seconds;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (argc != 5)
        die(USAGE);
    count = number(argv[2], CONNECTIONS_MAX);
    seconds = number(argv[4], 3600);
    connections = calloc((size_t)count, sizeof *connections);
    if (connections == NULL || epoll < 0)
        die("out of memory");
    read_request();
    for (long i = 0; i < count; i++) {
        open_connection(&connections[i], epoll, (uint16_t)number(argv[1], UINT16_MAX));
        send_requests(&connections[i], (size_t)number(argv[3], PIPELINE_MAX));
    }
    begin_ns = now_ns();
    run(epoll, begin_ns + seconds * SECOND_NS);
    (void)printf("{\"requests\":%" PRIu64 ",\"seconds\":%.3f}\n", answered_count,
                 (double)(now_ns() - begin_ns) / (double)SECOND_NS);
    free(connections);
    return 0;
}
