/*
 * tools/sluicectl/control.h - asking the server through DATA/control/<worker>: HTTP over a unix
 * socket for each worker, by libcurl.
 *
 * Reach    The directory is opened and its sockets reached through /proc/self/fd, so that the name
 *          of DATA may be longer than a socket's may (107 bytes). A server that is started anew makes
 *          the directory anew: control_reopen().
 * Errors   0 or -errno: -ENOENT no such directory or no socket in it, -EACCES, -ECONNREFUSED nobody
 *          accepts, -ETIMEDOUT no answer, -ECONNRESET it broke off, -EMSGSIZE an answer longer than
 *          CONTROL_ANSWER_BYTES_MAX, -EPROTO no HTTP. control_complain() says each in words.
 * Retries  What any worker can answer is asked of one after the other: a question (GET) until one
 *          answers, a request that changes something only as long as it has reached nobody.
 */
#ifndef TOOLS_SLUICECTL_CONTROL_H
#define TOOLS_SLUICECTL_CONTROL_H

#include <curl/curl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "bus/slots.h"
#include "tools/sluicectl/data_dir.h"

struct command_options;
struct json_object;

enum {
    CONTROL_WORKERS_MAX = BUS_WORKERS_MAX,
    CONTROL_ANSWER_BYTES_MAX = 256 << 20,
};

#define CONTROL_ANY UINT_MAX /* whichever worker answers */

struct control {
    struct data_dir dir;
    CURL *curl;
    int directory_fd; /* DATA/control; -1: not open */
    unsigned worker_count;
    unsigned workers[CONTROL_WORKERS_MAX]; /* their numbers, rising */
    unsigned asked;                        /* the worker that was asked last: for messages */
};

struct control_request {
    const char *target;       /* percent-encoded: control_escape() */
    bool is_post;             /* with that body, which may be empty */
    const char *content_type; /* NULL: there is no body */
    const char *body;
    size_t body_bytes;
    long patience_seconds; /* without a byte of an answer; 0: CONTROL_PATIENCE_SECONDS */
};

#define CONTROL_PATIENCE_SECONDS 5L

struct control_answer {
    long status;
    char *body; /* of malloc: control_answer_done(); ends with '\0' */
    size_t body_bytes;
};

/* COMMAND_FAILED: what is wrong has been said. control_close takes that, too. */
int control_open(const struct command_options *options, struct control *ret_control);
void control_close(struct control *control);

/* Looks again which sockets there are. */
int control_reopen(struct control *control);

int control_ask(struct control *control, unsigned worker, const struct control_request *request,
                struct control_answer *ret_answer);
void control_answer_done(struct control_answer *answer);

/* Has @curl ask that worker for @target: everything but where the answer goes. -ENOMEM, else 0. */
int control_prepare(const struct control *control, CURL *curl, unsigned worker, const char *target);
/* What curl_easy_perform's result means here. */
int control_result(CURL *curl, CURLcode code);

/* Says what -errno means here. COMMAND_FAILED. */
int control_complain(const struct control *control, int error);
/* Says what the server answered instead of what was asked for. COMMAND_FAILED. */
int control_refused(const struct control_answer *answer);

/*
 * Asks, and says what went wrong unless the answer is an object with status 200 to 202, or @or_status
 * (0: none). The caller has the object, to put with json_object_put(); NULL: it has been said.
 */
struct json_object *control_ask_object(struct control *control, unsigned worker,
                                       const struct control_request *request, long or_status);

/* Percent-encoded, for a path or a query; of malloc, NULL without memory. */
char *control_escape(const char *text, size_t bytes);

#endif
