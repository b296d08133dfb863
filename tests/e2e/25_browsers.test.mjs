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
