#!/usr/bin/env node
// What compression costs when one compressed frame serves all: CPU per delivery to clients that have agreed on
// permessage-deflate beside that to clients that have not, and the same of npm's ws, which compresses for each.
//
//   node tests/bench/deflate.mjs BUILD_DIR [ROUNDS]
//
// 1,000 WebSocket subscribers of each kind, JSON of 1 KiB, each event when the last one has arrived everywhere;
// both kinds take turns, ROUNDS times (5); medians are compared. First 5,000 idle connections of each kind,
// RssAnon of the worker before and with them. Prints one line of JSON per measure. BUILD_DIR is an optimised build.
import { fork } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { median, takeRounds } from './rounds.mjs';

const GOAL = 1.3;
const IDLE_GOAL_BYTES = 64; // more than a plain one
const EVENTS = { sluice: 300, ws: 30 };
const SUBSCRIBERS = 1000;
const IDLE = 5000;
const KIB = 1024;
const OFFER = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const KINDS = ['plain', 'compressed'];
const own = fileURLToPath(import.meta.url);

// --- npm's ws, in a process of its own

if (process.argv[2] === '--ws') {
  const { WebSocketServer } = await import('ws');
  const perMessageDeflate = { threshold: 128, serverNoContextTakeover: true };
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  const groups = { plain: [], compressed: [] };
  server.on('connection', (socket) => groups[socket.extensions === '' ? 'plain' : 'compressed'].push(socket));
  server.on('listening', () => process.send({ port: server.address().port }));
  process.on('message', ({ kind, data }) => groups[kind].forEach((socket) => socket.send(data)));
  await new Promise((resolve) => process.once('disconnect', resolve));
  process.exit(0);
}

const rounds = takeRounds();
const { cpuSeconds } = await import('../fault/lib/programs.mjs');
const { frame, OPCODE } = await import('../e2e/lib/frames.mjs');
const { fieldOf } = await import('../e2e/lib/processes.mjs');
const { Server } = await import('../e2e/lib/server.mjs');

/** 1 KiB, other than the last one, as an application's events are. */
function eventOf(number) {
  const items = [];
  for (let i = 0; JSON.stringify(items).length < KIB - 110; i++) {
    const id = (number * 7919 + i * 104729) % 1000003;
    items.push({ id, name: `user ${id % 997}`, state: ['new', 'paid', 'sent'][id % 3], amount: (id * 37) % 5000 });
  }
  return JSON.stringify({ items, pad: 'x'.repeat(KIB - JSON.stringify({ items, pad: '' }).length) });
}

/** Calls onFrame for each of the server's frames, after the answer to the handshake. */
function readFrames(socket, onFrame) {
  let rest = Buffer.alloc(0);
  socket.on('data', (data) => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    for (;;) {
      const short = rest.length < 2 ? 0 : rest[1];
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (rest.length < head) return;
      const size = head + (short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2)));
      if (rest.length < size) return;
      onFrame(rest[0], size);
      rest = rest.subarray(size);
    }
  });
}

/** A WebSocket that has been agreed on as its kind says. */
function connect(port, target, kind) {
  const extensions = kind === 'compressed' ? `Sec-WebSocket-Extensions: ${OFFER}\r\n` : '';
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('error', reject);
    socket.write(
      `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${extensions}\r\n`,
    );
    let head = '';
    const onData = (data) => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      if (/permessage-deflate/.test(head) !== (kind === 'compressed')) reject(new Error(head));
      resolve(socket);
    };
    socket.on('data', onData);
  });
}

/** Subscribers of one kind, and how many events they have had. */
async function subscribe(port, target, kind, message) {
  const group = { kind, frames: 0, bytes: 0, wanted: 0 };
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const socket = await connect(port, target, kind);
    const subscribed = new Promise((resolve) => (message === undefined ? resolve() : socket.once('data', resolve)));
    if (message !== undefined) {
      socket.write(frame(OPCODE.TEXT, message));
    }
    await subscribed;
    readFrames(socket, (first, size) => {
      if ((first & 0x0f) !== OPCODE.TEXT) return;
      if ((first & 0x40) !== 0 !== (kind === 'compressed')) throw new Error(`a frame that is not ${kind}`);
      group.bytes += size;
      if (++group.frames === group.wanted) {
        group.onAll();
      }
    });
  }
  return group;
}

let count = 0;

/** CPU of the process per delivery. */
async function measure(pid, group, publish, events) {
  const before = cpuSeconds(pid);
  for (let sent = 0; sent < events; sent++) {
    group.wanted = group.frames + SUBSCRIBERS;
    const all = new Promise((resolve) => (group.onAll = resolve));
    publish(group.kind, eventOf(count++));
    await all;
  }
  return (cpuSeconds(pid) - before) / (events * SUBSCRIBERS);
}

async function compare(name, pid, groups, publish) {
  const seconds = { plain: [], compressed: [] };
  for (const group of groups) {
    await measure(pid, group, publish, EVENTS[name] / 10); // warms up
    group.bytes = 0;
    group.frames = 0;
  }
  for (let round = 0; round < rounds; round++) {
    for (const group of groups) {
      seconds[group.kind].push(await measure(pid, group, publish, EVENTS[name]));
    }
  }
  const [plain, compressed] = [median(seconds.plain), median(seconds.compressed)];
  console.log(JSON.stringify({
    measure: `delivery, ${name}`,
    plain_us: +(plain * 1e6).toFixed(3),
    compressed_us: +(compressed * 1e6).toFixed(3),
    ratio: +(compressed / plain).toFixed(2),
    plain_bytes: Math.round(groups[0].bytes / groups[0].frames),
    compressed_bytes: Math.round(groups[1].bytes / groups[1].frames),
    ...(name === 'sluice' ? { goal: GOAL } : {}),
  }));
}

// --- Sluice

async function withServer(fn) {
  const server = new Server({ workers: 1, ring: '16M' });
  await server.start();
  try {
    return await fn(server, server.workers()[0].pid);
  } finally {
    await server.kill();
    server.destroy();
  }
}

/** Of a server of its own: what others have freed would be taken for these. */
const idle = (kind) =>
  withServer(async (server, worker) => {
    (await connect(server.port, '/broker', kind)).destroy(); // what the first one costs
    const before = fieldOf(worker, 'RssAnon');
    const sockets = [];
    for (let i = 0; i < IDLE; i++) {
      sockets.push(await connect(server.port, '/broker', kind));
    }
    const bytes = ((fieldOf(worker, 'RssAnon') - before) * KIB) / IDLE;
    sockets.forEach((socket) => socket.destroy());
    return Math.round(bytes);
  });

console.log(JSON.stringify({
  measure: 'idle connection',
  plain_bytes: await idle('plain'),
  compressed_bytes: await idle('compressed'),
  goal: `at most ${IDLE_GOAL_BYTES} more`,
}));

await withServer(async (server, worker) => {
  const groups = [];
  for (const kind of KINDS) {
    const message = JSON.stringify({ action: 'subscribe', topic: kind });
    groups.push(await subscribe(server.port, '/broker', kind, message));
  }
  const publisher = await connect(server.port, '/broker', 'plain');
  publisher.resume();
  await compare('sluice', worker, groups, (topic, text) =>
    publisher.write(frame(OPCODE.TEXT, `{"action":"publish","topic":"${topic}","message":${text}}`)),
  );
});

// --- npm's ws

const child = fork(own, ['--ws']);
const { port } = await new Promise((resolve) => child.once('message', resolve));
const groups = [];
for (const kind of KINDS) {
  groups.push(await subscribe(port, '/', kind));
}
await compare('ws', child.pid, groups, (kind, data) => child.send({ kind, data }));
child.disconnect();
process.exit(0);
