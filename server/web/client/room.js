// The room as PROTOCOLS section 2 has it, without the page: who we are, and where we are in it.
import { Connection } from './connection.js';
import { parseJson } from './json.js';

export class Room {
  clientId = ''; // as asked for; once greeted, what the server calls us
  position = null; // {seq, epoch} of the last that came: a new connection goes on behind it
  #unheard = []; // what was said and has not come back yet
  #onMessage;

  /**
   * onMessage(message) gets the server's objects; onState(state); onUnheard(count): what was said
   * and had not come back when the connection ended.
   */
  constructor({ onMessage, onState, onUnheard }) {
    this.#onMessage = onMessage;
    this.connection = new Connection({
      targetOf: () => this.#target(),
      onOpen: () => {},
      onMessage: (text) => this.#receive(parseJson(text)),
      onState: (state, before) => {
        onState(state);
        const count = this.#unheard.length;
        if (before.phase === 'open' && count > 0) {
          this.#unheard = [];
          onUnheard(count);
        }
      },
    });
  }

  connect(clientId) {
    this.clientId = clientId;
    this.connection.connect();
  }

  say(text) {
    this.connection.send(text);
    this.#unheard.push(text);
  }

  isOwn(message) {
    return message.type === 'message' && message.from === this.clientId;
  }

  #target() {
    const path = this.clientId === '' ? 'ws' : `ws/${encodeURIComponent(this.clientId)}`;
    const { position } = this;
    return position === null ? path : `${path}?since=${position.seq}&epoch=${position.epoch}`;
  }

  #receive(message) {
    if (message.type === 'greeting') {
      this.clientId = message.client_id;
      this.position = { seq: message.seq, epoch: message.epoch };
    } else if (message.seq !== undefined) {
      this.position.seq = message.seq;
    }
    if (this.isOwn(message)) {
      this.#hear(message.data);
    }
    this.#onMessage(message);
  }

  #hear(text) {
    const index = this.#unheard.indexOf(text);
    if (index >= 0) {
      this.#unheard.splice(index, 1);
    }
  }
}
