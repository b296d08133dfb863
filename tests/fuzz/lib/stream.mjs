// One client's connection, made by a seed: what it writes, in which pieces and at which pace, and how
// it ends. A stream can be kept in a file and played again.
//
//   {port: 'http' | 'broker', writes: [{bytes, pause}], end, isDeaf}
//
// pause: ms before the write. end: what the client does when all is written: 'wait' (for the server,
// for a while), 'half' (its side first), 'close', 'reset'. isDeaf: it reads nothing meanwhile.
import fs from 'node:fs';
import net from 'node:net';
import { Chance } from './chance.mjs';
import { conversation } from './conversations.mjs';
import { mutate } from './mutations.mjs';

const PIECES_MAX = 400;
const RECEIVED_MAX = 4 * 1024 * 1024; // of one connection; then it has seen enough
const MUTATED = 0.75; // of the streams: the others keep the server in deep states

function cutAnywhere(chance, bytes) {
  const pieces = [];
  const longest = chance.is(0.15) ? 1 : 1 + chance.between(1, Math.max(1, bytes.length));
  for (let at = 0; at < bytes.length; ) {
    const isLast = pieces.length === PIECES_MAX - 1;
    const size = isLast ? bytes.length - at : 1 + chance.below(longest);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

export function makeStream(seed) {
  const chance = new Chance(seed);
  const { port, parts } = conversation(chance);
  let pieces = parts;
  if (chance.is(MUTATED)) {
    const other = Buffer.concat(conversation(chance).parts);
    pieces = cutAnywhere(chance, mutate(chance, Buffer.concat(parts), other));
  } else if (chance.is(0.5)) {
    pieces = cutAnywhere(chance, Buffer.concat(parts));
  }
  const pause = chance.pick([0, 0, 0, 1, 20]);
  return {
    // Now and then at the wrong door.
    port: chance.is(0.03) ? chance.pick(['http', 'broker']) : port,
    writes: pieces.map((bytes) => ({ bytes, pause: chance.below(pause + 1) })),
    end: chance.pick(['wait', 'wait', 'wait', 'half', 'half', 'close', 'reset']),
    isDeaf: chance.is(0.08),
  };
}

export function saveStream(stream, file) {
  const writes = stream.writes.map(({ bytes, pause }) => ({ pause, base64: bytes.toString('base64') }));
  fs.writeFileSync(file, `${JSON.stringify({ ...stream, writes }, null, 1)}\n`);
}

export function loadStream(file) {
  const stream = JSON.parse(fs.readFileSync(file, 'utf8'));
  stream.writes = stream.writes.map(({ pause, base64 }) => (
    { pause, bytes: Buffer.from(base64, 'base64') }));
  return stream;
}

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function write(socket, writes) {
  for (const { bytes, pause } of writes) {
    if (socket.destroyed || socket.writableEnded) {
      return;
    }
    if (!socket.write(bytes) && !socket.destroyed) {
      // A server that does not read: give it a moment, then write on or leave.
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), delay(500)]);
    }
    if (pause > 0) {
      await delay(pause);
    }
  }
}

/** Plays a stream to its end; resolves with the bytes that came. An error of the socket ends it, too. */
export async function play(stream, ports, { linger = 300 } = {}) {
  const socket = net.connect({ host: '127.0.0.1', port: ports[stream.port], noDelay: true });
  const received = [];
  let total = 0;
  socket.on('error', () => {});
  socket.on('data', (data) => {
    total += data.length;
    if (total > RECEIVED_MAX) {
      socket.destroy();
    } else {
      received.push(data);
    }
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  if (stream.isDeaf) {
    socket.pause();
  }
  await Promise.race([write(socket, stream.writes), closed]);
  if (stream.end === 'half' && !socket.destroyed) {
    socket.end();
  }
  if (stream.end === 'wait' || stream.end === 'half') {
    await Promise.race([closed, delay(stream.isDeaf ? 4 * linger : linger)]);
  }
  if (stream.end === 'reset' && !socket.destroyed) {
    socket.resetAndDestroy();
  }
  socket.destroy();
  await closed;
  return Buffer.concat(received);
}
