// What parses, what does not and where, and what is printed, as graphql-js has it.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DOCUMENTS, NOT_UTF8, VALUES } from './corpus/syntax.mjs';
import { Comparison } from './lib/compare.mjs';
import { tokensOf } from './lib/random_document.mjs';

const KITCHEN_SINKS = ['kitchen_sink', 'kitchen_sink_sdl'];
// One of each kind, and words that mean something.
const REPLACEMENTS = [
  ...['!', '$', '&', '(', ')', '...', ':', '=', '@', '[', ']', '{', '|', '}', '?', '1', '-1.5e3'],
  ...['"string"', '"""block"""', 'name', 'on', 'true', 'null', 'query', 'type', 'extend', '"open'],
];

const comparison = new Comparison();
const readSink = (name) => readFileSync(new URL(`corpus/${name}.graphql`, import.meta.url), 'utf8');

for (const [group, documents] of Object.entries(DOCUMENTS)) {
  test(group, async (t) => {
    for (const document of documents) {
      await comparison.start(comparison.parse(document));
    }
    await comparison.finish(t);
  });
}

test('values alone', async (t) => {
  for (const value of VALUES) {
    await comparison.start(comparison.value(value));
  }
  await comparison.finish(t);
});

for (const name of KITCHEN_SINKS) {
  const text = readSink(name);

  test(`${name}: whole, and cut behind each character`, async (t) => {
    for (let end = text.length; end >= 0; end--) {
      if (/[\uD800-\uDBFF]/.test(text[end - 1])) {
        continue; // half a character is no UTF-8
      }
      await comparison.start(comparison.parse(text.slice(0, end)));
    }
    await comparison.finish(t);
  });

  test(`${name}: each token gone, doubled, or another one`, async (t) => {
    for (const { start, end } of tokensOf(text)) {
      const own = text.slice(start, end);
      for (const instead of ['', `${own} ${own}`, ...REPLACEMENTS]) {
        const changed = `${text.slice(0, start)}${instead}${text.slice(end)}`;
        await comparison.start(comparison.parse(changed));
      }
    }
    await comparison.finish(t);
  });
}

// JavaScript's texts are always Unicode: what is UTF-8, and where it ends, its decoder says.
test('bytes that are no UTF-8 are refused at the first of them', async () => {
  for (const bad of NOT_UTF8) {
    const before = Buffer.from('{ a(b: "é😀\n');
    const bytes = Buffer.concat([before, Buffer.from(bad), Buffer.from('") }')]);
    assert.throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const { errors } = await comparison.probe.ask({
      command: 'parse',
      bytes: bytes.toString('hex'),
    });
    const byte = bad[0].toString(16).toUpperCase();
    assert.strictEqual(
      errors[0].message,
      `Syntax Error: Invalid character: byte 0x${byte} is not UTF-8.`,
    );
    assert.deepStrictEqual(errors[0].locations, [{ line: 2, column: 1 }]);
  }
});
