#include "server/protocol/client.h"

#include <assert.h>
#include <time.h>

#include "bus/check.h"
#include "bus/stats.h"
#include "server/net/tcp.h"

#define SECOND_NS INT64_C(1000000000)

static_assert(STAT_CLOSED_COUNT <= 128, "a reason has seven bits");
static_assert((int)CLIENT_PEER_BYTES_MAX >= (int)TCP_ADDRESS_TEXT_MAX, "an address has its place");

static int64_t monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock cannot fail */
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

void clients_init(struct clients *clients, struct bus *bus, unsigned slot)
{
    *clients = (struct clients){.bus = bus, .slot = slot};
    /* The slot still counts the clients of a worker that has died in it: their numbers are gone. */
    for (unsigned i = 0; i < STAT_PROTOCOL_CLIENTS; i++)
        clients->last_number += (uint32_t)stat_get(bus, slot, stat_at(STAT_OPENED, i));
}

void client_join(struct clients *clients, struct client *client,
                 const struct client_operations *operations)
{
    *client = (struct client){
        .operations = operations,
        .joined_ns = monotonic_ns(),
        .number = ++clients->last_number,
        .reason = STAT_CLOSED_GONE,
    };
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
        clients->on_joined(clients->user, client);
}

void client_leave(struct clients *clients, struct client *client)
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
        clients->on_left(clients->user, client);
}

void client_describe(const struct client *client, struct client_view *ret_view)
{
    int64_t age_ns = monotonic_ns() - client->joined_ns;

    *ret_view = (struct client_view){
        .protocol = client->operations->protocol,
        .number = client->number,
        .age_s = (uint32_t)(age_ns / SECOND_NS),
        .age_ns = age_ns,
        .messages_in = client->messages_in,
        .transport = "",
    };
    if (client->operations->describe != NULL)
        client->operations->describe(client, ret_view);
}

void client_give_reason(struct client *client, enum stat_close_reason reason)
{
    if (client->has_reason)
        return;
    client->has_reason = true;
    client->reason = (unsigned)reason & 0x7f;
}

void client_give_stream_reason(struct client *client, enum stream_close_reason reason)
{
    client->was_cut = reason != STREAM_CLOSED_BY_PEER && reason != STREAM_CLOSED_BY_BOTH;
    switch (reason) {
    case STREAM_CLOSED_BY_PEER:
        client_give_reason(client, STAT_CLOSED_GONE);
        break;
    case STREAM_CLOSED_STALLED:
        client_give_reason(client, STAT_CLOSED_STALLED);
        break;
    case STREAM_CLOSED_BY_BOTH:
    case STREAM_CLOSED_BY_US: /* whoever closes it otherwise says why */
    case STREAM_CLOSED_ERROR:
    default:
        client_give_reason(client, STAT_CLOSED_ERROR);
        break;
    }
}

void client_view_stream(struct client_view *view, const struct stream *stream)
{
    stream_peer_text(stream, view->peer, sizeof view->peer);
    view->transport = stream_transport(stream);
    view->messages_out = stream->messages_out;
    view->bytes_in = stream->bytes_in;
    view->bytes_out = stream->out.sent_bytes;
    view->queued_bytes = stream->out.bytes;
}

void client_kick(struct client *client)
{
    client->operations->kick(client);
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
