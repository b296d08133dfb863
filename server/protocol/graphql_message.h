/*
 * server/protocol/graphql_message.h - what clients send over a GraphQL WebSocket, in either protocol.
 *
 * Pure: no I/O, no state, nothing allocated. graphql-ws's PROTOCOL.md, and that of
 * subscriptions-transport-ws 0.11; PROTOCOLS section 6.
 * Memory   a struct graphql_message borrows the compact text that it was parsed from.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_MESSAGE_H
#define SERVER_PROTOCOL_GRAPHQL_MESSAGE_H

#include <stddef.h>

#include "server/api/group.h"
#include "server/json/json.h"

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

#endif
