// The clients of soak.mjs: publishers and those who hear everything, visitors who come and go, and what
// else a server is asked for. Each is a function or an object with run(soak), which ends when the soak's
// clients are to go (soak.isLeaving), having closed whatever it had opened.
//
// soak: {server, ways, streams, below(n), deaths, attempt(what, ask, deaths), problem(text),
//   count(name), isLeaving}
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { close } from '../../e2e/lib/frames.mjs';
import { allMessages, CREATE_MESSAGE, dataOf } from '../../e2e/lib/graphql.mjs';
import { ask2 } from '../../e2e/lib/http2.mjs';
import { parseMetrics } from '../../e2e/lib/metrics.mjs';
import { ctl } from '../../e2e/lib/sluicectl.mjs';
import { until, within } from '../../e2e/lib/until.mjs';
import { openReader } from './readers.mjs';
import { compressed, failures, handshakes, streams } from './soak_ways.mjs';
import { Follower } from './streams.mjs';

const RETRY_MS = 20;
const WINDOW = 8; // publishes of one connection that wait for their answer
const HALF_CLOSED_MS = 60_000; // until the server has to have ended, too: less than its --ping-timeout

export const ROW_TOPIC = 'messages';

/** How the room's events are stored. */
const valueOf = (topic, data) => (topic === 'room' ? data.data : data);

// --- publishers: one for each stream, so that number i is followed by i + 1

/** Publishes over one connection, several at a time; `request` makes what is said of a message. */
async function publishInWindow(soak, stream, kind, request) {
  const { server } = soak;
  const client = openReader(kind, server, kind === 'room' ? ['room'] : [], {
    way: soak.ways.choose(kind, { isAlone: true }),
    onItem(item) {
      const { message } = item;
      if (item.type === 'event' || message?.status === 'published') {
        stream.acknowledge(item.seq ?? message.seq); // in the room: one's own message
      } else if (item.type !== 'start') {
        stream.problem(`instead of an acknowledgement: ${JSON.stringify(item)}`);
      }
    },
  });
  let isClosed = false;
  client.closed.then(() => (isClosed = true));
  await until(() => client.isOpen || isClosed, { what: 'the handshake of a publisher' });
  while (!isClosed && !soak.isLeaving) {
    while (stream.sent - stream.acknowledged < WINDOW) {
      client.say(request(stream.payloadOf(stream.sent++)));
    }
    await pause(15 + soak.below(60));
  }
  const isAnswered = () => stream.sent === stream.acknowledged || isClosed;
  await until(isAnswered, { what: `the last answers to a publisher of ${stream.topic}` });
  client.terminate();
}

const brokerRequest = (topic, isDurable) => (message) =>
  JSON.stringify({ action: 'publish', topic, message, ...(isDurable && { durable: true }) });

/** One request after the other; `ask` gives the seq. deaths: when its connection was made. */
async function publishByRequest(soak, stream, ask, deaths) {
  while (!soak.isLeaving) {
    const message = stream.payloadOf(stream.sent++);
    const seq = await soak.attempt(`a publish to ${stream.topic}`, () => ask(message), deaths);
    if (seq === undefined) {
      return;
    }
    stream.acknowledge(seq);
    await pause(5 + soak.below(40));
  }
}

const PUBLISH = 'mutation ($topic: String!, $data: JSON!) { publish(topic: $topic, data: $data) { seq } }';

/** By HTTP/2, or on a connection for each request. */
async function publishByPost(soak, stream) {
  const { deaths } = soak;
  const isSecure = soak.below(2) === 0;
  const session = soak.below(3) === 0
    ? null
    : await soak.attempt('a connection of HTTP/2', () => soak.ways.session(isSecure).ready);
  const headers = { 'content-type': 'text/plain' };
  const ask = async (body) => {
    const target = `/topics/${stream.topic}${soak.below(4) === 0 ? '?durable=true' : ''}`;
    const answer = session
      ? await ask2(session, 'POST', target, { headers, body })
      : await soak.server.request('POST', target, { headers, body });
    assert.equal(answer.status, 201, answer.text);
    return JSON.parse(answer.text).seq;
  };
  await publishByRequest(soak, stream, ask, session ? deaths : undefined);
  session?.destroy();
}

const WAYS = {
  room: (soak, stream) => publishInWindow(soak, stream, 'room', (message) => message),
  line: (soak, stream) => publishInWindow(soak, stream, 'line', brokerRequest(stream.topic)),
  durable: (soak, stream) => publishInWindow(soak, stream, 'broker', brokerRequest(stream.topic, true)),
  http: publishByPost,
  graphql: (soak, stream) =>
    publishByRequest(soak, stream, async (data) => {
      const { publish } = await dataOf(soak.server, PUBLISH, { topic: stream.topic, data });
      return Number(publish.seq);
    }),
};

export const PUBLISHING_WAYS = Object.keys(WAYS);

/** After a worker's death the log says which of the messages without an answer are in it. */
async function settle(soak, stream) {
  const since = stream.acknowledged > 0 ? stream.seqOf(stream.acknowledged - 1) : 0;
  const page = await soak.attempt('history', () =>
    soak.server.history(stream.topic, `?since=${since}&limit=1000`),
  );
  if (page === undefined) {
    return false;
  }
  for (const { seq, data } of page.events) {
    if (valueOf(stream.topic, data) !== stream.payloadOf(stream.acknowledged)) {
      stream.problem(`seq ${seq} is in the log in place of number ${stream.acknowledged}`);
    }
    stream.acknowledge(seq);
  }
  stream.sent = stream.acknowledged;
  return true;
}

export async function publish(soak, stream, way) {
  while (!soak.isLeaving) {
    await WAYS[way](soak, stream);
    while (stream.sent !== stream.acknowledged && !(await settle(soak, stream))) {
      await pause(RETRY_MS);
    }
  }
}

// --- those who hear everything

/** Keeps a subscription over connection after connection. take(seq, data) gets each event once. */
class Listener {
  token = null;

  constructor(kind, topic, take) {
    Object.assign(this, { kind, topic, take });
  }

  /** Until the clients are to go and it has what it waits for, or never will. */
  async run(soak, hasAll) {
    const isDone = () => soak.isLeaving && (hasAll() || soak.problems.length > 0);
    while (!isDone()) {
      const reader = openReader(this.kind, soak.server, [this.topic], {
        token: this.token,
        way: soak.ways.choose(this.kind),
        onItem: (item) => this.#hear(soak, item),
      });
      let isClosed = false;
      reader.closed.then(() => (isClosed = true));
      await until(() => isClosed || isDone(), {
        timeout: 600_000,
        what: `everything on ${this.topic}`,
      });
      reader.terminate();
      await pause(RETRY_MS);
    }
  }

  #hear(soak, item) {
    if (item.type === 'start') {
      this.token ??= { epoch: item.epoch, seq: item.seq };
      if (item.recovered === false || item.epoch !== this.token.epoch) {
        soak.problem(`${this.kind} of ${this.topic}, always there: ${JSON.stringify(item)}`);
      }
    } else if (item.type === 'event') {
      if (item.seq <= this.token.seq) {
        soak.problem(`${this.kind} of ${this.topic}: seq ${item.seq} behind ${this.token.seq}`);
      }
      this.token = { ...this.token, seq: item.seq };
      this.take(item.seq, item.data);
    } else {
      soak.problem(`${this.kind} of ${this.topic}, always there, was told ${JSON.stringify(item)}`);
    }
  }
}

/** Holds all of a stream against what was published. It has to be there before the first message. */
export class Witness {
  constructor(stream, kind) {
    this.follower = new Follower(stream, `the witness by ${kind}`);
    this.listener = new Listener(kind, stream.topic, (seq, data) => this.follower.event(seq, data));
  }

  get isListening() {
    return this.listener.token !== null;
  }

  async run(soak) {
    const { follower } = this;
    const hasAll = () => follower.stream.sent === follower.stream.acknowledged &&
      follower.next >= follower.stream.acknowledged;
    await this.listener.run(soak, hasAll);
    follower.checkWhole();
  }
}

// --- rows: made, read, changed and deleted; whoever subscribes hears of each once

const MESSAGE = 'query ($id: Int!) { message(id: $id) { id content } }';
const UPDATE = 'mutation ($id: Int!, $t: String) { updateMessage(id: $id, title: $t) { id title } }';
const DELETE = 'mutation ($id: Int!) { deleteMessage(id: $id) { id } }';

export class Rows {
  #counter = 0;
  #answered = new Set();
  #heard = new Set();
  #uncertain = new Set(); // marks of rows that a death may have left

  constructor() {
    this.listener = new Listener('graphql_events', ROW_TOPIC, (seq, data) => this.#hear(seq, data));
  }

  get isListening() {
    return this.listener.token !== null;
  }

  #problems = [];

  #hear(seq, { content }) {
    if (this.#heard.has(content)) {
      this.#problems.push(`row ${content} heard of again, at seq ${seq}`);
    }
    this.#heard.add(content);
  }

  listen(soak) {
    const hasAll = () => [...this.#answered].every((mark) => this.#heard.has(mark));
    return this.listener.run(soak, () => this.isQuiet && hasAll());
  }

  /** One row's whole life. */
  async #live(soak) {
    const { server } = soak;
    const content = `row ${++this.#counter}`;
    this.#uncertain.add(content);
    const id = (await dataOf(server, CREATE_MESSAGE, { content })).createMessage.id;
    this.#answered.add(content);
    const { message } = await dataOf(server, MESSAGE, { id });
    const { updateMessage } = await dataOf(server, UPDATE, { id, t: content });
    const { deleteMessage } = await dataOf(server, DELETE, { id });
    this.#uncertain.delete(content);
    const { message: gone } = await dataOf(server, MESSAGE, { id });
    const found = [message?.content, updateMessage?.title, deleteMessage?.id, gone];
    const expected = [content, content, id, null];
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      this.#problems.push(`${content}, id ${id}: ${JSON.stringify(found)}`);
    }
    soak.count('rows');
  }

  async run(soak) {
    this.isQuiet = false;
    while (!soak.isLeaving) {
      await soak.attempt('a row', () => this.#live(soak));
      await pause(20 + soak.below(100));
    }
    this.isQuiet = true;
  }

  /** Only what a death has left is there. */
  async check(soak) {
    for (const { content } of await allMessages(soak.server)) {
      if (!this.#uncertain.has(content)) {
        this.#problems.push(`not deleted: ${content}`);
      }
    }
    this.#problems.forEach((text) => soak.problem(text));
  }
}

// --- visitors

/** For so long, or until the clients are to go, or until isOver(). */
async function stay(soak, ms, isOver = () => false) {
  const end = performance.now() + ms;
  while (!soak.isLeaving && performance.now() < end && !isOver()) {
    await pause(20);
  }
}

const ENDS = {
  /** As the protocol has it. */
  async leave(soak, reader) {
    reader.socket.write(reader.isFramed ? close() : '');
    await ENDS.halfClose(soak, reader);
  },
  async reset(soak, reader) {
    reader.isGone = true;
    reader.socket.resetAndDestroy();
  },
  /** Nothing more is sent; the server ends, too. A request over HTTP/2 has ended that side long ago. */
  async halfClose(soak, reader) {
    if (reader.way.isStream && !reader.isFramed) {
      reader.terminate();
      return;
    }
    reader.socket.end();
    const what = `the end of a half-closed connection (${reader.kind})`;
    await within(reader.closed, what, HALF_CLOSED_MS).catch((error) => soak.problem(error.message));
  },
  async silence(soak, reader) {
    reader.pause();
    await pause(soak.below(4000));
    reader.terminate();
  },
};

/** Somebody who comes and goes, resumes where it was, and has a gap when that was too long ago. */
export class Visitor {
  #token = null;
  #follower = null;

  constructor(kind, stream) {
    Object.assign(this, { kind, stream });
  }

  /** The first event behind the start: no other of its topic lies between. */
  #begin(seq, data) {
    const index = parseInt(data, 10);
    if (seq <= this.#token.seq || this.stream.seqOf(index - 1) > this.#token.seq) {
      this.stream.problem(`${this.kind} began behind ${this.#token.seq} with seq ${seq}, number ${index}`);
    }
    const options = { next: index, mayHaveGaps: true };
    this.#follower = new Follower(this.stream, `a visitor by ${this.kind}`, options);
  }

  #gap(soak, reader, oldest) {
    soak.count('gaps');
    if (this.kind === 'graphql') {
      this.#token = this.#follower = null; // the subscription has ended: a new one begins
      reader.terminate();
    } else if (this.#follower) {
      this.#follower.gap(oldest);
    } else {
      this.#token.seq = oldest - 1;
    }
  }

  #take(soak, reader, item) {
    if (item.type === 'start') {
      this.#token ??= { epoch: item.epoch, seq: item.seq };
      soak.count('visits');
    } else if (item.type === 'gap') {
      this.#gap(soak, reader, item.oldest);
    } else if (item.type === 'event') {
      if (this.#follower === null) {
        this.#begin(item.seq, item.data);
      }
      this.#follower.event(item.seq, item.data);
      this.#token = { ...this.#token, seq: item.seq };
      soak.count('deliveries');
    } else {
      soak.problem(`${this.kind} of ${this.stream.topic} was told ${JSON.stringify(item)}`);
    }
  }

  async #visit(soak) {
    if (soak.below(4) === 0) {
      this.#token = this.#follower = null; // somebody new
    }
    const way = soak.ways.choose(this.kind);
    const reader = openReader(this.kind, soak.server, [this.stream.topic], {
      token: this.#token,
      way,
      onItem: (item) => this.#take(soak, reader, item),
    });
    reader.kind = this.kind;
    reader.way = way;
    let isClosed = false;
    reader.closed.then(() => (isClosed = true));
    await stay(soak, soak.below(2000), () => isClosed);
    if (!isClosed) {
      const names = Object.keys(ENDS);
      await ENDS[names[soak.below(names.length)]](soak, reader);
    }
    await reader.closed;
    soak.count(`by ${way.name}`, reader.isOpen ? 1 : 0);
    soak.count('compressed', reader.compressed);
  }

  async run(soak) {
    while (!soak.isLeaving) {
      await this.#visit(soak);
      await stay(soak, soak.below(soak.below(10) === 0 ? 8000 : 400)); // away for long now and then
    }
  }
}

// --- what else a server is asked for

let names = 0; // of what nobody has asked for before

/** Subscriptions to topics that nobody else knows of, hundreds at a time. */
async function shortTopics(soak) {
  const client = await soak.server.broker();
  while (!soak.isLeaving && client.ws.readyState === client.ws.OPEN) {
    const topics = Array.from({ length: 200 }, () => `short-lived-${++names}`);
    for (const action of ['subscribe', 'unsubscribe']) {
      topics.forEach((topic) => client.send({ action, topic }));
      for (const topic of topics) {
        const { status } = await client.next();
        assert.equal(status, `${action}d`, topic);
      }
    }
    soak.count('topics', topics.length);
    await pause(soak.below(200));
  }
  client.terminate();
}

/** Documents that the server has never seen. */
async function documents(soak) {
  const alias = `a${++names}`;
  const padding = '#'.repeat(soak.below(600));
  const { [alias]: said } = await dataOf(soak.server, `query Q${names} { ${alias}: hello } ${padding}`);
  assert.equal(said, 'Hello, GraphQL!');
  soak.count('documents');
}

/** A page has what was published, without a hole but where it says what retention has just taken. */
export function checkPage(stream, since, { events, recovered, oldest }) {
  let last = since;
  let next;
  for (const { seq, data } of events) {
    const value = valueOf(stream.topic, data);
    const index = parseInt(value, 10);
    const isTaken = !recovered && index > next && seq >= oldest && stream.seqOf(index - 1) < oldest;
    if (seq <= last || (next !== undefined && index !== next && !isTaken)) {
      stream.problem(`history: seq ${seq} behind ${last} is number ${index}, not ${next}`);
    } else if (value !== stream.payloadOf(index)) {
      stream.problem(`history: seq ${seq} is not number ${index}`);
    }
    stream.note(index, seq, 'in the history');
    next = index + 1;
    last = seq;
  }
  const first = next - events.length; // if there was no hole
  if (recovered && events.length > 0 && stream.seqOf(first - 1) > since) {
    stream.problem(`history behind ${since} begins with seq ${events[0].seq}`);
  }
}

/** A page of a stream's history. */
async function history(soak) {
  const { streams } = soak;
  const stream = streams[soak.below(streams.length)];
  const back = soak.below(2 * Math.min(stream.acknowledged, 1000) + 1);
  const since = stream.seqOf(stream.acknowledged - 1 - back) ?? 0;
  const page = await soak.server.history(stream.topic, `?since=${since}&limit=${1 + soak.below(500)}`);
  checkPage(stream, since, page);
  soak.count('history pages');
}

/** The built-in pages with all they consist of. */
async function pages(soak) {
  const get = async (target) => {
    const answer = await soak.server.request('GET', target, { headers: { accept: 'text/html' } });
    assert.equal(answer.status, 200, target);
    return answer.text;
  };
  const html = await get('/');
  const links = [...html.matchAll(/(?:src|href)="(\/?[\w./-]+)"/g)].map(([, link]) => link);
  assert.ok(links.length > 0, html.slice(0, 200));
  for (const link of links) {
    await get(new URL(link, 'http://host/').pathname);
  }
  soak.count('pages');
}

async function polls(soak) {
  const health = await soak.server.request('GET', '/health');
  assert.equal(health.status, 200, health.text);
  parseMetrics((await soak.server.request('GET', '/metrics')).text);
  assert.equal((await soak.server.request('GET', '/topics?limit=100')).status, 200);
  soak.count('polls');
}

const CTL = [['health'], ['topics'], ['clients'], ['log', '--limit', '20'], ['top', '--once']];

async function control(soak) {
  const { code, stderr } = await ctl([...CTL[soak.below(CTL.length)], '--json', '-d', soak.server.data]);
  assert.equal(code, 0, stderr);
  soak.count('sluicectl');
}

/** A reader of every stream that takes nothing for seconds, then all of it. */
async function slowReader(soak) {
  const followers = new Map();
  const starts = new Map();
  const topics = soak.streams.map(({ topic }) => topic).filter((topic) => topic !== 'room');
  const reader = openReader('broker', soak.server, topics, {
    onItem({ type, topic, seq, data, oldest, message }) {
      if (type === 'start') {
        starts.set(topic, seq);
      } else if (type === 'event') {
        if (!followers.has(topic)) {
          const stream = soak.streams.find((one) => one.topic === topic);
          const options = { next: parseInt(data, 10), mayHaveGaps: true };
          followers.set(topic, new Follower(stream, 'a slow reader', options));
        }
        followers.get(topic).event(seq, data);
      } else if (type === 'gap') {
        followers.get(topic)?.gap(oldest);
      } else {
        soak.problem(`a slow reader was told ${JSON.stringify(message)}`);
      }
    },
  });
  let isClosed = false;
  reader.closed.then(() => (isClosed = true));
  while (!soak.isLeaving && !isClosed) {
    reader.pause();
    await pause(1000 + soak.below(4000));
    reader.resume();
    await pause(300);
  }
  soak.count('slow readers');
  reader.terminate();
}

/** What is done again and again, with a pause of up to so many ms. */
const ERRANDS = [
  [shortTopics, 500],
  [documents, 80],
  [documents, 80],
  [history, 100],
  [pages, 1000],
  [polls, 400],
  [control, 2000],
  [slowReader, 500],
  [handshakes, 30],
  [handshakes, 30],
  [failures, 60],
  [streams, 300],
  [compressed, 40],
  [compressed, 40],
];

/** All errands, or those of these names, until the clients are to go. */
export function runErrands(soak, names) {
  const chosen = ERRANDS.filter(([{ name }]) => !names || names.includes(name));
  return chosen.map(async ([errand, longest]) => {
    while (!soak.isLeaving) {
      await soak.attempt(errand.name, () => errand(soak));
      await pause(soak.below(longest));
    }
  });
}
