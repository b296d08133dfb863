// Half an hour of everything: whether anything leaks, is lost, or goes wrong.
//
//   node tests/fault/soak.mjs [--short] [--minutes N] [--load SECONDS] [--churn N] [--only ERRANDS] [--seed N]
//
// Clients of every protocol come and go (closes, resets, half-closes, silence), resume, publish
// (buffered, durable, by mutation, in the room), make and delete rows, read history, ask for pages,
// metrics and documents that nobody has asked for before, subscribe to thousands of topics that are
// gone at once, read slowly; hostile ones are among them; they come in plain text, by TLS (sessions resumed
// too), as streams of HTTP/2 that many share and that are reset, compressed, through a proxy, and break off
// in the handshake; the log is small, so that retention trims all
// the time; a worker and the writer are killed (-9) now and then. Each LOAD seconds (40) all clients
// leave, and what each process has then is held against what it had at such moments before.
//
// --churn: connections a second that do nothing but come and go. --only: nothing but these of
// soak_clients.mjs's errands, by comma, to see what they alone leave. Memory is judged only where there is
// no AddressSanitizer, and in runs that are long enough. It ends with "N passed, N failed".
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { metric, parseMetrics, sumOf } from '../e2e/lib/metrics.mjs';
import { kill } from '../e2e/lib/processes.mjs';
import { binary, freePort, Server } from '../e2e/lib/server.mjs';
import { startTls } from '../e2e/lib/tls.mjs';
import { until } from '../e2e/lib/until.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { countOf, Levels, measure, mib, MOMENTS_MIN } from './lib/levels.mjs';
import { startHostile } from './lib/programs.mjs';
import { READER_KINDS } from './lib/readers.mjs';
import { publish, PUBLISHING_WAYS, Rows, runErrands, Visitor, Witness } from './lib/soak_clients.mjs';
import { makePayloads, Stream } from './lib/streams.mjs';
import { Tally } from './lib/tally.mjs';
import { Ways, WAYS_ARGUMENTS } from './lib/ways.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const minutes = option('--minutes', isShort ? 0.2 : 30);
const loadSeconds = option('--load', isShort ? 4 : 40);
const churn = option('--churn', 300);
const only = textOption('--only')?.split(',');
const seed = option('--seed', 1);
const random = randomFrom(seed);
const below = (count) => Math.floor(random() * count);

const WORKERS = 2;
const VISITORS = isShort ? 12 : 30;
const HOSTILE = 100;
const CHURN_PER_PEER = 10; // a second: hostile_kinds.c
const WARMUP = 4; // moments of a process's life that its caches fill in
const WORKER_DIES_EACH = 10; // loads: it lives long enough in between to be judged
const WRITER_DIES_EACH = 6; // in the first half: then it is left alone, to be judged
const WATCH_MS = 3000;
const PATIENCE_MS = 60_000; // with a slow machine, for what must happen
const TOPIC = 'soak';
const MESSAGE_BYTES = 500;
const LOG_BYTES = '8M';
const MUST_HAPPEN = [
  ...['visits', 'deliveries', 'rows', 'topics', 'documents', 'deaths', 'slow readers'],
  ...['by plain', 'by tls', 'by h2', 'by h2 by tls', 'compressed', 'handshakes', 'resumed sessions of TLS'],
  ...['failed handshakes', 'streams', 'compressed clients'],
];

// AddressSanitizer keeps an account of its own, much larger than what it looks after.
const isMemoryJudged = !fs.readFileSync(binary).includes('__asan_init');

const tally = new Tally();
const check = (name, judge) => tally.check(name, judge);

/** What all clients share: the server, what it should say, and what was wrong. */
class Soak {
  problems = [];
  counts = {};
  isLeaving = true;
  killed = new Set(); // pids
  levels = new Levels();
  peaks = new Map(); // process -> bytes
  start = performance.now();
  deaths = 0;
  #isDying = false;

  constructor(server) {
    this.server = server;
    this.below = below;
    this.ways = new Ways(server, below);
    this.streams = PUBLISHING_WAYS.map((way, i) => {
      const topic = way === 'room' ? 'room' : `${TOPIC}-${i}`;
      return new Stream(topic, makePayloads(MESSAGE_BYTES, seed + i), this.problems);
    });
    // The room is heard by its own; others get its events as objects.
    this.witnesses = this.streams.map((stream, i) => new Witness(stream, READER_KINDS[i]));
    this.visitors = Array.from({ length: VISITORS }, (_, i) => this.#makeVisitor(i));
    this.rows = new Rows();
  }

  #makeVisitor(i) {
    const kind = READER_KINDS[i % READER_KINDS.length];
    const [room, ...others] = this.streams;
    const turn = Math.floor(i / READER_KINDS.length);
    return new Visitor(kind, kind === 'room' ? room : others[turn % others.length]);
  }

  get seconds() {
    return (performance.now() - this.start) / 1000;
  }

  /** What must happen and has not yet. */
  get missing() {
    const counts = { ...this.counts, 'resumed sessions of TLS': this.ways.resumed };
    return only ? [] : MUST_HAPPEN.filter((name) => !(counts[name] > 0));
  }

  problem(text) {
    this.problems.push(text);
  }

  count(name, amount = 1) {
    this.counts[name] = (this.counts[name] ?? 0) + amount;
  }

  /**
   * What `ask` gives; undefined if it threw, which it may only when a process has died since there were
   * `deaths`, or was about to: what a dead one leaves is not noticed at once.
   */
  async attempt(what, ask, deaths = this.deaths) {
    const isExcused = this.#isDying;
    try {
      return await ask();
    } catch (error) {
      if (this.deaths === deaths && !isExcused && !this.#isDying) {
        this.problem(`${what}: ${error.stack}`);
      }
      await pause(20);
      return undefined;
    }
  }

  /** Kills it and waits for the one in its place. find() gives the process that is there. */
  async kill(find) {
    const victim = await until(find, { what: 'a process to kill' });
    this.killed.add(victim.pid);
    this.#isDying = true;
    this.deaths++;
    kill(victim);
    await until(() => find()?.pid !== victim.pid && find(), { what: 'a process in its place' });
    await until(() => this.server.health(), { what: 'an answer' });
    this.#isDying = false;
    this.count('deaths');
  }

  /** Every process of the server, with its name. */
  processes() {
    const titleOf = ({ title }) => title.replace(/^sluice: /, '');
    const children = this.server.remember().map((child) => ({ pid: child.pid, name: titleOf(child) }));
    return [{ pid: this.server.pid, name: 'master' }, ...children];
  }

  /** Looks at memory until the clients are to go. */
  async watch() {
    while (!this.isLeaving) {
      for (const { pid, name } of this.processes()) {
        const { anon } = await this.attempt('a look', () => measure(pid, 0)) ?? { anon: 0 };
        this.peaks.set(name, Math.max(this.peaks.get(name) ?? 0, anon));
      }
      await pause(WATCH_MS);
    }
  }
}

// --- loads

const connections = (count, more) => ({ connections: count, topic: TOPIC, topics: 5, ...more });

/** Hostile clients until the others go. */
async function beHostile(soak, more, count) {
  const { linePort } = soak.server;
  const program = startHostile(soak.server, {
    'line-port': linePort,
    seed: seed + below(1e6),
    ...connections(count, more),
  });
  await program.open;
  await until(() => soak.isLeaving, { timeout: 1e9, what: 'the end of a load', interval: 100 });
  const { kinds } = await program.end();
  const opened = Object.values(kinds).reduce((sum, kind) => sum + kind.opened, 0);
  soak.count('hostile connections', opened);
}

async function injectDeath(soak, number, loads) {
  const { server } = soak;
  const isEarly = number < loads / 2;
  await pause(loadSeconds * 250);
  if (isShort || number % WORKER_DIES_EACH === 4) {
    await soak.kill(() => server.workers()[WORKERS - 1]);
  }
  if (isShort ? number === 1 : isEarly && number % WRITER_DIES_EACH === 1) {
    await soak.kill(() => server.writer());
  }
}

/** All clients come, stay for that long, and go; the last ones when all has happened that must. */
async function load(soak, number, loads) {
  soak.isLeaving = false;
  await Promise.all([
    ...(only ? [...runErrands(soak, only), soak.watch()] : [everybody(soak, number, loads)]),
    sendAway(soak, number === loads - 1),
  ]);
  soak.ways.leave();
}

async function sendAway(soak, isLast) {
  await pause(loadSeconds * 1000);
  if (isLast) {
    await until(() => soak.problems.length > 0 || soak.missing.length === 0, {
      timeout: PATIENCE_MS,
      interval: 100,
      what: 'all that must happen',
    }).catch(() => {}); // the check says what is missing
  }
  soak.isLeaving = true;
}

async function everybody(soak, number, loads) {
  const listening = [
    ...soak.witnesses.map((witness) => witness.run(soak)),
    soak.rows.listen(soak),
  ];
  soak.rows.isQuiet = false;
  await until(() => [...soak.witnesses, soak.rows].every(({ isListening }) => isListening), {
    what: 'the witnesses',
  });
  await Promise.all([
    ...listening,
    ...soak.streams.map((stream, i) => publish(soak, stream, PUBLISHING_WAYS[i])),
    ...soak.visitors.map((visitor) => visitor.run(soak)),
    ...runErrands(soak),
    soak.rows.run(soak),
    soak.watch(),
    beHostile(soak, {}, HOSTILE),
    beHostile(soak, { only: 'churn_tcp' }, Math.ceil(churn / CHURN_PER_PEER)),
    injectDeath(soak, number, loads),
  ]);
}

// --- moments without a client

/** What of a process's measures is held against others. AddressSanitizer's memory never stands still. */
const judged = ({ anon, descriptors, threads }) => [isMemoryJudged ? anon : 0, descriptors, threads];

/** Everybody has gone, everything is committed, and nothing changes any more. */
async function settle(soak) {
  const { server } = soak;
  await until(
    async () => {
      const metrics = parseMetrics((await server.request('GET', '/metrics')).text);
      assert.equal(sumOf(metrics, 'sluice_connections'), 1); // this very request's
      for (const name of ['clients', 'subscriptions', 'lagging_subscriptions', 'queued_bytes']) {
        assert.equal(sumOf(metrics, `sluice_${name}`), 0, name);
      }
      const { log } = await server.health();
      assert.equal(log.committed_seq, log.last_seq);
      return true;
    },
    { timeout: 60_000, interval: 200, what: 'a moment without clients' },
  );
  let before;
  await until(
    () => {
      const now = JSON.stringify(soak.processes().map(({ pid }) => judged(measure(pid, 0))));
      const isStill = now === before;
      before = now;
      return isStill;
    },
    { timeout: PATIENCE_MS, interval: 300, what: 'a moment in which nothing changes' },
  );
}

async function sample(soak) {
  await settle(soak);
  const { server, seconds } = soak;
  const columns = [];
  for (const { pid, name } of soak.processes()) {
    const level = measure(pid, seconds);
    soak.levels.add(pid, name, level);
    columns.push(`${name} ${mib(level.anon)} ${countOf(level.descriptors)} fds`);
  }
  const { log } = await server.health();
  const used = await metric(server, 'sluice_store_used_bytes');
  const store = fs.statSync(path.join(server.data, 'store', 'data.mdb'));
  console.log(`${(seconds / 60).toFixed(1)} min: ${columns.join(', ')}; ` +
    `store ${mib(store.size)}, ${mib(used)} used, log ${log.first_seq} to ${log.last_seq}`);
}

// --- the end

const eventsInLog = (soak) =>
  soak.server.allLines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

/** How many lines found the pipe full: it is this very process that reads it, and is slow at times. */
const lostInLog = (soak) =>
  eventsInLog(soak)
    .filter(({ event }) => event === 'lines_lost')
    .reduce((sum, { count }) => sum + count, 0);

/**
 * Lines of the log that tell of trouble. Who was killed on purpose may have ended, and a writer in the middle of an
 * operation; of one that ends by itself there is another line.
 */
function troubleInLog(soak) {
  return eventsInLog(soak).filter(({ level, event, message, child_pid: pid }) => {
    const isExpected = (event === 'process_ended' && soak.killed.has(pid)) ||
      (event === 'operation_suspect' && message.startsWith('the last writer died '));
    const isHarmless = event === 'start_warning' || event === 'lines_lost';
    return (level === 'error' || level === 'warning') && !isExpected && !isHarmless;
  });
}

function printLevels(soak) {
  for (const { pid, name, samples } of soak.levels.processes) {
    const last = samples.at(-1);
    console.log(`${name} (${pid}): ${samples.length} moments, ${mib(samples[0].anon)} at the first, ` +
      `${mib(last.anon)} at the last, shared ${mib(last.shared)}, ${countOf(last.descriptors)} descriptors`);
  }
  for (const { pid, name, samples, level, growth, allowed } of soak.levels.slopes(WARMUP)) {
    console.log(`${name} (${pid}), ${samples.length} moments behind the warm-up: ${mib(level)}, ` +
      `growth ${mib(growth)} (up to ${mib(allowed)} is none)`);
  }
  const peaks = [...soak.peaks].map(([name, bytes]) => `${name} ${mib(bytes)}`);
  const counts = Object.entries(soak.counts).map(([name, count]) => `${name} ${count}`);
  console.log(`at most, under load: ${peaks.join(', ')}`);
  console.log(`${Math.round(soak.seconds)} s: ${counts.join(', ')}`);
}

const [linePort, secureLinePort] = [await freePort(), await freePort()];
const cleanups = [];
const server = await startTls(
  (options) => new Server(options).start(),
  (cleanup) => cleanups.push(cleanup),
  {
    workers: WORKERS,
    args: [
      ...['--broker-listen', `127.0.0.1:${linePort}`, '--echo', '--log-format', 'json'],
      ...['--broker-listen', `tls:127.0.0.1:${secureLinePort}`],
      ...['--retention-bytes', LOG_BYTES],
      ...['--ping-timeout', '2m'], // what ends behind a half-close does so for no other reason
      ...WAYS_ARGUMENTS,
    ],
  },
);
server.linePort = linePort;
server.secure.linePort = secureLinePort;
const soak = new Soak(server);
const loads = Math.max(2, Math.round((minutes * 60) / (loadSeconds + 3)));

try {
  for (let number = 0; number < loads && soak.problems.length === 0; number++) {
    await load(soak, number, loads);
    await sample(soak);
  }
  await soak.rows.check(soak);
  assert.ok(Object.keys(soak.counts).length > 0, 'something was done');
  soak.count('resumed sessions of TLS', soak.ways.resumed);
  printLevels(soak);
  await check('every acknowledged operation was delivered, in order, once, and stayed', () => {
    assert.deepEqual(soak.problems.slice(0, 20), []);
    assert.deepEqual(soak.missing, [], 'it has not happened');
  });
  await check('descriptors are always back at the same', () => {
    assert.deepEqual(soak.levels.descriptorProblems(), []);
  });
  if (isMemoryJudged && loads >= WARMUP + MOMENTS_MIN) {
    await check('memory does not grow', () => {
      assert.deepEqual(soak.levels.memoryProblems(WARMUP), []);
    });
  }
  await check('the log tells of no trouble but what was made', () => {
    assert.deepEqual(troubleInLog(soak).slice(0, 10), []);
    const lost = lostInLog(soak);
    return lost > 0 ? `${lost} lines were not read in time` : undefined;
  });
} catch (error) {
  soak.problems.slice(0, 10).forEach((text) => console.log(text));
  tally.fail(error);
} finally {
  soak.isLeaving = true;
  await check('it ends well', () => server.dispose());
  cleanups.forEach((cleanup) => cleanup());
}
tally.end();
