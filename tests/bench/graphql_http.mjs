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
// missed. graphql-yoga comes from tests/bench/node_modules (npm ci).
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

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

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const children = [];
const directories = [];
process.once('exit', () => {
  children.forEach((child) => child.kill('SIGKILL'));
  directories.forEach((directory) => fs.rmSync(directory, { recursive: true, force: true }));
});

function ask(port, text, variables) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const options = { host: '127.0.0.1', port, method: 'POST', path: '/graphql', headers };
    const request = http.request({ ...options, agent: false }, async (response) => {
      const chunks = [];
      for await (const chunk of response) {
        chunks.push(chunk);
      }
      resolve(JSON.parse(Buffer.concat(chunks).toString()));
    });
    request.on('error', reject);
    request.end(JSON.stringify({ query: text, variables }));
  });
}

// --- the two servers: {name, port, pid}

async function startSluice() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  const data = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'));
  const ring = fs.mkdtempSync('/dev/shm/sluice-bench-');
  directories.push(data, ring);
  const child = spawn(
    path.join(build, 'server/sluice'),
    [
      ...['--listen', `127.0.0.1:${port}`, '--workers', '1', '--tick', '0'],
      ...['--data', path.join(data, 'data'), '--run-dir', ring, '--log-connections', 'off'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(child);
  let log = '';
  for await (const text of child.stderr.setEncoding('utf8')) {
    log += text;
    if (/ ready: /.test(log)) {
      break;
    }
  }
  assert.match(log, / ready: /, log);
  const create = async (text) => {
    const { errors } = await ask(port, `mutation { ${text} }`);
    assert.equal(errors, undefined, JSON.stringify(errors));
  };
  await create('createUser(name: "Ada") { id }');
  await create(
    'createMessage(authorId: 1, title: "Hello", content: "The first message.") { id }',
  );
  for (const id of [1, 2, 3]) {
    await create(`createComment(messageId: 1, authorId: 1, content: "Comment ${id}") { id }`);
  }
  return { name: 'sluice', port, pid: child.pid };
}

async function startYoga() {
  const program = fileURLToPath(new URL('graphql_yoga.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { name: 'graphql-yoga', port: Number(line), pid: child.pid };
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
  const request =
    `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAccept: application/json\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const before = cpuSeconds(server.pid);
  const running = promisify(execFile)(path.join(build, 'tests/bench/http_load'), [
    String(server.port),
    connections,
    String(duration),
  ]);
  running.child.stdin.end(request);
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
for (const server of servers) {
  assert.deepEqual(await ask(server.port, query), answer);
  await load(server, WARM_UP_SECONDS);
}
const found = { sluice: [], 'graphql-yoga': [] };
for (let round = 0; round < ROUNDS; round++) {
  for (const server of servers) {
    const line = await load(server, Number(seconds));
    found[server.name].push(line.requests_per_cpu_second);
    console.log(JSON.stringify(line));
  }
}
const ratio = Number((median(found.sluice) / median(found['graphql-yoga'])).toFixed(1));
console.log(JSON.stringify({ bench: 'graphql-http', ratio, goal: GOAL }));
process.exit(ratio >= GOAL ? 0 : 1);
