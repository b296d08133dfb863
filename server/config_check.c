#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "bus/check.h"
#include "server/config_reader.h"
#include "server/config_value.h"
#include "server/net/address.h"
#include "server/net/network.h"
#include "server/user.h"

enum {
    /* What was acknowledged must fit into what is left when 95 % are full, with room to spare. */
    MAP_RINGS_MIN = 4,
    MAP_FULL_PERCENT = 95, /* of the map: publishing is refused from there on */
    PUBLISH_PART = 4,      /* of the ring: the largest publish */
};

size_t config_row(const char *name)
{
    size_t index = param_find(name, strlen(name), '-');

    CHECK(index < param_count());
    return index;
}

bool config_is_said(const struct config_reader *reader, size_t index)
{
    return reader->origins[index].level != CONFIG_LEVEL_DEFAULT;
}

/* Of two that do not go together, the one that somebody has chosen. */
static size_t said_row(const struct config_reader *reader, const char *name, const char *other)
{
    return config_is_said(reader, config_row(name)) ? config_row(name) : config_row(other);
}

static void check_ring_size(struct config_reader *reader)
{
    uint64_t size = reader->config->ring_size;
    uint64_t below = 1;
    char text[PARAM_TEXT_BYTES];
    char lower[PARAM_TEXT_BYTES];
    char upper[PARAM_TEXT_BYTES];

    if (size == 0 || (size & (size - 1)) == 0)
        return; /* 0: said to be out of range already */
    while (below <= size / 2)
        below *= 2;
    param_value_text(PARAM_SIZE, size, text);
    param_value_text(PARAM_SIZE, below, lower);
    param_value_text(PARAM_SIZE, below * 2, upper);
    config_wrong(reader, config_row("ring-size"), "%s is not a power of two (%s and %s are)", text,
                 lower, upper);
}

static void check_map_size(struct config_reader *reader)
{
    const struct config *config = reader->config;
    char text[PARAM_TEXT_BYTES];
    char least[PARAM_TEXT_BYTES];

    if (config->map_size == 0 || config->map_size / MAP_RINGS_MIN >= config->ring_size)
        return;
    param_value_text(PARAM_SIZE, config->map_size, text);
    param_value_text(PARAM_SIZE, config->ring_size * MAP_RINGS_MIN, least);
    config_wrong(reader, config_row("map-size"),
                 "%s is too small for the ring: at least %s (4 rings)", text, least);
}

/* The first of @count that cannot be listened to beside @address; NULL: none. */
static const char *find_rival(const struct text_list *list, size_t count,
                              const struct address *address)
{
    struct address other;
    const char *reason;

    for (size_t i = 0; i < count; i++) {
        if (address_parse(list->items[i], &other, &reason) == 0 &&
            address_excludes(&other, address))
            return list->items[i];
    }
    return NULL;
}

static void check_addresses(struct config_reader *reader, const char *name,
                            const struct text_list *list)
{
    const struct text_list *first = &reader->config->listen;
    struct address address;
    const char *reason = "";

    for (size_t i = 0; i < list->count; i++) {
        if (address_parse(list->items[i], &address, &reason) != 0) {
            config_wrong(reader, config_row(name), "\"%s\" is no address: %s", list->items[i],
                         reason);
            continue;
        }
        if (address.is_tls && reader->config->tls_cert.count == 0)
            config_wrong(reader, config_row(name), "%s needs a certificate: tls-cert",
                         list->items[i]);
        const char *rival = find_rival(list, i, &address);
        if (rival == NULL && list != first)
            rival = find_rival(first, first->count, &address);
        if (rival != NULL)
            config_wrong(reader, config_row(name), "%s is to be listened to twice, once as %s",
                         list->items[i], rival);
    }
}

/* As browsers send it: a scheme, a host, perhaps a port, and nothing behind. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");

    if (host == NULL || host == text)
        return false;
    host += 3;
    return *host != '\0' && strpbrk(host, "/?#@ ") == NULL;
}

static void check_origins(struct config_reader *reader)
{
    const struct text_list *list = &reader->config->cors_origins;

    for (size_t i = 0; i < list->count; i++) {
        if (!is_origin(list->items[i]))
            config_wrong(reader, config_row("cors-origins"),
                         "\"%s\" is no origin, such as https://example.org", list->items[i]);
    }
}

/* A scheme or a port would make a name that no browser's Host ever equals. */
static void check_proxies(struct config_reader *reader)
{
    const struct config *config = reader->config;
    const struct text_list *list = &config->trusted_proxies;
    struct network network;
    const char *reason;

    for (size_t i = 0; i < list->count; i++) {
        if (network_parse(list->items[i], &network, &reason) != 0)
            config_wrong(reader, config_row("trusted-proxies"), "\"%s\": %s", list->items[i],
                         reason);
    }
    if (config->proxy_protocol && list->count == 0)
        config_warn(reader, "proxy-protocol without trusted-proxies: no connection begins with a "
                            "PROXY header");
}

static void check_hosts(struct config_reader *reader)
{
    const struct text_list *list = &reader->config->hosts;

    for (size_t i = 0; i < list->count; i++) {
        if (strpbrk(list->items[i], ":/?#@* ") != NULL)
            config_wrong(reader, config_row("hosts"), "\"%s\" is no host name, such as example.org",
                         list->items[i]);
    }
}

static void check_tls(struct config_reader *reader)
{
    const struct config *config = reader->config;

    if (config->tls_cert.count > 0 && config->tls_key.count > config->tls_cert.count)
        config_wrong(reader, config_row("tls-key"), "%s is one more than there are certificates",
                     config->tls_key.items[config->tls_cert.count]);
}

static void check_user(struct config_reader *reader)
{
    const char *name = reader->config->user;
    struct user user;
    int rc = user_find(name, &user);

    if (rc == -ENOENT)
        config_wrong(reader, config_row("user"), "there is no user %s", name);
    else if (rc == -EPERM)
        config_wrong(reader, config_row("user"), "only root can become %s", name);
    else if (rc != 0)
        config_wrong(reader, config_row("user"), "%s cannot be looked up: %s", name, strerror(-rc));
}

/* --- what works, though hardly as it is meant ------------------------------------------------- */

static void doubt_max_message(struct config_reader *reader)
{
    const struct config *config = reader->config;
    const uint64_t publish_max = config->ring_size / PUBLISH_PART;
    char message[PARAM_TEXT_BYTES];
    char publish[PARAM_TEXT_BYTES];

    if (config->max_message <= publish_max)
        return;
    param_value_text(PARAM_SIZE, config->max_message, message);
    param_value_text(PARAM_SIZE, publish_max, publish);
    config_doubt(reader, said_row(reader, "max-message", "ring-size"),
                 "a publish is at most a quarter of the ring, %s: longer ones are answered "
                 "too_large, although max-message is %s",
                 publish, message);
}

static void doubt_retention(struct config_reader *reader)
{
    const struct config *config = reader->config;
    const uint64_t usable = config->map_size / 100 * MAP_FULL_PERCENT;
    char kept[PARAM_TEXT_BYTES];
    char map[PARAM_TEXT_BYTES];

    if (config->retention_bytes < usable)
        return;
    param_value_text(PARAM_SIZE, config->retention_bytes, kept);
    param_value_text(PARAM_SIZE, config->map_size, map);
    config_doubt(reader, said_row(reader, "retention-bytes", "map-size"),
                 "a log of %s does not fit into a store of %s: publishing will be refused "
                 "(storage_full) before anything is trimmed",
                 kept, map);
}

static void doubt_drain(struct config_reader *reader, const char *name, uint64_t value)
{
    char text[PARAM_TEXT_BYTES];
    char timeout[PARAM_TEXT_BYTES];

    if (value <= reader->config->drain_timeout)
        return;
    param_value_text(PARAM_TIME, value, text);
    param_value_text(PARAM_TIME, reader->config->drain_timeout, timeout);
    config_doubt(reader, config_row(name), "%s is longer than drain-timeout, %s, which ends it",
                 text, timeout);
}

static void doubt_document(struct config_reader *reader)
{
    const struct config *config = reader->config;
    const size_t row = config_row("graphql-document");
    char text[PARAM_TEXT_BYTES];

    if (config->graphql_document <= config->max_message || !config_is_said(reader, row))
        return;
    param_value_text(PARAM_SIZE, config->max_message, text);
    config_doubt(reader, row, "a document is part of a message, and max-message is %s", text);
}

static bool has_tls_address(const struct text_list *list)
{
    struct address address;
    const char *reason;

    for (size_t i = 0; i < list->count; i++) {
        if (address_parse(list->items[i], &address, &reason) == 0 && address.is_tls)
            return true;
    }
    return false;
}

static void doubt_tls(struct config_reader *reader)
{
    static const char *const others[] = {"tls-key", "tls-client-ca", "ktls"};
    const struct config *config = reader->config;
    const bool is_set[] = {config->tls_key.count > 0, config->tls_client_ca != NULL, config->ktls};

    if (config->tls_cert.count > 0) {
        if (!has_tls_address(&config->listen) && !has_tls_address(&config->broker_listen) &&
            config_environment(reader, "LISTEN_FDS") == NULL)
            config_doubt(reader, config_row("tls-cert"),
                         "no address begins with tls:, so that it is not used");
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (is_set[i])
            config_doubt(reader, config_row(others[i]), "means nothing without tls-cert");
    }
}

void config_check(struct config_reader *reader)
{
    const struct config *config = reader->config;

    check_ring_size(reader);
    check_map_size(reader);
    if (config->listen.count == 0 && reader->wrong_count == 0)
        config_wrong(reader, config_row("listen"), "at least one address is needed");
    check_addresses(reader, "listen", &config->listen);
    check_addresses(reader, "broker-listen", &config->broker_listen);
    check_origins(reader);
    check_hosts(reader);
    check_proxies(reader);
    check_tls(reader);
    check_user(reader);
    if (reader->wrong_count > 0)
        return; /* first things first */
    doubt_max_message(reader);
    doubt_retention(reader);
    doubt_drain(reader, "drain-spread", config->drain_spread);
    doubt_drain(reader, "drain-accept", config->drain_accept);
    doubt_document(reader);
    doubt_tls(reader);
}
