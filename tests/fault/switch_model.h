/*
 * tests/fault/switch_model.h - the simplest model of what clients are given: a list of all
 * operations, and of each reader how far it has come in each topic.
 *
 * It knows nothing of live, lagging, ring or store. It knows what was appended, how far the log is
 * committed and from where on it is kept, as the writer has said.
 * Lines    what a connection receives, in the order in which it was queued:
 *            TOPIC SEQ [@OWN ]PAYLOAD         an event
 *            +READER TOPIC_INDEX SEQ          marks of the simulator's: subscribed behind SEQ,
 *            -READER TOPIC_INDEX              unsubscribed,
 *            =READER SEQ                      its position was said to be SEQ,
 *            !READER TOPIC_INDEX OLDEST FIRST ANNOUNCED
 *                                             it was told of a gap when the log began at FIRST, in a
 *                                             turn at whose begin ANNOUNCED was committed
 * Errors   whatever is wrong ends the program: switch_wrong.
 */
#ifndef TESTS_FAULT_SWITCH_MODEL_H
#define TESTS_FAULT_SWITCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/topics/topics.h"

enum {
    SWITCH_TOPICS = 6,
    SWITCH_ROW_FIRST = 4, /* this topic and those behind it are rows' */
    SWITCH_OPERATIONS_MAX = 64 * 1024,
    SWITCH_PAYLOAD_BYTES_MAX = 12 * 1024,
    SWITCH_EPOCHS_MAX = 16,
    SWITCH_WRONG = 3, /* exit status of switch_wrong */
};

struct switch_operation {
    uint32_t topics;        /* a bit for each; none: it has come to nothing */
    uint32_t id;            /* its payload begins with it, or its row has it */
    uint32_t row;           /* what a COMMAND created; 0: it is an EVENT */
    uint32_t payload_bytes; /* of an EVENT */
};

/* Of a reader's encoding. */
enum switch_style {
    SWITCH_TEXT,
    SWITCH_SHORT,   /* no payload */
    SWITCH_FAKE,    /* this one and the next pass some events over */
    SWITCH_SPLICED, /* and this one has the reader's own bytes in each frame */
    SWITCH_STYLES,
};

struct switch_view {
    bool is_subscribed;
    uint64_t position; /* all up to it has been given */
};

struct switch_reader {
    enum switch_style style;
    char own[24]; /* of SWITCH_SPLICED */
    struct switch_view views[SWITCH_TOPICS];
};

/* What the processes beside the worker have done so far. */
struct switch_state {
    uint64_t last_seq;
    uint64_t committed_seq; /* in the store */
    uint64_t announced_seq; /* and the ring says so */
    uint64_t first_seq;     /* that is kept */
};

struct switch_model {
    struct switch_operation *operations; /* [seq] */
    struct switch_state now;
    uint32_t row_count;
    bool is_committed_only;
    struct {
        uint64_t epoch;
        uint64_t first_seq;
    } epochs[SWITCH_EPOCHS_MAX];
    unsigned epoch_count;
    uint64_t messages;
    uint64_t gaps;
    uint64_t positions;
};

_Noreturn void switch_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program unless @is_so. */
#define SWITCH_EXPECT(is_so, ...)                                                                  \
    do {                                                                                           \
        if (!(is_so))                                                                              \
            switch_wrong(__VA_ARGS__);                                                             \
    } while (0)

/* For seq, which has to be the next one. */
void switch_model_append(struct switch_model *model, uint64_t seq,
                         const struct switch_operation *operation);
/* A power cut: what is not committed is gone. */
void switch_model_cut(struct switch_model *model, uint64_t epoch);
uint64_t switch_model_epoch(const struct switch_model *model);

const char *switch_topic_name(unsigned topic);
unsigned switch_topic_index(const char *name, size_t bytes);
bool switch_topic_is_row(unsigned topic);
/* Whether readers with such a style get no frame of it. */
bool switch_is_passed_over(enum switch_style style, const struct switch_operation *operation);
/* The payload of an EVENT: payload_bytes of it. */
void switch_payload(char *out, const struct switch_operation *operation);

/* One line that a connection with these readers has received. */
void switch_model_read(struct switch_model *model, struct switch_reader *const *readers,
                       unsigned reader_count, const char *line);
/* What subscribing has answered; @before: as things stood when it was asked. */
void switch_model_judge_answer(const struct switch_model *model, const struct switch_state *before,
                               unsigned topic, const struct resume *resume,
                               const struct subscribed *answer);
/*
 * It has everything of what it is subscribed to that it may have by now: of rows, and of everything when
 * only what is committed is delivered, what has been announced.
 */
void switch_model_judge_end(const struct switch_model *model, const struct switch_reader *reader);
/* The last operation on @topic before @seq; 0: none. */
uint64_t switch_model_last_before(const struct switch_model *model, unsigned topic, uint64_t seq);

#endif
