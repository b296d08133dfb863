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
import { Mutations } from './lib/mutations.mjs';
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
const DEATHS = isShort ? 5 : 20; // of a round, about: who dies soon is started again later and later
const IDLE_MS = 60_000; // without any answer: given up

const ledger = new RowLedger();
const mutators = new Mutations(ledger, random, { window: WINDOW });

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
  const mutating = Promise.all(Array.from({ length: CONNECTIONS }, () => mutators.run(server, state)));
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
