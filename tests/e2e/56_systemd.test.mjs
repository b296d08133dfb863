// Under a service manager: what it is told, the sockets that it passes, the units that come with us.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { LineClient } from './lib/line.mjs';
import { childrenOf, isAlive, lookAt } from './lib/processes.mjs';
import { freePort, temporary } from './lib/server.mjs';
import { copyUnits, filtering, passing, startManager } from './lib/systemd.mjs';
import { assert, test } from './lib/test.mjs';
import { toolPath } from './lib/tools.mjs';
import { until } from './lib/until.mjs';

const run = promisify(execFile);

// --- the units

/** systemd-analyze, which finds the units of systemd itself beside it, installed or unpacked. */
async function analyze(directory, ...args) {
  const tool = toolPath('systemd-analyze', 'systemd');
  const units = path.resolve(fs.realpathSync(tool), '../../../lib/systemd/system');
  const env = { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:${units}`, LC_ALL: 'C' };
  return run(tool, args, { env }).catch((error) => error);
}

test('systemd finds nothing wrong with the units', async ({ cleanup }) => {
  const directory = temporary(cleanup);
  const units = copyUnits(directory);
  const good = await analyze(directory, 'verify', '--man=no', ...units);
  assert.deepEqual([good.code, good.stdout, good.stderr], [undefined, '', '']);

  fs.appendFileSync(units[0], '\n[Service]\nWatchdogSecs=30\n');
  const bad = await analyze(directory, 'verify', '--man=no', ...units);
  assert.match(bad.stderr, /WatchdogSecs/);
});

test('systemd rates the service below 2.0', async ({ cleanup }) => {
  const directory = temporary(cleanup);
  const [service] = copyUnits(directory);
  const good = await analyze(directory, 'security', '--offline=true', '--threshold=20', service);
  assert.equal(good.code, undefined, good.stdout);
  assert.match(good.stdout, /Overall exposure level for sluice\.service: [01]\.\d/);

  const text = fs.readFileSync(service, 'utf8');
  fs.writeFileSync(service, text.replace(/^(Protect|System|Restrict).*\n/gm, ''));
  const bad = await analyze(directory, 'security', '--offline=true', '--threshold=20', service);
  assert.notEqual(bad.code, undefined);
});

test('the server needs no system call that its unit denies it', async ({ start, cleanup }) => {
  const [service] = copyUnits(temporary(cleanup));
  const server = await start({
    prefix: filtering(service, toolPath('systemd-analyze', 'systemd')),
    tick: '100ms',
    env: { ASAN_OPTIONS: 'detect_leaks=0' }, // which needs ptrace
  });
  const room = await server.room('ann');
  await room.next({ type: 'tick' });
  const broker = await server.broker();
  await broker.subscribe('news', { since: 0 });
  assert.equal((await broker.publish('news', 1, { durable: true })).status, 'published');
  await broker.next({ data: 1 });
  const body = JSON.stringify({ query: 'mutation { createUser(name: "Ann") { id } }' });
  const headers = { 'content-type': 'application/json' };
  const answer = await server.request('POST', '/graphql', { headers, body });
  assert.equal(answer.json.data.createUser.id, 1);
  assert.equal((await server.health()).status, 'healthy');
  const [worker] = server.workers();
  process.kill(worker.pid, 'SIGKILL'); // who comes in its place finds everything, too
  await until(async () => (await server.health()).workers.length === 2 && !isAlive(worker), {
    what: 'another worker',
  });
  server.terminateClients();
  assert.equal(await server.stop(), 0);
  assert.doesNotMatch(server.stderr, /not permitted/i);
});

// --- what the manager is told

test('READY comes when the port accepts, and from the main process', async ({ start, cleanup }) => {
  const manager = await startManager(cleanup);
  const server = await start({ env: manager.env });
  const before = await manager.upTo({ READY: '1' });
  const ready = before.pop();
  assert.equal((await server.request('GET', '/health')).status, 200);
  assert.equal(ready.pid, server.pid);
  assert.equal(ready.STATUS, '0 clients, 2 workers');
  assert.match(before[0].STATUS, /recovering|starting/);
  assert.equal(before[0].EXTEND_TIMEOUT_USEC, '30000000');
  assert.ok(before.every((message) => !('STOPPING' in message)));
});

test('STATUS says how many clients there are, and how a drain goes on', async ({
  start,
  cleanup,
}) => {
  const manager = await startManager(cleanup);
  const server = await start({ env: manager.env, args: ['--drain-timeout', '1000s'] });
  await manager.upTo({ READY: '1' });
  const room = await server.room('ann');
  await manager.next({ STATUS: '1 client, 2 workers' });
  const stream = await server.events('/topics/news');
  await manager.next({ STATUS: '2 clients, 2 workers' });

  server.signal('SIGTERM');
  const stopping = await manager.next({ STOPPING: '1' });
  assert.match(stopping.STATUS, /^draining: 2 clients left, (1000|99\d) s until the deadline$/);
  assert.equal(stopping.EXTEND_TIMEOUT_USEC, '30000000');
  stream.terminate();
  await manager.next({ STATUS: /^draining: 1 client left, 9\d\d s until the deadline$/ });
  // For as long as it lasts more time is asked for, well before that is over.
  await manager.next({ EXTEND_TIMEOUT_USEC: '30000000' });
  room.terminate();
  assert.equal(await server.end(), 0);
  await manager.next({ STATUS: /stopping|committing/ });
  assert.deepEqual(manager.queue.filter((message) => message.STOPPING || message.READY), []);
});

test('the watchdog is told for as long as the server lives, a drain included', async ({
  start,
  cleanup,
}) => {
  const manager = await startManager(cleanup);
  const server = await start({ env: { ...manager.env, WATCHDOG_USEC: '400000' } });
  const client = await server.broker();
  for (let i = 0; i < 5; i++) {
    await manager.next({ WATCHDOG: '1', pid: server.pid });
  }
  server.signal('SIGTERM');
  await manager.upTo({ STOPPING: '1' });
  await manager.next({ WATCHDOG: '1' });
  process.kill(server.pid, 'SIGSTOP'); // a master that does not turn says nothing
  await until(() => lookAt(server.pid).state === 'T', { what: 'its stop' });
  // Another one shows that there is time enough, and by its first word what was on its way before.
  const proof = await start({ env: { ...manager.env, WATCHDOG_USEC: '400000' } });
  await manager.upTo({ READY: '1', pid: proof.pid });
  for (let i = 0; i < 5; i++) {
    await manager.next({ WATCHDOG: '1', pid: proof.pid });
  }
  assert.deepEqual(manager.queue.filter(({ pid }) => pid === server.pid), []);
  process.kill(server.pid, 'SIGCONT');
  await client.close();
});

test('a watchdog of another process is not ours', async ({ start, cleanup }) => {
  const manager = await startManager(cleanup);
  const env = { ...manager.env, WATCHDOG_USEC: '100000', WATCHDOG_PID: '1' };
  const server = await start({ env });
  await server.room('ann');
  const messages = await manager.upTo({ STATUS: '1 client, 2 workers' });
  assert.deepEqual(messages.filter((message) => message.WATCHDOG), []);
});

test('a notify socket in the abstract namespace will do', async ({ start, cleanup }) => {
  const manager = await startManager(cleanup, `@sluice-e2e-${process.pid}`);
  await start({ env: manager.env });
  await manager.next({ READY: '1' });
});

test('a manager that cannot be reached is said once and stops nothing', async ({ start }) => {
  const server = await start({ env: { NOTIFY_SOCKET: '/nowhere/notify' } });
  const client = await server.broker();
  assert.equal((await client.publish('news', 1)).status, 'published');
  await client.close();
  assert.equal(await server.stop(), 0);
  assert.equal(server.stderr.match(/service manager/g).length, 1);
});

test('reload and upgrade are answered: not in this version, and nothing changes', async ({
  start,
}) => {
  const server = await start();
  const client = await server.broker();
  server.signal('SIGHUP');
  await server.logged(/reload \(SIGHUP\) is not available in this version; nothing has changed/);
  server.signal('SIGUSR2');
  await server.logged(/upgrade \(SIGUSR2\) is not available in this version; nothing has changed/);
  assert.equal((await client.publish('news', 1)).status, 'published');
});

test('stopped as the unit does it, nobody is left to be killed', async ({ start }) => {
  // KillMode=mixed: SIGTERM to the main process alone; when that has ended SIGKILL to all that are left.
  const server = await start({ workers: 3 });
  const client = await server.room('ann');
  const children = server.remember();
  server.signal('SIGTERM');
  await client.next({ type: 'shutdown' });
  assert.deepEqual(children.filter((child) => !isAlive(child)), []);
  client.terminate();
  assert.equal((await server.exited).code, 0);
  assert.deepEqual(children.filter(isAlive), []);
});

// --- sockets that were opened for us

test('passed sockets are served by their names, in place of the default', async ({
  start,
  cleanup,
}) => {
  const [port, brokerPort] = [await freePort(), await freePort()];
  const server = await start({
    port,
    listen: false,
    prefix: passing(`sluice.socket=tcp:${port}`, `broker=tcp:${brokerPort}`),
  });
  assert.match(
    server.readyLine,
    new RegExp(`ready: http://127.0.0.1:${port}, tcp://127.0.0.1:${brokerPort}, 2 workers`),
  );
  const line = new LineClient(brokerPort);
  cleanup(() => line.terminate());
  line.send({ action: 'subscribe', topic: 'news' });
  await line.next({ status: 'subscribed' });
  assert.equal((await server.post('news', '"through both"')).status, 201);
  await line.next({ data: 'through both' });
  line.terminate();
});

test('passed sockets stand beside those that somebody asked for', async ({ start }) => {
  const port = await freePort();
  const server = await start({ prefix: passing(`http=tcp:${port}`) });
  assert.equal((await server.request('GET', '/health')).status, 200);
  const other = await fetch(`http://127.0.0.1:${port}/health`);
  assert.equal(other.status, 200);
  await other.text();
});

test('a unix socket that was passed stays when the server ends, one of its own does not', async ({
  start,
  cleanup,
}) => {
  const directory = temporary(cleanup);
  const [passed, own] = ['passed', 'own'].map((name) => path.join(directory, name));
  const server = await start({
    prefix: passing(`http=unix:${passed}`),
    args: ['--listen', `unix:${own}`],
  });
  for (const name of [passed, own]) {
    const connection = net.connect(name);
    connection.write('GET /health/live HTTP/1.0\r\n\r\n');
    const [head] = await new Promise((resolve) => connection.once('data', (data) => resolve([data])));
    assert.match(head.toString(), /^HTTP\/1\.[01] 200/);
    connection.destroy();
  }
  assert.equal(await server.stop(), 0);
  assert.equal(fs.existsSync(passed), true);
  assert.equal(fs.existsSync(own), false);
});

for (const [kind, address, reason] of [
  ['udp', '0', 'is not a stream socket'],
  ['silent', '0', 'does not listen'],
  ['file', '/dev/null', 'is not a socket'],
]) {
  test(`a passed descriptor that ${reason} ends the start with 1`, async ({ prepare }) => {
    const server = prepare({ prefix: passing(`odd=${kind}:${address}`) });
    await assert.rejects(server.start());
    assert.equal(server.exit.code, 1);
    assert.match(server.stderr, new RegExp(`descriptor 3 \\("odd"\\) ${reason}`));
  });
}

test('sockets that are kept refuse nobody while the server is started anew', async ({ start }) => {
  const port = await freePort();
  const server = await start({
    port,
    listen: false,
    prefix: ['python3', passing()[1], '--keep', `http=tcp:${port}`, '--'],
  });
  const answers = { refused: 0, statuses: new Map() };
  let isDone = false;
  const asking = Array.from({ length: 4 }, async () => {
    while (!isDone) {
      await server.request('GET', '/health/live').then(
        ({ status }) => answers.statuses.set(status, (answers.statuses.get(status) ?? 0) + 1),
        // Who was accepted by a server about to end may find its connection closed, and comes again.
        (error) => (answers.refused += error.code === 'ECONNREFUSED'),
      );
    }
  });
  for (let i = 0; i < 3; i++) {
    const [master] = server.remember();
    childrenOf(master.pid).forEach((child) => server.family.set(child.pid, child));
    process.kill(master.pid, 'SIGTERM');
    await server.logged(/ ready: /);
    assert.equal((await server.request('GET', '/health')).status, 200);
  }
  isDone = true;
  await Promise.all(asking);
  assert.equal(answers.refused, 0);
  assert.ok(answers.statuses.get(200) > 0);
});

test('systemd-socket-activate starts it by its first client', async ({ prepare }) => {
  const port = await freePort();
  const tool = toolPath('systemd-socket-activate', 'systemd');
  const server = prepare({
    port,
    listen: false,
    prefix: [tool, '-l', `127.0.0.1:${port}`, '--fdname=http'],
  });
  const started = server.launch();
  await until(async () => (await server.request('GET', '/health')).status === 200, {
    what: 'an answer to the first client',
  });
  await started;
  assert.equal(await server.stop(), 0);
});
