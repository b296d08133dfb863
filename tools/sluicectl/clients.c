/* clients and kick: what each worker knows only of its own. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/client_list.h"
#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/table.h"

static void add_row(struct table *table, struct json_object *client)
{
    const char *name = field_text(client, "name");
    char text[FORMAT_BYTES];

    table_add_text(table, field_text(client, "id"));
    table_add_text(table, field_text(client, "protocol"));
    table_add_text(table, *name != '\0' ? name : "-");
    table_add_text(table, field_text(client, "peer"));
    table_add_text(table, field_text(client, "transport"));
    table_add_text(table, format_duration(text, (double)field_number(client, "connected_seconds")));
    table_add_count(table, field_number(client, "messages_in"));
    table_add_count(table, field_number(client, "messages_out"));
    table_add_bytes(table, field_number(client, "bytes_in"));
    table_add_bytes(table, field_number(client, "bytes_out"));
    table_add_bytes(table, field_number(client, "queued_bytes"));
    table_add_count(table, field_number(client, "subscriptions"));
    table_add_count(table, field_number(client, "lagging"));
}

static int show_table(struct json_object *all)
{
    static const struct table_column columns[] = {
        {"ID", false},        {"PROTOCOL", false}, {"NAME", false},  {"ADDRESS", false},
        {"TRANSPORT", false}, {"SINCE", true},     {"IN", true},     {"OUT", true},
        {"BYTES IN", true},   {"BYTES OUT", true}, {"QUEUED", true}, {"SUBSCRIPTIONS", true},
        {"LAGGING", true},
    };
    struct table table;

    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < json_object_array_length(all); i++)
        add_row(&table, json_object_array_get_idx(all, i));
    int rc = table_write(&table, stdout, SIZE_MAX);
    table_done(&table);
    return rc == 0 ? COMMAND_DONE : message_error("%s", strerror(-rc));
}

static int show_json(struct json_object *all)
{
    struct json_object *result = json_object_new_object();

    if (result == NULL || json_object_object_add(result, "clients", json_object_get(all)) != 0) {
        json_object_put(result);
        return message_error("%s", strerror(ENOMEM));
    }
    (void)puts(field_line(result));
    json_object_put(result);
    return COMMAND_DONE;
}

/* Who did not answer is missing from what was shown: that is no success. */
static int complain_silent(int count)
{
    return message_error("%d %s not answer: what %s to say is missing", count,
                         count == 1 ? "worker did" : "workers did",
                         count == 1 ? "it has" : "they have");
}

int clients_command(const struct command_options *options, int argc, char **argv)
{
    struct control control;
    int status = control_open(options, &control);

    (void)argc;
    (void)argv;
    if (status != COMMAND_DONE)
        return status;
    struct json_object *all = json_object_new_array();
    int rc =
        all == NULL ? -ENOMEM : client_list_collect(&control, options->is_lagging, SIZE_MAX, all);
    if (rc < 0)
        status = control_complain(&control, rc);
    else
        status = options->is_json ? show_json(all) : show_table(all);
    if (rc > 0)
        status = complain_silent(rc);
    json_object_put(all);
    control_close(&control);
    return status;
}

/* --- kick ----------------------------------------------------------------------------------------- */

/* 0, -errno, or COMMAND_FAILED: it has been said why not. */
static int kick_at(struct control *control, unsigned worker, const char *target,
                   uint64_t *kicked_count)
{
    const struct control_request request = {.target = target, .is_post = true};
    struct control_answer answer;
    int rc = control_ask(control, worker, &request, &answer);

    if (rc != 0)
        return rc;
    if (answer.status == 200) {
        struct json_object *object = field_parse(answer.body, answer.body_bytes);
        *kicked_count += field_number(object, "kicked");
        json_object_put(object);
    } else if (answer.status != 404) { /* nobody of that name, some would say */
        rc = control_refused(&answer);
    }
    control_answer_done(&answer);
    return rc;
}

static int kick(struct control *control, const char *target, uint64_t *kicked_count)
{
    unsigned refused_count = 0;
    int silent_count = 0;

    for (unsigned i = 0; i < control->worker_count; i++) {
        int rc = kick_at(control, control->workers[i], target, kicked_count);

        if (rc > 0)
            return rc;
        if (rc == -ENOMEM || rc == -EPROTO || rc == -EACCES)
            return control_complain(control, rc);
        refused_count += rc == -ECONNREFUSED;
        silent_count += rc != 0 && rc != -ECONNREFUSED;
    }
    if (refused_count == control->worker_count)
        return control_complain(control, -ECONNREFUSED);
    return silent_count > 0 ? complain_silent(silent_count) : COMMAND_DONE;
}

static void show_kicked(const struct command_options *options, const char *client, uint64_t count)
{
    if (options->is_json)
        (void)printf("{\"kicked\":%" PRIu64 "}\n", count);
    else if (count > 0)
        (void)printf("%" PRIu64 " closed\n", count);
    else
        (void)message_error("%s: there is no such client", client);
}

int kick_command(const struct command_options *options, int argc, char **argv)
{
    struct control control;
    uint64_t kicked_count = 0;
    char *target = NULL;
    int status = control_open(options, &control);

    (void)argc; /* the table says 1 */
    if (status != COMMAND_DONE)
        return status;
    char *client = control_escape(argv[0], strlen(argv[0]));
    if (client == NULL || asprintf(&target, "/control/kick?client=%s", client) < 0) {
        target = NULL;
        status = message_error("%s", strerror(ENOMEM));
    } else {
        status = kick(&control, target, &kicked_count);
    }
    if (status == COMMAND_DONE || kicked_count > 0)
        show_kicked(options, argv[0], kicked_count);
    if (status == COMMAND_DONE && kicked_count == 0)
        status = COMMAND_FAILED;
    free(target);
    free(client);
    control_close(&control);
    return status;
}
