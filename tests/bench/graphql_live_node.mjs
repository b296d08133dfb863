#!/usr/bin/env node
// What graphql_live.mjs compares with: `publish` and `topic(name:)` of the built-in schema by
// graphql-ws and graphql-js, as their README has it, with events in memory.
//
// Prints the port it listens on. Ends with its standard input.
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/lib/use/ws';
import { WebSocketServer } from 'ws';

const schema = buildSchema(`
  scalar JSON
  scalar DateTime
  type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }
  type Query { hello: String! }
  type Mutation { publish(topic: String!, data: JSON!): Event! }
  type Subscription { topic(name: String!): Event! }
`);

const EPOCH = '9f86d081884c7d65';
let seq = 0;

/** Subscribers of each topic; what they have not taken yet waits in a queue of theirs. */
const topics = new Map();

class Subscriber {
  #queue = [];
  #wake = null;

  constructor(name) {
    this.name = name;
    if (!topics.has(name)) {
      topics.set(name, new Set());
    }
    topics.get(name).add(this);
  }

  push(event) {
    if (this.#wake) {
      this.#wake({ value: { topic: event }, done: false });
      this.#wake = null;
    } else {
      this.#queue.push(event);
    }
  }

  next() {
    if (this.#queue.length > 0) {
      return Promise.resolve({ value: { topic: this.#queue.shift() }, done: false });
    }
    return new Promise((resolve) => (this.#wake = resolve));
  }

  return() {
    topics.get(this.name).delete(this);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

const roots = {
  query: { hello: 'Hello, GraphQL!' },
  mutation: {
    publish({ topic, data }) {
      const event = { topic, seq: String(++seq), epoch: EPOCH, time: new Date().toISOString(), data };
      topics.get(topic)?.forEach((subscriber) => subscriber.push(event));
      return event;
    },
  },
  subscription: { topic: ({ name }) => new Subscriber(name) },
};

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/graphql' });
useServer({ schema, roots }, server);
server.on('listening', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
