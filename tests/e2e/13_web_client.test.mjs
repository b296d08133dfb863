// The web client at /, as a browser shows it (PROTOCOLS sections 1 to 3 and 5).
import { openPage } from './lib/chromium.mjs';
import { startPinned } from './lib/pinned.mjs';
import { kill } from './lib/processes.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const ROWS_MAX = 2000;
const ROWS_PER_FRAME = 250;
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const SMALLEST = { width: 320, height: 568 };

// What Chromium itself says of a server that is away; everything else is ours.
const OUTAGE = /net::ERR_|status of 503|WebSocket connection to/;

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
async function openClient(port, cleanup, { tab = 'room', viewport = WIDE, before } = {}) {
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
const hasPhase = (page, tab, phase) => isThere(page, `#${tab} .bar[data-phase="${phase}"]`);
const textIn = (page, selector) => page.locator(selector).first().innerText();
const says = (page, selector, pattern) =>
  until(async () => pattern.test(await textIn(page, selector)), {
    what: `${pattern} in ${selector}`,
  });

async function enterRoom(page, id = '') {
  await page.fill('#room [name="id"]', id);
  await page.click('#room [data-is="toggle"]');
  await says(page, '#room .state', /Connected as .* in the room/);
}

async function say(page, text) {
  await page.fill('#room-text', text);
  await page.press('#room-text', 'Enter');
}

async function subscribe(page, topic, since = '') {
  await page.fill('.subscribe [name="topic"]', topic);
  await page.fill('.subscribe [name="since"]', since);
  await page.press('.subscribe [name="since"]', 'Enter');
  await page.waitForSelector(`.subscriptions li[data-phase="live"] .topic >> text="${topic}"`);
}

async function publish(page, topic, text, { kind = 'text' } = {}) {
  await page.fill('#broker .composer [name="topic"]', topic);
  await page.check(`#broker [value="${kind}"]`);
  await page.fill('#broker-text', text);
  await page.press('#broker-text', 'Enter');
}

/** The rows of a list: {kind, label, text, seq}. */
const rowsOf = (page, tab) =>
  page.$$eval(`#${tab} .scroller li`, (rows) =>
    rows.map((row) => {
      const [, seq, label, text] = [...row.children].map((child) => child.textContent);
      return { kind: row.dataset.kind, label, text, seq: seq === '' ? null : Number(seq) };
    }),
  );

const messagesOf = async (page, tab) =>
  (await rowsOf(page, tab)).filter(({ kind }) => kind === 'message' || kind === 'own');

/** Waits until these texts, and no other, have come as messages. */
async function showsExactly(page, tab, texts) {
  const shown = async () => (await messagesOf(page, tab)).map(({ text }) => text);
  await until(async () => (await shown()).length >= texts.length, {
    what: `${texts.length} messages in the ${tab}`,
  });
  assert.deepEqual(await shown(), texts);
}

const hasRow = (page, tab, kind, text) =>
  isThere(page, `#${tab} li[data-kind="${kind}"] .text >> text=${text}`);

const workersOf = (page) =>
  page.$$eval('[data-is="workers"] tr', (rows) =>
    rows.map((row) => Number(row.lastElementChild.textContent)),
  );

test('two pages on two workers see each other in the room, and each knows its own', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const ports = [await startPinned(server, 0, cleanup), await startPinned(server, 1, cleanup)];
  const ann = await openClient(ports[0], cleanup);
  const bob = await openClient(ports[1], cleanup);
  await enterRoom(ann, 'ann');
  await enterRoom(bob);
  await until(async () => (await workersOf(ann)).join() === '1,1', { what: 'one on each worker' });

  await say(ann, 'hello <b>all</b> & "each"');
  await hasRow(bob, 'room', 'message', 'hello <b>all</b> & "each"');
  await say(bob, 'hello ann');
  await hasRow(ann, 'room', 'message', 'hello ann');
  await server.post('room', { from: 'elsewhere', n: [1, null] });
  await hasRow(ann, 'room', 'message', 'elsewhere');

  const bobId = await bob.inputValue('#room [name="id"]');
  assert.match(bobId, /^client-[a-z0-9]{8}$/);
  const rows = await messagesOf(ann, 'room');
  assert.deepEqual(
    rows.map(({ kind, label, text }) => [kind, label, text]),
    [
      ['own', 'ann', 'hello <b>all</b> & "each"'],
      ['message', bobId, 'hello ann'],
      ['message', 'published', '{"from":"elsewhere","n":[1,null]}'],
    ],
  );
  assert.deepEqual([...ann.complaints, ...bob.complaints], []);
});

test('greeting, ticks, times and an id that cannot be', async ({ start, cleanup }) => {
  const server = await start({ tick: '200ms' });
  const page = await openClient(server.port, cleanup);
  await page.fill('#room [name="id"]', 'not an id');
  await page.click('#room [data-is="toggle"]');
  assert.equal(await page.getAttribute('#room .bar', 'data-phase'), 'idle');
  await enterRoom(page, 'ann');
  await hasRow(page, 'room', 'notice', 'Connected to sluice as ann');
  await hasRow(page, 'room', 'tick', '1 in the room');
  const time = page.locator('#room li[data-kind="tick"] time').first();
  const iso = await time.getAttribute('datetime');
  assert.ok(Math.abs(Date.parse(iso) - Date.now()) < 3_600_000, iso);
  assert.match(await time.getAttribute('title'), new RegExp(iso.slice(0, 4)));

  await page.uncheck('#room [data-is="ticks"]');
  await say(page, 'hidden they are');
  await hasRow(page, 'room', 'own', 'hidden they are');
  assert.equal(await page.locator('#room li[data-kind="tick"]:visible').count(), 0);
  await page.check('#room [data-is="ticks"]');
  await page.waitForSelector('#room li[data-kind="tick"]:visible');
  assert.deepEqual(page.complaints, []);
});

test('the broker: subscribe, publish text and JSON, filter, unsubscribe', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  for (const n of [1, 2, 3]) {
    await server.post('old', n);
  }
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  await subscribe(page, 'news'); // which connects, too
  await subscribe(page, 'old', '0');
  await showsExactly(page, 'broker', ['1', '2', '3']);

  await publish(page, 'news', 'as it is: {"a":');
  await page.check('#broker [name="durable"]');
  await publish(page, 'news', '{"digits": 12345678901234567890, "b": 1e400}', { kind: 'json' });
  await hasRow(page, 'broker', 'answer', 'Published to news, on disk');
  await hasRow(page, 'broker', 'answer', /Published to news$/);
  await publish(page, 'news', '{"a":', { kind: 'json' });
  assert.match(await textIn(page, '#broker .composer .problem'), /not JSON/);
  assert.equal(await page.inputValue('#broker-text'), '{"a":', 'what is wrong stays to be mended');
  await publish(page, '$sys', '1', { kind: 'json' });
  await hasRow(page, 'broker', 'problem', 'bad_topic');
  await showsExactly(page, 'broker', [
    ...['1', '2', '3'],
    'as it is: {"a":',
    '{"digits":12345678901234567890,"b":1e400}',
  ]);
  const { events } = await server.history('news');
  assert.equal(events.length, 2, 'nothing else was published');
  assert.equal(events[0].data, 'as it is: {"a":');

  const visible = async () =>
    (await page.$$eval('#broker li[data-kind="message"]', (rows) =>
      rows.filter((row) => !row.hidden).map((row) => row.children[2].textContent),
    )).join();
  await page.fill('#broker [data-is="filter"]', 'ol');
  assert.equal(await visible(), 'old,old,old');
  await page.press('#broker [data-is="filter"]', 'Escape');
  assert.equal(await visible(), 'old,old,old,news,news');

  await page.click('.subscriptions [aria-label="Unsubscribe from news"]');
  await hasRow(page, 'broker', 'answer', 'Unsubscribed from news');
  await server.post('news', '"unheard"');
  await server.post('old', '"marker"');
  await hasRow(page, 'broker', 'message', 'marker');
  assert.equal((await messagesOf(page, 'broker')).length, 6);
  assert.deepEqual(await page.locator('.subscriptions .topic').allInnerTexts(), ['old']);
  assert.deepEqual(page.complaints, []);
});

test('what a position from elsewhere leads to is said', async ({ start, cleanup }) => {
  const server = await start();
  await server.post('news', '"kept"');
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  await subscribe(page, 'news', '999999');
  await hasRow(page, 'broker', 'problem', 'not everything');
  await hasRow(page, 'broker', 'problem', 'Gap in news');
  await showsExactly(page, 'broker', ['kept']);
});

/** A page in the room and with the topic `news`; come(n): the next n messages of both. */
async function openFollower(server, cleanup) {
  const page = await openClient(server.port, cleanup);
  await enterRoom(page, 'follower');
  await page.click('#tab-broker');
  await subscribe(page, 'news');
  let last = 0;
  const come = async (count, { broker, room }) => {
    for (const n of numbers(last + 1, count)) {
      await broker.publish('news', n);
      await room.say(`said ${n}`);
    }
    last += count;
  };
  const hasAll = async () => {
    await showsExactly(page, 'broker', numbers(1, last).map(String));
    await showsExactly(page, 'room', numbers(1, last).map((n) => `said ${n}`));
  };
  return { page, come, hasAll };
}

const others = async (server) => ({ broker: await server.broker(), room: await server.room('other') });

test('a kill -9 and a start in between lose nothing and double nothing', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const { page, come, hasAll } = await openFollower(server, cleanup);
  await come(10, await others(server));
  for (let round = 0; round < 2; round++) {
    await server.kill();
    await hasPhase(page, 'room', 'waiting');
    await hasPhase(page, 'broker', 'waiting');
    await says(page, '#broker .state', /\(1006: .*trying again in \d+ s/);
    await says(page, '.health .status', /unreachable/);
    await server.restart();
    await come(10, await others(server)); // some of it before the page is back
    await hasPhase(page, 'room', 'open');
    await hasPhase(page, 'broker', 'open');
    await come(5, await others(server));
    await hasAll();
  }
  const rows = [...(await rowsOf(page, 'room')), ...(await rowsOf(page, 'broker'))];
  assert.deepEqual(rows.filter(({ kind }) => kind === 'problem'), []);
  await says(page, '.health .status', /healthy/);
  assert.deepEqual(page.complaints, []);
});

test('a death of one worker is not noticed but for the connection', async ({ start, cleanup }) => {
  const server = await start({ workers: 1 });
  const { page, come, hasAll } = await openFollower(server, cleanup);
  await come(3, await others(server));
  kill(server.workers()[0]);
  await until(() => server.workers().length === 1, { what: 'its successor' });
  await come(3, await others(server));
  await hasAll();
  assert.deepEqual(page.complaints, []);
});

test('a drain shows its countdown, and whoever was sent away comes back', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2, args: ['--drain-timeout', '10m'] });
  const { page, come, hasAll } = await openFollower(server, cleanup);
  const inside = await others(server);
  await come(5, inside);
  server.signal('SIGTERM');
  await says(page, '.health .status', /draining/);
  await says(page, '.countdown', /^(10:00|9:\d\d)$/);
  const first = await textIn(page, '.countdown');
  await until(async () => (await textIn(page, '.countdown')) !== first, { what: 'another second' });
  await hasRow(page, 'room', 'notice', 'Server is shutting down');
  await hasRow(page, 'broker', 'notice', 'Server is shutting down');
  await come(5, inside); // the connected are served
  await hasAll();

  server.signal('SIGTERM');
  await hasPhase(page, 'room', 'waiting');
  assert.equal(await server.end(), 0);
  await server.restart();
  await come(5, await others(server));
  await hasAll();
  await says(page, '.health .status', /healthy/);
  assert.equal(await page.isVisible('.countdown'), false);
  assert.deepEqual(page.complaints, []);
});

test('who disconnects stays away, and finds what was missed on coming back', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const { page, come, hasAll } = await openFollower(server, cleanup);
  const publishers = await others(server);
  await page.click('#broker [data-is="toggle"]');
  await page.click('#tab-room');
  await page.click('#room [data-is="toggle"]');
  await hasPhase(page, 'room', 'idle');
  await until(async () => (await server.health()).active_connections === 2, {
    what: 'nobody there but the others',
  });
  await come(3, publishers);
  await say(page, 'into the void');
  assert.match(await textIn(page, '#room .composer .problem'), /no connection/);
  await page.click('#room [data-is="toggle"]');
  await page.click('#tab-broker');
  await page.click('#broker [data-is="toggle"]');
  await hasAll();
  assert.deepEqual(page.complaints, []);
});

test('who is sent away by an administrator does not come back', async ({ start, cleanup }) => {
  const server = await start();
  const page = await openClient(server.port, cleanup, {
    before: (one) =>
      one.routeWebSocket(/\/ws$/, (socket) =>
        socket.close({ code: 1008, reason: 'closed by the administrator' }),
      ),
  });
  await page.click('#room [data-is="toggle"]');
  await hasPhase(page, 'room', 'closed');
  await says(page, '#room .state', /1008: closed by the administrator/);
  assert.equal(await textIn(page, '#room [data-is="toggle"]'), 'Connect');
});

test('each attempt in vain is followed by a longer wait, up to a limit', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const page = await openClient(server.port, cleanup, {
    before: async (one) => {
      // The longest that chance allows; timers that do not wait, but tell.
      await one.addInitScript(() => {
        const { setTimeout } = window;
        window.waits = [];
        Math.random = () => 1;
        window.setTimeout = (fn, ms, ...more) => {
          const isRetry = /\.js:/.test(new Error().stack) && /#onClose/.test(new Error().stack);
          if (isRetry) {
            window.waits.push(ms);
          }
          return setTimeout(fn, isRetry ? 0 : ms, ...more);
        };
      });
      await one.routeWebSocket(/\/broker$/, (socket) => socket.close({ code: 1013 }));
    },
    tab: 'broker',
  });
  await page.click('#broker [data-is="toggle"]');
  await page.waitForFunction(() => window.waits.length >= 8);
  assert.deepEqual(await page.evaluate(() => window.waits.slice(0, 8)), [
    ...[500, 1000, 2000, 4000, 8000],
    ...[15_000, 15_000, 15_000],
  ]);
});

test('a subscription that comes too fast for the server is asked for again', async ({
  start,
  cleanup,
}) => {
  const server = await start({ args: ['--max-rate', '2'] });
  const topics = numbers(0, 8).map((n) => `topic:${n}`);
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  for (const topic of topics) {
    await page.fill('.subscribe [name="topic"]', topic);
    await page.press('.subscribe [name="topic"]', 'Enter');
  }
  await hasRow(page, 'broker', 'problem', 'rate_limited');
  await page.waitForFunction(
    (count) => document.querySelectorAll('.subscriptions [data-phase="live"]').length === count,
    topics.length,
  );
  assert.deepEqual(page.complaints, []);
});

test('thousands of messages at once are all counted, and only the newest kept', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  const count = 5000;
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  await subscribe(page, 'news');
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
  await says(page, '#broker [data-is="count"]', /^5,000 messages · the 3,001 oldest rows dropped$/);
  assert.equal(await page.inputValue('#broker-text'), 'being written');
  const texts = (await messagesOf(page, 'broker')).map(({ text }) => text);
  assert.deepEqual(texts, numbers(count - ROWS_MAX, ROWS_MAX).map(String));
  assert.ok((await page.evaluate(() => window.mostRows)) <= ROWS_MAX + ROWS_PER_FRAME);
  // Read out was a summary of it, not all.
  await page.waitForFunction(() => /messages; the last/.test(document.getElementById('announcer').textContent));
  assert.ok((await page.textContent('#announcer')).length < 500);

  // The list follows its end, until somebody reads.
  const distance = () =>
    page.$eval('#broker .scroller', (list) => list.scrollHeight - list.scrollTop - list.clientHeight);
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
      [...(element.labels ?? [])].map((label) => label.textContent).join('').trim();
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
  await enterRoom(page, 'ann');
  await says(page, '#announcer', /Room: Connected/);
  const other = await server.room('bob');
  await other.say('good morning');
  await says(page, '#announcer', /bob: good morning/);
});

/** The contrast of two colours of the page as WCAG 2 has it. */
const contrastOf = (page, front, back) =>
  page.evaluate(
    ([one, other]) => {
      const probe = document.body.appendChild(document.createElement('i'));
      const luminance = (name) => {
        probe.style.color = `var(--${name})`;
        const channels = getComputedStyle(probe).color.match(/\d+/g).map((part) => part / 255);
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
    ...[['on-accent', 'accent'], ['good', 'card'], ['busy', 'card'], ['bad', 'card']],
    ...[['busy', 'busy-tint'], ['text', 'busy-tint'], ['bad', 'bad-tint']],
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

test('health is asked for again and again, seldom when nobody looks', async ({ start, cleanup }) => {
  const server = await start();
  let asked = 0;
  let answer = {};
  const page = await openClient(server.port, cleanup, {
    before: async (one) => {
      await one.clock.install();
      await one.addInitScript(() =>
        Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false }),
      );
      await one.route('**/health', async (route) => {
        const response = await route.fetch();
        const json = { ...(await response.json()), ...answer };
        await route.fulfill({ status: 503, json });
        asked++;
      });
    },
  });
  const asks = async (count, what) => {
    await until(() => asked >= count, { what });
    // Its answer has been read, and the next time been set, when it can be seen.
    await says(page, '.health [data-is="last"]', new RegExp(`^${answer.log?.last_seq ?? '\\d+'}$`));
    assert.equal(asked, count, what);
  };
  const show = (isHidden) =>
    page.evaluate((value) => {
      window.isHidden = value;
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  const log = { epoch: 'x', first_seq: 1, committed_seq: 1 };
  await asks(1, 'when the page is opened');
  answer = { status: 'degraded', reason: 'the store is full', log: { ...log, last_seq: 70 } };
  await page.clock.runFor(2000);
  await asks(2, 'after two seconds');
  await says(page, '.health .status', /degraded/);
  await says(page, '.health .problem', /the store is full/);
  await show(true);
  answer = { log: { ...log, last_seq: 71 } };
  await page.clock.runFor(2000);
  await asks(3, 'the one that was on its way');
  await page.clock.runFor(20_000);
  assert.equal(asked, 3, 'none while the tab is hidden');
  answer = { log: { ...log, last_seq: 72 } };
  await show(false);
  await asks(4, 'at once when it is seen again');
});

test('its files are ours, cached by their tags, and the policy lets in nothing else', async ({
  start,
}) => {
  const server = await start();
  const page = await server.request('GET', '/');
  const policy = page.headers['content-security-policy'];
  assert.match(policy, /^default-src 'none'; style-src 'self'; script-src 'sha256-[^ ]+' 'self';/);
  for (const directive of ["connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
    assert.ok(policy.includes(directive), directive);
  }
  assert.ok(policy.includes("require-trusted-types-for 'script'; trusted-types 'none'"));
  assert.doesNotMatch(page.text, /(src|href)="(https?:)?\/\//);
  assert.match(page.text, /<span class="version">\d+\.\d+\.\d+<\/span>/);
  for (const link of ['graphql', 'topics', 'health', 'metrics']) {
    assert.ok(page.text.includes(`href="${link}"`), link);
  }

  const known = new Set([...page.text.matchAll(/"(assets\/[^"]+)"/g)].map(([, name]) => name));
  for (const name of known) {
    const file = await server.request('GET', `/${name}`);
    assert.equal(file.status, 200, name);
    assert.equal(file.headers['x-content-type-options'], 'nosniff');
    const type = { js: /^text\/javascript/, css: /^text\/css/, svg: /^image\/svg/ };
    assert.match(file.headers['content-type'], type[name.split('.').at(-1)]);
    const again = { headers: { 'if-none-match': file.headers.etag } };
    assert.equal((await server.request('GET', `/${name}`, again)).status, 304);
    assert.equal((await server.request('HEAD', `/${name}`)).status, 200);
    for (const [, imported] of file.text.matchAll(/from '\.\/([^']+)'/g)) {
      known.add(`assets/${imported}`);
    }
  }
  assert.ok(known.size > 10, 'its modules were found');
});
