/*
 * Lines of the log, as they come out of standard error. The clocks that seconds and waits are counted
 * by are the test's, and so is a slow reader: the linker sends those calls here.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
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

/* What the monotonic clocks say: whole seconds, but for what was waited. */
static time_t now_s = 1000;
static long waited_ms;

/* Room comes so long after it was asked for; 0: the pipe itself says when. */
static int reader_takes_ms;

/* Whoever asks is told that there is room, and another process has taken it before it is used. */
static bool is_room_taken;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (clock != CLOCK_MONOTONIC_COARSE && clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, ret);
    *ret = (struct timespec){.tv_sec = now_s};
    if (clock == CLOCK_MONOTONIC)
        ret->tv_nsec = waited_ms * 1000000;
    return 0;
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (is_room_taken) {
        fds[0].revents = POLLOUT;
        return 1;
    }
    if (reader_takes_ms == 0)
        return __real_poll(fds, count, timeout_ms);
    if (timeout_ms < reader_takes_ms) {
        waited_ms += timeout_ms;
        return 0;
    }
    waited_ms += reader_takes_ms;
    return __real_poll(fds, count, 0);
}

static int set_up(void **state)
{
    struct fixture *f = &the_fixture;
    int fds[2];

    reader_takes_ms = 0;
    is_room_taken = false;
    waited_ms = 0;
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

    log_info(LOG_READY, "client %s left, %d remain", "ann", 2);
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
    log_debug(LOG_FAILED, "no");
    log_info(LOG_FAILED, "no");
    assert_string_equal(logged(f), "");
    log_warning(LOG_FAILED, "yes");
    log_error(LOG_FAILED, "yes");
    assert_int_equal(count_lines(logged(f)), 2);
    assert_non_null(strstr(f->text, " warning worker 3: yes\n"));
    assert_non_null(strstr(f->text, " error worker 3: yes\n"));
}

static void json_is_one_object_per_line_with_everything_quoted(void **state)
{
    struct fixture *f = *state;
    char expected[256];

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info(LOG_FAILED, "a \"name\" with \\ and \xc3\xa4");
    (void)snprintf(expected, sizeof expected,
                   "\",\"level\":\"info\",\"process\":\"worker 3\",\"pid\":%d,"
                   "\"event\":\"failed\",\"message\":\"a \\\"name\\\" with \\\\ and \xc3\xa4\"}\n",
                   (int)getpid());
    assert_non_null(strstr(logged(f), expected));
    assert_int_equal(strncmp(f->text, "{\"time\":\"20", 11), 0);
}

static void a_message_stays_one_line_of_valid_text(void **state)
{
    struct fixture *f = *state;

    log_info(LOG_FAILED, "one\nforged line\x1b[2J");
    assert_non_null(strstr(logged(f), ": one?forged line?[2J\n"));
    assert_int_equal(count_lines(f->text), 1);
    log_info(LOG_FAILED, "half a letter \xc3");
    assert_non_null(strstr(logged(f), ": half a letter ?\n"));
    /* One of the control characters that UTF-8 writes as two bytes, beside letters that begin so. */
    log_info(LOG_FAILED, "\xc2\x9b"
                         "2J \xc2\xa7 \xc3\x9b");
    assert_non_null(strstr(logged(f), ": ??2J \xc2\xa7 \xc3\x9b\n"));
}

static void a_long_message_is_cut_and_its_line_is_whole(void **state)
{
    struct fixture *f = *state;
    char message[8192];

    memset(message, '"', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_init(LOG_LEVEL_INFO, (enum log_format)format);
        log_info(LOG_FAILED, "%s", message);
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
    log_debug(LOG_FAILED, "d");
    log_info(LOG_FAILED, "i");
    log_warning(LOG_FAILED, "w");
    log_error(LOG_FAILED, "e");
    assert_string_equal(logged(f),
                        "<7>worker 3: d\n<6>worker 3: i\n<4>worker 3: w\n<3>worker 3: e\n");
    log_init(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    log_warning(LOG_FAILED, "w");
    assert_int_equal(strncmp(logged(f), "<4>{\"time\":\"20", 14), 0);
    /* Inherited from a service whose standard error went elsewhere since. */
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info(LOG_FAILED, "i");
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
        log_info(LOG_READY, "line %u", i); /* one that is never left out */
    written = count_lines(logged(f));
    assert_true(written < 10000);
    log_info(LOG_READY, "again");
    told = strstr(logged(f), before);
    assert_non_null(told);
    lost = strtoul(told + sizeof before - 1, &end, 10);
    assert_int_equal(strncmp(end, " lines of this log were lost\n", 29), 0);
    assert_int_equal(written + lost, 10000);
    assert_non_null(strstr(f->text, " info worker 3: again\n"));
}

static void a_slow_reader_holds_a_process_up_for_a_bounded_part_of_a_second(void **state)
{
    struct fixture *f = *state;

    for (unsigned second = 0; second < 3; second++) {
        reader_takes_ms = 0;
        now_s++;
        log_info(LOG_READY, "there is room");
        reader_takes_ms = 30;
        waited_ms = 0;
        (void)logged(f);
        for (unsigned i = 0; i < 300; i++)
            log_info(LOG_READY, "line %u", i); /* one that is never left out */
        assert_int_equal(waited_ms, 100);
        assert_int_equal(count_lines(logged(f)), 3);
    }
    reader_takes_ms = 0;
    log_info(LOG_READY, "again");
    assert_non_null(strstr(logged(f), " lines of this log were lost\n"));
}

/* Fills what @fd leads to until it takes no more. */
static void fill(int fd)
{
    char byte = 'x';
    int flags = fcntl(fd, F_GETFL);

    assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, &byte, 1) == 1)
        ;
    assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static void a_line_whose_room_another_process_takes_is_lost_and_nobody_waits(void **state)
{
    struct fixture *f = *state;

    fill(STDERR_FILENO);
    is_room_taken = true;
    (void)alarm(60); /* of a process that waits */
    log_info(LOG_READY, "first");
    (void)alarm(0);
    is_room_taken = false;
    assert_null(strstr(logged(f), "first"));
    log_info(LOG_READY, "second");
    assert_int_equal(count_lines(logged(f)), 2);
    assert_non_null(strstr(f->text, " warning worker 3: 1 lines of this log were lost\n"));
    assert_non_null(strstr(f->text, " info worker 3: second\n"));
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0); /* it is others', too */
}

/* The journal's is one. */
static void a_socket_that_takes_nothing_costs_lines_and_nobody_waits(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(dup2(fds[0], STDERR_FILENO), STDERR_FILENO);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info(LOG_READY, "first");
    (void)close(f->read_fd);
    f->read_fd = fds[1];
    assert_int_equal(fcntl(f->read_fd, F_SETFL, O_NONBLOCK), 0);
    assert_non_null(strstr(logged(f), " info worker 3: first\n"));
    fill(fds[0]);
    is_room_taken = true;
    (void)alarm(60);
    log_info(LOG_READY, "second");
    (void)alarm(0);
    is_room_taken = false;
    while (read(f->read_fd, &byte, 1) == 1)
        assert_int_equal(byte, 'x');
    now_s++;
    log_turn();
    assert_non_null(strstr(logged(f), ": 1 lines of this log were lost\n"));
    assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    (void)close(fds[0]);
}

/* A terminal takes what it has room for. */
static void what_is_left_of_a_torn_line_is_a_line_of_its_own(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/sluice-log.XXXXXX";
    int fd = mkstemp(path);
    const struct rlimit short_file = {40, RLIM_INFINITY};
    const struct rlimit any_file = {RLIM_INFINITY, RLIM_INFINITY};

    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &short_file), 0);
    log_info(LOG_READY, "first");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &any_file), 0);
    log_info(LOG_READY, "second");
    (void)close(f->read_fd);
    f->read_fd = fd;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(count_lines(logged(f)), 3);
    assert_int_equal(strchr(f->text, '\n') - f->text, 40);
    assert_non_null(strstr(f->text, ": 1 lines of this log were lost\n"));
    assert_non_null(strstr(f->text, " info worker 3: second\n"));
    assert_int_equal(unlink(path), 0);
}

static void what_was_lost_is_told_by_the_next_turn_and_at_the_end(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 10000; i++)
        log_info(LOG_READY, "line %u", i);
    (void)logged(f);
    now_s++;
    log_turn();
    assert_int_equal(count_lines(logged(f)), 1);
    assert_non_null(strstr(f->text, " lines of this log were lost\n"));
    log_done();
    assert_string_equal(logged(f), "");
}

/* --- fields ------------------------------------------------------------------------------------- */

static void log_one_client(const char *name)
{
    const struct log_field fields[] = {
        log_told(log_text(LOG_FIELD_NAME, name)),        log_text(LOG_FIELD_PEER, "127.0.0.1:5000"),
        log_u64(LOG_FIELD_BYTES_IN, UINT64_MAX),         log_i64(LOG_FIELD_STATUS, INT64_MIN),
        log_ns(LOG_FIELD_SECONDS, INT64_C(12034999999)),
    };

    log_fields(LOG_LEVEL_INFO, LOG_CLIENT_LEFT, fields, sizeof fields / sizeof fields[0],
               "room %s left", name);
}

static void text_ends_with_the_fields_that_its_message_does_not_tell(void **state)
{
    struct fixture *f = *state;

    log_one_client("ann");
    assert_non_null(strstr(logged(f), " info worker 3: room ann left peer=127.0.0.1:5000 "
                                      "bytes_in=18446744073709551615 "
                                      "status=-9223372036854775808 seconds=12.034\n"));
}

static void json_has_every_field_with_its_type(void **state)
{
    struct fixture *f = *state;

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_one_client("ann");
    assert_non_null(strstr(logged(f), ",\"event\":\"client_left\",\"message\":\"room ann left\","
                                      "\"name\":\"ann\",\"peer\":\"127.0.0.1:5000\","
                                      "\"bytes_in\":18446744073709551615,"
                                      "\"status\":-9223372036854775808,\"seconds\":12.034}\n"));
}

static void seconds_are_exact_to_the_millisecond(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, " seconds=0.000\n"},
        {999999, " seconds=0.000\n"},
        {-1500000000, " seconds=-1.500\n"},
        {-1000000, " seconds=-0.001\n"},
        {INT64_MAX, " seconds=9223372036.854\n"},
        {INT64_MIN, " seconds=-9223372036.854\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct log_field field = log_ns(LOG_FIELD_SECONDS, cases[i].ns);

        log_fields(LOG_LEVEL_INFO, LOG_CLIENT_LEFT, &field, 1, "left");
        assert_non_null(strstr(logged(f), cases[i].text));
    }
}

static void a_value_that_could_be_taken_for_more_is_quoted(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *value;
        const char *text;
        const char *json;
    } cases[] = {
        {"a b=c", " peer=\"a b=c\"\n", ",\"peer\":\"a b=c\"}\n"},
        {"a\"b", " peer=\"a\\\"b\"\n", ",\"peer\":\"a\\\"b\"}\n"},
        {"", " peer=\"\"\n", ",\"peer\":\"\"}\n"},
        {"a\nb\x1b", " peer=a?b?\n", ",\"peer\":\"a?b?\"}\n"},
        {"half \xc3", " peer=\"half ?\"\n", ",\"peer\":\"half ?\"}\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct log_field field = log_text(LOG_FIELD_PEER, cases[i].value);

        log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        log_fields(LOG_LEVEL_INFO, LOG_CLIENT_LEFT, &field, 1, "left");
        assert_non_null(strstr(logged(f), cases[i].text));
        log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        log_fields(LOG_LEVEL_INFO, LOG_CLIENT_LEFT, &field, 1, "left");
        assert_non_null(strstr(logged(f), cases[i].json));
    }
}

/* Of a line that is full of quotes, which JSON doubles: what still fits is there, whole. */
static void fields_that_find_no_room_are_left_out_and_the_line_is_whole(void **state)
{
    struct fixture *f = *state;
    struct log_field fields[12];
    char value[1024];
    char message[1024];

    memset(value, '"', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (size_t i = 0; i < 12; i++)
        fields[i] = log_text(LOG_FIELD_PEER, value);
    for (size_t bytes = 0; bytes < sizeof message; bytes++) {
        memset(message, '"', bytes);
        message[bytes] = '\0';
        now_s++;
        for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
            log_init(LOG_LEVEL_INFO, (enum log_format)format);
            log_fields(LOG_LEVEL_INFO, LOG_CLIENT_LEFT, fields, 12, "%s", message);
            assert_int_equal(count_lines(logged(f)), 1);
            assert_true(strlen(f->text) <= LOG_LINE_BYTES_MAX);
            if (format == LOG_FORMAT_JSON)
                assert_string_equal(f->text + strlen(f->text) - 3, "\"}\n");
        }
    }
}

static void every_event_and_every_field_has_a_name_of_its_own(void **state)
{
    static const char *const names[] = {
#define NAME(id, name, bound, fields, what) name,
        LOG_EVENTS(NAME)
#undef NAME
    };
    static const char *const field_names[] = {
#define NAME(id, name, what) name,
        LOG_FIELDS(NAME)
#undef NAME
            "time",
        "level",
        "process",
        "pid",
        "event",
        "message",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    for (size_t i = 0; i < sizeof field_names / sizeof field_names[0]; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(field_names[i], field_names[j]);
    }
}

/* --- repetitions -------------------------------------------------------------------------------- */

static void of_one_message_a_second_has_so_many_lines_and_the_rest_is_counted(void **state)
{
    struct fixture *f = *state;
    static const char told[] = " warning worker 3: failed repeated 980 times: a process writes 20 "
                               "lines of a kind a second\n";

    now_s++;
    for (unsigned i = 0; i < 1000; i++)
        log_warning(LOG_FAILED, "disk %u is broken", i);
    assert_int_equal(count_lines(logged(f)), LOG_REPEATED_PER_S);
    assert_non_null(strstr(f->text, " disk 19 is broken\n"));
    log_turn();
    assert_string_equal(logged(f), "");
    now_s++;
    log_turn();
    assert_int_equal(count_lines(logged(f)), 1);
    assert_non_null(strstr(f->text, told));
    now_s++;
    log_turn();
    assert_string_equal(logged(f), "");
    log_warning(LOG_FAILED, "disk %u is broken", 7U);
    assert_int_equal(count_lines(logged(f)), 1);
}

static void what_a_flood_leaves_out_is_told_as_an_event_too(void **state)
{
    struct fixture *f = *state;

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    now_s++;
    for (unsigned i = 0; i < LOG_REPEATED_PER_S + 3; i++)
        log_one_client("ann");
    (void)logged(f);
    now_s++;
    log_turn();
    assert_non_null(strstr(logged(f), "\"event\":\"repeated\",\"message\":\"client_left repeated 3 "
                                      "times: "));
    assert_non_null(strstr(f->text, "\"of\":\"client_left\",\"count\":3}\n"));
}

static void each_message_has_lines_of_its_own(void **state)
{
    struct fixture *f = *state;

    now_s++;
    for (unsigned i = 0; i < 100; i++)
        log_info(LOG_FAILED, "a flood %u", i);
    (void)logged(f);
    log_info(LOG_FAILED, "another message");
    assert_int_equal(count_lines(logged(f)), 1);
    assert_non_null(strstr(f->text, ": another message\n"));
}

/* The compiler keeps equal formats once, wherever they stand. */
static void events_that_are_said_in_the_same_words_are_told_apart(void **state)
{
    struct fixture *f = *state;
    static const char format[] = "%u";

    now_s++;
    for (unsigned i = 0; i < LOG_REPEATED_PER_S + 3; i++)
        log_info(LOG_CLIENT_JOINED, format, i);
    (void)logged(f);
    for (unsigned i = 0; i < LOG_REPEATED_PER_S + 2; i++)
        log_info(LOG_CLIENT_LEFT, format, i);
    assert_int_equal(count_lines(logged(f)), LOG_REPEATED_PER_S);
    log_done();
    assert_non_null(strstr(logged(f), ": client_joined repeated 3 times"));
    assert_non_null(strstr(f->text, ": client_left repeated 2 times"));
}

static void the_next_line_tells_what_was_left_out_before_it(void **state)
{
    struct fixture *f = *state;
    const char *told;

    now_s++;
    for (unsigned i = 0; i < LOG_REPEATED_PER_S + 3; i++)
        log_one_client("ann");
    assert_int_equal(count_lines(logged(f)), LOG_REPEATED_PER_S);
    now_s++;
    log_info(LOG_READY, "ready");
    assert_int_equal(count_lines(logged(f)), 2);
    told = strstr(f->text, "client_left repeated 3 times: ");
    assert_non_null(told);
    assert_non_null(strstr(told, ": ready\n"));
}

static void what_must_be_told_is_never_left_out(void **state)
{
    struct fixture *f = *state;

    now_s++;
    for (unsigned i = 0; i < 300; i++)
        log_info(LOG_SHUTDOWN_CLIENT, "client left, %u remain", i);
    assert_int_equal(count_lines(logged(f)), 300);
}

static void a_process_that_ends_tells_what_it_has_left_out_and_its_children_do_not(void **state)
{
    struct fixture *f = *state;

    now_s++;
    for (unsigned i = 0; i < LOG_REPEATED_PER_S + 1; i++)
        log_info(LOG_FAILED, "of the parent");
    (void)logged(f);
    log_done();
    assert_non_null(strstr(logged(f), ": failed repeated 1 times"));
    log_done();
    assert_string_equal(logged(f), "");
    for (unsigned i = 0; i < LOG_REPEATED_PER_S + 1; i++)
        log_info(LOG_FAILED, "of the parent again");
    (void)logged(f);
    log_set_process("worker 4");
    log_done();
    assert_string_equal(logged(f), "");
}

static void what_nobody_wants_is_not_told_of_either(void **state)
{
    struct fixture *f = *state;

    log_init(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    assert_false(log_has_level(LOG_LEVEL_INFO));
    assert_true(log_has_level(LOG_LEVEL_WARNING));
    now_s++;
    for (unsigned i = 0; i < 100; i++)
        log_one_client("ann");
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    now_s++;
    log_turn();
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
        TEST(a_slow_reader_holds_a_process_up_for_a_bounded_part_of_a_second),
        TEST(a_line_whose_room_another_process_takes_is_lost_and_nobody_waits),
        TEST(a_socket_that_takes_nothing_costs_lines_and_nobody_waits),
        TEST(what_is_left_of_a_torn_line_is_a_line_of_its_own),
        TEST(what_was_lost_is_told_by_the_next_turn_and_at_the_end),
        TEST(text_ends_with_the_fields_that_its_message_does_not_tell),
        TEST(json_has_every_field_with_its_type),
        TEST(seconds_are_exact_to_the_millisecond),
        TEST(a_value_that_could_be_taken_for_more_is_quoted),
        TEST(fields_that_find_no_room_are_left_out_and_the_line_is_whole),
        TEST(every_event_and_every_field_has_a_name_of_its_own),
        TEST(of_one_message_a_second_has_so_many_lines_and_the_rest_is_counted),
        TEST(what_a_flood_leaves_out_is_told_as_an_event_too),
        TEST(each_message_has_lines_of_its_own),
        TEST(events_that_are_said_in_the_same_words_are_told_apart),
        TEST(the_next_line_tells_what_was_left_out_before_it),
        TEST(what_must_be_told_is_never_left_out),
        TEST(a_process_that_ends_tells_what_it_has_left_out_and_its_children_do_not),
        TEST(what_nobody_wants_is_not_told_of_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
