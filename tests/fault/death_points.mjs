// Death at every step: a server that is built with named points (bus/test_point.h) dies, stops or takes all
// its processes with it at each of them, and has to be as promised afterwards.
//
//   node tests/fault/death_points.mjs [--short] [--seed N] [--only TEXT] [--jobs N] [--list]
//
// singles  each point, by each kind of process that passes it, in each situation in which it does, at its
//          first pass and at a later one: kill -9 of itself, SIGSTOP (then it is continued, or killed), or
//          kill -9 of all processes in that moment
// doubles  a death at each step of the recovery from a death at each step of an append, an execution and a
//          commit, by the writer's restart and by that of everything
//
// Each case has a server of its own under load: publishers, mutations, subscribers that resume. A point that
// is not passed fails its case. Then the server has to be healthy and go on, what was acknowledged has to be
// there, each once, every subscriber to have had its events without a gap or a double, rows and events to
// agree, the epoch to be the one that was promised, the drain to end well, and `sluicectl check` to find the
// store whole. --short plays a sample that the seed decides; --only: those whose name has that text.
//
// It ends with "N passed, N failed", a case each.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { kill, lookAt } from '../e2e/lib/processes.mjs';
import { binary, freePort, makeDirectory, Server } from '../e2e/lib/server.mjs';
import { ctl } from '../e2e/lib/sluicectl.mjs';
import { until } from '../e2e/lib/until.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { PointLoad } from './lib/point_load.mjs';
import { doubleCases, listPoints, singleCases } from './lib/points.mjs';
import { build } from './lib/programs.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const option = (name, otherwise) => Number(textOption(name) ?? otherwise);
const isShort = process.argv.includes('--short');
const seed = option('--seed', 1);
const jobs = option('--jobs', 3);
const only = textOption('--only');
const SAMPLE = { singles: 14, doubles: 4 }; // of --short

const WORKERS = 2;
const RING = '256K';
const RETAINED = 600; // operations, where retention is to be seen
const PASSED_MS = 40_000; // a point that is not passed until then never is
const WHOLE_MS = 60_000;
const SOON = 5; // ms, between looks
const ENOUGH = { acknowledged: 40, answers: 8 }; // before a death, and after it
const program = path.join(build, 'tests/fault/sluice-points');
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

// Between the end of a drain's mark and the ring's taking over nothing says which epoch goes on: a start
// that finds such a store begins a new one, in which all tokens of the one before stay good.
const EPOCH_MAY_END = /^(CLEAN_CLEARED|TAKE_(CLAIMED|IDENTIFIED|STATING|STATED|COMMITTED))$/;

/** The message board, with an index more, whose entries come and go with updates and deletions. */
function makeSchema() {
  const board = fs.readFileSync(path.join(root, 'server/api/board.graphql'), 'utf8');
  const field = '  titled(title: String): [Message!]! @list(where: { title: "title" })\n';
  const file = path.join(makeDirectory(), 'board.graphql');
  fs.writeFileSync(file, board.replace('type Query {\n', (head) => head + field));
  process.once('exit', () => fs.rmSync(path.dirname(file), { recursive: true, force: true }));
  return file;
}
const schema = makeSchema();

class Play {
  problems = [];
  epoch = null; // as its clients know it
  isLost = false; // the ring, since they heard of an epoch
  isReady = false; // in this life of the master
  said = 0; // how much had been logged before this life

  constructor(one, number) {
    this.one = one;
    this.random = randomFrom(seed * 100_003 + number);
  }

  async prepare() {
    const { situation, isSequential } = this.one;
    const linePort = await freePort();
    const isTrimmed = situation === 'trim';
    const drainTimeout = this.isLoadedInDrain ? '1h' : '300ms';
    this.server = new Server({
      program,
      workers: WORKERS,
      ring: RING,
      args: [
        ...['--broker-listen', `127.0.0.1:${linePort}`, '--schema', schema, '--drain-timeout', drainTimeout],
        ...['--retention-bytes', 'off', ...(isTrimmed ? ['--retention-events', String(RETAINED)] : [])],
      ],
    });
    this.server.linePort = linePort;
    this.load = new PointLoad(this.server, this.random, { isSequential, isTrimmed });
    this.load.problems = this.problems;
    this.load.ledger.problems = this.problems;
    this.load.rows.problems = this.problems;
    this.load.visitors.forEach((visitor) => (visitor.problems = this.problems));
    this.server.port = await freePort();
  }

  get isDrain() {
    return this.one.situation === 'drain' || this.one.situation === 'end';
  }

  /** What is waited for is a commit of what is published in the drain: that goes on until it has come. */
  get isLoadedInDrain() {
    const { situation, acts } = this.one;
    return situation === 'end' && acts[0].plan[0].startsWith('DRAIN_BEGUN:');
  }

  get isServerThere() {
    return this.server.child !== undefined && this.server.exit === null;
  }

  // --- starts

  /** Clients come: to the same epoch, but where it had to end. */
  async #onReady() {
    // The first who is asked may be the one that dies.
    const { log } = await until(() => this.server.health(), { interval: SOON, what: 'health' });
    const mayEnd = this.one.acts.some(({ point }) => EPOCH_MAY_END.test(point)) && this.one.situation === 'clean';
    if (this.epoch !== null && (log.epoch === this.epoch) === this.isLost && !mayEnd) {
      this.problems.push(`epoch ${log.epoch} after ${this.epoch}, ${this.isLost ? 'without' : 'with'} its ring`);
    }
    this.isLost = false;
    this.isReady = true;
    this.epoch = log.epoch;
    if (!this.load.isRunning) {
      this.load.enterEpoch(log.epoch);
      this.load.begin();
    }
  }

  /** Starts the server; whatever the plan makes of it, {error} says how it became ready. */
  async #launch(plan = []) {
    this.isReady = false;
    this.server.options.env = plan.length > 0 ? { SLUICE_POINTS: plan.join(',') } : {};
    try {
      await this.server.launch();
      await this.#onReady();
      return {};
    } catch (error) {
      return { error };
    }
  }

  async #start() {
    const { error } = await this.#launch();
    if (error) {
      throw error;
    }
  }

  async #beLoaded() {
    const since = this.load.progress;
    await this.#await(() => this.load.hasGoneOn(since, ENOUGH), 'answers under load');
  }

  async #await(check, what, timeout = WHOLE_MS) {
    const isThere = async () => {
      if (/check failed/.test(this.server.stderr)) {
        this.problems.push(`a check has failed; ${this.server.recentLog()}`);
      }
      return this.problems.length > 0 || (await check());
    };
    await until(isThere, { timeout, interval: SOON, what: () => `${what}; ${this.server.recentLog()}` });
  }

  async #killAll() {
    this.server.remember();
    [...this.server.family.values()].forEach((process) => kill(process));
    await this.server.end();
  }

  async #drain() {
    const status = await this.server.stop();
    if (status !== 0) {
      throw new Error(`a drain ended with ${status}; ${this.server.recentLog()}`);
    }
  }

  // --- what comes before the death

  async again() {
    await this.#start();
    await this.#beLoaded();
    await this.#killAll();
  }

  async lost() {
    await this.#start();
    await this.#beLoaded();
    await this.load.endRequests();
    await this.load.beCommitted();
    this.before = (await this.server.health()).log;
    await this.load.end();
    await this.#killAll();
    fs.readdirSync(this.server.runDir).forEach((name) => fs.unlinkSync(path.join(this.server.runDir, name)));
    this.isLost = true;
  }

  async clean() {
    await this.#start();
    await this.#beLoaded();
    await this.load.end();
    await this.#drain();
  }

  /** The built-in schema is the same without the index. */
  async schema() {
    await this.#start();
    await this.#beLoaded();
    await (this.random() < 0.5 ? this.#killAll() : this.load.end().then(() => this.#drain()));
    const { args } = this.server.options;
    this.server.options.args = args.filter((_, i) => args[i] !== '--schema' && args[i - 1] !== '--schema');
  }

  // --- the death

  /** The pid of who has met the act's fate, if somebody has. */
  #metBy({ point, action }) {
    const pattern = new RegExp(`^test point ${point}: ${action}, pid (\\d+)$`, 'm');
    return Number(pattern.exec(this.server.stderr.slice(this.said))?.[1] ?? 0);
  }

  async #awaitFate(act, launching) {
    let pid = 0;
    let outcome;
    launching.then((result) => (outcome = result));
    const isOver = () => (pid = this.#metBy(act)) !== 0 || outcome?.error;
    try {
      await this.#await(isOver, '', PASSED_MS);
    } catch {
      // said below
    }
    if (pid === 0) {
      throw new Error(`never passed: ${act.plan.at(-1)}; ${outcome?.error ?? this.server.recentLog()}`);
    }
    return pid;
  }

  /** A worker that does not stand still answers meanwhile. */
  async #goOn(pid) {
    const { server } = this;
    // The other may have died just now, too.
    const other = await until(() => server.workers().find((worker) => worker.pid !== pid));
    const index = Number(other.title.split(' ').at(-1));
    const { status } = await server.control(index, 'GET', '/health/live');
    if (status !== 200 || lookAt(pid)?.state !== 'T') {
      this.problems.push(`while ${pid} stood still, worker ${index} answered ${status}`);
    }
  }

  /** It stands still: others go on. Then it does, too, or is killed; true if it is gone. */
  async #endStop(pid) {
    await until(() => lookAt(pid)?.state === 'T', { interval: SOON, what: 'a stop' });
    if (this.isReady && !this.isDrain) {
      await this.#goOn(pid);
    }
    const isKilled = this.random() < 0.5;
    process.kill(pid, isKilled ? 'SIGKILL' : 'SIGCONT');
    return isKilled;
  }

  async #act(act) {
    const { server } = this;
    let launching = Promise.resolve({});
    if (!this.isServerThere) {
      this.said = server.stderr.length;
      launching = this.#launch(act.plan);
    }
    if (this.isDrain) {
      await launching;
      await this.#beLoaded();
      server.remember();
      server.signal('SIGTERM');
    }
    const pid = await this.#awaitFate(act, launching);
    const isDead = act.action === 'stop' ? await this.#endStop(pid) : true;
    const isEnd = act.action === 'all' || (isDead && act.role === 'master');
    if (isEnd || this.isDrain) {
      if (!isEnd && this.isLoadedInDrain) {
        server.signal('SIGTERM'); // for the second time: the drain ends now
      }
      const status = await server.end();
      if (!isEnd && status !== 0) {
        this.problems.push(`the drain ended with ${status}; ${server.recentLog()}`);
      }
    }
    const { error } = await launching;
    if (error && !isEnd) {
      throw error;
    }
  }

  // --- afterwards

  async #beWhole() {
    const isWhole = async () => {
      const workers = this.server.workers();
      const { status, workers: told } = await this.server.health();
      const hasAll = told.length === WORKERS && told.every((worker, i) => worker.pid === workers[i]?.pid);
      return hasAll && status === 'healthy' && this.server.writer() !== undefined;
    };
    await this.#await(() => isWhole().catch(() => false), 'a healthy server');
  }

  /** A token of the epoch that was lost is good up to its end, and never for anything newer. */
  async #checkTokens() {
    const { last_seq: last, epoch } = this.before;
    const client = await this.server.broker();
    const good = await client.subscribe('alpha', { since: last, epoch });
    const other = await this.server.broker();
    const bad = await other.subscribe('alpha', { since: last + 1, epoch });
    if (good.recovered !== true || bad.recovered !== false) {
      this.problems.push(`tokens of the epoch that was lost: ${JSON.stringify([good, bad])}`);
    }
  }

  async #judge() {
    const { server, load } = this;
    await this.#beWhole();
    await this.#beLoaded();
    if (this.before) {
      await this.#checkTokens();
    }
    await load.endRequests();
    await load.check();
    await load.end();
    await this.#drain();
    const left = fs.readdirSync(server.runDir);
    if (left.length > 0) {
      this.problems.push(`the drain has left ${left}`);
    }
    const { code, stdout } = await ctl(['check', server.data, '--json']);
    if (code !== 0 || JSON.parse(stdout).whole !== true) {
      this.problems.push(`the store is not whole: ${stdout}`);
    }
  }

  async run() {
    try {
      await this.prepare();
      await this[this.one.situation]?.();
      for (const act of this.one.acts) {
        await this.#act(act);
      }
      if (!this.isServerThere) {
        await this.#start();
      }
      await this.#judge();
    } catch (error) {
      this.problems.push(`${error.stack}${error.cause ? `; ${error.cause.stack}` : ''}`);
    } finally {
      await this.load?.end().catch((error) => this.problems.push(error.stack));
      await this.server?.dispose().catch((error) => this.problems.push(error.stack));
    }
    return this.problems;
  }
}

/** So many of them, evenly by chance, in their order. */
function sample(list, count, random) {
  const left = list.map((_, index) => index);
  const drawn = Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(random() * left.length), 1)[0]);
  return drawn.sort((a, b) => a - b).map((index) => list[index]);
}

function chooseCases() {
  const random = randomFrom(seed);
  const below = (count) => Math.floor(random() * count);
  const points = listPoints(program);
  const singles = singleCases(points, below);
  const doubles = doubleCases(points, below);
  const all = [...singles, ...doubles];
  all.forEach((one, number) => (one.number = number));
  if (only !== undefined) {
    return all.filter(({ name }) => name.includes(only));
  }
  return isShort ? [...sample(singles, SAMPLE.singles, random), ...sample(doubles, SAMPLE.doubles, random)] : all;
}

/** What is given to users dies nowhere of its own accord. */
function checkOrdinary() {
  const names = fs.readFileSync(binary).includes('APPEND_COPYING') ? ['sluice has test points'] : [];
  names.forEach((problem) => console.log(problem));
  return names.length;
}

const cases = chooseCases();
if (process.argv.includes('--list')) {
  cases.forEach(({ name }) => console.log(name));
  process.exit(0);
}
console.log(`seed ${seed}, ${cases.length} cases`);
const startedAt = performance.now();
let passed = 0;
let failed = checkOrdinary();
const queue = [...cases];

async function playAll() {
  for (let one; (one = queue.shift()) !== undefined; ) {
    const problems = await new Play(one, one.number).run();
    passed += problems.length === 0;
    failed += problems.length > 0;
    if (problems.length > 0) {
      console.log(`FAILED ${one.name}`);
      problems.slice(0, 5).forEach((problem) => console.log(`  ${problem}`));
    } else if (isShort || only !== undefined) {
      console.log(`ok     ${one.name}`);
    }
    if ((passed + failed) % 100 === 0) {
      console.log(`${passed + failed} of ${cases.length}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    }
  }
}

await Promise.all(Array.from({ length: jobs }, playAll));
console.log(`${cases.length} cases in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
