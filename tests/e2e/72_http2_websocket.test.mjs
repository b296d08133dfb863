// WebSockets over HTTP/2 (RFC 8441), in plain text and over TLS.
import WebSocket from 'ws';
import { CREATE_MESSAGE, dataOf, followOver, MESSAGE_ADDED, OLD_WS, TRANSPORT_WS } from './lib/graphql.mjs';
import {
  ask2, broker2, CONNECT2, connect2, events2, FLAG, frame2, over2, RawHttp2, room2, socket2, TYPE, windowUpdate2,
} from './lib/http2.mjs';
import { frame, OPCODE } from './lib/frames.mjs';
import { metric } from './lib/metrics.mjs';
import { assert, test } from './lib/test.mjs';
import { startTls } from './lib/tls.mjs';
import { until, within } from './lib/until.mjs';

const JSON_TYPE = { 'content-type': 'application/json' };
const KINDS = [
  { name: 'in plain text', secure: false },
  { name: 'over TLS', secure: true },
];

const startKind = ({ secure }, start, cleanup, options) =>
  secure ? startTls(start, cleanup, options) : start(options);

const closeOf = (stream) =>
  within(new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode))), 'the end of a stream');

for (const kind of KINDS) {
  test(`rooms, brokers and event streams share a connection ${kind.name}`, async ({ start, cleanup }) => {
    const server = await startKind(kind, start, cleanup, { workers: 1 });
    const session = await connect2(server, kind);
    const [ann, ben] = [await room2(server, session, 'ann'), await server.room('ben')];
    await ann.say('hello');
    assert.equal((await ben.next({ type: 'message', data: 'hello' })).data, 'hello');
    const brokers = [];
    for (let i = 0; i < 5; i++) {
      brokers.push(await broker2(server, session));
      await brokers[i].subscribe('news');
    }
    const events = events2(session, '/topics/news');
    await events.next(/^id: /);
    await brokers[0].publish('news', 'x'.repeat(300_000));
    for (const broker of brokers) {
      assert.equal((await broker.next({ type: 'message' })).data.length, 300_000);
    }
    assert.ok((await events.next(/data: /)).length > 300_000);
    await ask2(session, 'POST', '/topics/news', { body: '"by POST"', headers: JSON_TYPE });
    for (const broker of brokers) {
      assert.equal((await broker.next({ type: 'message' })).data, 'by POST');
    }
    const big = { big: 'y'.repeat(700_000) };
    await brokers[1].publish('news', big);
    assert.deepEqual((await brokers[2].next({ type: 'message', data: (data) => data.big })).data, big);
    assert.equal(await metric(server, 'sluice_connections'), 3);
    const ended = closeOf(brokers[0].stream);
    assert.equal(await brokers[0].close(), 1000);
    assert.equal(await ended, 0); // END_STREAM, and no reset
    await brokers[3].publish('news', 'on');
    assert.equal((await brokers[4].next({ data: 'on' })).data, 'on');
  });

  test(`GraphQL's subprotocols ${kind.name}`, async ({ start, cleanup }) => {
    const server = await startKind(kind, start, cleanup);
    const session = await connect2(server, kind);
    class Socket extends WebSocket {
      constructor(address, protocols) {
        super(address, protocols, over2(session));
      }
    }
    const { feed } = await followOver(cleanup, 'ws://127.0.0.1/graphql', Socket, MESSAGE_ADDED);
    const old = await socket2(server, session, '/graphql', { protocols: [OLD_WS] });
    assert.equal(old.ws.protocol, OLD_WS);
    old.send({ type: 'connection_init' });
    await old.next({ type: 'connection_ack' });
    old.send({ type: 'start', id: '1', payload: { query: MESSAGE_ADDED } });
    const both = await socket2(server, session, '/graphql', { protocols: [TRANSPORT_WS, OLD_WS] });
    assert.equal(both.ws.protocol, TRANSPORT_WS);
    await until(async () => (await metric(server, 'sluice_subscriptions')) >= 2, { what: 'two subscriptions' });
    await dataOf(server, CREATE_MESSAGE, { content: 'hello' });
    assert.equal((await feed.next()).messageAdded.content, 'hello');
    assert.equal((await old.next({ type: 'data' })).payload.data.messageAdded.content, 'hello');
  });

  test(`permessage-deflate, and messages of every size, ${kind.name}`, async ({ start, cleanup }) => {
    const server = await startKind(kind, start, cleanup, { args: ['--echo'] });
    const session = await connect2(server, kind);
    const client = await socket2(server, session, '/echo', { isRaw: true, options: { perMessageDeflate: { threshold: 0 } } });
    assert.match(client.ws.extensions, /permessage-deflate/);
    for (const size of [0, 1, 125, 126, 1024, 16_384, 65_535, 65_536, 1_000_000]) {
      const text = 'abc '.repeat(size / 4 + 1).slice(0, size);
      client.send(text);
      assert.equal(await client.next((message) => typeof message === 'string'), text);
    }
  });
}

test('what is no WebSocket is refused, and its connection goes on', async ({ start }) => {
  const server = await start();
  const session = await connect2(server);
  const connect = (fields) => {
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws', ...fields });
    stream.on('error', () => {});
    return within(new Promise((resolve) => stream.once('response', (head) => resolve(head[':status']))), 'an answer');
  };
  assert.equal(await connect({ 'sec-websocket-version': '8' }), 426);
  assert.equal(await connect({ 'sec-websocket-version': '13', ':path': '/nothing' }), 404);
  assert.equal(await connect({ 'sec-websocket-version': '13', ':path': '/topics' }), 405);
  assert.equal(await connect({ 'sec-websocket-version': '13', ':protocol': 'other' }), 501);
  assert.equal(await connect({ 'sec-websocket-version': '13', origin: 'https://evil.test' }), 403);
  assert.equal(await connect({ 'sec-websocket-version': '13' }), 200);
  assert.equal((await ask2(session, 'GET', '/health/live')).status, 200);
});

test('--h2-websockets off: CONNECT is not offered, the rest is served', async ({ start }) => {
  const server = await start({ args: ['--h2-websockets', 'off'] });
  const session = await connect2(server);
  assert.equal(session.remoteSettings.enableConnectProtocol, false);
  assert.equal((await ask2(session, 'GET', '/health/live')).status, 200);
});

test('a subscriber whose window is shut lags alone; its siblings go on', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-queue', '64K'] });
  const raw = new RawHttp2(server, { settings: [[4, 1000]] });
  const ask = (id, object) => raw.write(frame2(TYPE.DATA, 0, id, frame(OPCODE.TEXT, JSON.stringify(object))));
  for (const id of [1, 3]) {
    raw.write(frame2(TYPE.HEADERS, FLAG.END_HEADERS, id, CONNECT2('/broker')));
    await raw.frames.next({ type: TYPE.HEADERS, id });
    ask(id, { action: 'subscribe', topic: 'news', id: 's' });
    await raw.frames.next({ type: TYPE.DATA, id });
  }
  raw.write(Buffer.concat([windowUpdate2(3, 1 << 24), windowUpdate2(0, 1 << 24)]));
  const publisher = await server.broker();
  for (let i = 0; i < 60; i++) {
    await publisher.publish('news', `${i} ${'x'.repeat(5000)}`);
  }
  let seen = '';
  await until(() => {
    for (const item of raw.frames.items.splice(0)) {
      seen += item.type === TYPE.DATA && item.id === 3 ? item.payload.toString('latin1') : '';
    }
    return seen.includes('"59 xx');
  }, { what: 'all events on the stream that is open' });
  await until(async () => (await metric(server, 'sluice_lagging_subscriptions')) === 1, { what: 'one that lags' });
  // It has its window now, and gets what it has missed from the log.
  raw.write(windowUpdate2(1, 1 << 24));
  let late = '';
  await until(() => {
    for (const item of raw.frames.items.splice(0)) {
      late += item.type === TYPE.DATA && item.id === 1 ? item.payload.toString('latin1') : '';
    }
    return late.includes('"59 xx');
  }, { what: 'all events on the other one' });
  for (let i = 1; i < 60; i++) {
    assert.ok(late.includes(`"${i} xx`), `event ${i}`);
  }
  raw.terminate();
});

test('each WebSocket and event stream is one more of its address', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-per-address', '4'] });
  const session = await connect2(server);
  const room = await room2(server, session);
  const broker = await broker2(server, session);
  const events = events2(session, '/topics/news');
  await events.next(/id: /);
  const stream = { headers: { accept: 'text/event-stream' } };
  const late = await socket2(server, session, '/broker');
  assert.equal(await late.closeCode(), 1013);
  assert.equal((await ask2(session, 'GET', '/topics/news', stream)).status, 503);
  assert.equal((await server.request('GET', '/topics')).status, 503); // another connection
  // What is asked and answered is none, and those who are there go on.
  assert.equal((await ask2(session, 'GET', '/topics')).status, 200);
  assert.equal((await broker.ping()).status, 'pong');
  // A place again, whichever way one has gone; a connection takes all its own with it.
  await room.close();
  const second = await until(async () => {
    const client = await socket2(server, session, '/broker');
    client.send('{"action":"ping"}');
    return client.next({ status: 'pong' }).then(() => client, () => false);
  });
  events.stream.close(8); // CANCEL
  await until(async () => (await server.request('GET', '/topics')).status === 200);
  assert.equal((await ask2(session, 'GET', '/nothing', stream)).status, 404);
  second.terminate();
  session.destroy();
  const rooms = [];
  for (let i = 0; i < 4; i++) {
    rooms.push(await until(() => server.room(`r${i}`).catch(() => false)));
  }
  assert.equal((await server.request('GET', '/topics')).status, 503);
});

test('a drain closes WebSockets over HTTP/2 with 1001, and they count as clean', async ({ start }) => {
  const server = await start({ workers: 2 });
  const session = await connect2(server);
  const clients = [];
  for (let i = 0; i < 4; i++) {
    clients.push(await broker2(server, session));
  }
  server.signal('SIGTERM');
  await clients[0].next({ type: 'shutdown' });
  await until(() => session.goaways.length > 0, { what: 'GOAWAY' });
  assert.ok(await clients[1].ping());
  server.signal('SIGTERM'); // enough: all are closed
  assert.deepEqual(await Promise.all(clients.map((client) => client.closeCode())), [1001, 1001, 1001, 1001]);
  assert.equal(await server.end(), 0);
  assert.match(server.stderr, /4 clean, 0 forced/);
});

test('a client that resets its stream, or ends its connection, is gone at once', async ({ start }) => {
  const server = await start({ workers: 1 });
  const session = await connect2(server);
  const clients = [];
  for (let i = 0; i < 4; i++) {
    clients.push(await room2(server, session));
  }
  clients[0].stream.close(8);
  clients[1].stream.end();
  const count = (wanted) =>
    until(async () => (await server.health()).active_connections === wanted, { what: `${wanted} clients` });
  await count(2);
  assert.equal((await clients[2].say('still here')).data, 'still here');
  session.destroy();
  await count(0);
});
