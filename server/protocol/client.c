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
    client->number = ++clients->last_number;
    client->warned = 0;
    client->reason = STAT_CLOSED_GONE;
    client->has_reason = false;

    client->next = clients->first;
    client->link = &clients->first;
    if (client->next != NULL)
        client->next->link = &client->next;
    clients->first = client;
    clients->count++;

    stat_add(clients->bus, clients->slot, STAT_CLIENTS, 1);
    stat_add(clients->bus, clients->slot, stat_at(STAT_CLIENTS_OF, operations->protocol), 1);
    stat_add(clients->bus, clients->slot, stat_at(STAT_OPENED, operations->protocol), 1);
    if (clients->on_joined != NULL)
        clients->on_joined(clients->user, client, name);
}

void client_leave(struct clients *clients, struct client *client, const char *name)
{
    CHECK(client->link != NULL);
    CHECK(clients->count > 0);

    for (struct clients_walk *walk = clients->walks; walk != NULL; walk = walk->next) {
        if (walk->cursor == client)
            walk->cursor = client->next;
    }
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    client->link = NULL;
    clients->count--;

    stat_add(clients->bus, clients->slot, STAT_CLIENTS, -1);
    stat_add(clients->bus, clients->slot, stat_at(STAT_CLIENTS_OF, client->operations->protocol),
             -1);
    stat_add(clients->bus, clients->slot, stat_at(STAT_CLOSED, client->reason), 1);
    if (clients->on_left != NULL)
        clients->on_left(clients->user, client, name);
}

void client_describe(const struct client *client, struct client_view *ret_view)
{
    *ret_view = (struct client_view){
        .protocol = client->operations->protocol,
        .number = client->number,
        .age_s = monotonic_s() - client->joined_s,
    };
    if (client->operations->describe != NULL)
        client->operations->describe(client, ret_view);
}

void client_give_reason(struct client *client, enum stat_close_reason reason)
{
    if (client->has_reason)
        return;
    client->has_reason = true;
    client->reason = (uint8_t)reason;
}

void client_kick(struct client *client)
{
    client_give_reason(client, STAT_CLOSED_KICKED);
    client->operations->close(client);
}

void clients_walk_begin(struct clients *clients, struct clients_walk *walk)
{
    clients_walk_end(walk);
    walk->cursor = clients->first;
    walk->next = clients->walks;
    walk->link = &clients->walks;
    if (walk->next != NULL)
        walk->next->link = &walk->next;
    clients->walks = walk;
}

int clients_walk(struct clients_walk *walk, size_t step, client_visit_function *visit, void *user)
{
    CHECK(walk->link != NULL);
    for (size_t i = 0; i < step && walk->cursor != NULL; i++) {
        struct client *client = walk->cursor;

        walk->cursor = client->next; /* first: @visit may make it leave */
        visit(user, client);
    }
    if (walk->cursor != NULL)
        return 0;
    clients_walk_end(walk);
    return 1;
}

void clients_walk_end(struct clients_walk *walk)
{
    if (walk->link == NULL)
        return;
    *walk->link = walk->next;
    if (walk->next != NULL)
        walk->next->link = walk->link;
    walk->link = NULL;
}
