#include "bus/keys.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "bus/check.h"

enum {
    KEY_WORDS = sizeof(struct key) / sizeof(uint64_t),
    TRIES_MAX = 4, /* hours lie between two renewals */
};

/* W: master. R: all. O: words are relaxed; what makes them one is the generation. */
struct place {
    _Atomic uint64_t words[KEY_WORDS];
};

struct shared {
    _Atomic uint64_t generation; /* of the newest. O: release, when its words are written */
    struct place places[KEYS_PLACES];
};

struct keys {
    struct shared *shared;
};

static_assert(sizeof(struct key) == KEY_WORDS * sizeof(uint64_t), "a key is copied in words");

static struct place *place_of(const struct keys *keys, uint64_t generation)
{
    return &keys->shared->places[generation % KEYS_PLACES];
}

static void write_place(struct place *place, const struct key *key)
{
    uint64_t words[KEY_WORDS];

    memcpy(words, key, sizeof words);
    for (int i = 0; i < KEY_WORDS; i++)
        atomic_store_explicit(&place->words[i], words[i], memory_order_relaxed);
    explicit_bzero(words, sizeof words);
}

static void read_place(struct place *place, struct key *ret_key)
{
    uint64_t words[KEY_WORDS] = {0};

    for (int i = 0; i < KEY_WORDS; i++)
        words[i] = atomic_load_explicit(&place->words[i], memory_order_relaxed);
    memcpy(ret_key, words, sizeof words);
    explicit_bzero(words, sizeof words);
}

int keys_open(struct keys **ret_keys)
{
    struct keys *keys = calloc(1, sizeof *keys);
    void *map;
    int rc;

    if (keys == NULL)
        return -ENOMEM;
    map =
        mmap(NULL, sizeof *keys->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        rc = -errno;
        free(keys);
        return rc;
    }
    (void)madvise(map, sizeof *keys->shared, MADV_DONTDUMP); /* a kernel without it dumps them */
    keys->shared = map;
    rc = keys_renew(keys);
    if (rc != 0) {
        keys_close(keys);
        return rc;
    }
    *ret_keys = keys;
    return 0;
}

void keys_close(struct keys *keys)
{
    if (keys == NULL)
        return;
    (void)munmap(keys->shared, sizeof *keys->shared);
    free(keys);
}

int keys_renew(struct keys *keys)
{
    static const struct key nothing;
    uint64_t newest = atomic_load_explicit(&keys->shared->generation, memory_order_relaxed);
    struct key key;

    if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key)
        return -errno; /* so few bytes come whole or not at all */
    write_place(place_of(keys, newest + 1), &key);
    explicit_bzero(&key, sizeof key);
    atomic_store_explicit(&keys->shared->generation, newest + 1, memory_order_release);
    /* Whoever still reads it as one of the old ones finds the generation changed. */
    atomic_thread_fence(memory_order_release);
    write_place(place_of(keys, newest + 2), &nothing);
    return 0;
}

/* The key of @generation, if @newest still is the newest when it has been copied. */
static bool copy_key(const struct keys *keys, uint64_t generation, uint64_t newest,
                     struct key *ret_key)
{
    read_place(place_of(keys, generation), ret_key);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&keys->shared->generation, memory_order_relaxed) == newest;
}

bool keys_newest(const struct keys *keys, struct key *ret_key)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        uint64_t newest = atomic_load_explicit(&keys->shared->generation, memory_order_acquire);

        if (copy_key(keys, newest, newest, ret_key))
            return true;
    }
    return false;
}

/* How many keys there are that open something. */
static uint64_t kept_count(uint64_t newest)
{
    return newest < KEYS_OLD + 1 ? newest : KEYS_OLD + 1;
}

bool keys_find(const struct keys *keys, const uint8_t name[KEY_NAME_BYTES], struct key *ret_key,
               bool *ret_is_newest)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        uint64_t newest = atomic_load_explicit(&keys->shared->generation, memory_order_acquire);
        bool is_stale = false;

        for (uint64_t age = 0; age < kept_count(newest) && !is_stale; age++) {
            is_stale = !copy_key(keys, newest - age, newest, ret_key);
            if (!is_stale && memcmp(ret_key->name, name, KEY_NAME_BYTES) == 0) {
                *ret_is_newest = age == 0;
                return true;
            }
        }
        if (!is_stale)
            break;
    }
    explicit_bzero(ret_key, sizeof *ret_key);
    return false;
}
