// Processes that die or stand still, at random and under load: what was promised holds all the same.
//
//   node tests/fault/deaths.mjs [--short] [--deaths N] [--from LAP] [--only NAME] [--seed N]
//
// N (2,000) deaths of a worker, of several, of the writer, of both kinds, of the master, of everything and
// of everything but the master; each is killed (-9), or stopped (SIGSTOP) for a while, or stopped and then
// killed. The new start that follows a master's end is killed now and then, too, at any moment of it. In
// every lap of 200 deaths, which has a server of its own (2 to 5 workers, a small ring or a large one, now
// and then `--durability committed`), one more stands still until its master replaces it, or until the ring
// is full. Meanwhile publishers of every protocol publish, mutations change rows, and subscribers of every
// protocol come back from where they were whenever they are cut off.
//
// Held against the log, by a checker that knows nothing of the server: each acknowledged, refused and
// delivered operation, each subscriber's events over all its connections, rows and their events. After each
// death the server has to become whole again under the same epoch; only whom we killed may have died, and
// nobody else's client may have lost its connection. At a lap's end nothing is left behind.
//
// It ends with "N passed, N failed", a death each.
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { graphqlSocket } from '../e2e/lib/graphql.mjs';
import { isAlive, kill } from '../e2e/lib/processes.mjs';
import { freePort, Server } from '../e2e/lib/server.mjs';
import { SCHEMA_SEQ } from '../e2e/lib/shapes.mjs';
import { until, within } from '../e2e/lib/until.mjs';
import { shuffledDeaths } from './lib/deaths.mjs';
import { DeathWatch } from './lib/death_watch.mjs';
import { Ledger, randomFrom } from './lib/ledger.mjs';
import { Mutations } from './lib/mutations.mjs';
import { Publishers, roomIdOf } from './lib/publishers.mjs';
import { READER_KINDS } from './lib/readers.mjs';
import { RowLedger } from './lib/rows.mjs';
import { makePayloads } from './lib/streams.mjs';
import { Visitor } from './lib/visitors.mjs';
import { readWholeLog } from './lib/whole_log.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const deaths = option('--deaths', isShort ? 25 : 2000);
const firstLap = option('--from', 1); // each has random numbers of its own
const seed = option('--seed', 1);
const only = textOption('--only') ?? ''; // a part of a death's name: 'everything killed'

const LAP_DEATHS = 200;
const RINGS = ['256K', '1M', '8M'];
const IDLE_MS = 60_000; // without what has to come: given up
const STOPPED_MS = 250; // at most, of those who go on
const ANSWERS = isShort ? 60 : 150; // at most, between one death and the next
const STARTING_MS = 80; // at most, of a start that is killed, too
const GOING_ON = 10; // acknowledgements that show that others go on meanwhile
const NOTICED_MS = 8000; // of standing still: from then on the master may have replaced whoever does
const REPLACED_MS = 25_000; // a child is silent for 10 s before it is replaced

const PLAIN_TOPICS = ['room', 'alpha', 'beta', 'gamma'];
const ROW_TOPICS = { messages: 'created', 'message_updates:all': 'updated', plain: 'plain' };
const TOPICS = [...PLAIN_TOPICS, ...Object.keys(ROW_TOPICS)];
const VISITORS = isShort ? 8 : 18;
const PUBLISHERS = ['broker', 'line', 'room', 'post', 'broker', 'line', 'post'];
const MUTATORS = 2;
const PAYLOADS = [40, 200, 200, 200, 200, 200, 200, 1500, 1500, 12_000]; // bytes

/** What takes longer, and happens once in a lap. */
const STANDSTILLS = [
  { who: 'a worker', end: 'replaced', choose: ({ workers }) => [workers[0]] },
  { who: 'the writer', end: 'full', choose: ({ writer }) => [writer] },
  {
    who: 'everything but the master',
    end: 'replaced',
    choose: ({ workers, writer }) => [...workers, writer],
  },
  { who: 'the writer', end: 'replaced', choose: ({ writer }) => [writer] },
];

const nameOf = ({ who, way }) => `${who} ${way}`;

function deathsByName(below) {
  const chosen = shuffledDeaths(below).filter((death) => nameOf(death).includes(only));
  if (chosen.length === 0) {
    throw new Error(`no death is called ${only}`);
  }
  return chosen;
}

class Lap {
  problems = [];
  deaths = 0;
  byKind = {};
  startsInVain = 0; // which were killed, too
  endedMs = 0; // the longest that children took to end after their master
  answers = { isOver: false, rows: 0, visits: 0 };

  constructor(number) {
    const random = randomFrom(seed * 1000 + number);
    this.number = number;
    this.random = random;
    this.standstill = STANDSTILLS[(number - 1) % STANDSTILLS.length];
    this.below = (count) => Math.floor(random() * count);
    this.ledger = new Ledger();
    this.rows = new RowLedger();
    this.ledger.problems = this.problems;
    this.rows.problems = this.problems;
  }

  // --- load

  async start() {
    const workers = 2 + this.below(isShort ? 1 : 4);
    const isFilled = this.standstill.end === 'full'; // within a few seconds, by those who are answered
    const ring = isFilled ? RINGS[0] : RINGS[this.below(RINGS.length)];
    const durability = this.number % 4 === 3 ? 'committed' : 'buffered';
    const linePort = await freePort();
    const args = ['--broker-listen', `127.0.0.1:${linePort}`, '--retention-bytes', 'off'];
    this.name = `lap ${this.number}: ${workers} workers, ring ${ring}, ${durability}`;
    this.canGoWithoutWriter = durability === 'buffered' && ring === RINGS.at(-1);
    this.server = new Server({ workers, ring, args: [...args, '--durability', durability] });
    this.server.linePort = linePort;
    await this.server.start();
    this.watch = new DeathWatch(this.server, this.problems);
    await this.watch.begin();
    this.#startPublishers();
    this.#startVisitors();
  }

  #startPublishers() {
    const { below, server, ledger, random } = this;
    const makers = PAYLOADS.map((bytes) => makePayloads(bytes, seed));
    let counter = 0;
    const publishers = new Publishers(server, ledger, {
      newMessage: () => makers[below(makers.length)](counter++),
      isDurable: () => random() < 0.1,
      window: 12,
      everyMs: 3,
    });
    const topicOf = () => PLAIN_TOPICS[below(PLAIN_TOPICS.length)];
    const mutations = new Mutations(this.rows, random, { window: 3, everyMs: 10 });
    const state = {
      sent: 0,
      isOver: () => publishers.isOver,
      onAnswer: () => this.answers.rows++,
    };
    this.publishers = publishers;
    const publishing = [
      ...PUBLISHERS.map((kind) => publishers.run(kind, kind === 'room' ? () => 'room' : topicOf)),
      ...Array.from({ length: MUTATORS }, () => mutations.run(server, state)),
    ];
    this.publishing = Promise.all(publishing).catch((error) => this.problems.push(error.stack));
  }

  /** Every protocol in its turn; some of those that can have several topics on a connection have all. */
  #newVisitor(i) {
    const kind = READER_KINDS[i % READER_KINDS.length];
    const turn = Math.floor(i / READER_KINDS.length);
    const canHaveAll = kind === 'broker' || kind === 'line';
    const one = kind === 'room' ? 'room' : TOPICS[(turn + i) % TOPICS.length];
    const onEvent = (item) => {
      if (item.topic in ROW_TOPICS) {
        this.rows.deliver(item.topic, item.seq, item.data);
      } else {
        this.ledger.deliver(this.#idOf(item), item.topic, item.seq);
      }
    };
    const topics = canHaveAll && turn % 2 === 1 ? TOPICS : [one];
    return new Visitor(this.server, kind, topics, { onEvent, problems: this.problems });
  }

  #startVisitors() {
    const { answers } = this;
    this.visitors = Array.from({ length: VISITORS }, (_, i) => this.#newVisitor(i));
    const visiting = this.visitors.map((visitor) => visitor.run(answers, () => ({})));
    this.visiting = Promise.all(visiting).catch((error) => this.problems.push(error.stack));
  }

  #idOf(item) {
    return item.topic === 'room' ? roomIdOf(item) : item.data;
  }

  /** Waits for what has to come while everything is well. */
  async #await(check, what) {
    const isThere = async () => this.problems.length > 0 || (await check());
    const description = () => `${what}; ${this.server.recentLog()}`;
    await until(isThere, { timeout: IDLE_MS, interval: 2, what: description });
  }

  /** A random number of answers: something durable, and a row, too. */
  async #beLoaded() {
    const { publishers, answers } = this;
    const enough = publishers.acknowledged + 1 + this.below(ANSWERS);
    const { durable } = publishers;
    const { rows } = answers;
    await this.#await(
      () => publishers.acknowledged >= enough && publishers.durable > durable && answers.rows > rows,
      'answers to every kind of publish',
    );
    await pause(this.random() * 3); // not only when an answer has just come
  }

  // --- deaths

  /** Whoever does not stand still goes on; while the writer does, as long as the ring has room. */
  async #goOn({ isMasterOnly, isWithoutWriter, isEverybody }) {
    const { publishers, answers } = this;
    const { acknowledged, refused } = publishers;
    const { rows } = answers;
    if (isEverybody || (isWithoutWriter && !this.canGoWithoutWriter)) {
      return;
    }
    await this.#await(
      () => publishers.acknowledged >= acknowledged + GOING_ON || publishers.refused > refused,
      'acknowledgements while others stand still',
    );
    if (isMasterOnly) {
      await this.#await(() => answers.rows > rows, 'a mutation while the master stands still');
    }
  }

  /** True: for so long that the master may have noticed. */
  async #standStill(victims, processes) {
    const startedAt = performance.now();
    victims.forEach((victim) => kill(victim, 'SIGSTOP'));
    await pause(this.random() ** 2 * STOPPED_MS);
    await this.#goOn({
      isMasterOnly: victims.length === 1 && victims[0] === processes.master,
      isWithoutWriter: victims.includes(processes.writer),
      isEverybody: processes.workers.every((worker) => victims.includes(worker)),
    });
    return performance.now() - startedAt > NOTICED_MS && !victims.includes(processes.master);
  }

  /** Everybody's end, which their clients see, and a new start. */
  async #startAnew() {
    const startedAt = performance.now();
    await this.server.end();
    this.endedMs = Math.max(this.endedMs, performance.now() - startedAt);
    const clients = [...this.server.clients].map(({ closed }) => closed);
    await within(Promise.all(clients), 'the end of all connections');
    this.watch.judgeLog();
    while (this.random() < 0.25) {
      await this.#startInVain();
    }
    await this.server.restart();
  }

  /** A start that is killed itself, at some moment of it or when it has just succeeded. */
  async #startInVain() {
    const { server } = this;
    const starting = server.restart().catch(() => {}); // the next one has to
    await pause(this.random() * STARTING_MS);
    server.remember();
    server.child.kill('SIGKILL');
    await starting;
    await server.end();
    this.startsInVain++;
  }

  /** Who it takes, and how; then everything has to be well again. */
  async die(death) {
    const { way, victims: choose } = death;
    await this.#beLoaded();
    const processes = this.watch.processes();
    const victims = choose(processes);
    let isDeath = way !== 'stopped for a while';
    await this.watch.takeNote(isDeath ? victims : []);
    if (way !== 'killed' && (await this.#standStill(victims, processes))) {
      isDeath = true;
      this.watch.condemn(victims, { isByMaster: true });
    }
    victims.forEach((victim) => kill(victim, isDeath ? 'SIGKILL' : 'SIGCONT'));
    const isMastersEnd = isDeath && victims.includes(processes.master);
    if (isMastersEnd) {
      await this.#startAnew();
    }
    await this.watch.judge({ isMastersEnd });
    if (this.problems.length > 0) {
      this.problems.push(`that was seen after: ${nameOf(death)}`);
    }
    this.#count(nameOf(death));
  }

  /** Of those who stand still, but for a writer inside a commit, which nobody replaces. */
  async #beReplaced(victims) {
    this.watch.condemn(victims, { isByMaster: true });
    const isReplaced = () => !victims.some(isAlive);
    await until(isReplaced, { timeout: REPLACED_MS }).catch((error) => {
      const left = victims.filter(isAlive);
      if (left.some(({ title }) => !/writer/.test(title))) {
        throw error;
      }
      this.watch.excuse(left);
    });
    victims.forEach((victim) => kill(victim, 'SIGCONT'));
  }

  /** While the writer stands still publishing is refused in the end, and goes on when it does. */
  async #beFull(victims) {
    const startedAt = performance.now();
    const { refused } = this.publishers;
    await this.#await(() => this.publishers.refused > refused, 'a full ring');
    const isNoticed = performance.now() - startedAt > NOTICED_MS;
    if (isNoticed) {
      this.watch.condemn(victims, { isByMaster: true });
    }
    victims.forEach((victim) => kill(victim, isNoticed ? 'SIGKILL' : 'SIGCONT'));
  }

  /** Longer than anybody may: until the master replaces them, or the ring is full. */
  async standStill({ who, end, choose }) {
    await this.#beLoaded();
    const victims = choose(this.watch.processes());
    await this.watch.takeNote([]);
    victims.forEach((victim) => kill(victim, 'SIGSTOP'));
    await (end === 'full' ? this.#beFull(victims) : this.#beReplaced(victims));
    await this.watch.judge({ isMastersEnd: false });
    this.#count(`${who} stopped until ${end}`);
  }

  #count(name) {
    this.deaths++;
    this.byKind[name] = (this.byKind[name] ?? 0) + 1;
  }

  // --- the end

  /** Behind everything else: whatever was lost on the way has been executed, or never will be. */
  async #closeBooks() {
    const end = `the end of lap ${this.number}`;
    const client = await graphqlSocket(this.server);
    this.rows.send(end, 'create');
    this.rows.send(`${end}, plain`, 'publish');
    const { last, plain } = await client.dataOf(`mutation {
      last: createMessage(authorId: 1, content: "${end}") { id }
      plain: publish(topic: "plain", data: "${end}, plain") { seq } }`);
    this.rows.answer(end, last);
    this.rows.answer(`${end}, plain`, plain);
    client.terminate();
  }

  /** A page of history, as the ledger calls its events. */
  async #page(topic, query) {
    const page = await this.server.history(topic, query);
    const nameEvent = (item) => ({ ...item, data: this.#idOf({ ...item, topic }) });
    return { ...page, events: page.events.map(nameEvent) };
  }

  /** The whole log and the histories are the same. Returns the seqs of what is no plain event. */
  async #compareLog(rowSeqs) {
    const { ledger, problems } = this;
    const others = new Set();
    for (const { seq, kind, topics, data } of await readWholeLog(this.server, problems)) {
      const [topic] = topics;
      if (PLAIN_TOPICS.includes(topic)) {
        if (this.#idOf({ topic, data }) !== ledger.logged.get(seq)) {
          const shown = JSON.stringify(data);
          problems.push(`seq ${seq} is ${shown} in the log, in history ${ledger.logged.get(seq)}`);
        }
      } else if (seq > SCHEMA_SEQ) {
        others.add(seq);
        if (topics.length > 0 !== rowSeqs.has(seq)) {
          problems.push(`seq ${seq}, ${kind} on ${topics}: in a history it is ${rowSeqs.has(seq)}`);
        }
      }
    }
    return others;
  }

  /** What all that was told to anybody is held against. */
  async #check() {
    await this.ledger.readLog(PLAIN_TOPICS, (topic, query) => this.#page(topic, query));
    const events = await this.rows.check(this.server);
    this.ledger.check(await this.#compareLog(events.seqs));
    return this.#checkVisitors(events);
  }

  /** All of them, live, up to the last; then what each had. */
  async #checkVisitors(events) {
    const { ledger, visitors } = this;
    const logged = new Map(PLAIN_TOPICS.map((topic) => [topic, []]));
    for (const [seq, id] of ledger.logged) {
      logged.get(ledger.sent.get(id))?.push(seq);
    }
    for (const [topic, name] of Object.entries(ROW_TOPICS)) {
      logged.set(topic, events[name].map(({ seq }) => seq));
    }
    const last = new Map(TOPICS.map((topic) => [topic, logged.get(topic).at(-1) ?? 0]));
    await this.#await(() => visitors.every((visitor) => visitor.hasReached(last)), 'the last events');
    visitors.forEach((visitor) => visitor.check(logged));
    return visitors.reduce((sum, visitor) => sum + visitor.given, 0);
  }

  /** A drain of whom nothing stays. */
  async #leaveNothing() {
    const { server, problems } = this;
    this.answers.isOver = true;
    server.terminateClients();
    await this.visiting;
    const status = await server.stop();
    const left = fs.readdirSync(server.runDir);
    if (status !== 0 || left.length > 0) {
      problems.push(`the last drain ended with ${status}, and left ${left}; ${server.recentLog()}`);
    }
    this.watch.judgeLog();
    this.watch.judgeLeftovers();
  }

  async run(count) {
    let order = [];
    let given = 0;
    try {
      await this.start();
      while (this.deaths < count && this.problems.length === 0) {
        order = order.length > 0 ? order : deathsByName(this.below);
        const isLong = !isShort && only === '' && this.deaths === Math.floor(count / 2);
        await (isLong ? this.standStill(this.standstill) : this.die(order.pop()));
      }
      this.publishers.isOver = true;
      await this.publishing;
      await this.#closeBooks();
      given = await this.#check();
      await this.#leaveNothing();
    } catch (error) {
      this.problems.push(`${error.stack}; ${error.cause?.stack ?? ''}`);
    } finally {
      this.answers.isOver = true;
      if (this.publishers) {
        this.publishers.isOver = true;
      }
      await this.server.dispose().catch((error) => this.problems.push(error.stack));
    }
    const spared = only === '' ? this.watch?.spared : 1;
    const counts = [given, spared, this.rows.answered, this.ledger.acknowledged.size];
    if (counts.some((count) => !(count > 0))) {
      this.problems.push(`too little has happened: ${counts}`);
    }
    return given;
  }

  report(given, seconds) {
    const { ledger, rows, publishers, watch, problems } = this;
    const parts = [
      `${this.name}: ${this.deaths} deaths in ${seconds} s`,
      `${ledger.acknowledged.size} acknowledged, ${publishers?.durable} durable ones`,
      `${publishers?.refused} refused`,
      `${rows.answered} mutations answered, ${rows.refused} refused`,
      `${given} events delivered in ${this.answers.visits} visits`,
      `${watch?.spared} connections spared by a death`,
      `${watch?.restarts} restarts, the longest rest ${watch?.longestRestMs} ms`,
      `${this.startsInVain} starts killed, too`,
      `all ended ${this.endedMs.toFixed(0)} ms after their master at most`,
      `${problems.length} problems`,
    ];
    console.log(parts.join('; '));
    problems.slice(0, 20).forEach((problem) => console.log(`  ${problem}`));
    if (problems.length > 0) {
      console.log(this.server?.recentLog());
    }
  }
}

console.log(`seed ${seed}`);
let passed = 0;
let failed = 0;
const kinds = {};
for (let number = firstLap; passed + failed < deaths && failed === 0; number++) {
  const lap = new Lap(number);
  const startedAt = performance.now();
  const given = await lap.run(Math.min(LAP_DEATHS, deaths - passed));
  lap.report(given, ((performance.now() - startedAt) / 1000).toFixed(0));
  if (lap.problems.length === 0) {
    passed += lap.deaths;
  } else {
    failed += Math.max(1, lap.deaths);
  }
  for (const [name, count] of Object.entries(lap.byKind)) {
    kinds[name] = (kinds[name] ?? 0) + count;
  }
}
for (const [name, count] of Object.entries(kinds).sort()) {
  console.log(`${String(count).padStart(6)} ${name}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
