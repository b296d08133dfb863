// What a server is asked for besides, over TLS, HTTP/2 and compressed: handshakes that come to an end and
// such that do not, streams by the dozen, messages that come back. Each is done again and again by
// runErrands (soak_clients.mjs); soak.ways: ways.mjs.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import tls from 'node:tls';
import { DeflateClient } from '../../e2e/lib/deflate.mjs';
import { OPCODE } from '../../e2e/lib/frames.mjs';
import { ask2, PREFACE, TYPE, frame2, Tunnel } from '../../e2e/lib/http2.mjs';
import { within } from '../../e2e/lib/until.mjs';
import { OFFERS } from './ways.mjs';

const STREAMS = 24; // of a connection at once
const CLIENTS = 4; // at once, of those that are soon gone: 64 bytes of each have to be seen in half an hour
const LONGEST_MS = 20; // what is cut off lives for that long

const several = (count, one) => Promise.all(Array.from({ length: count }, (_, i) => one(i)));
const pick = (soak, items) => items[soak.below(items.length)];

function closed(socket) {
  const end = new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', resolve)));
  return within(end, 'the end of a connection');
}

function connect(port) {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => {}); // 'close' follows
  return socket;
}

// --- handshakes

const GET_LIVE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** A connection by TLS, and its end. */
async function handshake(soak) {
  const socket = soak.ways.secure(connect(soak.server.secure.port));
  const end = closed(socket);
  const connected = new Promise((resolve) => socket.once('secureConnect', resolve));
  await Promise.race([connected, end]);
  assert.ok(socket.authorized, 'a connection by TLS');
  soak.count('handshakes');
  switch (soak.below(4)) {
    case 0:
      socket.resetAndDestroy();
      break;
    case 1:
      socket.end();
      socket.resume();
      break;
    default: {
      let text = '';
      socket.on('data', (bytes) => (text += bytes)).write(GET_LIVE);
      await end;
      assert.match(text, /^HTTP\/1\.1 200 /);
    }
  }
  await end;
}

export const handshakes = (soak) => several(CLIENTS, () => handshake(soak));

/** What a client says first. */
function helloOf(options) {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk, encoding, done) {
        resolve(chunk);
        done();
        setImmediate(() => socket.destroy());
      },
    });
    const socket = tls.connect({ socket: wire, servername: 'localhost', ...options });
    socket.on('error', () => {});
  });
}

const CUTS = ['end', 'destroy', 'resetAndDestroy'];

/** Says that, and goes when an answer has come, or after a while. */
async function sayAndGo(soak, port, bytes) {
  const socket = connect(port);
  socket.on('data', () => {});
  socket.write(bytes);
  const answered = new Promise((resolve) => socket.once('data', resolve));
  await Promise.race([pause(soak.below(LONGEST_MS)), answered, closed(socket)]);
  socket[pick(soak, CUTS)]();
  await closed(socket);
}

/** A client that does not like what it hears, or that the server does not like. */
async function disagree(soak, options) {
  const { port, ca } = soak.server.secure;
  const socket = tls.connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ...options });
  socket.on('error', () => {});
  socket.once('secureConnect', () => socket.end());
  socket.resume();
  await closed(socket);
}

const TLS_1_1 = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };

const FAILURES = {
  async cutHello(soak) {
    const hello = await helloOf();
    await sayAndGo(soak, soak.server.secure.port, hello.subarray(0, 1 + soak.below(hello.length - 1)));
  },
  cutAnswer: async (soak) => sayAndGo(soak, soak.server.secure.port, await helloOf()),
  /** Behind the server's answer comes what cannot be decrypted. */
  async garbage(soak) {
    const socket = connect(soak.server.secure.port);
    socket.write(await helloOf());
    const answered = new Promise((resolve) => socket.on('data', resolve));
    await Promise.race([answered, closed(socket)]);
    socket.write(Buffer.from('17030300200123456789'.padEnd(74, 'ab'), 'hex'));
    await closed(socket);
  },
  noTls: (soak) => sayAndGo(soak, soak.server.secure.port, GET_LIVE),
  unknownAuthority: (soak) => disagree(soak, { ca: undefined }),
  oldVersion: (soak) => disagree(soak, TLS_1_1),
  otherProtocol: (soak) => disagree(soak, { ALPNProtocols: ['spdy/1'] }),
  cutPreface: (soak) => sayAndGo(soak, soak.server.port, PREFACE.slice(0, 1 + soak.below(PREFACE.length))),
  noSettings: (soak) =>
    sayAndGo(soak, soak.server.port, Buffer.concat([Buffer.from(PREFACE), frame2(TYPE.PING, 0, 0, 'no ping.')])),
};

/** A handshake that leads to nothing. */
export async function failures(soak) {
  const name = pick(soak, Object.keys(FAILURES));
  await FAILURES[name](soak);
  soak.count('failed handshakes');
}

// --- streams

const PATHS = ['/health', '/topics?limit=5', '/', '/metrics'];
const UPGRADE = 'GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n';

/** An event stream or a WebSocket that is reset, whatever has come of it. */
async function resetStream(soak, session) {
  const tunnel = new Tunnel(session);
  tunnel.on('error', () => {}).resume();
  const topic = `/topics/${pick(soak, soak.streams).topic}`;
  const events = `GET ${topic} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`;
  tunnel.write(soak.below(2) === 0 ? events : UPGRADE);
  await pause(soak.below(LONGEST_MS));
  tunnel.destroy();
}

/** Dozens of streams on a connection, most of them requests. */
export async function streams(soak) {
  const { ready } = soak.ways.session(soak.below(2) === 0);
  const session = await ready;
  const one = async (index) => {
    if (index % 4 === 0) {
      await resetStream(soak, session);
    } else {
      const path = pick(soak, PATHS);
      assert.equal((await ask2(session, 'GET', path)).status, 200, path);
    }
  };
  try {
    await several(STREAMS, one);
    soak.count('streams', STREAMS);
  } finally {
    session.destroy();
  }
}

// --- compressed messages

const SIZES = [1, 200, 2000, 20_000];

/** Messages that come back as they were, and one that does not: it is cut off in the middle. */
async function compressedClient(soak) {
  const client = await DeflateClient.open(soak.server, { offer: pick(soak, OFFERS) });
  try {
    for (let i = 1 + soak.below(2); i > 0; i--) {
      const sent = pick(soak, soak.streams).payloadOf(soak.below(1e6)).repeat(50).slice(0, pick(soak, SIZES));
      client.send(OPCODE.TEXT, sent, { parts: 1 + soak.below(3) });
      assert.equal((await client.next()).data.toString(), sent, 'a message comes back');
    }
    if (soak.below(2) === 0) {
      await client.frames.leave();
    } else {
      const [frame] = client.message(OPCODE.TEXT, 'cut off '.repeat(40));
      client.frames.send(frame.subarray(0, soak.below(frame.length)));
    }
    soak.count('compressed clients');
  } finally {
    client.terminate();
    soak.server.clients.delete(client.frames);
  }
}

export const compressed = (soak) => several(CLIENTS, () => compressedClient(soak));
