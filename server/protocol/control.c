#include "server/protocol/control.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "bus/shm.h"
#include "bus/stats.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/service.h"

#define PREFIX "/control/"

static void drain_serve(struct service *service, struct http_exchange *exchange);

static const struct control_route {
    const char *path;
    bool is_order; /* POST; else GET and HEAD */
    void (*serve)(struct service *service, struct http_exchange *exchange);
} routes[] = {
    {PREFIX "clients", false, control_clients_serve},
    {PREFIX "kick", true, control_kick_serve},
    {PREFIX "drain", true, drain_serve},
    {PREFIX "log", false, control_log_serve},
    {PREFIX "top", false, control_top_serve},
};

/* The same way to the end as any other: the master decides what a second request means. */
static void drain_serve(struct service *service, struct http_exchange *exchange)
{
    pid_t master = bus_slot_pid(service->bus, BUS_SLOT_MASTER);
    struct text body = {0};

    /* Never 0 or less: that would be a group of processes. */
    if (master <= 0 || kill(master, SIGTERM) != 0) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "the master cannot be told", NULL);
        return;
    }
    text_add_string(&body, "{\"status\":\"draining\"}");
    answer_json(service, exchange, 202, &body, NULL);
    text_done(&body);
}

static const struct control_route *find_route(struct http_text path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (http_text_equals(path, routes[i].path))
            return &routes[i];
    }
    return NULL;
}

static bool is_allowed(const struct control_route *route, enum http_method method)
{
    if (route->is_order)
        return method == HTTP_METHOD_POST;
    return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
}

static void serve(struct service *service, struct http_exchange *exchange)
{
    const struct http_request *request = http_request(exchange);
    const struct control_route *route;

    if (request->path.size < strlen(PREFIX) ||
        memcmp(request->path.bytes, PREFIX, strlen(PREFIX)) != 0) {
        router_on_request(service, exchange);
        return;
    }
    stat_add(service->bus, service->slot, STAT_HTTP_REQUESTS, 1);
    route = find_route(request->path);
    if (route == NULL)
        answer_error(service, exchange, ANSWER_NOT_FOUND, "there is nothing at this path", NULL);
    else if (!is_allowed(route, request->method))
        answer_error(service, exchange, ANSWER_METHOD_NOT_ALLOWED, "this path has another method",
                     route->is_order ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
    else
        route->serve(service, exchange);
}

void control_on_request(void *user, struct http_exchange *exchange)
{
    struct service *service = user;
    bool is_refusing = service->is_refusing;

    /* Who would come now is closed with everybody else: nobody visits the clients once more. */
    service->is_refusing = is_refusing && bus_phase(service->bus) >= BUS_CLOSING;
    service->is_control = true;
    serve(service, exchange);
    service->is_control = false;
    service->is_refusing = is_refusing;
}
