// What PROTOCOLS.md promises about values that differ from run to run.
import assert from 'node:assert/strict';

export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
/** IMF-fixdate: RFC 9110 section 5.6.7. */
export const HTTP_DATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
export const EPOCH = /^[0-9a-f]{16}$/;
/** A new store's first operation is its schema. */
export const SCHEMA_SEQ = 1;

/** An HTTP error: its status, its code, and a message for people. */
export function assertError(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  const { error } = JSON.parse(answer.text);
  assert.equal(typeof error.message, 'string');
  assert.notEqual(error.message, '');
  if (code) {
    assert.equal(error.code, code);
  } else {
    assert.match(error.code, /^[a-z_]+$/);
  }
}

/** An error of the broker protocol. */
export function assertRefused(answer, code) {
  assert.equal(answer.status, 'error', JSON.stringify(answer));
  assert.equal(answer.code, code, JSON.stringify(answer));
  assert.equal(typeof answer.message, 'string');
  assert.notEqual(answer.message, '');
}

/** first, first + 1, … : count of them. */
export function numbers(first, count) {
  return Array.from({ length: count }, (_, index) => first + index);
}

export function assertRising(seqs) {
  for (let i = 1; i < seqs.length; i++) {
    assert.ok(seqs[i] > seqs[i - 1], `seq ${seqs[i]} after ${seqs[i - 1]}`);
  }
}
