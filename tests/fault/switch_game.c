#include "tests/fault/switch_game.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "bus/wake.h"
#include "server/net/arena.h"
#include "store/env.h"

enum {
    BUSY_TURNS_MAX =
        20 * 1000, /* in a row, and nothing happens elsewhere: it never comes to rest */
    RECORD_OVERHEAD_MAX = 512,
    QUEUE_BYTES_MAX = 96 * 1024, /* the greatest limit that a game sets */
    /* What a turn may queue beyond it: two spans, of which each event is on every topic of all. */
    QUEUE_BEYOND_MAX = 2 * 64 * 1024 * SWITCH_TOPICS * SWITCH_READERS,
};

uint64_t switch_game_pick(struct switch_game *game, uint64_t bound)
{
    return topics_random(&game->random) % bound;
}

void switch_game_reach(struct switch_game *game, enum switch_reached what)
{
    game->reached[what]++;
}

/* --- beginning and end ---------------------------------------------------------------------------- */

/* What the encodings of the game's own say of an event. */
static int judge_event(void *user, const struct event *event)
{
    struct switch_game *game = user;
    const struct switch_operation *operation = &game->model.operations[event->seq];
    uint32_t odds = game->tuning.put_off_odds;

    if (switch_is_passed_over(SWITCH_FAKE, operation))
        return 0;
    if (!game->is_putting_off && (odds == 0 || switch_game_pick(game, odds) != 0))
        return 1;
    game->has_put_off = true;
    return -EAGAIN;
}

static void add_encodings(struct switch_game *game)
{
    game->fake.judge = judge_event;
    game->fake.user = game;
    fake_encoding_add(game->fixture, &game->fake, false);
    for (unsigned i = 0; i < SWITCH_READERS; i++) {
        game->spliced[i].judge = judge_event;
        game->spliced[i].user = game;
        fake_encoding_add(game->fixture, &game->spliced[i], true);
    }
}

static void remove_encodings(struct switch_game *game)
{
    fake_encoding_remove(game->fixture, &game->fake);
    for (unsigned i = 0; i < SWITCH_READERS; i++)
        fake_encoding_remove(game->fixture, &game->spliced[i]);
}

/* What the writer has said. */
static void hear(struct switch_game *game, bool is_announced)
{
    const struct store_meta *meta = &game->fixture->meta;

    game->model.now.committed_seq = meta->committed_seq;
    game->model.now.first_seq = meta->first_seq;
    if (is_announced)
        game->model.now.announced_seq = meta->committed_seq;
    game->busy_turns = 0;
}

struct switch_game *switch_game_new(const struct switch_tuning *tuning, uint64_t seed,
                                    uint64_t *reached)
{
    const struct switch_operation schema = {0};
    struct switch_game *game = calloc(1, sizeof *game);

    SWITCH_EXPECT(game != NULL, "no memory");
    game->tuning = *tuning;
    game->reached = reached;
    game->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    game->is_awake = true;
    game->model.operations = calloc(SWITCH_OPERATIONS_MAX, sizeof *game->model.operations);
    SWITCH_EXPECT(game->model.operations != NULL, "no memory");
    switch_calls_set_page(tuning->page_bytes, tuning->are_commits_small);
    game->fixture = tuning->has_writer_process ? topics_fixture_new(tuning->ring_bytes)
                                               : topics_fixture_new_inside(tuning->ring_bytes);
    game->fixture->queue_bytes_max = tuning->queue_bytes;
    game->fixture->is_committed_only = tuning->is_committed_only;
    game->fixture->is_row_topic = topics_begins_with_row;
    game->model.is_committed_only = tuning->is_committed_only;
    game->model.epochs[0].epoch = TOPICS_EPOCH;
    game->model.epoch_count = 1;
    topics_rows_begin(game->fixture);
    switch_model_append(&game->model, 1, &schema);
    hear(game, true);
    add_encodings(game);
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        game->players[i].game = game;
        game->players[i].index = i;
        for (unsigned j = 0; j < SWITCH_READERS; j++)
            game->players[i].seats[j].player = &game->players[i];
    }
    return game;
}

static void read_lines(struct switch_game *game, struct switch_player *player);

/* The connection is gone: its readers are, and what they know is what they come back with. */
static void close_player(struct switch_game *game, struct switch_player *player)
{
    read_lines(game, player);
    for (unsigned i = 0; i < player->seat_count; i++) {
        struct switch_seat *seat = &player->seats[i];

        if (!seat->has_ended)
            subscriber_done(game->fixture->topics, &seat->spliced.subscriber);
        arena_unref(seat->spliced.splice.arena);
        for (unsigned topic = 0; topic < SWITCH_TOPICS; topic++) {
            if (seat->reader.views[topic].is_subscribed)
                seat->tokens[topic] = (struct switch_token){switch_model_epoch(&game->model),
                                                            seat->reader.views[topic].position};
            seat->subscribed[topic] = false;
            seat->seen[topic].is_there = false;
        }
    }
    fake_client_close(player->client);
    player->client = NULL;
    player->is_leaving = false;
}

void switch_game_free(struct switch_game *game)
{
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        if (game->players[i].client != NULL)
            close_player(game, &game->players[i]);
    }
    game->reached[SWITCH_WORKER_LAPPED] += (uint64_t)topics_stat(game->fixture, STAT_LAPPED);
    remove_encodings(game);
    topics_fixture_free(game->fixture);
    free(game->model.operations);
    free(game);
}

/* --- other processes ------------------------------------------------------------------------------ */

static size_t list_topics(uint32_t set, struct record_topic *topics)
{
    size_t count = 0;

    for (unsigned i = 0; i < SWITCH_TOPICS; i++) {
        if ((set & 1U << i) != 0)
            topics[count++] = (struct record_topic){.name = switch_topic_name(i),
                                                    .bytes = strlen(switch_topic_name(i))};
    }
    return count;
}

/* The record that was appended from @from_pos on. */
static void note_wrap(struct switch_game *game, uint64_t from_pos)
{
    uint64_t to_pos = ring_tail(game->fixture->bus).pos;
    uint64_t size = game->tuning.ring_bytes;

    if (from_pos / size != to_pos / size && to_pos % size != 0)
        switch_game_reach(game, SWITCH_WRAPPED);
    game->busy_turns = 0;
}

bool switch_game_append(struct switch_game *game, const struct switch_operation *operation)
{
    static char payload[SWITCH_PAYLOAD_BYTES_MAX];
    struct record_topic topics[SWITCH_TOPICS];
    struct record_spec spec = {.kind = RECORD_EVENT,
                               .topics = topics,
                               .payload = payload,
                               .payload_bytes = operation->payload_bytes};
    struct switch_operation appended = *operation;
    uint64_t from_pos = ring_tail(game->fixture->bus).pos;
    uint64_t seq = 0;
    int rc;

    spec.topic_count = list_topics(operation->topics, topics);
    switch_payload(payload, operation);
    if (operation->row != 0) { /* a COMMAND that no writer knows: it fails, whatever it names */
        spec.kind = RECORD_COMMAND;
        appended.topics = 0;
        appended.row = 0;
    }
    rc = topics_append_spec(game->fixture, &spec, &seq);
    if (rc == -EAGAIN) {
        switch_game_reach(game, SWITCH_RING_FULL);
        return false;
    }
    SWITCH_EXPECT(rc == 0, "append: %d", rc);
    switch_model_append(&game->model, seq, &appended);
    note_wrap(game, from_pos);
    return true;
}

void switch_game_append_batch(struct switch_game *game, const struct switch_operation *operations,
                              unsigned count)
{
    static char payload[SWITCH_PAYLOAD_BYTES_MAX];
    struct ring_appended appended = {0};
    uint64_t from_pos = ring_tail(game->fixture->bus).pos;
    uint8_t *records = malloc(count * (size_t)(SWITCH_PAYLOAD_BYTES_MAX + RECORD_OVERHEAD_MAX));
    size_t bytes = 0;
    int rc;

    SWITCH_EXPECT(records != NULL, "no memory");
    for (unsigned i = 0; i < count; i++) {
        struct record_topic topics[SWITCH_TOPICS];
        const struct record_spec spec = {.kind = RECORD_EVENT,
                                         .topics = topics,
                                         .topic_count = list_topics(operations[i].topics, topics),
                                         .payload = payload,
                                         .payload_bytes = operations[i].payload_bytes};

        switch_payload(payload, &operations[i]);
        bytes += record_encode(records + bytes, &spec);
    }
    rc = ring_append(game->fixture->bus, records, bytes, &appended);
    free(records);
    SWITCH_EXPECT(rc == 0 || rc == -EAGAIN, "append: %d", rc);
    for (unsigned i = 0; rc == 0 && i < appended.count; i++)
        switch_model_append(&game->model, appended.first_seq + i, &operations[i]);
    if (rc != 0)
        switch_game_reach(game, SWITCH_RING_FULL);
    else if (appended.count < count)
        switch_game_reach(game, SWITCH_BATCH_CUT);
    note_wrap(game, from_pos);
}

bool switch_game_append_row(struct switch_game *game, struct switch_operation operation)
{
    struct record_topic topics[SWITCH_TOPICS];
    size_t count = list_topics(operation.topics, topics);
    uint64_t from_pos = ring_tail(game->fixture->bus).pos;
    uint64_t seq = 0;
    int rc = topics_rows_create(game->fixture, topics, count, operation.id, &seq);

    if (rc == -EAGAIN) {
        switch_game_reach(game, SWITCH_RING_FULL);
        return false;
    }
    SWITCH_EXPECT(rc == 0, "append: %d", rc);
    operation.row = ++game->model.row_count;
    switch_model_append(&game->model, seq, &operation);
    note_wrap(game, from_pos);
    return true;
}

static bool is_anybody_lagging(const struct switch_game *game)
{
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        const struct switch_player *player = &game->players[i];

        for (unsigned j = 0; player->client != NULL && j < player->seat_count; j++) {
            if (switch_seat_is_lagging(&player->seats[j]))
                return true;
        }
    }
    return false;
}

static void restart_writer(struct switch_game *game)
{
    switch_game_reach(game, SWITCH_WRITER_DIED);
    if (game->model.now.announced_seq < game->model.now.committed_seq)
        switch_game_reach(game, SWITCH_WRITER_DIED_QUIETLY);
    if (is_anybody_lagging(game))
        switch_game_reach(game, SWITCH_WRITER_DIED_LAGGING);
    topics_restart_writer(game->fixture);
}

void switch_game_commit(struct switch_game *game, enum switch_commit how,
                        const struct retention *retention)
{
    game->is_writing = true;
    switch (how) {
    case SWITCH_COMMIT:
        topics_commit(game->fixture, retention);
        topics_announce(game->fixture); /* also what was committed quietly before */
        break;
    case SWITCH_COMMIT_QUIETLY:
        topics_commit_quietly(game->fixture, retention);
        if (game->fixture->meta.committed_seq > game->model.now.announced_seq)
            switch_game_reach(game, SWITCH_COMMITTED_QUIETLY);
        break;
    case SWITCH_COMMIT_ANNOUNCE:
        topics_announce(game->fixture);
        break;
    case SWITCH_COMMIT_RESTART:
        restart_writer(game);
        break;
    case SWITCH_COMMIT_TRIM:
        topics_trim(game->fixture, retention);
        break;
    }
    game->is_writing = false;
    hear(game, how != SWITCH_COMMIT_QUIETLY && how != SWITCH_COMMIT_TRIM);
}

void switch_game_restart(struct switch_game *game, bool is_cut)
{
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        if (game->players[i].client != NULL)
            close_player(game, &game->players[i]);
    }
    remove_encodings(game);
    topics_close_worker(game->fixture);
    stream_copies_clear();
    if (is_cut) {
        uint64_t epoch = switch_model_epoch(&game->model) + 1;

        game->reached[SWITCH_WORKER_LAPPED] += (uint64_t)topics_stat(game->fixture, STAT_LAPPED);
        topics_cut_power(game->fixture, epoch);
        hear(game, true);
        switch_model_cut(&game->model, epoch);
        switch_game_reach(game, SWITCH_POWER_CUT);
    }
    store_snapshot_end(game->fixture->store);
    topics_open_worker(game->fixture);
    add_encodings(game);
    switch_game_reach(game, SWITCH_WORKER_RESTARTED);
    game->is_awake = true;
}

/* --- the worker ----------------------------------------------------------------------------------- */

static void read_lines(struct switch_game *game, struct switch_player *player)
{
    struct fake_client *client = player->client;
    struct switch_reader *readers[SWITCH_READERS];
    const char *line;

    for (unsigned i = 0; i < player->seat_count; i++)
        readers[i] = &player->seats[i].reader;
    SWITCH_EXPECT(!client->is_aborted || player->is_leaving, "a connection was given up");
    SWITCH_EXPECT(outq_pinned_bytes(&client->stream.out) <= QUEUE_BYTES_MAX + QUEUE_BEYOND_MAX,
                  "%u bytes wait for a socket", outq_pinned_bytes(&client->stream.out));
    while ((line = fake_client_line(client)) != NULL)
        switch_model_read(&game->model, readers, player->seat_count, line);
    if (client->taken_bytes == client->received_bytes) {
        client->taken_bytes = 0;
        client->received_bytes = 0;
    }
}

/* Who has ended goes; true when somebody who has is left. */
static bool reap(struct switch_game *game)
{
    bool is_left = false;

    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        struct switch_player *player = &game->players[i];

        if (player->client == NULL || !player->client->stream.is_closed)
            continue;
        if (player->client->is_aborted && player->client->breaks)
            player->is_leaving = true;
        if (game->is_keeping_closed && switch_game_pick(game, 2) == 0)
            is_left = true;
        else
            close_player(game, player);
    }
    return is_left;
}

static bool is_woken(const struct switch_game *game)
{
    struct pollfd waiting = {.fd = wake_fd(game->fixture->bus, TOPICS_SLOT), .events = POLLIN};

    return poll(&waiting, 1, 0) > 0;
}

/* Nobody will wake it: whose socket takes everything is to have everything. */
static void judge_rest(const struct switch_game *game)
{
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        const struct switch_player *player = &game->players[i];

        if (player->client == NULL || stream_is_ended(&player->client->stream) ||
            !outq_is_empty(&player->client->stream.out))
            continue;
        for (unsigned j = 0; j < player->seat_count; j++)
            switch_model_judge_end(&game->model, &player->seats[j].reader);
    }
}

bool switch_game_is_awake(struct switch_game *game)
{
    if (game->is_awake)
        return true;
    if (!is_woken(game)) {
        judge_rest(game);
        return false;
    }
    switch_game_reach(game, SWITCH_WOKEN);
    game->is_awake = true;
    return true;
}

void switch_game_rouse(struct switch_game *game)
{
    game->is_awake = true;
    game->busy_turns = 0;
}

bool switch_game_turn_begin(struct switch_game *game)
{
    struct topics_fixture *fixture = game->fixture;
    bool has_more;

    wake_done(fixture->bus, TOPICS_SLOT);
    switch_watch(game, SWITCH_PHASE_ELSEWHERE);
    game->turn_announced_seq = ring_committed(fixture->bus).seq;
    has_more = topics_turn(fixture->topics);
    switch_watch(game, SWITCH_PHASE_DELIVER);
    return has_more;
}

/* As worker.c's rest(). */
static void rest(struct switch_game *game)
{
    struct topics_fixture *fixture = game->fixture;
    unsigned reasons = topics_wake_reasons(fixture->topics) | (unsigned)WAKE_STATE;

    wake_prepare(fixture->bus, TOPICS_SLOT, reasons);
    game->is_awake = topics_has_news(fixture->topics) ||
                     ((reasons & WAKE_COMMIT) != 0 &&
                      ring_committed(fixture->bus).seq != game->turn_announced_seq);
    if (!game->is_awake)
        switch_game_reach(game, SWITCH_SLEPT);
}

void switch_game_turn_end(struct switch_game *game, bool has_more)
{
    struct topics_fixture *fixture = game->fixture;

    has_more |= topics_catch_up(fixture->topics, game->tuning.budget_bytes);
    switch_watch(game, SWITCH_PHASE_CATCH_UP);
    topics_fixture_flush(fixture);
    switch_watch(game, SWITCH_PHASE_FLUSH);
    has_more |= topics_judge(fixture->topics);
    switch_watch(game, SWITCH_PHASE_JUDGE);
    has_more |= reap(game);
    store_snapshot_end(fixture->store);
    game->snapshot_first_seq = game->model.now.first_seq;
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        if (game->players[i].client != NULL)
            read_lines(game, &game->players[i]);
    }
    game->is_awake = true;
    if (!has_more)
        rest(game);
    game->busy_turns++;
    SWITCH_EXPECT(game->busy_turns < BUSY_TURNS_MAX, "the worker never comes to rest");
}

void switch_game_turn(struct switch_game *game)
{
    switch_game_turn_end(game, switch_game_turn_begin(game));
}

static void run(struct switch_game *game)
{
    while (switch_game_is_awake(game))
        switch_game_turn(game);
}

static void judge_player(const struct switch_game *game, const struct switch_player *player)
{
    for (unsigned i = 0; i < player->seat_count; i++) {
        const struct switch_seat *seat = &player->seats[i];

        SWITCH_EXPECT(!switch_seat_is_lagging(seat), "somebody lags, and everybody is at rest");
        for (unsigned topic = 0; topic < SWITCH_TOPICS; topic++)
            SWITCH_EXPECT(seat->subscribed[topic] == seat->reader.views[topic].is_subscribed,
                          "subscribed to %s or not", switch_topic_name(topic));
        switch_model_judge_end(&game->model, &seat->reader);
    }
}

void switch_game_settle(struct switch_game *game)
{
    int64_t subscriptions = 0;

    game->is_putting_off = false;
    run(game); /* as things stand: a commit that stands still may not keep it awake */
    game->tuning.put_off_odds = 0;
    game->is_keeping_closed = false;
    switch_game_commit(game, SWITCH_COMMIT, NULL);
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        if (game->players[i].client != NULL)
            fake_client_tell_room(game->players[i].client, SIZE_MAX);
    }
    switch_game_rouse(game);
    run(game);
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        const struct switch_player *player = &game->players[i];

        if (player->client == NULL || player->client->stream.is_finishing)
            continue;
        judge_player(game, player);
    }
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        for (unsigned j = 0; game->players[i].client != NULL && j < game->players[i].seat_count;
             j++) {
            for (unsigned topic = 0; topic < SWITCH_TOPICS; topic++)
                subscriptions += game->players[i].seats[j].subscribed[topic] ? 1 : 0;
        }
    }
    SWITCH_EXPECT(topics_stat(game->fixture, STAT_SUBSCRIPTIONS) == subscriptions,
                  "subscriptions counted: %lld instead of %lld",
                  (long long)topics_stat(game->fixture, STAT_SUBSCRIPTIONS),
                  (long long)subscriptions);
}
