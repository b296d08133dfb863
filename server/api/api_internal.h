/*
 * server/api/api_internal.h - between the files of server/api; for nobody else.
 *
 * api.c        opening, the document cache, the turn
 * request.c    a request's JSON
 * operation.c  one request, from its text to its answer
 * outgoing.c   large answers until they have left
 * live.c       a subscription's selection, executed on one event (for group.c)
 * group.c      subscriptions that get the same
 * resolve*.c   answers to fields; mutate*.c: those that change something
 */
#ifndef SERVER_API_API_INTERNAL_H
#define SERVER_API_API_INTERNAL_H

#include "bus/stats.h"
#include "server/api/api.h"
#include "server/api/model.h"
#include "server/api/operation.h"
#include "server/api/outgoing.h"
#include "server/graphql/coerce.h"
#include "server/graphql/document.h"
#include "server/graphql/errors.h"
#include "server/graphql/execute.h"
#include "server/graphql/region.h"

struct group_set;

struct api {
    struct api_options options;
    struct model *model; /* bound to the catalog */
    struct catalog *catalog;
    struct document_cache *documents;
    uint32_t document_bytes_max; /* that the cache was opened with */
    struct operation *ready;     /* that a turn goes on with: utlist, who waits longest first */
    bool has_sent;               /* something to the publisher, since its last turn */
    uint32_t operation_count;    /* that are not freed */
    size_t operations_bytes;     /* that those under way have */
    struct outgoing outgoing;    /* the answers of others */
    int64_t first_steps;         /* left in this turn, of API_STEPS for those that begin */
    struct region scratch;       /* of one event's execution */
    int64_t group_steps;         /* left in this turn, of API_GROUP_STEPS; live_execute */
    size_t live_bytes;           /* of API_LIVE_BYTES_MAX, taken; live.c */
    struct group_set *groups;    /* group.c's own; NULL: there is none */
};

/* The document cache, a new one if a reload has changed what documents depend on; NULL: no memory. */
struct document_cache *api_documents(struct api *api);
/* Whether API_OPERATIONS_BYTES_MAX, or more, are taken: none begins. */
bool api_is_memory_short(const struct api *api);
/* A turn goes on with it, or lets it begin. */
void api_add_ready(struct api *api, struct operation *operation);
void api_remove_ready(struct api *api, struct operation *operation);

/*
 * What resolvers find behind execute_call.context: the first member of struct operation, or of a
 * struct live.
 */
struct resolve_context {
    struct api *api;
    struct operation *operation;            /* NULL: a subscription's event */
    const struct execute_result *delivered; /* ... what its root field answers */
    uint64_t epoch;                         /* the position when it began to run */
    uint64_t seq;
    uint64_t read_seq; /* rows are read as they are at this seq, or later */
};

/* The position of a context that begins to run. */
void api_begin(struct resolve_context *context);
/* The snapshot of this turn, for reading rows and results. 0 or what the store says. */
int api_snapshot(const struct resolve_context *context);

/* What a resolver that answers later waits for. */
enum operation_wait {
    OPERATION_NO_WAIT,
    OPERATION_PUBLISHER, /* mutate.c */
    OPERATION_PAGE,      /* steps of reading the log: resolve_history.c */
};

struct operation {
    struct resolve_context context; /* the first member */
    struct region region;           /* holds this struct, too */
    const struct document *document;
    const struct ast_definition *definition; /* NULL: refused before it was found */
    struct json_span variables_json;         /* the region's */
    struct coerce_variables variables;
    struct graphql_errors errors; /* of the request: it is refused, or ended without data */
    bool is_refused;              /* with errors, those of the document, or without memory */
    struct execution *execution;  /* NULL: not run, or ended without data */
    bool is_done;
    size_t bytes;                /* of api->operations_bytes; 0: it has not begun */
    enum stat_protocol protocol; /* what it came by */

    struct operation *prev; /* utlist, of api->ready */
    struct operation *next;
    bool is_ready;
    void (*on_done)(void *user);
    void *user;

    enum operation_wait wait;
    struct execute_call *call;    /* that is answered later */
    struct history_read *history; /* OPERATION_PAGE; the execution's region has it */
};

/* From api_turn: goes on for about @steps, and returns how many it took. */
int64_t operation_go_on(struct operation *operation, uint32_t steps);
/*
 * The operation is refused from now on (if it was not): its answer has this error and no data. Without
 * memory it has none, which operation_write says in words.
 */
__attribute__((format(printf, 3, 4))) void
operation_refuse(struct operation *operation, enum graphql_code code, const char *format, ...);

#endif
