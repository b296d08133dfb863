#include "tools/sluicectl/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/message.h"

int output_look(void)
{
    struct pollfd output = {.fd = OUTPUT_FD}; /* errors are told without being asked for */

    if (poll(&output, 1, 0) <= 0 || (output.revents & (POLLERR | POLLHUP)) == 0)
        return COMMAND_DONE;
    (void)raise(SIGPIPE); /* it can be caught or ignored, not fail */
    return message_error("cannot write to standard output: %s", strerror(EPIPE));
}
