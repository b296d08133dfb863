// The broker on the page: subscriptions, what comes of them, and publishing.
import { Broker } from './broker.js';
import { Composer } from './composer.js';
import { ConnectionBar } from './connection_bar.js';
import { copyOf, oncePerFrame, partsOf, setText } from './dom.js';
import { jsonProblem } from './json.js';
import { MessageList } from './message_list.js';
import { gapText, shutdownText, textOf } from './notices.js';

/** What an answer says; null: nothing that one would want to read. */
function answerText({ status, topic, seq, recovered }, request) {
  switch (status) {
    case 'subscribed':
      return recovered === false
        ? `Subscribed to ${topic}, but not everything since the position asked for is still there`
        : `Subscribed to ${topic}, behind ${seq}`;
    case 'unsubscribed':
      return `Unsubscribed from ${topic}`;
    case 'published':
      return `Published to ${topic}${request?.durable ? ', on disk' : ''}`;
    default:
      return null;
  }
}

/** The row of the list that one of the server's messages makes; null: none. */
function entryOf(message, request) {
  const { type, status, topic, seq } = message;
  const time = message.time === undefined ? new Date() : new Date(message.time);
  if (type === 'message') {
    return { kind: 'message', time, seq, topic, label: topic, text: textOf(message.data) };
  }
  if (type === 'gap') {
    return { kind: 'problem', time, topic, text: gapText(message) };
  }
  if (type === 'shutdown') {
    return { kind: 'notice', time, text: shutdownText(message) };
  }
  if (status === 'error') {
    return { kind: 'problem', time, topic, text: `${message.code}: ${message.message}` };
  }
  const text = answerText(message, request);
  const kind = message.recovered === false ? 'problem' : 'answer';
  return text === null ? null : { kind, time, seq, topic, text };
}

/** The list of subscriptions: one element for each, as long as it is there. */
class SubscriptionList {
  #root;
  #broker;
  #onLeave;
  #items = new Map(); // by topic
  update = oncePerFrame(() => this.#render());

  /** onLeave(): one is gone whose button had the focus. */
  constructor(root, broker, onLeave) {
    this.#root = root;
    this.#broker = broker;
    this.#onLeave = onLeave;
  }

  #render() {
    const { subscriptions } = this.#broker;
    for (const [topic, item] of this.#items) {
      if (!subscriptions.has(topic)) {
        const hadFocus = item.contains(document.activeElement);
        item.remove();
        this.#items.delete(topic);
        if (hadFocus) {
          this.#onLeave();
        }
      }
    }
    for (const subscription of subscriptions.values()) {
      this.#show(subscription);
    }
  }

  #show({ topic, phase, position }) {
    const item = this.#items.get(topic) ?? this.#add(topic);
    item.dataset.phase = phase;
    setText(item.children[1], position?.epoch === undefined ? '…' : String(position.seq));
  }

  #add(topic) {
    const item = copyOf('subscription').firstElementChild;
    const [name, position, leave] = item.children;
    name.textContent = topic;
    position.title = 'The position: a new connection goes on behind it';
    leave.setAttribute('aria-label', `Unsubscribe from ${topic}`);
    leave.addEventListener('click', () => this.#broker.unsubscribe(topic));
    this.#root.append(item);
    this.#items.set(topic, item);
    return item;
  }
}

/** Why this cannot be published; null: it can. */
function publishProblem(broker, text, isJson) {
  if (!broker.connection.isOpen) {
    return 'Not published: there is no connection.';
  }
  const problem = isJson ? jsonProblem(text) : null;
  return problem === null ? null : `Not published: this is not JSON (${problem}).`;
}

/** onShutdown(): the server has said that it is going to drain. */
export function mountBroker(root, { announcer, onShutdown }) {
  const parts = partsOf(root);
  const list = new MessageList(parts.list, parts.tools);

  const broker = new Broker({
    onMessage: receive,
    onState: () => bar.update(),
    onSubscriptions: () => subscriptions.update(),
    onUnanswered: (requests) => {
      for (const { topic } of requests.filter(({ action }) => action === 'publish')) {
        const text = `No answer, and no connection: it may have been published to ${topic}, or not`;
        list.add({ kind: 'problem', time: new Date(), topic, text });
      }
    },
  });
  const bar = new ConnectionBar(parts.bar, {
    name: 'Broker',
    announcer,
    connection: broker.connection,
    connect: () => broker.connection.connect(),
  });
  const { topic, since } = parts.subscribe.elements;
  const subscriptions = new SubscriptionList(parts.subscriptions, broker, () => topic.focus());

  function receive(message, request) {
    const entry = entryOf(message, request);
    if (entry !== null) {
      list.add(entry);
    }
    if (message.type === 'message') {
      announcer.count(`${message.topic}: ${entry.text}`);
    } else if (message.type !== undefined || message.status === 'error') {
      announcer.say(entry.text);
    }
    if (message.type === 'shutdown') {
      onShutdown();
    }
  }

  const publishing = parts.composer.elements;
  parts.subscribe.addEventListener('submit', (event) => {
    event.preventDefault();
    const isThere = broker.subscriptions.has(topic.value);
    topic.setCustomValidity(isThere ? 'There is a subscription to it already.' : '');
    if (!topic.reportValidity()) {
      return;
    }
    broker.subscribe(topic.value, since.value === '' ? null : Number(since.value));
    publishing.topic.value ||= topic.value;
    topic.value = '';
    topic.focus();
  });
  topic.addEventListener('input', () => topic.setCustomValidity(''));

  new Composer(parts.composer, (text) => {
    const isJson = publishing.kind.value === 'json';
    const problem = publishProblem(broker, text, isJson);
    if (problem === null) {
      const json = isJson ? text : JSON.stringify(text);
      broker.publish(publishing.topic.value, json, publishing.durable.checked);
    }
    return problem;
  });

  const { filter } = parts;
  const applyFilter = () =>
    list.filter((entry) => entry.topic === undefined || entry.topic.includes(filter.value));
  filter.addEventListener('input', applyFilter);
  filter.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') {
      filter.value = '';
      applyFilter();
    }
  });
  setText(
    parts.example,
    `curl -d hello -H 'Content-Type: text/plain' ${document.baseURI.split('#')[0]}topics/news`,
  );
}
