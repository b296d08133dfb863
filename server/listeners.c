#include "server/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/activation.h"
#include "server/config.h"
#include "server/heritage.h"
#include "server/log.h"
#include "server/user.h"

/* One of the two kinds, while it is being filled. */
struct kind {
    struct heritage_listener **listeners;
    size_t *count;
};

static struct kind http_of(struct heritage *heritage)
{
    return (struct kind){&heritage->listeners, &heritage->listener_count};
}

static struct kind broker_of(struct heritage *heritage)
{
    return (struct kind){&heritage->broker_listeners, &heritage->broker_listener_count};
}

/* A unix socket's file is used by whoever may write to it: it becomes the new user's. */
static int give_socket(const struct heritage_listener *listener, const struct user *user)
{
    const struct sockaddr_un *address = (const void *)&listener->address.storage;

    if (!user->is_changing || address->sun_family != AF_UNIX)
        return 0;
    return chown(address->sun_path, user->uid, user->gid) == 0 ? 0 : -errno;
}

static void warn_if_reachable(const struct heritage_listener *listener)
{
    char text[ADDRESS_TEXT_MAX];

    if (address_is_loopback(&listener->address))
        return;
    address_text(&listener->address, text, sizeof text);
    log_warning(LOG_START_WARNING,
                "%s can be reached from other machines, and there is no authentication", text);
}

/* --- those of the configuration -------------------------------------------------------------------- */

static int open_listener(const char *text, const struct user *user,
                         struct heritage_listener *ret_listener)
{
    struct heritage_listener listener = {.fd = -1};
    struct address wanted;
    const char *reason = NULL;
    int rc = address_parse(text, &wanted, &reason);

    if (rc == 0)
        rc = address_listen(&wanted, &listener.fd);
    if (rc == 0)
        rc = address_of_socket(listener.fd, &listener.address);
    listener.address.is_tls = rc == 0 && wanted.is_tls;
    if (rc == 0)
        rc = give_socket(&listener, user);
    if (rc != 0) {
        log_error(LOG_START_FAILED, "cannot listen on %s: %s", text,
                  reason != NULL ? reason : strerror(-rc));
        if (listener.fd >= 0)
            (void)close(listener.fd); /* nobody has connected */
        return rc;
    }
    warn_if_reachable(&listener);
    *ret_listener = listener;
    return 0;
}

static int open_list(const struct text_list *list, const struct user *user, struct kind kind)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = open_listener(list->items[i], user, &(*kind.listeners)[*kind.count]);
        if (rc == 0)
            ++*kind.count;
    }
    return rc;
}

/* --- those passed to us ----------------------------------------------------------------------------- */

static int adopt(const struct heritage *heritage, const struct activation *socket, struct kind kind)
{
    struct heritage_listener listener = {.fd = socket->fd, .is_passed = true};
    int rc = address_of_socket(listener.fd, &listener.address);

    if (rc != 0) {
        log_error(LOG_START_FAILED, "LISTEN_FDS: descriptor %d: %s", listener.fd, strerror(-rc));
        return rc;
    }
    listener.address.is_tls = socket->is_tls;
    if (socket->is_tls && heritage->tls == NULL) {
        log_error(LOG_START_FAILED,
                  "LISTEN_FDS: descriptor %d is for TLS by its name, and needs a certificate: "
                  "tls-cert",
                  listener.fd);
        return -ENOKEY;
    }
    warn_if_reachable(&listener);
    (*kind.listeners)[(*kind.count)++] = listener;
    return 0;
}

static int adopt_all(struct heritage *heritage, const struct activation *sockets, size_t count)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = adopt(heritage, &sockets[i],
                   sockets[i].is_broker ? broker_of(heritage) : http_of(heritage));
    return rc;
}

static int open_all(struct heritage *heritage, const struct user *user,
                    const struct activation *sockets, size_t count)
{
    const struct config *config = heritage->config;
    int rc;

    heritage->listeners = calloc(config->listen.count + count + 1, sizeof *heritage->listeners);
    heritage->broker_listeners =
        calloc(config->broker_listen.count + count + 1, sizeof *heritage->broker_listeners);
    if (heritage->listeners == NULL || heritage->broker_listeners == NULL) {
        log_error(LOG_START_FAILED, "cannot listen: %s", strerror(ENOMEM));
        return -ENOMEM;
    }
    rc = adopt_all(heritage, sockets, count);
    if (rc == 0 && (heritage->listener_count == 0 || !config->is_listen_default))
        rc = open_list(&config->listen, user, http_of(heritage));
    if (rc == 0)
        rc = open_list(&config->broker_listen, user, broker_of(heritage));
    return rc;
}

/* --- all of them ------------------------------------------------------------------------------------ */

int listeners_open(struct heritage *heritage, const struct user *user)
{
    struct activation *sockets = NULL;
    size_t count = 0;
    int rc = activation_take(&sockets, &count);

    if (rc != 0) {
        log_error(LOG_START_FAILED, "%s", activation_error_text());
        return rc;
    }
    rc = open_all(heritage, user, sockets, count);
    free(sockets);
    return rc;
}

static void close_kind(struct kind kind)
{
    for (size_t i = 0; i < *kind.count; i++) {
        const struct heritage_listener *listener = &(*kind.listeners)[i];
        const struct sockaddr_un *address = (const void *)&listener->address.storage;

        (void)close(listener->fd); /* the children's copies are gone by now */
        if (address->sun_family == AF_UNIX && !listener->is_passed)
            (void)unlink(address->sun_path); /* may have been taken away already */
    }
    free(*kind.listeners);
}

void listeners_close(struct heritage *heritage)
{
    close_kind(broker_of(heritage));
    close_kind(http_of(heritage));
}

/* A unix socket has none: clients do not write it as a URL. */
static const char *scheme_of(const struct address *address, bool is_http)
{
    static const char *const schemes[2][2] = {{"tcp://", "tls://"}, {"http://", "https://"}};

    return address->storage.ss_family == AF_UNIX ? "" : schemes[is_http][address->is_tls];
}

void listeners_describe(const struct heritage *heritage, char *out, size_t bytes)
{
    char address[ADDRESS_TEXT_MAX];
    size_t used = 0;

    *out = '\0';
    for (size_t i = 0; i < heritage->listener_count + heritage->broker_listener_count; i++) {
        bool is_http = i < heritage->listener_count;
        const struct heritage_listener *listener =
            is_http ? &heritage->listeners[i]
                    : &heritage->broker_listeners[i - heritage->listener_count];
        struct address shown = listener->address;
        int more;

        if (shown.storage.ss_family != AF_UNIX)
            shown.is_tls = false; /* the scheme says it */
        address_text(&shown, address, sizeof address);
        more = snprintf(out + used, bytes - used, "%s%s%s", i > 0 ? ", " : "",
                        scheme_of(&listener->address, is_http), address);
        if (more < 0 || used + (size_t)more >= bytes)
            return; /* cut: a line of the log is no place for so many */
        used += (size_t)more;
    }
}
