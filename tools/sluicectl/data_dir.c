#include "tools/sluicectl/data_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/message.h"

static bool take(struct data_dir *dir, const char *path, size_t bytes, const char *origin)
{
    if (bytes >= sizeof dir->path) {
        (void)message_error("%s: the name of the data directory is too long", origin);
        return false;
    }
    memcpy(dir->path, path, bytes);
    dir->path[bytes] = '\0';
    dir->origin = origin;
    return true;
}

bool data_dir_find(const struct command_options *options, struct data_dir *ret_dir)
{
    static const char *const usual[] = {"./sluice-data", "/var/lib/sluice"};
    const char *environment = getenv("SLUICE_DATA");
    const char *state = getenv("STATE_DIRECTORY");

    if (options->data_dir != NULL)
        return take(ret_dir, options->data_dir, strlen(options->data_dir), "-d");
    if (environment != NULL && *environment != '\0')
        return take(ret_dir, environment, strlen(environment), "$SLUICE_DATA");
    if (state != NULL && *state != '\0')
        return take(ret_dir, state, strcspn(state, ":"), "$STATE_DIRECTORY");
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (access(usual[i], F_OK) == 0)
            return take(ret_dir, usual[i], strlen(usual[i]), NULL);
    }
    (void)message_error(
        "which data directory? Neither %s nor %s is there: name it with -d DATA, or "
        "in SLUICE_DATA",
        usual[0], usual[1]);
    return false;
}
