#!/usr/bin/env node
// One query over HTTP keep-alive beside graphql-yoga, in requests per CPU second of the server.
//
//   node tests/bench/graphql_http.mjs BUILD_DIR [SECONDS [CONNECTIONS]]
//
// Sluice has its rows in its store, created by mutations; graphql-yoga has the same in memory, and
// its caches of documents and validations. Both have one process that serves; the CPU time of all
// processes of a server counts. The two take turns, ROUNDS times SECONDS (4) each, loaded by
// BUILD_DIR/tests/bench/http_load with CONNECTIONS (32); medians are compared:
//
//   sixteen  16 requests under way on each connection: what the servers do
//   one      one under way: most of Sluice's time is the kernel's then, which receives and sends
//            each by itself, over loopback with both ends' work on the sender's account
//   nothing  the same, but Sluice is asked for /health/live: what is left to be had in `one`
//
// Prints one line of JSON per measure, with its ratio; exit status 1 when that of `sixteen` misses
// the goal. BUILD_DIR is an optimised build with -Dbench=true. Packages: npm ci in tests/bench and
// in tests/e2e.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { request } from '../e2e/lib/http.mjs';

const GOAL = 20;
const ROUNDS = 5;
const WARM_UP_SECONDS = 2;
const query =
  '{ message(id: 1) { id title content author { name } comments { id content } } }';
const answer = {
  data: {
    message: {
      id: 1,
      title: 'Hello',
      content: 'The first message.',
      author: { name: 'Ada' },
      comments: [1, 2, 3].map((id) => ({ id, content: `Comment ${id}` })),
    },
  },
};

const [build, seconds = '4', connections = '32'] = process.argv.slice(2);
if (build === undefined || !(Number(seconds) >= 1)) {
  console.error('usage: graphql_http.mjs BUILD_DIR [SECONDS [CONNECTIONS]]');
  process.exit(2);
}

process.env.SLUICE_BIN = path.join(path.resolve(build), 'server/sluice');
const { Server } = await import('../e2e/lib/server.mjs');
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

async function ask(port, text) {
  const { json } = await request(port, 'POST', '/graphql', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: text }),
  });
  assert.equal(json.errors, undefined, JSON.stringify(json.errors));
  return json;
}

// --- the two servers: {port, pid, end}

async function startSluice() {
  const server = await new Server({ workers: 1, args: ['--log-connections', 'off'] }).start();
  for (const field of [
    'createUser(name: "Ada")',
    'createMessage(authorId: 1, title: "Hello", content: "The first message.")',
    ...[1, 2, 3].map((id) => `createComment(messageId: 1, authorId: 1, content: "Comment ${id}")`),
  ]) {
    await ask(server.port, `mutation { ${field} { id } }`);
  }
  return { port: server.port, pid: server.pid, end: () => server.dispose() };
}

async function startYoga() {
  const program = fileURLToPath(new URL('graphql_yoga.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { port: Number(line), pid: child.pid, end: () => child.kill() };
}

// --- measuring

/** CPU seconds of a process and its children so far. */
function cpuSeconds(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const below = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const own = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond; // utime, stime
  return below
    .split(' ')
    .filter((child) => child !== '')
    .reduce((sum, child) => sum + cpuSeconds(Number(child)), own);
}

const body = JSON.stringify({ query });
const asQuery =
  'POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n' +
  `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const asNothing = 'GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n';

/** Requests per CPU second of the server. */
async function load(server, duration, pipeline, text = asQuery) {
  const before = cpuSeconds(server.pid);
  const numbers = [server.port, connections, pipeline, duration].map(String);
  const running = promisify(execFile)(path.join(build, 'tests/bench/http_load'), numbers);
  running.child.stdin.end(text);
  const { requests } = JSON.parse((await running).stdout);
  return requests / (cpuSeconds(server.pid) - before);
}

const median = (values) => values.slice().sort((a, b) => a - b)[(values.length - 1) >> 1];

const sluice = await startSluice();
const yoga = await startYoga();
const measures = {
  sixteen: { pipeline: 16, sluice: [], yoga: [], goal: GOAL },
  one: { pipeline: 1, sluice: [], yoga: [] },
  nothing: { pipeline: 1, text: asNothing, sluice: [] },
};
try {
  for (const server of [sluice, yoga]) {
    assert.deepEqual(await ask(server.port, query), answer);
    await load(server, WARM_UP_SECONDS, 1);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const measure of Object.values(measures)) {
      measure.sluice.push(await load(sluice, Number(seconds), measure.pipeline, measure.text));
      measure.yoga?.push(await load(yoga, Number(seconds), measure.pipeline));
    }
  }
} finally {
  await sluice.end();
  await yoga.end();
}
let missed = 0;
for (const [name, { sluice: ours, yoga: others = measures.one.yoga, goal }] of Object.entries(measures)) {
  const ratio = median(ours) / median(others);
  missed += goal !== undefined && ratio < goal ? 1 : 0;
  const line = {
    bench: 'graphql-http',
    measure: name,
    sluice: Math.round(median(ours)),
    graphql_yoga: Math.round(median(others)),
    ratio: Number(ratio.toFixed(1)),
    goal,
  };
  console.log(JSON.stringify(line));
}
process.exit(missed === 0 ? 0 : 1);
