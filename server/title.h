/*
 * server/title.h - what `ps` and /proc/PID/cmdline say this process is.
 *
 * How      the title is written over the arguments that the kernel laid out at the process's start,
 *          and over the environment behind them, which is copied elsewhere first.
 * Callers  title_init: main, once, before anything keeps a pointer into argv or the environment
 *          (the configuration copies what it needs). title_set: any process, any time.
 * Limits   a title longer than arguments and environment together is cut.
 */
#ifndef SERVER_TITLE_H
#define SERVER_TITLE_H

/* Moves the environment. 0 or -ENOMEM: then titles stay as they are, which hurts nobody. */
int title_init(int argc, char **argv);
/* "sluice: worker 0". */
void title_set(const char *title);
/* Frees the copied environment: the process ends. */
void title_done(void);

#endif
