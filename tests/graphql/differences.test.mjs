// Every difference from graphql-js that is listed is still there, and is in the README.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Comparison } from './lib/compare.mjs';
import { DIFFERENCES } from './lib/differences.mjs';

const SDL = 'type Query { a(b: Float): Int }';
const README = new URL('../../server/graphql/README.md', import.meta.url);
const listed = readFileSync(README, 'utf8').split('## Differences from graphql-js')[1];

// Lines of the README that a test of their own is about, or that the judge leaves out.
const ELSEWHERE = {
  'A source that is not UTF-8': 'syntax.test.mjs',
  'Introspection has the October 2021 fields': 'lib/judge.mjs',
  '`errors` follows `data`': 'lib/compare.mjs',
};

const comparison = new Comparison();

test('every line of the README has its example', () => {
  const lines = listed.split('\n- ').slice(1);
  const known = [...Object.keys(ELSEWHERE), ...DIFFERENCES.map(({ readme }) => readme)];
  for (const line of lines.map((text) => text.replace(/\s+/g, ' '))) {
    assert.ok(
      known.some((beginning) => line.startsWith(beginning)),
      `nothing shows: ${line}`,
    );
  }
});

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
