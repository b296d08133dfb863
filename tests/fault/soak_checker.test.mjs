// Whether soak.mjs's checkers would notice a leak, or a hole in a page of history: levels of memory and
// descriptors, and pages, as they may be and as they may not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growthOf, Levels, measure } from './lib/levels.mjs';
import { randomFrom } from './lib/ledger.mjs';
import { checkPage } from './lib/soak_clients.mjs';
import { makePayloads, Stream } from './lib/streams.mjs';

const MIB = 1024 * 1024;
const MOMENTS = 36;
const WARMUP = 4;
const BASE = { socket: 5, 'anon_inode:[eventfd]': 3 };

/** 30 minutes of a worker; at: bytes at a moment (0 to 1) of it, around which it swings by `noise`. */
function levelsOf(at, { noise = 0, descriptors = () => BASE, threads = 1 } = {}) {
  const random = randomFrom(1);
  const levels = new Levels();
  for (let i = 0; i < MOMENTS; i++) {
    const anon = at(i / (MOMENTS - 1)) + (random() - 0.5) * 2 * noise;
    levels.add(4711, 'worker 0', { seconds: i * 50, anon, shared: 0, threads, descriptors: descriptors(i) });
  }
  return levels;
}

test('the line through samples has their growth', () => {
  const samples = [0, 1, 2, 3].map((i) => ({ seconds: 10 * i, anon: 5 * MIB + i * 1000 }));
  assert.ok(Math.abs(growthOf(samples) - 3000) < 1e-6);
});

for (const [what, levels] of [
  ['memory that is flat', levelsOf(() => 20 * MIB)],
  ['memory that swings', levelsOf(() => 20 * MIB, { noise: 3 * MIB })],
  ['memory that falls', levelsOf((part) => (20 - 10 * part) * MIB)],
  ['caches that fill first', levelsOf((part) => (part < 0.1 ? 2 : 20) * MIB)],
]) {
  test(`it has nothing to say about ${what}`, () => {
    assert.deepEqual(levels.memoryProblems(WARMUP), []);
    assert.deepEqual(levels.descriptorProblems(), []);
  });
}

for (const [what, levels] of [
  ['64 bytes of each of 60,000 connections', levelsOf((part) => 20 * MIB + part * 60_000 * 64)],
  ['the same while memory swings', levelsOf((part) => 20 * MIB + part * 60_000 * 64, { noise: MIB })],
  ['a leak that begins late', levelsOf((part) => 20 * MIB + Math.max(0, part - 0.7) * 20 * MIB)],
]) {
  test(`it notices ${what}`, () => {
    assert.match(levels.memoryProblems(WARMUP).join('\n'), /^worker 0 \(4711\) has grown by/);
  });
}

test('it does not call flat what was too short to judge', () => {
  const levels = new Levels();
  levels.add(1, 'worker 0', { seconds: 0, anon: MIB, threads: 1, descriptors: BASE });
  assert.match(levels.memoryProblems(WARMUP).join('\n'), /no process lived long enough/);
});

for (const [what, options, complaint] of [
  ['one descriptor more at the end', { descriptors: (i) => ({ ...BASE, socket: i < 35 ? 5 : 6 }) }, /open, then/],
  ['one instead of another', { descriptors: (i) => (i < 20 ? BASE : { socket: 4, pipe: 1, ...BASE }) }, /pipe/],
  ['a thread', { threads: 2 }, /has threads/],
]) {
  test(`it notices ${what}`, () => {
    assert.match(levelsOf(() => MIB, options).descriptorProblems().join('\n'), complaint);
  });
}

test('a process can be measured', () => {
  const { anon, descriptors, threads } = measure(process.pid, 0);
  assert.ok(anon > MIB && threads > 0 && Object.keys(descriptors).length > 0);
});

/** A stream of ten numbers, number i at seq 10 * i, and a page of some of them. */
function judge(numbers, { since = 0, recovered = true, oldest = 0 } = {}) {
  const stream = new Stream('topic', makePayloads(40, 1), []);
  for (let i = 0; i < 10; i++) {
    stream.acknowledge(10 * i);
  }
  const events = numbers.map((i) => ({ seq: 10 * i, data: stream.payloadOf(i) }));
  checkPage(stream, since, { events, recovered, oldest });
  return stream.problems.join('\n');
}

test('it has nothing to say about whole pages, and about holes that are told', () => {
  assert.equal(judge([3, 4, 5], { since: 20 }), '');
  assert.equal(judge([3, 4, 7, 8], { since: 20, recovered: false, oldest: 70 }), '');
  assert.equal(judge([5, 6], { since: 20, recovered: false, oldest: 50 }), '');
});

for (const [what, numbers, more] of [
  ['a hole in a page', [3, 4, 6], { since: 20 }],
  ['a hole that is larger than what retention took', [3, 4, 7], { recovered: false, oldest: 60 }],
  ['a hole at the beginning of a page', [4, 5], { since: 20 }],
  ['a double in a page', [3, 3, 4], { since: 20 }],
  ['what is not behind `since`', [2, 3], { since: 20 }],
]) {
  test(`it notices ${what}`, () => assert.match(judge(numbers, more), /^topic: history/));
}
