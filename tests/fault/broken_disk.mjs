// A disk whose calls fail under load of every protocol: nothing that was acknowledged is lost, nothing that
// was to be on disk is acknowledged before it is, health and log say what is wrong, and when the disk is
// good again everything goes on by itself.
//
//   node tests/fault/broken_disk.mjs [--short] [--only NAME,…] [--seed N]
//
// broken_calls.c, preloaded, fails a kind of call: once, a few times, or until the test ends it, at
// several places of a commit; with EIO (the disk) and with ENOSPC (no room, though the free space says
// otherwise). While a sync fails for ever no durable publish may be answered, however often the writer
// starts again: what a failed sync has left in the page cache counts for nothing. It ends with
// "N passed, N failed", a kind of failure each.
import assert from 'node:assert/strict';
import path from 'node:path';
import { metric } from '../e2e/lib/metrics.mjs';
import { isAlive } from '../e2e/lib/processes.mjs';
import { freePort, makeDirectory, Server } from '../e2e/lib/server.mjs';
import { ctl } from '../e2e/lib/sluicectl.mjs';
import { until } from '../e2e/lib/until.mjs';
import { BrokenCalls, CALL, ERRNO } from './lib/broken_calls.mjs';
import { Everyone } from './lib/everyone.mjs';
import { randomFrom } from './lib/ledger.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const isShort = process.argv.includes('--short');
const seed = Number(textOption('--seed') ?? 1);
const only = textOption('--only')?.split(',');

const FOR_A_WHILE = 6; // calls
const SKIPS = isShort ? [0] : [0, 1, 2, 5];
const BUFFERED = ['room', 'broker', 'line', 'http', 'graphql'];
const DURABLE = ['broker', 'line', 'http', 'rows'];

/** What fails. isSync: no commit can be on disk while it does. */
const FAILURES = {
  write: { calls: CALL.write, isSync: true },
  data_sync: { calls: CALL.dataSync, isSync: true },
  head: { calls: CALL.head, isSync: true },
  /** It is in the page cache, where readers and the next writer see it, and LMDB cannot take it back. */
  head_left: { calls: CALL.head | CALL.restore, done: CALL.head, isSync: true },
  head_restored: { calls: CALL.head, done: CALL.head, isSync: true },
  head_no_room: { calls: CALL.head, error: ERRNO.ENOSPC, isSync: true },
  write_no_room: { calls: CALL.write, error: ERRNO.ENOSPC, isSync: true },
  data_sync_no_room: { calls: CALL.dataSync, error: ERRNO.ENOSPC, isSync: true },
  sync: { calls: CALL.sync | CALL.dataSync },
  open: { calls: CALL.open | CALL.dataSync },
  size: { calls: CALL.size | CALL.dataSync },
  everything: { calls: Object.values(CALL).reduce((all, call) => all | call) & ~CALL.allocate },
};

class Trial {
  async start(random) {
    this.root = makeDirectory();
    this.broken = new BrokenCalls(path.join(this.root, 'data'));
    const linePort = await freePort();
    this.server = new Server({
      data: path.join(this.root, 'data'),
      args: ['--broker-listen', `127.0.0.1:${linePort}`, '--retention-bytes', 'off'],
      env: this.broken.env,
    });
    this.server.ownDirectories.push(this.root, this.broken.directory);
    this.server.linePort = linePort;
    this.everyone = new Everyone(this.server, random);
    await this.server.start();
    await this.everyone.watch();
    await this.everyone.publishOnce({ durable: true });
  }

  /** Publishes of everybody, some of which wait for the disk: an answer each. */
  publishAll() {
    const one = (kind, durable) => this.everyone.publish(kind, { durable });
    const all = [...BUFFERED.map((kind) => one(kind, false)), ...DURABLE.map((kind) => one(kind, true))];
    all.forEach((answer) => answer.catch(() => {})); // whoever awaits it gets the error
    return all;
  }

  /** Of the writer, in all runs. */
  deaths() {
    return this.server.stderr.match(/store writer .*started again/g)?.length ?? 0;
  }

  async status() {
    return (await this.server.request('GET', '/health')).json;
  }

  /** It is whole again: all that was sent is answered and there, and the store is sound. */
  async checkGoesOn(waiting, { mayBeRefused }) {
    for (const { refusal } of await Promise.all(waiting)) {
      assert.ok(refusal === undefined || mayBeRefused, refusal);
    }
    const isHealthy = async () => (await this.status()).status === 'healthy';
    await until(isHealthy, { what: 'a healthy server' });
    await this.everyone.publishOnce({ durable: true });
    await this.everyone.check();
  }

  /** A few calls fail, after some others. */
  async failSometimes(failure, skip) {
    const mayBeRefused = failure.error === ERRNO.ENOSPC;
    this.broken.fail({ ...failure, skip, count: 1 });
    const waiting = [];
    await until(() => {
      waiting.push(...this.publishAll().slice(0, 1 + (skip % 9)));
      return this.broken.hits >= 1;
    }, { what: 'a call that fails', interval: 60 });
    await this.checkGoesOn(waiting, { mayBeRefused });
    this.broken.repair();
    await this.checkGoesOn([], { mayBeRefused });
  }

  /** They fail until further notice. */
  async failForLong(failure) {
    const mayBeRefused = failure.error === ERRNO.ENOSPC;
    const deaths = this.deaths();
    this.broken.fail(failure);
    const waiting = this.publishAll();
    let answered = 0;
    if (failure.isSync) {
      waiting.slice(BUFFERED.length).forEach((answer) =>
        answer.then(({ refusal }) => (answered += refusal === undefined), () => {}));
    }
    await until(async () => (await this.status()).status === 'degraded', { what: 'a degraded server' });
    if (mayBeRefused) {
      await until(() => this.broken.hits >= FOR_A_WHILE, { what: 'more tries' });
    } else {
      await until(() => this.deaths() >= deaths + 3, { what: 'more tries' });
    }
    const { reason } = await this.status();
    assert.match(reason, mayBeRefused ? /full|Input\/output error/ : /^Input\/output error$/);
    assert.equal(answered, 0, 'answered as durable, while nothing could be');
    await Promise.all(waiting.slice(0, BUFFERED.length)); // none is appended while the log is read
    await this.everyone.checkLog({ isComplete: false }); // reading goes on
    this.broken.repair();
    await this.checkGoesOn(waiting, { mayBeRefused });
  }

  /** All processes die while it is broken: the next start fails for as long, and loses nothing. */
  async dieBroken(failure) {
    await this.#dieAndStart(failure, () => Promise.all(this.publishAll().slice(0, BUFFERED.length)));
  }

  /** Likewise, and nothing waits but what is in a head that only the page cache has. */
  async dieOfOneHead(failure) {
    await this.#dieAndStart(failure, () => this.#endWriter());
  }

  /**
   * Behind a head that only the page cache has, another writer begins beside the workers and dies
   * inside its commit: the pages that it has written are no longer those that that head names.
   */
  async dieBehindOneHead(failure, skip) {
    await this.#dieAndStart(failure, async () => {
      const deaths = this.deaths();
      await this.#endWriter();
      this.broken.fail({ calls: CALL.dataSync, skip });
      await until(() => {
        this.#publishDurable(); // a commit may have got in just now
        return this.deaths() > deaths + 1;
      }, { what: 'the end of another writer', interval: 60 });
      this.broken.fail(failure);
    });
  }

  #publishDurable() {
    this.everyone.publish('http', { durable: true }).catch(() => {}); // who has published may be gone before the answer
  }

  /** One commit, of which the writer ends. */
  async #endWriter() {
    const writer = this.server.writer();
    this.#publishDurable();
    await until(() => !isAlive(writer), { what: 'the end of a writer' });
  }

  async #dieAndStart(failure, publish) {
    const { epoch } = (await this.status()).log;
    this.broken.fail(failure);
    await publish();
    await this.server.kill();
    this.everyone.forgetPublishers();
    if (failure.error !== ERRNO.ENOSPC) {
      await assert.rejects(this.server.restart(), 'a start with a broken disk');
      assert.equal(await this.server.end(), 1);
      const isSaid = this.server.allLines.some((line) => / error .*Input\/output error/.test(line));
      assert.ok(isSaid, this.server.recentLog());
    }
    this.broken.repair();
    await this.server.restart();
    await this.everyone.resume(epoch);
    assert.equal((await this.status()).log.epoch, epoch);
    await this.checkGoesOn([], { mayBeRefused: false });
  }

  async end() {
    assert.equal(await metric(this.server, 'sluice_storage_full'), 0);
    this.server.terminateClients();
    assert.equal(await this.server.stop(), 0);
    const { code, stdout, stderr } = await ctl(['check', this.server.data]);
    assert.equal(code, 0, stdout + stderr);
    await this.server.dispose();
  }
}

const HEAD_LEFT = [
  (trial) => trial.dieOfOneHead(FAILURES.head_left),
  ...[0, 1, 2].map((skip) => (trial) => trial.dieBehindOneHead(FAILURES.head_left, skip)),
];
const SHORT = ['data_sync', 'head_left', 'write_no_room'];

let passed = 0;
let failed = 0;
for (const name of only ?? (isShort ? SHORT : Object.keys(FAILURES))) {
  // A server for each, because a writer that ends often is started later and later.
  const acts = [
    ...SKIPS.map((skip) => (trial) => trial.failSometimes(FAILURES[name], skip)),
    (trial) => trial.failForLong(FAILURES[name]),
    (trial) => trial.dieBroken(FAILURES[name]),
    ...(name === 'head_left' ? HEAD_LEFT : []),
  ];
  let acknowledged = 0;
  let deaths = 0;
  let trial;
  try {
    for (const act of acts) {
      trial = new Trial();
      await trial.start(randomFrom(seed));
      await act(trial);
      await trial.end();
      acknowledged += trial.everyone.ledger.acknowledged.size;
      deaths += trial.deaths();
    }
    console.log(`${name}: ${acknowledged} acknowledged, the writer ended ${deaths} times`);
    passed++;
  } catch (error) {
    console.log(`${name}: ${error.stack}\n${trial.server?.recentLog()}`);
    trial.broken?.repair();
    trial.server?.destroy();
    failed++;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(passed > 0 && failed === 0 ? 0 : 1);
