#include "tests/unit/fake_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/topics_fixture.h"

#include "bus/check.h"
#include "server/api/live.h"
#include "server/api/request.h"
#include "server/json/text.h"

struct fake_operation {
    struct operation operation; /* the first member */
    struct fake_api *fake;
    bool is_refused;
    char text[];
};

struct live {
    struct fake_api *fake;
    char topic[];
};

static struct fake_operation *fake_of(const struct operation *operation)
{
    return (struct fake_operation *)(uintptr_t)operation;
}

static bool is_called(const struct operation *operation, const char *kind)
{
    const char *text = fake_of(operation)->text;
    size_t size = strlen(kind);

    return strncmp(text, kind, size) == 0 && (text[size] == ' ' || text[size] == '\0');
}

/* What stands behind the kind. */
static const char *name_of(const struct operation *operation)
{
    const char *space = strchr(fake_of(operation)->text, ' ');

    return space == NULL ? "" : space + 1;
}

struct fake_api *fake_api_new(struct bus *bus, struct topics *topics)
{
    struct fake_api *fake = calloc(1, sizeof *fake);

    assert_non_null(fake);
    fake->api.options.bus = bus;
    fake->api.options.topics = topics;
    return fake;
}

void fake_api_free(struct fake_api *fake)
{
    assert_int_equal(fake->operation_count, 0);
    assert_int_equal(fake->live_count, 0);
    assert_null(fake->api.groups);
    outgoing_done(&fake->api.outgoing);
    free(fake);
}

bool api_turn(struct api *api)
{
    outgoing_turn(&api->outgoing);
    return false;
}

struct arena *api_share_answer(struct api *api, const struct text *answer)
{
    const struct fake_api *fake = (struct fake_api *)(void *)api;

    assert_true(answer->size >= API_ANSWER_BYTES_MIN);
    return fake->has_no_memory ? NULL : outgoing_add(&api->outgoing, answer->bytes, answer->size);
}

/* --- operations ----------------------------------------------------------------------------------- */

struct operation *operation_new(struct api *api, const struct api_request *request)
{
    struct fake_api *fake = (struct fake_api *)(void *)api;
    struct fake_operation *made = calloc(1, sizeof *made + request->query.size + 1);

    assert_non_null(made);
    memcpy(made->text, request->query.bytes, request->query.size);
    made->fake = fake;
    made->operation.context.api = api;
    made->is_refused = is_called(&made->operation, "refused");
    fake->operation_count++;
    return &made->operation;
}

struct operation *fake_api_operation(struct fake_api *fake, const char *text)
{
    struct api_request request = {.query = {text, (uint32_t)strlen(text)}};

    return operation_new(&fake->api, &request);
}

static void forget(struct operation *operation)
{
    struct operation **link = &fake_of(operation)->fake->pending;

    while (*link != NULL && *link != operation)
        link = &(*link)->next;
    if (*link != NULL)
        *link = operation->next;
}

void operation_free(struct operation *operation)
{
    if (operation == NULL)
        return;
    forget(operation);
    fake_of(operation)->fake->operation_count--;
    free(operation);
}

bool operation_is_refused(const struct operation *operation)
{
    return fake_of(operation)->is_refused;
}

enum ast_operation_kind operation_kind(const struct operation *operation)
{
    if (is_called(operation, "subscription"))
        return AST_SUBSCRIPTION;
    return is_called(operation, "mutation") || is_called(operation, "mutation-sized") ? AST_MUTATION
                                                                                      : AST_QUERY;
}

enum operation_state operation_run(struct operation *operation, void (*on_done)(void *user),
                                   void *user)
{
    struct fake_operation *fake = fake_of(operation);

    assert_false(fake->is_refused);
    if (is_called(operation, "fails"))
        fake->is_refused = true;
    if (!is_called(operation, "later")) {
        operation->is_done = true;
        return OPERATION_DONE;
    }
    operation->on_done = on_done;
    operation->user = user;
    operation->next = fake->fake->pending;
    fake->fake->pending = operation;
    return OPERATION_LATER;
}

static void write_sized(const struct operation *operation, struct text *out)
{
    size_t size = strtoul(name_of(operation), NULL, 10);
    char *data;

    if (size > FAKE_SIZED_BYTES_MAX)
        size = FAKE_SIZED_BYTES_MAX;
    data = malloc(size + 1);
    assert_non_null(data);
    memset(data, 'x', size);
    text_add_string(out, "{\"data\":\"");
    text_add(out, data, size);
    text_add_string(out, "\"}");
    free(data);
}

void operation_write(const struct operation *operation, struct text *out)
{
    assert_true(operation->is_done || operation_is_refused(operation));
    if (is_called(operation, "sized") || is_called(operation, "mutation-sized"))
        write_sized(operation, out);
    else if (!operation_is_refused(operation))
        text_printf(out, "{\"data\":%s}", name_of(operation));
    else if (strcmp(name_of(operation), "twice") == 0)
        text_add_string(out, "{\"errors\":[{\"message\":\"one\"},{\"message\":\"two\"}]}");
    else
        text_printf(out, "{\"errors\":[{\"message\":\"%s\"}]}", name_of(operation));
}

void operation_refuse(struct operation *operation, enum graphql_code code, const char *format, ...)
{
    (void)code;
    (void)format;
    fake_of(operation)->is_refused = true;
}

static struct operation *find_pending(const struct fake_api *fake, const char *name)
{
    struct operation *operation = fake->pending;

    while (operation != NULL && strcmp(name_of(operation), name) != 0)
        operation = operation->next;
    return operation;
}

bool fake_api_is_pending(const struct fake_api *fake, const char *name)
{
    return find_pending(fake, name) != NULL;
}

static void finish(struct operation *operation)
{
    forget(operation);
    operation->is_done = true;
    operation->on_done(operation->user);
}

void fake_api_finish(struct fake_api *fake, const char *name)
{
    struct operation *operation = find_pending(fake, name);

    CHECK(operation != NULL); /* assert_non_null does not tell the compiler that it is */
    finish(operation);
}

bool fake_api_finish_any(struct fake_api *fake)
{
    if (fake->pending == NULL)
        return false;
    finish(fake->pending);
    return true;
}

/* --- subscriptions -------------------------------------------------------------------------------- */

void live_key(const struct operation *operation, struct text *out)
{
    text_add_string(out, fake_of(operation)->text);
}

int live_new(struct operation *operation, struct live **ret_live)
{
    const char *topic = name_of(operation);
    size_t topic_bytes = strcspn(topic, " ");
    struct live *live;

    if (!topic_name_is_valid(topic, topic_bytes)) {
        operation_refuse(operation, GRAPHQL_BAD_USER_INPUT, "no topic");
        return -EINVAL;
    }
    live = calloc(1, sizeof *live + topic_bytes + 1);
    assert_non_null(live);
    memcpy(live->topic, topic, topic_bytes);
    live->fake = fake_of(operation)->fake;
    live->fake->live_count++;
    *ret_live = live;
    return 0;
}

void live_free(struct live *live)
{
    if (live == NULL)
        return;
    live->fake->live_count--;
    free(live);
}

struct record_topic live_topic(const struct live *live)
{
    return (struct record_topic){live->topic, strlen(live->topic)};
}

static bool is_payload(const struct event *event, const char *payload)
{
    return event->payload_bytes == strlen(payload) &&
           memcmp(event->payload, payload, event->payload_bytes) == 0;
}

int live_execute(struct live *live, const struct event *event, struct text *out)
{
    live->fake->executed_count++;
    if (is_payload(event, "null"))
        return LIVE_PASSED_OVER;
    if (is_payload(event, "\"wait\"") && live->fake->is_waiting)
        return -EAGAIN;
    if (is_payload(event, "\"fail\""))
        return -ENOMEM;
    text_add_string(out, "{\"data\":");
    text_add(out, event->payload, event->payload_bytes);
    text_printf(out, ",\"extensions\":{\"seq\":\"%llu\"}}", (unsigned long long)event->seq);
    return LIVE_MADE;
}
