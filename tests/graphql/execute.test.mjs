// Coercion and execution: the same data in the same order, the same errors with their paths.
import assert from 'node:assert';
import { before, test } from 'node:test';
import { REQUESTS, SCHEMA } from './corpus/execute.mjs';
import { Comparison } from './lib/compare.mjs';

// Every fourth seed is one without mishaps (probe.h). Answers that come later, answers as JSON, or an
// execution in small steps change nothing.
const HOWS = [
  { seed: 0 },
  { seed: 1, steps: 1 },
  { seed: 2, later: 1 },
  { seed: 3, steps: 3, later: 2 },
  { seed: 4, steps: 2, later: 1 },
  { seed: 5, json: 1 },
  { seed: 6 },
  { seed: 8, json: 1 },
  { seed: 7, later: 3 },
];

const comparison = new Comparison();
let schema;

before(async () => {
  schema = await comparison.schema(SCHEMA);
  assert.ok(schema, 'the schema is not the same on both sides');
});

for (const [group, requests] of Object.entries(REQUESTS)) {
  test(group, async (t) => {
    for (const request of requests) {
      const asked = typeof request === 'string' ? { document: request } : request;
      for (const { seed, ...how } of HOWS) {
        await comparison.start(comparison.execute(schema, { ...asked, seed }, how));
      }
    }
    await comparison.finish(t);
  });
}
