/*
 * server/roles.h - the mains of the processes. Each returns its exit status, once.
 *
 * worker_main, writer_main: called in the child right after the fork, with its slot; the child's
 * title, role, signals and PDEATHSIG are set by child.c. A child ends by _exit (DESIGN section 5).
 */
#ifndef SERVER_ROLES_H
#define SERVER_ROLES_H

struct config;
struct heritage;
struct model;

/* Of the whole server. */
enum exit_status {
    EXIT_DONE = 0, /* drained, or nothing was to be served */
    EXIT_FAILED = 1,
    EXIT_CONFIG = 2, /* a configuration or a schema that cannot work */
};

int master_main(const struct config *config, struct model *model);
/* @index: 0, 1 … as in its title. */
int worker_main(const struct heritage *heritage, unsigned index, unsigned slot);
int writer_main(const struct heritage *heritage, unsigned slot);

#endif
