/*
 * server/graphql/rules_overlap.h - selection sets as OverlappingFieldsCanBeMerged compares them:
 * between rules_overlap.c (what is compared with what) and rules_overlap_sets.c; for nobody else.
 *
 * Shape    a set has the fields of a selection set and of the inline fragments in it, by response
 *          key, and the names of the fragments that are spread in it.
 * Limits   what may be done more than once per node is paid for by overlap_spend.
 * Memory   validate's scratch region.
 */
#ifndef SERVER_GRAPHQL_RULES_OVERLAP_H
#define SERVER_GRAPHQL_RULES_OVERLAP_H

#include "server/graphql/validate_internal.h"

struct overlap_arguments {
    struct name_map names; /* to arguments: the last of each name */
    uint32_t count;
};

struct overlap_field {
    const struct ast_selection *node;
    const struct schema_type *parent;      /* NULL: unknown */
    const struct schema_field *definition; /* NULL: unknown, or a meta field */
    struct overlap_arguments *arguments;   /* NULL: not asked for yet */
};

/* All fields with the same response key. */
struct overlap_group {
    struct ast_text key;
    struct overlap_field *fields;
    uint32_t count;
};

struct overlap_set {
    struct overlap_group *groups;
    uint32_t group_count;
    struct name_map keys;                 /* to groups; empty until they are asked for */
    struct validate_fragment **fragments; /* each name once; NULL: there is none of that name */
    uint32_t fragment_count;
};

/* Groups of two sets with the same response key. */
struct overlap_shared {
    uint32_t count;
    struct overlap_match {
        const struct overlap_group *a;
        const struct overlap_group *b;
    } matches[];
};

/* An exclusive comparison is not enough for a later, plain one. */
enum overlap_done {
    OVERLAP_NOT_COMPARED,
    OVERLAP_COMPARED_EXCLUSIVE,
    OVERLAP_COMPARED,
};

/* What is known of two sets. [0]: of the one at the lower address against the other, [1]: reversed. */
struct overlap_pair {
    const struct overlap_shared *shared[2]; /* NULL: not asked for yet */
    enum overlap_done set_and_fragment[2];  /* the second one is a fragment's */
    enum overlap_done fragments;            /* both are; in any order */
};

struct overlap {
    struct validate_pairs sets;      /* selection set and parent type → struct overlap_set */
    struct validate_pairs pairs;     /* two sets → struct overlap_pair */
    struct validate_pairs arguments; /* two fields → whether theirs are the same */
    struct validate_pairs values;    /* a literal → struct ast_text: its canonical form */
    uint32_t work_left;
    uint32_t depth;
};

/* False: VALIDATE_OVERLAP_WORK_MAX is spent, and the validation is over. */
bool overlap_spend(struct validate *validate, uint32_t work);

/* NULL, here and below: no memory, or the budget is spent. @parent may be NULL: unknown. */
struct overlap_set *overlap_set_of(struct validate *validate, const struct schema_type *parent,
                                   const struct ast_selection_set *selections);
struct overlap_set *overlap_set_of_fragment(struct validate *validate,
                                            struct validate_fragment *fragment);
/* *ret_index: which of the pair's is @a against @b. */
struct overlap_pair *overlap_pair_of(struct validate *validate, struct overlap_set *a,
                                     struct overlap_set *b, int *ret_index);
const struct overlap_shared *overlap_shared_of(struct validate *validate, struct overlap_set *a,
                                               struct overlap_set *b);
/* Whether two fields of the same name have the same arguments. */
bool overlap_has_same_arguments(struct validate *validate, struct overlap_field *a,
                                struct overlap_field *b);

#endif
