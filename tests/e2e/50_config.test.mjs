// Command line, environment and file (PROTOCOLS section 7).
import fs from 'node:fs';
import path from 'node:path';
import { freePort, makeDirectory, runSluice } from './lib/server.mjs';
import { assert, test } from './lib/test.mjs';

function writeFile(cleanup, lines) {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'sluice.conf');
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

test('--version and --help say so on standard output', async () => {
  const version = await runSluice(['--version']);
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^sluice \d+\.\d+\.\d+\n$/);
  assert.equal(version.stderr, '');

  const help = await runSluice(['--help']);
  assert.equal(help.code, 0);
  for (const option of ['--listen', '-l', '--workers', '-w', '--data', '-d', '--config', '-c']) {
    assert.ok(help.stdout.includes(option), option);
  }
  for (const text of ['--drain-timeout', '30m', '--ring-size', '32M', '127.0.0.1:8000']) {
    assert.ok(help.stdout.includes(text), text);
  }
  assert.equal(help.stderr, '');

  for (const option of ['--version', '--help', '--check-config']) {
    const full = await runSluice([option], { prefix: ['sh', '-c', 'exec "$0" "$@" > /dev/full'] });
    assert.equal(full.code, 1, option);
    assert.match(full.stderr, /standard output/);
  }
});

test('a wrong option ends with 2 and is named', async () => {
  const cases = [
    [['--nonsense'], /nonsense/],
    [['--workers', '0'], /workers/],
    [['--workers', '1000'], /workers/],
    [['--workers', 'many'], /workers.*many/],
    [['--workers'], /workers/],
    [['--listen', 'nowhere'], /listen.*nowhere/],
    [['--hosts', 'a.example,https://b.example'], /hosts.*https:\/\/b\.example/],
    [['--hosts', 'a.example:8000'], /hosts.*a\.example:8000/],
    [['--listen', '127.0.0.1:99999'], /listen.*99999/],
    [['--ring-size', '3M'], /ring-size/],
    [['--ring-size', '1K'], /ring-size/],
    [['--drain-timeout', '5 parsecs'], /drain-timeout.*parsecs/],
    [['--durability', 'maybe'], /durability.*maybe/],
    [['--log-level', 'loud'], /log-level.*loud/],
    [['--max-message', '-1'], /max-message/],
    [['--max-per-address', 'few'], /--max-per-address: "few"/],
    [['--max-rate', '10/s'], /--max-rate: "10\/s"/],
    [['--max-byte-rate', '64KB'], /--max-byte-rate: "64KB"/],
    [['--max-connections', 'off'], /--max-connections: "off"/],
    [['--config', '/nowhere/sluice.conf'], /\/nowhere\/sluice\.conf/],
    [['stray'], /stray/],
    [['--wrokers', '3'], /--wrokers: no such option; did you mean --workers\?/],
    [['--data', ''], /--data: a value is missing \(DIR\)/],
    [['--config', '/tmp'], /--config: \/tmp cannot be read: Is a directory/],
  ];
  for (const [args, message] of cases) {
    const result = await runSluice([...args, '--check-config']);
    assert.equal(result.code, 2, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, message);
    assert.equal(result.stdout, '');
  }
});

test('every wrong value is named, not the first alone', async ({ cleanup }) => {
  const file = writeFile(cleanup, ['workers = none', '', 'tick = soon']);
  const result = await runSluice(['--config', file, '--ring-size', '3M', '--check-config'], {
    env: { SLUICE_DURABILITY: 'maybe' },
  });
  assert.equal(result.code, 2);
  for (const message of [/workers.*none/, /tick.*soon/, /ring-size/, /SLUICE_DURABILITY.*maybe/]) {
    assert.match(result.stderr, message);
  }
});

test('an error in a file is told with file and line', async ({ cleanup }) => {
  const cases = [
    [['# comment', 'tick = 10s', 'workers = none'], 3],
    [['[section]', 'no_such_option = 1'], 2],
    [['workers = 2', 'this is no setting'], 2],
    [['max_rate = 10', 'max_byte_rate = fast'], 2],
    [['max_per_address = 4294967296'], 1],
  ];
  for (const [lines, line] of cases) {
    const file = writeFile(cleanup, lines);
    const result = await runSluice(['-c', file, '--check-config']);
    assert.equal(result.code, 2, result.stderr);
    assert.ok(result.stderr.includes(`${file}:${line}`), result.stderr);
  }
});

test('a wrong value in the environment is told by the name of the variable', async () => {
  for (const [name, value] of [
    ['SLUICE_WORKERS', 'none'],
    ['SLUICE_DRAIN_TIMEOUT', '1 fortnight'],
    ['SLUICE_MAX_PER_ADDRESS', '-1'],
    ['SLUICE_MAX_RATE', '1000001'],
    ['SLUICE_MAX_BYTE_RATE', '1 MB'],
  ]) {
    const result = await runSluice(['--check-config'], { env: { [name]: value } });
    assert.equal(result.code, 2);
    assert.ok(result.stderr.includes(name), result.stderr);
  }
});

test('--check-config of what is well ends with 0 and starts nothing', async ({ cleanup }) => {
  const file = writeFile(cleanup, ['[server]', 'workers = 3', 'drain_timeout = 5m', 'tick = 0']);
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const result = await runSluice(['-c', file, '--check-config'], { cwd: directory });
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(fs.readdirSync(directory), []);
});

test('an option wins over the environment, the environment over the file', async ({
  start,
  cleanup,
}) => {
  const file = writeFile(cleanup, ['workers = 3', 'max_message = 100', 'max_subscriptions = 1']);
  const args = ['--config', file, '--max-message', '300'];
  const env = { SLUICE_MAX_MESSAGE: '200', SLUICE_MAX_SUBSCRIPTIONS: '2', SLUICE_WORKERS: '4' };
  const server = await start({ workers: 2, args, env }); // the harness gives --workers 2
  assert.equal(server.workers().length, 2);

  assert.equal((await server.post('t', 'x'.repeat(300), 'text/plain')).status, 201);
  assert.equal((await server.post('t', 'x'.repeat(301), 'text/plain')).status, 413);

  const client = await server.broker();
  await client.subscribe('a');
  assert.equal((await client.subscribe('b')).status, 'subscribed');
  assert.equal((await client.subscribe('c')).code, 'too_many_subscriptions');
});

test('a file may have sections, comments, sizes and times', async ({ start, cleanup }) => {
  const file = writeFile(cleanup, [
    '; limits of a small machine',
    '[limits]',
    'max_message = 1K',
    '[drain]',
    'drain_timeout = 90s',
    'log_connections = off',
  ]);
  const server = await start({ args: ['-c', file] });
  assert.equal((await server.post('t', 'x'.repeat(1024), 'text/plain')).status, 201);
  assert.equal((await server.post('t', 'x'.repeat(1025), 'text/plain')).status, 413);
  await server.broker();
  server.signal('SIGTERM');
  await server.logged(/deadline 90 s/);
});

test('a server may listen in more than one place', async ({ start }) => {
  const second = await freePort();
  const server = await start({ args: ['--listen', `127.0.0.1:${second}`] });
  const { pid } = server.workers()[0];
  const first = server.port;
  for (const port of [first, second]) {
    server.port = port;
    const health = await server.health();
    assert.equal(health.workers[0].pid, pid);
  }
  server.port = first;
});

test('what cannot work ends a start with 2, and says what and where', async ({
  prepare,
  cleanup,
}) => {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'file');
  fs.writeFileSync(file, '');
  const cases = [
    [{ data: file }, `--data: ${file} is not a directory`],
    [{ data: `${directory}/no/such` }, `--data: ${directory}/no/such cannot be made`],
    [{ args: ['--run-dir', file] }, `--run-dir: ${file} is not a directory`],
    [{ args: ['--broker-listen', `unix:${file}`] }, `--broker-listen: ${file} is there, and is no`],
    [{ env: { SLUICE_SCHEMA: directory } }, `SLUICE_SCHEMA: ${directory} cannot be read`],
  ];
  for (const [options, message] of cases) {
    const server = prepare(options);
    await assert.rejects(server.start());
    assert.equal(server.exit.code, 2, server.stderr);
    assert.ok(server.stderr.includes(`sluice: ${message}`), server.stderr);
  }
  assert.deepEqual(fs.readdirSync(directory), ['file']);
});

test('--check-config of a server that runs changes and disturbs nothing', async ({ start }) => {
  const server = await start();
  // Not `recursive`: Node 18 takes sockets for directories.
  const list = (directory) =>
    fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const name = path.join(directory, entry.name);
      return entry.isDirectory() ? [name, ...list(name)] : [name];
    });
  const files = () => list(server.data).sort();
  const before = files();
  const { code, stdout, stderr } = await runSluice([...server.arguments, '--check-config']);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
  assert.equal(stdout, 'sluice: the configuration is good\n');
  assert.deepEqual(files(), before);
  assert.equal((await server.health()).status, 'healthy');
});

test('--check-config at --log-level debug shows every value and who has set it', async ({
  cleanup,
}) => {
  const file = writeFile(cleanup, ['workers = 3', 'hosts = a.example, b.example']);
  const { code, stdout } = await runSluice(
    ['-c', file, '--tick=5s', '--check-config', '--log-level=debug'],
    { env: { SLUICE_MAX_HEAD: '8K' } },
  );
  assert.equal(code, 0);
  assert.match(stdout, /^listen = 127\.0\.0\.1:8000 +; default$/m);
  assert.match(stdout, new RegExp(`^workers = 3 +; ${file}:1$`, 'm'));
  assert.match(stdout, new RegExp(`^hosts = a\\.example +; ${file}:2$`, 'm'));
  assert.match(stdout, new RegExp(`^hosts = b\\.example +; ${file}:2$`, 'm'));
  assert.match(stdout, /^tick = 5s +; --tick$/m);
  assert.match(stdout, /^max_head = 8K +; SLUICE_MAX_HEAD$/m);
  assert.match(stdout, /^# schema =$/m);
  assert.match(stdout, /\nsluice: the configuration is good\n$/);
});

test('what is hardly meant is warned about, as the log is written', async ({ prepare }) => {
  const server = prepare({
    ring: '1M',
    args: ['--max-message', '16M', '--log-format', 'json'],
    env: { SLUICE_WROKERS: '3' },
  });
  await server.start();
  const warnings = server.allLines
    .map((line) => JSON.parse(line))
    .filter(({ level }) => level === 'warning')
    .map(({ message }) => message);
  assert.deepEqual(warnings, [
    'SLUICE_WROKERS: no such option, ignored; did you mean SLUICE_WORKERS?',
    '--max-message: a publish is at most a quarter of the ring, 256K: longer ones are answered ' +
      'too_large, although max-message is 16M',
  ]);

  const { code, stderr } = await runSluice([...server.arguments, '--check-config'], {
    env: { SLUICE_WROKERS: '3' },
  });
  assert.equal(code, 0);
  assert.match(stderr, /^sluice: warning: SLUICE_WROKERS: .*\nsluice: warning: --max-message: .*\n$/);
});

test('a place that is taken is named, and the exit status is 1', async ({ start, prepare }) => {
  const server = await start();
  const second = prepare({ port: server.port });
  await assert.rejects(second.start());
  assert.equal(second.exit.code, 1);
  assert.ok(second.stderr.includes(`127.0.0.1:${server.port}`), second.stderr);
});

test('a ring larger than its place is refused at start, with the reason', async ({ prepare }) => {
  const server = prepare({ ring: '16G', args: ['--run-dir', '/proc'] });
  await assert.rejects(server.start());
  assert.notEqual(server.exit.code, 0);
  assert.match(server.stderr, /\/proc/);
});

test('the log can be JSON, one object per line, and as quiet as wanted', async ({ prepare }) => {
  const server = prepare({ args: ['--log-format', 'json'] });
  await server.start();
  for (const line of server.allLines) {
    const entry = JSON.parse(line);
    assert.equal(typeof entry.message, 'string', line);
    assert.match(entry.level, /^(debug|info|warning|error)$/);
  }
});

test('--echo serves /echo, which otherwise is not there', async ({ start }) => {
  const without = await start();
  await assert.rejects(without.socket('/echo'), { status: 404 });
  const server = await start({ args: ['--echo'] });
  const client = await server.socket('/echo', { isRaw: true });
  client.send('as it came');
  assert.equal(await client.next(/./), 'as it came');
  client.ws.send(Buffer.from([0, 255]));
  assert.deepEqual([...(await client.next((data) => Buffer.isBuffer(data)))], [0, 255]);
});
