// The independent checker of a subscription over all its connections: what it was given is held against
// the log, from where it began to the end.
export class Chain {
  token = null; // where it resumes: {epoch, seq}; null: it has never been answered
  from = null; // the seq behind which it began
  seqs = []; // what it was given

  /** onProblem gets a text. */
  constructor(onProblem) {
    this.onProblem = onProblem;
  }

  /** A connection's subscription stands. */
  start({ seq, epoch, recovered }) {
    const { token } = this;
    if (token && (seq !== token.seq || epoch !== token.epoch || recovered === false)) {
      this.onProblem(`resumed at ${seq} of ${epoch}, recovered ${recovered}; ` +
        `it was at ${token.seq} of ${token.epoch}`);
    }
    this.token ??= { epoch, seq };
    this.from ??= seq;
  }

  event(seq) {
    if (this.token === null) {
      this.onProblem(`seq ${seq} before it was answered`);
      return;
    }
    if (seq <= this.token.seq) {
      this.onProblem(`seq ${seq} behind seq ${this.token.seq}`);
    }
    this.seqs.push(seq);
    this.token = { epoch: this.token.epoch, seq };
  }

  hasReached(seq) {
    return this.token !== null && this.token.seq >= seq;
  }

  /** It has had each of the topic's events behind its beginning, and no other. logged: their seqs. */
  check(logged) {
    const { seqs } = this;
    const expected = logged.filter((seq) => seq > this.from);
    const at = expected.findIndex((seq, i) => seq !== seqs[i]);
    if (at >= 0 || expected.length !== seqs.length) {
      const place = at < 0 ? expected.length : at;
      this.onProblem(`${seqs.length} events instead of ${expected.length}: ` +
        `number ${place} is seq ${seqs[place]} instead of ${expected[place]}`);
    }
  }
}
