/*
 * subscribe: an event stream for each topic, on the control sockets, resumed by Last-Event-ID.
 *
 * The stream's id is the position: it moves when an event has been printed, so whatever cuts a stream
 * short, the next begins right behind. A server that shuts down is left, so that nobody holds it up,
 * and asked once a second until another has taken its place.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "tools/sluice-bench/clock.h"
#include "tools/sluicectl/backoff.h"
#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/event_line.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/output.h"
#include "tools/sluicectl/signals.h"
#include "tools/sluicectl/sse.h"

#define SILENCE_SECONDS_MAX 45L /* the server says its position every 15 */
#define DRAIN_POLL_MS       1000
#define WAIT_MS_MAX         60000
#define REFUSAL_BYTES_MAX   4096
#define MS_PER_S            1000

enum subscription_state {
    SUBSCRIPTION_WAITING,   /* until retry_at_ms */
    SUBSCRIPTION_STREAMING, /* the multi handle has it */
    SUBSCRIPTION_LEAVING,   /* told to: as soon as this call of curl's is over */
    SUBSCRIPTION_DRAINED,   /* looks again at retry_at_ms whether another server is there */
};

struct subscriber;

struct subscription {
    struct subscriber *subscriber;
    const char *topic;
    CURL *curl;
    struct curl_slist *headers;
    struct sse sse;
    char *refusal; /* the body of an answer that is no stream, as far as it is kept */
    size_t refusal_bytes;
    enum subscription_state state;
    unsigned failures; /* in a row */
    unsigned worker;   /* whom it is on */
    int64_t retry_at_ms;
    int error; /* why curl was stopped from within */
    bool has_been_live;
    bool is_told_away; /* that it has lost its server */
};

struct subscriber {
    const struct command_options *options;
    struct control control;
    CURLM *multi;
    int signal_fd;
    int count;
    int status; /* COMMAND_FAILED ends it */
    bool is_over;
    struct subscription subscriptions[COMMAND_OPERANDS_MAX];
};

static int64_t now_ms(void)
{
    return (int64_t)(clock_now_ns() / (CLOCK_NS_PER_S / MS_PER_S));
}

static void fail(struct subscriber *subscriber, int status)
{
    subscriber->status = status;
    subscriber->is_over = true;
}

/* --- what comes ------------------------------------------------------------------------------- */

static void note_gap(const struct subscription *subscription, const struct sse_event *event)
{
    struct json_object *gap = field_parse(event->data, event->data_bytes);

    message_note("%s: a gap: the oldest event that is still kept is number %" PRIu64,
                 subscription->topic, field_number(gap, "oldest"));
    json_object_put(gap);
}

static void note_shutdown(struct subscription *subscription, const struct sse_event *event)
{
    struct json_object *shutdown = field_parse(event->data, event->data_bytes);

    if (subscription == &subscription->subscriber->subscriptions[0])
        message_note("the server is shutting down, within %" PRIu64 " s; waiting for the next",
                     field_number(shutdown, "remaining_seconds"));
    json_object_put(shutdown);
    subscription->is_told_away = true;
    subscription->state = SUBSCRIPTION_LEAVING;
}

static int on_event(void *user, const struct sse_event *event)
{
    struct subscription *subscription = user;
    const struct subscriber *subscriber = subscription->subscriber;
    struct json_span object = {event->data, event->data_bytes};

    if (subscription->is_told_away)
        message_note("%s: back, at %s", subscription->topic, event->id);
    subscription->is_told_away = false;
    subscription->has_been_live = true;
    subscription->failures = 0;
    if (!event->has_data)
        return 0;
    if (strcmp(event->name, "shutdown") == 0) {
        note_shutdown(subscription, event);
        return 0;
    }
    if (strcmp(event->name, "gap") == 0)
        note_gap(subscription, event);
    else if (strcmp(event->name, "message") != 0)
        return 0;
    if (subscriber->options->is_json)
        event_line_json(stdout, object);
    else if (strcmp(event->name, "message") == 0)
        event_line_message(stdout, object, subscriber->count > 1 ? subscription->topic : NULL);
    return 0;
}

static void keep_refusal(struct subscription *subscription, const char *data, size_t bytes)
{
    size_t room = REFUSAL_BYTES_MAX - subscription->refusal_bytes;

    if (bytes > room)
        bytes = room;
    memcpy(subscription->refusal + subscription->refusal_bytes, data, bytes);
    subscription->refusal_bytes += bytes;
}

static size_t on_bytes(char *data, size_t size, size_t count, void *user)
{
    struct subscription *subscription = user;
    size_t bytes = size * count;
    long status = 0;

    (void)curl_easy_getinfo(subscription->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        keep_refusal(subscription, data, bytes);
        return bytes;
    }
    subscription->error = sse_feed(&subscription->sse, data, bytes);
    return subscription->error == 0 ? bytes : 0;
}

/* --- beginning and ending a stream -------------------------------------------------------------- */

/* Where to begin, until the server has said where we are. */
static char *target_of(const struct subscription *subscription)
{
    const struct command_options *options = subscription->subscriber->options;
    char *topic = control_escape(subscription->topic, strlen(subscription->topic));
    char *epoch =
        options->epoch == NULL ? NULL : control_escape(options->epoch, strlen(options->epoch));
    char *target = NULL;
    int rc = -1;

    if (topic != NULL && (options->epoch == NULL || epoch != NULL)) {
        if (subscription->sse.id[0] != '\0' || !options->has_since)
            rc = asprintf(&target, "/topics/%s", topic);
        else
            rc = asprintf(&target, "/topics/%s?since=%" PRIu64 "%s%s", topic, options->since,
                          epoch != NULL ? "&epoch=" : "", epoch != NULL ? epoch : "");
    }
    free(epoch);
    free(topic);
    return rc < 0 ? NULL : target;
}

static int set_headers(struct subscription *subscription)
{
    char position[SSE_ID_BYTES + 32];
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
    struct curl_slist *all = headers;

    if (headers != NULL && subscription->sse.id[0] != '\0') {
        (void)snprintf(position, sizeof position, "Last-Event-ID: %s", subscription->sse.id);
        all = curl_slist_append(headers, position);
    }
    if (all == NULL)
        curl_slist_free_all(headers);
    subscription->headers = all;
    return all == NULL ? -ENOMEM : 0;
}

static int stream_begin(struct subscription *subscription)
{
    struct subscriber *subscriber = subscription->subscriber;
    const struct control *control = &subscriber->control;
    size_t index = (size_t)(subscription - subscriber->subscriptions);
    CURL *curl = subscription->curl;
    char *target = target_of(subscription);
    int rc = target == NULL ? -ENOMEM : set_headers(subscription);

    if (rc == 0) {
        subscription->worker =
            control->workers[(index + subscription->failures) % control->worker_count];
        rc = control_prepare(control, curl, subscription->worker, target);
    }
    free(target);
    if (rc != 0)
        return rc;
    sse_reset(&subscription->sse);
    subscription->refusal_bytes = 0;
    subscription->error = 0;
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* numbers and pointers fit */
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_SECONDS_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, subscription->headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, subscription);
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, subscription);
    if (curl_multi_add_handle(subscriber->multi, curl) != CURLM_OK)
        return -ENOMEM;
    subscription->state = SUBSCRIPTION_STREAMING;
    return 0;
}

static void stream_end(struct subscription *subscription, enum subscription_state state,
                       int64_t wait_ms)
{
    /* It is in there, or was not added: either is well. */
    (void)curl_multi_remove_handle(subscription->subscriber->multi, subscription->curl);
    curl_slist_free_all(subscription->headers);
    subscription->headers = NULL;
    subscription->state = state;
    subscription->retry_at_ms = now_ms() + wait_ms;
}

/* Tries again later; who never had a server is told at once that there is none. */
static void stream_failed(struct subscription *subscription, int error)
{
    struct subscriber *subscriber = subscription->subscriber;

    subscription->failures++;
    stream_end(subscription, SUBSCRIPTION_WAITING, backoff_ms(subscription->failures));
    if (!subscription->has_been_live &&
        (error == -ENOMEM || error == -EMSGSIZE ||
         subscription->failures >= subscriber->control.worker_count)) {
        subscriber->control.asked = subscription->worker;
        fail(subscriber, control_complain(&subscriber->control, error));
        return;
    }
    if (subscription->has_been_live && subscription->failures == 2 && !subscription->is_told_away) {
        message_note("%s: the server has gone away; trying again", subscription->topic);
        subscription->is_told_away = true;
    }
}

/* The server's own end of the stream, or its answer that there will be none. */
static void stream_answered(struct subscription *subscription)
{
    struct control_answer answer = {.body = subscription->refusal,
                                    .body_bytes = subscription->refusal_bytes};

    (void)curl_easy_getinfo(subscription->curl, CURLINFO_RESPONSE_CODE, &answer.status);
    if (answer.status == 200 || answer.status >= 500)
        stream_failed(subscription, -ECONNRESET);
    else
        fail(subscription->subscriber, control_refused(&answer));
}

static void stream_done(struct subscription *subscription, CURLcode code)
{
    if (subscription->error != 0) {
        fail(subscription->subscriber,
             message_error("%s: %s", subscription->topic, strerror(-subscription->error)));
        return;
    }
    if (subscription->state == SUBSCRIPTION_LEAVING)
        return; /* turn() ends it */
    if (code == CURLE_OK)
        stream_answered(subscription);
    else
        stream_failed(subscription, control_result(subscription->curl, code));
}

/* --- the loop ----------------------------------------------------------------------------------- */

static bool is_draining(struct subscriber *subscriber)
{
    static const struct control_request request = {.target = "/health"};
    struct control_answer answer;
    bool is_it = false;

    if (control_reopen(&subscriber->control) != 0 ||
        control_ask(&subscriber->control, CONTROL_ANY, &request, &answer) != 0)
        return false;
    struct json_object *health = field_parse(answer.body, answer.body_bytes);
    is_it = strcmp(field_text(health, "status"), "draining") == 0;
    json_object_put(health);
    control_answer_done(&answer);
    return is_it;
}

static void turn(struct subscription *subscription)
{
    struct subscriber *subscriber = subscription->subscriber;
    bool is_due = now_ms() >= subscription->retry_at_ms;
    int rc;

    switch (subscription->state) {
    case SUBSCRIPTION_STREAMING:
        return;
    case SUBSCRIPTION_LEAVING:
        stream_end(subscription, SUBSCRIPTION_DRAINED, DRAIN_POLL_MS);
        return;
    case SUBSCRIPTION_DRAINED:
        if (!is_due)
            return;
        if (is_draining(subscriber)) {
            subscription->retry_at_ms = now_ms() + DRAIN_POLL_MS;
            return;
        }
        break;
    case SUBSCRIPTION_WAITING:
        if (!is_due)
            return;
        break;
    }
    rc = control_reopen(&subscriber->control);
    if (rc == 0)
        rc = stream_begin(subscription);
    if (rc != 0)
        stream_failed(subscription, rc);
}

static int wait_ms(const struct subscriber *subscriber)
{
    int64_t wait = WAIT_MS_MAX;

    for (int i = 0; i < subscriber->count; i++) {
        const struct subscription *subscription = &subscriber->subscriptions[i];
        int64_t until = subscription->retry_at_ms - now_ms();

        if (subscription->state == SUBSCRIPTION_LEAVING)
            return 0;
        if (subscription->state != SUBSCRIPTION_STREAMING && until < wait)
            wait = until > 0 ? until : 0;
    }
    return (int)wait;
}

static void take_done(struct subscriber *subscriber)
{
    struct CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(subscriber->multi, &left)) != NULL) {
        struct subscription *subscription = NULL;
        CURLcode code = message->data.result;

        CHECK(message->msg == CURLMSG_DONE);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &subscription);
        CHECK(subscription != NULL);
        stream_done(subscription, code);
    }
}

static void run(struct subscriber *subscriber)
{
    struct curl_waitfd waits[] = {
        {.fd = subscriber->signal_fd, .events = CURL_WAIT_POLLIN},
        {.fd = OUTPUT_FD},
    };
    int running;

    while (!subscriber->is_over && !signals_has_ended()) {
        for (int i = 0; i < subscriber->count && !subscriber->is_over; i++)
            turn(&subscriber->subscriptions[i]);
        if (subscriber->is_over)
            break;
        CURLMcode code = curl_multi_perform(subscriber->multi, &running);
        take_done(subscriber);
        if (fflush(stdout) != 0)
            break; /* main() says so, unless a signal cut it short */
        if (code == CURLM_OK && !subscriber->is_over)
            code = curl_multi_poll(subscriber->multi, waits, sizeof waits / sizeof waits[0],
                                   wait_ms(subscriber), NULL);
        if (code != CURLM_OK)
            fail(subscriber, message_error("%s", curl_multi_strerror(code)));
        else if (output_look() != COMMAND_DONE)
            fail(subscriber, COMMAND_FAILED);
    }
    if (signals_has_ended())
        clearerr(stdout); /* what a signal cut short is no error */
}

static int subscription_init(struct subscription *subscription, struct subscriber *subscriber,
                             const char *topic)
{
    *subscription = (struct subscription){.subscriber = subscriber, .topic = topic};
    sse_init(&subscription->sse, on_event, subscription);
    subscription->curl = curl_easy_init();
    subscription->refusal = malloc(REFUSAL_BYTES_MAX);
    return subscription->curl == NULL || subscription->refusal == NULL ? -ENOMEM : 0;
}

static void subscriber_done(struct subscriber *subscriber)
{
    for (int i = 0; i < subscriber->count; i++) {
        struct subscription *subscription = &subscriber->subscriptions[i];

        stream_end(subscription, SUBSCRIPTION_WAITING, 0);
        curl_easy_cleanup(subscription->curl);
        sse_done(&subscription->sse);
        free(subscription->refusal);
    }
    (void)curl_multi_cleanup(subscriber->multi); /* nothing is in it any more */
    control_close(&subscriber->control);
}

int subscribe_command(const struct command_options *options, int argc, char **argv)
{
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);
    int rc;

    if (subscriber == NULL)
        return message_error("%s", strerror(ENOMEM));
    subscriber->options = options;
    subscriber->status = control_open(options, &subscriber->control);
    if (subscriber->status != COMMAND_DONE) {
        free(subscriber);
        return COMMAND_FAILED;
    }
    subscriber->multi = curl_multi_init();
    rc = subscriber->multi == NULL ? -ENOMEM : signals_catch_end(&subscriber->signal_fd);
    for (int i = 0; i < argc && rc == 0; i++)
        rc =
            subscription_init(&subscriber->subscriptions[subscriber->count++], subscriber, argv[i]);
    if (rc == 0)
        run(subscriber);
    else
        subscriber->status = message_error("%s", strerror(-rc));
    int status = subscriber->status;
    subscriber_done(subscriber);
    free(subscriber);
    return status;
}
