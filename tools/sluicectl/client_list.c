#include "tools/sluicectl/client_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/control.h"
#include "tools/sluicectl/field.h"

#define PAGE_CLIENTS 1000

/* One page of a worker's; an object to put, or NULL and *ret_error. */
static struct json_object *ask_page(struct control *control, unsigned worker, bool is_lagging,
                                    uint64_t before, int *ret_error)
{
    char target[160];
    char before_text[40] = "";
    const struct control_request request = {.target = target};
    struct control_answer answer;

    if (before > 0)
        (void)snprintf(before_text, sizeof before_text, "&before=%" PRIu64, before);
    (void)snprintf(target, sizeof target, "/control/clients?limit=%d%s%s", PAGE_CLIENTS,
                   before_text, is_lagging ? "&lagging=true" : "");
    *ret_error = control_ask(control, worker, &request, &answer);
    if (*ret_error != 0)
        return NULL;
    struct json_object *page =
        answer.status == 200 ? field_parse(answer.body, answer.body_bytes) : NULL;
    if (page == NULL)
        *ret_error = -EPROTO;
    control_answer_done(&answer);
    return page;
}

/* The number in "0-17"; 0: none. */
static uint64_t number_of(struct json_object *client)
{
    const char *dash = strchr(field_text(client, "id"), '-');

    return dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
}

/* The number to go on before; 0: that was all. -errno. */
static int take_page(struct json_object *page, size_t count_max, struct json_object *all,
                     uint64_t *ret_before)
{
    struct json_object *clients = field_array(page, "clients");
    size_t count = field_array_count(clients);
    uint64_t last = 0;

    for (size_t i = 0; i < count && field_array_count(all) < count_max; i++) {
        struct json_object *client = json_object_array_get_idx(clients, i);

        if (json_object_array_add(all, json_object_get(client)) != 0) {
            json_object_put(client); /* the reference that it was not given */
            return -ENOMEM;
        }
        last = number_of(client);
    }
    bool has_more = field_true(page, "more") && field_array_count(all) < count_max;
    *ret_before = has_more ? last : 0;
    return 0;
}

static int collect_worker(struct control *control, unsigned worker, bool is_lagging,
                          size_t count_max, struct json_object *all)
{
    uint64_t before = 0;
    int rc = 0;

    do {
        struct json_object *page = ask_page(control, worker, is_lagging, before, &rc);
        if (page == NULL)
            return rc;
        rc = take_page(page, count_max, all, &before);
        json_object_put(page);
    } while (rc == 0 && before > 0);
    return rc;
}

int client_list_collect(struct control *control, bool is_lagging, size_t count_max,
                        struct json_object *all)
{
    unsigned refused_count = 0;
    int silent_count = 0;

    for (unsigned i = 0; i < control->worker_count; i++) {
        int rc = collect_worker(control, control->workers[i], is_lagging, count_max, all);

        if (rc == -ECONNREFUSED)
            refused_count++;
        else if (rc == -ENOMEM || rc == -EPROTO || rc == -EACCES)
            return rc;
        else if (rc != 0)
            silent_count++;
    }
    return refused_count == control->worker_count ? -ECONNREFUSED : silent_count;
}
