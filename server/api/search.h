/*
 * server/api/search.h - a `where` with the values of one request: which conditions hold, and what they
 * ask for.
 *
 * Memory   texts are the region's, the parent row's or the arguments'.
 * Callers  resolvers of rows; live.c.
 */
#ifndef SERVER_API_SEARCH_H
#define SERVER_API_SEARCH_H

#include "server/api/resolve.h"

/* A condition that has not been dropped. */
struct search_condition {
    const struct model_condition *condition;
    struct catalog_text json; /* never null */
};

struct search {
    const struct model_field *plan;
    struct search_condition *conditions;
    uint32_t count;
    uint32_t mask; /* of slots */
    bool is_empty; /* a column of the parent is null: nothing matches */
};

/* Where a search's values come from. */
struct search_source {
    const struct value *arguments;
    const struct resolve_row *parent; /* NULL: there is none */
    struct region *region;
};

/*
 * False: a value is wrong, for the reason in @ret_reason (the region's), or there is no memory (it is
 * NULL).
 */
bool search_begin(struct search *search, const struct model_field *plan,
                  const struct search_source *source, const char **ret_reason);

/* What an object has in a column of the plan. */
typedef struct catalog_text search_column_function(const void *object, uint32_t column);
bool search_matches(const struct search *search, const void *object,
                    search_column_function *column);

/* The condition that a column equals something; NULL: there is none. */
const struct search_condition *search_equal(const struct search *search, uint32_t column);

#endif
