/*
 * server/user.h - becoming another user when started as root (--user).
 *
 * Callers  main and master, before the first fork: no child ever runs as root then. What was made
 *          before (data directory, lock, unix sockets) is given to that user.
 * Errors   0 or -errno. -ENOENT: there is no such user.
 */
#ifndef SERVER_USER_H
#define SERVER_USER_H

#include <stdbool.h>
#include <sys/types.h>

enum {
    USER_NAME_BYTES = 64,
};

struct user {
    bool is_changing; /* false: stay who we are, the rest is not set */
    uid_t uid;
    gid_t gid;
    char name[USER_NAME_BYTES];
};

/*
 * Who to become. @name NULL, or who we are already: nobody else. -EPERM: another user, and we are
 * not root.
 */
int user_find(const char *name, struct user *ret_user);
/* Groups, group and user, for good. */
int user_become(const struct user *user);
/*
 * Whether @user, once we have become it, may do with @path what @mode says (R_OK, W_OK, X_OK): 0 or
 * -errno. Asks in a child: nothing here changes.
 */
int user_access(const struct user *user, const char *path, int mode);
/* Gives the open file @fd to @user; nothing when nobody changes. */
int user_give(const struct user *user, int fd);

#endif
