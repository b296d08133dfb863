// power_cut.mjs has to notice disks and servers that do not keep what they promise: its checker is shown
// small worlds with one thing wrong, and the whole of it runs with syncs that are none.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CutLedger } from './lib/power_cut.mjs';

const EPOCH = '00000000000000aa';

/** Five operations: a schema, two publishes (the first durable), a row made and one taken. */
function newLedger() {
  const ledger = new CutLedger(2);
  ledger.epochs.add(EPOCH);
  ledger.send('a', 'alpha');
  ledger.send('b', 'beta');
  ledger.acknowledge('a', 2, true, 200);
  ledger.acknowledge('b', 3, false, 300);
  ledger.deliver('beta', 3, 'b', null, 310);
  ledger.deliver('messages', 4, { id: 1, content: 'm' }, 'create', 400);
  ledger.answer('m', 410);
  ledger.deliver('message_deletes:all', 5, { id: 1, content: 'm' }, 'delete', 500);
  ledger.settle();
  return ledger;
}

/** A cut behind all of it that left all of it. */
const newCut = (more) => ({
  ...{ cut: 1, choice: 0, cut_seed: 0, time_ns: 1000, error: null, problems: [], was_clean: false },
  ...{ first: 1, last: 5, read: 5, rows: 0, epoch: EPOCH, is_last_good: true, is_beyond_good: false },
  ...more,
});

test('what is as promised passes', () => {
  const ledger = newLedger();
  assert.ok(ledger.checkCut(newCut()));
  assert.ok(ledger.checkCut(newCut({ time_ns: 150, last: 0, read: 0, epoch: '0'.repeat(16) })));
  assert.ok(ledger.checkCut(newCut({ time_ns: 350, last: 2, read: 2 })), 'a buffered one may go');
  assert.ok(ledger.checkCut(newCut({ first: 4, read: 2 })), 'retention may take the oldest');
  ledger.checkRecord({ record: 1, topics: [] });
  ledger.checkRecord({ record: 2, topics: ['alpha'], payload: '"a"' });
  ledger.checkRecord({ record: 4, topics: ['messages'], payload: '{"id":1,"content":"m"}' });
  assert.deepEqual(ledger.problems, []);
  assert.equal(ledger.furthest(450), 4);
});

for (const [what, more, complaint] of [
  ['a store that does not open', { error: 'no' }, /does not open: no/],
  ['a store that is not whole', { problems: ['a page'] }, /not whole: a page/],
  ['a durable publish that is gone', { time_ns: 250, last: 1, read: 1 }, /2 was promised.* with 1/],
  ['a delivered row event that is gone', { time_ns: 405, last: 3, read: 3 }, /4 was promised/],
  ['an answered mutation that is gone', { time_ns: 480, last: 3, read: 3 }, /4 was promised/],
  ['a buffered publish lost by a drain', { time_ns: 350, last: 2, read: 2, was_clean: true },
    /3 was promised/],
  ['a hole in the log', { read: 4 }, /4 operations from 1 to 5/],
  ['more taken than retention may', { first: 5, read: 1 }, /only 1 operations are kept/],
  ['a row without its event', { rows: 1 }, /1 rows at 5, by the events 0/],
  ['an event without its row', { time_ns: 400, last: 4, read: 4 }, /0 rows at 4, by the events 1/],
  ['an epoch from nowhere', { epoch: '00000000000000bb' }, /never was/],
  ['operations without an epoch', { epoch: '0'.repeat(16) }, /without an epoch/],
  ['a good token that is refused', { is_last_good: false }, /not good any more/],
  ['a token of something lost', { is_beyond_good: true }, /taken for something new/],
]) {
  test(`it notices ${what}`, () => {
    const ledger = newLedger();
    assert.equal(ledger.checkCut(newCut(more)), false);
    assert.equal(ledger.problems.length, 1, ledger.problems.join('\n'));
    assert.match(ledger.problems[0], complaint);
  });
}

for (const [what, record, complaint] of [
  ['another seq than acknowledged', { record: 3, topics: ['alpha'], payload: '"a"' }, /as 2.* as 3/],
  ['another payload than delivered', { record: 3, topics: ['beta'], payload: '"a"' }, /otherwise/],
  ['another topic than sent to', { record: 2, topics: ['beta'], payload: '"a"' }, /never sent/],
  ['a payload that nobody sent', { record: 2, topics: ['alpha'], payload: '"z"' }, /never sent/],
  ['another row than delivered', { record: 4, topics: ['messages'], payload: '{"id":2}' }, /otherwise/],
]) {
  test(`it notices ${what}`, () => {
    const ledger = newLedger();
    ledger.checkRecord(record);
    assert.match(ledger.problems.join('\n'), complaint);
  });
}

test('it notices an answer whose event never came', () => {
  const ledger = newLedger();
  ledger.answer('lost', 600);
  ledger.settle();
  assert.match(ledger.problems.join('\n'), /never came: lost/);
});

/** power_cut.mjs with a small load and a disk that lies: {status, output}. */
async function runLying(...args) {
  const script = fileURLToPath(new URL('power_cut.mjs', import.meta.url));
  const small = ['--short', '--starts', '0', '--syncs', '20', '--publishes', '60', '--mutations', '10'];
  const child = spawn(process.execPath, [script, ...small, ...args]);
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, output };
}

for (const [args, complaint] of [
  [['--skip', 'fdatasync'], /does not open|not whole/],
  [['--skip', 'dsync'], /was promised/],
  [['--skip', 'fsync'], /does not open/],
  [['--skip', 'fsync-dir'], /was promised/],
  [['--lossy'], /does not open|not whole/],
]) {
  test(`the whole test fails on a disk with ${args.join(' ')}`, async () => {
    const { status, output } = await runLying(...args);
    assert.equal(status, 1, output);
    assert.match(output, complaint);
    assert.match(output, /^\d+ passed, [1-9]\d* failed$/m);
  });
}
