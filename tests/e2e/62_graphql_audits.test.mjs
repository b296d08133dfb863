// graphql-http's audits of GraphQL over HTTP: every MUST and SHOULD, and the MAYs we take.
import { serverAudits } from 'graphql-http';
import { assert, test } from './lib/test.mjs';

/** The audits whose names begin with word, run against a server of their own; what each found. */
async function failuresOf(word, start) {
  const server = await start();
  const audits = serverAudits({ url: `http://127.0.0.1:${server.port}/graphql` }).filter(
    ({ name }) => name.split(' ')[0] === word,
  );
  assert.ok(audits.length > 5, `graphql-http has audits that begin with ${word}`);
  const failures = [];
  for (const audit of audits) {
    const { status, reason, response } = await audit.fn();
    await response?.body?.cancel();
    if (status !== 'ok') {
      failures.push(`${audit.id} ${audit.name}: ${reason}`);
    }
  }
  return failures;
}

for (const word of ['MUST', 'SHOULD']) {
  test(`every audit that begins with ${word} is passed`, async ({ start }) => {
    assert.deepEqual(await failuresOf(word, start), []);
  });
}

test('so is everything that a server MAY do', async ({ start }) => {
  assert.deepEqual(await failuresOf('MAY', start), []);
});
