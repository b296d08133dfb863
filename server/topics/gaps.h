/*
 * server/topics/gaps.h - what retention has taken: the oldest event of a topic, and telling those who
 * have lost something.
 *
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_GAPS_H
#define SERVER_TOPICS_GAPS_H

#include <stdint.h>

#include "bus/record.h"
#include "server/topics/subscriptions.h"

struct subscriber;
struct topics;

/*
 * This topic's first seq still kept, or, when nothing of it is, a seq before which there is
 * nothing of it any more and that is at most one past the end of what is delivered of its kind.
 */
int gaps_oldest(struct topics *topics, enum topic_kind kind, const struct record_topic *name,
                uint64_t *ret_oldest);

/*
 * The log no longer has what followed @after_seq: tells those lagging subscriptions whose topic lost
 * something they had not had yet. How many were told, or -errno. The subscriber may be gone
 * afterwards: catch_up_set.visited says so.
 */
int gaps_tell(struct topics *topics, struct subscriber *subscriber, uint64_t after_seq);

#endif
