/*
 * tests/fault/hostile_peer.h - one connection of a client that means no good.
 *
 * Shape    Not blocking. What is to be sent is `out` and, behind it, `filler_bytes` of the letter a
 *          (large bodies and messages without memory of their own). Of what comes in only the
 *          last bytes are kept: they say how the server ended it.
 * States   CLOSED; CONNECTING; UPGRADING, a WebSocket's handshake has been sent; OPEN.
 * Callers  hostile_load.c drives the states; hostile_kinds.c sends.
 * Errors   a peer whose socket fails is ended (peer_end) and opened again later; only lack of
 *          memory or descriptors ends the program.
 */
#ifndef TESTS_FAULT_HOSTILE_PEER_H
#define TESTS_FAULT_HOSTILE_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/sluice-bench/buffer.h"

struct kind;

enum {
    PEER_TAIL_BYTES = 1024,
    PEER_ENDINGS_MAX = 16, /* different ones of a kind */
};

enum peer_state {
    PEER_CLOSED,
    PEER_CONNECTING,
    PEER_UPGRADING,
    PEER_OPEN,
};

/* How the server ended connections of a kind: an HTTP status, a close code, or one of these. */
enum {
    PEER_ENDED = 1,     /* closed without a word */
    PEER_RESET = 2,     /* the same by a reset */
    PEER_ABSTAINED = 3, /* not a word, and not a connection either */
};

struct peer_ending {
    uint32_t code;
    uint64_t count;
};

/* What happened to the peers of a kind. */
struct peer_counts {
    uint64_t opened;
    uint64_t acts;
    uint64_t acts_held; /* not done: the server has not taken what was sent before */
    uint64_t closed_by_us;
    struct peer_ending endings[PEER_ENDINGS_MAX];
};

/* What all peers share. */
struct peer_world {
    int epoll_fd;
    struct sockaddr_in http;
    struct sockaddr_in line; /* raw TCP broker */
    char host[32];           /* HOST:PORT of http */
    const char *topic_prefix;
    uint32_t topic_count;
    const char *large_topic;  /* one that holds much */
    size_t message_bytes_max; /* the server's --max-message */
    uint32_t open_count;      /* peers that are not CLOSED */
    char *read_buffer;
};

struct peer {
    int fd;
    uint32_t number;
    const struct kind *kind;
    struct peer_counts *counts; /* of its kind */
    uint32_t step;              /* how far it is in what it sends: the kind's own */
    uint8_t state;
    bool is_watching_write;
    struct buffer out;
    size_t filler_bytes;
    struct peer *next; /* among those to be opened again */
    uint64_t open_at_ns;
    uint32_t tail_bytes;
    char tail[PEER_TAIL_BYTES];
};

/* Starts connecting, from one of some hundred loopback addresses. 0 or -errno. */
int peer_open(struct peer_world *world, struct peer *peer);

/* Sends @bytes behind what waits. */
void peer_send(struct peer_world *world, struct peer *peer, const void *bytes, size_t size);
void peer_send_text(struct peer_world *world, struct peer *peer, const char *text);
/* @bytes letters behind what waits. */
void peer_send_filler(struct peer_world *world, struct peer *peer, size_t bytes);
static inline bool peer_is_held(const struct peer *peer)
{
    return buffer_bytes(&peer->out) > 0 || peer->filler_bytes > 0;
}

/* Reads at most @bytes, ends the peer when that was all. */
void peer_read(struct peer_world *world, struct peer *peer, size_t bytes);

/* We have enough of it: closes, by a reset if so wished. */
void peer_drop(struct peer_world *world, struct peer *peer, bool is_reset);

/* What epoll says of it. */
void peer_on_event(struct peer_world *world, struct peer *peer, uint32_t events);

#endif
