// The broker protocol over raw TCP, one JSON object per line (PROTOCOLS sections 1 and 3).
import { startRaw } from './lib/line.mjs';
import { assertRefused } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { within } from './lib/until.mjs';

test('the same requests and answers as over WebSocket, line by line', async ({ start }) => {
  const { server, connect } = await startRaw(start);
  const raw = connect();
  const web = await server.broker();
  await web.subscribe('news');
  raw.send({ action: 'subscribe', topic: 'news', id: 1 });
  const { seq, epoch } = await raw.next({ status: 'subscribed', id: 1 });

  raw.send({ action: 'publish', topic: 'news', message: { a: [1] } });
  assert.equal((await raw.next({ status: 'published' })).seq, seq + 1);
  const messages = [await raw.next({ type: 'message' }), await web.next({ type: 'message' })];
  assert.deepEqual(messages[0], messages[1]);
  assert.deepEqual(messages[0].data, { a: [1] });

  raw.send({ action: 'ping' });
  assert.deepEqual(await raw.next({ status: 'pong' }), { status: 'pong', seq: seq + 1, epoch });
});

test('lines may come in any pieces, and end in CRLF', async ({ start }) => {
  const { connect } = await startRaw(start);
  const raw = connect();
  for (const byte of '{"action":"ping","id":1}\r\n') {
    raw.write(byte);
  }
  assert.equal((await raw.next()).id, 1);
  raw.write('{"action":"ping","id":2}\n{"action":"ping","id":3}\n{"action":');
  raw.write('"ping","id":4}\n');
  for (const id of [2, 3, 4]) {
    assert.equal((await raw.next()).id, id);
  }
});

test('a wrong line is answered with its error, and the connection goes on', async ({ start }) => {
  const { connect } = await startRaw(start);
  const raw = connect();
  raw.write('{"action":"ping"\n');
  assertRefused(await raw.next(), 'bad_json');
  raw.write('[]\n');
  assertRefused(await raw.next(), 'bad_request');
  raw.write('{"action":"dance"}\n');
  assertRefused(await raw.next(), 'unknown_action');
  raw.send({ action: 'ping' });
  assert.equal((await raw.next()).status, 'pong');
});

test('a first line that is no JSON object closes', async ({ start }) => {
  const { connect } = await startRaw(start);
  const raw = connect();
  raw.write('GET / HTTP/1.1\r\n\r\n');
  await within(raw.closed, 'the connection to be closed');
});

test('a line over the limit is answered and closed', async ({ start }) => {
  const { connect } = await startRaw(start, { args: ['--max-message', '1K'] });
  const raw = connect();
  raw.write(`{"action":"publish","topic":"t","message":"${'x'.repeat(2000)}"}\n`);
  assertRefused(await raw.next(), 'too_large');
  await within(raw.closed, 'the connection to be closed');
});

test('in a drain clients are warned, and newcomers told and closed', async ({ start }) => {
  const { server, connect } = await startRaw(start);
  const raw = connect();
  raw.send({ action: 'ping' });
  await raw.next({ status: 'pong' });
  server.signal('SIGTERM');
  assert.equal((await raw.next({ type: 'shutdown' })).message, 'Server is shutting down');
  const late = connect();
  await late.next({ type: 'shutdown' });
  await within(late.closed, 'the connection to be closed');
  raw.send({ action: 'publish', topic: 'news', message: 1 });
  await raw.next({ status: 'published' });
  raw.terminate();
  assert.equal(await server.end(), 0);
});
