#include "server/http/connection.h"

#include <stddef.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/net/timer.h"

#define SECOND_NS INT64_C(1000000000)

void http_connection_count_busy(struct http_connection *connection, bool is_busy)
{
    struct http_server *server = connection->server;

    if (connection->is_old)
        server->busy_count = is_busy ? server->busy_count + 1 : server->busy_count - 1;
}

static void leave(struct http_connection **list, struct http_connection *connection)
{
    /* As in any list of utlist's: its first one knows the last as prev. */
    CHECK(*list != connection || connection->prev == connection || connection->next != NULL);
    DL_DELETE(*list, connection);
}

void http_connection_set_waiting(struct http_connection *connection, bool is_waiting)
{
    struct http_server *server = connection->server;
    struct http_connection **from = is_waiting ? &server->connections : &server->waiting;
    struct http_connection **to = is_waiting ? &server->waiting : &server->connections;

    if (connection->is_waiting == is_waiting)
        return;
    connection->is_waiting = is_waiting;
    server->waiting_count = is_waiting ? server->waiting_count + 1 : server->waiting_count - 1;
    leave(from, connection);
    DL_APPEND(*to, connection);
}

void http_connection_add(struct http_connection *connection, struct http_server *server,
                         const struct http_connection_operations *operations)
{
    uint32_t waiting_max = server->limits->handshakes_max;

    connection->operations = operations;
    connection->server = server;
    connection->is_old = !server->is_closing;
    if (waiting_max > 0 && server->waiting_count >= waiting_max) {
        http_connection_tell(connection, HTTP_EVICTED);
        server->waiting->operations->evict(server->waiting);
    }
    DL_APPEND(server->connections, connection);
    http_connection_set_waiting(connection, true);
}

void http_connection_remove(struct http_connection *connection)
{
    http_connection_set_waiting(connection, false);
    leave(&connection->server->connections, connection);
}

void http_connection_inherit(struct http_connection *heir, struct http_connection *connection,
                             const struct http_connection_operations *operations)
{
    struct http_server *server = connection->server;
    struct http_connection **list =
        connection->is_waiting ? &server->waiting : &server->connections;

    *heir = *connection;
    heir->operations = operations;
    DL_REPLACE_ELEM(*list, connection, heir);
}

void http_connection_tell(const struct http_connection *connection, enum http_incident incident)
{
    const struct http_server *server = connection->server;

    if (server->handlers->on_incident != NULL)
        server->handlers->on_incident(server->user, incident);
}

int64_t http_patience_ns(const struct http_limits *limits, uint32_t moved_bytes,
                         int64_t patience_ns)
{
    uint32_t rate = limits->rate_bytes_min;
    int64_t earned_ns = rate == 0 ? 0 : (int64_t)moved_bytes * SECOND_NS / rate;

    if (earned_ns < TIMER_TICK_NS)
        return 0;
    return earned_ns < patience_ns ? earned_ns : patience_ns;
}

/* --- of the server ------------------------------------------------------------------------------ */

static void close_idle(struct http_connection *connection)
{
    while (connection != NULL) {
        struct http_connection *next = connection->next;

        connection->operations->close_idle(connection);
        connection = next;
    }
}

void http_close_idle(struct http_server *server)
{
    close_idle(server->connections); /* those that owe an answer; first, as some move to here */
    close_idle(server->waiting);
}

static void begin_closing(struct http_connection *connection)
{
    for (; connection != NULL; connection = connection->next) {
        if (connection->operations->begin_closing != NULL)
            connection->operations->begin_closing(connection);
    }
}

void http_begin_closing(struct http_server *server)
{
    if (server->is_closing)
        return;
    server->is_closing = true;
    begin_closing(server->connections);
    begin_closing(server->waiting);
}
