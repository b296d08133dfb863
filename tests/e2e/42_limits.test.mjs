// What is full, slow or too many: clear answers, and nobody else notices (DESIGN sections 4 to 6).
import { kill } from './lib/processes.mjs';
import { assertError, numbers } from './lib/shapes.mjs';
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
      return answer.status === 'error' && answer;
    },
    { what: 'a refusal', interval: 0, timeout: 60_000 },
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

test('more connections than allowed are turned away politely', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-connections', '4'] });
  const clients = [];
  for (let i = 0; i < 4; i++) {
    clients.push(await server.broker());
  }
  const outcome = await server.broker().then(
    (late) => late.closeCode(),
    (error) => error.status,
  );
  assert.ok(outcome === 1013 || outcome === 503, `it was answered ${outcome}`);
  await clients[0].close();
  await until(() => server.broker().then((client) => client.ping()), {
    what: 'a place for another client',
  });
  assert.equal((await clients[1].ping()).status, 'pong');
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
