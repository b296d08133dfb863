/* Connections and their readers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/net/arena.h"
#include "tests/fault/switch_game.h"

static struct subscriber *subscriber_of(struct switch_seat *seat)
{
    return &seat->spliced.subscriber;
}

static unsigned number_of(const struct switch_seat *seat)
{
    return (unsigned)(seat - seat->player->seats);
}

bool switch_seat_is_lagging(const struct switch_seat *seat)
{
    return !seat->has_ended && seat->spliced.subscriber.catch_up != NULL;
}

/* --- gaps ----------------------------------------------------------------------------------------- */

static void note_left(struct switch_seat *seat, unsigned topic)
{
    fake_client_write(seat->player->client, "-%u %u\n", number_of(seat), topic);
    seat->subscribed[topic] = false;
    seat->seen[topic].is_there = false;
}

/* What was its memory may be anything afterwards. */
static void end_seat(struct switch_seat *seat)
{
    for (unsigned i = 0; i < SWITCH_TOPICS; i++) {
        if (seat->subscribed[i])
            note_left(seat, i);
    }
    subscriber_done(seat->player->game->fixture->topics, subscriber_of(seat));
    memset(subscriber_of(seat), 0xa5, sizeof *subscriber_of(seat));
    seat->has_ended = true;
    seat->seen_cursor_seq = UINT64_MAX;
}

static void on_gap(void *user, const char *topic_name, size_t topic_bytes, uint64_t oldest)
{
    struct switch_seat *seat = user;
    struct switch_game *game = seat->player->game;
    unsigned topic = switch_topic_index(topic_name, topic_bytes);

    switch_game_reach(game, SWITCH_GAP);
    fake_client_write(seat->player->client, "!%u %u %llu %llu %llu\n", number_of(seat), topic,
                      (unsigned long long)oldest, (unsigned long long)game->model.now.first_seq,
                      (unsigned long long)game->turn_announced_seq);
    if (seat->on_gap == SWITCH_ON_GAP_LEAVES) {
        switch_game_reach(game, SWITCH_GAP_LEAVES);
        switch_player_unsubscribe(seat, topic);
    } else if (seat->on_gap == SWITCH_ON_GAP_ENDS) {
        switch_game_reach(game, SWITCH_GAP_ENDS);
        end_seat(seat);
    }
}

static const struct subscriber_handlers subscriber_handlers = {on_gap};

/* --- connections ---------------------------------------------------------------------------------- */

static void on_drained(void *user)
{
    struct switch_player *player = user;

    for (unsigned i = 0; i < player->seat_count; i++) {
        if (!player->seats[i].has_ended)
            subscriber_drained(player->game->fixture->topics, subscriber_of(&player->seats[i]));
    }
}

static const struct stream_handlers stream_handlers = {.on_drained = on_drained};

static struct topics_encoding *encoding_of(struct switch_seat *seat)
{
    struct switch_game *game = seat->player->game;

    switch (seat->reader.style) {
    case SWITCH_SHORT:
        return game->fixture->short_encoding;
    case SWITCH_FAKE:
        return game->fake.added;
    case SWITCH_SPLICED:
        return game->spliced[number_of(seat)].added;
    case SWITCH_TEXT:
    case SWITCH_STYLES:
        break;
    }
    return game->fixture->text_encoding;
}

static void begin_seat(struct switch_seat *seat)
{
    subscriber_init(subscriber_of(seat), &seat->player->client->stream, encoding_of(seat),
                    &subscriber_handlers, seat);
    seat->has_ended = false;
}

void switch_player_connect(struct switch_game *game, struct switch_player *player,
                           const struct switch_guise *guise)
{
    player->client = fake_client_open(game->fixture, game->fixture->text_encoding);
    stream_set_user(&player->client->stream, &stream_handlers, player);
    player->seat_count = guise->seat_count;
    player->seen_messages = 0;
    player->was_pushed_over = false;
    for (unsigned i = 0; i < guise->seat_count; i++) {
        struct switch_seat *seat = &player->seats[i];
        struct arena *arena;

        seat->player = player;
        seat->on_gap = guise->on_gap;
        seat->reader = (struct switch_reader){.style = guise->style};
        (void)snprintf(seat->reader.own, sizeof seat->reader.own, "<%u.%u>", player->index, i);
        arena = arena_copy(seat->reader.own, strlen(seat->reader.own));
        SWITCH_EXPECT(arena != NULL, "no memory");
        seat->spliced.splice = (struct range){.arena = arena, .length = arena->capacity};
        seat->seen_cursor_seq = UINT64_MAX;
        begin_seat(seat);
    }
}

void switch_player_abort(struct switch_player *player)
{
    if (!player->client->stream.is_closed)
        stream_abort(&player->client->stream);
    player->is_leaving = true;
}

static void count_resume(struct switch_seat *seat, const struct resume *resume,
                         const struct subscribed *answer)
{
    struct switch_game *game = seat->player->game;
    const struct switch_model *model = &game->model;
    bool is_earlier = resume->has_epoch && resume->epoch != switch_model_epoch(model);
    bool is_ours = false;

    for (unsigned i = 0; i < model->epoch_count; i++)
        is_ours = is_ours || model->epochs[i].epoch == resume->epoch;
    if (resume->has_epoch && !is_ours)
        switch_game_reach(game, SWITCH_RESUME_UNKNOWN);
    else if (is_earlier)
        switch_game_reach(game, answer->recovered ? SWITCH_RESUME_EARLIER : SWITCH_RESUME_CUT);
    else if (resume->since > model->now.last_seq)
        switch_game_reach(game, SWITCH_RESUME_PAST);
    else if (!answer->recovered)
        switch_game_reach(game, SWITCH_RESUME_TRIMMED);
    if (answer->recovered && resume->since == model->now.last_seq)
        switch_game_reach(game, SWITCH_RESUME_AT_END);
    switch_game_reach(game, switch_seat_is_lagging(seat) ? SWITCH_RESUME_LAGS : SWITCH_RESUME_LIVE);
}

void switch_player_subscribe(struct switch_seat *seat, unsigned topic, const struct resume *resume)
{
    struct switch_game *game = seat->player->game;
    const char *name = switch_topic_name(topic);
    struct switch_state before = game->model.now;
    struct subscribed answer;
    int rc;

    before.first_seq = game->snapshot_first_seq;
    if (seat->has_ended)
        begin_seat(seat);
    rc = topics_subscribe(game->fixture->topics, subscriber_of(seat), name, strlen(name), resume,
                          &answer);
    if (seat->subscribed[topic]) {
        SWITCH_EXPECT(rc == (resume->has_since ? -EEXIST : 0), "subscribed again: %d", rc);
        SWITCH_EXPECT(rc != 0 || answer.was_subscribed, "subscribed again, and as if anew");
        if (switch_seat_is_lagging(seat))
            switch_game_reach(game, SWITCH_AGAIN_LAGGING);
        if (rc == 0)
            fake_client_write(seat->player->client, "=%u %llu\n", number_of(seat),
                              (unsigned long long)answer.seq);
        return;
    }
    SWITCH_EXPECT(rc == 0, "%s cannot be subscribed: %d", name, rc);
    switch_model_judge_answer(&game->model, &before, topic, resume, &answer);
    if (resume->has_since)
        count_resume(seat, resume, &answer);
    seat->subscribed[topic] = true;
    fake_client_write(seat->player->client, "+%u %u %llu\n", number_of(seat), topic,
                      (unsigned long long)answer.seq);
}

void switch_player_unsubscribe(struct switch_seat *seat, unsigned topic)
{
    const char *name = switch_topic_name(topic);
    int rc;

    if (seat->has_ended)
        return;
    if (switch_seat_is_lagging(seat) && seat->subscribed[topic])
        switch_game_reach(seat->player->game, SWITCH_LEFT_LAGGING);
    rc = topics_unsubscribe(seat->player->game->fixture->topics, subscriber_of(seat), name,
                            strlen(name));
    SWITCH_EXPECT(rc == (seat->subscribed[topic] ? 0 : -ENOENT), "unsubscribed %s: %d", name, rc);
    if (rc == 0)
        note_left(seat, topic);
}
