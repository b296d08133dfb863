// Who may use the server from a web page (PROTOCOLS section 1, "Browsers").
import { freePort } from './lib/server.mjs';
import { assertError } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';

const post = (server, headers) =>
  server.request('POST', '/topics/news', {
    headers: { 'content-type': 'application/json', ...headers },
    body: '1',
  });

test('a page of the server itself, or of this machine, may publish and connect', async ({
  start,
}) => {
  const server = await start();
  const host = `127.0.0.1:${server.port}`;
  for (const origin of [`http://${host}`, 'http://localhost:3000', 'http://[::1]:5173']) {
    assert.equal((await post(server, { host, origin })).status, 201, origin);
    await server.broker({ headers: { host, origin } });
  }
});

test('a page of somewhere else is refused', async ({ start }) => {
  const server = await start();
  const host = `127.0.0.1:${server.port}`;
  for (const origin of ['http://evil.example', 'https://localhost.evil.example', 'null']) {
    assertError(await post(server, { host, origin }), 403);
    await assert.rejects(server.broker({ headers: { host, origin } }), { status: 403 }, origin);
  }
  // A name that was made to point here: the page's origin and the Host agree, and that is the trap.
  const trap = `evil.example:${server.port}`;
  const rebound = { host: trap, origin: `http://${trap}` };
  assertError(await post(server, rebound), 403);
  await assert.rejects(server.broker({ headers: rebound }), { status: 403 });
  assert.deepEqual((await server.history('news')).events, []);
});

test('hosts and cors_origins let others in', async ({ start }) => {
  const port = await freePort();
  const own = `http://events.example:${port}`;
  const server = await start({
    args: ['--hosts', 'events.example', '--cors-origins', 'https://app.example,https://b.example'],
    port,
  });
  const named = { host: `events.example:${port}`, origin: own };
  assert.equal((await post(server, named)).status, 201);
  await server.broker({ headers: named });

  const foreign = { host: `127.0.0.1:${port}`, origin: 'https://app.example' };
  const answer = await post(server, foreign);
  assert.equal(answer.status, 201);
  assert.equal(answer.headers['access-control-allow-origin'], 'https://app.example');
  await server.broker({ headers: foreign });
});

test('OPTIONS answers a preflight with 204', async ({ start }) => {
  const server = await start({ args: ['--cors-origins', 'https://app.example'] });
  const headers = {
    origin: 'https://app.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type',
  };
  const answer = await server.request('OPTIONS', '/topics/news', { headers });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers['access-control-allow-origin'], 'https://app.example');
  assert.match(answer.headers['access-control-allow-methods'], /POST/);
  assert.match(answer.headers['access-control-allow-headers'], /content-type/i);
});

/** The answer to a request of these very header lines. */
async function ask(server, method, target, lines, { version = '1.1', body = '' } = {}) {
  const connection = await server.raw();
  const length = method === 'POST' ? [`Content-Length: ${body.length}`] : [];
  const head = [`${method} ${target} HTTP/${version}`, ...lines, ...length, 'Connection: close'];
  connection.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  return connection.response({ toHead: method === 'HEAD' });
}

test('origin and Host are compared as browsers write them', async ({ start }) => {
  const server = await start({ args: ['--hosts', 'events.example,other.example'] });
  const at = (name) => `${name}:${server.port}`;
  const foreign = 'http://evil.example';
  const cases = [
    [201, `Host: ${at('192.0.2.1')}`, `Origin: http://${at('192.0.2.1')}`],
    [201, `Host: ${at('[2001:db8::1]')}`, `Origin: http://${at('[2001:db8::1]')}`],
    [201, `Host: ${at('events.example')}`, `Origin: http://${at('events.example')}`],
    [201, `HOST: ${at('Events.Example')}`, `ORIGIN: HTTP://${at('EVENTS.example')}`],
    [201, 'Host: events.example', 'Origin: http://events.example'],
    [201, 'Host: events.example:80', 'Origin: http://events.example'],
    [201, 'Host: x', 'Origin: http://localhost:1'],
    [201, 'Host: x', 'Origin: https://[::1]'],
    [201, 'Host: x'],
    [201, 'Host: x', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors'],
    [403, `Host: ${at('events.example')}`, `Origin: https://${at('events.example')}`],
    [403, `Host: ${at('events.example')}`, `Origin: http://${at('other.example')}`],
    [403, `Host: ${at('events.example')}`, 'Origin: http://events.example'],
    [403, 'Host: events.example:443', 'Origin: http://events.example'],
    [403, `Host: ${at('events.example.')}`, `Origin: http://${at('events.example.')}`],
    [403, `Host: ${at('evil.example')}`, `Origin: http://${at('evil.example')}`],
    [403, 'Host: x', 'Origin: http://localhost.'],
    [403, 'Host: x', 'Origin: http://localhost.evil.example'],
    [403, 'Host: x', 'Origin: http://127.0.0.1@evil.example'],
    [403, 'Host: x', 'Origin: null'],
    [403, 'Host: x', 'Origin:'],
    [403, 'Host: x', 'Origin: http://localhost/'],
    [403, 'Host: x', 'Origin: http://localhost', `Origin: ${foreign}`],
    [403, 'Host: x', `Origin: ${foreign}`, 'Origin: http://localhost'],
    [403, `Host: ${at('127.0.0.1')}`, `Origin: ${foreign}`, 'Sec-Fetch-Site: same-origin'],
  ];
  for (const [status, ...lines] of cases) {
    const answer = await ask(server, 'POST', '/topics/news', lines, { body: '1' });
    assert.equal(answer.status, status, JSON.stringify(lines));
    if (status === 403) {
      assertError(answer, 403, 'forbidden');
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
  }
  // Without a Host there is only what needs none.
  const old = { version: '1.0', body: '1' };
  const post = (...lines) => ask(server, 'POST', '/topics/news', lines, old);
  assert.equal((await post('Origin: http://localhost:3000')).status, 201);
  assert.equal((await post('Origin: http://192.0.2.1')).status, 403);
  assert.equal((await post()).status, 201);
});

test('reading is let to who comes from elsewhere, and kept from its pages', async ({ start }) => {
  const server = await start({ args: ['--cors-origins', 'https://app.example:443'] });
  for (const target of ['/topics', '/topics/news', '/health', '/metrics', '/', '/nothing']) {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const read = (origin) => ask(server, method, target, ['Host: x', `Origin: ${origin}`]);
      const foreign = await read('https://evil.example');
      const listed = await read('https://app.example');
      assert.equal(foreign.headers['access-control-allow-origin'], undefined, target);
      assert.equal(listed.headers['access-control-allow-origin'], 'https://app.example', target);
      assert.equal(foreign.status, listed.status);
      assert.ok(foreign.status < 300 || target === '/nothing', `${method} ${target}`);
      for (const answer of [foreign, listed]) {
        assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      }
    }
  }
});

test('what is refused to a page is refused at every WebSocket', async ({ start }) => {
  const server = await start({ args: ['--echo'] });
  const upgrade = [
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ];
  for (const target of ['/ws', '/ws/ann', '/broker', '/echo']) {
    for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1.evil.example']) {
      const connection = await server.raw();
      const lines = [`GET ${target} HTTP/1.1`, ...upgrade, 'Connection: Upgrade'];
      connection.write(`${[...lines, `Origin: ${origin}`].join('\r\n')}\r\n\r\n`);
      assertError(await connection.response(), 403, 'forbidden');
    }
  }
  assert.equal((await server.health()).active_connections, 0);
});
