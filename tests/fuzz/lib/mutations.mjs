// What goes wrong on the way: a list of parts becomes other bytes.
import { PREFACE } from '../../e2e/lib/http2.mjs';

const BYTES_MAX = 256 * 1024;

const TOKENS = [
  '\r\n', '\n', '\r', '\r\n\r\n', '\0', ' ', '\t', ':', '%', '%00', '?', '{', '}', '"', '\\u0000',
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'Content-Length: 5\r\n', 'Content-Length: -1\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip\r\n', 'Host: y\r\n', ' folded\r\n',
  '0\r\n\r\n', 'ffffffffffffffff\r\n', 'HTTP/2.0', PREFACE,
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n', '[[[[[[[[', '1e999',
].map((text) => Buffer.from(text)).concat([
  Buffer.from([0x81, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
  Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
  Buffer.from([0x89, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]),
  Buffer.from([0x01, 0x80, 0, 0, 0, 0]),
  Buffer.from([0xc0, 0xaf]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
]);

const HUGE = ['99999999999999999999', '-1', '0', '4294967296', '2147483648', '9007199254740993', '00'];

/** A random range [from, to) of the bytes. */
function range(chance, bytes, longest = bytes.length) {
  const from = chance.below(bytes.length + 1);
  return [from, Math.min(bytes.length, from + chance.between(0, longest))];
}

function replace(bytes, from, to, ...between) {
  return Buffer.concat([bytes.subarray(0, from), ...between, bytes.subarray(to)]);
}

const MUTATIONS = {
  flip(chance, bytes) {
    const flipped = Buffer.from(bytes);
    for (let i = chance.between(1, 8); i > 0 && bytes.length > 0; i--) {
      flipped[chance.below(bytes.length)] ^= 1 << chance.below(8);
    }
    return flipped;
  },
  set: (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return replace(bytes, at, at + 1, Buffer.from([chance.pick([0, 10, 13, 32, 127, 128, 255])]));
  },
  cut: (chance, bytes) => bytes.subarray(0, chance.below(bytes.length + 1)),
  behead: (chance, bytes) => bytes.subarray(chance.between(0, bytes.length)),
  remove: (chance, bytes) => replace(bytes, ...range(chance, bytes)),
  insert: (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return replace(bytes, at, at, chance.bytes(chance.between(1, 200)));
  },
  token: (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return replace(bytes, at, at, chance.pick(TOKENS));
  },
  repeat: (chance, bytes) => {
    const [from, to] = range(chance, bytes, 2000);
    const copies = chance.between(1, 200);
    return replace(bytes, to, to, ...chance.times(copies, () => bytes.subarray(from, to)));
  },
  /** A run of digits becomes another number. */
  number: (chance, bytes) => {
    const runs = [...bytes.toString('latin1').matchAll(/\d+/g)];
    if (runs.length === 0) {
      return bytes;
    }
    const run = chance.pick(runs);
    return replace(bytes, run.index, run.index + run[0].length, Buffer.from(chance.pick(HUGE)));
  },
  /** A line stands there twice, or another line's place is taken. */
  line: (chance, bytes) => {
    const lines = bytes.toString('latin1').split('\n');
    const line = chance.pick(lines);
    lines.splice(chance.below(lines.length), chance.below(2), line);
    return Buffer.from(lines.join('\n'), 'latin1');
  },
  /** Continues as another conversation. */
  splice: (chance, bytes, other) => Buffer.concat([
    bytes.subarray(0, chance.below(bytes.length + 1)),
    other.subarray(chance.below(other.length + 1)),
  ]),
};

/** bytes after a few of them; other: another conversation's bytes. */
export function mutate(chance, bytes, other) {
  for (let i = chance.between(1, 5); i > 0; i--) {
    bytes = MUTATIONS[chance.pick(Object.keys(MUTATIONS))](chance, bytes, other);
    bytes = bytes.subarray(0, BYTES_MAX);
  }
  return bytes;
}
