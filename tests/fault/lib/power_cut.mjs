// What a server was asked for and answered, when: held against what power cuts at moments of that
// time leave (power_cut_replay's lines).
import { isDeepStrictEqual } from 'node:util';

const PROBLEMS_MAX = 200;

export class CutLedger {
  #sent = new Map(); // plain event's payload -> topic
  #seqOf = new Map(); // plain event's payload -> seq, as acknowledged
  #promised = []; // {time, seq}: acknowledged as durable
  #kept = []; // {time, seq}: acknowledged, durable or not
  #mutations = []; // {time, mark}: answered
  #delivered = new Map(); // `seq topic` -> data
  #tokens = []; // {time, seq}: positions that a client was given
  #rowChanges = []; // {seq, count}: rows that an event has made or taken
  #seqOfMark = new Map(); // of a created message: what stands in it -> seq
  problems = [];

  /** retained: --retention-events; epochs: those that were in force. */
  constructor(retained) {
    this.retained = retained;
    this.epochs = new Set();
  }

  problem(text) {
    if (this.problems.length < PROBLEMS_MAX) {
      this.problems.push(text);
    }
  }

  get counts() {
    const [durable, acknowledged] = [this.#promised.length, this.#kept.length];
    return { durable, acknowledged, mutations: this.#mutations.length };
  }

  send(payload, topic) {
    this.#sent.set(payload, topic);
  }

  acknowledge(payload, seq, isDurable, time) {
    this.#seqOf.set(payload, seq);
    this.#kept.push({ time, seq });
    if (isDurable) {
      this.#promised.push({ time, seq });
    }
  }

  /** A mutation that makes a message with this mark was answered. */
  answer(mark, time) {
    this.#mutations.push({ time, mark });
  }

  /** kind: of a row's event 'create', 'update' or 'delete'; null of a plain one. */
  deliver(topic, seq, data, kind, time) {
    this.#delivered.set(`${seq} ${topic}`, data);
    this.#tokens.push({ time, seq });
    if (kind === null) {
      return;
    }
    this.#promised.push({ time, seq }); // a row's event is committed before it is delivered
    if (kind === 'create') {
      this.#seqOfMark.set(data.content, seq);
    }
    this.#rowChanges.push({ seq, count: { create: 1, update: 0, delete: -1 }[kind] });
  }

  hasDelivered(payload) {
    const seq = this.#seqOf.get(payload);
    return this.#delivered.has(`${seq} ${this.#sent.get(payload)}`);
  }

  hasMark(mark) {
    return this.#seqOfMark.has(mark);
  }

  /** After the load, before any cut: an answered mutation is as good as its event. */
  settle() {
    for (const { time, mark } of this.#mutations) {
      const seq = this.#seqOfMark.get(mark);
      if (seq === undefined) {
        this.problem(`answered, but its event never came: ${mark}`);
      } else {
        this.#promised.push({ time, seq });
      }
    }
  }

  static #latest(list, time) {
    return list.reduce((seq, entry) => (entry.time < time && entry.seq > seq ? entry.seq : seq), 0);
  }

  /** The furthest position that any client had before that time. */
  furthest(time) {
    return CutLedger.#latest(this.#tokens, time);
  }

  rowsAt(last) {
    return this.#rowChanges.reduce((sum, { seq, count }) => sum + (seq <= last ? count : 0), 0);
  }

  /** An operation of the log is one that was asked for, at the place that was told. */
  checkRecord({ record: seq, topics, payload }) {
    if (payload === undefined) {
      return; // a schema, or a command that failed
    }
    const data = JSON.parse(payload);
    for (const topic of topics) {
      const wanted = this.#delivered.get(`${seq} ${topic}`);
      if (wanted !== undefined && !isDeepStrictEqual(wanted, data)) {
        this.problem(`seq ${seq} on ${topic} was delivered otherwise than it is stored: ${payload}`);
      }
    }
    if (typeof data === 'string') {
      if (!topics.includes(this.#sent.get(data))) {
        this.problem(`seq ${seq} was never sent to ${topics}: ${payload}`);
      }
      const told = this.#seqOf.get(data);
      if (told !== undefined && told !== seq) {
        this.problem(`acknowledged as ${told}, stored as ${seq}: ${payload}`);
      }
    }
  }

  /** What a cut has left is whole and has everything that was promised before it. */
  checkCut(cut) {
    const place = `cut at ${cut.cut}, choice ${cut.choice}, seed ${cut.cut_seed}`;
    const problem = (text) => this.problem(`${place}: ${text}`);
    const before = this.problems.length;
    if (cut.error !== null) {
      problem(`the store does not open: ${cut.error}`);
      return false;
    }
    cut.problems.forEach((text) => problem(`not whole: ${text}`));
    if (cut.problems.length > 0) {
      return false;
    }
    const { first, last } = cut;
    const promised = CutLedger.#latest(cut.was_clean ? this.#kept : this.#promised, cut.time_ns);
    if (promised > last) {
      problem(`${promised} was promised, the log ends with ${last}`);
    }
    if (cut.read !== last - first + 1) {
      problem(`${cut.read} operations from ${first} to ${last}`);
    }
    if (first > 1 && last - first + 1 < this.retained) {
      problem(`only ${last - first + 1} operations are kept`);
    }
    if (cut.rows !== this.rowsAt(last)) {
      problem(`${cut.rows} rows at ${last}, by the events ${this.rowsAt(last)}`);
    }
    this.#checkEpoch(cut, problem);
    return this.problems.length === before;
  }

  #checkEpoch({ epoch, last, was_clean: wasClean, is_last_good: isLastGood, ...more }, problem) {
    if (/^0+$/.test(epoch)) {
      if (last > 0) {
        problem('operations without an epoch');
      }
      return;
    }
    if (!this.epochs.has(epoch)) {
      problem(`an epoch that never was: ${epoch}`);
    }
    if (!wasClean && !isLastGood) {
      problem('the last token of the epoch before is not good any more');
    }
    if (!wasClean && more.is_beyond_good) {
      problem('a token of something lost is taken for something new');
    }
  }
}
