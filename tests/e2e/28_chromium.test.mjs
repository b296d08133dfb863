// What pages in a real browser can do to a server on this machine (PROTOCOLS section 1, "Browsers").
import {
  arriving,
  cutOff,
  openPage,
  startPages,
  tryEvents,
  tryFetch,
  tryForm,
  trySocket,
} from './lib/chromium.mjs';
import { freePort } from './lib/server.mjs';
import { SCHEMA_SEQ } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';

const JSON_TYPE = { 'content-type': 'application/json' };
const SOCKETS = ['/ws', '/ws/ann', '/broker', '/echo'];
const FORMS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

const topicOf = (server) => `http://127.0.0.1:${server.port}/topics/news`;
const socketOf = (server, target) => `ws://127.0.0.1:${server.port}${target}`;

/** Every way that a page has to send a POST; each is a function of the address. */
const posts = (page) => ({
  'a simple request': (url) =>
    page.evaluate(tryFetch, { url, init: { method: 'POST', body: 'x' } }),
  'a request without CORS': (url) =>
    page.evaluate(tryFetch, { url, init: { method: 'POST', body: 'x', mode: 'no-cors' } }),
  'a request that says nothing of where it comes from': (url) =>
    page.evaluate(tryFetch, {
      url,
      init: { method: 'POST', body: 'x', mode: 'no-cors', referrerPolicy: 'no-referrer' },
    }),
  'a request with credentials': (url) =>
    page.evaluate(tryFetch, { url, init: { method: 'POST', body: 'x', credentials: 'include' } }),
  'a request with a preflight': (url) =>
    page.evaluate(tryFetch, { url, init: { method: 'POST', body: '1', headers: JSON_TYPE } }),
  'a beacon': (url) => page.evaluate((to) => navigator.sendBeacon(to, 'x'), url),
  ...Object.fromEntries(
    FORMS.map((enctype) => [
      `a form as ${enctype}`,
      (url) => page.evaluate(tryForm, { url, enctype, fields: { a: '1' } }),
    ]),
  ),
});

async function assertNothingPublished(server) {
  assert.equal((await server.health()).log.last_seq, SCHEMA_SEQ);
}

/** Tries everything that publishes from this page (or frame), and shows that nothing is. */
async function assertCannotPublish(server, page, url = topicOf(server)) {
  for (const [name, post] of Object.entries(posts(page))) {
    await arriving(server, name, () => post(url));
    await assertNothingPublished(server);
  }
}

async function assertCannotConnect(server, page, urlOf = (target) => socketOf(server, target)) {
  for (const target of SOCKETS) {
    const say = '{"action":"publish","topic":"news","message":1}';
    const outcome = await arriving(server, target, () =>
      page.evaluate(trySocket, { url: urlOf(target), say }),
    );
    assert.deepEqual(outcome, { code: 1006, hasOpened: false }, target);
  }
  await assertNothingPublished(server);
}

test('a page of somewhere else can publish nothing, whatever it tries', async ({
  start,
  cleanup,
}) => {
  const pages = await startPages(cleanup);
  const server = await start();
  const page = await openPage(cleanup);
  for (const path of ['/', '/unnamed']) {
    await page.goto(pages.url('evil.test', path));
    await assertCannotPublish(server, page);
  }
  // By way of its own server, which sends the request on.
  const detour = `/to?${encodeURIComponent(topicOf(server))}`;
  await assertCannotPublish(server, page, pages.url('evil.test', detour));
});

test('a page of somewhere else cannot connect', async ({ start, cleanup }) => {
  const pages = await startPages(cleanup);
  const server = await start({ args: ['--echo'] });
  const page = await openPage(cleanup);
  await page.goto(pages.url('evil.test'));
  await assertCannotConnect(server, page);
});

test('a page of somewhere else can read nothing', async ({ start, cleanup }) => {
  const pages = await startPages(cleanup);
  const server = await start();
  await server.post('news', '"secret"');
  const page = await openPage(cleanup);
  await page.goto(pages.url('evil.test'));
  for (const target of ['/topics', '/topics/news', '/health', '/metrics', '/']) {
    const url = `http://127.0.0.1:${server.port}${target}`;
    const read = (init) => arriving(server, target, () => page.evaluate(tryFetch, { url, init }));
    assert.deepEqual(await read({}), { error: 'TypeError' }, target);
    assert.equal((await read({ mode: 'no-cors' })).text, '', target);
  }
  const url = `${topicOf(server)}?since=0`;
  assert.deepEqual(
    await arriving(server, 'an event stream', () => page.evaluate(tryEvents, { url })),
    { state: 2 },
  );
});

test('a page without an origin of its own can do nothing', async ({ start, cleanup }) => {
  const pages = await startPages(cleanup);
  const server = await start({ args: ['--echo'] });
  const page = await openPage(cleanup);
  // Even one that is served from this machine, or made by a page that is.
  await page.goto(pages.url('localhost'));
  for (const src of [pages.url('localhost', '/inner'), 'data:text/html,<title>inner</title>']) {
    await page.evaluate((address) => {
      const frame = document.createElement('iframe');
      frame.sandbox = 'allow-scripts allow-forms';
      frame.src = address;
      document.body.append(frame);
      return new Promise((resolve) => (frame.onload = resolve));
    }, src);
    const frame = page.frames().find((one) => one.url() === src);
    assert.equal(await frame.evaluate(() => self.origin), 'null');
    await assertCannotPublish(server, frame);
    await assertCannotConnect(server, frame);
  }
});

test('a name that was made to lead here opens nothing', async ({ start, cleanup }) => {
  const server = await start({ args: ['--echo'] });
  const host = `evil.test:${server.port}`;
  const page = await openPage(cleanup);
  // In the attacker's page of that origin: any document of it without a policy will do.
  await page.goto(`http://${host}/health`);
  const fetchInPage = (url, init) => page.evaluate(tryFetch, { url, init });

  await assertCannotPublish(server, page, `http://${host}/topics/news`);
  await assertCannotConnect(server, page, (target) => `ws://${host}${target}`);
  const refused = await fetchInPage('/topics/news', { method: 'POST', body: 'x' });
  assert.equal(refused.status, 403);
  assert.equal(JSON.parse(refused.text).error.code, 'forbidden');
  // The machine's own address is another origin to it.
  await assertCannotPublish(server, page);
});

test('--hosts says which names are those of the server', async ({ start, cleanup }) => {
  const server = await start({ args: ['--hosts', 'events.test', '--echo'] });
  const page = await openPage(cleanup);
  await page.goto(`http://events.test:${server.port}/health`);
  const answer = await page.evaluate(tryFetch, {
    url: '/topics/news',
    init: { method: 'POST', body: '1', headers: JSON_TYPE },
  });
  assert.equal(answer.status, 201, answer.text);
  for (const target of SOCKETS) {
    const url = `ws://events.test:${server.port}${target}`;
    const { data } = await page.evaluate(trySocket, { url, say: '{"action":"ping"}' });
    assert.ok(data, target);
  }
  // Others are not, at the same port.
  await page.goto(`http://evil.test:${server.port}/health`);
  const init = { method: 'POST', body: '1' };
  assert.equal((await page.evaluate(tryFetch, { url: '/topics/news', init })).status, 403);
});

/** What an allowed page does most: publish, read, follow, connect. */
async function assertCanUse(server, page) {
  const url = topicOf(server);
  const { log } = await server.health();
  const send = async (body, headers) => {
    const answer = await page.evaluate(tryFetch, { url, init: { method: 'POST', body, headers } });
    assert.equal(answer.status, 201, JSON.stringify(answer));
    return JSON.parse(answer.text).seq;
  };
  const since = log.last_seq;
  assert.equal(await send('plain'), since + 1);
  assert.equal(await send('{"a":1}', JSON_TYPE), since + 2);
  // What it did wrong it can read, too.
  const wrong = { method: 'POST', body: '{', headers: JSON_TYPE };
  const refused = await page.evaluate(tryFetch, { url, init: wrong });
  assert.equal(refused.status, 400);
  assert.equal(JSON.parse(refused.text).error.code, 'bad_json');

  for (const target of ['/topics', '/health', '/metrics', '/']) {
    const other = { url: `http://127.0.0.1:${server.port}${target}` };
    assert.equal((await page.evaluate(tryFetch, other)).status, 200, target);
  }
  const history = await page.evaluate(tryFetch, { url: `${url}?since=${since}` });
  const data = JSON.parse(history.text).events.map((event) => event.data);
  assert.deepEqual(data, ['plain', { a: 1 }]);
  const event = await page.evaluate(tryEvents, { url: `${url}?since=${since}` });
  assert.equal(event.lastEventId, `${log.epoch}-${since + 1}`);
  assert.equal(JSON.parse(event.data).data, 'plain');
  // As a library does that reads event streams by fetch.
  const headers = { accept: 'application/json', 'last-event-id': event.lastEventId };
  assert.equal((await page.evaluate(tryFetch, { url, init: { headers } })).status, 200);

  for (const target of SOCKETS) {
    const say = '{"action":"ping"}';
    const { data: said } = await page.evaluate(trySocket, { url: socketOf(server, target), say });
    assert.ok(said, target);
  }
}

/** ... and what a page without a policy of its own can do besides. */
async function assertCanDoAll(server, page) {
  await assertCanUse(server, page);
  const url = topicOf(server);
  const since = (await server.health()).log.last_seq;
  await page.evaluate(tryForm, { url, enctype: 'text/plain', fields: { a: '1' } });
  await page.evaluate((to) => navigator.sendBeacon(to, 'beacon'), url);
  const stream = await server.events(`/topics/news?since=${since}`);
  assert.equal((await stream.next(({ message }) => message)).message.data, 'a=1\r\n');
  assert.equal((await stream.next(({ message }) => message)).message.data, 'beacon');
  // Other forms than plain text publish nothing, whosever they are.
  for (const enctype of FORMS.slice(0, 2)) {
    await arriving(server, enctype, () =>
      page.evaluate(tryForm, { url, enctype, fields: { a: '1' } }),
    );
  }
  const { events } = (await server.request('GET', `/topics/news?since=${since}`)).json;
  assert.equal(events.length, 2);
}

test('a page that --cors-origins names can do all of it', async ({ start, cleanup }) => {
  const pages = await startPages(cleanup);
  const origin = pages.url('app.test', '');
  const server = await start({ args: ['--cors-origins', origin, '--echo'] });
  const page = await openPage(cleanup);
  await page.goto(pages.url('app.test'));
  await assertCanDoAll(server, page);

  await page.goto(pages.url('evil.test'));
  const url = topicOf(server);
  const init = { method: 'POST', body: 'x' };
  assert.deepEqual(await page.evaluate(tryFetch, { url, init }), { error: 'TypeError' });
  assert.deepEqual(await page.evaluate(trySocket, { url: socketOf(server, '/broker') }), {
    code: 1006,
    hasOpened: false,
  });
});

test('pages of this machine can do all of it on a loopback address', async ({
  start,
  cleanup,
}) => {
  const pages = await startPages(cleanup);
  const server = await start({ args: ['--echo'] });
  const page = await openPage(cleanup);
  for (const host of ['localhost', '127.0.0.1']) {
    await page.goto(pages.url(host));
    await assertCanDoAll(server, page);
  }
});

test('the page that the server shows itself can use it', async ({ start, cleanup }) => {
  const server = await start({ args: ['--echo'] });
  const page = await openPage(cleanup);
  const answer = await page.goto(`http://127.0.0.1:${server.port}/`);
  assert.match(answer.headers()['content-type'], /^text\/html/);
  assert.match(await page.title(), /Sluice/);
  await assertCanUse(server, page);
});

test('no page can speak to the raw broker port', async ({ start, cleanup }) => {
  const pages = await startPages(cleanup);
  const brokerPort = await freePort();
  const server = await start({ args: ['--broker-listen', `127.0.0.1:${brokerPort}`] });
  const page = await openPage(cleanup);
  await page.goto(pages.url('localhost'));
  const url = `http://127.0.0.1:${brokerPort}/`;
  const line = '{"action":"publish","topic":"news","message":1}';
  const init = { method: 'POST', body: `${line}\n${line}\n`, mode: 'no-cors' };
  const fields = { [line.slice(0, -1)]: `,"x":"\n${line}\n"}` };
  const attempts = {
    fetch: () => page.evaluate(tryFetch, { url, init }),
    form: () => page.evaluate(tryForm, { url, enctype: 'text/plain', fields }),
    socket: () => page.evaluate(trySocket, { url: url.replace('http', 'ws'), say: line }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    await cutOff(server, name, attempt);
    await assertNothingPublished(server);
  }
});
