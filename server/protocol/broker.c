#include "server/protocol/broker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/protocol/answer.h"
#include "server/protocol/service.h"
#include "server/topics/publisher.h"
#include "server/websocket/websocket.h"

enum {
    /* Topic and id of a pooled one; with longer texts it is allocated and freed by itself. */
    PENDING_TEXT_BYTES = 88,
    PENDING_POOL_MAX = 4096,
    /* A longer message over the rate is refused without its topic and id. */
    REFUSED_BYTES_MAX = 4096,
};

/* A publish that waits for its answer: what the answer says besides the seq. */
struct pending_publish {
    struct pending_publish *next; /* in the session's list, or in the pool */
    struct pending_publish **link;
    uint16_t topic_bytes;
    uint16_t id_bytes;
    bool is_pooled;
    char text[]; /* topic, id */
};

static_assert(sizeof(struct pending_publish) + PENDING_TEXT_BYTES <= 120, "one small allocation");

/* --- waiting publishes ------------------------------------------------------------------------ */

static struct pending_publish *pending_new(struct service *service, size_t text_bytes)
{
    struct pending_publish *pending = service->pendings;
    bool is_pooled = text_bytes <= PENDING_TEXT_BYTES;

    if (is_pooled && pending != NULL) {
        service->pendings = pending->next;
        service->pending_count--;
        return pending;
    }
    pending = malloc(sizeof *pending + (is_pooled ? PENDING_TEXT_BYTES : text_bytes));
    if (pending != NULL)
        pending->is_pooled = is_pooled;
    return pending;
}

static void pending_free(struct service *service, struct pending_publish *pending)
{
    if (!pending->is_pooled || service->pending_count >= PENDING_POOL_MAX) {
        free(pending);
        return;
    }
    pending->next = service->pendings;
    service->pendings = pending;
    service->pending_count++;
}

static void pending_link(struct broker_session *broker, struct pending_publish *pending)
{
    pending->next = broker->pendings;
    pending->link = &broker->pendings;
    if (pending->next != NULL)
        pending->next->link = &pending->next;
    broker->pendings = pending;
    broker->session.pending_count++;
}

static void pending_unlink(struct broker_session *broker, struct pending_publish *pending)
{
    CHECK(broker->session.pending_count > 0);
    *pending->link = pending->next;
    if (pending->next != NULL)
        pending->next->link = pending->link;
    broker->session.pending_count--;
}

static struct pending_publish *pending_make(struct service *service,
                                            const struct broker_context *context)
{
    struct pending_publish *pending = pending_new(service, context->topic_bytes + context->id.size);

    if (pending == NULL)
        return NULL;
    pending->topic_bytes = (uint16_t)context->topic_bytes;
    pending->id_bytes = (uint16_t)context->id.size;
    memcpy(pending->text, context->topic, context->topic_bytes);
    if (context->id.size > 0)
        memcpy(pending->text + context->topic_bytes, context->id.bytes, context->id.size);
    return pending;
}

void broker_pool_clear(struct service *service)
{
    while (service->pendings != NULL) {
        struct pending_publish *pending = service->pendings;

        service->pendings = pending->next;
        free(pending);
    }
    service->pending_count = 0;
}

/* --- actions ---------------------------------------------------------------------------------- */

static void answer_broker_error(struct broker_session *broker, const struct broker_context *context,
                                enum broker_error error, const char *reason)
{
    char text[BROKER_REPLY_BYTES_MAX];

    session_send(&broker->session, text,
                 broker_write_error(text, "status", context, error, reason));
}

void broker_send_error(struct broker_session *broker, enum broker_error error, const char *reason)
{
    static const struct broker_context nothing_known;

    answer_broker_error(broker, &nothing_known, error, reason);
}

static void handle_subscribe(struct broker_session *broker, const struct broker_message *message)
{
    const struct broker_context *context = &message->context;
    struct session *session = &broker->session;
    struct subscribed subscribed;
    char text[BROKER_REPLY_BYTES_MAX];
    int rc = topics_subscribe(session->service->topics, &session->subscriber, context->topic,
                              context->topic_bytes, &message->resume, &subscribed);

    if (rc == -EEXIST) {
        answer_broker_error(broker, context, BROKER_BAD_REQUEST,
                            "already subscribed: `since` can no longer be given");
    } else if (rc == -E2BIG) {
        answer_broker_error(broker, context, BROKER_TOO_MANY_SUBSCRIPTIONS,
                            "this connection has as many subscriptions as it may have");
    } else if (rc != 0) {
        answer_broker_error(broker, context, BROKER_UNAVAILABLE, "try again later");
    } else {
        session_send(session, text, broker_write_subscribed(text, context, &subscribed));
        if (subscribed.gap_oldest != 0)
            session_send_gap(session, context->topic, context->topic_bytes, subscribed.gap_oldest);
    }
}

static void handle_unsubscribe(struct broker_session *broker, const struct broker_context *context)
{
    struct session *session = &broker->session;
    char text[BROKER_REPLY_BYTES_MAX];
    int rc = topics_unsubscribe(session->service->topics, &session->subscriber, context->topic,
                                context->topic_bytes);

    if (rc != 0)
        answer_broker_error(broker, context, BROKER_NOT_SUBSCRIBED, "not subscribed to it");
    else
        session_send(session, text, broker_write_unsubscribed(text, context));
}

static void handle_ping(struct broker_session *broker, const struct broker_context *context)
{
    struct session *session = &broker->session;
    struct service *service = session->service;
    char text[BROKER_REPLY_BYTES_MAX];

    session_send(session, text,
                 broker_write_pong(text, context,
                                   topics_position(service->topics, &session->subscriber),
                                   bus_epoch(service->bus)));
}

static void on_published(void *user, uint64_t tag, const struct publish_result *result)
{
    struct broker_session *broker = user;
    struct pending_publish *pending = (struct pending_publish *)(uintptr_t)tag;
    struct broker_context context;
    char text[BROKER_REPLY_BYTES_MAX];
    const char *reason;
    enum broker_error error;

    context.topic_bytes = pending->topic_bytes;
    memcpy(context.topic, pending->text, pending->topic_bytes);
    context.id = (struct json_span){pending->text + pending->topic_bytes, pending->id_bytes};
    if (result->error == 0) {
        session_send(&broker->session, text, broker_write_published(text, &context, result->seq));
    } else {
        error = broker_publish_error(result->error, &reason);
        answer_broker_error(broker, &context, error, reason);
    }
    pending_unlink(broker, pending);
    pending_free(broker->session.service, pending);
    if (broker->on_answered != NULL)
        broker->on_answered(broker);
    session_go_on(&broker->session);
}

static void handle_publish(struct broker_session *broker, const struct broker_message *message)
{
    struct service *service = broker->session.service;
    struct pending_publish *pending = pending_make(service, &message->context);
    struct publish publish = {
        .topic = message->context.topic,
        .topic_bytes = message->context.topic_bytes,
        .payload = message->payload.bytes,
        .payload_bytes = message->payload.size,
        .is_durable = message->is_durable,
        .protocol = broker->session.client.operations->protocol,
        .on_done = on_published,
        .user = broker,
        .tag = (uint64_t)(uintptr_t)pending,
    };
    const char *reason;
    enum broker_error error;
    int rc = pending == NULL ? -ENOMEM : publisher_publish(service->publisher, &publish);

    if (rc == 0) {
        pending_link(broker, pending);
        return;
    }
    error = broker_publish_error(rc, &reason);
    answer_broker_error(broker, &message->context, error, reason);
    if (pending != NULL)
        pending_free(service, pending);
}

/* Over the rate: what a flood costs is this answer, so only a short message is looked into for it. */
static void refuse_rate(struct broker_session *broker, const char *text, size_t size)
{
    struct broker_message message = {0};
    const char *reason = NULL;
    char compact[REFUSED_BYTES_MAX];

    if (size <= sizeof compact)
        (void)broker_message_parse(text, size, compact, &message, &reason); /* topic and id */
    answer_broker_error(broker, &message.context, BROKER_RATE_LIMITED, SESSION_TOO_FAST);
}

static void handle_message(struct broker_session *broker, const struct broker_message *message)
{
    switch (message->action) {
    case BROKER_SUBSCRIBE:
        handle_subscribe(broker, message);
        break;
    case BROKER_UNSUBSCRIBE:
        handle_unsubscribe(broker, &message->context);
        break;
    case BROKER_PUBLISH:
        handle_publish(broker, message);
        break;
    case BROKER_PING:
        handle_ping(broker, &message->context);
        break;
    }
}

bool broker_handle(struct broker_session *broker, const char *text, size_t size)
{
    struct session *session = &broker->session;
    struct service *service = session->service;
    struct broker_message message;
    const char *reason = NULL;
    char *compact = service_scratch(service, size);
    enum broker_error error;

    session_count_message(session);
    if (service_rate_take(service, session->subscriber.stream, size) > 0) {
        refuse_rate(broker, text, size);
    } else if (compact == NULL) {
        broker_send_error(broker, BROKER_UNAVAILABLE, "out of memory");
    } else {
        error = broker_message_parse(text, size, compact, &message, &reason);
        if (error == BROKER_OK)
            handle_message(broker, &message);
        else
            answer_broker_error(broker, &message.context, error, reason);
    }
    return session_wants_more(session);
}

void broker_done(struct broker_session *broker)
{
    struct service *service = broker->session.service;
    struct pending_publish *pending = broker->pendings;

    broker->pendings = NULL;
    while (pending != NULL) {
        struct pending_publish *next = pending->next;

        pending_free(service, pending);
        pending = next;
    }
}

/* --- over WebSocket --------------------------------------------------------------------------- */

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct broker_session *broker = user;
    struct service *service = broker->session.service;

    if (!is_text) {
        stat_add(service->bus, service->slot, STAT_PROTOCOL_ERRORS, 1);
        session_close_because(&broker->session, STAT_CLOSED_PROTOCOL_ERROR, WEBSOCKET_UNSUPPORTED,
                              "text messages only");
        return true;
    }
    return broker_handle(broker, (const char *)bytes, size);
}

static void on_drained(void *user)
{
    struct broker_session *broker = user;

    session_drained(&broker->session);
}

static void on_close(void *user, enum websocket_end end, int code)
{
    struct broker_session *broker = user;

    session_closed(&broker->session, end, code); /* no answer comes from here on */
    broker_done(broker);
    free(broker);
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_BROKER,
    .describe = session_describe,
    .warn = session_warn,
    .close = session_close,
    .kick = session_kick,
};

static const struct subscriber_handlers subscriber_handlers = {
    .on_gap = session_send_gap,
};

static const struct websocket_handlers websocket_handlers = {
    .on_message = on_message,
    .on_drained = on_drained,
    .on_close = on_close,
};

void broker_serve(struct service *service, struct http_exchange *exchange)
{
    struct session_options options = {
        .service = service,
        .encodings = service->broker_encodings,
        .handlers = &subscriber_handlers,
        .operations = &operations,
    };
    struct broker_session *broker;

    if (!session_check_upgrade(service, exchange))
        return;
    broker = malloc(sizeof *broker);
    if (broker == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    options.websocket =
        websocket_accept(service->websockets, exchange, NULL, &websocket_handlers, broker);
    if (options.websocket == NULL) {
        free(broker);
        return;
    }
    options.stream = websocket_stream(options.websocket);
    session_init(&broker->session, &options);
    broker->pendings = NULL;
    broker->on_answered = NULL;
}
