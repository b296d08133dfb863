// The broker protocol over raw TCP, one JSON object per line (PROTOCOLS sections 1 and 3).
import { startRaw } from './lib/line.mjs';
import { SCHEMA_SEQ, TIME, assertRefused, numbers } from './lib/shapes.mjs';
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

test('whoever shuts his side down gets all his answers, also to a last line without an end', async ({
  start,
}) => {
  const { server, connect } = await startRaw(start);
  const raw = connect({ allowHalfOpen: true });
  for (const index of numbers(0, 100)) {
    raw.send({ action: 'publish', topic: 'news', message: index, durable: true });
  }
  raw.write('{"action":"publish","topic":"news","message":"last","id":"last"}');
  raw.socket.end();
  const answers = [];
  for (const _ of numbers(0, 101)) {
    answers.push(await raw.next({ status: 'published' }));
  }
  await raw.end();
  const durable = answers.filter((answer) => answer.id === undefined); // the other need not wait
  assert.deepEqual(durable.map((answer) => answer.seq), numbers(SCHEMA_SEQ + 1, 100));
  assert.equal(answers.find((answer) => answer.id === 'last').seq, SCHEMA_SEQ + 101);

  const cut = connect({ allowHalfOpen: true });
  cut.write('{"action":"publish","topic":"news","mess');
  cut.socket.end();
  assertRefused(await cut.next(), 'bad_json');
  await cut.end();
  assert.equal((await server.health()).log.last_seq, SCHEMA_SEQ + 101);
});

test('what is no UTF-8 is a wrong line among others', async ({ start }) => {
  const { connect } = await startRaw(start);
  const raw = connect();
  for (const bytes of ['ff', 'c0af', 'eda080', 'f4908080', 'c3', 'e282']) {
    const line = ['{"action":"publish","topic":"t","message":"', '"}\n'];
    raw.socket.write(Buffer.concat([line[0], Buffer.from(bytes, 'hex'), line[1]].map(Buffer.from)));
    assertRefused(await raw.next(), 'bad_json');
  }
  raw.socket.write(Buffer.from('7b22616374696f6e223a2270696e67227d000a', 'hex')); // a NUL behind it
  assertRefused(await raw.next(), 'bad_json');
  raw.send({ action: 'ping' });
  assert.equal((await raw.next()).status, 'pong');
});

test('very many lines in one piece are answered in order', async ({ start }) => {
  const { connect } = await startRaw(start);
  const raw = connect();
  raw.write(numbers(0, 5000).map((id) => `{"action":"ping","id":${id}}\r\n\n`).join(''));
  for (const id of numbers(0, 5000)) {
    assert.equal((await raw.next()).id, id);
  }
  assert.deepEqual(raw.queue, []);
});

test('whatever does not begin with a brace is cut off without a word', async ({ start }) => {
  const { server, connect } = await startRaw(start);
  const publish = '{"action":"publish","topic":"news","message":1}\n';
  for (const first of ['GET / HTTP/1.1', '', ' ', '\t', '[', '"', '\ufeff', '\u0000', '\u0016']) {
    const raw = connect();
    raw.write(`${first}\r\n${publish}`);
    await raw.end();
    assert.deepEqual(raw.queue, [], JSON.stringify(first));
  }
  assert.equal((await server.health()).log.last_seq, SCHEMA_SEQ);
});

test('a newcomer during a drain gets one line and its end', async ({ start }) => {
  const { server, connect } = await startRaw(start);
  const raw = connect();
  raw.send({ action: 'ping' });
  await raw.next({ status: 'pong' });
  server.signal('SIGTERM');
  await raw.next({ type: 'shutdown' });
  const late = connect();
  const { remaining_seconds, time, ...rest } = await late.next();
  assert.deepEqual(rest, { type: 'shutdown', message: 'Server is shutting down' });
  assert.ok(remaining_seconds > 1700 && remaining_seconds <= 1800);
  assert.match(time, TIME);
  await late.end();
  assert.deepEqual(late.queue, []);
});
