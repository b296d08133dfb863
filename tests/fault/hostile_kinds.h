/*
 * tests/fault/hostile_kinds.h - the ways in which a client can be a nuisance, one row each.
 *
 * Shape    A kind is how its connections begin and what each of them does again and again ("an
 *          act"). Acts are due at so many a second of each connection, so the load of a kind is
 *          bounded by its row: 5,000 connections are some 35,000 pings, 15,000 small messages
 *          and 500 new connections a second, and no more however fast the server is.
 * Callers  hostile_load.c.
 */
#ifndef TESTS_FAULT_HOSTILE_KINDS_H
#define TESTS_FAULT_HOSTILE_KINDS_H

#include <stddef.h>
#include <stdint.h>

#include "tests/fault/hostile_peer.h"

enum kind_reading {
    KIND_READS,
    KIND_DEAF,      /* reads nothing, and has little room for what it does not read */
    KIND_READS_LATE /* only by its acts */
};

struct kind {
    const char *name;
    uint32_t share;   /* of KINDS_SHARES connections */
    const char *path; /* of the WebSocket it opens; NULL: none */
    bool is_line;     /* connects to the raw TCP broker */
    enum kind_reading reading;
    void (*begin)(struct peer_world *world, struct peer *peer); /* once open; may be NULL */
    void (*act)(struct peer_world *world, struct peer *peer);   /* may be NULL */
    double acts_per_s;                                          /* of each connection */
};

#define KINDS_SHARES 1000

const struct kind *kinds_all(size_t *ret_count);

#endif
