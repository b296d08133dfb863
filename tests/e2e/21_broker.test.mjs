// The broker protocol over WebSocket: /broker (PROTOCOLS section 3).
import { EPOCH, TIME, assertRefused, assertRising, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

test('a subscription says where it begins; a publish, where it stands in the log', async ({
  start,
}) => {
  const server = await start();
  const client = await server.broker();
  const subscribed = await client.subscribe('news');
  const { seq, epoch, ...rest } = subscribed;
  assert.deepEqual(rest, { status: 'subscribed', topic: 'news' });
  assert.ok(Number.isInteger(seq));
  assert.match(epoch, EPOCH);

  const published = await client.publish('news', 'Hello World!');
  assert.deepEqual(published, { status: 'published', topic: 'news', seq: seq + 1 });

  const { time, ...message } = await client.next({ type: 'message' });
  assert.deepEqual(message, {
    type: 'message',
    topic: 'news',
    data: 'Hello World!',
    seq: seq + 1,
  });
  assert.match(time, TIME);

  const pong = await client.ping();
  assert.deepEqual(pong, { status: 'pong', seq: seq + 1, epoch });
});

test('a message reaches the subscribers of its topic on every worker, and nobody else', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const subscribers = await server.onEachWorker(() => server.broker());
  for (const client of subscribers) {
    await client.subscribe('news');
  }
  const other = await server.broker();
  await other.subscribe('other');

  const publisher = await server.broker();
  const { seq } = await publisher.publish('news', { any: ['JSON', 1, null, true] });
  for (const client of subscribers) {
    const message = await client.next();
    assert.deepEqual(message.data, { any: ['JSON', 1, null, true] });
    assert.equal(message.seq, seq);
  }
  await publisher.publish('other', 'marker');
  assert.equal((await other.next()).data, 'marker');
});

test('an id comes back in answers and in errors, a string or a number', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  for (const id of ['seven', '', 7, 0, -1.5, 12345678901234]) {
    for (const request of [
      { action: 'ping' },
      { action: 'subscribe', topic: `t${id}` },
      { action: 'publish', topic: 'other', message: 1 },
      { action: 'unsubscribe', topic: `t${id}` },
      { action: 'unsubscribe', topic: 'never' },
      { action: 'nonsense' },
    ]) {
      client.send({ ...request, id });
      assert.equal((await client.next()).id, id);
    }
  }
  client.send({ action: 'ping' });
  assert.ok(!('id' in (await client.next())));
});

test('after unsubscribe nothing more comes', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  await client.subscribe('one');
  await client.subscribe('two');
  await client.publish('one', 1);
  await client.next({ topic: 'one', data: 1 });
  assert.deepEqual(await client.call({ action: 'unsubscribe', topic: 'one' }), {
    status: 'unsubscribed',
    topic: 'one',
  });
  await client.publish('one', 2);
  await client.publish('two', 'marker');
  const messages = await client.upTo({ topic: 'two', data: 'marker' });
  assert.equal(messages.length, 1);
});

test('subscribing again is answered and changes nothing', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  await client.subscribe('news');
  assert.equal((await client.subscribe('news')).status, 'subscribed');
  assertRefused(await client.subscribe('news', { since: 0 }), 'bad_request');
  await client.publish('news', 'once');
  await client.publish('news', 'marker');
  const messages = await client.upTo({ data: 'marker' });
  assert.deepEqual(
    messages.map(({ data }) => data),
    ['once', 'marker'],
  );
});

test('a wrong request gets its error, and the connection goes on', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  await client.subscribe('news');
  const cases = {
    bad_json: [
      '',
      ' ',
      '{',
      '{"action":"ping"',
      '{"action":"ping"}x',
      '{"action":"ping",}',
      "{'action':'ping'}",
      '{"action":"publish","topic":"t","message":NaN}',
      '{"action":"publish","topic":"t","message":01}',
      '{"action":"publish","topic":"t","message":"\n"}',
      '{"action":"publish","topic":"t","message":"\\x"}',
      '{"action":"publish","topic":"t","message":/* no */1}',
    ],
    bad_request: [
      '1',
      'null',
      '[]',
      '"ping"',
      '{}',
      '{"action":1}',
      '{"action":null}',
      '{"action":"subscribe"}',
      '{"action":"subscribe","topic":1}',
      '{"action":"subscribe","topic":null}',
      '{"action":"subscribe","topic":"t","since":-1}',
      '{"action":"subscribe","topic":"t","since":1.5}',
      '{"action":"subscribe","topic":"t","since":"1"}',
      '{"action":"subscribe","topic":"t","since":1,"epoch":1}',
      '{"action":"unsubscribe"}',
      '{"action":"publish","topic":"t"}',
      '{"action":"publish","message":1}',
      '{"action":"publish","topic":"t","message":1,"durable":"yes"}',
      '{"action":"ping","id":{}}',
      '{"action":"ping","id":true}',
    ],
    unknown_action: ['{"action":"dance"}', '{"action":""}', '{"action":"Ping"}'],
    bad_topic: [
      '{"action":"subscribe","topic":""}',
      '{"action":"subscribe","topic":"a\\u0000b"}',
      '{"action":"subscribe","topic":"a\\nb"}',
      '{"action":"subscribe","topic":"a\\u007fb"}',
      '{"action":"subscribe","topic":"\\ud800"}',
      '{"action":"subscribe","topic":"$SYS"}',
      '{"action":"publish","topic":"$SYS","message":1}',
      '{"action":"publish","topic":"","message":1}',
      JSON.stringify({ action: 'subscribe', topic: 'x'.repeat(256) }),
      JSON.stringify({ action: 'publish', topic: 'ä'.repeat(128), message: 1 }),
    ],
    not_subscribed: ['{"action":"unsubscribe","topic":"never"}'],
  };
  for (const [code, texts] of Object.entries(cases)) {
    for (const text of texts) {
      client.send(text);
      const answer = await client.next();
      assert.equal(answer.code, code, `${text} was answered ${JSON.stringify(answer)}`);
      assertRefused(answer, code);
    }
  }
  const refused = await client.call({ action: 'unsubscribe', topic: 'never' });
  assert.equal(refused.topic, 'never');

  await client.publish('news', 'still here');
  assert.equal((await client.next()).data, 'still here');
});

test('a topic is any UTF-8 of 1 to 255 bytes without control characters', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  const topics = ['x', 'x'.repeat(255), 'comments:7', 'a/b/c', 'with space', 'ä€😀', '"\\', 'a$b'];
  for (const topic of topics) {
    assert.equal((await client.subscribe(topic)).topic, topic);
    assert.equal((await client.publish(topic, topic)).topic, topic);
    const message = await client.next({ type: 'message' });
    assert.equal(message.topic, topic);
    assert.equal(message.data, topic);
  }
});

test('escapes in a request mean what they mean in JSON', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  client.send('{"\\u0061ction":"\\u0073ubscribe","topic":"n\\u0065ws \\ud83d\\ude00"}');
  assert.equal((await client.next()).topic, 'news 😀');
  await client.publish('news 😀', 1);
  assert.equal((await client.next()).topic, 'news 😀');
});

test('more subscriptions than allowed are refused, and room is made by leaving one', async ({
  start,
}) => {
  const server = await start({ args: ['--max-subscriptions', '2'] });
  const client = await server.broker();
  await client.subscribe('a');
  await client.subscribe('b');
  assertRefused(await client.subscribe('c'), 'too_many_subscriptions');
  await client.call({ action: 'unsubscribe', topic: 'a' });
  assert.equal((await client.subscribe('c')).status, 'subscribed');
  await client.publish('b', 1);
  assert.equal((await client.next()).topic, 'b');
});

test('what is over a quarter of the ring is too large, what is below passes', async ({ start }) => {
  const server = await start({ ring: '256K' });
  const client = await server.broker();
  await client.subscribe('big');
  assertRefused(await client.publish('big', 'x'.repeat(65 * 1024)), 'too_large');
  const text = 'y'.repeat(60 * 1024);
  assert.equal((await client.publish('big', text)).status, 'published');
  assert.equal((await client.next()).data, text);
});

test('a message as large as the limit passes through', async ({ start }) => {
  const server = await start({ workers: 2, ring: '8M' });
  const clients = await server.onEachWorker(() => server.broker());
  const envelope = '{"action":"publish","topic":"big","message":""}'.length;
  const text = 'x'.repeat(1024 * 1024 - envelope);
  for (const client of clients) {
    await client.subscribe('big');
  }
  clients[0].send(`{"action":"publish","topic":"big","message":"${text}"}`);
  for (const client of clients) {
    assert.equal((await client.next({ type: 'message' })).data, text);
  }
});

test('a durable publish is answered when it is on disk', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  for (let i = 0; i < 3; i++) {
    const { seq, status } = await client.publish('news', i, { durable: true });
    assert.equal(status, 'published');
    assert.ok((await server.health()).log.committed_seq >= seq);
  }
});

test('frames that break WebSocket close with the code that says why', async ({ start }) => {
  const server = await start({ args: ['--max-message', '1K'] });
  const witness = await server.broker();
  await witness.subscribe('news');

  const binary = await server.broker();
  binary.ws.send(Buffer.from('{"action":"ping"}'));
  assert.equal(await binary.closeCode(), 1003);

  const garbled = await server.broker();
  garbled.ws.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
  assert.equal(await garbled.closeCode(), 1007);

  const long = await server.broker();
  long.send(' '.repeat(1025));
  assert.equal(await long.closeCode(), 1009);

  const bytes = {
    'an unmasked frame': [0x81, 0x02, 0x7b, 0x7d],
    'a reserved opcode': [0x83, 0x80, 0, 0, 0, 0],
    'a reserved bit': [0xa1, 0x80, 0, 0, 0, 0],
    'a fragmented ping': [0x09, 0x80, 0, 0, 0, 0],
    'a continuation of nothing': [0x80, 0x80, 0, 0, 0, 0],
    'a ping of 126 bytes': [0x89, 0xfe, 0, 126, 0, 0, 0, 0],
  };
  for (const [what, frame] of Object.entries(bytes)) {
    const client = await server.broker();
    client.socket.write(Buffer.from(frame));
    assert.equal(await client.closeCode(), 1002, what);
  }

  await witness.publish('news', 'undisturbed');
  assert.equal((await witness.next()).data, 'undisturbed');
});

test('a close is answered with its code, a ping with its payload', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  const pong = new Promise((resolve) => client.ws.once('pong', resolve));
  client.ws.ping('payload');
  assert.equal((await pong).toString(), 'payload');
  assert.equal(await client.close(1000), 1000);

  const other = await server.broker();
  assert.equal(await other.close(4321), 4321);
});

test('the server pings, and drops whoever is silent', async ({ start }) => {
  const server = await start({ args: ['--ping-interval', '200ms', '--ping-timeout', '10s'] });
  const silent = await server.broker({ options: { autoPong: false } });
  const answering = await server.broker();
  await silent.closed;
  assert.equal((await answering.ping()).status, 'pong');
});

test('a fragmented message is one message, with a ping between its parts', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  await client.subscribe('news');
  const text = '{"action":"publish","topic":"news","message":"in parts ä"}';
  const bytes = Buffer.from(text);
  const cut = bytes.length - 3; // within the letter
  client.ws.send(bytes.subarray(0, 10), { binary: false, fin: false });
  client.ws.ping('between');
  client.ws.send(bytes.subarray(10, cut), { binary: false, fin: false });
  client.ws.send(bytes.subarray(cut), { binary: false, fin: true });
  assert.equal((await client.next({ type: 'message' })).data, 'in parts ä');
});

test('requests sent in one go are answered in order', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  const count = 500;
  for (const id of numbers(0, count)) {
    client.send({ action: 'publish', topic: 'news', message: id, id });
  }
  const answers = [];
  for (let i = 0; i < count; i++) {
    answers.push(await client.next());
  }
  assert.deepEqual(
    answers.map(({ id }) => id),
    numbers(0, count),
  );
  assert.deepEqual(
    answers.map(({ seq }) => seq),
    numbers(answers[0].seq, count),
  );
});

test('publishers on all workers share one order, without a hole', async ({ start }) => {
  const server = await start({ workers: 2 });
  const readers = await server.onEachWorker(() => server.broker());
  for (const reader of readers) {
    await reader.subscribe('race');
  }
  const writers = [...(await server.onEachWorker(() => server.broker())), await server.broker()];
  const each = 300;
  for (const index of numbers(0, each)) {
    writers.forEach((client, writer) => {
      client.send({ action: 'publish', topic: 'race', message: { writer, index } });
    });
  }
  const total = each * writers.length;
  const seen = await Promise.all(
    readers.map(async (reader) => {
      const messages = [];
      while (messages.length < total) {
        messages.push(await reader.next({ type: 'message' }));
      }
      return messages;
    }),
  );
  assert.deepEqual(seen[0], seen[1]);
  assert.deepEqual(
    seen[0].map(({ seq }) => seq),
    numbers(seen[0][0].seq, total),
  );
  writers.forEach((_, writer) => {
    const own = seen[0].filter(({ data }) => data.writer === writer);
    assert.deepEqual(
      own.map(({ data }) => data.index),
      numbers(0, each),
    );
  });
});

test('since gives everything after it, then what is live', async ({ start }) => {
  const server = await start({ workers: 2 });
  const writer = await server.broker();
  const seqs = [];
  for (let i = 0; i < 10; i++) {
    seqs.push((await writer.publish('news', i)).seq);
    await writer.publish('noise', i);
  }
  const { epoch } = await writer.ping();
  for (const since of [0, seqs[0], seqs[4], seqs[9]]) {
    for (const token of [{ since, epoch }, { since }]) {
      const reader = await server.broker();
      assert.deepEqual(await reader.subscribe('news', token), {
        status: 'subscribed',
        topic: 'news',
        seq: since,
        epoch,
        recovered: true,
      });
      const live = await writer.publish('news', 'live');
      const messages = await reader.upTo({ seq: live.seq });
      seqs.push(live.seq);
      assert.deepEqual(
        messages.map(({ seq }) => seq),
        seqs.filter((seq) => seq > since),
      );
      await reader.close();
    }
  }
});

test('subscribed comes before any of its messages', async ({ start }) => {
  const server = await start({ workers: 2 });
  const writer = await server.broker();
  for (let i = 0; i < 200; i++) {
    writer.send({ action: 'publish', topic: 'news', message: i });
  }
  for (const since of [undefined, 0]) {
    for (let i = 0; i < 10; i++) {
      const reader = await server.broker();
      reader.send({ action: 'subscribe', topic: 'news', since });
      writer.send({ action: 'publish', topic: 'news', message: `more ${i}` });
      assert.equal((await reader.next()).status, 'subscribed');
      await reader.close();
    }
  }
});

test('an unknown epoch, or a position past the end, is told of the gap and gets all', async ({
  start,
}) => {
  const server = await start();
  const writer = await server.broker();
  await writer.publish('other', 0);
  const kept = [];
  for (let i = 0; i < 3; i++) {
    kept.push((await writer.publish('news', i)).seq);
  }
  const { epoch, seq } = await writer.ping();
  for (const token of [
    { since: kept[1], epoch: '0123456789abcdef' },
    { since: seq + 1, epoch },
    { since: seq + 1_000_000 },
  ]) {
    const reader = await server.broker();
    assert.deepEqual(await reader.subscribe('news', token), {
      status: 'subscribed',
      topic: 'news',
      seq: kept[0] - 1,
      epoch,
      recovered: false,
    });
    assert.deepEqual(await reader.next(), { type: 'gap', topic: 'news', oldest: kept[0] });
    for (const expected of kept) {
      assert.equal((await reader.next()).seq, expected);
    }
    await reader.close();
  }
});

test('what retention has trimmed is told as a gap', async ({ start }) => {
  const server = await start({ args: ['--retention-events', '20'] });
  const writer = await server.broker();
  const first = await writer.publish('news', 'first', { durable: true });
  const { oldest } = await until(
    async () => {
      await writer.publish('news', 'more', { durable: true });
      const page = await server.history('news');
      return page.oldest > first.seq + 1 && page;
    },
    { what: 'retention to trim more than the first event', interval: 0 },
  );

  const reader = await server.broker();
  const answer = await reader.subscribe('news', { since: first.seq - 1 });
  const gap = await reader.next();
  assert.equal(answer.recovered, false);
  assert.equal(gap.type, 'gap');
  assert.ok(gap.oldest >= oldest);
  assert.equal(answer.seq, gap.oldest - 1);
  const last = await writer.publish('news', 'last');
  const messages = await reader.upTo({ seq: last.seq });
  assert.deepEqual(
    messages.map(({ seq }) => seq),
    numbers(gap.oldest, last.seq - gap.oldest + 1),
  );

  // Whoever needs nothing of what is gone has lost nothing.
  const late = await server.broker();
  assert.equal((await late.subscribe('news', { since: last.seq })).recovered, true);
});

test('a quiet topic reports no gap because others were trimmed', async ({ start }) => {
  const server = await start({ args: ['--retention-events', '20'] });
  const writer = await server.broker();
  const quiet = await writer.publish('quiet', 'once', { durable: true });
  const trimmed = await writer.publish('busy', 0, { durable: true });
  await until(
    async () => {
      await writer.publish('busy', 1, { durable: true });
      return (await server.history('busy')).oldest > trimmed.seq;
    },
    { what: 'retention to trim', interval: 0 },
  );
  const reader = await server.broker();
  assert.equal((await reader.subscribe('quiet', { since: quiet.seq })).recovered, true);
  await writer.publish('quiet', 'again');
  assert.equal((await reader.next()).data, 'again');
});

test('replays of many topics on one connection come in the order of the log', async ({ start }) => {
  const server = await start({ workers: 2 });
  const writer = await server.broker();
  const topics = numbers(0, 20).map((index) => `topic ${index}`);
  const count = 400;
  for (const index of numbers(0, count)) {
    writer.send({ action: 'publish', topic: topics[index % topics.length], message: index });
  }
  await writer.ping();
  const reader = await server.broker();
  for (const topic of topics) {
    reader.send({ action: 'subscribe', topic, since: 0 });
  }
  const seen = [];
  while (seen.length < count) {
    seen.push(await reader.next({ type: 'message' }));
  }
  assert.deepEqual(
    seen.map(({ data }) => data).sort((a, b) => a - b),
    numbers(0, count),
  );
  for (const topic of topics) {
    assertRising(seen.filter((message) => message.topic === topic).map(({ seq }) => seq));
  }
});
