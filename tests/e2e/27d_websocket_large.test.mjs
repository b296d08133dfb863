// Large messages, many fragments, many messages; groups 9 and 10 of the Autobahn suite.
import * as ws from './lib/frames.mjs';
import { assert, test } from './lib/test.mjs';

const { OPCODE, frame, text, fragments } = ws;
const ECHO = { args: ['--echo', '--max-message', '16M'] };
const KIB = 1024;
const MIB = 1024 * KIB;
const KINDS = [['text', OPCODE.TEXT], ['binary', OPCODE.BINARY]];

const open = (server) => ws.FrameClient.open(server);

/** Whose every part is different, so that a piece in the wrong place shows. */
function payloadOf(size) {
  const payload = Buffer.alloc(size);
  for (let at = 0; at < size; at += 16) {
    payload.write(at.toString(16).padStart(16, '.'), at, 'latin1');
  }
  return payload;
}

for (const [kind, opcode] of KINDS) {
  test(`9.1, 9.2: ${kind} messages of 64 KiB to 16 MiB come back`, async ({ start }) => {
    const client = await open(await start(ECHO));
    for (const size of [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB]) {
      const payload = payloadOf(size);
      client.send(frame(opcode, payload));
      await client.expect(opcode, payload);
    }
    await client.leave();
  });

  test(`9.3, 9.4: 4 MiB of ${kind} in fragments of 64 bytes to 4 MiB`, async ({ start }) => {
    const client = await open(await start(ECHO));
    const payload = payloadOf(4 * MIB);
    for (let size = 64; size <= 4 * MIB; size *= 4) {
      client.send(Buffer.concat(fragments(opcode, ws.pieces(payload, size))));
      await client.expect(opcode, payload);
    }
    await client.leave();
  });

  test(`9.5, 9.6: 1 MiB of ${kind} in segments of 64 to 2048 bytes`, async ({ start }) => {
    const client = await open(await start(ECHO));
    const payload = payloadOf(MIB);
    for (let size = 64; size <= 2048; size *= 2) {
      client.send(...ws.pieces(frame(opcode, payload), size));
      await client.expect(opcode, payload);
    }
    await client.leave();
  });

  test(`9.7, 9.8: a thousand ${kind} messages, one by one and all at once`, async ({ start }) => {
    const client = await open(await start(ECHO));
    for (const size of [0, 16, 64, 256, 1024, 4096]) {
      const payload = payloadOf(size).subarray(0, size);
      const bytes = frame(opcode, payload);
      for (let i = 0; i < 1000; i++) {
        client.send(bytes);
        await client.expect(opcode, payload);
      }
      client.send(Buffer.concat(Array(1000).fill(bytes)));
      for (let i = 0; i < 1000; i++) {
        await client.expect(opcode, payload);
      }
    }
    await client.leave();
  });

  test(`10.1: 65,536 bytes of ${kind} in fragments of 1,300, and of one`, async ({ start }) => {
    const client = await open(await start(ECHO));
    const payload = payloadOf(65536);
    for (const size of [1300, 1]) {
      client.send(Buffer.concat(fragments(opcode, ws.pieces(payload, size))));
      await client.expect(opcode, payload);
    }
    await client.leave();
  });
}

test('a message of the limit in 65,536 fragments with pings between', async ({ start }) => {
  const client = await open(await start(ECHO));
  const payload = payloadOf(16 * MIB);
  const parts = fragments(OPCODE.BINARY, ws.pieces(payload, 256));
  assert.equal(parts.length, 65536);
  for (let at = 0; at < parts.length; at += 8192) {
    client.send(Buffer.concat(parts.slice(at, at + 8192)));
    if (at + 8192 < parts.length) {
      client.send(ws.ping(`${at}`));
      await client.expect(OPCODE.PONG, `${at}`);
    }
  }
  await client.expect(OPCODE.BINARY, payload);
  await client.leave();
});

test('one byte over 16 MiB is 1009, and the connection beside it does not notice', async ({
  start,
}) => {
  const server = await start({ ...ECHO, workers: 1 });
  const witness = await open(server);
  const client = await open(server);
  client.send(text('', { length: 16 * MIB + 1 }));
  await client.expectClose(1009);
  const payload = payloadOf(MIB);
  witness.send(text(payload));
  await witness.expect(OPCODE.TEXT, payload);
  await witness.leave();
});
