// Decisions that a seed makes: the same seed, the same streams.
import { randomFrom } from '../../fault/lib/ledger.mjs';

export class Chance {
  constructor(seed) {
    this.random = randomFrom(seed);
  }

  /** 0 to bound - 1. */
  below(bound) {
    return Math.floor(this.random() * bound);
  }

  /** min to max, small numbers rather than large ones. */
  between(min, max) {
    return min + Math.floor(this.random() ** 3 * (max - min + 1));
  }

  is(probability) {
    return this.random() < probability;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  bytes(count) {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }

  /** count times fn(). */
  times(count, fn) {
    return Array.from({ length: count }, fn);
  }
}
