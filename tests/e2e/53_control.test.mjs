// The control sockets: what an administrator asks and orders, and who that is (control_sockets.h,
// protocol/control.h).
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Client } from './lib/client.mjs';
import { TRANSPORT_WS, ask } from './lib/graphql.mjs';
import { EventStream, RawConnection } from './lib/http.mjs';
import { connect2, room2 } from './lib/http2.mjs';
import { startRaw } from './lib/line.mjs';
import { fieldOf, isAlive, kill } from './lib/processes.mjs';
import { Server, makeDirectory } from './lib/server.mjs';
import { assertError } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

const OPEN_MAX = 64; // connections to one control socket

const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
const modeOf = (file) => fs.statSync(file).mode & 0o777;

async function ok(answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 200, text);
  return json;
}

const get = (server, index, target) => ok(server.control(index, 'GET', target));
const order = (server, index, target) => server.control(index, 'POST', target);

/** The clients of all workers, newest first of each. */
async function clientsOf(server, query = '') {
  const lists = [];
  for (const { index } of (await server.health()).workers) {
    const { worker, clients, more } = await get(server, index, `/control/clients${query}`);
    assert.equal(worker, index);
    assert.equal(more, false);
    lists.push(...clients);
  }
  return lists;
}

async function kick(server, client) {
  let kicked = 0;
  for (const { index } of (await server.health()).workers) {
    const answer = await order(server, index, `/control/kick?client=${client}`);
    assert.equal(answer.status, 200, answer.text);
    kicked += answer.json.kicked;
  }
  return kicked;
}

/** A connection to the worker's control socket. */
async function openRaw(server, index) {
  const connection = new RawConnection(undefined, { path: server.controlPath(index) });
  server.clients.add(connection);
  await within(connection.opened, 'a control connection');
  return connection;
}

async function openStream(server, index, target, headers) {
  const stream = new EventStream(server.controlPath(index), target, headers);
  server.clients.add(stream);
  await within(stream.opened, 'an event stream');
  return stream;
}

const GET_HEALTH = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';

// --- the sockets

test('each worker has a socket, for owner and group; they go with the server', async ({ start }) => {
  const server = await start({ workers: 2 });
  const directory = path.join(server.data, 'control');
  assert.equal(modeOf(directory), 0o750);
  assert.deepEqual(fs.readdirSync(directory).sort(), ['0', '1']);
  for (const [index, { pid }] of server.workers().entries()) {
    assert.equal(modeOf(path.join(directory, String(index))), 0o660);
    const answer = await get(server, index, '/control/clients');
    assert.deepEqual(answer, { worker: index, pid, clients: [], more: false });
  }
  assert.equal(await server.stop(), 0);
  assert.deepEqual(fs.readdirSync(directory), []);
});

test('what other listeners serve is served there, whatever Host and Origin say', async ({ start }) => {
  const server = await start({ workers: 1 });
  const headers = {
    host: 'elsewhere.example',
    origin: 'https://evil.example',
    'content-type': 'application/json',
  };
  const published = await server.control(0, 'POST', '/topics/news', { headers, body: '1' });
  assert.equal(published.status, 201);
  assert.equal((await get(server, 0, '/topics/news')).events.length, 1);
  assert.equal((await get(server, 0, '/health')).status, 'healthy');
  assert.equal((await server.control(0, 'GET', '/metrics')).status, 200);
  const stream = await openStream(server, 0, '/topics/news?since=0', headers);
  assert.equal((await stream.next((block) => block.data)).message.data, 1);
  const client = new Client('ws://elsewhere.example/broker', {
    headers,
    options: { createConnection: () => net.connect({ path: server.controlPath(0) }) },
  });
  server.clients.add(client);
  await within(client.opened, 'a WebSocket');
  client.send({ action: 'ping' });
  assert.equal((await client.next({ status: 'pong' })).seq, published.json.seq);
  assert.equal((await server.health()).active_connections, 2);
});

test('no other listener has anything below /control/', async ({ start, cleanup }) => {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const socket = path.join(directory, 'sluice.sock');
  const server = await start({ workers: 1, args: ['--listen', `unix:${socket}`] });
  const targets = ['clients', 'log', 'top', 'kick?client=0-1', 'drain'];
  for (const target of targets.map((name) => `/control/${name}`)) {
    for (const method of ['GET', 'POST']) {
      assertError(await server.request(method, target), 404, 'not_found');
    }
  }
  const raw = new RawConnection(undefined, { path: socket });
  server.clients.add(raw);
  raw.write('POST /control/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  assert.equal((await raw.response()).status, 404);
});

test('a data directory may have a path of 200 bytes', async ({ start, cleanup }) => {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const data = path.join(directory, 'd'.repeat(200));
  const server = await start({ workers: 2, data });
  for (const index of [0, 1]) {
    assert.equal((await get(server, index, '/control/clients')).worker, index);
  }
  await server.kill();
  await server.restart();
  assert.equal((await get(server, 1, '/control/clients')).worker, 1);
});

test('who asks while a worker is replaced is answered by its successor', async ({ start }) => {
  const server = await start({ workers: 2 });
  const [victim, other] = server.workers();
  kill(victim, 'SIGSTOP'); // it accepts nobody any more
  const waiting = get(server, 0, '/control/clients');
  kill(victim);
  const { worker, pid } = await waiting;
  assert.equal(worker, 0);
  assert.notEqual(pid, victim.pid);
  assert.equal(pid, server.workers()[0].pid);
  assert.equal((await get(server, 1, '/control/clients')).pid, other.pid);
});

test('the sockets of a killed server are replaced, those of more workers are gone', async ({ start }) => {
  const server = await start({ workers: 3 });
  const directory = path.join(server.data, 'control');
  await server.kill();
  assert.deepEqual(fs.readdirSync(directory).sort(), ['0', '1', '2']);
  await assert.rejects(server.control(0, 'GET', '/health'), /ECONNREFUSED/);
  await server.restart({ workers: 2 });
  assert.deepEqual(fs.readdirSync(directory).sort(), ['0', '1']);
  assert.equal((await get(server, 0, '/health')).status, 'healthy');
});

test('without a place for them the server serves its clients, and says so', async ({ prepare }) => {
  const server = prepare({ workers: 1 });
  fs.mkdirSync(server.data);
  fs.writeFileSync(path.join(server.data, 'control'), '');
  await server.start();
  assert.match(server.stderr, /warning.* sluicectl cannot reach this server: cannot use the directory/);
  assert.equal((await server.health()).status, 'healthy');
});

test(
  '--user: directory and sockets are that user\'s',
  { skip: os.userInfo().uid !== 0 && 'needs root' },
  async ({ cleanup }) => {
    const directory = makeDirectory();
    cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
    fs.chmodSync(directory, 0o777);
    const server = new Server({ data: path.join(directory, 'data'), args: ['--user', 'nobody'] });
    cleanup(() => server.dispose());
    fs.chmodSync(server.runDir, 0o777);
    await server.start();
    const user = fieldOf(server.workers()[0].pid, 'Uid');
    const control = path.join(server.data, 'control');
    for (const file of [control, path.join(control, '0'), path.join(control, '1')]) {
      assert.equal(fs.statSync(file).uid, user, file);
    }
    assert.equal((await order(server, 0, '/control/drain')).status, 202);
    assert.equal(await server.end(), 0);
  },
);

// --- clients

test('clients of every protocol are listed with what there is to say of them', async ({ start }) => {
  const { server, connect } = await startRaw(start, { workers: 2, args: ['--echo'] });
  const subscription = 'subscription { topic(name: "news") { data } }';
  const room = await server.room('ann');
  const broker = await server.broker();
  const line = connect();
  const stream = await server.events('/topics/news');
  const socket = await server.socket('/graphql', { protocols: [TRANSPORT_WS] });
  const sse = await server.events(
    '/graphql',
    { 'content-type': 'application/json' },
    JSON.stringify({ query: subscription }),
  );
  const echo = await server.socket('/echo', { isRaw: true });

  socket.send({ type: 'connection_init' });
  await socket.next({ type: 'connection_ack' });
  socket.send({ id: '1', type: 'subscribe', payload: { query: subscription } });
  await broker.subscribe('news');
  await broker.subscribe('other');
  line.send({ action: 'subscribe', topic: 'news' });
  await line.next({ status: 'subscribed' });
  await until(async () => (await clientsOf(server)).every(({ protocol, subscriptions }) =>
    protocol === 'echo' || subscriptions > 0));
  echo.send('hello');
  await echo.next('hello');
  await room.say('hello');
  await server.post('news', 1);
  const messages = [
    broker.next({ type: 'message' }),
    line.next({ type: 'message' }),
    stream.next((block) => block.data),
    socket.next({ type: 'next' }),
    sse.next({ event: 'next' }),
  ];
  await Promise.all(messages);

  const clients = new Map((await clientsOf(server)).map((client) => [client.protocol, client]));
  const expected = [
    ['room', room, { name: 'ann', subscriptions: 1, messages_in: 1 }],
    ['broker', broker, { subscriptions: 2, messages_in: 2 }],
    ['broker-tcp', line, { subscriptions: 1, messages_in: 1 }],
    ['event-stream', stream, { subscriptions: 1 }],
    ['graphql-ws', socket, { subscriptions: 1, messages_in: 2 }],
    ['graphql-sse', sse, { subscriptions: 1 }],
    ['echo', echo, { subscriptions: 0, messages_in: 1 }],
  ];
  assert.deepEqual([...clients.keys()].sort(), expected.map(([protocol]) => protocol).sort());
  for (const [protocol, client, fields] of expected) {
    const listed = clients.get(protocol);
    assert.match(listed.id, /^[01]-\d+$/);
    assert.equal(listed.peer, `127.0.0.1:${client.socket.localPort}`, protocol);
    assert.equal(listed.transport, 'plain', protocol);
    assert.equal(listed.name, fields.name ?? null);
    assert.ok(listed.connected_seconds < 60);
    assert.equal(listed.subscriptions, fields.subscriptions, protocol);
    assert.equal(listed.messages_in, fields.messages_in ?? 0, protocol);
    assert.equal(listed.messages_out, protocol === 'echo' ? listed.messages_out : 1, protocol);
    assert.ok(listed.bytes_in > 0 && listed.bytes_out > 0, protocol);
    assert.equal(listed.queued_bytes, 0);
    assert.equal(listed.lagging, 0);
  }
});

test('the list has pages, and holds everybody once', async ({ start }) => {
  const server = await start({ workers: 2 });
  const names = numbers(0, 25).map((i) => `client-${i}`);
  await Promise.all(names.map((name) => server.room(name)));
  const found = [];
  for (const index of [0, 1]) {
    let before = '';
    for (let more = true; more; ) {
      const page = await get(server, index, `/control/clients?limit=4${before}`);
      const ids = page.clients.map(({ id }) => Number(id.split('-')[1]));
      assert.deepEqual(ids, [...ids].sort((a, b) => b - a)); // newest first
      assert.ok(page.clients.length <= 4);
      found.push(...page.clients);
      more = page.more;
      assert.ok(!more || page.clients.length === 4);
      before = `&before=${ids.at(-1)}`;
    }
  }
  assert.deepEqual(found.map(({ name }) => name).sort(), [...names].sort());
  assert.equal(new Set(found.map(({ id }) => id)).size, names.length);
});

test('who does not read is listed as lagging', async ({ start }) => {
  const server = await start({ workers: 1, ring: '16M', args: ['--max-queue', '64K'] });
  const slow = await server.broker();
  const quick = await server.broker();
  await slow.subscribe('news');
  await quick.subscribe('news');
  slow.socket.pause();
  const payload = 'x'.repeat(100_000);
  const lagging = await until(async () => {
    assert.equal((await server.post('news', { payload })).status, 201);
    const { clients } = await get(server, 0, '/control/clients?lagging=true');
    return clients.length > 0 && clients;
  }, { what: 'a lagging client' });
  assert.equal(lagging.length, 1);
  assert.equal(lagging[0].peer, `127.0.0.1:${slow.socket.localPort}`);
  assert.equal(lagging[0].lagging, 1);
  assert.ok(lagging[0].queued_bytes > 0);
  slow.socket.resume();
  await until(async () => (await clientsOf(server, '?lagging=true')).length === 0, {
    what: 'the end of its lagging',
  });
});

// --- kick

test('a name is kicked on every worker, an id on its own', async ({ start }) => {
  const server = await start({ workers: 2 });
  const bobs = await Promise.all(numbers(0, 5).map(() => server.room('bob')));
  const bobby = await server.room('bobby');
  assert.equal(await kick(server, 'bob'), 5);
  for (const bob of bobs) {
    assert.deepEqual(await within(bob.closed, 'close'), {
      code: 1008,
      reason: 'closed by the administrator',
    });
  }
  await bobby.say('still here');
  assert.equal(await kick(server, 'bob'), 0);

  const [{ id }] = await clientsOf(server);
  assert.equal(await kick(server, id), 1);
  assert.equal(await bobby.closeCode(), 1008);
  assert.deepEqual(await clientsOf(server), []);
});

test('clients of every protocol are kicked in its way', async ({ start }) => {
  const { server, connect } = await startRaw(start, { workers: 1, args: ['--echo'] });
  const broker = await server.broker();
  const echo = await server.socket('/echo', { isRaw: true });
  const socket = await server.socket('/graphql', { protocols: [TRANSPORT_WS] });
  const line = connect();
  const stream = await server.events('/topics/news');
  const query = JSON.stringify({ query: 'subscription { topic(name: "news") { data } }' });
  const sse = await server.events('/graphql', { 'content-type': 'application/json' }, query);
  line.send({ action: 'ping' });
  await line.next({ status: 'pong' });
  const clients = await clientsOf(server);
  assert.equal(clients.length, 6);
  for (const { id } of clients) {
    assert.equal(await kick(server, id), 1, id);
  }
  assert.equal(await broker.closeCode(), 1008);
  assert.equal(await echo.closeCode(), 1008);
  assert.equal(await socket.closeCode(), 4403);
  await line.end();
  await within(stream.ended, 'the end of the event stream');
  await within(sse.ended, 'the end of the GraphQL event stream');
  assert.deepEqual(await clientsOf(server), []);
});

// --- drain

test('a drain is asked for by the socket, which serves until the end', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await server.room('ann');
  const idle = await openRaw(server, 1);
  const silent = await openRaw(server, 0); // never asks anything
  idle.write(GET_HEALTH);
  assert.equal((await idle.response()).status, 200);
  const answer = await order(server, 1, '/control/drain');
  assert.equal(answer.status, 202);
  assert.deepEqual(answer.json, { status: 'draining' });
  await client.next({ type: 'shutdown' });
  await until(async () => (await server.request('POST', '/topics/news')).status === 503);

  const health = await server.control(0, 'GET', '/health');
  assert.equal(health.status, 503);
  assert.equal(health.json.status, 'draining');
  assert.equal((await get(server, 0, '/control/top')).status, 'draining');
  assert.equal((await clientsOf(server)).length, 1);
  const headers = { 'content-type': 'application/json' };
  const published = await server.control(0, 'POST', '/topics/news', { headers, body: '1' });
  assert.equal(published.status, 201);
  // A subscriber that comes by it is a client like others: warned, counted, waited for.
  const stream = await openStream(server, 1, '/topics/news?since=0');
  assert.equal((await stream.next((block) => block.data)).message.data, 1);
  await stream.next({ event: 'shutdown' });
  client.terminate();
  await server.logged(/client left, 1 remain/);
  assert.equal((await get(server, 0, '/health/live')).status, 'alive');
  stream.terminate();
  // Neither of the two connections that ask nothing is waited for.
  assert.equal(await server.end(), 0);
  await idle.ended;
  await silent.ended;
});

test('to ask for a drain twice closes everybody', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await server.broker();
  await order(server, 0, '/control/drain');
  await client.next({ type: 'shutdown' });
  const stream = await openStream(server, 0, '/topics/news');
  assert.equal((await order(server, 1, '/control/drain')).status, 202);
  assert.equal(await client.closeCode(), 1001);
  await within(stream.ended, 'the end of the event stream');
  assert.equal(await server.end(), 0);
});

// --- log

/** All of it in pages of @limit, asked of one worker. */
async function readLog(server, index, query = '', limit = 1000) {
  const events = [];
  for (let from = 1, lastSeq = 1; from <= lastSeq; ) {
    const page = await get(server, index, `/control/log?from=${from}&limit=${limit}${query}`);
    assert.ok(page.events.length <= limit);
    assert.ok(page.next <= page.last_seq + 1);
    assert.ok(page.next > from, `from ${from} to ${page.next}`);
    events.push(...page.events);
    from = page.next;
    lastSeq = page.last_seq;
  }
  return events;
}

test('the log tells of every operation, whichever worker took it', async ({ start }) => {
  const server = await start({ workers: 2 });
  const by = (index) => ({ request: (...request) => server.control(index, ...request) });
  const post = (index, topic, body) =>
    server.control(index, 'POST', `/topics/${topic}?durable=true`, {
      headers: { 'content-type': 'application/json' },
      body,
    });
  await post(0, 'news', '{"n":1}');
  await post(1, 'other', '2');
  await ask(by(1), 'mutation { createUser(name: "ann") { id } }');
  await ask(by(0), 'mutation { createComment(messageId: 7, authorId: 1, content: "x") { id } }');
  await post(0, 'news', '3');

  const all = await readLog(server, 1);
  assert.deepEqual(all.map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(all.map(({ kind }) => kind), ['schema', 'event', 'event', 'row', 'failed', 'event']);
  assert.deepEqual(all.map(({ topics }) => topics), [[], ['news'], ['other'], ['users'], [], ['news']]);
  assert.deepEqual(all[1].data, { n: 1 });
  assert.equal(all[3].data.name, 'ann');
  assert.equal(all[4].data.code, 'NOT_FOUND');
  assert.match(all[0].time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual(await readLog(server, 0, '', 1), all);
  assert.deepEqual(await readLog(server, 0, '&topic=news'), [all[1], all[5]]);
  assert.deepEqual(await readLog(server, 0, '&topic=users', 1), [all[3]]);

  const page = await get(server, 0, '/control/log?from=2&limit=2');
  assert.equal(page.epoch, (await server.health()).log.epoch);
  assert.deepEqual([page.first_seq, page.last_seq, page.next], [1, 6, 4]);
});

test('the log goes on from page to page while others publish', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await server.broker();
  const count = 3000;
  const body = 'x'.repeat(300); // pages are bounded by bytes, too
  const published = Promise.all(numbers(0, count).map((n) => client.publish('news', { n, body })));
  const seen = [];
  for (let from = 1; seen.length < count; ) {
    const page = await get(server, from % 2, `/control/log?topic=news&from=${from}&limit=1000`);
    seen.push(...page.events.map(({ data }) => data.n));
    from = page.next;
  }
  await published;
  assert.deepEqual(seen, numbers(0, count));
});

// --- top

test('top tells what all processes do, and its numbers move', async ({ start }) => {
  const server = await start({ workers: 2 });
  const before = await get(server, 0, '/control/top');
  const [first, second] = server.workers();
  assert.equal(before.status, 'healthy');
  assert.deepEqual(
    before.processes.map(({ name, pid }) => [name, pid]),
    [
      ['worker 0', first.pid],
      ['worker 1', second.pid],
      ['store writer', server.writer().pid],
      ['master', server.pid],
    ],
  );
  const client = await server.broker();
  await client.subscribe('news');
  for (const n of numbers(0, 20)) {
    await client.publish('news', n);
  }
  await client.publish('other', 'x'.repeat(100), { durable: true }); // and so no commit is still to come
  await client.next({ data: 19 });
  const after = await until(async () => {
    const top = await get(server, 1, '/control/top');
    return top.processes.every(({ cpu_seconds: cpu, rss_bytes: rss }) => cpu > 0 && rss > 0) && top;
  });
  const sum = (top, field) => top.processes.reduce((total, process) => total + process[field], 0);
  const moved = (field) => sum(after, field) - sum(before, field);
  assert.equal(moved('clients'), 1);
  assert.equal(moved('subscriptions'), 1);
  assert.equal(moved('messages_in'), 22);
  assert.equal(moved('delivered'), 20);
  assert.ok(moved('bytes_in') > 500 && moved('bytes_out') > 500 && moved('turns') > 0);
  assert.equal(after.published - before.published, 21);
  assert.equal(after.last_seq - before.last_seq, 21);
  assert.equal(after.committed_seq, after.last_seq);
  assert.ok(after.time_seconds > before.time_seconds);
  assert.ok(after.uptime_seconds > before.uptime_seconds);
  assert.equal(after.version, (await server.health()).version);

  const { commits } = after;
  assert.ok(commits.count > before.commits.count && commits.seconds > before.commits.seconds);
  assert.equal(commits.buckets.length, commits.bounds_seconds.length + 1);
  assert.equal(commits.buckets.reduce((a, b) => a + b), commits.count);
  assert.equal(after.ring.bytes, 4 * 1024 * 1024);
  assert.ok(after.store.used_bytes > 0 && after.store.map_bytes > after.store.used_bytes);
  assert.ok(after.store.log_operations > 0 && after.store.disk_free_bytes > 0);

  const [busiest, next] = after.topics.busiest;
  assert.deepEqual([busiest.topic, busiest.operations, busiest.subscribers], ['news', 20, 1]);
  assert.deepEqual([next.topic, next.operations, next.bytes], ['other', 1, 102]);
  assert.ok(after.topics.seconds > 0 && after.topics.operations >= 21);
});

test('top tells of HTTP/2 and of compression', async ({ start }) => {
  const server = await start({ workers: 2 });
  const none = {
    ...{ http2_connections: 0, http2_streams: 0, http2_floods: 0, tls_handshakes: 0, tls_failed: 0 },
    ...{ deflate_clients: 0, deflate_input_bytes: 0, deflate_output_bytes: 0 },
  };
  assert.deepEqual((await get(server, 0, '/control/top')).transports, none);
  const session = await connect2(server);
  const room = await room2(server, session, 'ann');
  const compressing = await server.socket('/ws/ben', { options: { perMessageDeflate: true } });
  await room.say('x'.repeat(1000));
  await compressing.next({ from: 'ann' });
  // A worker tells of what it has sent when the turn in which it did is over.
  const { transports } = await until(async () => {
    const top = await get(server, 0, '/control/top');
    return top.transports.deflate_output_bytes > 0 && top;
  }, { what: 'what was compressed to be told' });
  const { deflate_input_bytes: before, deflate_output_bytes: behind, ...others } = transports;
  assert.deepEqual({ ...none, ...others }, { ...none, http2_connections: 1, http2_streams: 1, deflate_clients: 1 });
  assert.ok(before > 1000 && behind > 20 && behind < before / 4, `${before} to ${behind}`);
});

// --- hostile

test('bad requests are told what is bad, and change nothing', async ({ start }) => {
  const server = await start({ workers: 1 });
  const client = await server.room('ann');
  const bad = {
    'GET /control/clients?limit=0': '`limit`',
    'GET /control/clients?limit=1000000': '`limit`',
    'GET /control/clients?before=x': '`before`',
    'GET /control/clients?lagging=maybe': '`lagging`',
    'POST /control/kick': '`client`',
    'POST /control/kick?client=': '`client`',
    [`POST /control/kick?client=${'x'.repeat(65)}`]: '`client`',
    'GET /control/log?limit=1001': '`limit`',
    'GET /control/log?from=-1': '`from`',
    'GET /control/log?topic=%24x': '`topic`',
  };
  for (const [line, parameter] of Object.entries(bad)) {
    const [method, target] = line.split(' ');
    const answer = await server.control(0, method, target);
    assertError(answer, 400, 'bad_request');
    assert.ok(answer.json.error.message.includes(parameter), `${line}: ${answer.text}`);
  }
  for (const target of ['/control/kick?client=ann', '/control/drain']) {
    const answer = await server.control(0, 'GET', target);
    assertError(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.allow, 'POST');
  }
  const answer = await order(server, 0, '/control/clients');
  assertError(answer, 405, 'method_not_allowed');
  assert.equal(answer.headers.allow, 'GET, HEAD');
  assertError(await server.control(0, 'GET', '/control/passwd'), 404, 'not_found');
  await client.say('nothing has happened');
});

test('idle connections keep nobody out: the oldest of them gives way', async ({ start }) => {
  const server = await start({ workers: 1 });
  const idle = [];
  for (let i = 0; i < 3 * OPEN_MAX; i++) {
    idle.push(await openRaw(server, 0));
  }
  await Promise.race(idle.map(({ ended }) => ended));
  for (let i = 0; i < 10; i++) {
    assert.equal((await get(server, 0, '/health')).status, 'healthy');
  }
  assert.equal((await server.health()).active_connections, 0);
});

test(`${OPEN_MAX} connections are served at a time, the others are closed`, async ({ start }) => {
  const server = await start({ workers: 1 });
  const open = async () => {
    const stream = new EventStream(server.controlPath(0), '/topics/news');
    server.clients.add(stream);
    return stream.opened.then(() => stream, () => null);
  };
  const streams = [];
  for (let i = 0; i < OPEN_MAX; i++) {
    streams.push(await open());
  }
  assert.ok(streams.every((stream) => stream?.status === 200));
  assert.equal(await open(), null);
  await assert.rejects(server.control(0, 'GET', '/health'), /ECONNRESET|EPIPE|socket hang up/);
  await server.post('news', 1); // others notice nothing
  streams.forEach((stream) => stream.terminate());
  await until(async () => (await get(server, 0, '/health')).active_connections === 0);
});

test('they are among no limit on connections', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-connections', '2', '--max-rate', '1'] });
  const clients = [await server.broker(), await server.broker()];
  assert.equal((await server.request('GET', '/topics')).status, 503);
  for (let i = 0; i < 10; i++) {
    const answer = await get(server, 0, '/control/top');
    assert.equal(answer.processes[0].connections, clients.length);
    assert.equal((await server.control(0, 'GET', '/topics')).status, 200);
  }
  const stream = await openStream(server, 0, '/topics/news');
  assert.equal(stream.status, 200);
});

test('a stopped worker\'s socket holds up no other', async ({ start }) => {
  const server = await start({ workers: 2 });
  const [stopped] = server.workers();
  kill(stopped, 'SIGSTOP');
  const waiting = get(server, 0, '/control/clients');
  assert.equal((await get(server, 1, '/control/clients')).worker, 1);
  assert.ok(isAlive(stopped));
  kill(stopped, 'SIGCONT');
  assert.equal((await waiting).pid, stopped.pid);
});
