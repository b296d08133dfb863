// The room: /ws and /ws/{client_id} (PROTOCOLS section 2).
import { EPOCH, TIME, assertRising } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

test('a newcomer is greeted by name, with the number present and the position', async ({
  start,
}) => {
  const server = await start();
  const client = await server.room('my_client_id');
  const { seq, time, epoch, ...rest } = client.greeted;
  assert.deepEqual(rest, {
    type: 'greeting',
    client_id: 'my_client_id',
    message: 'Connected to sluice as my_client_id',
    active_connections: 1,
  });
  assert.ok(Number.isInteger(seq));
  assert.match(time, TIME);
  assert.match(epoch, EPOCH);
});

test('whoever brings no id is given one', async ({ start }) => {
  const server = await start();
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push((await server.room()).greeted.client_id);
  }
  for (const id of ids) {
    assert.match(id, /^client-[a-z0-9]{8}$/);
  }
  assert.equal(new Set(ids).size, ids.length);
});

test('an id is 1 to 64 of A-Z a-z 0-9 . _ -, anything else is HTTP 400', async ({ start }) => {
  const server = await start();
  const longest = 'aZ09._-'.padEnd(64, 'x');
  assert.equal((await server.room(longest)).greeted.client_id, longest);
  for (const id of [`${longest}x`, 'a%20b', 'a!', '%C3%A4', 'a/b', 'a%00']) {
    await assert.rejects(server.socket(`/ws/${id}`), { status: 400 }, id);
  }
});

test('the same id may be connected more than once', async ({ start }) => {
  const server = await start({ workers: 2 });
  const twins = await server.onEachWorker(() => server.room('twin'));
  twins[0].send('which of us?');
  for (const twin of twins) {
    assert.equal((await twin.next({ type: 'message' })).from, 'twin');
  }
});

test('active_connections counts the room on all workers, and nobody else', async ({ start }) => {
  const server = await start({ workers: 2 });
  await server.broker();
  const first = await server.room();
  assert.equal(first.greeted.active_connections, 1);
  await until(
    async () => {
      const guest = await server.room();
      return guest.greeted.active_connections === server.clients.size - 1;
    },
    { what: 'a greeting that counts all of the room' },
  );
});

test('any text is a message, JSON or not, and comes back as it was', async ({ start }) => {
  const server = await start({ workers: 2 });
  const [speaker, listener] = await server.onEachWorker(() => server.room());
  const texts = [
    'hello',
    '{"a": 1}',
    '{"broken',
    '',
    ' \t\n',
    'quotes " and \\ backslashes',
    'äöü 漢字 😀 \u2028',
    'control \u0000\u0001\u001f\u007f',
    '</script>',
    'x'.repeat(100_000),
  ];
  for (const text of texts) {
    speaker.send(text);
  }
  for (const client of [speaker, listener]) {
    const messages = [];
    for (const text of texts) {
      const { type, from, data, seq, time } = await client.next({ type: 'message' });
      assert.equal(type, 'message');
      assert.equal(from, speaker.greeted.client_id);
      assert.equal(data, text);
      assert.match(time, TIME);
      messages.push(seq);
    }
    assertRising(messages);
    assert.equal(messages.at(-1) - messages[0], texts.length - 1, 'seq has no hole');
  }
});

test('a binary frame is answered with 1003, bad UTF-8 with 1007, too much with 1009', async ({
  start,
}) => {
  const server = await start({ args: ['--max-message', '1K'] });
  const witness = await server.room();

  const binary = await server.room();
  binary.ws.send(Buffer.from([1, 2, 3]));
  assert.equal(await binary.closeCode(), 1003);

  const garbled = await server.room();
  garbled.ws.send(Buffer.from([0x66, 0xc3, 0x28]), { binary: false });
  assert.equal(await garbled.closeCode(), 1007);

  const long = await server.room();
  long.send('x'.repeat(1025));
  assert.equal(await long.closeCode(), 1009);

  // None of it was said in the room.
  await witness.say('x'.repeat(1024));
  assert.equal(witness.queue.length, 0);
});

test('the room is the topic "room": others see who said what', async ({ start }) => {
  const server = await start({ workers: 2 });
  const broker = await server.broker();
  await broker.subscribe('room');
  const client = await server.room('ann');
  const said = await client.say('hello');

  const seen = await broker.next({ type: 'message', topic: 'room' });
  assert.deepEqual(seen.data, { from: 'ann', data: 'hello' });
  assert.equal(seen.seq, said.seq);
  assert.equal(seen.time, said.time);

  const { events } = await server.history('room');
  assert.deepEqual(events, [{ seq: said.seq, time: said.time, data: seen.data }]);
});

test('what others publish to "room" comes from nobody, whatever it looks like', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const client = await server.room();
  const broker = await server.broker();
  const values = ['hello', { from: 'eve', data: 'I am ann' }, { tick: true }, [1, null], null];
  for (const value of values) {
    const { seq } = await broker.publish('room', value);
    const { time, ...message } = await client.next({ seq });
    assert.deepEqual(message, { type: 'message', from: null, data: value, seq });
    assert.match(time, TIME);
  }
});

test('whoever was away gives seq and epoch and gets what was said meanwhile', async ({ start }) => {
  const server = await start({ workers: 2 });
  const stays = await server.room('stays');
  const leaves = await server.room('leaves');
  const last = await leaves.say('before');
  await leaves.close();
  const missed = [];
  for (let i = 0; i < 5; i++) {
    missed.push(await stays.say(`missed ${i}`));
  }

  const query = `?since=${last.seq}&epoch=${leaves.greeted.epoch}`;
  const clients = await server.onEachWorker(() => server.room('leaves', query));
  const live = await stays.say('live');
  for (const client of clients) {
    assert.equal(client.greeted.recovered, true);
    assert.equal(client.greeted.seq, last.seq);
    assert.equal(client.greeted.epoch, leaves.greeted.epoch);
    assert.deepEqual(await client.upTo({ data: 'live' }), [...missed, live]);
  }
});

test('a token of another log is answered with a gap and everything that is kept', async ({
  start,
}) => {
  const server = await start();
  const stays = await server.room();
  const kept = [await stays.say('one'), await stays.say('two')];
  for (const query of ['?since=1&epoch=0123456789abcdef', '?since=99999']) {
    const client = await server.room('lost', query);
    assert.equal(client.greeted.recovered, false);
    assert.equal(client.greeted.seq, kept[0].seq - 1);
    assert.deepEqual(await client.next(), { type: 'gap', topic: 'room', oldest: kept[0].seq });
    assert.deepEqual(await client.next(), kept[0]);
    assert.deepEqual(await client.next(), kept[1]);
  }
});

test('the whole server ticks once per interval, for all workers the same', async ({ start }) => {
  const server = await start({ workers: 2, tick: '200ms' });
  const clients = await server.onEachWorker(() => server.room());
  // From where both are there on, both see the same ones.
  const from = Math.max(...clients.map(({ greeted }) => greeted.seq));
  const ticks = await Promise.all(
    clients.map(async (client) => {
      const seen = [];
      for (let i = 0; i < 20; i++) {
        seen.push(await client.next(({ type, seq }) => type === 'tick' && seq > from));
      }
      return seen;
    }),
  );
  for (const tick of ticks.flat()) {
    assert.equal(tick.message, 'Periodic broadcast');
    assert.match(tick.time, TIME);
  }
  assert.ok(ticks.every((seen) => seen.at(-1).active_connections >= 2));
  const [seqs, others] = ticks.map((seen) => seen.map(({ seq }) => seq));
  assert.deepEqual(seqs, others);

  // Two workers that both ticked would do it twice per interval; some late ticks are no matter.
  const { events } = await server.history('room');
  assert.ok(events.every(({ data }) => data.tick === true && Object.keys(data).length === 1));
  const elapsed = Date.parse(events.at(-1).time) - Date.parse(events[0].time);
  assert.ok(events.length - 1 <= (1.5 * elapsed) / 200, `${events.length} ticks in ${elapsed} ms`);
});

test('nobody ticks in an empty room', async ({ start }) => {
  const server = await start({ tick: '50ms' });
  const broker = await server.broker();
  await broker.subscribe('room');
  const began = (await server.health()).uptime_seconds;
  await until(async () => (await server.health()).uptime_seconds > began + 1);
  await broker.publish('room', 'marker');
  const [first] = await broker.upTo({ type: 'message', data: 'marker' });
  assert.equal(first.data, 'marker');
});
