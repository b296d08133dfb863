#include "tests/unit/failing_calls.h"

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>

#include "bus/check.h"

enum {
    CALLS_MAX = 10 * 1000, /* more than any scenario makes */
};

static int until_failure; /* 0: none */

static bool fails(void)
{
    return until_failure > 0 && --until_failure == 0;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
ssize_t __real_getrandom(void *out, size_t bytes, unsigned flags);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
ssize_t __wrap_getrandom(void *out, size_t bytes, unsigned flags);

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __real_realloc(memory, bytes);
}

ssize_t __wrap_getrandom(void *out, size_t bytes, unsigned flags)
{
    if (fails()) {
        errno = EAGAIN;
        return -1;
    }
    return __real_getrandom(out, bytes, flags);
}

void failing_calls_arm(int n)
{
    CHECK(n > 0);
    CHECK(n < CALLS_MAX);
    until_failure = n;
}

bool failing_calls_disarm(void)
{
    bool has_failed = until_failure == 0;

    until_failure = 0;
    return has_failed;
}
