/*
 * server/topics/page.h - a page of a topic's kept events: the first so many of them behind a seq.
 *
 * Shape    a reader of one topic, in steps of at most a block of the log. It goes up to what was the
 *          last operation when it began: the ring's tail, or, of a row topic, committed_seq, for in the
 *          ring a COMMAND has no results yet.
 * Callers  workers. A step may begin or renew the store's snapshot.
 * Memory   the caller's struct; nothing is allocated. An event is valid until on_event returns.
 * Errors   0 or -errno: the log cannot be read.
 */
#ifndef SERVER_TOPICS_PAGE_H
#define SERVER_TOPICS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/record.h"
#include "bus/ring.h"
#include "server/topics/log_reader.h"

struct bus;
struct resume;
struct store;
struct topics;

/* One event of the page; false: it does not fit in any more (and is not the first one). */
typedef bool page_function(void *user, const struct record *event);

struct page_options {
    struct bus *bus;
    struct store *store;
    struct log_reader *reader;
    const struct topics *topics;
    struct record_topic topic; /* the name is the caller's, and stays while the page is read */
    uint64_t limit;            /* events, at least 1 */
    page_function *on_event;
    void *user;
};

struct page {
    struct page_options options;
    /* Results, final when page_step has returned 0. */
    uint64_t count;      /* events given */
    uint64_t oldest_seq; /* of the topic; 0: nothing is kept */
    uint64_t last_seq;
    bool has_recovered; /* the page begins right behind where its reader was */
    bool is_full;       /* there is more behind it */

    uint64_t since_seq;
    struct log_cursor cursor;
    struct log_cursor committed; /* the end of what was committed when it began */
    struct ring_position until;
};

/* @resume->since as 0 is everything that is kept. */
int page_begin(struct page *page, const struct page_options *options, const struct resume *resume);
/* Reads on. 1: there is more; 0: the page is done; -errno. */
int page_step(struct page *page);

#endif
