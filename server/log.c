/*
 * A line is put together in a buffer of its own; nothing is allocated. What was left out is counted
 * per message, in a table that holds the messages of the current second only.
 */
#include "server/log.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "server/clock.h"
#include "server/json/json.h"
#include "server/json/utf8.h"

enum {
    PROCESS_BYTES = 32,
    MESSAGE_BYTES_MAX = 900, /* fits a line: without control characters JSON at most doubles it */
    PATIENCE_MS = 100,       /* in a second */
    REPETITIONS_MAX = 64,    /* different messages in a second; of further ones all are written */
};

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS     UINT64_C(1000000)

static_assert(LOG_LINE_BYTES_MAX <= PIPE_BUF, "lines of several processes must not mix");

/* How this process logs: set once at start, the name again after each fork. */
static struct {
    enum log_level level;
    enum log_format format;
    bool is_journal;
    bool is_socket;  /* standard error: a socket, which is told with each line not to wait */
    bool is_torn;    /* the last line could be written in part only */
    int own_fd;      /* what standard error is, opened once more so as not to wait; 0: it is not */
    bool is_blocked; /* the last line could not be written: do not wait for this one */
    int64_t patience_ns; /* how long lines may still wait in this second */
    unsigned lost_count;
    char process[PROCESS_BYTES];
} logger = {.level = LOG_LEVEL_INFO, .process = "sluice"};

/* One message in the current second. */
struct repetition {
    const char *format; /* tells messages of an event apart; the same words stand in one place */
    enum log_event event;
    enum log_level level;
    unsigned written_count;
    unsigned left_out_count;
};

static struct {
    int64_t second; /* CLOCK_MONOTONIC */
    unsigned count;
    struct repetition items[REPETITIONS_MAX];
} repetitions = {.second = -1};

enum bound {
    EVERY,
    BOUNDED,
};

static const struct {
    const char *name;
    enum bound bound;
} events[] = {
#define EVENT_ROW(id, name, bound, fields, what) [id] = {name, (bound)},
    LOG_EVENTS(EVENT_ROW)
#undef EVENT_ROW
};

static const char *const field_names[] = {
#define FIELD_ROW(id, name, what) [id] = (name),
    LOG_FIELDS(FIELD_ROW)
#undef FIELD_ROW
};

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

/*
 * Whoever finds room may not find it any more when it writes: another process has taken it. Standard
 * error itself must not be made such that it never waits, for it is shared with whoever started us. A
 * pipe or a terminal that must not be opened again is written to as it is; so is a file, which waits
 * for its disk whatever one asks for.
 */
static void open_own(void)
{
    struct stat status;

    if (logger.own_fd > 0)
        (void)close(logger.own_fd); /* nothing is kept back in it */
    logger.own_fd = 0;
    logger.is_socket = false;
    if (fstat(STDERR_FILENO, &status) != 0)
        return;
    logger.is_socket = S_ISSOCK(status.st_mode);
    if (S_ISFIFO(status.st_mode) || isatty(STDERR_FILENO))
        logger.own_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_init(enum log_level level, enum log_format format)
{
    logger.level = level;
    logger.format = format;
    logger.is_journal = is_journal();
    open_own();
}

void log_set_process(const char *name)
{
    (void)snprintf(logger.process, sizeof logger.process, "%s", name);
    logger.lost_count = 0;
    repetitions.count = 0;
}

bool log_has_level(enum log_level level)
{
    return level >= logger.level;
}

/* --- lines -------------------------------------------------------------------------------------- */

/* A line as far as it has been put together; what closes it has its place for sure. */
struct line {
    char bytes[LOG_LINE_BYTES_MAX];
    size_t size;
};

enum {
    LINE_END_BYTES = 2, /* `}` and the line's end */
    LINE_ROOM_BYTES = LOG_LINE_BYTES_MAX - LINE_END_BYTES,
};

/* As much of it as there is room for. */
static void line_add(struct line *line, const char *text)
{
    size_t room = LINE_ROOM_BYTES - line->size;
    size_t size = strnlen(text, room);

    memcpy(line->bytes + line->size, text, size);
    line->size += size;
}

__attribute__((format(printf, 2, 3))) static void line_print(struct line *line, const char *format,
                                                             ...)
{
    char text[LOG_LINE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    line_add(line, text);
}

/* A JSON string. */
static void line_quote(struct line *line, const char *text)
{
    char quoted[6 * MESSAGE_BYTES_MAX + 3];
    size_t size = json_quote(quoted, text, strlen(text));

    quoted[size] = '\0';
    line_add(line, quoted);
}

static void line_add_time(struct line *line)
{
    struct timespec now;
    struct tm parts;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock cannot fail */
    (void)gmtime_r(&now.tv_sec, &parts);
    /* Not strftime: it looks at the time zone's file each time. */
    line_print(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", parts.tm_year + 1900, parts.tm_mon + 1,
               parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000);
}

/* U+0080 to U+009F: some terminals obey them. */
static bool is_second_control(const char *text)
{
    return (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] <= 0x9f;
}

/* A message is one line of valid UTF-8, whatever stood in the names that it quotes. */
static void make_harmless(char *message)
{
    bool is_utf8 = utf8_is_valid(message, strlen(message));

    for (; *message != '\0'; message++) {
        unsigned char byte = (unsigned char)*message;

        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_utf8))
            *message = '?';
        else if (is_second_control(message))
            message[0] = message[1] = '?';
    }
}

/* --- fields ------------------------------------------------------------------------------------- */

static void line_add_number(struct line *line, const struct log_field *field)
{
    int64_t number = field->value.i64;
    uint64_t ns = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    switch (field->kind) {
    case LOG_KIND_U64:
        line_print(line, "%" PRIu64, field->value.u64);
        break;
    case LOG_KIND_I64:
        line_print(line, "%" PRId64, number);
        break;
    case LOG_KIND_NS:
        line_print(line, "%s%" PRIu64 ".%03" PRIu64, number < 0 ? "-" : "", ns / SECOND_NS,
                   ns % SECOND_NS / MS_NS);
        break;
    case LOG_KIND_TEXT:
    default:
        UNREACHABLE();
    }
}

/* What a reader of key=value would take for something else. */
static bool needs_quotes(const char *text)
{
    return *text == '\0' || strpbrk(text, " =\"") != NULL;
}

static void line_add_value(struct line *line, const struct log_field *field)
{
    char text[LOG_FIELD_TEXT_BYTES_MAX + 1];

    if (field->kind != LOG_KIND_TEXT) {
        line_add_number(line, field);
        return;
    }
    (void)snprintf(text, sizeof text, "%s", field->value.text);
    make_harmless(text);
    if (logger.format == LOG_FORMAT_JSON || needs_quotes(text))
        line_quote(line, text);
    else
        line_add(line, text);
}

/* All of the field or nothing of it. */
static void line_add_field(struct line *line, const struct log_field *field)
{
    const char *name = field_names[field->name];
    size_t before = line->size;

    if (logger.format == LOG_FORMAT_JSON)
        line_print(line, ",\"%s\":", name);
    else if (!field->is_told)
        line_print(line, " %s=", name);
    else
        return;
    line_add_value(line, field);
    if (line->size == LINE_ROOM_BYTES)
        line->size = before;
}

/* --- writing ------------------------------------------------------------------------------------ */

/* What a line tells, besides who tells it and when. */
struct entry {
    enum log_level level;
    enum log_event event;
    const struct log_field *fields;
    size_t field_count;
};

static void begin_text(struct line *line, const struct entry *entry, const char *message)
{
    if (!logger.is_journal) {
        line_add_time(line);
        line_print(line, " %s ", level_names[entry->level]);
    }
    line_print(line, "%s: ", logger.process);
    line_add(line, message);
}

static void begin_json(struct line *line, const struct entry *entry, const char *message)
{
    line_add(line, "{\"time\":\"");
    line_add_time(line);
    line_print(line, "\",\"level\":\"%s\",\"process\":\"%s\",\"pid\":%d,\"event\":\"%s\",",
               level_names[entry->level], logger.process, (int)getpid(), events[entry->event].name);
    line_add(line, "\"message\":");
    line_quote(line, message);
}

/* Whether a line can be written now, or before the patience of this second has come to its end. */
static bool has_room(void)
{
    struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool is_found = poll(&target, 1, 0) > 0;
    int64_t begun_ns;

    if (is_found || logger.is_blocked || logger.patience_ns < (int64_t)MS_NS)
        return is_found;
    begun_ns = clock_monotonic_ns();
    is_found = poll(&target, 1, (int)(logger.patience_ns / (int64_t)MS_NS)) > 0;
    logger.patience_ns -= clock_monotonic_ns() - begun_ns;
    return is_found;
}

/* False: there was no room for it in time, or none for all of it. */
static bool write_line(const struct line *line)
{
    ssize_t written;

    if (!has_room())
        return false;
    if (logger.is_socket)
        written = send(STDERR_FILENO, line->bytes, line->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        written = write(logger.own_fd > 0 ? logger.own_fd : STDERR_FILENO, line->bytes, line->size);
    if (written > 0)
        logger.is_torn = written < (ssize_t)line->size;
    return written == (ssize_t)line->size;
}

static bool emit(const struct entry *entry, const char *message)
{
    struct line line = {.size = 0};
    bool is_json = logger.format == LOG_FORMAT_JSON;

    if (logger.is_torn)
        line_add(&line, "\n");
    if (logger.is_journal)
        line_print(&line, "<%d>", level_priorities[entry->level]);
    if (is_json)
        begin_json(&line, entry, message);
    else
        begin_text(&line, entry, message);
    for (size_t i = 0; i < entry->field_count; i++)
        line_add_field(&line, &entry->fields[i]);
    if (is_json)
        line.bytes[line.size++] = '}';
    line.bytes[line.size++] = '\n';
    return write_line(&line);
}

static void tell_lost(void)
{
    const struct log_field fields[] = {log_told(log_u64(LOG_FIELD_COUNT, logger.lost_count))};
    const struct entry entry = {LOG_LEVEL_WARNING, LOG_LINES_LOST, fields, 1};
    char message[64];

    if (logger.lost_count == 0)
        return;
    (void)snprintf(message, sizeof message, "%u lines of this log were lost", logger.lost_count);
    if (emit(&entry, message))
        logger.lost_count = 0;
}

__attribute__((format(printf, 2, 0))) static void write_entry(const struct entry *entry,
                                                              const char *format, va_list arguments)
{
    char message[MESSAGE_BYTES_MAX];

    (void)vsnprintf(message, sizeof message, format, arguments);
    make_harmless(message);
    tell_lost();
    logger.is_blocked = !emit(entry, message);
    logger.lost_count += logger.is_blocked;
}

/* --- repetitions -------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void write_now(const struct entry *entry,
                                                            const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_entry(entry, format, arguments);
    va_end(arguments);
}

static void tell_left_out(const struct repetition *repetition)
{
    const char *name = events[repetition->event].name;
    const struct log_field fields[] = {
        log_told(log_text(LOG_FIELD_OF, name)),
        log_told(log_u64(LOG_FIELD_COUNT, repetition->left_out_count)),
    };
    const struct entry entry = {repetition->level, LOG_REPEATED, fields, 2};

    if (repetition->left_out_count > 0)
        write_now(&entry, "%s repeated %u times: a process writes %d lines of a kind a second",
                  name, repetition->left_out_count, LOG_REPEATED_PER_S);
}

void log_done(void)
{
    for (unsigned i = 0; i < repetitions.count; i++)
        tell_left_out(&repetitions.items[i]);
    repetitions.count = 0;
    tell_lost();
}

void log_turn(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* this clock cannot fail */
    if (now.tv_sec == repetitions.second)
        return;
    repetitions.second = now.tv_sec;
    logger.patience_ns = PATIENCE_MS * (int64_t)MS_NS;
    log_done();
}

/* NULL: there are too many others. */
static struct repetition *find_repetition(const struct entry *entry, const char *format)
{
    struct repetition *found;

    for (unsigned i = 0; i < repetitions.count; i++) {
        if (repetitions.items[i].format == format && repetitions.items[i].event == entry->event)
            return &repetitions.items[i];
    }
    if (repetitions.count == REPETITIONS_MAX)
        return NULL;
    found = &repetitions.items[repetitions.count++];
    *found = (struct repetition){.format = format, .event = entry->event, .level = entry->level};
    return found;
}

/* Counts it. False: it is left out. */
static bool may_write(const struct entry *entry, const char *format)
{
    struct repetition *repetition;

    log_turn();
    if (events[entry->event].bound == EVERY)
        return true;
    repetition = find_repetition(entry, format);
    if (repetition == NULL)
        return true;
    if (repetition->written_count == LOG_REPEATED_PER_S) {
        repetition->left_out_count++;
        return false;
    }
    repetition->written_count++;
    return true;
}

__attribute__((format(printf, 2, 0))) static void log_entry(const struct entry *entry,
                                                            const char *format, va_list arguments)
{
    CHECK((unsigned)entry->event < LOG_EVENT_COUNT);
    if (log_has_level(entry->level) && may_write(entry, format))
        write_entry(entry, format, arguments);
}

#define LOG_FUNCTION(name, its_level)                                                              \
    void name(enum log_event event, const char *format, ...)                                       \
    {                                                                                              \
        const struct entry entry = {.level = (its_level), .event = event};                         \
        va_list arguments;                                                                         \
                                                                                                   \
        va_start(arguments, format);                                                               \
        log_entry(&entry, format, arguments);                                                      \
        va_end(arguments);                                                                         \
    }

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)

// NOLINTNEXTLINE(readability-function-size): a list and its length are one thing
void log_fields(enum log_level level, enum log_event event, const struct log_field *fields,
                size_t field_count, const char *format, ...)
{
    const struct entry entry = {level, event, fields, field_count};
    va_list arguments;

    va_start(arguments, format);
    log_entry(&entry, format, arguments);
    va_end(arguments);
}
