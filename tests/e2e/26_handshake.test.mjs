// How an HTTP/1.1 request becomes a WebSocket (RFC 6455 section 4).
import { assertError } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';

const HEADERS = {
  Host: 'x',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', // the RFC's example
  'Sec-WebSocket-Version': '13',
};
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

function head(path, changes = {}) {
  const headers = Object.entries({ ...HEADERS, ...changes }).filter(([, value]) => value !== null);
  return `GET ${path} HTTP/1.1\r\n${headers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
}

/** A text frame as a client sends it, with a mask of zeros. */
function frame(text) {
  const bytes = Buffer.from(text);
  assert.ok(bytes.length < 126);
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
}

/** Reads one short frame of the server and parses its JSON. */
async function message(connection) {
  const [first, length] = await connection.bytes(2);
  assert.equal(first, 0x81, 'a final text frame');
  assert.ok(length < 126, 'a short one without a mask');
  return JSON.parse((await connection.bytes(length)).toString());
}

test('the answer to a handshake proves that it was understood', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  connection.write(head('/broker'));
  const answer = await connection.response();
  assert.equal(answer.status, 101);
  assert.equal(answer.headers['sec-websocket-accept'], ACCEPT);
  assert.match(answer.headers.upgrade, /^websocket$/i);
  assert.match(answer.headers.connection, /^upgrade$/i);
  assert.equal(answer.headers['sec-websocket-protocol'], undefined);
});

test('a handshake may be written in any of the ways the RFC allows', async ({ start }) => {
  const server = await start();
  for (const changes of [
    { Upgrade: 'WebSocket', Connection: 'keep-alive, Upgrade' },
    { Connection: 'upgrade', Origin: 'http://localhost:8080' },
    { 'Sec-WebSocket-Extensions': 'permessage-unknown; a=1, x-other' },
    { 'Sec-WebSocket-Protocol': 'something, else' },
  ]) {
    const connection = await server.raw();
    connection.write(head('/broker', changes));
    assert.equal((await connection.response()).status, 101, JSON.stringify(changes));
  }
});

test('what is no good handshake is 400, another version 426', async ({ start }) => {
  const server = await start();
  for (const changes of [
    { 'Sec-WebSocket-Key': null },
    { 'Sec-WebSocket-Key': 'short' },
    { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' },
    { 'Sec-WebSocket-Version': null },
  ]) {
    const connection = await server.raw();
    connection.write(head('/broker', changes));
    const answer = await connection.response();
    assert.ok([400, 426].includes(answer.status), `${JSON.stringify(changes)}: ${answer.status}`);
    assertError(answer, answer.status);
  }
  const old = await server.raw();
  old.write(head('/broker', { 'Sec-WebSocket-Version': '8' }));
  const answer = await old.response();
  assertError(answer, 426);
  assert.equal(answer.headers['sec-websocket-version'], '13');
});

test('a WebSocket path without an upgrade, an upgrade of another path: errors', async ({
  start,
}) => {
  const server = await start();
  for (const path of ['/broker', '/ws', '/ws/ann']) {
    const answer = await server.request('GET', path);
    assert.ok([400, 426].includes(answer.status), `${path}: ${answer.status}`);
    assertError(answer, answer.status);
  }
  await assert.rejects(server.socket('/nowhere'), { status: 404 });
});

test('frames right behind the handshake are not lost', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  const ping = (id) => frame(`{"action":"ping","id":${id}}`);
  connection.write(Buffer.concat([Buffer.from(head('/broker')), ping(1), ping(2)]));
  assert.equal((await connection.response()).status, 101);
  assert.equal((await message(connection)).id, 1);
  assert.equal((await message(connection)).id, 2);
});

test('a request before it on the same connection is answered first', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  connection.write(`GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n${head('/ws/ann')}`);
  assert.equal((await connection.response()).status, 200);
  assert.equal((await connection.response()).status, 101);
});

test('bytes that come one by one make the same handshake and messages', async ({ start }) => {
  const server = await start();
  const reader = await server.broker();
  await reader.subscribe('slow');
  const connection = await server.raw();
  const bytes = Buffer.concat([
    Buffer.from(head('/broker')),
    frame('{"action":"publish","topic":"slow","message":1}'),
  ]);
  for (const byte of bytes) {
    connection.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await connection.response()).status, 101);
  assert.equal((await reader.next()).data, 1);
});

test('a client that vanishes in the middle of anything is forgotten', async ({ start }) => {
  const server = await start();
  const witness = await server.broker();
  await witness.subscribe('news');
  const pieces = [
    'GET /bro',
    head('/broker').slice(0, -2),
    head('/broker'),
    Buffer.concat([Buffer.from(head('/broker')), frame('{"action":"ping"}').subarray(0, 9)]),
    'POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345',
  ];
  for (const piece of pieces) {
    for (const end of ['end', 'resetAndDestroy']) {
      const connection = await server.raw();
      connection.write(piece);
      connection.socket[end]();
      await connection.ended;
    }
  }
  await witness.publish('news', 'marker');
  assert.equal((await witness.next()).data, 'marker');
});
