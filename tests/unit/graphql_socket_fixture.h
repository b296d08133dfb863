/*
 * tests/unit/graphql_socket_fixture.h - GraphQL over WebSocket with operations that do what the test
 * says (fake_api.h), over a worker's real topics.
 */
#ifndef TESTS_UNIT_GRAPHQL_SOCKET_FIXTURE_H
#define TESTS_UNIT_GRAPHQL_SOCKET_FIXTURE_H

#include "tests/unit/protocol_fixture.h"

#define SOCKET_INIT "{\"type\":\"connection_init\"}"
#define SOCKET_ACKNOWLEDGEMENT                                                                     \
    "{\"type\":\"connection_ack\",\"payload\":{\"epoch\":\"" PROTOCOL_EPOCH "\",\"seq\":\"0\"}}"

/* cmocka's setup and teardown: *state is a struct protocol_fixture. */
int socket_setup(void **state);
int socket_teardown(void **state);
/* The API of the fixture that was set up last. */
struct fake_api *socket_api(void);

struct peer *socket_connect(struct protocol_fixture *f, const char *protocol);
/* Connections that have been acknowledged: of the newer protocol, and of the older. */
struct peer *socket_connect_new(struct protocol_fixture *f);
struct peer *socket_connect_old(struct protocol_fixture *f);

/* `subscribe` and `start`. */
void socket_subscribe(struct peer *peer, const char *id, const char *query);
void socket_start(struct peer *peer, const char *id, const char *query);
void socket_complete(struct peer *peer, const char *id);
void socket_expect_close(struct peer *peer, int code, const char *reason);

#endif
