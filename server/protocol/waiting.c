#include "server/protocol/waiting.h"

#include <stddef.h>

#include "server/protocol/service.h"

void waiting_join(struct service *service, struct waiting_request *request)
{
    request->next = NULL;
    request->link = service->waiting_end;
    *service->waiting_end = request;
    service->waiting_end = &request->next;
}

void waiting_leave(struct service *service, struct waiting_request *request)
{
    *request->link = request->next;
    if (request->next != NULL)
        request->next->link = request->link;
    else
        service->waiting_end = request->link;
}

bool waiting_turn(struct service *service, int64_t now_ns)
{
    struct waiting_request *request = service->waiting;
    int worked_count = 0;

    while (request != NULL && worked_count < WAITING_STEPS) {
        struct waiting_request *next = request->next; /* @request may be gone after its step */

        if (request->step(request, now_ns))
            worked_count++;
        request = next;
    }
    return worked_count > 0;
}

bool waiting_is_for_commit(const struct service *service)
{
    const struct waiting_request *request = service->waiting;

    while (request != NULL && !request->is_for_commit)
        request = request->next;
    return request != NULL;
}
