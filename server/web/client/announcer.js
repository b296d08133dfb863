// What a screen reader says by itself: a few words now and then, however much is going on.

const PAUSE_MS = 2000;
const NOTES_MAX = 3; // at a time; the newest
const MESSAGE_CHARACTERS_MAX = 120;

export class Announcer {
  #region;
  #notes = [];
  #messageCount = 0;
  #lastMessage = '';
  #timer = 0;

  /** region: an element with role="status". */
  constructor(region) {
    this.#region = region;
  }

  /** Something has changed that one should know. */
  say(text) {
    this.#notes = [...this.#notes, text].slice(-NOTES_MAX);
    this.#speakSoon();
  }

  /** A message has come: one is read out, of many how many they are. */
  count(text) {
    this.#messageCount++;
    this.#lastMessage = text;
    this.#speakSoon();
  }

  #speakSoon() {
    this.#timer ||= setTimeout(() => this.#speak(), PAUSE_MS);
  }

  #speak() {
    const parts = this.#notes;
    const last = this.#lastMessage.slice(0, MESSAGE_CHARACTERS_MAX);
    if (this.#messageCount === 1) {
      parts.push(last);
    } else if (this.#messageCount > 1) {
      parts.push(`${this.#messageCount} messages; the last: ${last}`);
    }
    this.#region.textContent = parts.join('. ');
    this.#notes = [];
    this.#messageCount = 0;
    this.#timer = 0;
  }
}
