#!/usr/bin/env node
// What TLS costs: CPU of the worker per delivery over TLS beside that without, and memory of an idle
// connection, whoever opened it.
//
//   node tests/bench/tls.mjs BUILD_DIR [ROUNDS]
//
// 1,000 subscribers of the raw TCP broker, events of 128 bytes; `one`: each event when the last one
// has arrived everywhere, `flat`: 256 on their way. Plain and TLS take turns, ROUNDS times (5); medians are
// compared. Before that, for each kind of client a server of its own: 2,000 idle connections that have asked once over
// HTTP/1.1, RssAnon of the worker before and with them. Prints one line of JSON per measure. BUILD_DIR is an
// optimised build.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { median, takeRounds } from './rounds.mjs';

const GOALS = { one: 1.8, flat: 3 };
const IN_FLIGHT = { one: 1, flat: 256 };
const EVENTS = { one: 300, flat: 5120 };
const IDLE_GOAL_BYTES = 14 * 1024;
const SUBSCRIBERS = 1000;
const IDLE = 2000;
const NEWLINE = 10;
const KIB = 1024; // what the system counts memory in

// Who opens idle connections. What a client offers is kept by OpenSSL, some of it as long as the connection.
const CHROMIUM = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['ECDHE-RSA-AES128-SHA', 'ECDHE-RSA-AES256-SHA', 'AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'AES128-SHA', 'AES256-SHA'],
].join(':');
const DEFAULT = 'DEFAULT'; // of OpenSSL: curl, openssl s_client, Python and many more
const TLS_1_2 = { maxVersion: 'TLSv1.2' };
const FOR_WEBSOCKETS = { ALPNProtocols: ['http/1.1'] };
const CLIENTS = {
  plain: null,
  "Chromium's list": { ciphers: CHROMIUM },
  "Chromium's list, ALPN": { ciphers: CHROMIUM, ...FOR_WEBSOCKETS },
  "OpenSSL's list": { ciphers: DEFAULT },
  "OpenSSL's list, TLS 1.2": { ciphers: DEFAULT, ...TLS_1_2 },
  "OpenSSL's list, resumed": { ciphers: DEFAULT, resumes: true },
  Node: {},
  'Node, no SNI': { servername: '' },
  'Node, ALPN': FOR_WEBSOCKETS,
  'Node, TLS 1.2': TLS_1_2,
  'Node, resumed': { resumes: true },
  'Node, TLS 1.2, resumed': { ...TLS_1_2, resumes: true },
  'every cipher': { ciphers: 'ALL:@SECLEVEL=0' },
};

const rounds = takeRounds();
const { cpuSeconds } = await import('../fault/lib/programs.mjs');
const { fieldOf } = await import('../e2e/lib/processes.mjs');
const { freePort, Server } = await import('../e2e/lib/server.mjs');
const { Authority } = await import('../e2e/lib/tls.mjs');

const cleanups = [];
const authority = await Authority.make((done) => cleanups.push(done));
const { cert, key } = await authority.issue({ names: ['localhost'] });

async function startServer() {
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
  ports.http = server.port;
  return { server, ports, worker: server.workers()[0].pid };
}

/** A connection to the port, when it is one; options: of tls.connect, or null for plain text. */
function connect(port, options) {
  const where = { host: '127.0.0.1', port };
  return new Promise((resolve, reject) => {
    const socket = options
      ? tls.connect({ ...where, servername: 'localhost', ca: authority.pem, checkServerIdentity: () => {}, ...options })
      : net.connect(where);
    socket.once(options ? 'secureConnect' : 'connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

const answered = (socket) => new Promise((resolve) => socket.once('data', resolve));

// --- deliveries

/** Subscribers of a topic of their own, and how many lines they have had. */
async function subscribe(port, kind) {
  const group = { topic: kind, lines: 0, wanted: 0 };
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const socket = await connect(port, kind === 'tls' ? {} : null);
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

async function measure(worker, publisher, group, measureName) {
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

async function deliveries({ ports, worker }) {
  const groups = [await subscribe(ports.plain, 'plain'), await subscribe(ports.tls, 'tls')];
  const publisher = await connect(ports.plain, null);
  publisher.resume();
  for (const name of Object.keys(GOALS)) {
    const seconds = { plain: [], tls: [] };
    await Promise.all(groups.map((group) => measure(worker, publisher, group, name))); // warms up
    for (let round = 0; round < rounds; round++) {
      for (const group of groups) {
        seconds[group.topic].push(await measure(worker, publisher, group, name));
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

/** Bytes of a connection of such a client. */
async function idle({ ports, worker }, client) {
  const { resumes = false, ...options } = client ?? {};
  const port = client ? ports.https : ports.http;
  const sockets = [];
  const before = fieldOf(worker, 'RssAnon');
  let session;
  for (let i = 0; i < IDLE; i++) {
    const isResumed = session !== undefined;
    const socket = await connect(port, client && { ...options, session });
    if (client) {
      assert.equal(socket.isSessionReused(), isResumed);
    }
    if (resumes) {
      socket.on('session', (ticket) => (session = ticket));
    }
    socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await answered(socket);
    sockets.push(socket);
  }
  const bytes = Math.round(((fieldOf(worker, 'RssAnon') - before) * KIB) / IDLE);
  sockets.forEach((socket) => socket.destroy());
  return bytes;
}

/** Does that with a server of its own: what another has freed would be taken. */
async function withServer(act) {
  const running = await startServer();
  try {
    return await act(running);
  } finally {
    await running.server.kill();
  }
}

async function idleConnections() {
  let worst = { bytes: 0 };
  for (const [client, options] of Object.entries(CLIENTS)) {
    const bytes = await withServer((running) => idle(running, options));
    console.log(JSON.stringify({ measure: 'idle connection', client, bytes }));
    if (bytes > worst.bytes) {
      worst = { client, bytes };
    }
  }
  console.log(JSON.stringify({ measure: 'idle connection, the worst', ...worst, goal: IDLE_GOAL_BYTES }));
}

try {
  await idleConnections();
  await withServer(deliveries);
} finally {
  cleanups.forEach((done) => done());
}
process.exit(0);
