// How a connection is doing, in words, and the buttons that begin and end it.
import { copyOf, partsOf, setText } from './dom.js';

const SECOND_MS = 1000;

// Where the server gives no reason of its own.
const REASONS = new Map([
  [1001, 'the server is going away'],
  [1006, 'nobody answers'],
  [1009, 'that message was too large'],
  [1011, 'the server failed'],
  [1012, 'the server restarts'],
  [1013, 'the server has too much to do'],
]);

const why = ({ code, reason }) => `${code}: ${reason || (REASONS.get(code) ?? 'no reason given')}`;

/** The state in words: what has happened, and what comes of it. */
function describe(state) {
  switch (state.phase) {
    case 'idle':
      return ['Not connected', ''];
    case 'connecting':
      return ['Connecting…', ''];
    case 'open':
      return ['Connected', ''];
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((state.retryAt - performance.now()) / SECOND_MS));
      const what = state.wasOpen ? 'Connection lost' : 'No connection';
      return [`${what} (${why(state)})`, ` · trying again in ${seconds} s`];
    }
    case 'closed':
      return [`Closed by the server (${why(state)})`, ''];
  }
}

export class ConnectionBar {
  #connection;
  #parts;
  #root;
  #name;
  #announcer;
  #detail = '';

  /** name: of what it connects to, for who only hears it. connect(): when the user asks for it. */
  constructor(root, { name, announcer, connection, connect }) {
    root.append(copyOf('bar'));
    this.#root = root;
    this.#name = name;
    this.#announcer = announcer;
    this.#connection = connection;
    this.#parts = partsOf(root);
    const { toggle, retry } = this.#parts;
    toggle.addEventListener('click', () =>
      connection.isWanted ? connection.disconnect() : connect(),
    );
    retry.addEventListener('click', () => connection.retry());
    setInterval(() => this.#write(), SECOND_MS);
    this.#render();
  }

  /** What there is to say about a connection that is open, such as as whom. */
  set detail(text) {
    this.#detail = text;
    this.#write();
  }

  /** The connection's state is another one. */
  update() {
    this.#detail = '';
    this.#render();
    this.#announcer.say(`${this.#name}: ${describe(this.#connection.state)[0]}`);
  }

  #render() {
    const { toggle, retry } = this.#parts;
    const { phase } = this.#connection.state;
    const isWaiting = phase === 'waiting';
    if (!isWaiting && document.activeElement === retry) {
      toggle.focus(); // it is about to vanish
    }
    this.#root.dataset.phase = phase;
    retry.hidden = !isWaiting;
    toggle.classList.toggle('primary', !this.#connection.isWanted);
    setText(toggle, this.#connection.isWanted ? 'Disconnect' : 'Connect');
    this.#write();
  }

  #write() {
    const [what, next] = describe(this.#connection.state);
    setText(this.#parts.state, what + (next || this.#detail));
  }
}
