/*
 * server/topics/publisher.h - publishing: one append per loop turn, answered by callback.
 *
 * Shape    publisher_publish encodes the record into the turn's batch and remembers who waits;
 *          publisher_turn appends the batch and answers. A durable publish, and a COMMAND, is
 *          answered when committed_seq has passed it.
 * Full     when the ring is full the batch stays and is tried again when the writer has moved;
 *          publisher_is_blocked is then true and protocols stop reading from a connection that
 *          publishes (its stream is paused by publisher_publish's caller, resumed in on_done).
 *          After 5 s each waiting publish is answered -ETIMEDOUT (`unavailable`).
 * Memory   bounded: a blocked worker takes at most one read's worth of publishes per connection.
 * Callers  one per worker.
 */
#ifndef SERVER_TOPICS_PUBLISHER_H
#define SERVER_TOPICS_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/stats.h"

struct bus;
struct publisher;

enum {
    /* What may wait for room: as much as the ring holds, and never less than this. */
    PUBLISHER_WAITING_BYTES_MIN = 1024 * 1024,
};

struct publish_result {
    int error; /* 0; -ENOSPC storage full; -EMSGSIZE too large; -ETIMEDOUT unavailable; -ENOMEM */
    uint64_t seq;
    int64_t time_ns;
};

/* @tag: what the caller gave. Never called from inside publisher_publish. */
typedef void publish_done_function(void *user, uint64_t tag, const struct publish_result *result);

struct publish {
    const char *topic;
    size_t topic_bytes;
    const char *payload; /* compact JSON; copied */
    size_t payload_bytes;
    unsigned flags; /* RECORD_FROM_ROOM, RECORD_TICK */
    bool is_durable;
    enum stat_protocol protocol; /* what it came by: it is counted by that */
    /*
     * A COMMAND (store/command.h) instead of an event: no topic; answered once it is committed,
     * which is when its result is in the store, under the seq of the answer (log_record_at).
     */
    bool is_command;
    publish_done_function *on_done; /* NULL: nobody waits */
    void *user;
    uint64_t tag;
};

struct publisher_options {
    struct bus *bus;
    unsigned slot;
    const bool *always_durable; /* durability = committed */
};

int publisher_open(const struct publisher_options *options, struct publisher **ret_publisher);
void publisher_close(struct publisher *publisher);

/* 0, or -ENOMEM / -EMSGSIZE (then on_done is not called). */
int publisher_publish(struct publisher *publisher, const struct publish *publish);
/* Nobody waits any more for what @user published; it is published all the same. */
void publisher_cancel(struct publisher *publisher, const void *user);
bool publisher_is_blocked(const struct publisher *publisher);
/* Nothing can be appended any more: the worker ends, so that the master starts all anew. */
bool publisher_is_lost(const struct publisher *publisher);

/* Appends what has gathered, answers what was appended or committed. @now_ns: monotonic. */
void publisher_turn(struct publisher *publisher, int64_t now_ns);
/* What to sleep for: or-ed enum wake_reason. */
unsigned publisher_wake_reasons(const struct publisher *publisher);
/* Whether something waits that a drain must not cut off. */
bool publisher_is_idle(const struct publisher *publisher);

#endif
