#include "bus/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void check_failed(const char *what, const char *file, int line, const char *function)
{
    /* One dprintf: the text must not be lost in a buffer that abort() never flushes. */
    (void)dprintf(STDERR_FILENO, "sluice: check failed: %s (%s:%d, %s, pid %d)\n", what, file, line,
                  function, (int)getpid());
    abort();
}
