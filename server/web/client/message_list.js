// What has come, as rows: bounded, painted once per frame, and following the newest only as long as
// its reader does.
import { copyOf, oncePerFrame, partsOf, setText, showOrHide } from './dom.js';
import { formatClock, formatTime, plural } from './format.js';

const ROWS_MAX = 2000;
const CHARACTERS_MAX = 4 * 1024 * 1024; // of all rows
const ROWS_PER_FRAME = 250;
const TEXT_SHOWN_MAX = 2000; // of one row, until the rest is asked for
const BOTTOM_PX = 24; // so near the end is at the end

function showText(element, text) {
  if (text.length <= TEXT_SHOWN_MAX) {
    element.textContent = text;
    return;
  }
  const more = document.createElement('button');
  more.type = 'button';
  more.className = 'plain';
  more.textContent = `show all ${plural(text.length, 'character')}`;
  more.addEventListener('click', () => (element.textContent = text));
  element.replaceChildren(`${text.slice(0, TEXT_SHOWN_MAX)}… `, more);
}

/** The row of an entry: see add(). */
function makeRow({ kind, time, seq, label = '', text }) {
  const row = copyOf('row').firstElementChild;
  const [clock, number, from, body] = row.children;
  row.dataset.kind = kind;
  clock.dateTime = time.toISOString();
  clock.title = formatTime(time);
  clock.textContent = formatClock(time);
  number.textContent = seq ?? '';
  from.textContent = label;
  showText(body, text);
  return row;
}

export class MessageList {
  #parts;
  #count;
  #shows = () => true;
  #waiting = []; // entries that have no row yet
  #kept = []; // {entry, row}, the oldest first
  #characters = 0; // in the rows
  #messages = 0;
  #dropped = 0;
  #unseen = 0;
  #isFollowing = true;
  #paintSoon = oncePerFrame(() => this.#paint());

  /** root: an element for the rows; tools: one for the count and what belongs to it. */
  constructor(root, tools) {
    root.append(copyOf('list'));
    tools.append(copyOf('tools'));
    this.#parts = partsOf(root);
    const { count, clear } = partsOf(tools);
    this.#count = count;
    const { scroller, newer } = this.#parts;
    scroller.append(root.querySelector('.empty'));
    scroller.setAttribute('aria-label', 'Messages');
    scroller.addEventListener('scroll', () => this.#onScroll(), { passive: true });
    scroller.addEventListener('keydown', ({ key }) => key === 'Escape' && this.#follow());
    newer.addEventListener('click', () => {
      this.#follow();
      scroller.focus();
    });
    clear.addEventListener('click', () => this.#clear());
    // A list that becomes smaller, or is shown again, stays at its end.
    new ResizeObserver(() => this.#isFollowing && this.#follow()).observe(scroller);
    this.#tell();
  }

  /**
   * kind: 'message', 'own', 'tick', 'answer', 'notice' or 'problem'; time: a Date; text; and where
   * there are such, seq and label. The filter gets what it is given.
   */
  add(entry) {
    this.#messages += entry.kind === 'message' || entry.kind === 'own' ? 1 : 0;
    this.#waiting.push(entry);
    // A tab that is hidden paints nothing.
    if (this.#waiting.length > 2 * ROWS_MAX) {
      this.#dropped += this.#waiting.splice(0, ROWS_MAX).length;
    }
    this.#paintSoon();
  }

  /** shows(entry): whether its row is to be seen, of those that are there and those that come. */
  filter(shows) {
    this.#shows = shows;
    for (const { entry, row } of this.#kept) {
      row.hidden = !shows(entry);
    }
    if (this.#isFollowing) {
      this.#follow();
    }
  }

  #paint() {
    const arrived = this.#waiting.splice(0, ROWS_PER_FRAME).map((entry) => {
      const row = makeRow(entry);
      row.hidden = !this.#shows(entry);
      return { entry, row };
    });
    this.#parts.rows.append(...arrived.map(({ row }) => row));
    this.#kept.push(...arrived);
    this.#characters += arrived.reduce((sum, { entry }) => sum + entry.text.length, 0);
    this.#dropOldest();
    if (this.#isFollowing) {
      this.#follow();
    } else {
      this.#unseen += arrived.filter(({ row }) => !row.hidden).length;
      this.#tell();
    }
    if (this.#waiting.length > 0) {
      this.#paintSoon();
    }
  }

  #dropOldest() {
    let surplus = 0;
    for (const { entry, row } of this.#kept) {
      const isWithin =
        this.#kept.length - surplus <= ROWS_MAX && this.#characters <= CHARACTERS_MAX;
      if (isWithin || surplus === this.#kept.length - 1) {
        break;
      }
      this.#characters -= entry.text.length;
      row.remove();
      surplus++;
    }
    this.#kept.splice(0, surplus);
    this.#dropped += surplus;
  }

  #tell() {
    const dropped =
      this.#dropped > 0
        ? ` · the ${plural(this.#dropped, 'oldest row', 'oldest rows')} dropped`
        : '';
    setText(this.#count, plural(this.#messages, 'message') + dropped);
    showOrHide(
      this.#parts.newer,
      this.#unseen > 0 ? `${plural(this.#unseen, 'new', 'new')} ↓` : null,
    );
  }

  #onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#parts.scroller;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight < BOTTOM_PX;
    if (this.#isFollowing && this.#unseen > 0) {
      this.#unseen = 0;
      this.#tell();
    }
  }

  #follow() {
    const { scroller } = this.#parts;
    this.#isFollowing = true;
    this.#unseen = 0;
    scroller.scrollTop = scroller.scrollHeight;
    this.#tell();
  }

  #clear() {
    this.#parts.rows.replaceChildren();
    this.#waiting = [];
    this.#kept = [];
    this.#characters = 0;
    this.#messages = 0;
    this.#dropped = 0;
    this.#follow();
  }
}
