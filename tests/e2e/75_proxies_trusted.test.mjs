// Clients of proxies that are trusted: the PROXY protocol, and what proxies say in headers. Proxies here are
// sockets of the test's own from 127.0.0.1 (trusted), and Debian's HAProxy and nginx.
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { BrokerClient, RoomClient } from './lib/client.mjs';
import { RawConnection } from './lib/http.mjs';
import { ask2, connect2 } from './lib/http2.mjs';
import { LineClient } from './lib/line.mjs';
import { metric } from './lib/metrics.mjs';
import { replaced, startProxy } from './lib/proxies.mjs';
import { freePort, temporary } from './lib/server.mjs';
import { onServer } from './lib/sluicectl.mjs';
import { assert, test } from './lib/test.mjs';
import { startTls } from './lib/tls.mjs';
import { until, within } from './lib/until.mjs';

const TRUSTED = ['--trusted-proxies', '127.0.0.1,::1,unix'];
const PROXY = [...TRUSTED, '--proxy-protocol', 'on'];
const OUTSIDER = { localAddress: '127.0.0.9' };

const upgrade = (target, headers = '') =>
  `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`;
const get = (headers = '', target = '/topics') => `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`;

const v1 = (source, port = 4711) => {
  const family = source.includes(':') ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${source} ${family === 'TCP6' ? '2001:db8::ffff' : '192.0.2.255'} ${port} 443\r\n`;
};

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Version 2. bytes: the address part; tlvs: behind it. */
function v2(bytes, { command = 1, family = 1, tlvs = Buffer.alloc(0) } = {}) {
  const head = Buffer.from([0x20 | command, (family << 4) | 1, 0, 0]);
  head.writeUInt16BE(bytes.length + tlvs.length, 2);
  return Buffer.concat([SIGNATURE, head, bytes, tlvs]);
}
const inet = (a, b, c, d, port) => Buffer.from([a, b, c, d, 10, 9, 8, 7, port >> 8, port & 255, 0, 80]);

/** The peers of all clients, as sluicectl has them. */
const peersOf = async (server) => (await onServer(server).json('clients')).clients.map(({ peer }) => peer).sort();
const peers = (server, wanted) =>
  until(async () => JSON.stringify(await peersOf(server)) === JSON.stringify([...wanted].sort()), {
    what: () => `the peers ${wanted}`,
  });

/** A connection on which that has been said, and the answer to it. */
async function say(server, bytes, options) {
  const client = await server.raw(options);
  client.write(bytes);
  return { client, answer: await client.response() };
}

// --- the PROXY protocol

test('a PROXY header names the client, whichever version and however it comes', async ({ start }) => {
  const server = await start({ workers: 2, args: PROXY });
  const headers = {
    '192.0.2.1:4711': Buffer.from(v1('192.0.2.1')),
    '[2001:db8::7]:9': Buffer.from(v1('2001:db8::7', 9)),
    '192.0.2.3:258': v2(inet(192, 0, 2, 3, 258)),
    '192.0.2.4:259': v2(inet(192, 0, 2, 4, 259), { tlvs: Buffer.from([4, 0, 3, 0, 0, 0, 1, 0, 1, 120]) }),
    '[2001:db8::8]:10': v2(
      Buffer.concat([Buffer.from('20010db8000000000000000000000008', 'hex'), Buffer.alloc(16), Buffer.from([0, 10, 0, 80])]),
      { family: 2 },
    ),
  };
  const wanted = [];
  for (const [peer, header] of Object.entries(headers)) {
    const whole = await server.raw(); // the request right behind it
    whole.write(Buffer.concat([header, Buffer.from(upgrade('/broker'))]));
    assert.equal((await whole.response()).status, 101, peer);
    const apart = await server.raw(); // byte by byte
    for (const byte of Buffer.concat([header, Buffer.from(upgrade('/ws/x'))])) {
      await new Promise((resolve) => apart.socket.write(Buffer.from([byte]), resolve));
    }
    assert.equal((await apart.response()).status, 101, peer);
    wanted.push(peer, peer);
  }
  await peers(server, wanted);
});

test('LOCAL and UNKNOWN are the proxy itself, and then its headers are believed', async ({ start }) => {
  const server = await start({ workers: 1, args: PROXY });
  const locals = ['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ffff::1 whatever 1 2\r\n', v2(Buffer.alloc(0), { command: 0, family: 0 }),
    v2(inet(192, 0, 2, 1, 1), { command: 0 })];
  for (const local of locals) {
    const { client, answer } = await say(server, Buffer.concat([Buffer.from(local), Buffer.from(upgrade('/broker'))]));
    assert.equal(answer.status, 101);
    await peers(server, [`127.0.0.1:${client.socket.localPort}`]);
    client.terminate();
    await peers(server, []);
    const other = await say(server, Buffer.concat([Buffer.from(local), Buffer.from(upgrade('/broker', 'X-Forwarded-For: 192.0.2.8\r\n'))]));
    await peers(server, ['192.0.2.8']);
    other.client.terminate();
    await peers(server, []);
  }
});

test('whom a PROXY header names is not a proxy: its headers are its own affair', async ({ start }) => {
  const server = await start({ workers: 1, args: PROXY });
  const spoof = upgrade('/broker', 'X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Forwarded-Proto: https\r\n');
  assert.equal((await say(server, v1('192.0.2.1') + spoof)).answer.status, 101);
  await peers(server, ['192.0.2.1:4711']);
});

test('what is no header, or is cut off, is closed without a word; others are what they are', async ({ start }) => {
  const server = await start({ workers: 2, args: PROXY });
  const bad = ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'PROXY TCP4 1.2.3.4\r\n', `PROXY TCP4 ${'1'.repeat(200)}`,
    v2(inet(1, 2, 3, 4, 5), { command: 7 }), v2(Buffer.alloc(2000)), v2(Buffer.alloc(3)), `${'\r\n'.repeat(20)}`];
  for (const bytes of bad) {
    const client = await server.raw();
    client.write(bytes);
    assert.equal(await client.rest(), '');
  }
  // Their operator is told, or would look for it at the wrong end.
  const told = () => server.allLines.filter((line) => / warning worker \d: no PROXY header from 127\.0\.0\.1:\d+, which is one of trusted_proxies: closed$/.test(line));
  await until(() => told().length === bad.length, { what: () => `a line for each; there are\n${told().join('\n')}` });
  const half = await server.raw();
  half.socket.end(v1('192.0.2.1').slice(0, 20));
  assert.equal(await half.rest(), '');
  const gone = await server.raw();
  gone.socket.resetAndDestroy();
  // A header, a request, and the end of what is to be said: it is answered.
  const ended = await server.raw();
  ended.socket.end(v1('192.0.2.1') + get());
  assert.equal((await ended.response()).status, 200);

  // From elsewhere: no header is asked for, and none understood.
  assert.equal((await say(server, get(), OUTSIDER)).answer.status, 200);
  const outsider = await say(server, v1('192.0.2.1') + get(), OUTSIDER);
  assert.equal(outsider.answer.status, 400);
  const refused = () => metric({ request: () => outsideRequest(server, '/metrics') }, 'sluice_connections_refused_total');
  await until(async () => (await refused()) >= bad.length + 1, { what: 'all of them to be counted' });
  assert.equal(told().length, bad.length, 'who only looks whether the port is open has done nothing wrong');
});

const outsideRequest = async (server, target) => {
  const { client, answer } = await say(server, get('', target), OUTSIDER);
  client.terminate();
  return answer;
};

test('connections that say nothing are bounded, and the newest are served', async ({ start }) => {
  const server = await start({ workers: 1, args: PROXY, files: 400 });
  const silent = [];
  for (let i = 0; i < 300; i++) {
    silent.push(await server.raw());
  }
  const { answer } = await say(server, v1('192.0.2.1') + get());
  assert.equal(answer.status, 200);
  await until(() => silent.filter(({ socket }) => socket.closed || socket.readableEnded).length >= 200, {
    what: 'the oldest to give way',
  });
  const last = silent.at(-1);
  last.write(v1('192.0.2.2') + get());
  assert.equal((await last.response()).status, 200);
});

test('a drain does not wait for those that say nothing, nor does the end', async ({ start }) => {
  const server = await start({ workers: 2, args: [...PROXY, '--drain-timeout', '60s'] });
  const silent = [await server.raw(), await server.raw()];
  silent[0].write(v1('192.0.2.1').slice(0, 9));
  assert.equal(await server.stop(), 0);
  for (const client of silent) {
    assert.equal(await client.rest(), '');
  }
});

test('raw broker, TLS, IPv6 and unix listeners take it, too', async ({ start, cleanup }) => {
  const [brokerPort, sixPort] = [await freePort(), await freePort()];
  const socketPath = path.join(temporary(cleanup), 'socket');
  const server = await startTls(start, cleanup, {
    workers: 1,
    args: [...PROXY, '--broker-listen', `127.0.0.1:${brokerPort}`, '--listen', `[::1]:${sixPort}`, '--listen', `unix:${socketPath}`],
  });
  const line = new LineClient(brokerPort);
  cleanup(() => line.terminate());
  line.write(v1('192.0.2.10', 10));
  line.send({ action: 'subscribe', topic: 'news' });
  assert.equal((await line.next({ topic: 'news' })).status, 'subscribed');

  const plain = net.connect({ host: '127.0.0.1', port: server.secure.port });
  cleanup(() => plain.destroy());
  plain.write(v1('192.0.2.11', 11));
  const secure = tls.connect({ socket: plain, servername: 'localhost', ca: server.secure.ca });
  await within(new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject)), 'TLS behind the header');
  secure.write(upgrade('/broker', 'Origin: https://127.0.0.1\r\n'));
  const [answer] = await within(new Promise((resolve) => secure.once('data', (data) => resolve([data.toString()]))), 'an answer');
  assert.match(answer, /^HTTP\/1\.1 101 /);

  const six = await server.raw({ host: '::1', port: sixPort });
  six.write(v1('192.0.2.12', 12) + upgrade('/broker'));
  assert.equal((await six.response()).status, 101);
  const unix = await server.raw({ path: socketPath });
  unix.write(v1('2001:db8::13', 13) + upgrade('/broker'));
  assert.equal((await unix.response()).status, 101);
  await peers(server, ['192.0.2.10:10', '192.0.2.11:11', '192.0.2.12:12', '[2001:db8::13]:13']);
});

// --- what proxies say in headers

test('clients that headers name are in the log, listed, and kicked', async ({ start }) => {
  const server = await start({ workers: 1, args: TRUSTED });
  const { client } = await say(server, upgrade('/ws/ann', 'X-Forwarded-For: 192.0.2.7\r\n'));
  await say(server, upgrade('/broker', 'Forwarded: for="[2001:db8::7]:81";proto=https\r\n'));
  await peers(server, ['192.0.2.7', '[2001:db8::7]']);
  const own = onServer(server);
  const { clients } = await own.json('clients');
  await own.text('kick', clients.find(({ peer }) => peer === '192.0.2.7').client ?? 'ann');
  await client.rest();
  await server.logged(/room ann left client=\S+ peer=192\.0\.2\.7 /);
  await peers(server, ['[2001:db8::7]']);
});

test('only the last address that is no proxy is believed, and only of a proxy', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--trusted-proxies', '127.0.0.1,10.0.0.0/8'] });
  const cases = [
    ['X-Forwarded-For: 203.0.113.1, 192.0.2.7', '192.0.2.7'],
    ['X-Forwarded-For: 203.0.113.1, 192.0.2.7, 10.1.2.3', '192.0.2.7'],
    ['X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 192.0.2.7', '192.0.2.7'],
    ['Forwarded: for=203.0.113.1, for="192.0.2.7:99"', '192.0.2.7'],
    ['X-Forwarded-For: 192.0.2.7\r\nForwarded: for=203.0.113.1', '192.0.2.7'],
    ['X-Forwarded-For: 192.0.2.7, unknown', null],
    ['Forwarded: for=_hidden', null],
    ['X-Forwarded-For: 192.0.2.7, nonsense', null],
  ];
  for (const [headers, wanted] of cases) {
    const { client } = await say(server, upgrade('/broker', `${headers}\r\n`));
    await peers(server, [wanted ?? `127.0.0.1:${client.socket.localPort}`]);
    client.terminate();
    await peers(server, []);
  }
  const { client } = await say(server, upgrade('/broker', 'X-Forwarded-For: 192.0.2.7\r\n'), OUTSIDER);
  await peers(server, [`127.0.0.9:${client.socket.localPort}`]);
});

test('a client is counted for its address, through however many connections of the proxy', async ({ start }) => {
  const server = await start({ workers: 2, args: [...TRUSTED, '--max-per-address', '2'] });
  const status = async (address, client) => {
    client.write(get(address === null ? '' : `X-Forwarded-For: ${address}\r\n`));
    return (await client.response()).status;
  };
  const connections = [];
  for (let i = 0; i < 6; i++) {
    connections.push(await server.raw());
  }
  assert.equal(await status('192.0.2.1', connections[0]), 200);
  assert.equal(await status('192.0.2.1', connections[1]), 200);
  assert.equal(await status('192.0.2.1', connections[2]), 503);
  // A connection is its next request's; one that names nobody is the proxy's own, and it has no limit.
  assert.equal(await status('192.0.2.2', connections[2]), 200);
  assert.equal(await status('192.0.2.1', connections[3]), 503);
  assert.equal(await status(null, connections[3]), 200);
  assert.equal(await status('192.0.2.3', connections[0]), 200);
  assert.equal(await status('192.0.2.1', connections[4]), 200);
  assert.equal(await status('192.0.2.1', connections[5]), 503);
  connections[1].terminate();
  await until(async () => (await status('192.0.2.1', connections[5])) === 200, { what: 'a place again' });
  // One /64 is one client.
  assert.equal(await status('2001:db8:1:2::1', connections[0]), 200);
  assert.equal(await status('2001:db8:1:2::2', connections[2]), 200);
  assert.equal(await status('2001:db8:1:2:ffff::3', connections[3]), 503);
  assert.equal(await status('2001:db8:1:3::1', connections[3]), 200);
  // All is given back.
  connections.forEach((client) => client.terminate());
  await until(async () => (await metric(server, 'sluice_connections')) === 1, { what: 'all of them to be gone' });
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8:1:2::9']) {
    const again = [await server.raw(), await server.raw(), await server.raw()];
    assert.deepEqual([await status(address, again[0]), await status(address, again[1]), await status(address, again[2])], [200, 200, 503]);
    again.forEach((client) => client.terminate());
  }
});

test('streams of HTTP/2 are counted for the clients that the proxy speaks for', async ({ start }) => {
  const server = await start({ workers: 1, args: [...TRUSTED, '--max-per-address', '1'] });
  const session = await connect2(server);
  const open = (client) => {
    const stream = session.request({ ':path': '/topics/news', accept: 'text/event-stream', 'x-forwarded-for': client });
    stream.on('error', () => {});
    const head = new Promise((resolve) => stream.once('response', resolve));
    return within(head, 'an answer').then(({ ':status': status }) => ({ stream, status }));
  };
  const first = await open('192.0.2.1');
  assert.equal(first.status, 200);
  assert.equal((await open('192.0.2.1')).status, 503);
  assert.equal((await open('192.0.2.2')).status, 200);
  first.stream.close(http2.constants.NGHTTP2_CANCEL);
  await until(async () => (await open('192.0.2.1')).status === 200, { what: 'a place again' });
});

test('a page of https is at home behind a proxy that speaks TLS, if it is trusted', async ({ start }) => {
  const server = await start({ workers: 1, args: [...TRUSTED, '--hosts', 'example.org'] });
  const ask = async (headers, options) => {
    const request = upgrade('/broker', headers).replace('Host: 127.0.0.1', 'Host: example.org');
    const { client, answer } = await say(server, request, options);
    client.terminate();
    return answer.status;
  };
  const origin = 'Origin: https://example.org\r\n';
  assert.equal(await ask(`${origin}X-Forwarded-Proto: https\r\n`), 101);
  assert.equal(await ask(`${origin}X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http, https\r\n`), 101);
  assert.equal(await ask(`${origin}Forwarded: for=192.0.2.1;proto=https\r\n`), 101);
  assert.equal(await ask(origin), 403);
  assert.equal(await ask(`${origin}X-Forwarded-Proto: http\r\n`), 403);
  assert.equal(await ask(`${origin}X-Forwarded-Proto: https, http\r\n`), 403);
  assert.equal(await ask(`${origin}X-Forwarded-Proto: https\r\n`, OUTSIDER), 403);
  assert.equal(await ask('Origin: http://example.org\r\nX-Forwarded-Proto: https\r\n'), 403);
});

test('a target of https is served if a trusted proxy says that TLS was there', async ({ start }) => {
  const server = await start({ workers: 1, args: TRUSTED });
  const ask = async (headers, options) => {
    const { client, answer } = await say(server, get(headers, 'https://example.org/topics'), options);
    client.terminate();
    return answer.status;
  };
  assert.equal(await ask('X-Forwarded-Proto: https\r\n'), 200);
  assert.equal(await ask('X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n'), 200);
  assert.equal(await ask('Forwarded: for=192.0.2.1;proto=https\r\n'), 200);
  assert.equal(await ask(''), 421);
  assert.equal(await ask('X-Forwarded-Proto: http\r\n'), 421);
  assert.equal(await ask('Forwarded: for=192.0.2.1;proto=http\r\n'), 421);
  assert.equal(await ask('X-Forwarded-Proto: https\r\n', OUTSIDER), 421);
});

test('a PROXY header that tells of TLS makes https of its connection, whichever version of HTTP', async ({ start }) => {
  const server = await start({ workers: 1, args: [...PROXY, '--hosts', 'example.org'] });
  const ssl = (flags) => v2(inet(192, 0, 2, 3, 4712), { tlvs: Buffer.from([0x20, 0, 5, flags, 0, 0, 0, 0]) });
  const ask = async (header, request) => {
    const { client, answer } = await say(server, Buffer.concat([header, Buffer.from(request)]));
    client.terminate();
    return answer.status;
  };
  const page = upgrade('/broker', 'Origin: https://example.org\r\n').replace('Host: 127.0.0.1', 'Host: example.org');
  assert.equal(await ask(ssl(1), page), 101);
  assert.equal(await ask(ssl(0), page), 403);
  assert.equal(await ask(v2(inet(192, 0, 2, 3, 4712)), page), 403);
  assert.equal(await ask(ssl(1), get('', 'https://example.org/topics')), 200);
  assert.equal(await ask(ssl(0), get('', 'https://example.org/topics')), 421);
  // Prior knowledge is what it was: no ALPN has come this far.
  const session = http2.connect('http://example.org', {
    createConnection: () => {
      const socket = net.connect(server.port, '127.0.0.1');
      socket.write(ssl(1));
      return socket;
    },
  });
  server.clients.add({ terminate: () => session.destroy() });
  session.on('error', () => {});
  const answer = await ask2(session, 'POST', '/topics/news', {
    headers: { ':authority': 'example.org', origin: 'https://example.org', 'content-type': 'text/plain' },
    body: 'hello',
  });
  assert.equal(answer.status, 201);
});

// --- real proxies

const FROM = '127.0.0.5';

async function through(cleanup, proxy, Kind, target) {
  const client = new Kind(proxy.url(target), { options: { localAddress: FROM } });
  cleanup(() => client.terminate());
  await within(client.opened, 'a client through the proxy');
  return client;
}

const get200 = (proxy) =>
  within(new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port: proxy.port, path: '/topics', localAddress: FROM, agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  }), 'an answer through the proxy');

const KINDS = {
  'haproxy, send-proxy': ['haproxy', PROXY, (text) => replaced(text, 'server one 127.0.0.1:', 'server one send-proxy 127.0.0.1:')],
  'haproxy, send-proxy-v2, checksum': ['haproxy', PROXY, (text) => replaced(text, 'server one 127.0.0.1:', 'server one send-proxy-v2 proxy-v2-options crc32c 127.0.0.1:')],
  'haproxy, send-proxy-v2': ['haproxy', PROXY, (text) => replaced(text, 'server one 127.0.0.1:', 'server one send-proxy-v2 127.0.0.1:')],
  'haproxy, headers': ['haproxy', TRUSTED, (text) => text],
  'nginx, headers': ['nginx', TRUSTED, (text) => text],
};

for (const [name, [kind, args, adapt]] of Object.entries(KINDS)) {
  test(`${name}: clients have their own addresses`, async ({ start, cleanup }) => {
    const server = await start({ workers: 2, args: [...args, '--max-per-address', '3'] });
    const moved = (text) => adapt(text).replace(/server one (send-proxy.*?) (127\S+)/, 'server one $2 $1');
    const proxy = await startProxy(cleanup, kind, server, moved);
    const room = await through(cleanup, proxy, RoomClient, '/ws/ann');
    await room.greeting();
    const broker = await through(cleanup, proxy, BrokerClient, '/broker');
    await broker.subscribe('news');
    const found = await until(async () => {
      const all = await peersOf(server);
      return all.length === 2 && all;
    }, { what: 'both clients' });
    for (const peer of found) {
      assert.match(peer, /^127\.0\.0\.5(:\d+)?$/);
    }
    await until(async () => (await get200(proxy)) === 200, { what: 'a third' });
    // The proxy may still have the connection of that request when it has been answered.
    const third = await until(async () => {
      const client = await through(cleanup, proxy, BrokerClient, '/broker');
      return (await client.ping()).status === 'pong' && client;
    }, { what: 'its place' });
    assert.equal(await get200(proxy), 503);
    third.terminate();
    await until(async () => (await get200(proxy)) === 200, { what: 'a place again' });
  });
}

test('nginx, PROXY on its own side: what it was told goes on in headers', async ({ start, cleanup }) => {
  const server = await start({ workers: 1, args: TRUSTED });
  const socketPath = path.join(temporary(cleanup), 'socket');
  const proxy = await startProxy(cleanup, 'nginx', server, (text) => {
    const own = replaced(text, '$proxy_add_x_forwarded_for', '$proxy_protocol_addr');
    return replaced(own, 'server_name example.org;', `server_name example.org;\n    listen unix:${socketPath} proxy_protocol;`);
  });
  const client = new RawConnection(0, { path: socketPath, port: undefined, host: undefined });
  cleanup(() => client.terminate());
  await within(client.opened, 'nginx');
  client.write(v1('192.0.2.77') + upgrade('/broker'));
  assert.equal((await client.response()).status, 101);
  await peers(server, ['192.0.2.77']);
  assert.ok(proxy.port > 0);
});
