// The built-in page as browsers and caches get it (RFC 9110: sections 8.8, 12.5.3 and 13).
import zlib from 'node:zlib';
import { assertError, HTTP_DATE } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { within } from './lib/until.mjs';

test('the page is compressed for whoever takes that, and the same bytes', async ({ start }) => {
  const server = await start();
  const fetchPage = async (encoding) => {
    const connection = await server.raw();
    const more = encoding === null ? '' : `Accept-Encoding: ${encoding}\r\n`;
    connection.write(`GET / HTTP/1.1\r\nHost: x\r\n${more}Connection: close\r\n\r\n`);
    connection.socket.setEncoding('latin1');
    const chunks = [];
    connection.socket.on('data', (text) => chunks.push(text));
    await within(connection.ended, 'the whole page');
    const text = chunks.join('');
    const end = text.indexOf('\r\n\r\n');
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'im').exec(text.slice(0, end))?.[1];
    return { field, body: Buffer.from(text.slice(end + 4), 'latin1') };
  };
  const plain = await fetchPage(null);
  assert.match(plain.body.toString(), /^<!doctype html>/i);
  assert.equal(plain.field('content-encoding'), undefined);
  for (const encoding of ['gzip', 'br, gzip;q=0.2', 'x-gzip', '*', 'identity;q=0, gzip']) {
    const packed = await fetchPage(encoding);
    assert.equal(packed.field('content-encoding'), 'gzip', encoding);
    assert.ok(packed.body.length < plain.body.length);
    assert.equal(Number(packed.field('content-length')), packed.body.length);
    assert.deepEqual(zlib.gunzipSync(packed.body), plain.body);
    assert.notEqual(packed.field('etag'), plain.field('etag'));
    assert.match(packed.field('vary'), /accept-encoding/i);
  }
  for (const encoding of ['', 'identity', 'br', 'gzip;q=0', 'gzip;q=0.1, identity']) {
    const answer = await fetchPage(encoding);
    assert.equal(answer.field('content-encoding'), undefined, encoding);
    assert.deepEqual(answer.body, plain.body);
    assert.match(answer.field('vary'), /accept-encoding/i);
  }
  const refused = await server.request('GET', '/', { headers: { 'accept-encoding': '*;q=0' } });
  assertError(refused, 406);
});

test('whoever has the page is told that it is the same', async ({ start }) => {
  const server = await start();
  const { headers } = await server.request('GET', '/');
  assert.match(headers.etag, /^"[^"]+"$/);
  assert.equal(headers['cache-control'], 'no-cache');
  const ask = (method, tags, more = {}) =>
    server.request(method, '/', { headers: { 'if-none-match': tags, ...more } });
  for (const tags of [headers.etag, `W/${headers.etag}`, '*', `"a,b", ${headers.etag}`]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(method, tags);
      assert.equal(answer.status, 304, tags);
      assert.equal(answer.text, '');
      assert.equal(answer.headers['content-length'], undefined);
      for (const name of ['etag', 'cache-control', 'vary']) {
        assert.equal(answer.headers[name], headers[name], name);
      }
      assert.match(answer.headers.date, HTTP_DATE);
    }
  }
  for (const tags of ['"x"', headers.etag.slice(1, -1), '']) {
    assert.equal((await ask('GET', tags)).status, 200, tags);
  }
  const packed = await ask('GET', headers.etag, { 'accept-encoding': 'gzip' });
  assert.equal(packed.status, 200, 'another representation has another tag');
  const again = await ask('GET', packed.headers.etag, { 'accept-encoding': 'gzip' });
  assert.equal(again.status, 304);
});

test('the page may load nothing from anywhere else', async ({ start }) => {
  const server = await start();
  const { headers } = await server.request('GET', '/');
  const policy = headers['content-security-policy'];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|http:|\*/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.match(headers['content-type'], /^text\/html; charset=utf-8$/);
});
