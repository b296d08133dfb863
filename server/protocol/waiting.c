#include "server/protocol/waiting.h"

#include <stddef.h>

#include "bus/ring.h"
#include "server/net/loop.h"
#include "server/protocol/service.h"

static void append(struct waiting_request ***end, struct waiting_request *request)
{
    request->next = NULL;
    request->link = *end;
    **end = request;
    *end = &request->next;
}

void waiting_join(struct service *service, struct waiting_request *request)
{
    request->is_for_commit = false;
    append(&service->waiting_end, request);
}

void waiting_join_committed(struct service *service, struct waiting_request *request)
{
    request->until_seq = ring_tail(service->bus).seq;
    request->give_up_ns = loop_now_ns(service->loop) + WAITING_COMMIT_NS;
    request->is_for_commit = true;
    append(&service->commit_waiting_end, request);
    if (ring_committed(service->bus).seq < request->until_seq)
        ring_request_commit(service->bus);
}

void waiting_leave(struct service *service, struct waiting_request *request)
{
    *request->link = request->next;
    if (request->next != NULL)
        request->next->link = request->link;
    else if (request->is_for_commit)
        service->commit_waiting_end = request->link;
    else
        service->waiting_end = request->link;
}

/* Those at the front whose commit has come, or will not. */
static void let_go_on(struct service *service, int64_t now_ns)
{
    uint64_t committed_seq = ring_committed(service->bus).seq;

    for (int i = 0; i < WAITING_STEPS; i++) {
        struct waiting_request *request = service->commit_waiting;

        if (request == NULL || (request->until_seq > committed_seq && request->give_up_ns > now_ns))
            return;
        waiting_leave(service, request);
        waiting_join(service, request);
    }
}

bool waiting_turn(struct service *service, int64_t now_ns)
{
    struct waiting_request *request;
    int step_count = 0;

    let_go_on(service, now_ns);
    request = service->waiting;
    while (request != NULL && step_count < WAITING_STEPS) {
        struct waiting_request *next = request->next; /* @request may be gone after its step */

        request->step(request);
        request = next;
        step_count++;
    }
    return step_count > 0;
}

bool waiting_is_for_commit(const struct service *service)
{
    return service->commit_waiting != NULL;
}
