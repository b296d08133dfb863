/*
 * server/api/mutate.h - between the files that change something; for nobody else.
 *
 * mutate.c          rows: COMMANDs and their results
 * mutate_publish.c  events
 */
#ifndef SERVER_API_MUTATE_H
#define SERVER_API_MUTATE_H

struct execute_call;
struct publish;

/*
 * Sends it (user is set here) for the call, which on_done answers later; or it has been answered, with
 * an error.
 */
void mutate_send(struct execute_call *call, struct publish *publish);
/* A field error for what the publisher said. */
void mutate_fail(struct execute_call *call, int error);

#endif
