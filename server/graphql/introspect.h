/*
 * server/graphql/introspect.h - the schema of schemas (GraphQL October 2021, section 4): its types
 * are in every schema, its resolvers answer from struct schema.
 */
#ifndef SERVER_GRAPHQL_INTROSPECT_H
#define SERVER_GRAPHQL_INTROSPECT_H

#include "server/graphql/schema.h"

/* The SDL of __Schema, __Type and so on, which schema_build parses first. */
extern const char introspect_sdl[];
/* Sets the resolvers of the introspection types and of the meta fields. From schema_build. */
void introspect_bind(struct schema *schema);

#endif
