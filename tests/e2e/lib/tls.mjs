// A server that speaks TLS beside plain text, certificates for it, and clients that trust them.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { BrokerClient, Inbox, RoomClient } from './client.mjs';
import { fetchBy } from './http.mjs';
import { onLines } from './lines.mjs';
import { freePort, makeDirectory } from './server.mjs';
import { within } from './until.mjs';

const run = promisify(execFile);
const openssl = (...args) => run('openssl', args);

const KEYS = {
  ecdsa: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-newkey', 'rsa:2048'],
};

/** An authority of the test's own: issue() makes a certificate and its key, as files. */
export class Authority {
  #count = 0;

  static async make(cleanup) {
    const authority = new Authority();
    authority.directory = makeDirectory();
    cleanup(() => fs.rmSync(authority.directory, { recursive: true, force: true }));
    authority.file = path.join(authority.directory, 'ca.pem');
    authority.key = path.join(authority.directory, 'ca-key.pem');
    await openssl('req', '-x509', '-nodes', ...KEYS.ecdsa, '-days', '9', '-subj', `/CN=${path.basename(authority.directory)}`,
      '-keyout', authority.key, '-out', authority.file);
    authority.pem = fs.readFileSync(authority.file, 'utf8');
    return authority;
  }

  /** names: of hosts; subject: of the certificate; kind: of the key. {cert, key}: files' names. */
  async issue({ names = [], subject = `/CN=${names[0] ?? 'nobody'}`, kind = 'ecdsa', days = 9 } = {}) {
    const base = path.join(this.directory, String(++this.#count));
    const [cert, key, request] = [`${base}.pem`, `${base}-key.pem`, `${base}.csr`];
    await openssl('req', '-new', '-utf8', '-nodes', ...KEYS[kind], '-subj', subject,
      '-keyout', key, '-out', request);
    const list = names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`));
    fs.writeFileSync(`${base}.ext`, list.length > 0 ? `subjectAltName=${list}\n` : '');
    await openssl('x509', '-req', '-in', request, '-CA', this.file, '-CAkey', this.key,
      '-set_serial', String(1000 + this.#count), '-days', String(days), '-extfile', `${base}.ext`,
      '-out', cert);
    fs.chmodSync(key, 0o600);
    return { cert, key };
  }
}

/**
 * A server with `port` for plain text as ever, and `secure`: {port, ca, host, authority}. args, more:
 * of the server; certificates: pairs beside the first, which is for localhost.
 */
export async function startTls(start, cleanup, { args = [], certificates = [], ...more } = {}) {
  const authority = more.authority ?? (await Authority.make(cleanup));
  const pairs = [await authority.issue({ names: ['localhost', '127.0.0.1'] }), ...certificates];
  const port = await freePort();
  const server = await start({
    ...more,
    args: [
      ...['--listen', `tls:127.0.0.1:${port}`],
      ...pairs.flatMap(({ cert, key }) => ['--tls-cert', cert, '--tls-key', key]),
      ...args,
    ],
  });
  server.secure = { port, ca: authority.pem, authority };
  return server;
}

/** A connection of TLS to `port`, when its handshake is done. */
export async function connectTls(server, options = {}) {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: server.secure.port,
    servername: 'localhost',
    ca: server.secure.ca,
    ...options,
  });
  server.clients.add({ terminate: () => socket.destroy() });
  const connected = new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed in the handshake')));
  });
  connected.catch(() => {});
  await within(connected, 'a handshake of TLS');
  socket.on('error', () => {});
  return socket;
}

/** Why a connection is refused: the error's code. */
export async function refusalOf(server, options) {
  try {
    const socket = await connectTls(server, options);
    // In TLS 1.3 a client is through before the server has looked at its certificate.
    await within(new Promise((resolve, reject) => {
      socket.removeAllListeners('error');
      socket.once('error', reject);
      socket.once('close', resolve);
      socket.resume();
    }), 'the end of a connection that is to be refused');
    return 'closed';
  } catch (error) {
    return error.code ?? error.message;
  }
}

const socketOptions = (server) => ({
  options: { createConnection: undefined, ca: server.secure.ca, rejectUnauthorized: true },
});

async function opened(server, client) {
  server.clients.add(client);
  await within(client.opened, 'a WebSocket over TLS');
  client.socket = client.ws._socket;
  return client;
}

export const urlOf = (server, scheme, target) =>
  `${scheme}://localhost:${server.secure.port}${target}`;

export async function secureRoom(server, id = '') {
  const target = id === '' ? '/ws' : `/ws/${id}`;
  const client = await opened(server, new RoomClient(urlOf(server, 'wss', target), socketOptions(server)));
  client.greeted = await client.greeting();
  return client;
}

export const secureBroker = (server) =>
  opened(server, new BrokerClient(urlOf(server, 'wss', '/broker'), socketOptions(server)));

/** The WebSocket class for libraries that make their own. */
export function secureWebSocket(server) {
  return class extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, { ca: server.secure.ca, perMessageDeflate: false });
    }
  };
}

/** fetch for libraries, which knows the authority. */
export const secureFetch = (server) => fetchBy(https.request, { ca: server.secure.ca });

/** The raw broker over TLS; options: of connectTls. */
export async function secureLine(server, port, options = {}) {
  const socket = await connectTls(server, { port, ...options });
  const inbox = new Inbox();
  onLines(socket, (line) => inbox.push(JSON.parse(line)));
  socket.on('close', () => inbox.end('connection closed'));
  return {
    socket,
    send: (message) => socket.write(`${JSON.stringify(message)}\n`),
    next: (pattern) => inbox.next(pattern),
  };
}
