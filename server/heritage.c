#include "server/heritage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/hash.h"
#include "bus/hash_counts.h"
#include "bus/keys.h"
#include "bus/lives.h"
#include "bus/shm.h"
#include "server/config.h"
#include "server/datadir.h"
#include "server/listeners.h"
#include "server/log.h"
#include "server/net/tls_context.h"
#include "server/tls_files.h"
#include "server/user.h"
#include "store/env.h"

/* Everybody's tmpfs: names there say whose they are. */
#define SHARED_RUN_DIR "/dev/shm"

/* --- ring -------------------------------------------------------------------------------------------- */

static int name_ring(struct heritage *heritage)
{
    const char *dir = heritage->config->run_dir;
    const char *prefix = strcmp(dir, SHARED_RUN_DIR) == 0 ? "sluice-" : "";
    int bytes =
        asprintf(&heritage->ring_path, "%s/%s%016" PRIx64 ".ring", dir, prefix, heritage->store_id);

    if (bytes < 0) {
        heritage->ring_path = NULL; /* asprintf leaves it undefined */
        return -ENOMEM;
    }
    return 0;
}

static int open_bus(struct heritage *heritage)
{
    const struct bus_options options = {
        .path = heritage->ring_path,
        .store_id = heritage->store_id,
        .size = heritage->config->ring_size,
    };
    int rc = bus_open(&options, &heritage->bus);

    if (rc != 0) {
        log_error(LOG_START_FAILED, "%s", bus_error_text());
        return rc;
    }
    if (bus_size(heritage->bus) != options.size)
        log_warning(LOG_START_WARNING,
                    "the ring of the last run keeps its size of %" PRIu64
                    " KiB until a drain has emptied it",
                    bus_size(heritage->bus) / 1024);
    bus_slot_occupy(heritage->bus, BUS_SLOT_MASTER);
    bus_slot_set_pid(heritage->bus, BUS_SLOT_MASTER, (int32_t)getpid());
    return 0;
}

int heritage_renew_bus(struct heritage *heritage)
{
    bus_close(heritage->bus);
    heritage->bus = NULL;
    return open_bus(heritage);
}

/* --- control sockets --------------------------------------------------------------------------- */

/* A full disk, or a file system without sockets, shall not keep the server from its clients. */
static void open_control(struct heritage *heritage)
{
    const struct config *config = heritage->config;

    if (control_sockets_open(config->data, (unsigned)config->workers, &heritage->control) != 0)
        log_warning(LOG_START_WARNING, "sluicectl cannot reach this server: %s",
                    control_sockets_error_text());
}

/* --- all of it ------------------------------------------------------------------------------------------ */

/* Who finds the directory taken shall know at once whom they wait for. */
static int lock_data(struct heritage *heritage, const struct user *user)
{
    const char *data = heritage->config->data;
    int rc = datadir_lock(data, user, 0, &heritage->lock_fd);

    if (rc != -EWOULDBLOCK)
        return rc;
    log_warning(LOG_START_WARNING, "%s: waiting %d s for its end", datadir_error_text(),
                DATADIR_WAIT_MS / 1000);
    return datadir_lock(data, user, DATADIR_WAIT_MS, &heritage->lock_fd);
}

static void on_tls_wrong(void *user, const char *option, const char *text)
{
    (void)user;
    log_error(LOG_START_FAILED, "%s: %s", option, text);
}

/* What may be doubted of them has been said with the configuration. */
static int open_tls(struct heritage *heritage)
{
    const struct tls_files_told told = {.on_wrong = on_tls_wrong};
    int rc;

    if (heritage->config->tls_cert.count == 0)
        return 0;
    rc = keys_open(&heritage->ticket_keys);
    if (rc != 0) {
        log_error(LOG_START_FAILED, "no keys for TLS tickets: %s", strerror(-rc));
        return rc;
    }
    return tls_files_load(heritage->config, heritage->ticket_keys, &told, &heritage->tls);
}

/*
 * What must be done while still root: make directories, take the lock, read keys that are nobody
 * else's, bind low ports.
 */
static int open_as_root(struct heritage *heritage, const struct user *user)
{
    const struct config *config = heritage->config;
    int rc = datadir_make(config->data, user);

    if (rc == 0)
        rc = datadir_make(config->run_dir, user);
    if (rc == 0)
        rc = lock_data(heritage, user);
    if (rc != 0) {
        log_error(LOG_START_FAILED, "%s", datadir_error_text());
        return rc;
    }
    rc = open_tls(heritage);
    return rc == 0 ? listeners_open(heritage, user) : rc;
}

static int open_as_user(struct heritage *heritage)
{
    int rc;

    open_control(heritage);
    rc = store_identify(heritage->config->data, &heritage->store_id);
    if (rc != 0) {
        log_error(LOG_START_FAILED, "%s", store_error_text());
        return rc;
    }
    rc = name_ring(heritage);
    if (rc == 0)
        rc = open_bus(heritage);
    if (rc != 0)
        return rc;
    rc = hash_seed_make(&heritage->hash_seed);
    if (rc == 0)
        rc = hash_counts_open("sluice-topic-counts", &heritage->topic_counts);
    if (rc == 0)
        rc = hash_counts_open("sluice-address-counts", &heritage->address_counts);
    if (rc == 0)
        rc = lives_open(&heritage->lives);
    if (rc != 0)
        log_error(LOG_START_FAILED, "cannot share memory among all workers: %s", strerror(-rc));
    return rc;
}

/* As many connections as we may have: the soft limit is only a default. */
static uint64_t raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = before;
    }
    return limit.rlim_cur;
}

int heritage_open(const struct config *config, struct model *model, struct heritage *ret_heritage)
{
    struct user user;
    int rc;

    *ret_heritage = (struct heritage){
        .config = config,
        .model = model,
        .control = {.directory_fd = -1},
        .lock_fd = -1,
        .descriptors_max = raise_descriptors(),
        .master_pid = getpid(),
    };
    if (ret_heritage->descriptors_max < HERITAGE_DESCRIPTORS_MIN) {
        log_error(LOG_START_FAILED,
                  "a process may open %" PRIu64 " files: at least %d are needed (ulimit -n, "
                  "LimitNOFILE)",
                  ret_heritage->descriptors_max, HERITAGE_DESCRIPTORS_MIN);
        return -EMFILE;
    }
    rc = user_find(config->user, &user);
    if (rc == 0)
        rc = open_as_root(ret_heritage, &user);
    if (rc != 0)
        return rc;
    rc = user_become(&user);
    if (rc != 0) {
        log_error(LOG_START_FAILED, "cannot become user %s: %s", user.name, strerror(-rc));
        return rc;
    }
    return open_as_user(ret_heritage);
}

void heritage_close(struct heritage *heritage)
{
    lives_close(heritage->lives);
    hash_counts_close(heritage->address_counts);
    hash_counts_close(heritage->topic_counts);
    bus_close(heritage->bus);
    listeners_close(heritage);
    tls_context_unref(heritage->tls);
    keys_close(heritage->ticket_keys);
    control_sockets_close(&heritage->control);
    if (heritage->lock_fd >= 0)
        (void)close(heritage->lock_fd); /* lets go of the lock, nothing more */
    free(heritage->ring_path);
}
