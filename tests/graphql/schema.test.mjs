// SDL: every mistake in it, or the schema that is made of it and what it tells about itself, as graphql-js
// has it.
import { test } from 'node:test';
import { SDL } from './corpus/sdl.mjs';
import { Comparison, INTROSPECTION } from './lib/compare.mjs';

const comparison = new Comparison();

for (const [group, documents] of Object.entries(SDL)) {
  test(group, async (t) => {
    for (const document of documents) {
      const schema = await comparison.schema(document);
      if (schema) {
        await comparison.execute(schema, { document: INTROSPECTION });
      }
    }
    await comparison.finish(t);
  });
}
