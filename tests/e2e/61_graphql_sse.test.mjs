// GraphQL as event streams, graphql-sse's distinct connections mode (PROTOCOLS section 6).
import { EventSource } from 'eventsource';
import { Inbox } from './lib/client.mjs';
import {
  CREATE_MESSAGE,
  MESSAGE_ADDED,
  createMessage,
  graphqlEvents,
  onlyCode,
  position,
} from './lib/graphql.mjs';
import { fetchOverHttp } from './lib/http.mjs';
import { kill } from './lib/processes.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

const ID = /^([0-9a-f]{16})-(\d+)$/;
const COMPLETE = { event: 'complete', data: '' };

/** An event stream that has opened as they all do: {stream, epoch, seq}. */
async function subscribe(server, query = MESSAGE_ADDED, more = {}) {
  const stream = await graphqlEvents(server, query, more);
  assert.equal(stream.status, 200);
  assert.equal(stream.headers['content-type'], 'text/event-stream');
  assert.equal(stream.headers['cache-control'], 'no-cache');
  assert.equal(stream.headers['x-accel-buffering'], 'no');
  assert.match(stream.headers.vary, /\bAccept\b/);
  assert.deepEqual(await stream.next(), { retry: '2000' });
  const first = await stream.next();
  assert.deepEqual(Object.keys(first), ['id']);
  const [, epoch, seq] = ID.exec(first.id);
  return { stream, epoch, seq };
}

/** A stream on which nothing has come for 15 s says where it is: on a slow machine that is so at any place. */
const isMore = (block) => Object.keys(block).join() !== 'id';

/** What has come and was not asked for. */
const unread = (stream) => stream.queue.filter(isMore);

/** The next event of a subscription that is a result: {data, errors, seq, id}. */
async function result(stream) {
  const block = await stream.next(isMore);
  assert.equal(block.event, 'next', JSON.stringify(block));
  const { data, errors, extensions } = block.message;
  if (block.id !== undefined) {
    assert.equal(block.id, `${extensions.epoch}-${extensions.seq}`);
  }
  return { data, errors, extensions, id: block.id };
}

async function contentOf(stream) {
  const { data } = await result(stream);
  return data.messageAdded.content;
}

/** A whole stream: its text, and that its connection can be used again. */
async function whole(server, query, headers = {}, more = {}) {
  const answer = await server.request('POST', '/graphql', {
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, ...more }),
  });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['content-type'], 'text/event-stream');
  assert.equal(answer.headers['content-length'], String(Buffer.byteLength(answer.text)));
  const [, data] = /^event: next\ndata: (.*)\n\nevent: complete\ndata:\n\n$/.exec(answer.text);
  return JSON.parse(data);
}

// --- queries and mutations

test('a query is a next and a complete', async ({ start }) => {
  const server = await start();
  assert.deepEqual(await whole(server, '{ hello }'), { data: { hello: 'Hello, GraphQL!' } });
  const stream = await server.events(`/graphql?query=${encodeURIComponent('{ hello }')}`);
  const next = await stream.next();
  assert.equal(next.event, 'next');
  assert.deepEqual(next.message, { data: { hello: 'Hello, GraphQL!' } });
  assert.deepEqual(await stream.next(), COMPLETE);
  await within(stream.ended, 'the end of the stream');
});

test('so is a mutation', async ({ start }) => {
  const server = await start();
  const variables = { content: 'line\nbreak\r\n' };
  const { data } = await whole(server, CREATE_MESSAGE, {}, { variables });
  assert.deepEqual(data, { createMessage: { id: 1, ...variables } });
});

test('validation errors are a next and a complete, with status 200', async ({ start }) => {
  const server = await start();
  for (const [query, code] of [
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription { messageAdded { id } userAdded { id } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['subscription ($id: Int!) { commentAdded(messageId: $id) { id } }', 'BAD_USER_INPUT'],
  ]) {
    const { data, errors } = await whole(server, query);
    assert.equal(data, undefined);
    assert.equal(onlyCode(errors), code, query);
  }
});

test('a topic that cannot be is a next and a complete, too', async ({ start }) => {
  const server = await start();
  const stream = await graphqlEvents(server, 'subscription { topic(name: "") { seq } }');
  assert.equal(stream.status, 200);
  assert.deepEqual(await stream.next(), { retry: '2000' });
  const next = await stream.next();
  assert.equal(next.event, 'next');
  assert.equal(onlyCode(next.message.errors), 'BAD_USER_INPUT');
  assert.deepEqual(await stream.next(), COMPLETE);
  await within(stream.ended, 'the end of the stream');
});

// --- subscriptions

test('a subscription gets what happens, by POST and by GET', async ({ start }) => {
  const server = await start({ workers: 2 });
  const { stream, epoch, seq } = await subscribe(server);
  const named = new URLSearchParams({
    query: 'query Q { hello } subscription S { messageAdded { id content } }',
    operationName: 'S',
  });
  const other = await server.events(`/graphql?${named}`);
  await other.upTo({ id: ID });
  for (const n of numbers(1, 20)) {
    await createMessage(server, `number ${n}`);
  }
  for (const events of [stream, other]) {
    let last = Number(seq);
    for (const n of numbers(1, 20)) {
      const { data, errors, extensions } = await result(events);
      assert.deepEqual(data.messageAdded, { id: n, content: `number ${n}` });
      assert.equal(errors, undefined);
      assert.equal(extensions.epoch, epoch);
      assert.ok(Number(extensions.seq) > last);
      last = Number(extensions.seq);
    }
    assert.deepEqual(unread(events), []);
  }
});

test('each gets what it has asked for, in its own form', async ({ start }) => {
  const server = await start();
  await createMessage(server, 'one');
  await createMessage(server, 'two');
  const query = 'subscription ($id: Int!) { commentAdded(messageId: $id) { c: content } }';
  const streams = [];
  for (const id of [1, 2]) {
    streams.push((await subscribe(server, query, { variables: { id } })).stream);
  }
  const comment = (messageId, content) =>
    whole(server, 'mutation ($m: Int!, $c: String!) { createComment(messageId: $m, authorId: 1, content: $c) { id } }',
      {}, { variables: { m: messageId, c: content } });
  await comment(1, 'to one');
  await comment(2, 'to two');
  for (const [i, content] of ['to one', 'to two'].entries()) {
    assert.deepEqual((await result(streams[i])).data, { commentAdded: { c: content } });
    assert.deepEqual(unread(streams[i]), []);
  }
});

test('published events of any topic come as they were published', async ({ start }) => {
  const server = await start();
  const query = 'subscription { topic(name: "news") { topic seq data } }';
  const { stream } = await subscribe(server, query);
  await server.post('news', '{"a":[1,"\\n"]}');
  const { data, extensions } = await result(stream);
  assert.deepEqual(data.topic, { topic: 'news', seq: extensions.seq, data: { a: [1, '\n'] } });
});

test('the head of a stream can be asked for', async ({ start }) => {
  const server = await start();
  const query = encodeURIComponent(MESSAGE_ADDED);
  const head = await server.request('HEAD', `/graphql?query=${query}`, {
    headers: { accept: 'text/event-stream' },
  });
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-type'], 'text/event-stream');
  assert.equal(head.headers['content-length'], undefined);
});

test('what is accepted besides does not matter to a subscription', async ({ start }) => {
  const server = await start();
  const { stream } = await subscribe(server, MESSAGE_ADDED, {
    headers: { accept: 'application/json, text/event-stream;q=0.1' },
  });
  await createMessage(server, 'one');
  assert.equal(await contentOf(stream), 'one');
});

// --- resuming

test('Last-Event-ID and extensions.resume give what was missed; the former beats', async ({
  start,
}) => {
  const server = await start();
  const { stream } = await subscribe(server);
  await createMessage(server, 'one');
  const { id, extensions: first } = await result(stream);
  stream.terminate();
  await createMessage(server, 'two');
  const resume = await position(server);
  await createMessage(server, 'three');
  for (const [more, contents] of [
    [{ headers: { 'last-event-id': id } }, ['two', 'three']],
    [{ resume: first }, ['two', 'three']],
    [{ resume }, ['three']],
    [{ resume, headers: { 'last-event-id': id } }, ['two', 'three']],
    [{ resume, headers: { 'last-event-id': '' } }, ['three']],
  ]) {
    const again = await subscribe(server, MESSAGE_ADDED, more);
    for (const content of contents) {
      assert.equal(await contentOf(again.stream), content);
    }
    again.stream.terminate();
  }
  const live = await subscribe(server);
  await createMessage(server, 'four');
  assert.equal(await contentOf(live.stream), 'four');
  assert.deepEqual(unread(live.stream), []);
});

test('the position it opens with is as good as an event', async ({ start }) => {
  const server = await start();
  await createMessage(server, 'before');
  const { stream, epoch, seq } = await subscribe(server);
  stream.terminate();
  await createMessage(server, 'between');
  const again = await subscribe(server, MESSAGE_ADDED, {
    headers: { 'last-event-id': `${epoch}-${seq}` },
  });
  assert.equal(await contentOf(again.stream), 'between');
});

test('a resume that cannot be honoured is a next with GAP, and the stream goes on', async ({
  start,
}) => {
  const server = await start();
  for (const content of ['one', 'two']) {
    await createMessage(server, content);
  }
  for (const more of [
    { headers: { 'last-event-id': '0123456789abcdef-1' } },
    { headers: { 'last-event-id': 'of another server' } },
    { resume: { epoch: '0123456789abcdef', seq: '1' } },
  ]) {
    const { stream, epoch } = await subscribe(server, MESSAGE_ADDED, more);
    const { data, errors, id } = await result(stream);
    assert.equal(data, undefined);
    assert.equal(id, undefined);
    assert.equal(onlyCode(errors), 'GAP');
    assert.equal(errors[0].extensions.epoch, epoch);
    assert.match(errors[0].extensions.oldest, /^\d+$/);
    assert.equal(await contentOf(stream), 'one');
    assert.equal(await contentOf(stream), 'two');
    assert.deepEqual(unread(stream), []);
  }
});

test('over restarts nothing is missed and nothing comes twice', async ({ start }) => {
  const server = await start({ workers: 2 });
  let { stream, epoch, seq } = await subscribe(server);
  let id = `${epoch}-${seq}`;
  const got = [];
  for (const round of numbers(0, 3)) {
    for (const n of numbers(0, 10)) {
      await createMessage(server, `${round}.${n}`);
    }
    const take = async (count) => {
      for (let i = 0; i < count; i++) {
        const next = await result(stream);
        got.push(next.data.messageAdded.content);
        id = next.id;
      }
    };
    await take(5);
    if (round === 1) {
      kill(server.workers()[await server.workerOf(stream)]);
      await within(stream.ended, 'the end of the stream');
    } else {
      await server.kill();
      await server.restart();
    }
    await createMessage(server, `${round}.last`);
    ({ stream } = await subscribe(server, MESSAGE_ADDED, { headers: { 'last-event-id': id } }));
    await take(6);
  }
  assert.deepEqual(
    got,
    numbers(0, 3).flatMap((round) => [...numbers(0, 10), 'last'].map((n) => `${round}.${n}`)),
  );
});

test('EventSource comes back by itself when a worker dies, and misses nothing', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const query = encodeURIComponent(MESSAGE_ADDED);
  const url = `http://127.0.0.1:${server.port}/graphql?query=${query}`;
  const source = new EventSource(url, { fetch: fetchOverHttp });
  cleanup(() => source.close());
  const inbox = new Inbox();
  source.addEventListener('next', ({ data }) => inbox.push(JSON.parse(data).data.messageAdded));
  source.addEventListener('complete', () => inbox.push('complete'));
  source.addEventListener('message', ({ data }) => inbox.push({ unnamed: data }));
  await within(new Promise((resolve) => (source.onopen = resolve)), 'the event stream');
  await createMessage(server, 'one');
  assert.equal((await inbox.next()).content, 'one');
  const failed = new Promise((resolve) => source.addEventListener('error', resolve));
  kill(server.workers()[await server.workerOf()]);
  await failed;
  await createMessage(server, 'two');
  await createMessage(server, 'three');
  assert.equal((await inbox.next()).content, 'two');
  assert.equal((await inbox.next()).content, 'three');
  assert.deepEqual(inbox.items, []);
});

// --- the drain and limits

test('a drain is announced by a comment, and ends without complete', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--drain-timeout', '1h'] });
  const { stream } = await subscribe(server);
  server.signal('SIGTERM');
  const { comment } = await stream.next({ comment: /shutting down/ });
  assert.match(comment, /shutting down, \d+ s remain/);
  // Newcomers: 200 and the end. A 503 would stop EventSource for good.
  for (const target of [MESSAGE_ADDED, '{ hello }']) {
    const late = await server.events(`/graphql?query=${encodeURIComponent(target)}`);
    assert.equal(late.status, 200);
    assert.deepEqual(await late.next(), { retry: '2000' });
    await within(late.ended, 'the end of the stream');
    assert.deepEqual(late.queue, []);
  }
  server.signal('SIGTERM'); // that was enough waiting
  await within(stream.ended, 'the end of the stream');
  assert.ok(unread(stream).every((block) => Object.keys(block).join() === 'comment'));
  assert.equal(await server.end(), 0);
});

test('it is counted and named among the clients', async ({ start }) => {
  const server = await start();
  const { stream } = await subscribe(server);
  assert.equal((await server.health()).active_connections, 1);
  const topics = (await server.request('GET', '/topics')).json.topics;
  assert.deepEqual(topics, []);
  await createMessage(server, 'one');
  const [topic] = (await server.request('GET', '/topics')).json.topics;
  assert.equal(topic.topic, 'messages');
  assert.equal(topic.subscribers, 1);
  stream.terminate();
  await until(async () => (await server.health()).active_connections === 0, {
    what: 'the client to be gone',
  });
});

test('a slow reader delays nobody, and loses nothing', async ({ start }) => {
  const server = await start({ args: ['--max-queue', '64K'] });
  const { stream: slow } = await subscribe(server);
  const { stream: quick } = await subscribe(server);
  slow.socket.pause();
  const text = 'x'.repeat(8 * 1024);
  for (const n of numbers(1, 300)) {
    await createMessage(server, `${n} ${text}`);
  }
  for (const n of numbers(1, 300)) {
    assert.equal(await contentOf(quick), `${n} ${text}`);
  }
  slow.socket.resume();
  for (const n of numbers(1, 300)) {
    assert.equal(await contentOf(slow), `${n} ${text}`);
  }
});
