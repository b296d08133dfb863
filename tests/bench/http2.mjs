#!/usr/bin/env node
// What HTTP/2 costs: requests beside nginx, WebSockets over it beside those over HTTP/1.1, and memory.
//
//   node tests/bench/http2.mjs BUILD_DIR [ROUNDS]
//
// requests: h2load, 10 connections, 100 streams each, GET /health/live in plain text, against nginx and a file
// of that size; per CPU second of the one worker of each. deliveries: 100 broker subscribers over
// one connection of HTTP/2 and over 100 of HTTP/1.1, events of 128 bytes; `one`: each event when
// the last one has arrived everywhere, `flat`: 64 on their way. The candidates take turns, ROUNDS times (5);
// medians are compared. memory: RssAnon of the worker before and with 20,000 idle WebSockets on 100 connections,
// and with 2,000 idle connections that have asked once, and as many over TLS. Prints one line of JSON per measure.
// BUILD_DIR is an optimised build. Needs h2load (Debian's nghttp2-client) and nginx (tools/test.sh e2e unpacks it).
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { median, takeRounds } from './rounds.mjs';

const GOALS = { requests: 1, one: 1.3, flat: 1.3, stream: 2048 };
const REQUESTS = 100_000;
const SUBSCRIBERS = 100;
const IN_FLIGHT = { one: 1, flat: 64 };
const EVENTS = { one: 500, flat: 12_800 };
const MARK = Buffer.from('$$'); // once in each event; in heads of frames one such byte may be
const WINDOW = 0x7fff_ffff;
const UPDATE_BYTES = 64 * 1024 * 1024;
const STREAMS = { connections: 100, each: 200 };
const IDLE = 2000;

const rounds = takeRounds();
const { cpuSeconds } = await import('../fault/lib/programs.mjs');
const { OPCODE, frame } = await import('../e2e/lib/frames.mjs');
const { CONNECT2, FLAG, frame2, GET2, RawHttp2, TYPE, windowUpdate2 } = await import('../e2e/lib/http2.mjs');
const { childrenOf, fieldOf } = await import('../e2e/lib/processes.mjs');
const { freePort, makeDirectory, Server } = await import('../e2e/lib/server.mjs');
const { toolPath } = await import('../e2e/lib/tools.mjs');
const { Authority } = await import('../e2e/lib/tls.mjs');
const { until } = await import('../e2e/lib/until.mjs');

const run = promisify(execFile);
const cleanups = [];
const authority = await Authority.make((done) => cleanups.push(done));
const { cert, key } = await authority.issue({ names: ['localhost'] });
const secure = { port: await freePort(), ca: authority.pem };
const server = new Server({
  workers: 1,
  ring: '16M',
  args: ['--listen', `tls:127.0.0.1:${secure.port}`, '--tls-cert', cert, '--tls-key', key],
});
server.secure = secure;
await server.start();
const worker = server.workers()[0].pid;
const tell = (measure, numbers) => console.log(JSON.stringify({ measure, ...numbers }));

// --- requests

async function startNginx() {
  const directory = makeDirectory();
  const port = await freePort();
  const { text } = await server.request('GET', '/health/live');
  fs.mkdirSync(path.join(directory, 'files'));
  fs.writeFileSync(path.join(directory, 'files/live'), text);
  fs.chmodSync(directory, 0o755);
  const file = path.join(directory, 'nginx.conf');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/${name};`);
  fs.writeFileSync(file, `daemon off; worker_processes 1; pid ${directory}/pid; error_log stderr crit;
    events {}
    http {
      access_log off; sendfile on; open_file_cache max=10; keepalive_requests 1000000000; ${places.join(' ')}
      server { listen 127.0.0.1:${port} http2; root ${directory}/files; default_type application/json; }
    }`);
  const child = spawn(toolPath('nginx'), ['-c', file, '-p', directory, '-e', 'stderr'], { stdio: 'inherit' });
  const pid = await until(() => childrenOf(child.pid)[0]?.pid, { what: 'nginx' });
  return { url: `http://127.0.0.1:${port}/live`, pid, stop: () => child.kill() };
}

async function load({ url, pid }) {
  const before = cpuSeconds(pid);
  const { stdout } = await run('h2load', ['-n', String(REQUESTS), '-c', '10', '-m', '100', url]);
  if (!stdout.includes(`${REQUESTS} succeeded`)) {
    throw new Error(stdout);
  }
  return REQUESTS / (cpuSeconds(pid) - before);
}

async function requests() {
  const ours = { url: `http://127.0.0.1:${server.port}/health/live`, pid: worker };
  const theirs = await startNginx();
  const rates = { ours: [], theirs: [] };
  await load(ours); // warms up
  await load(theirs);
  for (let round = 0; round < rounds; round++) {
    rates.ours.push(await load(ours));
    rates.theirs.push(await load(theirs));
  }
  theirs.stop();
  const [sluice, nginx] = [median(rates.ours), median(rates.theirs)];
  tell('requests per CPU second', {
    sluice: Math.round(sluice),
    nginx: Math.round(nginx),
    ratio: +(sluice / nginx).toFixed(2),
    goal: GOALS.requests,
  });
}

// --- deliveries

const subscribing = (topic) => frame(OPCODE.TEXT, JSON.stringify({ action: 'subscribe', topic }));

/** place: what is remembered of the connection: whether the last chunk ends in the middle of a mark. */
function counting(group, place, chunk) {
  group.events += place.isCut && chunk[0] === MARK[1] ? 1 : 0;
  for (let at = chunk.indexOf(MARK); at >= 0; at = chunk.indexOf(MARK, at + MARK.length)) {
    group.events++;
  }
  place.isCut = chunk.at(-1) === MARK[0] && chunk.at(-2) !== MARK[0];
  if (group.events >= group.wanted) {
    group.onAll?.();
  }
}

async function subscribe1(topic) {
  const group = { topic, events: 0, wanted: 0 };
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const socket = net.connect(server.port, '127.0.0.1');
    const answer = () => new Promise((resolve) => socket.once('data', resolve));
    socket.write('GET /broker HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`);
    await answer();
    socket.write(subscribing(topic));
    await answer();
    const place = {};
    socket.on('data', (chunk) => counting(group, place, chunk));
  }
  return group;
}

async function openStreams(raw, count, path) {
  for (let i = 0; i < count; i++) {
    raw.write(frame2(TYPE.HEADERS, FLAG.END_HEADERS, 2 * i + 1, CONNECT2(path)));
  }
  for (let i = 0; i < count; i++) {
    await raw.frames.next({ type: TYPE.HEADERS, id: 2 * i + 1 });
  }
}

async function subscribe2(topic) {
  const group = { topic, events: 0, wanted: 0 };
  const raw = new RawHttp2(server, { settings: [[4, WINDOW]] });
  raw.write(Buffer.concat([frame2(TYPE.SETTINGS, FLAG.ACK, 0), windowUpdate2(0, WINDOW - 65_535)]));
  await openStreams(raw, SUBSCRIBERS, '/broker');
  for (let i = 0; i < SUBSCRIBERS; i++) {
    raw.write(frame2(TYPE.DATA, 0, 2 * i + 1, subscribing(topic)));
    await raw.frames.next({ type: TYPE.DATA, id: 2 * i + 1 });
  }
  raw.socket.removeAllListeners('data');
  const place = {};
  let taken = 0;
  raw.socket.on('data', (chunk) => {
    taken += chunk.length;
    if (taken > UPDATE_BYTES) {
      raw.write(windowUpdate2(0, Math.floor(taken / 2))); // heads of frames do not count
      taken = 0;
    }
    counting(group, place, chunk);
  });
  return group;
}

async function measure(publisher, group, name) {
  const event = frame(OPCODE.TEXT, JSON.stringify({
    action: 'publish', topic: group.topic, message: '$$'.padEnd(128, 'x'),
  }), { mask: Buffer.alloc(4) });
  const burst = Buffer.concat(Array.from({ length: IN_FLIGHT[name] }, () => event));
  const before = cpuSeconds(worker);
  for (let sent = 0; sent < EVENTS[name]; sent += IN_FLIGHT[name]) {
    group.wanted = group.events + SUBSCRIBERS * IN_FLIGHT[name];
    const all = new Promise((resolve) => (group.onAll = resolve));
    publisher.write(burst);
    await all;
  }
  return (cpuSeconds(worker) - before) / (EVENTS[name] * SUBSCRIBERS);
}

async function deliveries() {
  const groups = [await subscribe1('one'), await subscribe2('two')];
  const publisher = (await server.broker()).socket;
  publisher.setNoDelay(true);
  for (const name of Object.keys(IN_FLIGHT)) {
    const seconds = { one: [], two: [] };
    for (const group of groups) {
      await measure(publisher, group, name); // warms up
    }
    for (let round = 0; round < rounds; round++) {
      for (const group of groups) {
        seconds[group.topic].push(await measure(publisher, group, name));
      }
    }
    const [one, two] = [median(seconds.one), median(seconds.two)];
    tell(`delivery, ${name}`, {
      http1_us: +(one * 1e6).toFixed(3),
      http2_us: +(two * 1e6).toFixed(3),
      ratio: +(two / one).toFixed(2),
      goal: GOALS[name],
    });
  }
}

// --- memory

const residentBytes = () => fieldOf(worker, 'RssAnon') * 1024;

async function asked(options) {
  const raw = new RawHttp2(server, options);
  raw.write(frame2(TYPE.SETTINGS, FLAG.ACK, 0));
  raw.write(frame2(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, GET2()));
  await raw.frames.next({ type: TYPE.DATA, id: 1 });
  return raw;
}

/** Bytes of an idle connection; it stays. */
async function idleConnection(measure, options) {
  const before = residentBytes();
  for (let i = 0; i < IDLE; i++) {
    await asked(options);
  }
  const bytes = Math.round((residentBytes() - before) / IDLE);
  tell(measure, { bytes });
  return bytes;
}

async function memory() {
  const idleBytes = await idleConnection('idle connection', {});
  await idleConnection('idle connection over TLS', { secure: true });
  const before = residentBytes();
  for (let i = 0; i < STREAMS.connections; i++) {
    const raw = new RawHttp2(server);
    raw.write(frame2(TYPE.SETTINGS, FLAG.ACK, 0));
    await openStreams(raw, STREAMS.each, '/ws');
  }
  const bytes = residentBytes() - before - STREAMS.connections * idleBytes;
  tell('idle WebSocket on HTTP/2', {
    bytes: Math.round(bytes / (STREAMS.connections * STREAMS.each)),
    goal: GOALS.stream,
  });
}

await requests();
await deliveries();
await memory();
await server.kill();
await Promise.all(cleanups.map((clean) => clean()));
process.exit(0);
