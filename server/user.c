#include "server/user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"

enum {
    ENTRY_BYTES_MAX = 64 * 1024, /* of one user's line, wherever it comes from */
};

int user_find(const char *name, struct user *ret_user)
{
    struct user user = {0};
    struct passwd entry;
    struct passwd *found = NULL;
    char *buf;
    int error;

    if (name == NULL) {
        *ret_user = user;
        return 0;
    }
    if (strlen(name) >= sizeof user.name)
        return -ENOENT;
    buf = malloc(ENTRY_BYTES_MAX);
    if (buf == NULL)
        return -ENOMEM;
    error = getpwnam_r(name, &entry, buf, ENTRY_BYTES_MAX, &found);
    if (found != NULL) {
        user.uid = entry.pw_uid;
        user.gid = entry.pw_gid;
    }
    free(buf);
    if (found == NULL)
        return error == 0 ? -ENOENT : -error;
    user.is_changing = user.uid != geteuid();
    if (user.is_changing && geteuid() != 0)
        return -EPERM;
    memcpy(user.name, name, strlen(name) + 1);
    *ret_user = user;
    return 0;
}

int user_become(const struct user *user)
{
    if (!user->is_changing)
        return 0;
    if (initgroups(user->name, user->gid) != 0)
        return -errno;
    if (setresgid(user->gid, user->gid, user->gid) != 0)
        return -errno;
    if (setresuid(user->uid, user->uid, user->uid) != 0)
        return -errno;
    /* There must be no way back. */
    CHECK(setuid(0) != 0);
    return 0;
}

static int access_as_we_are(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : -errno;
}

int user_access(const struct user *user, const char *path, int mode)
{
    pid_t pid;
    int status;
    int rc;

    if (!user->is_changing)
        return access_as_we_are(path, mode);
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        rc = user_become(user);
        if (rc == 0)
            rc = access_as_we_are(path, mode);
        _exit(-rc); /* an errno fits into a status */
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

int user_give(const struct user *user, int fd)
{
    if (!user->is_changing)
        return 0;
    return fchown(fd, user->uid, user->gid) == 0 ? 0 : -errno;
}
