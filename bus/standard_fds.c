#include "bus/standard_fds.h"

#include <errno.h>
#include <fcntl.h>

#include "bus/check.h"

int standard_fds_fill(void)
{
    /* Input and output the wrong way round: who uses one that was closed has to notice. */
    static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

    for (int fd = 0; fd < (int)(sizeof modes / sizeof modes[0]); fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int opened = open("/dev/null", modes[fd]); /* inherited, as the others are */
        if (opened < 0)
            return -errno;
        CHECK(opened == fd); /* the lowest that is free, and those below it are open */
    }
    return 0;
}
