/*
 * tests/fault/switch_game.h - one worker's real topics over a real ring and a real store, players whose
 * sockets do what the game says, and a loop that sleeps as the worker's does.
 *
 * Turn     switch_game_turn is worker.c's order: deliver, catch up, flush, judge, reap, and to sleep
 *          with the real wake (bus/wake.h), here without its second: who is not woken sleeps for ever.
 * Players  connections, each with one or two readers (subscribers); what they receive is judged by
 *          the model at the end of each turn.
 * Memory   switch_game_new and _free; everything in it is its own.
 * Errors   what goes wrong ends the program (switch_model.h).
 */
#ifndef TESTS_FAULT_SWITCH_GAME_H
#define TESTS_FAULT_SWITCH_GAME_H

#include "tests/fault/switch_calls.h"
#include "tests/fault/switch_model.h"
#include "tests/fault/switch_reached.h"
#include "tests/unit/topics_rows.h"

enum {
    SWITCH_PLAYERS = 4,
    SWITCH_READERS = 2, /* of one player, at most */
};

enum switch_on_gap {
    SWITCH_ON_GAP_STAYS,
    SWITCH_ON_GAP_LEAVES, /* unsubscribes from this topic, inside on_gap */
    SWITCH_ON_GAP_ENDS,   /* ends the whole subscriber */
};

struct switch_token {
    uint64_t epoch; /* 0: it has never been subscribed */
    uint64_t seq;
};

/* How a subscription was when it was looked at last. */
struct switch_seen {
    bool is_there;
    bool is_lagging;
};

struct switch_seat {
    struct spliced_subscriber spliced;
    struct switch_player *player;
    struct switch_reader reader;
    enum switch_on_gap on_gap;
    bool has_ended; /* its subscriber is no more; the next subscription begins one */
    bool subscribed[SWITCH_TOPICS];
    struct switch_token tokens[SWITCH_TOPICS];
    struct switch_seen seen[SWITCH_TOPICS];
    uint64_t seen_cursor_seq; /* of its catch_up; UINT64_MAX: nothing lags */
    bool seen_has_pos;
    uint8_t seen_state;
};

struct switch_player {
    struct switch_game *game;
    struct fake_client *client; /* NULL: not connected */
    struct switch_seat seats[SWITCH_READERS];
    unsigned seat_count;
    unsigned index;
    bool is_leaving; /* its stream has ended, and it is reaped soon */
    uint64_t seen_messages;
    bool was_pushed_over; /* by this turn's live delivery */
};

struct switch_tuning {
    uint64_t ring_bytes;
    uint32_t queue_bytes;
    uint32_t page_bytes;
    bool are_commits_small; /* of a page each */
    size_t budget_bytes;
    uint32_t put_off_odds; /* a frame is put off once in so many; 0: never */
    bool is_committed_only;
    bool has_writer_process; /* or it is a part of this one */
};

struct switch_game {
    struct switch_tuning tuning;
    struct switch_model model;
    struct topics_fixture *fixture;
    struct fake_encoding fake;
    struct fake_encoding spliced[SWITCH_READERS];
    struct switch_player players[SWITCH_PLAYERS];
    uint64_t random;
    bool is_putting_off;    /* every frame that may be */
    bool has_put_off;       /* one, since it was looked at */
    bool is_awake;          /* the worker: another turn is due */
    bool is_writing;        /* what is called now the writer calls */
    bool is_keeping_closed; /* who has ended is reaped in a later turn */
    uint64_t turn_announced_seq;
    uint64_t snapshot_first_seq; /* when a turn ended last: the worker may know no better */
    uint64_t busy_turns;         /* in a row, with nobody else doing anything */
    uint64_t *reached;           /* [SWITCH_REACHED_COUNT] */
};

struct switch_game *switch_game_new(const struct switch_tuning *tuning, uint64_t seed,
                                    uint64_t *reached);
void switch_game_free(struct switch_game *game);

uint64_t switch_game_pick(struct switch_game *game, uint64_t bound);
void switch_game_reach(struct switch_game *game, enum switch_reached what);

/* --- players ---------------------------------------------------------------------------------- */

/* What is different from one connection to the next. */
struct switch_guise {
    enum switch_style style;
    enum switch_on_gap on_gap;
    unsigned seat_count; /* more than one: SWITCH_SPLICED */
};

void switch_player_connect(struct switch_game *game, struct switch_player *player,
                           const struct switch_guise *guise);
/* Its stream ends; it is reaped by a turn. */
void switch_player_abort(struct switch_player *player);
void switch_player_subscribe(struct switch_seat *seat, unsigned topic, const struct resume *resume);
void switch_player_unsubscribe(struct switch_seat *seat, unsigned topic);
bool switch_seat_is_lagging(const struct switch_seat *seat);

/* --- other processes -------------------------------------------------------------------------- */

enum switch_commit {
    SWITCH_COMMIT,
    SWITCH_COMMIT_QUIETLY,
    SWITCH_COMMIT_ANNOUNCE,
    SWITCH_COMMIT_RESTART, /* the writer dies */
    SWITCH_COMMIT_TRIM,
};

/* Appends; false: the ring is full. */
bool switch_game_append(struct switch_game *game, const struct switch_operation *operation);
/* In one append; what there is no room for is left out. */
void switch_game_append_batch(struct switch_game *game, const struct switch_operation *operations,
                              unsigned count);
/* A COMMAND that creates a row; the operation's row is given by it. */
bool switch_game_append_row(struct switch_game *game, struct switch_operation operation);
void switch_game_commit(struct switch_game *game, enum switch_commit how,
                        const struct retention *retention);
/* The worker ends and begins anew, with nobody connected; @is_cut: and the power was cut. */
void switch_game_restart(struct switch_game *game, bool is_cut);

/* --- the worker ------------------------------------------------------------------------------- */

/* Whether a turn would be made now: there is work, or it has been woken. */
bool switch_game_is_awake(struct switch_game *game);
/* Something has come that its epoll set knows: input, a socket with room. */
void switch_game_rouse(struct switch_game *game);
void switch_game_turn(struct switch_game *game);
/* The same in two parts, the first up to the end of live delivery. */
bool switch_game_turn_begin(struct switch_game *game);
void switch_game_turn_end(struct switch_game *game, bool has_more);
/* Everybody reads, everything is committed: nobody may lag in the end, nothing be missing. */
void switch_game_settle(struct switch_game *game);

/* Counts what has changed since the last look; called between the parts of a turn. */
enum switch_phase {
    SWITCH_PHASE_ELSEWHERE,
    SWITCH_PHASE_DELIVER,
    SWITCH_PHASE_CATCH_UP,
    SWITCH_PHASE_FLUSH,
    SWITCH_PHASE_JUDGE,
};
void switch_watch(struct switch_game *game, enum switch_phase phase);

#endif
