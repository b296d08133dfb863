/*
 * tests/unit/topics_fixture.h - one worker's topics over a real ring and a real store, with a
 * store writer in a process of its own and clients whose sockets do what the test says.
 *
 * The writer commits and trims only when it is told to, so that a test decides what is on disk.
 * A client's frames are lines of text; what it has received is kept for the test to look at.
 * Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_TOPICS_FIXTURE_H
#define TESTS_UNIT_TOPICS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <sys/types.h>

#include "bus/record.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/net/stream.h"
#include "server/topics/topics.h"
#include "store/commit.h"

enum {
    TOPICS_RING_BYTES = 1024 * 1024,
    TOPICS_SLOT = BUS_SLOT_WORKERS,
    TOPICS_QUEUE_BYTES = 256 * 1024,
    TOPICS_BUDGET_BYTES = 1024 * 1024,
    TOPICS_TURNS_MAX = 100 * 1000, /* of topics_fixture_run, before it says that it never ends */
};
#define TOPICS_EPOCH UINT64_C(0x9f86d081884c7d65)

struct topics_fixture {
    char ring_path[64];
    char dir[64];
    uint64_t ring_bytes;
    bool is_writer_inside;
    uint64_t epoch; /* that the log was begun with, or what came after the last power cut */
    struct bus *bus;
    struct hash_counts *counts;
    struct store *store;
    struct topics *topics;
    struct topics_encoding *text_encoding;  /* "topic seq payload\n" */
    struct topics_encoding *short_encoding; /* "topic seq\n" */
    uint32_t queue_bytes_max;
    uint32_t subscriptions_max;
    bool is_committed_only;
    /* Which topics are rows'; NULL: none. To be set before the first is used. */
    bool (*is_row_topic)(const void *user, const char *topic, size_t topic_bytes);
    const void *is_row_topic_user;
    struct topics_writer *inside; /* NULL: it is a process */
    int writer_pid;
    int to_writer;
    int from_writer;
    struct store_meta meta;    /* as the writer said last */
    uint64_t encoded_count;    /* frames made by either encoding */
    struct fake_client *first; /* all open clients */
    /* Called in each turn between live delivery and catching up; NULL: nothing. */
    void (*in_between)(void *user);
    void *user;
};

/* An encoding of the test's own: "topic seq payload\n", or "topic seq @OWN payload\n" if spliced. */
struct fake_encoding {
    struct encoding encoding; /* first: the topics come back to it */
    struct topics_encoding *added;
    /* What frame_bytes_max says (1: as many as it takes); NULL: always 1. */
    int (*judge)(void *user, const struct event *event);
    void *user;
    unsigned asked;   /* calls of frame_bytes_max */
    unsigned encoded; /* calls of encode */
};

/* A connection: its socket takes what the test lets it take. */
struct fake_client {
    struct stream stream; /* first: the stream's operations come back to it */
    union {
        struct subscriber subscriber;
        struct spliced_subscriber spliced;
    };
    struct topics_fixture *fixture;
    struct fake_client *next;
    size_t room_bytes; /* what the socket still takes; SIZE_MAX: everything */
    uint8_t *received;
    size_t received_bytes;
    size_t received_capacity;
    size_t taken_bytes; /* of received: read by fake_client_line */
    unsigned flushes;   /* that sent something */
    unsigned drained;   /* calls of on_drained */
    unsigned gaps;
    uint64_t gap_oldest;
    bool should_leave_on_gap; /* unsubscribes from inside on_gap */
    bool should_end_on_gap;   /* ends all its subscriptions from inside on_gap ... */
    bool has_ended;           /* ... and has done so: its subscriber is no more */
    bool is_forgetful;        /* keeps nothing of what it receives */
    bool is_writable;         /* the socket has not said that it is full */
    bool breaks;              /* the next flush finds that the connection has broken */
    bool is_aborted;
};

/* cmocka's setup and teardown. The fixture with a ring of its own size: topics_fixture_new. */
int topics_setup(void **state);
int topics_teardown(void **state);
struct topics_fixture *topics_fixture_new(uint64_t ring_bytes);
/* With the writer in this very process: topics_writer.c. */
struct topics_fixture *topics_fixture_new_inside(uint64_t ring_bytes);
void topics_fixture_free(struct topics_fixture *fixture);

/* For is_row_topic: those whose names begin with "row". */
bool topics_begins_with_row(const void *user, const char *topic, size_t topic_bytes);

/* Appends an event on @topic (several: separated by commas); its seq. */
uint64_t topics_append(struct topics_fixture *fixture, const char *topic, const char *payload);
/* The same with @payload_bytes of payload. */
uint64_t topics_append_bytes(struct topics_fixture *fixture, const char *topic,
                             size_t payload_bytes);
/* Appends @spec as it is; what ring_append said. */
int topics_append_spec(struct topics_fixture *fixture, const struct record_spec *spec,
                       uint64_t *ret_seq);

/* Of topics_fixture_new and _free: the writer's process, once the bus is there. */
void topics_start_writer(struct topics_fixture *fixture);
/* The same in this very process, with the store for both. */
void topics_begin_inside(struct topics_fixture *fixture);
void topics_end_writer(struct topics_fixture *fixture);
/* Commits everything appended, with a step of trimming in each transaction. */
void topics_commit(struct topics_fixture *fixture, const struct retention *retention);
/* The same, but the ring does not say so: as if the writer stopped right behind its transaction. */
void topics_commit_quietly(struct topics_fixture *fixture, const struct retention *retention);
/* The ring says what has been committed. */
void topics_announce(struct topics_fixture *fixture);
/* kill -9 and another writer, which says what the first has committed. */
void topics_restart_writer(struct topics_fixture *fixture);
/* Trims until nothing is left to trim. */
void topics_trim(struct topics_fixture *fixture, const struct retention *retention);
void topics_new_epoch(struct topics_fixture *fixture, uint64_t epoch);
/* A power cut and a new start: an empty ring behind what was committed. The worker must be closed. */
void topics_cut_power(struct topics_fixture *fixture, uint64_t epoch);
/* The worker ends and begins, in two steps. All clients must be closed, all encodings removed. */
void topics_close_worker(struct topics_fixture *fixture);
void topics_open_worker(struct topics_fixture *fixture);
/* Of its worker. */
struct topics_options topics_fixture_options(struct topics_fixture *fixture);

/* One loop turn as a worker makes it; true when it wants another at once. */
bool topics_fixture_turn(struct topics_fixture *fixture);
/* Of a turn: what is queued is sent, as far as the sockets take it. */
void topics_fixture_flush(struct topics_fixture *fixture);
/* Turns until none is wanted any more. */
void topics_fixture_run(struct topics_fixture *fixture);
/* The value of a stat of this worker. */
int64_t topics_stat(const struct topics_fixture *fixture, enum stat_id stat);

struct fake_client *fake_client_open(struct topics_fixture *fixture,
                                     struct topics_encoding *encoding);
void fake_client_close(struct fake_client *client);
/* With @own in each of its frames; @encoding is spliced. */
struct fake_client *fake_client_open_spliced(struct topics_fixture *fixture,
                                             const struct fake_encoding *encoding, const char *own);
void fake_encoding_add(struct topics_fixture *fixture, struct fake_encoding *encoding,
                       bool is_spliced);
/* All clients that have it must be closed. */
void fake_encoding_remove(struct topics_fixture *fixture, struct fake_encoding *encoding);
/* topics_subscribe that has to succeed. NULL: from now on. */
struct subscribed fake_client_subscribe(struct fake_client *client, const char *topic,
                                        const struct resume *resume);
/* Lets the socket take @bytes more (SIZE_MAX: everything from now on) and sends what it can. */
void fake_client_allow(struct fake_client *client, size_t bytes);
/* The same, as epoll would tell it: what can be sent is sent by the next turn. */
void fake_client_tell_room(struct fake_client *client, size_t bytes);
/* Lets the socket take nothing any more. */
void fake_client_stall(struct fake_client *client);
/* Queues a line of the test's own. */
void fake_client_write(struct fake_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The next whole line received, without its end, valid until more arrives; NULL: none. */
const char *fake_client_line(struct fake_client *client);
/* The number behind the first word of a line: an event's seq. */
uint64_t fake_client_seq(const char *line);
/* Fails unless the next lines are these, followed by NULL, and no more are there. */
void fake_client_expect(struct fake_client *client, ...);

/* Numbers that are the same in every run. */
uint64_t topics_random(uint64_t *state);

/* --- what tests of lagging clients share ------------------------------------------------------ */

struct fake_client *fake_client_open_text(struct topics_fixture *fixture);
struct subscribed fake_client_resume(struct fake_client *client, const char *topic, uint64_t since);
bool fake_client_is_lagging(const struct fake_client *client);
/* The next lines are the events @from to @to of a topic on which every operation is. */
void fake_client_expect_seqs(struct fake_client *client, uint64_t from, uint64_t to);
/* @count events with payloads of @bytes. */
void topics_append_many(struct topics_fixture *fixture, const char *topic, int count, size_t bytes);

#endif
