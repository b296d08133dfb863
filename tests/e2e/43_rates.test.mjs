// How fast one connection may send: --max-rate, --max-byte-rate (PROTOCOLS sections 3 and 7).
import fs from 'node:fs';
import { text } from './lib/frames.mjs';
import { startRaw } from './lib/line.mjs';
import { metric } from './lib/metrics.mjs';
import { SCHEMA_SEQ, assertError, assertRefused, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

/** How many answers of each status; `error` only as rate_limited. */
function tally(answers) {
  const counts = { taken: 0, limited: 0 };
  for (const answer of answers) {
    if (answer.status === 'error') {
      assertRefused(answer, 'rate_limited');
      counts.limited++;
    } else {
      counts.taken++;
    }
  }
  return counts;
}

async function collect(client, count) {
  const answers = [];
  while (answers.length < count) {
    answers.push(await client.next({ status: /./ }));
  }
  return answers;
}

test('a broker client over its rate is told, with topic and id, and is served again', async ({
  start,
}) => {
  const server = await start({ args: ['--max-rate', '10'] });
  const fast = await server.broker();
  const subscriber = await server.broker();
  await subscriber.subscribe('news');
  for (const id of numbers(0, 60)) {
    fast.send({ action: 'publish', topic: 'news', message: id, id });
  }
  const answers = await collect(fast, 60);
  const { taken, limited } = tally(answers);
  assert.ok(taken >= 10, `${taken} were taken`);
  assert.ok(limited > 0);
  for (const [index, answer] of answers.filter(({ status }) => status === 'error').entries()) {
    assert.equal(answer.topic, 'news', `answer ${index}`);
    assert.equal(typeof answer.id, 'number');
  }
  assert.deepEqual(
    answers.map(({ id }) => id).sort((a, b) => a - b),
    numbers(0, 60),
  );

  // What was answered with an error was not published; the others were, and nothing else.
  const marker = await (await server.broker()).publish('news', 'marker');
  const delivered = (await subscriber.upTo({ seq: marker.seq })).map(({ data }) => data);
  const published = answers.filter(({ status }) => status === 'published').map(({ id }) => id);
  assert.deepEqual(delivered, [...published, 'marker']);

  await until(async () => (await fast.publish('news', 'later')).status === 'published', {
    what: 'the fast client to be served again',
    interval: 150,
  });
});

test('bytes count too: a message longer than a second may send is taken, and waited for', async ({
  start,
}) => {
  const { server, connect } = await startRaw(start, { args: ['--max-byte-rate', '2K'] });
  for (const client of [connect(), await server.broker()]) {
    client.send({ action: 'publish', topic: 'news', message: 'x'.repeat(60_000), id: 1 });
    assert.equal((await client.next({ id: 1 })).status, 'published');
    client.send({ action: 'ping', id: 2 }); // 28 s of debt are left
    assertRefused(await client.next({ id: 2 }), 'rate_limited');
    client.send({ action: 'publish', topic: 'news', message: 'x'.repeat(60_000), id: 3 });
    const refused = await client.next({ status: 'error' });
    assertRefused(refused, 'rate_limited');
    assert.equal(refused.id, undefined, 'a long message is not looked into');
  }
  assert.equal((await server.history('news')).last_seq, SCHEMA_SEQ + 2);
});

test('a room client over its rate is told in the room, and nobody else hears it', async ({
  start,
}) => {
  const server = await start({ args: ['--max-byte-rate', '100'] });
  const [ann, bob] = [await server.room('ann'), await server.room('bob')];
  await ann.say('x'.repeat(5000));
  ann.send('too soon');
  const refused = await ann.next({ type: 'error' });
  assert.equal(refused.code, 'rate_limited');
  bob.send('marker');
  const heard = (await bob.upTo({ data: 'marker' })).map(({ data }) => data);
  assert.deepEqual(heard, ['x'.repeat(5000), 'marker']);
  assert.equal((await server.history('room')).events.length, 2);
});

test('/echo, which has no errors, closes with 1008', async ({ start }) => {
  const server = await start({ args: ['--echo', '--max-byte-rate', '1'] });
  const client = await server.socket('/echo', { isRaw: true });
  client.send('0123456789');
  await client.next('0123456789');
  client.send('more');
  assert.equal(await client.closeCode(), 1008);
});

test('requests of one connection: 429 and when to try again; monitors and pages go on', async ({
  start,
}) => {
  const server = await start({ args: ['--max-rate', '2'] });
  const connection = await server.raw();
  const get = (target) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  connection.write(get('/topics').repeat(20));
  const statuses = [];
  for (let i = 0; i < 20; i++) {
    const answer = await connection.response();
    statuses.push(answer.status);
    if (answer.status !== 200) {
      assertError(answer, 429, 'rate_limited');
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
      assert.notEqual(answer.headers.connection, 'close');
    }
  }
  assert.deepEqual(statuses.slice(0, 2), [200, 200]);
  assert.ok(statuses.includes(429));

  for (const target of ['/health', '/health/live', '/metrics', '/']) {
    connection.write(get(target).repeat(5));
    for (let i = 0; i < 5; i++) {
      assert.equal((await connection.response()).status, 200);
    }
  }
  await until(
    async () => {
      connection.write(get('/topics'));
      return (await connection.response()).status === 200;
    },
    { what: 'to be served again', interval: 200 },
  );
  assert.equal((await server.request('GET', '/topics')).status, 200, 'another connection');
});

test('the request that opens a WebSocket is not among its messages', async ({ start }) => {
  const server = await start({ args: ['--max-rate', '1'] });
  const client = await server.broker();
  assert.equal((await client.ping()).status, 'pong');
  client.socket.cork(); // both at once: one of them is too many
  client.send({ action: 'ping', id: 1 });
  client.send({ action: 'ping', id: 2 });
  client.socket.uncork();
  assert.equal(tally(await collect(client, 2)).limited > 0, true);
  await until(async () => (await client.ping()).status === 'pong', {
    what: 'an answer',
    interval: 300,
  });
});

test('a flood whose answers nobody reads is held, not answered without end', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-rate', '1', '--max-queue', '16K'] });
  const deaf = await server.broker();
  deaf.socket.pause();
  // More than the system keeps of both directions, however large its buffers become.
  const most = (name) => Number(fs.readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').split(/\s+/)[2]);
  const flood = Buffer.concat(Array(10_000).fill(text('{"action":"ping"}')));
  for (let bytes = 0; bytes < 2 * (most('tcp_rmem') + most('tcp_wmem')); bytes += flood.length) {
    deaf.socket.write(flood);
  }
  let before;
  await until(
    async () => {
      const now = await metric(server, 'sluice_rate_limited_total');
      const isStill = now > 0 && now === before;
      before = now;
      return isStill;
    },
    { interval: 500, what: 'an end of refusals' },
  );
  assert.ok(deaf.socket.writableLength > 0, 'the server took in everything that this client sent');
});

test('without these limits nobody is held back', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  for (const id of numbers(0, 2000)) {
    client.send({ action: 'ping', id });
  }
  assert.deepEqual(tally(await collect(client, 2000)), { taken: 2000, limited: 0 });
});
