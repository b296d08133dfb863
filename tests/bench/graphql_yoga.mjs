// What graphql_http.mjs compares with: the same answer by graphql-yoga, its rows in memory.
// Prints the port that it listens on.
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';

const typeDefs = /* GraphQL */ `
  type User { id: Int! name: String! }
  type Message { id: Int! authorId: Int! title: String content: String! author: User comments: [Comment!]! }
  type Comment { id: Int! messageId: Int! authorId: Int! content: String! }
  type Query { message(id: Int!): Message }
`;

const users = new Map([[1, { id: 1, name: 'Ada' }]]);
const messages = new Map([
  [1, { id: 1, authorId: 1, title: 'Hello', content: 'The first message.' }],
]);
const comments = new Map([
  [1, [1, 2, 3].map((id) => ({ id, messageId: 1, authorId: 1, content: `Comment ${id}` }))],
]);

const resolvers = {
  Query: { message: (_, { id }) => messages.get(id) ?? null },
  Message: {
    author: ({ authorId }) => users.get(authorId) ?? null,
    comments: ({ id }) => comments.get(id) ?? [],
  },
};

// Documents and their validation are cached, as they are by default.
const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: false });
const server = createServer(yoga);
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
