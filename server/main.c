/*
 * sluice: reads the configuration and the schema, sets up log and title, and becomes the master.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bus/standard_fds.h"
#include "server/api/model.h"
#include "server/config.h"
#include "server/log.h"
#include "server/roles.h"
#include "server/schema_file.h"
#include "server/title.h"

enum {
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

static int serve(const struct config *config, struct model *model, int argc, char **argv)
{
    int status;

    tzset(); /* gmtime_r reads the zone's file the first time: no worker shall wait for that */
    log_init((enum log_level)config->log_level, (enum log_format)config->log_format);
    for (size_t i = 0; i < config->warnings.count; i++)
        log_warning(LOG_START_WARNING, "%s", config->warnings.items[i]);
    if (title_init(argc, argv) != 0)
        log_warning(LOG_START_WARNING, "no memory for process titles");
    if (model->has_any_row_topic)
        log_warning(
            LOG_START_WARNING,
            "a mutation's topic begins with a text column, so any topic may be one of rows: all of "
            "them are delivered when they are committed, not before");
    status = master_main(config, model);
    log_done();
    title_done();
    return status;
}

/* Of a configuration that is only looked at. */
static void show_check(const struct config *config)
{
    for (size_t i = 0; i < config->warnings.count; i++)
        (void)fprintf(stderr, "sluice: warning: %s\n", config->warnings.items[i]);
    (void)fputs("sluice: the configuration is good\n", stdout);
}

/* The configuration is good as it stands; the schema may still not be. */
static int begin(const struct config *config, bool is_check, int argc, char **argv)
{
    struct model *model = schema_file_build(config->schema, stderr);
    int status = EXIT_DONE;

    if (model == NULL)
        status = EXIT_CONFIG;
    else if (is_check)
        show_check(config);
    else
        status = serve(config, model, argc, argv);
    model_free(model);
    return status;
}

/* --help, --version, --check-config: what was printed counts only if it got there. */
static int output_close(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    (void)fprintf(stderr, "sluice: cannot write to standard output: %s\n", strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const struct config_sources sources = {
        .argv = argv,
        .environment = environ,
        .output = stdout,
        .errors = stderr,
        .is_here = true,
    };
    struct config *config = NULL;
    enum config_result result;
    int status = standard_fds_fill();

    if (status != 0) {
        (void)fprintf(stderr, "sluice: /dev/null: %s\n", strerror(-status));
        return EXIT_FAILED;
    }
    give_memory_back();
    result = config_read(&sources, &config);
    switch (result) {
    case CONFIG_WRONG:
        status = EXIT_CONFIG;
        break;
    case CONFIG_SHOWN:
        break;
    case CONFIG_CHECKED:
    case CONFIG_RUN:
        status = begin(config, result == CONFIG_CHECKED, argc, argv);
        break;
    }
    config_free(config);
    return output_close(status);
}
