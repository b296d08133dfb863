/*
 * tools/sluicectl/message.h - what sluicectl says on standard error.
 *
 * Everything begins with "sluicectl: ", is one line, and has its control characters escaped.
 */
#ifndef TOOLS_SLUICECTL_MESSAGE_H
#define TOOLS_SLUICECTL_MESSAGE_H

/* What went wrong. Returns COMMAND_FAILED, for `return message_error(...)`. */
__attribute__((format(printf, 1, 2))) int message_error(const char *format, ...);

/* What the command line has wrong. Returns COMMAND_USAGE. */
__attribute__((format(printf, 1, 2))) int message_usage(const char *format, ...);

/* Something to know that is no error: a gap, a server that has gone away. Not with --quiet. */
__attribute__((format(printf, 1, 2))) void message_note(const char *format, ...);
void message_set_quiet(void);

#endif
