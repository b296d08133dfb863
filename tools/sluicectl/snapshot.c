/* snapshot */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/env.h"
#include "store/snapshot.h"
#include "store/verify.h"
#include "tools/sluicectl/check.h"
#include "tools/sluicectl/command.h"
#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/progress_bar.h"
#include "tools/sluicectl/run_dir.h"
#include "tools/sluicectl/signals.h"

struct bars {
    struct progress_bar bar;
    enum snapshot_phase phase;
    bool is_quiet;
};

static bool on_progress(void *user, enum snapshot_phase phase, uint64_t done, uint64_t total)
{
    struct bars *bars = user;

    if (phase != bars->phase) {
        progress_bar_end(&bars->bar);
        progress_bar_init(&bars->bar, "checking", bars->is_quiet);
        bars->phase = phase;
    }
    progress_bar_show(&bars->bar, done, total);
    return !signals_has_ended();
}

static void show_text(const struct snapshot_options *options, const struct snapshot *snapshot)
{
    char first[FORMAT_BYTES];
    char last[FORMAT_BYTES];
    char bytes[FORMAT_BYTES];

    (void)escape_write(stdout, options->dest, strlen(options->dest));
    (void)printf(": a copy%s, %s\n", options->is_unchecked ? "" : " that is whole",
                 format_bytes(bytes, snapshot->bytes));
    if (snapshot->first_seq > snapshot->last_seq)
        (void)printf("  operations  none is kept, %s were committed\n",
                     format_count(last, snapshot->last_seq));
    else
        (void)printf("  operations  %s to %s\n", format_count(first, snapshot->first_seq),
                     format_count(last, snapshot->last_seq));
    (void)printf("  number      %016" PRIx64
                 ", its own: a server that is started on it begins a new "
                 "epoch\n",
                 snapshot->store_id);
}

static void show_json(const struct snapshot_options *options, const struct snapshot *snapshot,
                      const struct verify_report *report)
{
    struct json_object *object = json_object_new_object();
    char *dest = escape_text(options->dest, strlen(options->dest));
    char number[17];

    (void)json_object_object_add(object, "dest", json_object_new_string(dest != NULL ? dest : ""));
    (void)json_object_object_add(object, "checked",
                                 json_object_new_boolean(!options->is_unchecked));
    if (options->is_unchecked) {
        (void)snprintf(number, sizeof number, "%016" PRIx64, snapshot->store_id); /* 16 digits */
        (void)json_object_object_add(object, "store_id", json_object_new_string(number));
        (void)snprintf(number, sizeof number, "%016" PRIx64, snapshot->epoch);
        (void)json_object_object_add(object, "epoch", json_object_new_string(number));
        (void)json_object_object_add(object, "first_seq",
                                     json_object_new_uint64(snapshot->first_seq));
        (void)json_object_object_add(object, "last_seq",
                                     json_object_new_uint64(snapshot->last_seq));
        (void)json_object_object_add(object, "file_bytes", json_object_new_uint64(snapshot->bytes));
    } else {
        check_add_json(object, report);
    }
    (void)puts(field_line(object));
    json_object_put(object);
    free(dest);
}

/* A server that was killed may have left more than its store has. */
static void note_ring(const struct snapshot *snapshot)
{
    char count[FORMAT_BYTES];
    struct run_dir_ring ring = {.count = 0};

    if (snapshot->is_served ||
        !run_dir_find_ring(snapshot->original_id, snapshot->last_seq, &ring) || ring.count == 0)
        return;
    message_note(
        "%s has %s operations that the store has not, and neither has the copy: a start of the "
        "server takes them over",
        ring.path, format_count(count, ring.count));
}

/* @rc is negative: what went wrong, and with the copy too, if that is what did. */
static int say_failure(int rc, const struct verify_report *report)
{
    (void)message_error("%s", store_error_text());
    if (rc != -EBADMSG || report->problem_count == 0)
        return COMMAND_FAILED;
    check_show_problems(stderr, report);
    message_note("so is the original, then: check it. With --no-check it is copied as it is");
    return COMMAND_FAILED;
}

int snapshot_command(const struct command_options *options, int argc, char **argv)
{
    struct bars bars = {.phase = SNAPSHOT_COPY, .is_quiet = options->is_quiet};
    const struct snapshot_options wanted = {
        .data_dir = argv[0],
        .dest = argv[1],
        .is_unchecked = options->is_unchecked,
        .on_progress = on_progress,
        .user = &bars,
    };
    struct verify_report *report = calloc(1, sizeof *report);
    struct snapshot snapshot;
    int status = COMMAND_DONE;
    int end_fd;
    int rc = report != NULL ? signals_catch_end(&end_fd) : -ENOMEM;

    (void)argc;
    if (rc != 0) {
        free(report);
        return message_error("%s", strerror(-rc));
    }
    progress_bar_init(&bars.bar, "copying", options->is_quiet);
    rc = snapshot_make(&wanted, &snapshot, report);
    progress_bar_end(&bars.bar);
    if (rc != 0)
        status = say_failure(rc, report);
    else if (options->is_json)
        show_json(&wanted, &snapshot, report);
    else
        show_text(&wanted, &snapshot);
    if (rc == 0)
        note_ring(&snapshot);
    free(report);
    return status;
}
