/*
 * Random interleavings of everything that can happen to subscriptions, held against the simplest
 * model there is: the list of all operations. What a client reads is judged line by line, in the
 * order in which the worker queued it; lines of the test's own mark where it subscribed.
 *
 * Clients differ in their encodings: some have no frame of every seventh event, and some are put off
 * now and then. Order is judged within a topic; row topics may not be ahead of the commits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/topics_rows.h"

enum {
    TOPIC_COUNT = 8,
    TOPIC_ROW_FIRST = 6,
    CLIENT_COUNT = 8,
    STEPS = 6000,
    OPERATIONS_MAX = 400 * 1000,
    RING_BYTES = 128 * 1024,
    QUEUE_BYTES = 96 * 1024,
};

static const char *const names[TOPIC_COUNT] = {"news", "room",  "comments:7", "ä",
                                               "x",    "quiet", "row",        "row:7"};
#define TOPIC_QUIET 5

struct operation {
    uint32_t topics; /* a bit for each; none: a COMMAND that came to nothing */
    uint32_t id;     /* its payload begins with it, or its row has it */
    uint32_t row;    /* what a COMMAND created; 0: it is an EVENT */
};

enum style {
    STYLE_TEXT,
    STYLE_SHORT, /* no payload */
    STYLE_FAKE,  /* this one and the next: PASSED_OVER has no frame, and frames may be put off */
    STYLE_SPLICED,
    STYLES,
};
#define PASSED_OVER(id) ((id) % 7 == 0)

/* What a client knows from what it has read. */
struct view {
    bool is_subscribed;
    uint64_t position;
};

struct player {
    struct fake_client *client; /* NULL: not connected */
    bool subscribed[TOPIC_COUNT];
    struct view views[TOPIC_COUNT];
    enum style style;
    char own[16]; /* of STYLE_SPLICED */
};

struct model {
    struct topics_fixture *fixture;
    struct fake_encoding fake;
    struct fake_encoding spliced;
    uint64_t random;
    struct operation *operations; /* [seq] */
    uint64_t last_seq;
    uint32_t row_count;
    struct player players[CLIENT_COUNT];
    uint64_t messages;
    uint64_t gaps;
    uint64_t resumed;
    uint64_t lapped_back; /* resumes that retention had overtaken */
    uint64_t put_off;
};

static uint64_t pick(struct model *model, uint64_t bound)
{
    return topics_random(&model->random) % bound;
}

/* The first operation on @topic behind @seq; 0: none. */
static uint64_t next_on(const struct model *model, unsigned topic, uint64_t seq)
{
    while (seq++ < model->last_seq) {
        if ((model->operations[seq].topics & 1U << topic) != 0)
            return seq;
    }
    return 0;
}

/* The same of those that this client gets. */
static uint64_t next_for(const struct model *model, const struct player *player, unsigned topic,
                         uint64_t seq)
{
    do
        seq = next_on(model, topic, seq);
    while (seq != 0 && player->style >= STYLE_FAKE && PASSED_OVER(model->operations[seq].id));
    return seq;
}

static bool is_row(unsigned topic)
{
    return topic >= TOPIC_ROW_FIRST;
}

/* The last operation on @topic before @seq; 0: none. */
static uint64_t last_before(const struct model *model, unsigned topic, uint64_t seq)
{
    while (seq-- > 1) {
        if ((model->operations[seq].topics & 1U << topic) != 0)
            return seq;
    }
    return 0;
}

static unsigned topic_of(const char *line, size_t bytes)
{
    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        if (strlen(names[i]) == bytes && memcmp(names[i], line, bytes) == 0)
            return i;
    }
    fail_msg("no such topic: \"%.60s\"", line);
    return 0;
}

/* --- judging what was read -------------------------------------------------------------------- */

/* What stands behind the seq: what is the client's own, and the payload. */
static void judge_content(const struct player *player, const char *content,
                          const struct operation *operation)
{
    char row[64] = "";

    if (player->style == STYLE_SPLICED) {
        size_t own_bytes = strlen(player->own);

        assert_int_equal(strncmp(content, " @", 2), 0);
        assert_int_equal(strncmp(content + 2, player->own, own_bytes), 0);
        content += 2 + own_bytes;
    }
    if (operation->row != 0 && player->style != STYLE_SHORT)
        (void)snprintf(row, sizeof row, " {\"id\":%u,\"number\":%u}", operation->row,
                       operation->id);
    if (row[0] != '\0')
        assert_string_equal(content, row);
    else if (player->style != STYLE_SHORT)
        assert_int_equal(strtoul(content, NULL, 10), operation->id);
}

static void judge_message(struct model *model, struct player *player, const char *line)
{
    size_t name_bytes = strcspn(line, " ");
    unsigned topic = topic_of(line, name_bytes);
    struct view *view = &player->views[topic];
    char *end;
    uint64_t seq = strtoull(line + name_bytes, &end, 10);

    assert_true(view->is_subscribed);
    assert_int_equal(seq, next_for(model, player, topic, view->position));
    judge_content(player, end, &model->operations[seq]);
    if (model->fixture->is_committed_only || is_row(topic))
        assert_true(seq <= model->fixture->meta.committed_seq);
    view->position = seq;
    model->messages++;
}

static void judge_gap(struct model *model, struct player *player, const char *line)
{
    size_t name_bytes = strcspn(line, " ");
    struct view *view = &player->views[topic_of(line, name_bytes)];
    unsigned topic = topic_of(line, name_bytes);
    uint64_t oldest = strtoull(line + name_bytes, NULL, 10);
    uint64_t lost = next_on(model, topic, view->position);

    assert_true(view->is_subscribed);
    assert_true(lost != 0 && lost < oldest); /* something was taken ... */
    assert_true(last_before(model, topic, oldest) < model->fixture->meta.first_seq); /* ... by it */
    view->position = oldest - 1;
    model->gaps++;
}

/* `pong`: nothing up to it may still be to come. */
static void judge_position(const struct model *model, const struct player *player, const char *line)
{
    uint64_t position = strtoull(line, NULL, 10);

    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        if (player->views[i].is_subscribed) {
            uint64_t next = next_for(model, player, i, player->views[i].position);

            assert_true(next == 0 || next > position);
        }
    }
}

/* `+topic seq` and `-topic` are the test's own: where it subscribed and unsubscribed. */
static void judge_mark(struct player *player, const char *line)
{
    char *end;
    unsigned long topic = strtoul(line + 1, &end, 10);

    assert_true(topic < TOPIC_COUNT);
    player->views[topic].is_subscribed = line[0] == '+';
    if (line[0] == '+')
        player->views[topic].position = strtoull(end, NULL, 10);
}

static void judge_line(struct model *model, struct player *player, const char *line)
{
    if (line[0] == '+' || line[0] == '-')
        judge_mark(player, line);
    else if (line[0] == '=')
        judge_position(model, player, line + 1);
    else if (strncmp(line, "gap ", 4) == 0)
        judge_gap(model, player, line + 4);
    else
        judge_message(model, player, line);
}

static void read_lines(struct model *model)
{
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        struct player *player = &model->players[i];
        const char *line;

        if (player->client == NULL)
            continue;
        assert_false(player->client->is_aborted);
        while ((line = fake_client_line(player->client)) != NULL)
            judge_line(model, player, line);
        if (player->client->taken_bytes == player->client->received_bytes) {
            player->client->taken_bytes = 0;
            player->client->received_bytes = 0;
        }
    }
}

/* What the fake encodings say of an event. */
static int judge_event(void *user, const struct event *event)
{
    struct model *model = user;
    const struct operation *operation = &model->operations[event->seq];

    assert_int_equal(event->table, operation->row != 0 ? TOPICS_ROWS_TABLE : 0);
    if (PASSED_OVER(operation->id))
        return 0;
    if (pick(model, 50) != 0)
        return 1;
    model->put_off++;
    return -EAGAIN;
}

/* --- what can happen -------------------------------------------------------------------------- */

static uint32_t pick_topics(struct model *model)
{
    uint32_t topics = 0;

    while (topics == 0) {
        for (unsigned i = 0; i < TOPIC_COUNT; i++) {
            if (pick(model, i == TOPIC_QUIET ? 2000 : 5) == 0)
                topics |= 1U << i;
        }
    }
    return topics;
}

static size_t list_topics(uint32_t set, struct record_topic *topics)
{
    size_t count = 0;

    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        if ((set & 1U << i) != 0)
            topics[count++] = (struct record_topic){.name = names[i], .bytes = strlen(names[i])};
    }
    return count;
}

/* An EVENT, or a COMMAND that no writer knows: it fails, whatever topics it names. */
static int append_payload(struct model *model, enum record_kind kind,
                          const struct operation *operation, uint64_t *ret_seq)
{
    struct record_topic topics[TOPIC_COUNT];
    struct record_spec spec = {.kind = kind, .topics = topics};
    size_t payload_bytes =
        pick(model, 100) == 0 ? pick(model, UINT64_C(20) * 1024) : 20 + pick(model, 150);
    static char payload[32 * 1024];

    spec.topic_count = list_topics(operation->topics, topics);
    memset(payload, '.', sizeof payload);
    spec.payload = payload;
    spec.payload_bytes = (size_t)snprintf(payload, 16, "%u", operation->id);
    payload[spec.payload_bytes] = ' ';
    spec.payload_bytes += payload_bytes;
    return topics_append_spec(model->fixture, &spec, ret_seq);
}

static int append_row(struct model *model, const struct operation *operation, uint64_t *ret_seq)
{
    struct record_topic topics[TOPIC_COUNT];
    size_t count = list_topics(operation->topics, topics);

    return topics_rows_create(model->fixture, topics, count, operation->id, ret_seq);
}

static void do_append(struct model *model)
{
    struct operation operation = {.id = (uint32_t)pick(model, INT32_MAX)};
    uint64_t choice = pick(model, 20);
    enum record_kind kind = choice == 0 ? RECORD_COMMAND : RECORD_EVENT;
    uint64_t seq = 0;
    int rc = -EAGAIN;

    operation.topics = pick_topics(model);
    if (choice >= 17) {
        operation.topics &= UINT32_MAX << TOPIC_ROW_FIRST; /* maybe none */
        operation.row = ++model->row_count;
    }
    for (int i = 0; i < 2 && rc != 0; i++) {
        if (i > 0) /* the ring is full */
            topics_commit(model->fixture, NULL);
        rc = operation.row != 0 ? append_row(model, &operation, &seq)
                                : append_payload(model, kind, &operation, &seq);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(seq, model->last_seq + 1);
    assert_true(seq < OPERATIONS_MAX);
    if (choice == 0)
        operation.topics = 0;
    model->operations[seq] = operation;
    model->last_seq = seq;
}

static void do_append_many(struct model *model)
{
    for (uint64_t i = pick(model, 200); i > 0; i--)
        do_append(model);
}

static void do_commit(struct model *model)
{
    const struct retention retention = {.bytes = UINT64_C(100) * 1024 + pick(model, 400) * 1024};

    topics_commit(model->fixture, pick(model, 3) == 0 ? &retention : NULL);
}

static void do_trim(struct model *model)
{
    const struct retention retention = {.bytes = UINT64_C(64) * 1024 + pick(model, 500) * 1024};

    store_snapshot_end(model->fixture->store); /* what the model knows, the worker is to know */
    topics_trim(model->fixture, &retention);
}

static struct fake_client *open_client(struct model *model, const struct player *player)
{
    switch (player->style) {
    case STYLE_SHORT:
        return fake_client_open(model->fixture, model->fixture->short_encoding);
    case STYLE_FAKE:
        return fake_client_open(model->fixture, model->fake.added);
    case STYLE_SPLICED:
        return fake_client_open_spliced(model->fixture, &model->spliced, player->own);
    case STYLE_TEXT:
    case STYLES:
        break;
    }
    return fake_client_open(model->fixture, model->fixture->text_encoding);
}

static struct player *pick_player(struct model *model)
{
    struct player *player = &model->players[pick(model, CLIENT_COUNT)];

    if (player->client == NULL) {
        *player = (struct player){.style = (enum style)pick(model, STYLES)};
        (void)snprintf(player->own, sizeof player->own, "<%u>", (unsigned)pick(model, 100000));
        player->client = open_client(model, player);
    }
    return player;
}

/* What the answer to a resume has to be. */
static void judge_resumed(struct model *model, unsigned topic, const struct resume *resume,
                          const struct subscribed *answer)
{
    uint64_t first_seq = model->fixture->meta.first_seq;
    bool is_known = !resume->has_epoch || resume->epoch == TOPICS_EPOCH;
    bool is_trimmed = last_before(model, topic, first_seq) > resume->since;
    uint64_t oldest = next_on(model, topic, first_seq - 1);
    uint64_t end_seq = is_row(topic) ? model->fixture->meta.committed_seq : model->last_seq;

    assert_true(answer->has_recovered);
    assert_int_equal(answer->recovered,
                     is_known && !is_trimmed && resume->since <= model->last_seq);
    model->resumed++;
    if (answer->recovered) {
        assert_int_equal(answer->seq, resume->since);
        assert_int_equal(answer->gap_oldest, 0);
        return;
    }
    if (oldest == 0 || oldest > end_seq)
        oldest = end_seq + 1;
    assert_int_equal(answer->gap_oldest, oldest);
    assert_int_equal(answer->seq, oldest - 1);
    model->lapped_back += is_trimmed ? 1 : 0;
}

static void do_subscribe(struct model *model)
{
    struct player *player = pick_player(model);
    unsigned topic = (unsigned)pick(model, TOPIC_COUNT);
    struct resume resume = {.has_since = pick(model, 3) != 0};
    struct subscribed answer;

    if (player->subscribed[topic]) {
        answer = fake_client_subscribe(player->client, names[topic], NULL);
        assert_true(answer.was_subscribed);
        return;
    }
    if (resume.has_since) {
        uint64_t back = pick(model, 2) == 0 ? model->last_seq : 300;

        resume.has_epoch = pick(model, 2) == 0;
        resume.epoch = pick(model, 10) == 0 ? 1 : TOPICS_EPOCH;
        resume.since = model->last_seq + 2 -
                       pick(model, (back > model->last_seq ? model->last_seq : back) + 3);
    }
    answer = fake_client_subscribe(player->client, names[topic], &resume);
    assert_int_equal(answer.epoch, TOPICS_EPOCH);
    if (resume.has_since)
        judge_resumed(model, topic, &resume, &answer);
    else if (is_row(topic))
        assert_int_equal(answer.seq, model->fixture->meta.committed_seq);
    else if (!model->fixture->is_committed_only)
        assert_int_equal(answer.seq, model->last_seq);
    player->subscribed[topic] = true;
    fake_client_write(player->client, "+%u %llu\n", topic, (unsigned long long)answer.seq);
}

static void do_unsubscribe(struct model *model)
{
    struct player *player = pick_player(model);
    unsigned topic = (unsigned)pick(model, TOPIC_COUNT);
    int rc = topics_unsubscribe(model->fixture->topics, &player->client->subscriber, names[topic],
                                strlen(names[topic]));

    assert_int_equal(rc == 0, player->subscribed[topic]);
    if (rc == 0)
        fake_client_write(player->client, "-%u\n", topic);
    player->subscribed[topic] = false;
}

static void do_disconnect(struct model *model)
{
    struct player *player = pick_player(model);

    fake_client_close(player->client);
    player->client = NULL;
}

static void do_position(struct model *model)
{
    struct player *player = pick_player(model);
    uint64_t position = topics_position(model->fixture->topics, &player->client->subscriber);

    assert_true(position <= model->last_seq);
    fake_client_write(player->client, "=%llu\n", (unsigned long long)position);
}

static void do_stall(struct model *model)
{
    fake_client_stall(pick_player(model)->client);
}

static void do_allow(struct model *model)
{
    fake_client_allow(pick_player(model)->client,
                      pick(model, 3) == 0 ? SIZE_MAX
                                          : 1 + (size_t)pick(model, UINT64_C(200) * 1024));
}

/* Another process commits and trims while the worker has a snapshot open. */
static void interfere(void *user)
{
    struct model *model = user;

    if (pick(model, 10) == 0)
        do_append_many(model);
    if (pick(model, 10) == 0)
        do_commit(model);
    if (pick(model, 20) == 0) {
        const struct retention retention = {.bytes = UINT64_C(64) * 1024};

        topics_trim(model->fixture, &retention);
    }
}

static void do_turn(struct model *model)
{
    (void)topics_fixture_turn(model->fixture);
    read_lines(model);
}

static void do_run(struct model *model)
{
    topics_fixture_run(model->fixture);
    read_lines(model);
}

static const struct {
    void (*act)(struct model *model);
    unsigned weight;
} actions[] = {
    {do_append, 20},    {do_append_many, 12}, {do_commit, 10},  {do_trim, 3},
    {do_subscribe, 12}, {do_unsubscribe, 4},  {do_position, 4}, {do_disconnect, 1},
    {do_stall, 4},      {do_allow, 8},        {do_turn, 25},    {do_run, 4},
};

static void act(struct model *model)
{
    unsigned total = 0;
    unsigned chosen;

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        total += actions[i].weight;
    chosen = (unsigned)pick(model, total);
    for (size_t i = 0;; i++) {
        if (chosen < actions[i].weight) {
            actions[i].act(model);
            return;
        }
        chosen -= actions[i].weight;
    }
}

/* --- the test --------------------------------------------------------------------------------- */

static void finish(struct model *model)
{
    int64_t subscriptions = 0;

    model->fixture->in_between = NULL;
    topics_commit(model->fixture, NULL);
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        if (model->players[i].client != NULL)
            fake_client_allow(model->players[i].client, SIZE_MAX);
    }
    topics_fixture_run(model->fixture);
    read_lines(model);
    assert_int_equal(topics_cursor_seq(model->fixture->topics), model->last_seq);
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        const struct player *player = &model->players[i];

        for (unsigned topic = 0; topic < TOPIC_COUNT && player->client != NULL; topic++) {
            assert_int_equal(player->views[topic].is_subscribed, player->subscribed[topic]);
            if (!player->subscribed[topic])
                continue;
            subscriptions++;
            assert_int_equal(next_for(model, player, topic, player->views[topic].position), 0);
        }
    }
    assert_int_equal(topics_stat(model->fixture, STAT_SUBSCRIPTIONS), subscriptions);
    assert_int_equal(topics_stat(model->fixture, STAT_LAGGING), 0);
}

static void play(uint64_t seed, bool is_committed_only)
{
    struct model model = {.fixture = topics_fixture_new(RING_BYTES), .random = seed};
    struct topics_fixture *fixture = model.fixture;

    model.operations = calloc(OPERATIONS_MAX, sizeof *model.operations);
    assert_non_null(model.operations);
    fixture->queue_bytes_max = QUEUE_BYTES;
    fixture->is_committed_only = is_committed_only;
    fixture->in_between = interfere;
    fixture->user = &model;
    fixture->is_row_topic = topics_begins_with_row;
    model.fake = (struct fake_encoding){.judge = judge_event, .user = &model};
    model.spliced = model.fake;
    topics_rows_begin(fixture);
    model.last_seq = 1;
    fake_encoding_add(fixture, &model.fake, false);
    fake_encoding_add(fixture, &model.spliced, true);
    for (int i = 0; i < STEPS; i++)
        act(&model);
    finish(&model);
    print_message(
        "seed %llu: %llu operations, %u rows, %llu messages, %llu resumed (%llu overtaken), "
        "%llu gaps, %lld times lagging, %lld times lapped, %llu put off\n",
        (unsigned long long)seed, (unsigned long long)model.last_seq, model.row_count,
        (unsigned long long)model.messages, (unsigned long long)model.resumed,
        (unsigned long long)model.lapped_back, (unsigned long long)model.gaps,
        (long long)topics_stat(fixture, STAT_BECAME_LAGGING),
        (long long)topics_stat(fixture, STAT_LAPPED), (unsigned long long)model.put_off);
    /* The interleavings that matter have happened; a change of weights must not lose them. */
    assert_true(model.gaps > 0 && model.lapped_back > 0 && model.messages > model.last_seq);
    assert_true(topics_stat(fixture, STAT_BECAME_LAGGING) > 0 && model.put_off > 0);
    assert_true(topics_stat(fixture, STAT_LAPPED) > 0 || is_committed_only);
    while (fixture->first != NULL)
        fake_client_close(fixture->first);
    fake_encoding_remove(fixture, &model.fake);
    fake_encoding_remove(fixture, &model.spliced);
    free(model.operations);
    topics_fixture_free(fixture);
}

static void every_subscriber_gets_each_event_once_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        play(seed * 7919, false);
}

static void the_same_when_only_committed_events_are_delivered(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        play(seed * 104729, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subscriber_gets_each_event_once_in_order),
        cmocka_unit_test(the_same_when_only_committed_events_are_delivered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
