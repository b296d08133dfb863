// A client of the raw broker, one JSON object per line, and a server that has one.
import net from 'node:net';
import { Inbox } from './client.mjs';
import { onLines } from './lines.mjs';
import { freePort } from './server.mjs';
import { within } from './until.mjs';

export class LineClient {
  #inbox = new Inbox();

  constructor(port, options = {}) {
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true, ...options });
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    onLines(this.socket, (line) => this.#inbox.push(JSON.parse(line)));
    this.socket.on('error', () => {});
    this.socket.on('close', () => this.#inbox.end('connection closed'));
  }

  get queue() {
    return this.#inbox.items;
  }

  write(text) {
    this.socket.write(text);
  }

  send(message) {
    this.write(`${JSON.stringify(message)}\n`);
  }

  next(pattern) {
    return this.#inbox.next(pattern);
  }

  /** Waits until the server has closed the connection. */
  end() {
    return within(this.closed, 'the server to close the connection');
  }

  terminate() {
    this.socket.destroy();
  }
}

/** A server with a raw listener, and a function that connects to it; both take their options. */
export async function startRaw(start, { args = [], ...options } = {}) {
  const port = await freePort();
  const raw = ['--broker-listen', `127.0.0.1:${port}`];
  const server = await start({ ...options, args: [...raw, ...args] });
  const connect = (socketOptions) => {
    const client = new LineClient(port, socketOptions);
    server.clients.add(client);
    return client;
  };
  return { server, connect };
}
