#include "tests/unit/schema_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* In two, because a compiler need not take a longer literal. */
static const char types[] =
    "scalar DateTime\n"
    "scalar JSON\n"
    "enum On { CREATE WRITE }\n"
    "directive @table on OBJECT\n"
    "directive @now(on: On!) on FIELD_DEFINITION\n"
    "directive @default(json: String!) on FIELD_DEFINITION\n"
    "directive @unique on FIELD_DEFINITION\n"
    "directive @references(type: String!) on FIELD_DEFINITION\n"
    "directive @value(json: String!) on FIELD_DEFINITION\n"
    "directive @position on FIELD_DEFINITION\n"
    "directive @get(where: JSON) on FIELD_DEFINITION\n"
    "directive @list(where: JSON, orderBy: String = \"id\", desc: Boolean = false) on "
    "FIELD_DEFINITION\n"
    "directive @history on FIELD_DEFINITION\n"
    "directive @create(topics: [String!]! = []) on FIELD_DEFINITION\n"
    "directive @update(topics: [String!]! = [], if: JSON) on FIELD_DEFINITION\n"
    "directive @delete(topics: [String!]! = []) on FIELD_DEFINITION\n"
    "directive @publish on FIELD_DEFINITION\n"
    "directive @subscribe(topic: String!, where: JSON) on FIELD_DEFINITION\n"
    "\n"
    "type User @table { id: Int! name: String! createdAt: DateTime! @now(on: CREATE) }\n"
    "\n"
    "type Message @table {\n"
    "  id: Int!\n"
    "  authorId: Int!\n"
    "  title: String\n"
    "  content: String!\n"
    "  metadata: JSON\n"
    "  stats: JSON\n"
    "  createdAt: DateTime! @now(on: CREATE)\n"
    "  updatedAt: DateTime! @now(on: WRITE)\n"
    "  author: User @get(where: { id: \"authorId\" })\n"
    "  comments(limit: Int = 50, offset: Int = 0): [Comment!]! @list(where: { messageId: \"id\" "
    "})\n"
    "}\n"
    "\n"
    "type Comment @table {\n"
    "  id: Int!\n"
    "  messageId: Int! @references(type: \"Message\")\n"
    "  authorId: Int!\n"
    "  parentCommentId: Int\n"
    "  content: String!\n"
    "  metadata: JSON\n";

static const char roots[] =
    "  reactions: JSON\n"
    "  createdAt: DateTime! @now(on: CREATE)\n"
    "  updatedAt: DateTime! @now(on: WRITE)\n"
    "}\n"
    "\n"
    "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }\n"
    "type Position { epoch: ID! seq: ID! }\n"
    "\n"
    "type Query {\n"
    "  hello: String! @value(json: \"\\\"Hello, GraphQL!\\\"\")\n"
    "  position: Position! @position\n"
    "  user(id: Int!): User @get\n"
    "  users(limit: Int = 50, offset: Int = 0): [User!]! @list\n"
    "  message(id: Int!): Message @get\n"
    "  messages(limit: Int = 50, offset: Int = 0): [Message!]! @list\n"
    "  comments(messageId: Int!, limit: Int = 50, offset: Int = 0): [Comment!]! @list(where: { "
    "messageId: \"messageId\" })\n"
    "  history(topic: String!, since: ID = \"0\", limit: Int = 100): [Event!]! @history\n"
    "}\n"
    "\n"
    "type Mutation {\n"
    "  createUser(name: String!): User! @create(topics: [\"users\"])\n"
    "  createMessage(authorId: Int!, content: String!, title: String, metadata: JSON, stats: "
    "JSON): Message!\n"
    "    @create(topics: [\"messages\"])\n"
    "  updateMessage(id: Int!, content: String, title: String, metadata: JSON, stats: JSON): "
    "Message\n"
    "    @update(topics: [\"message_updates:all\", \"message_updates:{id}\"])\n"
    "  deleteMessage(id: Int!): Message @delete(topics: [\"message_deletes:all\", "
    "\"message_deletes:{id}\"])\n"
    "  createComment(messageId: Int!, authorId: Int!, content: String!, parentCommentId: Int, "
    "metadata: JSON): Comment!\n"
    "    @create(topics: [\"comments:{messageId}\"])\n"
    "  setReactions(id: Int!, reactions: JSON!): Comment @update(topics: "
    "[\"reactions:{messageId}\"])\n"
    "  publish(topic: String!, data: JSON!): Event! @publish\n"
    "}\n"
    "\n"
    "type Subscription {\n"
    "  messageAdded: Message! @subscribe(topic: \"messages\")\n"
    "  commentAdded(messageId: Int!): Comment! @subscribe(topic: \"comments:{messageId}\")\n"
    "  messageUpdated(messageId: Int): Message! @subscribe(topic: "
    "\"message_updates:{messageId|all}\")\n"
    "  messageDeleted(messageId: Int): Message! @subscribe(topic: "
    "\"message_deletes:{messageId|all}\")\n"
    "  reactionsChanged(messageId: Int!): Comment! @subscribe(topic: \"reactions:{messageId}\")\n"
    "  userAdded: User! @subscribe(topic: \"users\")\n"
    "  topic(name: String!): Event! @subscribe(topic: \"{name}\")\n"
    "}\n";

struct ast_text schema_fixture_text(const char *string)
{
    return (struct ast_text){string, (uint32_t)strlen(string)};
}

struct schema *schema_fixture_build(struct graphql_fixture *f, const char *sdl)
{
    /* Ends where it ends, and is gone at once: a schema keeps its own. */
    size_t size = strlen(sdl);
    char *copy = malloc(size > 0 ? size : 1);
    struct schema *schema;

    assert_non_null(copy);
    memcpy(copy, sdl, size);
    schema = schema_build(copy, size, "board.graphql", &f->errors);
    free(copy);
    return schema;
}

struct schema *schema_fixture_good(struct graphql_fixture *f, const char *sdl)
{
    struct schema *schema = schema_fixture_build(f, sdl);

    if (schema == NULL)
        fail_msg("%s\n%s", sdl, graphql_fixture_errors(f));
    assert_int_equal(f->errors.count, 0);
    return schema;
}

struct schema_type *schema_fixture_type(const struct schema *schema, const char *name)
{
    struct schema_type *type = schema_find_type(schema, schema_fixture_text(name));

    assert_non_null(type);
    return type;
}

struct schema_field *schema_fixture_field(const struct schema *schema, const char *type,
                                          const char *field)
{
    struct schema_field *found =
        schema_find_field(schema, schema_fixture_type(schema, type), schema_fixture_text(field));

    assert_non_null(found);
    return found;
}

char *schema_fixture_board(void)
{
    size_t bytes = sizeof types + sizeof roots;
    char *sdl = malloc(bytes);

    assert_non_null(sdl);
    memcpy(sdl, types, sizeof types);
    memcpy(sdl + sizeof types - 1, roots, sizeof roots);
    return sdl;
}
