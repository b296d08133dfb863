// Subscribers of every protocol behind one function, for tests in which millions of events arrive: what
// comes is given at once to whoever checks it, and nothing is kept.
//
//   openReader(kind, server, topics, {token, onItem, whenReady, way})
//
// token: {epoch, seq} of where to resume, or a Map of these by topic. whenReady gets a function that sends the subscription as soon
// as nothing but that is to be done, for many that are to subscribe at once. way: how the client comes, in plain text unless it says
// otherwise (ways.mjs). onItem gets, as they come,
//
//   {type: 'start', topic, seq, epoch, recovered}   the subscription stands (recovered: where it is said)
//   {type: 'event', topic, seq, data}
//   {type: 'gap', topic, oldest}                    with GraphQL also the epoch
//   {type: 'other', message}                        what the test has to judge
//
// Texts are taken as Latin-1, which is several times as fast as UTF-8: whoever uses this sends ASCII.
import { Agreement } from '../../e2e/lib/deflate.mjs';
import { close, OPCODE, pong, text } from '../../e2e/lib/frames.mjs';
import { PLAIN } from './ways.mjs';

const HEAD_END = '\r\n\r\n';
const KEY = 'c2x1aWNlIHNsdWljZSBzbA==';
const EXTENSIONS = /\r\nsec-websocket-extensions: (.*)/i;
const LONGEST = 125; // lengths that stand in a frame's second byte
const COMPRESSED = 0x40; // RSV1 in a frame's first byte

/** Cuts one piece off the bytes at `at`: [kind, from, to, next], or null when it is not whole yet. */
const cutters = {
  head(bytes, at) {
    const end = bytes.indexOf(HEAD_END, at);
    return end < 0 ? null : ['head', at, end, end + HEAD_END.length];
  },
  line(bytes, at) {
    const end = bytes.indexOf(10, at);
    return end < 0 ? null : ['message', at, end, end + 1];
  },
  block(bytes, at) {
    const end = bytes.indexOf('\n\n', at);
    return end < 0 ? null : ['message', at, end, end + 2];
  },
  frame(bytes, at) {
    if (bytes.length < at + 2) {
      return null;
    }
    const short = bytes[at + 1];
    const from = at + (short <= LONGEST ? 2 : short === LONGEST + 1 ? 4 : 10);
    if (bytes.length < from) {
      return null;
    }
    const length =
      from === at + 2 ? short : from === at + 4 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
    const to = from + length;
    const kinds = {
      [OPCODE.TEXT]: 'message',
      [OPCODE.TEXT | COMPRESSED]: 'compressed',
      [OPCODE.PING]: 'ping',
      [OPCODE.CLOSE]: 'close',
    };
    return bytes.length < to ? null : [kinds[bytes[at] & (COMPRESSED | 0x0f)] ?? 'unknown', from, to, to];
  },
};

class Reader {
  #rest = Buffer.alloc(0);
  #agreement = null; // on compression
  isOpen = false; // and accepted, where the protocol says so
  compressed = 0; // messages that came so
  closeCode = null; // of a close frame

  /** socket: that connects by itself. */
  constructor(socket, { request, cut, whenReady = (go) => go(), onOpen = () => {}, onMessage }) {
    this.cut = request ? cutters.head : cut;
    this.isFramed = cut === cutters.frame;
    this.socket = socket;
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.on('error', () => {}); // 'close' follows
    this.socket.once(this.socket.encrypted ? 'secureConnect' : 'connect', () => {
      if (request) {
        whenReady(() => this.socket.write(request));
      } else {
        this.isOpen = true;
        onOpen(this);
      }
    });
    this.handle = {
      head: (head) => {
        if (!/^HTTP\/1\.1 (101|200) /.test(head)) {
          this.terminate(); // draining, or full: whoever wanted it comes again
        }
        this.cut = cut;
        const [, extensions] = EXTENSIONS.exec(head) ?? [];
        this.#agreement = extensions ? new Agreement(extensions) : null;
        this.isOpen = true;
        onOpen(this);
      },
      message: (message) => onMessage(message, this),
      compressed: (payload) => {
        this.compressed++;
        onMessage(this.#agreement.open(Buffer.from(payload, 'latin1')).latin1Slice(), this);
      },
      ping: (payload) => this.socket.write(pong(Buffer.from(payload, 'latin1'))),
      close: (payload) => {
        this.closeCode = payload.length < 2 ? null : payload.charCodeAt(0) * 256 + payload.charCodeAt(1);
        this.isGone = true;
        this.socket.end(close(this.closeCode)); // the answer; the server ends the connection
      },
    };
    this.socket.on('data', (bytes) => this.#take(bytes));
  }

  #take(chunk) {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let piece; !this.isGone && (piece = this.cut(bytes, at)); at = piece[3]) {
      this.handle[piece[0]](bytes.latin1Slice(piece[1], piece[2]));
    }
    this.#rest = bytes.subarray(at);
  }

  /** Tells the server all of that at once: lines, or WebSocket messages. */
  say(...messages) {
    const encode = (message) =>
      !this.isFramed ? [Buffer.from(`${message}\n`)]
      : this.#agreement ? this.#agreement.message(OPCODE.TEXT, message)
      : [text(message)];
    this.socket.write(Buffer.concat(messages.flatMap(encode)));
  }

  /** Nothing more is taken from the system, which has buffers of its own. */
  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }

  /** From now on nothing is handled, not even what has come with the same read. */
  terminate() {
    this.isGone = true;
    this.socket.destroy();
  }
}

const upgrade = (path, { port }, { headers, offer }, protocol) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${headers}` +
  `${offer ? `Sec-WebSocket-Extensions: ${offer}\r\n` : ''}` +
  `${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ''}\r\n`;

/** What the broker says, over WebSocket and raw TCP. */
function takeBroker(onItem) {
  return (source) => {
    const message = JSON.parse(source);
    if (message.type === 'message') {
      onItem({ ...message, type: 'event' });
    } else if (message.type === 'gap') {
      onItem(message);
    } else if (message.status === 'subscribed') {
      onItem({ ...message, type: 'start' });
    } else {
      onItem({ type: 'other', message });
    }
  };
}

const subscribeRequests = (topics, token) =>
  topics.map((topic) => {
    const place = token instanceof Map ? token.get(topic) : token;
    const since = place && { since: place.seq, ...(place.epoch && { epoch: place.epoch }) };
    return JSON.stringify({ action: 'subscribe', topic, ...since });
  });

const GRAPHQL_TOPIC = 'subscription ($name: String!) { topic(name: $name) { topic seq data } }';

/** A result of GRAPHQL_TOPIC, or the error in its place. */
function takeResult({ data, errors, extensions }, topic, onItem) {
  if (data) {
    const seq = Number(extensions.seq);
    const isSame = seq === Number(data.topic.seq) && data.topic.topic === topic;
    const event = { type: 'event', topic, seq, data: data.topic.data };
    onItem(isSame ? event : { type: 'other', message: data });
    return;
  }
  takeErrors(errors, topic, onItem);
}

function takeErrors(errors, topic, onItem) {
  const { code, oldest, epoch } = errors[0].extensions;
  const isGap = errors.length === 1 && code === 'GAP';
  const gap = { type: 'gap', topic, oldest: Number(oldest), epoch };
  onItem(isGap ? gap : { type: 'other', message: errors });
}

/** The lines `name: value` of a block. */
function fieldsOf(block) {
  const fieldOf = (line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)];
  return Object.fromEntries(block.split('\n').map(fieldOf));
}

const POSITION = /^([0-9a-f]{16})-(\d+)$/;

/** Blocks of an event stream: the first position is where it starts. onData gets what has data. */
function takeBlocks(topic, onItem, onData) {
  let isStarted = false;
  return (source) => {
    const fields = fieldsOf(source);
    if (fields.data === undefined) {
      const [, epoch, seq] = POSITION.exec(fields.id ?? '') ?? [];
      if (epoch && !isStarted) {
        isStarted = true;
        onItem({ type: 'start', topic, seq: Number(seq), epoch });
      }
      return;
    }
    const id = POSITION.exec(fields.id ?? '');
    onData(JSON.parse(fields.data), (item) => {
      const isPlaced = item.type !== 'event' || Number(id?.[2]) === item.seq;
      onItem(isPlaced ? item : { type: 'other', message: { ...item, id: fields.id } });
    });
  };
}

const lastEventId = (token) =>
  token ? `Last-Event-ID: ${token.epoch ?? '0000000000000000'}-${token.seq}\r\n` : '';

const KINDS = {
  room(server, [topic], { token, onItem, whenReady, way }) {
    const since = token ? `?since=${token.seq}${token.epoch ? `&epoch=${token.epoch}` : ''}` : '';
    return new Reader(way.open(server), {
      request: upgrade(`/ws${since}`, server, way),
      whenReady,
      cut: cutters.frame,
      onMessage(source) {
        const message = JSON.parse(source);
        const types = { greeting: 'start', message: 'event', gap: 'gap' };
        const type = types[message.type];
        onItem(type ? { ...message, topic, type } : { type: 'other', message });
      },
    });
  },

  broker(server, topics, { token, onItem, whenReady = (go) => go(), way }) {
    return new Reader(way.open(server), {
      request: upgrade('/broker', server, way),
      cut: cutters.frame,
      onOpen: (reader) => whenReady(() => reader.say(...subscribeRequests(topics, token))),
      onMessage: takeBroker(onItem),
    });
  },

  /** server.linePort: where --broker-listen is. */
  line(server, topics, { token, onItem, whenReady = (go) => go(), way }) {
    return new Reader(way.open(server, 'line'), {
      cut: cutters.line,
      onOpen: (reader) => whenReady(() => reader.say(...subscribeRequests(topics, token))),
      onMessage: takeBroker(onItem),
    });
  },

  events(server, [topic], { token, onItem, whenReady, way }) {
    const take = (message, give) => {
      const types = { message: 'event', gap: 'gap' };
      const type = types[message.type];
      give(type ? { ...message, type } : { type: 'other', message });
    };
    return new Reader(way.open(server), {
      request: `GET /topics/${encodeURIComponent(topic)} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n` +
        `Accept: text/event-stream\r\n${way.headers}${lastEventId(token)}\r\n`,
      whenReady,
      cut: cutters.block,
      onMessage: takeBlocks(topic, onItem, take),
    });
  },

  graphql(server, [topic], { token, onItem, whenReady = (go) => go(), way }) {
    return new Reader(way.open(server), {
      request: upgrade('/graphql', server, way, 'graphql-transport-ws'),
      cut: cutters.frame,
      onOpen: (reader) => reader.say('{"type":"connection_init"}'),
      onMessage(source, reader) {
        const message = JSON.parse(source);
        if (message.type === 'connection_ack') {
          const { epoch, seq } = token ?? message.payload;
          const extensions = { resume: { epoch, seq: String(seq) } };
          const payload = { query: GRAPHQL_TOPIC, variables: { name: topic }, extensions };
          const subscribe = JSON.stringify({ id: 'it', type: 'subscribe', payload });
          whenReady(() => reader.say(subscribe));
          onItem({ type: 'start', topic, seq: Number(seq), epoch: message.payload.epoch });
        } else if (message.type === 'next') {
          takeResult(message.payload, topic, onItem);
        } else if (message.type === 'error') {
          takeErrors(message.payload, topic, onItem);
        } else {
          onItem({ type: 'other', message });
        }
      },
    });
  },

  graphql_events(server, [topic], { token, onItem, whenReady, way }) {
    const body = JSON.stringify({ query: GRAPHQL_TOPIC, variables: { name: topic } });
    return new Reader(way.open(server), {
      request: `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAccept: text/event-stream\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n${way.headers}${lastEventId(token)}\r\n${body}`,
      whenReady,
      cut: cutters.block,
      onMessage: takeBlocks(topic, onItem, (result, give) => takeResult(result, topic, give)),
    });
  },
};

/** Those that take one topic; room's is `room`. */
export const READER_KINDS = Object.keys(KINDS);

export function openReader(kind, server, topics, options) {
  const reader = KINDS[kind](server, topics, { way: PLAIN, ...options });
  server.clients.add(reader);
  reader.closed.then(() => server.clients.delete(reader));
  return reader;
}
