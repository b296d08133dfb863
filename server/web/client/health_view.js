// The server's health: what it said last, and how long ago when it says nothing more.
import { copyOf, partsOf, setText, showOrHide } from './dom.js';
import { formatCount, formatCountdown, formatDuration, plural } from './format.js';

const SECOND_MS = 1000;
const WIDE = matchMedia('(min-width: 64rem)'); // as in client.css: there it is always open

const secondsSince = (instant) => (performance.now() - instant) / SECOND_MS;

/** The rows of the workers, which stay as long as their processes do. */
class WorkerTable {
  #body;
  #rows = new Map(); // by pid

  constructor(body) {
    this.#body = body;
  }

  show(workers) {
    const most = Math.max(1, ...workers.map(({ connections }) => connections));
    const rows = new Map(
      workers.map(({ pid }) => [pid, this.#rows.get(pid) ?? copyOf('worker').firstElementChild]),
    );
    for (const { index, pid, connections } of workers) {
      const [number, process, cell] = rows.get(pid).children;
      const [share, count] = cell.children;
      setText(number, String(index));
      setText(process, String(pid));
      setText(count, formatCount(connections));
      share.style.inlineSize = `${(100 * connections) / most}%`;
    }
    const isSame =
      rows.size === this.#rows.size && [...rows.keys()].every((pid) => this.#rows.has(pid));
    this.#rows = rows;
    if (!isSame) {
      this.#body.replaceChildren(...rows.values());
    }
  }
}

class HealthView {
  #root;
  #parts;
  #titles; // of the status: in the summary and in the card
  #workers;
  #announcer;
  #status = null;
  #report = null; // the last that came
  #reportedAt = 0;

  constructor(root, announcer) {
    this.#root = root;
    this.#announcer = announcer;
    this.#parts = partsOf(root);
    this.#titles = root.querySelectorAll('[data-is="status"]');
    this.#workers = new WorkerTable(this.#parts.workers);
    setInterval(() => this.#showTimes(), SECOND_MS);
  }

  /** report: null when nobody has answered. */
  show(report) {
    this.#showStatus(report === null ? 'unreachable' : report.status);
    if (report !== null) {
      this.#report = report;
      this.#reportedAt = performance.now();
      this.#showReport(report);
    }
    this.#showTimes();
  }

  #showStatus(status) {
    if (status !== this.#status && (this.#status !== null || status !== 'healthy')) {
      this.#announcer.say(`The server is ${status}`);
    }
    this.#status = status;
    this.#root.dataset.status = status;
    this.#titles.forEach((title) => setText(title, status));
  }

  #showReport({ active_connections: connections, version, reason, workers, log }) {
    const parts = this.#parts;
    setText(parts.connections, formatCount(connections));
    setText(parts.version, version);
    setText(parts.first, String(log.first_seq));
    setText(parts.last, String(log.last_seq));
    setText(parts.committed, String(log.committed_seq));
    setText(parts.epoch, log.epoch);
    showOrHide(parts.problem, reason === undefined ? null : `Nothing can be published: ${reason}.`);
    this.#workers.show(workers);
  }

  /** What changes from second to second, between two answers, too. */
  #showTimes() {
    if (this.#report === null) {
      return;
    }
    const { active_connections: connections, uptime_seconds: uptime } = this.#report;
    const age = secondsSince(this.#reportedAt);
    const isThere = this.#status !== 'unreachable';
    const isDraining = this.#status === 'draining';
    const left = isDraining ? formatCountdown(this.#report.remaining_seconds - age) : '';
    const brief = isDraining ? `${left} left` : `up for ${formatDuration(uptime + age)}`;
    const ago = `heard of ${formatDuration(age)} ago`;
    this.#parts.drain.hidden = !isDraining;
    setText(this.#parts.countdown, left);
    setText(this.#parts.uptime, formatDuration(uptime + (isThere ? age : 0)));
    setText(this.#parts.age, isThere ? '' : ago);
    setText(this.#parts.brief, isThere ? `${plural(connections, 'connection')} · ${brief}` : ago);
  }
}

/** root: a <details>, which on a wide screen is open for good. */
export function mountHealth(root, health, announcer) {
  const view = new HealthView(root, announcer);
  const fit = () => (root.open = WIDE.matches);
  WIDE.addEventListener('change', fit);
  fit();
  root.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape' && !WIDE.matches) {
      root.open = false;
      root.querySelector('summary').focus();
    }
  });
  health.start((report) => view.show(report));
}
