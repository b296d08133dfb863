#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "bus/check.h"
#include "server/config_reader.h"
#include "server/config_value.h"
#include "server/net/address.h"
#include "server/user.h"

enum {
    /* What was acknowledged must fit into what is left when 95 % are full, with room to spare. */
    MAP_RINGS_MIN = 4,
};

static size_t row(const char *name)
{
    size_t index = param_find(name, strlen(name), '-');

    CHECK(index < param_count());
    return index;
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
    config_wrong(reader, row("ring-size"), "%s is not a power of two (%s and %s are)", text, lower,
                 upper);
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
    config_wrong(reader, row("map-size"), "%s is too small for the ring: at least %s (4 rings)",
                 text, least);
}

static void check_addresses(struct config_reader *reader, const char *name,
                            const struct text_list *list)
{
    struct address address;
    const char *reason = "";

    for (size_t i = 0; i < list->count; i++) {
        if (address_parse(list->items[i], &address, &reason) != 0)
            config_wrong(reader, row(name), "\"%s\" is no address: %s", list->items[i], reason);
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
            config_wrong(reader, row("cors-origins"),
                         "\"%s\" is no origin, such as https://example.org", list->items[i]);
    }
}

/* A scheme or a port would make a name that no browser's Host ever equals. */
static void check_hosts(struct config_reader *reader)
{
    const struct text_list *list = &reader->config->hosts;

    for (size_t i = 0; i < list->count; i++) {
        if (strpbrk(list->items[i], ":/?#@* ") != NULL)
            config_wrong(reader, row("hosts"), "\"%s\" is no host name, such as example.org",
                         list->items[i]);
    }
}

static void check_user(struct config_reader *reader)
{
    const char *name = reader->config->user;
    struct user user;
    int rc = user_find(name, &user);

    if (rc == -ENOENT)
        config_wrong(reader, row("user"), "there is no user %s", name);
    else if (rc == -EPERM)
        config_wrong(reader, row("user"), "only root can become %s", name);
    else if (rc != 0)
        config_wrong(reader, row("user"), "%s cannot be looked up: %s", name, strerror(-rc));
}

void config_check(struct config_reader *reader)
{
    const struct config *config = reader->config;

    check_ring_size(reader);
    check_map_size(reader);
    if (config->listen.count == 0)
        config_wrong(reader, row("listen"), "at least one address is needed");
    check_addresses(reader, "listen", &config->listen);
    check_addresses(reader, "broker-listen", &config->broker_listen);
    check_origins(reader);
    check_hosts(reader);
    check_user(reader);
}
