#include "tools/sluicectl/control.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/message.h"

#define SOCKET_PATH_BYTES 108

/* --- the directory ---------------------------------------------------------------------------- */

/* A worker's number, or CONTROL_ANY for another name. */
static unsigned worker_of(const char *name)
{
    unsigned number = 0;

    if (!isdigit((unsigned char)name[0]) || (name[0] == '0' && name[1] != '\0'))
        return CONTROL_ANY;
    for (; isdigit((unsigned char)*name); name++) {
        number = number * 10 + (unsigned)(*name - '0');
        if (number >= CONTROL_WORKERS_MAX)
            return CONTROL_ANY;
    }
    return *name == '\0' ? number : CONTROL_ANY;
}

static int list_workers(struct control *control)
{
    bool is_there[CONTROL_WORKERS_MAX] = {false};
    int fd = openat(control->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (directory == NULL) {
        int rc = -errno;
        if (fd >= 0)
            (void)close(fd); /* nothing was read */
        return rc;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        unsigned worker = worker_of(entry->d_name);
        if (worker != CONTROL_ANY)
            is_there[worker] = true;
    }
    (void)closedir(directory); /* only read */
    control->worker_count = 0;
    for (unsigned worker = 0; worker < CONTROL_WORKERS_MAX; worker++) {
        if (is_there[worker])
            control->workers[control->worker_count++] = worker;
    }
    return control->worker_count > 0 ? 0 : -ENOENT;
}

int control_reopen(struct control *control)
{
    int data_fd = open(control->dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (data_fd < 0)
        return -errno;
    int fd = openat(data_fd, "control", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;
    (void)close(data_fd); /* a place only */
    if (rc != 0)
        return rc;
    if (control->directory_fd >= 0)
        (void)close(control->directory_fd); /* only read */
    control->directory_fd = fd;
    return list_workers(control);
}

int control_open(const struct command_options *options, struct control *ret_control)
{
    *ret_control = (struct control){.directory_fd = -1};
    if (!data_dir_find(options, &ret_control->dir))
        return COMMAND_FAILED;
    ret_control->curl = curl_easy_init();
    int rc = ret_control->curl == NULL ? -ENOMEM : control_reopen(ret_control);
    if (rc == 0)
        return COMMAND_DONE;
    rc = control_complain(ret_control, rc);
    control_close(ret_control);
    return rc;
}

void control_close(struct control *control)
{
    if (control->directory_fd >= 0)
        (void)close(control->directory_fd); /* only read */
    control->directory_fd = -1;
    curl_easy_cleanup(control->curl);
    control->curl = NULL;
}

/* --- one request ------------------------------------------------------------------------------ */

int control_prepare(const struct control *control, CURL *curl, unsigned worker, const char *target)
{
    char path[SOCKET_PATH_BYTES];
    CURLcode code;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%u", control->directory_fd, worker);
    curl_easy_reset(curl);
    code = curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/");
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_REQUEST_TARGET, target);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment has */
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluicectl/" SLUICE_VERSION);
    if (code != CURLE_OK)
        return -ENOMEM; /* these copy a text, and have no other way to fail */
    /* Numbers are taken as they are. */
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L); /* its path may lead elsewhere now */
    (void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONTROL_PATIENCE_SECONDS);
    return 0;
}

int control_result(CURL *curl, CURLcode code)
{
    long system_errno = 0;

    switch ((int)code) { /* of the hundred only those that can come */
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_CONNECT:
        (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &system_errno);
        return system_errno > 0 ? (int)-system_errno : -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return -ECONNRESET;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_WRITE_ERROR:
        return -EMSGSIZE;
    default:
        return -EPROTO;
    }
}

/* What has come of an answer; it is too long when @file is NULL. */
struct receiving {
    FILE *file;
    size_t bytes;
};

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct receiving *receiving = user;
    size_t bytes = size * count;

    if (bytes > CONTROL_ANSWER_BYTES_MAX - receiving->bytes)
        return 0;
    receiving->bytes += bytes;
    return fwrite(data, 1, bytes, receiving->file);
}

/* Takes what the request adds to control_prepare(). */
static int set_request(CURL *curl, const struct control_request *request,
                       struct receiving *receiving, struct curl_slist **ret_headers)
{
    long patience =
        request->patience_seconds > 0 ? request->patience_seconds : CONTROL_PATIENCE_SECONDS;
    char content_type[64];

    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* bytes a second */
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, patience);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, receiving);
    if (!request->is_post)
        return 0;
    (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
    /* A header without a value leaves curl's own out: a form it is never, and 100 not waited for. */
    (void)snprintf(content_type, sizeof content_type, "Content-Type:%s%s",
                   request->content_type != NULL ? " " : "",
                   request->content_type != NULL ? request->content_type : "");
    struct curl_slist *headers = curl_slist_append(NULL, content_type);
    struct curl_slist *all = headers == NULL ? NULL : curl_slist_append(headers, "Expect:");
    if (all == NULL) {
        curl_slist_free_all(headers);
        return -ENOMEM;
    }
    *ret_headers = all;
    return curl_easy_setopt(curl, CURLOPT_HTTPHEADER, all) == CURLE_OK ? 0 : -ENOMEM;
}

static int ask_worker(struct control *control, unsigned worker,
                      const struct control_request *request, struct control_answer *ret_answer)
{
    struct control_answer answer = {0};
    struct receiving receiving = {0};
    struct curl_slist *headers = NULL;
    int rc;

    control->asked = worker;
    receiving.file = open_memstream(&answer.body, &answer.body_bytes);
    if (receiving.file == NULL)
        return -ENOMEM;
    rc = control_prepare(control, control->curl, worker, request->target);
    if (rc == 0)
        rc = set_request(control->curl, request, &receiving, &headers);
    if (rc == 0)
        rc = control_result(control->curl, curl_easy_perform(control->curl));
    curl_slist_free_all(headers);
    if (fclose(receiving.file) != 0 && rc == 0)
        rc = -ENOMEM;
    if (rc != 0) {
        control_answer_done(&answer);
        return rc;
    }
    (void)curl_easy_getinfo(control->curl, CURLINFO_RESPONSE_CODE, &answer.status);
    *ret_answer = answer;
    return 0;
}

/* May another worker be asked instead? */
static bool is_worth_another(const struct control_request *request, int rc)
{
    bool has_reached_nobody = rc == -ECONNREFUSED || rc == -ENOENT || rc == -EAGAIN;

    return has_reached_nobody || (!request->is_post && (rc == -ETIMEDOUT || rc == -ECONNRESET));
}

int control_ask(struct control *control, unsigned worker, const struct control_request *request,
                struct control_answer *ret_answer)
{
    int rc = -ENOENT;

    if (worker != CONTROL_ANY)
        return ask_worker(control, worker, request, ret_answer);
    for (unsigned i = 0; i < control->worker_count; i++) {
        rc = ask_worker(control, control->workers[i], request, ret_answer);
        if (rc == 0 || !is_worth_another(request, rc))
            break;
    }
    return rc;
}

void control_answer_done(struct control_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

char *control_escape(const char *text, size_t bytes)
{
    char *escaped = NULL;
    size_t size;
    FILE *memory = open_memstream(&escaped, &size);

    if (memory == NULL)
        return NULL;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (isalnum(byte) || byte == '-' || byte == '_')
            (void)fputc(byte, memory); /* fclose tells */
        else
            (void)fprintf(memory, "%%%02X", byte);
    }
    if (fclose(memory) != 0) {
        free(escaped);
        return NULL;
    }
    return escaped;
}
