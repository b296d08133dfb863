// Behind Debian's nginx and HAProxy with the samples of tools/examples, in which only ports are others.
import { EventSource } from 'eventsource';
import { BrokerClient, Inbox, RoomClient } from './lib/client.mjs';
import { CREATE_MESSAGE, MESSAGE_ADDED } from './lib/graphql.mjs';
import { openGraphqlWs } from './lib/graphql_clients.mjs';
import { EventStream, fetchOverHttp } from './lib/http.mjs';
import { replaced, startProxy } from './lib/proxies.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';
import { wscat } from './lib/wscat.mjs';

const PROXIES = ['nginx', 'haproxy'];
const LARGEST = 1024 * 1024; // --max-message

async function opened(cleanup, client) {
  cleanup(() => client.terminate());
  await within(client.opened, 'a connection through the proxy');
  return client;
}

const room = (cleanup, proxy, id) => opened(cleanup, new RoomClient(proxy.url(`/ws/${id}`)));
const broker = (cleanup, proxy, options) =>
  opened(cleanup, new BrokerClient(proxy.url('/broker'), options));
const events = (cleanup, proxy, target) => opened(cleanup, new EventStream(proxy.port, target));

/** A stock EventSource: what it got, and how often it was connected. */
function eventSource(cleanup, url) {
  const source = new EventSource(url, { fetch: fetchOverHttp });
  const feed = Object.assign(new Inbox(), { connects: 0, source });
  cleanup(() => source.close());
  source.onopen = () => feed.connects++;
  source.onmessage = ({ data }) => feed.push(JSON.parse(data));
  return feed;
}

const clientsOf = async (server) => (await server.health()).active_connections;

for (const kind of PROXIES) {
  test(`${kind}: room, broker and GraphQL over WebSocket`, async ({ start, cleanup }) => {
    const proxy = await startProxy(cleanup, kind, await start());
    const ann = wscat(proxy.url('/ws/ann'), cleanup);
    await ann.shown(/"greeting"/);
    const ben = await room(cleanup, proxy, 'ben');
    await ben.greeting();
    ann.type('hello');
    assert.equal((await ben.next({ type: 'message' })).data, 'hello');

    const client = await broker(cleanup, proxy);
    await client.subscribe('news');
    assert.equal((await client.publish('news', { a: 1 }, { durable: true })).status, 'published');
    assert.deepEqual((await client.next({ type: 'message' })).data, { a: 1 });

    const graphql = await openGraphqlWs(proxy, cleanup);
    const feed = await graphql.follow(MESSAGE_ADDED);
    await graphql.ask(CREATE_MESSAGE, { content: 'over graphql-ws' });
    assert.equal((await feed.next()).data.messageAdded.content, 'over graphql-ws');
  });

  test(`${kind}: event streams come event by event, and end when their client goes`, async ({
    start,
    cleanup,
  }) => {
    const server = await start();
    const proxy = await startProxy(cleanup, kind, server);
    const stream = await events(cleanup, proxy, '/topics/news');
    await stream.next({ retry: '2000' });
    // What comes late would hold up its successor, and so the test.
    for (let i = 0; i < 20; i++) {
      assert.equal((await server.post('news', i)).status, 201);
      assert.equal((await stream.next((block) => block.message)).message.data, i);
    }
    const query = new URLSearchParams({ query: MESSAGE_ADDED });
    const graphql = await events(cleanup, proxy, `/graphql?${query}`);
    await until(async () => (await clientsOf(server)) === 2, { what: 'both streams' });
    const body = JSON.stringify({ query: CREATE_MESSAGE, variables: { content: 'sse' } });
    const headers = { 'content-type': 'application/json' };
    assert.equal((await proxy.request('POST', '/graphql', { headers, body })).status, 200);
    assert.equal((await graphql.next({ event: 'next' })).message.data.messageAdded.content, 'sse');

    stream.terminate();
    graphql.terminate();
    await until(async () => (await clientsOf(server)) === 0, { what: 'the end of both streams' });
  });

  test(`${kind}: the largest messages, over WebSocket and HTTP`, async ({ start, cleanup }) => {
    const proxy = await startProxy(cleanup, kind, await start({ ring: '16M' }));
    const client = await broker(cleanup, proxy);
    await client.subscribe('news');
    const text = 'x'.repeat(LARGEST - 200);
    assert.equal((await client.publish('news', text)).status, 'published');
    assert.equal((await client.next({ type: 'message' })).data, text);

    const body = 'y'.repeat(LARGEST);
    const headers = { 'content-type': 'text/plain' };
    assert.equal((await proxy.request('POST', '/topics/news', { headers, body })).status, 201);
    assert.equal((await client.next({ type: 'message' })).data, body);
    const history = await proxy.request('GET', '/topics/news'); // as much as fits into one answer
    assert.equal(history.json.events[0].data, text);
  });

  test(`${kind}: pages of the host that clients know may connect, others may not`, async ({
    start,
    cleanup,
  }) => {
    const server = await start({
      args: ['--hosts', 'example.org', '--cors-origins', 'https://example.org'],
    });
    const proxy = await startProxy(cleanup, kind, server);
    const from = (origin) => broker(cleanup, proxy, { headers: { host: 'example.org', origin } });
    await from('http://example.org');
    await from('https://example.org');
    await assert.rejects(from('http://example.com'), { status: 403 });
  });

  test(`${kind}: pings keep an idle WebSocket, and without them its time is over`, async ({
    start,
    cleanup,
  }) => {
    // Shorter than the times of the sample and of the server, and with more pings in the one: who is held up
    // for some of them is not cut.
    const shorter = (text) => replaced(text, '75s', '10s');
    const pinging = await start({ args: ['--ping-interval', '500ms'] });
    const silent = await start({ args: ['--ping-interval', '0'] });
    const kept = await broker(cleanup, await startProxy(cleanup, kind, pinging, shorter));
    await kept.subscribe('news');
    // Begun later: without its pings the other one's time would be over first.
    const cut = await broker(cleanup, await startProxy(cleanup, kind, silent, shorter));
    await cut.closeCode();
    await pinging.post('news', '"still here"');
    assert.equal((await kept.next({ type: 'message' })).data, 'still here');
  });

  test(`${kind}: a drain behind it warns, waits, and closes with 1001`, async ({
    start,
    cleanup,
  }) => {
    const server = await start();
    const proxy = await startProxy(cleanup, kind, server);
    const clients = [await room(cleanup, proxy, 'ann'), await broker(cleanup, proxy)];
    const stream = await events(cleanup, proxy, '/topics/news');
    await until(async () => (await clientsOf(server)) === 3, { what: 'all clients' });
    server.signal('SIGTERM');
    for (const client of clients) {
      await client.next({ type: 'shutdown' });
    }
    await stream.next({ event: 'shutdown' });
    assert.equal((await clients[1].publish('news', 'in the drain')).status, 'published');
    await stream.next((block) => block.message?.data === 'in the drain');

    server.signal('SIGTERM');
    for (const client of clients) {
      assert.equal(await client.closeCode(), 1001);
    }
    await stream.ended;
    assert.equal(await server.end(), 0);
  });

  test(`${kind}: an EventSource outlives the server's restart and misses nothing`, async ({
    start,
    cleanup,
  }) => {
    const server = await start();
    const proxy = await startProxy(cleanup, kind, server);
    const feed = eventSource(cleanup, `http://127.0.0.1:${proxy.port}/topics/news`);
    await until(() => feed.connects === 1, { what: 'the EventSource to open' });
    await server.post('news', '"before"');
    await feed.next({ data: 'before' });
    server.signal('SIGTERM');
    await server.logged(/draining/);
    await proxy.hasLeft('one');
    server.signal('SIGTERM');
    assert.equal(await server.end(), 0);
    // It has come again while no server was there, and was told to go on trying.
    await until(() => feed.connects >= 2, { what: "the proxy's answer to the EventSource" });
    await server.restart();
    await server.post('news', '"after"');
    await feed.next({ data: 'after' });
    assert.deepEqual(feed.items, []);
  });

  test(`${kind}: while no server is there others are told to come again`, async ({
    start,
    cleanup,
  }) => {
    const server = await start();
    const proxy = await startProxy(cleanup, kind, server);
    assert.equal(await server.stop(), 0);
    const away = await until(
      async () => {
        const answer = await proxy.request('GET', '/topics');
        return answer.status === 503 && answer.headers['retry-after'] === '1' && answer;
      },
      { what: '503 with Retry-After' },
    );
    assert.ok(away);
    await assert.rejects(broker(cleanup, proxy), { status: 503 });
    await server.restart();
    await until(async () => (await proxy.request('GET', '/health')).status === 200, {
      what: 'the server through the proxy',
    });
    await broker(cleanup, proxy);
  });
}

test('haproxy: a draining server gets no newcomers, and keeps those that it has', async ({
  start,
  cleanup,
}) => {
  const [one, two] = [await start(), await start()];
  const proxy = await startProxy(cleanup, 'haproxy', one, (text) =>
    replaced(text, '    server one ', `    server two 127.0.0.1:${two.port} backup\n    server one `),
  );
  const client = await broker(cleanup, proxy);
  assert.deepEqual([await clientsOf(one), await clientsOf(two)], [1, 0]);
  one.signal('SIGTERM');
  await client.next({ type: 'shutdown' });
  await proxy.hasLeft('one');
  assert.equal((await proxy.statsOf('two')).status, 'UP');

  const newcomer = await broker(cleanup, proxy);
  assert.equal(await clientsOf(two), 1);
  assert.equal((await newcomer.publish('news', 1)).status, 'published');
  assert.equal((await client.publish('news', 1)).status, 'published', 'who was there goes on');
  await client.close();
  assert.equal(await one.end(), 0);
  await one.restart();
  await until(async () => (await proxy.statsOf('one')).status === 'UP', { what: 'one to return' });
});

test('haproxy: a server whose disk is full can still be read through it', async ({
  start,
  cleanup,
}) => {
  const server = await start({ args: ['--map-size', '16M'] });
  const proxy = await startProxy(cleanup, 'haproxy', server);
  const text = JSON.stringify('z'.repeat(500_000));
  await until(async () => (await server.post('news', text)).status === 507, {
    what: 'a full store',
  });
  assert.equal((await server.request('GET', '/health')).status, 503);
  await until(async () => (await proxy.statsOf('one')).check_code === '503', {
    what: 'a check that has seen it',
  });
  assert.equal((await proxy.statsOf('one')).status, 'UP');
  assert.equal((await proxy.request('GET', '/topics')).status, 200);
});
