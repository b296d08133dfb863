/*
 * server/log.h - the only module that logs: one line per message on standard error.
 *
 * Text     `2026-01-31T12:00:00.123Z info master: message`; under systemd's journal, which knows
 *          the time itself, `<6>master: message` with the level as its priority.
 * JSON     {"time":"…","level":"info","process":"master","pid":4711,"message":"…"}, one per line.
 * Units    one write(2) per line of at most LOG_LINE_BYTES_MAX (what is longer is cut), so lines of
 *          several processes never mix. Control characters and bad UTF-8 in a message become `?`.
 * Blocking a reader that takes nothing more (a full pipe) holds a process up for at most 100 ms;
 *          from then on lines are dropped, and how many is said as soon as one gets through.
 * Limits   what clients can cause as often as they like goes through log_info_bounded: a flood of
 *          them fills no disk.
 * Callers  master, workers, writer, main. The libraries below never log. A payload of a client is
 *          never logged.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdint.h>

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
    LOG_BOUNDED_PER_S = 20,    /* lines about clients, of one process */
};

void log_init(enum log_level level, enum log_format format);
/* "master", "worker 0", "store writer": who speaks. */
void log_set_process(const char *name);

__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);

/*
 * For lines about clients. Those beyond LOG_BOUNDED_PER_S in a second (of @now_ns, on any clock that
 * does not go back) are counted; the first call of either function in a later second says how many.
 */
__attribute__((format(printf, 2, 3))) void log_info_bounded(int64_t now_ns, const char *format,
                                                            ...);
void log_bounded_turn(int64_t now_ns);

#endif
