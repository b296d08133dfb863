// The server starts, says so, serves a room over two workers, and ends.
import { EPOCH, TIME, assertError } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';
import { wscat } from './lib/wscat.mjs';

test('the log says that the server is ready, where, with how many workers, on which data', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const place = `http://127.0.0.1:${server.port}`;
  assert.match(server.readyLine, /sluice \d+\.\d+\.\d+ ready: /);
  assert.ok(server.readyLine.includes(`ready: ${place}, 2 workers, data ${server.data}`));
});

test('/health describes the processes and the log', async ({ start }) => {
  const server = await start({ workers: 2 });
  const answer = await server.request('GET', '/health');
  assert.equal(answer.status, 200);
  assert.match(answer.headers['content-type'], /^application\/json/);

  const health = answer.json;
  assert.equal(health.status, 'healthy');
  assert.equal(health.active_connections, 0);
  assert.equal(health.shutdown_in_progress, false);
  assert.match(health.timestamp, TIME);
  assert.match(health.version, /^\d+\.\d+\.\d+$/);
  assert.equal(typeof health.uptime_seconds, 'number');
  assert.deepEqual(
    health.workers.map(({ index, pid }) => ({ index, pid })),
    server.workers().map(({ pid }, index) => ({ index, pid })),
  );
  assert.match(health.log.epoch, EPOCH);
  for (const name of ['first_seq', 'last_seq', 'committed_seq']) {
    assert.ok(Number.isInteger(health.log[name]), name);
  }
});

test('/health counts the clients of all workers and protocols, each worker its own', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const rooms = await server.onEachWorker(() => server.room());
  await server.broker();
  await server.events('/topics/news');
  const clients = server.clients.size;
  assert.ok(rooms.length === 2 && clients >= 4);

  const health = await until(
    async () => {
      const now = await server.health();
      return now.active_connections === clients && now;
    },
    { what: `${clients} active connections` },
  );
  const sum = health.workers.reduce((total, worker) => total + worker.connections, 0);
  assert.ok(sum >= clients, `${sum} connections on the workers, ${clients} clients`);

  server.terminateClients();
  await until(async () => (await server.health()).active_connections === 0, {
    what: 'no active connections',
  });
});

test('/health follows the log', async ({ start }) => {
  const server = await start();
  const before = (await server.health()).log;
  const answer = await server.post('news', '1', 'application/json', '?durable=true');
  const after = (await server.health()).log;
  assert.equal(after.last_seq, before.last_seq + 1);
  assert.equal(after.last_seq, answer.json.seq);
  assert.ok(after.committed_seq >= answer.json.seq);
  assert.equal(after.first_seq, 1);
  assert.equal(after.epoch, answer.json.epoch);
});

test('/health/live answers, HEAD as well as GET', async ({ start }) => {
  const server = await start();
  assert.equal((await server.request('GET', '/health/live')).status, 200);
  for (const path of ['/health', '/health/live']) {
    const head = await server.request('HEAD', path);
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
  }
});

test('an unknown path is 404, a known one with another method 405', async ({ start }) => {
  const server = await start();
  assertError(await server.request('GET', '/nowhere'), 404);
  const answer = await server.request('DELETE', '/health');
  assertError(answer, 405);
  assert.match(answer.headers.allow, /GET/);
  assert.match(answer.headers.allow, /HEAD/);
});

test('what one says in the room reaches everybody on every worker', async ({ start }) => {
  const server = await start({ workers: 2 });
  const clients = await server.onEachWorker(() => server.room());
  clients[0].send('hello');
  const heard = await Promise.all(clients.map((client) => client.next({ type: 'message' })));
  assert.deepEqual(heard[0], heard[1]);
  assert.equal(heard[0].data, 'hello');
  assert.equal(heard[0].from, clients[0].greeted.client_id);
});

test('the tour of the README works in wscat: room and broker', async ({ start, cleanup }) => {
  const server = await start({ workers: 2 });
  const ann = wscat(server.url('/ws/ann'), cleanup);
  const bob = wscat(server.url('/ws/bob'), cleanup);
  await ann.shown(/"greeting"/);
  await bob.shown(/"greeting"/);
  ann.type('hello');
  for (const person of [ann, bob]) {
    const message = await person.shown(/"type":"message"/);
    assert.equal(message.from, 'ann');
    assert.equal(message.data, 'hello');
  }

  const reader = wscat(server.url('/broker'), cleanup);
  // Nothing shows that wscat is connected, and what is typed before is lost: again, until it is.
  await until(
    () => {
      reader.type('{"action":"subscribe","topic":"news"}');
      return reader.shown(/"subscribed"/, { timeout: 500 });
    },
    { what: 'an answer to subscribe' },
  );
  const writer = await server.broker();
  assert.equal((await writer.publish('news', 'Hello World!')).status, 'published');
  assert.equal((await reader.shown(/"type":"message"/)).data, 'Hello World!');
});
