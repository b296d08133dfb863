// GraphQL over HTTP to the letter: methods, media types, status codes, bodies (PROTOCOLS section 6).
import { CREATE_MESSAGE, ask, createMessage, dataOf, onlyCode } from './lib/graphql.mjs';
import { fieldOf } from './lib/processes.mjs';
import { EPOCH, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const JSON_TYPE = 'application/json; charset=utf-8';
const RESPONSE_TYPE = 'application/graphql-response+json; charset=utf-8';
const HELLO = { query: '{ hello }' };
const GREETING = { data: { hello: 'Hello, GraphQL!' } };

const body = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

function post(server, value, headers = {}) {
  return server.request('POST', '/graphql', {
    headers: { 'content-type': 'application/json', ...headers },
    body: body(value),
  });
}

function get(server, parameters, headers = {}, method = 'GET') {
  const query = new URLSearchParams(parameters);
  return server.request(method, `/graphql?${query}`, { headers });
}

/** The answer is a refusal of this kind, in the shape of GraphQL's errors. */
function assertRefused(answer, status, code, type = JSON_TYPE) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], type);
  assert.deepEqual(Object.keys(answer.json), ['errors']);
  assert.equal(onlyCode(answer.json.errors), code);
  assert.equal(answer.headers['content-length'], String(Buffer.byteLength(answer.text)));
}

// --- POST

test('a POST is answered, and its connection kept', async ({ start }) => {
  const server = await start();
  const raw = await server.raw();
  for (const query of ['{ hello }', 'query Named { hello }']) {
    const text = JSON.stringify({ query });
    raw.write(
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${text.length}\r\n\r\n${text}`,
    );
    const answer = await raw.response();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], JSON_TYPE);
    assert.equal(answer.headers.vary, 'Accept, Origin');
    assert.equal(answer.headers.connection, undefined);
    assert.equal(answer.text, '{"data":{"hello":"Hello, GraphQL!"}}');
  }
});

test('requests in a pipeline are answered in order, mutations too', async ({ start }) => {
  const server = await start();
  const raw = await server.raw();
  const requests = numbers(1, 20).map((n) =>
    JSON.stringify(
      n % 2 ? { query: CREATE_MESSAGE, variables: { content: `number ${n}` } } : HELLO,
    ),
  );
  raw.write(
    requests
      .map(
        (text) =>
          'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
          `Content-Length: ${text.length}\r\n\r\n${text}`,
      )
      .join(''),
  );
  for (const n of numbers(1, 20)) {
    const { data } = JSON.parse((await raw.response()).text);
    assert.equal(n % 2 ? data.createMessage.content : data.hello, n % 2 ? `number ${n}` : 'Hello, GraphQL!');
  }
});

test('variables, operationName and extensions, absent, null or given', async ({ start }) => {
  const server = await start();
  const document = 'query A { a: hello } query B($id: Int = 1) { b: message(id: $id) { id } }';
  await createMessage(server, 'one');
  for (const [more, data] of [
    [{ operationName: 'A' }, { a: 'Hello, GraphQL!' }],
    [{ operationName: 'A', variables: null, extensions: null }, { a: 'Hello, GraphQL!' }],
    [{ operationName: 'A', variables: {}, extensions: { any: ['thing'] } }, { a: 'Hello, GraphQL!' }],
    [{ operationName: 'B' }, { b: { id: 1 } }],
    [{ operationName: 'B', variables: { id: 2 } }, { b: null }],
    [{ operationName: 'B', variables: { id: 1, unknown: true } }, { b: { id: 1 } }],
  ]) {
    assert.deepEqual(await ask(server, document, undefined, more), { data });
  }
  assert.deepEqual(await ask(server, '{ hello }', undefined, { operationName: null, more: 1 }), GREETING);
});

test('a body that is no request is 400, whatever is accepted', async ({ start }) => {
  const server = await start();
  for (const value of [
    '',
    '{',
    '{"query":"{ hello }"',
    '{"query":"{ hello }"}}',
    "{'query':'{ hello }'}",
    'null',
    '[]',
    '[{"query":"{ hello }"}]',
    '"{ hello }"',
    '{}',
    { query: null },
    { query: 1 },
    { query: { hello: 1 } },
    { ...HELLO, variables: [] },
    { ...HELLO, variables: 'x' },
    { ...HELLO, variables: 0 },
    { ...HELLO, operationName: 1 },
    { ...HELLO, operationName: {} },
    { ...HELLO, extensions: [] },
    { ...HELLO, extensions: 'x' },
    { ...HELLO, extensions: { resume: 5 } },
    { ...HELLO, extensions: { resume: { seq: 'x', epoch: 'y' } } },
  ]) {
    for (const [accept, type] of [
      [undefined, JSON_TYPE],
      ['application/json', JSON_TYPE],
      ['application/graphql-response+json', RESPONSE_TYPE],
      ['text/event-stream', JSON_TYPE],
    ]) {
      const answer = await post(server, value, accept && { accept });
      assertRefused(answer, 400, 'BAD_USER_INPUT', type);
    }
  }
  const chopped = await server.request('POST', '/graphql', {
    headers: { 'content-type': 'application/json' },
    body: Buffer.from([...Buffer.from('{"query":"'), 0xff, ...Buffer.from('"}')]),
  });
  assertRefused(chopped, 400, 'BAD_USER_INPUT');
});

test('other Content-Types are 415', async ({ start }) => {
  const server = await start();
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/json2',
    'application/json; charset=iso-8859-1',
    '',
  ]) {
    assertRefused(await post(server, HELLO, { 'content-type': type }), 415, 'BAD_USER_INPUT');
  }
  const silent = await server.request('POST', '/graphql', { body: body(HELLO) });
  assertRefused(silent, 415, 'BAD_USER_INPUT');
  const squeezed = await post(server, HELLO, { 'content-encoding': 'gzip' });
  assertRefused(squeezed, 415, 'BAD_USER_INPUT');
  for (const type of [
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
  ]) {
    const answer = await post(server, HELLO, { 'content-type': type });
    assert.equal(answer.status, 200, type);
    assert.deepEqual(answer.json, GREETING);
  }
});

test('what is not ASCII comes back as it was', async ({ start }) => {
  const server = await start();
  const content = 'Zoë 👩‍🚀 \u2028 "quoted" \\ \n \u0001';
  assert.equal((await createMessage(server, content)).content, content);
  const { data } = (await get(server, { query: `{ message(id: 1) { content } }` })).json;
  assert.equal(data.message.content, content);
});

// --- what is accepted

test('the answer has the media type that the client would rather have', async ({ start }) => {
  const server = await start();
  for (const [accept, type] of [
    [undefined, JSON_TYPE],
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['application/json', JSON_TYPE],
    ['application/json; charset=utf-8', JSON_TYPE],
    ['application/graphql-response+json', RESPONSE_TYPE],
    ['application/graphql-response+json; charset=utf-8, application/json; charset=utf-8', RESPONSE_TYPE],
    ['application/json, application/graphql-response+json', JSON_TYPE],
    ['application/json;q=0.8, application/graphql-response+json', RESPONSE_TYPE],
    ['text/html;q=0.1, application/json', JSON_TYPE],
    ['text/event-stream;q=0.5, application/json', JSON_TYPE],
  ]) {
    for (const answer of [
      await post(server, HELLO, accept && { accept }),
      await get(server, HELLO, accept && { accept }),
    ]) {
      assert.equal(answer.status, 200, accept);
      assert.equal(answer.headers['content-type'], type, accept);
      assert.match(answer.headers.vary, /\bAccept\b/);
      assert.deepEqual(answer.json, GREETING);
    }
  }
});

test('a media type that there is not is 406', async ({ start }) => {
  const server = await start();
  for (const accept of ['application/xml', 'text/plain', 'application/json;q=0', 'image/*']) {
    assertRefused(await post(server, HELLO, { accept }), 406, 'BAD_USER_INPUT');
    assertRefused(await get(server, HELLO, { accept }), 406, 'BAD_USER_INPUT');
  }
  // A page is for reading only.
  assertRefused(await post(server, HELLO, { accept: 'text/html' }), 406, 'BAD_USER_INPUT');
});

test('a request error is 400 as graphql-response+json, 200 as json', async ({ start }) => {
  const server = await start();
  const aliases = numbers(1, 200).map((n) => `a${n}: hello`);
  for (const [request, code] of [
    [{ query: '{' }, 'GRAPHQL_PARSE_FAILED'],
    [{ query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
    [{ query: 'query A { hello } query B { hello }' }],
    [{ query: '{ hello }', operationName: 'Nobody' }],
    [{ query: 'query ($id: Int!) { message(id: $id) { id } }' }, 'BAD_USER_INPUT'],
    [{ query: `{ ${aliases.join(' ')} }` }, 'LIMIT_EXCEEDED'],
  ]) {
    for (const [accept, status, type] of [
      ['application/graphql-response+json', 400, RESPONSE_TYPE],
      ['application/json', 200, JSON_TYPE],
    ]) {
      for (const answer of [
        await post(server, request, { accept }),
        await get(server, request, { accept }),
      ]) {
        assert.equal(answer.status, status, answer.text);
        assert.equal(answer.headers['content-type'], type);
        assert.deepEqual(Object.keys(answer.json), ['errors']);
        const found = onlyCode(answer.json.errors);
        assert.equal(found, code ?? found, answer.text);
      }
    }
  }
});

test('field errors are 200, with the data that there is', async ({ start }) => {
  const server = await start();
  const query = 'mutation { createComment(messageId: 7, authorId: 1, content: "x") { id } }';
  for (const accept of ['application/graphql-response+json', 'application/json']) {
    const answer = await post(server, { query }, { accept });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.data, null);
    assert.equal(onlyCode(answer.json.errors), 'NOT_FOUND');
  }
  const { data, errors } = await ask(server, '{ hello messages(limit: -1) { id } }');
  assert.equal(data, null);
  assert.equal(onlyCode(errors), 'BAD_USER_INPUT');
});

// --- GET

test('a GET asks by its query string, form-urlencoded', async ({ start }) => {
  const server = await start();
  await createMessage(server, 'one');
  const query = 'query A { hello } query B($id: Int!) { message(id: $id) { id content } }';
  const variables = JSON.stringify({ id: 1 });
  const extensions = JSON.stringify({ some: ['thing +'] });
  const answer = await get(server, { query, operationName: 'B', variables, extensions });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.json.data.message, { id: 1, content: 'one' });
  for (const target of [
    '/graphql?query=%7B+hello+%7D',
    '/graphql?query={%20hello%20}',
    '/graphql?query=%7Bhello%7D&variables=&operationName=&extensions=',
    '/graphql?other=1&query=%7Bhello%7D&variables=null',
  ]) {
    const { json } = await server.request('GET', target);
    assert.deepEqual(json, GREETING, target);
  }
});

test('a GET that is no request is 400', async ({ start }) => {
  const server = await start();
  for (const target of [
    '/graphql',
    '/graphql?',
    '/graphql?query=',
    '/graphql?quer=%7Bhello%7D',
    '/graphql?query=%7Bhello%7',
    '/graphql?query=%ff',
    '/graphql?query=%7Bhello%7D&variables=x',
    '/graphql?query=%7Bhello%7D&variables=[]',
    '/graphql?query=%7Bhello%7D&variables="x"',
    '/graphql?query=%7Bhello%7D&extensions=%7B',
    '/graphql?query=%7Bhello%7D&extensions=%7B%22resume%22:1%7D',
  ]) {
    assertRefused(await server.request('GET', target), 400, 'BAD_USER_INPUT');
  }
});

test('a GET never mutates: 405 with Allow', async ({ start }) => {
  const server = await start();
  const query = 'mutation { createMessage(authorId: 1, content: "x") { id } }';
  for (const method of ['GET', 'HEAD']) {
    for (const accept of [undefined, 'application/graphql-response+json', 'text/event-stream']) {
      const answer = await get(server, { query }, accept && { accept }, method);
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.allow, 'POST');
      if (method === 'GET') {
        assert.equal(onlyCode(answer.json.errors), 'BAD_USER_INPUT');
      }
    }
  }
  assert.deepEqual((await dataOf(server, '{ messages { id } }')).messages, []);
});

test('HEAD is GET without a body, other methods are 405, OPTIONS says which', async ({ start }) => {
  const server = await start();
  const wanted = (await get(server, HELLO)).headers;
  const head = await get(server, HELLO, {}, 'HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  assert.equal(head.headers['content-length'], wanted['content-length']);
  assert.equal(head.headers['content-type'], wanted['content-type']);
  for (const method of ['PUT', 'DELETE', 'PATCH']) {
    const answer = await server.request(method, '/graphql');
    assertRefused(answer, 405, 'BAD_USER_INPUT');
    assert.equal(answer.headers.allow, 'GET, HEAD, POST, OPTIONS');
  }
  const options = await server.request('OPTIONS', '/graphql');
  assert.equal(options.status, 204);
  assert.equal(options.headers.allow, 'GET, HEAD, POST, OPTIONS');
});

test('a subscription without an event stream is 406', async ({ start }) => {
  const server = await start();
  const query = 'subscription { messageAdded { id } }';
  for (const [accept, type] of [
    [undefined, JSON_TYPE],
    ['application/json', JSON_TYPE],
    ['application/graphql-response+json', RESPONSE_TYPE],
  ]) {
    const headers = accept && { accept };
    assertRefused(await post(server, { query }, headers), 406, 'BAD_USER_INPUT', type);
    assertRefused(await get(server, { query }, headers), 406, 'BAD_USER_INPUT', type);
  }
});

// --- browsers

test('pages of other origins may not POST, and see nothing of what they GET', async ({ start }) => {
  const server = await start({ args: ['--cors-origins', 'https://good.example'] });
  const bad = { origin: 'https://bad.example' };
  const good = { origin: 'https://good.example' };
  assertRefused(await post(server, HELLO, bad), 403, 'FORBIDDEN');
  const read = await get(server, HELLO, bad);
  assert.equal(read.headers['access-control-allow-origin'], undefined);
  for (const answer of [await post(server, HELLO, good), await get(server, HELLO, good)]) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['access-control-allow-origin'], good.origin);
    assert.match(answer.headers.vary, /\bOrigin\b/);
  }
  const broken = await post(server, '{', good);
  assert.equal(broken.headers['access-control-allow-origin'], good.origin);
  const preflight = await server.request('OPTIONS', '/graphql', {
    headers: { ...good, 'access-control-request-method': 'POST' },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], good.origin);
  assert.match(preflight.headers['access-control-allow-headers'], /Content-Type/);
});

// --- limits and the end

test('a body over the limit is 413, a document over its own LIMIT_EXCEEDED', async ({ start }) => {
  const server = await start({ args: ['--max-message', '64K', '--graphql-document', '1K'] });
  const long = { query: `{ hello } # ${'x'.repeat(1024)}` };
  assert.equal(onlyCode((await post(server, long)).json.errors), 'LIMIT_EXCEEDED');
  const longer = { query: `{ hello } # ${'x'.repeat(64 * 1024)}` };
  assert.equal((await post(server, longer)).status, 413);
  assert.deepEqual((await post(server, HELLO)).json, GREETING);
});

test('requests over the rate are 429, in the shape of GraphQL', async ({ start }) => {
  const server = await start({ args: ['--max-rate', '2'] });
  const raw = await server.raw();
  const request = 'GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: localhost\r\n\r\n';
  raw.write(request.repeat(20));
  let refused = 0;
  for (let i = 0; i < 20; i++) {
    const answer = await raw.response();
    if (answer.status === 429) {
      assert.match(answer.headers['retry-after'], /^\d+$/);
      assert.equal(onlyCode(JSON.parse(answer.text).errors), 'RATE_LIMITED');
      refused++;
    }
  }
  assert.ok(refused > 0);
});

test('a thousand mutations at once all succeed, with ids of their own', async ({ start }) => {
  const server = await start({ workers: 2 });
  const made = await Promise.all(
    numbers(1, 1000).map((n) => createMessage(server, `number ${n}`)),
  );
  assert.deepEqual(
    made.map(({ id }) => id).sort((a, b) => a - b),
    numbers(1, 1000),
  );
});

test('who leaves before the answer has mutated all the same', async ({ start }) => {
  const server = await start();
  const text = JSON.stringify({ query: CREATE_MESSAGE, variables: { content: 'gone' } });
  const raw = await server.raw();
  raw.write(
    'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${text.length}\r\n\r\n${text}`,
  );
  raw.socket.end();
  await raw.ended;
  assert.equal((await createMessage(server, 'next')).id, 2);
});

test('while it drains, connections that were there are served, others are 503', async ({ start }) => {
  const server = await start({ workers: 1 });
  const keeper = await server.broker(); // without a client it would end at once
  const old = await server.raw();
  const request = 'GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: localhost\r\n\r\n';
  old.write(request);
  assert.equal((await old.response()).status, 200);
  old.write(request.slice(0, 20)); // not idle
  server.signal('SIGTERM');
  await keeper.next({ type: 'shutdown' });
  old.write(request.slice(20));
  const answer = await old.response();
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.connection, 'close');
  const late = await get(server, HELLO);
  assertRefused(late, 503, 'UNAVAILABLE');
  assert.match(late.headers['retry-after'], /^\d+$/);
  keeper.terminate();
  assert.equal(await server.end(), 0);
});

// AddressSanitizer, if it is there, is to give back what is freed.
const ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'quarantine_size_mb=1'].filter(Boolean).join(':');

test('large answers that are not read take a bounded part of a worker', async ({ start }) => {
  const MIB = 1024 * 1024;
  const server = await start({
    workers: 1,
    ring: '16M',
    args: ['--handshake-timeout', '1h'], // who makes large answers may be late to hear the next request
    env: { ASAN_OPTIONS },
  });
  const [{ pid }] = server.workers();
  const residentBytes = () => fieldOf(pid, 'RssAnon') * 1024;
  for (const digit of numbers(1, 40)) {
    await createMessage(server, String(digit % 10).repeat(700_000));
  }
  const before = residentBytes();
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, residentBytes());
  };
  const query = (connection, field) =>
    connection.write(`GET /graphql?query=%7B${field}%7D HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const [other, ...deaf] = await Promise.all(numbers(1, 33).map(() => server.raw()));
  const beginnings = [];
  for (const connection of deaf) {
    connection.socket.once('data', (chunk) => {
      connection.socket.pause();
      beginnings.push(chunk.toString('latin1', 0, 1000));
    });
    query(connection, 'messages%7Bcontent%7D');
  }
  query(other, 'hello');
  await until(
    () => {
      look();
      return beginnings.length === deaf.length;
    },
    { what: () => `an answer to each, not ${beginnings.length}`, timeout: 150_000 },
  );
  assert.deepEqual(JSON.parse((await other.response()).text), GREETING);
  // 28 MB each: 256 MiB of answers, and of operations; all would be 900 MiB.
  const sizes = beginnings.map((text) => Number(/^Content-Length: (\d+)\r$/im.exec(text)[1]));
  const made = sizes.filter((size) => size > 28_000_000);
  assert.ok(made.length > 0 && made.length <= 9, `${made.length} large answers`);
  const refused = beginnings.filter((text) => text.includes('there is no room for so large an answer'));
  assert.equal(refused.length, deaf.length - made.length);
  const grownBytes = peak - before;
  assert.ok(grownBytes < 700 * MIB, `${Math.round(grownBytes / MIB)} MiB`);
  assert.ok(grownBytes > 150 * MIB, `${Math.round(grownBytes / MIB)} MiB: nothing was tried`);
});

test('position is no later than what the same query shows', async ({ start }) => {
  const server = await start();
  await createMessage(server, 'one');
  const { position, messages } = await dataOf(server, '{ position { epoch seq } messages { id } }');
  assert.match(position.epoch, EPOCH);
  assert.match(position.seq, /^\d+$/);
  assert.equal(messages.length, 1);
});
