// Newcomers are shared evenly among the workers, whatever happens to clients and workers, and it
// costs nobody a loop that spins.
//
//   node tests/fault/spread.mjs [--short] [--only WORKERS] [--clients N] [--seed N]
//
// 1,000 clients of every protocol come to 2, 4 and 8 workers on three listeners: one after the other,
// in bursts, all at once; then workers are killed (-9) and their clients come back at once; all
// clients of one worker leave and others come; a worker is stopped while they come. Each time
// nobody may have 10 % more or less than an even share. Wake-ups are turns of the workers' loops as
// /metrics counts them. It ends with "N passed, N failed".
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { parseMetrics, sumOf } from '../e2e/lib/metrics.mjs';
import { isAlive, kill } from '../e2e/lib/processes.mjs';
import { freePort, Server } from '../e2e/lib/server.mjs';
import { until, within } from '../e2e/lib/until.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { openReader, READER_KINDS } from './lib/readers.mjs';
import { Tally } from './lib/tally.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const only = option('--only', 0);
const clientCount = option('--clients', 1000);
const seed = option('--seed', 1);
const random = randomFrom(seed);
const below = (count) => Math.floor(random() * count);

const TOLERANCE = 0.1; // of an even share
const BURST = 100;
const OPENING_MAX = 400; // at once: the listen queue's length decides over more
const RETRY_MS = 5;
const VACANT_MS = 2000; // for so long others wait for the one in a dead one's place: server/share.h
const IDLE_SECONDS = isShort ? 1 : 3;
const SHORT_COUNTS = { 2: 200, 8: 800 }; // of fewer, those who come in one turn of eight workers are 10 %
// Of all workers together: a connection is accepted, its head, its subscription and its end are
// heard; whoever begins to look away, or no longer has to, wakes somebody.
const TURNS_PER_CONNECTION = 12;
const TURNS_PER_SECOND = 3; // of a worker that has nothing to do
const TURNS_ANYWAY = 10; // of each: what the last ones have left behind
const TURNS_PER_GUEST = 1 / 30; // a second: event streams say something every 15 s

const tally = new Tally();
const check = (name, judge) => tally.check(name, judge);

// --- clients

/** Somebody who stays, and comes back at once when he is cut off. */
class Guest {
  opened = 0;

  constructor(party, number) {
    Object.assign(this, { party, number, isLeaving: false });
  }

  /** Until his first subscription stands. */
  come() {
    return new Promise((resolve) => {
      this.onOpen = resolve;
      this.#connect();
    });
  }

  #connect() {
    const { server, ports } = this.party;
    const kind = READER_KINDS[this.number % READER_KINDS.length];
    const port = ports[Math.floor(this.number / READER_KINDS.length) % ports.length];
    const place = { port, linePort: server.linePort, clients: server.clients };
    this.isOpen = false;
    this.reader = openReader(kind, place, [kind === 'room' ? 'room' : 'party'], {
      onItem: ({ type }) => {
        if (type === 'start' && !this.isOpen) {
          this.isOpen = true;
          this.opened++;
          this.localPort = this.reader.socket.localPort;
          this.onOpen();
        }
      },
    });
    this.reader.closed.then(async () => {
      this.isOpen = false;
      if (!this.isLeaving) {
        await pause(RETRY_MS);
        this.#connect();
      }
    });
  }

  leave() {
    this.isLeaving = true;
    this.reader.terminate();
  }
}

/** All guests of a server. */
class Party {
  guests = new Set();
  #number = 0;

  constructor(server, ports) {
    Object.assign(this, { server, ports });
  }

  /** So many more, `width` of them on their way at once. */
  async welcome(count, width) {
    let left = count;
    const come = async () => {
      while (left-- > 0) {
        const guest = new Guest(this, this.#number++);
        this.guests.add(guest);
        await guest.come();
      }
    };
    await within(Promise.all(Array.from({ length: width }, come)), 'all guests', 60_000);
  }

  async welcomeInBursts(count) {
    for (let left = count; left > 0; left -= BURST) {
      await this.welcome(Math.min(left, BURST), BURST);
    }
  }

  dismiss(guests) {
    for (const guest of guests) {
      guest.leave();
      this.guests.delete(guest);
    }
  }

  async dismissAll() {
    this.dismiss(this.guests);
    await until(async () => (await this.counts()).every((count) => count === 0), {
      what: 'the end of all connections',
    });
  }

  /** Connections of each worker; asked by a control socket, which is none of them. */
  async counts() {
    const { workers } = (await this.server.control(0, 'GET', '/health')).json;
    return workers.map(({ connections }) => connections);
  }

  /**
   * Those of a worker; without those whose port somebody else has too, on his way to another listener:
   * which of them is meant cannot be told.
   */
  async guestsOf(index) {
    const { clients } = (await this.server.control(index, 'GET', '/control/clients')).json;
    const ports = new Set(clients.map(({ peer }) => Number(peer.slice(peer.lastIndexOf(':') + 1))));
    const seen = new Set();
    const doubles = new Set();
    for (const { localPort } of this.guests) {
      (seen.has(localPort) ? doubles : seen).add(localPort);
    }
    return [...this.guests].filter(({ localPort }) =>
      ports.has(localPort) && !doubles.has(localPort));
  }

  /** Everybody is there, and nobody is counted twice. */
  async settled() {
    await until(async () => {
      const counts = await this.counts();
      const sum = counts.reduce((total, count) => total + count, 0);
      return sum === this.guests.size && [...this.guests].every(({ isOpen }) => isOpen);
    }, { what: 'everybody to be there', timeout: 60_000 });
  }

  async assertEven() {
    await this.settled();
    const counts = await this.counts();
    const share = this.guests.size / counts.length;
    const worst = Math.max(...counts.map((count) => Math.abs(count - share)));
    assert.ok(worst <= share * TOLERANCE, `not within 10 % of ${share}: ${counts}`);
    return `${counts}`;
  }
}

// --- wake-ups

/** What each worker has come to: {turns, accepted}. */
async function workOf(server) {
  const metrics = parseMetrics((await server.control(0, 'GET', '/metrics')).text);
  return server.workers().map((_, index) => {
    const labels = { worker: String(index) };
    return {
      turns: sumOf(metrics, 'sluice_worker_loop_turn_seconds_count', labels),
      accepted: sumOf(metrics, 'sluice_worker_connections_accepted_total', labels),
    };
  });
}

const total = (work, name) => work.reduce((sum, one) => sum + one[name], 0);

async function workDuring(server, act) {
  const before = await workOf(server);
  const start = performance.now();
  await act();
  const after = await workOf(server);
  return {
    seconds: (performance.now() - start) / 1000,
    workers: after.map(({ turns, accepted }, i) => ({
      turns: turns - before[i].turns,
      accepted: accepted - before[i].accepted,
    })),
  };
}

function assertCalm({ seconds, workers }, guests) {
  const idle = seconds * (TURNS_PER_SECOND * workers.length + TURNS_PER_GUEST * guests);
  const anyway = TURNS_ANYWAY * workers.length;
  const bound = anyway + idle + total(workers, 'accepted') * TURNS_PER_CONNECTION;
  const shown = `${total(workers, 'turns')} turns for ${total(workers, 'accepted')} connections ` +
    `in ${seconds.toFixed(1)} s (${workers.map(({ turns }) => turns)})`;
  assert.ok(total(workers, 'turns') <= bound, `${shown}: more than ${Math.round(bound)}`);
  return shown;
}

// --- what happens

const ARRIVALS = {
  'one after the other': (party, count) => party.welcome(count, 1),
  'in bursts': (party, count) => party.welcomeInBursts(count),
  'all at once': (party, count) => party.welcome(count, OPENING_MAX),
};

async function checkArrivals(party, name, count) {
  const isWhole = !isShort || count === clientCount;
  const ways = Object.entries(ARRIVALS).filter(([how]) => isWhole || how === 'all at once');
  for (const [how, arrive] of ways) {
    await party.dismissAll();
    await check(`${name}: ${count} clients ${how}`, async () => {
      await arrive(party, count);
      return party.assertEven();
    });
  }
}

/** Kills them; after how many ms all of those in their places have answered. */
async function killWorkers(party, indices) {
  const { server } = party;
  const victims = indices.map((index) => server.workers()[index]);
  const killedAt = performance.now();
  victims.forEach((victim) => kill(victim));
  const isReplaced = () => victims.every((victim) => !isAlive(victim)) &&
    server.workers().length === server.options.workers;
  await until(isReplaced, { what: 'new workers' });
  const answered = indices.map((index) =>
    until(() => server.control(index, 'GET', '/health'), { what: 'an answer of a new worker' }));
  await Promise.all(answered);
  return performance.now() - killedAt;
}

/** Their clients come back at once and find new workers, unless a busy machine takes too long to start these. */
async function assertEvenAfterDeaths(party, indices) {
  const took = await killWorkers(party, indices);
  if (took < VACANT_MS) {
    return party.assertEven();
  }
  const count = party.guests.size;
  await party.settled();
  await party.dismissAll();
  await party.welcome(count, OPENING_MAX);
  return `${await party.assertEven()}, when all had come anew: new workers took ${Math.round(took)} ms`;
}

async function checkDeaths(party, name) {
  const { workers } = party.server.options;
  await check(`${name}: after the death of one`, () => assertEvenAfterDeaths(party, [below(workers)]));
  await check(`${name}: after the death of half of them`, () => {
    const first = below(workers);
    const half = Array.from({ length: workers / 2 }, (_, i) => (first + i) % workers);
    return assertEvenAfterDeaths(party, half);
  });
}

async function checkLeaving(party, name) {
  const { server } = party;
  const index = below(server.options.workers);
  await check(`${name}: newcomers take the places of those who left one worker`, async () => {
    const leaving = await party.guestsOf(index);
    assert.ok(leaving.length > 0);
    party.dismiss(leaving);
    await party.settled();
    await party.welcome(leaving.length, 20);
    return party.assertEven();
  });
  // One has all, the others look for more.
  const rest = await party.guestsOf(index);
  party.dismiss([...party.guests].filter((guest) => !rest.includes(guest)));
  await party.settled();
  await check(`${name}: who is ahead of all others sleeps, without newcomers`, async () => {
    return assertCalm(await workDuring(server, () => pause(IDLE_SECONDS * 1000)), party.guests.size);
  });
  await check(`${name}: who is ahead of all others sleeps while they come`, async () => {
    let before;
    const work = await workDuring(server, async () => {
      before = (await party.counts())[index];
      await party.welcome(rest.length, 4);
    });
    const ahead = work.workers[index];
    assert.ok(ahead.accepted <= before * TOLERANCE, `it took ${ahead.accepted} more`);
    const bound = TURNS_ANYWAY + work.seconds * TURNS_PER_SECOND + rest.length / 4;
    assert.ok(ahead.turns <= bound, `${ahead.turns} turns of who is ahead`);
    return assertCalm(work, party.guests.size);
  });
}

async function checkStopped(party, name) {
  const { server } = party;
  const index = 1 + below(server.options.workers - 1); // 0 is asked for counts
  await party.settled();
  await check(`${name}: newcomers do not wait for a worker that is stopped to be replaced`, async () => {
    // Its master, who would replace it, stands still, too: however long this takes.
    const stopped = [server.master, server.workers()[index]];
    stopped.forEach((process) => kill(process, 'SIGSTOP'));
    try {
      const work = await workDuring(server, () => party.welcome(Math.ceil(party.guests.size / 2), 20));
      return `${await party.counts()}; ${assertCalm(work, party.guests.size)}`;
    } finally {
      stopped.reverse().forEach((process) => kill(process, 'SIGCONT'));
    }
  });
  await check(`${name}: it has its share again when it goes on`, async () => {
    await party.settled();
    await party.dismissAll();
    await party.welcome(clientCount / 2, 20);
    return party.assertEven();
  });
}

async function run(workers, count) {
  const name = `${workers} workers`;
  const [linePort, secondPort] = [await freePort(), await freePort()];
  const server = new Server({
    workers,
    args: [
      ...['--broker-listen', `127.0.0.1:${linePort}`, '--listen', `127.0.0.1:${secondPort}`],
      ...['--log-connections', 'off', '--ping-interval', '10m'],
    ],
  });
  server.linePort = linePort;
  try {
    await server.start();
    const party = new Party(server, [server.port, secondPort]);
    await checkArrivals(party, name, count);
    await checkDeaths(party, name);
    await checkLeaving(party, name);
    if (!isShort || workers === 4) {
      await checkStopped(party, name);
    }
    party.dismiss(party.guests);
  } catch (error) {
    tally.fail(error);
  } finally {
    await check(`${name}: the server ends well`, () => server.dispose());
  }
}

for (const workers of [2, 4, 8].filter((number) => only === 0 || only === number)) {
  await run(workers, (isShort && SHORT_COUNTS[workers]) || clientCount);
}
tally.end();
