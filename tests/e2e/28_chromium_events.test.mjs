// Chromium's EventSource: what it makes of retry, ids, restarts and drains (PROTOCOLS section 4).
import fs from 'node:fs';
import path from 'node:path';
import { openPage } from './lib/chromium.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { until } from './lib/until.mjs';

const CONNECTING = 0;
const CLOSED = 2;

/** Opens an EventSource in the page, which takes down whatever comes. */
function listen(page, target) {
  return page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const source = new EventSource(url);
        const log = { source, data: [], ids: [], gaps: [], shutdowns: [], errors: [], opens: 0 };
        source.onmessage = (event) => {
          log.data.push(JSON.parse(event.data).data);
          log.ids.push(event.lastEventId);
        };
        source.addEventListener('gap', (event) => log.gaps.push(JSON.parse(event.data)));
        source.addEventListener('shutdown', (event) => log.shutdowns.push(JSON.parse(event.data)));
        source.onerror = () => {
          log.errors.push(source.readyState);
          resolve();
        };
        source.onopen = () => {
          log.opens++;
          resolve();
        };
        window.log = log;
      }),
    target,
  );
}

async function logOf(page) {
  return page.evaluate(() => ({ ...window.log, source: undefined }));
}

/** Waits until the page's notes are as wanted. */
function noted(page, isThere, what) {
  return until(
    async () => {
      const log = await logOf(page);
      return isThere(log) && log;
    },
    { what: `in the page: ${what}` },
  );
}

async function openOwnPage(server, cleanup) {
  const page = await openPage(cleanup);
  await page.goto(`http://127.0.0.1:${server.port}/`);
  return page;
}

test('EventSource shows what is published, with its ids', async ({ start, cleanup }) => {
  const server = await start();
  const page = await openOwnPage(server, cleanup);
  await server.post('news', '"before"');
  await listen(page, '/topics/news');
  const { seq, epoch } = (await server.post('news', '{"a":"line\\nline"}')).json;
  const log = await noted(page, ({ data }) => data.length === 1, 'one event');
  assert.deepEqual(log.data, [{ a: 'line\nline' }]);
  assert.deepEqual(log.ids, [`${epoch}-${seq}`]);
  assert.deepEqual([log.gaps, log.errors, log.opens], [[], [], 1]);
});

for (const how of ['a sudden death', 'a drain cut short']) {
  test(`over ${how} and a restart it misses nothing and gets nothing twice`, async ({
    start,
    cleanup,
  }) => {
    const server = await start();
    const page = await openOwnPage(server, cleanup);
    await server.post('news', '0');
    await listen(page, '/topics/news?since=0'); // what is said here is only good the first time
    let next = 1;
    for (let round = 1; round <= 2; round++) {
      const publisher = await server.broker();
      await publisher.publish('news', next++);
      await noted(page, ({ data }) => data.length === next, `${next} events`);
      if (how === 'a sudden death') {
        await server.kill();
      } else {
        const warned = (await logOf(page)).shutdowns.length;
        server.signal('SIGTERM');
        // Two signals of a kind that come before either is taken are one.
        await noted(page, ({ shutdowns }) => shutdowns.length > warned, 'the warning');
        await publisher.publish('news', next++);
        server.signal('SIGTERM');
        assert.equal(await server.end(), 0);
      }
      await server.restart();
      for (const index of numbers(next, 5)) {
        await server.post('noise', '0');
        await server.post('news', String(index));
      }
      next += 5;
      await noted(page, ({ data }) => data.length >= next, `${next} events`);
    }
    await server.post('news', '"end"');
    const log = await noted(page, ({ data }) => data.at(-1) === 'end', 'the last event');
    assert.deepEqual(log.data, [...numbers(0, next), 'end']);
    assert.deepEqual(log.gaps, []);
    assert.ok(!log.errors.includes(CLOSED));
    assert.ok(log.opens >= 3); // the last moments of a drain open a stream, too, and end it
  });
}

test('after a power cut it is told of the gap and gets what there is', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const page = await openOwnPage(server, cleanup);
  await server.post('news', '1', 'application/json', '?durable=true');
  await listen(page, '/topics/news?since=0');
  await noted(page, ({ data }) => data.length === 1, 'one event');
  // What a machine without memory comes back with: a store in which nothing of that is.
  await server.kill();
  for (const directory of [server.runDir, server.data]) {
    for (const name of fs.readdirSync(directory)) {
      fs.rmSync(path.join(directory, name), { recursive: true });
    }
  }
  await server.restart();
  const { seq } = (await server.post('news', '2')).json;
  const log = await noted(page, ({ data }) => data.length === 2, 'the new event');
  assert.deepEqual(log.gaps, [{ type: 'gap', topic: 'news', oldest: seq }]);
  assert.deepEqual(log.data, [1, 2]);
});

test('who comes during a drain waits for the next server', async ({ start, cleanup }) => {
  // One worker: another might not have heard of the drain yet, and take the stream for an earlier one.
  const server = await start({ workers: 1 });
  const page = await openOwnPage(server, cleanup);
  const holder = await server.broker(); // the drain lasts until it leaves
  server.signal('SIGTERM');
  await holder.next({ type: 'shutdown' });
  await listen(page, '/topics/news?since=0');
  // The stream is opened, and ends: not for good.
  const early = await noted(page, ({ errors }) => errors.length >= 2, 'two attempts');
  assert.ok(early.opens >= 1);
  assert.deepEqual(new Set(early.errors), new Set([CONNECTING]));
  assert.deepEqual(early.data, []);

  await holder.publish('news', 'in the drain');
  await holder.close();
  assert.equal(await server.end(), 0);
  await server.restart();
  await server.post('news', '"after"');
  const log = await noted(page, ({ data }) => data.length >= 2, 'what was published meanwhile');
  assert.deepEqual(log.data, ['in the drain', 'after']);
  assert.deepEqual(log.gaps, []);
  assert.ok(!log.errors.includes(CLOSED));
});
