// The checker of slow.mjs and resume.mjs finds what it is there for.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Follower, makePayloads, Stream } from './lib/streams.mjs';

const FIRST = 10; // the seq of number 0; each number's is its place behind it
const COUNT = 8;
const payloadOf = makePayloads(100, 1);

/** A stream of which all is acknowledged, and what a subscription of it is given. */
function follow(options) {
  const problems = [];
  const stream = new Stream('news', payloadOf, problems);
  for (let index = 0; index < COUNT; index++) {
    stream.sent++;
    stream.acknowledge(FIRST + index);
  }
  const follower = new Follower(stream, 'reader', { next: 0, ...options });
  const give = (...indexes) => indexes.forEach((i) => follower.event(FIRST + i, payloadOf(i)));
  return { problems, stream, follower, give };
}

test('payloads have their length, begin with their number, and differ', () => {
  for (const index of [0, 1, 99, 123_456]) {
    assert.equal(JSON.stringify(payloadOf(index)).length, 100);
    assert.equal(parseInt(payloadOf(index), 10), index);
  }
  assert.notEqual(payloadOf(1).slice(2), payloadOf(2).slice(2));
  assert.notEqual(makePayloads(100, 2)(1), payloadOf(1));
});

test('everything once and in order is no problem', () => {
  const { problems, follower, give } = follow();
  give(0, 1, 2, 3, 4, 5, 6, 7);
  follower.checkWhole();
  assert.deepEqual(problems, []);
});

for (const [what, indexes] of [
  ['a hole', [0, 1, 3, 4, 5, 6, 7]],
  ['a double', [0, 1, 1, 2, 3, 4, 5, 6, 7]],
  ['two that have changed places', [0, 2, 1, 3, 4, 5, 6, 7]],
  ['an end that is missing', [0, 1, 2, 3, 4, 5, 6]],
  ['a beginning that is missing', [1, 2, 3, 4, 5, 6, 7]],
]) {
  test(`${what} is found`, () => {
    const { problems, follower, give } = follow();
    give(...indexes);
    follower.checkWhole();
    assert.notDeepEqual(problems, []);
  });
}

test('another payload is found, though it is of the same number', () => {
  const { problems, follower, give } = follow();
  give(0);
  follower.event(FIRST + 1, `${payloadOf(1).slice(0, -1)}!`);
  assert.equal(problems.length, 1);
});

test('another seq than the one acknowledged is found, whoever comes first', () => {
  const { problems, follower } = follow();
  follower.event(FIRST + 1, payloadOf(0));
  assert.equal(problems.length, 1);

  const early = [];
  const stream = new Stream('news', payloadOf, early);
  stream.sent++;
  new Follower(stream, 'reader', { next: 0 }).event(FIRST, payloadOf(0));
  stream.acknowledge(FIRST + 1);
  assert.equal(early.length, 1);
});

test('a gap where nothing was trimmed is found', () => {
  const { problems, follower, give } = follow();
  give(0, 1);
  follower.gap(FIRST + 4);
  assert.equal(problems.length, 1);
});

test('a gap that was told is none that is found, and what it left out is counted', () => {
  const { problems, follower, give } = follow({ mayHaveGaps: true });
  give(0, 1);
  follower.gap(FIRST + 4);
  follower.gap(FIRST + 5); // overtaken again before anything has come
  give(5, 6, 7);
  follower.checkWhole();
  assert.deepEqual(problems, []);
  assert.deepEqual([follower.gaps, follower.missed], [2, 3]);
});

for (const [what, oldest, next] of [
  ['more than the gap has named', 4, 5],
  ["something before the gap's end", 4, 3],
  ['something again', 4, 1],
]) {
  test(`behind a gap, ${what} is found`, () => {
    const { problems, follower, give } = follow({ mayHaveGaps: true });
    give(0, 1);
    follower.gap(FIRST + oldest);
    give(next);
    assert.equal(problems.length, 1);
  });
}

test('a gap behind which nothing comes, and one that goes back, are found', () => {
  const { problems, follower, give } = follow({ mayHaveGaps: true });
  give(0, 1, 2, 3, 4, 5, 6, 7);
  follower.gap(FIRST + 2);
  assert.equal(problems.length, 1);
  follower.checkWhole();
  assert.equal(problems.length, 2);
});
