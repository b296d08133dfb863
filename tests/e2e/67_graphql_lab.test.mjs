// What the GraphQL API of the built-in schema promises, on several workers, over every transport, and
// after a restart (PROTOCOLS section 6).
import fs from 'node:fs';
import path from 'node:path';
import { buildClientSchema, getIntrospectionQuery } from 'graphql';
import {
  CREATE_MESSAGE,
  MESSAGE_ADDED,
  OLD_WS,
  allMessages,
  ask,
  codeOf,
  createMessage,
  dataOf,
  graphqlEvents,
  graphqlSocket,
  onlyCode,
  position,
} from './lib/graphql.mjs';
import { makeDirectory } from './lib/server.mjs';
import { TIME, assertRising, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const isEvent = { message: { type: 'message' } };

/** Whoever hears of new messages, by each way there is: {socket, next}; next() is the row's id. */
const LISTENERS = {
  async 'graphql-transport-ws'(server) {
    const client = await graphqlSocket(server);
    const id = await client.subscribe(MESSAGE_ADDED);
    return { client, next: async () => (await client.result(id)).data.messageAdded.id };
  },
  async 'graphql-ws'(server) {
    const client = await graphqlSocket(server, { protocol: OLD_WS });
    const id = await client.subscribe(MESSAGE_ADDED);
    return { client, next: async () => (await client.result(id)).data.messageAdded.id };
  },
  async 'GraphQL over an event stream'(server) {
    const client = await graphqlEvents(server, MESSAGE_ADDED);
    await client.next(({ id }) => id);
    const next = async () => (await client.next({ event: 'next' })).message.data.messageAdded.id;
    return { client, next };
  },
  async 'the broker'(server) {
    const client = await server.broker();
    await client.subscribe('messages');
    return { client, next: async () => (await client.next({ type: 'message' })).data.id };
  },
  async 'an event stream of the topic'(server) {
    const client = await server.events('/topics/messages');
    await client.next(({ id }) => id);
    return { client, next: async () => (await client.next(isEvent)).message.data.id };
  },
};

/** One of each kind on each worker. */
async function listenEverywhere(server) {
  const found = [];
  for (const [kind, listen] of Object.entries(LISTENERS)) {
    const open = async () => {
      const { client, next } = await listen(server);
      return { client, next, kind, socket: client.socket, terminate: () => client.terminate() };
    };
    found.push(...(await server.onEachWorker(open)));
  }
  return found;
}

// --- the schema

test('introspection shows the subscriptions and their arguments', async ({ start }) => {
  const server = await start();
  const schema = buildClientSchema(await dataOf(server, getIntrospectionQuery()));
  const fields = schema.getSubscriptionType().getFields();
  const shape = ({ args, type }) =>
    [...args.map((argument) => `${argument.name}: ${argument.type}`), String(type)].join(' -> ');
  assert.equal(shape(fields.messageAdded), 'Message!');
  assert.equal(shape(fields.commentAdded), 'messageId: Int! -> Comment!');
  assert.equal(shape(fields.messageUpdated), 'messageId: Int -> Message!');
  assert.equal(shape(fields.messageDeleted), 'messageId: Int -> Message!');
  assert.equal(shape(fields.reactionsChanged), 'messageId: Int! -> Comment!');
  assert.equal(shape(fields.userAdded), 'User!');
  assert.equal(shape(fields.topic), 'name: String! -> Event!');
  const mutations = Object.keys(schema.getMutationType().getFields());
  assert.deepEqual(mutations, [
    'createUser',
    'createMessage',
    'updateMessage',
    'deleteMessage',
    'createComment',
    'setReactions',
    'publish',
  ]);
});

// --- who hears of what

test('comments reach the subscribers of their message, and nobody else', async ({ start }) => {
  const server = await start({ workers: 2 });
  const ids = [(await createMessage(server, 'a')).id, (await createMessage(server, 'b')).id];
  const query = 'subscription ($id: Int!) { commentAdded(messageId: $id) { id messageId content } }';
  const followers = [];
  for (const id of ids) {
    for (const protocol of [undefined, OLD_WS]) {
      const client = await graphqlSocket(server, { protocol });
      const subscription = await client.subscribe(query, { variables: { id } });
      followers.push({ id, next: async () => (await client.result(subscription)).data });
    }
    const stream = await graphqlEvents(server, query, { variables: { id } });
    await stream.next(({ id: place }) => place);
    const next = async () => (await stream.next({ event: 'next' })).message.data;
    followers.push({ id, next });
  }
  const mutation = `mutation ($id: Int!, $content: String!) {
    createComment(messageId: $id, authorId: 1, content: $content) { id } }`;
  for (let n = 0; n < 20; n++) {
    const id = ids[n % 2];
    await dataOf(server, mutation, { id, content: `${id}: ${n}` });
  }
  for (const { id, next } of followers) {
    for (let n = ids.indexOf(id); n < 20; n += 2) {
      assert.deepEqual(await next(), {
        commentAdded: { id: n + 1, messageId: id, content: `${id}: ${n}` },
      });
    }
  }
});

test('updates reach those of message_updates:all and those of message_updates:{id}', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  for (const content of ['one', 'two', 'three']) {
    await createMessage(server, content);
  }
  const client = await graphqlSocket(server);
  const fields = '{ id title content }';
  const ofAll = await client.subscribe(`subscription { messageUpdated ${fields} }`);
  const ofNull = await client.subscribe(`subscription { messageUpdated(messageId: null) ${fields} }`);
  const ofTwo = await client.subscribe(`subscription { messageUpdated(messageId: 2) ${fields} }`);
  const broker = await server.broker();
  await broker.subscribe('message_updates:all');
  await broker.subscribe('message_updates:2');

  const update = (id, title) =>
    dataOf(server, `mutation ($title: String) { updateMessage(id: ${id}, title: $title) { id title } }`, {
      title,
    });
  const changes = [1, 2, 3, 2].map((id, n) => ({ id, title: `${id} at ${n}` }));
  for (const { id, title } of changes) {
    assert.deepEqual(await update(id, title), { updateMessage: { id, title } });
  }
  assert.deepEqual(await update(4, 'none'), { updateMessage: null });
  const content = { 1: 'one', 2: 'two', 3: 'three' };
  const expected = changes.map((change) => ({ ...change, content: content[change.id] }));
  for (const id of [ofAll, ofNull]) {
    for (const row of expected) {
      assert.deepEqual((await client.result(id)).data.messageUpdated, row);
    }
  }
  for (const row of expected.filter(({ id }) => id === 2)) {
    assert.deepEqual((await client.result(ofTwo)).data.messageUpdated, row);
  }
  for (const { id, title } of changes) {
    const topics = id === 2 ? ['message_updates:all', 'message_updates:2'] : ['message_updates:all'];
    const seqs = new Set();
    for (const topic of topics) {
      const { data, seq } = await broker.next({ type: 'message', topic });
      assert.deepEqual([data.id, data.title], [id, title]);
      seqs.add(seq);
    }
    assert.equal(seqs.size, 1, 'one operation, one seq');
  }
  await client.ask('{ hello }');
  assert.deepEqual([client.queue, broker.queue], [[], []]);
});

test('clients of the topic see the whole row, as it is stored', async ({ start }) => {
  const server = await start({ workers: 2 });
  const broker = await server.broker();
  await broker.subscribe('messages');
  const stream = await server.events('/topics/messages');
  await stream.next(({ id }) => id);
  const metadata = '{"price":12.50,"big":123456789012345678901234567890,"a":"\\u00e4","a":[]}';
  const answer = await server.request('POST', '/graphql', {
    headers: { 'content-type': 'application/json' },
    body: `{"query":"mutation ($m: JSON) { createMessage(authorId: 1, content: \\"x\\", metadata: $m) { id metadata createdAt updatedAt } }","variables":{"m":${metadata}}}`,
  });
  assert.ok(answer.text.includes(`"metadata":${metadata}`), answer.text);
  const { createdAt, updatedAt } = answer.json.data.createMessage;
  assert.match(createdAt, TIME);
  assert.equal(createdAt, updatedAt);
  const row = {
    id: 1,
    authorId: 1,
    title: null,
    content: 'x',
    metadata: JSON.parse(metadata),
    stats: null,
    createdAt,
    updatedAt,
  };
  const { data, seq } = await broker.next({ type: 'message' });
  assert.deepEqual(data, row);
  assert.deepEqual(Object.keys(data), Object.keys(row), "in the schema's order");
  const { message } = await stream.next(isEvent);
  assert.deepEqual([message.seq, message.data], [seq, row]);
  const { text } = await server.request('GET', '/topics/messages');
  assert.ok(text.includes(`"metadata":${metadata}`), text);
  const { history } = await dataOf(server, '{ history(topic: "messages") { topic seq epoch time data } }');
  assert.deepEqual(history.map((event) => [event.topic, event.seq, event.data]), [
    ['messages', String(seq), row],
  ]);
});

test('what is published to a row topic is no row: messageAdded passes it over', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await graphqlSocket(server);
  const rows = await client.subscribe(MESSAGE_ADDED);
  const events = await client.subscribe('subscription { topic(name: "messages") { seq data } }');
  const broker = await server.broker();
  await broker.subscribe('messages');
  const forged = { id: 999, authorId: 1, content: 'forged', title: null };

  await createMessage(server, 'first');
  await broker.publish('messages', forged);
  assert.equal((await server.post('messages', forged)).status, 201);
  await dataOf(server, 'mutation ($data: JSON!) { publish(topic: "messages", data: $data) { seq } }', {
    data: forged,
  });
  await createMessage(server, 'second');

  for (const [id, content] of [[1, 'first'], [2, 'second']]) {
    assert.deepEqual((await client.result(rows)).data.messageAdded, { id, content });
  }
  const contents = ['first', 'forged', 'forged', 'forged', 'second'];
  const seqs = [];
  for (const content of contents) {
    const { data, seq } = await broker.next({ type: 'message' });
    assert.equal(data.content, content);
    const event = (await client.result(events)).data.topic;
    assert.deepEqual([event.seq, event.data.content], [String(seq), content]);
    seqs.push(seq);
  }
  assertRising(seqs);
  // Nor by a resume from the beginning.
  const late = await graphqlSocket(server);
  const id = await late.subscribe(MESSAGE_ADDED, { resume: client.position });
  assert.equal((await late.result(id)).data.messageAdded.content, 'first');
  assert.equal((await late.result(id)).data.messageAdded.content, 'second');
  assert.deepEqual(late.queue, []);
});

test('publish and topic: plain events, with their seq', async ({ start }) => {
  const server = await start({ workers: 2 });
  const clients = await server.onEachWorker(() => graphqlSocket(server));
  const query = 'subscription ($name: String!) { topic(name: $name) { topic seq epoch time data } }';
  const name = 'prices/ä "quoted"';
  const ids = [];
  for (const client of clients) {
    ids.push(await client.subscribe(query, { variables: { name } }));
  }
  const mutation = `mutation ($topic: String!, $data: JSON!) {
    publish(topic: $topic, data: $data) { topic seq epoch time data } }`;
  for (const data of [12.5, 'text', false, [1, { deep: [null] }], { id: 1 }]) {
    const { publish } = await dataOf(server, mutation, { topic: name, data });
    assert.equal(publish.topic, name);
    assert.deepEqual(publish.data, data);
    assert.match(publish.time, TIME);
    for (const [i, client] of clients.entries()) {
      const result = await client.result(ids[i]);
      assert.deepEqual(result.data.topic, publish);
      assert.deepEqual(result.extensions, { seq: publish.seq, epoch: publish.epoch });
    }
  }
  for (const topic of ['', '$reserved', 'x'.repeat(256), 'a\u0000b']) {
    assert.equal(await codeOf(server, mutation, { topic, data: 1 }), 'BAD_USER_INPUT', topic);
  }
});

// --- a thousand at once

/** Sends count mutations at once, each on a connection of its own; returns the ids in their answers. */
async function createAtOnce(server, count) {
  const answers = await Promise.all(
    numbers(1, count).map((n) =>
      server.request('POST', '/graphql', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: CREATE_MESSAGE, variables: { content: `at once: ${n}` } }),
      }),
    ),
  );
  return answers.map(({ status, text, json }) => {
    assert.equal(status, 200, text);
    assert.equal(json.errors, undefined, text);
    return json.data.createMessage.id;
  });
}

test('1,000 createMessage at once: all succeed, everybody gets 1,000 in order; again after a restart', async ({
  start,
}) => {
  const count = 1000;
  const server = await start({ workers: 3 });
  for (const round of [0, 1]) {
    const listeners = await listenEverywhere(server);
    const made = await createAtOnce(server, count);
    const expected = numbers(round * count + 1, count);
    assert.deepEqual(made.sort((a, b) => a - b), expected);
    for (const { kind, next } of listeners) {
      const ids = [];
      while (ids.length < count) {
        ids.push(await next());
      }
      assert.deepEqual(ids, expected, kind);
    }
    const rows = await allMessages(server, 'id');
    assert.deepEqual(rows.map(({ id }) => id), numbers(1, (round + 1) * count));
    server.terminateClients();
    assert.equal(await server.stop(), 0);
    await server.restart();
  }
  const rows = await allMessages(server, 'id');
  assert.deepEqual(rows.map(({ id }) => id), numbers(1, 2 * count));
  assert.equal((await createMessage(server, 'the next')).id, 2 * count + 1);
});

// --- resuming

test('a query and the position beside it, then a subscription from there: nothing is missed', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  let isStopped = false;
  let made = 0;
  const creating = (async () => {
    while (!isStopped) {
      made = (await createMessage(server, 'steady')).id;
    }
  })();
  const followers = [];
  for (let round = 0; round < 8; round++) {
    const before = made;
    await until(() => made > before + 5, { what: 'more messages' });
    // The newest first would need no pages: by offset they are few.
    const query = `{ position { epoch seq } messages(limit: 1000, offset: ${before}) { id } }`;
    const { position: resume, messages } = await dataOf(server, query);
    const known = messages.at(-1)?.id ?? before;
    const client = await server.onWorker(round % 2, () => graphqlSocket(server));
    followers.push({ client, known, id: client.start(MESSAGE_ADDED, { resume }) });
  }
  isStopped = true;
  await creating;
  made = (await createMessage(server, 'the last')).id; // behind what the last query showed, in any case
  for (const { client, known, id } of followers) {
    const ids = [];
    while (ids.at(-1) !== made) {
      ids.push((await client.result(id)).data.messageAdded.id);
    }
    assert.ok(ids[0] <= known + 1, `the query showed ${known}, the first event was ${ids[0]}`);
    assert.deepEqual(ids, numbers(ids[0], made - ids[0] + 1));
  }
});

test('what retention has taken is a GAP: an error on a socket, a next on a stream', async ({
  start,
}) => {
  const server = await start({ args: ['--retention-events', '20'] });
  const before = await position(server);
  const first = await createMessage(server, 'the first');
  let made = first.id;
  await until(
    async () => {
      made = (await createMessage(server, 'another')).id;
      const { first_seq: oldest, last_seq: newest } = (await server.health()).log;
      const isSettled = newest - oldest < 20; // it takes no more of what there is
      return isSettled && (await server.history('messages', '?limit=1')).oldest > Number(before.seq) + 1;
    },
    { what: 'retention to take the first', interval: 0 },
  );
  const client = await graphqlSocket(server);
  const id = client.start(MESSAGE_ADDED, { resume: before });
  const { type, payload } = await client.next({ id });
  assert.equal(type, 'error');
  assert.equal(onlyCode(payload), 'GAP');
  const { oldest, epoch } = payload[0].extensions;
  assert.equal(epoch, before.epoch);
  assert.ok(Number(oldest) > Number(before.seq) + 1);
  // From there on it can be had.
  const again = client.start(MESSAGE_ADDED, { resume: { epoch, seq: String(oldest - 1) } });
  const { extensions } = await client.result(again);
  assert.equal(extensions.seq, oldest);

  const stream = await graphqlEvents(server, MESSAGE_ADDED, { resume: before });
  const gap = (await stream.next({ event: 'next' })).message;
  assert.equal(onlyCode(gap.errors), 'GAP');
  let last;
  while (last !== made) {
    last = (await stream.next({ event: 'next' })).message.data.messageAdded.id;
  }
  const live = await createMessage(server, 'live');
  const { data } = (await stream.next({ event: 'next' })).message;
  assert.deepEqual(data.messageAdded, live);
  // The rows themselves stay.
  const { message } = await dataOf(server, '{ message(id: 1) { id content } }');
  assert.deepEqual(message, first);
});

for (const bound of [['--retention-events', '10'], ['--retention-bytes', '1']]) {
  test(`${bound[0]} waits until mutations are answered and their events delivered`, async ({
    start,
  }) => {
    const rounds = 3;
    const server = await start({ args: bound });
    const listener = await graphqlSocket(server);
    const id = await listener.subscribe(MESSAGE_ADDED);
    const clients = await server.onEachWorker(() => graphqlSocket(server));
    const mutate = (client) => client.dataOf(CREATE_MESSAGE, { variables: { content: 'kept' } });
    for (let round = 0; round < rounds; round++) {
      // Far more at once than are kept.
      await Promise.all(clients.flatMap((client) => Array.from({ length: 250 }, () => mutate(client))));
    }
    for (let i = 1; i <= rounds * clients.length * 250; i++) {
      assert.equal((await listener.result(id)).data.messageAdded.id, i);
    }
  });
}

// --- mutations

test('the fields of a mutation are executed one after the other, in their order', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const client = await graphqlSocket(server);
  const added = await client.subscribe('subscription { messageAdded { id } }');
  const updated = await client.subscribe('subscription { messageUpdated { id content } }');
  const create = (name) => `${name}: createMessage(authorId: 1, content: "${name}") { id content }`;
  const { a, first, b, second, gone, c } = await dataOf(
    server,
    `mutation { ${create('a')} first: updateMessage(id: 1, content: "changed") { id content }
       ${create('b')} second: updateMessage(id: 2, content: "too") { id content updatedAt }
       gone: deleteMessage(id: 1) { id content }
       ${create('c')} }`,
  );
  assert.deepEqual([a.id, b.id, c.id], [1, 2, 3]);
  assert.deepEqual(first, { id: 1, content: 'changed' });
  assert.equal(second.content, 'too');
  assert.deepEqual(gone, { id: 1, content: 'changed' });
  const seqs = [];
  for (const [subscription, field, id] of [
    [added, 'messageAdded', 1],
    [updated, 'messageUpdated', 1],
    [added, 'messageAdded', 2],
    [updated, 'messageUpdated', 2],
    [added, 'messageAdded', 3],
  ]) {
    const { data, extensions } = await client.result(subscription);
    assert.equal(data[field].id, id);
    seqs.push(Number(extensions.seq));
  }
  assertRising(seqs);
  assert.deepEqual(await dataOf(server, '{ message(id: 1) { id } messages { id content } }'), {
    message: null,
    messages: [
      { id: 2, content: 'too' },
      { id: 3, content: 'c' },
    ],
  });
  // An id that was deleted is not given again, and one that failed is not lost.
  assert.equal(
    await codeOf(server, 'mutation { createComment(messageId: 1, authorId: 1, content: "x") { id } }'),
    'NOT_FOUND',
  );
  const comment = 'mutation { createComment(messageId: 2, authorId: 1, content: "x") { id } }';
  assert.deepEqual(await dataOf(server, comment), { createComment: { id: 1 } });
  assert.equal((await createMessage(server, 'd')).id, 4);
});

test('absent leaves, null sets null, and what must not be null is refused', async ({ start }) => {
  const server = await start();
  const fields = '{ id title content metadata createdAt updatedAt }';
  const { createMessage: made } = await dataOf(
    server,
    `mutation { createMessage(authorId: 1, content: "x", title: "t", metadata: {a: [1, TWO]}) ${fields} }`,
  );
  assert.deepEqual(made.metadata, { a: [1, 'TWO'] });
  const { updateMessage: changed } = await dataOf(
    server,
    `mutation { updateMessage(id: 1, title: null) ${fields} }`,
  );
  assert.deepEqual(changed, { ...made, title: null, updatedAt: changed.updatedAt });
  assert.ok(changed.updatedAt > made.updatedAt);
  const refused = await ask(server, `mutation { updateMessage(id: 1, content: null) ${fields} }`);
  assert.equal(onlyCode(refused.errors), 'BAD_USER_INPUT');
  assert.deepEqual(refused.data, { updateMessage: null });
  assert.deepEqual(refused.errors[0].path, ['updateMessage']);
  const { message } = await dataOf(server, `{ message(id: 1) ${fields} }`);
  assert.deepEqual(message, changed);
});

test('changes of a row at once have times of their own, in their order', async ({ start }) => {
  const server = await start({ workers: 2 });
  await createMessage(server, 'one');
  const clients = await server.onEachWorker(() => graphqlSocket(server));
  const updated = await clients[0].subscribe('subscription { messageUpdated { updatedAt } }');
  const update = 'mutation { updateMessage(id: 1, content: "changed") { updatedAt } }';
  const answers = await Promise.all(
    clients.flatMap((client) => Array.from({ length: 100 }, () => client.dataOf(update))),
  );
  const times = [];
  while (times.length < answers.length) {
    times.push((await clients[0].result(updated)).data.messageUpdated.updatedAt);
  }
  assert.deepEqual(times, [...new Set(times)].sort());
  assert.deepEqual(answers.map((answer) => answer.updateMessage.updatedAt).sort(), times);
});

test('messages with authors and comments, by pages', async ({ start }) => {
  const server = await start({ workers: 2 });
  await dataOf(server, 'mutation { ann: createUser(name: "Ann") { id } bob: createUser(name: "Bob") { id } }');
  const create = 'mutation ($by: Int!) { createMessage(authorId: $by, content: "x") { id } }';
  for (const by of [1, 2, 3]) {
    await dataOf(server, create, { by });
  }
  const comment = `mutation ($id: Int!, $content: String!, $parent: Int) {
    createComment(messageId: $id, authorId: 2, content: $content, parentCommentId: $parent) { id } }`;
  for (const n of numbers(1, 6)) {
    await dataOf(server, comment, { id: 2, content: `c${n}`, parent: n > 1 ? n - 1 : null });
  }
  const { messages, few, none } = await dataOf(
    server,
    `{ messages { id author { name } comments { content parentCommentId } }
       few: comments(messageId: 2, limit: 2, offset: 3) { id }
       none: comments(messageId: 1) { id } }`,
  );
  assert.deepEqual(
    messages.map(({ id, author }) => [id, author]),
    [
      [1, { name: 'Ann' }],
      [2, { name: 'Bob' }],
      [3, null],
    ],
  );
  assert.deepEqual(messages[1].comments.map(({ content }) => content), numbers(1, 6).map((n) => `c${n}`));
  assert.deepEqual(messages[1].comments.map((row) => row.parentCommentId), [null, 1, 2, 3, 4, 5]);
  assert.deepEqual([few, none], [[{ id: 4 }, { id: 5 }], []]);

  const client = await graphqlSocket(server);
  const id = await client.subscribe('subscription { reactionsChanged(messageId: 2) { id reactions } }');
  const react = 'mutation { setReactions(id: 3, reactions: {heart: 2}) { id reactions } }';
  const row = { id: 3, reactions: { heart: 2 } };
  assert.deepEqual(await dataOf(server, react), { setReactions: row });
  assert.deepEqual((await client.result(id)).data, { reactionsChanged: row });
  // The comments of a message that is gone can still be read.
  await dataOf(server, 'mutation { deleteMessage(id: 2) { id } }');
  const left = await dataOf(server, '{ message(id: 2) { id } comments(messageId: 2) { id } }');
  assert.deepEqual([left.message, left.comments.length], [null, 6]);
});

// --- what goes wrong

test('each kind of error has its code', async ({ start }) => {
  const server = await start({ args: ['--graphql-depth', '2', '--graphql-complexity', '500'] });
  await createMessage(server, 'one');
  await dataOf(server, '{ messages(limit: 100) { id content author: authorId } }');
  for (const [query, code, variables] of [
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query ($id: Int!) { message(id: $id) { id } }', 'BAD_USER_INPUT', { id: 'one' }],
    ['mutation { createComment(messageId: 2, authorId: 1, content: "x") { id } }', 'NOT_FOUND'],
    ['mutation { updateMessage(id: 1, content: null) { id } }', 'BAD_USER_INPUT'],
    ['{ messages(limit: -1) { id } }', 'BAD_USER_INPUT'],
    ['{ messages(offset: -1) { id } }', 'BAD_USER_INPUT'],
    ['{ messages(limit: 1) { comments(limit: 1) { id } } }', 'LIMIT_EXCEEDED'],
    ['{ messages(limit: 250) { id content } }', 'LIMIT_EXCEEDED'],
  ]) {
    const answer = await server.request('POST', '/graphql', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    assert.equal(answer.status, 200, query);
    assert.equal(onlyCode(answer.json.errors), code, query);
  }
});

const BANK = `
directive @table on OBJECT
directive @unique on FIELD_DEFINITION
directive @get(where: JSON) on FIELD_DEFINITION
directive @create(topics: [String!]! = []) on FIELD_DEFINITION
directive @update(topics: [String!]! = [], if: JSON) on FIELD_DEFINITION
directive @subscribe(topic: String!, where: JSON) on FIELD_DEFINITION
scalar JSON
type Account @table { id: Int! name: String! @unique balance: Int! }
type Query { account(id: Int!): Account @get }
type Mutation {
  open(name: String!, balance: Int!): Account! @create(topics: ["accounts"])
  set(id: Int!, balance: Int!, was: Int!): Account
    @update(topics: ["accounts", "accounts:{name}"], if: {balance: "was"})
}
type Subscription { account(name: String!): Account! @subscribe(topic: "accounts:{name}") }
`;

test('CONFLICT: a name that is taken, and a value that has changed meanwhile', async ({
  start,
  cleanup,
}) => {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'bank.graphql');
  fs.writeFileSync(file, BANK);
  const server = await start({ workers: 2, args: ['--schema', file] });
  const open = 'mutation ($name: String!) { open(name: $name, balance: 10) { id } }';
  assert.deepEqual(await dataOf(server, open, { name: 'ann' }), { open: { id: 1 } });
  assert.equal(await codeOf(server, open, { name: 'ann' }), 'CONFLICT');
  assert.deepEqual(await dataOf(server, open, { name: 'bob' }), { open: { id: 2 } });

  const client = await graphqlSocket(server);
  const id = await client.subscribe('subscription { account(name: "ann") { balance } }');
  const set = 'mutation ($was: Int!, $balance: Int!) { set(id: 1, was: $was, balance: $balance) { balance } }';
  assert.deepEqual(await dataOf(server, set, { was: 10, balance: 11 }), { set: { balance: 11 } });
  assert.equal(await codeOf(server, set, { was: 10, balance: 12 }), 'CONFLICT');

  // Many who read, add one and set: whoever loses tries again, and nothing is lost.
  const addOne = async () => {
    for (;;) {
      const { balance: was } = (await dataOf(server, '{ account(id: 1) { balance } }')).account;
      const { errors } = await ask(server, set, { was, balance: was + 1 });
      if (!errors) {
        return;
      }
      assert.equal(onlyCode(errors), 'CONFLICT');
    }
  };
  await Promise.all(numbers(1, 20).map(addOne));
  assert.deepEqual(await dataOf(server, '{ account(id: 1) { balance } }'), {
    account: { balance: 31 },
  });
  for (const balance of numbers(11, 21)) {
    assert.deepEqual((await client.result(id)).data, { account: { balance } });
  }
});
