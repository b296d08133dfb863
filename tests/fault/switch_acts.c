#include "tests/fault/switch_acts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/arena.h"
#include "tests/fault/switch_game.h"

enum {
    BATCH_MAX = 12,
    LARGE_BYTES_MAX = 6 * 1024,
};

/* Who does much and who little. */
enum temper {
    TEMPER_EVEN,
    TEMPER_COMMITS_RARELY,
    TEMPER_TRIMS_OFTEN,
    TEMPER_STALLS_OFTEN,
    TEMPER_PUBLISHES_OFTEN,
    TEMPERS,
};

struct play {
    struct switch_game *game;
    enum temper temper;
    unsigned meddling_odds; /* one in so many calls of the worker's; 0: none */
    bool is_told;
    struct switch_played played;
};

static uint64_t pick(struct play *play, uint64_t bound)
{
    return switch_game_pick(play->game, bound);
}

/* --- what other processes do ---------------------------------------------------------------------- */

static struct switch_operation make_operation(struct play *play)
{
    struct switch_operation operation = {.id = (uint32_t)pick(play, INT32_MAX)};
    uint64_t size = pick(play, 20);

    while (operation.topics == 0) {
        for (unsigned i = 0; i < SWITCH_TOPICS; i++) {
            if (pick(play, 4) == 0)
                operation.topics |= 1U << i;
        }
    }
    operation.payload_bytes = (uint32_t)(20 + pick(play, size < 14 ? 150 : LARGE_BYTES_MAX));
    return operation;
}

static bool append_one(struct play *play)
{
    struct switch_operation operation = make_operation(play);
    uint64_t choice = pick(play, 10);

    if (choice < 7)
        return switch_game_append(play->game, &operation);
    if (choice == 7) { /* a COMMAND that fails */
        switch_game_reach(play->game, SWITCH_COMMAND_FAILED);
        operation.row = 1;
        return switch_game_append(play->game, &operation);
    }
    operation.topics &= UINT32_MAX << SWITCH_ROW_FIRST;
    if (pick(play, 4) == 0)
        operation.topics = 0;
    switch_game_reach(play->game,
                      operation.topics == 0 ? SWITCH_COMMAND_NO_TOPIC : SWITCH_COMMAND_TOPICS);
    return switch_game_append_row(play->game, operation);
}

static void do_append(struct play *play)
{
    if (!append_one(play) && play->temper != TEMPER_COMMITS_RARELY)
        switch_game_commit(play->game, SWITCH_COMMIT, NULL);
}

static void do_append_many(struct play *play)
{
    for (uint64_t i = pick(play, 30); i > 0; i--)
        do_append(play);
}

static void do_append_batch(struct play *play)
{
    struct switch_operation operations[BATCH_MAX];
    unsigned count = 2 + (unsigned)pick(play, BATCH_MAX - 1);

    for (unsigned i = 0; i < count; i++)
        operations[i] = make_operation(play);
    switch_game_append_batch(play->game, operations, count);
}

static void do_commit(struct play *play)
{
    const struct retention retention = {.bytes =
                                            UINT64_C(16) * 1024 + pick(play, UINT64_C(200) * 1024)};

    if (play->temper == TEMPER_COMMITS_RARELY && pick(play, 20) != 0)
        return;
    switch_game_commit(play->game, SWITCH_COMMIT, pick(play, 3) == 0 ? &retention : NULL);
}

static void do_commit_quietly(struct play *play)
{
    if (play->temper == TEMPER_COMMITS_RARELY && pick(play, 10) != 0)
        return;
    switch_game_commit(play->game, SWITCH_COMMIT_QUIETLY, NULL);
}

static void do_announce(struct play *play)
{
    switch_game_commit(play->game, SWITCH_COMMIT_ANNOUNCE, NULL);
}

static void do_trim(struct play *play)
{
    struct retention retention = {.bytes = 1 + pick(play, UINT64_C(100) * 1024)};

    if (play->temper != TEMPER_TRIMS_OFTEN && pick(play, 3) != 0)
        return;
    switch_game_commit(play->game, SWITCH_COMMIT_TRIM, &retention);
}

static void do_restart_writer(struct play *play)
{
    switch_game_commit(play->game, SWITCH_COMMIT_RESTART, NULL);
}

/* As much as the ring holds, and more: whoever stood in it is lapped. */
static void do_lap(struct play *play)
{
    uint64_t from_pos = ring_tail(play->game->fixture->bus).pos;

    while (ring_tail(play->game->fixture->bus).pos - from_pos <= play->game->tuning.ring_bytes) {
        if (!append_one(play))
            switch_game_commit(play->game, SWITCH_COMMIT, NULL);
    }
}

/* Another process, while the worker is in the middle of a turn. */
static void meddle(void *user, enum switch_call call)
{
    static const enum switch_reached reached[] = {
        [SWITCH_CALL_TAIL] = SWITCH_IN_TAIL,   [SWITCH_CALL_COMMITTED] = SWITCH_IN_COMMITTED,
        [SWITCH_CALL_READ] = SWITCH_IN_READ,   [SWITCH_CALL_SNAPSHOT] = SWITCH_IN_SNAPSHOT,
        [SWITCH_CALL_TOPIC] = SWITCH_IN_TOPIC,
    };
    static void (*const acts[])(struct play * play) = {
        do_append,   do_append_many, do_append_batch, do_commit,         do_commit_quietly,
        do_announce, do_trim,        do_trim,         do_restart_writer, do_lap,
    };
    struct play *play = user;

    if (play->game->is_writing || play->meddling_odds == 0 || pick(play, play->meddling_odds) != 0)
        return;
    switch_game_reach(play->game, reached[call]);
    acts[pick(play, sizeof acts / sizeof acts[0])](play);
}

/* --- what clients do ------------------------------------------------------------------------------ */

static struct switch_player *pick_player(struct play *play)
{
    struct switch_player *player = &play->game->players[pick(play, SWITCH_PLAYERS)];
    struct switch_guise guise = {.style = (enum switch_style)pick(play, SWITCH_STYLES),
                                 .seat_count = 1};
    uint64_t on_gap = pick(play, 6);

    if (player->client == NULL) {
        if (guise.style == SWITCH_SPLICED)
            guise.seat_count = 1 + (unsigned)pick(play, SWITCH_READERS);
        guise.on_gap = on_gap < 4 ? SWITCH_ON_GAP_STAYS : (enum switch_on_gap)(on_gap - 3);
        switch_player_connect(play->game, player, &guise);
    }
    return player;
}

/* NULL: its connection is at its end. */
static struct switch_seat *pick_seat(struct play *play)
{
    struct switch_player *player = pick_player(play);

    switch_game_rouse(play->game); /* there is input */
    if (player->is_leaving || player->client->stream.is_finishing ||
        player->client->stream.is_closed)
        return NULL;
    return &player->seats[pick(play, player->seat_count)];
}

static struct resume pick_resume(struct play *play, const struct switch_token *token)
{
    const struct switch_model *model = &play->game->model;
    uint64_t last_seq = model->now.last_seq;
    uint64_t back = pick(play, 2) == 0 ? last_seq : 40;
    struct resume resume = {.has_since = pick(play, 4) != 0, .has_epoch = pick(play, 2) == 0};

    if (token->epoch != 0 && pick(play, 3) != 0)
        return (struct resume){
            .has_since = true, .has_epoch = true, .since = token->seq, .epoch = token->epoch};
    resume.since = last_seq + 2 - pick(play, (back > last_seq ? last_seq : back) + 3);
    if (pick(play, 4) == 0) /* about where the log begins */
        resume.since = model->now.first_seq - (model->now.first_seq > 4 ? pick(play, 4) : 0);
    resume.epoch = pick(play, 8) == 0 ? 1 : model->epochs[pick(play, model->epoch_count)].epoch;
    return resume.has_since ? resume : (struct resume){.has_since = false};
}

static void do_subscribe(struct play *play)
{
    struct switch_seat *seat = pick_seat(play);
    unsigned topic = (unsigned)pick(play, SWITCH_TOPICS);
    struct resume resume;

    if (seat == NULL)
        return;
    resume = pick_resume(play, &seat->tokens[topic]);
    switch_player_subscribe(seat, topic, &resume);
}

static void do_unsubscribe(struct play *play)
{
    struct switch_seat *seat = pick_seat(play);

    if (seat != NULL)
        switch_player_unsubscribe(seat, (unsigned)pick(play, SWITCH_TOPICS));
}

static void do_position(struct play *play)
{
    struct switch_seat *seat = pick_seat(play);
    uint64_t position;

    if (seat == NULL || seat->has_ended)
        return;
    if (switch_seat_is_lagging(seat))
        switch_game_reach(play->game, SWITCH_POSITION_LAGGING);
    position = topics_position(play->game->fixture->topics, &seat->spliced.subscriber);
    fake_client_write(seat->player->client, "=%u %llu\n", (unsigned)(seat - seat->player->seats),
                      (unsigned long long)position);
}

static bool is_lagging(const struct switch_player *player)
{
    for (unsigned i = 0; i < player->seat_count; i++) {
        if (switch_seat_is_lagging(&player->seats[i]))
            return true;
    }
    return false;
}

static void do_close(struct play *play)
{
    struct switch_seat *seat = pick_seat(play);

    if (seat == NULL)
        return;
    if (is_lagging(seat->player))
        switch_game_reach(play->game, SWITCH_CLOSED_LAGGING);
    switch_player_abort(seat->player);
}

static void do_break(struct play *play)
{
    struct switch_seat *seat = pick_seat(play);

    if (seat == NULL)
        return;
    if (is_lagging(seat->player))
        switch_game_reach(play->game, SWITCH_BROKE_LAGGING);
    seat->player->client->breaks = true;
    seat->player->client->stream.is_dirty = true;
}

/* Nothing more is queued for it; it stays subscribed until it is closed. */
static void do_finish(struct play *play)
{
    struct switch_seat *seat = pick_seat(play);

    if (seat == NULL || pick(play, 3) != 0)
        return;
    if (is_lagging(seat->player))
        switch_game_reach(play->game, SWITCH_FINISHED_LAGGING);
    stream_finish(&seat->player->client->stream);
    seat->player->client->breaks = pick(play, 2) == 0;
}

static void do_end_finished(struct play *play)
{
    struct switch_player *player = &play->game->players[pick(play, SWITCH_PLAYERS)];

    if (player->client != NULL && player->client->stream.is_finishing) {
        switch_player_abort(player);
        switch_game_rouse(play->game);
    }
}

static void do_stall(struct play *play)
{
    fake_client_stall(pick_player(play)->client);
}

static void do_stall_often(struct play *play)
{
    if (play->temper == TEMPER_STALLS_OFTEN)
        do_stall(play);
}

static void do_open(struct play *play)
{
    struct switch_player *player = pick_player(play);
    bool is_all = pick(play, 3) == 0;

    if (!player->client->stream.is_closed)
        fake_client_tell_room(player->client,
                              is_all ? SIZE_MAX : 1 + (size_t)pick(play, UINT64_C(60) * 1024));
    switch_game_rouse(play->game);
}

/* --- what the worker does ------------------------------------------------------------------------- */

static void do_turn(struct play *play)
{
    if (!switch_game_is_awake(play->game))
        return;
    switch_game_turn(play->game);
    play->played.turns++;
}

static void do_turns(struct play *play)
{
    for (int i = 0; i < 8; i++)
        do_turn(play);
}

static void do_limit(struct play *play)
{
    if (pick(play, 4) != 0)
        return;
    play->game->fixture->queue_bytes_max = 1 + (uint32_t)pick(play, UINT64_C(80) * 1024);
    switch_game_reach(play->game, SWITCH_LIMIT_CHANGED);
}

static void do_durability(struct play *play)
{
    struct switch_game *game = play->game;

    if (pick(play, 20) != 0)
        return;
    game->fixture->is_committed_only = !game->fixture->is_committed_only;
    game->model.is_committed_only = game->fixture->is_committed_only;
    switch_game_rouse(game); /* the reload is a change of state */
    switch_game_reach(game, SWITCH_DURABILITY_CHANGED);
}

static void do_restart(struct play *play)
{
    if (pick(play, 5) == 0 && play->game->model.epoch_count < SWITCH_EPOCHS_MAX)
        switch_game_restart(play->game, pick(play, 2) == 0);
}

// clang-format off
#define ACTS(X) \
    X(append, 20) X(append_many, 8) X(append_batch, 5) X(lap, 1) \
    X(commit, 12) X(commit_quietly, 3) X(announce, 2) X(trim, 6) X(restart_writer, 1) \
    X(subscribe, 16) X(unsubscribe, 4) X(position, 4) \
    X(close, 2) X(break, 1) X(finish, 1) X(end_finished, 2) \
    X(stall, 5) X(stall_often, 8) X(open, 10) \
    X(turn, 40) X(turns, 6) X(limit, 1) X(durability, 1) X(restart, 1)
// clang-format on

static const struct {
    const char *name;
    void (*act)(struct play *play);
    unsigned weight;
} acts[] = {
#define ACT(name, weight) {#name, do_##name, weight},
    ACTS(ACT)
#undef ACT
};

static void act(struct play *play)
{
    unsigned total = 0;
    unsigned chosen;
    size_t i = 0;

    for (size_t at = 0; at < sizeof acts / sizeof acts[0]; at++)
        total += acts[at].weight;
    chosen = (unsigned)pick(play, total);
    while (chosen >= acts[i].weight)
        chosen -= acts[i++].weight;
    if (play->is_told)
        (void)printf("%s\n", acts[i].name);
    acts[i].act(play);
}

/* --- games ---------------------------------------------------------------------------------------- */

static struct switch_tuning make_tuning(uint64_t *random)
{
    static const uint32_t pages[] = {1, 1024, 4096, 0};
    static const uint32_t queues[] = {1, 17 * 1024, 36 * 1024, 70 * 1024};
    static const size_t budgets[] = {1, 4096, (size_t)64 * 1024};
    static const uint32_t odds[] = {0, 50, 8, 3};

    return (struct switch_tuning){
        .ring_bytes = UINT64_C(64) * 1024 << topics_random(random) % 2,
        .queue_bytes = queues[topics_random(random) % 4],
        .page_bytes = pages[topics_random(random) % 4],
        .budget_bytes = budgets[topics_random(random) % 3],
        .put_off_odds = odds[topics_random(random) % 4],
        .is_committed_only = topics_random(random) % 4 == 0,
        .are_commits_small = topics_random(random) % 5 == 0,
        .has_writer_process = topics_random(random) % 8 == 0,
    };
}

struct switch_played switch_acts_play(uint64_t seed, unsigned steps, bool is_told,
                                      uint64_t *reached, volatile uint32_t *ret_step)
{
    static const unsigned meddling_odds[] = {0, 100, 20};
    uint64_t random = (seed + 1) * UINT64_C(0xd1342543de82ef95);
    struct switch_tuning tuning = make_tuning(&random);
    struct play play = {.game = switch_game_new(&tuning, seed, reached), .is_told = is_told};

    play.temper = (enum temper)(topics_random(&random) % TEMPERS);
    play.meddling_odds = meddling_odds[topics_random(&random) % 3];
    play.game->is_keeping_closed = topics_random(&random) % 2 == 0;
    switch_calls_set(meddle, &play);
    for (*ret_step = 1; *ret_step <= steps; ++*ret_step)
        act(&play);
    play.meddling_odds = 0;
    switch_game_settle(play.game);
    play.played.operations = play.game->model.now.last_seq;
    play.played.messages = play.game->model.messages;
    play.played.gaps = play.game->model.gaps;
    switch_calls_set(NULL, NULL);
    switch_game_free(play.game);
    return play.played;
}
