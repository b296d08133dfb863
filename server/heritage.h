/*
 * server/heritage.h - all that a child inherits over fork, in one struct.
 *
 * Made by the master before the first fork and never changed while children live, so that a child
 * of any later fork finds the same. A child closes what is not its own (spawn.c); nothing else
 * passes from master to child but the ring's header.
 * Callers  heritage_open, heritage_close, heritage_renew_bus: master, while no child lives. What
 *          goes wrong is logged here.
 */
#ifndef SERVER_HERITAGE_H
#define SERVER_HERITAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bus/slots.h"
#include "server/control_sockets.h"
#include "server/net/address.h"

struct bus;
struct config;
struct hash_counts;
struct keys;
struct lives;
struct model;
struct tls_context;

enum {
    /* An eventfd per slot, files, listeners, and some connections for each worker. */
    HERITAGE_DESCRIPTORS_MIN = BUS_SLOT_COUNT + 64,
};

struct heritage_listener {
    int fd;
    bool is_passed;         /* to us, by its owner: LISTEN_FDS */
    struct address address; /* as bound: the port is known even when 0 was asked for */
};

struct heritage {
    const struct config *config;
    struct model *model; /* the schema; each worker binds its copy (server/api/api.h) */
    struct bus *bus;
    uint64_t hash_seed;                  /* of what clients choose, for all children: bus/hash.h */
    struct hash_counts *topic_counts;    /* subscribers of each topic */
    struct hash_counts *address_counts;  /* connections of each address (admission.h) */
    struct lives *lives;                 /* of the workers (accept.c) */
    struct heritage_listener *listeners; /* HTTP */
    size_t listener_count;
    struct heritage_listener *broker_listeners;
    size_t broker_listener_count;
    struct keys *ticket_keys; /* renewed by the master; NULL: no certificates, as the next */
    struct tls_context *tls;  /* of the listeners that speak it; not the writer's */
    struct control_sockets control;
    char *ring_path;
    int lock_fd; /* the data directory's lock; held until the last child is gone; -1: none */
    uint64_t store_id;
    uint64_t descriptors_max; /* of each process: RLIMIT_NOFILE */
    pid_t master_pid;
};

/*
 * Directories, lock, certificates, listening sockets, then the change of user, then control sockets,
 * store id, ring and counts.
 * 0, or -errno, said; -ENOKEY as listeners_open: it would be the same the next time.
 */
int heritage_open(const struct config *config, struct model *model, struct heritage *ret_heritage);
/* Takes one that heritage_open left half-built. The ring's file stays. */
void heritage_close(struct heritage *heritage);
/* Opens the ring anew: its lock is lost. The records stay; the writer recovers them. */
int heritage_renew_bus(struct heritage *heritage);

#endif
