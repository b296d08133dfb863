// The checkers of deaths.mjs (and of resume.mjs) are shown small worlds, each with one thing wrong: they
// have to find it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Chain } from './lib/chains.mjs';
import { DeathWatch } from './lib/death_watch.mjs';
import { Ledger } from './lib/ledger.mjs';
import { roomIdOf } from './lib/publishers.mjs';
import { RowLedger } from './lib/rows.mjs';
import { readWholeLog } from './lib/whole_log.mjs';

function found(problems) {
  assert.notDeepEqual(problems, []);
}

// --- what was sent, acknowledged and delivered

/** Four that were sent; c was refused, d's connection was lost, seq 4 is a row's. */
async function judge(change) {
  const ledger = new Ledger();
  const log = {
    news: [{ seq: 2, data: 'a' }, { seq: 5, data: 'd' }],
    sport: [{ seq: 3, data: 'b' }],
  };
  ['a', 'c', 'd'].forEach((id) => ledger.send(id, 'news'));
  ledger.send('b', 'sport');
  ledger.acknowledge('a', 'news', 2);
  ledger.acknowledge('b', 'sport', 3);
  ledger.refuse('c');
  ledger.deliver('a', 'news', 2);
  ledger.deliver('b', 'sport', 3);
  ledger.deliver('d', 'news', 5);
  const others = new Set([4]);
  change({ ledger, log, others });
  await ledger.readLog(['news', 'sport'], async (topic) => ({ events: log[topic], more: false }));
  ledger.check(others);
  return ledger.problems;
}

test('all as it was told: nothing is found', async () => {
  assert.deepEqual(await judge(() => {}), []);
});

const WRONGS = {
  'an acknowledged one is lost': ({ log }) => (log.sport.length = 0),
  'an acknowledged one has another seq': ({ log }) => (log.sport[0].seq = 6),
  'one is there twice': ({ log }) => log.news.push({ seq: 6, data: 'a' }),
  'one has another payload': ({ log }) => (log.sport[0].data = 'bb'),
  'one is on another topic': ({ log }) => log.news.splice(1, 0, log.sport.pop()),
  'one is there that was refused': ({ log }) => log.news.push({ seq: 6, data: 'c' }),
  'one is there that nobody sent': ({ log }) => log.news.push({ seq: 6, data: 'x' }),
  'two have one seq': ({ log }) => (log.news[1].seq = 3),
  'a history is not in order': ({ log }) => log.news.reverse(),
  'a delivered one is lost': ({ log }) => log.news.pop(),
  'seq has a hole': ({ others }) => others.delete(4),
  'a row has the seq of an event': ({ others }) => others.add(5),
  'acknowledged twice': ({ ledger }) => ledger.acknowledge('a', 'news', 2),
  'acknowledged on another topic': ({ ledger }) => ledger.acknowledge('d', 'sport', 5),
  'one seq handed out twice': ({ ledger }) => ledger.acknowledge('d', 'news', 3),
  'delivered with another seq': ({ ledger }) => ledger.deliver('b', 'sport', 6),
  'delivered on another topic': ({ ledger }) => ledger.deliver('b', 'news', 3),
  'one seq delivered with two payloads': ({ ledger }) => ledger.deliver('d', 'news', 2),
  'a connection answered out of order': ({ ledger }) => ledger.checkOrder([3, , 2]),
};

for (const [what, change] of Object.entries(WRONGS)) {
  test(`found: ${what}`, async () => found(await judge(change)));
}

test('who said something in the room belongs to what is compared', () => {
  assert.equal(roomIdOf({ from: 'bob', data: 'hello' }), 'bob says hello'); // a room client's
  assert.equal(roomIdOf({ data: { from: 'bob', data: 'hello' } }), 'bob says hello'); // others'
  assert.equal(roomIdOf({ from: null, data: 'hello' }), 'hello'); // published to it
  assert.equal(roomIdOf({ data: 'hello' }), 'hello');
});

// --- a subscription over its connections

const EPOCH = '00000000000000aa';
const LOGGED = [1, 3, 4, 7, 9];

/** steps: seqs of events, or what a connection's beginning is answered. */
function follow(...steps) {
  const problems = [];
  const chain = new Chain((text) => problems.push(text));
  for (const step of steps) {
    if (typeof step === 'number') {
      chain.event(step);
    } else {
      chain.start(step);
    }
  }
  chain.check(LOGGED);
  return problems;
}

const at = (seq, more) => ({ seq, epoch: EPOCH, ...more });

test('a chain that is whole, over three connections: nothing is found', () => {
  assert.deepEqual(follow(at(2), 3, 4, at(4, { recovered: true }), at(4), 7, 9), []);
});

for (const [what, steps] of [
  ['a hole', [at(2), 3, 7, 9]],
  ['a hole between two connections', [at(2), 3, at(3), 7, 9]],
  ['a double', [at(2), 3, 3, 4, 7, 9]],
  ['a double after coming back', [at(2), 3, 4, at(4), 4, 7, 9]],
  ['two that have changed places', [at(2), 4, 3, 7, 9]],
  ['an end that is missing', [at(2), 3, 4, 7]],
  ['a beginning that is missing', [at(2), 4, 7, 9]],
  ['one that is not in the log', [at(2), 3, 4, 5, 7, 9]],
  ['one before its answer', [3, at(3), 4, 7, 9]],
  ['no answer at all', []],
  ['another place than it came back to', [at(2), 3, at(4), 7, 9]],
  ['another epoch', [at(2), 3, at(3, { epoch: '00000000000000bb' }), 4, 7, 9]],
  ['a place that is said to be lost', [at(2), 3, at(3, { recovered: false }), 4, 7, 9]],
]) {
  test(`found in a chain: ${what}`, () => found(follow(...steps)));
}

// --- rows that were delivered

test('found: a row was delivered as another than the log has, or twice and differently', async () => {
  const server = {
    history: async (topic) => ({
      events: topic === 'plain' ? [{ seq: 2, data: 'p' }] : [],
      more: false,
    }),
    request: async (method, target) =>
      target.startsWith('/topics?')
        ? { json: { topics: [] } }
        : {
            status: 200,
            headers: { 'content-type': 'application/json' },
            json: { data: { found: [] } },
          },
  };
  for (const [delivered, isGood] of [
    [[[2, 'p']], true],
    [[[2, 'q']], false],
    [[[3, 'p']], false],
    [[[2, 'p'], [2, 'q']], false],
  ]) {
    const ledger = new RowLedger();
    ledger.send('p', 'publish');
    delivered.forEach(([seq, data]) => ledger.deliver('plain', seq, data));
    await ledger.check(server);
    assert.equal(ledger.problems.length === 0, isGood, JSON.stringify(delivered));
  }
});

test('found: the whole log has a hole, or one seq twice', async () => {
  for (const [seqs, isGood] of [[[1, 2, 3], true], [[1, 3], false], [[1, 2, 2], false]]) {
    const events = seqs.map((seq) => ({ seq, topics: [] }));
    const server = { control: async () => ({ json: { events, next: 4, last_seq: 3 } }) };
    const problems = [];
    await readWholeLog(server, problems);
    assert.equal(problems.length === 0, isGood, String(seqs));
  }
});

// --- who may die

const ended = (pid, how) => `2026-01-31T12:00:00.000Z warning master: worker 0 (pid ${pid}) ${how}`;
const KILLED = 'was ended by signal 9 (Killed), started again in 100 ms';

/** A server whose workers are 11 and 12, each with a client; 11 is killed and 13 takes its place. */
async function watchDeath(change) {
  const process = (pid) => ({ pid, state: 'S', startTime: '1', title: '' });
  const client = (localPort) => ({ socket: { localPort, remotePort: 80, destroyed: false } });
  const clients = [client(1001), client(1002)];
  const world = { clients, pids: [11, 12], writer: 10, epoch: EPOCH, lines: [] };
  const server = {
    pid: globalThis.process.pid,
    master: process(globalThis.process.pid),
    options: { workers: 2 },
    clients: new Set(clients),
    allLines: world.lines,
    workers: () => world.pids.map(process),
    writer: () => process(world.writer),
    recentLog: () => '',
    control: async (index) => ({
      json: {
        pid: world.pids[index],
        clients: [{ protocol: 'broker', peer: `127.0.0.1:${1001 + index}` }],
      },
    }),
    health: async () => ({
      status: 'healthy',
      log: { epoch: world.epoch },
      workers: world.pids.map((pid) => ({ pid })),
    }),
  };
  const problems = [];
  const watch = new DeathWatch(server, problems);
  await watch.begin();
  await watch.takeNote([process(11)]);
  world.pids = [13, 12];
  world.lines.push(ended(11, KILLED));
  clients[0].socket.destroyed = true;
  change(world);
  await watch.judge({ isMastersEnd: false });
  return { problems, watch };
}

test('a worker that was killed, and its successor: nothing is found', async () => {
  const { problems, watch } = await watchDeath(() => {});
  assert.deepEqual(problems, []);
  assert.deepEqual([watch.restarts, watch.longestRestMs, watch.spared], [1, 100, 1]);
});

for (const [what, change] of Object.entries({
  'a client of another worker was cut off': ({ clients }) => (clients[1].socket.destroyed = true),
  'another worker was replaced': (world) => (world.pids = [13, 14]),
  'the writer was replaced': (world) => (world.writer = 15),
  'the epoch is another': (world) => (world.epoch = '00000000000000bb'),
  'another one was killed': ({ lines }) => lines.push(ended(12, KILLED)),
  'one has failed by itself': ({ lines }) => lines.push(ended(11, 'ended with status 1')),
  'one was ended by another signal': ({ lines }) => (lines[0] = ended(11, 'was ended by signal 6 (Aborted)')),
  'the master has replaced one that did turn': ({ lines }) =>
    lines.push('2026-01-31T12:00:00.000Z error master: worker 1 (pid 12) has not turned for 10 s: killed'),
})) {
  test(`found: ${what}`, async () => found((await watchDeath(change)).problems));
}
