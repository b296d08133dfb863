// Throws mutated byte streams at a running server: HTTP, HTTP/2, WebSockets, event streams and raw broker
// lines, cut, spliced, repeated, sent in pieces, ended in every way, many at once.
//
//   node tests/fuzz/streams.mjs [--seed N] [--seconds S] [--lanes N]
//   node tests/fuzz/streams.mjs --replay FILE|DIRECTORY
//
// Meanwhile no worker may die, no sanitizer complain, every answer must make sense (lib/judge.mjs), and
// well-behaved clients must be served as if they were alone (lib/canaries.mjs). In the end the server has
// forgotten everybody, within bounded memory, and drains with status 0, under fire once more.
//
// On a failure the last streams are kept in a directory: --replay plays them again. What has been a
// bug lies in corpus/streams, which is played first. The last line is "N passed, N failed".
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fieldOf } from '../e2e/lib/processes.mjs';
import { freePort, Server } from '../e2e/lib/server.mjs';
import { Canaries } from './lib/canaries.mjs';
import { judge, tally } from './lib/judge.mjs';
import { loadStream, makeStream, play, saveStream } from './lib/stream.mjs';

const KEPT = 200; // streams, for a failure
const REPORT_MS = 10_000;
const DRAIN_MS = 6000; // of streams around the drain
const RATE_MAX = 300; // streams a second
// A sanitizer keeps freed memory for a while (ASAN_OPTIONS below: 16 MB of it) and doubles the rest.
const MEMORY_MAX_KB = 300 * 1024;

const option = (name, otherwise) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? otherwise : process.argv[index + 1];
};
const seed = Number(option('--seed', Date.now() % 2 ** 31));
const seconds = Number(option('--seconds', 60));
const lanes = Number(option('--lanes', 48));
const replayed = option('--replay');

const problems = [];
const recent = []; // {number, stream}
let started = 0;

const complain = (text) => problems.push(text);
const isGood = () => problems.length === 0;
const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function throwOne(number, stream, ports) {
  recent.push({ number, stream });
  recent.splice(0, recent.length - KEPT);
  const problem = judge(stream, await play(stream, ports));
  if (problem) {
    complain(`stream ${number} (${stream.port}): ${problem}`);
  }
}

/**
 * Streams one behind the other, each decided by the seed and its number alone. Never beyond the end
 * of the server: its port may be another program's then.
 */
async function lane(server, ports, until) {
  while (isGood() && Date.now() < until && server.exit === null) {
    const number = started++;
    const begin = Date.now();
    await throwOne(number, makeStream(seed * 1_000_003 + number), ports);
    await delay(begin + (1000 * lanes) / RATE_MAX - Date.now());
  }
}

function filesOf(place) {
  if (!fs.statSync(place).isDirectory()) {
    return [place];
  }
  return fs.readdirSync(place).filter((name) => name.endsWith('.json')).sort()
    .map((name) => path.join(place, name));
}

async function replay(place, ports) {
  for (const file of fs.existsSync(place) ? filesOf(place) : []) {
    started++;
    await throwOne(path.basename(file), loadStream(file), ports);
  }
}

const memories = (server) => server.workers().map(({ pid }) => fieldOf(pid, 'RssAnon'));

function report(server, canaries, begin) {
  const kilobytes = memories(server);
  console.log(`${Math.round((Date.now() - begin) / 1000)} s: ${started} streams, ` +
    `${canaries.published} events to each canary, ${canaries.asked} answers of /health, ` +
    `workers' RssAnon ${kilobytes.join(' and ')} kB`);
  if (kilobytes.some((size) => size > MEMORY_MAX_KB)) {
    complain(`a worker has grown over ${MEMORY_MAX_KB} kB`);
  }
}

const fire = (server, ports, until) =>
  Promise.all(Array.from({ length: lanes }, () => lane(server, ports, until)));

async function drainUnderFire(server, ports) {
  const fired = fire(server, ports, Date.now() + DRAIN_MS);
  await delay(DRAIN_MS / 6);
  const status = await server.stop();
  if (status !== 0) {
    complain(`exit status ${status} after a drain; ${server.recentLog()}`);
  }
  await fired;
}

async function attack(server, ports) {
  const canaries = new Canaries(server, ports.broker, complain);
  const begin = Date.now();
  await canaries.start();
  const reporter = setInterval(() => report(server, canaries, begin), REPORT_MS);
  try {
    const here = path.dirname(fileURLToPath(import.meta.url));
    await replay(replayed ?? path.join(here, 'corpus', 'streams'), ports);
    if (!replayed) {
      await fire(server, ports, Date.now() + 1000 * seconds);
    }
    if (isGood()) {
      await canaries.settle();
    }
    report(server, canaries, begin);
  } finally {
    clearInterval(reporter);
    canaries.stop();
  }
}

function keepStreams() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), `sluice-streams-${seed}-`));
  for (const { number, stream } of recent) {
    saveStream(stream, path.join(directory, `${String(number).padStart(8, '0')}.json`));
  }
  console.log(`the last ${recent.length} streams are kept in ${directory}; ` +
    `this was: --seed ${seed} --seconds ${seconds} --lanes ${lanes}`);
}

// Whatever else a server may be told; the seed decides.
const VARIANTS = [
  [],
  ['--max-rate', '100', '--max-byte-rate', '500K'],
  ['--durability', 'committed'],
  ['--max-per-address', String(lanes), '--retention-events', '500'],
];

const ports = { broker: await freePort() };
// Small limits and times, so that all of them are met.
const server = new Server({
  workers: 2,
  ring: '1M',
  tick: '500ms',
  env: { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=16` },
  args: [
    '--echo',
    ...['--broker-listen', `127.0.0.1:${ports.broker}`],
    ...['--max-message', '16K', '--max-head', '2K', '--max-queue', '16K', '--max-subscriptions', '4'],
    ...['--max-connections', String(lanes + 4)],
    ...['--handshake-timeout', '1s', '--ping-interval', '1s', '--ping-timeout', '5s'],
    ...['--retention-bytes', '4M', '--drain-timeout', '2s'],
    ...['--log-connections', 'off'],
    ...VARIANTS[seed % VARIANTS.length],
  ],
});
try {
  await server.start();
  ports.http = server.port;
  await attack(server, ports);
  if (isGood()) {
    await drainUnderFire(server, ports);
  }
} catch (error) {
  complain(error.stack);
}
await server.dispose().catch((error) => complain(error.stack));
const answers = [...tally].sort((a, b) => b[1] - a[1]).map((pair) => pair.join(' '));
console.log(`answered: ${answers.join(', ')}`);
problems.slice(0, 10).forEach((problem) => console.log(problem));
if (!isGood()) {
  keepStreams();
}
console.log(`seed ${seed}: ${started} streams, ${problems.length} problems`);
console.log(isGood() && started > 0 ? '1 passed, 0 failed' : '0 passed, 1 failed');
process.exit(isGood() && started > 0 ? 0 : 1);
