/*
 * server/graphql/introspect.h - the schema of schemas (GraphQL October 2021, section 4): its types
 * are in every schema, its resolvers answer from struct schema.
 */
#ifndef SERVER_GRAPHQL_INTROSPECT_H
#define SERVER_GRAPHQL_INTROSPECT_H

#include "server/graphql/schema.h"

/*
 * The built-in scalars and directives, __Schema and so on, in pieces that make one text; a NULL ends
 * them. The meta fields stand in an extension of `Query`.
 */
extern const char *const introspect_sdl[];
/* Sets the resolvers of the introspection types and of the meta fields. From schema_build. */
void introspect_bind(struct schema *schema);

#endif
