/*
 * tools/sluicectl/progress_bar.h - how far something is, on one line of standard error.
 *
 * Only on a terminal, and not with --quiet: elsewhere nothing is written.
 */
#ifndef TOOLS_SLUICECTL_PROGRESS_BAR_H
#define TOOLS_SLUICECTL_PROGRESS_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
    const char *what; /* "checking" */
    bool is_wanted;
    bool is_shown;
    unsigned share; /* that is shown, in thousandths */
};

void progress_bar_init(struct progress_bar *bar, const char *what, bool is_quiet);
void progress_bar_show(struct progress_bar *bar, uint64_t done, uint64_t total);
/* Takes the line away. */
void progress_bar_end(struct progress_bar *bar);

#endif
