// A disk, and a store's map, that become full under load of every protocol: publishing is refused as the
// protocol says, everything else goes on, what was acknowledged is there whatever dies meanwhile, and
// when there is room again publishing goes on by itself.
//
//   node tests/fault/full_disk.mjs [--short] [--only NAME,…] [--on tmpfs,ext4] [--rounds N] [--seed N]
//
// Each variant on a small tmpfs and on an ext4 in a file, which need root and are named when they cannot
// be had. Each publish acknowledged, refused and delivered is checked (lib/everyone.mjs). It ends with
// "N passed, N failed", a variant on a disk each.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { ask, codeOf, dataOf } from '../e2e/lib/graphql.mjs';
import { LineClient } from '../e2e/lib/line.mjs';
import { metric } from '../e2e/lib/metrics.mjs';
import { kill } from '../e2e/lib/processes.mjs';
import { freePort, makeDirectory, runSluice, Server } from '../e2e/lib/server.mjs';
import { assertError, SCHEMA_SEQ } from '../e2e/lib/shapes.mjs';
import { ctl } from '../e2e/lib/sluicectl.mjs';
import { until } from '../e2e/lib/until.mjs';
import { Disk } from './lib/disks.mjs';
import { Everyone, MUTATIONS, PUBLISHER_KINDS, TOPICS } from './lib/everyone.mjs';
import { randomFrom } from './lib/ledger.mjs';

const textOption = (name) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
};
const isShort = process.argv.includes('--short');
const seed = Number(textOption('--seed') ?? 1);
const rounds = Number(textOption('--rounds') ?? (isShort ? 1 : 4));
const only = textOption('--only')?.split(',');
const kinds = (textOption('--on') ?? (isShort ? 'tmpfs' : 'tmpfs,ext4')).split(',');

const KIB = 1024;
const DISK_MIB = { tmpfs: 8, ext4: 16 }; // ext4 needs a journal
const RING = '256K';
const BALLAST_BYTES = 512 * KIB;
const FULL = 'the store is full';

/** What each is refused with, to the byte. */
const REFUSALS = {
  room: `{"type":"error","code":"storage_full","message":"${FULL}"}`,
  broker: `{"status":"error","code":"storage_full","message":"${FULL}","topic":"${TOPICS.broker}"}`,
  line: `{"status":"error","code":"storage_full","message":"${FULL}","topic":"${TOPICS.line}"}`,
  http: `507 {"error":{"code":"storage_full","message":"${FULL}"}}`,
  ...Object.fromEntries([['graphql', 'publish'], ['rows', 'createMessage']].map(([kind, field]) => [kind,
    '{"data":null,"errors":[{"message":"The store is full: nothing can be changed until there is room again.",' +
    `"locations":[{"line":1,"column":${MUTATIONS[kind].indexOf(field) + 1}}],"path":["${field}"],` +
    '"extensions":{"code":"STORAGE_FULL"}}]}'])),
};

/** A server whose store is on the disk, and everybody who uses it. */
class Trial {
  static async start(disk, random, args = [], { map = '1G', age = 'off' } = {}) {
    const retention = ['--retention-bytes', 'off', '--retention-age', age];
    const trial = new Trial();
    trial.disk = disk;
    const linePort = await freePort();
    trial.server = new Server({
      data: `${disk.directory}/data`,
      ring: RING,
      prefix: disk.prefix,
      args: ['--broker-listen', `127.0.0.1:${linePort}`, ...retention, '--map-size', map, ...args],
    });
    trial.server.linePort = linePort;
    trial.everyone = new Everyone(trial.server, random);
    await trial.server.start();
    return trial;
  }

  /** Publishing is refused, in every protocol as it should be. known: what each was told already. */
  async checkRefused(known) {
    for (const kind of PUBLISHER_KINDS) {
      const refusal = known?.[kind] ?? (await this.everyone.publish(kind, { bytes: 20 })).refusal;
      assert.equal(refusal, REFUSALS[kind], kind);
    }
  }

  /** Full: nothing can be written, in whatever way; everything can be read, and everybody is told. */
  async checkFull(refusals) {
    const { server, everyone } = this;
    await this.checkRefused(refusals);
    await this.checkRefused();
    assert.equal(await codeOf(server, 'mutation { deleteMessage(id: 1) { id } }'), 'STORAGE_FULL');
    assertError(await server.post('news', '1', 'application/json', '?durable=true'), 507, 'storage_full');
    const health = await server.request('GET', '/health');
    assert.equal(health.status, 503);
    assert.equal(health.json.status, 'degraded');
    assert.equal(health.json.reason, FULL);
    assert.equal((await server.request('GET', '/health/live')).status, 200);
    assert.equal(await metric(server, 'sluice_storage_full'), 1);
    await everyone.checkLog();
    const { epoch } = health.json.log;
    await everyone.watch({ epoch, seq: SCHEMA_SEQ }); // newcomers get all of it
    await everyone.check();
    assert.deepEqual(await dataOf(server, '{ hello }'), { hello: 'Hello, GraphQL!' });
  }

  /** There is room: publishing goes on by itself, and everybody has it. */
  async checkGoesOn() {
    const { server, everyone } = this;
    await until(async () => (await server.request('GET', '/health')).status === 200, { what: 'a healthy server' });
    assert.equal(await metric(server, 'sluice_storage_full'), 0);
    await everyone.publishOnce();
    await everyone.publishOnce({ durable: true });
    await everyone.check();
  }

  count(pattern) {
    return this.server.allLines.filter((line) => pattern.test(line)).length;
  }

  /** Everybody is there again after a restart, and goes on where they were. */
  async resume(epoch) {
    await this.everyone.resume(epoch);
    assert.equal((await this.server.health()).log.epoch, epoch);
  }

  async restart() {
    this.everyone.forgetPublishers();
    await this.server.restart();
  }

  async end() {
    await this.server.dispose();
  }
}

// --- variants: each gets a disk, and says what there is to say

/** A disk without a byte of room under a writer that has acknowledged operations to commit. */
async function fillBehindWriter(trial, { isRobbed = false } = {}) {
  const { server, everyone, disk } = trial;
  const before = (await server.health()).log.last_seq;
  const writer = server.writer();
  kill(writer, 'SIGSTOP');
  for (const kind of ['room', 'broker', 'line', 'http', 'graphql']) {
    for (let i = 0; i < 3; i++) {
      assert.equal((await everyone.publish(kind, { bytes: 12 * KIB })).refusal, undefined);
    }
  }
  // Those who wait for the disk are not answered yet.
  const waiting = ['broker', 'line', 'rows'].map((kind) => everyone.publish(kind, { durable: true }));
  await until(async () => (await server.health()).log.last_seq === before + 18, { what: 'all in the ring' });
  if (isRobbed) {
    fs.rmSync(disk.path('data/ballast'));
  }
  disk.fill();
  return { writer, waiting };
}

const VARIANTS = {
  /** Filled by what is published, and by another's file, in turns. */
  async publishing(disk, random) {
    const trial = await Trial.start(disk, random);
    const { everyone } = trial;
    await everyone.watch();
    for (let round = 1; round <= rounds; round++) {
      disk.fill(BALLAST_BYTES * (1 + Math.floor(random() * 5)));
      const refusals = await everyone.publishUntilRefused();
      await trial.checkFull(refusals);
      assert.equal(trial.count(/publishing is refused$/), round, 'it is said once');
      disk.free();
      await trial.checkGoesOn();
      assert.equal(trial.count(/has room again/), round, 'it is said once');
    }
    await trial.end();
    return `${everyone.ledger.acknowledged.size} acknowledged`;
  },

  /** Another takes all room before the writer has committed what was acknowledged: the ballast. */
  async ballast(disk, random) {
    const trial = await Trial.start(disk, random);
    const { server, everyone } = trial;
    await everyone.watch();
    await everyone.publishOnce();
    for (let round = 1; round <= rounds; round++) {
      const { writer, waiting } = await fillBehindWriter(trial);
      kill(writer, 'SIGCONT');
      for (const answer of await Promise.all(waiting)) {
        assert.equal(answer.refusal, undefined, 'what was on its way got in');
      }
      await until(async () => (await server.health()).status === 'degraded', { what: 'a full disk' });
      await trial.checkFull();
      const { log } = await server.health();
      assert.equal(log.committed_seq, log.last_seq);
      assert.equal(trial.count(/a commit found no room/), round, 'it was needed, and is said once');
      disk.free();
      await trial.checkGoesOn();
    }
    await trial.end();
    return `${everyone.ledger.acknowledged.size} acknowledged`;
  },

  /** Another takes what the ballast gives, too: it waits, in the ring, until there is room. */
  async robbed(disk, random) {
    const trial = await Trial.start(disk, random);
    const { server, everyone } = trial;
    await everyone.watch();
    await everyone.publishOnce();
    for (let round = 1; round <= rounds; round++) {
      const { writer, waiting } = await fillBehindWriter(trial, { isRobbed: true });
      kill(writer, 'SIGCONT');
      await until(async () => (await server.health()).status === 'degraded', { what: 'a full disk' });
      await trial.checkRefused();
      await everyone.checkLog({ isComplete: false }); // what is in the ring only, too
      disk.free();
      for (const answer of await Promise.all(waiting)) {
        assert.equal(answer.refusal, undefined, 'what was on its way got in');
      }
      await trial.checkGoesOn();
    }
    assert.ok(trial.count(/a commit found no room/) <= rounds, 'it is said once');
    await trial.end();
    return `${everyone.ledger.acknowledged.size} acknowledged`;
  },

  /** The writer, everything, or a drain, while it is full; the ring has what is not committed. */
  async deaths(disk, random) {
    const trial = await Trial.start(disk, random);
    const { server, everyone } = trial;
    await everyone.watch();
    await everyone.publishOnce();
    const { epoch } = (await server.health()).log;
    for (const victim of ['writer', 'everything', 'drain']) {
      const { writer, waiting } = await fillBehindWriter(trial);
      waiting.forEach((answer) => answer.catch(() => {})); // may never be answered
      if (victim === 'writer') {
        kill(writer);
        await Promise.all(waiting);
      } else if (victim === 'everything') {
        await server.kill();
        await trial.restart();
        await trial.resume(epoch);
      } else {
        kill(writer, 'SIGCONT');
        await Promise.all(waiting);
        server.terminateClients();
        assert.equal(await server.stop(), 0);
        await trial.restart();
        await trial.resume(epoch);
      }
      await until(async () => (await server.health()).status === 'degraded', { what: 'a full disk' });
      await trial.checkFull();
      // And once more, with nothing to commit and no ballast.
      await server.kill();
      await trial.restart();
      await trial.resume(epoch);
      await trial.checkFull();
      disk.free();
      await trial.checkGoesOn();
      console.log(`  ${victim}: done`);
    }
    await trial.end();
    return `${everyone.ledger.acknowledged.size} acknowledged`;
  },

  /** The same without a ballast and without a byte: what is stored can be read, the rest waits. */
  async robbed_deaths(disk, random) {
    // A client that waits for the disk is not done, though it may have gone: a drain waits for it, too.
    const trial = await Trial.start(disk, random, ['--drain-timeout', '1s']);
    const { server, everyone } = trial;
    await everyone.watch();
    await everyone.publishOnce();
    const { epoch } = (await server.health()).log;
    for (const victim of ['clean', 'writer', 'everything', 'drain']) {
      if (victim === 'clean') {
        server.terminateClients();
        assert.equal(await server.stop(), 0);
        fs.rmSync(disk.path('data/ballast'));
        disk.fill();
        await trial.restart();
        await trial.resume(epoch);
      } else {
        const { writer, waiting } = await fillBehindWriter(trial, { isRobbed: true });
        waiting.forEach((answer) => answer.catch(() => {})); // may never be answered
        if (victim === 'writer') {
          kill(writer);
        } else if (victim === 'everything') {
          await server.kill();
          await trial.restart();
          await trial.resume(epoch);
        } else {
          kill(writer, 'SIGCONT');
          await until(async () => (await server.health()).status === 'degraded', { what: 'a full disk' });
          server.terminateClients();
          assert.equal(await server.stop(), 1);
          await trial.restart();
          await trial.resume(epoch);
        }
      }
      await until(async () => (await server.health()).status === 'degraded', { what: 'a full disk' });
      await trial.checkRefused();
      await everyone.checkLog({ isComplete: false });
      disk.free();
      await trial.checkGoesOn();
      console.log(`  ${victim}: done`);
    }
    await trial.end();
    return `${everyone.ledger.acknowledged.size} acknowledged`;
  },

  /** The map is full, not the disk: a larger one, at the next start, has room. */
  async map(disk, random) {
    const trial = await Trial.start(disk, random, [], { map: '4M' });
    const { server, everyone } = trial;
    await everyone.watch();
    const refusals = await everyone.publishUntilRefused();
    await trial.checkFull(refusals);
    assert.ok(disk.freeBytes > 1024 * KIB, 'the disk is not full');
    const { epoch } = (await server.health()).log;
    for (const end of ['kill', 'stop']) {
      server.terminateClients();
      await server[end]();
      await trial.restart();
      await trial.resume(epoch);
      await trial.checkFull();
    }
    kill(server.writer());
    await server.logged(/started again/);
    await trial.checkFull();
    server.options.args = server.options.args.map((value) => (value === '4M' ? '1G' : value));
    await server.kill();
    await trial.restart();
    await trial.resume(epoch);
    await trial.checkGoesOn();
    await trial.end();
    return `${everyone.ledger.acknowledged.size} acknowledged`;
  },

  /** Retention makes room in a full map: publishing goes on by itself, again and again. */
  async retention(disk, random) {
    const trial = await Trial.start(disk, random, [], { map: '4M', age: '3s' });
    const { server, everyone } = trial;
    let last = 0;
    for (let round = 1; round <= rounds; round++) {
      let refusal;
      while (refusal === undefined) {
        ({ refusal } = await everyone.publish('broker', { bytes: 30 * KIB }));
      }
      assert.equal(refusal, REFUSALS.broker);
      await until(async () => (await server.health()).status === 'healthy', { what: 'room by retention' });
      const { seq } = await everyone.publish('broker', { durable: true });
      assert.ok(seq > last);
      last = seq;
      assert.equal((await server.history(TOPICS.broker, '?limit=1000')).last_seq, seq);
    }
    await trial.end();
    return `${last} operations`;
  },

  /** A ring that does not fit into its tmpfs is an error at the start, and no SIGBUS later. */
  async run_dir(disk) {
    const data = makeDirectory();
    const start = (ring) => runSluice([
      ...['--listen', '127.0.0.1:0', '--data', `${data}/data`, '--map-size', '1G'],
      ...['--run-dir', disk.directory, '--ring-size', ring],
    ], { prefix: disk.prefix });
    try {
      for (const left of [0, 4 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB]) {
        disk.fill(left);
        const { code, signal, stderr } = await start('4M');
        assert.deepEqual([code, signal], [1, null], stderr);
        assert.match(stderr, / error master: .*4096 KiB|No space left on device|does not fit/);
        assert.deepEqual(fs.readdirSync(disk.root).filter((name) => /\.ring/.test(name)), []);
        disk.free();
      }
    } finally {
      fs.rmSync(data, { recursive: true, force: true });
    }
    return 'refused at once';
  },

  /** A snapshot onto a full disk, and of a store on one. */
  async snapshot(disk, random) {
    const trial = await Trial.start(disk, random);
    disk.fill(4 * BALLAST_BYTES);
    await trial.everyone.publishUntilRefused();
    for (const left of [0, 40 * KIB, 300 * KIB]) {
      disk.fill(left);
      const { code, stderr } = await ctl(['snapshot', disk.path('data'), disk.path('copy')]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /No space left on device|has room for \d+ bytes, the copy needs \d+$/m);
      const copies = fs.readdirSync(disk.root).filter((name) => name.startsWith('copy'));
      assert.deepEqual(copies, [], 'nothing is left');
      disk.free();
    }
    disk.fill();
    const elsewhere = makeDirectory();
    try {
      const { code, stderr } = await ctl(['snapshot', disk.path('data'), `${elsewhere}/copy`]);
      assert.equal(code, 0, stderr);
      const checked = await ctl(['check', `${elsewhere}/copy`]);
      assert.equal(checked.code, 0, checked.stderr);
    } finally {
      fs.rmSync(elsewhere, { recursive: true, force: true });
    }
    disk.free();
    await trial.checkGoesOn();
    await trial.end();
    return 'all or nothing';
  },

  /** A first start with so little room: it ends with a reason, and the next one with room does not mind. */
  async first_start(disk) {
    const arguments_ = [
      ...['--listen', `127.0.0.1:${await freePort()}`, '--data', `${disk.directory}/data`],
      ...['--run-dir', makeDirectory(), '--ring-size', RING, '--map-size', '1G'],
    ];
    const reasons = new Map();
    const most = (isShort ? 48 : 160) * KIB;
    const begin = async (left) => {
      disk.fill(left);
      const { code, signal, stderr } = await runSluice(arguments_, { prefix: disk.prefix });
      assert.deepEqual([code, signal], [1, null], `with ${left} bytes of room: ${stderr}`);
      const reason = stderr.split('\n').findLast((line) => / error .*(No space left on device|full)/.test(line));
      assert.ok(reason, stderr);
      reasons.set(reason.replace(/^.* error /, '').replaceAll(disk.directory, ''), left);
      disk.free();
    };
    for (let left = 0; left <= most; left += isShort ? 16 * KIB : 4 * KIB) {
      await begin(left);
      if (fs.existsSync(disk.path('data/id'))) {
        fs.rmSync(disk.path('data/store.new'), { recursive: true, force: true });
        fs.rmSync(disk.path('data/store'), { recursive: true, force: true });
        await begin(0); // not a byte for anything of a store
      }
    }
    for (const [reason, left] of reasons) {
      console.log(`  ${left / KIB} KiB: ${reason}`);
    }
    const trial = await Trial.start(disk, Math.random);
    await trial.everyone.publishOnce({ durable: true });
    await trial.everyone.check();
    await trial.end();
    return `${reasons.size} reasons`;
  },
};

// --- all of them

const SHORT = ['publishing', 'ballast', 'map', 'first_start'];

let passed = 0;
let failed = 0;
for (const kind of kinds) {
  for (const name of only ?? (isShort ? SHORT : Object.keys(VARIANTS))) {
    const disk = await Disk.make(kind, DISK_MIB[kind]);
    if (!disk) {
      continue;
    }
    try {
      const said = await VARIANTS[name](disk, randomFrom(seed));
      console.log(`${kind}, ${name}: ${said}`);
      passed++;
    } catch (error) {
      console.log(`${kind}, ${name}: ${error.stack}`);
      failed++;
    } finally {
      disk.remove();
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(passed > 0 && failed === 0 ? 0 : 1);
