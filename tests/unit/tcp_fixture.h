/*
 * tests/unit/tcp_fixture.h - a stream over one end of a pair of sockets, the test at the other.
 *
 * Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_TCP_FIXTURE_H
#define TESTS_UNIT_TCP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "server/net/budget.h"
#include "server/net/tcp.h"

enum {
    TURNS_MAX = 2000,        /* of a loop that waits 10 ms: a bound against hanging, not a time */
    KEPT_BYTES = 256 * 1024, /* hold_bytes_max of the streams */
};

/* The user of a stream: takes what it is allowed to, and notes what happens. */
struct user {
    struct stream *stream;
    char *text; /* consumed */
    size_t bytes;
    size_t offered;  /* by the last on_data */
    size_t take_max; /* bytes that on_data consumes at most */
    int data_count;
    int end_count;
    int drained_count;
    int no_room_count;
    int close_count;
    enum stream_close_reason reason;
    bool pauses;            /* in on_data */
    bool aborts;            /* in on_data */
    bool finishes;          /* in on_data, having answered "bye" */
    bool says_so;           /* in on_no_room: answers "full" and finishes */
    struct user *successor; /* takes the stream over in on_data */
};

struct tcp_fixture {
    struct loop *loop;
    struct tcp_set *set;
    struct budget budget; /* without a bound, unless a test sets one */
    struct user user;
    int peer;          /* the other end, blocking; -1: closed */
    int64_t frozen_ns; /* where the loop's timers stand: pass */
};

struct tcp_fixture *tcp_fixture_new(void);
void tcp_fixture_free(struct tcp_fixture *f);

/* A user that takes everything, without a stream. */
void user_init(struct user *user);
void adopt(struct user *user, struct stream *stream);
/* What a struct user does, for a test that changes one of them. */
const struct stream_handlers *user_handlers(void);

/* A new pair (unix); the fixture's user and peer are about it from now on. */
void open_pair(struct tcp_fixture *f);
/* Instead of the pair that is there: one over TCP on the loopback, with small buffers. */
void change_to_tcp(struct tcp_fixture *f);
void close_peer(struct tcp_fixture *f);
/* Whatever comes for the peer's system is lost without a word, as if its machine had gone. */
void silence_peer(struct tcp_fixture *f);

/* One turn, as a worker has it. */
void turn(struct tcp_fixture *f, int64_t timeout_ns);
/* Turns until nothing more happens at once. */
void settle(struct tcp_fixture *f);
/* The loop's timers see time pass: so much, without anybody waiting. It does not pass otherwise. */
void pass(struct tcp_fixture *f, int64_t ns);

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
        while (!(condition)) {                                                                     \
            assert_true(turns_++ < TURNS_MAX);                                                     \
            turn(f, 10000000);                                                                     \
        }                                                                                          \
    } while (0)

/* The peer sends; reads exactly this text; reads exactly @size bytes of filler. */
void send_text(struct tcp_fixture *f, const char *text);
void expect_text(struct tcp_fixture *f, const char *text);
void expect_filler(struct tcp_fixture *f, size_t size);
/* The same of another reader, which waits for something and returns how much it has read. */
typedef size_t read_function(void *source, char *buf, size_t size);
void expect_text_of(read_function *read, void *source, const char *text);
void expect_filler_of(read_function *read, void *source, size_t size);
/* The stream's user writes filler. */
void write_filler(struct tcp_fixture *f, size_t size);

#endif
