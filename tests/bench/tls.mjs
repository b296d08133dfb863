#!/usr/bin/env node
// What TLS costs: CPU of the worker per delivery over TLS beside that without, and memory of an idle
// connection.
//
//   node tests/bench/tls.mjs BUILD_DIR [ROUNDS]
//
// 1,000 subscribers of the raw TCP broker, events of 128 bytes; `one`: each event when the last one
// has arrived everywhere, `flat`: 256 on their way. Plain and TLS take turns, ROUNDS times (5); medians are
// compared. Then 2,000 idle connections of each kind, RssAnon of the worker before and with them; over HTTP they have
// asked once. Prints one line of JSON per measure. BUILD_DIR is an optimised build.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';

const GOALS = { one: 1.8, flat: 3 };
const IN_FLIGHT = { one: 1, flat: 256 };
const EVENTS = { one: 300, flat: 5120 };
const IDLE_GOAL_BYTES = 14 * 1024;
const SUBSCRIBERS = 1000;
const IDLE = 2000;
const NEWLINE = 10;
const KIB = 1024; // what the system counts memory in
// As many as a browser offers: OpenSSL keeps a client's list, and Node's is longer by far.
const CIPHERS = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';

const [build, rounds = '5'] = process.argv.slice(2);
if (build === undefined || !(Number(rounds) >= 1)) {
  console.error('usage: tls.mjs BUILD_DIR [ROUNDS]');
  process.exit(2);
}
process.env.SLUICE_BIN = path.join(path.resolve(build), 'server/sluice');
const { cpuSeconds } = await import('../fault/lib/programs.mjs');
const { fieldOf } = await import('../e2e/lib/processes.mjs');
const { freePort, Server } = await import('../e2e/lib/server.mjs');
const { Authority } = await import('../e2e/lib/tls.mjs');

const cleanups = [];
const authority = await Authority.make((done) => cleanups.push(done));
const { cert, key } = await authority.issue({ names: ['localhost'] });
const ports = { plain: await freePort(), tls: await freePort(), https: await freePort() };
const server = new Server({
  workers: 1,
  ring: '16M',
  args: [
    ...['--broker-listen', `127.0.0.1:${ports.plain}`, '--broker-listen', `tls:127.0.0.1:${ports.tls}`],
    ...['--listen', `tls:127.0.0.1:${ports.https}`, '--tls-cert', cert, '--tls-key', key],
  ],
});
await server.start();
const worker = server.workers()[0].pid;

/** A connection to one of the ports, when it is one. */
function connect(kind) {
  const where = { host: '127.0.0.1', port: ports[kind] ?? server.port };
  return new Promise((resolve, reject) => {
    const isTls = kind === 'tls' || kind === 'https';
    const socket = isTls
      ? tls.connect({ ...where, servername: 'localhost', ca: authority.pem, ciphers: CIPHERS })
      : net.connect(where);
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const answered = (socket) => new Promise((resolve) => socket.once('data', resolve));

// --- deliveries

/** Subscribers of a topic of their own, and how many lines they have had. */
async function subscribe(kind) {
  const group = { topic: kind, lines: 0, wanted: 0 };
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const socket = await connect(kind);
    socket.write(`${JSON.stringify({ action: 'subscribe', topic: kind })}\n`);
    await answered(socket);
    socket.on('data', (data) => {
      for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) {
        group.lines++;
      }
      if (group.lines >= group.wanted) {
        group.onAll?.();
      }
    });
  }
  return group;
}

async function measure(publisher, group, measureName) {
  const line = `${JSON.stringify({ action: 'publish', topic: group.topic, message: 'x'.repeat(128) })}\n`;
  const inFlight = IN_FLIGHT[measureName];
  const before = cpuSeconds(worker);
  for (let sent = 0; sent < EVENTS[measureName]; sent += inFlight) {
    group.wanted = group.lines + SUBSCRIBERS * inFlight;
    const all = new Promise((resolve) => (group.onAll = resolve));
    publisher.write(line.repeat(inFlight));
    await all;
  }
  return (cpuSeconds(worker) - before) / (EVENTS[measureName] * SUBSCRIBERS);
}

async function deliveries() {
  const groups = [await subscribe('plain'), await subscribe('tls')];
  const publisher = await connect('plain');
  publisher.resume();
  for (const name of Object.keys(GOALS)) {
    const seconds = { plain: [], tls: [] };
    await Promise.all(groups.map((group) => measure(publisher, group, name))); // warms up
    for (let round = 0; round < Number(rounds); round++) {
      for (const group of groups) {
        seconds[group.topic].push(await measure(publisher, group, name));
      }
    }
    const [plain, secure] = [median(seconds.plain), median(seconds.tls)];
    console.log(JSON.stringify({
      measure: `delivery, ${name}`,
      plain_us: +(plain * 1e6).toFixed(3),
      tls_us: +(secure * 1e6).toFixed(3),
      ratio: +(secure / plain).toFixed(2),
      goal: GOALS[name],
    }));
  }
}

// --- memory

async function idle(kind) {
  const before = fieldOf(worker, 'RssAnon');
  const sockets = [];
  for (let i = 0; i < IDLE; i++) {
    const socket = await connect(kind);
    socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await answered(socket);
    sockets.push(socket);
  }
  const bytes = Math.round(((fieldOf(worker, 'RssAnon') - before) * KIB) / IDLE);
  sockets.forEach((socket) => socket.destroy());
  return bytes;
}

try {
  // First: what deliveries have freed would be taken for these.
  console.log(JSON.stringify({
    measure: 'idle connection',
    plain_bytes: await idle('http'),
    tls_bytes: await idle('https'),
    goal: IDLE_GOAL_BYTES,
  }));
  await deliveries();
} finally {
  await server.kill();
  cleanups.forEach((done) => done());
}
process.exit(0);
