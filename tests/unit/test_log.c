/* Lines of the log, as they come out of standard error. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/log.h"

enum {
    READ_BYTES = 256 * 1024,
};

/* Standard error is a pipe whose other end we read. */
struct fixture {
    int saved_fd;
    int read_fd;
    char text[READ_BYTES];
};

static struct fixture the_fixture;

static int set_up(void **state)
{
    struct fixture *f = &the_fixture;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    f->read_fd = fds[0];
    f->saved_fd = dup(STDERR_FILENO);
    if (f->saved_fd < 0 || dup2(fds[1], STDERR_FILENO) < 0)
        return -1;
    (void)close(fds[1]);
    (void)fcntl(f->read_fd, F_SETFL, O_NONBLOCK);
    unsetenv("JOURNAL_STREAM");
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_set_process("worker 3");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)dup2(f->saved_fd, STDERR_FILENO);
    (void)close(f->saved_fd);
    (void)close(f->read_fd);
    return 0;
}

/* All that has been logged since the last call. */
static const char *logged(struct fixture *f)
{
    size_t used = 0;
    ssize_t bytes;

    while ((bytes = read(f->read_fd, f->text + used, sizeof f->text - 1 - used)) > 0)
        used += (size_t)bytes;
    f->text[used] = '\0';
    return f->text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void text_is_time_level_process_and_message(void **state)
{
    struct fixture *f = *state;
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    const char *line;

    log_info("client %s left, %d remain", "ann", 2);
    line = logged(f);
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        if (shape[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], shape[i]);
    }
    assert_string_equal(line + sizeof shape - 1, "info worker 3: client ann left, 2 remain\n");
}

static void what_is_less_important_than_asked_for_is_left_out(void **state)
{
    struct fixture *f = *state;

    log_init(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    log_debug("no");
    log_info("no");
    assert_string_equal(logged(f), "");
    log_warning("yes");
    log_error("yes");
    assert_int_equal(count_lines(logged(f)), 2);
    assert_non_null(strstr(f->text, " warning worker 3: yes\n"));
    assert_non_null(strstr(f->text, " error worker 3: yes\n"));
}

static void json_is_one_object_per_line_with_everything_quoted(void **state)
{
    struct fixture *f = *state;
    char expected[256];

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("a \"name\" with \\ and \xc3\xa4");
    (void)snprintf(expected, sizeof expected,
                   "\",\"level\":\"info\",\"process\":\"worker 3\",\"pid\":%d,"
                   "\"message\":\"a \\\"name\\\" with \\\\ and \xc3\xa4\"}\n",
                   (int)getpid());
    assert_non_null(strstr(logged(f), expected));
    assert_int_equal(strncmp(f->text, "{\"time\":\"20", 11), 0);
}

static void a_message_stays_one_line_of_valid_text(void **state)
{
    struct fixture *f = *state;

    log_info("one\nforged line\x1b[2J");
    assert_non_null(strstr(logged(f), ": one?forged line?[2J\n"));
    assert_int_equal(count_lines(f->text), 1);
    log_info("half a letter \xc3");
    assert_non_null(strstr(logged(f), ": half a letter ?\n"));
}

static void a_long_message_is_cut_and_its_line_is_whole(void **state)
{
    struct fixture *f = *state;
    char message[8192];

    memset(message, '"', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_init(LOG_LEVEL_INFO, (enum log_format)format);
        log_info("%s", message);
        assert_int_equal(count_lines(logged(f)), 1);
        assert_true(strlen(f->text) <= LOG_LINE_BYTES_MAX);
        assert_int_equal(f->text[strlen(f->text) - 1], '\n');
        if (format == LOG_FORMAT_JSON)
            assert_string_equal(f->text + strlen(f->text) - 3, "\"}\n");
    }
}

static void the_journal_gets_a_priority_instead_of_the_time(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_init(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    log_debug("d");
    log_info("i");
    log_warning("w");
    log_error("e");
    assert_string_equal(logged(f),
                        "<7>worker 3: d\n<6>worker 3: i\n<4>worker 3: w\n<3>worker 3: e\n");
    /* Inherited from a service whose standard error went elsewhere since. */
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("i");
    assert_non_null(strstr(logged(f), "Z info worker 3: i\n"));
}

static void a_reader_that_takes_nothing_costs_lines_and_is_told_how_many(void **state)
{
    struct fixture *f = *state;
    static const char before[] = " warning worker 3: ";
    unsigned long written;
    unsigned long lost;
    const char *told;
    char *end;

    for (unsigned i = 0; i < 10000; i++)
        log_info("line %u", i);
    written = count_lines(logged(f));
    assert_true(written < 10000);
    log_info("again");
    told = strstr(logged(f), before);
    assert_non_null(told);
    lost = strtoul(told + sizeof before - 1, &end, 10);
    assert_int_equal(strncmp(end, " lines of this log were lost\n", 29), 0);
    assert_int_equal(written + lost, 10000);
    assert_non_null(strstr(f->text, " info worker 3: again\n"));
}

#define SECOND_NS INT64_C(1000000000)

static void of_what_clients_cause_a_second_has_so_many_lines_and_the_rest_is_counted(void **state)
{
    struct fixture *f = *state;
    static const char told[] = " info worker 3: 980 more lines about clients were left out: "
                               "a process writes 20 a second\n";

    for (unsigned i = 0; i < 1000; i++)
        log_info_bounded(5 * SECOND_NS + i, "client %u left", i);
    assert_int_equal(count_lines(logged(f)), LOG_BOUNDED_PER_S);
    assert_non_null(strstr(f->text, " client 19 left\n"));
    log_info("another line is written");
    log_bounded_turn(6 * SECOND_NS - 1);
    assert_int_equal(count_lines(logged(f)), 1);
    log_bounded_turn(6 * SECOND_NS);
    assert_int_equal(count_lines(logged(f)), 1);
    assert_non_null(strstr(f->text, told));
    log_bounded_turn(7 * SECOND_NS);
    assert_string_equal(logged(f), "");
}

static void the_next_line_about_clients_tells_what_was_left_out_before_it(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < LOG_BOUNDED_PER_S + 3; i++)
        log_info_bounded(SECOND_NS, "client %u left", i);
    assert_int_equal(count_lines(logged(f)), LOG_BOUNDED_PER_S);
    log_info_bounded(2 * SECOND_NS, "client a left");
    assert_int_equal(count_lines(logged(f)), 2);
    assert_non_null(strstr(f->text, " 3 more lines about clients were left out: "));
    assert_non_null(strstr(f->text, " client a left\n"));
}

static void lines_about_clients_that_nobody_wants_are_not_told_of_either(void **state)
{
    struct fixture *f = *state;

    log_init(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    for (unsigned i = 0; i < 100; i++)
        log_info_bounded(SECOND_NS, "client %u left", i);
    log_bounded_turn(2 * SECOND_NS);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_bounded_turn(3 * SECOND_NS);
    assert_string_equal(logged(f), "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_is_time_level_process_and_message),
        TEST(what_is_less_important_than_asked_for_is_left_out),
        TEST(json_is_one_object_per_line_with_everything_quoted),
        TEST(a_message_stays_one_line_of_valid_text),
        TEST(a_long_message_is_cut_and_its_line_is_whole),
        TEST(the_journal_gets_a_priority_instead_of_the_time),
        TEST(a_reader_that_takes_nothing_costs_lines_and_is_told_how_many),
        TEST(of_what_clients_cause_a_second_has_so_many_lines_and_the_rest_is_counted),
        TEST(the_next_line_about_clients_tells_what_was_left_out_before_it),
        TEST(lines_about_clients_that_nobody_wants_are_not_told_of_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
