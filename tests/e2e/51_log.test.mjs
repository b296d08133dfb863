// The log: what is told of clients and processes, in both formats, and what never is (server/log.h).
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FrameClient, frame, text } from './lib/frames.mjs';
import { CREATE_MESSAGE, graphqlEvents, graphqlSocket, MESSAGE_ADDED } from './lib/graphql.mjs';
import { connect2, room2 } from './lib/http2.mjs';
import { startRaw } from './lib/line.mjs';
import { leaveAtOnce } from './lib/processes.mjs';
import { freePort } from './lib/server.mjs';
import { assert, test } from './lib/test.mjs';
import { secureRoom, startTls } from './lib/tls.mjs';
import { until } from './lib/until.mjs';

const JSON_LINES = ['--log-format', 'json'];
const COMMON = ['time', 'level', 'process', 'pid', 'event', 'message'];

const table = fs.readFileSync(
  path.join(path.dirname(fileURLToPath(import.meta.url)), '../../server/log_events.h'),
  'utf8',
);
const EVENTS = new Map(
  [...table.matchAll(/X\(LOG_\w+,\s+"(\w+)",\s+(?:EVERY|BOUNDED),\s+"([^"]*)"/g)].map((row) => [
    row[1],
    row[2].split(' ').filter(Boolean),
  ]),
);

const parse = (line) => JSON.parse(line);

/** All lines of that event that have been written so far. */
const told = (server, event) =>
  server.allLines.map(parse).filter((line) => event === undefined || line.event === event);

/** The next line that tells that a client has left. */
const left = async (server) => parse(await server.logged(/"event":"client_left"/));

/** Every line is one that the table knows, with no field but its own. */
function assertKnown(lines) {
  assert.ok(EVENTS.size > 20 && lines.length > 0);
  for (const line of lines) {
    assert.ok(EVENTS.has(line.event), JSON.stringify(line));
    assert.deepEqual(Object.keys(line).slice(0, COMMON.length), COMMON);
    for (const name of Object.keys(line).slice(COMMON.length)) {
      assert.ok(EVENTS.get(line.event).includes(name), `${line.event} has ${name}`);
    }
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(['debug', 'info', 'warning', 'error'].includes(line.level));
    assert.ok(Number.isInteger(line.pid));
  }
}

test('a line of text tells who has left, why, and what it did', async ({ start }) => {
  const server = await start({ workers: 1 });
  const ann = await server.room('ann');
  const { localPort } = ann.socket;
  await ann.say('hello');
  await ann.close(4000);
  const line = await server.logged(/ ann left/);
  assert.match(
    line,
    new RegExp(
      '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z info worker 0: room ann left client=0-1 ' +
        `peer=127\\.0\\.0\\.1:${localPort} transport=plain reason=client close_code=4000 seconds=\\d+\\.\\d{3} ` +
        'messages_in=1 messages_out=1 bytes_in=\\d+ bytes_out=\\d+$',
    ),
  );
});

test('a line of JSON tells the same by names', async ({ start }) => {
  const server = await start({ workers: 1, args: JSON_LINES });
  const ann = await server.room('ann');
  const { localPort } = ann.socket;
  await ann.say('hello');
  await ann.close(1000);
  const { time, pid, seconds, bytes_in, bytes_out, ...line } = await left(server);
  assert.deepEqual(line, {
    level: 'info',
    process: 'worker 0',
    event: 'client_left',
    message: 'room ann left',
    client: '0-1',
    protocol: 'room',
    name: 'ann',
    peer: `127.0.0.1:${localPort}`,
    transport: 'plain',
    reason: 'client',
    close_code: 1000,
    messages_in: 1,
    messages_out: 1,
  });
  assert.ok(time && seconds >= 0 && bytes_in > 100 && bytes_out > 100);
  assert.equal(pid, server.workers()[0].pid);
  const [ready] = told(server, 'ready');
  assert.deepEqual([ready.process, ready.pid, ready.workers], ['master', server.pid, 1]);
  assert.equal(ready.data, server.data);
  assertKnown(told(server));
});

test('each protocol is told by its name', async ({ start }) => {
  const options = { workers: 1, args: [...JSON_LINES, '--echo'] };
  const { server, connect } = await startRaw(start, options);
  const connectAndAsk = async () => {
    const client = connect();
    client.socket.write('{"action":"ping"}\n');
    await client.next({ status: 'pong' });
    return client;
  };
  const clients = [
    ['broker', () => server.broker()],
    ['echo', () => server.socket('/echo')],
    ['graphql-ws', () => graphqlSocket(server)],
    ['event-stream', () => server.events('/topics/news')],
    ['graphql-sse', () => graphqlEvents(server, MESSAGE_ADDED)],
    ['broker-tcp', () => connectAndAsk()],
  ];
  for (const [protocol, open] of clients) {
    const client = await open();
    client.terminate();
    const line = await left(server);
    assert.equal(line.protocol, protocol);
    assert.equal(line.name, undefined);
    assert.equal(line.close_code, undefined);
  }
});

test('how it was transported is told, in the list of clients too', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup, { workers: 1, args: JSON_LINES });
  const rooms = {
    plain: await server.room('plain'),
    tls: await secureRoom(server, 'tls'),
    h2c: await room2(server, await connect2(server), 'h2c'),
    h2: await room2(server, await connect2(server, { secure: true }), 'h2'),
  };
  const { json } = await server.control(0, 'GET', '/control/clients');
  assert.deepEqual(json.clients.map(({ transport }) => transport).sort(), Object.keys(rooms).sort());
  assert.ok(json.clients.every(({ name, transport }) => name === transport));
  for (const [transport, room] of Object.entries(rooms)) {
    await room.close(1000);
    const line = await left(server);
    assert.deepEqual([line.name, line.transport], [transport, transport]);
  }
  assertKnown(told(server));
});

test('every reason is told apart', async ({ start }) => {
  const server = await start({
    workers: 1,
    args: [...JSON_LINES, '--echo', '--max-message', '1K', '--max-rate', '1'],
  });
  const expect = async (reason, code) => {
    const line = await left(server);
    assert.deepEqual([line.reason, line.close_code], [reason, code]);
  };

  const broker = await server.broker();
  await broker.close(1000);
  await expect('client', 1000);

  const gone = await server.broker();
  gone.terminate();
  await expect('gone', undefined);

  const stream = await server.events('/topics/news');
  stream.terminate();
  await expect('client', undefined);

  const binary = await server.broker();
  binary.send(Buffer.from('binary'));
  await expect('protocol_error', 1003);

  const graphql = await graphqlSocket(server);
  graphql.send('no JSON');
  await expect('protocol_error', 4400);

  const broken = await FrameClient.open(server);
  broken.send(frame(3, 'no such opcode'));
  await expect('protocol_error', 1002);

  const large = await server.broker();
  large.send('x'.repeat(2000));
  await expect('too_large', 1009);

  const fast = await server.socket('/echo', { isRaw: true });
  fast.socket.write(Buffer.concat([text('one'), text('two')])); // both in one moment, however slow we are
  await expect('rate_limited', 1008);

  const kicked = await server.room('ann');
  await kick(server, 'ann');
  assert.equal(await kicked.closeCode(), 1008);
  await expect('kicked', 1008);

  const last = await server.broker();
  server.signal('SIGTERM');
  await last.next({ type: 'shutdown' });
  server.signal('SIGTERM');
  await expect('shutdown', 1001);
  assert.equal(await server.end(), 0);
  assertKnown(told(server));
});

/** By its only worker's control socket. */
function kick(server, client) {
  return new Promise((resolve, reject) => {
    const request = http.request({
      socketPath: path.join(server.data, 'control', '0'),
      method: 'POST',
      path: `/control/kick?client=${client}`,
    });
    request.once('error', reject);
    request.once('response', (response) => response.resume().once('end', resolve));
    request.end();
  });
}

test('who does not answer a ping is told from who is gone', async ({ start }) => {
  const args = [...JSON_LINES, '--ping-interval', '100ms', '--ping-timeout', '200ms'];
  const server = await start({ workers: 1, args });
  const silent = await FrameClient.open(server, { path: '/broker', isMute: true });
  const line = await left(server);
  assert.deepEqual([line.reason, line.close_code], ['ping_timeout', undefined]);
  silent.terminate();
});

test('what a drain does is told as events', async ({ start }) => {
  const server = await start({ workers: 1, args: JSON_LINES });
  const ann = await server.broker();
  const bob = await server.broker();
  server.signal('SIGTERM');
  await ann.next({ type: 'shutdown' });
  ann.terminate();
  assert.equal(parse(await server.logged(/client left, 1 remain/)).connections, 1);
  server.signal('SIGTERM');
  await bob.closeCode();
  assert.equal(await server.end(), 0);
  const [begun] = told(server, 'shutdown_begun');
  assert.deepEqual([begun.connections, begun.deadline_seconds], [2, 1800]);
  const [hurried] = told(server, 'shutdown_hurried');
  assert.deepEqual([hurried.connections, hurried.level], [1, 'warning']);
  assert.deepEqual(told(server, 'shutdown_client').map((line) => line.connections), [1, 0]);
  assert.equal(told(server, 'shutdown_done').length, 1);
});

test('a process that dies is told with its name and pid', async ({ start }) => {
  const server = await start({ workers: 1, args: JSON_LINES });
  const [{ pid }] = server.workers();
  process.kill(pid, 'SIGKILL');
  const line = parse(await server.logged(/"event":"process_ended"/));
  assert.deepEqual([line.child, line.child_pid, line.signal], ['worker 0', pid, 9]);
  assert.equal(line.process, 'master');
});

test('--log-connections off leaves clients out, but not from a drain', async ({ start }) => {
  const args = [...JSON_LINES, '--log-level', 'debug', '--log-connections', 'off'];
  const server = await start({ workers: 1, args });
  const ann = await server.broker();
  await ann.close();
  const bob = await server.broker();
  server.signal('SIGTERM');
  await bob.next({ type: 'shutdown' });
  await bob.close();
  assert.equal(await server.end(), 0);
  assert.equal(told(server, 'client_joined').length, 0);
  assert.equal(told(server, 'client_left').length, 0);
  assert.equal(told(server, 'shutdown_client').length, 1);
});

test('who comes is told at debug only', async ({ start }) => {
  for (const level of ['debug', 'info']) {
    const args = [...JSON_LINES, '--log-level', level];
    const server = await start({ workers: 1, args });
    const ann = await server.room('ann');
    await ann.close();
    await left(server);
    const joined = told(server, 'client_joined');
    assert.equal(joined.length, level === 'debug' ? 1 : 0);
    if (joined.length > 0) {
      const { client, protocol, name, peer, message } = joined[0];
      assert.deepEqual([client, protocol, name, message], ['0-1', 'room', 'ann', 'room ann came']);
      assert.match(peer, /^127\.0\.0\.1:\d+$/);
    }
    assert.equal(await server.stop(), 0);
    assert.equal(told(server).some((line) => line.level === 'debug'), level === 'debug');
  }
});

test('at warning nothing is told of what is in order', async ({ prepare }) => {
  const server = prepare({ workers: 1, args: ['--log-level', 'warning'] });
  server.port = await freePort();
  const ended = server.launch().catch(() => {}); // the line that it waits for never comes
  await until(() => server.health().then(({ status }) => status === 'healthy', () => false), {
    what: 'a healthy server',
  });
  const ann = await server.broker();
  await ann.close();
  assert.equal(await server.stop(), 0);
  await ended;
  assert.equal(server.stderr, '');
});

test('under the journal every line begins with its priority, in either format', async ({ start }) => {
  // As systemd does it: the variable names the device and the inode of standard error.
  const script = 'export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); exec "$@"';
  for (const format of ['text', 'json']) {
    const server = await start({
      workers: 1,
      args: ['--log-format', format],
      prefix: ['sh', '-c', script, 'sh'],
    });
    const ann = await server.broker();
    await ann.close();
    await server.logged(/broker left/);
    process.kill(server.workers()[0].pid, 'SIGKILL');
    await server.logged(/was ended by signal 9/);
    const marks = server.allLines.map((line) => line.slice(0, 3));
    assert.ok(marks.every((mark) => /^<[3467]>$/.test(mark)), server.stderr);
    assert.match(server.stderr, /^<6>.*broker left/m);
    assert.match(server.stderr, /^<4>.*was ended by signal 9/m);
    if (format === 'json') {
      server.allLines.forEach((line) => parse(line.slice(3)));
    } else {
      assert.match(server.stderr, /^<6>worker 0: broker left client=0-1 /m);
    }
  }
});

test('what repeats itself is counted: nothing is lost but its lines', async ({ start }) => {
  const COUNT = 200;
  const server = await start({ workers: 1, args: JSON_LINES });
  const clients = await Promise.all(Array.from({ length: COUNT }, () => server.broker()));
  await leaveAtOnce(server.workers()[0], clients);
  const leftOut = () =>
    told(server, 'repeated').reduce((sum, line) => {
      assert.equal(line.of, 'client_left');
      return sum + line.count;
    }, 0);
  await until(() => told(server, 'client_left').length + leftOut() === COUNT, {
    what: `${COUNT} clients in the log, ${told(server, 'client_left').length} of them by a line`,
  });
  assert.ok(leftOut() > 0);
  assert.equal(told(server, 'lines_lost').length, 0);
  assertKnown(told(server));
});

test('no payload, topic or variable of a client is ever told', async ({ start }) => {
  const SECRET = 'xyzzy-plugh';
  const args = ['--log-level', 'debug', '--max-message', '1K', '--echo'];
  const { server, connect } = await startRaw(start, { workers: 1, args });
  const room = await server.room('ann');
  await room.say(SECRET);
  const broker = await server.broker();
  await broker.subscribe(SECRET);
  await broker.publish(SECRET, { [SECRET]: SECRET });
  await broker.publish('$reserved', SECRET);
  broker.send(`{"action":"${SECRET}"`);
  await broker.next({ code: 'bad_json' });
  const line = connect();
  line.socket.write(`{"action":"publish","topic":"t","message":"${SECRET}"}\n${SECRET}\n`);
  await line.next({ status: 'published' });
  await server.post(SECRET, SECRET, 'text/plain');
  await server.post(SECRET, `${SECRET} is no JSON`);
  await server.history(SECRET);
  await server.request('GET', `/nowhere/${SECRET}?${SECRET}=1`, { headers: { cookie: SECRET } });
  const graphql = await graphqlSocket(server);
  await graphql.ask(CREATE_MESSAGE, { variables: { content: SECRET, authorId: 1 } });
  await graphql.ask(`{ ${SECRET.replace('-', '_')} }`).catch(() => {});
  graphql.send(SECRET);
  await graphql.closeCode();
  const large = await server.broker();
  large.send(SECRET.repeat(200));
  assert.equal(await large.closeCode(), 1009);
  const echo = await server.socket('/echo', { isRaw: true });
  echo.ws.close(4000, SECRET);
  await echo.closeCode();
  const raw = await server.raw();
  raw.write(`${SECRET} / HTTP/1.1\r\n\r\n`);
  await raw.response();
  server.terminateClients();
  assert.equal(await server.stop(), 0);
  assert.match(server.stderr, /room ann left/);
  assert.ok(!server.stderr.includes('xyzzy'), server.stderr);
});
