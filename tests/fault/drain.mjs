// Drains in all their parts, each under load: clients of every protocol that stay, leave by themselves,
// fall asleep for good or for a while, come late; publishing that goes on; processes that die meanwhile.
//
//   node tests/fault/drain.mjs [--short] [--only NAME] [--rounds N] [--clients N] [--starts N] [--seed N]
//
// crowd   N (40) drains of N (240) clients: each ends with 0, has told everybody before it closed them,
//         has counted who went and who was cut off as they were seen from here, has emptied and removed
//         the ring; and after the next start, of the same epoch, each client goes on where it stood
// starts  SIGTERM at N (150) moments of a start: nothing is left behind, and the next start is as good
// disk    a drain beside a disk that is full: it ends (needs root)
//
// Each acknowledged operation and each delivered one is held against the log. It ends with
// "N passed, N failed", a part each.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import { MOUNT_NAMESPACE } from '../e2e/lib/mounts.mjs';
import { isAlive, kill } from '../e2e/lib/processes.mjs';
import { freePort, makeDirectory, Server } from '../e2e/lib/server.mjs';
import { until } from '../e2e/lib/until.mjs';
import { Chain } from './lib/chains.mjs';
import { Ledger, randomFrom } from './lib/ledger.mjs';
import { Publishers, roomIdOf } from './lib/publishers.mjs';
import { openReader, READER_KINDS } from './lib/readers.mjs';
import { runParts } from './lib/tally.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const only = textOption('--only');
const seed = option('--seed', 1);
const clientCount = option('--clients', isShort ? 24 : 240);
const startCount = option('--starts', isShort ? 3 : 150);
const random = randomFrom(seed);
const below = (count) => Math.floor(random() * count);

const TOPIC = 'room'; // every protocol can have that one
const GOING_AWAY = 1001;
const PATIENCE_MS = 60_000;
const LINES_MIN = 50; // of its log, that wait for us in any case

// --- the crowd

/**
 * What ends the drain. habits: of the clients, by lot; isHurried: a second signal; isTwice: both at once;
 * late: clients that come while newcomers are still served.
 */
const MODES = {
  leave: { args: ['--drain-timeout', '1h'], habits: ['leaves', 'leaves', 'dozes'] },
  deadline: { args: ['--drain-timeout', '800ms'], habits: ['stays', 'stays', 'leaves', 'dozes', 'sleeps'] },
  hurried: { args: ['--drain-timeout', '1h'], habits: ['stays', 'leaves', 'dozes'], isHurried: true },
  twice: { args: ['--drain-timeout', '1h'], habits: ['stays'], isHurried: true, isTwice: true },
  spread: { args: ['--drain-spread', '3s'], habits: ['stays', 'stays', 'stays', 'leaves'], isSpread: true },
  accept: {
    args: ['--drain-accept', '1s', '--drain-spread', '2s'],
    acceptMs: 1000,
    habits: ['stays', 'stays', 'leaves'],
    late: 12,
  },
  acceptHurried: {
    args: ['--drain-accept', '1h', '--drain-timeout', '2h'],
    habits: ['stays', 'leaves', 'sleeps'],
    late: 12,
    isHurried: true,
  },
};
const PUBLISHER_KINDS = ['broker', 'line', 'post'];
const SENDERS = 2; // of these, the ones that are clients

/** A client of the drain. Its habit says how it takes the news. */
class Guest {
  warnings = []; // remaining_seconds
  isStarted = false;
  hasLeft = false; // by itself
  isClosed = false;

  constructor(round, kind, name, habit) {
    Object.assign(this, { round, kind, name, habit });
    this.chain = new Chain((text) => this.problem(text));
    this.#open();
  }

  problem(text) {
    this.round.problems.push(`${this.name}, ${this.habit}: ${text}`);
  }

  #take(item) {
    if (item.type === 'start') {
      this.chain.start(item);
      this.isStarted = true;
    } else if (item.type === 'event') {
      this.chain.event(item.seq);
      this.round.ledger.deliver(roomIdOf(item), TOPIC, item.seq);
    } else if (item.message?.type === 'shutdown') {
      this.warnings.push(item.message.remaining_seconds);
    } else if (item.message?.type === 'ping') {
      this.warnings.push(...(item.message.payload ? [item.message.payload.remaining_seconds] : []));
    } else {
      this.problem(`was told ${JSON.stringify(item)}`);
    }
  }

  #open() {
    const { token } = this.chain;
    this.reader = openReader(this.kind, this.round.server, [TOPIC], {
      token,
      onItem: (item) => this.#take(item),
    });
    this.reader.closed.then(() => (this.isClosed = true));
  }

  /** Somewhere in the drain. */
  behave() {
    if (this.habit === 'leaves') {
      setTimeout(() => {
        this.hasLeft = !this.isClosed;
        this.reader.terminate();
      }, below(400));
    } else if (this.habit === 'dozes') {
      setTimeout(() => {
        this.reader.resume();
        if (this.round.mode.habits[0] === 'leaves') {
          this.habit = 'leaves';
          this.behave();
        }
      }, 200 + below(600));
    }
  }

  /** Its protocol's goodbye has come; an event stream of GraphQL has none that could be told from its end. */
  get hasGoodbye() {
    if (this.kind === 'graphql_events') {
      return this.isClosed;
    }
    const hasWord = ['line', 'events'].includes(this.kind);
    return hasWord ? this.warnings.at(-1) === 0 : this.reader.closeCode === GOING_AWAY;
  }

  /** Of one who never began: let in, and slow to subscribe. Of those who are refused only lines are told. */
  get wasDismissed() {
    return this.warnings.length > (this.kind === 'line' ? 1 : 0);
  }

  /** Goes on with the next server, up to that seq. */
  async finish(seq) {
    this.warnings = [];
    while (!this.chain.hasReached(seq) && this.round.problems.length === 0) {
      this.isClosed = false;
      this.#open();
      await until(() => this.chain.hasReached(seq) || this.isClosed, {
        timeout: PATIENCE_MS,
        what: () => `${this.name} at seq ${seq}; it is at ${this.chain.token?.seq}`,
      });
      this.reader.terminate();
    }
  }
}

/** A POST whose body is half sent; finish() sends the rest, and the answer has to be that it is published. */
async function beginPost(round) {
  const { server, ledger } = round;
  const body = round.newMessage();
  const client = await server.raw();
  const head = `POST /topics/${TOPIC} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n`;
  client.write(`${head}Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
  await client.response();
  return async () => {
    ledger.send(body, TOPIC);
    client.write(body);
    const answer = await client.response();
    if (answer.status !== 201) {
      round.problems.push(`a POST under way was answered ${answer.status}`);
      return;
    }
    ledger.acknowledge(body, TOPIC, JSON.parse(answer.text).seq);
  };
}

/** Connections that have said nothing, or not all, or nothing more: they hold nothing up. */
async function openIdle(server) {
  const said = ['', 'GET /health HT', 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'];
  for (const words of said) {
    (await server.raw()).write(words);
  }
}

class Round {
  problems = [];
  lastAcknowledged = 0;

  constructor(server, ledger, plan) {
    Object.assign(this, { server, ledger, ...plan, mode: MODES[plan.modeName] });
    ledger.problems = this.problems;
  }

  newMessage = () => `${++Round.counter}:${'x'.repeat(below(300))}`;
  static counter = 0;

  #guest(i, habit) {
    const kind = READER_KINDS[i % READER_KINDS.length];
    const guest = new Guest(this, kind, `${kind} ${i}`, habit);
    this.guests.push(guest);
    return guest;
  }

  async #gather() {
    this.guests = [];
    this.publishers = new Publishers(this.server, this.ledger, {
      newMessage: this.newMessage,
      onAcknowledged: (topic, seq) => (this.lastAcknowledged = Math.max(this.lastAcknowledged, seq)),
    });
    this.publishing = PUBLISHER_KINDS.map((kind) => this.publishers.run(kind, () => TOPIC));
    for (let i = 0; i < clientCount; i++) {
      this.#guest(i, this.mode.habits[below(this.mode.habits.length)]);
    }
    await until(() => this.guests.every(({ isStarted }) => isStarted), {
      timeout: PATIENCE_MS,
      what: 'all clients',
    });
    this.expected = clientCount + SENDERS;
    const isThere = async () => (await this.server.health()).active_connections === this.expected;
    await until(isThere, { what: `${this.expected} clients that the server counts` });
    if (this.hasIdle) {
      await openIdle(this.server); // those that have said nothing may have two seconds in the end
    }
    const asleep = this.guests.filter(({ habit }) => ['sleeps', 'dozes'].includes(habit));
    asleep.forEach(({ reader }) => reader.pause());
  }

  /** They come one after the other, and are served until drain_accept is over. */
  async #comeLate() {
    const { acceptMs } = this.mode;
    for (let i = 0; i < (this.mode.late ?? 0); i++) {
      const guest = this.#guest(clientCount + i, 'stays');
      await until(() => guest.isStarted || guest.isClosed, { what: `an answer to ${guest.name}, who is late` });
      if (guest.isStarted) {
        this.expected++;
        continue;
      }
      this.guests.pop();
      this.expected += guest.wasDismissed;
      if (!(performance.now() - this.signalledAt >= acceptMs)) {
        guest.problem('was refused, though newcomers are served');
      }
    }
  }

  async #hurry() {
    const served = this.lastAcknowledged;
    this.server.signal('SIGTERM');
    await this.server.logged(/asked again, \d+ connections left are closed/);
    return served;
  }

  /** What dies: a worker or the writer, after some time. */
  async #injectFault() {
    await pause(below(200));
    const { server, fault } = this;
    const victims = { worker: () => server.workers()[below(this.workers)], writer: () => server.writer() };
    const victim = victims[fault]?.();
    if (victim) {
      kill(victim);
      await until(() => !isAlive(victim), { what: 'its end' });
    }
  }

  async #drain() {
    const { server, mode } = this;
    const finishPost = mode.habits[0] === 'leaves' || mode.isTwice ? null : await beginPost(this);
    server.remember();
    this.signalledAt = performance.now();
    server.signal('SIGTERM');
    if (mode.isTwice) {
      server.signal('SIGINT');
    }
    const begun = await server.logged(/shutdown: draining (\d+) connections/);
    const count = Number(/draining (\d+)/.exec(begun)[1]);
    const more = count - this.expected - (finishPost !== null); // a publisher's POST may be under way
    if (!mode.habits.includes('leaves') && !(more === 0 || more === 1)) {
      this.problems.push(`${this.expected} clients, and the log says: ${begun}`);
    }
    // The line comes a moment before the workers see that it is so.
    const health = () => server.control(0, 'GET', '/health');
    const isBegun = async () => server.exit !== null || (await health()).json.status === 'draining';
    await until(isBegun, { what: 'the drain' });
    this.guests.forEach((guest) => guest.behave()); // from now on who leaves is counted
    await Promise.all([finishPost?.(), this.#comeLate(), this.#injectFault()]);
    if (mode.isHurried && !mode.isTwice) {
      await pause(below(300));
      this.served = await this.#hurry();
    }
    if (mode.habits[0] === 'leaves') {
      await until(() => this.guests.every(({ isClosed }) => isClosed), { what: 'the last guest to leave' });
      this.publishers.isOver = true;
    }
    this.status = await server.end();
    this.publishers.isOver = true;
    await Promise.all(this.publishing);
    const asleep = this.guests.filter(({ habit }) => habit === 'sleeps');
    asleep.forEach(({ reader }) => reader.terminate());
    await until(() => this.guests.every(({ isClosed }) => isClosed), { what: 'the end of all connections' });
  }

  #expect(isTrue, text) {
    if (!isTrue) {
      this.problems.push(text);
    }
  }

  #number(pattern) {
    const lines = this.server.allLines.filter((line) => pattern.test(line));
    return lines.reduce((sum, line) => sum + Number(pattern.exec(line)[1]), 0);
  }

  /** The counts of the log, and what was seen from here. */
  #checkCounts() {
    const log = this.server.allLines.join('\n');
    const left = [...log.matchAll(/all clients are gone, (\d+) clean, (\d+) forced/g)];
    const [clean, forced] = left.length === 1 ? [Number(left[0][1]), Number(left[0][2])] : [NaN, NaN];
    const lost = this.#number(/(\d+) clients were lost with worker/);
    const sleepers = this.guests.filter(({ habit }) => habit === 'sleeps').length;
    const remain = [...log.matchAll(/client left, (\d+) remain/g)].map((match) => Number(match[1]));
    this.counts = { clean, forced, lost };
    this.#expect(clean + forced === this.expected, `${clean} clean and ${forced} forced of ${this.expected}`);
    this.#expect(
      this.fault === 'worker' ? forced >= lost && forced <= lost + sleepers : forced === sleepers,
      `${forced} forced, ${lost} of them lost; ${sleepers} slept`,
    );
    const missing = this.expected - lost - remain.length;
    // We read its log beside all clients: of hundreds that leave at once it drops the lines we leave waiting.
    this.#expect(
      missing === 0 || (missing > 0 && remain.length > LINES_MIN),
      `${remain.length} lines that a client left, of ${this.expected - lost}`,
    );
    this.#expect(this.fault !== 'worker' || lost > 0, 'nobody was lost with the worker');
  }

  /** Each was told, and nobody was cut who reads. */
  #checkGoodbyes() {
    const awaits = ({ hasLeft, habit }) => !hasLeft && habit !== 'sleeps' && habit !== 'leaves';
    const staying = this.guests.filter(awaits);
    const cut = staying.filter((guest) => !guest.hasGoodbye);
    if (this.fault === 'worker') {
      this.#expect(cut.length <= this.counts.lost, `${cut.length} were cut, ${this.counts.lost} were lost`);
      return;
    }
    cut.forEach((guest) => guest.problem(`cut off; it had been told ${guest.warnings}`));
    const unwarned = staying.filter(
      ({ kind, warnings }) => kind !== 'graphql_events' && warnings.filter((left) => left > 0).length !== 1,
    );
    if (!this.mode.isHurried && this.modeName !== 'deadline') {
      unwarned.forEach((guest) => guest.problem(`warned ${guest.warnings.length} times: ${guest.warnings}`));
    }
    const isBehind = ({ habit, chain }) => habit === 'stays' && chain.token.seq < this.served;
    staying.filter(isBehind).forEach((guest) => {
      guest.problem(`closed at seq ${guest.chain.token.seq}; ${this.served} was acknowledged before`);
    });
  }

  /** By the events, which go on all the time: they have not all stopped at the same place. */
  #checkSpread() {
    const places = this.guests.filter(({ hasLeft }) => !hasLeft).map(({ chain }) => chain.token.seq);
    const distinct = new Set(places).size;
    if (this.mode.isSpread && this.fault === 'none') {
      this.#expect(distinct >= places.length / 4, `${places.length} were closed at ${distinct} places only`);
    }
  }

  async run() {
    await this.#gather();
    await this.#drain();
    this.#expect(this.status === 0, `the exit status is ${this.status}`);
    this.#checkCounts();
    this.#checkGoodbyes();
    this.#checkSpread();
    const rings = fs.readdirSync(this.server.runDir).filter((name) => name.endsWith('.ring'));
    this.#expect(rings.length === 0, `the ring is still there: ${rings}`);
  }

  /** With the next server: all is there, and everybody goes on. */
  async check(epoch) {
    const { server, ledger, guests } = this;
    const { log } = await server.health();
    this.#expect(log.epoch === epoch, `a new epoch, ${log.epoch}, after a clean drain`);
    await ledger.readLog([TOPIC], (topic, query) => server.history(topic, query));
    ledger.check();
    const logged = [...ledger.logged.keys()].sort((a, b) => a - b);
    await Promise.all(guests.map((guest) => guest.finish(logged.at(-1))));
    guests.forEach(({ chain }) => chain.check(logged));
  }
}

const SHORT_PLANS = [
  { modeName: 'deadline', fault: 'writer', workers: 2, hasIdle: true },
  { modeName: 'accept', fault: 'none', workers: 3 },
];

/** Every mode in its turn; what dies and how many workers there are, by lot. */
function* plans() {
  if (isShort) {
    yield* SHORT_PLANS;
    return;
  }
  const names = Object.keys(MODES);
  for (let i = 0; i < option('--rounds', 40); i++) {
    const modeName = names[i % names.length];
    const mayDie = !MODES[modeName].late && !MODES[modeName].isTwice;
    const fault = mayDie ? ['none', 'worker', 'writer'][below(3)] : 'none';
    yield { modeName, fault, workers: 2 + below(3), hasIdle: below(3) === 0 };
  }
}

async function drainCrowds(problems) {
  const linePort = await freePort();
  const lineArgs = ['--broker-listen', `127.0.0.1:${linePort}`, '--retention-bytes', 'off'];
  lineArgs.push('--log-connections', 'off'); // what a drain tells of each of hundreds is enough for the pipe
  const server = new Server({ workers: 2, args: lineArgs, files: 4096 });
  server.linePort = linePort;
  const ledger = new Ledger();
  let round = null;
  let epoch;
  try {
    for (const plan of [...plans(), null]) {
      const more = plan ? MODES[plan.modeName].args : []; // the last one's end is not to be waited for
      Object.assign(server.options, { workers: plan?.workers ?? 2, args: [...lineArgs, ...more] });
      await (round ? server.restart() : server.start());
      epoch ??= (await server.health()).log.epoch;
      if (round) {
        await round.check(epoch);
        const { clean, forced, lost } = round.counts;
        console.log(`${round.modeName}, ${round.workers} workers, dies: ${round.fault}: ${clean} clean, ` +
          `${forced} forced (${lost} lost), ${ledger.logged.size} in the log`);
        problems.push(...round.problems.map((text) => `${round.modeName}, ${round.fault}: ${text}`));
      }
      if (plan === null || problems.length > 0) {
        break;
      }
      server.terminateClients();
      round = new Round(server, ledger, plan);
      await round.run();
    }
  } catch (error) {
    const place = `${round?.modeName}, ${round?.fault}`;
    problems.push(...(round?.problems ?? []), `${place}: ${error.stack}\n${server.recentLog()}`);
  } finally {
    await server.dispose().catch((error) => problems.push(error.stack));
  }
}

// --- starts

const hasRing = (server) => fs.readdirSync(server.runDir).some((name) => name.endsWith('.ring'));

/** Moments of a start, in their order; the last needs a client that connects. */
const MOMENTS = {
  'some time': () => pause(below(120)),
  'a ring': (server) => seen(server, () => hasRing(server)),
  'a writer': (server) => seen(server, () => server.writer()),
  'a worker': (server) => seen(server, () => server.workers().length > 0),
  'all workers': (server) => seen(server, () => server.workers().length === server.options.workers),
};

/** As soon as it is so, or the server has come further. */
async function seen(server, check) {
  while (server.exit === null && server.allLines.length === 0 && !check()) {
    await breathe();
  }
}

/** Tries again and again to be served; each that is opened has to be told 1001 in the end. */
async function knock(server, state) {
  while (!state.isOver) {
    const client = await server.broker().catch(() => null);
    if (client !== null) {
      state.codes.push((await client.closed).code);
    }
    await pause(5);
  }
}

async function interruptStart(server, name, problems) {
  const state = { isOver: false, codes: [] };
  const launched = server.launch().catch(() => {});
  await until(() => server.pid && server.exit !== undefined, { what: 'a process' });
  const knocking = knock(server, state);
  await MOMENTS[name](server);
  const began = hasRing(server);
  server.remember();
  server.signal('SIGTERM');
  const status = await server.end();
  state.isOver = true;
  await launched;
  await knocking;
  const { codes } = state;
  // Before it holds signals back, it has not begun anything.
  if (status !== 0 && !(status === 'SIGTERM' && !began)) {
    problems.push(`SIGTERM at ${name} of a start: it ended with ${status}; ${server.recentLog()}`);
  }
  if (hasRing(server)) {
    problems.push(`SIGTERM at ${name} of a start: a ring is left; ${server.recentLog()}`);
  }
  if (codes.some((code) => code !== GOING_AWAY)) {
    problems.push(`SIGTERM at ${name} of a start: clients were closed with ${codes}`);
  }
  return codes.length;
}

async function interruptStarts(problems) {
  // Who is served by a start that was quicker than the signal is closed at once.
  const server = new Server({ workers: 3, args: ['--drain-timeout', '0'] });
  const names = Object.keys(MOMENTS);
  const statuses = { served: 0 };
  try {
    await server.start();
    const publisher = await server.broker();
    const { seq } = await publisher.publish(TOPIC, 'before');
    const { epoch } = await publisher.ping();
    publisher.terminate();
    await server.stop();
    for (let i = 0; i < startCount && problems.length === 0; i++) {
      statuses.served += await interruptStart(server, names[i % names.length], problems);
      if (i % 5 === 4 || i === startCount - 1) {
        await server.restart();
        const page = await server.history(TOPIC);
        if (page.epoch !== epoch || page.events[0]?.seq !== seq) {
          problems.push(`after start ${i}: ${JSON.stringify(page)} instead of seq ${seq} of ${epoch}`);
        }
        if ((await server.stop()) !== 0) {
          problems.push(`the start after start ${i} did not end with 0`);
        }
      }
    }
    console.log(`starts: ${startCount} were interrupted, ${statuses.served} clients were served meanwhile`);
  } finally {
    await server.dispose().catch((error) => problems.push(error.stack));
  }
}

// --- a full disk

/** What was acknowledged finds room (the ballast), so the end is as clean as any. */
async function drainFullDisk(problems) {
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) {
    console.log('disk: left out: only root can mount');
    return;
  }
  const disk = makeDirectory();
  const script = `mount -t tmpfs -o size=8m none ${disk} && exec "$@"`; // goes with the server
  const server = new Server({
    workers: 2,
    ring: '256K',
    data: `${disk}/data`,
    prefix: [...MOUNT_NAMESPACE, 'sh', '-c', script, 'sh'],
    args: ['--retention-bytes', 'off', '--map-size', '1G'],
  });
  server.ownDirectories.push(disk);
  try {
    await server.start();
    const [publisher, reader] = [await server.broker(), await server.broker()];
    await reader.subscribe('news');
    let acknowledged = 0;
    const message = 'x'.repeat(20_000);
    while ((await publisher.publish('news', message)).code !== 'storage_full') {
      acknowledged++;
    }
    await until(() => reader.queue.length === acknowledged, { what: 'all events' });
    server.signal('SIGTERM');
    for (const client of [publisher, reader]) {
      await client.next({ type: 'shutdown' });
    }
    while ((await publisher.publish('news', message)).status === 'published') {
      acknowledged++; // it had found some room
    }
    await Promise.all([publisher.close(), reader.close()]);
    const status = await server.end();
    if (status !== 0 || acknowledged === 0) {
      problems.push(`a drain beside a full disk ended with ${status}; ${server.recentLog()}`);
    }
    console.log(`disk: ${acknowledged} events were acknowledged before it was full`);
  } finally {
    await server.dispose().catch((error) => problems.push(error.stack));
  }
}

// --- all of it

const PARTS = { crowd: drainCrowds, starts: interruptStarts, disk: drainFullDisk };

console.log(`seed ${seed}`);
await runParts(PARTS, only?.split(','));
