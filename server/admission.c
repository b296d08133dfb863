#include "server/admission.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "bus/hash_counts.h"
#include "bus/stats.h"

enum {
    IPV4_BYTES = 4,
    IPV4_MAPPED_AT = 12, /* in an IPv6 address: ::ffff:a.b.c.d */
    IPV6_PREFIX_BYTES = 8,
};

/* False: it has no address that anybody else could have, too. */
static bool hash_address(const struct admissions *admissions,
                         const struct sockaddr_storage *address, uint64_t *ret_hash)
{
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;
    const void *bytes = in6->sin6_addr.s6_addr;
    size_t size = IPV6_PREFIX_BYTES;

    if (address->ss_family == AF_INET) {
        bytes = &in->sin_addr;
        size = IPV4_BYTES;
    } else if (address->ss_family != AF_INET6) {
        return false;
    } else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        bytes = in6->sin6_addr.s6_addr + IPV4_MAPPED_AT;
        size = IPV4_BYTES;
    }
    *ret_hash = hash_bytes(admissions->hash_seed, bytes, size);
    return *ret_hash != 0; /* which is no ticket */
}

void admission_set_descriptors(struct admissions *admissions, uint64_t max, uint64_t used)
{
    uint64_t free_count =
        max > used + ADMISSION_SPARE_DESCRIPTORS + 1 ? max - used - ADMISSION_SPARE_DESCRIPTORS : 1;

    /* With few of them, most are for those who are admitted. */
    admissions->refused_max = free_count / 4;
    if (admissions->refused_max > ADMISSION_REFUSED_MAX)
        admissions->refused_max = ADMISSION_REFUSED_MAX;
    admissions->own_max = free_count - admissions->refused_max;
}

static void count_connection(struct admissions *admissions, int delta)
{
    stat_add(admissions->bus, admissions->slot, STAT_CONNECTIONS, delta);
}

static void uncount_address(struct admissions *admissions, uint64_t hash)
{
    bool was_counted = hash_counts_add(admissions->addresses, admissions->slot, hash, -1);

    CHECK(was_counted);
}

/* What a newcomer who has been counted among all is: the address's turn. */
static enum admission judge_address(struct admissions *admissions,
                                    const struct sockaddr_storage *address, uint64_t *ret_hash)
{
    /* Counted without a limit, too: a reload may set one. */
    if (!hash_address(admissions, address, ret_hash) ||
        !hash_counts_add(admissions->addresses, admissions->slot, *ret_hash, 1))
        return ADMISSION_ADMITTED;
    if (admissions->per_address_max == 0 ||
        hash_counts_sum(admissions->addresses, admissions->bus, *ret_hash) <=
            admissions->per_address_max)
        return ADMISSION_COUNTED;
    uncount_address(admissions, *ret_hash);
    return ADMISSION_OVER_ADDRESS;
}

static enum admission judge_newcomer(struct admissions *admissions,
                                     const struct sockaddr_storage *address)
{
    enum admission verdict = ADMISSION_OVER_ALL;
    uint64_t hash;

    count_connection(admissions, 1);
    if (stat_get(admissions->bus, admissions->slot, STAT_CONNECTIONS) <= admissions->own_max &&
        stat_sum(admissions->bus, STAT_CONNECTIONS) <= admissions->connections_max)
        verdict = judge_address(admissions, address, &hash);
    if (admission_reason(verdict) != NULL)
        count_connection(admissions, -1);
    return verdict;
}

enum admission admission_judge(struct admissions *admissions,
                               const struct sockaddr_storage *address)
{
    enum admission verdict = judge_newcomer(admissions, address);

    stat_add(admissions->bus, admissions->slot, STAT_ACCEPTED, 1);
    if (admission_reason(verdict) == NULL)
        return verdict;
    if (admissions->refused_count >= admissions->refused_max) {
        stat_add(admissions->bus, admissions->slot, STAT_REFUSED, 1);
        return ADMISSION_TURNED_OFF;
    }
    admissions->refused_count++; /* STAT_REFUSED: when it is told */
    return verdict;
}

void admission_end(struct admissions *admissions, enum admission verdict,
                   const struct sockaddr_storage *address)
{
    uint64_t hash;
    bool has_hash;

    switch (verdict) {
    case ADMISSION_TURNED_OFF:
        break;
    case ADMISSION_COUNTED:
        has_hash = hash_address(admissions, address, &hash);
        CHECK(has_hash);
        uncount_address(admissions, hash);
        count_connection(admissions, -1);
        break;
    case ADMISSION_ADMITTED:
        count_connection(admissions, -1);
        break;
    case ADMISSION_OVER_ALL:
    case ADMISSION_OVER_ADDRESS:
        CHECK(admissions->refused_count > 0);
        admissions->refused_count--;
        break;
    }
}

enum admission admission_move(struct admissions *admissions, enum admission verdict,
                              const struct sockaddr_storage *before,
                              const struct sockaddr_storage *after)
{
    admission_end(admissions, verdict, before);
    verdict = judge_newcomer(admissions, after);
    if (admission_reason(verdict) != NULL)
        admissions->refused_count++; /* whatever refused_max says: it is open already */
    return verdict;
}

enum admission admission_judge_stream(struct admissions *admissions,
                                      const struct sockaddr_storage *address, uint64_t *ret_ticket)
{
    uint64_t hash = 0;
    enum admission verdict = judge_address(admissions, address, &hash);

    *ret_ticket = verdict == ADMISSION_COUNTED ? hash : 0;
    return verdict;
}

void admission_end_stream(struct admissions *admissions, uint64_t ticket)
{
    uncount_address(admissions, ticket);
}

const char *admission_reason(enum admission verdict)
{
    switch (verdict) {
    case ADMISSION_OVER_ALL:
        return "too many connections";
    case ADMISSION_OVER_ADDRESS:
        return "too many connections from this address";
    case ADMISSION_TURNED_OFF:
    case ADMISSION_ADMITTED:
    case ADMISSION_COUNTED:
        break;
    }
    return NULL;
}
