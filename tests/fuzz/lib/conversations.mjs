// What clients rightly say, to every endpoint and in every protocol: the ground that mutations start
// from. A conversation is {port: 'http' | 'broker', parts: [Buffer]}; a part is one request, frame
// or line.
import { frame as maskedFrame, OPCODE } from '../../e2e/lib/frames.mjs';
import {
  CONNECT2, FLAG, PREFACE, TYPE, fields2, frame2, numbers2, settings2, windowUpdate2,
} from '../../e2e/lib/http2.mjs';

// The longest one, the one whose JSON is longest, one that is too long, one that is reserved.
const TOPICS = ['fuzz', 'fuzz', 'fuzz/a', 'fuzz:ä', 'room', 'x'.repeat(255), '"'.repeat(255),
  'y'.repeat(256), '$x'];
const EPOCHS = ['9f86d081884c7d65', '0000000000000000', 'FFFFFFFFFFFFFFFF', 'x', ''];
const NUMBERS = ['0', '1', '7', '100', '1000', '18446744073709551615', '18446744073709551616', '-1', ''];

const crlf = (lines) => lines.map((line) => `${line}\r\n`).join('');
const topic = (chance) => chance.pick(TOPICS);

function value(chance, depth = 0) {
  const kind = chance.below(depth > 3 ? 5 : 7);
  switch (kind) {
    case 0: return chance.below(2 ** 32) - 2 ** 31;
    case 1: return chance.pick(
      ['', 'hello', 'ä€😀', 'x'.repeat(chance.between(0, 20_000)), '\u0000']);
    case 2: return null;
    case 3: return chance.is(0.5);
    case 4: return chance.random() * 1e9;
    case 5: return chance.times(chance.between(0, 6), () => value(chance, depth + 1));
    default: return Object.fromEntries(
      chance.times(chance.between(0, 5), () => [`k${chance.below(9)}`, value(chance, depth + 1)]));
  }
}

// --- HTTP

function target(chance) {
  const since = () => `since=${chance.pick(NUMBERS)}`;
  const epoch = () => `epoch=${chance.pick(EPOCHS)}`;
  const path = () => `/topics/${encodeURIComponent(topic(chance))}`;
  return chance.pick([
    () => '/',
    () => '/health',
    () => '/health/live',
    () => '/metrics',
    () => '/topics',
    () => `/topics?prefix=fu&limit=${chance.pick(NUMBERS)}&after=${chance.pick(TOPICS)}`,
    () => path(),
    () => `${path()}?${since()}&limit=${chance.pick(NUMBERS)}`,
    () => `${path()}?${since()}&${epoch()}`,
    () => `http://localhost${path()}`,
    () => '/nothing/here',
    () => '/ws/a%20b',
    () => '/broker',
    () => '*',
  ])();
}

const MORE_HEADERS = [
  'Accept: text/event-stream',
  'Accept: */*, text/html;q=0.5',
  'Accept-Encoding: gzip, br',
  'Origin: http://localhost',
  'Origin: https://evil.example',
  'Origin: null',
  'If-None-Match: "x", W/"y", *',
  'Connection: close',
  'Connection: keep-alive',
  'Last-Event-ID: 9f86d081884c7d65-7',
  'Cookie: a=b; c=d',
  'User-Agent: fuzz/1.0 (streams)',
  'Expect: 100-continue',
  'Range: bytes=0-5',
];

function moreHeaders(chance) {
  return chance.times(chance.between(0, 5), () => chance.pick(MORE_HEADERS));
}

function chunked(chance, body) {
  const parts = [];
  for (let at = 0; at < body.length; ) {
    const piece = body.subarray(at, at + 1 + chance.below(body.length));
    parts.push(`${piece.length.toString(16)}${chance.is(0.2) ? ';a=b' : ''}\r\n`, piece, '\r\n');
    at += piece.length;
  }
  parts.push(chance.is(0.2) ? '0\r\nTrailer: t\r\n\r\n' : '0\r\n\r\n');
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function post(chance) {
  const isJson = chance.is(0.6);
  const body = Buffer.from(isJson ? JSON.stringify(value(chance)) : String(value(chance)));
  const isChunked = chance.is(0.4);
  const query = chance.pick(['', '', '?durable=true', '?durable=false']);
  const head = crlf([
    `POST /topics/${encodeURIComponent(topic(chance))}${query} HTTP/1.1`,
    'Host: localhost',
    `Content-Type: ${chance.pick(['application/json', 'text/plain', 'application/json; charset=utf-8',
      'multipart/form-data; boundary=x'])}`,
    isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
    ...moreHeaders(chance),
    '',
  ]);
  return Buffer.concat([Buffer.from(head), isChunked ? chunked(chance, body) : body]);
}

function get(chance) {
  const method = chance.pick(['GET', 'GET', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
  return Buffer.from(crlf([
    `${method} ${target(chance)} HTTP/1.${chance.is(0.9) ? 1 : 0}`,
    'Host: localhost',
    ...moreHeaders(chance),
    '',
  ]));
}

const requests = (chance) => ({
  port: 'http',
  parts: chance.times(chance.between(1, 12), () => (chance.is(0.4) ? post(chance) : get(chance))),
});

const eventStream = (chance) => ({
  port: 'http',
  parts: [Buffer.from(crlf([
    `GET /topics/${encodeURIComponent(topic(chance))}?since=${chance.pick(NUMBERS)} HTTP/1.1`,
    'Host: localhost',
    'Accept: text/event-stream',
    ...moreHeaders(chance),
    '',
  ]))],
});

// --- WebSocket

const frame = (chance, opcode, payload, options) =>
  maskedFrame(opcode, payload, { mask: chance.bytes(4), ...options });

function framesOf(chance, payload, opcode) {
  const pieces = [];
  const count = chance.is(0.7) ? 1 : chance.between(2, 6);
  for (let i = 0; i < count; i++) {
    const part = payload.subarray(
      Math.floor((payload.length * i) / count), Math.floor((payload.length * (i + 1)) / count));
    pieces.push(frame(chance, i === 0 ? opcode : OPCODE.CONTINUATION, part, { fin: i === count - 1 }));
    if (chance.is(0.1)) {
      pieces.push(frame(chance, chance.pick([OPCODE.PING, OPCODE.PONG]), chance.bytes(chance.between(0, 125))));
    }
  }
  return pieces;
}

function handshake(chance, path) {
  return Buffer.from(crlf([
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Upgrade: websocket',
    `Connection: ${chance.pick(['Upgrade', 'keep-alive, Upgrade'])}`,
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...(chance.is(0.2) ? ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'] : []),
    ...(chance.is(0.1) ? [chance.pick(MORE_HEADERS)] : []),
    '',
  ]));
}

const CLOSES = [1000, 1001, 1002, 1005, 1007, 1011, 3000, 4999, 999];

function closeFrame(chance) {
  const code = chance.pick(CLOSES);
  const reason = Buffer.from(chance.pick(['', 'bye', 'ä€😀', '\u0000']));
  return frame(chance, OPCODE.CLOSE, chance.is(0.2) ? Buffer.alloc(0)
    : Buffer.concat([Buffer.from([code >> 8, code & 255]), reason]));
}

function webSocketTarget(chance) {
  const since = chance.is(0.3) ? `?since=${chance.pick(NUMBERS)}&epoch=${chance.pick(EPOCHS)}` : '';
  return chance.pick(['/ws', `/ws/fuzz${chance.below(9)}${since}`, '/broker', '/broker', '/echo']);
}

/** What a client says there. */
function webSocketFrames(chance, path) {
  const parts = [];
  for (let i = chance.between(1, 20); i > 0; i--) {
    const text = path === '/broker' ? action(chance) : String(value(chance));
    parts.push(...framesOf(chance, Buffer.from(text), chance.is(0.95) ? OPCODE.TEXT : OPCODE.BINARY));
  }
  if (chance.is(0.5)) {
    parts.push(closeFrame(chance));
  }
  return parts;
}

function webSocket(chance) {
  const path = webSocketTarget(chance);
  return { port: 'http', parts: [handshake(chance, path), ...webSocketFrames(chance, path)] };
}

// --- HTTP/2

const DATA_MAX = 16384; // RFC 9113 section 4.2

/** A header block, whole or with a CONTINUATION, perhaps padded; isLast: nothing follows on the stream. */
function headers2(chance, id, block, isLast) {
  const end = isLast ? FLAG.END_STREAM : 0;
  if (chance.is(0.2)) {
    const at = chance.below(block.length);
    return Buffer.concat([frame2(TYPE.HEADERS, end, id, block.subarray(0, at)),
      frame2(TYPE.CONTINUATION, FLAG.END_HEADERS, id, block.subarray(at))]);
  }
  const padding = chance.is(0.2) ? chance.below(50) : -1;
  return padding < 0 ? frame2(TYPE.HEADERS, end | FLAG.END_HEADERS, id, block)
    : frame2(TYPE.HEADERS, end | FLAG.END_HEADERS | FLAG.PADDED, id,
      Buffer.concat([Buffer.from([padding]), block, Buffer.alloc(padding)]));
}

const head2 = (method, path, more = {}) => fields2(
  { ':method': method, ':scheme': 'http', ':path': path, ':authority': 'localhost', ...more });

function get2(chance, id) {
  const more = chance.is(0.3) ? { accept: 'text/event-stream' } : {};
  const method = chance.pick(['GET', 'GET', 'HEAD', 'OPTIONS', 'PUT']);
  return [headers2(chance, id, head2(method, target(chance), more), true)];
}

/** bytes in DATA frames of the size that any server takes; flags: the last one's. */
function data2(id, bytes, flags = 0) {
  const frames = [];
  for (let at = 0; at < bytes.length - DATA_MAX; at += DATA_MAX) {
    frames.push(frame2(TYPE.DATA, 0, id, bytes.subarray(at, at + DATA_MAX)));
  }
  return [...frames, frame2(TYPE.DATA, flags, id, bytes.subarray(frames.length * DATA_MAX))];
}

function post2(chance, id) {
  const body = Buffer.from(JSON.stringify(value(chance)));
  const cut = chance.below(body.length + 1);
  const path = `/topics/${encodeURIComponent(topic(chance))}`;
  const hasTrailers = chance.is(0.1);
  return [
    headers2(chance, id, head2('POST', path, { 'content-type': 'application/json' }), false),
    ...data2(id, body.subarray(0, cut)),
    ...data2(id, body.subarray(cut), hasTrailers ? 0 : FLAG.END_STREAM),
    ...(hasTrailers ? [headers2(chance, id, fields2({ checksum: '1' }), true)] : []),
  ];
}

function webSocket2(chance, id) {
  const path = webSocketTarget(chance);
  const data = webSocketFrames(chance, path).flatMap((bytes) => data2(id, bytes));
  return [headers2(chance, id, CONNECT2(path), false), ...data,
    ...(chance.is(0.5) ? [frame2(TYPE.DATA, FLAG.END_STREAM, id)] : [])];
}

const setting = (chance) =>
  chance.pick([[1, 0], [1, 4096], [2, 0], [3, 0], [3, 100], [4, 0], [4, 100], [4, 65535],
    [4, 2 ** 31 - 1], [4, 2 ** 31], [5, 16384], [5, 2 ** 24 - 1], [5, 1], [6, 0], [8, 1], [99, 7]]);

/** What is said beside the requests; id: one of theirs. */
const control2 = (chance, id) => chance.pick([
  () => settings2(chance.times(chance.between(0, 4), () => setting(chance))),
  () => frame2(TYPE.SETTINGS, FLAG.ACK, 0),
  () => frame2(TYPE.PING, chance.pick([0, FLAG.ACK]), 0, chance.bytes(8)),
  () => windowUpdate2(chance.pick([0, id]), chance.pick([1, 1000, 65535, 2 ** 31 - 1, 0])),
  () => frame2(TYPE.PRIORITY, 0, id, Buffer.concat([numbers2(chance.pick([0, id, id + 2])), Buffer.from([7])])),
  () => frame2(TYPE.RST_STREAM, 0, id, numbers2(chance.pick([0, 5, 8, 99]))),
  () => frame2(TYPE.GOAWAY, 0, 0, numbers2(0, 0)),
  () => frame2(chance.below(20), chance.below(256), chance.pick([0, id]), chance.bytes(chance.between(0, 40))),
])();

/** Requests side by side: what belongs to one is in order, what belongs to several is not. */
function http2(chance) {
  const parts = [Buffer.concat([Buffer.from(PREFACE), settings2(chance.is(0.3) ? [setting(chance)] : [])])];
  const streams = chance.times(chance.between(1, 12), (_, index) =>
    chance.pick([get2, get2, post2, webSocket2])(chance, 2 * index + 1));
  for (let begun = 0; streams.some((frames) => frames.length > 0); ) {
    const index = chance.below(Math.min(streams.length, begun + 1));
    begun = Math.max(begun, index + 1);
    parts.push(...streams[index].splice(0, chance.between(1, 4)));
    if (chance.is(0.15)) {
      parts.push(control2(chance, 2 * index + 1));
    }
  }
  return { port: 'http', parts };
}

// --- the broker's objects

function action(chance) {
  const id = chance.pick([{}, {}, { id: chance.below(99) }, { id: 'i'.repeat(chance.between(0, 6000)) }]);
  const about = { topic: topic(chance), ...id };
  return JSON.stringify(chance.pick([
    () => ({ action: 'subscribe', ...about }),
    () => ({ action: 'subscribe', ...about, since: chance.below(99), epoch: chance.pick(EPOCHS) }),
    () => ({ action: 'subscribe', ...about, since: chance.pick(NUMBERS) }),
    () => ({ action: 'unsubscribe', ...about }),
    () => ({ action: 'publish', ...about, message: value(chance) }),
    () => ({ action: 'publish', ...about, message: value(chance), durable: chance.is(0.5) }),
    () => ({ action: 'ping', ...id }),
    () => ({ action: 'dance', ...about }),
  ])());
}

const lines = (chance) => ({
  port: 'broker',
  parts: chance.times(chance.between(1, 40),
    () => Buffer.from(`${action(chance)}${chance.pick(['\n', '\n', '\r\n', ' \n\n'])}`)),
});

/** Any of them. */
export function conversation(chance) {
  return chance.pick([requests, requests, eventStream, webSocket, webSocket, http2, http2, lines])(chance);
}
