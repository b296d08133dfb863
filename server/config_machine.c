/*
 * Whether the configuration can work on this machine, without changing anything here: what a start
 * would meet is told before it, with its place. What others may have changed until then (a port that
 * is in use, a disk that is full) is the start's affair.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/config_reader.h"
#include "server/config_value.h"
#include "server/heritage.h"
#include "server/net/address.h"
#include "server/net/tls_context.h"
#include "server/tls_files.h"
#include "server/user.h"

enum {
    PATH_BYTES = 4096,
};

/* " by user sluice"; nothing when we stay who we are. */
static const char *by_whom(const struct user *user, char out[USER_NAME_BYTES + 16])
{
    *out = '\0';
    if (user->is_changing)
        (void)snprintf(out, USER_NAME_BYTES + 16, " by user %s", user->name);
    return out;
}

/* The directory that @path is in. False: its name is too long for one. */
static bool parent_of(const char *path, char out[PATH_BYTES])
{
    size_t bytes = strlen(path);

    if (bytes >= PATH_BYTES)
        return false;
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    while (bytes > 0 && path[bytes - 1] != '/')
        bytes--;
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    memcpy(out, path, bytes);
    out[bytes] = '\0';
    if (bytes == 0)
        memcpy(out, ".", sizeof ".");
    return true;
}

/* --- directories --------------------------------------------------------------------------------- */

static void check_new_directory(struct config_reader *reader, size_t row, const char *path,
                                const struct user *user)
{
    const struct user self = {0};
    char parent[PATH_BYTES];
    char whom[USER_NAME_BYTES + 16];
    int rc = parent_of(path, parent) ? user_access(&self, parent, W_OK | X_OK) : -ENAMETOOLONG;

    if (rc != 0) {
        config_wrong(reader, row, "%s cannot be made: %s: %s", path, parent, strerror(-rc));
        return;
    }
    rc = user_access(user, parent, X_OK);
    if (rc != 0)
        config_wrong(reader, row, "%s could not be entered%s: %s: %s", path, by_whom(user, whom),
                     parent, strerror(-rc));
}

/* What an earlier run, perhaps another user's, has left there. */
static void check_left_files(struct config_reader *reader, size_t row, const char *path,
                             const struct user *user)
{
    static const char *const names[] = {"id", "store", "store/data.mdb", "store/lock.mdb"};
    char file[PATH_BYTES];
    char whom[USER_NAME_BYTES + 16];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stat info;
        int rc;

        if (snprintf(file, sizeof file, "%s/%s", path, names[i]) >= (int)sizeof file ||
            stat(file, &info) != 0)
            continue;
        rc = user_access(user, file, R_OK | W_OK);
        if (rc != 0)
            config_wrong(reader, row, "%s cannot be written%s: %s", file, by_whom(user, whom),
                         strerror(-rc));
    }
}

/* True: it is there and can be used. */
static bool check_directory(struct config_reader *reader, size_t row, const char *path,
                            const struct user *user)
{
    struct stat info;
    char whom[USER_NAME_BYTES + 16];
    int rc;

    if (stat(path, &info) != 0) {
        if (errno == ENOENT)
            check_new_directory(reader, row, path, user);
        else
            config_wrong(reader, row, "%s cannot be used: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISDIR(info.st_mode)) {
        config_wrong(reader, row, "%s is not a directory", path);
        return false;
    }
    rc = user_access(user, path, R_OK | W_OK | X_OK);
    if (rc != 0)
        config_wrong(reader, row, "%s cannot be written%s: %s", path, by_whom(user, whom),
                     strerror(-rc));
    return rc == 0;
}

/* The ring is allocated at start: it must fit in, and should be memory. */
static void check_run_dir(struct config_reader *reader, const struct user *user)
{
    const struct config *config = reader->config;
    const char *path = config->run_dir;
    char parent[PATH_BYTES];
    char ring[PARAM_TEXT_BYTES];
    struct statfs info;
    uint64_t bytes;

    if (!check_directory(reader, config_row("run-dir"), path, user)) {
        if (!parent_of(path, parent))
            return;
        path = parent; /* where it will be made */
    }
    if (statfs(path, &info) != 0)
        return; /* said already, or it is the start's affair */
    bytes = (uint64_t)info.f_blocks * (uint64_t)info.f_bsize;
    param_value_text(PARAM_SIZE, config->ring_size, ring);
    if (bytes > 0 && bytes < config->ring_size)
        config_wrong(reader, config_row("ring-size"),
                     "%s does not fit: the whole file system of %s (run-dir) has %" PRIu64 " KiB",
                     ring, config->run_dir, bytes / KIB);
    if (info.f_type != TMPFS_MAGIC && info.f_type != RAMFS_MAGIC)
        config_doubt(reader, config_row("run-dir"),
                     "%s is not on a tmpfs: a publish may have to wait for a disk",
                     config->run_dir);
}

/* --- listening ----------------------------------------------------------------------------------- */

static void check_unix_socket(struct config_reader *reader, size_t row, const char *path)
{
    const struct user self = {0};
    char parent[PATH_BYTES];
    struct stat info;
    int rc;

    if (!parent_of(path, parent))
        return; /* it was too long for an address */
    rc = user_access(&self, parent, W_OK | X_OK);
    if (rc != 0)
        config_wrong(reader, row, "unix:%s cannot be made: %s: %s", path, parent, strerror(-rc));
    else if (lstat(path, &info) == 0 && !S_ISSOCK(info.st_mode))
        config_wrong(reader, row, "%s is there, and is no socket", path);
}

static void check_listeners(struct config_reader *reader, const char *name,
                            const struct text_list *list)
{
    const size_t row = config_row(name);
    struct address address;
    const char *reason;

    if (config_environment(reader, "LISTEN_FDS") != NULL && !config_is_said(reader, row))
        return; /* sockets that systemd has opened stand in for it */
    for (size_t i = 0; i < list->count; i++) {
        if (address_parse(list->items[i], &address, &reason) != 0)
            continue; /* said already */
        if (address.storage.ss_family == AF_UNIX) {
            check_unix_socket(
                reader, row,
                ((const struct sockaddr_un *)(const void *)&address.storage)->sun_path);
            continue;
        }
        int rc = address_try(&address);
        if (rc == -EACCES || rc == -EPERM || rc == -EAFNOSUPPORT || rc == -EINVAL)
            config_wrong(reader, row, "%s cannot be listened to: %s", list->items[i],
                         strerror(-rc));
        else if (rc == -EADDRNOTAVAIL)
            config_doubt(reader, row, "%s is none of this machine's addresses now", list->items[i]);
    }
}

/* --- the rest -------------------------------------------------------------------------------------- */

static void check_schema(struct config_reader *reader)
{
    const struct user self = {0};
    const char *path = reader->config->schema;
    struct stat info;
    int rc;

    if (path == NULL)
        return;
    rc = user_access(&self, path, R_OK);
    if (rc == 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        rc = -EISDIR;
    if (rc != 0)
        config_wrong(reader, config_row("schema"), "%s cannot be read: %s", path, strerror(-rc));
}

static void on_tls_wrong(void *user, const char *option, const char *text)
{
    config_wrong(user, config_row(option), "%s", text);
}

static void on_tls_doubt(void *user, const char *option, const char *text)
{
    config_doubt(user, config_row(option), "%s", text);
}

/* By whom we are now: it is read before another user takes over. */
static void check_tls_files(struct config_reader *reader)
{
    const struct tls_files_told told = {on_tls_wrong, on_tls_doubt, reader};
    struct tls_context *context;

    (void)tls_files_load(reader->config, NULL, &told, &context); /* what it met has been told */
    tls_context_unref(context);
    if (reader->config->ktls && reader->config->tls_cert.count > 0 && !tls_is_ktls_possible())
        config_doubt(reader, config_row("ktls"),
                     "this kernel cannot do it (the module tls): it is as if it were off");
}

static void check_descriptors(struct config_reader *reader)
{
    const struct config *config = reader->config;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max < HERITAGE_DESCRIPTORS_MIN)
        config_complain(reader,
                        "a process may open %" PRIu64 " files: at least %d are needed "
                        "(ulimit -n, LimitNOFILE)",
                        (uint64_t)limit.rlim_max, HERITAGE_DESCRIPTORS_MIN);
    /* At a start the workers, who know how many are free, say so. */
    if (reader->is_check && config->max_connections / config->workers > limit.rlim_max)
        config_doubt(reader, config_row("max-connections"),
                     "%" PRIu64 " are more than %" PRIu64 " open files allow to each of %" PRIu64
                     " workers (ulimit -n, LimitNOFILE)",
                     config->max_connections, (uint64_t)limit.rlim_max, config->workers);
}

void config_check_machine(struct config_reader *reader)
{
    const struct config *config = reader->config;
    struct user user;

    if (user_find(config->user, &user) != 0)
        return; /* it was there a moment ago: the start looks again */
    if (check_directory(reader, config_row("data"), config->data, &user))
        check_left_files(reader, config_row("data"), config->data, &user);
    check_run_dir(reader, &user);
    check_schema(reader);
    check_tls_files(reader);
    check_descriptors(reader);
    check_listeners(reader, "listen", &config->listen);
    check_listeners(reader, "broker-listen", &config->broker_listen);
}
