// Memory that runs out in a worker or in the store writer, under load of every protocol: single clients are
// refused or closed, or the process ends and is started again; others do not notice, nothing that was
// acknowledged is lost, nothing dies of a signal, and with memory all is well again.
//
//   node tests/fault/memory.mjs [--short] [--only NAME,…] [--rounds N] [--seed N]
//
// Memory is limited from outside (RLIMIT_AS of the running process, lower and lower), and single
// allocations fail (broken_calls.c), a few or many in a row, at places that a seed decides. Both need a
// server without sanitizers, whose allocator and address space are their own: with them nothing of
// it runs, which is said, and what is counted is that the server runs beside the library. It ends with
// "N passed, N failed", a round each.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { fieldOf, lookAt } from '../e2e/lib/processes.mjs';
import { freePort, makeDirectory, Server } from '../e2e/lib/server.mjs';
import { ctl } from '../e2e/lib/sluicectl.mjs';
import { until } from '../e2e/lib/until.mjs';
import { BrokenCalls, CALL, ERRNO, isSanitized } from './lib/broken_calls.mjs';
import { Everyone, PUBLISHER_KINDS } from './lib/everyone.mjs';
import { randomFrom } from './lib/ledger.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const isShort = process.argv.includes('--short');
const seed = Number(textOption('--seed') ?? 1);
const rounds = Number(textOption('--rounds') ?? (isShort ? 1 : 16));
const only = textOption('--only')?.split(',');
const random = randomFrom(seed);
const below = (count) => Math.floor(random() * count);

const KIB = 1024;
const MARGINS = [4096, 1024, 256, 64, 0].map((kib) => kib * KIB); // of address space beyond what is used
const LARGE_BYTES = 200 * KIB;
const LONG_BYTES = 400 * KIB;
const CROWD = 60;
const PUBLISHES = isShort ? 5 : 20; // of each kind, in a round

function limit(pid, bytes) {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--as=${bytes}:unlimited`]);
  return status === 0 || !lookAt(pid) ? undefined : assert.fail(String(stderr)); // it may have ended
}

const root = makeDirectory();
const broken = new BrokenCalls(path.join(root, 'data'));
const linePort = await freePort();
const server = new Server({
  data: path.join(root, 'data'),
  args: ['--broker-listen', `127.0.0.1:${linePort}`, '--retention-bytes', 'off'],
  env: broken.env,
});
server.ownDirectories.push(root, broken.directory);
server.linePort = linePort;
const everyone = new Everyone(server, random);

/** Everybody publishes; who loses the connection comes again. Refusals are counted. */
async function load() {
  let refused = 0;
  let lost = 0;
  const one = async (kind) => {
    for (let i = 0; i < PUBLISHES; i++) {
      try {
        const bytes = random() < 0.2 ? LARGE_BYTES : 2000;
        const { refusal } = await everyone.publish(kind, { bytes, durable: i % 3 === 0 });
        refused += refusal !== undefined;
      } catch {
        lost++;
        everyone.forgetPublisher(kind);
      }
    }
  };
  await Promise.all(PUBLISHER_KINDS.map(one));
  return { refused, lost };
}

/** Clients that come, send most of a long line, and leave it at that: the memory of a worker is for these. */
function crowd() {
  const text = `{"action":"publish","topic":"crowd","message":"${'x'.repeat(LONG_BYTES)}`;
  const clients = Array.from({ length: CROWD }, () => net.connect({ host: '127.0.0.1', port: linePort }));
  clients.forEach((client) => {
    client.on('error', () => {}); // who finds no memory is closed
    client.write(text);
  });
  return () => clients.forEach((client) => client.destroy());
}

/** A worker or the writer without memory, while everybody publishes. */
async function starve({ pid }, how) {
  const disperse = crowd();
  try {
    return await starveBeside(pid, how);
  } finally {
    disperse();
    limit(pid, 'unlimited');
    broken.repair();
  }
}

async function starveBeside(pid, how) {
  if (how === 'limit') {
    const counts = { refused: 0, lost: 0 };
    for (const margin of isShort ? MARGINS.slice(3) : MARGINS) {
      limit(pid, lookAt(pid) ? fieldOf(pid, 'VmSize') * KIB + margin : 'unlimited');
      const disperse = crowd();
      const { refused, lost } = await load();
      counts.refused += refused;
      counts.lost += lost;
      disperse();
    }
    return counts;
  }
  const count = [1, 3, 20, 500][below(4)];
  broken.fail({ calls: CALL.allocate, error: ERRNO.ENOMEM, pid, skip: below(300), count });
  return load();
}

async function oneRound(whose, how) {
  const { epoch } = (await server.health()).log;
  const workers = server.workers();
  const writer = await until(() => server.writer(), { what: 'a writer' });
  const process = whose === 'writer' ? writer : workers[below(workers.length)];
  await everyone.watch();
  const counts = await starve(process, how);
  const isHealthy = async () => (await server.request('GET', '/health')).status === 200;
  await until(isHealthy, { what: 'a healthy server' });
  await until(() => server.workers().length === 2 && server.writer(), { what: 'all processes' });
  await everyone.resumeLost(epoch);
  everyone.forgetPublishers();
  await everyone.publishOnce({ durable: true });
  await everyone.check();
  everyone.leave();
  const bySignal = server.allLines.filter((line) => /was ended by signal/.test(line));
  assert.deepEqual(bySignal, [], 'no process dies of a signal');
  const isSame = lookAt(process.pid)?.startTime === process.startTime;
  console.log(`${whose}, ${how}: ${counts.refused} refused, ${counts.lost} lost their connection` +
    `${isSame ? '' : ', it ended'}${how === 'allocation' ? `, ${broken.hits} allocations failed` : ''}`);
}

let passed = 0;
let failed = 0;
try {
  await server.start();
  await everyone.publishOnce({ durable: true });
  if (isSanitized) {
    console.log('the server has sanitizers: neither its address space nor its allocations can be limited');
    passed++;
  } else {
    for (let round = 0; round < rounds; round++) {
      for (const whose of ['worker', 'writer']) {
        const how = round % 4 === 0 ? 'limit' : 'allocation';
        if (!only || only.includes(whose) || only.includes(how)) {
          await oneRound(whose, how);
          passed++;
        }
      }
    }
  }
  server.terminateClients();
  assert.equal(await server.stop(), 0);
  const { code, stdout, stderr } = await ctl(['check', server.data]);
  assert.equal(code, 0, stdout + stderr);
  await server.dispose();
} catch (error) {
  failed++;
  console.log(`${error.stack}\n${server.recentLog()}`);
  server.destroy();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(passed > 0 && failed === 0 ? 0 : 1);
