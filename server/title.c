#include "server/title.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char *start;
    size_t arguments_bytes; /* of the arguments, the last terminator included */
    size_t bytes;           /* of what may be written over */
    char **environment;     /* the copy; NULL: none made */
    char **old_environment;
} area;

/* How far the strings of a vector go on behind @end without a gap. */
static char *contiguous_end(char **strings, char *end)
{
    for (; *strings != NULL; strings++) {
        if (*strings == end)
            end += strlen(*strings) + 1;
    }
    return end;
}

static void free_environment(char **environment)
{
    for (char **variable = environment; variable != NULL && *variable != NULL; variable++)
        free(*variable);
    free(environment);
}

static char **copy_environment(void)
{
    size_t count = 0;
    char **copy;

    while (environ[count] != NULL)
        count++;
    copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(environ[i]);
        if (copy[i] == NULL) {
            free_environment(copy);
            copy = NULL;
        }
    }
    return copy;
}

int title_init(int argc, char **argv)
{
    char *arguments_end;

    if (argc < 1 || argv[0] == NULL)
        return 0;
    area.environment = copy_environment();
    if (area.environment == NULL)
        return -ENOMEM;
    arguments_end = contiguous_end(argv, argv[0]);
    area.start = argv[0];
    area.arguments_bytes = (size_t)(arguments_end - argv[0]);
    area.bytes = (size_t)(contiguous_end(environ, arguments_end) - argv[0]);
    area.old_environment = environ;
    environ = area.environment;
    return 0;
}

/*
 * The kernel takes an argument area that does not end in a terminator for one that was written
 * over, and shows the one string at its start; otherwise it would show the whole area, zeros and
 * all. So its last byte is made to be something else, unless the title's own end stands there.
 */
void title_set(const char *title)
{
    size_t length = strlen(title);

    if (area.start == NULL)
        return;
    if (length > area.bytes - 1)
        length = area.bytes - 1;
    memset(area.start, 0, area.bytes);
    memcpy(area.start, title, length);
    if (length + 1 < area.arguments_bytes)
        area.start[area.arguments_bytes - 1] = ' ';
}

void title_done(void)
{
    if (area.environment == NULL)
        return;
    environ = area.old_environment;
    free_environment(area.environment);
    area.environment = NULL;
}
