/*
 * server/log.h - the only module that logs: one line per message on standard error.
 *
 * Text     `2026-01-31T12:00:00.123Z info master: message`, and behind it, as key=value, the fields
 *          that the message does not tell itself.
 * JSON     {"time":"…","level":"info","process":"master","pid":4711,"event":"ready","message":"…"},
 *          and the event's fields; one object per line. log_events.h names all events and fields.
 * Journal  under systemd's journal lines of either format begin with their priority (`<6>`); text
 *          has neither time nor level then, both of which the journal knows.
 * Units    one write(2) per line of at most LOG_LINE_BYTES_MAX (what is longer is cut, fields that
 *          find no room are left out), so lines of several processes never mix. Control characters
 *          and bad UTF-8 become `?`.
 * Blocking a slow reader (a full pipe, terminal or socket) holds a process up for at most 100 ms in a
 *          second, one that takes nothing more only once; lines that find no room in that time are
 *          dropped, and how many is said as soon as one gets through, by log_turn if no other does.
 *          For that log_init opens standard error once more.
 * Limits   of one message, told apart by its event and the format that it is written with, a process
 *          writes LOG_REPEATED_PER_S a second; the rest is counted, and told when the second is over: by
 *          log_turn, or before the next line. So nothing that clients or a broken disk cause fills
 *          a disk. Events marked EVERY (a drain's) are never left out.
 * Callers  master, workers, writer, main; log_turn once per turn of their loops. The libraries below
 *          never log. A payload of a client is never logged: no field and no message has any.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/log_events.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
};

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,
};

enum {
    LOG_LINE_BYTES_MAX = 2048, /* under PIPE_BUF: a line goes into a pipe whole or not at all */
    LOG_REPEATED_PER_S = 20,   /* lines of one message, of one process */
    LOG_FIELD_TEXT_BYTES_MAX = 255, /* of a field; more is cut */
};

enum log_field_kind {
    LOG_KIND_TEXT,
    LOG_KIND_U64,
    LOG_KIND_I64,
    LOG_KIND_NS, /* written as seconds, with three decimals */
};

struct log_field {
    enum log_field_name name;
    enum log_field_kind kind;
    bool is_told; /* the message tells it, so that the text format does not say it again */
    union {
        const char *text; /* borrowed */
        uint64_t u64;
        int64_t i64;
    } value;
};

static inline struct log_field log_text(enum log_field_name name, const char *text)
{
    return (struct log_field){.name = name, .kind = LOG_KIND_TEXT, .value.text = text};
}

static inline struct log_field log_u64(enum log_field_name name, uint64_t number)
{
    return (struct log_field){.name = name, .kind = LOG_KIND_U64, .value.u64 = number};
}

static inline struct log_field log_i64(enum log_field_name name, int64_t number)
{
    return (struct log_field){.name = name, .kind = LOG_KIND_I64, .value.i64 = number};
}

static inline struct log_field log_ns(enum log_field_name name, int64_t ns)
{
    return (struct log_field){.name = name, .kind = LOG_KIND_NS, .value.i64 = ns};
}

/* The same field, which the message tells. */
static inline struct log_field log_told(struct log_field field)
{
    field.is_told = true;
    return field;
}

void log_init(enum log_level level, enum log_format format);
/*
 * "master", "worker 0", "store writer": who speaks. Called in each process: what its parent has left
 * out is its parent's to tell.
 */
void log_set_process(const char *name);
/* Whether lines of this level are written: for those that cost something to make. */
bool log_has_level(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_debug(enum log_event event, const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_info(enum log_event event, const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_warning(enum log_event event, const char *format,
                                                       ...);
__attribute__((format(printf, 2, 3))) void log_error(enum log_event event, const char *format, ...);
/* The same with the event's fields. */
// NOLINTNEXTLINE(readability-function-size): a list and its length are one thing
__attribute__((format(printf, 5, 6))) void log_fields(enum log_level level, enum log_event event,
                                                      const struct log_field *fields,
                                                      size_t field_count, const char *format, ...);

/* Once per turn: tells what was left out, and lost, in a second that is over. */
void log_turn(void);
/* A process ends: tells the rest. */
void log_done(void);

#endif
