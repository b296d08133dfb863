#include "tools/sluicectl/progress_bar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WHOLE = 1000,
    BAR_COLUMNS = 40,
};

void progress_bar_init(struct progress_bar *bar, const char *what, bool is_quiet)
{
    const char *terminal = getenv("TERM");

    *bar = (struct progress_bar){
        .what = what,
        .is_wanted =
            !is_quiet && isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0,
    };
}

void progress_bar_show(struct progress_bar *bar, uint64_t done, uint64_t total)
{
    unsigned share = total > 0 ? (unsigned)((double)done / (double)total * WHOLE) : 0;
    unsigned columns;

    if (share > WHOLE)
        share = WHOLE;
    if (!bar->is_wanted || (bar->is_shown && share == bar->share))
        return;
    bar->share = share;
    bar->is_shown = true;
    columns = share * BAR_COLUMNS / WHOLE;
    (void)fprintf(stderr, "\r%s [", bar->what); /* likewise to the end: a bar that is not seen */
    for (unsigned i = 0; i < BAR_COLUMNS; i++)
        (void)fputc(i < columns ? '#' : '.', stderr);
    (void)fprintf(stderr, "] %3u %%\33[K", share * 100 / WHOLE);
    (void)fflush(stderr);
}

void progress_bar_end(struct progress_bar *bar)
{
    if (bar->is_shown)
        (void)fputs("\r\33[K", stderr); /* it was not seen, then */
    bar->is_shown = false;
}
