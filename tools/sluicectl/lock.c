#include "tools/sluicectl/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define PID_TEXT_BYTES 16

enum lock_state lock_look(const char *data_path, long *ret_pid)
{
    char name[4096 + sizeof "/lock"];
    char text[PID_TEXT_BYTES] = "";
    enum lock_state state = LOCK_UNKNOWN;

    (void)snprintf(name, sizeof name, "%s/lock", data_path); /* data_dir.h: it fits */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? LOCK_FREE : LOCK_UNKNOWN;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        state = LOCK_FREE;
    } else if (errno == EWOULDBLOCK) {
        state = LOCK_HELD;
        *ret_pid = pread(fd, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    }
    (void)close(fd); /* and with it the lock */
    return state;
}
