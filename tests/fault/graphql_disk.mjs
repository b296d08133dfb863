// A disk that becomes full under mutations: they are refused with STORAGE_FULL and nothing else is;
// what was answered is there; and when there is room again they go on, without a restart.
//
//   node tests/fault/graphql_disk.mjs [--short] [--rounds N]
//
// The disk is a small tmpfs in a mount namespace of the server's own, which needs root; elsewhere a
// store that may not grow takes its place, once, and there is no going on. It ends with "N passed, N
// failed", a round for each time it was full.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { allMessages, ask, createMessage, dataOf, graphqlSocket } from '../e2e/lib/graphql.mjs';
import { numbers } from '../e2e/lib/shapes.mjs';
import { Server, makeDirectory } from '../e2e/lib/server.mjs';
import { until } from '../e2e/lib/until.mjs';

const isShort = process.argv.includes('--short');
const index = process.argv.indexOf('--rounds');
const wanted = index < 0 ? (isShort ? 2 : 6) : Number(process.argv[index + 1]);
const hasDisk = spawnSync('unshare', ['--mount', 'true']).status === 0;
const rounds = hasDisk ? wanted : 1;

const SIZE_MIB = 8; // at first; as much again in each round
const CONTENT = 'x'.repeat(20_000);
const CONNECTIONS = 4;

const disk = makeDirectory();
const mountScript = `mount -t tmpfs -o size=${SIZE_MIB}m none ${disk} && exec "$@"`;
const prefix = ['unshare', '--mount', 'sh', '-c', mountScript, 'sh'];

function resize(server, mib) {
  const command = ['--target', String(server.pid), '--mount', 'mount', '-o'];
  const { status, stderr } = spawnSync('nsenter', [...command, `remount,size=${mib}m`, disk]);
  assert.equal(status, 0, String(stderr));
}

/** Creates messages over several sockets until each has been told STORAGE_FULL; the ids answered. */
async function fill(server) {
  const mutation = 'mutation ($content: String!) { createMessage(authorId: 1, content: $content) { id } }';
  const one = async () => {
    const client = await graphqlSocket(server);
    const ids = [];
    for (;;) {
      const { data, errors } = await client.ask(mutation, { variables: { content: CONTENT } });
      if (errors) {
        assert.equal(errors.length, 1);
        assert.equal(errors[0].extensions.code, 'STORAGE_FULL', JSON.stringify(errors));
        assert.equal(data, null);
        return { client, ids };
      }
      ids.push(data.createMessage.id);
    }
  };
  return Promise.all(Array.from({ length: CONNECTIONS }, one));
}

async function oneRound(server, round, state) {
  const watcher = await graphqlSocket(server);
  const added = await watcher.subscribe('subscription { messageAdded { id } }');
  const filled = await fill(server);
  const made = filled.flatMap(({ ids }) => ids).sort((a, b) => a - b);
  assert.ok(made.length > 0, 'there was room for some');
  assert.deepEqual(made, numbers(state.count + 1, made.length), 'ids without a hole');
  state.count += made.length;

  // Full: nothing can be written, in whatever way, and everything can be read.
  assert.equal((await ask(server, 'mutation { deleteMessage(id: 1) { id } }')).errors[0].extensions.code,
    'STORAGE_FULL');
  const publish = 'mutation { publish(topic: "plain", data: 1) { seq } }';
  assert.equal((await ask(server, publish)).errors[0].extensions.code, 'STORAGE_FULL');
  assert.equal((await server.post('plain', '1')).status, 507);
  const health = await server.request('GET', '/health');
  assert.equal(health.status, 503);
  assert.equal(health.json.status, 'degraded');
  const rows = await allMessages(server, 'id content');
  assert.deepEqual(rows.map(({ id }) => id), numbers(1, state.count));
  assert.ok(rows.every(({ content }) => content === CONTENT || content.startsWith('after')));
  for (const id of made) {
    assert.equal((await watcher.result(added)).data.messageAdded.id, id);
  }
  for (const { client } of filled) {
    assert.deepEqual((await client.ask('{ hello }')).data, { hello: 'Hello, GraphQL!' });
  }
  const { history } = await dataOf(server, '{ history(topic: "messages", limit: 1) { data } }');
  assert.equal(history[0].data.id, 1);

  console.log(`round ${round}: ${made.length} messages until it was full`);
  if (hasDisk) {
    await goOn(server, round, state, { watcher, added });
  }
}

/** Room: it goes on by itself, with the next id. */
async function goOn(server, round, state, { watcher, added }) {
  resize(server, SIZE_MIB * (round + 1));
  const again = await until(() => createMessage(server, `after ${round}`), {
    what: 'room for a message',
  });
  assert.equal(again.id, ++state.count);
  assert.equal((await watcher.result(added)).data.messageAdded.id, again.id);
  await until(async () => (await server.request('GET', '/health')).status === 200, {
    what: 'a healthy server',
  });
  assert.deepEqual(watcher.queue, []);
}

const server = new Server({
  data: `${disk}/data`,
  ring: '256K',
  prefix: hasDisk ? prefix : [],
  args: ['--retention-bytes', 'off', '--map-size', hasDisk ? '1G' : `${SIZE_MIB}M`],
});
server.ownDirectories.push(disk);
const state = { count: 0 };
let passed = 0;
try {
  await server.start();
  for (let round = 1; round <= rounds; round++) {
    await oneRound(server, round, state);
    passed++;
  }
} catch (error) {
  console.log(error.stack, server.recentLog());
} finally {
  await server.dispose().catch((error) => {
    passed = 0;
    console.log(error.stack);
  });
}
console.log(`${passed} passed, ${rounds - passed} failed`);
process.exit(passed === rounds ? 0 : 1);
