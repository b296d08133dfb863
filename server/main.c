/*
 * sluice: reads the configuration, sets up log and title, and becomes the master.
 */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "server/config.h"
#include "server/log.h"
#include "server/roles.h"
#include "server/title.h"

enum {
    EXIT_CONFIG = 2, /* a configuration that cannot work */
    LARGE_BYTES = 128 * 1024,
    TRIM_BYTES = 1024 * 1024,
};

/*
 * What large messages, answers and queues took goes back to the system with them, in all processes.
 * Left to itself malloc raises its threshold when the first large block is freed, and from then on
 * puts large ones between small ones, which outlive them: a worker that once had 500 MiB would keep
 * them. Smaller blocks are the worker's affair: trim.h.
 */
static void give_memory_back(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES); /* without effect under sanitizers */
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

int main(int argc, char **argv)
{
    const struct config_sources sources = {
        .argv = argv,
        .environment = environ,
        .output = stdout,
        .errors = stderr,
    };
    struct config *config = NULL;
    int status = 0;

    give_memory_back();
    switch (config_read(&sources, &config)) {
    case CONFIG_WRONG:
        status = EXIT_CONFIG;
        break;
    case CONFIG_SHOWN:
    case CONFIG_CHECKED:
        break;
    case CONFIG_RUN:
        log_init((enum log_level)config->log_level, (enum log_format)config->log_format);
        if (title_init(argc, argv) != 0)
            log_warning("no memory for process titles");
        status = master_main(config);
        title_done();
        break;
    }
    config_free(config);
    return status;
}
