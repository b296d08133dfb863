// since and epoch: across workers, restarts, deaths and power cuts, without gap or double.
import fs from 'node:fs';
import path from 'node:path';
import { kill } from './lib/processes.mjs';
import { SCHEMA_SEQ, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

/** Publishes 0, 1, 2 … to a topic until told to stop; stop() returns how many were acknowledged. */
function publishSteadily(client, topic) {
  let isStopped = false;
  let count = 0;
  const done = (async () => {
    while (!isStopped) {
      await client.publish(topic, count);
      count++;
    }
    return count;
  })();
  return {
    reached: (goal) => until(() => count >= goal, { what: `${goal} published` }),
    get count() {
      return count;
    },
    stop: () => {
      isStopped = true;
      return done;
    },
  };
}

const dataOf = (messages) =>
  messages.filter(({ type }) => type === 'message').map(({ data }) => data);

test('a reader that comes and goes, on this worker and that, gets each event once', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const steady = publishSteadily(await server.broker(), 'news');
  const seen = [];
  let token = { since: 0 };
  for (let visit = 0; visit < 12; visit++) {
    const reader = await server.onWorker(visit % 2, () => server.broker());
    const answer = await reader.subscribe('news', token);
    assert.equal(answer.recovered, true);
    assert.equal(answer.seq, token.since);
    for (let i = 0; i < 25; i++) {
      const message = await reader.next({ type: 'message' });
      seen.push(message.data);
      token = { since: message.seq, epoch: answer.epoch };
    }
    reader.terminate();
    await steady.reached(steady.count + 10);
  }
  const total = await steady.stop();
  const last = await server.broker();
  await last.subscribe('news', token);
  while (seen.length < total) {
    seen.push((await last.next({ type: 'message' })).data);
  }
  assert.deepEqual(seen, numbers(0, total));
});

test('many who resume at once, at different places, all get everything', async ({ start }) => {
  const server = await start({ workers: 2 });
  const writer = await server.broker();
  const steady = publishSteadily(writer, 'news');
  await steady.reached(300);
  const readers = await Promise.all(
    numbers(0, 40).map(async (index) => {
      const reader = await server.broker();
      const { seq } = await reader.subscribe('news', { since: index * 7 });
      return { reader, from: Math.max(0, seq - SCHEMA_SEQ) };
    }),
  );
  const total = await steady.stop();
  for (const { reader, from } of readers) {
    const seen = dataOf(await reader.upTo({ data: total - 1 }));
    assert.deepEqual(seen, numbers(from, total - from));
  }
});

test('subscribing without since under publishing begins exactly behind its seq', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const steady = publishSteadily(await server.broker(), 'news');
  for (let i = 0; i < 10; i++) {
    const reader = await server.broker();
    const { seq } = await reader.subscribe('news');
    const first = await reader.next({ type: 'message' });
    assert.equal(first.seq, seq + 1);
    reader.terminate();
  }
  await steady.stop();
});

for (const [how, end] of [
  ['a clean restart', (server) => server.stop()],
  ['the death of all', (server) => server.kill()],
]) {
  test(`tokens stay good over ${how}`, async ({ start }) => {
    const server = await start({ workers: 2 });
    const client = await server.broker();
    const { epoch } = await client.ping();
    const seqs = [];
    for (const index of numbers(0, 20)) {
      seqs.push((await client.publish('news', index)).seq);
    }
    const room = await server.room('ann');
    const said = await room.say('before');
    server.terminateClients();
    await end(server);
    await server.restart();

    const reader = await server.broker();
    const answer = await reader.subscribe('news', { since: seqs[9], epoch });
    assert.deepEqual(answer, {
      status: 'subscribed',
      topic: 'news',
      seq: seqs[9],
      epoch,
      recovered: true,
    });
    await reader.publish('news', 'live');
    assert.deepEqual(dataOf(await reader.upTo({ data: 'live' })), [...numbers(10, 10), 'live']);

    const again = await server.room('ann', `?since=${said.seq}&epoch=${epoch}`);
    assert.equal(again.greeted.recovered, true);
    await again.say('after');
    assert.deepEqual(again.queue, []);
  });
}

test('after a power cut the epoch is new, and what is on disk is still told apart', async ({
  start,
}) => {
  const server = await start();
  const client = await server.broker();
  const { epoch } = await client.ping();
  const first = await client.publish('news', 'first', { durable: true });
  const second = await client.publish('news', 'second', { durable: true });
  await server.kill();
  // The ring is on a tmpfs: a power cut takes it.
  for (const name of fs.readdirSync(server.runDir)) {
    fs.rmSync(path.join(server.runDir, name));
  }
  await server.restart();

  const reader = await server.broker();
  const token = { since: first.seq, epoch };
  const answer = await reader.subscribe('news', token);
  assert.notEqual(answer.epoch, epoch);
  assert.equal(answer.recovered, true, 'up to the commit the old epoch holds');
  assert.equal((await reader.next()).data, 'second');
  await reader.publish('news', 'third');

  // Who saw something that the cut took must hear of it, though the seq exists again by now.
  const fooled = await server.broker();
  const lost = await fooled.subscribe('news', { since: second.seq + 1, epoch });
  assert.equal(lost.recovered, false);
  assert.deepEqual(await fooled.next(), { type: 'gap', topic: 'news', oldest: first.seq });
  assert.deepEqual(dataOf(await fooled.upTo({ data: 'third' })), ['first', 'second', 'third']);
});

test('a reader that stops reading loses nothing, and holds nobody up', async ({ start }) => {
  // Far more than queue (256 KiB), socket buffers and ring (1 MiB) take together.
  const server = await start({ workers: 2, ring: '1M' });
  const readers = await server.onEachWorker(() => server.broker());
  const [slow, fast] = readers;
  await slow.subscribe('news');
  await fast.subscribe('news');
  slow.socket.pause();

  const writer = await server.broker();
  const count = 600;
  const filler = 'x'.repeat(40_000);
  let inFlight = 0;
  for (const index of numbers(0, count)) {
    writer.send({ action: 'publish', topic: 'news', message: { index, filler } });
    inFlight++;
    while (inFlight > 16) {
      assert.equal((await writer.next({ status: /./ })).status, 'published');
      inFlight--;
    }
  }
  const indexes = async (reader) => {
    const seen = [];
    while (seen.length < count) {
      seen.push((await reader.next({ type: 'message' })).data.index);
    }
    return seen;
  };
  assert.deepEqual(await indexes(fast), numbers(0, count));
  slow.socket.resume();
  assert.deepEqual(await indexes(slow), numbers(0, count));

  // And it is live again.
  await writer.publish('news', 'live');
  assert.equal((await slow.next({ type: 'message' })).data, 'live');
  assert.equal(slow.queue.length, 0);
});

test('a reader resumes while workers and writer die around it', async ({ start }) => {
  const server = await start({ workers: 2 });
  const total = 150;
  const seen = [];
  let token = { since: 0 };
  let isOver = false;

  const publishing = (async () => {
    // Whether a publish that broke off was taken is not known: the reader's log decides.
    for (let index = 0; index < total; ) {
      try {
        const writer = await server.broker();
        for (; index < total; index++) {
          await writer.publish('news', index);
        }
      } catch {
        // its worker was killed; from the same number on again
      }
    }
  })();
  const killing = (async () => {
    for (let round = 0; !isOver && round < 4; round++) {
      await until(() => isOver || seen.length > (round + 1) * 20);
      const victim = () => (round % 2 === 0 ? server.workers()[0] : server.writer());
      kill(await until(victim, { what: 'the next to die' }));
    }
  })();
  while (seen.at(-1)?.data !== total - 1) {
    try {
      const reader = await server.broker();
      const { epoch } = await reader.subscribe('news', token);
      for (;;) {
        const message = await reader.next({ type: 'message' });
        seen.push(message);
        token = { since: message.seq, epoch };
        if (message.data === total - 1) {
          break;
        }
      }
    } catch {
      // its worker was killed
    }
  }
  isOver = true;
  await Promise.all([publishing, killing]);

  const { events } = await server.history('news', '?limit=1000');
  const fromLog = events.filter(({ seq }) => seq <= token.since).map(({ seq }) => seq);
  assert.deepEqual(
    seen.map(({ seq }) => seq),
    fromLog,
  );
  assert.deepEqual([...new Set(seen.map(({ data }) => data))], numbers(0, total));
});
