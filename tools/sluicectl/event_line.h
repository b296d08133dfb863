/*
 * tools/sluicectl/event_line.h - one event, one line.
 *
 * Text     number, time, what is said of it, value: the value is the JSON that was published, with what
 *          a terminal would obey escaped; in JSON strings the escape means the same.
 * JSON     The server's object as it is.
 */
#ifndef TOOLS_SLUICECTL_EVENT_LINE_H
#define TOOLS_SLUICECTL_EVENT_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/sluicectl/json_span.h"

/* The broker's message object; @topic: shown, unless NULL. */
void event_line_message(FILE *output, struct json_span message, const char *topic);
/* An entry of /control/log. */
void event_line_operation(FILE *output, struct json_span operation);
void event_line_json(FILE *output, struct json_span object);

#endif
