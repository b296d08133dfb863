/*
 * tools/sluice-bench/options.h - the command line.
 *
 * Units    _ns, _bytes, _count as named. Immutable once read.
 * Errors   options_read prints what is wrong, and with which option, to standard error.
 */
#ifndef TOOLS_SLUICE_BENCH_OPTIONS_H
#define TOOLS_SLUICE_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define OPTIONS_PIDS_MAX      64
#define OPTIONS_PROCESSES_MAX 64

enum options_protocol {
    OPTIONS_ROOM,
    OPTIONS_BROKER,
};

enum options_via {
    OPTIONS_VIA_WEBSOCKET,
    OPTIONS_VIA_HTTP,
};

enum options_pace {
    OPTIONS_PACE_DEFAULT, /* only while reading */
    OPTIONS_PACE_RATE,
    OPTIONS_PACE_WINDOW,
    OPTIONS_PACE_FLAT_OUT,
};

struct options {
    char host[256]; /* HOST:PORT, as the Host header has it */
    struct sockaddr_storage address;
    socklen_t address_bytes;
    bool is_secure; /* wss: */

    enum options_protocol protocol;
    enum options_via via;
    enum options_pace pace;
    uint32_t connection_count; /* subscribers */
    uint32_t topic_count;
    uint32_t publisher_count;
    uint32_t process_count;
    uint32_t pipeline_count; /* outstanding acknowledgements of a connection */
    uint32_t window_count;   /* undelivered messages of a publisher */
    uint64_t payload_bytes;
    uint64_t message_count; /* 0: by duration */
    double rate;            /* messages a second, of all publishers together */
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t hold_ns;
    uint64_t timeout_ns;
    const char *topic_prefix;
    bool is_durable;
    bool is_publish_only;
    bool is_idle;
    bool is_json;
    bool with_children;

    pid_t pids[OPTIONS_PIDS_MAX];
    uint32_t pid_count;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_DONE, /* --help or --version was all */
    OPTIONS_BAD,  /* the reason has been printed */
};

/* All options, one a line, columns by tabs: "bench", section, name, argument, help (tools/manual). */
void options_print_table(void);
enum options_result options_read(int argc, char **argv, struct options *ret_options);

/* Do publishers have connections of their own? In the room they are also subscribers. */
bool options_has_publisher_connections(const struct options *options);

/* Is a publish acknowledged? Not in the room, where a message's own return is the only sign. */
bool options_is_acknowledged(const struct options *options);

/*
 * The parts of the client processes: process i has the connections from options_first_connection
 * of i up to that of i + 1 (which for the last is connection_count).
 */
uint32_t options_first_connection(const struct options *options, uint32_t process);
uint32_t options_publisher_process(const struct options *options, uint32_t publisher);

/* How many of the connections @from up to, not including, @to have @topic? */
uint32_t options_subscriber_count(const struct options *options, uint32_t topic, uint32_t from,
                                  uint32_t to);

#endif
