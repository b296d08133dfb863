/*
 * tools/sluicectl/data_dir.h - which data directory is meant.
 *
 * -d DATA, else $SLUICE_DATA, else $STATE_DIRECTORY (its first, as the server takes it), else
 * ./sluice-data, else /var/lib/sluice; the last two only if they are there.
 */
#ifndef TOOLS_SLUICECTL_DATA_DIR_H
#define TOOLS_SLUICECTL_DATA_DIR_H

#include <stdbool.h>

struct command_options;

struct data_dir {
    char path[4096];
    const char *origin; /* "-d", "$SLUICE_DATA" …: who named it; NULL: it is where one usually is */
};

/* False: there is none, or its name is too long; that has been said. */
bool data_dir_find(const struct command_options *options, struct data_dir *ret_dir);

#endif
