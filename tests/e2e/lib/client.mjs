// A WebSocket client (ws) whose messages wait in a queue until a test asks for them.
import net from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import WebSocket from 'ws';
import { TIMEOUT_MS, within } from './until.mjs';

/** Whether every field of the pattern is in the value; a function decides by itself. */
export function matches(pattern, value) {
  if (typeof pattern === 'function') {
    return pattern(value);
  }
  if (pattern instanceof RegExp) {
    return typeof value === 'string' && pattern.test(value);
  }
  if (pattern === null || typeof pattern !== 'object' || Array.isArray(pattern)) {
    return isDeepStrictEqual(pattern, value);
  }
  return (
    value !== null &&
    typeof value === 'object' &&
    Object.entries(pattern).every(([key, inner]) => matches(inner, value[key]))
  );
}

const describe = (pattern) =>
  typeof pattern === 'function' ? pattern.toString() : JSON.stringify(pattern);

/** What came and has not been asked for yet; whoever waits is woken by every arrival. */
export class Inbox {
  items = [];
  ended = null; // why nothing more will come
  #waiting = [];

  push(item) {
    this.items.push(item);
    this.#wake();
  }

  end(reason) {
    this.ended ??= reason;
    this.#wake();
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  /** Removes and returns the first item that matches; what does not match stays. */
  async next(pattern = {}, options) {
    return this.#take(pattern, options, (index) => this.items.splice(index, 1)[0]);
  }

  /** Removes and returns all up to and with the first that matches: for order and for "no more". */
  async upTo(pattern, options) {
    return this.#take(pattern, options, (index) => this.items.splice(0, index + 1));
  }

  /** remove gets the index at once: after an await another's removal may have moved the item. */
  async #take(pattern, { timeout = TIMEOUT_MS } = {}, remove) {
    const deadline = Date.now() + timeout;
    for (;;) {
      const index = this.items.findIndex((item) => matches(pattern, item));
      if (index >= 0) {
        return remove(index);
      }
      if (this.ended) {
        throw new Error(`${this.ended} before ${describe(pattern)}; ${this.#rest()}`);
      }
      const arrival = new Promise((resolve) => this.#waiting.push(resolve));
      await within(arrival, () => `${describe(pattern)}; ${this.#rest()}`, deadline - Date.now());
    }
  }

  #rest() {
    const text = JSON.stringify(this.items.slice(0, 8));
    return `there are ${this.items.length}: ${text.slice(0, 1500)}`;
  }
}

export class Client {
  #inbox = new Inbox();

  /** isRaw: messages stay the text that came, instead of the JSON in it. */
  constructor(url, { headers, protocols = [], isRaw = false, options = {} } = {}) {
    this.ws = new WebSocket(url, protocols, {
      perMessageDeflate: false,
      headers,
      // The target's path is that of the request; net would take it for a local socket.
      createConnection: (target) => (this.socket = net.connect({ ...target, path: undefined })),
      ...options,
    });
    this.opened = new Promise((resolve, reject) => {
      this.ws.once('open', resolve);
      this.ws.once('error', reject);
      this.ws.once('unexpected-response', (request, response) => {
        reject(Object.assign(new Error(`HTTP ${response.statusCode}`), {
          status: response.statusCode,
        }));
        request.destroy();
      });
    });
    this.opened.catch(() => {}); // whoever awaits it gets the error
    this.closed = new Promise((resolve) => {
      this.ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.ws.on('error', () => {});
    this.ws.on('message', (data, isBinary) => {
      this.#inbox.push(isBinary ? data : isRaw ? data.toString() : JSON.parse(data.toString()));
    });
    this.ws.on('close', (code) => this.#inbox.end(`closed with ${code}`));
  }

  get queue() {
    return this.#inbox.items;
  }

  send(message) {
    const isReady = typeof message === 'string' || Buffer.isBuffer(message);
    this.ws.send(isReady ? message : JSON.stringify(message));
  }

  next(pattern, options) {
    return this.#inbox.next(pattern, options);
  }

  upTo(pattern, options) {
    return this.#inbox.upTo(pattern, options);
  }

  /** The closing handshake's code, whoever began it. */
  async closeCode() {
    return (await within(this.closed, 'close')).code;
  }

  async close(code = 1000) {
    this.ws.close(code);
    return this.closeCode();
  }

  terminate() {
    this.ws.terminate();
  }
}

export class RoomClient extends Client {
  async greeting() {
    return this.next({ type: 'greeting' });
  }

  /** Says text and returns when it has come back to this client. */
  async say(text) {
    this.send(text);
    return this.next({ type: 'message', data: text });
  }
}

export class BrokerClient extends Client {
  #lastId = 0;

  /** Sends a request with an id of its own and returns the answer with that id. */
  async call(request) {
    const id = `call-${++this.#lastId}`;
    this.send({ ...request, id });
    const answer = await this.next({ id });
    delete answer.id;
    return answer;
  }

  subscribe(topic, since = {}) {
    return this.call({ action: 'subscribe', topic, ...since });
  }

  publish(topic, message, more = {}) {
    return this.call({ action: 'publish', topic, message, ...more });
  }

  ping() {
    return this.call({ action: 'ping' });
  }
}
