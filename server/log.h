/*
 * server/log.h - the only module that logs: one line per message on standard error.
 *
 * Text for people, or JSON lines for machines, with stable field names. One write(2) per line, so
 * lines of several processes never mix. A payload of a client is never logged.
 * Callers  master, workers, writer, main. The libraries below never log.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

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

void log_init(enum log_level level, enum log_format format);
/* "master", "worker 0", "store writer": who speaks. */
void log_set_process(const char *name);
enum log_level log_get_level(void);

__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);

#endif
