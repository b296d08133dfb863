// How a client comes to the server: in plain text, by TLS (with its session resumed, too), or as one of
// several streams of an HTTP/2 connection, in plain text or by TLS; compressed or not; by itself or through
// a proxy that names it. openReader (readers.mjs) takes one of these as its `way`:
//
//   {name, headers, offer, isStream, open(server, listener)}
//
// headers: further ones of a request, each with its end; offer: of permessage-deflate, if any; isStream:
// its end is not a connection's; open() gives the socket, which connects by itself, to 'http' or 'line'.
//
// server.secure: as startTls leaves it (e2e/lib/tls.mjs), with linePort of the raw broker by TLS. The
// server was started with WAYS_ARGUMENTS.
import net from 'node:net';
import tls from 'node:tls';
import { connect2, Tunnel } from '../../e2e/lib/http2.mjs';

const PROXY = '127.0.1.1'; // where those that may name others come from: none of hostile_peer.c's addresses
const COACHES = 2; // connections of HTTP/2 that are shared at a time, of either kind
const COACH_MIN_MS = 500;
const COACH_MAX_MS = 6000;
const IPV4_BYTE = 256;
/**
 * Who hears nothing for so long goes: the server's pings come more often. Node may not be told that a connection
 * below TLS was reset while it writes, and waits for ever then.
 */
const SILENCE_MS = 45_000;

export const WAYS_ARGUMENTS = ['--trusted-proxies', PROXY, '--proxy-protocol', 'on', '--deflate-takeover', 'on'];

/** All that can be agreed on; without the last's words a client keeps its context. */
export const OFFERS = [
  'permessage-deflate',
  'permessage-deflate; server_max_window_bits=10; client_max_window_bits',
  'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
];

const portOf = (place, listener) => (listener === 'line' ? place.linePort : place.port);
const swallow = (socket) => socket.on('error', () => {}); // 'close' follows

const connect = (port, options) =>
  swallow(net.connect({ host: '127.0.0.1', port, noDelay: true, ...options }));

export const PLAIN = {
  name: 'plain',
  headers: '',
  isStream: false,
  open: (server, listener) => connect(portOf(server, listener)),
};

const ENDS = {
  goaway: ({ session }) => session.close(), // when the last of its streams has ended
  destroy: ({ session }) => session.destroy(),
  reset: ({ socket }) => socket.resetAndDestroy(),
};

/**
 * TLS ends, and it is TLS that ends the connection below it, with a reset. If that ended first, Node 18 would not tell
 * of it, and what HTTP/2 still had to write would be left to the garbage collector, in which Node 18 crashes then.
 */
function resetBelow(socket, tcp) {
  tcp.destroy = () => {
    delete tcp.destroy;
    return tcp.resetAndDestroy();
  };
  socket.destroy();
}

/** The ways to a server; below(n) decides. It keeps tickets of TLS and connections that are shared. */
export class Ways {
  #ticket;
  #shared = new Map(); // place -> coach
  #sessions = new Set();
  resumed = 0;

  constructor(server, below) {
    Object.assign(this, { server, below });
  }

  #pick(items) {
    return items[this.below(items.length)];
  }

  /** Whom a proxy names, in a header of its own or in one of HTTP; now and then, else nobody. */
  #named() {
    const client = `203.0.113.${this.below(IPV4_BYTE)}`;
    return this.#pick([
      {},
      {},
      { proxy: `PROXY TCP4 ${client} 192.0.2.1 ${1 + this.below(65_535)} 443\r\n` },
      { proxy: 'PROXY UNKNOWN\r\n', headers: `X-Forwarded-For: ${client}\r\n` },
    ]);
  }

  /** A connection that begins with a proxy's header, if there is one. */
  #connect(port, proxy) {
    const tcp = connect(port, proxy && { localAddress: PROXY });
    if (proxy) {
      tcp.write(proxy);
    }
    return tcp;
  }

  /** TLS on a connection, two times of three with a session from before, of either version. */
  secure(tcp, options = {}) {
    const socket = tls.connect({
      socket: tcp,
      servername: 'localhost',
      ca: this.server.secure.ca,
      session: this.below(3) > 0 ? this.#ticket : undefined,
      ...(this.below(4) === 0 && { maxVersion: 'TLSv1.2' }),
      ...options,
    });
    socket.on('session', (ticket) => (this.#ticket = ticket));
    socket.once('secureConnect', () => (this.resumed += socket.isSessionReused()));
    const secured = new Promise((resolve) => socket.once('secureConnect', resolve));
    socket.resetAndDestroy = () => secured.then(() => resetBelow(socket, tcp));
    return swallow(socket);
  }

  /** A connection of HTTP/2 with what it is made of: {socket, ready, session}; ready gives the session. */
  session(isSecure) {
    const { proxy } = this.#named();
    const place = isSecure ? this.server.secure : this.server;
    const tcp = this.#connect(place.port, proxy);
    const socket = isSecure ? this.secure(tcp, { ALPNProtocols: ['h2'] }) : tcp;
    const made = { socket, session: null, isOver: false };
    const end = () => {
      made.isOver = true;
      this.#sessions.delete(made);
    };
    socket.once('close', end);
    made.ready = connect2(this.server, { secure: isSecure, socket }).then((session) => {
      session.once('close', end);
      session.setTimeout(SILENCE_MS, () => session.destroy());
      return (made.session = session);
    });
    made.ready.catch(end);
    this.#sessions.add(made);
    return made;
  }

  /** One that is shared with others, and ends under them sooner or later. */
  #coach(isSecure) {
    const place = `${isSecure} ${this.below(COACHES)}`;
    let coach = this.#shared.get(place);
    if (!coach || coach.isOver) {
      coach = this.session(isSecure);
      this.#shared.set(place, coach);
      const lifeMs = COACH_MIN_MS + this.below(COACH_MAX_MS - COACH_MIN_MS);
      const end = this.#pick(Object.values(ENDS));
      const timer = setTimeout(() => {
        this.#shared.delete(place);
        if (coach.session) {
          end(coach);
        }
      }, lifeMs);
      timer.unref();
    }
    return coach.ready;
  }

  /** A stream of a connection that it has for itself. */
  #alone(isSecure) {
    const { ready } = this.session(isSecure);
    const tunnel = new Tunnel(ready);
    tunnel.once('close', () => ready.then((session) => session.destroy(), () => {}));
    return tunnel;
  }

  /** A way for such a reader. isAlone: nobody else's connection, so that nobody else ends it. */
  choose(kind, { isAlone = false } = {}) {
    const isSocket = ['room', 'broker', 'graphql'].includes(kind);
    const offer = isSocket && this.below(2) === 0 ? this.#pick(OFFERS) : undefined;
    const { proxy, headers = '' } = this.#named();
    const name = this.#pick(['plain', 'tls', ...(kind === 'line' ? [] : ['h2', 'h2 by tls'])]);
    const openers = {
      plain: (server, listener) => this.#connect(portOf(server, listener), proxy),
      tls: (server, listener) => {
        const socket = this.secure(this.#connect(portOf(server.secure, listener), proxy));
        return socket.setTimeout(SILENCE_MS, () => socket.destroy());
      },
      h2: () => (isAlone ? this.#alone(false) : swallow(new Tunnel(this.#coach(false)))),
      'h2 by tls': () => (isAlone ? this.#alone(true) : swallow(new Tunnel(this.#coach(true)))),
    };
    return { name, headers, offer, isStream: name.startsWith('h2'), open: openers[name] };
  }

  /** Ends what is shared, and whatever else still is there of HTTP/2. */
  leave() {
    this.#shared.clear();
    for (const { socket, session } of this.#sessions) {
      session?.destroy();
      socket.destroy();
    }
  }
}
