// permessage-deflate by hand, with Node's zlib: what a client of the test's own sends and understands.
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { FrameClient, frame, OPCODE } from './frames.mjs';

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const WINDOW = 32 * 1024;

/** The payload of a compressed message; dictionary: what came before, when a context is kept. */
export function deflated(bytes, { windowBits = 15, level = 6, dictionary } = {}) {
  const data = Buffer.from(bytes);
  if (data.length === 0) {
    return Buffer.from([0]); // RFC 7692 section 7.2.3.6
  }
  const options = { windowBits, level, finishFlush: zlib.constants.Z_SYNC_FLUSH };
  const packed = zlib.deflateRawSync(data, dictionary ? { ...options, dictionary } : options);
  assert.ok(packed.subarray(-4).equals(TAIL));
  return packed.subarray(0, -4);
}

/** The same way back; a window too small for it is an error. */
export function inflated(payload, { windowBits = 15 } = {}) {
  return zlib.inflateRawSync(Buffer.concat([payload, TAIL]), {
    windowBits,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });
}

const parameter = (extensions, name) => new RegExp(`${name}(?:=(\\d+))?`).exec(extensions);

/** One side of what a client and a server have agreed on: extensions is the server's answer. */
export class Agreement {
  #history = Buffer.alloc(0);

  constructor(extensions) {
    this.keepsContext = !parameter(extensions, 'client_no_context_takeover');
    this.serverBits = Number(parameter(extensions, 'server_max_window_bits')?.[1] ?? 15);
  }

  /** One message, compressed as its context has it; parts: in so many frames. windowBits: the client's. */
  message(opcode, bytes, { parts = 1, windowBits = 15, level = 6, isCompressed = true } = {}) {
    const data = Buffer.from(bytes);
    let payload = data;
    if (isCompressed) {
      const dictionary = this.keepsContext && this.#history.length > 0 ? this.#history : undefined;
      payload = deflated(data, { windowBits, level, dictionary });
      this.#history = Buffer.concat([this.#history, data]).subarray(-Math.min(WINDOW, 2 ** windowBits));
    }
    const size = Math.ceil(payload.length / parts);
    return Array.from({ length: parts }, (_, i) =>
      frame(i === 0 ? opcode : OPCODE.CONTINUATION, payload.subarray(i * size, (i + 1) * size), {
        fin: i === parts - 1,
        rsv: i === 0 && isCompressed ? 4 : 0,
      }),
    );
  }

  /** What the server means; each of its messages stands for itself. */
  open(payload) {
    return inflated(payload, { windowBits: this.serverBits });
  }
}

/** A FrameClient that has agreed on compression, as the server has answered its offer. */
export class DeflateClient {
  static async open(server, { offer = 'permessage-deflate', ...options } = {}) {
    const client = new DeflateClient();
    client.frames = await FrameClient.open(server, {
      ...options,
      headers: `Sec-WebSocket-Extensions: ${offer}\r\n${options.headers ?? ''}`,
    });
    client.extensions = client.frames.extensions;
    assert.ok(client.extensions, 'it is agreed on');
    client.agreement = new Agreement(client.extensions);
    return client;
  }

  get keepsContext() {
    return this.agreement.keepsContext;
  }

  get serverBits() {
    return this.agreement.serverBits;
  }

  message(opcode, bytes, options) {
    return this.agreement.message(opcode, bytes, options);
  }

  send(opcode, bytes, options) {
    this.frames.send(...this.message(opcode, bytes, options));
  }

  /** The next message: {opcode, data, isCompressed, wireBytes}. */
  async next() {
    const { opcode, payload, isCompressed } = await this.frames.frame();
    const data = isCompressed ? this.agreement.open(payload) : payload;
    return { opcode, data, isCompressed, wireBytes: payload.length };
  }

  terminate() {
    this.frames.terminate();
  }
}
