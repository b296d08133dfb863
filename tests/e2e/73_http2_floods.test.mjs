// Floods over HTTP/2: each ends with ENHANCE_YOUR_CALM, costs no memory, and others are served meanwhile.
import {
  CONNECT2, connect2, ask2, ENHANCE_YOUR_CALM, fields2, FLAG, frame2, GET2, RawHttp2, TYPE, windowUpdate2,
} from './lib/http2.mjs';
import { metric } from './lib/metrics.mjs';
import { fieldOf } from './lib/processes.mjs';
import { assert, test } from './lib/test.mjs';
import { startTls } from './lib/tls.mjs';
import { until, within } from './lib/until.mjs';

const MIB = 1024 * 1024;
const PROTOCOL_ERROR = 1;
const WHOLE = FLAG.END_HEADERS | FLAG.END_STREAM;
// AddressSanitizer, if it is there, is to give back what is freed.
const ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'quarantine_size_mb=1'].filter(Boolean).join(':');

const idAt = (i) => 2 * i + 3;
const repeat = (count, piece) => Buffer.concat(Array.from({ length: count }, (_, i) => piece(i)));
const reset = (id) => frame2(TYPE.RST_STREAM, 0, id, [0, 0, 0, 8]);
const BOMB = Buffer.concat([
  Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'a'), // 4,000 bytes in the table
]);

/**
 * first: sent once; piece: what is repeated, by its number; isCrowd: resets that have not been sent yet may make
 * it too many streams, which is PROTOCOL_ERROR (section 5.1.2).
 */
const FLOODS = [
  { name: 'rapid reset', piece: (i) => Buffer.concat([frame2(TYPE.HEADERS, WHOLE, idAt(i), GET2('/topics')), reset(idAt(i))]) },
  { name: 'WebSockets, reset', piece: (i) => Buffer.concat([frame2(TYPE.HEADERS, FLAG.END_HEADERS, idAt(i), CONNECT2('/broker')), reset(idAt(i))]) },
  { name: 'WebSockets, broken', piece: (i) => Buffer.concat([frame2(TYPE.HEADERS, FLAG.END_HEADERS, idAt(i), CONNECT2('/broker')), frame2(TYPE.HEADERS, FLAG.END_HEADERS, idAt(i), fields2({ a: 'b' }))]), isCrowd: true },
  { name: 'CONTINUATION', first: frame2(TYPE.HEADERS, FLAG.END_STREAM, 1, GET2()), piece: () => frame2(TYPE.CONTINUATION, 0, 1) },
  { name: 'CONTINUATION, with fields', first: frame2(TYPE.HEADERS, FLAG.END_STREAM, 1, GET2()), piece: (i) => frame2(TYPE.CONTINUATION, 0, 1, repeat(200, (j) => fields2({ [`x-${i}-${j}`]: 'y'.repeat(60) }))) },
  { name: 'SETTINGS', piece: () => frame2(TYPE.SETTINGS, 0, 0) },
  { name: 'SETTINGS, windows to and fro', piece: (i) => frame2(TYPE.SETTINGS, 0, 0, [0, 4, 0, 0, i & 255, 1]) },
  { name: 'PING', piece: () => frame2(TYPE.PING, 0, 0, Buffer.alloc(8)) },
  { name: 'empty DATA', first: frame2(TYPE.HEADERS, FLAG.END_HEADERS, 1, CONNECT2('/broker')), piece: () => frame2(TYPE.DATA, 0, 1) },
  { name: 'DATA of padding', first: frame2(TYPE.HEADERS, FLAG.END_HEADERS, 1, CONNECT2('/broker')), piece: () => frame2(TYPE.DATA, FLAG.PADDED, 1, [0]) },
  { name: 'WINDOW_UPDATE', piece: () => windowUpdate2(0, 1) },
  { name: 'PRIORITY', piece: (i) => frame2(TYPE.PRIORITY, 0, idAt(i), [0, 0, 0, 0, 16]) },
  { name: 'unknown frames', piece: () => frame2(0x77, 0, 0) },
  { name: 'malformed requests', piece: (i) => frame2(TYPE.HEADERS, WHOLE, idAt(i), Buffer.concat([GET2(), fields2({ Upper: 'case' })])), isCrowd: true },
  { name: 'HPACK bomb', first: frame2(TYPE.HEADERS, WHOLE, 1, Buffer.concat([GET2(), BOMB])), piece: (i) => frame2(TYPE.HEADERS, WHOLE, idAt(i), Buffer.concat([GET2(), Buffer.alloc(16_000, 0xbe)])) },
  { name: '65,536 streams', piece: (i) => frame2(TYPE.HEADERS, FLAG.END_HEADERS, idAt(i), GET2()), isCrowd: true },
];

async function flood(server, { first, piece }, options) {
  const raw = new RawHttp2(server, options);
  raw.write(frame2(TYPE.SETTINGS, FLAG.ACK, 0));
  if (first) {
    raw.write(first);
  }
  for (let i = 0; i < 66_000 && raw.goaway === undefined && !raw.socket.destroyed; i += 100) {
    raw.write(repeat(100, (j) => piece(i + j)));
    await raw.written();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return raw;
}

const residentBytes = (pid) => fieldOf(pid, 'RssAnon') * 1024;

/** Somebody else's requests, one after the other; stop() says how many were answered. */
function visit(session) {
  let isOver = false;
  const count = (async () => {
    let answered = 0;
    for (; !isOver; answered++) {
      assert.equal((await ask2(session, 'GET', '/topics')).status, 200);
    }
    return answered;
  })();
  count.catch(() => {}); // whoever stops it is told
  return {
    stop: () => {
      isOver = true;
      return count;
    },
  };
}

for (const secure of [false, true]) {
  test(`floods ${secure ? 'over TLS' : 'in plain text'}`, async ({ start, cleanup }) => {
    const options = { workers: 1, env: { ASAN_OPTIONS } };
    const server = secure ? await startTls(start, cleanup, options) : await start(options);
    const [{ pid }] = server.workers();
    const session = await connect2(server, { secure });
    const visitor = visit(session);
    // The first of each kind is what everything is first allocated for.
    const once = async () => {
      for (const kind of FLOODS) {
        const raw = await flood(server, kind, { secure });
        await within(raw.ended, `the end of ${kind.name}`);
        // What was on its way when the server left may have cost us its last word.
        const codes = [ENHANCE_YOUR_CALM, kind.isCrowd ? PROTOCOL_ERROR : undefined, undefined];
        assert.ok(codes.includes(raw.goaway), `${kind.name}: ${raw.goaway}`);
        if (raw.goaway !== undefined) {
          kind.isSeen = true;
        }
      }
    };
    await once();
    const before = residentBytes(pid);
    for (let round = 0; round < 3; round++) {
      await once();
    }
    for (const { name, isSeen } of FLOODS) {
      assert.ok(isSeen, `${name}: no GOAWAY`);
    }
    assert.ok((await visitor.stop()) > 10);
    const grown = residentBytes(pid) - before;
    assert.ok(grown < 8 * MIB, `${Math.round(grown / 1024)} KiB more`);
    assert.ok((await metric(server, 'sluice_protocol_errors_total')) >= FLOODS.length);
  });
}

test('who asks for much and reads nothing takes a bounded part of a worker', async ({ start }) => {
  const server = await start({ workers: 1, env: { ASAN_OPTIONS } });
  const [{ pid }] = server.workers();
  const publisher = await server.broker();
  for (let i = 0; i < 60; i++) {
    await publisher.publish('big', 'x'.repeat(20_000));
  }
  const session = await connect2(server);
  assert.equal((await ask2(session, 'GET', '/topics/big?since=0')).status, 200);
  const before = residentBytes(pid);
  const raw = new RawHttp2(server, { settings: [[4, 0]] });
  raw.write(frame2(TYPE.SETTINGS, FLAG.ACK, 0));
  for (let i = 0; i < 200; i++) {
    raw.write(frame2(TYPE.HEADERS, WHOLE, idAt(i), GET2('/topics/big?since=0')));
    await raw.frames.next({ type: TYPE.HEADERS, id: idAt(i) });
  }
  // 200 answers of a quarter of a megabyte would be 50; the bound is 8, and one more.
  const grown = residentBytes(pid) - before;
  assert.ok(grown < 24 * MIB, `${Math.round(grown / MIB)} MiB`);
  assert.ok((await metric(server, 'sluice_queued_bytes')) < 9 * MIB);
  assert.ok((await metric(server, 'sluice_queued_bytes')) > 6 * MIB);
  assert.equal((await ask2(session, 'GET', '/topics')).status, 200);
  raw.terminate();
  await until(async () => (await metric(server, 'sluice_queued_bytes')) === 0, { what: 'none' });
});

test('who takes its answer byte by byte holds up nobody', async ({ start }) => {
  const server = await start({ workers: 1 });
  const raw = new RawHttp2(server, { settings: [[4, 0]] });
  raw.write(frame2(TYPE.HEADERS, WHOLE, 1, GET2('/')));
  await raw.frames.next({ type: TYPE.HEADERS });
  const session = await connect2(server);
  for (let i = 0; i < 300; i++) {
    raw.write(windowUpdate2(1, 1));
    const { payload } = await raw.frames.next({ type: TYPE.DATA, id: 1 });
    assert.equal(payload.length, 1);
  }
  assert.equal((await ask2(session, 'GET', '/topics')).status, 200);
});
