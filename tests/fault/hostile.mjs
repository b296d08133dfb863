// Thousands of hostile connections (slow, half-open, flooding, coming and going, never reading)
// beside hundreds of good ones: the good ones lose nothing and keep their connections, /health
// answers, memory stays within what the limits add up to, and afterwards all of it is given back.
//
//   node tests/fault/hostile.mjs [--short] [--hostile N] [--good N] [--seconds N] [--seed N]
//        [--only KIND]
//
// The good ones are sluice-bench's: it measures publish to delivery, alone and beside the hostile
// ones, and checks losses, doubles and order. Latencies are printed, never judged. The hostile ones
// are hostile_load's: tests/fault/hostile_kinds.c has the table of what they do, and how often.
// It ends with "N passed, N failed". For numbers that mean something, run it without --short on an
// optimised build (SLUICE_BIN=…/server/sluice), and as `chrt -f 1 node …` on a machine that does
// something else, too: then only the hostile load itself is an ordinary process.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { fieldOf } from '../e2e/lib/processes.mjs';
import { binary, freePort, Server } from '../e2e/lib/server.mjs';
import { SCHEMA_SEQ } from '../e2e/lib/shapes.mjs';
import { until } from '../e2e/lib/until.mjs';
import { cpuSeconds, startBench, startHostile } from './lib/programs.mjs';
import { Tally } from './lib/tally.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const hostileCount = option('--hostile', isShort ? 500 : 5000);
const goodCount = option('--good', isShort ? 50 : 500);
const seconds = option('--seconds', isShort ? 10 : 60);
const seed = option('--seed', 1);
const only = textOption('--only');

const WORKERS = 2;
const TOPICS = 5;
const MAX_QUEUE = 256 * KIB; // the defaults that the bound on memory is made of
const MAX_MESSAGE = MIB;
const INPUT_BUDGET = 64 * MIB; // of each worker
const LARGE_COUNT = 1500;
const LARGE_BYTES = 4000;
const GOOD = {
  connections: goodCount,
  topics: TOPICS,
  publishers: 4,
  rate: 100,
  size: 512,
  timeout: '60s',
};

// --- what is checked

const tally = new Tally();
const check = (name, judge) => tally.check(name, judge);

/** All of /metrics but times, each name summed over its labels. */
async function metricsOf(server) {
  const { text } = await server.request('GET', '/metrics');
  const sums = {};
  for (const [, name, value] of text.matchAll(/^(\w+)(?:\{.*\})? (\d+)$/gm)) {
    sums[name] = (sums[name] ?? 0) + Number(value);
  }
  return sums;
}

// AddressSanitizer keeps an account of its own, much larger than what it looks after.
const isMemoryJudged = !fs.readFileSync(binary).includes('__asan_init');
const FIXED_BYTES = 32 * MIB; // caches, pools and buffers of a worker
const rssOf = (worker) => fieldOf(worker.pid, 'RssAnon') * KIB;
const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;

/** Looks at memory and asks for /health all the time until stop() is called. */
class Watch {
  rssMax = 0;
  queuedMax = 0;
  healthMs = [];
  problems = [];
  #isRunning = true;

  constructor(server) {
    this.server = server;
    this.workers = server.workers();
    this.#run = Promise.all([this.#watchMemory(), this.#watchHealth()]);
  }
  #run;

  async #watchMemory() {
    while (this.#isRunning) {
      for (const worker of this.workers) {
        this.rssMax = Math.max(this.rssMax, rssOf(worker));
      }
      await pause(100);
    }
  }

  async #watchHealth() {
    while (this.#isRunning) {
      const before = performance.now();
      try {
        const { status } = await this.server.request('GET', '/health');
        assert.equal(status, 200);
        this.healthMs.push(performance.now() - before);
        const { sluice_queued_bytes: queued } = await metricsOf(this.server);
        this.queuedMax = Math.max(this.queuedMax, queued);
      } catch (error) {
        this.problems.push(error.message);
      }
      await pause(200);
    }
  }

  async stop() {
    this.#isRunning = false;
    await this.#run;
    this.healthMs.sort((a, b) => a - b);
  }
}

/**
 * What those who do not read (KINDS_DEAF of a thousand) may keep waiting: a queue just below its
 * limit, and the one message or answer that is put behind it.
 */
const KINDS_DEAF = only ? 1000 : 360;

function queueBound(share) {
  return ((hostileCount * KINDS_DEAF) / 1000) * share * 2 * MAX_QUEUE;
}

/**
 * What the limits add up to for one worker, if all that may be used is used: its share of the
 * connections (a worker accepts up to 10 % above the average), each
 *   2 KiB   stream, HTTP or WebSocket, session, subscription (idle: 652 bytes measured) and
 *   13 KiB  input that has begun: its parser (wslay's context) and a first buffer;
 * the queues of those who do not read; the budget for input that is not whole (README, "Limits");
 * and FIXED_BYTES.
 */
function memoryBound() {
  const share = 1.1 / WORKERS;
  const connections = (hostileCount + goodCount) * share * 15 * KIB;
  return connections + queueBound(share) + INPUT_BUDGET + FIXED_BYTES;
}

/** Reads a topic whole; calls visit with each event. Returns how many there were. */
async function readTopic(server, topic, visit = () => {}) {
  let count = 0;
  let since = 0;
  for (let more = true; more; ) {
    const page = await server.history(topic, `?since=${since}&limit=1000`);
    for (const event of page.events) {
      assert.ok(event.seq > since, `${topic}: seq ${event.seq} after ${since}`);
      since = event.seq;
      visit(event);
    }
    count += page.events.length;
    more = page.more;
  }
  return count;
}

/** Every message of every publisher of a run of sluice-bench, once. Returns how many. */
async function readRun(server, prefix) {
  const numbers = new Map(); // publisher -> Set of numbers
  let count = 0;
  for (let topic = 0; topic < TOPICS; topic++) {
    count += await readTopic(server, `${prefix}-${topic}`, ({ data }) => {
      const [, , publisher, number] = data.split('|');
      const seen = numbers.get(publisher) ?? numbers.set(publisher, new Set()).get(publisher);
      const value = Number.parseInt(number, 16);
      assert.ok(!seen.has(value), `message ${value} of publisher ${publisher} is there twice`);
      assert.equal(value % TOPICS, topic);
      seen.add(value);
    });
  }
  for (const [publisher, seen] of numbers) {
    for (let number = 0; number < seen.size; number++) {
      assert.ok(seen.has(number), `message ${number} of publisher ${publisher} is not in the log`);
    }
  }
  return count;
}

/** A topic with more than one answer of the server may hold. */
async function fillLargeTopic(server) {
  const client = await server.broker();
  const message = 'x'.repeat(LARGE_BYTES);
  for (let i = 0; i < LARGE_COUNT; i++) {
    client.send({ action: 'publish', topic: 'large', message });
  }
  for (let i = 0; i < LARGE_COUNT; i++) {
    assert.equal((await client.next()).status, 'published');
  }
  client.terminate();
}

function checkGood(name, report) {
  return check(`${name}: every good client got every event in order, once, and stayed`, () => {
    const { lost, duplicates, order_errors, refused, failed: notOpened, closed, given_up } = report;
    assert.deepEqual(
      { lost, duplicates, order_errors, refused, notOpened, closed, given_up },
      {
        lost: 0,
        duplicates: 0,
        order_errors: 0,
        refused: 0,
        notOpened: 0,
        closed: 0,
        given_up: false,
      },
    );
    assert.ok(report.delivered > 0 && report.acknowledged === report.published);
  });
}

// --- what is printed

const quantile = (sorted, fraction) => sorted[Math.ceil(sorted.length * fraction) - 1] ?? NaN;

function printLatency(name, report) {
  const { p50, p90, p99, max } = report.delivery_us;
  console.log(
    `${name.padEnd(8)} publish to delivery: p50 ${p50} us, p90 ${p90}, p99 ${p99}, max ${max}; ` +
      `${report.delivered} deliveries`,
  );
}

function printKinds(kinds) {
  console.log('what happened to the hostile ones:');
  for (const [name, kind] of Object.entries(kinds).sort()) {
    const endings = Object.entries(kind.endings).map(([how, count]) => `${how}: ${count}`);
    console.log(
      `  ${name.padEnd(16)} ${String(kind.connections).padStart(4)} connections, ` +
        `${String(kind.opened).padStart(6)} opened, ${String(kind.acts).padStart(6)} acts` +
        `${kind.acts_held > 0 ? ` (${kind.acts_held} held back)` : ''}` +
        `${endings.length > 0 ? `; ended by the server: ${endings.join(', ')}` : ''}`,
    );
  }
}

// --- the scenario

const linePort = await freePort();
const server = new Server({
  workers: WORKERS,
  ring: isShort ? '4M' : '32M',
  args: ['--broker-listen', `127.0.0.1:${linePort}`, '--echo'],
});
const cpuOf = (pids) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

try {
  await server.start();
  const workers = server.workers();
  const serverPids = [server.pid, ...server.remember().map(({ pid }) => pid)];
  console.log(
    `${hostileCount} hostile and ${goodCount} good connections, ${WORKERS} workers, ` +
      `${os.cpus().length} CPUs (${os.cpus()[0].model}), load ${os.loadavg()[0].toFixed(2)}, ` +
      `seed ${seed}`,
  );

  await fillLargeTopic(server);
  const alone = await startBench(server, {
    ...GOOD,
    topic: 'alone',
    duration: `${Math.ceil(seconds / 3)}s`,
  }).done;
  await checkGood('alone', alone);
  const rssBefore = Math.max(...workers.map(rssOf));

  // The good ones are there first: what comes in while the hostile ones arrive is their warm-up.
  const warmup = isShort ? 5 : 20;
  const bench = startBench(server, {
    ...GOOD,
    topic: 'beside',
    warmup: `${warmup}s`,
    duration: `${seconds}s`,
  });
  const watch = new Watch(server);
  const hostile = startHostile(server, {
    'line-port': linePort,
    connections: hostileCount,
    topic: 'beside',
    topics: TOPICS,
    'large-topic': 'large',
    'message-bytes': MAX_MESSAGE,
    seed,
    ...(only && { only }),
  });
  await hostile.open;
  const cpuBefore = { server: cpuOf(serverPids), hostile: cpuSeconds(hostile.pid) };
  const openedAt = performance.now();
  const beside = await bench.done;
  const elapsed = (performance.now() - openedAt) / 1000;
  const cpu = {
    server: (cpuOf(serverPids) - cpuBefore.server) / elapsed,
    hostile: (cpuSeconds(hostile.pid) - cpuBefore.hostile) / elapsed,
  };
  const during = await metricsOf(server);
  const { kinds, open_average: openAverage, open_min: openMin } = await hostile.end();
  await watch.stop();

  await checkGood('beside', beside);
  await check('no worker died', () => {
    assert.deepEqual(
      server.workers().map(({ pid }) => pid),
      workers.map(({ pid }) => pid),
    );
  });
  await check('/health answered throughout', () => {
    assert.deepEqual(watch.problems, []);
    assert.ok(watch.healthMs.length > 0);
  });
  await check('the hostile ones were there', () => {
    // Of one kind alone most may be refused.
    assert.ok(only || openAverage > hostileCount * 0.7, `only ${openAverage} of them on average`);
    for (const [name, kind] of Object.entries(kinds)) {
      assert.ok(kind.connections === 0 || kind.opened > 0, `${name} never came`);
    }
  });
  await check('queues stayed within what the limits add up to', () => {
    assert.ok(watch.queuedMax <= queueBound(1), `${mib(watch.queuedMax)} of ${mib(queueBound(1))}`);
  });
  await check('memory stayed within what the limits add up to', () => {
    assert.ok(
      !isMemoryJudged || watch.rssMax <= memoryBound(),
      `${mib(watch.rssMax)} of ${mib(memoryBound())}`,
    );
  });

  await check('nothing of the hostile ones is left', () =>
    until(
      async () => {
        const metrics = await metricsOf(server);
        assert.equal(metrics.sluice_connections, 1); // this very request's
        assert.equal(metrics.sluice_clients, 0);
        assert.equal(metrics.sluice_subscriptions, 0);
        assert.equal(metrics.sluice_lagging_subscriptions, 0);
        assert.equal(metrics.sluice_queued_bytes, 0);
        return true;
      },
      { what: 'the end of all connections', timeout: 60_000 },
    ));
  await check('every acknowledged publish is in the log, once', async () => {
    assert.ok((await readRun(server, 'alone')) >= alone.acknowledged);
    assert.ok((await readRun(server, 'beside')) >= beside.acknowledged);
  });
  await check('the counters agree with the log', async () => {
    const metrics = await metricsOf(server);
    const { log } = await server.health();
    const published = log.last_seq - SCHEMA_SEQ;
    assert.equal(metrics.sluice_published_total, log.last_seq);
    assert.equal(metrics.sluice_lapped_total, 0);
    let count = LARGE_COUNT + (await readTopic(server, 'hostile'));
    for (let topic = 0; topic < TOPICS; topic++) {
      count += await readTopic(server, `alone-${topic}`);
      count += await readTopic(server, `beside-${topic}`);
    }
    assert.equal(count, published);
  });

  const after = await startBench(server, {
    ...GOOD,
    topic: 'after',
    duration: `${Math.ceil(seconds / 3)}s`,
  }).done;
  await checkGood('after', after);
  const rssAfter = Math.max(...workers.map(rssOf));
  await check('memory has been given back', () => {
    assert.ok(
      !isMemoryJudged || rssAfter <= rssBefore + FIXED_BYTES,
      `${mib(rssBefore)} before, ${mib(rssAfter)} after`,
    );
  });

  printKinds(kinds);
  console.log(`hostile connections open: ${openAverage} on average, ${openMin} at least`);
  console.log(
    `a worker's memory${isMemoryJudged ? '' : ' (with sanitizers: not judged)'}: ` +
      `${mib(rssBefore)} before, ${mib(watch.rssMax)} at most ` +
      `(the limits add up to ${mib(memoryBound())}), ${mib(rssAfter)} after`,
  );
  console.log(
    `processors in use: server ${cpu.server.toFixed(2)}, hostile load ${cpu.hostile.toFixed(2)}; ` +
      `lagging subscriptions at the end ${during.sluice_lagging_subscriptions}, ` +
      `queued at most ${mib(watch.queuedMax)}`,
  );
  console.log(
    `/health: ${watch.healthMs.length} times, ` +
      `p50 ${quantile(watch.healthMs, 0.5).toFixed(1)} ms, ` +
      `p99 ${quantile(watch.healthMs, 0.99).toFixed(1)} ms`,
  );
  printLatency('alone', alone);
  printLatency('beside', beside);
  printLatency('after', after);
  console.log(
    `p99 beside by p99 alone: ${(beside.delivery_us.p99 / alone.delivery_us.p99).toFixed(2)}`,
  );
} catch (error) {
  tally.fail(error);
} finally {
  await server.dispose().catch((error) => {
    tally.fail(error);
  });
}
tally.end();
