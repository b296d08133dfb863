#include "tests/fault/switch_explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/hash.h"
#include "server/topics/state.h"
#include "tests/fault/switch_game.h"

enum {
    ACTIONS_MAX = 24,
    RING_BYTES = 64 * 1024,
    SMALL_BYTES = 100,
    FILLER_BYTES = 9 * 1024,
    SIP_BYTES = 8 * 1024,
    OTHER = SWITCH_ROW_FIRST - 1, /* a topic that nobody is subscribed to */
    ROW = SWITCH_ROW_FIRST,
    GAME_SEQS_MAX = SWITCH_OPERATIONS_MAX - 1024, /* then a new game is begun */
    WORDS_MAX = 1024,
};

struct explorer {
    const struct scenario *scenario;
    struct switch_game *game;
    uint64_t base_seq; /* where this sequence began */
    uint64_t base_pos;
    unsigned appended;
    unsigned laps;
    bool is_inside; /* in the middle of a turn */
    bool has_more;  /* what its first part has said */
    bool is_stalled[SWITCH_PLAYERS];
};

struct scenario {
    const char *name;
    const char *actions;
    const char *setup; /* actions that lead to the initial state */
    enum switch_style style;
    uint32_t queue_bytes;
    uint32_t payload_bytes;
    unsigned appends_max;
    bool is_committed_only;
};

static const struct scenario scenarios[] = {
    {"plain", "atTsoCLX", "f", SWITCH_TEXT, 1, SMALL_BYTES, 4, false},
    {"half", "atTsop", "f", SWITCH_TEXT, 36 * 1024, 7000, 9, false},
    {"rows", "aretTsoCqnk", "fy", SWITCH_TEXT, 1, SMALL_BYTES, 3, false},
    {"committed", "atTsoCqnkL", "f", SWITCH_TEXT, 1, SMALL_BYTES, 3, true},
    {"resume", "atTzufcvCLX", "", SWITCH_TEXT, 1, SMALL_BYTES, 3, false},
    {"topics", "abtTsowuyC", "f", SWITCH_SPLICED, 1, SMALL_BYTES, 3, false},
    {"put_off", "abegtTso", "fwyg", SWITCH_FAKE, 1, SMALL_BYTES, 3, false},
    {"pair", "atTsoSOCLX", "fF", SWITCH_TEXT, 1, SMALL_BYTES, 3, false},
};

const char *switch_scenario_name(unsigned scenario)
{
    return scenario < sizeof scenarios / sizeof scenarios[0] ? scenarios[scenario].name : NULL;
}

/* --- actions -------------------------------------------------------------------------------------- */

static struct switch_seat *seat_of(struct explorer *explorer, unsigned player)
{
    return &explorer->game->players[player].seats[0];
}

static bool is_here(const struct explorer *explorer, unsigned player)
{
    return explorer->game->players[player].client != NULL;
}

static bool append(struct explorer *explorer, uint32_t topics)
{
    /* The same each time: no id is one that is passed over. */
    const struct switch_operation operation = {
        .topics = topics, .id = 1, .payload_bytes = explorer->scenario->payload_bytes};

    explorer->appended++;
    if (topics == 1U << ROW)
        return switch_game_append_row(explorer->game, operation);
    return switch_game_append(explorer->game, &operation);
}

static bool may_append(const struct explorer *explorer)
{
    return explorer->appended < explorer->scenario->appends_max;
}

/* Until whoever stood in the ring is lapped. */
static void lap(struct explorer *explorer)
{
    const struct switch_operation filler = {
        .topics = 1U << OTHER, .id = 1, .payload_bytes = FILLER_BYTES};
    uint64_t from_pos = ring_tail(explorer->game->fixture->bus).pos;

    while (ring_tail(explorer->game->fixture->bus).pos - from_pos <= RING_BYTES) {
        if (!switch_game_append(explorer->game, &filler))
            switch_game_commit(explorer->game, SWITCH_COMMIT, NULL);
    }
    explorer->laps++;
}

static void trim(struct explorer *explorer)
{
    const struct retention newest = {.count = 1};

    switch_game_commit(explorer->game, SWITCH_COMMIT_TRIM, &newest);
}

static void subscribe(struct explorer *explorer, unsigned player, unsigned topic, bool is_resumed)
{
    const struct resume resume = {.has_since = is_resumed, .since = explorer->base_seq};

    switch_player_subscribe(seat_of(explorer, player), topic, &resume);
    switch_game_rouse(explorer->game);
}

static void connect(struct explorer *explorer, unsigned player)
{
    const struct switch_guise guise = {.style = explorer->scenario->style, .seat_count = 1};

    switch_player_connect(explorer->game, &explorer->game->players[player], &guise);
    explorer->is_stalled[player] = false;
}

static void come_back(struct explorer *explorer)
{
    const struct switch_token *token = &seat_of(explorer, 0)->tokens[0];
    const struct resume resume = {.has_since = token->epoch != 0,
                                  .has_epoch = true,
                                  .since = token->seq,
                                  .epoch = token->epoch};

    connect(explorer, 0);
    switch_player_subscribe(seat_of(explorer, 0), 0, &resume);
    switch_game_rouse(explorer->game);
}

static void room(struct explorer *explorer, unsigned player, bool is_all)
{
    struct fake_client *client = explorer->game->players[player].client;

    fake_client_tell_room(client, is_all ? SIZE_MAX : SIP_BYTES);
    explorer->is_stalled[player] = !is_all;
    switch_game_rouse(explorer->game);
}

static void stall(struct explorer *explorer, unsigned player)
{
    fake_client_stall(explorer->game->players[player].client);
    explorer->is_stalled[player] = true;
}

static void end_turn(struct explorer *explorer)
{
    if (!explorer->is_inside)
        explorer->has_more = switch_game_turn_begin(explorer->game);
    explorer->is_inside = false;
    switch_game_turn_end(explorer->game, explorer->has_more);
}

/* What clients do is heard between turns. */
static bool may_client(struct explorer *explorer, char letter)
{
    struct switch_seat *seat = seat_of(explorer, 0);

    if (explorer->is_inside)
        return false;
    if (letter == 'v')
        return !is_here(explorer, 0);
    if (!is_here(explorer, 0) || (letter == 'F' && !is_here(explorer, 1)))
        return false;
    switch (letter) {
    case 'F':
        return !seat_of(explorer, 1)->subscribed[0];
    case 'f':
    case 'z':
        return !seat->subscribed[0];
    case 'u':
        return seat->subscribed[0];
    case 'w':
        return !seat->subscribed[1];
    case 'y':
        return !seat->subscribed[ROW];
    default:
        return true;
    }
}

static bool may_act(struct explorer *explorer, char letter)
{
    const struct switch_state *now = &explorer->game->model.now;

    switch (letter) {
    case 'a':
    case 'b':
    case 'e':
    case 'r':
        return may_append(explorer);
    case 'C':
    case 'q':
        return now->committed_seq < now->last_seq;
    case 'n':
    case 'k':
        return now->announced_seq < now->committed_seq;
    case 'L':
        return explorer->laps == 0;
    case 'X':
        return now->first_seq < now->committed_seq;
    case 't':
        return !explorer->is_inside && switch_game_is_awake(explorer->game);
    case 'T':
        return explorer->is_inside || switch_game_is_awake(explorer->game);
    case 'g':
        return true;
    case 's':
    case 'S':
        return is_here(explorer, letter == 'S') && !explorer->is_stalled[letter == 'S'];
    case 'p':
    case 'o':
    case 'O':
        return is_here(explorer, letter == 'O') && explorer->is_stalled[letter == 'O'];
    default:
        return may_client(explorer, letter);
    }
}

static void act_elsewhere(struct explorer *explorer, char letter)
{
    switch (letter) {
    case 'a': /* an event */
        (void)append(explorer, 1);
        break;
    case 'b': /* on two plain topics */
        (void)append(explorer, 3);
        break;
    case 'e': /* on a plain and a row topic */
        (void)append(explorer, 1 | 1U << ROW);
        break;
    case 'r': /* a row */
        (void)append(explorer, 1U << ROW);
        break;
    case 'C':
        switch_game_commit(explorer->game, SWITCH_COMMIT, NULL);
        break;
    case 'q':
        switch_game_commit(explorer->game, SWITCH_COMMIT_QUIETLY, NULL);
        break;
    case 'n':
        switch_game_commit(explorer->game, SWITCH_COMMIT_ANNOUNCE, NULL);
        break;
    case 'k':
        switch_game_commit(explorer->game, SWITCH_COMMIT_RESTART, NULL);
        break;
    case 'L':
        lap(explorer);
        break;
    default: /* X */
        trim(explorer);
    }
}

static void act_client(struct explorer *explorer, char letter)
{
    switch (letter) {
    case 'f': /* from now on */
    case 'F':
        subscribe(explorer, letter == 'F', 0, false);
        break;
    case 'z': /* from where the log began */
        subscribe(explorer, 0, 0, true);
        break;
    case 'w':
        subscribe(explorer, 0, 1, true);
        break;
    case 'y':
        subscribe(explorer, 0, ROW, true);
        break;
    case 'u':
        switch_player_unsubscribe(seat_of(explorer, 0), 0);
        switch_game_rouse(explorer->game);
        break;
    case 'c':
        switch_player_abort(&explorer->game->players[0]);
        switch_game_rouse(explorer->game);
        break;
    default: /* v */
        come_back(explorer);
    }
}

static void act(struct explorer *explorer, char letter)
{
    switch (letter) {
    case 't':
        explorer->has_more = switch_game_turn_begin(explorer->game);
        explorer->is_inside = true;
        break;
    case 'T':
        end_turn(explorer);
        break;
    case 's':
    case 'S':
        stall(explorer, letter == 'S');
        break;
    case 'o':
    case 'O':
    case 'p':
        room(explorer, letter == 'O', letter != 'p');
        break;
    case 'g': /* frames are put off, or no longer */
        explorer->game->is_putting_off = !explorer->game->is_putting_off;
        break;
    default:
        if (strchr("aberCqnkLX", letter) != NULL)
            act_elsewhere(explorer, letter);
        else
            act_client(explorer, letter);
    }
}

/* --- beginning again ------------------------------------------------------------------------------ */

static void begin_game(struct explorer *explorer, uint64_t *reached)
{
    const struct switch_tuning tuning = {.ring_bytes = RING_BYTES,
                                         .queue_bytes = explorer->scenario->queue_bytes,
                                         .budget_bytes = 1,
                                         .is_committed_only =
                                             explorer->scenario->is_committed_only};

    explorer->game = switch_game_new(&tuning, 1, reached);
}

/* The initial state: a log of one operation, a new worker, and what the setup makes of them. */
static void begin(struct explorer *explorer)
{
    struct switch_game *game = explorer->game;
    const struct switch_operation first = {
        .topics = (1U << SWITCH_TOPICS) - 1, .id = 1, .payload_bytes = SMALL_BYTES};

    if (game->model.now.last_seq > GAME_SEQS_MAX) {
        uint64_t *reached = game->reached;

        switch_game_free(game);
        begin_game(explorer, reached);
        game = explorer->game;
    }
    game->is_putting_off = false;
    switch_game_commit(game, SWITCH_COMMIT, NULL);
    SWITCH_EXPECT(switch_game_append(game, &first), "no room for the first operation");
    switch_game_commit(game, SWITCH_COMMIT, NULL);
    trim(explorer);
    switch_game_restart(game, false);
    *explorer = (struct explorer){.scenario = explorer->scenario,
                                  .game = game,
                                  .base_seq = game->model.now.last_seq,
                                  .base_pos = ring_tail(game->fixture->bus).pos};
    for (unsigned i = 0; i < 2; i++) {
        memset(seat_of(explorer, i)->tokens, 0, sizeof seat_of(explorer, i)->tokens);
        connect(explorer, i);
    }
    for (const char *at = explorer->scenario->setup; *at != '\0'; at++)
        act(explorer, *at);
}

static void settle(struct explorer *explorer)
{
    if (explorer->is_inside)
        end_turn(explorer);
    switch_game_settle(explorer->game);
}

/* --- what a state is ------------------------------------------------------------------------------ */

struct digest {
    const struct explorer *explorer;
    uint64_t words[WORDS_MAX];
    unsigned count;
};

static void add(struct digest *digest, uint64_t word)
{
    SWITCH_EXPECT(digest->count < WORDS_MAX, "a state is too large");
    digest->words[digest->count++] = word;
}

/* Relative to the beginning; whatever lies before it is the same. */
static void add_seq(struct digest *digest, uint64_t seq)
{
    uint64_t base_seq = digest->explorer->base_seq;

    add(digest, seq < base_seq ? UINT64_MAX : seq - base_seq);
}

static void add_cursor(struct digest *digest, const struct log_cursor *cursor)
{
    add_seq(digest, cursor->seq);
    add(digest, cursor->has_pos ? cursor->pos - digest->explorer->base_pos : UINT64_MAX);
    add(digest, cursor->is_trimmed);
}

static void add_others(struct digest *digest)
{
    const struct explorer *explorer = digest->explorer;
    const struct switch_model *model = &explorer->game->model;
    struct switch_held held = switch_calls_held();

    add_seq(digest, model->now.last_seq);
    add_seq(digest, model->now.committed_seq);
    add_seq(digest, model->now.announced_seq);
    add_seq(digest, model->now.first_seq);
    add(digest, ring_tail(explorer->game->fixture->bus).pos - explorer->base_pos);
    for (uint64_t seq = explorer->base_seq + 1; seq <= model->now.last_seq; seq++)
        add(digest, model->operations[seq].topics);
    add(digest, explorer->appended | explorer->laps << 8);
    add(digest, held.is_of_ring);
    if (held.is_of_ring)
        add(digest, held.from < explorer->base_pos ? 0 : held.from - explorer->base_pos);
    else
        add_seq(digest, held.from);
}

static void add_stream(struct digest *digest, const struct fake_client *client)
{
    const struct stream *stream = &client->stream;

    add(digest, stream->out.bytes);
    add(digest, stream->out.pinned_bytes | (uint64_t)stream->out.count << 32);
    add(digest, client->room_bytes);
    add(digest, (uint64_t)stream->is_dirty | (uint64_t)stream->wants_drained << 1 |
                    (uint64_t)stream->is_closed << 2 | (uint64_t)client->is_writable << 3);
}

static void add_player(struct digest *digest, const struct switch_player *player)
{
    const struct switch_seat *seat = &player->seats[0];
    const struct subscriber *subscriber = &seat->spliced.subscriber;
    const struct catch_up *catch_up;

    for (unsigned i = 0; i < SWITCH_TOPICS; i++)
        add_seq(digest, seat->tokens[i].epoch != 0 ? seat->tokens[i].seq : 0);
    if (player->client == NULL) {
        add(digest, 0);
        return;
    }
    add_stream(digest, player->client);
    for (unsigned i = 0; i < SWITCH_TOPICS; i++)
        add_seq(digest, seat->reader.views[i].position);
    catch_up = subscriber->catch_up;
    add(digest, catch_up != NULL);
    if (catch_up != NULL) {
        add_cursor(digest, &catch_up->cursor);
        add(digest, catch_up->state | (uint64_t)catch_up->is_put_off << 8);
    }
    add(digest, subscriber->judged_index);
    for (const struct subscription *one = subscriber->subscriptions; one != NULL; one = one->next) {
        add(digest, switch_topic_index(one->topic->name, one->topic->name_bytes));
        add(digest, one->is_lagging);
        add(digest, one->live_index);
        add_seq(digest, one->position);
    }
}

static uint64_t digest_state(struct explorer *explorer)
{
    const struct topics *topics = explorer->game->fixture->topics;
    static struct digest digest;

    digest.explorer = explorer;
    digest.count = 0;
    add(&digest, (uint64_t)explorer->is_inside | (uint64_t)explorer->has_more << 1 |
                     (uint64_t)switch_game_is_awake(explorer->game) << 2 |
                     (uint64_t)explorer->game->is_putting_off << 3);
    add_others(&digest);
    for (unsigned kind = 0; kind < TOPIC_KINDS; kind++) {
        add_cursor(&digest, &topics->cursors[kind]);
        add(&digest, topics->table.live_counts[kind]);
    }
    add(&digest, topics->judged_count);
    for (unsigned i = 0; i < 2; i++)
        add_player(&digest, &explorer->game->players[i]);
    for (const struct catch_up *one = topics->catch_up.ready; one != NULL; one = one->next)
        add(&digest, one->subscriber == &explorer->game->players[1].seats[0].spliced.subscriber);
    add(&digest, topics->catch_up.fed != NULL);
    add(&digest, frame_cache_count(topics->catch_up.frames));
    add(&digest, explorer->game->fixture->text_encoding->arena.used);
    add(&digest, topics->catch_up.arena.used);
    return hash_bytes(1, digest.words, digest.count * sizeof digest.words[0]);
}

/* --- the search ----------------------------------------------------------------------------------- */

struct state {
    char path[SWITCH_PATH_MAX];
    char next[ACTIONS_MAX]; /* what can be done there; both are terminated */
};

struct search {
    struct explorer explorer;
    struct switch_note *note;
    struct state *states; /* in the order in which they were found: by length */
    size_t state_count;
    size_t state_capacity;
    uint64_t *digests; /* a hash table; 0: free */
    size_t digest_capacity;
};

static double now_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock cannot fail */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool insert(uint64_t *digests, size_t capacity, uint64_t digest)
{
    size_t at = digest & (capacity - 1);

    while (digests[at] != 0 && digests[at] != digest)
        at = (at + 1) & (capacity - 1);
    if (digests[at] == digest)
        return false;
    digests[at] = digest;
    return true;
}

static void grow(struct search *search)
{
    size_t capacity = search->state_capacity == 0 ? 1024 : search->state_capacity * 2;
    uint64_t *digests = calloc(capacity * 2, sizeof *digests);

    search->states = realloc(search->states, capacity * sizeof *search->states);
    SWITCH_EXPECT(search->states != NULL && digests != NULL, "no memory");
    for (size_t i = 0; i < search->digest_capacity; i++) {
        if (search->digests[i] != 0)
            (void)insert(digests, capacity * 2, search->digests[i]);
    }
    free(search->digests);
    search->digests = digests;
    search->digest_capacity = capacity * 2;
    search->state_capacity = capacity;
}

/* The state it is in: if it is new it is kept, and brought to its end. */
static void arrive(struct search *search)
{
    struct explorer *explorer = &search->explorer;
    struct state *state;
    size_t count = 0;

    if (search->state_count == search->state_capacity)
        grow(search);
    if (!insert(search->digests, search->digest_capacity, digest_state(explorer) | 1))
        return;
    state = &search->states[search->state_count++];
    memcpy(state->path, search->note->path, sizeof state->path);
    for (const char *at = explorer->scenario->actions; *at != '\0'; at++) {
        if (may_act(explorer, *at))
            state->next[count++] = *at;
    }
    state->next[count] = '\0';
    settle(explorer);
}

static void walk(struct search *search, const struct state *from, char letter)
{
    size_t length = strlen(from->path);

    SWITCH_EXPECT(length + 2 <= SWITCH_PATH_MAX, "a sequence is too long");
    memcpy(search->note->path, from->path, length);
    search->note->path[length] = letter;
    search->note->path[length + 1] = '\0';
    begin(&search->explorer);
    for (const char *at = search->note->path; *at != '\0'; at++) {
        SWITCH_EXPECT(may_act(&search->explorer, *at), "not the same again at %zu of %s",
                      (size_t)(at - search->note->path), search->note->path);
        act(&search->explorer, *at);
    }
    search->note->sequences++;
    arrive(search);
}

void switch_explore(unsigned scenario, double seconds, uint64_t *reached, struct switch_note *note)
{
    struct search search = {.note = note, .explorer = {.scenario = &scenarios[scenario]}};
    double until = now_seconds() + seconds;
    size_t at = 0;

    begin_game(&search.explorer, reached);
    begin(&search.explorer);
    arrive(&search);
    while (at < search.state_count && now_seconds() < until) {
        const struct state from = search.states[at++]; /* they may move */

        note->depth = (uint32_t)strlen(from.path);
        for (const char *next = from.next; *next != '\0'; next++)
            walk(&search, &from, *next);
    }
    note->states = search.state_count;
    note->is_complete = at == search.state_count;
    free(search.states);
    free(search.digests);
    switch_game_free(search.explorer.game);
}

bool switch_explore_replay(unsigned scenario, const char *path, uint64_t *reached)
{
    struct explorer explorer = {.scenario = &scenarios[scenario]};

    begin_game(&explorer, reached);
    begin(&explorer);
    for (; *path != '\0'; path++) {
        if (strchr(explorer.scenario->actions, *path) == NULL || !may_act(&explorer, *path))
            return false;
        (void)printf(
            "%c: last %llu committed %llu\n", *path,
            (unsigned long long)(explorer.game->model.now.last_seq - explorer.base_seq),
            (unsigned long long)(explorer.game->model.now.committed_seq - explorer.base_seq));
        act(&explorer, *path);
    }
    settle(&explorer);
    switch_game_free(explorer.game);
    return true;
}
