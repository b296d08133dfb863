// SDL: every mistake in it, or the schema that is made of it, as graphql-js has it.
import { test } from 'node:test';
import { SDL } from './corpus/sdl.mjs';
import { Comparison } from './lib/compare.mjs';

const comparison = new Comparison();

for (const [group, documents] of Object.entries(SDL)) {
  test(group, async (t) => {
    for (const document of documents) {
      await comparison.start(comparison.schema(document));
    }
    await comparison.finish(t);
  });
}
