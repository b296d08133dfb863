// The closing handshake in both directions, and who says which code; group 7 of the Autobahn suite.
import * as ws from './lib/frames.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const { OPCODE, text, binary, more, ping, frame, fragments, close } = ws;
const ECHO = { args: ['--echo', '--max-message', '16M'] };

const open = (server, options) => ws.FrameClient.open(server, options);

async function eachCase(server, cases) {
  await ws.forEach(cases, async ({ send, expect = [], code }) => {
    for (const parts of [[Buffer.concat(send)], send]) {
      const client = await open(server);
      await client.sendApart(parts);
      for (const [opcode, payload] of expect) {
        await client.expect(opcode, payload);
      }
      await client.expectClose(code);
    }
  });
}

test('7.1: a close ends the connection, and nothing behind it is looked at', async ({ start }) => {
  const big = Buffer.alloc(256 * 1024, 'BAsd7&jh23');
  await eachCase(await start(ECHO), [
    {
      name: '7.1.1',
      send: [text('Hello World!'), close()],
      expect: [[OPCODE.TEXT, 'Hello World!']],
      code: 1000,
    },
    { name: '7.1.2', send: [close(), close()], code: 1000 },
    { name: '7.1.3', send: [close(), ping('')], code: 1000 },
    { name: '7.1.4', send: [close(), text('Hello World!')], code: 1000 },
    {
      name: '7.1.5',
      send: [text('fragment1', { fin: false }), close(), more('fragment2')],
      code: 1000,
    },
    {
      name: '7.1.6',
      send: [text(big), text('Hello World!'), close(), ping('')],
      expect: [[OPCODE.TEXT, big], [OPCODE.TEXT, 'Hello World!']],
      code: 1000,
    },
    { name: 'no frames at all behind it', send: [close(), Buffer.alloc(1000, 0xff)], code: 1000 },
  ]);
});

test('7.3: close payloads of every length', async ({ start }) => {
  const server = await start(ECHO);
  await eachCase(server, [
    { name: '7.3.1', send: [close(null)], code: null },
    { name: '7.3.2', send: [frame(OPCODE.CLOSE, 'a')], code: 1002 },
    { name: '7.3.3', send: [close(1000)], code: 1000 },
    { name: '7.3.4', send: [close(1000, 'Hello World!')], code: 1000 },
    { name: '122 bytes', send: [close(1000, '*'.repeat(122))], code: 1000 },
    { name: '7.3.5', send: [close(1000, '*'.repeat(123))], code: 1000 },
    { name: '7.3.6', send: [close(1000, '*'.repeat(124))], code: 1002 },
  ]);
});

test('7.5: a reason is UTF-8, too', async ({ start }) => {
  const reasons = [
    'cebae1bdb9cf83cebcceb5eda080656469746564',
    ...['ff', 'c3', 'e282', '61c0af', 'f4908080', 'eda080'],
  ];
  await eachCase(await start(ECHO), [
    ...reasons.map((reason) => ({
      name: reason,
      send: [close(1000, Buffer.from(reason, 'hex'))],
      code: 1007,
    })),
    { name: 'good', send: [close(1000, 'κόσμε')], code: 1000 },
  ]);
});

test('7.7, 7.9, 7.13: codes that may be sent come back, others are 1002', async ({ start }) => {
  const good = [
    ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
    ...[3000, 3001, 3999, 4000, 4999],
  ];
  const bad = [
    ...[0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999],
    ...[5000, 32768, 65535],
  ];
  await eachCase(await start(ECHO), [
    ...good.map((code) => ({ name: `${code}`, send: [close(code)], code })),
    ...good.map((code) => ({ name: `${code} with a reason`, send: [close(code, 'bye')], code })),
    ...bad.map((code) => ({ name: `${code}`, send: [close(code)], code: 1002 })),
    ...bad.map((code) => ({ name: `${code}, a reason`, send: [close(code, 'bye')], code: 1002 })),
  ]);
});

test('a close in the middle of anything, cut anywhere, is answered', async ({ start }) => {
  const server = await start(ECHO);
  const bytes = close(4000, 'reason');
  const cuts = ws.pieces(bytes, 1).map((_, at) => ({ name: `cut at ${at}`, at }));
  await ws.forEach(cuts, async ({ at }) => {
    const client = await open(server);
    const begun = text('begun', { fin: false });
    await client.sendApart([Buffer.concat([begun, bytes.subarray(0, at)]), bytes.subarray(at)]);
    await client.expectClose(4000);
  });
});

test('1000 to 1014: the server closes with these, each where it belongs', async ({ start }) => {
  const server = await start({ args: ['--echo', '--max-message', '1K', '--max-rate', '50'] });
  const cases = [
    { name: 'unsupported', path: '/broker', send: [binary('binary')], code: 1003 },
    { name: 'unsupported in a room', path: '/ws', send: [binary('')], code: 1003 },
    { name: 'protocol error', path: '/broker', send: [frame(3)], code: 1002 },
    { name: 'bad text', path: '/broker', send: [text([0xff])], code: 1007 },
    { name: 'too big', path: '/broker', send: [text('', { length: 1025 })], code: 1009 },
    { name: 'too big in a room', path: '/ws', send: [text('', { length: 1 << 30 })], code: 1009 },
    { name: 'policy', send: Array(60).fill(text('')), code: 1008 },
  ];
  await ws.forEach(cases, async ({ path, send, code }) => {
    const client = await open(server, { path });
    client.send(Buffer.concat(send));
    let got;
    do {
      got = await client.frame();
    } while (got.opcode !== OPCODE.CLOSE); // a room greets first, echoes come first
    assert.equal(got.payload.readUInt16BE(0), code);
    client.send(close(code));
    await client.expectEnd();
  });
});

test('over the limit is 1009 as soon as heads say so', async ({ start }) => {
  const server = await start({ args: ['--echo', '--max-message', '1000'] });
  const full = 'x'.repeat(1000);
  const notFinal = { fin: false };
  await eachCase(server, [
    {
      name: 'at the limit',
      send: [text(full), close()],
      expect: [[OPCODE.TEXT, full]],
      code: 1000,
    },
    {
      name: 'at the limit in fragments',
      send: [...fragments(OPCODE.BINARY, [full.slice(1), 'x', '']), close()],
      expect: [[OPCODE.BINARY, full]],
      code: 1000,
    },
    { name: 'one more', send: [text('', { length: 1001 })], code: 1009 },
    { name: 'very much more', send: [binary('', { length: (1n << 63n) - 1n })], code: 1009 },
    {
      name: 'one more in fragments',
      send: [text(full, notFinal), more('', { length: 1 })],
      code: 1009,
    },
    {
      name: 'a sum that would overflow',
      send: [text('x', notFinal), more('', { length: (1n << 63n) - 1n })],
      code: 1009,
    },
  ]);
});

test('the drain closes with 1001, and waits for the answer', async ({ start }) => {
  const server = await start({ args: ['--echo', '--drain-timeout', '1s'] });
  const client = await open(server);
  server.remember();
  server.signal('SIGTERM');
  const got = await client.frame();
  assert.equal(got.opcode, OPCODE.CLOSE);
  assert.equal(got.payload.readUInt16BE(0), 1001);
  // Behind its close a server sends nothing; what we still say is read and dropped.
  client.send(text('too late'), ping('too late'), close(1001));
  await client.expectEnd();
  assert.equal(await server.end(), 0);
});

test('newcomers of a full server are closed with 1013, of a draining one with 1001', async ({
  start,
}) => {
  const server = await start({ args: ['--echo', '--max-connections', '2'] });
  const first = await open(server);
  const second = await open(server);
  const third = await open(server);
  const got = await third.frame();
  assert.equal(got.opcode, OPCODE.CLOSE);
  assert.equal(got.payload.readUInt16BE(0), 1013);
  third.send(close(1013));
  await third.expectEnd();
  second.terminate();
  server.remember();
  server.signal('SIGTERM');
  // Its log says so a moment before newcomers are refused.
  await until(async () => (await server.health()).status === 'draining', { what: 'the drain' });
  await until(async () => {
    const late = await open(server);
    const { opcode, payload } = await late.frame();
    late.terminate();
    return opcode === OPCODE.CLOSE && payload.readUInt16BE(0) === 1001;
  });
  await first.leave();
  assert.equal(await server.end(), 0);
});

test('a client that answers no close, and one that just goes', async ({ start }) => {
  const server = await start({ args: ['--echo', '--drain-timeout', '1s'] });
  const mute = await open(server);
  const gone = await open(server);
  const half = await open(server);
  gone.socket.resetAndDestroy();
  half.socket.end(text('half').subarray(0, 5)); // in the middle of a frame, without a close
  await half.expectEnd();
  server.remember();
  server.signal('SIGTERM');
  assert.equal((await mute.frame()).payload.readUInt16BE(0), 1001);
  assert.equal(await server.end(), 0); // five seconds later at most
});
