// HTTP/2 as a program sees it (connect2, ask2), WebSockets over it (over2), and as frames (RawHttp2).
import { createHash } from 'node:crypto';
import http2 from 'node:http2';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { BrokerClient, Client, Inbox, RoomClient } from './client.mjs';
import { within } from './until.mjs';

const HEAD_END = '\r\n\r\n';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const acceptOf = (key) => createHash('sha1').update(key + GUID).digest('base64');

/**
 * A connection, by TLS where the server was started with it and `secure` says so. socket: of the
 * caller's, which connects by itself.
 */
export async function connect2(server, { secure = false, settings, socket } = {}) {
  const options = { settings, ...(socket && { createConnection: () => socket }) };
  const session = secure
    ? http2.connect(`https://localhost:${server.secure.port}`, { ca: server.secure.ca, ...options })
    : http2.connect(`http://127.0.0.1:${server.port}`, options);
  const client = { terminate: () => session.destroy() };
  server.clients.add(client);
  session.once('close', () => server.clients.delete(client));
  session.on('error', () => {});
  session.goaways = [];
  session.on('goaway', (code, lastStream) => session.goaways.push({ code, lastStream }));
  session.ended = new Promise((resolve) => session.once('close', resolve));
  const ready = new Promise((resolve, reject) => {
    session.once('remoteSettings', resolve);
    session.once('close', () => reject(new Error('closed before its SETTINGS')));
  });
  await within(ready, 'SETTINGS');
  return session;
}

/** One request: {status, headers, text, trailers}. */
export function ask2(session, method, path, { headers = {}, body } = {}) {
  const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
  const answer = new Promise((resolve, reject) => {
    const chunks = [];
    let head;
    stream.once('response', (fields) => (head = fields));
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      if (!head) {
        reject(new Error(`closed with ${stream.rstCode} before an answer`));
        return;
      }
      const { ':status': status, ...rest } = head;
      resolve({ status, headers: rest, text: Buffer.concat(chunks).toString() });
    });
  });
  if (body !== undefined) {
    stream.end(body);
  }
  return within(answer, `an answer to ${method} ${path}`);
}

/** An event stream: what comes of its text. */
export function events2(session, path) {
  const stream = session.request({ ':path': path, accept: 'text/event-stream' });
  const inbox = new Inbox();
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk) => {
    const parts = (text + chunk).split('\n\n');
    text = parts.pop();
    parts.forEach((part) => inbox.push(part));
  });
  stream.on('error', () => {});
  stream.on('close', () => inbox.end(`closed with ${stream.rstCode}`));
  return { stream, next: (pattern, options) => inbox.next(pattern, options) };
}

/**
 * A socket for those who know HTTP/1.1 only: a request for a WebSocket becomes an extended CONNECT
 * (RFC 8441) on the session, its answer the 101 that they wait for; any other becomes itself. One
 * request; its body, if it has one, comes with the head's end. session: or a promise of one.
 */
export class Tunnel extends Duplex {
  #session;
  #head = Buffer.alloc(0);

  constructor(session) {
    super();
    Promise.resolve(session).then(
      (ready) => {
        this.#session = ready;
        this.emit('connect');
        this.#begin();
      },
      (error) => this.destroy(error),
    );
  }

  /** When the session is there, and a head. */
  #begin() {
    const end = this.#head.indexOf(HEAD_END);
    if (!this.#session || this.stream || end < 0 || this.destroyed) {
      return;
    }
    if (this.#session.closed) {
      this.destroy();
    } else {
      this.#open(this.#head.latin1Slice(0, end), this.#head.subarray(end + HEAD_END.length));
    }
  }

  #open(text, body) {
    const [first, ...lines] = text.split('\r\n');
    const given = Object.fromEntries(lines.filter(Boolean).map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    const { host, connection, upgrade, 'sec-websocket-key': key, ...headers } = given;
    const [method, path] = first.split(' ');
    const kind = upgrade ? { ':method': 'CONNECT', ':protocol': 'websocket' } : { ':method': method };
    this.stream = this.#session.request({ ...kind, ':path': path, ...headers }, { endStream: !upgrade && body.length === 0 });
    this.stream.once('response', (fields) => this.#answer(fields, key));
    this.stream.on('data', (chunk) => this.push(chunk) || this.stream.pause());
    this.stream.on('end', () => this.push(null));
    this.stream.on('error', () => {});
    this.stream.on('close', () => this.destroy());
    if (!upgrade && body.length > 0) {
      this.stream.end(body);
    } else if (body.length > 0) {
      this.stream.write(body);
    }
  }

  #answer({ ':status': status, ...fields }, key) {
    const isSwitched = status === 200 && key !== undefined;
    const lines = Object.entries(fields)
      .filter(([name]) => !(isSwitched && name === 'content-length'))
      .map(([name, value]) => `${name}: ${value}`);
    const head = isSwitched
      ? ['HTTP/1.1 101 OK', 'upgrade: websocket', 'connection: upgrade', `sec-websocket-accept: ${acceptOf(key)}`]
      : [`HTTP/1.1 ${status} of HTTP/2`, 'connection: close'];
    this.push([...head, ...lines, '', ''].join('\r\n'));
  }

  _write(chunk, encoding, done) {
    if (this.stream) {
      this.stream.write(chunk, done);
      return;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    this.#begin();
    done();
  }

  _read() {
    this.stream?.resume();
  }

  _final(done) {
    this.stream?.end();
    done();
  }

  _destroy(error, done) {
    if (!this.stream?.writableEnded || !this.stream.readableEnded) {
      this.stream?.close(http2.constants.NGHTTP2_CANCEL); // terminated
    }
    done(error);
  }

  resetAndDestroy() {
    return this.destroy();
  }

  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {}

  unref() {}
}

/** For ws, and whatever is made of it. */
export const over2 = (session) => ({ createConnection: () => new Tunnel(session) });

async function opened(server, client) {
  server.clients.add(client);
  await within(client.opened, 'a WebSocket over HTTP/2');
  client.stream = client.ws._socket.stream;
  return client;
}

const url = (target) => `ws://127.0.0.1${target}`;

export const socket2 = (server, session, target, options = {}) =>
  opened(server, new Client(url(target), { ...options, options: { ...options.options, ...over2(session) } }));

export async function room2(server, session, id = '') {
  const target = id === '' ? '/ws' : `/ws/${id}`;
  const client = await opened(server, new RoomClient(url(target), { options: over2(session) }));
  client.greeted = await client.greeting();
  return client;
}

export const broker2 = (server, session, options = {}) =>
  opened(server, new BrokerClient(url('/broker'), { options: { ...options, ...over2(session) } }));

// --- frames

export const TYPE = {
  DATA: 0, HEADERS: 1, PRIORITY: 2, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8,
  CONTINUATION: 9,
};
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8 };
export const ENHANCE_YOUR_CALM = 11;
const HEAD_BYTES = 9;
export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export function frame2(type, flags, id, payload = Buffer.alloc(0)) {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, bytes]);
}

/** The frame that begins there; null: not even its head is whole. Its payload may be cut off: shorter than length. */
export function frame2At(bytes, at) {
  if (bytes.length - at < HEAD_BYTES) {
    return null;
  }
  const length = bytes.readUIntBE(at, 3);
  const begin = at + HEAD_BYTES;
  const [type, flags, id] = [bytes[at + 3], bytes[at + 4], bytes.readUInt32BE(at + 5)];
  return { type, flags, id, length, payload: bytes.subarray(begin, begin + length), end: begin + length };
}

/** Numbers as frames have them: 32 bits each. */
export function numbers2(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

export const windowUpdate2 = (id, increment) => frame2(TYPE.WINDOW_UPDATE, 0, id, numbers2(increment));

/** entries: [id, value] each. */
export const settings2 = (entries) => frame2(TYPE.SETTINGS, 0, 0,
  Buffer.concat(entries.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 255]), numbers2(value)]))));

/** A length of RFC 7541 section 5.2: without Huffman's code. */
function length2(length) {
  const bytes = [Math.min(length, 127)];
  let rest = length - 127;
  for (; rest >= 128; rest >>= 7) {
    bytes.push(0x80 | (rest & 127));
  }
  return Buffer.from(rest < 0 ? bytes : [...bytes, rest]);
}

const string2 = (text) => [length2(Buffer.byteLength(text)), Buffer.from(text)];

/** Literal fields, never indexed. */
export const fields2 = (object) =>
  Buffer.concat(Object.entries(object).flatMap(([name, value]) =>
    [Buffer.from([0x10]), ...string2(name), ...string2(value)]));

export const GET2 = (path = '/health/live') =>
  fields2({ ':method': 'GET', ':scheme': 'http', ':path': path, ':authority': 'localhost' });
export const CONNECT2 = (path) =>
  fields2({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': path, ':authority': 'localhost', 'sec-websocket-version': '13' });

/** A connection on which a test writes any frames it likes; those that come wait in `frames`. */
export class RawHttp2 {
  frames = new Inbox();
  #buffer = Buffer.alloc(0);

  /** settings: of the first frame, [id, value] each. */
  constructor(server, { secure = false, settings = [] } = {}) {
    this.socket = secure
      ? tls.connect({ host: '127.0.0.1', port: server.secure.port, servername: 'localhost', ca: server.secure.ca, ALPNProtocols: ['h2'] })
      : net.connect({ host: '127.0.0.1', port: server.port });
    server.clients.add(this);
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.ended = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.once('close', () => this.frames.end('connection closed'));
    this.write(Buffer.concat([Buffer.from(PREFACE), settings2(settings)]));
  }

  #read(chunk) {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    let frame;
    while ((frame = frame2At(this.#buffer, 0)) && frame.end <= this.#buffer.length) {
      const { type, flags, id, payload, end } = frame;
      this.#buffer = this.#buffer.subarray(end);
      if (type === TYPE.GOAWAY) {
        this.goaway = payload.readUInt32BE(4);
      }
      this.frames.push({ type, flags, id, payload });
    }
  }

  /** False: not all of it is with the system yet. */
  write(bytes) {
    return this.socket.write(bytes);
  }

  async written() {
    if (this.socket.writableNeedDrain) {
      await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.ended]);
    }
  }

  terminate() {
    this.socket.destroy();
  }
}
