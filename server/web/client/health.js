// Asks /health again and again: often while somebody looks, seldom while the tab is hidden.

const PAUSE_MS = 2000;
const HIDDEN_PAUSE_MS = 30_000;
const PATIENCE_MS = 5000;

/**
 * The server's report, whatever the answer's status: 503 says how it is, too. Throws when there is
 * none, or what answers is something else, such as a proxy.
 */
async function ask() {
  const answer = await fetch('health', {
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const report = await answer.json();
  if (report.log === undefined) {
    throw new Error('no report of a server');
  }
  return report;
}

export class Health {
  #onReport;
  #timer = 0;
  #isAsking = false;

  /** onReport(report) gets each answer (PROTOCOLS section 5); null: nobody answers. */
  start(onReport) {
    this.#onReport = onReport;
    document.addEventListener('visibilitychange', () => document.hidden || this.ask());
    this.ask();
  }

  /** At once, and then as often as before. */
  async ask() {
    if (this.#isAsking) {
      return;
    }
    this.#isAsking = true;
    clearTimeout(this.#timer);
    this.#onReport(await ask().catch(() => null));
    this.#isAsking = false;
    this.#timer = setTimeout(() => this.ask(), document.hidden ? HIDDEN_PAUSE_MS : PAUSE_MS);
  }
}
