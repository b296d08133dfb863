// GraphQL as a program sees it: requests, raw sockets of both subprotocols, event streams.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import { Client, Inbox } from './client.mjs';
import { within } from './until.mjs';

export const TRANSPORT_WS = 'graphql-transport-ws';
export const OLD_WS = 'graphql-ws';

/** Some of a POST's answer: its body, once it is clear that it is GraphQL's. */
export async function ask(server, query, variables, more = {}) {
  const answer = await server.request('POST', '/graphql', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables, ...more }),
  });
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.headers['content-type'], /^application\/(graphql-response\+)?json/);
  return answer.json;
}

/** The data of a request that has to succeed. */
export async function dataOf(server, query, variables, more) {
  const { data, errors } = await ask(server, query, variables, more);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** A client of graphql-ws over the test's own kind of WebSocket, and the inbox of its live subscription. */
export async function followOver(cleanup, url, webSocketImpl, query) {
  const client = createClient({ url, webSocketImpl, lazy: true, retryAttempts: 0 });
  cleanup(() => client.dispose());
  const feed = new Inbox();
  client.subscribe({ query }, {
    next: ({ data }) => feed.push(data),
    error: (error) => feed.end(String(error)),
    complete: () => feed.end('completed'),
  });
  // What is answered later, was taken later.
  const answers = client.iterate({ query: '{ __typename }' });
  const { value } = await within(answers.next(), 'a client of graphql-ws');
  assert.equal(value.errors, undefined);
  return { client, feed };
}

/** The code of the one error that a request has to meet. */
export async function codeOf(server, query, variables, more) {
  const { errors } = await ask(server, query, variables, more);
  return onlyCode(errors);
}

export function onlyCode(errors) {
  assert.equal(errors?.length, 1, JSON.stringify(errors));
  assert.equal(typeof errors[0].message, 'string');
  assert.notEqual(errors[0].message, '');
  return errors[0].extensions.code;
}

export const CREATE_MESSAGE =
  'mutation ($content: String!) { createMessage(authorId: 1, content: $content) { id content } }';
export const MESSAGE_ADDED = 'subscription { messageAdded { id content } }';

export async function createMessage(server, content) {
  return (await dataOf(server, CREATE_MESSAGE, { content })).createMessage;
}

/** The place in the log that the server has come to. */
export async function position(server) {
  return (await dataOf(server, '{ position { epoch seq } }')).position;
}

/** All messages, in the order of their ids, by pages. */
export async function allMessages(server, fields = 'id content') {
  const query = `query ($offset: Int!) { messages(limit: 1000, offset: $offset) { ${fields} } }`;
  const found = [];
  for (;;) {
    const { messages } = await dataOf(server, query, { offset: found.length });
    found.push(...messages);
    if (messages.length < 1000) {
      return found;
    }
  }
}

/** A message of either subprotocol that the other one calls something else. */
const TYPES = {
  [TRANSPORT_WS]: { start: 'subscribe', stop: 'complete', result: 'next' },
  [OLD_WS]: { start: 'start', stop: 'stop', result: 'data' },
};

export class GraphqlClient extends Client {
  #lastId = 0;

  constructor(url, { protocol = TRANSPORT_WS, ...options } = {}) {
    super(url, { protocols: [protocol], ...options });
    this.types = TYPES[protocol];
  }

  /** Says hello; keeps and returns the position that comes with the acknowledgement. */
  async initialise(payload) {
    this.send({ type: 'connection_init', ...(payload && { payload }) });
    this.position = (await this.next({ type: 'connection_ack' })).payload;
    return this.position;
  }

  /** Sends a request and returns its id. more: id, variables, resume, … */
  start(query, { id = `op-${++this.#lastId}`, resume, ...more } = {}) {
    const payload = { query, ...more, ...(resume && { extensions: { resume } }) };
    this.send({ id, type: this.types.start, payload });
    return id;
  }

  stop(id) {
    this.send({ id, type: this.types.stop });
  }

  /** The next message of that request; its payload if it is a result. */
  async result(id) {
    const message = await this.next({ id });
    assert.equal(message.type, this.types.result, JSON.stringify(message));
    return message.payload;
  }

  /** The answer to a query or mutation, through to its end. */
  async ask(query, more) {
    const id = this.start(query, more);
    const result = await this.result(id);
    assert.equal((await this.next({ id })).type, 'complete');
    return result;
  }

  async dataOf(query, more) {
    const { data, errors } = await this.ask(query, more);
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  /** Starts a subscription and returns when it is live: what is answered later, was taken later. */
  async subscribe(query, more) {
    const id = this.start(query, more);
    await this.ask('{ __typename }');
    return id;
  }
}

/** A socket that has been acknowledged. */
export async function graphqlSocket(server, options) {
  const client = new GraphqlClient(server.url('/graphql'), options);
  server.clients.add(client);
  await client.opened;
  await client.initialise();
  return client;
}

/** An event stream of one request, by POST. more: variables, resume; headers. */
export function graphqlEvents(server, query, { resume, headers, ...more } = {}) {
  const body = { query, ...more, ...(resume && { extensions: { resume } }) };
  return server.events(
    '/graphql',
    { 'content-type': 'application/json', ...headers },
    JSON.stringify(body),
  );
}
