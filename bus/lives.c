#include "bus/lives.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "bus/check.h"
#include "bus/robust.h"
#include "bus/slots.h"

enum {
    BEGIN_S = 2, /* whoever asks holds it for an instant */
};

struct lives {
    pthread_mutex_t held[BUS_SLOT_COUNT];
};

int lives_open(struct lives **ret_lives)
{
    struct lives *lives =
        mmap(NULL, sizeof *lives, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (lives == MAP_FAILED)
        return -errno;
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        int rc = robust_mutex_init(&lives->held[slot]);

        if (rc != 0) {
            lives_close(lives);
            return rc;
        }
    }
    *ret_lives = lives;
    return 0;
}

void lives_close(struct lives *lives)
{
    if (lives != NULL)
        CHECK(munmap(lives, sizeof *lives) == 0);
}

/* A lock that came with its owner's death is one like any other from now on. */
static int settle(pthread_mutex_t *mutex, int error)
{
    if (error != EOWNERDEAD)
        return error;
    CHECK(pthread_mutex_consistent(mutex) == 0);
    return 0;
}

int lives_begin(struct lives *lives, unsigned slot)
{
    struct timespec until;
    int error;

    CHECK(slot < BUS_SLOT_COUNT);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += BEGIN_S;
    error = pthread_mutex_clocklock(&lives->held[slot], CLOCK_MONOTONIC, &until);
    return -settle(&lives->held[slot], error);
}

bool lives_has_ended(struct lives *lives, unsigned slot)
{
    pthread_mutex_t *mutex = &lives->held[slot];
    int error;

    CHECK(slot < BUS_SLOT_COUNT);
    error = settle(mutex, pthread_mutex_trylock(mutex));
    if (error == EBUSY)
        return false;
    CHECK(error == 0);
    CHECK(pthread_mutex_unlock(mutex) == 0);
    return true;
}
