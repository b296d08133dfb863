// The broker protocol as PROTOCOLS section 3 has it, without the page: subscriptions that outlive
// their connection, and answers that find their requests.
import { Connection } from './connection.js';
import { parseJson } from './json.js';

const PING_MS = 20_000; // a pong moves the positions of quiet topics, too
const AGAIN_MS = 1000;
const TEMPORARY = ['rate_limited', 'unavailable'];

/**
 * A subscription: {topic, phase, position}. phase: 'wanted' (by us), 'live' (answered), 'leaving'.
 * position: null, or {seq} as the user gave it, or {seq, epoch} as the server did: the greatest of
 * the answer's, the last message's and a pong's. A new connection goes on behind it.
 */
export class Broker {
  subscriptions = new Map(); // by topic
  #requests = new Map(); // without an answer yet, by id
  #lastId = 0;
  #pingTimer = 0;
  #visit = 0; // counts connections
  #handlers;

  /**
   * onMessage(message, request) gets the server's objects, an answer with what it answers;
   * onSubscriptions() when one has changed; onUnanswered(requests) when their connection has ended;
   * onState as Connection has it.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.connection = new Connection({
      targetOf: () => 'broker',
      onOpen: () => this.#greet(),
      onMessage: (text) => this.#receive(parseJson(text)),
      onState: (state, before) => {
        handlers.onState(state);
        if (before.phase === 'open') {
          this.#leave();
        }
      },
    });
  }

  /** since: null for what comes from now on. */
  subscribe(topic, since) {
    const position = since === null ? null : { seq: since };
    const subscription = { topic, phase: 'wanted', position };
    this.subscriptions.set(topic, subscription);
    this.#handlers.onSubscriptions();
    if (this.connection.isOpen) {
      this.#ask(subscription);
    } else {
      this.connection.connect();
    }
  }

  unsubscribe(topic) {
    const subscription = this.subscriptions.get(topic);
    if (this.connection.isOpen) {
      subscription.phase = 'leaving';
      this.#ask(subscription);
    } else {
      this.subscriptions.delete(topic);
    }
    this.#handlers.onSubscriptions();
  }

  /** json: the message's text as it goes out, so that not a digit of it changes. */
  publish(topic, json, durable) {
    this.#request({ action: 'publish', topic, durable }, json);
  }

  /** A connection is there: everything on it again. */
  #greet() {
    this.#visit++;
    this.#ping();
    this.#pingTimer = setInterval(() => this.#ping(), PING_MS);
    this.subscriptions.forEach((subscription) => this.#ask(subscription));
  }

  /** A connection is gone, and with it what was asked on it. */
  #leave() {
    clearInterval(this.#pingTimer);
    for (const subscription of this.subscriptions.values()) {
      if (subscription.phase === 'leaving') {
        this.subscriptions.delete(subscription.topic);
      }
      subscription.phase = 'wanted';
    }
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    this.#handlers.onSubscriptions();
    this.#handlers.onUnanswered(unanswered);
  }

  #ping() {
    this.#request({ action: 'ping' });
  }

  /** Asks for what its phase says is wanted. */
  #ask({ topic, phase, position }) {
    if (phase === 'leaving') {
      this.#request({ action: 'unsubscribe', topic });
    } else {
      const { seq: since, epoch } = position ?? {}; // what is undefined is left out
      this.#request({ action: 'subscribe', topic, since, epoch });
    }
  }

  #request(request, json) {
    const id = ++this.#lastId;
    this.#requests.set(id, request);
    const text = JSON.stringify({ ...request, id });
    this.connection.send(json === undefined ? text : `${text.slice(0, -1)},"message":${json}}`);
  }

  #receive(message) {
    const request = this.#requests.get(message.id);
    this.#requests.delete(message.id);
    if (message.type === 'message') {
      this.#move(this.subscriptions.get(message.topic), message.seq);
    } else if (message.status === 'error') {
      this.#onError(message, request);
    } else if (message.status !== undefined) {
      this.#onAnswer(message);
    }
    this.#handlers.onMessage(message, request);
  }

  /** A subscription that has just been left may still get a message or two. */
  #move(subscription, seq) {
    if (subscription?.phase === 'live') {
      subscription.position.seq = Math.max(subscription.position.seq, seq);
      this.#handlers.onSubscriptions();
    }
  }

  #onAnswer({ status, topic, seq, epoch }) {
    const subscription = this.subscriptions.get(topic);
    if (status === 'subscribed' && subscription !== undefined) {
      subscription.position = { seq, epoch };
      subscription.phase = subscription.phase === 'wanted' ? 'live' : subscription.phase;
    } else if (status === 'unsubscribed') {
      this.subscriptions.delete(topic);
    } else if (status === 'pong') {
      this.subscriptions.forEach((each) => this.#move(each, seq));
    }
    this.#handlers.onSubscriptions();
  }

  #onError({ code }, request) {
    const subscription = this.subscriptions.get(request?.topic);
    if (subscription === undefined || request.action === 'publish') {
      return;
    }
    if (TEMPORARY.includes(code)) {
      const visit = this.#visit;
      setTimeout(() => this.#askAgain(subscription, visit), AGAIN_MS);
    } else {
      this.subscriptions.delete(subscription.topic);
      this.#handlers.onSubscriptions();
    }
  }

  /** ... on the same connection: a new one has asked for everything. */
  #askAgain(subscription, visit) {
    const isStill = this.subscriptions.get(subscription.topic) === subscription;
    if (isStill && this.connection.isOpen && visit === this.#visit) {
      this.#ask(subscription);
    }
  }
}
