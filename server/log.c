#include "server/log.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/json/json.h"

enum {
    PROCESS_BYTES = 32,
    TIME_BYTES = 32,
    MESSAGE_BYTES_MAX = 900, /* fits a line: without control characters JSON at most doubles it */
    PATIENCE_MS = 100,
};

#define SECOND_NS INT64_C(1000000000)

static_assert(LOG_LINE_BYTES_MAX <= PIPE_BUF, "lines of several processes must not mix");

/* How this process logs: set once at start, the name again after each fork. */
static struct {
    enum log_level level;
    enum log_format format;
    bool is_journal;
    bool is_blocked; /* the last line could not be written: do not wait for this one */
    unsigned lost_count;
    char process[PROCESS_BYTES];
} logger = {.level = LOG_LEVEL_INFO, .process = "sluice"};

/* Lines about clients. */
static struct {
    int64_t second;
    unsigned written_count; /* in that second */
    unsigned left_out_count;
} bounded;

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const int level_priorities[] = {7, 6, 4, 3}; /* syslog's, as the journal reads them */

/* Whether standard error is the journal's socket: JOURNAL_STREAM has its device and inode. */
static bool is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat status;

    if (text == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    (void)snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(text, own) == 0;
}

void log_init(enum log_level level, enum log_format format)
{
    logger.level = level;
    logger.format = format;
    logger.is_journal = is_journal();
}

void log_set_process(const char *name)
{
    (void)snprintf(logger.process, sizeof logger.process, "%s", name);
}

static void write_time(char out[TIME_BYTES])
{
    struct timespec now;
    struct tm parts;
    size_t used;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    used = strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out + used, TIME_BYTES - used, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A message is one line of valid UTF-8, whatever stood in the names that it quotes. */
static void make_harmless(char *message)
{
    bool is_utf8 = utf8_is_valid(message, strlen(message));

    for (; *message != '\0'; message++) {
        unsigned char byte = (unsigned char)*message;

        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_utf8))
            *message = '?';
    }
}

static int format_text(char *line, size_t bytes, enum log_level level, const char *message)
{
    char time[TIME_BYTES];

    if (logger.is_journal)
        return snprintf(line, bytes, "<%d>%s: %s\n", level_priorities[level], logger.process,
                        message);
    write_time(time);
    return snprintf(line, bytes, "%s %s %s: %s\n", time, level_names[level], logger.process,
                    message);
}

static int format_json(char *line, size_t bytes, enum log_level level, const char *message)
{
    char time[TIME_BYTES];
    char quoted[6 * MESSAGE_BYTES_MAX + 2];
    size_t used = json_quote(quoted, message, strlen(message));

    write_time(time);
    return snprintf(line, bytes,
                    "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"pid\":%d,"
                    "\"message\":%.*s}\n",
                    time, level_names[level], logger.process, (int)getpid(), (int)used, quoted);
}

/* False: there was no room for it in time, and nothing was written. */
static bool write_line(const char *line, size_t bytes)
{
    struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&target, 1, logger.is_blocked ? 0 : PATIENCE_MS) <= 0)
        return false;
    return write(STDERR_FILENO, line, bytes) == (ssize_t)bytes;
}

static bool emit(enum log_level level, const char *message)
{
    char line[LOG_LINE_BYTES_MAX];
    int used = logger.format == LOG_FORMAT_JSON ? format_json(line, sizeof line, level, message)
                                                : format_text(line, sizeof line, level, message);

    if (used < 0)
        return false;
    return write_line(line, (size_t)used < sizeof line ? (size_t)used : sizeof line - 1);
}

__attribute__((format(printf, 2, 0))) static void log_message(enum log_level level,
                                                              const char *format, va_list arguments)
{
    char message[MESSAGE_BYTES_MAX];
    char lost[64];

    if (level < logger.level)
        return;
    (void)vsnprintf(message, sizeof message, format, arguments);
    make_harmless(message);
    if (logger.lost_count > 0) {
        (void)snprintf(lost, sizeof lost, "%u lines of this log were lost", logger.lost_count);
        if (emit(LOG_LEVEL_WARNING, lost))
            logger.lost_count = 0;
    }
    logger.is_blocked = !emit(level, message);
    logger.lost_count += logger.is_blocked;
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list arguments;                                                                         \
                                                                                                   \
        va_start(arguments, format);                                                               \
        log_message(level, format, arguments);                                                     \
        va_end(arguments);                                                                         \
    }

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)

void log_bounded_turn(int64_t now_ns)
{
    unsigned left_out_count = bounded.left_out_count;

    if (now_ns / SECOND_NS == bounded.second)
        return;
    bounded.second = now_ns / SECOND_NS;
    bounded.written_count = 0;
    bounded.left_out_count = 0;
    if (left_out_count > 0)
        log_info("%u more lines about clients were left out: a process writes %d a second",
                 left_out_count, LOG_BOUNDED_PER_S);
}

void log_info_bounded(int64_t now_ns, const char *format, ...)
{
    va_list arguments;

    if (logger.level > LOG_LEVEL_INFO)
        return;
    log_bounded_turn(now_ns);
    if (bounded.written_count == LOG_BOUNDED_PER_S) {
        bounded.left_out_count++;
        return;
    }
    bounded.written_count++;
    va_start(arguments, format);
    log_message(LOG_LEVEL_INFO, format, arguments);
    va_end(arguments);
}
