/*
 * sluice-bench: a load generator for Sluice. In reading order: options (the command line),
 * coordinator (the phases of a run), client (one process and its connections), load (when to
 * publish), receiver (what has come), measure (the server's costs), report.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/standard_fds.h"
#include "tools/sluice-bench/coordinator.h"
#include "tools/sluice-bench/options.h"
#include "tools/sluice-bench/report.h"

#define EXIT_USAGE 2

int main(int argc, char **argv)
{
    struct options options;
    int rc = standard_fds_fill();

    if (rc != 0) {
        (void)fprintf(stderr, "sluice-bench: /dev/null: %s\n", strerror(-rc));
        return EXIT_FAILURE;
    }
    if (argc == 2 && strcmp(argv[1], "--table") == 0) { /* for the manual, and nobody else */
        options_print_table();
        return EXIT_SUCCESS;
    }
    switch (options_read(argc, argv, &options)) {
    case OPTIONS_DONE:
        return EXIT_SUCCESS;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }

    struct coordinator_result *result = calloc(1, sizeof *result);
    if (result == NULL)
        return EXIT_FAILURE;
    int status = EXIT_FAILURE;
    if (coordinator_run(&options, result) == 0) {
        report_print(&result->report, &options);
        if (report_is_clean(&result->report))
            status = EXIT_SUCCESS;
    }
    free(result);
    return status;
}
