#include "server/process_stats.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/stats.h"
#include "server/clock.h"

enum {
    STATM_BYTES_MAX = 128, /* seven numbers */
    US_NS = 1000,
};

static uint64_t timeval_ns(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * CLOCK_SECOND_NS + (uint64_t)time->tv_usec * US_NS;
}

static void look_at_processor(struct process_stats *stats, struct bus *bus, unsigned slot)
{
    struct rusage usage;
    uint64_t cpu_ns;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    cpu_ns = timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
    if (cpu_ns <= stats->cpu_ns)
        return; /* the kernel's two sums need not grow together */
    stat_add(bus, slot, STAT_CPU_NS, (int64_t)(cpu_ns - stats->cpu_ns));
    stats->cpu_ns = cpu_ns;
}

/* The second number of statm, in bytes; 0: it cannot be read. */
static uint64_t resident_bytes(int fd)
{
    char text[STATM_BYTES_MAX];
    ssize_t size =
        pread(fd, text, sizeof text - 1, 0); /* from the beginning: made anew each time */
    const char *pages;

    if (size <= 0)
        return 0;
    text[size] = '\0';
    pages = strchr(text, ' ');
    return pages == NULL ? 0 : strtoull(pages, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void process_stats_turn(struct process_stats *stats, struct bus *bus, unsigned slot, int64_t now_ns)
{
    if (now_ns < stats->due_ns)
        return;
    stats->due_ns = now_ns + CLOCK_SECOND_NS;
    if (!stats->has_looked)
        stats->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    stats->has_looked = true;
    look_at_processor(stats, bus, slot);
    if (stats->statm_fd >= 0)
        stat_set(bus, slot, STAT_RSS_BYTES, resident_bytes(stats->statm_fd));
}

void process_stats_done(struct process_stats *stats)
{
    if (stats->has_looked && stats->statm_fd >= 0)
        (void)close(stats->statm_fd); /* it was only read */
    *stats = (struct process_stats){0};
}
