#include "tools/sluicectl/message.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/escape.h"

#define MESSAGE_BYTES 4096 /* longer ones are cut */

static bool is_quiet;

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list arguments)
{
    char text[MESSAGE_BYTES];

    (void)vsnprintf(text, sizeof text, format, arguments); /* cut when too long */
    (void)fputs("sluicectl: ", stderr);
    (void)escape_write(stderr, text, strlen(text));
    (void)fputc('\n', stderr); /* nobody to tell that there is no standard error */
}

int message_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return COMMAND_FAILED;
}

int message_usage(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return COMMAND_USAGE;
}

void message_note(const char *format, ...)
{
    va_list arguments;

    if (is_quiet)
        return;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void message_set_quiet(void)
{
    is_quiet = true;
}
