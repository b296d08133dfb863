/*
 * server/spawn.h - the birth and the end of a child process.
 *
 * A child comes up with its role, title and name in the log, dies with the master (PDEATHSIG, set
 * after any change of user), ignores the signals that are the master's to act on, and holds no
 * descriptor that is the master's alone. It ends by _exit: what the C library or LMDB would do at
 * exit belongs to the master (DESIGN section 5).
 * Callers  spawn_child: master. spawn_exit: any process.
 */
#ifndef SERVER_SPAWN_H
#define SERVER_SPAWN_H

#include <sys/types.h>

struct child;
struct heritage;

/*
 * Forks. The parent gets the pid, or -errno. The child closes what is the master's own by
 * @release(user), runs its main and never returns.
 */
pid_t spawn_child(const struct heritage *heritage, const struct child *child,
                  void (*release)(void *user), void *user);

/* Ends this process; a sanitizer's build looks for leaks first. */
_Noreturn void spawn_exit(int status);

#endif
