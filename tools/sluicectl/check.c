#include "tools/sluicectl/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/rfc3339.h"
#include "store/env.h"
#include "store/verify.h"
#include "tools/sluicectl/command.h"
#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/progress_bar.h"
#include "tools/sluicectl/run_dir.h"
#include "tools/sluicectl/signals.h"

/* --- for people ----------------------------------------------------------------------------- */

/* What stdio returns is looked at in the end, for all of it (main.c). */
static void show_operations(FILE *output, const struct verify_report *report)
{
    char first[FORMAT_BYTES];
    char last[FORMAT_BYTES];
    char count[FORMAT_BYTES];
    char bytes[FORMAT_BYTES];
    char time[RFC3339_BYTES + 1] = "";

    if (report->first_seq > report->last_seq) {
        (void)fprintf(output, "  operations  none is kept, %s were committed\n",
                      format_count(count, report->last_seq));
        return;
    }
    rfc3339_write(time, report->last_time_ns);
    (void)fprintf(output, "  operations  %s to %s, the last of %s\n",
                  format_count(first, report->first_seq), format_count(last, report->last_seq),
                  time);
    (void)fprintf(output, "  log         %s in %s block%s\n",
                  format_bytes(bytes, report->log_bytes), format_count(count, report->block_count),
                  report->block_count == 1 ? "" : "s");
}

/* Whether one runs, and what a start finds that the last one has left. */
static void show_server(FILE *output, const struct verify_report *report)
{
    char count[FORMAT_BYTES];
    struct run_dir_ring ring = {.count = 0};
    const char *left = "none; a start takes over what its ring still holds, or begins a new epoch";

    if (report->is_served)
        left = "runs";
    else if (report->is_clean)
        left = "none, the last one committed everything";
    (void)fprintf(output, "  server      %s\n", left);
    if (report->is_served || !run_dir_find_ring(report->store_id, report->last_seq, &ring))
        return;
    (void)fputs("  ring        ", output);
    (void)escape_write(output, ring.path, strlen(ring.path));
    (void)fprintf(output, ", %s operations not in the store yet\n",
                  format_count(count, ring.count));
}

void check_show_content(FILE *output, const struct verify_report *report)
{
    char count[FORMAT_BYTES];
    char more[FORMAT_BYTES];
    char bytes[FORMAT_BYTES];

    show_operations(output, report);
    (void)fprintf(output, "  topics      %s in the index",
                  format_count(count, report->topic_count));
    (void)fprintf(output, ", %s of which nothing is kept\n",
                  format_count(count, report->trimmed_count));
    (void)fprintf(output, "  rows        %s of %s types", format_count(count, report->row_count),
                  format_count(more, report->table_count));
    (void)fprintf(output, ", %s entries in indexes\n",
                  format_count(count, report->index_entry_count));
    (void)fprintf(output, "  epochs      %s, in force %016" PRIx64 "\n",
                  format_count(count, report->epoch_count), report->epoch);
    (void)fprintf(output, "  file        %s, %s pages", format_bytes(bytes, report->file_bytes),
                  format_count(count, report->page_count));
    (void)fprintf(output, ", %s of them free\n", format_count(count, report->free_page_count));
    show_server(output, report);
}

void check_show_problems(FILE *output, const struct verify_report *report)
{
    bool is_told[VERIFY_PART_COUNT] = {false};
    char count[FORMAT_BYTES];

    for (uint64_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        const struct verify_problem *problem = &report->problems[i];

        (void)fprintf(output, "  %s: ", verify_part_name(problem->part));
        (void)escape_write(output, problem->text, strlen(problem->text));
        (void)fputc('\n', output);
        is_told[problem->part] = true;
    }
    if (report->problem_count > VERIFY_PROBLEMS_MAX)
        (void)fprintf(output, "  and %s more\n",
                      format_count(count, report->problem_count - VERIFY_PROBLEMS_MAX));
    (void)fputs("What that means:\n", output);
    for (int part = 0; part < VERIFY_PART_COUNT; part++) {
        if (is_told[part])
            (void)fprintf(output, "  %s: %s.\n", verify_part_name((enum verify_part)part),
                          verify_part_advice((enum verify_part)part));
    }
}

static void show(const char *data_dir, const struct verify_report *report)
{
    char count[FORMAT_BYTES];

    (void)escape_write(stdout, data_dir, strlen(data_dir));
    if (report->problem_count == 0) {
        (void)puts(" is whole");
    } else {
        (void)printf(" is damaged: %s %s\n", format_count(count, report->problem_count),
                     report->problem_count == 1 ? "problem" : "problems");
        check_show_problems(stdout, report);
        (void)puts("What was found:");
    }
    check_show_content(stdout, report);
}

/* --- for machines --------------------------------------------------------------------------- */

static void add_number(struct json_object *object, const char *name, uint64_t number)
{
    (void)json_object_object_add(object, name, json_object_new_uint64(number)); /* or no memory */
}

static void add_hex(struct json_object *object, const char *name, uint64_t number)
{
    char text[17];

    (void)snprintf(text, sizeof text, "%016" PRIx64, number); /* 16 digits */
    (void)json_object_object_add(object, name, json_object_new_string(text));
}

static struct json_object *problem_json(const struct verify_problem *problem)
{
    struct json_object *object = json_object_new_object();
    char *text = escape_text(problem->text, strlen(problem->text));

    (void)json_object_object_add(object, "part",
                                 json_object_new_string(verify_part_name(problem->part)));
    if (problem->seq != 0)
        add_number(object, "seq", problem->seq);
    (void)json_object_object_add(object, "text", json_object_new_string(text != NULL ? text : ""));
    free(text);
    return object;
}

void check_add_json(struct json_object *object, const struct verify_report *report)
{
    struct json_object *problems = json_object_new_array();
    char time[RFC3339_BYTES + 1] = "";
    struct run_dir_ring ring = {.count = 0};

    (void)json_object_object_add(object, "whole",
                                 json_object_new_boolean(report->problem_count == 0));
    (void)json_object_object_add(object, "server_runs", json_object_new_boolean(report->is_served));
    (void)json_object_object_add(object, "clean", json_object_new_boolean(report->is_clean));
    add_hex(object, "store_id", report->store_id);
    add_hex(object, "epoch", report->epoch);
    add_number(object, "first_seq", report->first_seq);
    add_number(object, "last_seq", report->last_seq);
    if (report->last_seq > 0) {
        rfc3339_write(time, report->last_time_ns);
        (void)json_object_object_add(object, "last_time", json_object_new_string(time));
    }
    add_number(object, "operations", report->operation_count);
    add_number(object, "blocks", report->block_count);
    add_number(object, "log_bytes", report->log_bytes);
    add_number(object, "topics", report->topic_count);
    add_number(object, "topic_entries", report->topic_entry_count);
    add_number(object, "trimmed_topics", report->trimmed_count);
    add_number(object, "epochs", report->epoch_count);
    add_number(object, "types", report->table_count);
    add_number(object, "rows", report->row_count);
    add_number(object, "index_entries", report->index_entry_count);
    add_number(object, "file_bytes", report->file_bytes);
    add_number(object, "pages", report->page_count);
    add_number(object, "free_pages", report->free_page_count);
    if (!report->is_served && run_dir_find_ring(report->store_id, report->last_seq, &ring))
        add_number(object, "ring_operations", ring.count);
    add_number(object, "problem_count", report->problem_count);
    for (uint64_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++)
        (void)json_object_array_add(problems, problem_json(&report->problems[i]));
    (void)json_object_object_add(object, "problems", problems);
}

/* --- the command ---------------------------------------------------------------------------- */

static bool on_progress(void *user, uint64_t done, uint64_t total)
{
    progress_bar_show(user, done, total);
    return !signals_has_ended();
}

int check_command(const struct command_options *options, int argc, char **argv)
{
    struct verify_report *report = malloc(sizeof *report);
    struct progress_bar bar;
    struct json_object *object;
    int end_fd;
    int status;
    int rc = report != NULL ? signals_catch_end(&end_fd) : -ENOMEM;

    (void)argc;
    if (rc != 0) {
        free(report);
        return message_error("%s", strerror(-rc));
    }
    progress_bar_init(&bar, "checking", options->is_quiet);
    rc = verify_store(argv[0], on_progress, &bar, report);
    progress_bar_end(&bar);
    if (rc != 0) {
        status = message_error("%s", store_error_text());
    } else if (options->is_json) {
        object = json_object_new_object();
        check_add_json(object, report);
        (void)puts(field_line(object));
        json_object_put(object);
        status = report->problem_count == 0 ? COMMAND_DONE : COMMAND_FAILED;
    } else {
        show(argv[0], report);
        status = report->problem_count == 0 ? COMMAND_DONE : COMMAND_FAILED;
    }
    free(report);
    return status;
}
