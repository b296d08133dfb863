/*
 * sluice: reads the configuration, sets up log and title, and becomes the master.
 */
#include <stdio.h>
#include <unistd.h>

#include "server/config.h"
#include "server/log.h"
#include "server/roles.h"
#include "server/title.h"

enum {
    EXIT_CONFIG = 2, /* a configuration that cannot work */
};

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
