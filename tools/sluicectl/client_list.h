/*
 * tools/sluicectl/client_list.h - the clients of all workers, asked page by page.
 */
#ifndef TOOLS_SLUICECTL_CLIENT_LIST_H
#define TOOLS_SLUICECTL_CLIENT_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct control;
struct json_object;

/*
 * Adds to @all, an array, the clients of all workers, at most @count_max; those that lag, if so asked.
 * Returns how many workers were asked without an answer; who does not listen at all, because the
 * server has fewer workers now, does not count unless nobody listens. Or -errno.
 */
int client_list_collect(struct control *control, bool is_lagging, size_t count_max,
                        struct json_object *all);

#endif
