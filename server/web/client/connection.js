// A WebSocket that comes back by itself until the user has had enough of it.
//
// State    {phase}: 'idle' (not wanted), 'connecting', 'open', 'waiting' (to try again at retryAt,
//          a performance.now()) or 'closed' (for good); the last two with the code and reason of
//          the close, and wasOpen.
// Waiting  half a second and twice as long each time, to 15 s, half of it by chance, so that those
//          who were cut off do not all come back in the same moment. Only a server that has sent
//          something is back: one that closes at once, as it does while it drains, is not.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const SENT_AWAY = 1008; // by the administrator: whoever comes back has not understood

/** How long to wait before an attempt, after so many in vain. */
function waitMs(failures) {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
  return longest * (0.5 + Math.random() / 2);
}

/** The address of a path of this server, wherever a proxy has put its root. */
function webSocketUrl(target) {
  const url = new URL(target, document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

export class Connection {
  state = { phase: 'idle' };
  #handlers;
  #socket = null;
  #timer = 0;
  #failures = 0;

  /**
   * targetOf(): path and query, asked for before each attempt; onOpen(); onMessage(text);
   * onState(state, before).
   */
  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener('online', () => this.retry());
  }

  get isOpen() {
    return this.state.phase === 'open';
  }

  /** Whether the user wants it: it is there, or on its way. */
  get isWanted() {
    return this.state.phase !== 'idle' && this.state.phase !== 'closed';
  }

  connect() {
    if (!this.isWanted) {
      this.#failures = 0;
      this.#open();
    }
  }

  /** Ends a wait before its time. */
  retry() {
    if (this.state.phase === 'waiting') {
      this.#open();
    }
  }

  disconnect() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null; // what still comes of it is not listened to: a resume brings it
    socket?.close(1000);
    this.#become({ phase: 'idle' });
  }

  send(text) {
    this.#socket.send(text);
  }

  #become(state) {
    const before = this.state;
    this.state = state;
    this.#handlers.onState(state, before);
  }

  #open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(webSocketUrl(this.#handlers.targetOf()));
    this.#socket = socket;
    const listen = (type, handle) =>
      socket.addEventListener(type, (event) => this.#socket === socket && handle(event));
    listen('open', () => {
      this.#become({ phase: 'open' });
      this.#handlers.onOpen();
    });
    listen('message', ({ data }) => {
      this.#failures = 0;
      this.#handlers.onMessage(data);
    });
    listen('close', ({ code, reason }) => this.#onClose(code, reason));
    this.#become({ phase: 'connecting' });
  }

  #onClose(code, reason) {
    const wasOpen = this.isOpen;
    this.#socket = null;
    if (code === SENT_AWAY) {
      this.#become({ phase: 'closed', code, reason, wasOpen });
      return;
    }
    const wait = waitMs(this.#failures++);
    this.#timer = setTimeout(() => this.#open(), wait);
    this.#become({ phase: 'waiting', code, reason, wasOpen, retryAt: performance.now() + wait });
  }
}
