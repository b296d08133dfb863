/*
 * tools/sluicectl/output.h - standard output of commands that follow something.
 *
 * Who waits for the next event writes nothing, and would notice only with that event that its reader
 * has gone (`| head -1`).
 */
#ifndef TOOLS_SLUICECTL_OUTPUT_H
#define TOOLS_SLUICECTL_OUTPUT_H

/*
 * To be waited for with poll() and no events: wakes when nobody can read standard output any more.
 * Then output_look() ends the process by SIGPIPE, as the next write would, or, where that signal is
 * ignored, says so and returns COMMAND_FAILED. Otherwise COMMAND_DONE.
 */
#define OUTPUT_FD 1
int output_look(void);

#endif
