// /topics over HTTP: publish, history, event streams, the list (PROTOCOLS section 4).
import { RoomClient } from './lib/client.mjs';
import { startRaw } from './lib/line.mjs';
import { kill } from './lib/processes.mjs';
import { EPOCH, SCHEMA_SEQ, TIME, assertError, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

test('a JSON body is published as it is, any other text as a JSON string', async ({ start }) => {
  const server = await start();
  const reader = await server.broker();
  await reader.subscribe('news');
  const cases = [
    ['application/json', '{"a":[1,2]}', { a: [1, 2] }],
    ['application/json; charset=utf-8', ' "text" ', 'text'],
    ['APPLICATION/JSON', 'null', null],
    ['text/plain', 'say "hi"\n\tä', 'say "hi"\n\tä'],
    ['text/plain; charset=utf-8', '{"not":"parsed"}', '{"not":"parsed"}'],
    ['application/octet-stream', 'bytes that are UTF-8', 'bytes that are UTF-8'],
    ['text/plain', '', ''],
  ];
  for (const [type, body, data] of cases) {
    const answer = await server.post('news', body, type);
    assert.equal(answer.status, 201, answer.text);
    const { seq, epoch, ...rest } = answer.json;
    assert.deepEqual(rest, { topic: 'news' });
    assert.match(epoch, EPOCH);
    const message = await reader.next();
    assert.deepEqual(message.data, data);
    assert.equal(message.seq, seq);
  }

  const untyped = await server.request('POST', '/topics/news', { body: 'no type at all' });
  assert.equal(untyped.status, 201);
  assert.equal((await reader.next()).data, 'no type at all');
});

test('a durable POST is answered when it is on disk', async ({ start }) => {
  const server = await start();
  const answer = await server.post('news', '1', 'application/json', '?durable=true');
  assert.equal(answer.status, 201);
  assert.ok((await server.health()).log.committed_seq >= answer.json.seq);
});

test('what cannot be published is refused, and nothing is stored', async ({ start }) => {
  const server = await start({ args: ['--max-message', '1K'] });
  const refused = [
    [400, 'application/json', '{"a":'],
    [400, 'application/json', ''],
    [400, 'application/json', '1 2'],
    [400, 'application/json', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    [400, 'text/plain', Buffer.from([0xff, 0xfe])],
    [413, 'text/plain', 'x'.repeat(1025)],
    [415, 'application/x-www-form-urlencoded', 'a=1'],
    [415, 'multipart/form-data; boundary=x', '--x--'],
  ];
  for (const [status, type, body] of refused) {
    const answer = await server.request('POST', '/topics/news', {
      headers: { 'content-type': type },
      body,
    });
    assertError(answer, status);
  }
  assert.deepEqual((await server.history('news')).events, []);
  assert.equal((await server.post('news', 'x'.repeat(1024), 'text/plain')).status, 201);
});

test('a chunked body is published whole, too long a one is 413', async ({ start }) => {
  const server = await start({ args: ['--max-message', '1K'] });
  const head =
    'POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n' +
    'Transfer-Encoding: chunked\r\n\r\n';
  const connection = await server.raw();
  connection.write(`${head}5\r\nhello\r\n7;ext=1\r\n, world\r\n`);
  connection.write('0\r\nTrailer: x\r\n\r\n');
  assert.equal((await connection.response()).status, 201);

  const chunk = `200\r\n${'x'.repeat(512)}\r\n`;
  connection.write(`${head}${chunk}${chunk}${chunk}0\r\n\r\n`);
  assertError(await connection.response(), 413);

  const { events } = await server.history('news');
  assert.deepEqual(
    events.map(({ data }) => data),
    ['hello, world'],
  );
});

test('history gives the events with their place and time, page by page', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await server.broker();
  const seqs = [];
  for (const index of numbers(0, 25)) {
    seqs.push((await client.publish('news', { index })).seq);
    await client.publish('noise', index);
  }
  const { epoch } = await client.ping();

  const all = await server.history('news');
  const { events, ...rest } = all;
  assert.deepEqual(rest, {
    topic: 'news',
    epoch,
    last_seq: seqs.at(-1),
    oldest: seqs[0],
    more: false,
    recovered: true,
  });
  assert.deepEqual(
    events.map(({ seq, data }) => [seq, data]),
    seqs.map((seq, index) => [seq, { index }]),
  );
  assert.ok(events.every(({ time }) => TIME.test(time)));

  const paged = [];
  let since = 0;
  for (;;) {
    const page = await server.history('news', `?since=${since}&limit=10&epoch=${epoch}`);
    paged.push(...page.events);
    assert.equal(page.last_seq, seqs.at(-1));
    if (!page.more) {
      break;
    }
    assert.equal(page.events.length, 10);
    since = page.events.at(-1).seq;
  }
  assert.deepEqual(paged, events);
});

test('history without a limit gives 100', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  for (const index of numbers(0, 101)) {
    client.send({ action: 'publish', topic: 'news', message: index });
  }
  await client.ping();
  const page = await server.history('news');
  assert.equal(page.events.length, 100);
  assert.equal(page.more, true);
  assert.equal((await server.history('news', '?limit=1000')).events.length, 101);
});

test('history shows every event acknowledged before, on whatever worker', async ({ start }) => {
  const server = await start({ workers: 2 });
  const clients = await server.onEachWorker(() => server.broker());
  for (const index of numbers(0, 40)) {
    const { seq } = await clients[index % 2].publish('news', index);
    const page = await server.history('news', `?since=${seq - 1}`);
    assert.deepEqual(
      page.events.map((event) => event.seq),
      [seq],
    );
  }
});

test('a topic never used is empty; a lost position is not recovered', async ({ start }) => {
  const server = await start();
  const empty = await server.history('never');
  assert.deepEqual(empty.events, []);
  assert.equal(empty.more, false);
  assert.equal(empty.recovered, true);

  await server.post('news', '1');
  const lost = await server.history('news', '?since=1&epoch=0123456789abcdef');
  assert.equal(lost.recovered, false);
  assert.equal(lost.events.length, 1);
});

test('wrong queries are 400', async ({ start }) => {
  const server = await start();
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'limit=',
    'limit=-1',
    'since=-1',
    'since=x',
    'since=1.5',
    'epoch=xyz',
  ]) {
    assertError(await server.request('GET', `/topics/news?${query}`), 400);
  }
});

test('the topic is everything behind /topics/, percent-decoded once', async ({ start }) => {
  const server = await start();
  const names = {
    'a/b': 'a/b',
    'a%2Fb%20c': 'a/b c',
    'a+b': 'a+b',
    '%C3%A4%F0%9F%98%80': 'ä😀',
    '100%2525': '100%25',
    'comments:7': 'comments:7',
  };
  for (const [path, topic] of Object.entries(names)) {
    assert.equal((await server.post(path, '1')).json.topic, topic);
    assert.equal((await server.history(path)).topic, topic);
  }
  for (const path of ['%FF', '%zz', '%C3', '%2', 'a%00b', 'a%0Ab', `${'x'.repeat(256)}`]) {
    assertError(await server.request('GET', `/topics/${path}`), 400);
    assertError(await server.post(path, '1'), 400);
  }
  assertError(await server.post('$SYS', '1'), 400, 'bad_topic');
  assertError(await server.request('GET', '/topics/%24SYS'), 400, 'bad_topic');
});

test('other methods are 405 with Allow; HEAD works where GET does', async ({ start }) => {
  const server = await start();
  for (const method of ['PUT', 'DELETE', 'PATCH']) {
    const answer = await server.request(method, '/topics/news');
    assertError(answer, 405);
    assert.match(answer.headers.allow, /GET/);
    assert.match(answer.headers.allow, /POST/);
  }
  const list = await server.request('POST', '/topics', { body: 'x' });
  assertError(list, 405);
  assert.doesNotMatch(list.headers.allow, /POST/);
  for (const path of ['/topics', '/topics/news']) {
    const head = await server.request('HEAD', path);
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
  }
});

test('a head that is too large is 431, a malformed one 400, and both close', async ({ start }) => {
  const server = await start({ args: ['--max-head', '2K'] });
  const large = await server.raw();
  large.write(`GET /topics HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(4096)}\r\n\r\n`);
  assertError(await large.response(), 431);
  await large.rest();

  const malformed = [
    'GET /topics HTTP/1.1\r\n\r\n', // no Host
    'GET /topics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
    'GET /topics HTTP/1.1\r\nHost : x\r\n\r\n',
    'GET /topics HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n',
    'GET /topics HTTP/1.1\nHost: x\n\n',
    'GET  /topics HTTP/1.1\r\nHost: x\r\n\r\n',
    'nonsense\r\n\r\n',
    'POST /topics/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    'POST /topics/t HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    'POST /topics/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ];
  for (const head of malformed) {
    const connection = await server.raw();
    connection.write(head);
    const answer = await connection.response();
    assert.equal(answer.status, 400, JSON.stringify(head));
    assertError(answer, 400);
    await connection.rest();
  }
});

test('a connection serves one request after the other, also when they come at once', async ({
  start,
}) => {
  const server = await start();
  const connection = await server.raw();
  const post = (body) =>
    `POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const get = 'GET /topics/news HTTP/1.1\r\nHost: x\r\n\r\n';
  connection.write(post('first'));
  assert.equal((await connection.response()).status, 201);

  connection.write(post('second') + get + post('third') + get);
  assert.equal((await connection.response()).status, 201);
  assert.equal(JSON.parse((await connection.response()).text).events.length, 2);
  assert.equal((await connection.response()).status, 201);
  assert.equal(JSON.parse((await connection.response()).text).events.length, 3);

  // Byte by byte, then a request that asks to be the last.
  for (const byte of 'HEAD /topics/news HTTP/1.1\r\nHost: x\r\n\r\n') {
    connection.write(byte);
  }
  assert.equal((await connection.response({ toHead: true })).status, 200);
  connection.write('GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.equal((await connection.response()).status, 200);
  assert.equal(await connection.rest(), '');
});

test('a head that does not come to its end is given up', async ({ start }) => {
  const server = await start({ args: ['--handshake-timeout', '300ms'] });
  const connection = await server.raw();
  connection.write('GET /topics HTTP/1.1\r\nHost: x\r\n');
  await connection.rest();
  const silent = await server.raw();
  await silent.rest();
});

test('/topics lists topics with the subscribers of all workers and protocols', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  for (const topic of ['b', 'a', 'c/1', 'c/2', 'c/3']) {
    await server.post(topic, '1', 'application/json', '?durable=true'); // what is listed is committed
  }
  const brokers = await server.onEachWorker(() => server.broker());
  for (const client of brokers) {
    await client.subscribe('a');
  }
  await server.events('/topics/a');
  await brokers[0].subscribe('b');

  const topics = await until(
    async () => {
      const list = (await server.request('GET', '/topics')).json;
      assert.match(list.epoch, EPOCH);
      const wanted = { a: 3, b: 1 };
      return list.topics.every((t) => t.subscribers === (wanted[t.topic] ?? 0)) && list.topics;
    },
    { what: 'the right numbers of subscribers' },
  );
  assert.deepEqual(
    topics.map(({ topic, last_seq }) => [topic, last_seq]),
    [
      ['a', SCHEMA_SEQ + 2],
      ['b', SCHEMA_SEQ + 1],
      ['c/1', SCHEMA_SEQ + 3],
      ['c/2', SCHEMA_SEQ + 4],
      ['c/3', SCHEMA_SEQ + 5],
    ],
  );

  const names = async (query) =>
    (await server.request('GET', `/topics?${query}`)).json.topics.map(({ topic }) => topic);
  assert.deepEqual(await names('prefix=c/'), ['c/1', 'c/2', 'c/3']);
  assert.deepEqual(await names('prefix=c%2F&limit=2'), ['c/1', 'c/2']);
  assert.deepEqual(await names('prefix=c/&limit=2&after=c/2'), ['c/3']);
  assert.deepEqual(await names('limit=1'), ['a']);
  assert.deepEqual(await names('after=b'), ['c/1', 'c/2', 'c/3']);
});

test('an event stream begins with its position, then gives what is published', async ({
  start,
}) => {
  const server = await start();
  const { seq: before, epoch } = (await server.post('news', '"before"')).json;
  const stream = await server.events('/topics/news');
  assert.equal(stream.status, 200);
  assert.match(stream.headers['content-type'], /^text\/event-stream/);
  assert.equal(stream.headers['x-accel-buffering'], 'no');
  assert.match(stream.headers.vary, /accept/i);
  assert.equal((await stream.next()).retry, '2000');
  assert.deepEqual(await stream.next(), { id: `${epoch}-${before}` });

  const { seq } = (await server.post('news', '{"a":1}')).json;
  const block = await stream.next();
  assert.equal(block.id, `${epoch}-${seq}`);
  const { time, ...message } = block.message;
  assert.deepEqual(message, { type: 'message', topic: 'news', data: { a: 1 }, seq });
  assert.match(time, TIME);
});

test('an event stream resumes by Last-Event-ID, which beats since', async ({ start }) => {
  const server = await start();
  const seqs = [];
  for (let i = 0; i < 4; i++) {
    seqs.push((await server.post('news', String(i))).json.seq);
  }
  const { epoch } = (await server.health()).log;
  const data = async (path, headers) => {
    const stream = await server.events(path, headers);
    const marker = await server.post('news', '"marker"');
    const blocks = await stream.upTo({ message: { seq: marker.json.seq } });
    stream.terminate();
    return blocks
      .map(({ message }) => message?.data)
      .filter((value) => value !== undefined && value !== 'marker');
  };
  assert.deepEqual(await data('/topics/news?since=0'), [0, 1, 2, 3]);
  assert.deepEqual(await data(`/topics/news?since=${seqs[2]}&epoch=${epoch}`), [3]);
  assert.deepEqual(
    await data('/topics/news?since=0', { 'last-event-id': `${epoch}-${seqs[1]}` }),
    [2, 3],
  );
});

test('an event stream is told of a gap', async ({ start }) => {
  const server = await start();
  const { seq } = (await server.post('news', '1')).json;
  const stream = await server.events('/topics/news', {
    'last-event-id': '0123456789abcdef-12',
  });
  const gap = await stream.next({ event: 'gap' });
  assert.deepEqual(gap.message, { type: 'gap', topic: 'news', oldest: seq });
  assert.equal((await stream.next({ message: { type: 'message' } })).message.seq, seq);
});

test('an event stream is opened only for who names it', async ({ start }) => {
  const server = await start();
  for (const accept of ['*/*', 'text/*', 'application/json', 'text/html, */*;q=0.1']) {
    const answer = await server.request('GET', '/topics/news', { headers: { accept } });
    assert.match(answer.headers['content-type'], /^application\/json/, accept);
    assert.match(answer.headers.vary, /accept/i);
  }
  for (const accept of ['text/event-stream', 'application/json, text/event-stream;q=0.5']) {
    const stream = await server.events('/topics/news', { accept });
    assert.match(stream.headers['content-type'], /^text\/event-stream/, accept);
  }
});

test('subscribers are counted over all workers, in every protocol, and until they leave', async ({
  start,
}) => {
  const { server, connect } = await startRaw(start, { workers: 2 });
  const rooms = await server.onEachWorker(() => server.room());
  await rooms[0].say('hello'); // only what is kept is listed
  const subscribed = [...server.clients].filter((client) => client instanceof RoomClient);
  const brokers = await server.onEachWorker(() => server.broker());
  for (const broker of brokers) {
    await broker.subscribe('room');
  }
  const raws = [connect(), connect()];
  for (const raw of raws) {
    raw.send({ action: 'subscribe', topic: 'room' });
    await raw.next({ status: 'subscribed' });
  }
  const streams = [await server.events('/topics/room'), await server.events('/topics/room')];
  subscribed.push(...brokers, ...raws, ...streams);

  const untilCounted = (what) =>
    until(
      async () => {
        const { topics } = (await server.request('GET', '/topics?prefix=room')).json;
        const alive = subscribed.filter(({ socket }) => !socket.destroyed).length;
        assert.deepEqual(
          topics.map(({ topic, subscribers }) => [topic, subscribers]),
          [['room', alive]],
        );
        return true;
      },
      { what },
    );
  await untilCounted('everybody to be counted');
  assert.ok(subscribed.every(({ socket }) => !socket.destroyed));

  await brokers[0].call({ action: 'unsubscribe', topic: 'room' });
  subscribed.splice(subscribed.indexOf(brokers[0]), 1);
  await untilCounted('one less');
  raws[0].terminate();
  streams[0].terminate();
  await untilCounted('two who have gone');
  // Those of a worker that has died are nobody's any more.
  const before = subscribed.filter(({ socket }) => !socket.destroyed).length;
  kill(server.workers()[0]);
  await until(() => subscribed.filter(({ socket }) => !socket.destroyed).length < before, {
    what: 'clients to notice',
  });
  await untilCounted('the clients of a dead worker to be forgotten');
});

test('topics are listed page by page, whatever their names', async ({ start }) => {
  const server = await start();
  const names = ['a', 'a b', 'a%2F', 'a+b', 'a/b', 'a/b/c', 'b&c=d', 'ä', '日本', '😀'];
  for (const name of names) {
    await server.post(encodeURIComponent(name), '1', 'application/json', '?durable=true'); // to be listed
  }
  const list = async (query) =>
    (await server.request('GET', `/topics${query}`)).json.topics.map(({ topic }) => topic);
  const sorted = (some) => some.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(await list(''), sorted([...names]));
  for (const limit of [1, 3, 1000]) {
    const paged = [];
    for (;;) {
      const after = encodeURIComponent(paged.at(-1) ?? '');
      const page = await list(`?limit=${limit}&after=${after}`);
      paged.push(...page);
      if (page.length < limit) {
        break;
      }
    }
    assert.deepEqual(paged, sorted([...names]));
  }
  for (const prefix of ['a', 'a/', 'a%', 'ä', 'b&', 'c', '日']) {
    const wanted = sorted(names.filter((name) => name.startsWith(prefix)));
    assert.deepEqual(await list(`?prefix=${encodeURIComponent(prefix)}`), wanted);
  }
  assert.deepEqual(await list('?prefix=a&after=a/b'), ['a/b/c']);
  assert.deepEqual(await list('?after=a/c'), sorted(names.filter((name) => name > 'a/c')));

  for (const query of ['limit=0', 'limit=1001', 'limit=', 'limit=x', 'limit=-1', 'limit=1e2']) {
    assertError(await server.request('GET', `/topics?${query}`), 400, 'bad_request');
  }
  const long = 'x'.repeat(256);
  for (const value of ['%', '%zz', '%FF', '%C3', long]) {
    for (const name of ['prefix', 'after']) {
      const answer = await server.request('GET', `/topics?${name}=${value}`);
      assertError(answer, 400, 'bad_request');
    }
  }
});

test('a topic that retention has emptied is not listed, and its history says so', async ({
  start,
}) => {
  const server = await start({ args: ['--retention-events', '1'] });
  await server.post('gone', '1', 'application/json', '?durable=true');
  const { seq } = (await server.post('kept', '2', 'application/json', '?durable=true')).json;
  const topics = await until(
    async () => {
      await server.post('kept', '3', 'application/json', '?durable=true');
      const list = (await server.request('GET', '/topics')).json.topics;
      return list.length === 1 && list;
    },
    { what: 'retention to take the first' },
  );
  assert.equal(topics[0].topic, 'kept');
  const { epoch } = (await server.health()).log;
  const gone = await server.history('gone');
  assert.deepEqual(gone, {
    topic: 'gone',
    epoch,
    events: [],
    last_seq: SCHEMA_SEQ + 1,
    oldest: 0,
    more: false,
    recovered: false,
  });
  assert.equal((await server.history('gone', `?since=${SCHEMA_SEQ + 1}`)).recovered, true);
  assert.ok(seq > SCHEMA_SEQ + 1);
});

test('HEAD of a history, of the list and of errors has the length of what GET has', async ({
  start,
}) => {
  const server = await start();
  await server.post('news', '{"a":1}', 'application/json', '?durable=true');
  for (const path of ['/topics', '/topics/news', '/topics/news?limit=0', '/topics/%zz']) {
    const get = await server.request('GET', path);
    const head = await server.request('HEAD', path);
    assert.equal(head.status, get.status, path);
    assert.equal(head.text, '');
    assert.equal(head.headers['content-length'], String(Buffer.byteLength(get.text)), path);
    assert.equal(head.headers['content-type'], get.headers['content-type']);
    assert.equal(head.headers.vary, get.headers.vary);
  }
});
