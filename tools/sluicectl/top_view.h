/*
 * tools/sluicectl/top_view.h - the table of `top`, as text.
 */
#ifndef TOOLS_SLUICECTL_TOP_VIEW_H
#define TOOLS_SLUICECTL_TOP_VIEW_H

#include <stddef.h>
#include <stdio.h>

struct json_object;
struct top_rates;
struct top_sample;

#define TOP_VIEW_LAGGING_MAX 10 /* clients that are shown */

/* @lagging: an array of clients as /control/clients has them; NULL: none. 0 or -ENOMEM. */
int top_view_write(FILE *output, const struct top_sample *sample, const struct top_rates *rates,
                   struct json_object *lagging);

/* For machines: one object, one line. Who ends with @output looks at its state. */
void top_view_json(FILE *output, const struct top_sample *sample, const struct top_rates *rates,
                   struct json_object *lagging);

/*
 * A screenful for a terminal: the first @row_count lines of @text, each cut to @column_count columns,
 * from the top left corner on, and nothing of what was there before.
 */
void top_view_screen(FILE *output, const char *text, size_t row_count, size_t column_count);

#endif
