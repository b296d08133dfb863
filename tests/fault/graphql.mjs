// Mutations while processes are killed: every answered one is there, each row has exactly its events,
// none twice, ids have no hole, and subscriptions that resume have neither gap nor double.
//
//   node tests/fault/graphql.mjs [--short] [--mutations N] [--seed N]
//
// Three rounds on the same data: the store writer is killed (-9) at random moments of N (10,000)
// mutations from several connections on several workers; then workers; then everything at once. It
// ends with "N passed, N failed", a round each.
import { setTimeout as pause } from 'node:timers/promises';
import { graphqlSocket } from '../e2e/lib/graphql.mjs';
import { openGraphqlSse, openGraphqlWs } from '../e2e/lib/graphql_clients.mjs';
import { Server } from '../e2e/lib/server.mjs';
import { until } from '../e2e/lib/until.mjs';
import { deathsOf } from './lib/deaths.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { RowLedger } from './lib/rows.mjs';

const option = (name, otherwise) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
};
const isShort = process.argv.includes('--short');
const mutations = option('--mutations', isShort ? 600 : 10_000);
const seed = option('--seed', 1);
const random = randomFrom(seed);
const below = (count) => Math.floor(random() * count);

const CONNECTIONS = 6;
const WINDOW = 8; // mutations of a connection that wait for their answer
const HOT_ROWS = 20; // whose comments and updates go on topics of their own: not too many topics
const DEATHS = isShort ? 5 : 20; // of a round, about: who dies soon is started again later and later
const IDLE_MS = 30_000; // without any answer: given up

const ledger = new RowLedger();
let counter = 0;
let highestId = 0;

/** A mutation by chance: its text, and what it does under each of its aliases. */
function makeMutation() {
  const mark = () => `mark ${++counter}${' x'.repeat(below(40))}`;
  const parts = [];
  const add = (kind, text, what, id) => {
    ledger.send(what, kind, id);
    parts.push({ alias: `f${parts.length}`, mark: what, text });
  };
  for (let fields = random() < 0.1 ? 3 : 1; fields > 0; fields--) {
    const dice = random();
    const text = mark();
    const hot = 1 + below(HOT_ROWS);
    if (dice < 0.5 || highestId < HOT_ROWS) {
      add('create', `createMessage(authorId: 1, content: "${text}") { id }`, text);
    } else if (dice < 0.7) {
      const args = `messageId: ${hot}, authorId: 1, content: "${text}"`;
      add('create', `createComment(${args}) { id }`, text);
    } else if (dice < 0.9) {
      add('update', `updateMessage(id: ${hot}, title: "${text}") { id }`, text, hot);
    } else if (dice < 0.95) {
      add('publish', `publish(topic: "plain", data: "${text}") { seq }`, text);
    } else if (highestId > HOT_ROWS) {
      const id = HOT_ROWS + 1 + below(highestId - HOT_ROWS);
      deleteOnce(id, add);
    }
  }
  return parts;
}

const deleted = new Set();
function deleteOnce(id, add) {
  if (!deleted.has(id)) {
    deleted.add(id); // its mark is the row: a second try could not be told from the first
    add('delete', `deleteMessage(id: ${id}) { id }`, `delete ${id}`, id);
  }
}

/** One connection's worth of mutations, until `state` says that it is enough; a new one when it dies. */
async function mutate(server, state) {
  while (!state.isOver()) {
    const waiting = new Map(); // operation id -> parts
    try {
      const client = await graphqlSocket(server);
      await new Promise((resolve) => {
        const sendOne = () => {
          const parts = makeMutation();
          if (parts.length === 0) {
            return;
          }
          const query = `mutation { ${parts.map(({ alias, text }) => `${alias}: ${text}`).join(' ')} }`;
          waiting.set(client.start(query), parts);
          state.sent++;
        };
        client.ws.on('message', (data) => {
          const message = JSON.parse(data);
          const parts = waiting.get(message.id);
          if (message.type === 'next') {
            takeAnswer(parts, message.payload);
          } else if (message.type === 'error') {
            ledger.problems.push(`a mutation was refused as a whole: ${data}`);
          }
          if (message.type === 'complete' || message.type === 'error') {
            waiting.delete(message.id);
            state.onAnswer();
            while (waiting.size < WINDOW && !state.isOver()) {
              sendOne();
            }
            if (waiting.size === 0) {
              client.terminate();
            }
          }
        });
        client.ws.on('close', resolve);
        while (waiting.size < WINDOW) {
          sendOne();
        }
      });
    } catch {
      await pause(20); // there is no server at this moment
    }
    ledger.lose([...waiting.values()].flat().map(({ mark }) => mark));
  }
}

/** A field's answer. After a field that must not be null there is no data: what came is not known. */
function takeAnswer(parts, { data, errors = [] }) {
  for (const { alias, mark } of parts) {
    const error = errors.find(({ path }) => path?.[0] === alias);
    if (error) {
      ledger.refuse(mark, error.extensions.code);
    } else if (data === null) {
      ledger.lose([mark]);
    } else {
      ledger.answer(mark, data[alias]);
      highestId = Math.max(highestId, mark.startsWith('mark') ? data[alias]?.id ?? 0 : 0);
    }
  }
}

const { writer, worker, everything } = deathsOf(below);
const VICTIMS = { writer, worker, everything }; // in this order

/** The feeds' events are the topic's since they began, each once. */
function checkFeeds(feeds, events, name) {
  for (const { kind, items, from } of feeds) {
    const seen = items.map(({ seq }) => seq);
    const expected = events.map(({ seq }) => seq).filter((seq) => seq > from);
    const at = expected.findIndex((seq, i) => seq !== seen[i]);
    if (at >= 0 || seen.length !== expected.length) {
      ledger.problems.push(`${kind}, ${name}: ${seen.length} events instead of ${expected.length}; ` +
        `number ${at} is seq ${seen[at]} instead of ${expected[at]}`);
    }
  }
}

const QUERIES = {
  created: 'subscription { messageAdded { id content } }',
  updated: 'subscription { messageUpdated { id title } }',
  plain: 'subscription { topic(name: "plain") { seq data } }',
};

async function follow(server, cleanup) {
  const feeds = {};
  for (const [name, query] of Object.entries(QUERIES)) {
    feeds[name] = [];
    for (const [kind, open] of [['graphql-ws', openGraphqlWs], ['graphql-sse', openGraphqlSse]]) {
      const feed = await open(server, cleanup).follow(query);
      const from = Number(feed.extensions.resume.seq);
      feeds[name].push({ kind, from, feed, items: feed.items });
    }
  }
  return feeds;
}

async function oneRound(server, victim, count) {
  const cleanups = [];
  const feeds = await follow(server, (dispose) => cleanups.push(dispose));
  let answers = 0;
  let deaths = 0;
  const killEveryMax = (2 * count) / DEATHS;
  let nextDeath = 1 + below(killEveryMax);
  let killing = Promise.resolve();
  const state = {
    sent: 0,
    isOver: () => state.sent >= count || ledger.problems.length > 0,
    onAnswer: () => {
      answers++;
      if (answers >= nextDeath && !state.isOver()) {
        nextDeath = Infinity;
        killing = VICTIMS[victim](server).then(() => {
          deaths++;
          nextDeath = answers + 1 + below(killEveryMax);
        });
        killing.catch((error) => ledger.problems.push(error.stack));
      }
    },
  };
  const mutating = Promise.all(Array.from({ length: CONNECTIONS }, () => mutate(server, state)));
  let before = -1;
  const isDone = mutating.then(() => true);
  while (!(await Promise.race([isDone, pause(IDLE_MS, false)]))) {
    if (answers === before) {
      throw new Error(`no answer for ${IDLE_MS} ms after ${answers}; ${server.recentLog()}`);
    }
    before = answers;
  }
  await killing;

  // Behind everything else: whatever was lost on the way has been executed, or never will be.
  const end = `end of ${victim}`;
  const client = await graphqlSocket(server);
  ledger.send(end, 'create');
  ledger.send(`${end}, plain`, 'publish');
  const { last, plain } = await client.dataOf(`mutation {
    last: createMessage(authorId: 1, content: "${end}") { id }
    plain: publish(topic: "plain", data: "${end}, plain") { seq } }`);
  ledger.answer(end, last);
  ledger.answer(`${end}, plain`, plain);
  const events = await ledger.check(server);
  for (const [name, ofName] of Object.entries(feeds)) {
    const lastSeq = events[name].at(-1)?.seq ?? 0;
    for (const { kind, feed, from, items } of ofName) {
      const what = () => `${kind}, ${name}: seq ${lastSeq}, it is at ${items.at(-1)?.seq}; ${feed.ended}`;
      await until(() => lastSeq <= from || items.at(-1)?.seq >= lastSeq, { what });
    }
    checkFeeds(ofName, events[name], name);
  }
  cleanups.forEach((dispose) => dispose());
  console.log(`${victim}: ${deaths} deaths, ${answers} answers, ${ledger.answered} mutations answered, ` +
    `${ledger.refused} refused, ${events.created.length} messages, ${events.comments.length} comments`);
  return ledger.problems.length === 0 && deaths > 0;
}

const server = new Server({ workers: 2, ring: '8M', args: ['--retention-bytes', 'off'] });
const rounds = [['writer', mutations], ['worker', mutations / 2], ['everything', mutations / 2]];
let passed = 0;
try {
  await server.start();
  for (const [victim, count] of rounds) {
    passed += await oneRound(server, victim, count);
    if (ledger.problems.length > 0) {
      break;
    }
  }
} catch (error) {
  ledger.problems.push(error.stack);
} finally {
  await server.dispose().catch((error) => ledger.problems.push(error.stack));
}
ledger.problems.slice(0, 20).forEach((problem) => console.log(problem));
console.log(`seed ${seed}: ${ledger.problems.length} problems`);
const failed = Math.max(rounds.length - passed, ledger.problems.length > 0 ? 1 : 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
