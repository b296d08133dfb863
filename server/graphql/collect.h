/*
 * server/graphql/collect.h - which fields an object of some type answers, and in what order: the
 * selections of an operation, its fragments opened, @skip and @include judged (GraphQL October 2021,
 * section 6.3.2).
 *
 * Shape    a plan per place in the document and object type, made when it is first needed and kept
 *          for all other objects there: an item of a list costs no more than its fields.
 * Limits   a plan costs what is selected at its place, fragments once. No recursion: fragments may
 *          spread one another as deep as there are fragments.
 * Memory   everything is the region's.
 * Errors   of @skip and @include, without a path: to the errors.
 */
#ifndef SERVER_GRAPHQL_COLLECT_H
#define SERVER_GRAPHQL_COLLECT_H

#include "server/graphql/coerce.h"
#include "server/graphql/name_map.h"
#include "server/graphql/schema.h"

struct plan_node { /* one of the selections that make a field */
    const struct ast_selection *selection;
    struct plan_node *next;
};

struct plan_field {
    struct plan_field *next;
    const struct schema_field *field;
    const struct schema_type *parent; /* the object's */
    const struct schema_type *type;   /* the field's, without wrappers */
    struct ast_text key;
    const char *prefix; /* `,"key":` */
    uint32_t prefix_bytes;
    struct plan_node nodes;
    struct plan_node *last_node;
    struct plan *plans;            /* of what is selected in it, one per object type */
    const struct value *arguments; /* NULL: not coerced yet, or none */
};

struct plan {
    struct plan *next;
    const struct schema_type *type;
    struct plan_field *first;
};

struct collect_fragment;
struct collect_place;

struct collect {
    const struct coerce *coerce;
    const struct coerce_variables *variables;
    struct region *region;     /* the same as coerce->region */
    bool has_fragments;        /* they are in the map */
    struct name_map fragments; /* name → struct collect_fragment */
    uint32_t plan_count;       /* fragments remember the last plan that they were opened for */
    struct collect_place *free_places;
    uint64_t visited_count; /* selections looked at, for whoever has a budget */
};

/* Of the root fields. NULL: an error was added, or the region has failed. */
struct plan *collect_root(struct collect *collect, const struct ast_definition *operation,
                          const struct schema_type *type);
/* Of the fields below @field for an object of @type; as above. */
struct plan *collect_below(struct collect *collect, struct plan_field *field,
                           const struct schema_type *type);

#endif
