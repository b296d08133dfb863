// Clients that come back: each event once, whatever died meanwhile and wherever they had got to.
//
//   node tests/fault/resume.mjs [--short] [--only NAME] [--reconnections N] [--herd N] [--seed N]
//
// visits  readers of every protocol come, take some events, are cut off in the middle, and resume, N
//         (10,000) times in all, while workers, the writer and everything are killed (-9) and the
//         server is drained and started again; publishers go on all the time
// herd    N (1,000) clients resume 1,000 events at once, and live delivery goes on between the parts of
//         what they get (its latency is sluice-bench's and only printed)
// tokens  unknown epochs, positions past the end and trimmed ones, in every protocol
//
// Each acknowledged operation and each delivered one is held against the log. It ends with
// "N passed, N failed", a part each.
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { CREATE_MESSAGE, dataOf } from '../e2e/lib/graphql.mjs';
import { freePort, Server } from '../e2e/lib/server.mjs';
import { until, within } from '../e2e/lib/until.mjs';
import { deathsOf } from './lib/deaths.mjs';
import { Ledger, randomFrom } from './lib/ledger.mjs';
import { startBench, troubleIn } from './lib/programs.mjs';
import { Publishers } from './lib/publishers.mjs';
import { openReader, READER_KINDS } from './lib/readers.mjs';
import { Follower, makePayloads, Stream } from './lib/streams.mjs';
import { isHarmless, Visitor } from './lib/visitors.mjs';
import { runParts } from './lib/tally.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const only = textOption('--only');
const reconnections = option('--reconnections', isShort ? 400 : 10_000);
const herdSize = option('--herd', isShort ? 150 : 1000);
const seed = option('--seed', 1);
const random = randomFrom(seed);
const below = (count) => Math.floor(random() * count);

const WORKERS = 2;
const IDLE_MS = 60_000; // without any progress: given up
const RETRY_MS = 20;

async function startServer(options = {}) {
  const linePort = await freePort();
  const args = ['--broker-listen', `127.0.0.1:${linePort}`, ...(options.args ?? [])];
  const server = new Server({ workers: WORKERS, ...options, args });
  server.linePort = linePort;
  await server.start();
  return server;
}

// --- visits

const ROW_TOPIC = 'messages';
const PLAIN_TOPICS = ['room', 'alpha', 'beta'];
const TOPICS = [...PLAIN_TOPICS, ROW_TOPIC];
const READERS = isShort ? 12 : 36;
const FAULTS = isShort ? 4 : 60;

let counter = 0;
const newMessage = () => `${++counter}:${'x'.repeat(below(400))}`;

/** A row topic's events are the rows. */
const idOf = (topic, data) => (topic === ROW_TOPIC ? data.content : data);

async function publishRows(server, ledger, state) {
  while (!state.isOver) {
    const content = newMessage();
    ledger.send(content, ROW_TOPIC);
    try {
      const { createMessage } = await dataOf(server, CREATE_MESSAGE, { content });
      ledger.acknowledge(createMessage.content, ROW_TOPIC, null);
    } catch {
      await pause(RETRY_MS); // its worker has died, or the server drains: the log decides
    }
  }
}

/** How much is taken of the next visit: nothing, some of the replay, or up to what is live. */
function planVisit(last) {
  const dice = random();
  const count = below(dice < 0.6 ? 20 : 300);
  const lifeMs = below(30);
  if (dice < 0.1) {
    return { lifeMs };
  }
  return { count, goal: dice > 0.85 ? new Map(last) : undefined };
}

/** Every protocol in its turn; each third of those that can have several topics on a connection has all. */
function makeVisitor(i, server, ledger) {
  const kind = READER_KINDS[i % READER_KINDS.length];
  const turn = Math.floor(i / READER_KINDS.length);
  const canHaveAll = kind === 'broker' || kind === 'line';
  const one = kind === 'room' ? 'room' : TOPICS[turn % TOPICS.length];
  const onEvent = ({ topic, seq, data }) => ledger.deliver(idOf(topic, data), topic, seq);
  const topics = canHaveAll && turn % 3 === 1 ? TOPICS : [one];
  return new Visitor(server, kind, topics, { onEvent, problems: ledger.problems });
}

const FAULT_KINDS = {
  ...deathsOf(below),
  async drain(server) {
    const status = await server.stop();
    if (status !== 0) {
      throw new Error(`a drain ended with ${status}; ${server.recentLog()}`);
    }
    await server.restart();
  },
};

/** History has a row topic's events once they are committed. */
async function isAllCommitted(server) {
  const isSo = async () => {
    const { log } = await server.health();
    return log.committed_seq === log.last_seq;
  };
  await until(isSo, { what: 'the commit of everything' });
}

/** Whenever so many have come back, something dies: each kind in its turn. */
async function injectFaults(server, state) {
  const names = Object.keys(FAULT_KINDS);
  for (let fault = 0; fault < FAULTS; fault++) {
    const due = ((fault + 0.5 + random() / 2) / FAULTS) * reconnections;
    while (state.visits < due) {
      if (state.isOver) {
        return;
      }
      await pause(5);
    }
    const name = names[fault % names.length];
    await FAULT_KINDS[name](server);
    state.faults[name] = (state.faults[name] ?? 0) + 1;
  }
}

async function visitAndResume(problems) {
  const ledger = new Ledger();
  ledger.problems = problems;
  const server = await startServer({
    ring: '8M',
    args: ['--retention-bytes', 'off', '--drain-timeout', '500ms'],
  });
  const state = { isOver: false, visits: 0, faults: {}, last: new Map() };
  try {
    const publishers = new Publishers(server, ledger, {
      newMessage,
      onAcknowledged: (topic, seq) =>
        state.last.set(topic, Math.max(state.last.get(topic) ?? 0, seq)),
    });
    const publishing = [
      ...PLAIN_TOPICS.map((topic) => publishers.run('line', () => topic)),
      publishRows(server, ledger, state),
    ];
    const visitors = Array.from({ length: READERS }, (_, i) => makeVisitor(i, server, ledger));
    const visiting = visitors.map((visitor) =>
      visitor.run(state, () => planVisit(state.last)),
    );
    const faults = injectFaults(server, state).catch((error) => problems.push(error.stack));
    let before = -1;
    let deadline = 0;
    while (state.visits < reconnections && problems.length === 0) {
      if (state.visits !== before) {
        before = state.visits;
        deadline = performance.now() + IDLE_MS;
      } else if (performance.now() > deadline) {
        problems.push(`nobody has come back for ${IDLE_MS} ms; ${server.recentLog()}`);
      }
      await pause(50);
    }
    state.isOver = true;
    publishers.isOver = true;
    await faults;
    await Promise.all(publishing);
    server.terminateClients();
    await Promise.all(visiting);

    const history = async (topic, query) => {
      const page = await server.history(topic, query);
      const events = page.events.map((event) => ({ ...event, data: idOf(topic, event.data) }));
      return { ...page, events };
    };
    await isAllCommitted(server);
    await ledger.readLog(TOPICS, history);
    const logged = new Map(TOPICS.map((topic) => [topic, []]));
    for (const [seq, id] of ledger.logged) {
      logged.get(ledger.sent.get(id)).push(seq);
    }
    const last = new Map(TOPICS.map((topic) => [topic, logged.get(topic).at(-1)]));
    await Promise.all(visitors.map((visitor) => visitor.finish(last)));
    ledger.check();
    visitors.forEach((visitor) => visitor.check(logged));
    const given = visitors.reduce((sum, visitor) => sum + visitor.given, 0);
    const deaths = Object.entries(state.faults).map(([name, count]) => `${name} ${count}`);
    console.log(`visits: ${state.visits} reconnections of ${READERS} readers, ${given} events delivered, ` +
      `${ledger.acknowledged.size} acknowledged, ${ledger.logged.size} in the log; ` +
      `faults: ${deaths.join(', ')}`);
    if (given === 0 || Object.keys(state.faults).length < Object.keys(FAULT_KINDS).length) {
      problems.push('too little has happened');
    }
  } finally {
    state.isOver = true;
    await server.dispose();
  }
}

// --- the herd

const HERD_EVENTS = 1000;
const SHARES = 4; // live delivery has to go on between so many parts of the replay
const BENCH_RATE = 100;

/** Live delivery in a thread: taken() is how many events it has had, end() the thread's last word. */
function startLive(server) {
  const counts = new Int32Array(new SharedArrayBuffer(8));
  const { port, linePort } = server;
  const workerData = { port, linePort, topic: 'present', seed, counts };
  const thread = new Worker(new URL('./lib/live_thread.mjs', import.meta.url), { workerData });
  const result = new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
  result.catch(() => {}); // whoever awaits the end gets it
  return {
    taken: () => Atomics.load(counts, 0),
    end() {
      Atomics.store(counts, 1, 1);
      return within(result, 'the last live event', IDLE_MS);
    },
  };
}

async function resumeTogether(problems) {
  // Those who are connected wait for the others before they ask for anything.
  const server = await startServer({ files: 4096, args: ['--handshake-timeout', '60s'] });
  const payloadOf = makePayloads(200, seed);
  const past = new Stream('room', payloadOf, problems); // every protocol can have that one
  let isOver = false;
  try {
    const publisher = await server.broker();
    const { seq: from, epoch } = await publisher.ping();
    for (let i = 0; i < HERD_EVENTS; i++) {
      const id = i;
      publisher.send({ action: 'publish', topic: 'room', message: payloadOf(past.sent++), id });
      past.acknowledge((await publisher.next({ id })).seq);
    }
    const bench = (topic) =>
      startBench(server, {
        connections: 20,
        topics: 2,
        publishers: 2,
        rate: BENCH_RATE,
        size: 512,
        timeout: '60s',
        topic,
        messages: (isShort ? 1 : 5) * BENCH_RATE,
      });
    const alone = await bench('alone').done;
    const live = startLive(server);
    await until(() => live.taken() > 0, { what: 'live delivery' });

    const all = herdSize * HERD_EVENTS;
    const rounds = []; // live events until each share of the replay was there
    let replayed = 0;
    const subscribing = []; // what each has to do yet when all are connected
    const readers = [];
    // Nobody takes more of the replay until it has: a process that was held up may do its part meanwhile.
    const letLiveGoOn = async () => {
      readers.forEach((reader) => reader.pause());
      const before = live.taken();
      await until(() => live.taken() > before, { interval: 1, what: 'a live event during the replay' });
      rounds.push(live.taken());
      readers.forEach((reader) => reader.resume());
    };
    const followers = Array.from({ length: herdSize }, (_, i) => {
      const kind = READER_KINDS[i % READER_KINDS.length];
      const follower = new Follower(past, `${kind} ${i}`, { next: 0 });
      const reader = openReader(kind, server, ['room'], {
        token: { epoch, seq: from },
        whenReady: (subscribe) => subscribing.push(subscribe),
        onItem(item) {
          if (item.type === 'event') {
            follower.event(item.seq, item.data);
            if (++replayed % Math.ceil(all / SHARES) === 0 || replayed === all) {
              letLiveGoOn().catch((error) => problems.push(error.stack));
            }
          } else if (item.type !== 'start' || item.recovered === false || item.seq !== from) {
            problems.push(`herd: ${JSON.stringify(item)}`);
          }
        },
      });
      readers.push(reader);
      reader.closed.then(() => isOver || problems.push(`herd: the end of ${kind} ${i}`));
      return follower;
    });
    await until(() => subscribing.length === herdSize, { what: 'the herd' });
    const start = live.taken();
    const besideBench = bench('beside');
    subscribing.forEach((subscribe) => subscribe());
    await until(() => rounds.length === SHARES || problems.length > 0, {
      timeout: 5 * IDLE_MS,
      what: () => `${all} events; there are ${replayed}`,
    });
    const beside = await besideBench.done;
    const present = await live.end();
    problems.push(...present.problems);
    followers.forEach((follower) => follower.checkWhole());
    const counts = rounds.map((taken, i) => taken - (rounds[i - 1] ?? start));
    problems.push(...troubleIn(alone), ...troubleIn(beside));
    const latency = ({ delivery_us: { p50, p99 } }) => `p50 ${p50} us, p99 ${p99} us`;
    console.log(`herd: ${herdSize} clients, ${replayed} events replayed; ` +
      `${counts.join(' + ')} live ones meanwhile, ${present.acknowledged} in all; ` +
      `others alone: ${latency(alone)}; beside: ${latency(beside)}`);
  } finally {
    isOver = true;
    await server.dispose();
  }
}

// --- tokens

const FOREIGN = '00000000000000aa'; // the epoch of another log, but for one case in 2^64
const TRIMMED_EVENTS = 3000;

/** A server that has trimmed some of the topic; started anew, so that it trims no more meanwhile. */
async function startTrimmed(topic) {
  const server = await startServer({ args: ['--retention-bytes', '1M'] });
  const publisher = await server.broker();
  for (let i = 0; i < TRIMMED_EVENTS; i++) {
    publisher.send({ action: 'publish', topic, message: `${i}:${'x'.repeat(1000)}`, id: i });
    if (i % 64 === 63) {
      await publisher.next({ id: i, status: 'published' });
      publisher.queue.length = 0;
    }
  }
  await until(async () => (await server.history(topic)).oldest > 100, { what: 'retention' });
  server.terminateClients();
  await server.stop();
  await server.restart({ args: [...server.options.args, '--retention-bytes', 'off'] });
  return server;
}

async function allEvents(server, topic) {
  const seqs = [];
  for (let more = true; more; ) {
    const page = await server.history(topic, `?since=${seqs.at(-1) ?? 0}&limit=1000`);
    seqs.push(...page.events.map(({ seq }) => seq));
    more = page.more;
  }
  return seqs;
}

/** Tokens, and from which seq on a subscription of `room` is served; null: not recovered. */
function tokenCases(epoch, seqs, end) {
  const [oldest, last] = [seqs[0], seqs.at(-1)];
  const middle = seqs[Math.floor(seqs.length / 2)];
  const good = (name, seq, of = epoch) => ({ name, token: { epoch: of, seq }, isGood: true });
  const bad = (name, seq, of = epoch) => ({ name, token: { epoch: of, seq }, isGood: false });
  return [
    good('the place before the oldest', oldest - 1),
    good('the oldest', oldest),
    good('the middle', middle),
    good('the last', last),
    good('the end of the log', end),
    good('the middle, without an epoch', middle, undefined),
    bad('an unknown epoch', middle, FOREIGN),
    bad('an unknown epoch, past the end', end + 1000, FOREIGN),
    bad('one past the end', end + 1),
    bad('far past the end', end + 1_000_000_000),
    bad('one past the end, without an epoch', end + 1, undefined),
    bad('one trimmed', oldest - 2),
    bad('the very beginning', 0),
    bad('trimmed, without an epoch', 1, undefined),
  ];
}

/** One token in one protocol: what comes is collected, and judged when the marker has come. */
function tryToken(server, kind, topic, { name, token, isGood }) {
  const items = [];
  openReader(kind, server, [topic], { token, onItem: (item) => items.push(item) });
  return { kind, topic, name, token, isGood, items };
}

const isWithoutStart = (kind) => kind === 'graphql'; // its subscriptions are not answered

function judgeToken({ kind, name, token, isGood, items, topic }, { epoch, seqs, marker, problems }) {
  const oldest = seqs[0];
  const starts = items.filter(({ type }) => type === 'start');
  const gaps = items.filter(({ type }) => type === 'gap');
  const events = items.filter(({ type }) => type === 'event').map(({ seq }) => seq);
  const others = items.filter(({ type, message }) => type === 'other' && !isHarmless(message));
  const place = `${kind}, ${topic}, ${name}`;
  const expect = (isTrue, text) => isTrue || problems.push(`${place}: ${text}`);
  const seq = isGood ? token.seq : oldest - 1;
  const endsAtGap = !isGood && kind === 'graphql';
  const wanted = endsAtGap ? [] : [...seqs, marker].filter((one) => one > seq);

  expect(others.length === 0, `came ${JSON.stringify(others[0])}`);
  expect(starts.length === 1 && starts[0].epoch === epoch, `started ${starts.length} times`);
  expect(isWithoutStart(kind) || starts[0]?.seq === seq, `starts at ${starts[0]?.seq}, not ${seq}`);
  if (['room', 'broker', 'line'].includes(kind)) {
    expect(starts[0]?.recovered === isGood, `recovered is ${starts[0]?.recovered}`);
  }
  expect(gaps.length === (isGood ? 0 : 1), `${gaps.length} gaps`);
  expect(isGood || gaps[0]?.oldest === oldest, `the gap is up to ${gaps[0]?.oldest}, not ${oldest}`);
  expect(isGood || !kind.startsWith('graphql') || gaps[0]?.epoch === epoch, 'the epoch of the gap');
  expect(isGood || items.indexOf(gaps[0]) === 1, 'the gap comes first');
  const at = wanted.findIndex((one, i) => one !== events[i]);
  expect(at < 0 && wanted.length === events.length, `number ${at} of ${wanted.length} is ${events[at]}`);
}

async function judgeHistory(server, cases, { epoch, seqs, problems }) {
  for (const { name, token, isGood } of cases) {
    const of = token.epoch ? `&epoch=${token.epoch}` : '';
    const page = await server.history('room', `?since=${token.seq}${of}&limit=10`);
    const first = seqs.find((seq) => !isGood || seq > token.seq);
    if (page.recovered !== isGood || page.events[0]?.seq !== first || page.epoch !== epoch ||
      page.oldest !== seqs[0] || page.last_seq !== seqs.at(-1)) {
      problems.push(`history, ${name}: ${JSON.stringify({ ...page, events: page.events[0]?.seq })}`);
    }
  }
}

async function judgeTokens(problems) {
  const server = await startTrimmed('room');
  try {
    const publisher = await server.broker();
    const { seq: quiet } = await publisher.publish('quiet', 'never trimmed');
    const seqs = await allEvents(server, 'room');
    const { seq: end, epoch } = await publisher.ping();
    const cases = tokenCases(epoch, seqs, end);
    await judgeHistory(server, cases, { epoch, seqs, problems });

    // An event stream's or GraphQL's token always has an epoch.
    const hasEpoch = (kind) => /events|graphql/.test(kind);
    const tries = READER_KINDS.flatMap((kind) =>
      cases
        .filter(({ token }) => token.epoch !== undefined || !hasEpoch(kind))
        .map((one) => tryToken(server, kind, 'room', one)),
    );
    // Nothing of a quiet topic was trimmed, though much of the log was.
    const quietCase = { name: 'before its first', token: { epoch, seq: 1 }, isGood: true };
    const quietTries = READER_KINDS.filter((kind) => kind !== 'room').map((kind) =>
      tryToken(server, kind, 'quiet', quietCase),
    );
    const all = [...tries, ...quietTries];
    // What is past the end must have been judged before the log is longer.
    const endsAtGap = ({ kind, isGood }) => kind === 'graphql' && !isGood;
    const isAnswered = (one) => one.items.length > (endsAtGap(one) ? 1 : 0);
    await until(() => all.every(isAnswered), { what: 'all subscriptions' });
    const { seq: marker } = await publisher.publish('room', 'marker');
    const { seq: quietMarker } = await publisher.publish('quiet', 'marker');
    const markers = { room: marker, quiet: quietMarker };
    const hasMarker = ({ topic, items }) => items.some(({ seq }) => seq === markers[topic]);
    const isDone = (one) => endsAtGap(one) || hasMarker(one);
    const missing = () => all.filter((one) => !isDone(one)).map(({ kind, name }) => `${kind}, ${name}`);
    await until(() => all.every(isDone), { what: () => `the marker: ${missing().join('; ')}` });
    tries.forEach((one) => judgeToken(one, { epoch, seqs, marker, problems }));
    quietTries.forEach((one) => judgeToken(one, { epoch, seqs: [quiet], marker: quietMarker, problems }));
    console.log(`tokens: ${all.length} subscriptions and ${cases.length} pages of history; ` +
      `kept: ${seqs[0]} to ${seqs.at(-1)}`);
  } finally {
    await server.dispose();
  }
}

// --- all of it

const PARTS = { visits: visitAndResume, herd: resumeTogether, tokens: judgeTokens };

console.log(`seed ${seed}`);
await runParts(PARTS, only?.split(','));
