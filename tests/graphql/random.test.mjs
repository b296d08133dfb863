// Schemas made up by chance, and what may be asked of them: valid, with mistakes, or with one token
// changed.
//
//   node random.test.mjs [--seed N] [--schemas N]     (both also with --test: SEED=N, SCHEMAS=N)
import { test } from 'node:test';
import { parseArgs } from 'node:util';
import { Comparison, INTROSPECTION } from './lib/compare.mjs';
import { Random } from './lib/random.mjs';
import { mutated, randomRequest } from './lib/random_document.mjs';
import { randomSchema } from './lib/random_schema.mjs';

const { values: given } = parseArgs({
  options: { seed: { type: 'string' }, schemas: { type: 'string' } },
});
const FIRST_SEED = Number(given.seed ?? process.env.SEED ?? 1);
const SCHEMA_COUNT = Number(given.schemas ?? process.env.SCHEMAS ?? 120);
const SCHEMAS_PER_TEST = 20;

// Of each schema: what is asked of it, so many times; random_document.mjs says what the options are.
const REQUESTS = [
  { count: 16, options: {} },
  { count: 8, options: { wrongVariables: 6 } },
  { count: 10, options: { wrong: 6, wrongVariables: 20 } },
  { count: 6, options: { clashes: 3 } },
];
const MUTATED_COUNT = 14;
const MUTATED_SCHEMA_COUNT = 6;

const comparison = new Comparison();

async function compareRequests(random, schema) {
  for (const { count, options } of REQUESTS) {
    for (let i = 0; i < count; i++) {
      const request = { ...randomRequest(random, schema, options), seed: random.below(1 << 30) };
      const how = { steps: random.below(4), later: random.below(4), json: random.below(2) };
      await comparison.start(comparison.parse(request.document));
      await comparison.start(comparison.execute(schema, request, how));
    }
  }
  for (let i = 0; i < MUTATED_COUNT; i++) {
    const { document } = randomRequest(random, schema, {});
    await comparison.start(comparison.validate(schema, mutated(random, document)));
  }
}

async function compareSchema(random) {
  const sdl = randomSchema(random);
  await comparison.start(comparison.parse(sdl));
  for (let i = 0; i < MUTATED_SCHEMA_COUNT; i++) {
    await comparison.start(comparison.schema(mutated(random, sdl), 1));
  }
  const schema = await comparison.schema(sdl);
  if (schema) {
    await comparison.start(comparison.execute(schema, { document: INTROSPECTION }));
    await compareRequests(random, schema);
  }
}

for (let at = 0; at < SCHEMA_COUNT; at += SCHEMAS_PER_TEST) {
  const seed = FIRST_SEED + at;
  const count = Math.min(SCHEMAS_PER_TEST, SCHEMA_COUNT - at);
  test(`${count} schemas from seed ${seed}`, async (t) => {
    for (let i = 0; i < count; i++) {
      comparison.label = `--seed ${seed + i} --schemas 1`;
      await compareSchema(new Random(seed + i));
    }
    await comparison.finish(t);
  });
}
