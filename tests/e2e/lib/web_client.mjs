// The web client in Chromium: opened, used, and looked at.
import assert from 'node:assert/strict';
import { openPage } from './chromium.mjs';
import { until } from './until.mjs';

export const WIDE = { width: 1440, height: 900 };

// What Chromium itself says of a server that is away; everything else is ours.
const OUTAGE = /net::ERR_|status of 50[23]|WebSocket connection to/;

/** What is not as it should be goes to page.complaints: errors, violations, requests elsewhere. */
function watch(page, port) {
  page.complaints = [];
  const complain = (text) => OUTAGE.test(text) || page.complaints.push(text);
  page.on('console', (message) => message.type() === 'error' && complain(message.text()));
  page.on('pageerror', (error) => complain(error.stack));
  const origins = [`http://127.0.0.1:${port}/`, `ws://127.0.0.1:${port}/`];
  const look = (url) => origins.some((one) => url.startsWith(one)) || complain(`asked ${url}`);
  page.on('request', (request) => look(request.url()));
  page.on('websocket', (socket) => look(socket.url()));
  return page.addInitScript(() =>
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`policy: ${violatedDirective} ${blockedURI}`),
    ),
  );
}

/** A page that shows the client; tab: 'room' or 'broker'. */
export async function openClient(port, cleanup, { tab = 'room', viewport = WIDE, before } = {}) {
  const page = await openPage(cleanup);
  await page.setViewportSize(viewport);
  await watch(page, port);
  await before?.(page);
  const answer = await page.goto(`http://127.0.0.1:${port}/#/${tab}`);
  assert.ok([200, 304].includes(answer.status()), `status ${answer.status()}`);
  await page.waitForSelector(`#${tab}:not([hidden]) .scroller`);
  return page;
}

// Of a tab that is shown or not.
const isThere = (page, selector) => page.waitForSelector(selector, { state: 'attached' });
export const hasPhase = (page, tab, phase) => isThere(page, `#${tab} .bar[data-phase="${phase}"]`);
export const textIn = (page, selector) => page.locator(selector).first().innerText();
export const says = (page, selector, pattern) =>
  until(async () => pattern.test(await textIn(page, selector)), {
    what: `${pattern} in ${selector}`,
  });

/** From now on all is kept that is announced; the region itself has only what was last. */
export const listen = (page) =>
  page.evaluate(() => {
    const region = document.getElementById('announcer');
    window.announced = [];
    const keep = () => window.announced.push(region.textContent);
    new MutationObserver(keep).observe(region, { childList: true });
  });

/** Waits until something like it has been announced; returns all that has. */
export async function hears(page, pattern) {
  const announced = () => page.evaluate(() => window.announced);
  await until(async () => (await announced()).some((words) => pattern.test(words)), {
    what: `${pattern} in what is announced`,
  });
  return announced();
}

export async function enterRoom(page, id = '') {
  await page.fill('#room [name="id"]', id);
  await page.click('#room [data-is="toggle"]');
  await says(page, '#room .state', /Connected as .* in the room/);
}

export async function say(page, text) {
  await page.fill('#room-text', text);
  await page.press('#room-text', 'Enter');
}

export async function subscribe(page, topic, since = '') {
  await page.fill('.subscribe [name="topic"]', topic);
  await page.fill('.subscribe [name="since"]', since);
  await page.press('.subscribe [name="since"]', 'Enter');
  await page.waitForSelector(`.subscriptions li[data-phase="live"] .topic >> text="${topic}"`);
}

export async function publish(page, topic, text, { kind = 'text' } = {}) {
  await page.fill('#broker .composer [name="topic"]', topic);
  await page.check(`#broker [value="${kind}"]`);
  await page.fill('#broker-text', text);
  await page.press('#broker-text', 'Enter');
}

/** The rows of a list: {kind, label, text, seq}. */
export const rowsOf = (page, tab) =>
  page.$$eval(`#${tab} .scroller li`, (rows) =>
    rows.map((row) => {
      const [, seq, label, text] = [...row.children].map((child) => child.textContent);
      return { kind: row.dataset.kind, label, text, seq: seq === '' ? null : Number(seq) };
    }),
  );

export const messagesOf = async (page, tab) =>
  (await rowsOf(page, tab)).filter(({ kind }) => kind === 'message' || kind === 'own');

/** Waits until these texts, and no other, have come as messages. */
export async function showsExactly(page, tab, texts) {
  const shown = async () => (await messagesOf(page, tab)).map(({ text }) => text);
  await until(async () => (await shown()).length >= texts.length, {
    what: `${texts.length} messages in the ${tab}`,
  });
  assert.deepEqual(await shown(), texts);
}

export const hasRow = (page, tab, kind, text) =>
  isThere(page, `#${tab} li[data-kind="${kind}"] .text >> text=${text}`);
