/*
 * server/topics/frame_run.h - frames of one encoding that lie one behind the other, to be queued
 * together.
 *
 * Shape    a run is one range. Of a spliced encoding it also has a cut per frame, the place where
 *          each subscriber's own bytes go: what lies between two cuts, behind the one in frame n and
 *          before that in frame n + 1, is one range, so n frames cost 2n + 1.
 * Memory   the cuts are the caller's. A run with frames holds a reference on its arena.
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_FRAME_RUN_H
#define SERVER_TOPICS_FRAME_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/net/arena.h"

enum {
    FRAME_RUN_CUTS_MAX = 64,
};

struct frame {
    struct range range; /* length 0: none */
    uint32_t splice;    /* of a spliced encoding: bytes before the subscriber's own */
};

struct frame_run {
    struct range range;
    uint32_t frames;
    uint32_t cuts_max;
    uint32_t *cuts; /* offsets in the arena, one per frame; NULL: not spliced */
};

/* Takes the frame in; false when it does not lie behind the run's end, or there is no room for its
   cut (the run is then unchanged). An empty run takes any. */
static inline bool frame_run_take(struct frame_run *run, struct frame frame)
{
    if (run->frames == 0) {
        arena_ref(frame.range.arena);
        run->range = frame.range;
    } else if (run->range.arena == frame.range.arena &&
               run->range.offset + run->range.length == frame.range.offset &&
               (run->cuts == NULL || run->frames < run->cuts_max)) {
        run->range.length += frame.range.length;
    } else {
        return false;
    }
    if (run->cuts != NULL)
        run->cuts[run->frames] = frame.range.offset + frame.splice;
    run->frames++;
    return true;
}

static inline void frame_run_clear(struct frame_run *run)
{
    if (run->frames > 0)
        arena_unref(run->range.arena);
    run->frames = 0;
}

/* Of a spliced run with frames: its frames + 1 pieces. */
static inline void frame_run_split(const struct frame_run *run, struct range *pieces)
{
    uint32_t from = run->range.offset;

    for (uint32_t i = 0; i < run->frames; i++) {
        pieces[i] = (struct range){
            .arena = run->range.arena, .offset = from, .length = run->cuts[i] - from};
        from = run->cuts[i];
    }
    pieces[run->frames] = (struct range){.arena = run->range.arena,
                                         .offset = from,
                                         .length = run->range.offset + run->range.length - from};
}

#endif
