/* health: the server's own report, for people or as it is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/table.h"

#define STATUS_UNWELL 503

static void show_state(struct json_object *health)
{
    const char *status = field_text(health, "status");
    uint64_t remaining = field_number(health, "remaining_seconds");
    char text[FORMAT_BYTES];

    (void)escape_write(stdout, status, strlen(status));
    if (strcmp(status, "draining") == 0)
        (void)printf(": %s until the deadline", format_duration(text, (double)remaining));
    const char *reason = field_text(health, "reason");
    if (*reason != '\0') {
        (void)fputs(": ", stdout);
        (void)escape_write(stdout, reason, strlen(reason));
    }
    (void)fputs("\nsluice ", stdout);
    const char *version = field_text(health, "version");
    (void)escape_write(stdout, version, strlen(version));
    (void)printf(", up %s\n", format_duration(text, field_double(health, "uptime_seconds")));
}

static void show_log(struct json_object *log)
{
    uint64_t last = field_number(log, "last_seq");
    uint64_t committed = field_number(log, "committed_seq");
    char text[FORMAT_BYTES];

    (void)printf("log: numbers %s to ", format_count(text, field_number(log, "first_seq")));
    (void)printf("%s, ", format_count(text, last));
    if (committed == last)
        (void)fputs("all on disk, epoch ", stdout);
    else
        (void)printf("on disk to %s, epoch ", format_count(text, committed));
    const char *epoch = field_text(log, "epoch");
    (void)escape_write(stdout, epoch, strlen(epoch));
    (void)fputc('\n', stdout);
}

static int show_workers(struct json_object *workers)
{
    static const struct table_column columns[] = {
        {"WORKER", true}, {"PID", true}, {"CLIENTS", true}};
    struct table table;

    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < field_array_count(workers); i++) {
        struct json_object *worker = json_object_array_get_idx(workers, i);
        char pid[FORMAT_BYTES];

        (void)snprintf(pid, sizeof pid, "%" PRIu64, field_number(worker, "pid"));
        table_add_count(&table, field_number(worker, "index"));
        table_add_text(&table, pid);
        table_add_count(&table, field_number(worker, "connections"));
    }
    int rc = table_write(&table, stdout, SIZE_MAX);
    table_done(&table);
    return rc;
}

static int show(const struct control_answer *answer)
{
    struct json_object *health = field_parse(answer->body, answer->body_bytes);
    char text[FORMAT_BYTES];

    if (health == NULL)
        return message_error("the server's answer to /health is no JSON object");
    show_state(health);
    (void)printf("clients: %s\n", format_count(text, field_number(health, "active_connections")));
    show_log(field_object(health, "log"));
    (void)fputc('\n', stdout);
    int rc = show_workers(field_array(health, "workers"));
    json_object_put(health);
    return rc == 0 ? COMMAND_DONE : message_error("%s", strerror(-rc));
}

int health_command(const struct command_options *options, int argc, char **argv)
{
    static const struct control_request request = {.target = "/health"};
    struct control control;
    struct control_answer answer;
    int status = control_open(options, &control);

    (void)argc;
    (void)argv;
    if (status != COMMAND_DONE)
        return status;
    int rc = control_ask(&control, CONTROL_ANY, &request, &answer);
    if (rc != 0) {
        status = control_complain(&control, rc);
    } else if (answer.status != 200 && answer.status != STATUS_UNWELL) {
        status = control_refused(&answer);
    } else if (options->is_json) {
        (void)puts(answer.body);
    } else {
        status = show(&answer);
    }
    if (rc == 0) {
        if (answer.status != 200)
            status = COMMAND_FAILED;
        control_answer_done(&answer);
    }
    control_close(&control);
    return status;
}
