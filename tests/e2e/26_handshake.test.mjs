// How an HTTP/1.1 request becomes a WebSocket (RFC 6455 section 4).
import { FrameClient, text } from './lib/frames.mjs';
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
    { Upgrade: 'h2c, websocket' },
    { Upgrade: 'websocket, h2c', Connection: 'close, , uPGRADE' },
    { Connection: 'upgrade', Origin: 'http://localhost:8080' },
    { Connection: 'keep-alive\r\nConnection: Upgrade' },
    { Upgrade: 'x\r\nUpgrade: websocket' },
    { 'Sec-WebSocket-Key': ' \tdGhlIHNhbXBsZSBub25jZQ== ' },
    { 'Content-Length': '0' },
  ]) {
    const connection = await server.raw();
    connection.write(head('/broker', changes));
    const answer = await connection.response();
    assert.equal(answer.status, 101, JSON.stringify(changes));
    assert.equal(answer.headers['sec-websocket-accept'], ACCEPT);
  }
});

test('subprotocols and extensions that are not spoken are not chosen', async ({ start }) => {
  const server = await start({ args: ['--echo'] });
  for (const changes of [
    { 'Sec-WebSocket-Extensions': 'permessage-deflate; server_max_window_bits=16' },
    { 'Sec-WebSocket-Extensions': 'permessage-unknown; a=1, x-other; b="c, d"' },
    { 'Sec-WebSocket-Protocol': 'something, else' },
    { 'Sec-WebSocket-Protocol': 'graphql-ws\r\nSec-WebSocket-Protocol: mqtt' },
  ]) {
    for (const path of ['/broker', '/ws', '/echo']) {
      const connection = await server.raw();
      connection.write(head(path, changes));
      const answer = await connection.response();
      assert.equal(answer.status, 101, JSON.stringify(changes));
      assert.equal(answer.headers['sec-websocket-extensions'], undefined);
      assert.equal(answer.headers['sec-websocket-protocol'], undefined);
    }
  }
  // What is not agreed on stays forbidden: RSV1 would mean a compressed message.
  const client = await FrameClient.open(server, {
    headers: 'Sec-WebSocket-Extensions: permessage-deflate; unknown\r\n',
  });
  client.send(text('compressed', { rsv: 4 }));
  await client.expectClose(1002);
});

test('what is no good handshake is refused, and the next may be better', async ({ start }) => {
  const server = await start();
  const key = (value) => [400, { 'Sec-WebSocket-Key': value }];
  const version = (value) => [426, { 'Sec-WebSocket-Version': value }];
  const cases = [
    key(null),
    key(''),
    key('short'),
    key('dGhlIHNhbXBsZSBub25jZQ='), // 22 characters and one =
    key('dGhlIHNhbXBsZSBub25jZQ'),
    key('dGhlIHNhbXBsZSBub25jZQ==='),
    key('dGhlIHNhbXBsZSBub24='), // 14 bytes
    key('dGhlIHNhbXBsZSBub25jZXM='), // 17 bytes
    key('dGhlIHNhbXBsZSBub2-jZQ=='), // another base64
    key('dGhlIHNhbXBs ZSBub25jZQ=='),
    key('!!!!!!!!!!!!!!!!!!!!!!=='),
    key(`${HEADERS['Sec-WebSocket-Key']}\r\nSec-WebSocket-Key: ${HEADERS['Sec-WebSocket-Key']}`),
    version(null),
    ...['', '0', '8', '12', '14', '013', '13.0', '13, 8', '+13', '13\r\nSec-WebSocket-Version: 13']
      .map(version),
    [400, { Connection: 'keep-alive' }],
    [400, { Connection: 'Upgraded, x-upgrade' }],
    [400, { Connection: null }],
    [426, { Upgrade: null }],
    [426, { Upgrade: 'h2c' }],
    [426, { Upgrade: 'websockets' }],
  ];
  for (const [status, changes] of cases) {
    const connection = await server.raw();
    connection.write(head('/broker', changes));
    const answer = await connection.response();
    assertError(answer, status);
    if ('Sec-WebSocket-Version' in changes) {
      assert.equal(answer.headers['sec-websocket-version'], '13', JSON.stringify(changes));
    }
    connection.write(head('/broker'));
    assert.equal((await connection.response()).status, 101, JSON.stringify(changes));
  }
});

test('a handshake is a GET of HTTP/1.1 without a body', async ({ start }) => {
  const server = await start();
  const good = head('/broker');
  const cases = [
    [405, good.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n')],
    [405, good.replace('GET', 'DELETE')],
    [405, good.replace('GET', 'PUT')],
    [400, good.replace('HTTP/1.1', 'HTTP/1.0')],
    [400, `${head('/broker', { 'Content-Length': '5' })}hello`],
    [400, `${head('/broker', { 'Transfer-Encoding': 'chunked' })}5\r\nhello\r\n0\r\n\r\n`],
    [400, head('/broker', { Host: null })],
    [400, head('/broker', { Host: 'x\r\nHost: x' })],
  ];
  for (const [status, bytes] of cases) {
    const connection = await server.raw();
    connection.write(bytes);
    assertError(await connection.response(), status);
  }
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
