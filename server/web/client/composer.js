// A text area in which Enter sends, Shift and Enter begin a new line, and the arrow up brings back
// what was sent.
import { showOrHide } from './dom.js';

const HISTORY_MAX = 50;

export class Composer {
  #send;
  #text;
  #problem;
  #history = []; // the oldest first
  #place = 0; // in the history; its length: what is being written

  /** send(text) returns why it cannot be sent, or null when it has been. */
  constructor(form, send) {
    this.#send = send;
    this.#text = form.querySelector('textarea');
    this.#problem = form.querySelector('.problem');
    this.#text.addEventListener('keydown', (event) => this.#onKey(event, form));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  #onKey(event, form) {
    if (event.isComposing) {
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === 'ArrowUp' && this.#isUnchanged()) {
      this.#recall(event, this.#place - 1);
    } else if (event.key === 'ArrowDown' && this.#isUnchanged()) {
      this.#recall(event, this.#place + 1);
    }
  }

  /** Nothing of what is written may be lost by looking back. */
  #isUnchanged() {
    return this.#text.value === (this.#history[this.#place] ?? '');
  }

  #recall(event, place) {
    if (place >= 0 && place <= this.#history.length) {
      event.preventDefault();
      this.#place = place;
      this.#text.value = this.#history[place] ?? '';
    }
  }

  #submit() {
    const text = this.#text.value;
    const problem = this.#send(text);
    showOrHide(this.#problem, problem);
    if (problem === null) {
      this.#history = [...this.#history, text].slice(-HISTORY_MAX);
      this.#place = this.#history.length;
      this.#text.value = '';
    }
    this.#text.focus();
  }
}
