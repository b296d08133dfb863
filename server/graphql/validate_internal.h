/*
 * server/graphql/validate_internal.h - between the files that validate a document; for nobody else.
 *
 *   validate.c            the table: which rules look at which kind of node; begins and ends
 *   validate_walk.c       the walk through an executable document, with the types of each place
 *   validate_sdl.c        the walk through type system definitions, which are not executable
 *   validate_fragments.c  what operations and fragments refer to
 *   validate_names.c      which names are the same
 *   validate_pairs.c      what has been compared with what
 *   rules_*.c             the rules, by theme
 *
 * A rule is one function per kind of node that it looks at. It reports and returns; when the
 * validation is over (validate_is_over) all that follows returns as soon as it can.
 */
#ifndef SERVER_GRAPHQL_VALIDATE_INTERNAL_H
#define SERVER_GRAPHQL_VALIDATE_INTERNAL_H

#include "server/graphql/errors.h"
#include "server/graphql/literal.h"
#include "server/graphql/name_map.h"
#include "server/graphql/region.h"
#include "server/graphql/schema.h"
#include "server/graphql/validate.h"
#include "server/graphql/validate_names.h"
#include "server/graphql/validate_pairs.h"

/* A text for "%.*s". */
#define NAME(text) (int)(text).size, (text).bytes

struct validate;
typedef void validate_function(struct validate *validate, const struct ast_node *node);

/* The document is no node: its rules get NULL. */
enum {
    VALIDATE_DOCUMENT = AST_KIND_COUNT,
    VALIDATE_KIND_COUNT,
    VALIDATE_ENTER_MAX = 7,
    VALIDATE_LEAVE_MAX = 4,
};

/* What is called before and after what is in a node; each list ends with NULL. */
struct validate_rules {
    validate_function *enter[VALIDATE_ENTER_MAX];
    validate_function *leave[VALIDATE_LEAVE_MAX];
};

/* A variable where it is used, and what is expected there. */
struct validate_usage {
    const struct ast_value *variable;
    const struct schema_ref *type; /* NULL: unknown */
    bool has_default;              /* the argument or field that it stands for has one */
};

struct validate_usages {
    struct validate_usage *items;
    uint32_t count;
    uint32_t capacity;
};

struct overlap_set;
struct validate_fragment;

struct validate_spread {
    const struct ast_selection *node;
    struct validate_fragment *fragment; /* NULL: there is none of that name */
};

/* The spreads of a selection set and of all sets in it, in the order in which graphql-js has them. */
struct validate_spreads {
    struct validate_spread *items;
    uint32_t count;
    bool is_gathered;
};

struct validate_fragment {
    const struct ast_definition *definition;
    uint32_t first; /* the index of the first one of that name: itself, or there are two */
    struct validate_spreads spreads;
    struct validate_usages usages;
    struct overlap_set *overlap_set; /* OverlappingFieldsCanBeMerged: its fields; NULL: not yet */
    bool has_usages;                 /* they have been collected */
    bool is_searched;                /* for cycles */
    uint32_t path_length;            /* while it is searched: spreads that led to it, and 1 */
    uint32_t mark;                   /* the last pass that met it: validate_next_mark */
    uint32_t harmless_depth;         /* MaxIntrospectionDepth: of lists around it, and 1 */
};

/* All fragments that some set of names leads to. */
struct validate_closure {
    struct validate_fragment **names; /* name_count of them, by their place in the document */
    uint32_t name_count;
    struct validate_fragment **fragments; /* in the order in which they were reached */
    uint32_t count;
    uint32_t usage_count;
    bool has_usages;
};

struct validate_operation {
    const struct ast_definition *definition;
    uint32_t first; /* the index of the first one of that name */
    struct validate_spreads spreads;
    struct validate_usages usages;
};

/* Where the walk is. */
struct validate_place {
    const struct schema_type *parent;        /* of the innermost selection set; NULL: unknown */
    const struct schema_ref *type;           /* of the innermost field or fragment; NULL: unknown */
    const struct schema_field *field;        /* the innermost one; NULL: none, or unknown */
    const struct schema_directive *known;    /* the directive, when the schema has it */
    const struct ast_directive *directive;   /* NULL: not in one */
    const struct ast_definition *definition; /* of the directive, in the schema or the document */
    enum schema_location location;           /* of the directive */
    const struct schema_input *argument;     /* NULL: none, or unknown */
    const struct schema_ref *input;          /* what is expected of a value; NULL: unknown */
    const struct schema_ref *outer_input;    /* the same of the list or object around it */
    const struct validate_groups *twins;     /* of the innermost object's fields; NULL: none */
    const struct ast_value *object;          /* the innermost one */
    uint32_t field_index;                    /* in it */
    bool has_default;                        /* the innermost argument or input field has one */
    bool is_in_fragment;                     /* the innermost selection set is an inline one's */
    bool is_type_system;                     /* in what is not executable */
};

struct overlap;
struct variable_uses;

struct validate {
    const struct schema *schema;
    const struct ast_document *document;
    struct graphql_errors *errors;
    struct region scratch; /* until validate_document returns */
    struct literal_place literals;
    const struct validate_rules *rules;
    struct validate_place place;
    bool is_aborted;

    struct validate_operation *operations;
    uint32_t operation_count;
    uint32_t operation_index; /* the one that the walk is in, or comes to next */
    struct validate_fragment *fragments;
    uint32_t fragment_count;
    uint32_t fragment_index;
    struct name_map fragment_names;            /* to fragments: the last of each name */
    const struct ast_definition **type_system; /* what is not executable */
    uint32_t type_system_count;

    uint32_t mark;
    uint32_t fragment_work_left;
    bool has_spent_definitions;     /* on looking for subscriptions' fragments */
    struct validate_pairs closures; /* by a hash of their names */
    struct validate_closure empty_closure;
    struct validate_usages *usages;            /* where variables are noted; NULL: nowhere */
    struct variable_uses *variables;           /* of the operation that is being left */
    const struct ast_value *skipped_value;     /* ValuesOfCorrectType does not look into it */
    const struct ast_selection *skipped_field; /* MaxIntrospectionDepth likewise */
    struct overlap *overlap;
};

static inline bool validate_is_over(const struct validate *validate)
{
    return validate->is_aborted || validate->errors->has_overflown || validate->scratch.has_failed;
}

/* A new error; NULL as graphql_errors_add has it. */
#define REPORT(validate, ...)                                                                      \
    graphql_errors_add((validate)->errors, GRAPHQL_VALIDATION_FAILED, __VA_ARGS__)
void validate_locate(struct validate *validate, struct graphql_error *error, uint32_t at);
/* The place of a name in the source: not that of the `$` before it. */
uint32_t validate_name_at(const struct validate *validate, struct ast_text name);
/* One error for each name that is there twice or more: @what, the name, and `".`. */
void validate_report_groups(struct validate *validate, const char *what,
                            const struct ast_text *names, const struct validate_groups *groups);
/* "Validation aborted." */
void validate_abort(struct validate *validate);
/* References and types as terminated texts in the scratch region; "" without memory. */
const char *validate_ref_text(struct validate *validate, const struct schema_ref *ref);
const char *validate_type_text(struct validate *validate, const struct ast_type *type);

/* validate_walk.c: everything in a definition, as the current rules have it. */
void validate_walk_definition(struct validate *validate, const struct ast_definition *definition);
void validate_walk_directives(struct validate *validate, const struct ast_directive *directives,
                              enum schema_location location);
void validate_walk_type(struct validate *validate, const struct ast_type *type);
void validate_walk_value(struct validate *validate, const struct ast_value *value);
void validate_enter(struct validate *validate, unsigned kind, const struct ast_node *node);
void validate_leave(struct validate *validate, unsigned kind, const struct ast_node *node);
/* validate_sdl.c */
void validate_walk_type_system(struct validate *validate, const struct ast_definition *definition);

/* The definition of a directive, the document's before the schema's; NULL: unknown. */
const struct ast_definition *validate_find_directive(const struct validate *validate,
                                                     struct ast_text name);
/* NULL: unknown. */
struct validate_fragment *validate_find_fragment(const struct validate *validate,
                                                 struct ast_text name);
/* The composite type of a type condition; NULL: it is none, or unknown. */
const struct schema_type *validate_condition(const struct validate *validate,
                                             const struct ast_type *condition);

/* validate_fragments.c */
/* False: VALIDATE_FRAGMENT_WORK_MAX is spent, and the validation is over. */
bool validate_spend(struct validate *validate, uint64_t work);
/* A number that no fragment is marked with. */
uint32_t validate_next_mark(struct validate *validate);
const struct validate_spreads *validate_spreads_of(struct validate *validate,
                                                   const struct ast_selection_set *selections,
                                                   struct validate_spreads *spreads);
/* What the operations lead to; NULL: the validation is over. */
struct validate_closure *validate_closure_of(struct validate *validate,
                                             struct validate_operation *operations, uint32_t count);
/* The same of one operation, when the usages of all of it have been collected. */
struct validate_closure *validate_usages_of(struct validate *validate,
                                            struct validate_operation *operation);
/* The rule that collects. */
validate_function validate_note_usage;

/*
 * The rules: graphql-js's, by name. Those that look at several kinds of node ask which one it is;
 * _leave is for what comes after what is in a node.
 */
/* rules_operations.c */
validate_function rule_executable_definitions;
validate_function rule_unique_operation_names;
validate_function rule_lone_anonymous_operation;
validate_function rule_single_field_subscriptions;
/* rules_fragments.c */
validate_function rule_fragments_on_composite_types;
validate_function rule_unique_fragment_names;
validate_function rule_known_fragment_names;
validate_function rule_no_unused_fragments_leave;
validate_function rule_possible_fragment_spreads;
validate_function rule_no_fragment_cycles;
/* rules_fields.c */
validate_function rule_known_type_names;
validate_function rule_scalar_leafs;
validate_function rule_fields_on_correct_type;
validate_function rule_max_introspection_depth;
validate_function rule_max_introspection_depth_leave;
validate_function rule_no_schema_introspection;
/* rules_directives.c */
validate_function rule_known_directives;
validate_function rule_unique_directives_per_location;
/* rules_arguments.c */
validate_function rule_known_argument_names;
validate_function rule_unique_argument_names;
validate_function rule_provided_required_arguments_leave;
/* rules_values.c */
validate_function rule_values_of_correct_type;
validate_function rule_values_of_correct_type_leave;
validate_function rule_unique_input_field_names;
/* rules_variables.c */
validate_function rule_variables_are_input_types;
validate_function rule_unique_variable_names;
validate_function rule_no_undefined_variables_leave;
validate_function rule_no_unused_variables_leave;
validate_function rule_variables_in_allowed_position_leave;
/* rules_overlap.c */
validate_function rule_overlapping_fields_can_be_merged;

#endif
