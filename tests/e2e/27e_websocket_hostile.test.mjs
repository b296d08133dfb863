// What a WebSocket client may do to a worker: floods, unfinished messages, not reading.
import * as ws from './lib/frames.mjs';
import { RawConnection } from './lib/http.mjs';
import { bytesBetween, fieldOf } from './lib/processes.mjs';
import { freePort } from './lib/server.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const { OPCODE, text, binary, more, ping, fragments } = ws;
const KIB = 1024;
const MIB = 1024 * KIB;

// No pings: these clients read, and so answer, only what they wait for, and a slow machine may take longer than that.
const ECHO = ['--echo', '--ping-interval', '0'];

const open = (server, options) => ws.FrameClient.open(server, options);

const residentBytes = (server) => fieldOf(server.workers()[0].pid, 'VmRSS') * KIB;

/** Sends all of it, and returns when the server has read all. */
async function sendAndSee(port, socket, bytes) {
  await new Promise((resolve) => socket.write(bytes, resolve));
  await until(() => bytesBetween(port, socket.localPort) === 0, { what: 'all to be read' });
}

/** Somebody whose messages pass as if nothing else were going on. */
async function assertServed(server, witness) {
  for (const size of [0, 100, 20_000]) {
    const payload = Buffer.alloc(size, 'w');
    witness.send(text(payload));
    await witness.expect(OPCODE.TEXT, payload);
  }
}

/** Messages are begun, shorter and shorter ones, until there is no room for the shortest either. */
async function useUpTheRest(server) {
  for (let size = 60 * KIB; size > 5 * KIB; size /= 2) {
    let answer;
    do {
      const client = await open(server);
      client.send(binary(Buffer.alloc(size), { fin: false }), ping('still there?'));
      answer = await client.frame();
    } while (answer.opcode === OPCODE.PONG);
    assert.equal(answer.opcode, OPCODE.CLOSE);
    assert.equal(answer.payload.readUInt16BE(0), 1013);
  }
}

/** Short input may come in pieces, and a batch may be longer than what is read at a time. */
async function assertCutInputServed(server) {
  const client = await open(server);
  const short = Buffer.alloc(2000, 's');
  const bytes = text(short);
  const send = (part) => sendAndSee(server.port, client.socket, part);
  await send(bytes.subarray(0, 1));
  await send(bytes.subarray(1, 1500));
  await send(bytes.subarray(1500));
  await client.expect(OPCODE.TEXT, short);
  client.send(Buffer.concat(Array(200).fill(bytes)));
  for (let i = 0; i < 200; i++) {
    await client.expect(OPCODE.TEXT, short);
  }
  await client.leave();

  const request =
    'POST /topics/t HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n' +
    'Content-Length: 2000\r\n\r\n';
  const connection = new RawConnection(server.port);
  server.clients.add(connection);
  await connection.opened;
  await sendAndSee(server.port, connection.socket, request.slice(0, 30));
  await sendAndSee(server.port, connection.socket, request.slice(30));
  await sendAndSee(server.port, connection.socket, 'x'.repeat(1500));
  connection.write('x'.repeat(500));
  assert.equal((await connection.response()).status, 201);
  connection.write((request + 'x'.repeat(2000)).repeat(100));
  for (let i = 0; i < 100; i++) {
    assert.equal((await connection.response()).status, 201);
  }
  connection.socket.destroy();

  const publisher = await open(server, { path: '/broker' });
  const COUNT = 10_000;
  const publish = text('{"action":"publish","topic":"t","message":"in a long batch"}');
  publisher.send(Buffer.concat(Array(COUNT).fill(publish)));
  for (let i = 0; i < COUNT; i++) {
    const { opcode, payload } = await publisher.frame();
    assert.equal(opcode, OPCODE.TEXT);
    assert.equal(JSON.parse(payload).status, 'published');
  }
  await publisher.leave();
}

test('unfinished messages take so much of a worker and no more: 1013 for the rest', async ({
  start,
}) => {
  const server = await start({ workers: 1, args: [...ECHO, '--max-message', '16M'] });
  const witness = await open(server);
  const begun = binary(Buffer.alloc(15 * MIB), { length: 16 * MIB, mask: Buffer.alloc(4) });
  const clients = [];
  // Eight of the longest messages fit; each of these grows a buffer for one whole.
  for (let i = 0; i < 8; i++) {
    const client = await open(server);
    await sendAndSee(server.port, client.socket, begun);
    clients.push(client);
  }
  const full = residentBytes(server);
  // Whoever comes now is told so as soon as more comes than is read at a time.
  await ws.forEach(Array(20).fill({}), async () => {
    const client = await open(server);
    client.send(begun.subarray(0, MIB));
    await client.expectClose(1013);
  });
  await assertServed(server, witness);
  await useUpTheRest(server);
  await assertCutInputServed(server);
  assert.ok(residentBytes(server) < full + 64 * MIB, 'those that were refused took nothing');

  // What had begun can be ended; there is room again.
  const rest = Buffer.alloc(MIB);
  for (const client of clients) {
    client.send(rest);
    await client.expect(OPCODE.BINARY, Buffer.alloc(16 * MIB));
    await client.leave();
  }
  const again = await open(server);
  again.send(begun.subarray(0, 4 * MIB), begun.subarray(4 * MIB), rest);
  await again.expect(OPCODE.BINARY, Buffer.alloc(16 * MIB));
  await again.leave();
});

test('raw lines are unfinished input, too: unavailable for the rest', async ({ start }) => {
  const port = await freePort();
  const server = await start({
    workers: 1,
    args: [...ECHO, '--max-message', '16M', '--broker-listen', `127.0.0.1:${port}`],
  });
  const openLine = async () => {
    const connection = new RawConnection(port);
    server.clients.add(connection);
    await connection.opened;
    return connection;
  };
  const line = Buffer.alloc(15 * MIB, ' ');
  line.write('{');
  const wanted = '{"status":"error","code":"unavailable",';
  const answers = [];
  for (let i = 0; i < 9; i++) {
    const connection = await openLine();
    const answer = connection.bytes(wanted.length);
    answer.catch(() => {}); // all but one get none
    answers.push(answer);
    await sendAndSee(port, connection.socket, line);
  }
  assert.equal((await Promise.any(answers)).toString(), wanted);
  await assertServed(server, await open(server));
});

test('a claim costs nothing: memory follows what has come', async ({ start }) => {
  const server = await start({ workers: 1, args: [...ECHO, '--max-message', '16M'] });
  const witness = await open(server);
  await assertServed(server, witness);
  const before = residentBytes(server);
  const clients = [];
  for (let i = 0; i < 200; i++) {
    const client = await open(server);
    client.send(binary('x', { length: 16 * MIB }));
    clients.push(client);
  }
  await assertServed(server, witness);
  assert.ok(residentBytes(server) - before < 64 * MIB, 'not 200 times 16 MiB');
  clients.forEach((client) => client.terminate());
});

test('of a flood of pings nobody reads the answers: they do not pile up', async ({ start }) => {
  const server = await start({ workers: 1, args: ECHO });
  const witness = await open(server);
  await assertServed(server, witness);
  const client = await open(server);
  client.socket.pause();
  const flood = Buffer.concat(Array.from({ length: 500 }, () => ping('x'.repeat(125))));
  const before = residentBytes(server);
  const sender = client.sendApart(Array(400).fill(flood));
  await assertServed(server, witness);
  await sender; // the server reads on, and drops
  await assertServed(server, witness);
  assert.ok(residentBytes(server) - before < 16 * MIB, 'of 25 MiB of pongs few are kept');
  // The last ping is answered, whatever became of those before.
  client.send(ping('the last'));
  client.socket.resume();
  let last;
  do {
    last = await client.frame();
    assert.equal(last.opcode, OPCODE.PONG);
  } while (last.payload.toString() !== 'the last');
  await client.leave();
});

test('floods of empty fragments and messages starve nobody and fill nothing', async ({ start }) => {
  const server = await start({ workers: 1, args: ECHO });
  const witness = await open(server);
  await assertServed(server, witness);
  const before = residentBytes(server);
  const kinds = [
    Buffer.concat(Array(20_000).fill(more('', { fin: false }))),
    Buffer.concat(Array(20_000).fill(ws.pong(''))),
  ];
  for (const flood of kinds) {
    const client = await open(server);
    client.send(text('begun', { fin: false }));
    const sender = client.sendApart(Array(20).fill(flood));
    for (let i = 0; i < 5; i++) {
      await assertServed(server, witness);
    }
    await sender;
    client.send(more(', ended'));
    await client.expect(OPCODE.TEXT, 'begun, ended');
    await client.leave();
  }
  const client = await open(server);
  const empty = Buffer.concat(Array(20_000).fill(text('')));
  client.send(empty, empty);
  for (let i = 0; i < 40_000; i++) {
    await client.expect(OPCODE.TEXT, '');
  }
  await client.leave();
  assert.ok(residentBytes(server) - before < 32 * MIB);
});

test('a client that reads nothing for long gets everything in the end', async ({ start }) => {
  const server = await start({
    workers: 1,
    args: ['--ping-interval', '300ms', '--ping-timeout', '1s'],
  });
  const value = 'x'.repeat(20_000);
  const COUNT = 600; // more than sockets and queue take
  for (let i = 0; i < COUNT; i++) {
    assert.equal((await server.post('much', `${i}:${value}`, 'text/plain')).status, 201);
  }
  // Right behind the handshake: something waits for it from then on, however late it pauses. It answers no ping, so
  // nothing that it says too late can cost it what has come.
  const early = text('{"action":"subscribe","topic":"much","since":0}');
  const lagging = await open(server, { path: '/broker', early, isMute: true });
  lagging.socket.pause();
  // Three times as long as a ping may take: so long there is somebody who answers none.
  for (let i = 0; i < 3; i++) {
    const mute = await open(server, { path: '/broker', isMute: true });
    await mute.expect(OPCODE.PING, '');
    await mute.expectEnd();
  }
  assert.equal((await server.health()).active_connections, 1);
  lagging.socket.resume();
  const message = async () => {
    let got;
    do {
      got = await lagging.frame();
    } while (got.opcode === OPCODE.PING);
    assert.equal(got.opcode, OPCODE.TEXT);
    return JSON.parse(got.payload);
  };
  assert.equal((await message()).status, 'subscribed');
  for (let next = 0; next < COUNT; next++) {
    assert.ok((await message()).data.startsWith(`${next}:`));
  }
});

test('who has nothing waiting and answers no ping is gone', async ({ start }) => {
  const server = await start({
    workers: 1,
    args: ['--echo', '--ping-interval', '300ms', '--ping-timeout', '300ms'],
  });
  const mute = await open(server, { isMute: true });
  await mute.expect(OPCODE.PING, '');
  await mute.expectEnd(); // without a close frame: nobody is there to be told why
});

test('of many fast senders none starves the others', async ({ start }) => {
  const server = await start({ workers: 1, args: ECHO });
  const witness = await open(server);
  const payload = Buffer.alloc(960_000);
  const message = Buffer.concat(fragments(OPCODE.BINARY, ws.pieces(payload, 60_000)));
  let isOver = false;
  const senders = Array.from({ length: 8 }, async () => {
    const client = await open(server);
    while (!isOver) {
      client.send(message);
      await client.expect(OPCODE.BINARY, payload);
    }
    await client.leave();
  });
  for (let i = 0; i < 50; i++) {
    await assertServed(server, witness);
  }
  isOver = true;
  await Promise.all(senders);
  await witness.leave();
});
