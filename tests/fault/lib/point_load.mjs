// What goes on while processes die at named points: publishers, mutations and subscribers on one server, and
// the books in which all that they were told is held against the log.
import { setTimeout as pause } from 'node:timers/promises';
import { SCHEMA_SEQ } from '../../e2e/lib/shapes.mjs';
import { until } from '../../e2e/lib/until.mjs';
import { Ledger } from './ledger.mjs';
import { Mutations } from './mutations.mjs';
import { Publishers } from './publishers.mjs';
import { RowLedger } from './rows.mjs';
import { makePayloads } from './streams.mjs';
import { Visitor } from './visitors.mjs';
import { readWholeLog } from './whole_log.mjs';

const PLAIN_TOPICS = ['alpha', 'beta'];
const ROW_TOPICS = { messages: 'created', 'message_updates:all': 'updated', plain: 'plain' };
const ONCE = 'once-'; // topics that are published to but once, so that retention takes all of them
const READERS = [
  ['line', [...PLAIN_TOPICS, ...Object.keys(ROW_TOPICS)]],
  ['broker', [...PLAIN_TOPICS, ...Object.keys(ROW_TOPICS)]],
  ['events', ['alpha']],
  ['graphql', ['messages']],
];
const PAYLOADS = [40, 200, 200, 1500, 9000]; // bytes
const WHOLE_MS = 60_000;
const LIST_EVERY_MS = 5;

export class PointLoad {
  problems = [];
  isRunning = false;
  #counter = 0;
  #answers = 0; // of mutations
  #working = Promise.resolve();

  /** isSequential: one mutation after the other. isTrimmed: no mutations; retention takes the log's beginning. */
  constructor(server, random, { isSequential = false, isTrimmed = false } = {}) {
    Object.assign(this, { server, random, isSequential, isTrimmed });
    this.ledger = new Ledger();
    this.rows = new RowLedger();
    this.ledger.problems = this.problems;
    this.rows.problems = this.problems;
    const makers = PAYLOADS.map((bytes) => makePayloads(bytes, 1));
    this.publishers = new Publishers(server, this.ledger, {
      newMessage: () => makers[this.#below(makers.length)](this.#counter++),
      isDurable: () => random() < 0.2,
      window: 4,
      everyMs: 4,
    });
    const options = isSequential ? { window: 1, everyMs: 1 } : { window: 3, everyMs: 2 };
    this.mutations = new Mutations(this.rows, random, options);
    const onEvent = (item) => this.#deliver(item);
    const topicsOf = (topics) => topics.filter((topic) => !isTrimmed || PLAIN_TOPICS.includes(topic));
    this.visitors = READERS.map(([kind, topics]) => [kind, topicsOf(topics)])
      .filter(([, topics]) => topics.length > 0)
      .map(([kind, topics]) => new Visitor(server, kind, topics, { onEvent, problems: this.problems }));
  }

  #below(count) {
    return Math.floor(this.random() * count);
  }

  #deliver({ topic, seq, data }) {
    if (topic in ROW_TOPICS) {
      this.rows.deliver(topic, seq, data);
    } else {
      this.ledger.deliver(data, topic, seq);
    }
  }

  #topicOf() {
    if (this.isTrimmed && this.random() < 0.1) {
      return `${ONCE}${this.#counter}`;
    }
    return PLAIN_TOPICS[this.#below(PLAIN_TOPICS.length)];
  }

  /** Each waits for the commit of what there is. */
  async #listTopics() {
    while (!this.publishers.isOver) {
      await this.server.request('GET', '/topics?limit=1').catch(() => {}); // its worker has died
      await pause(LIST_EVERY_MS);
    }
  }

  /** Begins, or goes on. Whoever finds no server tries again. */
  begin() {
    this.isRunning = true;
    this.publishers.isOver = false;
    this.state = { isOver: false, visits: 0 };
    const mutating = { sent: 0, isOver: () => this.publishers.isOver, onAnswer: () => this.#answers++ };
    const working = [
      this.publishers.run('line', () => this.#topicOf()),
      this.publishers.run('broker', () => this.#topicOf()),
      this.#listTopics(),
      ...(this.isTrimmed ? [] : [this.mutations.run(this.server, mutating)]),
    ];
    this.#working = Promise.all(working).catch((error) => this.problems.push(error.stack));
    const visiting = this.visitors.map((visitor) => visitor.run(this.state, () => ({})));
    this.visiting = Promise.all(visiting).catch((error) => this.problems.push(error.stack));
  }

  get progress() {
    return { acknowledged: this.publishers.acknowledged, answers: this.#answers };
  }

  /** Whether so many more were answered since. */
  hasGoneOn(since, { acknowledged, answers }) {
    const now = this.progress;
    return now.acknowledged >= since.acknowledged + acknowledged &&
      (this.isTrimmed || now.answers >= since.answers + answers);
  }

  /** Nobody asks for anything any more, and everything is answered. */
  async endRequests() {
    this.publishers.isOver = true;
    await this.#working;
  }

  /** Nobody is connected any more. */
  async end() {
    await this.endRequests();
    this.state && (this.state.isOver = true);
    this.server.terminateClients();
    await this.visiting;
    this.isRunning = false;
  }

  /** All that is in the log is committed: row topics' histories are whole, and no ring is needed. */
  async beCommitted() {
    const isSo = async () => {
      const { log } = await this.server.health();
      return log.committed_seq === log.last_seq;
    };
    await until(isSo, { interval: 5, what: 'the commit of everything' });
  }

  /** A power cut has ended the epoch, behind everything that they have: they go on in the new one. */
  enterEpoch(epoch) {
    for (const { chains } of this.visitors) {
      chains.forEach(({ token }) => token && (token.epoch = epoch));
    }
  }

  async #readLog() {
    const { server, ledger, problems } = this;
    const log = await readWholeLog(server, problems);
    const topics = [...new Set(log.flatMap((operation) => operation.topics))];
    const plain = topics.filter((topic) => PLAIN_TOPICS.includes(topic));
    await ledger.readLog(plain, (topic, query) => server.history(topic, query));
    return log;
  }

  /** After endRequests, with everybody still subscribed: whatever was promised is there, each once. */
  async check() {
    await this.beCommitted();
    if (this.isTrimmed) {
      await this.#checkTrimmed();
      return;
    }
    const events = await this.rows.check(this.server);
    const log = await this.#readLog();
    const others = log.filter(({ seq, topics }) => seq > SCHEMA_SEQ && !PLAIN_TOPICS.includes(topics[0]));
    this.ledger.check(new Set(others.map(({ seq }) => seq)));
    for (const { seq, kind, topics } of others) {
      if (topics.length > 0 !== events.seqs.has(seq)) {
        this.problems.push(`seq ${seq}, ${kind} on ${topics}, is ${events.seqs.has(seq) ? '' : 'not '}in a history`);
      }
    }
    const logged = this.#plainSeqs();
    for (const [topic, name] of Object.entries(ROW_TOPICS)) {
      logged.set(topic, events[name].map(({ seq }) => seq));
    }
    await this.#checkVisitors(logged);
  }

  #plainSeqs() {
    const logged = new Map(PLAIN_TOPICS.map((topic) => [topic, []]));
    for (const [seq, id] of this.ledger.logged) {
      logged.get(this.ledger.sent.get(id))?.push(seq);
    }
    return logged;
  }

  /** All of them, up to the last; then what each had. */
  async #checkVisitors(logged) {
    const last = new Map([...logged].map(([topic, seqs]) => [topic, seqs.at(-1) ?? 0]));
    const { visitors, problems } = this;
    const isThere = () => problems.length > 0 || visitors.every((visitor) => visitor.hasReached(last));
    await until(isThere, { timeout: WHOLE_MS, interval: 5, what: 'the last events' });
    for (const { chains } of visitors) {
      chains.forEach((chain, topic) => chain.check(logged.get(topic)));
    }
  }

  /** What retention has taken is known by who was given it: nobody who keeps up may miss any of it. */
  async #checkTrimmed() {
    const { server, ledger, visitors, problems } = this;
    const first = (await server.health()).log.first_seq;
    const { topics } = (await server.request('GET', '/topics?limit=1000')).json;
    await ledger.readLog(topics.map(({ topic }) => topic), (topic, query) => server.history(topic, query));
    const oldest = Math.min(...ledger.logged.keys());
    if (oldest > Math.max(first, SCHEMA_SEQ + 1)) {
      problems.push(`the log begins with ${first}, but ${oldest} is the first that it has`);
    }
    const from = Math.max(...visitors.flatMap(({ chains }) => [...chains.values()].map((chain) => chain.from)));
    const logged = this.#plainSeqs();
    const trimmed = new Map(PLAIN_TOPICS.map((topic) => [topic, []]));
    for (const [id, seq] of ledger.acknowledged) {
      const topic = ledger.sent.get(id);
      if (seq < oldest) {
        if (seq > from && trimmed.has(topic) && ledger.delivered.get(seq) !== id) {
          problems.push(`acknowledged as ${seq}, trimmed, and never delivered: ${id.slice(0, 20)}`);
        }
        ledger.acknowledged.delete(id);
      }
    }
    for (const [seq, id] of ledger.delivered) {
      if (seq < oldest) {
        trimmed.get(ledger.sent.get(id)).push(seq);
        ledger.delivered.delete(seq);
      }
    }
    ledger.check(new Set(Array.from({ length: oldest - 2 }, (_, i) => i + 2)));
    const bySize = (a, b) => a - b;
    logged.forEach((seqs, topic) => logged.set(topic, [...trimmed.get(topic).sort(bySize), ...seqs]));
    await this.#checkVisitors(logged);
  }
}
