// The independent checker of the fault tests: what was sent, acknowledged and delivered, held
// against what the log says afterwards.
import { SCHEMA_SEQ } from '../../e2e/lib/shapes.mjs';

/** Numbers that a seed decides (mulberry32), so that a failing run can be run again. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Ledger {
  sent = new Map(); // id -> topic
  acknowledged = new Map(); // id -> seq; null: not told
  delivered = new Map(); // seq -> id
  logged = new Map(); // seq -> id
  #refused = new Set(); // ids
  #seqOf = new Map(); // id -> seq, as the log says
  #lastChecked = new Map(); // topic -> seq
  problems = [];

  #problem(text) {
    this.problems.push(text);
  }

  send(id, topic) {
    this.sent.set(id, topic);
  }

  acknowledge(id, topic, seq) {
    if (this.sent.get(id) !== topic) {
      this.#problem(`acknowledged on ${topic}, but never sent there: ${id}`);
    }
    if (this.acknowledged.has(id)) {
      this.#problem(`acknowledged twice, as ${this.acknowledged.get(id)} and ${seq}: ${id}`);
    }
    this.acknowledged.set(id, seq);
  }

  /** Answered by an error that says: not published. */
  refuse(id) {
    this.#refused.add(id);
  }

  /** seqs: of one connection's publishes in the order of its requests; none where there was no answer. */
  checkOrder(seqs) {
    let last = 0;
    seqs.forEach((seq, i) => {
      if (seq <= last) {
        this.#problem(`request ${i} of a connection is seq ${seq}, one before it ${last}`);
      }
      last = seq;
    });
  }

  deliver(id, topic, seq) {
    const before = this.delivered.get(seq);
    if (this.sent.get(id) !== topic) {
      this.#problem(`delivered on ${topic}, but never sent there: ${id}`);
    }
    if (before !== undefined && before !== id) {
      this.#problem(`seq ${seq} delivered with two payloads: ${before} and ${id}`);
    }
    this.delivered.set(seq, id);
  }

  #log(event, topic) {
    const { seq, data: id } = event;
    if (this.sent.get(id) !== topic) {
      this.#problem(`logged on ${topic}, but never sent there: seq ${seq}, ${id}`);
    }
    if (this.#refused.has(id)) {
      this.#problem(`refused, but logged as seq ${seq}: ${id}`);
    }
    if (this.#seqOf.has(id)) {
      this.#problem(`logged twice: ${id} as ${this.#seqOf.get(id)} and ${seq}`);
    }
    if (this.logged.has(seq)) {
      this.#problem(`seq ${seq} is there twice: ${this.logged.get(seq)} and ${id}`);
    }
    this.#seqOf.set(id, seq);
    this.logged.set(seq, id);
  }

  /** Reads what the log has gained on these topics; history(topic, query) answers as the server. */
  async readLog(topics, history) {
    for (const topic of topics) {
      let since = this.#lastChecked.get(topic) ?? 0;
      for (let more = true; more; ) {
        const page = await history(topic, `?since=${since}&limit=1000`);
        for (const event of page.events) {
          if (event.seq <= since) {
            this.#problem(`out of order on ${topic}: seq ${event.seq} after ${since}`);
          }
          since = event.seq;
          this.#log(event, topic);
        }
        more = page.more;
      }
      this.#lastChecked.set(topic, since);
    }
  }

  /** Forgets what was read, for a whole second reading. */
  forgetLog() {
    this.logged.clear();
    this.#seqOf.clear();
    this.#lastChecked.clear();
  }

  /** Everything that was promised is in the log as promised, and seq has no hole. others: seqs of other topics. */
  check(others = new Set()) {
    for (const [id, seq] of this.acknowledged) {
      if (seq === null ? !this.#seqOf.has(id) : this.#seqOf.get(id) !== seq) {
        this.#problem(`acknowledged as ${seq}, in the log as ${this.#seqOf.get(id)}: ${id}`);
      }
    }
    for (const [seq, id] of this.delivered) {
      if (this.logged.get(seq) !== id) {
        this.#problem(`delivered as ${seq}: ${id}, but the log has ${this.logged.get(seq)}`);
      }
    }
    const all = this.logged.size + others.size;
    for (let seq = SCHEMA_SEQ + 1; seq <= SCHEMA_SEQ + all; seq++) {
      if (this.logged.has(seq) === others.has(seq)) {
        this.#problem(`seq ${seq} is there ${others.has(seq) ? 'twice' : 'never'} in a log of ${all}`);
        break;
      }
    }
    return this.problems.length === 0;
  }
}
