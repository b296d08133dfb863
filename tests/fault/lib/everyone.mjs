// Publishers and subscribers of every protocol on one server, and one ledger of what they were told.
import assert from 'node:assert/strict';
import { graphqlSocket } from '../../e2e/lib/graphql.mjs';
import { LineClient } from '../../e2e/lib/line.mjs';
import { numbers, SCHEMA_SEQ } from '../../e2e/lib/shapes.mjs';
import { until } from '../../e2e/lib/until.mjs';
import { Ledger } from './ledger.mjs';
import { openReader, READER_KINDS } from './readers.mjs';

/** Who publishes by what: to a topic of its own, so that its events can be told apart. */
export const TOPICS = {
  room: 'room',
  broker: 'by-broker',
  line: 'by-line',
  http: 'by-http',
  graphql: 'by-graphql',
  rows: 'messages',
};
const TOPIC_NAMES = Object.values(TOPICS);

/** The text that was published, from an event's payload: of the room, of a row, or as it is. */
const textOf = (data) => (typeof data === 'string' ? data : data.data ?? data.content);

export const MUTATIONS = {
  graphql: 'mutation ($topic: String!, $data: JSON!) { publish(topic: $topic, data: $data) { seq } }',
  rows: 'mutation ($content: String!) { createMessage(authorId: 1, content: $content) { id } }',
};

/** GraphQL's result as {seq} or {refusal}. */
const resultOf = (result, seqOf) =>
  result.errors ? { refusal: JSON.stringify(result) } : { seq: seqOf(result.data) };

const answerOf = ({ id, ...answer }) =>
  answer.status === 'published' ? { seq: answer.seq } : { refusal: JSON.stringify(answer) };

/**
 * A function (text, isDurable) => {seq} or {refusal}: what was refused, as its text. seq is null where
 * the protocol does not tell it.
 */
const PUBLISHERS = {
  async room(server) {
    const client = await server.room('publisher');
    return async (text) => {
      client.send(text);
      const message = await client.next(({ type, data }) => type === 'error' || data === text);
      return message.type === 'error' ? { refusal: JSON.stringify(message) } : { seq: message.seq };
    };
  },

  async broker(server) {
    const client = await server.broker();
    return async (text, durable) => answerOf(await client.publish(TOPICS.broker, text, { durable }));
  },

  async line(server) {
    const client = new LineClient(server.linePort);
    server.clients.add(client);
    let count = 0;
    return async (message, durable) => {
      const id = ++count;
      client.send({ action: 'publish', topic: TOPICS.line, message, durable, id });
      return answerOf(await client.next({ id }));
    };
  },

  async http(server) {
    return async (text, durable) => {
      const { status, json, text: refusal } =
        await server.post(TOPICS.http, text, 'text/plain', durable ? '?durable=true' : '');
      return status === 201 ? { seq: json.seq } : { refusal: `${status} ${refusal}` };
    };
  },

  async graphql(server) {
    const client = await graphqlSocket(server);
    return async (data) => {
      const result = await client.ask(MUTATIONS.graphql, { variables: { topic: TOPICS.graphql, data } });
      return resultOf(result, ({ publish }) => Number(publish.seq));
    };
  },

  async rows(server) {
    const client = await graphqlSocket(server);
    return async (content) =>
      resultOf(await client.ask(MUTATIONS.rows, { variables: { content } }), () => null);
  },
};
export const PUBLISHER_KINDS = Object.keys(PUBLISHERS);

/** One subscriber: what it has had, in the order in which it came. */
class Watcher {
  starts = new Map(); // topic -> seq
  seqs = new Map(); // topic -> seqs
  refused = null;

  constructor(everyone, kind, topics, token) {
    Object.assign(this, { everyone, kind, topics });
    const { ledger, server } = everyone;
    topics.forEach((topic) => this.seqs.set(topic, []));
    this.reader = openReader(kind, server, topics, {
      token,
      onItem: (item) => {
        if (item.type === 'event') {
          ledger.deliver(textOf(item.data), item.topic, item.seq);
          this.seqs.get(item.topic).push(item.seq);
        } else if (item.type === 'start') {
          this.starts.set(item.topic, item.seq);
        } else if (item.type === 'gap' || this.starts.size > 0) {
          ledger.problems.push(`${kind} got ${JSON.stringify(item)}`);
        } else {
          this.refused = item;
        }
      },
    });
  }

  get isStarted() {
    return this.starts.size === this.topics.length;
  }

  lastOf(topic) {
    return this.seqs.get(topic).at(-1) ?? this.starts.get(topic);
  }
}

/** The topics that a kind of reader can have at once: those that take one get a watcher each. */
const topicSets = (kind) => {
  if (kind === 'room') {
    return [[TOPICS.room]];
  }
  const all = TOPIC_NAMES.filter((topic) => topic !== TOPICS.room);
  return kind === 'broker' || kind === 'line' ? [all] : [[TOPICS.broker], [TOPICS.rows]];
};

export class Everyone {
  ledger = new Ledger();
  watchers = [];
  #publishers = new Map();
  #refused = new Set();
  #counter = 0;
  #log = new Map(); // topic -> seqs

  /** server.linePort has to be where its --broker-listen is. random: for sizes. */
  constructor(server, random) {
    Object.assign(this, { server, random });
  }

  get problems() {
    return this.ledger.problems;
  }

  async publisher(kind) {
    if (!this.#publishers.has(kind)) {
      this.#publishers.set(kind, await PUBLISHERS[kind](this.server));
    }
    return this.#publishers.get(kind);
  }

  /** Publishers' connections are gone: with a server that has ended. */
  forgetPublishers() {
    this.#publishers.clear();
  }

  /** One publish of about so many bytes: {seq} or {refusal}. It rejects when its connection ends. */
  async publish(kind, { bytes = 8000, durable = false } = {}) {
    const publish = await this.publisher(kind);
    const id = `${++this.#counter}:${'x'.repeat(Math.floor(bytes * this.random()))}`;
    this.ledger.send(id, TOPICS[kind]);
    const answer = await publish(id, durable);
    if (answer.refusal === undefined) {
      this.ledger.acknowledge(id, TOPICS[kind], answer.seq);
    } else {
      this.#refused.add(id);
    }
    return answer;
  }

  /** Each kind publishes, durably every other time, until it is refused; what each was refused with. */
  async publishUntilRefused(options = {}) {
    const one = async (kind) => {
      for (let count = 0; ; count++) {
        const { refusal } = await this.publish(kind, { ...options, durable: count % 2 === 1 });
        if (refusal !== undefined) {
          return [kind, refusal];
        }
      }
    };
    return Object.fromEntries(await Promise.all(PUBLISHER_KINDS.map(one)));
  }

  /** Each kind publishes one that has to be taken. */
  async publishOnce(options) {
    for (const kind of PUBLISHER_KINDS) {
      const { refusal } = await this.publish(kind, options);
      assert.equal(refusal, undefined, `by ${kind}`);
    }
  }

  /** Subscribers of every protocol; since: {epoch, seq} to begin at, else what comes from now on. */
  async watch(since) {
    const opened = READER_KINDS.flatMap((kind) =>
      topicSets(kind).map((topics) => new Watcher(this, kind, topics, since)));
    for (const watcher of opened) {
      const what = () => `${watcher.kind}: ${JSON.stringify(watcher.refused)}`;
      await until(() => watcher.isStarted, { what });
    }
    this.watchers.push(...opened);
  }

  /** The next publish of that kind has a new connection. */
  forgetPublisher(kind) {
    this.#publishers.delete(kind);
  }

  /** Nobody subscribes any more. */
  leave() {
    this.watchers.forEach(({ reader }) => reader.terminate());
    this.watchers = [];
  }

  /** Subscribers who lost their connection: they go on where they were. */
  async resumeLost(epoch) {
    const kept = this.watchers.filter(({ reader }) => !reader.socket.destroyed);
    this.watchers = this.watchers.filter(({ reader }) => reader.socket.destroyed);
    await this.resume(epoch);
    this.watchers.push(...kept);
  }

  /** Subscribers of before a restart: they go on where they were. */
  async resume(epoch) {
    const before = this.watchers;
    this.watchers = [];
    for (const watcher of before) {
      const { kind, topics } = watcher;
      const tokens = new Map(topics.map((topic) => [topic, { epoch, seq: watcher.lastOf(topic) }]));
      const token = kind === 'broker' || kind === 'line' ? tokens : tokens.get(topics[0]);
      this.watchers.push(new Watcher(this, kind, topics, token));
    }
  }

  /**
   * The log as it is now holds what was acknowledged, and nothing that was refused; seq has no hole, unless
   * mutations may be waiting (isComplete: false), which have a seq already, and no event.
   */
  async checkLog({ isComplete = true } = {}) {
    const { ledger } = this;
    ledger.forgetLog();
    this.#log.clear();
    await ledger.readLog(TOPIC_NAMES, async (topic, query) => {
      const page = await this.server.history(topic, query);
      const events = page.events.map(({ seq, data }) => ({ seq, data: textOf(data) }));
      const seqs = this.#log.get(topic) ?? [];
      seqs.push(...events.map(({ seq }) => seq));
      this.#log.set(topic, seqs);
      return { ...page, events };
    });
    const last = Math.max(SCHEMA_SEQ, ...ledger.logged.keys());
    const all = numbers(SCHEMA_SEQ + 1, last - SCHEMA_SEQ);
    ledger.check(new Set(isComplete ? [] : all.filter((seq) => !ledger.logged.has(seq))));
    for (const [seq, id] of ledger.logged) {
      if (this.#refused.has(id)) {
        ledger.problems.push(`refused, but in the log as ${seq}: ${id.slice(0, 20)}`);
      }
    }
  }

  /** After checkLog: every subscriber has had all of its topics since it began, in order, each once. */
  async checkWatchers() {
    const expectedOf = (watcher, topic) =>
      (this.#log.get(topic) ?? []).filter((seq) => seq > watcher.starts.get(topic));
    for (const watcher of this.watchers) {
      for (const topic of watcher.topics) {
        const expected = expectedOf(watcher, topic);
        const seen = watcher.seqs.get(topic);
        await until(() => seen.length >= expected.length, { what: 'all events' }).catch(() => {});
        const at = expected.findIndex((seq, i) => seq !== seen[i]);
        if (at >= 0 || seen.length !== expected.length) {
          this.problems.push(`${watcher.kind} on ${topic}: ${seen.length} events instead of ` +
            `${expected.length}; number ${at} is ${seen[at]} instead of ${expected[at]}`);
        }
      }
    }
  }

  /** What was sent until now, before the answer to this: nothing of it is on its way any more. */
  async check() {
    await this.checkLog();
    await this.checkWatchers();
    assert.deepEqual(this.problems, []);
  }
}
