// Power cuts: everything that a server does to its files under load is recorded; then, for moments of
// that record, disks are made that a power cut could have left, and a start without a ring has to find
// a whole store with all that was promised to last until then (P8, and `durable` of P3).
//
//   node tests/fault/power_cut.mjs [--short] [--seed N] [--seeds N] [--syncs N] [--cuts N] [--starts N]
//       [--publishes N] [--mutations N] [--keep DIR] [--skip SYNC] [--lossy]
//
// power_cut_record.c records, power_cut_disk.h says what a cut may leave, power_cut_replay.c makes the
// cuts and looks into each store; on some of them a real server is started. A seed decides the load and
// the cuts; how the load's commits fall is decided by the machine. It ends with "N passed, N failed":
// cuts and starts. --keep: where the trace of a seed that found something is copied to; --skip and
// --lossy: disks that lie (power_cut_record.c, power_cut_replay.c), which have to be noticed.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { dataOf } from '../e2e/lib/graphql.mjs';
import { kill } from '../e2e/lib/processes.mjs';
import { binary, makeDirectory, Server } from '../e2e/lib/server.mjs';
import { until } from '../e2e/lib/until.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { CutLedger } from './lib/power_cut.mjs';

const option = (name, otherwise) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? otherwise : process.argv[index + 1];
};
const isShort = process.argv.includes('--short');
const [seed, seeds, syncs, cuts, starts, publishes, mutations] = [
  ['--seed', 1],
  ['--seeds', isShort ? 1 : 3],
  ['--syncs', isShort ? 30 : 200], // of a record, besides the first; 0: all
  ['--cuts', isShort ? 2 : 3], // between two syncs, beside the one that loses all
  ['--starts', isShort ? 3 : 8], // of real servers, for a seed
  ['--publishes', isShort ? 300 : 1200], // in each of the two runs of a record
  ['--mutations', isShort ? 40 : 160], // likewise
].map(([name, otherwise]) => Number(option(name, otherwise)));
const skip = option('--skip', ''); // a lie of the disk: POWER_CUT_SKIP
const isLossy = process.argv.includes('--lossy');
const keep = option('--keep', null);

const build = process.env.SLUICE_BUILD ?? path.resolve(binary, '../..');
const asanOptions = process.env.ASAN_OPTIONS ?? '';
const TOPICS = ['alpha', 'beta', 'gamma', 'delta'];
const ROW_TOPICS = {
  messages: 'create',
  'message_updates:all': 'update',
  'message_deletes:all': 'delete',
};
const RETAINED = 200;
const PUBLISHERS = 4;
const WINDOW = 3; // publishes of one connection that wait for their answer
const CHOICES = ['nothing', 'all', 'some', 'torn', 'holes'];

const now = () => Number(process.hrtime.bigint()); // CLOCK_MONOTONIC, as in the trace

/** One run's clients: they publish and mutate until enough of it is answered, and all is delivered. */
class Load {
  static #number = 0;
  #left = publishes;
  #payloads = [];
  #marks = [];

  constructor(server, ledger, random) {
    Object.assign(this, { server, ledger, random });
  }

  async subscribe() {
    const client = await this.server.broker();
    client.ws.on('message', (data) => {
      const time = now();
      const message = JSON.parse(data);
      if (message.type === 'message') {
        const { topic, seq } = message;
        this.ledger.deliver(topic, seq, message.data, ROW_TOPICS[topic] ?? null, time);
      }
    });
    for (const topic of [...TOPICS, ...Object.keys(ROW_TOPICS)]) {
      client.send({ action: 'subscribe', topic });
    }
    await client.ping();
  }

  #pause() {
    return new Promise((resolve) => setTimeout(resolve, this.random() ** 3 * 60));
  }

  async #publishOne(client) {
    const topic = TOPICS[Math.floor(this.random() * TOPICS.length)];
    const durable = this.random() < 0.3;
    const payload = `${++Load.#number}:${'x'.repeat(Math.floor(this.random() ** 6 * 20_000))}`;
    this.ledger.send(payload, topic);
    const answer = new Promise((resolve) => client.waiting.set(payload, resolve));
    client.send({ action: 'publish', topic, message: payload, durable, id: payload.slice(0, 30) });
    client.byId.set(payload.slice(0, 30), { payload, durable });
    await answer;
    this.#payloads.push(payload);
  }

  async #publisher() {
    const client = await this.server.broker();
    client.waiting = new Map();
    client.byId = new Map();
    client.ws.on('message', (data) => {
      const time = now();
      const answer = JSON.parse(data);
      const { payload, durable } = client.byId.get(answer.id);
      if (answer.status === 'published') {
        this.ledger.acknowledge(payload, answer.seq, durable, time);
      } else {
        this.ledger.problem(`instead of an acknowledgement: ${data}`);
      }
      client.waiting.get(payload)();
    });
    const one = async () => {
      while (this.#left-- > 0) {
        await this.#publishOne(client);
        await this.#pause();
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, one));
  }

  async #mutator() {
    for (let i = 0; i < mutations; i++) {
      const id = Math.floor(this.random() * mutations) + 1;
      const draw = this.random();
      if (draw < 0.6) {
        const mark = `m${++Load.#number}`;
        await dataOf(this.server, `mutation { createMessage(authorId: 1, content: "${mark}") { id } }`);
        this.ledger.answer(mark, now());
        this.#marks.push(mark);
      } else if (draw < 0.8) {
        await dataOf(this.server, `mutation { updateMessage(id: ${id}, title: "t${i}") { id } }`);
      } else {
        await dataOf(this.server, `mutation { deleteMessage(id: ${id}) { id } }`);
      }
      await this.#pause();
    }
  }

  async #killWriter() {
    await until(() => this.#left < publishes / 2, { timeout: 120_000 });
    kill(this.server.writer());
  }

  async run() {
    await this.subscribe();
    await Promise.all([
      ...Array.from({ length: PUBLISHERS }, () => this.#publisher()),
      this.#mutator(),
      this.#killWriter(),
    ]);
    const isDone = () => this.#payloads.every((payload) => this.ledger.hasDelivered(payload)) &&
      this.#marks.every((mark) => this.ledger.hasMark(mark));
    await until(isDone, { what: 'the delivery of all that was answered' });
  }
}

/** Two runs, a drain between them and a death at the end; all of it in one trace. */
async function record(directory, ledger, random) {
  const root = path.join(directory, 'root');
  const trace = path.join(directory, 'trace');
  fs.mkdirSync(root);
  fs.writeFileSync(trace, '');
  const server = new Server({
    data: path.join(root, 'data'),
    args: ['--retention-events', String(RETAINED)],
    env: {
      LD_PRELOAD: path.join(build, 'tests/fault/power_cut_record.so'),
      ASAN_OPTIONS: `${asanOptions}:verify_asan_link_order=0`, // the library comes before ASan's
      ...{ POWER_CUT_ROOT: root, POWER_CUT_TRACE: trace, POWER_CUT_SKIP: skip },
    },
  });
  try {
    await server.start();
    ledger.epochs.add((await server.health()).log.epoch);
    await new Load(server, ledger, random).run();
    server.terminateClients();
    const status = await server.stop();
    if (status !== 0) {
      ledger.problem(`the drain ended with ${status}`);
    }
    await server.restart();
    ledger.epochs.add((await server.health()).log.epoch);
    if (ledger.epochs.size !== 1) {
      ledger.problem('a new epoch after a drain');
    }
    await new Load(server, ledger, random).run();
    await server.kill();
  } finally {
    await server.dispose();
  }
  ledger.settle();
  return trace;
}

async function replay(args, onLine) {
  const program = path.join(build, 'tests/fault/power_cut_replay');
  // It forks for each cut, which costs what it has in memory: nothing freed is to be kept for long.
  const env = { ...process.env, ASAN_OPTIONS: `${asanOptions}:quarantine_size_mb=4` };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  for await (const line of createInterface({ input: child.stdout })) {
    onLine(JSON.parse(line));
  }
  const status = await ended;
  process.off('exit', end);
  if (status !== 0) {
    throw new Error(`power_cut_replay ended with ${status}`);
  }
}

/** Every event of a topic that a started server has. */
async function checkHistory(server, ledger, last) {
  for (const topic of [...TOPICS, ...Object.keys(ROW_TOPICS)]) {
    const { events } = await server.history(encodeURIComponent(topic), '?since=0&limit=1000');
    for (const { seq, data } of events) {
      ledger.checkRecord({ record: seq, topics: [topic], payload: JSON.stringify(data) });
      if (seq > last) {
        ledger.problem(`seq ${seq} on ${topic} after a start that found ${last}`);
      }
    }
  }
}

/** Tokens of the epoch before: what they name that is gone must not be what is new. */
async function checkTokens(server, ledger, cut, epoch) {
  const { last } = cut;
  const beyond = Math.max(last + 1, ledger.furthest(cut.time_ns));
  const isSameEpoch = epoch === cut.epoch;
  const client = await server.broker();
  const token = (seq) => ({ since: seq, epoch: cut.epoch });
  const kept = await client.subscribe('alpha', token(last));
  if (!kept.recovered) {
    ledger.problem(`cut at ${cut.cut}: the last token is not recovered: ${JSON.stringify(kept)}`);
  }
  for (let seq = last; seq < beyond; ) {
    ({ seq } = await client.publish('alpha', 'new'));
  }
  for (const seq of isSameEpoch ? [] : [last + 1, beyond]) {
    const other = await server.broker();
    const answer = await other.subscribe('alpha', token(seq));
    const gap = await other.next({ type: 'gap' });
    const newest = await other.upTo({ type: 'message', topic: 'alpha', seq: beyond });
    const isFirst = newest[0].seq === gap.oldest && answer.seq === gap.oldest - 1;
    if (answer.recovered !== false || !isFirst || newest.at(-1).data !== 'new') {
      ledger.problem(`cut at ${cut.cut}: token ${seq}: ${JSON.stringify([answer, gap, newest[0]])}`);
    }
  }
}

/** A real start on what a cut has left; true if it is as promised. */
async function start(directory, trace, ledger, cut) {
  const into = path.join(directory, 'start');
  const before = ledger.problems.length;
  fs.rmSync(into, { recursive: true, force: true });
  await replay(['--trace', trace, '--at', String(cut.cut), '--choice', String(cut.choice),
    '--cut-seed', String(cut.cut_seed), '--into', into], () => {});
  // Without retention, which would take what a token names while it is judged.
  const server = new Server({ data: path.join(into, 'data') });
  try {
    await server.start();
    const { log } = await server.health();
    const last = Math.max(1, cut.last); // 1: the schema
    if (log.last_seq !== last) {
      ledger.problem(`cut at ${cut.cut}: the start goes on from ${log.last_seq}, not from ${last}`);
    }
    if ((log.epoch === cut.epoch) !== cut.was_clean) {
      ledger.problem(`cut at ${cut.cut}: epoch ${log.epoch} after ${cut.epoch}`);
    }
    await checkHistory(server, ledger, last);
    const { messages } = await dataOf(server, '{ messages(limit: 1000) { id } }');
    if (messages.length !== cut.rows) {
      ledger.problem(`cut at ${cut.cut}: ${messages.length} messages, not ${cut.rows}`);
    }
    if (cut.last > 0) {
      await checkTokens(server, ledger, cut, log.epoch);
    }
  } catch (error) {
    ledger.problem(`cut at ${cut.cut}: a start on it failed: ${error.stack}`);
  } finally {
    await server.dispose().catch((error) => ledger.problem(error.stack));
  }
  return ledger.problems.length === before;
}

/** Draws from what is left, so that none comes twice. */
function draw(list, count, random) {
  const left = [...list];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(random() * left.length), 1)[0]);
}

// Whatever ends the test, a signal too.
const directories = [];
const removeDirectories = () =>
  directories.splice(0).forEach((name) => fs.rmSync(name, { recursive: true, force: true }));
process.once('exit', removeDirectories);

const counted = { passed: 0, failed: 0 };
const count = (isGood) => counted[isGood ? 'passed' : 'failed']++;

async function oneSeed(number) {
  const random = randomFrom(number);
  const directory = makeDirectory();
  const fast = makeDirectory(fs.existsSync('/dev/shm') ? '/dev/shm' : undefined);
  directories.push(directory, fast);
  const ledger = new CutLedger(RETAINED);
  const good = [];
  const byChoice = CHOICES.map(() => 0);
  try {
    const trace = await record(directory, ledger, random);
    const told = ledger.counts;
    console.log(`seed ${number}: ${told.acknowledged} publishes acknowledged, ${told.durable} ` +
      `promises, ${told.mutations} rows made; a trace of ${fs.statSync(trace).size >> 10} KiB`);
    const args = ['--trace', trace, '--scratch', path.join(fast, 'scratch'),
      '--seed', String(number), '--syncs', String(syncs), '--cuts', String(cuts)];
    await replay(isLossy ? [...args, '--lossy'] : args, (line) => {
      if (line.cut === undefined) {
        ledger.checkRecord(line);
        return;
      }
      const isGood = ledger.checkCut(line);
      count(isGood);
      byChoice[line.choice]++;
      if (isGood) {
        good.push(line);
      }
    });
    const said = byChoice.map((cutCount, choice) => `${cutCount} ${CHOICES[choice]}`).join(', ');
    console.log(`seed ${number}: ${good.length} cuts survived (kept of what was not synced: ${said})`);
    for (const cut of draw(good, starts, random)) {
      count(await start(directory, trace, ledger, cut));
    }
    if (keep && ledger.problems.length > 0) {
      fs.mkdirSync(keep, { recursive: true });
      fs.copyFileSync(trace, path.join(keep, `trace-${number}`));
    }
  } catch (error) {
    ledger.problem(error.stack);
  } finally {
    removeDirectories();
  }
  ledger.problems.slice(0, 20).forEach((problem) => console.log(problem));
  return ledger.problems.length;
}

let problemCount = 0;
for (let number = seed; number < seed + seeds; number++) {
  problemCount += await oneSeed(number);
}
if (problemCount > 0 && counted.failed === 0) {
  counted.failed = 1;
}
console.log(`${counted.passed} passed, ${counted.failed} failed`);
process.exit(counted.failed === 0 && counted.passed > 0 ? 0 : 1);
