// RFC 6455 frame by frame, strictly; in the order of the Autobahn suite's groups 1 to 5.
import * as ws from './lib/frames.mjs';
import { test } from './lib/test.mjs';

const { OPCODE, text, binary, more, ping, pong, frame, fragments } = ws;
const ECHO = { args: ['--echo', '--max-message', '16M'] };

/** The ways to hand the same bytes to the network. */
const WAYS = {
  'at once': (bytes) => [Buffer.concat(bytes)],
  'frame by frame': (bytes) => bytes,
  'byte by byte': (bytes) => ws.pieces(Buffer.concat(bytes), 1),
};

/** Every case in every way: what is sent, what must come, in this order, and the close code. */
async function runAll(server, cases) {
  const runs = cases.flatMap((one) => Object.keys(WAYS).map((way) => ({ ...one, way })));
  await ws.forEach(runs.map((run) => ({ ...run, name: `${run.name} ${run.way}` })), async (run) => {
    const client = await ws.FrameClient.open(server);
    await client.sendApart(WAYS[run.way](run.send));
    for (const [opcode, payload] of run.expect ?? []) {
      await client.expect(opcode, payload);
    }
    await (run.code ? client.expectClose(run.code) : client.leave());
  });
}

const LENGTHS = [0, 125, 126, 127, 128, 65535, 65536];

for (const [group, opcode, byte] of [['1.1', OPCODE.TEXT, '*'], ['1.2', OPCODE.BINARY, 0xfe]]) {
  test(`${group}: messages of every form of length come back`, async ({ start }) => {
    const server = await start(ECHO);
    for (const length of LENGTHS) {
      const payload = Buffer.alloc(length, byte);
      for (const size of [Infinity, 997]) {
        const client = await ws.FrameClient.open(server);
        await client.sendApart(ws.pieces(frame(opcode, payload), size));
        await client.expect(opcode, payload);
        await client.leave();
      }
    }
  });
}

test('2: pings are answered one by one, in order; pongs are not', async ({ start }) => {
  const long = Buffer.alloc(125, 0xfe);
  const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
  await runAll(await start(ECHO), [
    { name: '2.1', send: [ping('')], expect: [[OPCODE.PONG, '']] },
    { name: '2.2', send: [ping('Hello, world!')], expect: [[OPCODE.PONG, 'Hello, world!']] },
    {
      name: '2.3',
      send: [ping([0, 255, 254, 253, 252, 251, 0, 255])],
      expect: [[OPCODE.PONG, [0, 255, 254, 253, 252, 251, 0, 255]]],
    },
    { name: '2.4', send: [ping(long)], expect: [[OPCODE.PONG, long]] },
    { name: '2.5', send: [ping(Buffer.alloc(126, 0xfe))], code: 1002 },
    { name: '2.7', send: [pong('')] },
    { name: '2.8', send: [pong('unsolicited')] },
    {
      name: '2.9',
      send: [pong('unsolicited'), ping('ping payload')],
      expect: [[OPCODE.PONG, 'ping payload']],
    },
    { name: '2.10', send: ten.map((p) => ping(p)), expect: ten.map((p) => [OPCODE.PONG, p]) },
  ]);
});

test('3: reserved bits end the connection, whatever stands before or behind', async ({ start }) => {
  const cases = [];
  for (let rsv = 1; rsv <= 7; rsv++) {
    for (const opcode of [OPCODE.TEXT, OPCODE.BINARY, OPCODE.PING, OPCODE.PONG, OPCODE.CLOSE]) {
      const bad = frame(opcode, opcode === OPCODE.CLOSE ? [3, 232] : 'bad', { rsv });
      const name = `opcode ${opcode}, RSV ${rsv}`;
      cases.push({ name, send: [bad], code: 1002 });
      cases.push({
        name: `${name} in between`,
        send: [text('good'), bad, ping('')],
        expect: [[OPCODE.TEXT, 'good']],
        code: 1002,
      });
    }
    cases.push({
      name: `a fragment with RSV ${rsv}`,
      send: [text('a', { fin: false }), more('b', { rsv })],
      code: 1002,
    });
  }
  await runAll(await start(ECHO), cases);
});

test('4: reserved opcodes end the connection', async ({ start }) => {
  const cases = [];
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    for (const payload of ['', 'reserved opcode payload']) {
      const bad = frame(opcode, payload);
      const name = `opcode ${opcode}, ${payload.length} bytes`;
      cases.push({ name, send: [bad], code: 1002 });
      const notFinal = frame(opcode, payload, { fin: false });
      cases.push({ name: `${name}, not final`, send: [notFinal], code: 1002 });
      cases.push({
        name: `${name} in between`,
        send: [text('Hello, world!'), bad, ping('')],
        expect: [[OPCODE.TEXT, 'Hello, world!']],
        code: 1002,
      });
    }
  }
  await runAll(await start(ECHO), cases);
});

test('5: fragments make a message, control frames may stand between', async ({ start }) => {
  const two = fragments(OPCODE.TEXT, ['fragment1', 'fragment2']);
  const five = fragments(OPCODE.TEXT, [1, 2, 3, 4, 5].map((i) => `fragment${i}`));
  const whole = [OPCODE.TEXT, 'fragment1fragment2'];
  const wholeFive = [OPCODE.TEXT, 'fragment1fragment2fragment3fragment4fragment5'];
  const stray = (fin) => more('non-continuation payload', { fin });
  const notFinal = { fin: false };
  await runAll(await start(ECHO), [
    { name: '5.1', send: [ping('fragment1', notFinal), more('fragment2')], code: 1002 },
    { name: '5.2', send: [pong('fragment1', notFinal), more('fragment2')], code: 1002 },
    { name: 'a close', send: [frame(OPCODE.CLOSE, [3, 232], notFinal), more('')], code: 1002 },
    { name: '5.3', send: two, expect: [whole] },
    {
      name: '5.6',
      send: [two[0], ping('ping payload'), two[1]],
      expect: [[OPCODE.PONG, 'ping payload'], whole],
    },
    { name: 'a pong in between', send: [two[0], pong('pong payload'), two[1]], expect: [whole] },
    { name: '5.9', send: [stray(true), text('Hello, world!')], code: 1002 },
    { name: '5.12', send: [stray(false), text('Hello, world!')], code: 1002 },
    {
      name: '5.15',
      send: [...two, stray(false), text('Hello, world!')],
      expect: [whole],
      code: 1002,
    },
    { name: '5.16', send: [stray(false), ...two, stray(false), ...two], code: 1002 },
    { name: '5.17', send: [stray(true), ...two, stray(true), ...two], code: 1002 },
    { name: '5.18', send: [text('fragment1', notFinal), text('fragment2')], code: 1002 },
    { name: 'a binary inside a text', send: [two[0], binary('b', notFinal)], code: 1002 },
    { name: 'a text inside a binary', send: [binary('b', notFinal), two[0]], code: 1002 },
    {
      name: '5.19',
      send: [five[0], five[1], ping('pongme 1!'), five[2], five[3], ping('pongme 2!'), five[4]],
      expect: [[OPCODE.PONG, 'pongme 1!'], [OPCODE.PONG, 'pongme 2!'], wholeFive],
    },
    {
      name: 'empty fragments',
      send: fragments(OPCODE.BINARY, ['', '', 'x', '', '']),
      expect: [[OPCODE.BINARY, 'x']],
    },
  ]);
});

test('masks and lengths: what has no mask or is written too long is 1002', async ({ start }) => {
  const bare = { mask: null };
  const claim = (lengthBytes, length, opcode = OPCODE.BINARY) =>
    frame(opcode, '', { lengthBytes, length });
  const cases = [];
  for (const opcode of [OPCODE.TEXT, OPCODE.BINARY, OPCODE.PING, OPCODE.PONG, OPCODE.CLOSE]) {
    cases.push({ name: `no mask, opcode ${opcode}`, send: [frame(opcode, '', bare)], code: 1002 });
  }
  cases.push({ name: 'no mask, a payload', send: [text('bare', bare)], code: 1002 });
  cases.push({
    name: 'no mask on the second fragment',
    send: [text('a', { fin: false }), more('b', bare)],
    code: 1002,
  });
  for (const length of [0, 1, 125]) {
    cases.push({ name: `${length} in 16 bits`, send: [claim(2, length)], code: 1002 });
  }
  for (const length of [0, 125, 126, 65535]) {
    cases.push({ name: `${length} in 64 bits`, send: [claim(8, length)], code: 1002 });
  }
  for (const length of [1n << 63n, (1n << 64n) - 1n, (1n << 63n) | 126n]) {
    cases.push({ name: `the length ${length}`, send: [claim(8, length)], code: 1002 });
  }
  for (const opcode of [OPCODE.PING, OPCODE.PONG, OPCODE.CLOSE]) {
    cases.push({ name: `126 bytes, opcode ${opcode}`, send: [claim(2, 126, opcode)], code: 1002 });
    cases.push({ name: `65536, opcode ${opcode}`, send: [claim(8, 65536, opcode)], code: 1002 });
  }
  // Masked with nothing behind it, and masks of every sort.
  for (const mask of [[0, 0, 0, 0], [255, 255, 255, 255], [0, 1, 2, 3], [0x37, 0xfa, 0x21, 0x3d]]) {
    const options = { mask: Buffer.from(mask) };
    cases.push({
      name: `the mask ${mask}`,
      send: [text('', options), text('masked', options), ping('p', options)],
      expect: [[OPCODE.TEXT, ''], [OPCODE.TEXT, 'masked'], [OPCODE.PONG, 'p']],
    });
  }
  await runAll(await start(ECHO), cases);
});
