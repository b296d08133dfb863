// HTTP/2 beside HTTP/1.1: the same endpoints, in plain text with prior knowledge and over TLS by ALPN.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { openPage } from './lib/chromium.mjs';
import { ask2, connect2, events2, FLAG, frame2, GET2, RawHttp2, TYPE } from './lib/http2.mjs';
import { metric } from './lib/metrics.mjs';
import { assert, test } from './lib/test.mjs';
import { startTls } from './lib/tls.mjs';
import { until, within } from './lib/until.mjs';

const run = promisify(execFile);
const JSON_TYPE = { 'content-type': 'application/json' };
const KINDS = [
  { name: 'in plain text', secure: false },
  { name: 'over TLS', secure: true },
];
const ARGS = ['--echo', '--max-message', '3000', '--cors-origins', 'https://app.test'];

const startKind = ({ secure }, start, cleanup, options) =>
  secure ? startTls(start, cleanup, options) : start(options);

/** [method, path, {headers, body}] */
const REQUESTS = [
  ['GET', '/'],
  ['GET', '/', { headers: { 'accept-encoding': 'gzip' } }],
  ['HEAD', '/'],
  ['POST', '/'],
  ['GET', '/nothing'],
  ['HEAD', '/nothing'],
  ['GET', '/health/live'],
  ['HEAD', '/health/live'],
  ['OPTIONS', '/health/live'],
  ['OPTIONS', '*'],
  ['OPTIONS', '/topics/news'],
  ['PUT', '/topics/news', { body: 'x' }],
  ['DELETE', '/topics/news'],
  ['BREW', '/topics/news'],
  ['GET', '/topics'],
  ['GET', '/topics/news?since=0'],
  ['GET', '/topics/news?since=x'],
  ['GET', '/topics/%zz'],
  ['POST', '/topics/news', { body: 'no JSON', headers: JSON_TYPE }],
  ['POST', '/topics/news', { body: '1', headers: { origin: 'https://evil.test', ...JSON_TYPE } }],
  ['GET', '/topics', { headers: { origin: 'https://app.test' } }],
  ['POST', '/topics/news', { body: 'x'.repeat(3001) }],
  ['POST', '/graphql', { body: '{"query":"{ hello }"}', headers: JSON_TYPE }],
  ['POST', '/graphql', { body: '{"query":"{ nothing }"}', headers: JSON_TYPE }],
  ['GET', '/graphql?query=%7Bhello%7D'],
  ['GET', '/graphql?query=mutation%7Bx%7D'],
  ['GET', '/ws'],
  ['GET', '/broker'],
  ['GET', '/echo'],
  ['POST', '/ws'],
  ['GET', '/topics', { headers: { 'x-a': 'a'.repeat(17_000) } }],
  ['GET', '/topics', { headers: { expect: 'x' } }],
  ['HEAD', '/topics/news', { headers: { accept: 'text/event-stream' } }],
];

const isOfConnection = (name) => /^(date|connection|keep-alive|transfer-encoding)$/.test(name);

function comparable({ status, headers, text }) {
  const fields = Object.entries(headers).filter(([name]) => !isOfConnection(name));
  return { status, headers: Object.fromEntries(fields.sort()), text };
}

for (const kind of KINDS) {
  test(`what is asked ${kind.name} is answered as over HTTP/1.1`, async ({ start, cleanup }) => {
    const server = await startKind(kind, start, cleanup, { args: ARGS });
    await server.post('news', '"one"', 'application/json', '?durable=true'); // it is listed
    const session = await connect2(server, kind);
    for (const [method, path, more] of REQUESTS) {
      const what = `${method} ${path} ${JSON.stringify(more)?.slice(0, 100)}`;
      const [one, two] = [await server.request(method, path, more), await ask2(session, method, path, more)];
      const [wanted, got] = [comparable(one), comparable(two)];
      // An upgrade is a matter of the connection: there is none in HTTP/2.
      delete wanted.headers.upgrade;
      assert.deepEqual(got, wanted, what);
    }
    for (const path of ['/health', '/metrics']) {
      const two = await ask2(session, 'GET', path);
      assert.equal(two.status, 200);
      assert.equal(two.headers['content-type'], (await server.request('GET', path)).headers['content-type']);
    }
    assert.deepEqual(session.goaways, []);
  });

  test(`many requests at a time on one connection ${kind.name}`, async ({ start, cleanup }) => {
    const server = await startKind(kind, start, cleanup, { workers: 1 });
    const session = await connect2(server, kind);
    const bodies = Array.from({ length: 100 }, (_, i) => JSON.stringify({ i, filler: 'x'.repeat(i * 500) }));
    const answers = await Promise.all(
      bodies.map((body) => ask2(session, 'POST', '/topics/many', { body, headers: JSON_TYPE })),
    );
    assert.ok(answers.every(({ status }) => status === 201 || status === 200), answers[0].text);
    const pages = await Promise.all(
      bodies.map(() => ask2(session, 'GET', '/topics/many?since=0')),
    );
    assert.ok(pages.every(({ text }) => text === pages[0].text));
    assert.equal(await metric(server, 'sluice_connections'), 2);
  });

  test(`event streams and requests share a connection ${kind.name}`, async ({ start, cleanup }) => {
    const server = await startKind(kind, start, cleanup);
    const session = await connect2(server, kind);
    const streams = [events2(session, '/topics/a'), events2(session, '/topics/a'), events2(session, '/topics/b')];
    await Promise.all(streams.map((stream) => stream.next(/^id: /)));
    await ask2(session, 'POST', '/topics/a', { body: '"one"', headers: JSON_TYPE });
    await ask2(session, 'POST', '/topics/b', { body: '"two"', headers: JSON_TYPE });
    assert.match(await streams[0].next(/data: /), /one/);
    assert.match(await streams[1].next(/data: /), /one/);
    assert.match(await streams[2].next(/data: /), /two/);
    streams[0].stream.close();
    await until(async () => (await server.health()).active_connections === 2, { what: 'the end of one' });
  });
}

test('curl, with prior knowledge, by ALPN, and by HTTP/1.1 that offers h2c', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  const curl = async (...args) =>
    (await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_version} %{http_code}', ...args])).stdout;
  const plain = `http://127.0.0.1:${server.port}/health/live`;
  assert.equal(await curl('--http2-prior-knowledge', plain), '2 200');
  assert.equal(await curl('--http2', plain), '1.1 200');
  const ca = server.secure.authority.file;
  const url = `https://localhost:${server.secure.port}/health/live`;
  assert.equal(await curl('--cacert', ca, url), '2 200');
  assert.equal(await curl('--cacert', ca, '--http1.1', url), '1.1 200');
  assert.equal(await curl('--http2-prior-knowledge', '-d', 'x'.repeat(100_000), plain), '2 405');
});

test('curl is told what is wrong with a body before it has sent all of it', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup, { args: ['--max-message', '1000'] });
  const ca = server.secure.authority.file;
  for (const [option, url] of [
    ['--http2-prior-knowledge', `http://127.0.0.1:${server.port}/topics/news`],
    ['--http2', `https://localhost:${server.secure.port}/topics/news`],
  ]) {
    const post = within(
      new Promise((resolve) => {
        const curl = execFile('curl', ['-sS', '--cacert', ca, option, '-H', 'expect:', '--data-binary', '@-', url],
          (error, stdout, stderr) => resolve(stdout || stderr));
        curl.stdin.on('error', () => {}); // it stops reading when it is told
        curl.stdin.end(Buffer.alloc(1_000_000, 'x'));
      }),
      'the end of curl',
    );
    assert.equal(JSON.parse(await post).error.code, 'too_large');
  }
});

test('h2load: many streams on many connections, and none fails', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  for (const url of [`http://127.0.0.1:${server.port}`, `https://localhost:${server.secure.port}`]) {
    const { stdout } = await run('h2load', ['-n', '3000', '-c', '6', '-m', '100', `${url}/health/live`]);
    assert.match(stdout, /3000 succeeded, 0 failed, 0 errored, 0 timeout/);
  }
});

test('100 (Continue) comes before a body is sent', async ({ start }) => {
  const server = await start();
  const session = await connect2(server);
  const stream = session.request({ ':method': 'POST', ':path': '/topics/x', expect: '100-continue', ...JSON_TYPE });
  await within(new Promise((resolve) => stream.once('continue', resolve)), '100');
  const status = new Promise((resolve) => stream.once('response', (fields) => resolve(fields[':status'])));
  stream.end('1');
  assert.ok([200, 201].includes(await within(status, 'the answer')));
});

test('a drain says goodbye, finishes what is under way and waits for nobody who is idle', async ({ start }) => {
  const server = await start({ workers: 1 });
  const [idle, busy] = [await connect2(server), await connect2(server)];
  assert.equal((await ask2(idle, 'GET', '/health/live')).status, 200);
  const events = events2(busy, '/topics/news');
  await events.next(/^id: /);
  server.signal('SIGTERM');
  await within(idle.ended, 'the end of an idle connection');
  assert.deepEqual(idle.goaways.map(({ code }) => code), idle.goaways.map(() => 0));
  assert.match(await events.next(/event: shutdown/), /shutting down/);
  await until(() => busy.goaways.length > 0, { what: 'GOAWAY' });
  events.stream.close();
  assert.equal(await server.end(), 0);
  assert.match(server.stderr, /1 clean, 0 forced/);
});

test('who connects beyond the limit is told so over HTTP/2', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-connections', '1'] });
  const first = await connect2(server);
  const second = await connect2(server);
  assert.equal((await ask2(second, 'GET', '/topics')).status, 503);
  assert.equal((await ask2(first, 'GET', '/topics')).status, 200);
});

test('--max-rate holds for a connection, however many streams it has', async ({ start }) => {
  const server = await start({ args: ['--max-rate', '5'] });
  const session = await connect2(server);
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask2(session, 'GET', '/topics')));
  assert.ok(answers.some(({ status }) => status === 429));
  assert.ok(answers.some(({ status }) => status === 200));
});

test('what waits in streams is in /metrics, and goes with them', async ({ start }) => {
  const server = await start({ workers: 1 });
  const raw = new RawHttp2(server, { settings: [[4, 0]] });
  raw.write(frame2(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, GET2('/')));
  await raw.frames.next({ type: TYPE.HEADERS });
  await until(async () => (await metric(server, 'sluice_queued_bytes')) > 1000, { what: 'bytes that wait' });
  raw.terminate();
  await until(async () => (await metric(server, 'sluice_queued_bytes')) === 0, { what: 'none' });
});

test('Chromium opens its WebSockets over the HTTP/2 connection that it has', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup, { workers: 1, args: ['--echo'] });
  const page = await openPage(cleanup, { ignoreHTTPSErrors: true });
  await page.goto(`https://localhost:${server.secure.port}/`);
  const talk = (path) =>
    page.evaluate(
      (target) =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`wss://${location.host}${target}`);
          socket.onopen = () => socket.send('hello');
          socket.onmessage = ({ data }) => resolve(data);
          socket.onerror = () => reject(new Error('error'));
          window.sockets = [...(window.sockets ?? []), socket];
        }),
      path,
    );
  assert.equal(await talk('/echo'), 'hello');
  assert.equal(await talk('/echo'), 'hello');
  const nextHop = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
  assert.equal(nextHop, 'h2');
  // Chromium may open connections besides and use none of them.
  const { clients } = (await server.control(0, 'GET', '/control/clients')).json;
  assert.deepEqual(clients.map(({ protocol }) => protocol), ['echo', 'echo']);
  assert.deepEqual(clients.map(({ transport }) => transport), ['h2', 'h2']);
  assert.equal(clients[0].peer, clients[1].peer);
});
