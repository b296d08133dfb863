/*
 * The room (PROTOCOLS section 2): whatever text a client sends goes to everybody in it.
 *
 * It is the topic `room`. What a client sends is stored as {"from":…,"data":…} with a flag; the
 * room's encoding (frames.c) gives it back its own shape.
 */
#include "server/protocol/room.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/stats.h"
#include "server/json/json.h"
#include "server/protocol/answer.h"
#include "server/protocol/broker_message.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/session.h"
#include "server/topics/publisher.h"
#include "server/websocket/websocket.h"

#define ROOM_TOPIC  "room"
#define GIVEN_ID    "client-"
#define ID_ALPHABET "abcdefghijklmnopqrstuvwxyz0123456789"

enum {
    ROOM_TOPIC_BYTES = sizeof ROOM_TOPIC - 1,
    ROOM_ID_BYTES_MAX = 64,
    GIVEN_ID_RANDOM = 8,
    /* {"from":"","data":} */
    PAYLOAD_OVERHEAD_BYTES = 32,
    GREETING_BYTES_MAX = 512,
};

struct room_session {
    struct session session; /* session.own: bytes of the id */
    char id[];              /* terminated */
};

static_assert(offsetof(struct room_session, session.client) == 0, "describe casts");
static_assert((int)CLIENT_NAME_BYTES_MAX > (int)ROOM_ID_BYTES_MAX, "an id is a client's name");

struct room_id {
    char text[ROOM_ID_BYTES_MAX + 1];
    size_t bytes;
};

static struct room_session *room_session_of(void *user)
{
    return (struct room_session *)user;
}

/* Of all workers. */
static uint64_t count_clients(const struct service *service)
{
    return stat_sum(service->bus, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM));
}

/* --- publishing ------------------------------------------------------------------------------- */

static void send_error(struct session *session, enum broker_error code, const char *reason)
{
    static const struct broker_context nothing_known;
    char text[BROKER_REPLY_BYTES_MAX];

    session_send(session, text, broker_write_error(text, "type", &nothing_known, code, reason));
}

static void send_publish_error(struct session *session, int error)
{
    const char *reason;
    enum broker_error code = broker_publish_error(error, &reason);

    send_error(session, code, reason);
}

static void on_published(void *user, uint64_t tag, const struct publish_result *result)
{
    struct session *session = user;

    (void)tag; /* its messages need no telling apart: nothing but an error is answered */
    CHECK(session->pending_count > 0);
    session->pending_count--;
    if (result->error != 0)
        send_publish_error(session, result->error);
    session_go_on(session);
}

static int publish_text(struct room_session *room, const char *text, size_t size)
{
    struct service *service = room->session.service;
    char *payload = service_scratch(service, PAYLOAD_OVERHEAD_BYTES + room->session.own +
                                                 json_quoted_bytes_max(size));
    char *end = payload;
    struct publish publish = {
        .topic = ROOM_TOPIC,
        .topic_bytes = ROOM_TOPIC_BYTES,
        .payload = payload,
        .flags = RECORD_FROM_ROOM,
        .protocol = STAT_PROTOCOL_ROOM,
        .on_done = on_published,
        .user = &room->session,
    };
    int rc;

    if (payload == NULL)
        return -ENOMEM;
    end = put_literal(end, "{\"from\":\"");
    end = put_bytes(end, room->id, room->session.own); /* an id has nothing to escape */
    end = put_literal(end, "\",\"data\":");
    end = put_quoted(end, text, size);
    end = put_literal(end, "}");
    publish.payload_bytes = (size_t)(end - payload);

    rc = publisher_publish(service->publisher, &publish);
    if (rc == 0)
        room->session.pending_count++;
    return rc;
}

void room_tick(struct service *service)
{
    static const char payload[] = "{\"tick\":true}";
    struct publish publish = {
        .topic = ROOM_TOPIC,
        .topic_bytes = ROOM_TOPIC_BYTES,
        .payload = payload,
        .payload_bytes = sizeof payload - 1,
        .flags = RECORD_FROM_ROOM | RECORD_TICK,
        .protocol = STAT_PROTOCOL_SERVER,
    };

    if (count_clients(service) == 0 || publisher_is_blocked(service->publisher))
        return;
    (void)publisher_publish(service->publisher,
                            &publish); /* a tick may be missed: the next comes */
}

/* --- the connection --------------------------------------------------------------------------- */

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct room_session *room = room_session_of(user);
    struct service *service = room->session.service;
    int rc;

    session_count_message(&room->session);
    if (!is_text) {
        stat_add(service->bus, service->slot, STAT_PROTOCOL_ERRORS, 1);
        session_close_because(&room->session, STAT_CLOSED_PROTOCOL_ERROR, WEBSOCKET_UNSUPPORTED,
                              "text messages only");
        return true;
    }
    if (service_rate_take(service, room->session.subscriber.stream, size) > 0) {
        send_error(&room->session, BROKER_RATE_LIMITED, SESSION_TOO_FAST);
        return session_wants_more(&room->session);
    }
    rc = publish_text(room, (const char *)bytes, size);
    if (rc != 0)
        send_publish_error(&room->session, rc);
    return session_wants_more(&room->session);
}

static void on_drained(void *user)
{
    session_drained(user);
}

static void on_close(void *user, enum websocket_end end, int code)
{
    struct room_session *room = room_session_of(user);

    session_closed(&room->session, end, code);
    free(room);
}

static void describe(const struct client *client, struct client_view *view)
{
    const struct room_session *room = (const struct room_session *)(const void *)client;

    session_describe(client, view);
    memcpy(view->name, room->id, (size_t)room->session.own + 1);
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_ROOM,
    .describe = describe,
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

/* --- arriving --------------------------------------------------------------------------------- */

static bool is_id_character(char character)
{
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
           (character >= '0' && character <= '9') || character == '.' || character == '_' ||
           character == '-';
}

/* Evenly enough: 36 letters out of 64 random bits, one after the other. */
static int make_id(struct room_id *ret)
{
    uint64_t random;
    char *end = put_literal(ret->text, GIVEN_ID);

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return -EAGAIN;
    for (int i = 0; i < GIVEN_ID_RANDOM; i++) {
        *end++ = ID_ALPHABET[random % (sizeof ID_ALPHABET - 1)];
        random /= sizeof ID_ALPHABET - 1;
    }
    *end = '\0';
    ret->bytes = (size_t)(end - ret->text);
    return 0;
}

/* @rest: empty, or `/id`, percent-encoded. -EINVAL: no id that a client may have. */
static int read_id(struct http_text rest, struct room_id *ret)
{
    ptrdiff_t size;

    if (rest.size <= 1)
        return make_id(ret);
    rest.bytes++;
    rest.size--;
    size = http_decode(rest, ret->text, ROOM_ID_BYTES_MAX);
    if (size <= 0)
        return -EINVAL;
    for (ptrdiff_t i = 0; i < size; i++) {
        if (!is_id_character(ret->text[i]))
            return -EINVAL;
    }
    ret->text[size] = '\0';
    ret->bytes = (size_t)size;
    return 0;
}

static void send_greeting(struct room_session *room, const struct subscribed *subscribed)
{
    char text[GREETING_BYTES_MAX];
    char *end = put_literal(text, "{\"type\":\"greeting\",\"client_id\":\"");

    end = put_bytes(end, room->id, room->session.own);
    end = put_literal(end, "\",\"message\":\"Connected to sluice as ");
    end = put_bytes(end, room->id, room->session.own);
    end = put_literal(end, "\",\"active_connections\":");
    end = put_decimal(end, count_clients(room->session.service));
    end = put_literal(end, ",\"time\":\"");
    end = put_time(end, service_realtime_ns());
    end = put_literal(end, "\",\"seq\":");
    end = put_decimal(end, subscribed->seq);
    end = put_literal(end, ",\"epoch\":\"");
    end = put_epoch(end, subscribed->epoch);
    end = put_literal(end, "\"");
    if (subscribed->has_recovered) {
        end = subscribed->recovered ? put_literal(end, ",\"recovered\":true")
                                    : put_literal(end, ",\"recovered\":false");
    }
    end = put_literal(end, "}");
    CHECK((size_t)(end - text) <= sizeof text);
    session_send(&room->session, text, (size_t)(end - text));
}

/* Subscribes and greets; the greeting is the first thing that a client sees. */
static void enter(struct room_session *room, const struct resume *resume)
{
    struct session *session = &room->session;
    struct subscribed subscribed;
    int rc = topics_subscribe(session->service->topics, &session->subscriber, ROOM_TOPIC,
                              ROOM_TOPIC_BYTES, resume, &subscribed);

    if (rc != 0) {
        session_close_because(session, STAT_CLOSED_OVERLOADED, WEBSOCKET_TRY_LATER,
                              "the room cannot be entered now");
        return;
    }
    send_greeting(room, &subscribed);
    if (subscribed.gap_oldest != 0)
        session_send_gap(session, ROOM_TOPIC, ROOM_TOPIC_BYTES, subscribed.gap_oldest);
}

static void accept_client(struct service *service, struct http_exchange *exchange,
                          const struct room_id *id, const struct resume *resume)
{
    struct room_session *room = malloc(sizeof *room + id->bytes + 1);
    struct session_options options = {
        .service = service,
        .encodings = service->room_encodings,
        .handlers = &subscriber_handlers,
        .operations = &operations,
        .own = (uint8_t)id->bytes,
    };

    if (room == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    options.websocket =
        websocket_accept(service->websockets, exchange, NULL, &websocket_handlers, room);
    if (options.websocket == NULL) {
        free(room);
        return;
    }
    options.stream = websocket_stream(options.websocket);
    memcpy(room->id, id->text, id->bytes + 1);
    session_init(&room->session, &options);
    enter(room, resume);
}

void room_serve(struct service *service, struct http_exchange *exchange, struct http_text rest)
{
    struct resume resume;
    struct room_id id;
    const char *reason = query_resume(http_request(exchange)->query, &resume);
    int rc = read_id(rest, &id);

    if (rc == -EINVAL) {
        answer_error(service, exchange, ANSWER_BAD_REQUEST,
                     "a client's id is 1 to 64 of A-Z a-z 0-9 . _ -", NULL);
    } else if (rc != 0) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "no random numbers", NULL);
    } else if (reason != NULL) {
        answer_error(service, exchange, ANSWER_BAD_REQUEST, reason, NULL);
    } else if (session_check_upgrade(service, exchange)) {
        accept_client(service, exchange, &id, &resume);
    }
}
