#!/usr/bin/env node
// One query over HTTP keep-alive beside graphql-yoga, in requests per CPU second of the server.
//
//   node tests/bench/graphql_http.mjs BUILD_DIR [SECONDS [CONNECTIONS]]
//
// Sluice has its rows in its store, created by mutations; graphql-yoga has the same in memory, and
// its caches of documents and validations. Both have one process that serves; the CPU time of all
// processes of a server counts. The two take turns, ROUNDS times SECONDS (4) each, loaded by
// BUILD_DIR/tests/bench/http_load with CONNECTIONS (32); the medians are compared. Prints one line
// of JSON per round and server, and one with the ratio and the goal; exit status 1 when it is
// missed. Packages: npm ci in tests/bench and in tests/e2e.
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

// --- the two servers: {name, port, pid, end}

async function startSluice() {
  const server = await new Server({ workers: 1, args: ['--log-connections', 'off'] }).start();
  for (const field of [
    'createUser(name: "Ada")',
    'createMessage(authorId: 1, title: "Hello", content: "The first message.")',
    ...[1, 2, 3].map((id) => `createComment(messageId: 1, authorId: 1, content: "Comment ${id}")`),
  ]) {
    await ask(server.port, `mutation { ${field} { id } }`);
  }
  return { name: 'sluice', port: server.port, pid: server.pid, end: () => server.dispose() };
}

async function startYoga() {
  const program = fileURLToPath(new URL('graphql_yoga.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { name: 'graphql-yoga', port: Number(line), pid: child.pid, end: () => child.kill() };
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

async function load(server, duration) {
  const body = JSON.stringify({ query });
  const text =
    `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAccept: application/json\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const before = cpuSeconds(server.pid);
  const running = promisify(execFile)(path.join(build, 'tests/bench/http_load'), [
    String(server.port),
    connections,
    String(duration),
  ]);
  running.child.stdin.end(text);
  const { requests, seconds: took } = JSON.parse((await running).stdout);
  const cpu = cpuSeconds(server.pid) - before;
  return {
    bench: 'graphql-http',
    program: server.name,
    requests_per_cpu_second: Math.round(requests / cpu),
    requests_per_second: Math.round(requests / took),
    cpu_share: Number((cpu / took).toFixed(2)),
  };
}

const median = (values) => values.sort((a, b) => a - b)[(values.length - 1) >> 1];

const servers = [await startSluice(), await startYoga()];
const found = { sluice: [], 'graphql-yoga': [] };
try {
  for (const server of servers) {
    assert.deepEqual(await ask(server.port, query), answer);
    await load(server, WARM_UP_SECONDS);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of servers) {
      const line = await load(server, Number(seconds));
      found[server.name].push(line.requests_per_cpu_second);
      console.log(JSON.stringify(line));
    }
  }
} finally {
  for (const server of servers) {
    await server.end();
  }
}
const ratio = Number((median(found.sluice) / median(found['graphql-yoga'])).toFixed(1));
console.log(JSON.stringify({ bench: 'graphql-http', ratio, goal: GOAL }));
process.exit(ratio >= GOAL ? 0 : 1);
