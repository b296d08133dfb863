/*
 * server/graphql/literal.h - does a literal fit the type of its place (GraphQL October 2021,
 * section 5.6.1)? In the words of graphql-js's ValuesOfCorrectTypeRule, with its locations.
 *
 * Callers  the validator, node by node as it walks a document; schema_build, whole literals.
 * Errors   GRAPHQL_VALIDATION_FAILED, added to the errors.
 * Memory   messages and references are the region's and the schema's.
 */
#ifndef SERVER_GRAPHQL_LITERAL_H
#define SERVER_GRAPHQL_LITERAL_H

#include <stdbool.h>

#include "server/graphql/errors.h"
#include "server/graphql/schema.h"

struct literal_place {
    const struct ast_document *document; /* of the literal */
    struct region *region;               /* for messages */
    struct graphql_errors *errors;
    const struct schema *schema;
};

/*
 * One node, not what is in it. True: its items or fields are to be checked in turn, items against
 * literal_item_type(@type), fields by literal_check_field. @type: NULL when it is not known (of an
 * unknown argument): nothing is wrong then. A variable fits everywhere: other rules judge it.
 */
bool literal_check_node(const struct literal_place *place, const struct ast_value *literal,
                        const struct schema_ref *type);
const struct schema_ref *literal_item_type(const struct schema_ref *type);
/*
 * A field of an object literal that stands where @type is expected: is there such a field? Its
 * type; NULL when there is none (an error has been added) or @type takes no objects.
 */
const struct schema_ref *literal_check_field(const struct literal_place *place,
                                             const struct ast_object_field *field,
                                             const struct schema_ref *type);
/* A whole literal. Recursion: as deep as it is, which the parser bounds. */
void literal_check(const struct literal_place *place, const struct ast_value *literal,
                   const struct schema_ref *type);

#endif
