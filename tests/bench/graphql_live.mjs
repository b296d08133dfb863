#!/usr/bin/env node
// What live GraphQL costs the server, beside the broker, the disk, and graphql-ws on Node.
//
//   one      1,000 subscribers of messageAdded, one createMessage on its way: server CPU per delivery,
//            against 1,000 broker subscribers of `messages` by the same mutations
//   flat     64 on their way, by `publish` to a plain topic with topic(name:) subscribers, against the
//            broker's publish and subscribe, and against graphql-ws with graphql-js
//   latency  publish to delivery on a plain topic, without and with 1,000 mutations a second
//   create   createMessage over 256 connections, one outstanding each, against one fdatasync at a time
//
//   node tests/bench/graphql_live.mjs BUILD_DIR [--seconds N] [--rounds N] [SECTION …]
//
// BUILD_DIR is an optimised build with -Dbench=true. The candidates take turns, ROUNDS (3) times
// SECONDS (5); medians are compared. Prints one line of JSON per number, with its goal; exit status 1
// when one is missed. BENCH_DIR (/var/tmp): where the store is, on the disk to be measured.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
const words = process.argv.slice(2);
const option = (name, otherwise) => {
  const index = words.indexOf(`--${name}`);
  return index < 0 ? otherwise : words.splice(index, 2)[1];
};
const seconds = option('seconds', '5');
const rounds = Number(option('rounds', '3'));
const [build, ...sections] = words;
if (build === undefined) {
  console.error('usage: graphql_live.mjs BUILD_DIR [--seconds N] [--rounds N] [SECTION ...]');
  process.exit(2);
}
process.env.SLUICE_BIN = path.join(path.resolve(build), 'server/sluice');
const { Server, makeDirectory } = await import('../e2e/lib/server.mjs');

const SUBSCRIBERS = 1000;
const WS = 'graphql-transport-ws';
const program = (name) => path.join(build, name);
const median = (values) => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)];
let missed = 0;

function tell(name, numbers, isReached) {
  missed += isReached ? 0 : 1;
  console.log(JSON.stringify({ bench: 'graphql_live', name, ...numbers, reached: isReached }));
}

// --- who says what

const asOperation = (id, query) => JSON.stringify({ id, type: 'subscribe', payload: { query } });
const INIT = '1:{"type":"connection_init"}';
const OWN_ID = '9b2f6d1c-6c1f-4e0a-9b7e-{peer}'; // as graphql-ws makes them: each another
const HELLO = `2:${asOperation('hello', '{ hello }')}`;
const ROW = '{ id authorId title content metadata stats createdAt updatedAt }';
const EVENT = '{ topic data seq time }';

const byGraphql = (subscription) => [
  ...['--subscribers', SUBSCRIBERS, '--subscriber-path', '/graphql', '--subscriber-protocol', WS],
  ...['--subscriber-says', INIT, '--subscriber-says', `0:${asOperation(OWN_ID, subscription)}`],
  ...['--subscriber-says', HELLO],
];
const byBroker = (topic) => [
  ...['--subscribers', SUBSCRIBERS, '--subscriber-path', '/broker'],
  ...['--subscriber-says', `1:{"action":"subscribe","topic":"${topic}"}`],
];
const mutation = (query) => [
  ...['--publisher-path', '/graphql', '--publisher-protocol', WS, '--publisher-says', INIT],
  ...['--answers', '2', '--publish', asOperation('{number}', query)],
];
const CREATE = 'mutation { createMessage(authorId: 1, content: "{payload}") { id } }';
const PUBLISH = 'mutation { publish(topic: "plain", data: "{payload}") { seq } }';
const brokerPublish = [
  ...['--publisher-path', '/broker'],
  ...['--publish', '{"action":"publish","topic":"plain","message":"{payload}","id":{number}}'],
];

/** One run of the load against a server {port, pid}: its report. */
async function measure({ port, pid }, args) {
  const all = ['--port', port, '--pid', pid, '--seconds', seconds, ...args].map(String);
  try {
    const { stdout } = await run(program('tests/bench/graphql_live_load'), all);
    return JSON.parse(stdout);
  } catch (error) {
    if (!error.stdout) {
      throw error;
    }
    console.error(`NOT CLEAN: ${error.stdout}${error.stderr}`);
    return JSON.parse(error.stdout);
  }
}

async function startServer() {
  const data = makeDirectory(process.env.BENCH_DIR ?? '/var/tmp');
  const args = ['--log-connections', 'off', '--max-connections', '4000'];
  const server = new Server({ workers: 2, ring: '32M', data: path.join(data, 'data'), args });
  server.ownDirectories.push(data);
  return server.start();
}

async function withServer(fn) {
  const server = await startServer();
  try {
    await fn(server);
  } finally {
    await server.dispose();
  }
}

async function startNode() {
  const child = spawn(process.execPath, [path.join(here, 'graphql_live_node.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const [port] = await once(createInterface({ input: child.stdout }), 'line');
  return { port, pid: child.pid, stop: () => child.stdin.end() };
}

/** All candidates in turns: {name: median of what `of` says of a run}. */
async function inTurns(candidates, of) {
  const values = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, once_] of Object.entries(candidates)) {
      values[name].push(of(await once_()));
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, median(list)]));
}

const ratio = (one, other) => Number((one / other).toFixed(2));
const perDelivery = (report) => report.cpu_us_per_delivery;

// --- sections

async function one() {
  await withServer(async (server) => {
    const cost = await inTurns(
      {
        graphql: () =>
          measure(server, [...byGraphql(`subscription { messageAdded ${ROW} }`), ...mutation(CREATE)]),
        broker: () => measure(server, [...byBroker('messages'), ...mutation(CREATE)]),
      },
      perDelivery,
    );
    const times = ratio(cost.graphql, cost.broker);
    tell('one on its way, CPU us per delivery', { ...cost, ratio: times, goal: '<= 1.3' }, times <= 1.3);
  });
}

async function flat() {
  const node = await startNode();
  const window = ['--window', 64];
  const subscription = byGraphql(`subscription { topic(name: "plain") ${EVENT} }`);
  await withServer(async (server) => {
    const cost = await inTurns(
      {
        graphql: () => measure(server, [...subscription, ...mutation(PUBLISH), ...window]),
        broker: () => measure(server, [...byBroker('plain'), ...brokerPublish, ...window]),
        node: () => measure(node, [...subscription, ...mutation(PUBLISH), ...window]),
      },
      perDelivery,
    );
    const times = ratio(cost.graphql, cost.broker);
    const less = ratio(cost.node, cost.graphql);
    tell('64 on their way, CPU us per delivery', { ...cost, ratio: times, goal: '<= 2.2' }, times <= 2.2);
    tell('64 on their way, times less than graphql-ws on Node', { ratio: less, goal: '>= 15' }, less >= 15);
  });
  node.stop();
}

/** p50 and p99 of a plain topic, us, while `load` runs. */
async function plainLatency(server) {
  const args = ['--url', `ws://127.0.0.1:${server.port}`, '--protocol', 'broker', '--connections', '2'];
  const { stdout } = await run(program('tools/sluice-bench'), [
    ...[...args, '--rate', '100', '--duration', `${seconds}s`, '--json'],
  ]);
  return JSON.parse(stdout).delivery_us;
}

async function latency() {
  await withServer(async (server) => {
    const mutate = ['--publishers', 8, '--rate', 1000, ...mutation(CREATE)];
    const busy = async () => {
      const load = measure(server, mutate);
      const { p50, p99 } = await plainLatency(server);
      const { answered_per_s: rate } = await load;
      return { p50, p99, rate };
    };
    const runs = { quiet: [], busy: [] };
    for (let round = 0; round < rounds; round++) {
      runs.quiet.push(await plainLatency(server));
      runs.busy.push(await busy());
    }
    const of = (name, field) => median(runs[name].map((numbers) => numbers[field]));
    tell('latency of a plain topic, us', {
      mutations_0: { p50: of('quiet', 'p50'), p99: of('quiet', 'p99') },
      mutations_1000: { p50: of('busy', 'p50'), p99: of('busy', 'p99'), a_second: of('busy', 'rate') },
    }, true);
  });
}

async function create() {
  const connections = ['--publishers', 256, '--window', 1, '--subscribers', 0];
  const overHttp = ['--http', '--publisher-path', '/graphql', '--publish', JSON.stringify({ query: CREATE })];
  await withServer(async (server) => {
    const directory = path.dirname(server.data);
    const disk = async () => ({
      answered_per_s: Number(execFileSync(program('tests/bench/fdatasync_rate'), [directory, '2'])),
    });
    const rate = await inTurns(
      {
        http: () => measure(server, [...connections, ...overHttp]),
        websocket: () => measure(server, [...connections, ...mutation(CREATE)]),
        fdatasync: disk,
      },
      (report) => report.answered_per_s,
    );
    const times = ratio(rate.http, rate.fdatasync);
    tell('createMessage a second, 256 connections', { ...rate, ratio: times, goal: '>= 5' }, times >= 5);
  });
}

const all = { one, flat, latency, create };
for (const section of sections.length > 0 ? sections : Object.keys(all)) {
  if (!(section in all)) {
    console.error(`there is no section ${section}`);
    process.exit(2);
  }
  await all[section]();
}
process.exit(missed === 0 ? 0 : 1);
