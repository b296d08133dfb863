#include "server/topics/encodings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <utlist.h>

#include "bus/check.h"

void encoding_set_done(struct encoding_set *set)
{
    CHECK(set->count == 0);
    CHECK(set->warm == NULL);
    arena_writer_done(&set->shared);
}

void encoding_set_turn(struct encoding_set *set)
{
    set->turn++;
}

/* --- who has an arena ------------------------------------------------------------------------- */

static void set_cold_cuts(struct topics_encoding *encoding)
{
    if (!encoding->encoding->is_spliced)
        return;
    encoding->run.cuts = &encoding->cold_cut;
    encoding->run.cuts_max = 1;
}

/* More than one cut makes its runs longer, and nothing else. */
static void set_warm_cuts(struct topics_encoding *encoding)
{
    uint32_t *cuts;

    if (!encoding->encoding->is_spliced)
        return;
    cuts = malloc(FRAME_RUN_CUTS_MAX * sizeof *cuts);
    if (cuts == NULL)
        return;
    encoding->run.cuts = cuts;
    encoding->run.cuts_max = FRAME_RUN_CUTS_MAX;
}

static void cool(struct encoding_set *set, struct topics_encoding *encoding)
{
    CHECK(encoding->run.frames == 0);
    arena_writer_done(&encoding->arena);
    if (encoding->run.cuts != &encoding->cold_cut)
        free(encoding->run.cuts);
    set_cold_cuts(encoding);
    DL_DELETE2(set->warm, encoding, warm_prev, warm_next);
    encoding->warm_prev = NULL;
    encoding->warm_next = NULL;
    set->warm_count--;
}

static void warm_up(struct encoding_set *set, struct topics_encoding *encoding)
{
    set_warm_cuts(encoding);
    DL_APPEND2(set->warm, encoding, warm_prev, warm_next);
    set->warm_count++;
}

static void move_to_end(struct encoding_set *set, struct topics_encoding *encoding)
{
    DL_DELETE2(set->warm, encoding, warm_prev, warm_next);
    DL_APPEND2(set->warm, encoding, warm_prev, warm_next);
}

/* It is used now: whether it has an arena of its own. */
static bool take_arena(struct encoding_set *set, struct topics_encoding *encoding)
{
    bool is_warm = encoding->warm_prev != NULL;

    if (is_warm && encoding->used_turn == set->turn)
        return true;
    if (!is_warm && set->warm_count == ENCODINGS_WARM_MAX) {
        if (set->warm->used_turn == set->turn)
            return false;
        cool(set, set->warm);
    }
    if (is_warm)
        move_to_end(set, encoding);
    else
        warm_up(set, encoding);
    encoding->used_turn = set->turn;
    return true;
}

/* --- encodings -------------------------------------------------------------------------------- */

struct topics_encoding *encoding_add(struct encoding_set *set, const struct encoding *encoding)
{
    struct topics_encoding *added = calloc(1, sizeof *added);

    if (added == NULL)
        return NULL;
    added->encoding = encoding;
    added->number = ++set->last_number;
    set_cold_cuts(added);
    set->count++;
    return added;
}

void encoding_remove(struct encoding_set *set, struct topics_encoding *encoding)
{
    CHECK(encoding->list_count == 0);
    if (encoding->warm_prev != NULL)
        cool(set, encoding);
    free(encoding);
    set->count--;
}

static int write_frame(const struct encoding *encoding, struct arena_writer *arena,
                       const struct event *event, size_t bytes_max, struct frame *ret_frame)
{
    uint8_t *out = arena_writer_reserve(arena, bytes_max);
    size_t splice = 0;
    size_t bytes;

    if (out == NULL)
        return -ENOMEM;
    bytes = encoding->encode(encoding, event, out, &splice);
    CHECK(bytes <= bytes_max);
    CHECK(!encoding->is_spliced || (splice > 0 && splice < bytes));
    *ret_frame =
        (struct frame){.range = arena_writer_commit(arena, bytes), .splice = (uint32_t)splice};
    return 1;
}

int encoding_encode(const struct topics_encoding *encoding, struct arena_writer *arena,
                    const struct event *event, struct frame *ret_frame)
{
    ptrdiff_t bytes_max = encoding->encoding->frame_bytes_max(encoding->encoding, event);

    if (bytes_max <= 0)
        return (int)bytes_max;
    return write_frame(encoding->encoding, arena, event, (size_t)bytes_max, ret_frame);
}

int encoding_encode_live(struct encoding_set *set, struct topics_encoding *encoding,
                         const struct event *event, struct frame *ret_frame)
{
    ptrdiff_t bytes_max = encoding->encoding->frame_bytes_max(encoding->encoding, event);
    struct arena_writer *arena;

    if (bytes_max <= 0)
        return (int)bytes_max;
    arena = take_arena(set, encoding) ? &encoding->arena : &set->shared;
    return write_frame(encoding->encoding, arena, event, (size_t)bytes_max, ret_frame);
}
