/*
 * server/admission.h - who may connect: so many in all, so many of one address, so many as this
 * process has descriptors for.
 *
 * Shape    every accepted connection gets a verdict, which its end gives back (admission_end): what
 *          was counted is what is taken back, whatever a reload has changed meanwhile. Those who
 *          are refused are not counted among the connections: a flood of them takes no place.
 * Address  one is an IPv4 address (also one mapped into IPv6), or the /64 of an IPv6 one: that is
 *          what one customer gets. Unix sockets have none.
 * Counts   of all workers: STAT_CONNECTIONS, and bus/hash_counts by the address's hash. Both are
 *          raised before the sum is looked at: at most as many as the limit are ever admitted; of
 *          two that come at once for the last place both may be refused.
 * Streams  a WebSocket or an event stream on HTTP/2 is one more of its client's address, beside the
 *          connection; it takes no descriptor and is none of the connections.
 * Limits   at most refused_max refused connections are open at a time, to be told why; more are
 *          closed without a word. An address that hash_counts cannot count is not limited.
 * Crashes  the master clears both counts of a dead worker.
 * Callers  accept.c, one struct per worker.
 */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <stdint.h>
#include <sys/socket.h>

struct bus;
struct hash_counts;

enum {
    /* Who is one too many is still told so, if not more than these are being told. */
    ADMISSION_REFUSED_MAX = 64,
    /* Left free for what a process opens now and then. */
    ADMISSION_SPARE_DESCRIPTORS = 8,
};

enum admission {
    ADMISSION_TURNED_OFF, /* closed at once; nothing to give back */
    ADMISSION_ADMITTED,
    ADMISSION_COUNTED,      /* admitted, and among the connections of its address */
    ADMISSION_OVER_ALL,     /* refused: accepted, told so in its protocol, closed */
    ADMISSION_OVER_ADDRESS, /* likewise */
};

struct admissions {
    struct bus *bus;
    struct hash_counts *addresses;
    uint64_t hash_seed;
    unsigned slot;
    uint64_t connections_max; /* of the whole server; a reload may change it, as the next */
    uint64_t per_address_max; /* 0: no limit */
    uint64_t own_max;         /* of this process: its descriptors */
    uint64_t refused_max;

    /* admission.c's own; zero at first. */
    uint64_t refused_count; /* open now */
};

/* Sets own_max and refused_max for a process that may open @max descriptors and has @used. */
void admission_set_descriptors(struct admissions *admissions, uint64_t max, uint64_t used);

/* The verdict on a newcomer, who counts from now on. */
enum admission admission_judge(struct admissions *admissions,
                               const struct sockaddr_storage *address);
/*
 * It turns out to be another address's (a proxy says so) than the one for which it got @verdict: the new verdict.
 */
enum admission admission_move(struct admissions *admissions, enum admission verdict,
                              const struct sockaddr_storage *before,
                              const struct sockaddr_storage *after);
/* The connection has been closed. */
void admission_end(struct admissions *admissions, enum admission verdict,
                   const struct sockaddr_storage *address);
/*
 * The verdict on a stream of HTTP/2 that will last: admitted, counted or over its address; who is refused has
 * nothing to give back. *ret_ticket: for admission_end_stream; 0: it is not counted.
 */
enum admission admission_judge_stream(struct admissions *admissions,
                                      const struct sockaddr_storage *address, uint64_t *ret_ticket);
void admission_end_stream(struct admissions *admissions, uint64_t ticket);
/* Why it is refused, in words; NULL: it is not. */
const char *admission_reason(enum admission verdict);

#endif
