/*
 * server/heritage.h - all that a child inherits over fork, in one struct.
 *
 * Made by the master before the first fork and never changed while children live, so that a child
 * of any later fork finds the same. A child closes what is not its own (child.c); nothing else
 * passes from master to child but the ring's header.
 */
#ifndef SERVER_HERITAGE_H
#define SERVER_HERITAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bus;
struct config;
struct topic_counts;

struct heritage_listener {
    int fd;
    const char *text; /* as it was asked for; borrowed from the config */
};

struct heritage {
    const struct config *config;
    struct bus *bus;
    struct topic_counts *counts;
    struct heritage_listener *listeners; /* HTTP */
    size_t listener_count;
    struct heritage_listener *broker_listeners;
    size_t broker_listener_count;
    int lock_fd; /* the data directory's lock; held until the last child is gone */
    uint64_t store_id;
    pid_t master_pid;
};

#endif
