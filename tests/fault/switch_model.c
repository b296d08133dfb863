#include "tests/fault/switch_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PASSED_OVER_EVERY = 7,
    SHOWN_BYTES = 60,
};

static const char *const names[SWITCH_TOPICS] = {"news", "room", "comments:7", "x", "row", "row:7"};

void switch_wrong(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fprintf(stderr, "wrong: ");
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n");
    va_end(arguments);
    _exit(SWITCH_WRONG); /* its store and its clients are as they are */
}

/* --- topics and operations ------------------------------------------------------------------------ */

const char *switch_topic_name(unsigned topic)
{
    return names[topic];
}

unsigned switch_topic_index(const char *name, size_t bytes)
{
    for (unsigned i = 0; i < SWITCH_TOPICS; i++) {
        if (strlen(names[i]) == bytes && memcmp(names[i], name, bytes) == 0)
            return i;
    }
    switch_wrong("no such topic: \"%.*s\"", SHOWN_BYTES, name);
}

bool switch_topic_is_row(unsigned topic)
{
    return topic >= SWITCH_ROW_FIRST;
}

bool switch_is_passed_over(enum switch_style style, const struct switch_operation *operation)
{
    return style >= SWITCH_FAKE && operation->id % PASSED_OVER_EVERY == 0;
}

void switch_payload(char *out, const struct switch_operation *operation)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    char id[16];
    size_t id_bytes = (size_t)snprintf(id, sizeof id, "%u ", operation->id);

    for (uint32_t i = 0; i < operation->payload_bytes; i++)
        out[i] = letters[(operation->id + i) % 26];
    memcpy(out, id, id_bytes < operation->payload_bytes ? id_bytes : operation->payload_bytes);
}

void switch_model_append(struct switch_model *model, uint64_t seq,
                         const struct switch_operation *operation)
{
    SWITCH_EXPECT(seq == model->now.last_seq + 1, "appended as %llu behind %llu",
                  (unsigned long long)seq, (unsigned long long)model->now.last_seq);
    SWITCH_EXPECT(seq < SWITCH_OPERATIONS_MAX, "the game is too long");
    model->operations[seq] = *operation;
    model->now.last_seq = seq;
}

void switch_model_cut(struct switch_model *model, uint64_t epoch)
{
    SWITCH_EXPECT(model->epoch_count < SWITCH_EPOCHS_MAX, "too many epochs");
    while (model->now.last_seq > model->now.committed_seq) {
        if (model->operations[model->now.last_seq].row != 0)
            model->row_count--;
        model->now.last_seq--;
    }
    model->now.announced_seq = model->now.committed_seq;
    model->epochs[model->epoch_count].epoch = epoch;
    model->epochs[model->epoch_count].first_seq = model->now.last_seq + 1;
    model->epoch_count++;
}

uint64_t switch_model_epoch(const struct switch_model *model)
{
    return model->epochs[model->epoch_count - 1].epoch;
}

static bool is_on(const struct switch_model *model, unsigned topic, uint64_t seq)
{
    return (model->operations[seq].topics & 1U << topic) != 0;
}

/* The first operation on @topic behind @seq; 0: none. */
static uint64_t next_on(const struct switch_model *model, unsigned topic, uint64_t seq)
{
    while (seq++ < model->now.last_seq) {
        if (is_on(model, topic, seq))
            return seq;
    }
    return 0;
}

/* The same of those that this reader gets. */
static uint64_t next_for(const struct switch_model *model, const struct switch_reader *reader,
                         unsigned topic, uint64_t seq)
{
    do
        seq = next_on(model, topic, seq);
    while (seq != 0 && switch_is_passed_over(reader->style, &model->operations[seq]));
    return seq;
}

uint64_t switch_model_last_before(const struct switch_model *model, unsigned topic, uint64_t seq)
{
    while (seq-- > 1) {
        if (seq <= model->now.last_seq && is_on(model, topic, seq))
            return seq;
    }
    return 0;
}

/* --- what is received ----------------------------------------------------------------------------- */

static void judge_content(const struct switch_reader *reader, const char *content,
                          const struct switch_operation *operation)
{
    static char expected[SWITCH_PAYLOAD_BYTES_MAX + 64];
    size_t bytes = 0;

    if (reader->style == SWITCH_SPLICED)
        bytes = (size_t)snprintf(expected, sizeof expected, " @%s", reader->own);
    if (reader->style != SWITCH_SHORT) {
        expected[bytes++] = ' ';
        if (operation->row != 0) {
            bytes += (size_t)snprintf(expected + bytes, 64, "{\"id\":%u,\"number\":%u}",
                                      operation->row, operation->id);
        } else {
            switch_payload(expected + bytes, operation);
            bytes += operation->payload_bytes;
        }
    }
    SWITCH_EXPECT(strlen(content) == bytes && memcmp(content, expected, bytes) == 0,
                  "instead of \"%.*s\" (%zu bytes): \"%.*s\" (%zu)",
                  (int)(bytes < SHOWN_BYTES ? bytes : SHOWN_BYTES), expected, bytes, SHOWN_BYTES,
                  content, strlen(content));
}

/* Of several readers on a connection each has its own bytes in its frames. */
static struct switch_reader *find_reader(struct switch_reader *const *readers, unsigned count,
                                         const char *content)
{
    for (unsigned i = 0; i < count && count > 1; i++) {
        size_t bytes = strlen(readers[i]->own);

        if (strncmp(content, " @", 2) == 0 && strncmp(content + 2, readers[i]->own, bytes) == 0)
            return readers[i];
    }
    SWITCH_EXPECT(count == 1, "nobody's frame: \"%.*s\"", SHOWN_BYTES, content);
    return readers[0];
}

static void read_message(struct switch_model *model, struct switch_reader *const *readers,
                         unsigned reader_count, const char *line)
{
    size_t name_bytes = strcspn(line, " ");
    unsigned topic = switch_topic_index(line, name_bytes);
    char *end;
    uint64_t seq = strtoull(line + name_bytes, &end, 10);
    struct switch_reader *reader = find_reader(readers, reader_count, end);
    struct switch_view *view = &reader->views[topic];
    uint64_t next = next_for(model, reader, topic, view->position);

    SWITCH_EXPECT(view->is_subscribed, "%s %llu, which is not subscribed", names[topic],
                  (unsigned long long)seq);
    SWITCH_EXPECT(seq == next, "%s %llu, where %llu comes next (0: nothing)", names[topic],
                  (unsigned long long)seq, (unsigned long long)next);
    judge_content(reader, end, &model->operations[seq]);
    if (switch_topic_is_row(topic))
        SWITCH_EXPECT(seq <= model->now.committed_seq, "%s %llu before it is committed",
                      names[topic], (unsigned long long)seq);
    view->position = seq;
    model->messages++;
}

/* Nothing of @topic is kept in front of @oldest, and something is there, or nothing is. */
static void judge_oldest(const struct switch_model *model, unsigned topic, uint64_t oldest,
                         const struct switch_state *before)
{
    uint64_t kept = next_on(model, topic, model->now.first_seq - 1);

    SWITCH_EXPECT(oldest <= model->now.last_seq + 1, "oldest of %s: %llu, past the log's end",
                  names[topic], (unsigned long long)oldest);
    SWITCH_EXPECT(kept == 0 || kept >= oldest, "oldest of %s: %llu, but %llu is kept", names[topic],
                  (unsigned long long)oldest, (unsigned long long)kept);
    SWITCH_EXPECT(oldest > before->announced_seq || is_on(model, topic, oldest),
                  "oldest of %s: %llu, which is not on it", names[topic],
                  (unsigned long long)oldest);
}

static void read_gap(struct switch_model *model, struct switch_reader *reader, const char *numbers)
{
    char *at;
    unsigned topic = (unsigned)strtoul(numbers, &at, 10);
    uint64_t oldest = strtoull(at, &at, 10);
    uint64_t first_seq = strtoull(at, &at, 10);
    struct switch_state before = {.announced_seq = strtoull(at, NULL, 10)};
    struct switch_view *view = &reader->views[topic];
    uint64_t lost = next_on(model, topic, view->position);
    uint64_t last_lost = switch_model_last_before(model, topic, oldest);

    SWITCH_EXPECT(view->is_subscribed, "a gap of %s, which is not subscribed", names[topic]);
    SWITCH_EXPECT(lost != 0 && lost < oldest, "a gap of %s to %llu, and nothing lies in it",
                  names[topic], (unsigned long long)oldest);
    SWITCH_EXPECT(last_lost < first_seq, "a gap of %s to %llu, but %llu was still kept",
                  names[topic], (unsigned long long)oldest, (unsigned long long)last_lost);
    judge_oldest(model, topic, oldest, &before);
    view->position = oldest - 1;
    model->gaps++;
}

/* Nothing up to it may still be to come. */
static void read_position(struct switch_model *model, const struct switch_reader *reader,
                          const char *number)
{
    uint64_t position = strtoull(number, NULL, 10);

    for (unsigned i = 0; i < SWITCH_TOPICS; i++) {
        uint64_t next;

        if (!reader->views[i].is_subscribed)
            continue;
        next = next_for(model, reader, i, reader->views[i].position);
        SWITCH_EXPECT(next == 0 || next > position, "position %llu, but %s %llu is to come",
                      (unsigned long long)position, names[i], (unsigned long long)next);
    }
    model->positions++;
}

static void read_mark(struct switch_reader *reader, bool is_subscribed, const char *numbers)
{
    char *at;
    unsigned topic = (unsigned)strtoul(numbers, &at, 10);

    reader->views[topic].is_subscribed = is_subscribed;
    if (is_subscribed)
        reader->views[topic].position = strtoull(at, NULL, 10);
}

void switch_model_read(struct switch_model *model, struct switch_reader *const *readers,
                       unsigned reader_count, const char *line)
{
    struct switch_reader *reader;
    char *rest;

    if (strchr("+-=!", line[0]) == NULL) {
        read_message(model, readers, reader_count, line);
        return;
    }
    reader = readers[strtoul(line + 1, &rest, 10)];
    if (line[0] == '!')
        read_gap(model, reader, rest);
    else if (line[0] == '=')
        read_position(model, reader, rest);
    else
        read_mark(reader, line[0] == '+', rest);
}

void switch_model_judge_end(const struct switch_model *model, const struct switch_reader *reader)
{
    for (unsigned i = 0; i < SWITCH_TOPICS; i++) {
        bool is_late = switch_topic_is_row(i) || model->is_committed_only;
        uint64_t last_seq = is_late ? model->now.announced_seq : model->now.last_seq;
        uint64_t next = next_for(model, reader, i, reader->views[i].position);

        SWITCH_EXPECT(!reader->views[i].is_subscribed || next == 0 || next > last_seq,
                      "%s %llu does not come, and the worker is at rest", names[i],
                      (unsigned long long)next);
    }
}

/* --- answers -------------------------------------------------------------------------------------- */

/* Whether a token is one of this log's as long as @last_seq is its end. */
static bool is_known(const struct switch_model *model, const struct resume *resume,
                     uint64_t last_seq)
{
    unsigned i = model->epoch_count - 1;

    if (!resume->has_epoch)
        return resume->since <= last_seq;
    while (i > 0 && model->epochs[i].epoch != resume->epoch)
        i--;
    if (model->epochs[i].epoch != resume->epoch)
        return false;
    if (i + 1 < model->epoch_count)
        return resume->since < model->epochs[i + 1].first_seq;
    return resume->since <= last_seq;
}

static void judge_resumed(const struct switch_model *model, const struct switch_state *before,
                          unsigned topic, const struct resume *resume,
                          const struct subscribed *answer)
{
    uint64_t trimmed_then = switch_model_last_before(model, topic, before->first_seq);
    uint64_t trimmed_now = switch_model_last_before(model, topic, model->now.first_seq);
    bool may_be = is_known(model, resume, model->now.last_seq) && trimmed_then <= resume->since;
    bool must_be = is_known(model, resume, before->last_seq) && trimmed_now <= resume->since;

    SWITCH_EXPECT(answer->has_recovered, "a resume that does not say whether it has recovered");
    SWITCH_EXPECT(!answer->recovered || may_be, "%s since %llu recovered what is gone",
                  names[topic], (unsigned long long)resume->since);
    SWITCH_EXPECT(answer->recovered || !must_be, "%s since %llu not recovered, but all is there",
                  names[topic], (unsigned long long)resume->since);
    if (answer->recovered) {
        SWITCH_EXPECT(answer->seq == resume->since && answer->gap_oldest == 0,
                      "recovered since %llu, and begins behind %llu",
                      (unsigned long long)resume->since, (unsigned long long)answer->seq);
        return;
    }
    SWITCH_EXPECT(answer->seq == answer->gap_oldest - 1, "not recovered: oldest %llu, seq %llu",
                  (unsigned long long)answer->gap_oldest, (unsigned long long)answer->seq);
    judge_oldest(model, topic, answer->gap_oldest, before);
}

void switch_model_judge_answer(const struct switch_model *model, const struct switch_state *before,
                               unsigned topic, const struct resume *resume,
                               const struct subscribed *answer)
{
    bool is_late = switch_topic_is_row(topic) || model->is_committed_only;
    uint64_t from = is_late ? before->announced_seq : before->last_seq;
    uint64_t to = switch_topic_is_row(topic) ? model->now.committed_seq : model->now.last_seq;

    SWITCH_EXPECT(answer->epoch == switch_model_epoch(model), "an answer in another epoch");
    if (resume->has_since)
        judge_resumed(model, before, topic, resume, answer);
    else
        SWITCH_EXPECT(answer->seq >= from && answer->seq <= to,
                      "%s from now on: %llu, which is not within %llu and %llu", names[topic],
                      (unsigned long long)answer->seq, (unsigned long long)from,
                      (unsigned long long)to);
}
