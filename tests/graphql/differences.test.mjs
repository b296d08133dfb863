// Every difference from graphql-js that is listed is still there, and is in the README.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Comparison } from './lib/compare.mjs';
import { DIFFERENCES } from './lib/differences.mjs';

const SDL = 'type Query { a(b: Float): Int }';
const README = new URL('../../server/graphql/README.md', import.meta.url);
const listed = readFileSync(README, 'utf8').split('## Differences from graphql-js')[1];

const comparison = new Comparison();

async function compare({ kind, document, sdl = SDL, ...request }) {
  if (kind === 'parse' || kind === 'value' || kind === 'schema') {
    return comparison[kind](document);
  }
  const schema = await comparison.schema(sdl);
  return kind === 'validate'
    ? comparison.validate(schema, document)
    : comparison.execute(schema, { document, ...request });
}

for (const { name, readme, examples } of DIFFERENCES) {
  test(name, async () => {
    assert.ok(listed.replace(/\s+/g, ' ').includes(`- ${readme}`), `the README has no "${readme}"`);
    assert.ok(examples.length > 0);
    for (const example of examples) {
      const before = comparison.explained.get(name);
      await compare(example);
      const text = JSON.stringify(example).slice(0, 200);
      assert.strictEqual(comparison.differing.splice(0).length, 0, `no reason explains ${text}`);
      assert.strictEqual(comparison.explained.get(name), before + 1, `not so any more: ${text}`);
    }
  });
}
