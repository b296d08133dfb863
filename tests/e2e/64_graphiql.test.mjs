// GraphiQL as a browser shows it: two pages on two workers, the policy, and what is cached of it.
import zlib from 'node:zlib';
import { openPage } from './lib/chromium.mjs';
import { CREATE_MESSAGE, createMessage, dataOf } from './lib/graphql.mjs';
import { startPinned } from './lib/pinned.mjs';
import { kill } from './lib/processes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const HTML = { accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' };
const ASSETS = ['react.js', 'react-dom.js', 'graphiql.js', 'graphiql.css', 'graphql-ws.js'];
const RUN = 'button[aria-label="Execute query (Ctrl-Enter)"]';
const STOP = 'button[aria-label="Stop query (Ctrl-Enter)"]';

/** A page that shows GraphiQL; whatever its console complains of is in page.complaints. */
async function openGraphiql(port, cleanup, search = '') {
  const page = await openPage(cleanup);
  page.complaints = [];
  const complain = (text) => page.complaints.push(text);
  page.on('console', (message) => message.type() === 'error' && complain(message.text()));
  page.on('pageerror', (error) => complain(error.message));
  page.on('requestfailed', (request) => complain(`${request.url()} failed`));
  const answer = await page.goto(`http://127.0.0.1:${port}/graphql${search}`);
  assert.equal(answer.status(), 200);
  assert.match(await page.title(), /^GraphiQL/, 'this build has no GraphiQL: -Dgraphiql=enabled');
  await page.waitForSelector('.graphiql-query-editor .CodeMirror');
  return page;
}

/**
 * Waits until its editor has this query and GraphiQL has read it, which it does a moment after it was
 * typed: only then it knows a subscription from a query.
 */
const hasRead = (page, query) =>
  page.waitForFunction((text) => {
    const editor = document.querySelector('.graphiql-query-editor .CodeMirror');
    return editor.CodeMirror.documentAST?.loc.source.body === text;
  }, query);

/** Puts a query, and perhaps variables, into the editors and runs it. */
async function run(page, query, variables) {
  const put = (place, text) =>
    page.$eval(`${place} .CodeMirror`, (editor, value) => editor.CodeMirror.setValue(value), text);
  if (variables !== undefined) {
    await put('[aria-label="Variables"]', JSON.stringify(variables));
  }
  await put('.graphiql-query-editor', query);
  await hasRead(page, query);
  await page.click(RUN);
}

const resultOf = (page) =>
  page.$eval('.result-window .CodeMirror', (editor) => editor.CodeMirror.getValue());

/** Waits for a result with this in it. */
const shows = (page, text) =>
  until(async () => (await resultOf(page)).includes(text), {
    what: `${text} in the result`,
  });

const subscribersOf = async (server, topic) => {
  const { json } = await server.request('GET', `/topics?prefix=${topic}`);
  return json.topics.find(({ topic: name }) => name === topic)?.subscribers;
};

test('one page shows what another one does on another worker, and again after a death', async ({
  start,
  cleanup,
}) => {
  const server = await start({ workers: 2 });
  await createMessage(server, 'before'); // so that the topic is listed
  const ports = [await startPinned(server, 0, cleanup), await startPinned(server, 1, cleanup)];
  const watcher = await openGraphiql(ports[0], cleanup);
  const writer = await openGraphiql(ports[1], cleanup);

  await run(watcher, 'subscription Watch { messageAdded { id content author { name } } }');
  await watcher.waitForSelector(STOP);
  await until(async () => (await subscribersOf(server, 'messages')) === 1, { what: 'the subscription' });
  await run(writer, CREATE_MESSAGE, { content: 'from the other page' });
  await shows(writer, '"id": 2');
  await shows(watcher, 'from the other page');
  assert.deepEqual([...watcher.complaints, ...writer.complaints], []);

  // Whoever was away goes on behind what it has shown.
  kill(server.workers()[0]);
  await createMessage(server, 'while it was away');
  await shows(watcher, 'while it was away');
  await run(writer, CREATE_MESSAGE, { content: 'when it was back' });
  await shows(watcher, 'when it was back');
  assert.deepEqual(writer.complaints, []);
  await watcher.click(STOP);
  await until(async () => (await subscribersOf(server, 'messages')) === 0, { what: 'the end of it' });
});

test('its panels open, its tabs and history stay, and the policy is never in its way', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const page = await openGraphiql(server.port, cleanup);
  await run(page, 'query Greet { hello }');
  await shows(page, 'Hello, GraphQL!');

  await page.click('button[aria-label="Show Documentation Explorer"]');
  await page.click('.graphiql-doc-explorer-type-name >> text="Subscription"');
  await page.waitForSelector('.graphiql-doc-explorer >> text=messageAdded');
  await page.click('button[aria-label="Show History"]');
  await page.waitForSelector('.graphiql-history >> text=Greet');
  for (const dialog of ['Open short keys dialog', 'Open settings dialog']) {
    await page.click(`button[aria-label="${dialog}"]`);
    await page.waitForSelector('[role="dialog"]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[role="dialog"]', { state: 'detached' });
  }
  await page.click('button[aria-label="Add tab"]');
  await run(page, 'query Second { users { id } }');
  await shows(page, '"users": []');

  // GraphiQL keeps what was typed a moment after it was.
  await until(() => page.evaluate(() => /Second/.test(localStorage.getItem('graphiql:tabState'))));
  await page.reload();
  await page.waitForSelector('.graphiql-tabs >> text=Second');
  await page.click('.graphiql-tabs >> text=Greet');
  await hasRead(page, 'query Greet { hello }');
  await page.click(RUN);
  await shows(page, 'Hello, GraphQL!');
  assert.deepEqual(page.complaints, []);
});

test('a link brings a query and its variables', async ({ start, cleanup }) => {
  const server = await start();
  await createMessage(server, 'linked');
  const query = 'query Linked($id: Int!) { message(id: $id) { content } }';
  const search = `?${new URLSearchParams({ query, variables: '{"id":1}' })}`;
  const page = await openGraphiql(server.port, cleanup, search);
  await hasRead(page, query);
  await page.click(RUN);
  await shows(page, '"content": "linked"');
  assert.deepEqual(page.complaints, []);
});

test('its page and files are ours, compressed, and cached by their tags', async ({ start }) => {
  const server = await start();
  const get = (target, headers) => server.request('GET', target, { headers });
  const page = await get('/graphql', HTML);
  assert.equal(page.status, 200);
  assert.match(page.headers['content-type'], /^text\/html/);
  assert.match(page.headers.vary, /\bAccept\b/);
  const policy = page.headers['content-security-policy'];
  assert.match(policy, /^default-src 'none';/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.doesNotMatch(page.text, /(src|href)="(https?:)?\/\//);
  assert.equal((await get('/graphql', { ...HTML, 'if-none-match': page.headers.etag })).status, 304);
  assert.equal((await server.request('HEAD', '/graphql', { headers: HTML })).status, 200);

  for (const name of ASSETS) {
    assert.ok(page.text.includes(`"graphql/assets/${name}"`), name);
    const connection = await server.raw();
    connection.socket.setEncoding('latin1');
    const chunks = [];
    connection.socket.on('data', (text) => chunks.push(text));
    connection.write(
      `GET /graphql/assets/${name} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`,
    );
    await connection.ended;
    const text = chunks.join('');
    const end = text.indexOf('\r\n\r\n');
    assert.match(text.slice(0, end), /^HTTP\/1\.1 200 .*\r\nContent-Encoding: gzip\r\n/s);
    const unpacked = zlib.gunzipSync(Buffer.from(text.slice(end + 4), 'latin1'));
    const plain = await get(`/graphql/assets/${name}`);
    assert.equal(plain.status, 200);
    assert.ok(unpacked.equals(Buffer.from(plain.text)), name);
    assert.match(plain.headers['content-type'], name.endsWith('.js') ? /javascript/ : /css/);
  }
  assert.match((await get('/graphql/assets/licences.txt')).text, /MIT License/);
});

test('without HTML in Accept the same address is the API', async ({ start }) => {
  const server = await start();
  for (const accept of ['*/*', 'application/json', undefined]) {
    const headers = accept && { accept };
    const answer = await server.request('GET', '/graphql?query=%7Bhello%7D', { headers });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.data, { hello: 'Hello, GraphQL!' });
  }
  assert.deepEqual(await dataOf(server, '{ hello }'), { hello: 'Hello, GraphQL!' });
});
