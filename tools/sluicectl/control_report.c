/* What came of asking, in words; and answers that are objects. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/lock.h"
#include "tools/sluicectl/message.h"

static int complain_missing(const struct control *control)
{
    const char *path = control->dir.path;
    const char *origin = control->dir.origin;
    long pid = 0;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return message_error("%s: there is no such data directory%s%s", path,
                             origin != NULL ? ", named by " : "", origin != NULL ? origin : "");
    if (lock_look(path, &pid) == LOCK_HELD)
        return message_error("%s: its server (pid %ld) has no sockets in %s/control: it is older "
                             "than this sluicectl, or is just starting or ending",
                             path, pid, path);
    return message_error("%s: no server runs there (%s/control has no sockets); -d names another "
                         "data directory",
                         path, path);
}

static int complain_refused(const struct control *control)
{
    return message_error("%s: no server runs there: nobody accepts at %s/control/%u", //
                         control->dir.path, control->dir.path, control->asked);
}

/* Names who may, as far as that can be seen. */
static int complain_permission(const struct control *control)
{
    const char *path = control->dir.path;
    char name[sizeof control->dir.path + 64];
    struct stat status;

    if (control->directory_fd >= 0) /* it was the socket */
        (void)snprintf(name, sizeof name, "%s/control/%u", path, control->asked);
    else
        (void)snprintf(name, sizeof name, "%s/control", path);
    if (stat(name, &status) != 0 && stat(path, &status) != 0)
        return message_error("%s: permission denied: sluicectl needs the server's user, or root",
                             path);
    const struct passwd *user = getpwuid(status.st_uid);
    const struct group *group = getgrgid(status.st_gid);
    return message_error("%s: permission denied: it is user %s's and group %s's; run sluicectl as "
                         "one of them, or as root",
                         name, user != NULL ? user->pw_name : "?",
                         group != NULL ? group->gr_name : "?");
}

int control_complain(const struct control *control, int error)
{
    const char *path = control->dir.path;

    switch (-error) {
    case ENOENT:
        return complain_missing(control);
    case ECONNREFUSED:
        return complain_refused(control);
    case EACCES:
        return complain_permission(control);
    case ETIMEDOUT:
        return message_error("%s: worker %u does not answer", path, control->asked);
    case ECONNRESET:
        return message_error("%s: worker %u broke off before it had answered", path,
                             control->asked);
    case EMSGSIZE:
        return message_error("%s: the answer is longer than %d MiB", path,
                             CONTROL_ANSWER_BYTES_MAX >> 20);
    case EPROTO:
        return message_error("%s: what answers at %s/control/%u is no HTTP server", path, path,
                             control->asked);
    default:
        return message_error("%s: %s", path, strerror(-error));
    }
}

int control_refused(const struct control_answer *answer)
{
    struct json_object *object = field_parse(answer->body, answer->body_bytes);
    struct json_object *error = field_object(object, "error");
    int status;

    if (error != NULL)
        status = message_error("the server says: %s (%s)", field_text(error, "message"),
                               field_text(error, "code"));
    else
        status = message_error("the server answered with status %ld", answer->status);
    json_object_put(object);
    return status;
}

struct json_object *control_ask_object(struct control *control, unsigned worker,
                                       const struct control_request *request, long or_status)
{
    struct control_answer answer;
    int rc = control_ask(control, worker, request, &answer);

    if (rc != 0) {
        (void)control_complain(control, rc);
        return NULL;
    }
    struct json_object *object = NULL;
    if ((answer.status >= 200 && answer.status <= 202) || answer.status == or_status) {
        object = field_parse(answer.body, answer.body_bytes);
        if (object == NULL)
            (void)message_error("the server's answer to %s is no JSON object", request->target);
    } else {
        (void)control_refused(&answer);
    }
    control_answer_done(&answer);
    return object;
}
