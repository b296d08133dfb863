// GraphQL over WebSocket to the letter: graphql-transport-ws and the older graphql-ws, message by
// message and close code by close code (PROTOCOLS section 6).
import { binary, close, FrameClient, OPCODE, text } from './lib/frames.mjs';
import {
  CREATE_MESSAGE,
  GraphqlClient,
  MESSAGE_ADDED,
  OLD_WS,
  TRANSPORT_WS,
  createMessage,
  graphqlSocket,
  onlyCode,
} from './lib/graphql.mjs';
import { kill } from './lib/processes.mjs';
import { EPOCH, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

const INIT = { type: 'connection_init' };
const HELLO = '{ hello }';
const GREETING = { data: { hello: 'Hello, GraphQL!' } };

/** A socket that has not said anything yet. */
async function open(server, protocol = TRANSPORT_WS, options = {}) {
  const client = new GraphqlClient(server.url('/graphql'), { protocol, ...options });
  server.clients.add(client);
  await within(client.opened, 'a WebSocket to open');
  return client;
}

const subscribe = (id, query, more) => ({ id, type: 'subscribe', payload: { query, ...more } });

// --- which protocol

test('graphql-transport-ws is preferred, in whatever order a client offers both', async ({
  start,
}) => {
  const server = await start();
  for (const [offered, chosen] of [
    [[TRANSPORT_WS, OLD_WS], TRANSPORT_WS],
    [[OLD_WS, TRANSPORT_WS], TRANSPORT_WS],
    [['soap', OLD_WS, TRANSPORT_WS], TRANSPORT_WS],
    [['soap', OLD_WS], OLD_WS],
  ]) {
    const client = await server.socket('/graphql', { protocols: offered });
    assert.equal(client.ws.protocol, chosen, offered.join());
  }
});

test('no protocol that is known: 4406', async ({ start }) => {
  const server = await start();
  const client = await server.socket('/graphql');
  assert.equal(client.ws.protocol, '');
  assert.equal(await client.closeCode(), 4406);
  for (const offered of ['soap', 'Graphql-Transport-WS', 'graphql-transport-ws2, wamp']) {
    const headers = `Sec-WebSocket-Protocol: ${offered}\r\n`;
    const raw = await FrameClient.open(server, { path: '/graphql', headers });
    const { opcode, payload } = await raw.frame();
    assert.equal(opcode, OPCODE.CLOSE);
    assert.equal(payload.readUInt16BE(0), 4406, offered);
  }
});

// --- the beginning

test('connection_init is acknowledged with the position', async ({ start }) => {
  const server = await start();
  for (const payload of [undefined, null, {}, { authorization: 'any', nested: { a: [1] } }]) {
    const client = await open(server);
    client.send({ ...INIT, ...(payload !== undefined && { payload }) });
    const ack = await client.next();
    assert.equal(ack.type, 'connection_ack');
    assert.match(ack.payload.epoch, EPOCH);
    assert.match(ack.payload.seq, /^\d+$/);
    assert.deepEqual(await client.ask(HELLO), GREETING);
  }
});

test('a second connection_init: 4429', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server);
  client.send(INIT);
  assert.equal(await client.closeCode(), 4429);
  const hasty = await open(server);
  hasty.send(INIT);
  hasty.send(INIT);
  assert.equal(await hasty.closeCode(), 4429);
});

test('subscribe before the acknowledgement: 4401', async ({ start }) => {
  const server = await start();
  const client = await open(server);
  client.send(subscribe('1', HELLO));
  assert.equal(await client.closeCode(), 4401);
});

test('no connection_init in time: 4408', async ({ start }) => {
  const server = await start({ args: ['--handshake-timeout', '2s'] });
  // Who is held up so long that even a request comes too late tries again.
  const silent = await until(() => open(server));
  const pinging = await until(async () => {
    const client = await open(server);
    client.send({ type: 'ping' });
    assert.deepEqual(await client.next(), { type: 'pong' });
    return client;
  });
  const prompt = await until(() => graphqlSocket(server));
  assert.equal(await silent.closeCode(), 4408);
  assert.equal(await pinging.closeCode(), 4408);
  assert.deepEqual(await prompt.ask(HELLO), GREETING);
});

// --- messages that are none

const INVALID = [
  ['no JSON', 'hello'],
  ['nothing', ''],
  ['half an object', '{"type":"ping"'],
  ['more than one value', '{"type":"ping"}{"type":"ping"}'],
  ['an array', '[]'],
  ['a string', '"ping"'],
  ['null', 'null'],
  ['no type', '{}'],
  ['a type that is no string', '{"type":1}'],
  ['an unknown type', '{"type":"start","id":"1","payload":{"query":"{ hello }"}}'],
  ['a type that only servers use: next', '{"type":"next","id":"1","payload":{}}'],
  ['a type that only servers use: error', '{"type":"error","id":"1","payload":[]}'],
  ['a type that only servers use: connection_ack', '{"type":"connection_ack"}'],
  ['a ping with a payload that is no object', '{"type":"ping","payload":"x"}'],
  ['a pong with a payload that is no object', '{"type":"pong","payload":[]}'],
  ['complete without an id', '{"type":"complete"}'],
  ['complete with a number for an id', '{"type":"complete","id":1}'],
  ['complete with an empty id', '{"type":"complete","id":""}'],
  ['subscribe without an id', '{"type":"subscribe","payload":{"query":"{ hello }"}}'],
  ['subscribe with a number for an id', '{"type":"subscribe","id":1,"payload":{"query":"{ hello }"}}'],
  ['subscribe with an empty id', '{"type":"subscribe","id":"","payload":{"query":"{ hello }"}}'],
  ['subscribe without a payload', '{"type":"subscribe","id":"1"}'],
  ['subscribe with a payload that is no object', '{"type":"subscribe","id":"1","payload":"{ hello }"}'],
  ['subscribe without a query', '{"type":"subscribe","id":"1","payload":{}}'],
  ['a query that is no string', '{"type":"subscribe","id":"1","payload":{"query":1}}'],
  ['variables that are no object', '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","variables":[]}}'],
  ['an operationName that is no string', '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","operationName":1}}'],
  ['extensions that are no object', '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","extensions":"x"}}'],
];

test('whatever is no message of the protocol: 4400', async ({ start }) => {
  const server = await start();
  for (const [what, message] of INVALID) {
    const client = await graphqlSocket(server);
    client.send(message);
    const { code, reason } = await within(client.closed, `4400 for ${what}`);
    assert.equal(code, 4400, what);
    assert.notEqual(reason, '', what);
    assert.ok(Buffer.byteLength(reason) <= 123, what);
  }
  const early = await open(server);
  early.send('nonsense');
  assert.equal(await early.closeCode(), 4400);
  const wrong = await open(server);
  wrong.send({ ...INIT, payload: 'x' });
  assert.equal(await wrong.closeCode(), 4400);
});

for (const protocol of [TRANSPORT_WS, OLD_WS]) {
  test(`${protocol}: binary 1003, bad UTF-8 1007, a message over the limit 1009`, async ({
    start,
  }) => {
    const server = await start({ args: ['--max-message', '64K'] });
    const raw = () =>
      FrameClient.open(server, {
        path: '/graphql',
        headers: `Sec-WebSocket-Protocol: ${protocol}\r\n`,
      });
    for (const [frame, code] of [
      [binary(JSON.stringify(INIT)), 1003],
      [text(Buffer.from([0x22, 0xff, 0x22])), 1007],
      [text(`"${'x'.repeat(64 << 10)}"`), 1009],
    ]) {
      const client = await raw();
      client.send(frame);
      const { opcode, payload } = await client.frame();
      assert.equal(opcode, OPCODE.CLOSE);
      assert.equal(payload.readUInt16BE(0), code);
      client.terminate();
    }
    const leaving = await raw();
    await leaving.leave(1000);
  });
}

// --- ping and pong

test('ping is answered by pong with its payload, acknowledged or not; pong by nothing', async ({
  start,
}) => {
  const server = await start();
  const client = await open(server);
  for (let i = 0; i < 2; i++) {
    client.send({ type: 'ping' });
    assert.deepEqual(await client.next(), { type: 'pong' });
    const payload = { number: 1.5, text: 'ä\u2028"', list: [null, { deep: true }] };
    client.send({ type: 'ping', payload });
    assert.deepEqual(await client.next(), { type: 'pong', payload });
    client.send({ type: 'pong', payload });
    client.send({ type: 'pong' });
    if (i === 0) {
      await client.initialise();
    }
  }
  assert.deepEqual(await client.ask(HELLO), GREETING);
  assert.deepEqual(client.queue, []);
});

// --- operations

test('queries and mutations: next, complete, and the id is free again', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server);
  for (const id of numbers(1, 3)) {
    const result = await client.ask(CREATE_MESSAGE, {
      id: 'the same',
      variables: { content: `number ${id}` },
    });
    assert.deepEqual(result.data, { createMessage: { id, content: `number ${id}` } });
  }
  client.send(subscribe('a', 'query A { hello } query B { b: hello }', { operationName: 'B' }));
  assert.deepEqual(await client.next(), {
    id: 'a',
    type: 'next',
    payload: { data: { b: 'Hello, GraphQL!' } },
  });
  assert.deepEqual(await client.next(), { id: 'a', type: 'complete' });
  client.send(subscribe('a', HELLO, { operationName: null, variables: null, extensions: null }));
  assert.deepEqual(await client.result('a'), GREETING);
});

test('many operations at once are each answered under their id', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server);
  const ids = numbers(1, 100).map((n) => `${n} "quoted" \\ \u2603`);
  ids.forEach((id, i) => {
    const mutation = { variables: { content: id } };
    client.send(i % 2 ? subscribe(id, HELLO) : subscribe(id, CREATE_MESSAGE, mutation));
  });
  for (const [i, id] of ids.entries()) {
    const { data } = await client.result(id);
    assert.equal(i % 2 ? data.hello : data.createMessage.content, i % 2 ? 'Hello, GraphQL!' : id);
    assert.deepEqual(await client.next({ id }), { id, type: 'complete' });
  }
  assert.deepEqual(client.queue, []);
});

test('what is wrong with a request is an error, which ends it and nothing else', async ({
  start,
}) => {
  const server = await start();
  const client = await graphqlSocket(server);
  const live = await client.subscribe(MESSAGE_ADDED);
  for (const [query, code, more] of [
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription { messageAdded { nothing } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription { messageAdded { id } userAdded { id } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query ($id: Int!) { message(id: $id) { id } }', 'BAD_USER_INPUT', { variables: { id: 'x' } }],
    ['query ($id: Int!) { message(id: $id) { id } }', 'BAD_USER_INPUT'],
    ['subscription ($id: Int!) { commentAdded(messageId: $id) { id } }', 'BAD_USER_INPUT'],
    ['subscription { topic(name: "") { seq } }', 'BAD_USER_INPUT'],
  ]) {
    client.send(subscribe('wrong', query, more));
    const message = await client.next({ id: 'wrong' });
    assert.equal(message.type, 'error', query);
    assert.equal(onlyCode(message.payload), code, query);
  }
  assert.deepEqual(await client.ask(HELLO, { id: 'wrong' }), GREETING);
  await createMessage(server, 'still there');
  assert.equal((await client.result(live)).data.messageAdded.content, 'still there');
  assert.deepEqual(client.queue, []);
});

test('field errors come with the data, as next', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server);
  const query = 'mutation { createComment(messageId: 7, authorId: 1, content: "x") { id } }';
  const { data, errors } = await client.ask(query);
  assert.equal(data, null);
  assert.equal(onlyCode(errors), 'NOT_FOUND');
});

test('an id that is in use: 4409', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server);
  const id = await client.subscribe(MESSAGE_ADDED);
  client.start(HELLO, { id });
  assert.equal(await client.closeCode(), 4409);
});

test('complete ends a subscription, and its id is free again', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await graphqlSocket(server);
  for (let round = 0; round < 3; round++) {
    const id = await client.subscribe(MESSAGE_ADDED, { id: 'again' });
    const { id: made } = await createMessage(server, 'heard');
    assert.equal((await client.result(id)).data.messageAdded.id, made);
    client.stop(id);
    await client.ask(HELLO);
    await createMessage(server, 'not heard');
  }
  client.stop('never seen');
  assert.deepEqual(await client.ask(HELLO), GREETING);
  assert.deepEqual(client.queue, []);
});

test('a mutation that is completed before its answer is executed and not answered', async ({
  start,
}) => {
  const server = await start();
  const client = await graphqlSocket(server);
  const watch = await client.subscribe(MESSAGE_ADDED);
  const writer = server.writer();
  kill(writer, 'SIGSTOP');
  const id = client.start(CREATE_MESSAGE, { variables: { content: 'quiet' } });
  client.stop(id);
  await client.ask(HELLO);
  kill(writer, 'SIGCONT');
  assert.equal((await client.result(watch)).data.messageAdded.content, 'quiet');
  assert.deepEqual(await client.ask(HELLO, { id }), GREETING);
  assert.deepEqual(client.queue, []);
});

test('several subscriptions of one connection, of the same and of different fields', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const client = await graphqlSocket(server);
  const ids = ['a', 'b', 'a much longer id than those, to be spliced in as well'];
  for (const id of ids) {
    await client.subscribe(MESSAGE_ADDED, { id });
  }
  const alias = await client.subscribe('subscription { new: messageAdded { id } }');
  const { id: made } = await createMessage(server, 'for all');
  const seqs = new Set();
  for (const id of ids) {
    const { data, extensions } = await client.result(id);
    assert.deepEqual(data, { messageAdded: { id: made, content: 'for all' } });
    seqs.add(extensions.seq);
  }
  const { data, extensions } = await client.result(alias);
  assert.deepEqual(data, { new: { id: made } });
  seqs.add(extensions.seq);
  assert.equal(seqs.size, 1);
});

test('an event carries its position, and a resume begins behind it', async ({ start }) => {
  const server = await start({ workers: 2 });
  const first = await graphqlSocket(server);
  const id = await first.subscribe(MESSAGE_ADDED);
  for (const n of numbers(1, 5)) {
    await createMessage(server, `number ${n}`);
  }
  const places = [first.position];
  for (const n of numbers(1, 5)) {
    const { data, extensions } = await first.result(id);
    assert.deepEqual(data.messageAdded, { id: n, content: `number ${n}` });
    assert.deepEqual(Object.keys(extensions).sort(), ['epoch', 'seq']);
    places.push(extensions);
  }
  for (const [known, resume] of places.entries()) {
    const again = await server.onWorker(known % 2, () => graphqlSocket(server));
    const subscription = await again.subscribe(MESSAGE_ADDED, { resume });
    for (const n of numbers(known + 1, 5 - known)) {
      const { data, extensions } = await again.result(subscription);
      assert.equal(data.messageAdded.id, n);
      assert.deepEqual(extensions, places[n]);
    }
    assert.deepEqual(again.queue, []);
    again.terminate();
  }
});

test('a resume of another shape is no request; of an unknown epoch a gap', async ({ start }) => {
  const server = await start();
  await createMessage(server, 'one');
  const client = await graphqlSocket(server);
  const { epoch } = client.position;
  for (const resume of ['1', { seq: '-1', epoch }, { seq: 1.5, epoch }, { seq: '1', epoch: 'x' }]) {
    const id = client.start(MESSAGE_ADDED, { resume });
    const { type, payload } = await client.next({ id });
    assert.equal(type, 'error', JSON.stringify(resume));
    assert.equal(onlyCode(payload), 'BAD_USER_INPUT', JSON.stringify(resume));
  }
  for (const resume of [{ epoch: '0123456789abcdef', seq: '1' }, { epoch, seq: '99999999' }]) {
    const id = client.start(MESSAGE_ADDED, { resume });
    const { type, payload } = await client.next({ id });
    assert.equal(type, 'error');
    assert.equal(onlyCode(payload), 'GAP');
    assert.equal(payload[0].extensions.epoch, epoch);
    assert.match(payload[0].extensions.oldest, /^\d+$/);
  }
  assert.deepEqual(await client.ask(HELLO), GREETING);
});

test('so many subscriptions and not one more, until one is given back', async ({ start }) => {
  const server = await start({ args: ['--max-subscriptions', '3'] });
  const client = await graphqlSocket(server);
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push(client.start(MESSAGE_ADDED));
  }
  const refused = client.start(MESSAGE_ADDED);
  const { type, payload } = await client.next({ id: refused });
  assert.equal(type, 'error');
  assert.equal(onlyCode(payload), 'LIMIT_EXCEEDED');
  client.stop(ids[0]);
  const late = client.start(MESSAGE_ADDED);
  client.send({ type: 'ping' }); // an operation would be one more
  await client.next({ type: 'pong' });
  const { id: made } = await createMessage(server, 'heard');
  assert.equal((await client.result(late)).data.messageAdded.id, made);
});

test('a message may come in pieces, and many in one', async ({ start }) => {
  const server = await start();
  const messages = [INIT, subscribe('1', HELLO), subscribe('2', HELLO)].map((message) =>
    text(JSON.stringify(message)),
  );
  const raw = () =>
    FrameClient.open(server, {
      path: '/graphql',
      headers: `Sec-WebSocket-Protocol: ${TRANSPORT_WS}\r\n`,
    });
  const answers = async (client) => {
    const types = [];
    for (let i = 0; i < 5; i++) {
      types.push(JSON.parse((await client.frame()).payload).type);
    }
    return types;
  };
  const expected = ['connection_ack', 'next', 'complete', 'next', 'complete'];
  const together = await raw();
  together.send(Buffer.concat(messages));
  assert.deepEqual(await answers(together), expected);
  const apart = await raw();
  await apart.sendApart([...Buffer.concat(messages)].map((byte) => Buffer.from([byte])));
  assert.deepEqual(await answers(apart), expected);
  apart.send(close());
  await apart.expectClose(1000);
});

// --- the end

test('a drain is announced by ping, served through, and ended with 1001', async ({ start }) => {
  const server = await start({ workers: 2 });
  const clients = await server.onEachWorker(() => graphqlSocket(server));
  const ids = [];
  for (const client of clients) {
    ids.push(await client.subscribe(MESSAGE_ADDED));
  }
  const older = await graphqlSocket(server, { protocol: OLD_WS });
  server.signal('SIGTERM');
  for (const client of clients) {
    const { payload } = await client.next({ type: 'ping' });
    assert.equal(payload.type, 'shutdown');
    assert.ok(payload.remaining_seconds > 1700 && payload.remaining_seconds <= 1800);
    client.send({ type: 'pong', payload });
  }
  const { data } = await clients[0].ask(CREATE_MESSAGE, { variables: { content: 'in the drain' } });
  for (const [i, client] of clients.entries()) {
    const { messageAdded } = (await client.result(ids[i])).data;
    assert.deepEqual(messageAdded, data.createMessage);
  }
  assert.deepEqual(await older.ask(HELLO), GREETING);
  assert.ok(older.queue.every(({ type }) => type === 'ka'), 'the older protocol has no ping');
  await until(async () => (await server.request('GET', '/health')).status === 503);
  const late = await open(server);
  assert.equal(await late.closeCode(), 1001);
  server.signal('SIGTERM');
  for (const client of [...clients, older]) {
    assert.equal(await client.closeCode(), 1001);
  }
  assert.equal(await server.end(), 0);
});

test('one connection too many: 1013, on which clients try again', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-connections', '1'] });
  const client = await graphqlSocket(server);
  const late = await open(server);
  assert.equal(await late.closeCode(), 1013);
  assert.deepEqual(await client.ask(HELLO), GREETING);
});

// --- the older protocol

test('the older protocol: connection_ack with the position, then ka, and again in time', async ({
  start,
}) => {
  const server = await start();
  const client = await open(server, OLD_WS);
  client.send(INIT);
  const ack = await client.next(() => true);
  assert.equal(ack.type, 'connection_ack');
  assert.match(ack.payload.epoch, EPOCH);
  assert.match(ack.payload.seq, /^\d+$/);
  assert.deepEqual(await client.next(() => true), { type: 'ka' });
  // subscriptions-transport-ws gives a server up that says nothing for 30 s once it has said this.
  assert.deepEqual(await client.next(() => true, { timeout: 30_000 }), { type: 'ka' });
});

test('the older protocol: data, complete, and stop that is answered', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await graphqlSocket(server, { protocol: OLD_WS });
  assert.deepEqual(await client.ask(HELLO, { id: '1' }), GREETING);
  const { data } = await client.ask(CREATE_MESSAGE, { id: '1', variables: { content: 'old' } });
  assert.deepEqual(data.createMessage, { id: 1, content: 'old' });

  const id = await client.subscribe(MESSAGE_ADDED);
  const resume = { ...client.position };
  await createMessage(server, 'new');
  assert.deepEqual((await client.result(id)).data, { messageAdded: { id: 2, content: 'new' } });
  client.stop(id);
  assert.equal((await client.next({ id })).type, 'complete');
  await createMessage(server, 'newer');

  const again = client.start(MESSAGE_ADDED, { resume });
  for (const n of numbers(1, 3)) {
    const { messageAdded } = (await client.result(again)).data;
    assert.equal(messageAdded.id, n);
  }
});

test('the older protocol: start before connection_init: connection_error, 4401', async ({
  start,
}) => {
  const server = await start();
  const client = await open(server, OLD_WS);
  client.start(HELLO);
  const { type, payload } = await client.next();
  assert.equal(type, 'connection_error');
  assert.equal(typeof payload.message, 'string');
  assert.equal(await client.closeCode(), 4401);
});

test('the older protocol: a reused id replaces what had it', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server, { protocol: OLD_WS });
  const id = await client.subscribe(MESSAGE_ADDED, { id: '1' });
  await client.subscribe('subscription { new: messageAdded { content } }', { id: '1' });
  await createMessage(server, 'one');
  assert.deepEqual((await client.result(id)).data, { new: { content: 'one' } });
  await client.ask(HELLO);
  assert.deepEqual(client.queue.filter((message) => message.id === id), []);
});

test('the older protocol: bad JSON is a connection_error, and the socket is kept', async ({
  start,
}) => {
  const server = await start();
  const client = await graphqlSocket(server, { protocol: OLD_WS });
  for (const bad of ['{', 'hello', '']) {
    client.send(bad);
    const { payload } = await client.next({ type: 'connection_error' });
    assert.equal(typeof payload.message, 'string');
  }
  assert.deepEqual(await client.ask(HELLO), GREETING);
});

test('the older protocol: what is wrong with a request ends it and nothing else', async ({
  start,
}) => {
  const server = await start();
  const client = await graphqlSocket(server, { protocol: OLD_WS });
  for (const query of ['{', '{ nothing }', 'subscription { nothing }']) {
    const id = client.start(query);
    const { type, payload } = await client.next({ id });
    // subscriptions-transport-ws's own server has data with errors, and error; its client takes both.
    assert.ok(['data', 'error'].includes(type), type);
    assert.match(JSON.stringify(payload), /"message":"[^"]/);
  }
  assert.deepEqual(await client.ask(HELLO), GREETING);
});

test('the older protocol: connection_terminate closes', async ({ start }) => {
  const server = await start();
  const client = await graphqlSocket(server, { protocol: OLD_WS });
  await client.subscribe(MESSAGE_ADDED);
  client.send({ type: 'connection_terminate', payload: null });
  assert.ok([1000, 1005].includes(await client.closeCode()));
});
