/*
 * What is done at the named points (bus/test_point.h) of sluice-points, the server that death_points.mjs
 * tests. SLUICE_POINTS says it:
 *
 *   list                                   prints every point and who passes it, a JSON object a line
 *   NAME:ROLE:PASS:ACTION,NAME:ROLE:…      when ROLE passes NAME for the PASS-th time; then the next one
 *
 * ROLE is master, writer or worker. A pass is counted in all processes of that role together, from the
 * moment at which the plan has come to it. ACTION: `die` is the process's kill -9 of itself, `stop` its
 * SIGSTOP, `all` the kill -9 of all processes in one system call; after `pass` the next one may come. Each
 * is said on standard error, before:
 *
 *   test point NAME: ACTION, pid PID
 *
 * A wrong plan ends the process with status 99, before it does anything.
 */
#include "bus/test_point.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bus/role.h"

enum {
    FATES_MAX = 8,
    NAME_BYTES = 40,
    LINE_BYTES = 128,
    EXIT_WRONG = 99,
};

enum action {
    ACTION_DIE,
    ACTION_STOP,
    ACTION_ALL,
    ACTION_PASS,
    ACTION_COUNT,
};

/* What is to happen, and where. */
struct fate {
    enum test_point point;
    enum role role;
    unsigned long pass;
    enum action action;
};

/* Of the whole family, mapped before the first fork. */
struct progress {
    _Atomic unsigned place; /* of the fate that is next */
    _Atomic unsigned long passes[FATES_MAX];
};

static const struct {
    const char *name;
    unsigned roles;
} points[TEST_POINT_COUNT] = {
#define POINT_ROW(name, roles) {#name, roles},
    TEST_POINTS(POINT_ROW)
#undef POINT_ROW
};

static const struct {
    const char *name;
    enum role role;
} roles[] = {{"master", ROLE_MASTER}, {"writer", ROLE_WRITER}, {"worker", ROLE_WORKER}};

static const char *const actions[ACTION_COUNT] = {"die", "stop", "all", "pass"};

static struct fate fates[FATES_MAX];
static unsigned fate_count;
static struct progress *progress;

/* --- at a point --------------------------------------------------------------------------------- */

static void meet(const struct fate *fate)
{
    char line[LINE_BYTES];
    int bytes = snprintf(line, sizeof line, "test point %s: %s, pid %d\n", points[fate->point].name,
                         actions[fate->action], (int)getpid());

    if (write(STDERR_FILENO, line, (size_t)bytes) != bytes)
        _exit(EXIT_WRONG); /* the test waits for it: better it sees another end than none */
    switch (fate->action) {
    case ACTION_DIE:
        (void)kill(getpid(), SIGKILL);
        break;
    case ACTION_STOP:
        (void)kill(getpid(), SIGSTOP); /* comes back when it is continued */
        break;
    case ACTION_ALL:
        (void)kill(0, SIGKILL); /* the group is ours alone: begin() */
        break;
    case ACTION_PASS:
    case ACTION_COUNT:
        break;
    }
}

static void on_point(enum test_point point)
{
    const unsigned place = atomic_load(&progress->place);
    const struct fate *fate = &fates[place];

    if (place == fate_count || point != fate->point || role_get() != fate->role)
        return;
    /* Several may pass at once: one of them is the one. */
    if (atomic_fetch_add(&progress->passes[place], 1) + 1 != fate->pass)
        return;
    atomic_store(&progress->place, place + 1);
    meet(fate);
}

/* --- inside LMDB's commits ---------------------------------------------------------------------- */

/*
 * These come before the C library's: LMDB's system calls are seen. It knows no other pwrite than this one,
 * while large file support gives the name in a source of ours to another.
 */
ssize_t pwrite_of_lmdb(int fd, const void *bytes, size_t count, off_t offset) __asm__("pwrite");

static void *next_of(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);

    if (next == NULL)
        _exit(EXIT_WRONG);
    return next;
}

ssize_t pwrite_of_lmdb(int fd, const void *bytes, size_t count, off_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off_t);
    void *found = next_of("pwrite");
    ssize_t written;

    memcpy(&next, &found, sizeof next);
    written = next(fd, bytes, count, offset);
    TEST_POINT(COMMIT_WRITTEN);
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t (*next)(int, const struct iovec *, int);
    void *found = next_of("writev");
    ssize_t written;

    memcpy(&next, &found, sizeof next);
    written = next(fd, parts, count);
    TEST_POINT(COMMIT_WRITTEN);
    return written;
}

int fdatasync(int fd)
{
    int (*next)(int);
    void *found = next_of("fdatasync");
    int rc;

    memcpy(&next, &found, sizeof next);
    rc = next(fd);
    TEST_POINT(COMMIT_SYNCED);
    return rc;
}

/* --- the plan ----------------------------------------------------------------------------------- */

static _Noreturn void list(void)
{
    for (size_t i = 0; i < TEST_POINT_COUNT; i++) {
        const char *comma = "";

        (void)printf("{\"name\":\"%s\",\"roles\":[", points[i].name);
        for (size_t r = 0; r < sizeof roles / sizeof roles[0]; r++) {
            if ((points[i].roles & (unsigned)roles[r].role) == 0)
                continue;
            (void)printf("%s\"%s\"", comma, roles[r].name);
            comma = ",";
        }
        (void)printf("]}\n");
    }
    _exit(fflush(stdout) == 0 ? 0 : EXIT_WRONG);
}

static _Noreturn void wrong(const char *text)
{
    (void)fprintf(stderr, "SLUICE_POINTS: what is \"%s\"?\n", text);
    _exit(EXIT_WRONG);
}

static struct fate fate_read(const char *text)
{
    char name[NAME_BYTES];
    char role[NAME_BYTES];
    char pass[NAME_BYTES];
    char action[NAME_BYTES];
    char *end;
    struct fate fate = {.point = TEST_POINT_COUNT, .role = ROLE_NONE, .action = ACTION_COUNT};

    if (sscanf(text, "%39[^:]:%39[^:]:%39[^:]:%39s", name, role, pass, action) != 4)
        wrong(text);
    fate.pass = strtoul(pass, &end, 10);
    if (end == pass || *end != '\0')
        wrong(text);
    for (unsigned i = 0; i < TEST_POINT_COUNT; i++) {
        if (strcmp(points[i].name, name) == 0)
            fate.point = (enum test_point)i;
    }
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(roles[i].name, role) == 0)
            fate.role = roles[i].role;
    }
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (strcmp(actions[i], action) == 0)
            fate.action = (enum action)i;
    }
    if (fate.point == TEST_POINT_COUNT || fate.role == ROLE_NONE || fate.action == ACTION_COUNT ||
        fate.pass == 0)
        wrong(text);
    return fate;
}

/* Before main: no process has been forked, and no file opened. */
__attribute__((constructor)) static void begin(void)
{
    const char *plan = getenv("SLUICE_POINTS");
    char text[FATES_MAX * LINE_BYTES];
    char *rest = text;
    char *one;

    if (plan == NULL)
        return;
    if (strcmp(plan, "list") == 0)
        list();
    if (strlen(plan) >= sizeof text)
        wrong(plan);
    memcpy(text, plan, strlen(plan) + 1);
    while ((one = strsep(&rest, ",")) != NULL) {
        if (fate_count == FATES_MAX)
            wrong(one);
        fates[fate_count++] = fate_read(one);
    }
    progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED || setpgid(0, 0) != 0)
        wrong(plan);
    (void)unsetenv("SLUICE_POINTS"); /* no option of the server's: it would warn */
    test_point_set_hook(on_point);
}
