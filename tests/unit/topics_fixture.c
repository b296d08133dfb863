#include "tests/unit/topics_fixture.h"

#include <ftw.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/hash_counts.h"
#include "bus/role.h"
#include "store/env.h"

/* --- encodings -------------------------------------------------------------------------------- */

static uint64_t encoded_count;

static ptrdiff_t text_bytes_max(const struct encoding *encoding, const struct event *event)
{
    (void)encoding;
    return (ptrdiff_t)event->topic_bytes + EVENT_DECIMAL_BYTES_MAX +
           (ptrdiff_t)event->payload_bytes + 3;
}

static char *write_short(char *at, const struct event *event)
{
    encoded_count++;
    memcpy(at, event->topic, event->topic_bytes);
    at += event->topic_bytes;
    *at++ = ' ';
    return at + event_decimal(at, event->seq);
}

static size_t encode_text(const struct encoding *encoding, const struct event *event, uint8_t *out,
                          size_t *ret_splice)
{
    char *at = write_short((char *)out, event);

    (void)encoding;
    (void)ret_splice;
    *at++ = ' ';
    memcpy(at, event->payload, event->payload_bytes);
    at += event->payload_bytes;
    *at++ = '\n';
    return (size_t)(at - (char *)out);
}

static size_t encode_short(const struct encoding *encoding, const struct event *event, uint8_t *out,
                           size_t *ret_splice)
{
    char *at = write_short((char *)out, event);

    (void)encoding;
    (void)ret_splice;
    *at++ = '\n';
    return (size_t)(at - (char *)out);
}

static const struct encoding text_encoding = {"text", STAT_PROTOCOL_ROOM, false, text_bytes_max,
                                              encode_text};
static const struct encoding short_encoding = {"short", STAT_PROTOCOL_BROKER_TCP, false,
                                               text_bytes_max, encode_short};

static ptrdiff_t fake_bytes_max(const struct encoding *encoding, const struct event *event)
{
    struct fake_encoding *fake = (struct fake_encoding *)(void *)(uintptr_t)encoding;
    int verdict = fake->judge == NULL ? 1 : fake->judge(fake->user, event);

    fake->asked++;
    return verdict <= 0 ? verdict : text_bytes_max(encoding, event) + 2;
}

static size_t fake_encode(const struct encoding *encoding, const struct event *event, uint8_t *out,
                          size_t *ret_splice)
{
    struct fake_encoding *fake = (struct fake_encoding *)(void *)(uintptr_t)encoding;
    char *at = (char *)out;

    fake->encoded++;
    at += encode_short(encoding, event, out, NULL);
    at[-1] = ' ';
    if (encoding->is_spliced) {
        *at++ = '@';
        *ret_splice = (size_t)(at - (char *)out);
        *at++ = ' ';
    }
    memcpy(at, event->payload, event->payload_bytes);
    at += event->payload_bytes;
    *at++ = '\n';
    return (size_t)(at - (char *)out);
}

void fake_encoding_add(struct topics_fixture *fixture, struct fake_encoding *encoding,
                       bool is_spliced)
{
    encoding->encoding = (struct encoding){.name = "fake",
                                           .is_spliced = is_spliced,
                                           .frame_bytes_max = fake_bytes_max,
                                           .encode = fake_encode};
    encoding->added = topics_add_encoding(fixture->topics, &encoding->encoding);
    assert_non_null(encoding->added);
}

void fake_encoding_remove(struct topics_fixture *fixture, struct fake_encoding *encoding)
{
    topics_remove_encoding(fixture->topics, encoding->added);
    encoding->added = NULL;
}

/* --- the worker ------------------------------------------------------------------------------- */

bool topics_begins_with_row(const void *user, const char *topic, size_t topic_bytes)
{
    (void)user;
    return topic_bytes >= 3 && memcmp(topic, "row", 3) == 0;
}

static bool is_row_topic(const void *user, const char *topic, size_t topic_bytes)
{
    const struct topics_fixture *fixture = user;

    return fixture->is_row_topic != NULL &&
           fixture->is_row_topic(fixture->is_row_topic_user, topic, topic_bytes);
}

struct topics_options topics_fixture_options(struct topics_fixture *fixture)
{
    return (struct topics_options){
        .bus = fixture->bus,
        .store = fixture->store,
        .counts = fixture->counts,
        .hash_seed = 0x5eed,
        .slot = TOPICS_SLOT,
        .queue_bytes_max = &fixture->queue_bytes_max,
        .subscriptions_max = &fixture->subscriptions_max,
        .deliver_committed_only = &fixture->is_committed_only,
        .is_row_topic = is_row_topic,
        .is_row_topic_user = fixture,
    };
}

void topics_open_worker(struct topics_fixture *fixture)
{
    const struct topics_options options = topics_fixture_options(fixture);

    assert_int_equal(topics_open(&options, &fixture->topics), 0);
    fixture->text_encoding = topics_add_encoding(fixture->topics, &text_encoding);
    fixture->short_encoding = topics_add_encoding(fixture->topics, &short_encoding);
    assert_non_null(fixture->text_encoding);
    assert_non_null(fixture->short_encoding);
}

void topics_close_worker(struct topics_fixture *fixture)
{
    topics_remove_encoding(fixture->topics, fixture->text_encoding);
    topics_remove_encoding(fixture->topics, fixture->short_encoding);
    topics_close(fixture->topics);
}

/* Bus, writer and store, which may have been there before. */
static void open_log(struct topics_fixture *fixture, uint64_t epoch)
{
    const struct bus_options bus_options = {
        .path = fixture->ring_path, .store_id = 7, .size = fixture->ring_bytes};
    const struct store_options store_options = {.data_dir = fixture->dir};

    fixture->epoch = epoch;
    role_set((enum role)(ROLE_MASTER | ROLE_WORKER));
    assert_int_equal(bus_open(&bus_options, &fixture->bus), 0);
    assert_int_equal(hash_counts_open("test", &fixture->counts), 0);
    bus_slot_occupy(fixture->bus, TOPICS_SLOT);
    if (fixture->is_writer_inside) {
        role_set((enum role)(ROLE_MASTER | ROLE_WORKER | ROLE_WRITER));
        topics_begin_inside(fixture);
        return;
    }
    topics_start_writer(fixture);
    assert_int_equal(store_open(&store_options, &fixture->store), 0);
}

static void close_log(struct topics_fixture *fixture)
{
    store_close(fixture->store);
    topics_end_writer(fixture);
    hash_counts_close(fixture->counts);
    assert_int_equal(unlink(fixture->ring_path), 0);
    bus_close(fixture->bus);
}

void topics_cut_power(struct topics_fixture *fixture, uint64_t epoch)
{
    close_log(fixture);
    open_log(fixture, epoch);
}

static struct topics_fixture *fixture_new(uint64_t ring_bytes, bool is_writer_inside)
{
    static unsigned count;
    struct topics_fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    (void)snprintf(fixture->ring_path, sizeof fixture->ring_path,
                   "/dev/shm/sluice-topics-%d-%u.ring", (int)getpid(), count++);
    (void)snprintf(fixture->dir, sizeof fixture->dir, "/dev/shm/sluice-topics-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->ring_bytes = ring_bytes;
    fixture->is_writer_inside = is_writer_inside;
    fixture->queue_bytes_max = TOPICS_QUEUE_BYTES;
    fixture->subscriptions_max = 1024;
    open_log(fixture, TOPICS_EPOCH);
    topics_open_worker(fixture);
    encoded_count = 0;
    return fixture;
}

struct topics_fixture *topics_fixture_new(uint64_t ring_bytes)
{
    return fixture_new(ring_bytes, false);
}

struct topics_fixture *topics_fixture_new_inside(uint64_t ring_bytes)
{
    return fixture_new(ring_bytes, true);
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void topics_fixture_free(struct topics_fixture *fixture)
{
    struct fake_client *client = fixture->first;

    while (client != NULL) {
        struct fake_client *next = client->next;

        fake_client_close(client);
        client = next;
    }
    topics_close_worker(fixture);
    close_log(fixture);
    assert_int_equal(nftw(fixture->dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
    stream_copies_clear();
    arena_pool_clear();
    free(fixture);
}

int topics_setup(void **state)
{
    *state = topics_fixture_new(TOPICS_RING_BYTES);
    return 0;
}

int topics_teardown(void **state)
{
    topics_fixture_free(*state);
    return 0;
}

int64_t topics_stat(const struct topics_fixture *fixture, enum stat_id stat)
{
    return (int64_t)stat_get(fixture->bus, TOPICS_SLOT, stat);
}

int topics_append_spec(struct topics_fixture *fixture, const struct record_spec *spec,
                       uint64_t *ret_seq)
{
    size_t bytes = record_encoded_bytes(spec);
    uint8_t *record = malloc(bytes + 1);
    struct ring_appended appended = {0};
    int rc;

    assert_non_null(record);
    (void)record_encode(record, spec);
    rc = ring_append(fixture->bus, record, bytes, &appended);
    free(record);
    *ret_seq = appended.first_seq;
    return rc;
}

static uint64_t append(struct topics_fixture *fixture, const char *names, const char *payload,
                       size_t payload_bytes)
{
    struct record_topic topics[RECORD_TOPICS_MAX];
    struct record_spec spec = {.kind = RECORD_EVENT,
                               .topics = topics,
                               .payload = payload,
                               .payload_bytes = payload_bytes,
                               .origin_slot = TOPICS_SLOT};
    uint64_t seq = 0;

    while (*names != '\0') {
        size_t bytes = strcspn(names, ",");

        assert_true(spec.topic_count < RECORD_TOPICS_MAX);
        topics[spec.topic_count++] = (struct record_topic){.name = names, .bytes = bytes};
        names += bytes + (names[bytes] == ',' ? 1 : 0);
    }
    assert_int_equal(topics_append_spec(fixture, &spec, &seq), 0);
    return seq;
}

uint64_t topics_append(struct topics_fixture *fixture, const char *topic, const char *payload)
{
    return append(fixture, topic, payload, strlen(payload));
}

uint64_t topics_append_bytes(struct topics_fixture *fixture, const char *topic,
                             size_t payload_bytes)
{
    char *payload = malloc(payload_bytes + 1);
    uint64_t seq;

    assert_non_null(payload);
    memset(payload, 'x', payload_bytes);
    seq = append(fixture, topic, payload, payload_bytes);
    free(payload);
    return seq;
}

/* --- clients ---------------------------------------------------------------------------------- */

static struct fake_client *client_of(struct stream *stream)
{
    return (struct fake_client *)(void *)stream;
}

/* As a socket's stream: a full one is flushed when it has room again, not once a turn. */
static void on_dirty(struct stream *stream)
{
    stream->is_dirty = client_of(stream)->is_writable;
}

static void on_pause(struct stream *stream, bool is_paused)
{
    stream->is_paused = is_paused;
}

static void on_finish(struct stream *stream)
{
    stream->is_finishing = true;
}

static void on_abort(struct stream *stream)
{
    stream->is_closed = true;
    client_of(stream)->is_aborted = true;
    outq_done(&stream->out);
}

static const struct stream_operations operations = {
    .dirty = on_dirty, .pause = on_pause, .finish = on_finish, .abort = on_abort};

static void on_drained(void *user)
{
    struct fake_client *client = user;

    client->drained++;
    if (!client->has_ended)
        subscriber_drained(client->fixture->topics, &client->subscriber);
}

static const struct stream_handlers stream_handlers = {.on_drained = on_drained};

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    struct fake_client *client = user;

    client->gaps++;
    client->gap_oldest = oldest;
    fake_client_write(client, "gap %.*s %llu\n", (int)topic_bytes, topic,
                      (unsigned long long)oldest);
    if (client->should_leave_on_gap)
        assert_int_equal(
            topics_unsubscribe(client->fixture->topics, &client->subscriber, topic, topic_bytes),
            0);
    if (client->should_end_on_gap) { /* what was its memory may be anything afterwards */
        subscriber_done(client->fixture->topics, &client->subscriber);
        memset(&client->subscriber, 0xa5, sizeof client->subscriber);
        client->has_ended = true;
    }
}

static const struct subscriber_handlers subscriber_handlers = {on_gap};

struct fake_client *fake_client_open(struct topics_fixture *fixture,
                                     struct topics_encoding *encoding)
{
    struct fake_client *client = calloc(1, sizeof *client);

    assert_non_null(client);
    stream_init(&client->stream, &operations);
    stream_set_user(&client->stream, &stream_handlers, client);
    subscriber_init(&client->subscriber, &client->stream, encoding, &subscriber_handlers, client);
    client->fixture = fixture;
    client->room_bytes = SIZE_MAX;
    client->is_writable = true;
    client->next = fixture->first;
    fixture->first = client;
    return client;
}

struct fake_client *fake_client_open_spliced(struct topics_fixture *fixture,
                                             const struct fake_encoding *encoding, const char *own)
{
    struct fake_client *client = fake_client_open(fixture, encoding->added);
    struct arena *arena = arena_copy(own, strlen(own));

    assert_non_null(arena);
    client->spliced.splice = (struct range){.arena = arena, .length = arena->capacity};
    return client;
}

void fake_client_close(struct fake_client *client)
{
    struct fake_client **link = &client->fixture->first;

    if (!client->has_ended)
        subscriber_done(client->fixture->topics, &client->subscriber);
    arena_unref(client->spliced.splice.arena);
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    outq_done(&client->stream.out);
    free(client->received);
    free(client);
}

struct subscribed fake_client_subscribe(struct fake_client *client, const char *topic,
                                        const struct resume *resume)
{
    const struct resume from_now = {0};
    struct subscribed answer = {0};

    assert_int_equal(topics_subscribe(client->fixture->topics, &client->subscriber, topic,
                                      strlen(topic), resume == NULL ? &from_now : resume, &answer),
                     0);
    return answer;
}

static void keep(struct fake_client *client, const void *bytes, size_t size)
{
    if (client->is_forgetful)
        return;
    if (client->received_bytes + size > client->received_capacity) {
        size_t capacity = 2 * (client->received_bytes + size);
        uint8_t *received = realloc(client->received, capacity);

        assert_non_null(received);
        client->received = received;
        client->received_capacity = capacity;
    }
    memcpy(client->received + client->received_bytes, bytes, size);
    client->received_bytes += size;
}

/* What sendmsg would take. */
static size_t receive(struct fake_client *client)
{
    struct iovec iov[STREAM_IOV_MAX];
    int count = outq_iovec(&client->stream.out, iov, STREAM_IOV_MAX);
    size_t sent = 0;

    for (int i = 0; i < count && client->room_bytes > 0; i++) {
        size_t bytes = iov[i].iov_len < client->room_bytes ? iov[i].iov_len : client->room_bytes;

        keep(client, iov[i].iov_base, bytes);
        if (client->room_bytes != SIZE_MAX)
            client->room_bytes -= bytes;
        sent += bytes;
    }
    return sent;
}

/* What tcp_flush does with one stream. */
static void flush(struct fake_client *client)
{
    struct stream *stream = &client->stream;

    stream->is_dirty = false;
    if (client->breaks) {
        stream_abort(stream);
        return;
    }
    while (!outq_is_empty(&stream->out)) {
        size_t sent = receive(client);

        client->is_writable = client->room_bytes > 0;
        if (sent == 0)
            break;
        client->flushes++;
        outq_consume(&stream->out, sent);
    }
    if (outq_pinned_bytes(&stream->out) > stream->drained_bytes) {
        stream->wants_drained = true;
    } else if (stream->wants_drained) {
        stream->wants_drained = false;
        stream->handlers->on_drained(stream->user);
    }
}

void topics_fixture_flush(struct topics_fixture *fixture)
{
    for (struct fake_client *client = fixture->first; client != NULL; client = client->next) {
        if (client->stream.is_dirty && !client->stream.is_closed)
            flush(client);
    }
}

void fake_client_tell_room(struct fake_client *client, size_t bytes)
{
    if (bytes == SIZE_MAX || client->room_bytes == SIZE_MAX)
        client->room_bytes = bytes;
    else
        client->room_bytes += bytes;
    client->is_writable = true;
    if (!outq_is_empty(&client->stream.out))
        client->stream.is_dirty = true;
}

void fake_client_allow(struct fake_client *client, size_t bytes)
{
    fake_client_tell_room(client, bytes);
    if (!client->stream.is_closed)
        flush(client);
}

void fake_client_stall(struct fake_client *client)
{
    client->room_bytes = 0;
}

void fake_client_write(struct fake_client *client, const char *format, ...)
{
    char line[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_true(length > 0 && (size_t)length < sizeof line);
    stream_write(&client->stream, line, (size_t)length);
}

uint64_t fake_client_seq(const char *line)
{
    return strtoull(line + strcspn(line, " "), NULL, 10);
}

const char *fake_client_line(struct fake_client *client)
{
    char *start = (char *)client->received + client->taken_bytes;
    size_t bytes = client->received_bytes - client->taken_bytes;
    char *end = bytes == 0 ? NULL : memchr(start, '\n', bytes);

    if (end == NULL)
        return NULL;
    *end = '\0';
    client->taken_bytes += (size_t)(end - start) + 1;
    return start;
}

void fake_client_expect(struct fake_client *client, ...)
{
    va_list lines;
    const char *line;

    va_start(lines, client);
    while ((line = va_arg(lines, const char *)) != NULL) {
        const char *got = fake_client_line(client);

        if (got == NULL)
            fail_msg("no line where there should be \"%s\"", line);
        assert_string_equal(got, line);
    }
    va_end(lines);
    line = fake_client_line(client);
    if (line != NULL)
        fail_msg("more than there should be: \"%.100s\"", line);
}

/* --- turns ------------------------------------------------------------------------------------ */

bool topics_fixture_turn(struct topics_fixture *fixture)
{
    bool has_more = topics_turn(fixture->topics);

    if (fixture->in_between != NULL)
        fixture->in_between(fixture->user);
    if (topics_catch_up(fixture->topics, TOPICS_BUDGET_BYTES))
        has_more = true;
    topics_fixture_flush(fixture);
    if (topics_judge(fixture->topics))
        has_more = true;
    store_snapshot_end(fixture->store);
    fixture->encoded_count = encoded_count;
    return has_more;
}

void topics_fixture_run(struct topics_fixture *fixture)
{
    for (int i = 0; i < TOPICS_TURNS_MAX; i++) {
        if (!topics_fixture_turn(fixture))
            return;
    }
    fail_msg("the worker never comes to rest");
}

uint64_t topics_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- what tests of lagging clients share ------------------------------------------------------ */

struct fake_client *fake_client_open_text(struct topics_fixture *fixture)
{
    return fake_client_open(fixture, fixture->text_encoding);
}

struct subscribed fake_client_resume(struct fake_client *client, const char *topic, uint64_t since)
{
    const struct resume resume = {.has_since = true, .since = since};

    return fake_client_subscribe(client, topic, &resume);
}

void topics_append_many(struct topics_fixture *fixture, const char *topic, int count, size_t bytes)
{
    for (int i = 0; i < count; i++)
        (void)topics_append_bytes(fixture, topic, bytes);
}

void fake_client_expect_seqs(struct fake_client *client, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        const char *line = fake_client_line(client);

        if (line == NULL)
            fail_msg("%llu is missing", (unsigned long long)seq);
        assert_int_equal(fake_client_seq(line), seq);
    }
    assert_null(fake_client_line(client));
}

bool fake_client_is_lagging(const struct fake_client *client)
{
    return client->subscriber.catch_up != NULL;
}
