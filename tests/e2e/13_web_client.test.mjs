// The web client at /: both protocols across workers, restarts and drains, and the health.
import { startPinned } from './lib/pinned.mjs';
import { kill } from './lib/processes.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';
import {
  enterRoom,
  hasPhase,
  hasRow,
  messagesOf,
  openClient,
  publish,
  rowsOf,
  say,
  says,
  showsExactly,
  subscribe,
  textIn,
} from './lib/web_client.mjs';

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
    (
      await page.$$eval('#broker li[data-kind="message"]', (rows) =>
        rows.filter((row) => !row.hidden).map((row) => row.children[2].textContent),
      )
    ).join();
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

test('numbers are published and shown as they were written', async ({ start, cleanup }) => {
  const server = await start();
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  const numbers = ['12.50', '[1.0]', '-0', '[1E2]', '1e2', '0.0000001', '[100,-1.5,"1.0"]'];
  await subscribe(page, 'news');
  for (const number of numbers) {
    await publish(page, 'news', number, { kind: 'json' });
  }
  await showsExactly(page, 'broker', numbers);
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
    await showsExactly(
      page,
      'room',
      numbers(1, last).map((n) => `said ${n}`),
    );
  };
  return { page, come, hasAll };
}

const others = async (server) => ({
  broker: await server.broker(),
  room: await server.room('other'),
});

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
  assert.deepEqual(
    rows.filter(({ kind }) => kind === 'problem'),
    [],
  );
  await says(page, '.health .status', /healthy/);
  assert.deepEqual(page.complaints, []);
});

test('a death of one worker is not noticed but for the connection', async ({ start, cleanup }) => {
  const server = await start({ workers: 1 });
  const { page, come, hasAll } = await openFollower(server, cleanup);
  await come(3, await others(server));
  const [worker] = server.workers();
  kill(worker);
  await until(() => server.workers().some(({ pid }) => pid !== worker.pid), { what: 'its successor' });
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

/** The page's time stands still, but for page.clock.runFor(ms). */
async function stopTime(page) {
  const time = Date.now();
  await page.clock.install({ time });
  await page.clock.pauseAt(time + 3_600_000); // until then it runs: no machine takes so long
  // The browser's own clock is not stopped by that.
  await page.addInitScript(() => (AbortSignal.timeout = () => new AbortController().signal));
}

test('each attempt in vain is followed by a longer wait, up to a limit', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  let attempts = 0;
  const page = await openClient(server.port, cleanup, {
    tab: 'broker',
    before: async (one) => {
      await stopTime(one);
      await one.addInitScript(() => (Math.random = () => 1)); // the longest that chance allows
      await one.routeWebSocket(/\/broker$/, (socket) => {
        attempts++;
        socket.onMessage(() => socket.close({ code: 1013 })); // it was open, but not served
      });
    },
  });
  await page.click('#broker [data-is="toggle"]');
  for (const [before, wait] of [500, 1000, 2000, 4000, 8000, 15_000, 15_000].entries()) {
    await until(() => attempts === before + 1, { what: `attempt ${before + 1}` });
    await hasPhase(page, 'broker', 'waiting');
    await page.clock.runFor(wait - 1);
    await hasPhase(page, 'broker', 'waiting');
    assert.equal(attempts, before + 1, `attempts within ${wait} ms`);
    await page.clock.runFor(1);
  }
  await until(() => attempts === 8, { what: 'the last attempt' });
});

test('a subscription that comes too fast for the server is asked for again', async ({
  start,
  cleanup,
}) => {
  const server = await start({ args: ['--max-rate', '2'] });
  const topics = numbers(0, 8).map((n) => `topic:${n}`);
  const page = await openClient(server.port, cleanup, { tab: 'broker' });
  await subscribe(page, topics[0]); // which connects
  await page.evaluate((others) => {
    const form = document.querySelector('.subscribe');
    for (const topic of others) {
      form.elements.topic.value = topic; // quicker than any hand, however slow the machine
      form.requestSubmit();
    }
  }, topics.slice(1));
  await hasRow(page, 'broker', 'problem', 'rate_limited');
  await page.waitForFunction(
    (count) => document.querySelectorAll('.subscriptions [data-phase="live"]').length === count,
    topics.length,
  );
  assert.deepEqual(page.complaints, []);
});

test('health is asked for again and again, seldom when nobody looks', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  let asked = 0;
  let change = {};
  const page = await openClient(server.port, cleanup, {
    before: async (one) => {
      await stopTime(one);
      await one.addInitScript(() =>
        Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false }),
      );
      await one.route('**/health', async (route) => {
        asked++;
        const json = await server.health();
        await route.fulfill({ status: 503, json: { ...json, ...change, version: `${asked}` } });
      });
    },
  });
  // Its answer is seen only when the next time has been set.
  const hasAsked = async (count) => {
    await says(page, '.health [data-is="version"]', new RegExp(`^${count}$`));
    assert.equal(asked, count);
  };
  const setHidden = (isHidden) =>
    page.evaluate((value) => {
      window.isHidden = value;
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  await hasAsked(1);
  await says(page, '.health .status', /healthy/);
  change = { status: 'degraded', reason: 'the store is full' };
  await page.clock.runFor(2000);
  await hasAsked(2);
  await says(page, '.health .status', /degraded/);
  await says(page, '.health .problem', /the store is full/);
  await setHidden(true);
  await page.clock.runFor(2000);
  await hasAsked(3); // which had been set before
  await page.clock.runFor(20_000);
  assert.equal(asked, 3);
  change = {};
  await setHidden(false);
  await hasAsked(4);
  await says(page, '.health .status', /healthy/);
  assert.equal(await page.isVisible('.health .problem'), false);
});

test('what answers in the place of a server is not taken for one', async ({ start, cleanup }) => {
  const server = await start();
  let answer = { status: 502, body: '<h1>Bad Gateway</h1>' };
  const page = await openClient(server.port, cleanup, {
    before: (one) =>
      one.route('**/health', (route) => (answer ? route.fulfill(answer) : route.continue())),
  });
  await says(page, '.health .status', /unreachable/);
  answer = { status: 200, body: '{"status":"fine"}' };
  await page.waitForResponse((response) => response.status() === 200);
  answer = null;
  await says(page, '.health .status', /healthy/);
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
