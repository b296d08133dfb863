/*
 * server/protocol/graphql_message.h - the messages of a GraphQL WebSocket, in either protocol: what
 * clients send, what we answer.
 *
 * Pure: no I/O, no state. graphql-ws's PROTOCOL.md, and that of subscriptions-transport-ws 0.11;
 * PROTOCOLS section 6. (Events are frames: server/api/group.h.)
 * Memory   a struct graphql_message borrows the compact text that it was parsed from.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_MESSAGE_H
#define SERVER_PROTOCOL_GRAPHQL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "server/api/group.h"
#include "server/graphql/errors.h"
#include "server/json/json.h"

struct text;

enum graphql_protocol {
    GRAPHQL_TRANSPORT_WS,
    GRAPHQL_OLD_WS, /* its subprotocol is called `graphql-ws` */
};

enum graphql_message_type {
    GRAPHQL_INIT,
    GRAPHQL_PING,
    GRAPHQL_PONG,
    GRAPHQL_START, /* `subscribe`, and the old protocol's `start` */
    GRAPHQL_STOP,  /* `complete`, and the old protocol's `stop` */
    GRAPHQL_TERMINATE,
};

struct graphql_message {
    enum graphql_message_type type;
    struct json_span payload; /* of GRAPHQL_START an object; else as it was sent. Size 0: none */
    size_t id_bytes;          /* 0: none */
    /* As JSON, always written in the same way, so that equal ids are equal bytes. */
    char id[GROUP_ID_BYTES_MAX];
};

/*
 * Parses @in. @compact has room for @in_bytes and must outlive *ret. NULL: it is a message of
 * @protocol; else why it is none, in words, and ret->id is set if there is a good one.
 */
const char *graphql_message_parse(enum graphql_protocol protocol, const char *in, size_t in_bytes,
                                  char *compact, struct graphql_message *ret);

/* --- answers: each is added to @out; ids are JSON -------------------------------------------- */

/* Up to the payload, which a closing brace has to follow. */
void graphql_message_begin_result(enum graphql_protocol protocol, struct json_span id,
                                  struct text *out);
void graphql_message_write_complete(struct json_span id, struct text *out);
/*
 * `error`, which ends the operation. @answer: {"errors":[…]}. The newer protocol's payload is that
 * array; the old one's is a single error, which has all of them in a member `errors` if there are more.
 */
void graphql_message_write_errors(enum graphql_protocol protocol, struct json_span id,
                                  struct json_span answer, struct text *out);
/* The same of one error. */
void graphql_message_write_error(enum graphql_protocol protocol, struct json_span id,
                                 enum graphql_code code, const char *message, struct text *out);
/* The old protocol's word on what belongs to no operation. */
void graphql_message_write_connection_error(const char *message, struct text *out);
void graphql_message_write_acknowledgement(uint64_t epoch, uint64_t seq, struct text *out);
/* @payload: of the ping; what is no object is left out. */
void graphql_message_write_pong(struct json_span payload, struct text *out);
/* A ping of the newer protocol; the old one has no word for it. */
void graphql_message_write_shutdown(uint32_t remaining_seconds, struct text *out);

#endif
