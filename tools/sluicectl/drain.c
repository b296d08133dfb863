/* drain, and the two commands that are to come. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/lock.h"
#include "tools/sluicectl/message.h"

#define POLL_MS       200
#define POLLS_PER_ASK 5 /* the lock is looked at often, the server asked once a second */
#define NS_PER_MS     1000000L

/* One line that is written over on a terminal; elsewhere a line whenever it has changed. */
struct progress {
    bool is_quiet;
    bool is_terminal;
    uint64_t connections; /* of the last that was shown */
    bool is_shown;
};

static void progress_show(struct progress *progress, uint64_t connections, uint64_t seconds)
{
    char count[FORMAT_BYTES];
    char time[FORMAT_BYTES];

    if (progress->is_quiet ||
        (!progress->is_terminal && progress->is_shown && connections == progress->connections))
        return;
    (void)fprintf(stderr, "%s%s %s left, deadline in %s%s", progress->is_terminal ? "\r" : "",
                  format_count(count, connections), connections == 1 ? "client" : "clients",
                  format_duration(time, (double)seconds), progress->is_terminal ? "\33[K" : "\n");
    progress->connections = connections;
    progress->is_shown = true;
}

static void progress_end(const struct progress *progress)
{
    if (progress->is_terminal && progress->is_shown)
        (void)fputc('\n', stderr); /* nobody to tell that there is no standard error */
}

static void show_health(struct control *control, struct progress *progress)
{
    static const struct control_request request = {.target = "/health"};
    struct control_answer answer;

    if (control_ask(control, CONTROL_ANY, &request, &answer) != 0)
        return; /* on its way out: the lock tells */
    struct json_object *health = field_parse(answer.body, answer.body_bytes);
    if (strcmp(field_text(health, "status"), "draining") == 0)
        progress_show(progress, field_number(health, "active_connections"),
                      field_number(health, "remaining_seconds"));
    json_object_put(health);
    control_answer_done(&answer);
}

/* Until the last of its processes has let go of the data directory, or another server has it. */
static int wait_for_end(struct control *control, const struct command_options *options,
                        long first_pid)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * NS_PER_MS};
    struct progress progress = {.is_quiet = options->is_quiet,
                                .is_terminal = isatty(STDERR_FILENO) != 0};
    enum lock_state state;

    for (unsigned round = 0;; round++) {
        long pid = 0;
        state = lock_look(control->dir.path, &pid);
        if (state != LOCK_HELD || pid != first_pid)
            break;
        if (round % POLLS_PER_ASK == 0)
            show_health(control, &progress);
        (void)nanosleep(&pause, NULL); /* cut short: looks again */
    }
    progress_end(&progress);
    if (state == LOCK_UNKNOWN)
        return message_error("%s/lock cannot be read: whether the server has gone cannot be seen",
                             control->dir.path);
    return COMMAND_DONE;
}

static void show_done(const struct command_options *options, const char *status, const char *text)
{
    if (options->is_json)
        (void)printf("{\"status\":\"%s\"}\n", status);
    else
        (void)puts(text);
}

int drain_command(const struct command_options *options, int argc, char **argv)
{
    static const struct control_request request = {.target = "/control/drain", .is_post = true};
    struct control control;
    long pid = 0;
    int status = control_open(options, &control);

    (void)argc;
    (void)argv;
    if (status != COMMAND_DONE)
        return status;
    (void)lock_look(control.dir.path, &pid); /* before: the next server may be there at once */
    struct json_object *answer = control_ask_object(&control, CONTROL_ANY, &request, 0);
    json_object_put(answer);
    if (answer == NULL)
        status = COMMAND_FAILED;
    else if (options->is_wait)
        status = wait_for_end(&control, options, pid);
    if (status == COMMAND_DONE)
        show_done(options, options->is_wait ? "ended" : "draining",
                  options->is_wait ? "the server has ended" : "the server is draining");
    control_close(&control);
    return status;
}

static int not_there_yet(const char *name)
{
    return message_error(
        "%s: this version of sluice cannot do that yet; `sluicectl drain` and a new "
        "start can",
        name);
}

int reload_command(const struct command_options *options, int argc, char **argv)
{
    (void)options;
    (void)argc;
    (void)argv;
    return not_there_yet("reload");
}

int upgrade_command(const struct command_options *options, int argc, char **argv)
{
    (void)options;
    (void)argc;
    (void)argv;
    return not_there_yet("upgrade");
}
