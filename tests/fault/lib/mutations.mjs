// Mutations by chance over WebSockets, connection after connection; a RowLedger is told what was asked for
// and answered.
import { setTimeout as pause } from 'node:timers/promises';
import { graphqlSocket } from '../../e2e/lib/graphql.mjs';

const HOT_ROWS = 20; // whose comments and updates go on topics of their own: not too many topics
const RETRY_MS = 20;

export class Mutations {
  #counter = 0;
  #highestId = 0;
  #deleted = new Set();

  /** window: mutations of a connection that wait for their answers; everyMs: after one, until the next. */
  constructor(ledger, random, { window = 8, everyMs = 0 } = {}) {
    Object.assign(this, { ledger, random, window, everyMs });
  }

  #below(count) {
    return Math.floor(this.random() * count);
  }

  /** A mutation: its text, and what it does under each of its aliases. */
  #make() {
    const mark = () => `mark ${++this.#counter}${' x'.repeat(this.#below(40))}`;
    const parts = [];
    const add = (kind, text, what, id) => {
      this.ledger.send(what, kind, id);
      parts.push({ alias: `f${parts.length}`, mark: what, text });
    };
    for (let fields = this.random() < 0.1 ? 3 : 1; fields > 0; fields--) {
      const dice = this.random();
      const text = mark();
      const hot = 1 + this.#below(HOT_ROWS);
      if (dice < 0.5 || this.#highestId < HOT_ROWS) {
        add('create', `createMessage(authorId: 1, content: "${text}") { id }`, text);
      } else if (dice < 0.7) {
        const args = `messageId: ${hot}, authorId: 1, content: "${text}"`;
        add('create', `createComment(${args}) { id }`, text);
      } else if (dice < 0.9) {
        add('update', `updateMessage(id: ${hot}, title: "${text}") { id }`, text, hot);
      } else if (dice < 0.95) {
        add('publish', `publish(topic: "plain", data: "${text}") { seq }`, text);
      } else if (this.#highestId > HOT_ROWS) {
        this.#deleteOnce(HOT_ROWS + 1 + this.#below(this.#highestId - HOT_ROWS), add);
      }
    }
    return parts;
  }

  #deleteOnce(id, add) {
    if (!this.#deleted.has(id)) {
      this.#deleted.add(id); // its mark is the row: a second try could not be told from the first
      add('delete', `deleteMessage(id: ${id}) { id }`, `delete ${id}`, id);
    }
  }

  /** A field's answer. After a field that must not be null there is no data: what came is not known. */
  #take(parts, { data, errors = [] }) {
    for (const { alias, mark } of parts) {
      const error = errors.find(({ path }) => path?.[0] === alias);
      if (error) {
        this.ledger.refuse(mark, error.extensions.code);
      } else if (data === null) {
        this.ledger.lose([mark]);
      } else {
        this.ledger.answer(mark, data[alias]);
        const id = mark.startsWith('mark') ? data[alias]?.id ?? 0 : 0;
        this.#highestId = Math.max(this.#highestId, id);
      }
    }
  }

  /** waiting: operation id -> parts. Ends with the connection. */
  #useConnection(client, waiting, state) {
    const fill = () => {
      if (client.ws.readyState !== client.ws.OPEN) {
        return;
      }
      while (waiting.size < this.window && !state.isOver()) {
        const parts = this.#make();
        if (parts.length > 0) {
          const query = `mutation { ${parts.map(({ alias, text }) => `${alias}: ${text}`).join(' ')} }`;
          waiting.set(client.start(query), parts);
          state.sent++;
        }
      }
      if (waiting.size === 0) {
        client.terminate();
      }
    };
    client.ws.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.type === 'next') {
        this.#take(waiting.get(message.id), message.payload);
      } else if (message.type === 'error') {
        this.ledger.problems.push(`a mutation was refused as a whole: ${data}`);
      }
      if (message.type === 'complete' || message.type === 'error') {
        waiting.delete(message.id);
        state.onAnswer();
        if (this.everyMs === 0 || state.isOver()) {
          fill();
        } else {
          setTimeout(fill, this.everyMs);
        }
      }
    });
    fill();
    return client.closed;
  }

  /** One connection's worth of mutations, until `state` says that it is enough; a new one when it dies. */
  async run(server, state) {
    while (!state.isOver()) {
      const waiting = new Map();
      try {
        await this.#useConnection(await graphqlSocket(server), waiting, state);
      } catch {
        await pause(RETRY_MS); // there is no server at this moment
      }
      this.ledger.lose([...waiting.values()].flat().map(({ mark }) => mark));
    }
  }
}
