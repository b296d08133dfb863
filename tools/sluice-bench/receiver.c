#include "tools/sluice-bench/receiver.h"

#include <errno.h>
#include <stdlib.h>

#include "bus/check.h"

int receiver_init(struct receiver *receiver, const struct options *options, uint32_t process)
{
    uint64_t slot_count = 1;

    *receiver = (struct receiver){
        .options = options,
        .first_connection = options_first_connection(options, process),
        .end_connection = options_first_connection(options, process + 1),
    };
    uint32_t connection_count = receiver->end_connection - receiver->first_connection;
    if (connection_count == 0 || options->publisher_count == 0)
        return 0;

    receiver->sequences =
        calloc((size_t)connection_count * options->publisher_count, sizeof receiver->sequences[0]);
    receiver->publishers = calloc(options->publisher_count, sizeof receiver->publishers[0]);
    if (receiver->sequences == NULL || receiver->publishers == NULL)
        goto fail;
    if (options->pace != OPTIONS_PACE_WINDOW)
        return 0;

    while (slot_count < options->window_count)
        slot_count *= 2;
    receiver->window_mask = slot_count - 1;
    receiver->arrived = calloc(slot_count * options->publisher_count, sizeof receiver->arrived[0]);
    if (receiver->arrived == NULL)
        goto fail;
    for (uint32_t i = 0; i < options->publisher_count; i++)
        receiver->publishers[i].arrived = receiver->arrived + slot_count * i;
    return 0;

fail:
    receiver_done(receiver);
    return -ENOMEM;
}

void receiver_done(struct receiver *receiver)
{
    free(receiver->sequences);
    free(receiver->publishers);
    free(receiver->arrived);
    *receiver = (struct receiver){0};
}

/* Is message @number of a publisher everywhere in this process? */
static bool is_complete(const struct receiver *receiver, const struct receiver_publisher *publisher,
                        uint64_t number)
{
    uint32_t topic = (uint32_t)(number % receiver->options->topic_count);
    uint32_t wanted = options_subscriber_count(receiver->options, topic, receiver->first_connection,
                                               receiver->end_connection);
    return publisher->arrived[number & receiver->window_mask] == wanted;
}

/* Beyond what any publisher can have sent yet: the server has made this one up. */
static bool is_beyond_window(const struct receiver *receiver,
                             const struct receiver_publisher *publisher, uint64_t number)
{
    return receiver->options->pace == OPTIONS_PACE_WINDOW && number >= publisher->completed &&
           number - publisher->completed > receiver->window_mask;
}

static void window_count(struct receiver *receiver, struct receiver_publisher *publisher,
                         uint64_t number)
{
    publisher->arrived[number & receiver->window_mask]++;
    if (number != publisher->completed)
        return;
    /* Bounded: slots beyond the window are empty and each process has all topics. */
    while (is_complete(receiver, publisher, publisher->completed)) {
        publisher->arrived[publisher->completed & receiver->window_mask] = 0;
        publisher->completed++;
        receiver->has_progress = true;
    }
}

void receiver_take(struct receiver *receiver, uint32_t connection, const struct payload_mark *mark,
                   uint64_t now_ns, struct control_account *account)
{
    struct control_report *report = &account->report;
    const struct options *options = receiver->options;
    uint32_t topic = connection % options->topic_count;

    CHECK(connection >= receiver->first_connection);
    CHECK(connection < receiver->end_connection);

    if (mark->publisher >= options->publisher_count ||
        mark->number % options->topic_count != topic) {
        report->order_errors++;
        return;
    }

    size_t row = (size_t)(connection - receiver->first_connection) * options->publisher_count;
    struct sequence *sequence = &receiver->sequences[row + mark->publisher];
    struct receiver_publisher *publisher = &receiver->publishers[mark->publisher];
    if (is_beyond_window(receiver, publisher, mark->number)) {
        report->order_errors++;
        return;
    }
    switch (sequence_take(sequence, mark->number / options->topic_count)) {
    case SEQUENCE_DUPLICATE:
        report->duplicates++;
        return;
    case SEQUENCE_LATE:
        report->order_errors++;
        break;
    case SEQUENCE_NEW:
        break;
    }

    report->delivered++;
    report->last_delivery_ns = now_ns;
    if (options->pace == OPTIONS_PACE_WINDOW)
        window_count(receiver, publisher, mark->number);
    if (receiver->is_measuring)
        histogram_add(&account->result->delivery,
                      now_ns > mark->time_ns ? now_ns - mark->time_ns : 0);
}
