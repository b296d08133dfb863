/*
 * fdatasync_rate DIR [SECONDS]: how often a second a file in DIR can grow by 4 KiB and be made
 * safe, one after the other. What a server does that syncs each message for itself; the measure
 * for durable publishing. Prints one number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES     4096
#define SECONDS_DEFAULT 3
#define SECONDS_MAX     3600

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int rate_measure(int fd, double seconds, double *ret_rate)
{
    char block[BLOCK_BYTES];
    double start_s = now_s();
    double passed_s = 0;
    unsigned long count = 0;

    memset(block, 'x', sizeof block);
    while (passed_s < seconds) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            return errno != 0 ? -errno : -EIO;
        if (fdatasync(fd) < 0)
            return -errno;
        count++;
        passed_s = now_s() - start_s;
    }
    *ret_rate = (double)count / passed_s;
    return 0;
}

int main(int argc, char **argv)
{
    char path[4096];
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : SECONDS_DEFAULT;
    double rate = 0;

    if (argc < 2 || argc > 3 || seconds < 1 || seconds > SECONDS_MAX) {
        (void)fputs("Usage: fdatasync_rate DIR [SECONDS]\n", stderr);
        return 2;
    }
    int bytes = snprintf(path, sizeof path, "%s/fdatasync_rate.XXXXXX", argv[1]);
    int fd = bytes > 0 && (size_t)bytes < sizeof path ? mkostemp(path, O_APPEND | O_CLOEXEC) : -1;
    if (fd < 0) {
        perror("fdatasync_rate");
        return EXIT_FAILURE;
    }
    (void)unlink(path); /* the open file stays until the end, however that comes */

    int rc = rate_measure(fd, (double)seconds, &rate);
    (void)close(fd);
    if (rc < 0) {
        (void)fprintf(stderr, "fdatasync_rate: %s\n", strerror(-rc));
        return EXIT_FAILURE;
    }
    (void)printf("%.0f\n", rate);
    return EXIT_SUCCESS;
}
