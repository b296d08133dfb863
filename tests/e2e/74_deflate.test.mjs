// permessage-deflate (RFC 7692): what the Autobahn suite's cases 12 and 13 cover, over a grid of our own,
// with npm's ws and with a client that uses zlib by hand.
import { createHash } from 'node:crypto';
import http2 from 'node:http2';
import WebSocket from 'ws';
import { openPage } from './lib/chromium.mjs';
import { BrokerClient, Inbox } from './lib/client.mjs';
import { DeflateClient, deflated, inflated } from './lib/deflate.mjs';
import { binary, forEach, frame, FrameClient, more, OPCODE, pieces, text } from './lib/frames.mjs';
import { CREATE_MESSAGE, followOver, MESSAGE_ADDED } from './lib/graphql.mjs';
import { metric } from './lib/metrics.mjs';
import { fieldOf } from './lib/processes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

const ECHO = { workers: 1, args: ['--echo'] };
const REPLY_MIN = 1024; // answers below are not compressed
const MESSAGE_MIN = 128; // nor are events
const MESSAGE_MAX = 128 * 1024;
const LIMIT = 1024 * 1024; // --max-message
const SIZES = [0, 1, 16, 64, 127, 128, 129, 1000, 1024, 4096, 16 * 1024, 64 * 1024 - 1, 64 * 1024,
  MESSAGE_MAX, MESSAGE_MAX + 1];
const MODES = { 'no takeover': [], takeover: ['--deflate-takeover', 'on'] };

/** Bytes that follow from the seed and look like nothing. */
function randomBytes(size, seed) {
  const blocks = [];
  for (let i = 0; i * 32 < size; i++) {
    blocks.push(createHash('sha256').update(`${seed}:${i}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, size);
}

const CONTENT = {
  json: (size) =>
    JSON.stringify(Array.from({ length: 1 + size / 40 }, (_, i) => ({ id: i, name: `user ${i % 7}`, ok: true })))
      .padEnd(size, ' ').slice(0, size),
  repeated: (size) => 'é'.repeat(size / 2).padEnd(size / 2 + (size % 2), 'x'),
  letters: (size) => randomBytes(size, size).toString('base64').slice(0, size),
  random: (size) => randomBytes(size, size),
};

function shown(bytes) {
  return `${bytes.length} bytes, ${bytes.subarray(0, 40).toString('hex')}`;
}

const terms = (client) => client.extensions.replace(/^permessage-deflate; /, '');

// --- the grid, by hand

const OFFERS = [
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits',
  ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits) => `permessage-deflate; server_max_window_bits=${bits}`),
  ...[9, 10, 11, 12, 13, 14, 15].map((bits) => `permessage-deflate; client_max_window_bits=${bits}`),
  'permessage-deflate; server_no_context_takeover',
  'permessage-deflate; client_no_context_takeover',
  'permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=10',
];

for (const [mode, args] of Object.entries(MODES)) {
  test(`${mode}: every message comes back, whatever is agreed on and however it is sent`, async ({ start }) => {
    const server = await start({ workers: 1, args: ['--echo', ...args] });
    await forEach(OFFERS, async (offer) => {
      const client = await DeflateClient.open(server, { offer });
      assert.ok(!client.extensions.includes('client_max_window_bits'), client.extensions);
      const windowBits = Number(/client_max_window_bits=(\d+)/.exec(offer)?.[1] ?? 15);
      assert.equal(client.keepsContext, mode === 'takeover' && !offer.includes('client_no_context'));
      for (const [kind, make] of Object.entries(CONTENT)) {
        for (const [i, size] of SIZES.entries()) {
          const bytes = Buffer.from(make(size));
          const opcode = kind === 'random' ? OPCODE.BINARY : OPCODE.TEXT;
          const level = [6, 1, 0, 9][i % 4];
          client.send(opcode, bytes, { windowBits, level, parts: 1 + (i % 3) * 3, isCompressed: i % 5 !== 3 });
          const got = await client.next();
          const what = `${kind}, ${size} bytes`;
          assert.equal(got.opcode, opcode, what);
          assert.ok(got.data.equals(bytes), `${what}: ${shown(got.data)} instead of ${shown(bytes)}`);
          const isWorthIt = size >= REPLY_MIN && size <= MESSAGE_MAX && kind !== 'random';
          assert.equal(got.isCompressed, isWorthIt && client.serverBits > 8, what);
          assert.ok(!got.isCompressed || got.wireBytes < bytes.length, what);
        }
      }
      await client.frames.leave();
    }, 4);
  });
}

test('fragments may be cut anywhere, with control frames between them', async ({ start }) => {
  const server = await start(ECHO);
  const client = await DeflateClient.open(server);
  const words = 'one two three four five six seven eight nine ten one two three';
  const payload = deflated(words);
  for (let cut = 0; cut <= payload.length; cut++) {
    client.frames.send(
      frame(OPCODE.TEXT, payload.subarray(0, cut), { fin: false, rsv: 4 }),
      frame(OPCODE.PING, String(cut)),
      more('', { fin: false }),
      more(payload.subarray(cut)),
    );
    await client.frames.expect(OPCODE.PONG, String(cut));
    await client.frames.expect(OPCODE.TEXT, words);
  }
  for (const size of [1, 2, 7]) {
    const parts = pieces(payload, size);
    const all = parts.map((part, i) =>
      frame(i === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION, part, { fin: i === parts.length - 1, rsv: i === 0 ? 4 : 0 }),
    );
    await client.frames.sendApart(pieces(Buffer.concat(all), size));
    await client.frames.expect(OPCODE.TEXT, words);
  }
});

// --- the grid, by npm's ws

const WS_OPTIONS = [];
for (const serverMaxWindowBits of [8, 9, 12, 15]) {
  for (const clientMaxWindowBits of [9, 12, 15]) {
    // Not false: then it refuses what a server may answer (RFC 7692 section 7.1.1.2).
    for (const noTakeover of [undefined, true]) {
      WS_OPTIONS.push({
        serverMaxWindowBits,
        clientMaxWindowBits,
        serverNoContextTakeover: noTakeover,
        clientNoContextTakeover: noTakeover,
        threshold: 0,
      });
    }
  }
}

for (const [mode, args] of Object.entries(MODES)) {
  test(`${mode}: ws understands every message, whatever it offers`, async ({ start }) => {
    const server = await start({ workers: 1, args: ['--echo', ...args] });
    await forEach(WS_OPTIONS, async (perMessageDeflate) => {
      const socket = new WebSocket(server.url('/echo'), { perMessageDeflate });
      const inbox = new Inbox();
      socket.on('message', (data, isBinary) => inbox.push({ data, isBinary }));
      socket.on('close', (code) => inbox.end(`closed with ${code}`));
      server.clients.add(socket);
      await within(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject)), 'ws');
      assert.match(socket.extensions, /permessage-deflate/);
      for (const [kind, make] of Object.entries(CONTENT)) {
        for (const size of SIZES) {
          const bytes = Buffer.from(make(size));
          socket.send(bytes, { binary: kind === 'random', compress: size % 2 === 0 });
          const { data, isBinary } = await inbox.next(() => true);
          assert.equal(isBinary, kind === 'random');
          assert.ok(data.equals(bytes), `${kind}, ${size}: ${shown(data)}`);
        }
      }
      socket.close();
    }, 4);
  });
}

// --- negotiation

test('a bad offer is declined and the next one taken', async ({ start }) => {
  const server = await start(ECHO);
  const cases = [
    ['permessage-deflate; server_max_window_bits=7', null],
    ['permessage-deflate; server_max_window_bits=16', null],
    ['permessage-deflate; server_no_context_takeover=1', null],
    ['permessage-deflate; unheard_of', null],
    ['permessage-deflate; client_max_window_bits; client_max_window_bits', null],
    ['x-webkit-deflate-frame', null],
    ['permessage-deflate; unheard_of, permessage-deflate; server_max_window_bits="11"',
      'server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11'],
    ['permessage-bzip2\r\nSec-WebSocket-Extensions: permessage-deflate',
      'server_no_context_takeover; client_no_context_takeover'],
  ];
  for (const [offer, wanted] of cases) {
    const client = await FrameClient.open(server, { headers: `Sec-WebSocket-Extensions: ${offer}\r\n` });
    assert.equal(client.extensions === null ? null : terms(client), wanted, offer);
    client.send(text('as it is'));
    await client.expect(OPCODE.TEXT, 'as it is');
    if (wanted === null) {
      client.send(frame(OPCODE.TEXT, deflated('x'), { rsv: 4 }));
      await client.expectClose(1002);
    }
    client.terminate();
  }
});

test('--deflate off agrees with nobody', async ({ start }) => {
  const server = await start({ ...ECHO, args: ['--echo', '--deflate', 'off'] });
  const client = await FrameClient.open(server, { headers: 'Sec-WebSocket-Extensions: permessage-deflate\r\n' });
  assert.equal(client.extensions, null);
});

// --- what must not be

test('what is no DEFLATE closes with 1007, what breaks a rule with 1002', async ({ start }) => {
  const good = deflated('a message that is fine, a message that is fine');
  const cases = [
    { name: 'block type 3', frames: [frame(OPCODE.BINARY, Buffer.alloc(9, 0xff), { rsv: 4 })], code: 1007 },
    { name: 'cut off', frames: [frame(OPCODE.TEXT, good.subarray(0, -1), { rsv: 4 })], code: 1007 },
    { name: 'nothing at all', frames: [frame(OPCODE.TEXT, '', { rsv: 4 })], code: 1007 },
    { name: 'bad UTF-8', frames: [frame(OPCODE.TEXT, deflated(Buffer.from([0xc0, 0xaf])), { rsv: 4 })], code: 1007 },
    { name: 'a context that is not kept', code: 1007, frames: [
      frame(OPCODE.TEXT, good, { rsv: 4 }),
      frame(OPCODE.TEXT, deflated('is fine, a message', { dictionary: Buffer.from('a message that is fine, a message that is fine') }), { rsv: 4 }),
    ], before: 'a message that is fine, a message that is fine' },
    { name: 'RSV1 on a continuation', frames: [frame(OPCODE.TEXT, good, { rsv: 4, fin: false }), more('', { rsv: 4 })], code: 1002 },
    { name: 'RSV1 on a ping', frames: [frame(OPCODE.PING, '', { rsv: 4 })], code: 1002 },
    { name: 'RSV2', frames: [frame(OPCODE.TEXT, good, { rsv: 2 })], code: 1002 },
    { name: 'RSV1 and RSV3', frames: [frame(OPCODE.TEXT, good, { rsv: 5 })], code: 1002 },
    { name: 'a compressed message inside a plain one', frames: [text('x', { fin: false }), frame(OPCODE.TEXT, good, { rsv: 4 })], code: 1002 },
  ];
  for (const args of Object.values(MODES)) {
    const server = await start({ workers: 1, args: ['--echo', ...args] });
    await forEach(cases, async ({ name, frames, code, before }) => {
      if (before && args.length > 0) {
        return; // there it is kept
      }
      const client = await DeflateClient.open(server);
      client.frames.send(...client.message(OPCODE.TEXT, 'first'));
      await client.frames.expect(OPCODE.TEXT, 'first');
      client.frames.send(...frames);
      if (before) {
        await client.frames.expect(OPCODE.TEXT, before);
      }
      assert.equal(await client.frames.expectClose(code), '', name);
    });
  }
});

test('a bomb is closed at the limit, and memory stays where it was', async ({ start }) => {
  // AddressSanitizer, if it is there, is to give back what is freed.
  const ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'quarantine_size_mb=1'].filter(Boolean).join(':');
  const server = await start({ ...ECHO, env: { ASAN_OPTIONS } });
  const [worker] = server.workers();
  const zeros = deflated(Buffer.alloc(10 * LIMIT), { level: 9 });
  assert.ok(zeros.length < 11_000);
  const huge = Buffer.concat(Array(90).fill(Buffer.concat([zeros, Buffer.from([0, 0, 0xff, 0xff])])));
  const peak = () => fieldOf(worker.pid, 'VmHWM') * 1024;
  const bombs = [
    { name: 'one frame', frames: [frame(OPCODE.BINARY, zeros, { rsv: 4 })] },
    { name: 'text', frames: [frame(OPCODE.TEXT, zeros, { rsv: 4 })] },
    { name: 'many frames', frames: pieces(zeros, 100).map((part, i) =>
      frame(i === 0 ? OPCODE.BINARY : OPCODE.CONTINUATION, part, { fin: false, rsv: i === 0 ? 4 : 0 })) },
    { name: 'as much as may be sent', frames: [frame(OPCODE.BINARY, huge.subarray(0, LIMIT), { rsv: 4 })] },
    { name: 'empty blocks', frames: [frame(OPCODE.BINARY, Buffer.alloc(LIMIT + LIMIT / 32, Buffer.from([0, 0, 0, 0xff, 0xff])), { rsv: 4 })] },
  ];
  const throwBomb = async ({ frames }) => {
    const client = await DeflateClient.open(server);
    client.frames.socket.on('error', () => {}); // what is still on its way is not read any more
    client.frames.send(...frames);
    assert.match(await client.frames.expectClose(1009), /over the limit of 1048576 bytes/);
  };
  await forEach(bombs, throwBomb, 1);
  const before = peak();
  await forEach(Array(10).fill(bombs).flat(), throwBomb, 8);
  // Each would become 10 to 900 MiB; eight at a time have what they have sent, and a message of the limit.
  assert.ok(peak() - before < 64 * LIMIT, `${peak() - before} bytes`);

  // Exactly the limit is none.
  const client = await DeflateClient.open(server);
  client.send(OPCODE.BINARY, Buffer.alloc(LIMIT));
  assert.equal((await client.next()).data.length, LIMIT);
});

test('messages that become large let the others have their turn', async ({ start }) => {
  const server = await start({ workers: 1 });
  const other = await server.broker();
  const attacker = await DeflateClient.open(server, { path: '/broker' });
  const large = frame(OPCODE.TEXT, deflated(' '.repeat(LIMIT - 20) + '{"action":"ping"}', { level: 9 }), { rsv: 4 });
  attacker.frames.send(...Array(60).fill(large)); // 64 KiB become 60 MiB
  for (let i = 0; i < 5; i++) {
    assert.equal((await other.ping()).status, 'pong');
  }
  for (let i = 0; i < 60; i++) {
    assert.equal(JSON.parse((await attacker.next()).data).status, 'pong');
  }
});

// --- one frame for all

test('an event is compressed for those who agreed to it, and the same for all', async ({ start }) => {
  const server = await start({ workers: 1 });
  const subscribers = {
    wide: await DeflateClient.open(server, { path: '/broker' }),
    alike: await DeflateClient.open(server, { path: '/broker', offer: 'permessage-deflate; server_no_context_takeover' }),
    narrow: await DeflateClient.open(server, { path: '/broker', offer: 'permessage-deflate; server_max_window_bits=10' }),
    tiny: await DeflateClient.open(server, { path: '/broker', offer: 'permessage-deflate; server_max_window_bits=8' }),
  };
  const plain = await FrameClient.open(server, { path: '/broker' });
  const ask = JSON.stringify({ action: 'subscribe', topic: 'news' });
  for (const { frames } of Object.values(subscribers)) {
    frames.send(text(ask));
    assert.match((await frames.frame()).payload.toString(), /"subscribed"/);
  }
  plain.send(text(ask));
  await plain.frame();

  for (const size of [1, 40, 60, 100, 1000, 20_000, MESSAGE_MAX - 200, MESSAGE_MAX, 400_000]) {
    assert.equal((await server.post('news', 'x'.repeat(size), 'text/plain')).status, 201);
    const wanted = (await plain.frame()).payload;
    const isWorthIt = wanted.length >= MESSAGE_MIN && wanted.length <= MESSAGE_MAX;
    const frames = {};
    for (const [name, client] of Object.entries(subscribers)) {
      const { payload, isCompressed } = await client.frames.frame();
      frames[name] = payload;
      assert.equal(isCompressed, isWorthIt && name !== 'tiny', `${name}, ${wanted.length} bytes`);
      const data = isCompressed ? inflated(payload, { windowBits: client.serverBits }) : payload;
      assert.ok(data.equals(wanted), name);
    }
    assert.ok(frames.wide.equals(frames.alike));
  }

  // What a client that comes back is sent again is the same, too.
  const late = await DeflateClient.open(server, { path: '/broker' });
  late.frames.send(text(JSON.stringify({ action: 'subscribe', topic: 'news', since: 0 })));
  let compressed = 0;
  for (let count = 0; count < 10; count++) {
    const { data, isCompressed } = await late.next();
    compressed += isCompressed ? 1 : 0;
    if (count > 0) {
      assert.equal(JSON.parse(data).data.length, [1, 40, 60, 100, 1000, 20_000, MESSAGE_MAX - 200, MESSAGE_MAX, 400_000][count - 1]);
    }
  }
  assert.ok(compressed >= 3, `${compressed} compressed`);
});

test('room: clients who compress and clients who do not are in one place', async ({ start }) => {
  const server = await start({ workers: 2 });
  const rooms = [];
  for (let i = 0; i < 6; i++) {
    rooms.push(await server.socket(`/ws/r${i}`, { options: { perMessageDeflate: i % 2 === 0 } }));
    assert.equal(rooms[i].ws.extensions !== '', i % 2 === 0);
  }
  const words = 'hello '.repeat(500);
  rooms[1].ws.send(words);
  for (const room of [rooms[0], rooms[2], rooms[3], rooms[4], rooms[5]]) {
    assert.equal((await room.next({ type: 'message' })).data, words);
  }
});

test('GraphQL: ids of every length stand in front of what is shared', async ({ start }) => {
  const server = await start({ workers: 1 });
  const client = await DeflateClient.open(server, {
    path: '/graphql',
    headers: 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n',
  });
  const say = (message) => client.frames.send(text(JSON.stringify(message)));
  say({ type: 'connection_init' });
  assert.match((await client.next()).data.toString(), /connection_ack/);
  const ids = Array.from({ length: 252 }, (_, i) => ['"', 'a', '\n'][i % 3].padEnd(i + 1, 'abc'));
  for (const id of ids) {
    say({ id, type: 'subscribe', payload: { query: 'subscription { messageAdded { id content } }' } });
  }
  say({ type: 'ping' });
  assert.match((await client.next()).data.toString(), /"pong"/);
  for (const content of ['short', 'x'.repeat(60), 'long '.repeat(60), 'y'.repeat(70_000), 'z'.repeat(MESSAGE_MAX)]) {
    await server.request('POST', '/graphql', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: CREATE_MESSAGE, variables: { content } }),
    });
    const seen = new Set();
    let compressed = 0;
    for (let i = 0; i < ids.length; i++) {
      const { data, isCompressed } = await client.next();
      const { id, type, payload } = JSON.parse(data);
      assert.equal(type, 'next');
      assert.equal(payload.data.messageAdded.content, content);
      compressed += isCompressed ? 1 : 0;
      seen.add(id);
    }
    assert.equal(seen.size, ids.length);
    assert.equal(compressed, content.length >= 300 && content.length < MESSAGE_MAX - 200 ? ids.length : compressed);
    assert.ok(content.length < 100_000 || compressed === 0);
  }
});

test('graphql-ws over ws, compressed both ways', async ({ start, cleanup }) => {
  class Compressing extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, { perMessageDeflate: { threshold: 0 } });
    }
  }
  const server = await start({ workers: 1, args: ['--deflate-takeover', 'on'] });
  const { client, feed } = await followOver(cleanup, server.url('/graphql'), Compressing, MESSAGE_ADDED);
  const content = 'over graphql-ws '.repeat(200);
  for (let i = 0; i < 3; i++) {
    const results = client.iterate({ query: CREATE_MESSAGE, variables: { content: content + i } });
    const { value } = await within(results.next(), 'the answer to a mutation');
    assert.equal(value.errors, undefined);
  }
  for (let i = 0; i < 3; i++) {
    assert.equal((await feed.next(() => true)).messageAdded.content, content + i);
  }
});

// --- contexts that are kept

test('with --deflate-takeover what has been said before is short, either way round', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--echo', '--deflate-takeover', 'on'] });
  const client = await DeflateClient.open(server);
  assert.ok(client.keepsContext);
  const words = randomBytes(600, 'words').toString('hex').slice(0, 1000);
  for (let i = 0; i < 20; i++) {
    const frames = client.message(OPCODE.TEXT, words, { parts: 1 + (i % 3) });
    assert.ok(i === 0 || Buffer.concat(frames).length < 100, 'it refers to the one before');
    client.frames.send(...frames);
    await client.frames.expect(OPCODE.TEXT, words);
    client.frames.send(text('between'));
    await client.frames.expect(OPCODE.TEXT, 'between');
  }
});

// --- other carriers and clients

test('over HTTP/2 it is the same', async ({ start, cleanup }) => {
  const server = await start(ECHO);
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  cleanup(() => session.destroy());
  await within(new Promise((resolve) => session.once('remoteSettings', resolve)), 'settings');
  const stream = session.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/echo', ':scheme': 'http',
    ':authority': `127.0.0.1:${server.port}`,
    'sec-websocket-version': '13', 'sec-websocket-extensions': 'permessage-deflate',
  }, { endStream: false });
  const arrivals = new Inbox();
  let all = Buffer.alloc(0);
  stream.on('data', (data) => {
    all = Buffer.concat([all, data]);
    arrivals.push(all.length);
  });
  const head = await within(new Promise((resolve, reject) => stream.once('response', resolve).once('error', reject)), 'an answer');
  assert.equal(head[':status'], 200);
  assert.match(head['sec-websocket-extensions'], /^permessage-deflate; server_no_context_takeover/);
  const words = randomBytes(2000, 'h2').toString('hex');
  stream.write(frame(OPCODE.TEXT, deflated(words), { rsv: 4 }));
  await arrivals.next((size) => size > 4 && size >= 4 + all.readUInt16BE(2));
  assert.equal(all[0], 0xc1);
  assert.equal(all[1], 126);
  assert.equal(inflated(all.subarray(4)).toString(), words);
});

test('Chromium: it offers it, and what it gets is compressed', async ({ start, cleanup }) => {
  const server = await start({ workers: 1 });
  const page = await openPage(cleanup);
  await page.goto(`http://127.0.0.1:${server.port}/health/live`);
  const extensions = await page.evaluate(() => new Promise((resolve, reject) => {
    window.socket = new WebSocket(`ws://${location.host}/broker`);
    window.got = [];
    socket.onmessage = ({ data }) => {
      got.push(JSON.parse(data));
      if (got.length === 1) resolve(socket.extensions);
    };
    socket.onerror = reject;
    socket.onopen = () => socket.send('{"action":"subscribe","topic":"news"}');
  }));
  assert.match(extensions, /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/);
  const sent = () => metric(server, 'sluice_sent_bytes_total');
  const before = await sent();
  const words = 'what Chromium inflates, '.repeat(4000); // 96,000 bytes
  assert.equal((await server.post('news', words, 'text/plain')).status, 201);
  await until(() => page.evaluate(() => got.length === 2), { what: 'the message' });
  assert.equal(await page.evaluate(() => got[1].data), words);
  const bytes = (await sent()) - before;
  assert.ok(bytes < 60_000, `${bytes} bytes for ${words.length}, with two answers of /metrics`);
  // And what it sends, compressed as it likes.
  const echoed = await page.evaluate((data) => new Promise((resolve, reject) => {
    socket.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === 'message') resolve(message.data);
      if (message.status === 'error') reject(new Error(event.data));
    };
    socket.send(JSON.stringify({ action: 'publish', topic: 'news', message: data }));
  }), words);
  assert.equal(echoed, words);
});

test('a broker client that compresses and one that does not get the same', async ({ start }) => {
  const server = await start({ workers: 2 });
  const clients = [];
  for (const perMessageDeflate of [false, true, { threshold: 0, serverMaxWindowBits: 9 }]) {
    const client = new BrokerClient(server.url('/broker'), { options: { perMessageDeflate } });
    server.clients.add(client);
    await within(client.opened, 'a client');
    assert.equal(client.ws.extensions !== '', perMessageDeflate !== false);
    await client.subscribe('news');
    clients.push(client);
  }
  for (let size = 1; size < 200_000; size = size * 3 + 1) {
    await clients[size % 3].publish('news', 'ab'.repeat(size));
    const got = await Promise.all(clients.map((client) => client.next({ type: 'message' })));
    assert.deepEqual(got[0], got[1]);
    assert.deepEqual(got[0], got[2]);
  }
});
