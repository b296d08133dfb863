#include "server/protocol/client.h"

#include <time.h>

#include "bus/check.h"
#include "bus/stats.h"

static uint32_t monotonic_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* this clock cannot fail */
    return (uint32_t)now.tv_sec;
}

void clients_init(struct clients *clients, struct bus *bus, unsigned slot)
{
    *clients = (struct clients){.bus = bus, .slot = slot};
}

void client_join(struct clients *clients, struct client *client,
                 const struct client_operations *operations, const char *name)
{
    client->operations = operations;
    client->joined_s = monotonic_s();
    client->warned = 0;

    client->next = clients->first;
    client->link = &clients->first;
    if (client->next != NULL)
        client->next->link = &client->next;
    clients->first = client;
    clients->count++;

    stat_add(clients->bus, clients->slot, STAT_CLIENTS, 1);
    if (clients->on_joined != NULL)
        clients->on_joined(clients->user, client, name);
}

void client_leave(struct clients *clients, struct client *client, const char *name)
{
    CHECK(client->link != NULL);
    CHECK(clients->count > 0);

    if (clients->cursor == client)
        clients->cursor = client->next;
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    client->link = NULL;
    clients->count--;

    stat_add(clients->bus, clients->slot, STAT_CLIENTS, -1);
    if (clients->on_left != NULL)
        clients->on_left(clients->user, client, name);
}

uint32_t client_age_s(const struct client *client)
{
    return monotonic_s() - client->joined_s;
}

void clients_walk_begin(struct clients *clients)
{
    clients->cursor = clients->first;
}

int clients_walk(struct clients *clients, size_t step, client_visit_function *visit, void *user)
{
    for (size_t i = 0; i < step && clients->cursor != NULL; i++) {
        struct client *client = clients->cursor;

        clients->cursor = client->next; /* first: @visit may make it leave */
        visit(user, client);
    }
    return clients->cursor == NULL;
}
