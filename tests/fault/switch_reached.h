/*
 * tests/fault/switch_reached.h - what the simulator claims to reach: how often each has happened is
 * counted, and a campaign in which one never did has failed.
 */
#ifndef TESTS_FAULT_SWITCH_REACHED_H
#define TESTS_FAULT_SWITCH_REACHED_H

// clang-format off
#define SWITCH_REACHED(X) \
    X(LAGS_QUEUE,           "live -> lagging: its queue was over the limit") \
    X(LAGS_PUT_OFF,         "live -> lagging: no frame in this turn") \
    X(LAGS_LAPPED,          "live -> lagging: retention overtook the worker") \
    X(GOES_LIVE,            "lagging -> live") \
    X(GOES_LIVE_QUEUED,     "lagging -> live with something in its queue") \
    X(GOES_LIVE_PART,       "lagging -> live of one kind of topic, while the other lags on") \
    X(WAITS,                "fed -> waiting for its socket") \
    X(DRAINED,              "waiting -> ready: its socket drained") \
    X(STOPS_INSIDE,         "a step stopped inside a span: queue full") \
    X(READS_RING,           "a step that ended in the ring") \
    X(READS_STORE,          "a step that ended in the store") \
    X(STEP_LAPPED,          "a lagging cursor in the ring was lapped") \
    X(WORKER_LAPPED,        "the worker's own cursor was lapped") \
    X(CURSOR_BACK,          "a newcomer moved the cursor of who lags back") \
    X(LAGS_BOTH_KINDS,      "plain and row topics of one reader lag together") \
    X(LAGS_BESIDE_LIVE,     "one topic of a reader lags, another is live") \
    X(PUT_OFF,              "a step met an event without a frame") \
    X(PUT_OFF_PARTLY,       "... of which another topic had been queued") \
    X(GAP,                  "gap, told while catching up") \
    X(GAP_LEAVES,           "... and unsubscribed from inside") \
    X(GAP_ENDS,             "... and ended from inside") \
    X(TRIMMED_LAGGING,      "retention overtook a lagging cursor") \
    X(RESUME_LAGS,          "resume: lagging at first") \
    X(RESUME_LIVE,          "resume: live at once") \
    X(RESUME_AT_END,        "resume: since is the end") \
    X(RESUME_PAST,          "resume: since past the end") \
    X(RESUME_UNKNOWN,       "resume: unknown epoch") \
    X(RESUME_EARLIER,       "resume: an earlier epoch, recovered") \
    X(RESUME_CUT,           "resume: an earlier epoch, past its end") \
    X(RESUME_TRIMMED,       "resume: retention took some of it") \
    X(AGAIN_LAGGING,        "subscribed again while lagging") \
    X(LEFT_LAGGING,         "unsubscribed while lagging") \
    X(CLOSED_LAGGING,       "closed while lagging") \
    X(BROKE_LAGGING,        "connection broke in the flush while lagging") \
    X(FINISHED_LAGGING,     "finished while lagging") \
    X(POSITION_LAGGING,     "position asked while lagging") \
    X(RING_FULL,            "append refused: commits stand still") \
    X(BATCH_CUT,            "a batch that went in partly") \
    X(WRAPPED,              "a record across the ring's end") \
    X(COMMAND_FAILED,       "a COMMAND that came to nothing") \
    X(COMMAND_NO_TOPIC,     "a COMMAND without topics") \
    X(COMMAND_TOPICS,       "a COMMAND with several topics") \
    X(COMMITTED_QUIETLY,    "committed, and not announced") \
    X(WRITER_DIED,          "the writer died and began anew") \
    X(WRITER_DIED_QUIETLY,  "... behind a commit that it had not announced") \
    X(WRITER_DIED_LAGGING,  "... while somebody was catching up") \
    X(IN_TAIL,              "another process meddled: tail read") \
    X(IN_COMMITTED,         "another process meddled: committed read") \
    X(IN_READ,              "another process meddled: ring read") \
    X(IN_SNAPSHOT,          "another process meddled: snapshot begun") \
    X(IN_TOPIC,             "another process meddled: topic's seqs read") \
    X(SLEPT,                "the worker slept") \
    X(WOKEN,                "the worker was woken by another process") \
    X(LIMIT_CHANGED,        "the queue's limit was changed") \
    X(DURABILITY_CHANGED,   "the durability was changed") \
    X(WORKER_RESTARTED,     "the worker began anew") \
    X(POWER_CUT,            "power cut: a new epoch")

enum switch_reached {
#define SWITCH_REACHED_NAME(name, text) SWITCH_##name,
    SWITCH_REACHED(SWITCH_REACHED_NAME)
#undef SWITCH_REACHED_NAME
    SWITCH_REACHED_COUNT,
};
// clang-format on

#endif
