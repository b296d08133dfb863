// Clients that stop reading while events go by: each gets all of them afterwards, in order and as they
// were sent, its worker keeps no more of them than the queue limit, and others are served meanwhile.
//
//   node tests/fault/slow.mjs [--short] [--only NAME,…] [--events N] [--seconds N] [--seed N]
//
// For each variant a server of its own: first the load without slow clients (a warm-up, too), then the
// slow ones subscribe and stop reading, N events (200,000 of 1 KiB) go by in so many seconds (60), and
// they read again. Beside them sluice-bench measures publish to delivery on topics of its own, which is
// printed and never judged. Each event acknowledged and each one delivered is checked. It ends with
// "N passed, N failed", a variant each.
//
// A reader that is paused leaves its kernel's buffers (some hundred KiB, as it has never read) to be
// filled. So a variant counts only if the server says, before they read again, that all of them lag.
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { dataOf } from '../e2e/lib/graphql.mjs';
import { metric } from '../e2e/lib/metrics.mjs';
import { fieldOf } from '../e2e/lib/processes.mjs';
import { binary, freePort, Server } from '../e2e/lib/server.mjs';
import { until } from '../e2e/lib/until.mjs';
import { startBench, troubleIn } from './lib/programs.mjs';
import { openReader, READER_KINDS } from './lib/readers.mjs';
import { Follower, makePayloads, Stream } from './lib/streams.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const only = textOption('--only');
const seed = option('--seed', 1);
const events = option('--events', isShort ? 8000 : 200_000);
const seconds = option('--seconds', isShort ? 1 : 60);

const WORKERS = 2;
const WINDOW = 256; // publishes that wait for their answer
const WARMUP = 4; // the load without slow clients is this part of the whole
const IDLE_MS = 60_000; // without any progress: given up
const MAX_QUEUE = 256 * KIB;
/**
 * Beside the queues: what a slow client's subscriptions, cursor and parts of shared arenas take; arenas
 * and pages that a worker's allocator keeps (measured: 0.1 to 0.9 MiB); and, when the slow ones read
 * again, the frames of replays, of which a worker keeps 4 MiB for others (server/topics/frame_cache.h)
 * while somebody catches up.
 */
const SLOW_BYTES = 32 * KIB;
const WORKER_STALLED_BYTES = 1.5 * MIB;
const WORKER_BYTES = 4 * MIB + WORKER_STALLED_BYTES;

// AddressSanitizer keeps an account of its own, much larger than what it looks after.
// A worker that has hardly begun to work grows by what it has not needed before.
const isMemoryJudged = !isShort && !fs.readFileSync(binary).includes('__asan_init');
const kib = (bytes) => `${Math.round(bytes / KIB)} KiB`;

/** The largest RssAnon of each worker, looked at all the time until stop() is called. */
class MemoryWatch {
  #isRunning = true;

  constructor(server) {
    this.pids = server.workers().map(({ pid }) => pid);
    this.before = this.pids.map((pid) => fieldOf(pid, 'RssAnon') * KIB);
    this.max = [...this.before];
    this.#run = this.#look();
  }
  #run;

  async #look() {
    while (this.#isRunning) {
      this.pids.forEach((pid, i) => {
        this.max[i] = Math.max(this.max[i], fieldOf(pid, 'RssAnon') * KIB);
      });
      await pause(50);
    }
  }

  /** Bytes by which each worker has grown at most. */
  async stop() {
    this.#isRunning = false;
    await this.#run;
    return this.max.map((bytes, i) => bytes - this.before[i]);
  }
}

// --- publishing

/** Sends what the streams' payloads are, in turns, over raw TCP, `count` in all in about that time. */
async function publish(server, streams, { count, seconds }) {
  const waiting = []; // streams, in the order of the requests
  let isOver = false;
  let answers = 0;
  let sent = 0;
  let wake = () => {};
  const client = openReader('line', server, [], {
    onItem({ message }) {
      const stream = waiting.shift();
      if (message.status === 'published') {
        stream.acknowledge(message.seq);
      } else {
        stream.problem(`instead of an acknowledgement: ${JSON.stringify(message)}`);
      }
      answers++;
      wake();
    },
  });
  client.closed.then(() => {
    isOver = true;
    wake();
  });
  const start = performance.now();
  while (answers < count && !isOver) {
    const due = Math.min(count, Math.ceil(((performance.now() - start) / 1000 / seconds) * count));
    let lines = '';
    for (; sent < due && waiting.length < WINDOW; sent++) {
      const stream = streams[sent % streams.length];
      const message = stream.payloadOf(stream.sent++);
      lines += `${JSON.stringify({ action: 'publish', topic: stream.topic, message })}\n`;
      waiting.push(stream);
    }
    if (lines !== '') {
      client.socket.write(lines);
    }
    await (waiting.length > 0 ? new Promise((resolve) => (wake = resolve)) : pause(1));
  }
  if (isOver) {
    throw new Error(`the publisher's connection ended after ${answers} of ${count} answers`);
  }
  client.terminate();
}

const ROWS = 5;
const FIELDS = 40; // of one mutation: they are executed one after the other; a multiple of ROWS

// One text, because the server remembers each.
const UPDATES = (() => {
  const fields = Array.from({ length: FIELDS }, (_, i) => i);
  const updates = fields.map(
    (i) => `f${i}: updateMessage(id: ${(i % ROWS) + 1}, content: $c${i}) { id content }`,
  );
  return `mutation (${fields.map((i) => `$c${i}: String!`).join(' ')}) { ${updates.join(' ')} }`;
})();

/** updateMessage is one operation on two topics: `message_updates:all` and that of its row. */
async function update(server, [all, ...rows], { count, seconds }) {
  if (all.sent === 0) {
    const creating = rows.map((_, i) => `f${i}: createMessage(authorId: 1, content: "") { id }`);
    await dataOf(server, `mutation { ${creating.join(' ')} }`);
  }
  const start = performance.now();
  for (let done = 0; done < count; done += FIELDS) {
    const variables = {};
    for (let i = 0; i < FIELDS; i++) {
      variables[`c${i}`] = all.payloadOf(all.sent++);
      rows[i % ROWS].sent++;
    }
    for (const { id, content } of Object.values(await dataOf(server, UPDATES, variables))) {
      const index = all.acknowledged++;
      rows[index % ROWS].acknowledged++;
      if (id !== (index % ROWS) + 1 || content !== all.payloadOf(index)) {
        all.problem(`number ${index} is answered with row ${id}, ${content.slice(0, 40)}`);
      }
    }
    await pause(Math.max(0, start + (done / count) * seconds * 1000 - performance.now()));
  }
}

function updateStreams(payloadOf, problems) {
  const all = new Stream('message_updates:all', payloadOf, problems);
  const rows = Array.from({ length: ROWS }, (_, row) => {
    const ofRow = (index) => payloadOf(index * ROWS + row);
    return new Stream(`message_updates:${row + 1}`, ofRow, problems);
  });
  return [all, ...rows];
}

/** An operation has the same seq in each of its topics. */
function checkOperations([all, ...rows]) {
  for (let index = 0; index < all.acknowledged; index++) {
    const other = rows[index % ROWS].seqOf(Math.floor(index / ROWS));
    if (all.seqOf(index) !== other) {
      all.problem(`number ${index} is seq ${all.seqOf(index)}, and ${other} in its row's topic`);
    }
  }
}

/** Retention works in small steps: until most of what went by is gone, more than the kernel has taken. */
async function trimmed(server, [stream], count) {
  const most = stream.seqOf(stream.acknowledged - Math.floor(count / 4));
  await until(async () => (await server.history(stream.topic, '?limit=1')).oldest >= most, {
    timeout: IDLE_MS,
    what: 'retention',
  });
}

// --- variants

const VARIANTS = {
  one: { what: 'one client' },
  protocols: { what: 'one of each protocol', topics: ['room'], kinds: READER_KINDS },
  many: { what: 'many clients', clients: isShort ? 20 : 200 },
  subscriptions: {
    what: '50 subscriptions on one connection',
    topics: Array.from({ length: 50 }, (_, i) => `news-${i}`),
  },
  operations: {
    what: 'operations on several of its topics',
    bytes: isShort ? 8 * KIB : KIB, // more than the kernel takes: 4 MiB
    events: Math.ceil(events / (isShort ? 20 : 4)), // each on two topics, and after a commit
    maxQueue: 64 * KIB,
    load: update,
    makeStreams: updateStreams,
    textOf: (row) => row.content,
    checkMore: checkOperations,
  },
  large: {
    what: 'frames larger than the queue',
    bytes: 200 * KIB,
    events: Math.ceil(events / 100),
    maxQueue: 64 * KIB,
  },
  retention: {
    what: 'retention overtakes one of each protocol',
    topics: ['room'],
    kinds: READER_KINDS,
    args: ['--retention-bytes', isShort ? '1M' : '16M'],
    mayHaveGaps: true,
    beforeReading: trimmed,
  },
};

/** A client's subscriptions to all streams, of which `followers` know what they have had. */
function subscribe(server, kind, streams, variant, name) {
  const followers = new Map(
    streams.map((stream) => [stream.topic, new Follower(stream, name, variant)]),
  );
  const textOf = variant.textOf ?? ((data) => data);
  const client = { kind, followers: [...followers.values()], started: 0 };
  const onItem = (item) => {
    const follower = followers.get(item.topic);
    if (item.type === 'event') {
      follower.event(item.seq, textOf(item.data));
    } else if (item.type === 'start') {
      client.started++;
      client.epoch = item.epoch;
    } else if (item.type === 'gap') {
      follower.gap(item.oldest);
      if (kind === 'graphql') {
        open({ epoch: client.epoch, seq: item.oldest - 1 }); // over WebSocket the subscription has ended
      }
    } else {
      streams[0].problem(`${name} got ${JSON.stringify(item.message)}`);
    }
  };
  const open = (token) => {
    client.reader?.terminate();
    client.reader = openReader(kind, server, [...followers.keys()], { token, onItem });
  };
  open();
  return client;
}

/** Waits until all followers have had all; gives up when none of them has moved for long. */
async function caughtUp(clients) {
  const followers = clients.flatMap((client) => client.followers);
  let before = -1;
  let deadline = 0;
  while (followers.some(({ next, stream }) => next < stream.acknowledged)) {
    const taken = followers.reduce((sum, follower) => sum + follower.taken, 0);
    if (taken !== before) {
      before = taken;
      deadline = performance.now() + IDLE_MS;
    } else if (performance.now() > deadline) {
      return; // checkWhole says what is missing
    }
    await pause(50);
  }
}

/** Of each worker. */
async function connectionsOf(server) {
  return (await server.health()).workers.map(({ connections }) => connections);
}

/** The load, with sluice-bench beside it, whose report is given: so many messages, however late they are. */
async function loadBesideOthers(server, streams, variant, { count, seconds, topic }) {
  const rate = 100;
  const bench = startBench(server, {
    connections: isShort ? 10 : 50,
    topics: 5,
    publishers: 2,
    rate,
    size: 512,
    timeout: '60s',
    topic,
    ...(isShort && { warmup: '100ms' }),
    messages: Math.ceil(seconds * rate),
  });
  await (variant.load ?? publish)(server, streams, { count, seconds });
  const report = await bench.done;
  variant.problems.push(...troubleIn(report));
  return report;
}

/** Stops reading, lets the load go by, reads again. Returns what is worth a line. */
async function stallAndCatchUp(server, streams, variant, count) {
  const { kinds = ['broker'], clients: copies = 1, problems } = variant;
  // Those of the warm-up have left, and the server knows it.
  await until(async () => (await server.health()).active_connections === variant.fast.length, {
    what: 'the end of all other connections',
  });
  const connections = await connectionsOf(server);
  const memory = new MemoryWatch(server);
  const slow = [];
  for (let i = 0; i < copies * kinds.length; i++) {
    const kind = kinds[i % kinds.length];
    const client = subscribe(server, kind, streams, variant, `slow ${kind} ${i}`);
    await until(() => client.started === streams.length, { what: `a slow ${kind} that is subscribed` });
    client.reader.pause();
    slow.push(client);
  }
  // A subscription of GraphQL has no answer of its own: it is there when the server counts it.
  const wanted = (slow.length + variant.fast.length) * streams.length;
  const subscriptions = () => metric(server, 'sluice_subscriptions');
  await until(async () => (await subscriptions()) === wanted, { what: `${wanted} subscriptions` });
  const slowOf = (await connectionsOf(server)).map((now, i) => now - connections[i]);

  const beside = await loadBesideOthers(server, streams, variant, { count, seconds, topic: 'beside' });
  // A worker may still have to deliver what was acknowledged by another.
  await caughtUp(variant.fast);
  const lagging = () => metric(server, 'sluice_lagging_subscriptions');
  await until(async () => (await lagging()) >= slow.length, {
    timeout: IDLE_MS,
    what: `${slow.length} clients that lag; if there are fewer, there were too few events`,
  });
  const stalled = memory.max.map((bytes, i) => bytes - memory.before[i]);
  await variant.beforeReading?.(server, streams, count);
  slow.forEach(({ reader }) => reader.resume());
  await caughtUp([...slow, ...variant.fast]);
  const growth = await memory.stop();

  await until(async () => (await lagging()) === 0, { what: 'everybody to be live again' });
  await (variant.load ?? publish)(server, streams, { count: streams.length, seconds: 0 });
  await caughtUp([...slow, ...variant.fast]);
  return { slow, slowOf, beside, stalled, growth };
}

function checkMemory(variant, { slowOf, stalled, growth }) {
  const queue = variant.maxQueue ?? MAX_QUEUE;
  const judge = (name, grown, more) => {
    const bounds = slowOf.map((clients) => clients * (queue + SLOW_BYTES) + more);
    const line = grown.map((bytes, i) => `${kib(bytes)} of ${kib(bounds[i])}`).join(', ');
    console.log(`  RssAnon of the workers, ${name}: + ${line}${isMemoryJudged ? '' : ' (not judged)'}`);
    if (isMemoryJudged && grown.some((bytes, i) => bytes > bounds[i])) {
      variant.problems.push(`${name} a worker grew by more than queues of ${kib(queue)} explain`);
    }
  };
  judge('while they did not read', stalled, WORKER_STALLED_BYTES);
  judge('until they had all', growth, WORKER_BYTES);
}

function printLatency(name, { delivery_us: { p50, p99 }, delivered }) {
  console.log(`  others ${name}: publish to delivery p50 ${p50} us, p99 ${p99} us; ${delivered} deliveries`);
}

async function runVariant(name) {
  const problems = [];
  const variant = { ...VARIANTS[name], problems };
  const { topics = ['news'], bytes = KIB, maxQueue = MAX_QUEUE, args = [] } = variant;
  const payloadOf = makePayloads(bytes, seed);
  const streams = variant.makeStreams?.(payloadOf, problems) ??
    topics.map((topic) => new Stream(topic, payloadOf, problems));
  const linePort = await freePort();
  const server = new Server({
    workers: WORKERS,
    args: ['--broker-listen', `127.0.0.1:${linePort}`, '--max-queue', `${maxQueue}`, ...args],
  });
  server.linePort = linePort;
  const startedAt = performance.now();
  try {
    await server.start();
    const count = variant.events ?? events;
    variant.fast = [subscribe(server, 'broker', streams, {
      ...variant,
      next: 0,
      mayHaveGaps: false,
    }, 'fast')];
    await until(() => variant.fast[0].started === streams.length);
    const alone = await loadBesideOthers(server, streams, variant, {
      count: Math.ceil(count / WARMUP),
      seconds: seconds / WARMUP,
      topic: 'alone',
    });
    const result = await stallAndCatchUp(server, streams, variant, count);
    const clients = [...result.slow, ...variant.fast];
    clients.forEach(({ followers }) => followers.forEach((follower) => follower.checkWhole()));
    variant.checkMore?.(streams);
    const followers = result.slow.flatMap((client) => client.followers);
    const sum = (field) => followers.reduce((total, follower) => total + follower[field], 0);
    if (variant.mayHaveGaps && !result.slow.every((client) => client.followers[0].gaps > 0)) {
      problems.push('retention has not overtaken each of them: there were too few events');
    }
    const acknowledged = streams.reduce((total, stream) => total + stream.acknowledged, 0);
    console.log(`${name}: ${variant.what}: ${acknowledged} events acknowledged, ` +
      `${sum('taken')} delivered to who was slow` +
      `${sum('gaps') > 0 ? `, ${sum('gaps')} gaps over ${sum('missed')}` : ''}, ` +
      `${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    checkMemory(variant, result);
    printLatency('without', alone);
    printLatency('beside ', result.beside);
  } catch (error) {
    problems.push(`${error.stack}\n${server.recentLog()}`);
  } finally {
    await server.dispose().catch((error) => problems.push(error.stack));
  }
  problems.slice(0, 10).forEach((problem) => console.log(`  ${problem}`));
  console.log(`${problems.length === 0 ? 'ok     ' : 'FAILED '} ${name}: ${problems.length} problems`);
  return problems.length === 0;
}

console.log(`seed ${seed}, ${events} events in ${seconds} s, ${WORKERS} workers`);
let passed = 0;
let failed = 0;
for (const name of only?.split(',') ?? Object.keys(VARIANTS)) {
  if (await runVariant(name)) {
    passed++;
  } else {
    failed++;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
