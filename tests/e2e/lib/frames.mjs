// A WebSocket client that sends what no client should, in any pieces, and reads strictly.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import { Inbox } from './client.mjs';
import { within } from './until.mjs';

export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A length with so many bytes (0, 2 or 8) behind the first. */
function lengthField(length, bytes, maskBit) {
  const field = Buffer.alloc(1 + bytes);
  if (bytes === 0) {
    field[0] = maskBit | Number(length);
  } else if (bytes === 2) {
    field[0] = maskBit | 126;
    field.writeUInt16BE(Number(length), 1);
  } else {
    field[0] = maskBit | 127;
    field.writeBigUInt64BE(BigInt(length), 1);
  }
  return field;
}

const shortestLength = (length) => (length < 126 ? 0 : length < 65536 ? 2 : 8);

/**
 * A frame as a client sends it. length: what the head claims, if not the payload's; lengthBytes: a
 * form that is not the shortest; mask: null for none.
 */
export function frame(opcode, payload = '', options = {}) {
  const bytes = Buffer.from(payload);
  const { fin = true, rsv = 0, mask = randomBytes(4), length = bytes.length } = options;
  const { lengthBytes = shortestLength(length) } = options;
  const first = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode]);
  if (mask === null) {
    return Buffer.concat([first, lengthField(length, lengthBytes, 0), bytes]);
  }
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] ^= mask[i & 3];
  }
  return Buffer.concat([first, lengthField(length, lengthBytes, 0x80), mask, bytes]);
}

export const text = (payload, options) => frame(OPCODE.TEXT, payload, options);
export const binary = (payload, options) => frame(OPCODE.BINARY, payload, options);
export const more = (payload, options) => frame(OPCODE.CONTINUATION, payload, options);
export const ping = (payload, options) => frame(OPCODE.PING, payload, options);
export const pong = (payload, options) => frame(OPCODE.PONG, payload, options);

/** A close frame; code null: without one. */
export function close(code = 1000, reason = '') {
  const bytes = Buffer.alloc(code === null ? 0 : 2);
  if (code !== null) {
    bytes.writeUInt16BE(code);
  }
  return frame(OPCODE.CLOSE, Buffer.concat([bytes, Buffer.from(reason)]));
}

/** A message in so many fragments as there are payloads. */
export function fragments(opcode, payloads) {
  return payloads.map((payload, i) =>
    frame(i === 0 ? opcode : OPCODE.CONTINUATION, payload, { fin: i === payloads.length - 1 }),
  );
}

/** Cuts bytes into pieces of size; the last may be shorter. */
export function pieces(bytes, size) {
  const found = [];
  for (let at = 0; at < bytes.length; at += size) {
    found.push(bytes.subarray(at, at + size));
  }
  return found;
}

export class FrameClient {
  #chunks = [];
  #size = 0;
  #arrivals = new Inbox();
  #isMute = false;

  constructor(port) {
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (data) => this.#arrivals.push(data));
    this.socket.on('end', () => this.#arrivals.end('the end'));
    this.socket.on('error', (error) => this.#arrivals.end(error.code));
    this.socket.on('close', () => this.#arrivals.end('closed'));
  }

  /**
   * Shakes hands with a server, which ends the connection with itself. early: bytes sent behind the
   * request at once; isMute: the server's pings are given by frame() instead of being answered.
   */
  static async open(server, options = {}) {
    const { path = '/echo', headers = '', early = Buffer.alloc(0), isMute = false } = options;
    const { port } = server;
    const client = new FrameClient(port);
    client.#isMute = isMute;
    server.clients.add(client);
    const key = randomBytes(16).toString('base64');
    const head =
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
      `Connection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`;
    client.send(Buffer.concat([Buffer.from(`${head}${headers}\r\n`), early]));
    const answer = await client.#head();
    const accept = createHash('sha1').update(key + GUID).digest('base64');
    assert.match(answer, /^HTTP\/1\.1 101 /);
    assert.ok(answer.includes(`\r\nSec-WebSocket-Accept: ${accept}\r\n`), answer);
    client.extensions = /\r\nSec-WebSocket-Extensions: (.*)\r\n/.exec(answer)?.[1] ?? null;
    return client;
  }

  async #more() {
    const chunk = await this.#arrivals.next(() => true);
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  async #head() {
    let all;
    let end;
    do {
      await this.#more();
      all = Buffer.concat(this.#chunks);
      end = all.indexOf('\r\n\r\n');
    } while (end < 0);
    this.#chunks = [all.subarray(end + 4)];
    this.#size = this.#chunks[0].length;
    return all.subarray(0, end + 2).toString('latin1');
  }

  async #bytes(count) {
    while (this.#size < count) {
      await this.#more();
    }
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(count)];
    this.#size -= count;
    return all.subarray(0, count);
  }

  send(...frames) {
    for (const bytes of frames) {
      this.socket.write(bytes);
    }
  }

  /** Each piece is handed to the system before the next, in turns of its own. */
  async sendApart(parts) {
    for (const part of parts) {
      await new Promise((resolve) => this.socket.write(part, resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async frame() {
    for (;;) {
      const got = await this.#frame();
      if (this.#isMute || got.opcode !== OPCODE.PING) {
        return got;
      }
      this.send(pong(got.payload));
    }
  }

  /** The next frame of the server, which has to be whole, final, unmasked, in its shortest form. */
  async #frame() {
    const [first, second] = await this.#bytes(2);
    const isCompressed = (first & 0x40) !== 0;
    assert.equal(first & 0xb0, 0x80, 'FIN, and no reserved bit');
    assert.ok(!isCompressed || (this.extensions !== null && (first & 0x0f) in [0, 1, 2]), 'RSV1');
    assert.equal(second & 0x80, 0, 'no mask');
    const lengthBytes = [0, 2, 8][Math.max(0, (second & 0x7f) - 125)];
    const field = await this.#bytes(lengthBytes);
    const length = lengthBytes === 0 ? second & 0x7f : Number(BigInt(`0x${field.toString('hex')}`));
    assert.equal(lengthBytes, shortestLength(length), 'the shortest form of the length');
    const opcode = first & 0x0f;
    assert.ok([1, 2, 8, 9, 10].includes(opcode), `opcode ${opcode}`);
    assert.ok(opcode < 8 || length <= 125, 'a short control frame');
    return { opcode, payload: await this.#bytes(length), isCompressed };
  }

  async expect(opcode, payload) {
    const got = await this.frame();
    assert.ok(!got.isCompressed, 'a frame that is not compressed');
    const wanted = Buffer.from(payload);
    const shown = (bytes) => `${bytes.length} bytes, ${bytes.subarray(0, 60).toString('hex')}`;
    assert.equal(got.opcode, opcode, `the frame that came has ${shown(got.payload)}`);
    assert.ok(got.payload.equals(wanted), `${shown(got.payload)} instead of ${shown(wanted)}`);
  }

  /** The server's close frame comes next, and behind it nothing but its end. Returns the reason. */
  async expectClose(code) {
    const { opcode, payload } = await this.frame();
    assert.equal(opcode, OPCODE.CLOSE, `a close, not ${payload.subarray(0, 60)}`);
    assert.equal(payload.length === 0 ? null : payload.readUInt16BE(0), code, 'the close code');
    await this.expectEnd();
    return payload.subarray(2).toString();
  }

  async expectEnd() {
    assert.equal(this.#size, 0, 'nothing more');
    await assert.rejects(this.#more(), /^Error: the end /);
    this.terminate();
  }

  /** The closing handshake, begun by us. */
  async leave(code = 1000) {
    this.send(close(code));
    await this.expectClose(code);
  }

  terminate() {
    this.socket.destroy();
  }
}

/** Runs fn for all items, some at a time. */
export async function forEach(items, fn, width = 16) {
  const queue = items.entries();
  const work = async () => {
    for (const [i, item] of queue) {
      try {
        await fn(item);
      } catch (error) {
        error.message = `${item.name ?? `case ${i}`}: ${error.message}`;
        throw error;
      }
    }
  };
  await within(
    Promise.all(Array.from({ length: Math.min(width, items.length) }, work)),
    'the end of all cases',
    100_000,
  );
}
