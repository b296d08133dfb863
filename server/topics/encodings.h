/*
 * server/topics/encodings.h - encodings in use, and the arenas that live frames are written to.
 *
 * Shape    there may be tens of thousands, one per GraphQL group and more, most of them idle. The
 *          ENCODINGS_WARM_MAX that were used last (*warm*) have an arena each, so that their frames
 *          lie one behind the other; whoever finds that all of those were used in this very turn
 *          writes to an arena that they share.
 * Memory   an idle encoding is sizeof(struct topics_encoding); a warm one 16 KiB more, so that all
 *          together never own more than ENCODINGS_WARM_MAX arenas. Queues hold their own references.
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_ENCODINGS_H
#define SERVER_TOPICS_ENCODINGS_H

#include <stddef.h>
#include <stdint.h>

#include "server/topics/event.h"
#include "server/topics/frame_run.h"

struct live_list;

enum {
    ENCODINGS_WARM_MAX = 64,
};

struct topics_encoding {
    const struct encoding *encoding;
    uint64_t number;           /* never given again: what its frames are kept by */
    struct live_list *found;   /* the one of its lists that was looked for last; NULL: any */
    uint32_t list_count;       /* topics in which somebody is live with it */
    uint32_t cold_cut;         /* what its run has for cuts while it is not warm */
    struct live_list *list;    /* of the topic that delivery is at */
    struct frame_run run;      /* for that list */
    struct arena_writer arena; /* of live frames, while it is warm */
    uint64_t used_turn;
    struct topics_encoding *warm_prev; /* utlist, longest unused first; NULL: not warm */
    struct topics_encoding *warm_next;
};

struct encoding_set {
    struct topics_encoding *warm;
    struct arena_writer shared; /* of those that are not */
    uint64_t turn;
    uint64_t last_number;
    size_t count; /* of all */
    unsigned warm_count;
};

/* Every encoding must have been removed. */
void encoding_set_done(struct encoding_set *set);
/* A worker's turn begins. */
void encoding_set_turn(struct encoding_set *set);

/* NULL: no memory. */
struct topics_encoding *encoding_add(struct encoding_set *set, const struct encoding *encoding);
void encoding_remove(struct encoding_set *set, struct topics_encoding *encoding);

/*
 * Encodes @event behind the others in @arena.
 *
 *   1        *ret_frame, which borrows the writer's reference
 *   0        there is no frame of this event
 *   -EAGAIN  not in this turn
 *   -ENOMEM
 */
int encoding_encode(const struct topics_encoding *encoding, struct arena_writer *arena,
                    const struct event *event, struct frame *ret_frame);
/* The same, for who is live: in an arena of its own if it can have one. */
int encoding_encode_live(struct encoding_set *set, struct topics_encoding *encoding,
                         const struct event *event, struct frame *ret_frame);

#endif
