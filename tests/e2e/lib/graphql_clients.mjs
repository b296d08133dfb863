// The GraphQL clients that users have, each behind the same few functions:
//
//   client.ask(query, variables)  the data of a query or mutation
//   client.follow(query)          an inbox of a subscription's {data, seq}; it outlives connections
//   client.connects               how often it has been connected
//
// A feed begins at the position of the connection's acknowledgement, or of a query. The clients send a
// subscription's payload again when they reconnect; what makes them resume is that its extensions are
// an object that is kept up to date (PROTOCOLS section 6, "Resuming").
import { createRequire } from 'node:module';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { Client as UrqlClient, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { Inbox } from './client.mjs';
import { position } from './graphql.mjs';
import { fetchOverHttp } from './http.mjs';
import { TIMEOUT_MS, until } from './until.mjs';

const require = createRequire(import.meta.url); // for what has no modules that Node takes
const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql, split } = require('@apollo/client/core');
const { GraphQLWsLink } = require('@apollo/client/link/subscriptions');
const { getMainDefinition } = require('@apollo/client/utilities');
const { SubscriptionClient } = require('subscriptions-transport-ws');

const RETRY_MS = 50;

const httpUrl = (server) => `http://127.0.0.1:${server.port}/graphql`;

/** A subscription: what has come, and the extensions that resume it. */
class Feed extends Inbox {
  constructor(where) {
    super();
    this.extensions = { resume: where };
  }

  note({ data, errors, extensions }) {
    if (errors) {
      this.end(`errors: ${JSON.stringify(errors)}`);
      return;
    }
    this.extensions.resume = { epoch: extensions.epoch, seq: extensions.seq };
    this.push({ data, seq: Number(extensions.seq) });
  }

  /** For clients that take an object of functions. */
  get sink() {
    return {
      next: (result) => this.note(result),
      error: (error) => this.end(`an error: ${error.message ?? JSON.stringify(error)}`),
      complete: () => this.end('completed'),
    };
  }
}

/** The one result of a request, and its end. */
function resultOf(subscribe) {
  return new Promise((resolve, reject) => {
    let last = null;
    subscribe({
      next: (result) => (last = result),
      error: (error) => reject(error instanceof Error ? error : new Error(JSON.stringify(error))),
      complete: () => resolve(last),
    });
  });
}

function dataIn({ data, errors }) {
  if (errors) {
    throw new Error(JSON.stringify(errors));
  }
  return data;
}

/** What the clients over WebSockets have in common: acknowledgements, and where they were. */
function newClient() {
  const self = { connects: 0 };
  let where = null;
  self.onAcknowledged = (payload) => {
    self.connects++;
    where = payload;
  };
  self.position = async () => ({ ...(await until(() => where, { what: 'an acknowledgement' })) });
  return self;
}

function connectGraphqlWs(server, cleanup, { onAcknowledged }) {
  const client = createClient({
    url: server.url('/graphql'),
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: Infinity,
    retryWait: () => pause(RETRY_MS),
    shouldRetry: () => true, // also while there is no server
    on: { connected: (socket, payload) => onAcknowledged(payload) },
  });
  cleanup(() => {
    client.dispose().catch(() => {}); // which waits for a connection, if it has none
  });
  return client;
}

export function openGraphqlWs(server, cleanup) {
  const self = newClient();
  const client = connectGraphqlWs(server, cleanup, self);
  self.ask = async (query, variables) =>
    dataIn(await resultOf((sink) => client.subscribe({ query, variables }, sink)));
  self.follow = async (query) => {
    const feed = new Feed(await self.position());
    client.subscribe({ query, extensions: feed.extensions }, feed.sink);
    return feed;
  };
  return self;
}

export function openSubscriptionsTransportWs(server, cleanup) {
  const self = newClient();
  // A connection that takes a second, as one does that waits for a server to start, it gives up: nobody
  // catches the error of that, and should the next one fail it does not try again.
  const patience = { minTimeout: TIMEOUT_MS, timeout: TIMEOUT_MS };
  const client = new SubscriptionClient(server.url('/graphql'), { reconnect: true, ...patience }, WebSocket);
  cleanup(() => client.close());
  client.onConnected(self.onAcknowledged);
  client.onReconnected(self.onAcknowledged);
  // It queues its subscriptions once for all attempts to reconnect. A connection that ends between what
  // it sends and its acknowledgement takes them along, and the next would have none.
  client.onDisconnected(() => {
    if (client.unsentMessagesQueue.length === 0) {
      client.reconnecting = false;
    }
  });
  self.ask = async (query, variables) =>
    dataIn(await resultOf((sink) => client.request({ query, variables }).subscribe(sink)));
  self.follow = async (query) => {
    const feed = new Feed(await self.position());
    client.request({ query, extensions: feed.extensions }).subscribe(feed.sink);
    return feed;
  };
  return self;
}

/**
 * For graphql-sse, which reconnects only if it waits for an event when its stream ends: not if the end comes
 * together with the last event, so it gets the end in a turn of its own.
 */
async function fetchWithLateEnd(...args) {
  const response = await fetchOverHttp(...args);
  const { body } = response;
  const read = async function* () {
    try {
      yield* body;
    } finally {
      await nextTurn();
    }
  };
  return Object.defineProperty(response, 'body', { value: read() });
}

export function openGraphqlSse(server, cleanup) {
  const self = { connects: 0 };
  const client = createSseClient({
    url: httpUrl(server),
    fetchFn: fetchWithLateEnd,
    retryAttempts: Infinity,
    retry: () => pause(RETRY_MS),
  });
  cleanup(() => client.dispose());
  self.ask = async (query, variables) =>
    dataIn(await resultOf((sink) => client.subscribe({ query, variables }, sink)));
  self.follow = async (query) => {
    const feed = new Feed(await position(server));
    const connected = () => self.connects++;
    client.subscribe({ query, extensions: feed.extensions }, feed.sink, { connected });
    return feed;
  };
  return self;
}

export function openApollo(server, cleanup) {
  const self = newClient();
  const sockets = connectGraphqlWs(server, cleanup, self);
  const isSubscription = ({ query }) => getMainDefinition(query).operation === 'subscription';
  const resuming = new ApolloLink((operation, forward) =>
    forward(operation).map((result) => {
      const { epoch, seq } = result.extensions;
      operation.extensions.resume = { epoch, seq };
      return result;
    }),
  );
  const client = new ApolloClient({
    link: split(
      isSubscription,
      resuming.concat(new GraphQLWsLink(sockets)),
      new HttpLink({ uri: httpUrl(server), fetch }),
    ),
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: 'no-cache' }, mutate: { fetchPolicy: 'no-cache' } },
  });
  cleanup(() => client.stop());
  self.ask = async (query, variables) => {
    const document = gql(query);
    const isMutation = getMainDefinition(document).operation === 'mutation';
    return dataIn(
      await (isMutation
        ? client.mutate({ mutation: document, variables })
        : client.query({ query: document, variables })),
    );
  };
  self.follow = async (query) => {
    const feed = new Feed(await self.position());
    const { extensions } = feed;
    client.subscribe({ query: gql(query), extensions, fetchPolicy: 'no-cache' }).subscribe(feed.sink);
    return feed;
  };
  return self;
}

export function openUrql(server, cleanup) {
  const self = newClient();
  const sockets = connectGraphqlWs(server, cleanup, self);
  let feed;
  const forwardSubscription = ({ query, variables, operationName }) => ({
    subscribe(sink) {
      const next = (result) => {
        feed.note(result);
        sink.next(result);
      };
      const payload = { query, variables, operationName, extensions: feed.extensions };
      return { unsubscribe: sockets.subscribe(payload, { ...sink, next }) };
    },
  });
  const client = new UrqlClient({
    url: httpUrl(server),
    exchanges: [subscriptionExchange({ forwardSubscription }), fetchExchange],
    requestPolicy: 'network-only',
  });
  self.ask = async (query, variables = {}) => {
    const isMutation = query.startsWith('mutation');
    const { data, error } = await (isMutation
      ? client.mutation(query, variables)
      : client.query(query, variables)
    ).toPromise();
    if (error) {
      throw error;
    }
    return data;
  };
  self.follow = async (query) => {
    feed = new Feed(await self.position());
    const { unsubscribe } = client.subscription(query, {}).subscribe(({ error }) => {
      if (error) {
        feed.end(`an error: ${error.message}`);
      }
    });
    cleanup(unsubscribe);
    return feed;
  };
  return self;
}
