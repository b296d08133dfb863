#include "tests/unit/faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"

enum {
    RUNS_MAX = 3000, /* so that a test which never gets through fails */
    DESCRIPTORS_MAX = 1024,
};

/* Shared with children: what fails there is asked for here. */
struct state {
    int left; /* calls until the one that fails; 0: none fails */
    int turn; /* of the errors that it can have */
    bool is_hit;
    bool is_death; /* it ends the process instead */
    bool is_of_children;
    pid_t owner;
    int error;
    char name[32];
};

static struct state *shared; /* NULL: nothing was ever armed */
static int current_round;

static struct state *state(void)
{
    if (shared == NULL) {
        shared =
            mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(shared != MAP_FAILED);
    }
    return shared;
}

/* The error with which this call fails, one of @errors, or 0. */
static int fault_here(const char *name, const int *errors)
{
    int count = 0;

    if (shared == NULL || shared->left == 0)
        return 0;
    if ((getpid() != shared->owner) != shared->is_of_children)
        return 0;
    if (--shared->left > 0)
        return 0;
    if (shared->is_death)
        _exit(9);
    while (errors[count] != 0)
        count++;
    shared->is_hit = true;
    shared->error = errors[shared->turn % count];
    (void)snprintf(shared->name, sizeof shared->name, "%s", name);
    return shared->error;
}

/* --- what the linker puts between --------------------------------------------------------------- */

/* clang-format off */
#define WRAP(result, name, parameters, arguments, failure, ...)                                    \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        int error = fault_here(#name, (const int[]){__VA_ARGS__, 0});                              \
                                                                                                   \
        if (error != 0) {                                                                          \
            errno = error;                                                                         \
            return failure;                                                                        \
        }                                                                                          \
        return __real_##name arguments;                                                            \
    }

/* Those that return what went wrong. */
#define WRAP_CODE(name, parameters, arguments, ...) WRAP(int, name, parameters, arguments, error, __VA_ARGS__)

WRAP(void *, malloc, (size_t bytes), (bytes), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t bytes), (count, bytes), NULL, ENOMEM)
WRAP(char *, strdup, (const char *text), (text), NULL, ENOMEM)

WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1, EACCES, ENOSPC, EROFS)
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), -1, EACCES, ENOSPC)
WRAP(char *, mkdtemp, (char *path), (path), NULL, EACCES, ENOSPC)
WRAP(int, rmdir, (const char *path), (path), -1, EACCES)
WRAP(int, unlink, (const char *path), (path), -1, EACCES, EIO)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1, EACCES, EIO)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1, EACCES, ENOSPC, EIO)
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), -1, EACCES, ENOSPC, EIO)
WRAP(DIR *, opendir, (const char *path), (path), NULL, EACCES, EMFILE, ENOMEM)
WRAP(struct dirent64 *, readdir64, (DIR *dir), (dir), NULL, EIO)
WRAP(int, faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags), -1, EACCES, EIO)
WRAP(int, stat64, (const char *path, struct stat64 *status), (path, status), -1, EACCES, EIO)
WRAP(int, fstat64, (int fd, struct stat64 *status), (fd, status), -1, EIO, ENOMEM)
WRAP(int, fstatat64, (int fd, const char *path, struct stat64 *status, int flags), (fd, path, status, flags), -1, EACCES, EIO)
WRAP(int, fstatvfs64, (int fd, struct statvfs64 *status), (fd, status), -1, EIO)
WRAP(int, fsync, (int fd), (fd), -1, EIO, ENOSPC, EDQUOT)
WRAP(int, ftruncate64, (int fd, off64_t length), (fd, length), -1, EIO, EPERM)
WRAP(int, posix_fallocate64, (int fd, off64_t at, off64_t bytes), (fd, at, bytes), error, ENOSPC, EIO, EINTR)
WRAP(int, fallocate64, (int fd, int mode, off64_t at, off64_t bytes), (fd, mode, at, bytes), -1, ENOSPC, EIO, EINTR, EOPNOTSUPP)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1, EPERM, EIO)
WRAP(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), -1, EPERM, EIO)
WRAP(int, flock, (int fd, int operation), (fd, operation), -1, ENOLCK, EINTR)
WRAP(off64_t, lseek64, (int fd, off64_t at, int whence), (fd, at, whence), -1, EIO)
WRAP(ssize_t, write, (int fd, const void *data, size_t bytes), (fd, data, bytes), -1, EIO, ENOSPC, EINTR)
WRAP(ssize_t, read, (int fd, void *data, size_t bytes), (fd, data, bytes), -1, EIO, EINTR)
WRAP(ssize_t, pread64, (int fd, void *data, size_t bytes, off64_t at), (fd, data, bytes, at), -1, EIO)
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t bytes, off64_t at), (fd, data, bytes, at), -1, EIO, ENOSPC)
WRAP(ssize_t, getrandom, (void *data, size_t bytes, unsigned flags), (data, bytes, flags), -1, ENOSYS, EAGAIN)

// NOLINTNEXTLINE(readability-function-size): the system says what it is called with
WRAP(void *, mmap64, (void *at, size_t bytes, int protection, int flags, int fd, off64_t offset), (at, bytes, protection, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(int, madvise, (void *at, size_t bytes, int advice), (at, bytes, advice), -1, EAGAIN, EIO)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, EMFILE, ENOMEM)
WRAP(int, eventfd, (unsigned count, int flags), (count, flags), -1, EMFILE, ENOMEM, ENFILE)
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags), -1, EMFILE, ENFILE)
WRAP(int, poll, (struct pollfd *fds, nfds_t count, int ms), (fds, count, ms), -1, EINTR, ENOMEM)
WRAP(pid_t, fork, (void), (), -1, EAGAIN, ENOMEM)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1, EINTR)

WRAP_CODE(pthread_atfork, (void (*before)(void), void (*parent)(void), void (*child)(void)), (before, parent, child), ENOMEM)
WRAP_CODE(pthread_mutexattr_init, (pthread_mutexattr_t *attributes), (attributes), ENOMEM)
WRAP_CODE(pthread_mutexattr_setpshared, (pthread_mutexattr_t *attributes, int is), (attributes, is), ENOTSUP)
WRAP_CODE(pthread_mutexattr_setrobust, (pthread_mutexattr_t *attributes, int is), (attributes, is), ENOTSUP)
WRAP_CODE(pthread_mutex_init, (pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes), (mutex, attributes), ENOMEM, EAGAIN)

WRAP_CODE(mdb_env_create, (MDB_env **env), (env), ENOMEM)
WRAP_CODE(mdb_env_open, (MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode), (env, path, flags, mode), EIO, EACCES, EMFILE, MDB_INVALID)
WRAP_CODE(mdb_env_copyfd2, (MDB_env *env, int fd, unsigned flags), (env, fd, flags), EIO, ENOSPC, ENOMEM)
WRAP_CODE(mdb_env_sync, (MDB_env *env, int is_forced), (env, is_forced), EIO)
WRAP_CODE(mdb_env_info, (MDB_env *env, MDB_envinfo *info), (env, info), EIO)
WRAP_CODE(mdb_env_stat, (MDB_env *env, MDB_stat *stat), (env, stat), EIO)
WRAP_CODE(mdb_env_get_fd, (MDB_env *env, mdb_filehandle_t *fd), (env, fd), EIO)
WRAP_CODE(mdb_env_set_mapsize, (MDB_env *env, size_t bytes), (env, bytes), ENOMEM, EIO)
WRAP_CODE(mdb_env_set_maxdbs, (MDB_env *env, MDB_dbi count), (env, count), EIO)
WRAP_CODE(mdb_env_set_maxreaders, (MDB_env *env, unsigned count), (env, count), EIO)
WRAP_CODE(mdb_reader_check, (MDB_env *env, int *dead), (env, dead), EIO, ENOMEM)
WRAP_CODE(mdb_txn_begin, (MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn), (env, parent, flags, txn), EIO, ENOMEM, MDB_READERS_FULL, MDB_PANIC)
WRAP_CODE(mdb_txn_renew, (MDB_txn *txn), (txn), EIO, MDB_PANIC)
WRAP_CODE(mdb_dbi_open, (MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi), (txn, name, flags, dbi), EIO, ENOMEM, MDB_MAP_FULL)
WRAP_CODE(mdb_dbi_flags, (MDB_txn *txn, MDB_dbi dbi, unsigned *flags), (txn, dbi, flags), EIO)
WRAP_CODE(mdb_stat, (MDB_txn *txn, MDB_dbi dbi, MDB_stat *stat), (txn, dbi, stat), EIO, MDB_CORRUPTED)
WRAP_CODE(mdb_get, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data), EIO, MDB_CORRUPTED, MDB_PAGE_NOTFOUND)
WRAP_CODE(mdb_put, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags), (txn, dbi, key, data, flags), EIO, MDB_MAP_FULL, ENOMEM, MDB_TXN_FULL)
WRAP_CODE(mdb_del, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data), EIO, MDB_MAP_FULL, ENOMEM)
WRAP_CODE(mdb_cursor_open, (MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor), ENOMEM)
WRAP_CODE(mdb_cursor_renew, (MDB_txn *txn, MDB_cursor *cursor), (txn, cursor), EIO)
WRAP_CODE(mdb_cursor_get, (MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op), (cursor, key, data, op), EIO, MDB_CORRUPTED)
WRAP_CODE(mdb_cursor_del, (MDB_cursor *cursor, unsigned flags), (cursor, flags), EIO, MDB_MAP_FULL)
/* clang-format on */

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int error = fault_here("mdb_txn_commit", (const int[]){EIO, ENOSPC, MDB_MAP_FULL, ENOMEM, 0});

    if (error == 0)
        return __real_mdb_txn_commit(txn);
    mdb_txn_abort(txn); /* a commit that fails has ended its transaction */
    return error;
}

/* The mode is there when a file may be made. */
int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    int error = fault_here("open64", (const int[]){EACCES, EMFILE, ENFILE, EIO, 0});
    mode_t mode = 0;
    va_list arguments;

    if (error != 0) {
        errno = error;
        return -1;
    }
    va_start(arguments, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return __real_open64(path, flags, mode);
}

int __real_openat64(int fd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int fd, const char *path, int flags, ...);
int __wrap_openat64(int fd, const char *path, int flags, ...)
{
    int error = fault_here("openat64", (const int[]){EACCES, EMFILE, ENOSPC, EIO, 0});
    mode_t mode = 0;
    va_list arguments;

    if (error != 0) {
        errno = error;
        return -1;
    }
    va_start(arguments, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return __real_openat64(fd, path, flags, mode);
}

/* --- arming ------------------------------------------------------------------------------------- */

void faults_arm(int nth)
{
    *state() = (struct state){.left = nth, .turn = nth + current_round, .owner = getpid()};
}

void faults_arm_death(int nth)
{
    faults_arm(nth);
    shared->is_death = true;
}

void faults_arm_in_children(int nth)
{
    faults_arm(nth);
    shared->is_of_children = true;
}

bool faults_disarm(void)
{
    state()->left = 0;
    return shared->is_hit;
}

int faults_pause(void)
{
    int paused = state()->left;

    shared->left = 0;
    return paused;
}

void faults_resume(int paused)
{
    state()->left = paused;
}

const char *faults_name(void)
{
    return state()->name;
}

int faults_error(void)
{
    return state()->error;
}

/* --- running ------------------------------------------------------------------------------------ */

static int descriptors_count(void)
{
    int count = 0;

    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool is_listed(const char *names, const char *name)
{
    size_t bytes = strlen(name);
    const char *at = names;

    while (at != NULL && (at = strstr(at, name)) != NULL) {
        if ((at == names || at[-1] == ' ') && (at[bytes] == ' ' || at[bytes] == '\0'))
            return true;
        at += bytes;
    }
    return false;
}

/* What store_errno makes of it; errors of the system stay what they are. */
static int told_as(int error)
{
    switch (error) {
    case MDB_MAP_FULL:
    case EDQUOT:
        return -ENOSPC;
    case MDB_PANIC:
        return -EIO;
    case MDB_TXN_FULL:
        return -E2BIG;
    case MDB_READERS_FULL:
        return -EUSERS;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return -EBADMSG;
    default:
        return -error;
    }
}

/* In the system's words, or in ours. */
static bool is_explained(const char *text, int error)
{
    if (strstr(text, mdb_strerror(error)) != NULL)
        return true;
    if (error == ENOMEM)
        return strstr(text, "memory") != NULL;
    return error == ENOSPC && strstr(text, "room") != NULL;
}

static void judge(const struct faults_run *run, int nth, int rc)
{
    const char *text = run->error_text != NULL ? run->error_text() : NULL;

    bool is_to_be_met = shared->error == EINTR || shared->error == EOPNOTSUPP; /* by another way */

    if (rc == FAULTS_TOLD)
        return;
    if (rc == 0 && (is_to_be_met || is_listed(run->may_do_without, shared->name)))
        return;
    if (rc != told_as(shared->error))
        fail_msg("call %d, %s, fails with %d (%s): the operation returns %d, and says: %s", nth,
                 shared->name, shared->error, mdb_strerror(shared->error), rc, text);
    if (text != NULL && !is_explained(text, shared->error))
        fail_msg("call %d, %s, fails with `%s`: the operation says: %s", nth, shared->name,
                 mdb_strerror(shared->error), text);
}

/* In this process, or in those that it forks. */
static void run_calls(const struct faults_run *run, bool is_of_children)
{
    bool is_hit = true;
    int rc = 0;

    for (int nth = 1; is_hit; nth++) {
        int open_before = descriptors_count();

        assert_true(nth < RUNS_MAX);
        if (is_of_children)
            faults_arm_in_children(nth);
        else
            faults_arm(nth);
        rc = run->operation(run->user);
        is_hit = faults_disarm();
        if (is_hit)
            judge(run, nth, rc);
        if (descriptors_count() != open_before)
            fail_msg("call %d, %s: %d descriptors before, %d after", nth, shared->name, open_before,
                     descriptors_count());
        if (run->check != NULL)
            run->check(run->user, rc);
    }
    assert_int_equal(rc, 0);
}

void faults_run(const struct faults_run *run)
{
    run_calls(run, false);
    if (run->has_children)
        run_calls(run, true);
}

int faults_main(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;

    for (current_round = 0; current_round < FAULTS_ROUNDS; current_round++)
        failed += _cmocka_run_group_tests("faults", tests, count, NULL, NULL);
    return failed;
}
