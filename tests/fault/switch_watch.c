/* Which transitions have happened: the product's own state before and after each part of a turn. */
#include "server/topics/state.h"
#include "tests/fault/switch_game.h"

enum {
    ONE_FRAME_RANGES = 3, /* one large frame alone is what an empty queue takes */
};

static const struct subscription *find(const struct switch_seat *seat, unsigned topic)
{
    const struct subscription *subscription = seat->spliced.subscriber.subscriptions;

    while (subscription != NULL &&
           switch_topic_index(subscription->topic->name, subscription->topic->name_bytes) != topic)
        subscription = subscription->next;
    return subscription;
}

static void note_lag(struct switch_game *game, enum switch_phase phase)
{
    if (phase == SWITCH_PHASE_JUDGE)
        switch_game_reach(game, SWITCH_LAGS_QUEUE);
    else if (phase == SWITCH_PHASE_DELIVER && game->has_put_off)
        switch_game_reach(game, SWITCH_LAGS_PUT_OFF);
    else if (phase == SWITCH_PHASE_DELIVER)
        switch_game_reach(game, SWITCH_LAGS_LAPPED);
}

static void look_at(struct switch_game *game, struct switch_seat *seat, unsigned topic,
                    enum switch_phase phase)
{
    const struct subscription *subscription = find(seat, topic);
    struct switch_seen *seen = &seat->seen[topic];
    struct switch_seen now = {.is_there = subscription != NULL,
                              .is_lagging = subscription != NULL && subscription->is_lagging};

    if (seen->is_there && now.is_there && !seen->is_lagging && now.is_lagging)
        note_lag(game, phase);
    if (seen->is_there && now.is_there && seen->is_lagging && !now.is_lagging) {
        switch_game_reach(game, SWITCH_GOES_LIVE);
        /* If nothing else of the connection can have been fed behind it. */
        SWITCH_EXPECT(seat->player->seat_count > 1 || seat->spliced.subscriber.catch_up != NULL ||
                          outq_is_half_empty(&seat->player->client->stream.out,
                                             game->fixture->queue_bytes_max),
                      "live again with more than half a queue");
        if (seat->player->client->stream.out.bytes > 0)
            switch_game_reach(game, SWITCH_GOES_LIVE_QUEUED);
        if (seat->spliced.subscriber.catch_up != NULL)
            switch_game_reach(game, SWITCH_GOES_LIVE_PART);
    }
    if (now.is_lagging && phase == SWITCH_PHASE_CATCH_UP) {
        const struct catch_up *catch_up = seat->spliced.subscriber.catch_up;

        if (catch_up->is_put_off && subscription->position > catch_up->cursor.seq)
            switch_game_reach(game, SWITCH_PUT_OFF_PARTLY);
    }
    *seen = now;
}

static void look_at_counts(struct switch_game *game, const struct switch_seat *seat)
{
    const struct subscriber *subscriber = &seat->spliced.subscriber;
    uint32_t lagging = subscriber_lagging_count(subscriber);
    const uint16_t *counts = subscriber->catch_up->lagging_counts;

    if (counts[TOPIC_PLAIN] > 0 && counts[TOPIC_ROW] > 0)
        switch_game_reach(game, SWITCH_LAGS_BOTH_KINDS);
    if (lagging < subscriber->subscription_count)
        switch_game_reach(game, SWITCH_LAGS_BESIDE_LIVE);
}

/* Its cursor: where it stands, and whether that is in the ring. */
static void look_at_cursor(struct switch_game *game, struct switch_seat *seat,
                           enum switch_phase phase)
{
    const struct catch_up *catch_up = seat->spliced.subscriber.catch_up;
    bool was_lagging = seat->seen_cursor_seq != UINT64_MAX;

    if (catch_up == NULL) {
        seat->seen_cursor_seq = UINT64_MAX;
        return;
    }
    look_at_counts(game, seat);
    if (was_lagging && catch_up->cursor.seq < seat->seen_cursor_seq)
        switch_game_reach(game, SWITCH_CURSOR_BACK);
    if (was_lagging && phase == SWITCH_PHASE_CATCH_UP &&
        catch_up->cursor.seq > seat->seen_cursor_seq) {
        const struct log_cursor *cursor = &catch_up->cursor;

        switch_game_reach(game, cursor->has_pos ? SWITCH_READS_RING : SWITCH_READS_STORE);
        if (seat->seen_has_pos && !cursor->has_pos && catch_up->lagging_counts[TOPIC_ROW] == 0)
            switch_game_reach(game, SWITCH_STEP_LAPPED);
        if (catch_up->state == CATCH_UP_FED && !catch_up->is_put_off &&
            cursor->seq < switch_calls_held().to && !switch_calls_held().is_of_ring)
            switch_game_reach(game, SWITCH_STOPS_INSIDE);
    }
    if (phase == SWITCH_PHASE_CATCH_UP && catch_up->is_put_off)
        switch_game_reach(game, SWITCH_PUT_OFF);
    if (was_lagging && seat->seen_state != CATCH_UP_WAITING && catch_up->state == CATCH_UP_WAITING)
        switch_game_reach(game, SWITCH_WAITS);
    if (was_lagging && seat->seen_state == CATCH_UP_WAITING && catch_up->state == CATCH_UP_READY)
        switch_game_reach(game, SWITCH_DRAINED);
    if (was_lagging && catch_up->cursor.seq + 1 < game->model.now.first_seq)
        switch_game_reach(game, SWITCH_TRIMMED_LAGGING);
    seat->seen_cursor_seq = catch_up->cursor.seq;
    seat->seen_has_pos = catch_up->cursor.has_pos;
    seat->seen_state = catch_up->state;
}

/*
 * What a client costs (of one with a single reader, whose queue is its own): whom live delivery has
 * pushed over the limit lags once it is judged; and with a limit that any event exceeds a step is one
 * operation.
 */
static void look_at_queue(const struct switch_game *game, struct switch_player *player,
                          enum switch_phase phase)
{
    const struct subscriber *subscriber = &player->seats[0].spliced.subscriber;
    const struct stream *stream = &player->client->stream;
    uint64_t queued = stream->messages_out - player->seen_messages;
    uint32_t limit = game->fixture->queue_bytes_max;
    bool is_over = outq_is_over(&stream->out, limit) && !stream_is_ended(stream);

    if (phase == SWITCH_PHASE_DELIVER)
        player->was_pushed_over = is_over && queued > 0;
    if (phase == SWITCH_PHASE_JUDGE && player->was_pushed_over && is_over &&
        stream->out.count > ONE_FRAME_RANGES)
        SWITCH_EXPECT(subscriber_lagging_count(subscriber) == subscriber->subscription_count,
                      "live, and its queue is over the limit");
    if (phase == SWITCH_PHASE_CATCH_UP && limit == 1)
        SWITCH_EXPECT(queued <= subscriber->subscription_count,
                      "%llu messages queued by one step for a limit of 1",
                      (unsigned long long)queued);
    player->seen_messages = stream->messages_out;
}

void switch_watch(struct switch_game *game, enum switch_phase phase)
{
    for (unsigned i = 0; i < SWITCH_PLAYERS; i++) {
        struct switch_player *player = &game->players[i];

        if (player->client != NULL && player->seat_count == 1 && !player->seats[0].has_ended)
            look_at_queue(game, player, phase);
        for (unsigned j = 0; player->client != NULL && j < player->seat_count; j++) {
            struct switch_seat *seat = &player->seats[j];

            if (seat->has_ended)
                continue;
            for (unsigned topic = 0; topic < SWITCH_TOPICS; topic++)
                look_at(game, seat, topic, phase);
            look_at_cursor(game, seat, phase);
        }
    }
    game->has_put_off = false;
}
