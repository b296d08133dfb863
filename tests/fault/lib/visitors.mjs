// Somebody who subscribes on connection after connection, each time from where the last one ended.
import { setTimeout as pause } from 'node:timers/promises';
import { Chain } from './chains.mjs';
import { openReader } from './readers.mjs';

const RETRY_MS = 20;

/** What a client in the middle of a drain is told, and what GraphQL sends besides. */
export const isHarmless = (message) => message.type === 'shutdown' || message.type === 'ping';

export class Visitor {
  visits = 0;

  /** onEvent gets {topic, seq, data} and what else the protocol has; problems get texts. */
  constructor(server, kind, topics, { onEvent, problems }) {
    Object.assign(this, { server, kind, topics, onEvent, problems });
    const newChain = (topic) => [topic, new Chain((text) => this.problem(topic, text))];
    this.chains = new Map(topics.map(newChain));
  }

  problem(topic, text) {
    const { token } = this.chains.get(topic);
    this.problems.push(`${this.kind} of ${topic}, visit ${this.visits}, at ${token?.seq}: ${text}`);
  }

  /** Where to resume: of a topic that it has never reached, nowhere. */
  get #token() {
    const tokens = new Map();
    this.chains.forEach(({ token }, topic) => token && tokens.set(topic, token));
    return this.topics.length > 1 ? tokens : this.chains.get(this.topics[0]).token;
  }

  /** goal: topic -> seq. */
  hasReached(goal) {
    return this.topics.every((topic) => this.chains.get(topic).hasReached(goal.get(topic) ?? 0));
  }

  /**
   * One connection, until it has had `count` events and has reached the goal, or has lived for so
   * long, or is cut off by others.
   */
  async visit({ lifeMs, count = Infinity, goal = new Map() } = {}) {
    let left = count;
    let started = 0;
    const reader = openReader(this.kind, this.server, this.topics, {
      token: this.#token,
      onItem: (item) => {
        if (item.type === 'event') {
          this.chains.get(item.topic).event(item.seq);
          this.onEvent(item);
          left--;
        } else if (item.type === 'start') {
          this.chains.get(item.topic).start(item);
          this.visits += ++started === 1;
        } else if (item.type === 'gap' || !isHarmless(item.message)) {
          this.problem(this.topics[0], `was told ${JSON.stringify(item)}`);
        }
        if (left <= 0 && this.hasReached(goal)) {
          reader.terminate();
        }
      },
    });
    const timer = lifeMs === undefined ? undefined : setTimeout(() => reader.terminate(), lifeMs);
    await reader.closed;
    clearTimeout(timer);
  }

  /** Visit after visit, each as plan() says, until state.isOver; state.visits counts them. */
  async run(state, plan) {
    while (!state.isOver) {
      const before = this.visits;
      await this.visit(plan());
      state.visits += this.visits - before;
      if (this.visits === before) {
        await pause(RETRY_MS); // there is no server at this moment, or it drains
      }
    }
  }

  /** Takes everything up to the last seq of each topic. */
  async finish(goal) {
    while (!this.hasReached(goal) && this.problems.length === 0) {
      await this.visit({ count: 0, goal });
    }
  }

  get given() {
    return this.topics.reduce((sum, topic) => sum + this.chains.get(topic).seqs.length, 0);
  }

  /** logged: topic -> the seqs that the log has. */
  check(logged) {
    this.chains.forEach((chain, topic) => chain.check(logged.get(topic)));
  }
}
