#include "server/topics/page.h"

#include <errno.h>

#include "bus/check.h"
#include "bus/shm.h"
#include "server/topics/topics.h"
#include "store/env.h"
#include "store/log.h"

/* --- beginning -------------------------------------------------------------------------------- */

/* Whether the reader's position is one of this log, up to what it knows now. */
static int judge_resume(const struct page *page, const struct resume *resume,
                        enum epoch_verdict *ret_verdict)
{
    uint64_t tail_seq = ring_tail(page->options.bus).seq;

    *ret_verdict = EPOCH_GOOD;
    if (resume->has_epoch)
        return log_epoch_judge(page->options.store, resume->epoch, resume->since, tail_seq,
                               ret_verdict);
    if (resume->since > tail_seq)
        *ret_verdict = EPOCH_PAST;
    return 0;
}

int page_begin(struct page *page, const struct page_options *options, const struct resume *resume)
{
    enum epoch_verdict verdict = EPOCH_GOOD;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(options->store, ring_committed(options->bus).seq);

    CHECK(options->limit > 0);
    *page = (struct page){.options = *options};
    if (rc == 0)
        rc = judge_resume(page, resume, &verdict);
    if (rc == 0)
        rc = log_topic_info(options->store, options->topic.name, options->topic.bytes, &info);
    if (rc != 0)
        return rc;

    page->has_recovered = verdict == EPOCH_GOOD && info.trimmed_seq <= resume->since;
    page->since_seq = page->has_recovered ? resume->since : 0;
    page->oldest_seq = info.oldest_seq;
    page->last_seq = info.last_seq > info.trimmed_seq ? info.last_seq : info.trimmed_seq;

    page->until = store_committed(store_snapshot_meta(options->store));
    page->committed =
        (struct log_cursor){.seq = page->until.seq, .pos = page->until.pos, .has_pos = true};
    if (!topics_is_row_topic(options->topics, options->topic.name, options->topic.bytes))
        page->until = ring_tail(options->bus);
    if (info.oldest_seq == 0 || page->since_seq >= page->committed.seq)
        page->cursor = page->committed;
    else
        page->cursor = (struct log_cursor){.seq = page->since_seq};
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* One event of the topic. */
static void take_event(struct page *page, const struct record *event)
{
    if (page->oldest_seq == 0)
        page->oldest_seq = event->seq;
    if (event->seq > page->last_seq)
        page->last_seq = event->seq;
    if (event->seq <= page->since_seq || page->is_full)
        return;
    if (page->count == page->options.limit || !page->options.on_event(page->options.user, event))
        page->is_full = true;
    else
        page->count++;
}

static void take_span(struct page *page, const struct log_span *span, uint64_t had_seq)
{
    const struct record_topic *topic = &page->options.topic;
    struct record record;
    size_t end = 0;

    while (log_span_next(span, &end, &record)) {
        if (record.seq > had_seq && record.seq <= page->until.seq && record_is_event(&record) &&
            record_has_topic(&record, topic->name, topic->bytes))
            take_event(page, &record);
    }
}

/* The log now begins behind @had_seq: was something of this topic among what retention took? */
static int judge_trimmed(struct page *page, uint64_t had_seq)
{
    const struct page_options *options = &page->options;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(options->store, ring_committed(options->bus).seq);

    if (rc == 0)
        rc = log_topic_info(options->store, options->topic.name, options->topic.bytes, &info);
    if (rc != 0)
        return rc;
    page->cursor.is_trimmed = false;
    if (info.trimmed_seq > had_seq && !page->is_full) {
        page->has_recovered = false;
        page->oldest_seq = info.oldest_seq;
    }
    return 0;
}

int page_step(struct page *page)
{
    const struct log_filter filter = {.topics = &page->options.topic, .count = 1};
    uint64_t had_seq = page->cursor.seq;
    struct log_span span;
    int rc = log_reader_next(page->options.reader, &page->cursor, &filter, page->until.seq,
                             page->until.pos, &span);

    if (rc == -EAGAIN)
        return 1;
    if (rc >= 0 && page->cursor.is_trimmed && judge_trimmed(page, had_seq) != 0)
        return -EIO;
    if (rc <= 0)
        return rc;
    take_span(page, &span, had_seq);
    /* Of what is committed the store has told last_seq; only the ring is still to be looked at. */
    if (page->is_full && page->cursor.seq < page->committed.seq)
        page->cursor = page->committed;
    return 1;
}
