// sluicectl check and snapshot: on a store that a busy server writes, on stopped and damaged ones.
import fs from 'node:fs';
import path from 'node:path';
import { createMessage, allMessages } from './lib/graphql.mjs';
import { MOUNT_NAMESPACE } from './lib/mounts.mjs';
import { kill } from './lib/processes.mjs';
import { temporary } from './lib/server.mjs';
import { EPOCH, TIME } from './lib/shapes.mjs';
import { ctl, sluicectl } from './lib/sluicectl.mjs';
import { Terminal } from './lib/terminal.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

const isRoot = process.getuid() === 0;
const TOPICS = ['news', 'sport', 'weather'];

/** What it prints, if it ends well. */
async function text(...args) {
  const result = await ctl(args);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.equal(result.stderr, '');
  return result.stdout;
}

const json = async (...args) => JSON.parse(await text(...args, '--json'));

/** What it says, if it ends with 1 and prints nothing. */
async function failure(...args) {
  const result = await ctl(args);
  assert.equal(result.code, 1, result.stdout);
  assert.equal(result.stdout, '');
  assert.match(result.stderr, /^sluicectl: .*\n$/);
  return result.stderr;
}

/** All files, with what can be seen of them from outside. */
function describe(directory) {
  const status = fs.statSync(directory);
  const { mode, size, mtimeMs, ctimeMs } = status;
  const names = status.isDirectory() ? fs.readdirSync(directory).sort() : [];
  const files = names.map((name) => [name, describe(path.join(directory, name))]);
  return { mode, size, mtimeMs, ctimeMs, files };
}

/** Publishes to several topics, some of it rows, until it is told to stop. */
async function publisher(server) {
  const client = await server.broker();
  let isOver = false;
  let count = 0;
  const done = (async () => {
    while (!isOver) {
      const message = { count, text: 'x'.repeat((count * 37) % 3000) };
      await client.publish(TOPICS[count % TOPICS.length], message, { durable: count % 7 === 0 });
      if (count % 20 === 0) {
        await createMessage(server, `message ${count}`);
      }
      count++;
    }
  })();
  done.catch(() => {}); // whoever stops it gets the error
  return {
    done,
    /** Waits until so many more were published. */
    more: (wanted) => {
      const goal = count + wanted;
      return until(() => count >= goal, { what: `${wanted} more published` });
    },
    stop: async () => {
      isOver = true;
      await done;
      await client.close();
    },
  };
}

/** All events of a topic, by pages. */
async function everything(server, topic) {
  const found = [];
  for (;;) {
    const since = found.at(-1)?.seq ?? 0;
    const { events } = await server.history(topic, `?since=${since}&limit=1000`);
    if (events.length === 0) {
      return found;
    }
    found.push(...events);
  }
}

// --- whole ones

test('a busy server’s store is whole, and so is its copy, on which another server goes on', async ({
  start,
  prepare,
  cleanup,
}) => {
  const server = await start();
  const dest = path.join(temporary(cleanup), 'copy');
  const publishing = await publisher(server);
  await publishing.more(200);
  for (let i = 0; i < 3; i++) {
    const found = await json('check', server.data);
    assert.deepEqual(found.problems, []);
    assert.equal(found.whole, true);
    assert.equal(found.server_runs, true);
    assert.match(found.epoch, EPOCH);
    assert.match(found.last_time, TIME);
    assert.ok(found.operations > 200);
    assert.ok(found.rows > 0);
    assert.ok(found.index_entries >= 0);
    await publishing.more(20);
  }
  const copied = await json('snapshot', server.data, dest);
  assert.equal(copied.whole, true);
  assert.equal(copied.dest, dest);
  await publishing.more(50);

  assert.match(await text('check', dest), /^\S+copy is whole\n/);
  const { epoch } = await server.health().then(() => json('check', server.data));
  assert.equal(copied.epoch, epoch);
  assert.notEqual(copied.store_id, (await json('check', server.data)).store_id);

  // Both at once, with one run directory: their rings have two names.
  const second = prepare({ data: dest, args: ['--run-dir', server.runDir] });
  await second.start();
  await publishing.more(50);
  await publishing.stop();
  for (const topic of TOPICS) {
    const original = await everything(server, topic);
    const copy = await everything(second, topic);
    assert.ok(copy.length > 10);
    assert.deepEqual(copy, original.filter(({ seq }) => seq <= copied.last_seq));
  }
  const rows = await allMessages(second);
  assert.deepEqual(rows, (await allMessages(server)).slice(0, rows.length));
  assert.ok(rows.length > 0);

  // Its epoch is new: who has seen more of the original than the copy has is told so.
  const reader = await second.broker();
  const good = await reader.subscribe('news', { since: copied.last_seq, epoch });
  assert.notEqual(good.epoch, epoch);
  assert.equal(good.recovered, true);
  const fooled = await second.broker();
  const lost = await fooled.subscribe('news', { since: copied.last_seq + 1, epoch });
  assert.equal(lost.recovered, false);
  assert.equal((await fooled.next()).type, 'gap');
  const { seq } = await reader.publish('sport', 'of the copy');
  assert.ok(seq > copied.last_seq);
  for (const data of [server.data, dest]) {
    assert.equal((await json('check', data)).whole, true);
  }
});

test('a stopped store is looked at without a trace, and copied', async ({ start, cleanup }) => {
  const server = await start();
  const publishing = await publisher(server);
  await publishing.more(50);
  await publishing.stop();
  assert.equal(await server.stop(), 0);
  const before = describe(server.data);
  const found = await json('check', server.data);
  assert.equal(found.server_runs, false);
  assert.equal(found.clean, true);
  const dest = temporary(cleanup); // there already, and empty
  const shown = await text('snapshot', server.data, `${dest}/`);
  assert.match(shown, /: a copy that is whole, \d/);
  assert.deepEqual(describe(server.data), before);
  assert.deepEqual(fs.readdirSync(dest).sort(), ['id', 'store']);
  const copy = await json('check', dest);
  assert.equal(copy.clean, false);
  assert.equal(copy.last_seq, found.last_seq);
  assert.deepEqual(fs.readdirSync(path.join(dest, 'store')), ['data.mdb']);
});

test('what was killed is whole, and what its ring still holds is told', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const publishing = await publisher(server);
  await publishing.more(50);
  await server.kill();
  await assert.rejects(publishing.done); // in the middle of it
  const found = await json('check', server.data);
  assert.equal(found.clean, false);
  assert.deepEqual(found.problems, []);

  await server.restart();
  await server.post('news', '0', 'application/json', '?durable=true');
  const { last_seq: last } = await json('check', server.data);
  kill(server.writer(), 'SIGSTOP'); // it commits nothing any more
  for (let i = 1; i <= 5; i++) {
    await server.post('news', String(i));
  }
  await server.kill();
  const env = { SLUICE_RUN_DIR: server.runDir };
  const left = JSON.parse((await ctl(['check', server.data, '--json'], { env })).stdout);
  assert.equal(left.last_seq, last);
  assert.equal(left.ring_operations, 5);
  const shown = await ctl(['check', server.data], { env });
  assert.match(shown.stdout, /\n {2}ring +\S+\.ring, 5 operations not in the store yet\n/);
  const dest = path.join(temporary(cleanup), 'copy');
  const copied = await ctl(['snapshot', server.data, dest], { env });
  assert.equal(copied.code, 0);
  assert.match(copied.stderr, /\.ring has 5 operations that the store has not/);
  await server.restart();
  const { events } = await server.history('news', `?since=${last}`);
  assert.deepEqual(events.map(({ data }) => data), [1, 2, 3, 4, 5]);
});

test('a read-only file system is no hindrance', { skip: !isRoot }, async ({ start }) => {
  const server = await start();
  await server.post('news', '1', 'application/json', '?durable=true');
  const mounted = (args) => {
    const script =
      'data=$1; mount --bind "$data" "$data" && mount -o remount,ro,bind "$data" && shift && "$@"; ' +
      'code=$?; umount "$data"; exit $code';
    const [program, ...namespace] = MOUNT_NAMESPACE;
    return ctl([...namespace, 'sh', '-c', script, 'sh', server.data, sluicectl, ...args], {
      program,
    });
  };
  await server.stop();
  const { code, stdout, stderr } = await mounted(['check', server.data]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, / is whole\n/);
});

// --- what cannot be

test('what is none, or no place for one, is said in a line', async ({ start, cleanup }) => {
  const server = await start();
  const directory = temporary(cleanup);
  const file = path.join(directory, 'file');
  fs.writeFileSync(file, 'text');
  const nowhere = path.join(directory, 'nowhere');
  assert.match(await failure('check', nowhere), /nowhere: No such file or directory/);
  assert.match(await failure('check', directory), /it is not a data directory/);
  assert.match(await failure('check', file), /Not a directory/);
  assert.match(await failure('snapshot', nowhere, path.join(directory, 'to')), /No such file/);
  assert.match(await failure('snapshot', server.data, directory), /is not empty/);
  assert.match(await failure('snapshot', server.data, file), /is no directory/);
  assert.match(await failure('snapshot', server.data, `${nowhere}/to`), /No such file/);
  assert.deepEqual(fs.readdirSync(directory), ['file']);
  for (const args of [['check'], ['check', 'a', 'b'], ['snapshot', 'a'], ['check', '--no-check', 'a']]) {
    const result = await ctl(args);
    assert.equal(result.code, 2, args.join(' '));
  }
});

test('without permission it says so', { skip: !isRoot }, async ({ start }) => {
  const server = await start();
  const result = await ctl(
    ['--reuid', '65534', '--regid', '65534', '--clear-groups', sluicectl, 'check', server.data],
    { program: 'setpriv' },
  );
  assert.equal(result.code, 1);
  assert.match(result.stderr, /Permission denied/);
});

test('a destination without room is left as it was', { skip: !isRoot }, async ({
  start,
  cleanup,
}) => {
  const server = await start();
  for (let i = 0; i < 4; i++) {
    const text = JSON.stringify('x'.repeat(900_000));
    await server.post('news', text, 'application/json', '?durable=true'); // what is copied is the store
  }
  const disk = temporary(cleanup);
  const script =
    `mount -t tmpfs -o size=2m none ${disk} && "$@"; code=$?; ls -A ${disk}; umount ${disk}; ` +
    'exit $code';
  const [program, ...namespace] = MOUNT_NAMESPACE;
  const result = await ctl(
    [...namespace, 'sh', '-c', script, 'sh', sluicectl, 'snapshot', server.data, `${disk}/copy`],
    { program },
  );
  assert.equal(result.code, 1);
  assert.match(result.stderr, /has room for \d+ bytes, the copy needs \d+/);
  assert.equal(result.stdout, '');
});

// --- damage

/** A store with some events that nobody serves; its path. */
async function stopped(start) {
  const server = await start();
  for (let i = 0; i < 20; i++) {
    await server.post('news', JSON.stringify(`event ${i} of twenty`), 'application/json', '?durable=true');
  }
  await server.stop();
  return server.data;
}

function flip(data, word) {
  const file = path.join(data, 'store/data.mdb');
  const content = fs.readFileSync(file);
  for (let at = content.indexOf(word); at >= 0; at = content.indexOf(word, at + 1)) {
    content[at] ^= 1; // wherever LMDB has kept it
  }
  fs.writeFileSync(file, content);
}

test('a flipped byte is found and named; its copy is made only when asked for', async ({
  start,
  cleanup,
}) => {
  const data = await stopped(start);
  const directory = temporary(cleanup);
  const dest = path.join(directory, 'copy');
  flip(data, 'event 7 of twenty');
  const shown = await ctl(['check', data]);
  assert.equal(shown.code, 1);
  assert.match(shown.stdout, / is damaged: 1 problem\n {2}log: operation 9 is damaged\n/);
  assert.match(shown.stdout, /these operations cannot be replayed; all others can/);
  const found = await ctl(['check', data, '--json']);
  assert.equal(found.code, 1);
  const { whole, problems, problem_count: count } = JSON.parse(found.stdout);
  assert.equal(whole, false);
  assert.equal(count, 1);
  assert.deepEqual(problems, [{ part: 'log', seq: 9, text: 'operation 9 is damaged' }]);

  const refused = await ctl(['snapshot', data, dest]);
  assert.equal(refused.code, 1);
  assert.equal(refused.stdout, '');
  assert.match(refused.stderr, /the copy is damaged, and was taken away again\n.*operation 9/);
  assert.deepEqual(fs.readdirSync(directory), []);
  const { checked, last_seq: last } = await json('snapshot', '--no-check', data, dest);
  assert.equal(checked, false);
  assert.equal(last, 21);
  assert.equal((await ctl(['check', dest])).code, 1);
});

test('a data file that was cut, or is none any more, is an answer and no crash', async ({
  start,
  cleanup,
}) => {
  const data = await stopped(start);
  const file = path.join(data, 'store/data.mdb');
  const { size } = fs.statSync(file);
  const whole = fs.readFileSync(file);
  for (const left of [size - 1, size - 4096, Math.floor(size / 2), 3 * 4096, 2 * 4096, 100]) {
    fs.writeFileSync(file, whole.subarray(0, left));
    const result = await ctl(['check', data]);
    const isOnlyFree = result.code === 0 && left === size - 4096;
    assert.ok(isOnlyFree || (result.code === 1 && result.stdout + result.stderr !== ''), `${left}`);
    if (result.code === 1) {
      const to = path.join(temporary(cleanup), 'copy');
      const copied = await ctl(['snapshot', data, to]);
      assert.equal(fs.existsSync(to), copied.code === 0);
    }
  }
  fs.writeFileSync(file, 'no database at all'.repeat(1000));
  const result = await ctl(['check', data]);
  assert.equal(result.code, 1);
  assert.match(result.stdout, / is damaged: 1 problem\n {2}file: /);
  fs.writeFileSync(file, '');
  assert.match(await failure('check', data), /holds no store yet/);
  fs.writeFileSync(path.join(data, 'id'), 'nonsense');
  assert.match(await failure('check', data), /should be 16 hexadecimal digits/);
});

// --- in a terminal

test('a terminal sees how far it is, and Ctrl-C leaves nothing behind', async ({
  start,
  cleanup,
}) => {
  const server = await start({ args: ['--retention-bytes', 'off'] });
  const directory = temporary(cleanup);
  for (let i = 0; i < 60; i++) {
    await server.post('news', JSON.stringify('x'.repeat(1_000_000)));
  }
  const quoted = [sluicectl, 'check', server.data].map((word) => JSON.stringify(word)).join(' ');
  const check = new Terminal(`${quoted}; echo "ended with $?"`, cleanup);
  await check.shows(/\rchecking \[#*\.*\] +\d+ %/);
  await check.shows(/\r\u001b\[K.* is whole[^]*ended with 0/);
  const quiet = new Terminal(`${quoted} --quiet; echo "ended with $?"`, cleanup);
  await quiet.shows(/ended with 0/);
  assert.ok(!quiet.text.includes('checking'));

  const dest = path.join(directory, 'copy');
  // No shell is there that Ctrl-C could end when the copy has just been made.
  const copy = new Terminal(`exec ${JSON.stringify(sluicectl)} snapshot ${server.data} ${dest}`, cleanup);
  await copy.shows(/\rcopying \[/);
  copy.type('\u0003');
  const code = await within(copy.exited, 'the end of the terminal');
  if (code === 0) {
    assert.deepEqual(fs.readdirSync(directory), ['copy']); // it was quicker
    assert.equal((await json('check', dest)).whole, true);
  } else {
    assert.equal(code, 1);
    assert.match(copy.text, /interrupted: nothing is left/);
    assert.deepEqual(fs.readdirSync(directory), []);
  }
});
