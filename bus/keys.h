/*
 * bus/keys.h - secret keys that the master makes anew now and then and all workers use.
 *
 * What for Session tickets of TLS: whichever worker a client comes back to can open what another has
 *          sealed, also after that one's death. Nobody stores anything.
 * Shape    An anonymous shared mapping with KEYS_PLACES places. Generation g (the first is 1) stands in
 *          place g % KEYS_PLACES. The newest key seals; it and the KEYS_OLD before it open. The one
 *          place more is where the next will be written, so that nobody waits for that: readers copy,
 *          and look whether the generation has changed meanwhile. What is too old is wiped.
 * Callers  keys_open, keys_renew: master (keys_open before the first fork). keys_newest, keys_find:
 *          workers, at any time; they never block.
 * Memory   keys_open allocates, keys_close frees and unmaps. The pages are left out of core dumps; a
 *          caller wipes its copies.
 * Crashes  the mapping lives as long as the master. One that dies while it writes takes all with it.
 */
#ifndef BUS_KEYS_H
#define BUS_KEYS_H

#include <stdbool.h>
#include <stdint.h>

struct keys;

enum {
    KEY_NAME_BYTES = 16,
    KEY_SECRET_BYTES = 64,
    KEYS_OLD = 2,
    KEYS_PLACES = KEYS_OLD + 2,
};

struct key {
    uint8_t name[KEY_NAME_BYTES]; /* random too; not secret */
    uint8_t secret[KEY_SECRET_BYTES];
};

/* With a first key. 0 or -errno. */
int keys_open(struct keys **ret_keys);
void keys_close(struct keys *keys);
/* A new newest one; the oldest is forgotten. 0, or -errno: nothing has changed. */
int keys_renew(struct keys *keys);

/* False: it was renewed again and again while we looked. */
bool keys_newest(const struct keys *keys, struct key *ret_key);
/* The one of this name, unless it has been forgotten, or never was. */
bool keys_find(const struct keys *keys, const uint8_t name[KEY_NAME_BYTES], struct key *ret_key,
               bool *ret_is_newest);

#endif
