// Event streams as the `eventsource` package follows them (PROTOCOLS section 4).
import { EventSource } from 'eventsource';
import { Inbox } from './lib/client.mjs';
import { fetchOverHttp } from './lib/http.mjs';
import { metric } from './lib/metrics.mjs';
import { kill } from './lib/processes.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

/** An EventSource whose messages, gaps and warnings wait in one inbox, as {data}, {gap}, {shutdown}. */
function follow(server, target, cleanup) {
  const source = new EventSource(`http://127.0.0.1:${server.port}${target}`, { fetch: fetchOverHttp });
  cleanup(() => source.close());
  const inbox = new Inbox();
  const note = (name) => (event) => inbox.push({ [name]: JSON.parse(event.data) });
  source.addEventListener('message', (event) => {
    inbox.push({ data: JSON.parse(event.data).data, id: event.lastEventId });
  });
  source.addEventListener('gap', note('gap'));
  source.addEventListener('shutdown', note('shutdown'));
  source.addEventListener('error', () => assert.notEqual(source.readyState, EventSource.CLOSED));
  return { source, inbox, opened: new Promise((resolve) => (source.onopen = resolve)) };
}

test('EventSource reconnects by itself and misses nothing when a worker dies', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const { source, inbox, opened } = follow(server, '/topics/news', cleanup);
  await within(opened, 'the event stream');
  await server.post('news', '1');
  assert.equal((await inbox.next()).data, 1);
  const worker = server.workers()[await server.workerOf()];
  const failed = new Promise((resolve) => source.addEventListener('error', resolve));
  kill(worker);
  await failed;
  await server.post('news', '2');
  await server.post('news', '3');
  assert.equal((await inbox.next()).data, 2);
  assert.equal((await inbox.next()).data, 3);
  assert.deepEqual(inbox.items, []);
});

test('over restarts of the server under load it misses nothing and gets nothing twice', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const { inbox, opened } = follow(server, '/topics/news', cleanup);
  await within(opened, 'the event stream');
  let published = 0;
  for (let round = 0; round < 3; round++) {
    const publishers = await server.onEachWorker(() => server.broker());
    for (const index of numbers(0, 50)) {
      await publishers[index % 2].publish('noise', index);
      await publishers[index % 2].publish('news', published++);
    }
    if (round === 2) {
      break;
    }
    if (round === 0) {
      await server.kill();
    } else {
      server.signal('SIGTERM');
      await publishers[0].next({ type: 'shutdown' });
      await publishers[0].publish('news', published++);
      server.signal('SIGTERM');
      assert.equal(await server.end(), 0);
    }
    await server.restart();
    await server.post('news', String(published++)); // before it is back
  }
  const items = await inbox.upTo({ data: published - 1 });
  const messages = items.filter((item) => 'data' in item);
  assert.deepEqual(
    messages.map(({ data }) => data),
    numbers(0, published),
  );
  assert.ok(items.every((item) => 'data' in item || 'shutdown' in item));
});

test('who comes during a drain goes on with the next server', async ({ start, cleanup }) => {
  const server = await start();
  await server.post('news', '0');
  const holder = await server.broker();
  server.signal('SIGTERM');
  await holder.next({ type: 'shutdown' });
  const { source, inbox, opened } = follow(server, '/topics/news?since=0', cleanup);
  const failed = new Promise((resolve) => source.addEventListener('error', resolve));
  await within(opened, 'the event stream');
  await within(failed, 'its end');
  assert.equal(source.readyState, EventSource.CONNECTING);
  await holder.publish('news', 1);
  await holder.close();
  assert.equal(await server.end(), 0);
  await server.restart();
  await server.post('news', '2');
  for (const index of numbers(0, 3)) {
    assert.equal((await inbox.next()).data, index);
  }
});

test('who is connected is warned, served, and sent to the next server at the end', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const { inbox, opened } = follow(server, '/topics/news', cleanup);
  await within(opened, 'the event stream');
  const publisher = await server.broker();
  server.signal('SIGTERM');
  const { shutdown } = await inbox.next();
  assert.equal(shutdown.type, 'shutdown');
  await publisher.publish('news', 'in the drain');
  assert.equal((await inbox.next()).data, 'in the drain');
  server.signal('SIGTERM'); // that was enough waiting
  assert.equal((await inbox.next()).shutdown.remaining_seconds, 0);
  assert.equal(await server.end(), 0);
  await server.restart();
  await server.post('news', '"after"');
  assert.equal((await inbox.next()).data, 'after');
});

test('a slow reader is fed at its own pace, and its last id is never ahead of it', async ({
  start,
}) => {
  const server = await start({ args: ['--max-queue', '64K'], ring: '1M' });
  const stream = await server.events('/topics/news');
  await stream.upTo(({ id }) => id);
  const lagging = async () => (await metric(server, 'sluice_lagging_subscriptions')) > 0;
  stream.socket.pause();
  const filler = 'x'.repeat(8000);
  let count = 0;
  await until(
    async () => {
      const publisher = await server.broker();
      for (let i = 0; i < 200; i++) {
        publisher.send({ action: 'publish', topic: 'news', message: { index: count++, filler } });
      }
      // All of them, or the next publisher's might come before the last of these.
      for (let i = 0; i < 200; i++) {
        assert.equal((await publisher.next({ status: /./ })).status, 'published');
      }
      await publisher.close();
      return lagging();
    },
    { what: 'the stream to fall behind' },
  );
  stream.socket.resume();
  const { seq } = (await server.post('news', '"end"')).json;
  const blocks = await stream.upTo({ message: { seq } });
  let last = null;
  let index = 0;
  for (const { id, message } of blocks) {
    const at = Number(id.split('-')[1]);
    if (message === undefined) {
      assert.ok(last === null || at === last, 'a position that was reached');
      continue;
    }
    assert.equal(message.seq, at);
    assert.equal(message.data.index ?? 'end', message.data === 'end' ? 'end' : index++);
    last = at;
  }
  assert.equal(index, count);
});
