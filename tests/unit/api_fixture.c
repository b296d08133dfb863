#include "tests/unit/api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/topics/event.h"
#include "server/topics/log_reader.h"
#include "server/topics/publisher.h"
#include "store/command.h"

enum {
    TURNS_MAX = 10000, /* of one operation, before it is said to have no end */
};

/* --- the worker ------------------------------------------------------------------------------- */

static bool is_row_topic(const void *user, const char *topic, size_t topic_bytes)
{
    return model_is_row_topic(user, topic, topic_bytes);
}

/* The model's catalog as the first operation of the log. */
static void append_schema(struct api_fixture *f)
{
    size_t catalog_bytes = catalog_encoded_bytes(f->model->wanted);
    uint8_t *catalog = malloc(catalog_bytes);
    struct command command = {.kind = COMMAND_SCHEMA};
    struct record_spec spec = {.kind = RECORD_COMMAND, .origin_slot = TOPICS_SLOT};
    uint8_t *payload;
    uint64_t seq = 0;

    assert_non_null(catalog);
    catalog_encode(f->model->wanted, catalog);
    command.catalog = (struct catalog_text){(const char *)catalog, catalog_bytes};
    spec.payload_bytes = command_encoded_bytes(&command);
    payload = malloc(spec.payload_bytes);
    assert_non_null(payload);
    command_encode(&command, payload);
    spec.payload = payload;
    assert_int_equal(topics_append_spec(f->base, &spec, &seq), 0);
    topics_commit(f->base, NULL);
    free(payload);
    free(catalog);
}

static void build_model(struct api_fixture *f, const char *sdl)
{
    struct text errors = {0};
    size_t bytes = sdl == NULL ? 0 : strlen(sdl);

    if (sdl == NULL)
        sdl = model_built_in_sdl(&bytes);
    f->model = model_build(sdl, bytes, "test.graphql", &errors);
    if (f->model == NULL)
        fail_msg("%.*s", (int)errors.size, errors.bytes == NULL ? "" : errors.bytes);
    text_done(&errors);
}

struct api_fixture *api_fixture_new(const char *sdl)
{
    struct api_fixture *f = calloc(1, sizeof *f);
    struct publisher_options publisher_options = {.slot = TOPICS_SLOT};
    struct api_options options = {0};

    assert_non_null(f);
    f->base = topics_fixture_new(TOPICS_RING_BYTES);
    build_model(f, sdl);
    f->base->is_row_topic = is_row_topic;
    f->base->is_row_topic_user = f->model;
    append_schema(f);
    publisher_options.bus = f->base->bus;
    publisher_options.always_durable = &f->is_always_durable;
    assert_int_equal(publisher_open(&publisher_options, &f->publisher), 0);
    assert_int_equal(log_reader_open(f->base->bus, f->base->store, &f->reader), 0);
    f->limits = (struct api_limits){.operation = LIMITS_DEFAULT,
                                    .document_bytes_max = 256 * 1024,
                                    .is_introspection_allowed = true};
    options = (struct api_options){.model = f->model,
                                   .bus = f->base->bus,
                                   .store = f->base->store,
                                   .topics = f->base->topics,
                                   .publisher = f->publisher,
                                   .reader = f->reader,
                                   .limits = &f->limits};
    assert_int_equal(api_open(&options, &f->api), 0);
    return f;
}

void api_fixture_free(struct api_fixture *f)
{
    api_close(f->api);
    publisher_close(f->publisher);
    log_reader_close(f->reader);
    topics_fixture_free(f->base);
    model_free(f->model);
    text_done(&f->out);
    free(f);
}

int api_setup(void **state)
{
    *state = api_fixture_new(NULL);
    return 0;
}

int api_teardown(void **state)
{
    api_fixture_free(*state);
    return 0;
}

/* --- operations ------------------------------------------------------------------------------- */

struct operation *api_fixture_operation(struct api_fixture *f, const char *query,
                                        const char *variables)
{
    /* Copies, which are gone when the operation runs. */
    char *query_copy = strdup(query);
    char *variables_copy = strdup(variables == NULL ? "" : variables);
    struct api_request request = {0};
    struct operation *operation;

    assert_non_null(query_copy);
    assert_non_null(variables_copy);
    request.query = (struct ast_text){query_copy, (uint32_t)strlen(query_copy)};
    request.variables = (struct json_span){variables_copy, strlen(variables_copy)};
    operation = operation_new(f->api, &request);
    assert_non_null(operation);
    free(query_copy);
    free(variables_copy);
    return operation;
}

void api_fixture_on_done(void *user)
{
    struct api_fixture *f = user;

    f->done_count++;
}

bool api_fixture_turn(struct api_fixture *f)
{
    bool has_more;

    f->now_ns += 1000000;
    publisher_turn(f->publisher, f->now_ns);
    has_more = api_turn(f->api);
    store_snapshot_end(f->base->store);
    return has_more;
}

void api_fixture_finish(struct api_fixture *f, struct operation *operation)
{
    unsigned done_count = f->done_count;

    if (operation_run(operation, api_fixture_on_done, f) == OPERATION_DONE) {
        store_snapshot_end(f->base->store);
        assert_int_equal(f->done_count, done_count);
        return;
    }
    for (int i = 0; i < TURNS_MAX && f->done_count == done_count; i++) {
        if (!api_fixture_turn(f) && f->done_count == done_count)
            topics_commit(f->base, NULL);
    }
    assert_int_equal(f->done_count, done_count + 1);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Puts @word in place of the @size bytes at @at. */
static void replace(struct text *text, size_t at, size_t size, const char *word)
{
    size_t word_bytes = strlen(word);

    CHECK(word_bytes <= size);
    memcpy(text->bytes + at, word, word_bytes);
    memmove(text->bytes + at + word_bytes, text->bytes + at + size, text->size - at - size);
    text->size -= size - word_bytes;
}

static bool is_time(const char *text)
{
    return memcmp(text, "\"20", 3) == 0 && text[5] == '-' && text[11] == 'T' && text[27] == 'Z';
}

static void hide_what_changes(struct text *text)
{
    char epoch[EVENT_EPOCH_BYTES];

    event_epoch(epoch, TOPICS_EPOCH);
    for (size_t at = 0; at < text->size; at++) {
        if (text->size - at > EVENT_TIME_BYTES + 2 && is_time(text->bytes + at))
            replace(text, at + 1, EVENT_TIME_BYTES, "TIME");
        else if (text->size - at > sizeof epoch &&
                 memcmp(text->bytes + at, epoch, sizeof epoch) == 0)
            replace(text, at, sizeof epoch, "EPOCH");
    }
}

const char *api_fixture_answer(struct api_fixture *f, const struct operation *operation)
{
    f->out.size = 0;
    operation_write(operation, &f->out);
    hide_what_changes(&f->out);
    text_add(&f->out, "", 1);
    assert_true(text_is_whole(&f->out));
    return f->out.bytes;
}

const char *api_fixture_ask_with(struct api_fixture *f, const char *query, const char *variables)
{
    struct operation *operation = api_fixture_operation(f, query, variables);
    const char *answer;

    if (!operation_is_refused(operation))
        api_fixture_finish(f, operation);
    answer = api_fixture_answer(f, operation);
    operation_free(operation);
    return answer;
}

const char *api_fixture_ask(struct api_fixture *f, const char *query)
{
    return api_fixture_ask_with(f, query, NULL);
}

void api_expect_error(struct api_fixture *f, const char *query, const char *code, const char *words)
{
    const char *answer = api_fixture_ask(f, query);
    char wanted[64];

    (void)snprintf(wanted, sizeof wanted, "\"extensions\":{\"code\":\"%s\"}", code);
    if (strstr(answer, wanted) == NULL || strstr(answer, words) == NULL)
        fail_msg("%s\nhas no %s, %s", answer, code, words);
}
