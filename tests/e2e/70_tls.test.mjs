// TLS beside plain text, for everything that is served (PROTOCOLS section 7: tls:, --tls-cert ...).
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { EventSource } from 'eventsource';
import { Inbox } from './lib/client.mjs';
import { openPage } from './lib/chromium.mjs';
import { CREATE_MESSAGE, followOver, MESSAGE_ADDED } from './lib/graphql.mjs';
import { metric } from './lib/metrics.mjs';
import { kill } from './lib/processes.mjs';
import { binary, freePort, makeDirectory, runSluice, Server } from './lib/server.mjs';
import { assert, test } from './lib/test.mjs';
import {
  Authority,
  connectTls,
  refusalOf,
  secureBroker,
  secureFetch,
  secureLine,
  secureRoom,
  secureWebSocket,
  startTls,
  urlOf,
} from './lib/tls.mjs';
import { until, within } from './lib/until.mjs';

const run = promisify(execFile);

/** All that comes until the other side ends; how it ended: 'end' (said so) or 'cut'. */
function rest(socket) {
  const chunks = [];
  let how = 'cut';
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('end', () => (how = 'end'));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  return within(closed, 'the end of a connection').then(() => ({
    text: Buffer.concat(chunks).toString(),
    how,
  }));
}

async function get(socket, target = '/health') {
  socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  return rest(socket);
}

// --- everything that is served

test('room and broker: clients over TLS and in plain text are in one place', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  assert.match(server.readyLine, /https:\/\/127\.0\.0\.1:\d+/);
  const [ann, ben] = [await secureRoom(server, 'ann'), await server.room('ben')];
  await ann.say('hello');
  assert.equal((await ben.next({ type: 'message' })).data, 'hello');
  const [one, two] = [await secureBroker(server), await server.broker()];
  await one.subscribe('news');
  await two.publish('news', 'x'.repeat(300_000));
  assert.equal((await one.next({ type: 'message' })).data.length, 300_000);
  await one.publish('news', { big: 'y'.repeat(700_000) });
  assert.equal((await one.next({ type: 'message' })).data.big.length, 700_000);
  assert.equal(await one.close(), 1000);
});

test('GraphQL over wss, events over https, with the clients that users have', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  const { feed } = await followOver(cleanup, urlOf(server, 'wss', '/graphql'), secureWebSocket(server), MESSAGE_ADDED);

  const source = new EventSource(urlOf(server, 'https', '/topics/messages'), {
    fetch: secureFetch(server),
  });
  cleanup(() => source.close());
  const events = new Inbox();
  source.onmessage = ({ data }) => events.push(JSON.parse(data));
  await within(new Promise((resolve) => (source.onopen = resolve)), 'an event stream over TLS');

  await until(async () => (await server.health()).active_connections === 2, { what: 'two clients' });
  const answer = await secureFetch(server)(urlOf(server, 'https', '/graphql'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: CREATE_MESSAGE, variables: { content: 'over TLS' } }),
  });
  assert.equal(answer.status, 200);
  assert.equal((await feed.next()).messageAdded.content, 'over TLS');
  assert.equal((await events.next()).data.content, 'over TLS');
});

test('the raw broker over TLS, and both on unix sockets', async ({ start, cleanup }) => {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const port = await freePort();
  const paths = ['web.sock', 'broker.sock'].map((name) => path.join(directory, name));
  const server = await startTls(start, cleanup, {
    args: [
      ...['--listen', `tls:unix:${paths[0]}`],
      ...['--broker-listen', `tls:127.0.0.1:${port}`, '--broker-listen', `tls:unix:${paths[1]}`],
    ],
  });
  const [one, two] = [
    await secureLine(server, port),
    await secureLine(server, undefined, { path: paths[1], host: undefined }),
  ];
  for (const line of [one, two]) {
    line.send({ action: 'subscribe', topic: 'news' });
    await line.next({ status: 'subscribed' });
  }
  one.send({ action: 'publish', topic: 'news', message: 1, id: 1 });
  await one.next({ status: 'published' });
  assert.equal((await two.next({ type: 'message' })).data, 1);
  const web = await connectTls(server, { path: paths[0], host: undefined });
  assert.match((await get(web)).text, /^HTTP\/1\.1 200 /);
});

test('curl, with TLS 1.2 and 1.3', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  for (const version of ['1.2', '1.3']) {
    const { stdout } = await run('curl', [
      ...['-sS', '--cacert', server.secure.authority.file, '--http1.1'],
      ...[`--tlsv${version}`, '--tls-max', version, '-w', '%{http_version} %{http_code}'],
      urlOf(server, 'https', '/health'),
    ]);
    assert.match(stdout, /"healthy".*1\.1 200$/s);
  }
});

test('Chromium: a page from https uses wss, events and fetch', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  const page = await openPage(cleanup, { ignoreHTTPSErrors: true });
  await page.goto(urlOf(server, 'https', '/'));
  const seen = await page.evaluate(async () => {
    const socket = new WebSocket(`wss://${location.host}/broker`);
    await new Promise((resolve, reject) => ([socket.onopen, socket.onerror] = [resolve, reject]));
    const source = new EventSource('/topics/news');
    await new Promise((resolve) => (source.onopen = resolve));
    const event = new Promise((resolve) => (source.onmessage = ({ data }) => resolve(JSON.parse(data).data)));
    const posted = await fetch('/topics/news', { method: 'POST', body: 'from a page' });
    const result = [location.protocol, posted.status, await event];
    source.close();
    socket.close();
    return result;
  });
  assert.deepEqual(seen, ['https:', 201, 'from a page']);
});

// --- what is agreed on

test('TLS 1.0 and 1.1 are refused, 1.2 and 1.3 are spoken', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  for (const version of ['TLSv1', 'TLSv1.1']) {
    const code = await refusalOf(server, {
      minVersion: version,
      maxVersion: version,
      ciphers: 'ALL:@SECLEVEL=0',
    });
    assert.match(code, /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/);
  }
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const socket = await connectTls(server, { minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    assert.equal(socket.getEphemeralKeyInfo().type, 'ECDH');
  }
});

test('ALPN: http/1.1, nothing for who asks for nothing, an alert for who wants another', async ({
  start,
  cleanup,
}) => {
  const broker = await freePort();
  const server = await startTls(start, cleanup, { args: ['--broker-listen', `tls:127.0.0.1:${broker}`] });
  const agreed = async (options) => (await connectTls(server, options)).alpnProtocol;
  assert.equal(await agreed({ ALPNProtocols: ['foo', 'http/1.1'] }), 'http/1.1');
  assert.equal(await agreed({ ALPNProtocols: ['http/1.0'] }), 'http/1.0'); // curl --http1.0
  assert.equal(await agreed({}), false);
  const alert = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
  assert.equal(await refusalOf(server, { ALPNProtocols: ['foo', 'smtp'] }), alert);
  assert.equal(await refusalOf(server, { ALPNProtocols: ['http/1.1'], port: broker }), alert);
});

test('the certificate of the name that the client asks for', async ({ start, cleanup }) => {
  const authority = await Authority.make(cleanup);
  const certificates = [
    await authority.issue({ names: ['*.events.test'] }),
    await authority.issue({ names: ['exact.events.test'] }),
    await authority.issue({ names: ['exact.events.test'], kind: 'rsa' }),
  ];
  const server = await startTls(start, cleanup, { authority, certificates });
  const shown = async (servername, options) => {
    const socket = await connectTls(server, {
      servername,
      checkServerIdentity: () => undefined,
      ...options,
    });
    return socket.getPeerCertificate().subjectaltname;
  };
  assert.equal(await shown('a.events.test'), 'DNS:*.events.test');
  assert.equal(await shown('exact.events.test'), 'DNS:exact.events.test');
  assert.match(await shown('unknown.test'), /DNS:localhost/);
  assert.match(await shown(''), /DNS:localhost/);
  const rsa = await connectTls(server, {
    servername: 'exact.events.test',
    sigalgs: 'RSA-PSS+SHA256',
  });
  assert.equal(rsa.getPeerCertificate().bits, 2048);
});

test('a session is resumed by whichever worker, and outlives them', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup, { workers: 2 });
  const handshakes = (worker) => metric(server, 'sluice_worker_tls_handshakes_total', { worker });
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const limits = { minVersion: version, maxVersion: version };
    let session;
    const visit = async () => {
      const socket = await connectTls(server, { session, ...limits });
      const wasReused = socket.isSessionReused();
      session = version === 'TLSv1.2' ? socket.getSession() : session; // 1.3: it comes with data
      socket.on('session', (next) => (session = next));
      assert.match((await get(socket)).text, /^HTTP\/1\.1 200 /);
      return wasReused;
    };
    assert.equal(await visit(), false);
    const before = [await handshakes('0'), await handshakes('1')];
    const isServedByBoth = async () =>
      (await handshakes('0')) > before[0] && (await handshakes('1')) > before[1];
    for (let i = 0; i < 200 && !(await isServedByBoth()); i++) {
      const kept = await connectTls(server); // so that the next one comes to the other worker
      assert.equal(await visit(), true);
      kept.destroy();
    }
    assert.ok(await isServedByBoth());
    for (const worker of server.workers()) {
      process.kill(worker.pid, 'SIGKILL');
    }
    await until(async () => server.workers().length === 2 && (await server.health().catch(() => null)), {
      what: 'new workers',
    });
    assert.equal(await visit(), true);
  }
  assert.ok((await metric(server, 'sluice_tls_resumed_total')) > 2);
});

test('clients with certificates, without, and with bad ones', async ({ start, cleanup }) => {
  const authority = await Authority.make(cleanup);
  const stranger = await Authority.make(cleanup);
  const server = await startTls(start, cleanup, {
    authority,
    args: ['--tls-client-ca', authority.file, '--log-level', 'debug'],
  });
  const load = ({ cert, key }) => ({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
  const known = load(await authority.issue({ subject: '/O=Tests/CN=Jörg' }));
  assert.match((await get(await connectTls(server, known))).text, /^HTTP\/1\.1 200 /);
  await server.logged(/TLS with 127\.0\.0\.1:\d+: .*, client CN=Jörg,O=Tests/);
  // Its own scheme in the target is as good (RFC 9110 section 7.4).
  assert.match((await get(await connectTls(server), 'https://localhost/health')).text, /^HTTP\/1\.1 200 /);
  assert.match((await get(await connectTls(server))).text, /^HTTP\/1\.1 200 /);
  const unknown = load(await stranger.issue({ subject: '/CN=stranger' }));
  assert.match(await refusalOf(server, unknown), /UNKNOWN_CA|ECONNRESET/);
  await server.logged(/no TLS with .*: the client's certificate: /);
  assert.equal(await metric(server, 'sluice_tls_handshakes_failed_total'), 1);
});

// --- who speaks no TLS

test('plain text to a port of TLS is answered in plain text, and closed', async ({ start, cleanup }) => {
  const broker = await freePort();
  const server = await startTls(start, cleanup, { args: ['--broker-listen', `tls:127.0.0.1:${broker}`] });
  const speak = (port, text) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    server.clients.add({ terminate: () => socket.destroy() });
    socket.on('error', () => {});
    socket.write(text);
    return rest(socket);
  };
  for (const text of ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'G', 'POST /topics/a HTTP/1.1\r\n', '\0\0\0']) {
    const { text: answer, how } = await speak(server.secure.port, text);
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n.*"this port speaks TLS: use https:\/\/"/s);
    assert.equal(how, 'end');
  }
  const line = await speak(broker, '{"action":"publish","topic":"news","message":1}\n');
  assert.deepEqual(JSON.parse(line.text), {
    status: 'error',
    code: 'bad_request',
    message: 'this port speaks TLS',
  });
  assert.equal((await speak(broker, 'GET / HTTP/1.1\r\n\r\n')).text, '');
  assert.equal((await server.request('GET', '/topics')).json.topics.length, 0);
});

test('silent and slow handshakes end in time, on the raw port too', async ({ start, cleanup }) => {
  const broker = await freePort();
  const server = await startTls(start, cleanup, {
    args: ['--broker-listen', `tls:127.0.0.1:${broker}`, '--handshake-timeout', '500ms'],
  });
  for (const port of [server.secure.port, broker]) {
    for (const text of ['', '\x16\x03\x01']) {
      const socket = net.connect({ host: '127.0.0.1', port });
      server.clients.add({ terminate: () => socket.destroy() });
      socket.on('error', () => {});
      socket.write(text, 'latin1');
      assert.equal((await rest(socket)).text, '');
    }
  }
  // Half a second is little for who asks, too.
  const failed = await until(() => metric(server, 'sluice_tls_handshakes_failed_total'));
  assert.equal(failed, 4);
});

test('a client that goes in the middle of its first message is gone at once', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup, { workers: 1, args: ['--handshake-timeout', '1h'] });
  const [worker] = server.workers();
  kill(worker, 'SIGSTOP'); // what is said and the end come together
  const sockets = [];
  for (const text of ['\x16\x03\x01\x01\x6a\x01', '\x16']) {
    const socket = net.connect({ host: '127.0.0.1', port: server.secure.port });
    server.clients.add({ terminate: () => socket.destroy() });
    socket.on('error', () => {});
    await within(new Promise((resolve) => socket.end(text, 'latin1', resolve)), 'the end to be sent');
    sockets.push(socket);
  }
  const ends = sockets.map((socket) => rest(socket));
  kill(worker, 'SIGCONT');
  assert.deepEqual((await Promise.all(ends)).map(({ text }) => text), ['', '']);
});

// --- under load

test('fan-out goes on while hundreds shake hands', async ({ start, cleanup }) => {
  const CLIENTS = 400;
  const ROUNDS = 20;
  const server = await startTls(start, cleanup, { workers: 1, args: ['--handshake-timeout', '1h'] });
  const [subscriber, publisher] = [await secureBroker(server), await server.broker()];
  await subscriber.subscribe('news');
  const crowd = new Worker(new URL('./lib/tls_crowd.mjs', import.meta.url), {
    workerData: { ...server.secure, authority: undefined, count: CLIENTS },
  });
  cleanup(() => crowd.terminate());
  let state = 'coming';
  let opened = 0;
  crowd.on('message', (next) => ({ state, opened } = next));
  // For whoever is through, another one comes, until there have been enough rounds.
  let rounds = 0;
  for (let meanwhile = 0; meanwhile < ROUNDS; meanwhile += state === 'some' ? 1 : 0) {
    assert.doesNotMatch(state, /Error/);
    await publisher.publish('news', rounds);
    assert.equal((await subscriber.next({ type: 'message' })).data, rounds++);
  }
  crowd.postMessage('enough');
  await until(() => state !== 'some', { what: 'the end of all handshakes' });
  assert.equal(state, 'all');
  assert.ok(opened >= CLIENTS);
  // A client of TLS 1.3 is through before the server is.
  await until(async () => (await metric(server, 'sluice_tls_handshakes_total')) === opened + 1, {
    what: 'all handshakes',
  });
});

test('a slow reader over TLS lags, and catches up without gap or duplicate', async ({ start, cleanup }) => {
  const EVENTS = 600;
  const args = ['--max-queue', '64K', '--ping-interval', '0']; // who reads nothing answers none
  const server = await startTls(start, cleanup, { args });
  const [slow, publisher] = [await secureBroker(server), await server.broker()];
  await slow.subscribe('news');
  slow.socket.pause();
  const pad = 'x'.repeat(20_000);
  let last;
  for (let i = 0; i < EVENTS; i++) {
    last = await publisher.publish('news', { i, pad });
  }
  await until(async () => (await metric(server, 'sluice_lagging_subscriptions')) === 1, { what: 'a lagging one' });
  slow.socket.resume();
  const seen = await slow.upTo({ type: 'message', seq: last.seq });
  assert.deepEqual(seen.map(({ data }) => data.i), [...Array(EVENTS).keys()]);
  await until(async () => (await metric(server, 'sluice_lagging_subscriptions')) === 0, { what: 'a live one' });
});

test('a drain closes with close frames, then says its end in TLS', async ({ start, cleanup }) => {
  const broker = await freePort();
  const server = await startTls(start, cleanup, {
    args: ['--broker-listen', `tls:127.0.0.1:${broker}`, '--drain-timeout', '500ms'],
  });
  const socket = await secureBroker(server);
  const line = await secureLine(server, broker);
  line.send({ action: 'ping' });
  await line.next({ status: 'pong' });
  const ends = [socket.socket, line.socket].map((one) => new Promise((resolve) => {
    let hasEnd = false;
    one.once('end', () => (hasEnd = true));
    one.once('close', (hadError) => resolve(hasEnd && !hadError));
  }));
  server.signal('SIGTERM');
  assert.equal(await socket.closeCode(), 1001);
  await line.next({ type: 'shutdown' });
  assert.deepEqual(await within(Promise.all(ends), 'the end of both'), [true, true]);
  assert.equal(await server.end(), 0);
});

// --- the start

test('keys that only root may read serve a server that becomes somebody else', {
  skip: process.getuid() !== 0 && 'only root becomes somebody else',
}, async ({ start, cleanup }) => {
  const directory = makeDirectory();
  fs.chmodSync(directory, 0o755);
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const authority = await Authority.make(cleanup); // in a directory of mode 0700
  const { cert, key } = await authority.issue({ names: ['localhost'] });
  const port = await freePort();
  const server = new Server({
    data: path.join(directory, 'data'),
    args: ['--user', 'nobody', '--listen', `tls:127.0.0.1:${port}`, '--tls-cert', cert, '--tls-key', key],
  });
  cleanup(() => server.dispose());
  fs.chmodSync(server.runDir, 0o777);
  await server.start();
  server.secure = { port, ca: authority.pem };
  assert.match((await get(await connectTls(server))).text, /^HTTP\/1\.1 200 /);
  const [worker] = server.workers();
  process.kill(worker.pid, 'SIGKILL'); // who comes in its place finds them, too
  await until(() => server.workers().every(({ pid }) => pid !== worker.pid) && server.workers().length === 2, {
    what: 'another worker',
  });
  for (let i = 0; i < 8; i++) {
    assert.match((await get(await connectTls(server))).text, /^HTTP\/1\.1 200 /);
  }
});

test('what is wrong with certificates is said with the name of the file, status 2', async ({ cleanup }) => {
  const authority = await Authority.make(cleanup);
  const [one, two] = [await authority.issue({ names: ['a.test'] }), await authority.issue({ names: ['b.test'] })];
  const listen = ['--listen', 'tls:127.0.0.1:0'];
  const garbage = path.join(authority.directory, 'garbage.pem');
  fs.writeFileSync(garbage, '-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n');
  const cases = [
    [[...listen], /needs a certificate: tls-cert/],
    [[...listen, '--tls-cert', one.cert], /--tls-cert: \S+1\.pem: there is no private key in it/],
    [[...listen, '--tls-cert', one.cert, '--tls-key', two.key], /--tls-key: \S+2-key\.pem: the key is not the/],
    [[...listen, '--tls-cert', '/none.pem', '--tls-key', one.key], /--tls-cert: \/none\.pem: No such file/],
    [[...listen, '--tls-cert', garbage, '--tls-key', one.key], /--tls-cert: \S+garbage\.pem: /],
  ];
  for (const more of [['--check-config'], []]) {
    for (const [args, pattern] of cases) {
      const { code, stderr } = await runSluice([...args, '--data', authority.directory, ...more]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, pattern);
      assert.doesNotMatch(stderr, /-----BEGIN/);
    }
  }
  const { code, stderr } = await runSluice([
    ...['--check-config', '--listen', '127.0.0.1:0', '--data', authority.directory],
    ...['--tls-cert', one.cert, '--tls-key', one.key, '--ktls'],
  ]);
  assert.equal(code, 0);
  assert.match(stderr, /--tls-cert: no address begins with tls:/);
});

test('a socket that systemd has opened speaks TLS when its name says so', async ({ start, cleanup }) => {
  const authority = await Authority.make(cleanup);
  const { cert, key } = await authority.issue({ names: ['localhost'] });
  const ports = [await freePort(), await freePort(), await freePort()];
  const names = ['https', 'broker-tls', 'web'].map((name, i) => `${name}=tcp:${ports[i]}`);
  const script = new URL('./lib/passed_sockets.py', import.meta.url).pathname;
  const server = await start({
    port: ports[2],
    listen: false,
    prefix: ['python3', script, ...names, '--'],
    args: ['--tls-cert', cert, '--tls-key', key],
  });
  server.secure = { port: ports[0], ca: authority.pem };
  assert.match((await get(await connectTls(server))).text, /^HTTP\/1\.1 200 /);
  const line = await secureLine(server, ports[1]);
  line.send({ action: 'ping' });
  await line.next({ status: 'pong' });
  assert.equal((await server.health()).status, 'healthy');
});

test('such a socket without a certificate is a configuration that cannot work: status 2', async ({ cleanup }) => {
  const { directory } = await Authority.make(cleanup);
  const script = new URL('./lib/passed_sockets.py', import.meta.url).pathname;
  const { code, stderr } = await runSluice(['--data', path.join(directory, 'data'), '--run-dir', directory], {
    prefix: ['python3', script, `https=tcp:${await freePort()}`, '--'],
  });
  assert.match(stderr, /LISTEN_FDS: descriptor 3 is for TLS by its name, and needs a certificate: tls-cert/);
  assert.equal(code, 2);
});

// --- sluice-bench

const bench = path.join(process.env.SLUICE_BUILD ?? path.resolve(binary, '../..'), 'tools/sluice-bench');

test('sluice-bench finds nothing lost over TLS, whatever it measures', async ({ start, cleanup }) => {
  const server = await startTls(start, cleanup);
  const load = async (...args) => {
    const url = ['--url', `wss://127.0.0.1:${server.secure.port}`];
    const { stdout } = await run(bench, [...url, '--json', '--warmup', '0', '--timeout', '60s', ...args]);
    const report = JSON.parse(stdout);
    assert.deepEqual([report.failed, report.lost, report.duplicates, report.order_errors], [0, 0, 0, 0]);
    return report;
  };
  const before = await metric(server, 'sluice_tls_handshakes_total');
  assert.equal((await load('--connections', '20', '--messages', '200')).delivered, 4000);
  assert.equal((await metric(server, 'sluice_tls_handshakes_total')) - before, 20);
  // Frames of several records; and what is published at full speed, which does not fit into the socket.
  assert.equal((await load('--connections', '5', '--messages', '40', '--size', '100K')).delivered, 200);
  const flat = ['--protocol', 'broker', '--flat-out', '--messages', '2000', '--size', '2000', '--connections', '10'];
  assert.equal((await load(...flat)).delivered, 20_000);
  assert.equal((await load(...flat, '--via', 'http', '--publishers', '3')).acknowledged, 2000);
  // A server that goes: the load says so, and has not died of it.
  const other = await startTls(start, cleanup);
  const url = ['--url', `wss://127.0.0.1:${other.secure.port}`];
  const cut = run(bench, [...url, '--json', ...flat, '--messages', '100000000', '--timeout', '10s', '--publishers', '4']);
  cut.catch(() => {});
  await until(async () => (await metric(other, 'sluice_messages_received_total')) > 100, { what: 'some load' });
  await other.kill();
  const { code, stdout } = await cut.then(() => assert.fail('it went well'), (error) => error);
  assert.deepEqual([code, JSON.parse(stdout).clean], [1, false]);
  // Where no TLS is spoken.
  const plain = run(bench, ['--url', `wss://127.0.0.1:${server.port}`, '--connections', '2', '--messages', '1']);
  await assert.rejects(plain, ({ code, stderr }) => code === 1 && /TLS/.test(stderr));
});
