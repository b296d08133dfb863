/*
 * server/api/api.h - one worker's GraphQL: documents, operations, groups, for all transports.
 *
 * Shape    a struct api per worker. A transport parses a request (request.h), makes an operation of it
 *          (operation.h) and sends what comes out; a subscription joins a group (group.h).
 * Turn     api_turn goes on with the operations that have not come to their end, oldest first, within a
 *          budget of API_STEPS; what mutations wait for comes by the publisher's callbacks.
 * Callers  one per worker; transports in server/protocol/.
 */
#ifndef SERVER_API_API_H
#define SERVER_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/limits.h"

struct api;
struct arena;
struct bus;
struct log_reader;
struct model;
struct publisher;
struct store;
struct text;
struct topics;

#define API_NO_ROOM                                                                                \
    "there is no room for so large an answer at the moment: ask for less, or try again"
/* Of a mutation, which must not be tried again. */
#define API_NO_ROOM_DONE                                                                           \
    "the mutation was executed, but there is no room for so large an answer at the moment: "       \
    "ask for what it has made"

enum {
    API_STEPS = 20000,       /* fields and items a turn, of all that begin and all that go on */
    API_GROUP_STEPS = 20000, /* of all groups together */
    /*
     * Of memory of operations under way: with more than that none begins, and one after the other is
     * brought to its end. What a single one may have: execute.h.
     */
    API_OPERATIONS_BYTES_MAX = 256 * 1024 * 1024,
    API_ANSWER_BYTES_MIN = 256 * 1024, /* of a large one */
    /*
     * Of large answers that have not left: one for which there is no room is refused. Nobody waits
     * for it, so clients that do not read cost nobody more than large answers.
     */
    API_ANSWERS_BYTES_MAX = 256 * 1024 * 1024,
    API_LIVE_BYTES_MAX = 256 * 1024 * 1024, /* of memory of all groups, with their documents */
    API_DOCUMENTS_MAX = 1000,
    API_DOCUMENTS_BYTES_MAX = 64 * 1024 * 1024,
};

/* The part of the configuration that the API looks at; a reload replaces the values in place. */
struct api_limits {
    struct limits operation;       /* --graphql-depth, --graphql-complexity */
    uint32_t document_bytes_max;   /* --graphql-document */
    bool is_introspection_allowed; /* --introspection */
};

struct api_options {
    struct model *model; /* not bound yet; api_open loads the catalog and binds it */
    struct bus *bus;
    struct store *store;
    struct topics *topics;
    struct publisher *publisher;
    struct log_reader *reader;
    const struct api_limits *limits;
};

/* 0; -ESTALE: the store's schema is another one; -ENOMEM; what the store says. */
int api_open(const struct api_options *options, struct api **ret_api);
/* No operation and no subscription may be left. */
void api_close(struct api *api);

/* Once per loop turn, after publisher_turn; true when it wants another turn at once. */
bool api_turn(struct api *api);

/*
 * @answer, which is whole and has API_ANSWER_BYTES_MIN or more, for a transport to send: a reference
 * of the caller's; NULL: no room (API_ANSWERS_BYTES_MAX), or no memory: API_NO_ROOM or
 * API_NO_ROOM_DONE says it. It counts until it has left or has been dropped.
 */
struct arena *api_share_answer(struct api *api, const struct text *answer);

#endif
