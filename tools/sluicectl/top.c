/*
 * top: asks twice, and shows what happened in between; on a terminal again each second.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sluice-bench/clock.h"
#include "tools/sluicectl/client_list.h"
#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/signals.h"
#include "tools/sluicectl/terminal.h"
#include "tools/sluicectl/top_sample.h"
#include "tools/sluicectl/top_view.h"

#define INTERVAL_MS       1000
#define INTERVAL_FIRST_MS 250 /* that the first table of many need not be waited for */
#define CTRL_C            3   /* of a terminal that makes no signal of it */

struct top {
    const struct command_options *options;
    struct control control;
    struct top_sample samples[2];
    unsigned newer; /* its index */
    bool has_samples[2];
    struct json_object *lagging;
    int signal_fd;
    char *text; /* of the newest table */
    bool is_over;
    bool is_away; /* the server */
};

static int64_t now_ms(void)
{
    return (int64_t)(clock_now_ns() / (CLOCK_NS_PER_S / 1000));
}

/* --- asking ------------------------------------------------------------------------------------- */

static void take_lagging(struct top *top)
{
    json_object_put(top->lagging);
    top->lagging = NULL;
    if (top->samples[top->newer].all.lagging == 0)
        return;
    top->lagging = json_object_new_array();
    if (top->lagging != NULL) /* without an answer they are missing from the table, no more */
        (void)client_list_collect(&top->control, true, TOP_VIEW_LAGGING_MAX, top->lagging);
}

static int take_sample(struct top *top, struct json_object *object)
{
    struct top_sample *oldest = &top->samples[1 - top->newer];

    top_sample_done(oldest);
    if (!top_sample_read(oldest, object)) {
        terminal_leave(); /* what is said now is to stay */
        return message_error("the server's answer to /control/top is not what it should be");
    }
    top->newer = 1 - top->newer;
    top->has_samples[top->newer] = true;
    take_lagging(top);
    return COMMAND_DONE;
}

/* 0, -errno (the server could not be asked), or COMMAND_FAILED: it has been said why not. */
static int ask(struct top *top)
{
    static const struct control_request request = {.target = "/control/top"};
    struct control_answer answer;
    int rc = control_ask(&top->control, CONTROL_ANY, &request, &answer);

    if (rc != 0)
        return rc;
    if (answer.status == 200) {
        rc = take_sample(top, field_parse(answer.body, answer.body_bytes));
    } else if (answer.status == 503) {
        rc = -ECONNRESET; /* as good as none */
    } else {
        terminal_leave(); /* what is said now is to stay */
        rc = control_refused(&answer);
    }
    control_answer_done(&answer);
    return rc;
}

/* --- once --------------------------------------------------------------------------------------- */

static int write_table(struct top *top, FILE *output)
{
    const struct top_sample *newer = &top->samples[top->newer];
    struct top_rates rates;

    top_rates_between(&top->samples[1 - top->newer], newer, &rates);
    if (!top->options->is_json)
        return top_view_write(output, newer, &rates, top->lagging);
    top_view_json(output, newer, &rates, top->lagging);
    return 0;
}

static int run_once(struct top *top)
{
    int rc = ask(top);

    if (rc == 0) {
        (void)poll(NULL, 0, INTERVAL_MS); /* cut short by a signal: that ends us anyway */
        rc = ask(top);
    }
    if (rc < 0)
        return control_complain(&top->control, rc);
    if (rc == 0 && write_table(top, stdout) != 0)
        return message_error("%s", strerror(ENOMEM));
    return rc;
}

/* --- live --------------------------------------------------------------------------------------- */

static int make_text(struct top *top)
{
    size_t bytes;
    FILE *memory;
    int rc;

    free(top->text);
    top->text = NULL;
    memory = open_memstream(&top->text, &bytes);
    if (memory == NULL)
        return -ENOMEM;
    if (top->is_away)
        (void)fputs("the server has gone away; trying again (q leaves)\n\n", memory);
    rc = write_table(top, memory);
    if (fclose(memory) != 0)
        rc = -ENOMEM;
    return rc;
}

static void draw(const struct top *top)
{
    size_t rows;
    size_t columns;

    if (top->text == NULL)
        return;
    terminal_size(&rows, &columns);
    top_view_screen(stdout, top->text, rows, columns);
    (void)fflush(stdout); /* main() looks at the stream's state */
}

/* A server that goes away and comes back is waited for; its last table stays. */
static int refresh(struct top *top)
{
    int rc;

    if (top->is_away)
        (void)control_reopen(&top->control); /* if that fails, so does the question */
    rc = ask(top);
    if (rc > 0)
        return rc;
    top->is_away = rc < 0;
    if (rc < 0 && (!top->has_samples[0] || !top->has_samples[1]))
        return control_complain(&top->control, rc);
    if (!top->has_samples[0] || !top->has_samples[1])
        return COMMAND_DONE;
    return make_text(top) == 0 ? COMMAND_DONE : message_error("%s", strerror(ENOMEM));
}

static void take_signal(struct top *top, int number)
{
    switch (number) {
    case SIGTSTP:
        terminal_leave();
        (void)raise(SIGSTOP); /* what follows happens after SIGCONT */
        break;
    case SIGCONT:
        top->is_over = terminal_enter() != 0;
        draw(top);
        break;
    case SIGWINCH:
        draw(top);
        break;
    default:
        top->is_over = true;
        break;
    }
}

static void take_keys(struct top *top, struct pollfd *keys)
{
    char bytes[64];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);

    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        keys->fd = -1; /* no more of them: signals remain */
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] == 'q' || bytes[i] == 'Q' || bytes[i] == CTRL_C)
            top->is_over = true;
    }
}

/* Until @until_ms, for keys and signals. */
static void wait_until(struct top *top, int64_t until_ms, struct pollfd *keys)
{
    struct pollfd polled[2] = {{.fd = top->signal_fd, .events = POLLIN}};
    int64_t left_ms;

    while (!top->is_over && (left_ms = until_ms - now_ms()) > 0) {
        int number;

        polled[1] = *keys;
        (void)poll(polled, 2, (int)left_ms); /* EINTR: the signal is in the pipe */
        while ((number = signals_next()) != 0)
            take_signal(top, number);
        if (polled[1].revents != 0 && !top->is_over)
            take_keys(top, keys);
    }
}

static int run_live(struct top *top)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH};
    struct pollfd keys = {.fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1, .events = POLLIN};
    int64_t next_ms = now_ms() + INTERVAL_FIRST_MS;
    int status = refresh(top);
    int rc = 0;

    if (status != COMMAND_DONE)
        return status;
    rc = signals_catch(caught, sizeof caught / sizeof caught[0], &top->signal_fd);
    if (rc == 0)
        rc = terminal_enter();
    if (rc != 0)
        return message_error("the terminal: %s", strerror(-rc));
    while (!top->is_over && status == COMMAND_DONE && !ferror(stdout)) {
        wait_until(top, next_ms, &keys);
        next_ms += INTERVAL_MS;
        if (next_ms < now_ms()) /* was stopped, or the server slow */
            next_ms = now_ms() + INTERVAL_MS;
        if (!top->is_over)
            status = refresh(top);
        draw(top);
    }
    terminal_leave();
    if (signals_has_ended())
        clearerr(stdout); /* what a signal cut short is no error */
    return status;
}

int top_command(const struct command_options *options, int argc, char **argv)
{
    struct top *top = calloc(1, sizeof *top);
    int status;

    (void)argc;
    (void)argv;
    if (top == NULL)
        return message_error("%s", strerror(ENOMEM));
    top->options = options;
    status = control_open(options, &top->control);
    if (status == COMMAND_DONE) {
        bool is_live = !options->is_once && !options->is_json && terminal_is_there();
        status = is_live ? run_live(top) : run_once(top);
        control_close(&top->control);
    }
    top_sample_done(&top->samples[0]);
    top_sample_done(&top->samples[1]);
    json_object_put(top->lagging);
    free(top->text);
    free(top);
    return status;
}
