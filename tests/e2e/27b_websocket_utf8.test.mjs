// Text is UTF-8, and is refused at its first bad byte; group 6 of the Autobahn suite and beyond.
import * as ws from './lib/frames.mjs';
import { assert, test } from './lib/test.mjs';
import { judge } from './lib/utf8.mjs';

const { OPCODE, text, more, ping, fragments } = ws;
const ECHO = { args: ['--echo', '--max-message', '16M'] };

const hex = (digits) => Buffer.from(digits, 'hex');
const GREEK = 'cebae1bdb9cf83cebcceb5'; // κόσμε

function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** All bytes from one to the other, each with a space behind it: lonely beginnings. */
const lonely = (from, to) => range(from, to).map((byte) => `${byte.toString(16)}20`).join('');

const GROUPS = {
  '6.2': [Buffer.from('Hello-µ@ßöäüàá-UTF-8!!').toString('hex'), GREEK],
  '6.3': [`${GREEK}eda080656469746564`],
  '6.4': [`${GREEK}f4908080656469746564`, `${GREEK}f8888080806564`],
  '6.6': range(1, GREEK.length / 2).map((bytes) => GREEK.slice(0, 2 * bytes)),
  '6.7': ['00', 'c280', 'e0a080', 'f0908080'],
  '6.8': ['f888808080', 'fc8480808080'],
  '6.9': ['7f', 'dfbf', 'efbfbf', 'f48fbfbf'],
  '6.10': ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf'],
  '6.11': ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf', 'f4908080'],
  '6.12': [
    ...['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf'],
    range(0x80, 0xbf).map((byte) => byte.toString(16)).join(''),
  ],
  '6.13': [
    ...[lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb)],
    lonely(0xfc, 0xfd),
  ],
  '6.14': [
    ...['c0', 'e080', 'f08080', 'f8808080', 'fc80808080'],
    ...['df', 'efbf', 'f7bfbf', 'fbbfbfbf', 'fdbfbfbfbf'],
  ],
  '6.15': ['c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf'],
  '6.16': ['fe', 'ff', 'fefeffff'],
  '6.17': ['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af'],
  '6.18': ['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf'],
  '6.19': ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080'],
  '6.20': ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf'],
  '6.21': [
    ...['eda080edb080', 'eda080edbfbf', 'edadbfedb080', 'edadbfedbfbf'],
    ...['edae80edb080', 'edae80edbfbf', 'edafbfedb080', 'edafbfedbfbf'],
  ],
  '6.22': range(0, 16).flatMap((plane) =>
    [0xfffe, 0xffff].map((last) =>
      Buffer.from(String.fromCodePoint(plane * 0x10000 + last)).toString('hex'),
    ),
  ),
  '6.23': ['efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf'],
};

/** Every lead byte; behind those that want more every byte at which a range may begin or end. */
function boundaries() {
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
  return range(0x80, 0xff).flatMap((lead) =>
    judge([lead]).badAt === 0 ? [[lead]] : edges.map((edge) => [lead, edge]),
  );
}

const all = Object.entries(GROUPS).flatMap(([group, digits]) =>
  digits.map((each) => ({ name: `${group} ${each.slice(0, 40)}`, bytes: hex(each) })),
);
const verdictOf = ({ bytes }) => judge(bytes);
const valid = all.filter((one) => verdictOf(one).isWhole);
const bad = all.filter((one) => verdictOf(one).badAt >= 0);
const cut = all.filter((one) => !verdictOf(one).isWhole && verdictOf(one).badAt < 0);

/** What a server that is sent this, each run on a connection of its own, must answer with 1007. */
async function refused(server, runs) {
  await ws.forEach(runs, async ({ parts }) => {
    const client = await ws.FrameClient.open(server);
    await client.sendApart(parts);
    await client.expectClose(1007);
  });
}

const bytewise = (bytes) => fragments(OPCODE.TEXT, ws.pieces(bytes, 1));

/** A frame, or several in one run of bytes, cut in two at every place. */
function cutEverywhere(name, bytes) {
  return range(1, bytes.length - 1).map((at) => ({
    name: `${name} cut at ${at}`,
    parts: [bytes.subarray(0, at), bytes.subarray(at)],
  }));
}

test("the model's verdicts are those of Node's decoder", () => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (const { bytes, name } of all) {
    let isValid = true;
    try {
      decoder.decode(bytes);
    } catch {
      isValid = false;
    }
    assert.equal(judge(bytes).isWhole, isValid, name);
  }
  assert.equal(valid.length + bad.length + cut.length, all.length);
  assert.deepEqual([valid.length, bad.length, cut.length], [60, 64, 8]);
});

test('6.1: empty text, whole and in fragments', async ({ start }) => {
  const server = await start(ECHO);
  const client = await ws.FrameClient.open(server);
  for (const payloads of [[''], ['', '', ''], ['', 'middle frame payload', '']]) {
    client.send(...fragments(OPCODE.TEXT, payloads));
    await client.expect(OPCODE.TEXT, payloads.join(''));
  }
  await client.leave();
});

test('valid text comes back, wherever fragments and segments cut it', async ({ start }) => {
  const server = await start(ECHO);
  await ws.forEach(valid, async ({ bytes }) => {
    const client = await ws.FrameClient.open(server);
    const ways = [
      [text(bytes)],
      bytewise(bytes),
      ws.pieces(Buffer.concat(bytewise(bytes)), 1),
      ws.pieces(text(bytes), 1),
      ...range(0, bytes.length).map((at) =>
        fragments(OPCODE.TEXT, [bytes.subarray(0, at), bytes.subarray(at)]),
      ),
      ...cutEverywhere('', text(bytes)).map(({ parts }) => parts),
    ];
    for (const parts of ways) {
      await client.sendApart(parts);
      await client.expect(OPCODE.TEXT, bytes);
    }
    await client.leave();
  });
});

test('bad text is 1007, wherever fragments and segments cut it', async ({ start }) => {
  const server = await start(ECHO);
  const runs = [...bad, ...cut].flatMap(({ name, bytes }) => [
    { name: `${name} whole`, parts: [text(bytes)] },
    { name: `${name} in fragments`, parts: [Buffer.concat(bytewise(bytes))] },
    { name: `${name} in fragments, apart`, parts: bytewise(bytes) },
    ...cutEverywhere(name, text(bytes)).slice(0, 24),
  ]);
  await refused(server, runs);
});

test('6.4: the first bad byte is enough, with the rest of frame and message withheld', async ({
  start,
}) => {
  const server = await start(ECHO);
  const first = bad.concat(boundaries().map((bytes) => ({ name: `lead ${bytes}`, bytes })));
  const runs = first
    .map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes), ...judge(bytes) }))
    .filter(({ badAt }) => badAt >= 0)
    .map(({ name, bytes, badAt }) => ({ name, begun: bytes.subarray(0, badAt + 1) }));
  assert.ok(runs.length > 150);
  await refused(
    server,
    runs.flatMap(({ name, begun }) => [
      { name: `${name} in a frame`, parts: [text(begun, { length: begun.length + 100 })] },
      { name: `${name} bytewise`, parts: ws.pieces(text(begun, { length: 70_000 }), 1) },
      { name: `${name} in a fragment`, parts: [text(begun, { fin: false })] },
    ]),
  );
});

test('what may still become text is waited for, and is no text when it ends there', async ({
  start,
}) => {
  const server = await start(ECHO);
  const begun = bad.map(({ name, bytes }) => {
    return { name, bytes: bytes.subarray(0, judge(bytes).badAt) };
  });
  const leads = boundaries()
    .filter((bytes) => judge(bytes).badAt < 0)
    .map((bytes) => ({ name: `lead ${bytes}`, bytes: Buffer.from(bytes) }));
  await ws.forEach([...cut, ...begun, ...leads], async ({ bytes }) => {
    const client = await ws.FrameClient.open(server);
    client.send(text(bytes, { fin: false }), ping('still there?'));
    await client.expect(OPCODE.PONG, 'still there?');
    client.send(more(''));
    if (judge(bytes).isWhole) {
      await client.expect(OPCODE.TEXT, bytes);
      await client.leave();
    } else {
      await client.expectClose(1007);
    }
  });
});

test('binary messages may hold anything', async ({ start }) => {
  const server = await start(ECHO);
  const client = await ws.FrameClient.open(server);
  for (const { bytes } of all) {
    client.send(ws.binary(bytes), ...fragments(OPCODE.BINARY, ws.pieces(bytes, 1)));
    await client.expect(OPCODE.BINARY, bytes);
    await client.expect(OPCODE.BINARY, bytes);
  }
  await client.leave();
});
