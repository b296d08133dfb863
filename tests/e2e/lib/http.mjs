// HTTP as a program sees it (request), as a library does (fetchOverHttp), as bytes (RawConnection), and as an event
// stream.
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { Inbox } from './client.mjs';
import { TIMEOUT_MS, within } from './until.mjs';

function parseHead(text) {
  const [first, ...lines] = text.split('\r\n');
  const [version, status, ...reason] = first.split(' ');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value; // as Node's client does
  }
  return { version, status: Number(status), reason: reason.join(' '), headers };
}

/** For Node's http: a port of this machine, or the path of a unix socket. */
const placeOf = (port) =>
  typeof port === 'string' ? { socketPath: port } : { host: '127.0.0.1', port };

/** One request on a connection of its own: {status, headers, text, json}. */
export function request(port, method, path, { headers = {}, body, timeout = TIMEOUT_MS } = {}) {
  const answer = new Promise((resolve, reject) => {
    const outgoing = http.request(
      { ...placeOf(port), method, path, headers, agent: false },
      (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode,
            headers: response.headers,
            text,
            get json() {
              return JSON.parse(text);
            },
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
  return within(answer, `an answer to ${method} ${path}`, timeout);
}

/**
 * What libraries need of fetch, by http.request or https.request with such options. Node 18's own forgets whom an
 * abort was for once the garbage collector has been there, and a stream that nobody wants any more holds up the
 * server's end.
 */
export const fetchBy = (send, options = {}) => (url, { method = 'GET', headers = {}, body, signal } = {}) =>
  new Promise((resolve, reject) => {
    const all = { method, headers: Object.fromEntries(new Headers(headers)), agent: false, signal, ...options };
    const outgoing = send(url, all, (answer) => {
      const { statusCode: status, headers: fields } = answer;
      const response = new Response(Readable.toWeb(answer), { status, headers: fields });
      Object.defineProperty(response, 'url', { value: String(url) });
      resolve(response);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });

export const fetchOverHttp = fetchBy(http.request);

/** A connection on which a test writes any bytes it likes, and reads responses one by one. */
export class RawConnection {
  #buffer = Buffer.alloc(0);
  #arrivals = new Inbox();

  /** options: more of net.connect's. */
  constructor(port, options = {}) {
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true, ...options });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('connect', resolve);
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.ended = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => this.#arrivals.push(data));
    this.socket.on('close', () => this.#arrivals.end('connection closed'));
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  async #more() {
    this.#buffer = Buffer.concat([this.#buffer, await this.#arrivals.next()]);
  }

  async #through(separator) {
    let end;
    while ((end = this.#buffer.indexOf(separator)) < 0) {
      await this.#more();
    }
    const text = this.#buffer.subarray(0, end).toString();
    this.#buffer = this.#buffer.subarray(end + separator.length);
    return text;
  }

  /** So many bytes as they come: for what is no HTTP, an upgraded connection. */
  async bytes(count) {
    while (this.#buffer.length < count) {
      await this.#more();
    }
    const bytes = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return bytes;
  }

  async #exactly(count) {
    return (await this.bytes(count)).toString();
  }

  async #chunked() {
    let text = '';
    for (;;) {
      const size = parseInt(await this.#through('\r\n'), 16);
      text += await this.#exactly(size);
      await this.#through('\r\n');
      if (size === 0) {
        return text;
      }
    }
  }

  /** The next response. Of one to a HEAD request only the head is read. */
  async response({ toHead = false } = {}) {
    const head = parseHead(await this.#through('\r\n\r\n'));
    const hasBody = !toHead && head.status >= 200 && head.status !== 204 && head.status !== 304;
    if (!hasBody) {
      return { ...head, text: '' };
    }
    const text = /chunked/i.test(head.headers['transfer-encoding'] ?? '')
      ? await this.#chunked()
      : await this.#exactly(Number(head.headers['content-length']));
    return { ...head, text };
  }

  /** Waits until the server has closed the connection; returns what it said before. */
  async rest() {
    await within(this.ended, 'the server to close the connection');
    const parts = [this.#buffer, ...this.#arrivals.items.splice(0)];
    return Buffer.concat(parts).toString();
  }

  terminate() {
    this.socket.destroy();
  }
}

/** An event stream read as text: each block is {id, event, data, retry}, as far as it has them. */
export class EventStream {
  #inbox = new Inbox();

  /** A GET, unless a body is given to POST. */
  constructor(port, path, headers = {}, body = undefined) {
    this.opened = new Promise((resolve, reject) => {
      this.request = http.request(
        {
          ...placeOf(port),
          path,
          method: body === undefined ? 'GET' : 'POST',
          headers: { accept: 'text/event-stream', ...headers },
          agent: false,
        },
        (response) => {
          this.status = response.statusCode;
          this.headers = response.headers;
          this.#read(response);
          resolve(this);
        },
      );
      this.request.on('error', (error) => {
        reject(error);
        this.#inbox.end(error.message);
      });
      this.request.on('socket', (socket) => (this.socket = socket));
      this.request.end(body);
    });
    this.opened.catch(() => {});
  }

  #read(response) {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk) => {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        this.#inbox.push(parseBlock(block));
      }
    });
    response.on('error', () => {});
    response.on('close', () => this.#inbox.end('stream ended'));
    this.ended = new Promise((resolve) => response.on('close', resolve));
  }

  get queue() {
    return this.#inbox.items;
  }

  next(pattern, options) {
    return this.#inbox.next(pattern, options);
  }

  upTo(pattern, options) {
    return this.#inbox.upTo(pattern, options);
  }

  terminate() {
    this.request.destroy();
  }
}

function parseBlock(text) {
  const block = {};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) {
      block.comment = line.slice(1);
      continue;
    }
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    block[name] = name in block ? `${block[name]}\n${value}` : value;
  }
  if (block.data) {
    block.message = JSON.parse(block.data);
  }
  return block;
}
