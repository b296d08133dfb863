#include "tools/sluice-bench/measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* /proc/PID/NAME as text, cut at @room. */
static int proc_read(pid_t pid, const char *name, char *text, size_t room)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t got = read(fd, text, room - 1);
    int rc = got < 0 ? -errno : 0;
    (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    return rc;
}

/* What follows the command's name in /proc/PID/stat: the name may hold anything, ')' too. */
static const char *stat_fields(const char *stat)
{
    const char *end = strrchr(stat, ')');
    return end != NULL ? end + 1 : NULL;
}

static pid_t parent_of(pid_t pid)
{
    char stat[1024];
    int parent;

    if (proc_read(pid, "stat", stat, sizeof stat) < 0)
        return -1; /* gone meanwhile: nobody's child */
    const char *fields = stat_fields(stat);
    if (fields == NULL || strlen(fields) < 3)
        return -1;
    parent = (int)strtol(fields + 3, NULL, 10); /* " S 123 ..." */
    return (pid_t)parent;
}

static bool is_among(pid_t pid, const pid_t *pids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pids[i] == pid)
            return true;
    }
    return false;
}

/* Appends the children of the first @count of @pids. */
static int children_add(pid_t *pids, uint32_t *count)
{
    uint32_t parent_count = *count;
    struct dirent *entry;
    int rc = 0;

    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return -errno;
    while ((entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || is_among(pid, pids, *count))
            continue;
        if (!is_among(parent_of(pid), pids, parent_count))
            continue;
        if (*count == MEASURE_PROCESSES_MAX) {
            rc = -E2BIG;
            break;
        }
        pids[(*count)++] = pid;
    }
    (void)closedir(proc);
    return rc;
}

static int processes_list(const pid_t *pids, uint32_t pid_count, bool with_children, pid_t *all,
                          uint32_t *ret_count)
{
    if (pid_count > MEASURE_PROCESSES_MAX)
        return -E2BIG;
    memcpy(all, pids, pid_count * sizeof pids[0]);
    *ret_count = pid_count;
    return with_children ? children_add(all, ret_count) : 0;
}

static int cpu_ns(pid_t pid, uint64_t *ret_ns)
{
    char text[1024];

    int rc = proc_read(pid, "schedstat", text, sizeof text);
    if (rc == 0 && text[0] != '\0') {
        *ret_ns = strtoull(text, NULL, 10);
        return 0;
    }

    rc = proc_read(pid, "stat", text, sizeof text);
    if (rc < 0)
        return rc;
    const char *field = stat_fields(text);
    /* The fields after the name are 3, 4 ...; utime is 14, stime 15. */
    for (int number = 3; field != NULL && number <= 14; number++)
        field = strchr(field + 1, ' ');
    if (field == NULL)
        return -EIO;
    char *rest;
    uint64_t ticks = strtoull(field, &rest, 10);
    ticks += strtoull(rest, NULL, 10);
    *ret_ns = ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
    return 0;
}

int measure_cpu_sample(const pid_t *pids, uint32_t pid_count, bool with_children,
                       struct measure_cpu *ret_sample)
{
    pid_t all[MEASURE_PROCESSES_MAX];
    uint32_t count;

    int rc = processes_list(pids, pid_count, with_children, all, &count);
    if (rc < 0)
        return rc;
    ret_sample->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t ns;
        rc = cpu_ns(all[i], &ns);
        if (rc < 0 && i >= pid_count)
            continue; /* a child that has ended since it was listed */
        if (rc < 0)
            return rc;
        ret_sample->processes[ret_sample->count].pid = all[i];
        ret_sample->processes[ret_sample->count].cpu_ns = ns;
        ret_sample->count++;
    }
    return 0;
}

uint64_t measure_cpu_between_ns(const struct measure_cpu *before, const struct measure_cpu *after)
{
    uint64_t sum_ns = 0;

    for (uint32_t i = 0; i < after->count; i++) {
        uint64_t from_ns = 0;
        for (uint32_t k = 0; k < before->count; k++) {
            if (before->processes[k].pid == after->processes[i].pid)
                from_ns = before->processes[k].cpu_ns;
        }
        if (after->processes[i].cpu_ns > from_ns)
            sum_ns += after->processes[i].cpu_ns - from_ns;
    }
    return sum_ns;
}

int measure_memory_sample(const pid_t *pids, uint32_t pid_count, bool with_children,
                          uint64_t *ret_bytes)
{
    static const char name[] = "\nPss:";
    pid_t all[MEASURE_PROCESSES_MAX];
    uint32_t count;
    uint64_t sum = 0;

    int rc = processes_list(pids, pid_count, with_children, all, &count);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        char text[4096];
        rc = proc_read(all[i], "smaps_rollup", text, sizeof text);
        if (rc < 0 && i >= pid_count)
            continue;
        if (rc < 0)
            return rc;
        const char *line = strstr(text, name);
        if (line != NULL)
            sum += strtoull(line + sizeof name - 1, NULL, 10) * 1024;
    }
    *ret_bytes = sum;
    return 0;
}
