// Master, workers and store writer: who they are, and what happens when one dies (DESIGN 2, 7).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { childrenOf, fieldOf, isAlive, kill, lookAt } from './lib/processes.mjs';
import { Server, binary, freePort, makeDirectory } from './lib/server.mjs';
import { SCHEMA_SEQ, numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until, within } from './lib/until.mjs';

/** Waits until another process has the place of one that has gone. */
function successor(find, gone, options) {
  return until(
    () => {
      const process = find();
      return process && process.pid !== gone.pid && process;
    },
    { what: `another ${gone.title}`, ...options },
  );
}

async function storedSeqs(server, topic) {
  const seqs = [];
  for (let since = 0, more = true; more; since = seqs.at(-1)) {
    const page = await server.history(topic, `?since=${since}&limit=1000`);
    seqs.push(...page.events.map(({ seq }) => seq));
    more = page.more;
  }
  return seqs;
}

test('each process says in its title what it is', async ({ start }) => {
  const server = await start({ workers: 3 });
  const titles = () =>
    childrenOf(server.pid)
      .map(({ title }) => title)
      .sort();
  assert.deepEqual(titles(), [
    'sluice: store writer',
    'sluice: worker 0',
    'sluice: worker 1',
    'sluice: worker 2',
  ]);
  const title = fs.readFileSync(`/proc/${server.pid}/cmdline`, 'utf8');
  assert.equal(title.replace(/\0+$/, ''), 'sluice: master');
});

test('no process opens anything in the place of standard input and output', async ({ start }) => {
  const server = await start({ prefix: ['sh', '-c', 'exec "$0" "$@" <&- >&-'] });
  for (const { pid } of [server, ...childrenOf(server.pid)]) {
    for (const fd of [0, 1]) {
      assert.equal(fs.readlinkSync(`/proc/${pid}/fd/${fd}`), '/dev/null');
    }
  }
});

test('a worker that dies takes only its own clients with it, and is replaced', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const [lost, kept] = await server.onEachWorker(() => server.broker());
  await lost.subscribe('news');
  await kept.subscribe('news');
  const { seq } = await lost.publish('news', 'before');
  await kept.next({ seq });

  const worker = server.workers()[0];
  kill(worker);
  assert.equal(await lost.closeCode(), 1006);
  const byTitle = () => server.workers().find(({ title }) => title === worker.title);
  const next = await successor(byTitle, worker);
  assert.equal(next.title, 'sluice: worker 0');

  const [fresh] = await server.onEachWorker(() => server.broker());
  await fresh.subscribe('news', { since: seq - 1 });
  assert.equal((await fresh.next()).data, 'before');
  await fresh.publish('news', 'after');
  assert.equal((await fresh.next({ type: 'message' })).data, 'after');
  assert.equal((await kept.next({ type: 'message' })).data, 'after');
  assert.equal((await server.health()).workers[0].pid, next.pid);
});

test('/health and /topics forget the clients of a dead worker', async ({ start }) => {
  const server = await start({ workers: 2 });
  const clients = await server.onEachWorker(() => server.broker());
  const extra = server.clients.size - clients.length;
  await server.post('news', '1');
  for (const client of clients) {
    await client.subscribe('news');
  }
  const counts = async () => {
    const { topics } = (await server.request('GET', '/topics')).json;
    return [(await server.health()).active_connections, topics[0].subscribers];
  };
  await until(async () => (await counts()).join() === `${clients.length + extra},2`);
  const worker = server.workers()[1];
  kill(worker);
  await clients[1].closed;
  await successor(() => server.workers()[1], worker);
  await until(async () => (await counts())[1] === 1, { what: 'one subscriber less' });
  await until(async () => (await counts())[0] < clients.length + extra);
});

test('a worker that keeps dying keeps coming back', async ({ start }) => {
  const server = await start({ workers: 1 });
  for (let i = 0; i < 4; i++) {
    const worker = await until(() => server.workers()[0]);
    kill(worker);
    await successor(() => server.workers()[0], worker);
  }
  const client = await until(() => server.broker());
  assert.equal((await client.publish('news', 1)).status, 'published');
});

test('a writer that dies is replaced, and nothing acknowledged is lost or doubled', async ({
  start,
}) => {
  const server = await start({ workers: 2 });
  const client = await server.broker();
  await client.subscribe('news');
  const seqs = [];
  for (let round = 0; round < 3; round++) {
    const writer = await until(() => server.writer());
    for (const index of numbers(0, 50)) {
      client.send({ action: 'publish', topic: 'news', message: index });
    }
    kill(writer);
    // Published while there is no writer, and committed by the next one.
    const { seq } = await client.publish('news', 'durable', { durable: true });
    seqs.push(seq);
    await successor(() => server.writer(), writer);
  }
  const total = 3 * 51;
  const seen = [];
  while (seen.length < total) {
    seen.push((await client.next({ type: 'message' })).seq);
  }
  assert.deepEqual(seen, numbers(seen[0], total));
  assert.deepEqual(await storedSeqs(server, 'news'), seen);
  assert.equal(seen.at(-1), seqs.at(-1));
});

test('the death of the master takes all with it, and the next start goes on', async ({ start }) => {
  const server = await start({ workers: 2 });
  const client = await server.broker();
  const { epoch } = await client.ping();
  const seqs = [];
  for (const index of numbers(0, 200)) {
    seqs.push((await client.publish('news', index)).seq);
  }
  const family = server.remember();
  assert.equal(family.length, 3);
  await server.kill();
  assert.deepEqual(family.filter(isAlive), []);
  assert.equal(await client.closeCode(), 1006);

  await server.restart();
  assert.deepEqual(await storedSeqs(server, 'news'), seqs);
  const next = await server.broker();
  assert.equal((await next.publish('news', 'on')).seq, seqs.at(-1) + 1);
  assert.equal((await next.ping()).epoch, epoch, 'all was there: no new epoch');
});

test('everything killed at once under publishing loses nothing acknowledged', async ({ start }) => {
  const server = await start({ workers: 2 });
  const acknowledged = [];
  for (let round = 0; round < 3; round++) {
    const writers = await server.onEachWorker(() => server.broker());
    const goal = acknowledged.length + 200;
    const publishing = writers.map(async (writer) => {
      try {
        for (let i = 0; ; i++) {
          acknowledged.push((await writer.publish('news', i)).seq);
        }
      } catch {
        // killed
      }
    });
    await until(() => acknowledged.length > goal);
    for (const process of [...server.remember(), server.master].sort(() => Math.random() - 0.5)) {
      kill(process);
    }
    await server.end();
    await Promise.all(publishing);
    await server.restart();
  }
  const stored = await storedSeqs(server, 'news');
  assert.deepEqual(stored, numbers(SCHEMA_SEQ + 1, stored.length), 'no hole, no double');
  const kept = new Set(stored);
  assert.equal(new Set(acknowledged).size, acknowledged.length, 'no seq given twice');
  assert.deepEqual(
    acknowledged.filter((seq) => !kept.has(seq)),
    [],
  );
});

test('a second server on the same data is refused and told who has it', async ({
  start,
  prepare,
}) => {
  const server = await start();
  const second = prepare({ data: server.data });
  await assert.rejects(second.start());
  assert.equal(second.exit.code, 1);
  assert.match(second.stderr, new RegExp(`\\b${server.pid}\\b`));
  // Before it waited, too.
  assert.match(second.stderr, new RegExp(`in use by .*\\(pid ${server.pid}\\): waiting 5 s`));
  const client = await server.broker();
  assert.equal((await client.publish('news', 1, { durable: true })).status, 'published');
});

test('a damaged store ends the start, and nobody claims to try again', async ({ start, prepare }) => {
  const server = await start();
  const client = await server.broker();
  await client.publish('news', 1, { durable: true });
  await client.close();
  server.signal('SIGTERM');
  assert.equal(await server.end(), 0);
  fs.writeFileSync(path.join(server.data, 'store', 'data.mdb'), Buffer.alloc(20000, 'rubbish'));
  const second = prepare({ data: server.data });
  await assert.rejects(second.start());
  assert.equal(second.exit.code, 1);
  assert.match(second.stderr, /store cannot be opened/);
  assert.match(second.stderr, /the server ends/);
  assert.doesNotMatch(second.stderr, /started again/);
});

test('a worker whose loop stands still is replaced', async ({ start }) => {
  const server = await start({ workers: 2 });
  const [lost, kept] = await server.onEachWorker(() => server.broker());
  const worker = server.workers()[0];
  kill(worker, 'SIGSTOP');
  await kept.subscribe('news');
  await kept.publish('news', 'meanwhile');
  assert.equal((await kept.next({ type: 'message' })).data, 'meanwhile');
  const byTitle = () => server.workers().find(({ title }) => title === worker.title);
  await successor(byTitle, worker);
  await within(lost.closed, 'the stopped worker to be gone');
  assert.ok(!isAlive(worker));
});

test('while a worker stands still, the others serve whoever comes', async ({ start }) => {
  const server = await start({ workers: 3 });
  await server.onEachWorker(() => server.broker());
  const worker = server.workers()[0];
  for (let round = 0; round < 5; round++) {
    assert.equal((await server.control(0, 'GET', '/health/live')).status, 200); // so that its time begins anew
    kill(worker, 'SIGSTOP');
    for (let i = 0; i < 4; i++) {
      const client = await server.broker();
      assert.equal((await client.ping()).status, 'pong');
    }
    assert.ok(isAlive(worker), 'they had to wait until it was replaced');
    kill(worker, 'SIGCONT');
  }
});

test('a writer whose loop stands still is replaced', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  await client.publish('news', 1, { durable: true });
  const writer = server.writer();
  // Outside a commit, whose end comes after its answer: one that a disk holds up is left alone.
  await until(() => lookAt(writer.pid)?.state === 'S', { what: 'the writer asleep' });
  kill(writer, 'SIGSTOP');
  await successor(() => server.writer(), writer);
  assert.equal((await client.publish('news', 2, { durable: true })).status, 'published');
});

test('without clients to serve, the processes still turn', async ({ start }) => {
  const server = await start();
  const before = server.remember().map(({ pid }) => pid);
  const { uptime_seconds: began } = await server.health();
  await until(async () => (await server.health()).uptime_seconds > began + 12);
  assert.deepEqual(
    server.remember().map(({ pid }) => pid),
    before,
  );
});

test(
  '--user: the processes run as that user, also after a death and a restart',
  { skip: os.userInfo().uid !== 0 && 'needs root' },
  async ({ start, cleanup }) => {
    const nobody = Number(/^nobody:[^:]*:(\d+):/m.exec(fs.readFileSync('/etc/passwd', 'utf8'))[1]);
    const directory = makeDirectory();
    cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
    fs.chmodSync(directory, 0o755);
    const data = path.join(directory, 'data');
    fs.mkdirSync(data);
    fs.chownSync(data, nobody, nobody);

    const server = new Server({ data, args: ['--user', 'nobody'] });
    cleanup(() => server.dispose());
    fs.chmodSync(server.runDir, 0o777);
    await server.start();
    const everybodyIsNobody = () => {
      for (const { pid, title } of server.remember()) {
        assert.equal(fieldOf(pid, 'Uid'), nobody, title);
        assert.equal(fieldOf(pid, 'Gid'), nobody === 65534 ? 65534 : fieldOf(pid, 'Gid'), title);
      }
    };
    everybodyIsNobody();
    const client = await server.broker();
    const { seq } = await client.publish('news', 1, { durable: true });
    for (const find of [() => server.workers()[0], () => server.writer()]) {
      const process = find();
      kill(process);
      await successor(find, process);
    }
    everybodyIsNobody();
    await server.kill();
    await server.restart();
    everybodyIsNobody();
    assert.deepEqual(await storedSeqs(server, 'news'), [seq]);
  },
);

test('a child that was there before the server does not keep it from ending', async ({
  cleanup,
}) => {
  // As the first process of a container is given whoever lost its parent.
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const port = await freePort();
  const options = ['--data', `${directory}/data`, '--run-dir', directory, '--ring-size', '4M'];
  const shell = spawn(
    'sh',
    ['-c', 'sleep 1000 & echo $!; exec "$0" "$@"', binary]
      .concat('--listen', `127.0.0.1:${port}`, '--workers', '1', options),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = once(shell, 'exit');
  let sleeper = '';
  let log = '';
  shell.stdout.on('data', (text) => (sleeper += text));
  shell.stderr.on('data', (text) => (log += text));
  try {
    await until(() => / ready: /.test(log), { what: 'the server' });
    shell.kill('SIGTERM');
    assert.deepEqual(await within(ended, 'its end'), [0, null]);
    assert.ok(lookAt(Number(sleeper)));
  } finally {
    shell.kill('SIGKILL');
    process.kill(Number(sleeper), 'SIGKILL');
  }
});
