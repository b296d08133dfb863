/*
 * tests/bench/graphql_live_options.h - the command line of graphql_live_load.
 *
 * Units    _ns, _bytes, _count as named; rate in messages a second. Texts are the arguments'.
 * Errors   what is wrong has been printed.
 */
#ifndef TESTS_BENCH_GRAPHQL_LIVE_OPTIONS_H
#define TESTS_BENCH_GRAPHQL_LIVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/sluice-bench/options.h"

#define LIVE_LINES_MAX  8
#define LIVE_PEERS_MAX  20000
#define LIVE_WINDOW_MAX 4096 /* a power of two */

/*
 * What a peer says when it is connected, {peer} being its number, and how many frames it waits for
 * before it goes on.
 */
struct live_line {
    const char *text;
    uint32_t answer_count;
};

struct live_script {
    const char *path;
    const char *protocol; /* NULL: none is offered */
    struct live_line lines[LIVE_LINES_MAX];
    uint32_t line_count;
};

struct live_options {
    struct options place; /* address only: for conn_open */
    struct live_script subscriber;
    struct live_script publisher;
    const char *publish;   /* {payload} and {number} are put in */
    uint32_t answer_count; /* frames that answer a publish */
    uint32_t subscriber_count;
    uint32_t publisher_count;
    uint32_t window;
    double rate;
    uint64_t payload_bytes;
    uint64_t duration_ns;
    uint64_t warmup_ns;
    pid_t pid;
    bool is_http;
};

/* False: wrong. */
bool live_options_read(int argc, char **argv, struct live_options *ret_options);

#endif
