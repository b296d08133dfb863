/*
 * hostile_load: thousands of connections that mean no good, out of one process.
 *
 * It opens the connections of all kinds (hostile_kinds.c), lets each do what its kind does, and
 * opens again, some seconds later, what the server has closed. What happened to each kind is
 * printed at the end, which SIGTERM, SIGINT or the end of its parent brings.
 *
 *   hostile_load --port N --line-port N [--connections N] [--seed N] [--topic PREFIX]
 *                [--topics N] [--large-topic NAME] [--message-bytes N] [--only KIND]
 *
 * Output   lines of JSON: {"open":N} as soon as all are open for the first time; at the end the
 *          counts of each kind.
 * Order    the seed decides in which order the kinds come; everything else follows from the
 *          server's answers and the clock.
 * Cost     it runs as an ordinary process with a nice value of NICE, so that on a machine that it
 *          shares with the server what is measured is the server's work, not the scheduler's choice
 *          between the two.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bus/check.h"
#include "tests/fault/hostile_kinds.h"
#include "tests/fault/hostile_peer.h"
#include "tools/sluice-bench/clock.h"

#define TICK_NS  UINT64_C(5000000)
#define REST_NS  (3 * CLOCK_NS_PER_S) /* between the end of a connection and its next life */
#define SIGNALED UINT32_MAX           /* the event's number; the others are peers */

enum {
    NICE = 10,
    EVENTS_PER_TURN = 256,
    OPENS_PER_S = 1500,
    CONNECTIONS_MAX = 19000, /* descriptors of a process are 20,000 in many places */
    READ_BUFFER_BYTES = 64 * 1024,
};

/* The peers of one kind: a run of load.peers, whose acts go round. */
struct crowd {
    const struct kind *kind;
    struct peer *peers;
    uint32_t count;
    uint32_t next;
    double due; /* acts */
    struct peer_counts counts;
};

struct load {
    struct peer_world world;
    struct peer *peers;
    uint32_t peer_count;
    struct crowd *crowds; /* one for each kind, in the order of the seed */
    size_t crowd_count;
    struct peer *first_closed; /* in the order in which they may be opened again */
    struct peer *last_closed;
    double opens_due;
    uint64_t tick_ns;  /* the last one */
    uint64_t begun_ns; /* all were open; 0: not yet */
    double open_sum;   /* connections times seconds since then */
    uint32_t open_min;
    uint64_t random;
    const char *only; /* all peers are of this kind; NULL: each has its share */
    int signal_fd;
};

static struct option options[] = {
    {"port", required_argument, NULL, 'p'},          {"line-port", required_argument, NULL, 'l'},
    {"connections", required_argument, NULL, 'c'},   {"seed", required_argument, NULL, 's'},
    {"topic", required_argument, NULL, 't'},         {"topics", required_argument, NULL, 'n'},
    {"large-topic", required_argument, NULL, 'g'},   {"only", required_argument, NULL, 'o'},
    {"message-bytes", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0},
};

static int fail(const char *what, int error)
{
    (void)fprintf(stderr, "hostile_load: %s: %s\n", what, strerror(error));
    return EXIT_FAILURE;
}

/* --- coming and going ------------------------------------------------------------------------- */

static void queue_closed(struct load *load, struct peer *peer, uint64_t open_at_ns)
{
    peer->open_at_ns = open_at_ns;
    peer->next = NULL;
    if (load->first_closed == NULL)
        load->first_closed = peer;
    else
        load->last_closed->next = peer;
    load->last_closed = peer;
}

static int open_due(struct load *load, uint64_t now_ns)
{
    while (load->opens_due >= 1.0 && load->first_closed != NULL &&
           load->first_closed->open_at_ns <= now_ns) {
        struct peer *peer = load->first_closed;
        int rc;

        load->first_closed = peer->next;
        load->opens_due -= 1.0;
        if (peer->state != PEER_CLOSED)
            continue; /* one that churns has helped itself */
        rc = peer_open(&load->world, peer);
        if (rc == -EADDRNOTAVAIL)
            queue_closed(load, peer, now_ns + REST_NS);
        else if (rc < 0)
            return rc;
    }
    return 0;
}

static void act_due(struct load *load, struct crowd *crowd, double elapsed_s)
{
    crowd->due += crowd->kind->acts_per_s * crowd->count * elapsed_s;
    if (crowd->due > crowd->count)
        crowd->due = crowd->count; /* we were late: not all at once */
    while (crowd->due >= 1.0) {
        struct peer *peer = &crowd->peers[crowd->next];
        bool was_open = peer->state == PEER_OPEN;

        crowd->next = (crowd->next + 1) % crowd->count;
        crowd->due -= 1.0;
        if (!was_open)
            continue;
        crowd->counts.acts++;
        crowd->kind->act(&load->world, peer);
        if (peer->state == PEER_CLOSED)
            queue_closed(load, peer, load->tick_ns + REST_NS);
    }
}

static void note_open(struct load *load, uint64_t now_ns, double elapsed_s)
{
    uint32_t open_count = load->world.open_count;

    if (load->begun_ns == 0) {
        if (load->first_closed != NULL && load->first_closed->open_at_ns == 0)
            return; /* some have never been open */
        load->begun_ns = now_ns;
        load->open_min = open_count;
        (void)printf("{\"open\":%" PRIu32 "}\n", open_count);
        (void)fflush(stdout);
    }
    load->open_sum += open_count * elapsed_s;
    if (open_count < load->open_min)
        load->open_min = open_count;
}

static int tick(struct load *load, uint64_t now_ns)
{
    double elapsed_s = (double)(now_ns - load->tick_ns) / (double)CLOCK_NS_PER_S;
    int rc;

    load->tick_ns = now_ns;
    load->opens_due += OPENS_PER_S * elapsed_s;
    if (load->opens_due > (double)OPENS_PER_S / 10)
        load->opens_due = (double)OPENS_PER_S / 10;
    rc = open_due(load, now_ns);
    for (size_t i = 0; rc == 0 && i < load->crowd_count; i++) {
        if (load->crowds[i].kind->act != NULL && load->crowds[i].count > 0)
            act_due(load, &load->crowds[i], elapsed_s);
    }
    note_open(load, now_ns, elapsed_s);
    return rc;
}

/* 1: it is to end; 0; -errno. */
static int turn(struct load *load)
{
    struct epoll_event events[EVENTS_PER_TURN];
    uint64_t now_ns;
    int count = epoll_wait(load->world.epoll_fd, events, EVENTS_PER_TURN,
                           (int)(TICK_NS / UINT64_C(1000000)));

    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    now_ns = clock_now_ns();
    for (int i = 0; i < count; i++) {
        struct peer *peer;

        if (events[i].data.u32 == SIGNALED)
            return 1;
        peer = &load->peers[events[i].data.u32];
        if (peer->state == PEER_CLOSED)
            continue; /* earlier in this turn */
        peer_on_event(&load->world, peer, events[i].events);
        if (peer->state == PEER_CLOSED)
            queue_closed(load, peer, now_ns + REST_NS);
    }
    return now_ns - load->tick_ns >= TICK_NS ? tick(load, now_ns) : 0;
}

/* --- beginning -------------------------------------------------------------------------------- */

static uint64_t next_random(struct load *load)
{
    load->random ^= load->random >> 12;
    load->random ^= load->random << 25;
    load->random ^= load->random >> 27;
    return load->random * UINT64_C(0x2545F4914F6CDD1D);
}

/* The kinds in an order that the seed decides, each with its share of the peers. */
static int make_crowds(struct load *load)
{
    const struct kind *kinds = kinds_all(&load->crowd_count);
    uint32_t shares = 0;
    uint32_t first = 0;

    load->crowds = calloc(load->crowd_count, sizeof load->crowds[0]);
    if (load->crowds == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < load->crowd_count; i++) {
        size_t place = (size_t)(next_random(load) % (i + 1));

        load->crowds[i].kind = load->crowds[place].kind;
        load->crowds[place].kind = &kinds[i];
    }
    for (size_t i = 0; i < load->crowd_count; i++) {
        struct crowd *crowd = &load->crowds[i];
        uint32_t end;

        if (load->only == NULL)
            shares += crowd->kind->share;
        else if (strcmp(load->only, crowd->kind->name) == 0)
            shares = KINDS_SHARES;
        end = (uint32_t)((uint64_t)load->peer_count * shares / KINDS_SHARES);
        crowd->peers = &load->peers[first];
        crowd->count = end - first;
        first = end;
    }
    CHECK(load->only != NULL || shares == KINDS_SHARES);
    return shares == KINDS_SHARES ? 0 : -EINVAL; /* there is no such kind */
}

/* Peers of all kinds side by side in the order of opening, as they would come. */
static int make_peers(struct load *load)
{
    uint32_t *order = calloc(load->peer_count, sizeof *order);
    int rc;

    load->peers = calloc(load->peer_count, sizeof load->peers[0]);
    rc = order == NULL || load->peers == NULL ? -ENOMEM : make_crowds(load);
    if (rc != 0) {
        free(order);
        return rc;
    }
    for (size_t i = 0; i < load->crowd_count; i++) {
        struct crowd *crowd = &load->crowds[i];

        for (uint32_t k = 0; k < crowd->count; k++) {
            crowd->peers[k].fd = -1;
            crowd->peers[k].number = (uint32_t)(&crowd->peers[k] - load->peers);
            crowd->peers[k].kind = crowd->kind;
            crowd->peers[k].counts = &crowd->counts;
        }
    }
    for (uint32_t i = 0; i < load->peer_count; i++) {
        uint32_t place = (uint32_t)(next_random(load) % (i + 1));

        order[i] = order[place];
        order[place] = i;
    }
    for (uint32_t i = 0; i < load->peer_count; i++)
        queue_closed(load, &load->peers[order[i]], 0);
    free(order);
    return 0;
}

static int open_load(struct load *load)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = SIGNALED};
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM) < 0)
        return -errno;
    /* To lower one's own priority is always allowed. */
    (void)sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    (void)setpriority(PRIO_PROCESS, 0, NICE);

    load->world.read_buffer = malloc(READ_BUFFER_BYTES);
    load->world.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (load->world.read_buffer == NULL || load->world.epoll_fd < 0 || load->signal_fd < 0)
        return -ENOMEM;
    if (epoll_ctl(load->world.epoll_fd, EPOLL_CTL_ADD, load->signal_fd, &event) < 0)
        return -errno;
    return make_peers(load);
}

static void set_port(struct sockaddr_in *address, const char *text)
{
    *address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(text, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static bool read_options(struct load *load, int argc, char **argv)
{
    struct peer_world *world = &load->world;
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (letter) {
        case 'p':
            set_port(&world->http, optarg);
            (void)snprintf(world->host, sizeof world->host, "127.0.0.1:%s", optarg);
            break;
        case 'l':
            set_port(&world->line, optarg);
            break;
        case 'c':
            load->peer_count = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 's':
            load->random ^= strtoul(optarg, NULL, 10) << 20;
            break;
        case 't':
            world->topic_prefix = optarg;
            break;
        case 'n':
            world->topic_count = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'g':
            world->large_topic = optarg;
            break;
        case 'o':
            load->only = optarg;
            break;
        case 'm':
            world->message_bytes_max = strtoul(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    return optind == argc && world->http.sin_port != 0 && world->line.sin_port != 0 &&
           world->topic_count > 0 && load->peer_count > 0 && load->peer_count <= CONNECTIONS_MAX;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void print_ending(const struct peer_ending *ending)
{
    static const char *const names[] = {
        [PEER_ENDED] = "end", [PEER_RESET] = "reset", [PEER_ABSTAINED] = "refused"};

    if (ending->code <= PEER_ABSTAINED)
        (void)printf("\"%s\":%" PRIu64, names[ending->code], ending->count);
    else
        (void)printf("\"%" PRIu32 "\":%" PRIu64, ending->code, ending->count);
}

static void print_crowd(const struct crowd *crowd)
{
    const struct peer_counts *counts = &crowd->counts;

    (void)printf("\"%s\":{\"connections\":%" PRIu32 ",\"opened\":%" PRIu64 ",\"acts\":%" PRIu64
                 ",\"acts_held\":%" PRIu64 ",\"closed_by_us\":%" PRIu64 ",\"endings\":{",
                 crowd->kind->name, crowd->count, counts->opened, counts->acts, counts->acts_held,
                 counts->closed_by_us);
    for (size_t i = 0; i < PEER_ENDINGS_MAX && counts->endings[i].count > 0; i++) {
        if (i > 0)
            (void)putchar(',');
        print_ending(&counts->endings[i]);
    }
    (void)printf("}}");
}

static void print_report(const struct load *load)
{
    double run_s = (double)(load->tick_ns - load->begun_ns) / (double)CLOCK_NS_PER_S;
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("{\"open_average\":%.0f,\"open_min\":%" PRIu32 ",\"cpu_s\":%.3f,\"kinds\":{",
                 load->begun_ns != 0 && run_s > 0 ? load->open_sum / run_s : 0.0, load->open_min,
                 (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    for (size_t i = 0; i < load->crowd_count; i++) {
        if (i > 0)
            (void)putchar(',');
        print_crowd(&load->crowds[i]);
    }
    (void)printf("}}\n");
}

static void close_load(struct load *load)
{
    for (uint32_t i = 0; load->peers != NULL && i < load->peer_count; i++)
        peer_drop(&load->world, &load->peers[i], false);
    free(load->peers);
    free(load->crowds);
    free(load->world.read_buffer);
    if (load->signal_fd >= 0)
        (void)close(load->signal_fd);
    if (load->world.epoll_fd >= 0)
        (void)close(load->world.epoll_fd);
}

int main(int argc, char **argv)
{
    struct load load = {
        .world = {.topic_prefix = "bench",
                  .topic_count = 1,
                  .large_topic = "large",
                  .message_bytes_max = 1 << 20},
        .peer_count = 5000,
        .random = UINT64_C(0x9E3779B97F4A7C15),
        .signal_fd = -1,
    };
    int rc;

    load.world.epoll_fd = -1;
    if (!read_options(&load, argc, argv)) {
        (void)fprintf(stderr, "hostile_load: wrong options; its first lines say which there are\n");
        return 2;
    }
    rc = open_load(&load);
    load.tick_ns = clock_now_ns();
    while (rc == 0)
        rc = turn(&load);
    if (rc > 0)
        print_report(&load);
    close_load(&load);
    return rc < 0 ? fail("cannot go on", -rc) : EXIT_SUCCESS;
}
