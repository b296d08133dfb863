// The web client at / as people use it: bursts, keyboard, screen readers, themes, phones.
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';
import {
  WIDE,
  enterRoom,
  hasPhase,
  hasRow,
  hears,
  listen,
  messagesOf,
  openClient,
  publish,
  rowsOf,
  say,
  says,
  showsExactly,
  subscribe,
} from './lib/web_client.mjs';

const ROWS_MAX = 2000;
const ROWS_PER_FRAME = 250;
const PHONE = { width: 390, height: 844 };
const SMALLEST = { width: 320, height: 568 };

test('thousands of messages at once are all counted, and only the newest kept', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const count = 5000;
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  await subscribe(page, 'news');
  await listen(page);
  await page.evaluate(() => {
    const rows = document.querySelector('#broker .scroller ol');
    window.mostRows = 0;
    new MutationObserver(() => {
      window.mostRows = Math.max(window.mostRows, rows.children.length);
    }).observe(rows, { childList: true });
  });
  const publisher = await server.broker();
  for (const n of numbers(0, count)) {
    publisher.send({ action: 'publish', topic: 'news', message: n });
  }
  // In the middle of it the page is there for its user.
  await page.fill('#broker-text', 'being written');
  await page.click('#tab-room');
  await page.click('#tab-broker');
  await says(page, '#broker .tally', /^5,000 messages · the 3,001 oldest rows dropped/);
  assert.equal(await page.inputValue('#broker-text'), 'being written');
  const texts = (await messagesOf(page, 'broker')).map(({ text }) => text);
  assert.deepEqual(texts, numbers(count - ROWS_MAX, ROWS_MAX).map(String));
  assert.ok((await page.evaluate(() => window.mostRows)) <= ROWS_MAX + ROWS_PER_FRAME);
  // Read out was a summary of it, not all.
  const announced = await hears(page, /messages; the last/);
  assert.ok(announced.every((words) => words.length < 500));

  // The list follows its end, until somebody reads.
  const distance = () =>
    page.$eval(
      '#broker .scroller',
      (list) => list.scrollHeight - list.scrollTop - list.clientHeight,
    );
  assert.ok((await distance()) < 2);
  await page.$eval('#broker .scroller', (list) => (list.scrollTop = 1000));
  await until(async () => (await distance()) > 1000);
  for (const n of [1, 2, 3]) {
    await server.post('news', n);
  }
  await says(page, '#broker .newer', /^3 new/);
  assert.ok((await distance()) > 1000, 'what is read stays where it is');
  await page.click('#broker .newer');
  await until(async () => (await distance()) < 2, { what: 'the end of the list' });
  // On a phone, too, the whole count can be read, and what stands behind it be reached.
  await page.setViewportSize(SMALLEST);
  const card = await page.locator('#broker').boundingBox();
  const clear = await page.locator('#broker [data-is="clear"]').boundingBox();
  assert.ok(clear.x + clear.width <= card.x + card.width, `${clear.x} + ${clear.width}`);
  await page.setViewportSize(WIDE);
  assert.equal(await page.isVisible('#broker .newer'), false);
  await page.click('#broker [data-is="clear"]');
  assert.deepEqual(await rowsOf(page, 'broker'), []);
  assert.deepEqual(page.complaints, []);
});

test('of a very long message the beginning is shown, and the rest when asked for', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  await subscribe(page, 'news');
  const text = 'x'.repeat(300_000);
  await server.post('news', JSON.stringify(text));
  const row = page.locator('#broker li[data-kind="message"] .text');
  const button = row.locator('button');
  await button.waitFor();
  assert.match(await button.innerText(), /300,000 characters/);
  assert.ok((await row.innerText()).length < 3000);
  await button.click();
  assert.equal(await row.textContent(), text);
});

/** Presses Tab until the focus is on what the selector says; each stop on the way can be seen. */
async function tabTo(page, selector) {
  for (let stop = 0; stop < 40; stop++) {
    await page.keyboard.press('Tab');
    const { isThere, hasOutline, what } = await page.evaluate((wanted) => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return {
        isThere: element.matches(wanted),
        hasOutline: outlineStyle !== 'none' && outlineWidth !== '0px',
        what: element.outerHTML.slice(0, 80),
      };
    }, selector);
    assert.ok(hasOutline, `the focus cannot be seen on ${what}`);
    if (isThere) {
      return;
    }
  }
  assert.fail(`the Tab key never comes to ${selector}`);
}

test('all of it can be done by keyboard', async ({ start, cleanup }) => {
  const server = await start();
  const page = await openClient(server.port, cleanup);
  const { keyboard } = page;
  await keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await tabTo(page, '#tab-room');
  await tabTo(page, '#room [name="id"]');
  await keyboard.type('ann');
  await keyboard.press('Enter');
  await hasPhase(page, 'room', 'open');
  await tabTo(page, '#room-text');
  for (const text of ['one', 'two']) {
    await keyboard.type(text);
    await keyboard.press('Enter');
  }
  await keyboard.type('three');
  await keyboard.press('Shift+Enter');
  await keyboard.type('lines');
  await keyboard.press('Enter');
  await keyboard.press('ArrowUp');
  await keyboard.press('ArrowUp');
  assert.equal(await page.inputValue('#room-text'), 'two');
  await keyboard.press('ArrowDown');
  await keyboard.press('ArrowDown');
  assert.equal(await page.inputValue('#room-text'), '');
  await showsExactly(page, 'room', ['one', 'two', 'three\nlines']);

  await page.focus('#tab-room');
  const keys = ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'Home', 'End'];
  for (const [index, tab] of ['broker', 'room', 'broker', 'room', 'broker'].entries()) {
    await keyboard.press(keys[index]);
    assert.equal(await page.evaluate(() => document.activeElement.id), `tab-${tab}`);
    assert.equal(await page.isVisible(`#${tab}`), true);
  }
  assert.match(page.url(), /#\/broker$/);
  await tabTo(page, '.subscribe [name="topic"]');
  await keyboard.type('news');
  await keyboard.press('Enter');
  await page.waitForSelector('.subscriptions li[data-phase="live"]');
  await tabTo(page, '#broker [value="text"]');
  await keyboard.press('ArrowRight'); // to JSON
  await tabTo(page, '#broker-text');
  await keyboard.type('{"a":1}');
  await keyboard.press('Enter');
  await showsExactly(page, 'broker', ['{"a":1}']);
  await page.focus('.subscribe [name="topic"]');
  await tabTo(page, '.subscriptions button');
  await keyboard.press('Enter');
  await page.waitForSelector('.subscriptions li', { state: 'detached' });
  await until(() => page.evaluate(() => document.activeElement.name === 'topic'), {
    what: 'the focus in a place that is still there',
  });
  assert.deepEqual(page.complaints, []);
});

test('whoever does not see the page is told what is what', async ({ start, cleanup }) => {
  const server = await start();
  const page = await openClient(server.port, cleanup);
  const broken = await page.evaluate(() => {
    const found = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    const nameOf = (element) =>
      element.getAttribute('aria-label') ??
      [...(element.labels ?? [])]
        .map((label) => label.textContent)
        .join('')
        .trim();
    for (const element of all('input, select, textarea')) {
      nameOf(element) || found.push(`no label: ${element.outerHTML}`);
    }
    for (const element of all('button:not([hidden]), a, summary')) {
      element.textContent.trim() || nameOf(element) || found.push(`empty: ${element.outerHTML}`);
    }
    for (const name of ['aria-controls', 'aria-labelledby']) {
      for (const element of all(`[${name}]`)) {
        document.getElementById(element.getAttribute(name)) ?? found.push(element.outerHTML);
      }
    }
    const ids = all('[id]').map(({ id }) => id);
    found.push(...ids.filter((id, index) => ids.indexOf(id) !== index));
    const one = (selector) => all(selector).length === 1 || found.push(`not one ${selector}`);
    ['h1', 'main', 'nav', 'header', '[role="tablist"]', 'p[role="status"]'].forEach(one);
    all('img:not([alt]), [tabindex]:not([tabindex="0"], [tabindex="-1"])').forEach((element) =>
      found.push(element.outerHTML),
    );
    all('[role="log"]:not([aria-live="off"][tabindex="0"][aria-label])').forEach((element) =>
      found.push(element.outerHTML),
    );
    document.documentElement.lang || found.push('no language');
    document.title || found.push('no title');
    return found;
  });
  assert.deepEqual(broken, []);
  await listen(page);
  await enterRoom(page, 'ann');
  await hears(page, /Room: Connected/);
  const other = await server.room('bob');
  await other.say('good morning');
  await hears(page, /bob: good morning/);
});

/** The contrast of two colours of the page as WCAG 2 has it. */
const contrastOf = (page, front, back) =>
  page.evaluate(
    ([one, other]) => {
      const probe = document.body.appendChild(document.createElement('i'));
      const luminance = (name) => {
        probe.style.color = `var(--${name})`;
        const channels = getComputedStyle(probe)
          .color.match(/\d+/g)
          .map((part) => part / 255);
        const [red, green, blue] = channels.map((part) =>
          part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
      probe.remove();
      return (bright + 0.05) / (dark + 0.05);
    },
    [front, back],
  );

test('it can be read in light and dark, and the choice stays', async ({ start, cleanup }) => {
  const server = await start();
  const page = await openClient(server.port, cleanup);
  const pairs = [
    ...['page', 'card', 'field', 'hover', 'accent-tint'].map((back) => ['text', back]),
    ...['page', 'card', 'field', 'accent-tint'].map((back) => ['quiet', back]),
    ...['card', 'field', 'accent-tint'].map((back) => ['accent', back]),
    ...[
      ['on-accent', 'accent'],
      ['good', 'card'],
      ['busy', 'card'],
      ['bad', 'card'],
    ],
    ...[
      ['busy', 'busy-tint'],
      ['text', 'busy-tint'],
      ['bad', 'bad-tint'],
    ],
  ];
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const seen = new Set();
  for (const theme of ['light', 'dark']) {
    await page.selectOption('#theme', theme);
    for (const [front, back] of pairs) {
      const contrast = await contrastOf(page, front, back);
      assert.ok(contrast >= 4.5, `${theme}: ${front} on ${back} has ${contrast}`);
    }
    for (const back of ['card', 'field']) {
      assert.ok((await contrastOf(page, 'line-strong', back)) >= 3, `${theme}: lines on ${back}`);
    }
    seen.add(await background());
  }
  assert.equal(seen.size, 2);
  const dark = await background();
  await page.reload();
  assert.equal(await background(), dark);
  assert.equal(await page.inputValue('#theme'), 'dark');
  await page.selectOption('#theme', 'system');
  await page.emulateMedia({ colorScheme: 'light' });
  assert.notEqual(await background(), dark);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await background(), dark);
  assert.deepEqual(page.complaints, []);
});

test('it fits on a phone, with all that it has to show', async ({ start, cleanup }) => {
  const server = await start({ workers: 2 });
  const page = await openClient(server.port, cleanup, { viewport: SMALLEST });
  const long = 'w'.repeat(200);
  const fits = async (what) => {
    const [content, window] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      innerWidth,
    ]);
    assert.ok(content <= window, `${what}: ${content} of ${window}`);
  };
  await fits('empty');
  await enterRoom(page, 'i'.repeat(64));
  await say(page, long);
  await hasRow(page, 'room', 'own', long);
  await page.click('#tab-broker');
  await subscribe(page, `topic:${long}`);
  await publish(page, `topic:${long}`, JSON.stringify([long]), { kind: 'json' });
  await hasRow(page, 'broker', 'message', long);
  await publish(page, long, `{${long}`, { kind: 'json' });
  await page.click('summary');
  await page.waitForSelector('.health[open]');
  for (const viewport of [SMALLEST, PHONE, { width: 844, height: 390 }]) {
    await page.setViewportSize(viewport);
    for (const tab of ['room', 'broker']) {
      await page.click(`#tab-${tab}`);
      await fits(`${tab} at ${viewport.width}`);
    }
  }
  await page.focus('summary');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.health:not([open])');
  // Beside the messages there is room for it: no need to open it.
  await page.setViewportSize(WIDE);
  await page.waitForSelector('.health[open]');
  assert.equal(await page.isVisible('summary'), false);
  assert.deepEqual(page.complaints, []);
});
