// Every rule of validation, document by document: the same mistakes in the same order and places.
import assert from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import { Comparison } from './lib/compare.mjs';

const CORPUS = new URL('corpus/validate/', import.meta.url);
const comparison = new Comparison();
let schema;

before(async () => {
  const sdl = readFileSync(new URL('../schema.graphql', CORPUS), 'utf8');
  schema = await comparison.schema(sdl);
  assert.ok(schema, 'the schema is not the same on both sides');
});

for (const rule of readdirSync(CORPUS).sort()) {
  test(rule, async (t) => {
    const directory = new URL(`${rule}/`, CORPUS);
    for (const file of readdirSync(directory).sort()) {
      const document = readFileSync(new URL(file, directory), 'utf8');
      await comparison.start(comparison.validate(schema, document));
    }
    await comparison.finish(t);
  });
}
