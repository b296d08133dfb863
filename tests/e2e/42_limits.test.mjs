// What is full, slow or too many: clear answers, and nobody else notices (DESIGN sections 4 to 6).
import { startRaw } from './lib/line.mjs';
import { metric } from './lib/metrics.mjs';
import { kill } from './lib/processes.mjs';
import { assertError, assertRefused, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

test('a full ring: publishers wait, then hear "unavailable"; subscribers go on', async ({
  start,
}) => {
  const server = await start({ workers: 2, ring: '64K' });
  const [publisher, subscriber] = await server.onEachWorker(() => server.broker());
  await subscriber.subscribe('news');
  const writer = server.writer();
  kill(writer, 'SIGSTOP');
  const count = 200;
  for (const id of numbers(0, count)) {
    publisher.send({ action: 'publish', topic: 'news', message: 'x'.repeat(1000), id });
  }
  const refused = await publisher.next({ status: 'error' });
  assert.equal(refused.code, 'unavailable');
  kill(writer, 'SIGCONT');

  // Every publish is answered in its order, and those that were taken are delivered, no others.
  const answers = [refused];
  while (answers.length < count) {
    answers.push(await publisher.next({ status: /published|error/ }));
  }
  assert.deepEqual(
    answers.map(({ id }) => id).sort((a, b) => a - b),
    numbers(0, count),
  );
  const taken = answers.filter(({ status }) => status === 'published').map(({ seq }) => seq);
  assert.ok(taken.length > 0);
  const marker = await until(
    async () => {
      const answer = await publisher.publish('news', 'marker');
      return answer.status === 'published' && answer;
    },
    { what: 'room in the ring again' },
  );
  const delivered = (await subscriber.upTo({ seq: marker.seq })).map(({ seq }) => seq);
  assert.deepEqual(delivered, [...taken, marker.seq]);
});

test('whoever only subscribes does not wait for a full ring', async ({ start }) => {
  const server = await start({ workers: 1, ring: '64K' });
  const subscriber = await server.broker();
  const publisher = await server.broker();
  await server.post('news', '"kept"');
  const writer = server.writer();
  kill(writer, 'SIGSTOP');
  for (const id of numbers(0, 100)) {
    publisher.send({ action: 'publish', topic: 'other', message: 'x'.repeat(1000), id });
  }
  await publisher.next({ status: 'published' });
  const answer = await subscriber.subscribe('news', { since: 0 });
  assert.equal(answer.recovered, true);
  assert.equal((await subscriber.next()).data, 'kept');
  assert.equal((await server.request('GET', '/health/live')).status, 200);
  kill(writer, 'SIGCONT');
});

test('durability committed: nothing is answered or delivered before it is on disk', async ({
  start,
}) => {
  const server = await start({ workers: 2, args: ['--durability', 'committed'] });
  const [publisher, subscriber] = await server.onEachWorker(() => server.broker());
  await subscriber.subscribe('news');
  await publisher.publish('news', 'first');
  await subscriber.next({ data: 'first' });

  const writer = server.writer();
  kill(writer, 'SIGSTOP');
  publisher.send({ action: 'publish', topic: 'news', message: 'second' });
  await subscriber.ping();
  const page = await server.history('news');
  assert.equal(page.events.length >= 1, true);
  assert.deepEqual(subscriber.queue, []);
  assert.deepEqual(publisher.queue, []);
  kill(writer, 'SIGCONT');
  const { seq } = await publisher.next({ status: 'published' });
  assert.equal((await subscriber.next({ data: 'second' })).seq, seq);
  assert.ok((await server.health()).log.committed_seq >= seq);
});

async function fillStore(start, ring, mapSize) {
  const server = await start({
    ring,
    args: ['--map-size', mapSize, '--retention-bytes', 'off'],
  });
  const client = await server.broker();
  const { seq: first } = await client.publish('news', 'first');
  let stored = first;
  const refused = await until(
    async () => {
      const answer = await client.publish('filler', 'x'.repeat(40_000));
      stored = answer.seq ?? stored;
      // A disk that stands still for five seconds leaves no room in the ring: that passes.
      return answer.status === 'error' && answer.code !== 'unavailable' && answer;
    },
    { what: 'a refusal', interval: 0 },
  );
  assert.equal(refused.code, 'storage_full');
  assertError(await server.post('news', '1'), 507, 'storage_full');

  const health = await server.request('GET', '/health');
  assert.equal(health.status, 503);
  assert.equal(health.json.status, 'degraded');
  assert.equal(typeof health.json.reason, 'string');
  assert.equal((await server.request('GET', '/health/live')).status, 200);

  // Whatever was acknowledged is there, for whoever reads now and after a restart.
  const reader = await server.broker();
  await reader.subscribe('news', { since: 0 });
  assert.equal((await reader.next()).seq, first);
  server.terminateClients();
  assert.equal(await server.stop(), 0);
  await server.restart();
  assert.equal((await server.history('news')).events[0].seq, first);
  assert.equal((await server.history('filler', '?limit=1000')).last_seq, stored);
}

for (const [ring, mapSize] of [['8M', '40M'], ['256K', '2M']]) {
  test(`a full store (${ring} of ${mapSize}) refuses to publish, says so, and can still be read`, ({ start }) =>
    fillStore(start, ring, mapSize));
}

// --- values at a limit and one beyond it

test('so many subscriptions and not one more, until one is given back', async ({ start }) => {
  const { server, connect } = await startRaw(start, { args: ['--max-subscriptions', '3'] });
  for (const client of [await server.broker(), connect()]) {
    const ask = (action, topic, id) => {
      client.send({ action, topic, id });
      return client.next({ id });
    };
    for (const topic of ['a', 'b', 'c']) {
      assert.equal((await ask('subscribe', topic, topic)).status, 'subscribed');
    }
    assertRefused(await ask('subscribe', 'd', 4), 'too_many_subscriptions');
    assert.equal((await ask('subscribe', 'a', 5)).status, 'subscribed', 'it has that one');
    assert.equal((await ask('unsubscribe', 'b', 6)).status, 'unsubscribed');
    assert.equal((await ask('subscribe', 'd', 7)).status, 'subscribed');
    assertRefused(await ask('subscribe', 'b', 8), 'too_many_subscriptions');
  }
});

/** A publish request that is exactly so long. */
function requestOf(bytes) {
  const [head, tail] = ['{"action":"publish","topic":"t","message":"', '"}'];
  return head + 'x'.repeat(bytes - head.length - tail.length) + tail;
}

test('a message of max-message bytes is taken, one of a byte more is not', async ({ start }) => {
  const max = 2000;
  const { server, connect } = await startRaw(start, { args: ['--max-message', `${max}`] });

  const broker = await server.broker();
  broker.send(requestOf(max));
  await broker.next({ status: 'published' });
  broker.send(requestOf(max + 1));
  assert.equal(await broker.closeCode(), 1009);

  const room = await server.room();
  await room.say('x'.repeat(max));
  room.send('x'.repeat(max + 1));
  assert.equal(await room.closeCode(), 1009);

  const line = connect();
  line.write(`${requestOf(max)}\n`);
  await line.next({ status: 'published' });
  line.write(`${requestOf(max + 1)}\n`);
  assertRefused(await line.next(), 'too_large');
  await line.end();

  const chunked = async (size) => {
    const connection = await server.raw();
    connection.write(
      'POST /topics/t HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n' +
        `Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`,
    );
    return connection.response();
  };
  assert.equal((await server.post('t', 'x'.repeat(max), 'text/plain')).status, 201);
  assertError(await server.post('t', 'x'.repeat(max + 1), 'text/plain'), 413, 'too_large');
  assert.equal((await chunked(max)).status, 201);
  assertError(await chunked(max + 1), 413, 'too_large');

  const events = (await server.history('t')).events.map(({ data }) => data.length);
  assert.equal(events.length, 4);
});

test('an operation of a quarter of the ring is taken, one of a byte more is too_large', async ({
  start,
}) => {
  const { server, connect } = await startRaw(start, { ring: '256K' });
  // bus/README.md: 56 bytes, a length byte and the topic's name, the payload.
  const payloadMax = (topic) => 64 * 1024 - 56 - 1 - topic.length;
  const most = payloadMax('t') - 2; // in quotes
  for (const client of [await server.broker(), connect()]) {
    for (const [size, id] of [[most, 1], [most + 1, 2], [1, 3]]) {
      client.send({ action: 'publish', topic: 't', message: 'x'.repeat(size), id });
    }
    assert.equal((await client.next({ id: 1 })).status, 'published');
    assertRefused(await client.next({ id: 2 }), 'too_large');
    assert.equal((await client.next({ id: 3 })).status, 'published');
  }
  assert.equal((await server.post('t', 'x'.repeat(most), 'text/plain')).status, 201);
  assertError(await server.post('t', 'x'.repeat(most + 1), 'text/plain'), 413, 'too_large');

  const ann = await server.room('ann');
  const longest = payloadMax('room') - JSON.stringify({ from: 'ann', data: '' }).length;
  await ann.say('x'.repeat(longest));
  ann.send('x'.repeat(longest + 1));
  assert.equal((await ann.next({ type: 'error' })).code, 'too_large');
  await ann.say('still here');
});

test('past max-queue a client lags and loses nothing; who reads does not lag', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-queue', '16K'] });
  const lagging = () => metric(server, 'sluice_became_lagging_total');
  const [slow, fast] = [await server.broker(), await server.broker()];
  const publisher = await server.broker();
  await fast.subscribe('news');
  for (const index of numbers(0, 100)) {
    await publisher.publish('news', { index, filler: 'x'.repeat(1000) });
    await fast.next({ type: 'message' });
  }
  assert.equal(await lagging(), 0);

  await slow.subscribe('news');
  slow.socket.pause();
  let count = 0;
  while ((await lagging()) === 0) {
    for (let i = 0; i < 50; i++) {
      await publisher.publish('news', { index: count++, filler: 'x'.repeat(20_000) });
    }
    assert.ok(count < 5000, 'it never lagged');
  }
  slow.socket.resume();
  for (const index of numbers(0, count)) {
    assert.equal((await slow.next({ type: 'message' })).data.index, index);
  }
});

/** Publishes messages of 20 kB as a window allows, until count are acknowledged. */
async function publishMany(client, topic, count) {
  const filler = 'x'.repeat(20_000);
  let waiting = 0;
  for (const index of numbers(0, count)) {
    client.send({ action: 'publish', topic, message: { index, filler } });
    waiting++;
    while (waiting > 16) {
      assert.equal((await client.next({ status: /./ })).status, 'published');
      waiting--;
    }
  }
  while (waiting-- > 0) {
    assert.equal((await client.next({ status: /./ })).status, 'published');
  }
}

const slowReaders = {
  'an event stream': async (server) => {
    const stream = await server.events('/topics/room');
    const next = async () => (await stream.next(({ message }) => message)).message.data.index;
    return { socket: stream.socket, next };
  },
  'a room client': async (server) => {
    const client = await server.room();
    const next = async () => (await client.next({ type: 'message' })).data.index;
    return { socket: client.socket, next };
  },
};
for (const [what, open] of Object.entries(slowReaders)) {
  test(`${what} that stops reading loses nothing, and holds nobody up`, async ({ start }) => {
    const server = await start({ workers: 2, ring: '1M' });
    const slow = await open(server);
    const fast = await open(server);
    slow.socket.pause();
    const count = 1000;
    const [, seen] = await Promise.all([
      publishMany(await server.broker(), 'room', count),
      (async () => {
        const indexes = [];
        while (indexes.length < count) {
          indexes.push(await fast.next());
        }
        return indexes;
      })(),
    ]);
    assert.deepEqual(seen, numbers(0, count));
    slow.socket.resume();
    for (const index of numbers(0, count)) {
      assert.equal(await slow.next(), index);
    }
  });
}

test('a client that never reads its answers is not served without bound', async ({ start }) => {
  const server = await start({ workers: 1 });
  const deaf = await server.broker();
  await deaf.ping();
  deaf.socket.pause();
  // Each request makes an answer; what is not read piles up in the server or is not taken in.
  const request = `{"action":"unsubscribe","topic":"${'t'.repeat(200)}"}`;
  let isBlocked = false;
  for (let i = 0; i < 200_000 && !isBlocked; i++) {
    deaf.ws.send(request);
    if (i % 1000 === 999) {
      await new Promise((resolve) => setImmediate(resolve));
      isBlocked = deaf.socket.writableLength > 4 * 1024 * 1024;
    }
  }
  assert.ok(isBlocked, 'the server took in everything that this client sent');
  const other = await server.broker();
  assert.equal((await other.ping()).status, 'pong');
});

test('hundreds of clients come and go, and all is given back', async ({ start }) => {
  const server = await start({ workers: 2 });
  for (let round = 0; round < 3; round++) {
    const clients = await Promise.all(numbers(0, 150).map(() => server.broker()));
    await Promise.all(clients.map((client, index) => client.subscribe(`t${index % 10}`)));
    await server.post('t3', '1');
    await Promise.all(clients.filter((_, i) => i % 10 === 3).map((client) => client.next()));
    server.terminateClients();
    await until(async () => (await server.health()).active_connections === 0);
  }
  await until(async () => {
    const { topics } = (await server.request('GET', '/topics')).json;
    return topics.every(({ subscribers }) => subscribers === 0);
  });
});
