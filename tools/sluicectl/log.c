/*
 * log: the operations of the log, page by page; with --follow what comes, asked for again and again.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/backoff.h"
#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/event_line.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/output.h"
#include "tools/sluicectl/signals.h"

#define PAGE_OPERATIONS 1000u
#define NEWEST_DEFAULT  100u
#define NEWEST_KEPT_MAX 100000u /* that are held in memory until the end is found */
#define POLL_MS         250
#define EPOCH_BYTES     32
/* A change of rows that has not been executed yet ends a page: it is waited for. */
#define EXECUTION_POLL_MS   50
#define EXECUTION_POLLS_MAX 200

/* What one answer says besides its operations. */
struct page {
    char epoch[EPOCH_BYTES];
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t next;
    uint64_t count; /* of operations in it */
};

/* The last lines of those that came, when only the newest are wanted and their number tells nothing. */
struct newest {
    char **lines; /* a ring of @count_max, NULL where there is none yet */
    size_t count_max;
    size_t at;
};

struct reader {
    const struct command_options *options;
    struct control control;
    int signal_fd;
    char *topic;             /* percent-encoded; NULL: all */
    char epoch[EPOCH_BYTES]; /* of the page before; "" */
    uint64_t from;           /* the next number to ask for */
    uint64_t left;           /* operations that may still be printed */
    struct newest newest;
    unsigned failures; /* of --follow, in a row */
};

static int newest_init(struct newest *newest, size_t count)
{
    newest->lines = calloc(count, sizeof *newest->lines);
    newest->count_max = count;
    return newest->lines == NULL ? -ENOMEM : 0;
}

static void newest_done(struct newest *newest)
{
    for (size_t i = 0; newest->lines != NULL && i < newest->count_max; i++)
        free(newest->lines[i]);
    free(newest->lines);
    *newest = (struct newest){0};
}

static void newest_show(struct newest *newest)
{
    for (size_t i = 0; i < newest->count_max; i++) {
        const char *line = newest->lines[(newest->at + i) % newest->count_max];
        if (line != NULL)
            (void)fputs(line, stdout); /* main() looks at the stream's state */
    }
    newest_done(newest);
}

static void show_operation(FILE *output, const struct reader *reader, struct json_span operation)
{
    if (reader->options->is_json)
        event_line_json(output, operation);
    else
        event_line_operation(output, operation);
}

static int keep_operation(struct reader *reader, struct json_span operation)
{
    struct newest *newest = &reader->newest;
    char *line = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&line, &bytes);

    if (memory == NULL)
        return -ENOMEM;
    show_operation(memory, reader, operation);
    if (fclose(memory) != 0) {
        free(line);
        return -ENOMEM;
    }
    free(newest->lines[newest->at]);
    newest->lines[newest->at] = line;
    newest->at = (newest->at + 1) % newest->count_max;
    return 0;
}

static int take_operations(struct reader *reader, struct json_span body, struct page *page)
{
    struct json_span operations = {0};
    struct json_span cursor = {0};
    struct json_span operation;
    int rc = 0;

    page->count = 0;
    if (!json_span_member(body, "events", &operations))
        return -EPROTO;
    while (rc == 0 && reader->left > 0 && json_span_element(operations, &cursor, &operation)) {
        page->count++;
        if (reader->newest.lines != NULL) {
            rc = keep_operation(reader, operation);
        } else {
            show_operation(stdout, reader, operation);
            reader->left--;
        }
    }
    return rc;
}

/* By spans, too: values may be larger or deeper than json-c takes. */
static int read_head(struct json_span body, struct page *page)
{
    struct json_span epoch;

    if (!json_span_member(body, "epoch", &epoch) ||
        !json_span_number(body, "first_seq", &page->first_seq) ||
        !json_span_number(body, "last_seq", &page->last_seq) ||
        !json_span_number(body, "next", &page->next))
        return -EPROTO;
    epoch = json_span_unquoted(epoch);
    (void)snprintf(page->epoch, sizeof page->epoch, "%.*s", (int)epoch.bytes, epoch.at);
    return 0;
}

static int ask(struct reader *reader, uint64_t limit, struct control_answer *ret_answer)
{
    char *target = NULL;

    if (asprintf(&target, "/control/log?from=%" PRIu64 "&limit=%" PRIu64 "%s%s", reader->from,
                 limit, reader->topic != NULL ? "&topic=" : "",
                 reader->topic != NULL ? reader->topic : "") < 0)
        return -ENOMEM;
    const struct control_request request = {.target = target};
    int rc = control_ask(&reader->control, CONTROL_ANY, &request, ret_answer);
    free(target);
    return rc;
}

/* What the numbers say that cannot be seen in the operations. */
static void note_breaks(struct reader *reader, const struct page *page)
{
    if (reader->epoch[0] != '\0' && strcmp(reader->epoch, page->epoch) != 0)
        message_note("the epoch has changed from %s to %s: a power cut has taken operations, and "
                     "their numbers may be others' now",
                     reader->epoch, page->epoch);
    if ((reader->epoch[0] != '\0' || reader->options->from > 1) && reader->from < page->first_seq)
        message_note("a gap: the oldest operation that is still kept is number %" PRIu64,
                     page->first_seq);
    (void)snprintf(reader->epoch, sizeof reader->epoch, "%s", page->epoch);
}

/*
 * Reads one page and goes on behind it. COMMAND_DONE; COMMAND_FAILED: it has been said why not;
 * -errno: the server could not be asked.
 */
static int read_page(struct reader *reader, struct page *page)
{
    uint64_t limit = reader->left < PAGE_OPERATIONS ? reader->left : PAGE_OPERATIONS;
    struct control_answer answer;
    int rc = ask(reader, limit > 0 ? limit : 1, &answer);

    if (rc != 0)
        return rc;
    if (answer.status != 200) {
        rc = answer.status == 503 ? -ECONNRESET : control_refused(&answer);
        control_answer_done(&answer);
        return rc;
    }
    struct json_span body = {answer.body, answer.body_bytes};
    rc = read_head(body, page);
    if (rc == 0) {
        note_breaks(reader, page);
        rc = take_operations(reader, body, page);
    }
    control_answer_done(&answer);
    if (rc != 0)
        return message_error("the server's answer to /control/log: %s",
                             rc == -ENOMEM ? strerror(ENOMEM) : "not what it should be");
    reader->from = page->next;
    return COMMAND_DONE;
}

/* @ms, or until a signal comes or nobody reads any more. */
static void pause_for(const struct reader *reader, int64_t ms)
{
    struct pollfd waits[] = {
        {.fd = reader->signal_fd, .events = POLLIN}, /* -1: ignored */
        {.fd = OUTPUT_FD},
    };

    (void)poll(waits, sizeof waits / sizeof waits[0], (int)ms); /* whatever woke it: callers look */
}

/* Everything up to what was the end when this began. */
static int read_to_end(struct reader *reader)
{
    struct page page = {0};
    uint64_t end = 0;
    unsigned waits = 0;
    int status = COMMAND_DONE;

    do {
        uint64_t from = reader->from;
        int rc = read_page(reader, &page);
        if (rc != 0)
            return rc < 0 ? control_complain(&reader->control, rc) : rc;
        if (end == 0)
            end = page.last_seq;
        waits = reader->from > from || reader->from > end ? 0 : waits + 1;
        if (waits > 0)
            pause_for(reader, EXECUTION_POLL_MS);
    } while (reader->left > 0 && reader->from <= end && waits < EXECUTION_POLLS_MAX &&
             !signals_has_ended());
    if (reader->newest.lines != NULL)
        newest_show(&reader->newest);
    if (waits == EXECUTION_POLLS_MAX)
        status = message_error("number %" PRIu64 " is a change of rows that has not been executed "
                               "yet: is the store writer well?",
                               reader->from);
    return status;
}

static void follow_failed(struct reader *reader)
{
    reader->failures++;
    if (reader->failures == 2)
        message_note("the server has gone away; trying again");
    pause_for(reader, backoff_ms(reader->failures));
    (void)control_reopen(&reader->control); /* if that fails, so does the next question */
}

static int follow(struct reader *reader)
{
    struct page page = {0};

    while (reader->left > 0 && !signals_has_ended()) {
        uint64_t from = reader->from;
        int rc = read_page(reader, &page);
        if (rc > 0)
            return rc;
        if (rc == -EMSGSIZE || rc == -ENOMEM)
            return control_complain(&reader->control, rc);
        if (fflush(stdout) != 0)
            break; /* main() says so, unless a signal cut it short */
        if (output_look() != COMMAND_DONE)
            return COMMAND_FAILED;
        if (rc < 0) {
            follow_failed(reader);
            continue;
        }
        if (reader->failures >= 2)
            message_note("back, at %" PRIu64, reader->from);
        reader->failures = 0;
        if (reader->from > page.last_seq || reader->from == from)
            pause_for(reader, POLL_MS);
    }
    if (signals_has_ended())
        clearerr(stdout); /* what a signal cut short is no error */
    return COMMAND_DONE;
}

/* Of all topics the newest are found by their numbers; one topic's lie anywhere. */
static int begin_at_newest(struct reader *reader)
{
    const struct command_options *options = reader->options;
    uint64_t count = options->has_limit ? options->limit : options->is_follow ? 0 : NEWEST_DEFAULT;
    struct page page = {0};
    int rc;

    if (reader->topic != NULL && count > NEWEST_KEPT_MAX)
        return message_usage("--limit: with --topic and without --from at most %u",
                             NEWEST_KEPT_MAX);
    reader->from = 1;
    reader->left = 0; /* nothing is shown of it: it tells where the log's ends are */
    rc = read_page(reader, &page);
    reader->left = UINT64_MAX;
    if (rc != 0)
        return rc < 0 ? control_complain(&reader->control, rc) : rc;
    if (reader->topic != NULL && count > 0) {
        reader->from = page.first_seq > 0 ? page.first_seq : 1;
        return newest_init(&reader->newest, (size_t)count) == 0
                   ? COMMAND_DONE
                   : message_error("%s", strerror(ENOMEM));
    }
    reader->from = page.last_seq >= count ? page.last_seq - count + 1 : 1;
    if (reader->from < page.first_seq)
        reader->from = page.first_seq;
    return COMMAND_DONE;
}

static int run(struct reader *reader)
{
    const struct command_options *options = reader->options;
    int status = COMMAND_DONE;

    reader->left = UINT64_MAX;
    if (options->from > 0) {
        reader->from = options->from;
        reader->left = options->has_limit ? options->limit : UINT64_MAX;
    } else {
        status = begin_at_newest(reader);
    }
    if (status == COMMAND_DONE)
        status = read_to_end(reader);
    if (status == COMMAND_DONE && options->is_follow)
        status = follow(reader);
    return status;
}

int log_command(const struct command_options *options, int argc, char **argv)
{
    struct reader reader = {.options = options, .signal_fd = -1};
    int status = control_open(options, &reader.control);
    int rc = 0;

    (void)argc;
    (void)argv;
    if (status != COMMAND_DONE)
        return status;
    if (options->topic != NULL) {
        reader.topic = control_escape(options->topic, strlen(options->topic));
        rc = reader.topic == NULL ? -ENOMEM : 0;
    }
    if (rc == 0 && options->is_follow)
        rc = signals_catch_end(&reader.signal_fd);
    status = rc == 0 ? run(&reader) : message_error("%s", strerror(-rc));
    newest_done(&reader.newest);
    free(reader.topic);
    control_close(&reader.control);
    return status;
}
