// sluicectl against servers with two workers: every command, for people and with --json.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { startRaw } from './lib/line.mjs';
import { isAlive, kill, lookAt } from './lib/processes.mjs';
import { temporary } from './lib/server.mjs';
import { EPOCH, SCHEMA_SEQ, TIME, numbers } from './lib/shapes.mjs';
import { RunningCtl, ctl, onServer, sluicectl } from './lib/sluicectl.mjs';
import { Terminal } from './lib/terminal.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

/** The columns of a table's rows. */
const rowsOf = (text) =>
  text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/ {2,}/));

// --- asking and publishing

test('health is for people or, with --json, the server’s own object', async ({ start }) => {
  const server = await start();
  const own = onServer(server);
  const text = await own.text('health');
  assert.match(text, /^healthy\nsluice \d+\.\d+\.\d+, up .* s\n/);
  assert.match(text, /log: numbers 1 to 1, .*epoch [0-9a-f]{16}\n/);
  assert.equal(rowsOf(text.slice(text.indexOf('\n\n') + 2)).length, 2);
  const health = await own.json('health');
  assert.equal(health.status, 'healthy');
  assert.equal(health.workers.length, 2);
});

test('what is published is listed, logged, and kept as it was written', async ({ start }) => {
  const server = await start();
  const own = onServer(server);
  assert.equal(await own.text('publish', 'news', 'Hello "World"!'), '2 news\n');
  const value = '{"b":1.50,"b":99999999999999999999999,"c":"\\ud800"}';
  const published = await own.json('publish', 'a b/c', value, '--json-value', '--durable');
  assert.match(published.epoch, EPOCH);
  assert.deepEqual({ ...published, epoch: '' }, { topic: 'a b/c', seq: 3, epoch: '' });
  const input = await ctl(['-d', server.data, 'publish', 'news', '-'], { input: 'two\nlines\n' });
  assert.equal(input.code, 0, input.stderr);
  assert.equal(await own.text('publish', '--durable', '--', 'news', '-5'), '5 news\n');

  const history = await server.history('news');
  assert.deepEqual(
    history.events.map(({ data }) => data),
    ['Hello "World"!', 'two\nlines\n', '-5'],
  );
  assert.deepEqual(rowsOf(await own.text('topics')), [
    ['0', '3', 'a b/c'],
    ['0', '5', 'news'],
  ]);
  assert.deepEqual((await own.json('topics', '--prefix', 'a')).topics, [
    { topic: 'a b/c', subscribers: 0, last_seq: 3 },
  ]);
  const lines = (await own.text('log')).trimEnd().split('\n');
  assert.equal(lines.length, 5);
  assert.match(lines[0], /^1 \S+Z schema - /);
  assert.match(lines[1].split(' ')[1], TIME);
  assert.match(lines[1], /^2 \S+ event news "Hello \\"World\\"!"$/);
  assert.ok(lines[2].endsWith(`event a b/c ${value}`), lines[2]);
  assert.ok((await own.text('log', '--from', '3', '--limit', '1', '--json')).includes(value));
});

test('what the server refuses is said, with status 1', async ({ start }) => {
  const server = await start({ args: ['--max-message', '100'] });
  const own = onServer(server);
  for (const [args, message] of [
    [['publish', 'news', '{bad', '--json-value'], /bad_json/],
    [['publish', 'news', 'x'.repeat(101)], /\(.*large.*\)/],
    [['publish', '$news', 'x'], /bad_topic/],
    [['publish', 'bell\x07', 'x'], /bad_topic/],
    [['subscribe', '$news'], /bad_topic/],
    [['subscribe', 'news', '--since', '1', '--epoch', 'nonsense'], /bad_request/],
  ]) {
    const result = await own.run(...args);
    assert.equal(result.code, 1, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, message);
    assert.equal(result.stdout, '');
  }
});

test('more topics than a page has are all listed, in order', async ({ start }) => {
  const server = await start({ workers: 1 });
  const client = await server.broker();
  const names = numbers(0, 2001).map((index) => `t:${String(index).padStart(5, '0')}`);
  for (const topic of names) {
    client.send({ action: 'publish', topic, message: 0 });
  }
  await client.publish('z', 0, { durable: true }); // what is listed is in the store
  const { topics } = await onServer(server).json('topics', '--prefix', 't:');
  assert.deepEqual(topics.map(({ topic }) => topic), names);
  assert.equal(rowsOf(await onServer(server).text('topics')).length, 2002);
});

test('nothing that a terminal obeys gets through in text', async ({ start, cleanup }) => {
  const server = await start();
  const own = onServer(server);
  await server.post(encodeURIComponent('t\u202ex'), '"\\u009b31m \u009b31m \u202e \u007f"');
  const subscriber = own.follow(cleanup, 'subscribe', 't\u202ex', 'u', '--since', '0');
  const line = await subscriber.lines.next();
  await subscriber.stop();
  for (const text of [line, await own.text('log'), await own.text('topics')]) {
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  }
  assert.ok(line.endsWith('t\\u202ex "\\u009b31m \\u009b31m \\u202e \\u007f"'), line);
});

// --- following

test('subscribe misses nothing and doubles nothing over a killed worker and restarts', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const own = onServer(server);
  let next = 0;
  const publish = () => server.post('news', String(next++));
  await publish();
  const subscriber = own.follow(cleanup, 'subscribe', 'news', '--since', '0', '--json');
  const lines = [];
  /** It has all, and so it is connected: what it notes later is of what happens later. */
  const catchUp = async () =>
    lines.push(...(await subscriber.lines.upTo(new RegExp(`"data":${next - 1},`))));
  await catchUp();
  for (const worker of server.workers()) {
    kill(worker);
    await publish();
    await until(() => !isAlive(worker) && server.workers().length === 2, { what: 'another worker' });
    await publish();
    await catchUp();
  }
  await server.kill();
  await subscriber.notes.next(/gone away/);
  await server.restart();
  await publish();
  await subscriber.notes.next(/back, at/);
  await publish();
  assert.equal(await server.stop(), 0); // it holds nobody up
  await server.restart();
  await publish();
  await catchUp();
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).data),
    numbers(0, next),
  );
  assert.match(await subscriber.notes.next(/shutting down/), /^sluicectl: /);
  assert.equal(await subscriber.stop(), 0);
});

test('a gap is told on standard error, and among the lines with --json', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const { epoch, seq } = (await server.post('news', '1')).json;
  const known = onServer(server).follow(
    cleanup,
    ...['subscribe', 'news', '--since', String(seq - 1), '--epoch', epoch],
  );
  assert.match(await known.lines.next(), new RegExp(`^${seq} \\S+ 1$`));
  const other = epoch.replace(/./, (digit) => (digit === '0' ? '1' : '0'));
  const args = ['subscribe', 'news', '--since', '5', '--epoch', other, '--json'];
  const unknown = onServer(server).follow(cleanup, ...args);
  assert.match(await unknown.notes.next(), /a gap: .* number 2$/);
  assert.equal(JSON.parse(await unknown.lines.next()).type, 'gap');
  assert.equal(JSON.parse(await unknown.lines.next()).data, 1);
  assert.deepEqual(known.notes.items, []);
  assert.equal(await known.stop('SIGTERM'), 0);
  assert.equal(await unknown.stop(), 0);
});

test('log shows a topic’s newest, pages through, and follows over a restart', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const own = onServer(server);
  const client = await server.broker();
  for (const index of numbers(0, 2500)) {
    client.send({ action: 'publish', topic: index % 2 ? 'odd' : 'even', message: index });
  }
  await client.publish('last', null);
  const last = SCHEMA_SEQ + 2501;

  const all = (await own.text('log', '--from', '1')).trimEnd().split('\n');
  assert.deepEqual(all.map((line) => Number(line.split(' ')[0])), numbers(1, last));
  assert.equal((await own.text('log')).trimEnd().split('\n').length, 100);
  const newest = (await own.text('log', '--topic', 'odd', '--limit', '3')).trimEnd().split('\n');
  assert.deepEqual(newest.map((line) => line.split(' ').at(-1)), ['2495', '2497', '2499']);
  const first = (await own.text('log', '--topic', 'odd', '--from', '1', '--limit', '2')).trimEnd();
  assert.deepEqual(first.split('\n').map((line) => line.split(' ').at(-1)), ['1', '3']);
  assert.equal(await own.text('log', '--from', String(last + 1)), '');

  const follower = own.follow(cleanup, 'log', '--follow', '--limit', '1', '--json');
  assert.equal(JSON.parse(await follower.lines.next()).seq, last);
  await server.post('even', '"next"');
  assert.equal(JSON.parse(await follower.lines.next()).data, 'next');
  await server.kill();
  await server.restart();
  await server.post('even', '"after"');
  assert.equal(JSON.parse(await follower.lines.next(/after/)).seq, last + 2);
  const mutation = { query: 'mutation { createUser(name: "x") { id } }' };
  await server.request('POST', '/graphql', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(mutation),
  });
  const row = JSON.parse(await follower.lines.next(/"row"/));
  assert.deepEqual(row.topics, ['users']);
  assert.deepEqual(follower.lines.items, []);
  assert.equal(await follower.stop(), 0);
});

// --- clients

test('clients of all workers are listed, and kicked by id or name', async ({ start }) => {
  const server = await start();
  const own = onServer(server);
  const broker = await server.broker();
  await broker.subscribe('news');
  const rooms = await server.onEachWorker(() => server.room('alice'));
  const isRoom = ({ protocol }) => protocol === 'room';
  const { clients } = await until(
    async () => {
      const list = await own.json('clients');
      return list.clients.filter(isRoom).length === server.clients.size - 1 && list;
    },
    { what: 'all clients in the list' },
  );
  assert.ok(clients.filter(isRoom).every(({ name }) => name === 'alice'));
  assert.deepEqual([...new Set(clients.map(({ id }) => id.split('-')[0]))].sort(), ['0', '1']);
  const rows = rowsOf(await own.text('clients'));
  assert.equal(rows.length, clients.length);
  assert.ok(rows.some(([, protocol, name]) => protocol === 'broker' && name === '-'));
  assert.deepEqual((await own.json('clients', '--lagging')).clients, []);

  const { id } = clients.find(({ protocol }) => protocol === 'broker');
  assert.equal(await own.text('kick', id), '1 closed\n');
  assert.equal(await broker.closeCode(), 1008);
  const kicked = await own.json('kick', 'alice');
  assert.equal(kicked.kicked, clients.length - 1);
  for (const room of rooms) {
    assert.equal(await room.closeCode(), 1008);
  }
  const nobody = await own.run('kick', 'alice');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /alice: there is no such client/);
});

test('more clients than a page has are all listed, each once', async ({ start }) => {
  const { server, connect } = await startRaw(start, { workers: 1 });
  const count = 1002;
  for (const index of numbers(0, count)) {
    connect().send({ action: 'ping', id: index });
  }
  await until(async () => (await server.health()).active_connections === count, {
    what: 'all clients',
  });
  const { clients } = await onServer(server).json('clients');
  assert.deepEqual(
    clients.map(({ id }) => Number(id.split('-')[1])),
    numbers(1, count).reverse(),
  );
});

test('who lags is listed by clients --lagging, and in top', async ({ start }) => {
  const server = await start({ args: ['--max-queue', '16K'] });
  const own = onServer(server);
  const slow = await server.broker();
  await slow.subscribe('news');
  slow.socket.pause();
  const publisher = await server.broker();
  const { clients } = await until(
    async () => {
      for (const index of numbers(0, 20)) {
        publisher.send({ action: 'publish', topic: 'news', message: `${index}`.padEnd(50_000) });
      }
      await publisher.ping();
      const list = await own.json('clients', '--lagging');
      return list.clients.length === 1 && list;
    },
    { what: 'a client that lags' },
  );
  assert.equal(clients[0].protocol, 'broker');
  assert.equal(clients[0].lagging, 1);
  const top = await own.text('top', '--once');
  assert.match(top, /, 1 of them lagging\n/);
  assert.match(top, new RegExp(`\nLAGGING CLIENTS .*\n${clients[0].id} +broker `));
  assert.deepEqual((await own.json('top')).lagging.map(({ id }) => id), [clients[0].id]);
});

// --- top

test('top --once and --json count what happens in their second', async ({ start }) => {
  const server = await start();
  const own = onServer(server);
  const subscriber = await server.broker();
  await subscriber.subscribe('busy\u202e');
  const publisher = await server.broker();
  let isOver = false;
  const publishing = (async () => {
    while (!isOver) {
      await publisher.publish('busy\u202e', 'x'.repeat(100));
    }
  })();
  try {
    // There may be a second in which a process stands still: then the next one.
    await until(
      async () => {
        const top = await own.json('top');
        assert.ok(top.seconds > 0.5, String(top.seconds));
        assert.ok(top.rates.published > 0);
        assert.ok(top.rates.commits > 0);
        assert.ok(top.rates.bytes_out > top.rates.published * 100);
        // One subscriber: what is published is delivered once, but for what is on its way.
        const ratio = top.rates.delivered / top.rates.published;
        assert.ok(ratio > 0.5 && ratio < 2, `${top.rates.delivered} of ${top.rates.published}`);
        assert.deepEqual(
          top.server.processes.map(({ name }) => name),
          ['worker 0', 'worker 1', 'store writer', 'master'],
        );
        return true;
      },
      { what: 'what happens, in numbers' },
    );
    await until(
      async () => {
        const text = await own.text('top', '--once');
        assert.match(text, /^sluice \S+, healthy, up .*, clients 2, subscriptions 1, 0 of them lagging\n/);
        assert.match(text, /\npublished [1-9]/);
        assert.match(text, /\ncommits [1-9].* operations, .* each, 99 % within /);
        assert.match(text, / 1 {2}busy\\u202e\n/);
        assert.ok(!text.includes('\u001b'));
        return true;
      },
      { what: 'the same in text' },
    );
  } finally {
    isOver = true;
    await publishing;
  }
});

/** `script` gives it a terminal; what it shows is collected. `before`, `after`: the terminal's settings. */
function inTerminal(cleanup, server) {
  const directory = temporary(cleanup);
  const at = (name) => path.join(directory, name);
  const command = [
    'stty rows 24 cols 80',
    `stty -a > ${at('before')}`,
    `${JSON.stringify(sluicectl)} -d ${JSON.stringify(server.data)} top`,
    `echo "ended with $?"; stty -a > ${at('after')}`,
  ].join('\n');
  const terminal = new Terminal(command, cleanup);
  const settings = () => ['before', 'after'].map((name) => fs.readFileSync(at(name), 'utf8'));
  return { terminal, settings };
}

test('top in a terminal is live, follows its size, and gives it back at any end', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const ends = [
    async ({ terminal }) => terminal.type('q'),
    async ({ terminal }) => terminal.type('\u0003'),
    async ({ process }) => kill(process, 'SIGTERM'),
    async ({ process }) => kill(process, 'SIGABRT'),
  ];
  for (const [index, end] of ends.entries()) {
    const { terminal, settings } = inTerminal(cleanup, server);
    await terminal.shows(/PROCESS/);
    await server.post('news', String(index));
    await terminal.shows(new RegExp(`numbers 1 to ${index + 2},`)); // it is live
    const process = await terminal.process('sluicectl');
    terminal.resize(process, 10, 40);
    await terminal.shows((text) => {
      const screen = text.slice(text.lastIndexOf('\u001b[H'));
      const lines = screen.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').split(/\r+\n/);
      return lines.length === 10 && lines.every((line) => line.length <= 40);
    });
    await end({ terminal, process });
    await terminal.shows(/ended with (0|134)/);
    await within(terminal.exited, 'the end of the terminal');
    const [before, after] = settings();
    assert.equal(after.replace(/rows.*columns \d+;/, ''), before.replace(/rows.*columns \d+;/, ''));
    assert.ok(terminal.text.lastIndexOf('\u001b[?1049l') > terminal.text.lastIndexOf('\u001b[?1049h'));
    assert.ok(terminal.text.lastIndexOf('\u001b[?25h') > terminal.text.lastIndexOf('\u001b[?25l'));
  }
});

test('top goes on when it was stopped, and when its server is away', async ({ start, cleanup }) => {
  const server = await start();
  const { terminal } = inTerminal(cleanup, server);
  await terminal.shows(/PROCESS/);
  const process = await terminal.process('sluicectl');
  kill(process, 'SIGTSTP');
  await until(() => lookAt(process.pid)?.state === 'T', { what: 'its stop' });
  await terminal.shows((text) => text.endsWith('\u001b[?1049l'));
  kill(process, 'SIGCONT');
  await terminal.shows((text) => /1049l[^]*1049h[^]*PROCESS/.test(text));
  await server.kill();
  await terminal.shows(/the server has gone away/);
  terminal.clear();
  await server.restart();
  await terminal.shows(/\u001b\[Hsluice .*healthy/);
  terminal.type('q');
  await terminal.shows(/ended with 0/);
});

// --- the end of a server

test('drain --wait shows how far it is, and returns when the server has gone', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const own = onServer(server);
  const client = await server.broker();
  const waiter = own.follow(cleanup, 'drain', '--wait');
  assert.match(await waiter.notes.next(), /^1 client left, deadline in /);
  await client.next({ type: 'shutdown' });
  const health = await own.run('health');
  assert.equal(health.code, 1);
  assert.match(health.stdout, /^draining: .* until the deadline\n/);
  assert.equal((await own.run('publish', 'news', 'still')).code, 0);
  await client.close();
  assert.equal(await within(waiter.exited, 'the end of the wait'), 0);
  assert.deepEqual(waiter.lines.items, ['the server has ended']);
  assert.equal(await server.end(), 0);
});

test('drain twice cuts the wait short', async ({ start }) => {
  const server = await start();
  const own = onServer(server);
  const client = await server.broker();
  assert.equal(await own.text('drain'), 'the server is draining\n');
  await client.next({ type: 'shutdown' }); // two signals that a master has not taken are one
  assert.deepEqual(await own.json('drain', '--wait', '-q'), { status: 'ended' });
  assert.equal(await server.end(), 0);
});

// --- no server, wrong usage

test('where there is no server it says so, and what to do', async ({ start, cleanup }) => {
  const directory = temporary(cleanup);
  const cases = [
    [['-d', '/nowhere/at/all', 'health'], /\/nowhere\/at\/all: there is no such data directory/],
    [['-d', directory, 'health'], /no server runs there.* -d /],
    [['top', '--once'], /which data directory\? .*SLUICE_DATA/],
    [['subscribe', 'news', '-d', directory], /no server runs there/],
    [['-d', directory, 'drain'], /no server runs there/],
    [['-d', directory, 'log', '--follow'], /no server runs there/],
    [['-d', directory, 'kick', 'x'], /no server runs there/],
  ];
  for (const [args, message] of cases) {
    const result = await ctl(args, { cwd: directory });
    assert.equal(result.code, 1, args.join(' '));
    assert.match(result.stderr, message);
    assert.equal(result.stderr.split('\n').length, 2, result.stderr); // one line
  }
  // A socket that nobody listens on: what a killed server leaves.
  const server = await start();
  await server.kill();
  const refused = await onServer(server).run('health');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /nobody accepts at .*control\/1/);
});

test('something else that answers there is no server', async ({ cleanup }) => {
  const directory = temporary(cleanup);
  fs.mkdirSync(path.join(directory, 'control'));
  const answers = ['SSH-2.0-nonsense\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]', ''];
  let answer;
  const impostor = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end(answer));
  });
  await new Promise((resolve) => impostor.listen(path.join(directory, 'control/0'), resolve));
  cleanup(() => impostor.close());
  for (answer of answers) {
    for (const command of [['health'], ['topics'], ['clients'], ['log'], ['top', '--once']]) {
      const result = await ctl(['-d', directory, ...command]);
      assert.equal(result.code, 1, `${command}: ${result.stdout}`);
      assert.notEqual(result.stderr, '');
    }
  }
});

test('without permission it says whose the socket is', { skip: process.getuid() !== 0 }, async ({
  start,
}) => {
  const server = await start();
  fs.chmodSync(path.dirname(server.data), 0o755);
  fs.chmodSync(server.data, 0o755);
  const result = await ctl(
    [...['--reuid', '65534', '--regid', '65534', '--clear-groups'], sluicectl, '-d', server.data, 'health'],
    { program: 'setpriv' },
  );
  assert.equal(result.code, 1);
  assert.match(result.stderr, /control: permission denied: it is user root's and group root's/);
});

test('the directory comes from -d, the environment, or the usual place', async ({ start }) => {
  const server = await start();
  const parent = path.dirname(server.data);
  fs.symlinkSync(server.data, path.join(parent, 'sluice-data'));
  for (const [args, options] of [
    [['--data', server.data], {}],
    [[], { env: { SLUICE_DATA: server.data } }],
    [[], { env: { STATE_DIRECTORY: `${server.data}:/elsewhere` } }],
    [[], { cwd: parent }],
    [['-d', server.data], { env: { SLUICE_DATA: '/elsewhere' } }],
  ]) {
    const result = await ctl([...args, 'health'], options);
    assert.equal(result.code, 0, result.stderr);
  }
  // Longer than a socket's name may be.
  const deep = path.join(parent, 'x'.repeat(100), 'y'.repeat(100));
  fs.mkdirSync(path.dirname(deep));
  fs.symlinkSync(server.data, deep);
  assert.equal((await ctl(['-d', deep, 'health'])).code, 0);
});

test('wrong usage ends with 2 and says what is wrong', async () => {
  for (const [args, message] of [
    [[], /which command/],
    [['nonsense'], /nonsense: no such command/],
    [['health', '--nonsense'], /--nonsense: no such option/],
    [['publish', 'news'], /sluicectl publish TOPIC MESSAGE/],
    [['topics', '--follow'], /--follow: an option of `sluicectl log`/],
    [['log', '--from', 'x'], /--from x: must be a number/],
    [['log', '--topic', 't', '--limit', '100001', '-d', '/nowhere'], /./],
  ]) {
    const result = await ctl(args);
    assert.equal(result.code, message.source === '.' ? 1 : 2, result.stderr);
    assert.match(result.stderr, message);
    assert.equal(result.stdout, '');
  }
  for (const command of ['reload', 'upgrade']) {
    const result = await ctl([command]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /cannot do that yet/);
  }
});

test('--help and --version say so on standard output', async () => {
  const version = await ctl(['--version']);
  assert.match(version.stdout, /^sluicectl \d+\.\d+\.\d+\n$/);
  const help = await ctl(['--help']);
  assert.equal(help.code, 0);
  assert.equal(help.stderr, '');
  for (const command of ['health', 'publish', 'drain', 'kick']) {
    const own = await ctl([command, '--help']);
    assert.ok(own.stdout.startsWith('Usage: sluicectl [OPTION]... ' + command), own.stdout);
    assert.ok(help.stdout.includes(`\n  ${command} `));
  }
});

test('a full disk under standard output is an error', async ({ start }) => {
  const server = await start();
  const full = await ctl(['-c', `"${sluicectl}" -d "${server.data}" health > /dev/full`], {
    program: 'sh',
  });
  assert.equal(full.code, 1);
  assert.match(full.stderr, /standard output/);
});

test('who follows ends when nobody reads it any more, not with the next event', async ({ start }) => {
  const server = await start();
  const own = onServer(server);
  await own.run('publish', 'news', 'one');
  for (const args of ['subscribe news --since 0', 'log --from 1 --follow']) {
    const { code, stdout } = await ctl(
      ['-c', `"${sluicectl}" -d "${server.data}" ${args} | head -1; echo "\${PIPESTATUS[0]}"`],
      { program: 'bash' },
    );
    assert.equal(code, 0);
    assert.match(stdout, /\n141\n$/); // SIGPIPE
  }
});

test('closed standard output and input are errors, not what is opened next', async ({ start }) => {
  const server = await start();
  await onServer(server).run('publish', 'news', 'one');
  for (const [args, message] of [
    ['subscribe news --since 0 >&-', /standard output/],
    ['health >&-', /standard output/],
    ['publish news - <&-', /standard input/],
  ]) {
    const result = await ctl(['-c', `"${sluicectl}" -d "${server.data}" ${args}`], {
      program: 'sh',
    });
    assert.equal(result.code, 1, args);
    assert.match(result.stderr, message);
  }
});
