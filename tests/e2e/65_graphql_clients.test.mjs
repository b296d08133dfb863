// The GraphQL clients that users have, through whatever happens to their connections: each subscribes,
// mutates, reconnects by itself and resumes without a gap or a double (PROTOCOLS section 6).
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { Inbox } from './lib/client.mjs';
import {
  CREATE_MESSAGE,
  MESSAGE_ADDED,
  TRANSPORT_WS,
  allMessages,
  createMessage,
} from './lib/graphql.mjs';
import {
  openApollo,
  openGraphqlSse,
  openGraphqlWs,
  openSubscriptionsTransportWs,
  openUrql,
} from './lib/graphql_clients.mjs';
import { onLines } from './lib/lines.mjs';
import { isAlive, kill } from './lib/processes.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';
import { wscat } from './lib/wscat.mjs';

/** Creates messages over HTTP until it is stopped, whether there is a server or not. */
function createSteadily(server) {
  let isStopped = false;
  const done = (async () => {
    for (let index = 0; !isStopped; index++) {
      await createMessage(server, `steady ${index}`).catch(() => pause(20));
    }
  })();
  return () => {
    isStopped = true;
    return done;
  };
}

/** What happens to a client's connection; each leaves a server that works. */
const DISRUPTIONS = [
  [
    'the workers die, one after the other',
    async (server) => {
      for (const worker of server.workers()) {
        kill(worker);
        await until(() => !isAlive(worker) && server.workers().length === 2, { what: 'another worker' });
      }
    },
  ],
  [
    'the whole server dies',
    async (server) => {
      await server.kill();
      await server.restart();
    },
  ],
  [
    'it is drained, and the wait cut short',
    async (server) => {
      server.remember();
      server.signal('SIGTERM');
      await server.logged(/shutdown: draining/);
      server.signal('SIGTERM');
      assert.equal(await server.end(), 0);
      await server.restart();
    },
  ],
];

for (const [name, open] of [
  ['graphql-ws', openGraphqlWs],
  ['subscriptions-transport-ws', openSubscriptionsTransportWs],
  ['graphql-sse', openGraphqlSse],
  ['Apollo Client', openApollo],
  ['urql', openUrql],
]) {
  test(`${name} subscribes, mutates, reconnects and resumes`, async ({ start, cleanup }) => {
    const server = await start({ workers: 2 });
    const client = open(server, cleanup);
    assert.deepEqual(await client.ask('{ hello }'), { hello: 'Hello, GraphQL!' });
    const feed = await client.follow(MESSAGE_ADDED);
    for (const id of numbers(1, 5)) {
      const content = `by ${name}, ${id}`;
      const { createMessage: made } = await client.ask(CREATE_MESSAGE, { content });
      assert.equal(made.id, id);
      assert.equal(made.content, content);
      assert.equal((await feed.next()).data.messageAdded.content, content);
    }

    const stop = createSteadily(server);
    const seen = [];
    for (const [what, disrupt] of DISRUPTIONS) {
      const before = client.connects;
      await disrupt(server);
      await until(() => client.connects > before, { what: `${name} to be back: ${what}` });
      const { content } = await createMessage(server, `after: ${what}`);
      seen.push(...(await feed.upTo(({ data }) => data.messageAdded.content === content)));
    }
    await stop();
    await createMessage(server, 'the last');
    seen.push(...(await feed.upTo(({ data }) => data.messageAdded.content === 'the last')));

    const messages = (await allMessages(server)).slice(5);
    const plain = ({ data }) => ({ id: data.messageAdded.id, content: data.messageAdded.content });
    assert.deepEqual(seen.map(plain), messages);
    assert.deepEqual(feed.items, []);
    const made = await client.ask(CREATE_MESSAGE, { content: 'and on' });
    assert.equal((await feed.next()).data.messageAdded.id, made.createMessage.id);
  });
}

/** curl as a person runs it: what it says line by line. */
function curl(server, cleanup, args) {
  const url = `http://127.0.0.1:${server.port}/graphql`;
  const child = spawn('curl', ['--silent', '--show-error', ...args, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanup(() => child.kill('SIGKILL'));
  const lines = new Inbox();
  const rest = onLines(child.stdout, (line) => lines.push(line));
  const done = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      lines.push(rest());
      lines.end(`curl ended with ${code}`);
      resolve(code);
    });
  });
  /** The rest of an answer, as one JSON text. */
  const json = async () => {
    assert.equal(await done, 0);
    return JSON.parse(lines.items.splice(0).join('\n'));
  };
  return { lines, done, json };
}

const asJson = (request) => ['-H', 'Content-Type: application/json', '-d', JSON.stringify(request)];

test('curl posts, gets, and follows', async ({ start, cleanup }) => {
  const server = await start({ workers: 2 });
  const run = (...args) => curl(server, cleanup, args);
  const query = '{ messages { id content } }';
  assert.deepEqual(await run('-G', '--data-urlencode', `query=${query}`).json(), {
    data: { messages: [] },
  });

  const follow = (...args) =>
    run('-N', '-H', 'Accept: text/event-stream', ...args, ...asJson({ query: MESSAGE_ADDED }));
  const stream = follow();
  await stream.lines.next(/^id: /); // the position: it is live
  const create = (content) => run(...asJson({ query: CREATE_MESSAGE, variables: { content } })).json();
  assert.deepEqual(await create('one'), { data: { createMessage: { id: 1, content: 'one' } } });
  // On a slow machine the position may come once more before it.
  const [id, name, payload] = (await stream.lines.upTo(/^data: /)).slice(-3);
  assert.equal(name, 'event: next');
  const { data, extensions } = JSON.parse(payload.slice(6));
  assert.deepEqual(data, { messageAdded: { id: 1, content: 'one' } });
  assert.equal(id, `id: ${extensions.epoch}-${extensions.seq}`);

  await server.kill();
  await stream.done;
  await server.restart();
  await create('two');
  await create('three');
  const again = follow('-H', `Last-Event-ID: ${id.slice(4)}`);
  const contents = [];
  while (contents.length < 2) {
    const line = await again.lines.next(/^data: /);
    contents.push(JSON.parse(line.slice(6)).data.messageAdded.content);
  }
  assert.deepEqual(contents, ['two', 'three']);
});

test('wscat speaks graphql-transport-ws by hand, and resumes by hand', async ({ start, cleanup }) => {
  const server = await start({ workers: 2 });
  const request = (id, payload) => JSON.stringify({ id, type: 'subscribe', payload });
  const talk = (...requests) => {
    const messages = ['{"type":"connection_init"}', ...requests];
    const commands = messages.flatMap((message) => ['-x', message]);
    return wscat(server.url('/graphql'), cleanup, ['-s', TRANSPORT_WS, '-w', '-1', ...commands]);
  };
  const first = talk(
    request('a', { query: MESSAGE_ADDED }),
    request('b', { query: CREATE_MESSAGE, variables: { content: 'one' } }),
  );
  const { payload: where } = await first.shown(/"connection_ack"/);
  const answer = await first.shown(/"id":"b","type":"next"/);
  assert.deepEqual(answer.payload.data, { createMessage: { id: 1, content: 'one' } });
  const event = await first.shown(/"id":"a","type":"next"/);
  assert.deepEqual(event.payload.data, { messageAdded: { id: 1, content: 'one' } });
  assert.equal(event.payload.extensions.epoch, where.epoch);
  assert.ok(Number(event.payload.extensions.seq) > Number(where.seq));

  await server.kill();
  await server.restart();
  await createMessage(server, 'two');
  for (const [resume, contents] of [
    [event.payload.extensions, ['two']],
    [where, ['one', 'two']],
  ]) {
    const again = talk(request('c', { query: MESSAGE_ADDED, extensions: { resume } }));
    for (const content of contents) {
      assert.equal((await again.shown(/"id":"c"/)).payload.data.messageAdded.content, content);
    }
  }
});
