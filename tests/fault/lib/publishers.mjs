// Publishers of every protocol on connection after connection, until they are told to end. What was sent,
// acknowledged and refused goes into a ledger; what broke off, the log decides.
import { setTimeout as pause } from 'node:timers/promises';
import { text } from '../../e2e/lib/frames.mjs';
import { EPOCH } from '../../e2e/lib/shapes.mjs';
import { until } from '../../e2e/lib/until.mjs';
import { openReader } from './readers.mjs';

const RETRY_MS = 20;

/** What the ledger calls an event of the room: its text and, if it was said there, who said it. */
export function roomIdOf({ from, data }) {
  const said = data !== null && typeof data === 'object' ? data : { from, data };
  return said.from ? `${said.from} says ${said.data}` : said.data;
}

const ENCODE = {
  broker: (request) => text(JSON.stringify(request)),
  line: (request) => `${JSON.stringify(request)}\n`,
  room: ({ message }) => text(message),
};

export class Publishers {
  isOver = false;
  acknowledged = 0; // as the room's count who hear themselves
  durable = 0; // of these
  refused = 0;

  /**
   * newMessage() gives a text, never the same twice; isDurable() decides for each. window: publishes of one
   * connection that wait for their answers; it is filled every so many ms.
   */
  constructor(server, ledger, options) {
    const defaults = { window: 4, everyMs: 5, isDurable: () => false, onAcknowledged: () => {} };
    Object.assign(this, { server, ledger, ...defaults, ...options });
  }

  /** kind: broker, line, room or post. topicOf() says where the next one goes. */
  async run(kind, topicOf) {
    while (!this.isOver) {
      await (kind === 'post' ? this.#post(topicOf()) : this.#connection(kind, topicOf));
    }
  }

  #take({ id, isDurable }, topic, seq) {
    this.ledger.acknowledge(id, topic, seq);
    this.acknowledged++;
    this.durable += isDurable;
    this.onAcknowledged(topic, seq);
  }

  #refuse(id, code, answer) {
    if (code === 'unavailable') {
      this.ledger.refuse(id);
      this.refused++;
    } else {
      this.ledger.problems.push(`instead of an acknowledgement: ${answer}`);
    }
  }

  #answer(sender, message) {
    const publish = sender.waiting.get(message.id);
    if (message.type === 'shutdown') {
      return;
    }
    if (publish === undefined) {
      this.ledger.problems.push(`an answer to nothing: ${JSON.stringify(message)}`);
      return;
    }
    sender.waiting.delete(message.id);
    if (message.status === 'published') {
      sender.seqs[message.id] = message.seq;
      this.#take(publish, message.topic, message.seq);
    } else {
      this.#refuse(publish.id, message.code, JSON.stringify(message));
    }
  }

  /** In the room only a message that is refused is answered; the others come to everybody. */
  #hear(sender, item) {
    const id = roomIdOf(item);
    this.ledger.deliver(id, 'room', item.seq);
    if (item.from === sender.name) {
      sender.waiting.delete(id);
      this.acknowledged++;
    }
  }

  #onItem(kind, sender, item) {
    if (kind !== 'room') {
      this.#answer(sender, item.message);
    } else if (item.type === 'start') {
      sender.name = item.client_id;
      sender.isReady = true;
    } else if (item.type === 'event') {
      this.#hear(sender, item);
    } else if (item.message?.code === 'unavailable') {
      this.refused++; // which of them is not said
      this.#leave(sender);
    } else if (item.message?.type !== 'shutdown') {
      this.ledger.problems.push(`in the room: ${JSON.stringify(item)}`);
    }
  }

  #leave({ client }) {
    client.isLeaving = true; // so that nobody takes it for one that was cut off
    client.terminate();
  }

  #fill(kind, sender, topicOf) {
    while (sender.waiting.size < this.window) {
      const request = { action: 'publish', topic: topicOf(), message: this.newMessage() };
      const isDurable = kind !== 'room' && this.isDurable();
      const id = kind === 'room' ? `${sender.name} says ${request.message}` : request.message;
      this.ledger.send(id, request.topic);
      if (kind === 'room') {
        sender.waiting.set(id, { id });
      } else {
        request.id = sender.sent++;
        sender.waiting.set(request.id, { id, isDurable });
      }
      sender.client.socket.write(ENCODE[kind](isDurable ? { ...request, durable: true } : request));
    }
  }

  async #connection(kind, topicOf) {
    // waiting: request -> {id, isDurable}; seqs: request -> seq.
    const sender = { waiting: new Map(), seqs: [], sent: 0, isReady: false, name: null };
    sender.client = openReader(kind, this.server, kind === 'room' ? ['room'] : [], {
      whenReady: (go) => {
        go();
        sender.isReady = kind !== 'room';
      },
      onItem: (item) => this.#onItem(kind, sender, item),
    });
    let isClosed = false;
    sender.client.closed.then(() => (isClosed = true));
    while (!isClosed && !this.isOver) {
      if (sender.isReady) {
        this.#fill(kind, sender, topicOf);
      }
      await pause(this.everyMs);
    }
    const isAnswered = () => sender.waiting.size === 0 || isClosed;
    await until(isAnswered, { timeout: 60_000, what: 'the last answers, or the end' });
    this.#leave(sender);
    this.ledger.checkOrder(sender.seqs);
    if (!this.isOver) {
      await pause(RETRY_MS);
    }
  }

  async #post(topic) {
    const id = this.newMessage();
    const isDurable = this.isDurable();
    this.ledger.send(id, topic);
    const query = isDurable ? '?durable=true' : '';
    const answer = await this.server.post(topic, id, 'text/plain', query).catch(() => null);
    if (answer === null) {
      await pause(RETRY_MS); // its worker has died
      return;
    }
    const { json } = answer;
    if (answer.status === 201 && EPOCH.test(json.epoch)) {
      this.#take({ id, isDurable }, json.topic, json.seq);
    } else {
      this.#refuse(id, answer.status === 503 && json.error?.code, answer.text);
    }
    await pause(this.everyMs);
  }
}
