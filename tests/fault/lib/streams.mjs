// The independent checker of what one publisher sends to a topic and what its subscribers get: number i
// has the payload that its place decides, one seq that everybody agrees on, and comes behind i - 1.
import { randomFrom } from './ledger.mjs';

const BLOCK = 64 * 1024;
const DIGITS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const STRIDE = 977; // from one payload's place in the random block to the next's

/** Payloads of so many bytes of JSON: a number, and text that a seed decides. */
export function makePayloads(bytes, seed) {
  const random = randomFrom(seed);
  let block = '';
  while (block.length < BLOCK + bytes) {
    block += DIGITS[Math.floor(random() * DIGITS.length)];
  }
  block = Buffer.from(block).toString('latin1'); // flat
  return (index) => {
    const head = `${index}:`;
    const from = (index * STRIDE) % BLOCK;
    return head + block.slice(from, from + bytes - 2 - head.length);
  };
}

const shown = (value) => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}… (${text.length})` : text;
};

/** One topic's events in the order in which their only publisher sent them. */
export class Stream {
  sent = 0;
  acknowledged = 0;
  #seqs = []; // index -> seq, by whoever heard of it first

  constructor(topic, payloadOf, problems) {
    this.topic = topic;
    this.payloadOf = payloadOf;
    this.problems = problems;
  }

  problem(text) {
    this.problems.push(`${this.topic}: ${text}`);
  }

  seqOf(index) {
    return this.#seqs[index];
  }

  note(index, seq, what) {
    const known = this.#seqs[index];
    if (known === undefined) {
      this.#seqs[index] = seq;
    } else if (known !== seq) {
      this.problem(`number ${index} is ${what} as seq ${seq}, and was seq ${known}`);
    }
  }

  /** Answers of one connection come in the order of its requests. */
  acknowledge(seq) {
    if (this.acknowledged > 0 && seq <= this.#seqs[this.acknowledged - 1]) {
      this.problem(`acknowledged seq ${seq} behind ${this.#seqs[this.acknowledged - 1]}`);
    }
    this.note(this.acknowledged++, seq, 'acknowledged');
  }
}

/** One subscription to a stream, from number `next` on. */
export class Follower {
  taken = 0;
  gaps = 0;
  missed = 0; // numbers that gaps have named
  #oldest = null; // of a gap behind which nothing has come yet

  constructor(stream, name, { next = stream.sent, mayHaveGaps = false } = {}) {
    this.stream = stream;
    this.name = name;
    this.next = next;
    this.mayHaveGaps = mayHaveGaps;
  }

  problem(text) {
    this.stream.problem(`${this.name}: ${text}`);
  }

  event(seq, data) {
    if (this.#oldest !== null) {
      this.#skip(seq, data);
    }
    if (data !== this.stream.payloadOf(this.next)) {
      this.problem(`seq ${seq} is ${shown(data)}, not number ${this.next}`);
      this.next = parseInt(data, 10); // so that one hole is one problem
    }
    this.stream.note(this.next, seq, `delivered to ${this.name}`);
    this.next++;
    this.taken++;
  }

  gap(oldest) {
    if (!this.mayHaveGaps) {
      this.problem(`a gap, though nothing was trimmed: oldest ${oldest}`);
    } else if (this.next > 0 && oldest <= this.stream.seqOf(this.next - 1)) {
      this.problem(`a gap up to ${oldest}, behind which it was already`);
    }
    this.gaps++;
    this.#oldest = oldest;
  }

  /** The first behind a gap: none that is still kept may be left out. */
  #skip(seq, data) {
    const index = parseInt(data, 10);
    if (!(index > this.next && seq >= this.#oldest)) {
      this.problem(`behind a gap up to ${this.#oldest} came number ${index}, seq ${seq}, not ${this.next}`);
    } else if (this.stream.seqOf(index - 1) >= this.#oldest) {
      this.problem(`after a gap up to ${this.#oldest} came number ${index}, but ${index - 1} is kept`);
    }
    this.missed += index - this.next;
    this.next = index;
    this.#oldest = null;
  }

  /** Everything has come that was acknowledged, and nothing else. */
  checkWhole() {
    if (this.next !== this.stream.acknowledged || this.#oldest !== null) {
      this.problem(`stands at number ${this.next} of ${this.stream.acknowledged}`);
    }
  }
}
