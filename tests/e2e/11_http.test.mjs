// HTTP/1.1 as RFC 9110, RFC 9112 and PROTOCOLS section 1 have it, for clients of every kind.
import { execFile } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import { metric } from './lib/metrics.mjs';
import { assertError, HTTP_DATE, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

const run = promisify(execFile);
const HEAD_MAX = 16 * 1024;
const BODY_MAX = 1024 * 1024;
const READABLE = ['/', '/topics', '/topics/news', '/health', '/health/live', '/metrics'];

const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
const post = (path, body, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;
const chunked = (path, body, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${more}\r\n${body}`;

/** What the server says to these bytes until it closes the connection, as a list of responses. */
async function everything(server, bytes) {
  const connection = await server.raw();
  connection.write(bytes);
  return splitResponses(await connection.rest());
}

/** Responses with a Content-Length, one behind the other, and nothing else. */
function splitResponses(text) {
  const responses = [];
  while (text !== '') {
    const end = text.indexOf('\r\n\r\n');
    assert.ok(end > 0, `no response: ${JSON.stringify(text.slice(0, 200))}`);
    const head = text.slice(0, end);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
    assert.match(head, /^HTTP\/1\.1 \d{3} /);
    assert.ok(Number.isInteger(length), head);
    responses.push({
      status: Number(head.slice(9, 12)),
      closes: /^connection: close$/im.test(head),
      head,
      text: text.slice(end + 4, end + 4 + length),
    });
    text = text.slice(end + 4 + length);
  }
  return responses;
}

/**
 * The server is there for others, and has stored so many events of a topic. If this process stands
 * still for longer than a short handshake timeout before it asks, it is cut off: then once more.
 */
async function assertUnharmed(server, count = 0) {
  const health = await until(() => server.request('GET', '/health'), { what: 'the health' });
  assert.equal(health.status, 200);
  const history = await until(() => server.history('news'), { what: 'the history' });
  assert.equal(history.events.length, count);
}

// --- connections

test('one connection serves one request after the other', async ({ start, cleanup }) => {
  const server = await start();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  cleanup(() => agent.destroy());
  const ports = new Set();
  for (const path of [...READABLE, '/nowhere']) {
    const answer = new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: server.port, path, agent };
      http
        .get(options, (response) => {
          ports.add(response.socket.localPort);
          response.resume().on('end', resolve);
        })
        .on('error', reject);
    });
    await within(answer, `an answer to ${path}`);
  }
  assert.equal(ports.size, 1);
});

test('a client that wants to close is obeyed, in whatever way it says so', async ({ start }) => {
  const server = await start();
  for (const more of [
    'Connection: close\r\n',
    'Connection: CLOSE\r\n',
    'Connection: x, close ,y\r\n',
    'Connection: x\r\nConnection: close\r\n',
    'Connection: keep-alive, close\r\n',
  ]) {
    const [response, ...others] = await everything(server, get('/health', more) + get('/health'));
    assert.equal(response.status, 200, more);
    assert.ok(response.closes, more);
    assert.deepEqual(others, [], more);
  }
});

test('HTTP/1.0 is closed after its answer unless it asks to stay', async ({ start }) => {
  const server = await start();
  const [response, ...others] = await everything(
    server,
    'GET /health HTTP/1.0\r\n\r\nGET /health HTTP/1.0\r\n\r\n',
  );
  assert.equal(response.status, 200);
  assert.deepEqual(others, []);
  const kept = await server.raw();
  for (let i = 0; i < 2; i++) {
    kept.write('GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    const answer = await kept.response();
    assert.equal(answer.headers.connection, 'keep-alive');
  }
});

test('pipelined requests are answered in order, however long each one takes', async ({ start }) => {
  const server = await start({ workers: 2 });
  const connection = await server.raw();
  const count = 20;
  let bytes = '';
  for (const index of numbers(0, count)) {
    bytes += post('/topics/news?durable=true', String(index), 'Content-Type: application/json\r\n');
    bytes += get('/nowhere') + get('/topics/news') + get('/health/live');
    bytes += get('/').replace('GET', 'HEAD');
    bytes += chunked('/topics/other', '3\r\nabc\r\n0\r\n\r\n');
  }
  connection.write(bytes);
  for (const index of numbers(0, count)) {
    const published = await connection.response();
    assert.equal(published.status, 201);
    assert.equal(JSON.parse(published.text).topic, 'news');
    assertError(await connection.response(), 404);
    const history = JSON.parse((await connection.response()).text);
    assert.deepEqual(
      history.events.map(({ data }) => data),
      numbers(0, index + 1),
    );
    assert.equal(JSON.parse((await connection.response()).text).status, 'alive');
    assert.match((await connection.response({ toHead: true })).headers['content-type'], /html/);
    assert.equal(JSON.parse((await connection.response()).text).topic, 'other');
  }
});

test('a client that has said its last word still gets all its answers', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  connection.socket.end(post('/topics/news?durable=true', '1') + get('/topics/news'));
  const responses = splitResponses(await connection.rest());
  assert.deepEqual(
    responses.map(({ status }) => status),
    [201, 200],
  );
});

test('an empty line before a request is passed over, a second one is not', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  connection.write(`\r\n${get('/health')}\r\n${get('/health')}`);
  assert.equal((await connection.response()).status, 200);
  assert.equal((await connection.response()).status, 200);
  const [response] = await everything(server, `\r\n\r\n${get('/health')}`);
  assert.equal(response.status, 400);
});

// --- requests and answers

test('every answer has a Date and names the server, also those to nonsense', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  connection.write(
    get('/health') + get('/nowhere') + get('/', 'If-None-Match: *\r\n') + get('/ws', upgrade),
  );
  const answers = [];
  for (const status of [200, 404, 304, 101]) {
    answers.push(await connection.response());
    assert.equal(answers.at(-1).status, status);
  }
  const broken = await server.raw();
  broken.write('nonsense\r\n\r\n');
  answers.push(await broken.response());
  answers.push({ headers: (await server.events('/topics/news')).headers });
  for (const { headers } of answers) {
    assert.match(headers.date, HTTP_DATE);
    assert.equal(headers.server, 'sluice');
  }
});

test('HEAD is answered with the headers of GET and nothing behind them', async ({ start }) => {
  const server = await start();
  await server.post('news', '1', 'application/json', '?durable=true'); // before all lists of topics
  const connection = await server.raw();
  // What two answers may differ in: the moment.
  const timeless = ({ status, headers: { date, ...others } }, path) => {
    if (/health|metrics/.test(path)) {
      delete others['content-length'];
    }
    return { status, headers: others };
  };
  for (const path of [...READABLE, '/nowhere', '/topics/%zz', '/ws']) {
    connection.write(get(path) + get(path).replace('GET', 'HEAD'));
    const whole = await connection.response();
    const head = await connection.response({ toHead: true });
    assert.deepEqual(timeless(head, path), timeless(whole, path), path);
    assert.ok(whole.text.length > 0 && Number(head.headers['content-length']) > 0, path);
  }
  const accept = 'Accept: text/event-stream\r\n';
  connection.write(get('/topics/news', accept).replace('GET', 'HEAD'));
  const head = await connection.response({ toHead: true });
  const stream = await server.events('/topics/news');
  assert.deepEqual(timeless(head, ''), timeless(stream, ''));
  assert.equal(await connection.rest(), '');
});

test('a body may come by length or in chunks, with extensions and trailers', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  const bodies = [
    post('/topics/news', 'hello'),
    chunked('/topics/news', '5\r\nhello\r\n0\r\n\r\n'),
    chunked('/topics/news', '1;a=b;c="d"\r\nh\r\n004\r\nello\r\n0;last\r\nX: y\r\nZ:\r\n\r\n'),
    chunked('/topics/news', `${'1\r\nx\r\n'.repeat(100)}0\r\n\r\n`),
    chunked('/topics/news', '0\r\n\r\n'),
    post('/topics/news', ''),
  ];
  for (const body of bodies) {
    connection.write(body);
    assert.equal((await connection.response()).status, 201, body);
  }
  assert.deepEqual(
    (await server.history('news')).events.map(({ data }) => data),
    ['hello', 'hello', 'hello', 'x'.repeat(100), '', ''],
  );
});

test('a request means the same however its bytes are cut', async ({ start }) => {
  const server = await start();
  const requests = [
    get('/topics/a%20b?since=0'),
    post('/topics/news', '"x"', 'Content-Type: application/json\r\n'),
    chunked('/topics/news', '2;x\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n'),
    get('/').replace('GET', 'HEAD'),
    get('/nowhere'),
    'OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
    'GET /health/live HTTP/1.0\r\n\r\n',
    'GET /health HTTP/1.1\r\nHost : x\r\n\r\n',
    'GET /health HTTP/1.1\r\nHost: x\r\nX: a\nb\r\n\r\n',
    chunked('/topics/news', '1\r\nabc'),
    'BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n',
  ];
  // Seqs and times differ from one to the other.
  const same = (text) => text.replace(/Date: .*\r\n/g, '').replace(/"seq":\d+/g, '"seq":0');
  for (const bytes of requests) {
    const [whole, cut] = [await server.raw(), await server.raw()];
    whole.socket.end(bytes);
    for (const byte of Buffer.from(bytes, 'latin1')) {
      cut.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    cut.socket.end();
    const length = /Content-Length: \d+/g; // of a seq that has one more digit
    const [expected, got] = [await whole.rest(), await cut.rest()].map((text) =>
      same(text).replace(length, ''),
    );
    assert.equal(got, expected, bytes);
    assert.notEqual(got, '', bytes);
  }
});

test('whoever expects 100-continue is told to go on, or why not', async ({ start }) => {
  const server = await start();
  const expect = 'Expect: 100-continue\r\n';
  const connection = await server.raw();
  connection.write(post('/topics/news', 'hello', expect).slice(0, -5));
  assert.equal((await connection.response()).status, 100);
  connection.write('hello');
  assert.equal((await connection.response()).status, 201);

  // Without a body there is nothing to go on with; and with one that is there, neither.
  connection.write(get('/health', expect));
  assert.equal((await connection.response()).status, 200);
  connection.write(post('/topics/news', 'hello', expect));
  assert.equal((await connection.response()).status, 201);

  connection.write(
    `POST /topics/news HTTP/1.1\r\nHost: x\r\n${expect}Content-Length: ${BODY_MAX + 1}\r\n\r\n`,
  );
  assertError(await connection.response(), 413, 'too_large');
  assert.equal(await connection.rest(), '');
  const [response] = await everything(server, post('/topics/news', 'x', 'Expect: wonders\r\n'));
  assert.equal(response.status, 417);
  await assertUnharmed(server, 2);
});

test('curl hears 413 about a body over the limit, whether it asks first or not', async ({
  start,
}) => {
  const server = await start({ ring: '8M' }); // a publish may take a quarter of it
  const url = `http://127.0.0.1:${server.port}/topics/news`;
  const send = async (bytes, more) => {
    const args = ['--silent', '--show-error', '--max-time', '60', '--noproxy', '*'];
    args.push('--write-out', '%{http_code}', '--output', '/dev/null', '--data-binary', '@-');
    const child = run('curl', [...args, ...more, url]);
    child.child.stdin.on('error', () => {}); // it may stop reading when it has its answer
    child.child.stdin.end('x'.repeat(bytes));
    return (await child).stdout;
  };
  const plain = ['--header', 'Content-Type: text/plain'];
  for (const more of [[], ['--header', 'Expect:'], ['--header', 'Expect: 100-continue']]) {
    assert.equal(await send(BODY_MAX, [...plain, ...more]), '201', more.join(' '));
    assert.equal(await send(BODY_MAX + 1, [...plain, ...more]), '413', more.join(' '));
    assert.equal(await send(4 * BODY_MAX, [...plain, ...more]), '413', more.join(' '));
  }
  await server.history('news');
});

test('targets may be absolute; Host is what they say then', async ({ start }) => {
  const server = await start({ workers: 1 });
  const connection = await server.raw();
  const ask = async (target, more = '') => {
    connection.write(`GET ${target} HTTP/1.1\r\nHost: other.example\r\n${more}\r\n`);
    return connection.response();
  };
  assert.equal((await ask('http://127.0.0.1/health')).status, 200);
  assert.equal((await ask('http://127.0.0.1')).status, 200);
  assert.equal((await ask('HTTP://localhost:80/topics?limit=1')).status, 200);
  // What belongs to TLS is not served without it (RFC 9110 section 7.4).
  assertError(await ask('https://127.0.0.1/health'), 421);
  for (const target of ['http:///health', 'http://a:b/', 'http://u@h/', 'ftp://h/', 'health']) {
    const [response] = await everything(server, `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.equal(response.status, 400, target);
  }
});

test('OPTIONS says what may be done with the server and with a path', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  for (const [target, allow] of [
    ['*', 'GET, HEAD, POST, OPTIONS'],
    ['/topics/news', 'GET, HEAD, POST, OPTIONS'],
    ['/health', 'GET, HEAD, OPTIONS'],
    ['/', 'GET, HEAD, OPTIONS'],
  ]) {
    connection.write(`OPTIONS ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const answer = await connection.response();
    assert.equal(answer.status, 204, target);
    assert.equal(answer.headers.allow, allow);
    assert.equal(answer.headers['content-length'], undefined);
  }
  connection.write('OPTIONS /nowhere HTTP/1.1\r\nHost: x\r\n\r\n');
  assertError(await connection.response(), 404);
});

test('another method is 405 with what is allowed, an unknown path 404', async ({ start }) => {
  const server = await start();
  for (const method of ['PUT', 'DELETE', 'PATCH', 'TRACE']) {
    for (const path of ['/', '/topics', '/topics/news', '/health', '/metrics', '/ws', '/broker']) {
      const answer = await server.request(method, path);
      assertError(answer, 405, 'method_not_allowed');
      assert.match(answer.headers.allow, /^GET, HEAD(, POST)?, OPTIONS$/);
    }
    assertError(await server.request(method, '/nowhere'), 404, 'not_found');
  }
});

test('paths are decoded once, in topics only, and never walked', async ({ start }) => {
  const server = await start();
  for (const path of ['//health', '/health/', '/%68ealth', '/./health', '/topics%2Fnews', '//ws']) {
    assertError(await server.request('GET', path), 404, 'not_found');
  }
  for (const [path, topic] of [
    ['/topics/a%2Fb', 'a/b'],
    ['/topics/a/b', 'a/b'],
    ['/topics/a+b', 'a+b'],
    ['/topics/%252F', '%2F'],
    ['/topics/../health', '../health'],
    ['/topics//', '/'],
    ['/topics/%E2%82%AC', '€'],
  ]) {
    assert.equal((await server.request('GET', path)).json.topic, topic, path);
  }
  for (const path of ['/topics/%', '/topics/%4', '/topics/%zz', '/topics/%ff', '/topics/%C0%AF']) {
    assertError(await server.request('GET', path), 400, 'bad_request');
  }
  for (const path of ['/topics/', '/topics/%00', '/topics/%0D%0ASet-Cookie:a', '/topics/$x']) {
    assertError(await server.request('GET', path), 400, 'bad_topic');
  }
  for (const query of ['since=x', 'since=-1', 'since=+1', 'since=%2', 'limit=0', 'limit=1001']) {
    assertError(await server.request('GET', `/topics/news?${query}`), 400, 'bad_request');
  }
  const answer = await server.request('GET', '/topics/news?x=%0d%0aSet-Cookie:a&since=0');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['set-cookie'], undefined);
});

// --- what is malformed

const line = 'GET /health HTTP/1.1\r\n';
const publish = 'POST /topics/news HTTP/1.1\r\nHost: x\r\n';
const lines = (count) => 'X: y\r\n'.repeat(count);

const malformed = {
  'a bare line feed': [400, 'GET /health HTTP/1.1\nHost: x\n\n'],
  'a line feed inside a head': [400, `${line}Host: x\nX: y\r\n\r\n`],
  'a bare carriage return': [400, `${line}Host: x\r\nX: a\rb\r\n\r\n`],
  'a carriage return too many': [400, `${line}Host: x\r\r\n\r\n`],
  'a null byte in a value': [400, `${line}Host: x\r\nX: a\0b\r\n\r\n`],
  'a null byte in a name': [400, `${line}Host: x\r\nX\0: a\r\n\r\n`],
  'a null byte in the target': [400, 'GET /hea\0lth HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a control character': [400, `${line}Host: x\r\nX: a\x01b\r\n\r\n`],
  'a folded line': [400, `${line}Host: x\r\nX: a\r\n b\r\n\r\n`],
  'a folded first line': [400, `${line} Host: x\r\n\r\n`],
  'a space before the colon': [400, `${line}Host : x\r\n\r\n`],
  'a tab before the colon': [400, `${line}Host\t: x\r\n\r\n`],
  'a name with a space': [400, `${line}Host: x\r\nX Y: z\r\n\r\n`],
  'a name of other letters': [400, `${line}Host: x\r\nX\xE4: z\r\n\r\n`],
  'a line without a name': [400, `${line}Host: x\r\n: y\r\n\r\n`],
  'a line without a colon': [400, `${line}Host: x\r\nXy\r\n\r\n`],
  'no Host': [400, `${line}\r\n`],
  'two Hosts': [400, `${line}Host: x\r\nHost: x\r\n\r\n`],
  'an empty Host': [400, `${line}Host:\r\n\r\n`],
  'a list of Hosts': [400, `${line}Host: x, y\r\n\r\n`],
  'a Host with a path': [400, `${line}Host: x/y\r\n\r\n`],
  'a Host with a user': [400, `${line}Host: u@x\r\n\r\n`],
  'a Host with a bad port': [400, `${line}Host: x:y\r\n\r\n`],
  'two spaces': [400, 'GET  /health HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a tab': [400, 'GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a space at the end': [400, 'GET /health HTTP/1.1 \r\nHost: x\r\n\r\n'],
  'a space in the target': [400, 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a fragment': [400, 'GET /health#x HTTP/1.1\r\nHost: x\r\n\r\n'],
  'raw UTF-8 in the target': [400, 'GET /\xC3\xA4 HTTP/1.1\r\nHost: x\r\n\r\n'],
  'no version': [400, 'GET /health\r\nHost: x\r\n\r\n'],
  'no target': [400, 'GET HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a version in small letters': [400, 'GET /health http/1.1\r\nHost: x\r\n\r\n'],
  'a version of four digits': [400, 'GET /health HTTP/1.10\r\nHost: x\r\n\r\n'],
  'HTTP/2.0': [505, 'GET /health HTTP/2.0\r\nHost: x\r\n\r\n'],
  'HTTP/0.9': [505, 'GET /health HTTP/0.9\r\nHost: x\r\n\r\n'],
  'what is nearly the preface of HTTP/2': [505, 'PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n'],
  'a method that does not exist': [501, 'BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n'],
  'a method in small letters': [501, 'get /health HTTP/1.1\r\nHost: x\r\n\r\n'],
  CONNECT: [501, 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n'],
  'an asterisk without OPTIONS': [400, 'GET * HTTP/1.1\r\nHost: x\r\n\r\n'],
  'TLS to a port without': [400, Buffer.from('160301020001000c', 'hex').toString('latin1')],
  'JSON of a raw client': [400, '{"action":"ping"}\n'],
  'a head over the limit': [431, `${line}Host: x\r\n${lines(HEAD_MAX / 6)}\r\n`],
  'a request line over the limit': [431, `GET /${'a'.repeat(HEAD_MAX)}`],
  'a value over the limit': [431, `${line}Host: x\r\nX: ${'a'.repeat(HEAD_MAX)}`],
  'more than 100 lines': [431, `${line}Host: x\r\n${lines(100)}\r\n`],
  'a length with a sign': [400, `${publish}Content-Length: +1\r\n\r\nx`],
  'a negative length': [400, `${publish}Content-Length: -1\r\n\r\nx`],
  'a length with a blank': [400, `${publish}Content-Length: 1 2\r\n\r\nx`],
  'a length in hex': [400, `${publish}Content-Length: 0x1\r\n\r\nx`],
  'an empty length': [400, `${publish}Content-Length:\r\n\r\nx`],
  'a length past 64 bits': [400, `${publish}Content-Length: 18446744073709551617\r\n\r\nx`],
  'a body over the limit': [413, `${publish}Content-Length: ${BODY_MAX + 1}\r\n\r\nx`],
  'a chunk over the limit': [413, chunked('/topics/news', '100001\r\n')],
  'an unknown coding': [400, `${publish}Transfer-Encoding: gzip\r\n\r\nx`],
  'an empty coding': [400, `${publish}Transfer-Encoding:\r\n\r\n0\r\n\r\n`],
  'an identity coding': [400, `${publish}Transfer-Encoding: identity\r\n\r\nx`],
  'a coding before chunked': [400, `${publish}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  'chunked twice': [400, `${publish}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  'chunked with a parameter': [400, `${publish}Transfer-Encoding: chunked;a\r\n\r\n0\r\n\r\n`],
  'chunked in HTTP/1.0': [
    400,
    'POST /topics/news HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
  ],
  'a chunk size that is none': [400, chunked('/topics/news', 'x\r\n')],
  'an empty chunk size': [400, chunked('/topics/news', '\r\n')],
  'a chunk size with a sign': [400, chunked('/topics/news', '+1\r\nx\r\n0\r\n\r\n')],
  'a chunk size with 0x': [400, chunked('/topics/news', '0x1\r\nx\r\n0\r\n\r\n')],
  'a blank behind a chunk size': [400, chunked('/topics/news', '1 \r\nx\r\n0\r\n\r\n')],
  'a chunk size past 64 bits': [400, chunked('/topics/news', '10000000000000001\r\nx')],
  'a chunk size without an end': [400, chunked('/topics/news', '0'.repeat(5000))],
  'a bare line feed behind a chunk size': [400, chunked('/topics/news', '1\nx\r\n0\r\n\r\n')],
  'a chunk longer than its size': [400, chunked('/topics/news', '1\r\nxy\r\n0\r\n\r\n')],
  'a chunk without its end': [400, chunked('/topics/news', '1\r\nx0\r\n\r\n')],
  'endless chunk extensions': [400, chunked('/topics/news', `1;${'a'.repeat(9000)}`)],
  'a line feed in a chunk extension': [400, chunked('/topics/news', '1;a\nx\r\n0\r\n\r\n')],
  'endless trailers': [400, chunked('/topics/news', `0\r\n${lines(3000)}`)],
  'a trailer that is none': [400, chunked('/topics/news', `0\r\n${get('/health')}`)],
  'a folded trailer': [400, chunked('/topics/news', '0\r\nX: y\r\n z\r\n\r\n')],
};

test('whatever is malformed is answered as such and closed, and the server goes on', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  for (const [what, [status, bytes]] of Object.entries(malformed)) {
    const responses = await everything(server, Buffer.from(bytes, 'latin1'));
    assert.equal(responses.length, 1, what);
    assertError(responses[0], status);
    assert.ok(responses[0].closes, what);
  }
  await assertUnharmed(server);
  assert.ok((await metric(server, 'sluice_protocol_errors_total')) >= Object.keys(malformed).length);
});

test('what was asked before nonsense is answered before it, what follows is not', async ({
  start,
}) => {
  const server = await start();
  let count = 0;
  for (const [what, [status, bytes]] of Object.entries(malformed)) {
    const before = post('/topics/news?durable=true', 'x') + get('/health/live');
    const sent = Buffer.from(before + bytes + post('/topics/news', 'y'), 'latin1');
    const responses = await everything(server, sent);
    count++;
    assert.deepEqual(
      responses.map((response) => response.status),
      [201, 200, status],
      what,
    );
    assert.deepEqual(
      responses.map(({ closes }) => closes),
      [false, false, true],
      what,
    );
  }
  await assertUnharmed(server, count);
});

test('no request can be smuggled behind another', async ({ start }) => {
  const server = await start();
  const hidden = post('/topics/news', 'smuggled');
  const both = (first, second) => `${publish}${first}\r\n${second}\r\n\r\n0\r\n\r\n${hidden}`;
  const cases = {
    'CL.TE': both(`Content-Length: ${5 + hidden.length}`, 'Transfer-Encoding: chunked'),
    'TE.CL': both('Transfer-Encoding: chunked', 'Content-Length: 5'),
    'CL.CL, equal': `${publish}Content-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden}`,
    'CL.CL, different': both('Content-Length: 0', `Content-Length: ${5 + hidden.length}`),
    'CL as a list': `${publish}Content-Length: 5, 5\r\n\r\n0\r\n\r\n${hidden}`,
    'CL hidden by a blank': both('Content-Length : 5', 'X: y'),
    'TE.TE': both('Transfer-Encoding: chunked', 'Transfer-Encoding: x'),
    'TE hidden by a blank': both('Transfer-Encoding : chunked', 'Content-Length: 5'),
    'TE hidden by a fold': both('Transfer-Encoding:\r\n chunked', 'Content-Length: 5'),
    'TE hidden by a tab': both('Transfer-Encoding: \x0Bchunked', 'Content-Length: 5'),
    'TE hidden by a carriage return': both('X: y\rTransfer-Encoding: chunked', 'X: y'),
    'TE hidden by a line feed': both('X: y\nTransfer-Encoding: chunked', 'Content-Length: 5'),
    'TE in quotes': both('Transfer-Encoding: "chunked"', 'Content-Length: 5'),
    'TE with a comma': both('Transfer-Encoding: ,chunked', 'Content-Length: 5'),
    'a request as a trailer': chunked('/health', `0\r\n${hidden}`),
    'a request behind a bare chunk end': chunked('/health', `1\r\nx\n0\r\n\r\n${hidden}`),
    'a request in an extension': chunked('/health', `0;\n${hidden}`),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    const responses = await everything(server, Buffer.from(bytes, 'latin1'));
    assert.deepEqual(
      responses.map(({ status }) => status),
      [400],
      what,
    );
  }
  await assertUnharmed(server);

  // What looks alike and is a body, or none: the hidden request is part of it, or stands alone.
  const connection = await server.raw();
  connection.write(get('/health', `Content-Length: ${hidden.length}\r\n`) + hidden + get('/health'));
  assert.equal((await connection.response()).status, 200);
  assert.equal((await connection.response()).status, 200);
  await assertUnharmed(server);
});

test('as many header lines as are allowed pass, and the longest head', async ({ start }) => {
  const server = await start();
  const connection = await server.raw();
  connection.write(get('/health', lines(99)));
  assert.equal((await connection.response()).status, 200);
  const rest = HEAD_MAX - get('/health', 'X: \r\n').length;
  connection.write(get('/health', `X: ${'a'.repeat(rest)}\r\n`));
  assert.equal((await connection.response()).status, 200);
  connection.write(get('/health', `X: ${'a'.repeat(rest + 1)}\r\n`));
  assertError(await connection.response(), 431, 'head_too_large');
});

// --- whoever is slow

/** Sends the text over and over, a little at a time, until the connection is closed. */
async function trickle(connection, text, { interval = 20 } = {}) {
  let isOpen = true;
  connection.ended.then(() => (isOpen = false));
  for (let i = 0; isOpen && i < 20_000 / interval; i++) {
    connection.write(text);
    await Promise.race([connection.ended, new Promise((resolve) => setTimeout(resolve, interval))]);
  }
  return splitResponses(await connection.rest());
}

/**
 * The answer to somebody who sends the beginning and then, if there is one, the text over and over. If this process
 * stands still before the beginning is sent, nothing is asked and nothing answered: then once more.
 */
function answerToSlow(server, beginning, text = '') {
  return until(
    async () => {
      const connection = await server.raw();
      connection.write(beginning);
      return (await (text === '' ? connection.rest().then(splitResponses) : trickle(connection, text)))[0];
    },
    { what: 'an answer' },
  );
}

test('a head that never ends is 408, however often a byte of it comes', async ({ start }) => {
  const server = await start({ args: ['--handshake-timeout', '300ms'] });
  const response = await answerToSlow(server, 'GET /health HTTP/1.1\r\nX: ', 'a');
  assertError(response, 408, 'timeout');
  assert.ok(response.closes);
  await assertUnharmed(server);
});

test('a body that trickles is 408, and a quick one that stops', async ({ start }) => {
  const server = await start({ args: ['--handshake-timeout', '300ms'] });
  const head = `${publish}Content-Length: 1000000\r\n\r\n`;
  assertError(await answerToSlow(server, head, 'a'), 408, 'timeout');
  assertError(await answerToSlow(server, head + 'a'.repeat(500_000)), 408, 'timeout');
  assertError(await answerToSlow(server, chunked('/topics/news', ''), '1\r\na\r\n'), 408, 'timeout');
  await assertUnharmed(server);
});

test('a connection on which nothing is ever asked is closed without a word', async ({ start }) => {
  const server = await start({ args: ['--handshake-timeout', '300ms'] });
  const connection = await server.raw();
  assert.equal(await connection.rest(), '');
  const blank = await server.raw();
  blank.write('\r\n');
  assert.equal(await blank.rest(), '');
});

test('a client that does not read its answers is served no further, and closed', async ({
  start,
}) => {
  const server = await start({ workers: 1, args: ['--handshake-timeout', '300ms'] });
  const size = 900_000;
  const event = JSON.stringify('x'.repeat(size));
  // Who stands still while sending it is cut off, or told 408.
  await until(async () => (await server.post('news', event)).status === 201, { what: 'an event' });
  const deaf = await server.raw();
  deaf.socket.pause();
  const requests = 60; // much more than the system keeps for who does not read
  deaf.write(get('/topics/news').repeat(requests));
  // Only the connection that asks is left.
  await until(async () => (await metric(server, 'sluice_connections')) === 1, {
    what: 'the end of the connection that does not read',
  });
  deaf.socket.resume();
  const bytes = (await deaf.rest()).length;
  assert.ok(bytes < (requests / 2) * size, `it was sent ${bytes} bytes`);
  await assertUnharmed(server, 1);
});

test('many that wait keep no newcomer out: who has waited longest goes', async ({ start }) => {
  // Nobody shall go because time is up.
  const server = await start({ workers: 1, files: 1000, args: ['--handshake-timeout', '10m'] });
  const busy = await server.raw();
  busy.write(`${publish}Content-Length: 2\r\n\r\nx`);
  const silent = [];
  const closed = [];
  for (const index of numbers(0, 300)) {
    silent.push(await server.raw());
    silent[index].ended.then(() => closed.push(index));
  }
  const evicted = await until(() => metric(server, 'sluice_connections_evicted_total'));
  await until(() => closed.length >= evicted, { what: 'the end of those that were evicted' });
  assert.ok(closed.length < silent.length, 'the younger ones are still there');
  assert.deepEqual(
    closed.sort((a, b) => a - b),
    numbers(0, closed.length),
  );
  silent.at(-1).write(get('/health/live'));
  assert.equal((await silent.at(-1).response()).status, 200);
  busy.write('y');
  assert.equal((await busy.response()).status, 201);
});

// --- caches

test('answers say on which headers of the request they depend', async ({ start }) => {
  const server = await start();
  for (const origin of [null, 'http://evil.example', 'http://localhost']) {
    const headers = origin === null ? {} : { origin };
    for (const path of [...READABLE, '/nowhere']) {
      const answer = await server.request('GET', path, { headers });
      assert.match(answer.headers.vary, /\borigin\b/i, `${path} for ${origin}`);
    }
    const answer = await server.request('POST', '/topics/news', { headers, body: 'x' });
    assert.match(answer.headers.vary, /\borigin\b/i, `POST for ${origin}`);
    assert.equal(answer.status, origin === 'http://evil.example' ? 403 : 201);
  }
  for (const accept of ['*/*', 'application/json', 'text/event-stream']) {
    const answer = await server.request('HEAD', '/topics/news', { headers: { accept } });
    assert.match(answer.headers.vary, /\baccept\b/i, accept);
    const type = accept === 'text/event-stream' ? accept : 'application/json';
    assert.equal(answer.headers['content-type'], type);
  }
});
