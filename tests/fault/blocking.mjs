// Workers under every kind of load wait for nothing but epoll: each system call of theirs is looked at.
//
//   node tests/fault/blocking.mjs [--short] [--events N] [--seed N]
//
// strace follows the workers while clients of every protocol read, do not read, resume what retention
// has partly taken and publish N events (20,000), rows are changed and listed, newcomers come and go, an
// administrator asks for everything, the log's reader takes nothing, and a drain begins. It ends with
// "N passed, N failed": the descriptors, and the calls. Where strace may not follow a process (ptrace_scope,
// seccomp) only the first is judged, and that is said.
import { ask, createMessage, dataOf } from '../e2e/lib/graphql.mjs';
import { metric } from '../e2e/lib/metrics.mjs';
import { freePort, Server } from '../e2e/lib/server.mjs';
import { ctl } from '../e2e/lib/sluicectl.mjs';
import { until } from '../e2e/lib/until.mjs';
import { Calls, descriptorsThatWait, judgeCalls } from './lib/calls.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { openReader, READER_KINDS } from './lib/readers.mjs';

const option = (name, otherwise) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
};
const isShort = process.argv.includes('--short');
const events = option('--events', isShort ? 2000 : 20_000);
const seed = option('--seed', 1);
const random = randomFrom(seed);

const BATCH = 100; // events that wait for their answer
const TOPIC = 'room'; // which every protocol has
const LONG = 'x'.repeat(1000);
const NOT_READ = 'x'.repeat(200_000);

/** All kinds of readers: those who read and those who do not, with a token or without. */
async function openReaders(server, token) {
  const before = await metric(server, 'sluice_subscriptions');
  const readers = [];
  for (const kind of READER_KINDS) {
    for (const isSlow of [false, true]) {
      const seen = { kind, count: 0, last: 0 };
      const onItem = ({ type, seq = 0, message }) => {
        seen.isTold ||= message?.type === 'shutdown';
        seen.last = type === 'event' ? seq : seen.last;
        if (seen.count++ === 0 && isSlow) {
          seen.reader.pause();
        }
      };
      seen.reader = openReader(kind, server, [TOPIC], { token, onItem });
      readers.push(seen);
    }
  }
  // Who resumes gets something at once, be it a gap; a new GraphQL subscription says nothing at first.
  const areThere = async () =>
    token
      ? readers.every(({ count }) => count > 0)
      : (await metric(server, 'sluice_subscriptions')) === before + readers.length;
  await until(areThere, { what: 'subscriptions' });
  return readers;
}

async function publish(server, broker, count) {
  for (let done = 0; done < count; done += BATCH) {
    const size = Math.floor(random() * LONG.length);
    for (let i = 0; i < BATCH; i++) {
      broker.send({ action: 'publish', topic: TOPIC, message: LONG.slice(size) });
    }
    for (let i = 0; i < BATCH; i++) {
      await broker.next({ status: 'published' });
    }
  }
}

/** What is asked of each worker: requests go to any, so often that none is left out. */
async function askEverything(server) {
  for (let round = 0; round < 8; round++) {
    await server.request('GET', '/health');
    await server.request('GET', '/metrics');
    await server.request('GET', '/');
    await server.request('GET', '/no-such-page');
    await server.request('GET', '/topics');
    await server.request('GET', `/topics/${TOPIC}?limit=1000`);
    await server.request('POST', `/topics/${TOPIC}`, { body: 'published by HTTP' });
    await createMessage(server, `number ${round}`);
    await dataOf(server, '{ messages(limit: 1000) { id content } }');
    await dataOf(server, '{ __schema { types { name fields { name } } } }');
    await ask(server, '{ nonsense }');
    const visitor = await server.room();
    visitor.terminate();
  }
  for (const command of [['health'], ['clients'], ['topics'], ['log'], ['kick', 'nobody']]) {
    await ctl([...command, '--data', server.data]); // whatever it says
  }
}

async function load(server) {
  const broker = await server.broker();
  const { epoch, seq } = (await dataOf(server, '{ position { epoch seq } }')).position;
  const readers = await openReaders(server);
  server.child.stderr.pause(); // the log's reader
  await publish(server, broker, events / 2);
  for (let i = 0; i < 5; i++) {
    broker.send({ action: 'publish', topic: TOPIC, message: NOT_READ });
    await broker.next({ status: 'published' });
  }
  await askEverything(server);
  readers.push(...(await openReaders(server, { epoch, seq: Number(seq) })));
  await publish(server, broker, events / 2);
  readers.forEach(({ reader }) => reader.resume());
  broker.send({ action: 'publish', topic: TOPIC, message: 'the end' });
  const last = (await broker.next({ status: 'published' })).seq;
  // A GraphQL subscription over WebSocket that meets a gap is over.
  const isThere = ({ kind, last: seen }) => seen === last || kind === 'graphql';
  await until(() => readers.every(isThere), {
    what: () => `the last event; ${JSON.stringify(readers.filter((one) => !isThere(one)))}`,
  });
  return readers;
}

/** {descriptors: problems, lines: strace's, or null and the refusal}. `follow` gets who has to stop. */
async function run(server, follow) {
  const pids = server.workers().map(({ pid }) => pid);
  let calls = null;
  let refusal = null;
  try {
    calls = await Calls.of(pids);
    follow(calls);
  } catch (error) {
    refusal = error.message;
  }
  const readers = await load(server);
  const descriptors = pids.flatMap((pid) => descriptorsThatWait(pid).map((what) => `${pid}: ${what}`));
  server.child.stderr.resume();
  server.signal('SIGTERM');
  // That is followed, too; the log says that it drains a moment before.
  const toBeTold = readers.filter(({ kind }) => ['room', 'broker', 'line'].includes(kind));
  await until(() => toBeTold.every(({ isTold }) => isTold), { what: 'clients that are told of the drain' });
  await server.request('GET', '/health');
  const lines = calls && (await calls.stop()); // a traced process cannot look for leaks
  readers.forEach(({ reader }) => reader.terminate());
  server.terminateClients();
  const status = await server.end();
  if (status !== 0) {
    descriptors.push(`the server ended with ${status}; ${server.recentLog()}`);
  }
  return { descriptors, lines, refusal };
}

function show(name, problems) {
  problems.slice(0, 20).forEach((problem) => console.log(`  ${problem}`));
  console.log(`${problems.length === 0 ? 'ok     ' : 'FAILED '} ${name}: ${problems.length} problems`);
  return problems.length === 0;
}

console.log(`seed ${seed}, ${events} events`);
const linePort = await freePort();
const server = new Server({
  workers: 2,
  args: ['--broker-listen', `127.0.0.1:${linePort}`, '--retention-bytes', '1M', '--max-queue', '64K',
    '--log-level', 'debug'],
});
server.linePort = linePort;
const results = [];
let following = null;
try {
  await server.start();
  const { descriptors, lines, refusal } = await run(server, (calls) => (following = calls));
  results.push(show('descriptors', descriptors));
  if (lines === null) {
    console.log(`not judged: calls, because processes cannot be followed here (${refusal.trim()})`);
  } else {
    const { problems, count, longest } = judgeCalls(lines);
    const times = Object.entries(longest).sort(([, a], [, b]) => b - a);
    console.log(`${count} system calls of ${server.options.workers} workers; the longest, in ms: ` +
      times.slice(0, 8).map(([name, s]) => `${name} ${(s * 1000).toFixed(1)}`).join(', '));
    results.push(show('calls', count > 1000 ? problems : [`only ${count} calls`, ...problems]));
  }
} catch (error) {
  console.log(`${error.stack}\n${server.recentLog()}`);
  results.push(false);
} finally {
  await following?.stop();
  await server.dispose().catch((error) => console.log(error.stack));
}
const passed = results.filter((isGood) => isGood).length;
console.log(`${passed} passed, ${results.length - passed} failed`);
process.exit(passed === results.length ? 0 : 1);
