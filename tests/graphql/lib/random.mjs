// Chance that can be repeated: the same seed, the same choices.

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
    this.next();
    this.next();
  }

  /** 32 bits (Mulberry32). */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return (bits ^ (bits >>> 14)) >>> 0;
  }

  below(count) {
    return this.next() % count;
  }

  /** From low to high, both included. */
  between(low, high) {
    return low + this.below(high - low + 1);
  }

  /** Once in so many times. */
  once(times) {
    return this.below(times) === 0;
  }

  of(list) {
    return list[this.below(list.length)];
  }

  /** Each of the list with a chance of one in so many, in its order. */
  some(list, times) {
    return list.filter(() => this.once(times));
  }

  /** Another list, in any order. */
  shuffled(list) {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [copy[i], copy[j]] = [copy[j], copy[i]];
    }
    return copy;
  }

  /** So many results of make(i). */
  times(count, make) {
    return Array.from({ length: count }, (_, i) => make(i));
  }
}
