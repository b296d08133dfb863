// /metrics: what Prometheus gets, and what is made of it (tools/prometheus, tools/grafana).
import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeflateClient } from './lib/deflate.mjs';
import { OPCODE } from './lib/frames.mjs';
import { CREATE_MESSAGE, MESSAGE_ADDED, dataOf, graphqlEvents, graphqlSocket } from './lib/graphql.mjs';
import { TYPE, RawHttp2, ask2, connect2, events2, frame2, room2 } from './lib/http2.mjs';
import { startRaw } from './lib/line.mjs';
import { metric, parseMetrics, readMetrics, sumOf } from './lib/metrics.mjs';
import { kill } from './lib/processes.mjs';
import { binary, freePort } from './lib/server.mjs';
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';
import { toolPath } from './lib/tools.mjs';
import { until } from './lib/until.mjs';

const tools = fileURLToPath(new URL('../../tools/', import.meta.url));
const PROTOCOLS = [
  ...['room', 'broker', 'broker-tcp', 'event-stream', 'graphql-ws', 'graphql-sse', 'echo'],
  ...['http', 'graphql-http', 'server'],
];

/** Runs promtool with that input and returns what it says; it has to find nothing wrong. */
async function promtool(args, { input = '', cwd } = {}) {
  const program = toolPath('promtool', 'prometheus');
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { cwd }, (error, stdout, stderr) => {
      // What it only advises comes with status 0 or 3, on standard error.
      if (error || (args[1] === 'metrics' && stderr !== '')) {
        reject(new Error(`promtool ${args.join(' ')}: ${error?.message}\n${stdout}${stderr}`));
      } else {
        resolve(stdout);
      }
    });
    child.stdin.end(input);
  });
}

/** Samples by name and labels. */
function valuesOf(families) {
  const values = new Map();
  for (const { samples } of families.values()) {
    for (const { name, labels, value } of samples) {
      const key = `${name}${JSON.stringify(labels)}`;
      assert.ok(!values.has(key), `${key} comes twice`);
      values.set(key, value);
    }
  }
  return values;
}

/** What is true of every scrape. */
function assertConsistent(families) {
  valuesOf(families);
  for (const [name, { help, type, samples }] of families) {
    assert.ok(help && type && samples.length > 0, name);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    const isOfWorkers = name.startsWith('sluice_worker_');
    const whole = isOfWorkers && families.get(name.replace('sluice_worker_', 'sluice_'));
    assert.ok(!isOfWorkers || (whole.help === help && whole.type === type), name);
    for (const sample of whole ? whole.samples : []) {
      const part = sample.name.replace('sluice_', 'sluice_worker_');
      const sum = samples
        .filter(({ name: other, labels: { worker, ...labels } }) => {
          const isSame = JSON.stringify(labels) === JSON.stringify(sample.labels);
          return other === part && isSame;
        })
        .reduce((total, { value }) => total + value, 0);
      const isClose = Math.abs(sum - sample.value) < 1e-6; // seconds are floating point here
      assert.ok(isClose, `${part} are ${sum}, ${sample.name} is ${sample.value}`);
    }
  }
}

function assertHistogram(families, name, labels = {}) {
  const isOwn = (sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
  const samples = families.get(name).samples.filter(isOwn);
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels: { le } }) => (le === '+Inf' ? Infinity : Number(le)));
  assert.ok(bounds.length > 5 && bounds.at(-1) === Infinity);
  for (let i = 1; i < buckets.length; i++) {
    assert.ok(bounds[i] > bounds[i - 1], `${name}: ${bounds[i]} after ${bounds[i - 1]}`);
    assert.ok(buckets[i].value >= buckets[i - 1].value, `${name} is cumulative`);
  }
  const count = sumOf(families, `${name}_count`, labels);
  assert.equal(buckets.at(-1).value, count);
  const sum = sumOf(families, `${name}_sum`, labels);
  assert.equal(sum > 0, count > 0, `${name}: ${count} come to ${sum}`);
}

/** How much more it is than before. */
function moved(before, after, name, labels) {
  return sumOf(after, name, labels) - sumOf(before, name, labels);
}

/** A server that speaks everything, and a client of it for each protocol that has clients. */
async function startBusy(start, options = {}) {
  const args = ['--echo', ...(options.args ?? [])];
  const { server, connect } = await startRaw(start, { ...options, args });
  const clients = {
    room: await server.room('ann'),
    broker: await server.broker(),
    'broker-tcp': connect(),
    'event-stream': await server.events('/topics/news'),
    'graphql-ws': await graphqlSocket(server),
    'graphql-sse': await graphqlEvents(server, MESSAGE_ADDED),
    echo: await server.socket('/echo', { isRaw: true }),
  };
  await clients.broker.subscribe('news');
  clients['broker-tcp'].send({ action: 'subscribe', topic: 'news' });
  await clients['broker-tcp'].next({ status: 'subscribed' });
  await clients['event-stream'].upTo(({ id }) => id);
  await clients['graphql-ws'].subscribe(MESSAGE_ADDED, { id: 'feed' });
  await clients['graphql-sse'].upTo(({ id }) => id);
  return { server, clients };
}

/** Each client, and HTTP, does what its protocol has; returns when all of it has arrived. */
async function beBusy({ server, clients }) {
  await clients.room.say('hello');
  await clients.broker.publish('news', 'from the broker', { durable: true });
  clients['broker-tcp'].send({ action: 'publish', topic: 'news', message: 'from TCP' });
  await clients['broker-tcp'].next({ status: 'published' });
  assert.equal((await server.post('news', '"from HTTP"')).status, 201);
  assert.equal((await server.post('news', '"durable"', undefined, '?durable=true')).status, 201);
  await dataOf(server, CREATE_MESSAGE, { content: 'over HTTP' });
  await clients['graphql-ws'].dataOf(CREATE_MESSAGE, { variables: { content: 'over WebSocket' } });
  clients.echo.send('back');
  await clients.echo.next(/back/);
  for (const name of ['broker', 'broker-tcp']) {
    await clients[name].next({ type: 'message', data: 'durable' });
  }
  await clients['event-stream'].next({ message: { data: 'durable' } });
  for (let i = 0; i < 2; i++) {
    await clients['graphql-ws'].result('feed');
    await clients['graphql-sse'].next({ event: 'next' });
  }
}

test('promtool finds nothing wrong with a busy server’s metrics', async ({ start }) => {
  const busy = await startBusy(start, { tick: '100ms' });
  await beBusy(busy);
  const answer = await busy.server.request('GET', '/metrics');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'no-store');
  await promtool(['check', 'metrics'], { input: answer.text });
  assertConsistent(parseMetrics(answer.text));
});

test('each protocol’s clients, messages, publishes and deliveries are its own', async ({ start }) => {
  const busy = await startBusy(start);
  const { server, clients } = busy;
  const before = await readMetrics(server);
  for (const protocol of Object.keys(clients)) {
    assert.equal(sumOf(before, 'sluice_clients', { protocol }), 1, protocol);
    assert.equal(sumOf(before, 'sluice_clients_opened_total', { protocol }), 1, protocol);
  }
  assert.equal(sumOf(before, 'sluice_subscriptions'), 6);
  await beBusy(busy);
  const after = await readMetrics(server);

  const received = { room: 1, broker: 1, 'broker-tcp': 1, 'graphql-ws': 1, echo: 1, http: 2 };
  const delivered = {
    ...{ room: 1, broker: 4, 'broker-tcp': 4, 'event-stream': 4 },
    ...{ 'graphql-ws': 2, 'graphql-sse': 2, echo: 0 },
  };
  for (const [protocol, count] of Object.entries({ ...received, 'graphql-http': 1 })) {
    assert.equal(moved(before, after, 'sluice_messages_received_total', { protocol }), count, protocol);
  }
  for (const [protocol, count] of Object.entries(delivered)) {
    assert.equal(moved(before, after, 'sluice_messages_delivered_total', { protocol }), count, protocol);
  }
  const published = {
    ...{ 'room buffered': 1, 'broker durable': 1, 'broker-tcp buffered': 1, 'http buffered': 1 },
    ...{ 'http durable': 1, 'graphql-http durable': 1, 'graphql-ws durable': 1 },
  };
  for (const protocol of PROTOCOLS) {
    for (const durability of ['buffered', 'durable']) {
      assert.equal(
        moved(before, after, 'sluice_published_total', { protocol, durability }),
        published[`${protocol} ${durability}`] ?? 0,
        `${protocol} ${durability}`,
      );
    }
  }
  // One for each event that somebody is live for: all of them here, on both workers or on one.
  const observed = moved(before, after, 'sluice_delivery_seconds_count');
  assert.ok(observed >= 7 && observed <= 14, `${observed} delays`);
  assert.ok(moved(before, after, 'sluice_received_bytes_total') > 500);
  assert.ok(moved(before, after, 'sluice_sent_bytes_total') > 1000);
  assert.ok(moved(before, after, 'sluice_http_requests_total') >= 4);

  await Promise.all(['room', 'broker', 'graphql-ws', 'echo'].map((name) => clients[name].close()));
  ['broker-tcp', 'event-stream', 'graphql-sse'].forEach((name) => clients[name].terminate());
  await until(async () => (await metric(server, 'sluice_clients')) === 0, { what: 'no client' });
  const end = await readMetrics(server);
  assert.equal(sumOf(end, 'sluice_subscriptions'), 0);
  assert.equal(moved(before, end, 'sluice_clients_closed_total'), 7);
  assert.ok(moved(before, end, 'sluice_clients_closed_total', { reason: 'client' }) >= 4);
});

test('ticks and the schema are the server’s own', async ({ start }) => {
  const server = await start({ tick: '100ms' });
  const labels = { protocol: 'server', durability: 'durable' };
  assert.equal(await metric(server, 'sluice_published_total', labels), 1);
  const room = await server.room();
  await room.next({ type: 'tick' });
  const ticks = { protocol: 'server', durability: 'buffered' };
  // Another worker may deliver it before the one that has published it counts it.
  await until(async () => (await metric(server, 'sluice_published_total', ticks)) >= 1, {
    what: 'the tick to be counted',
  });
  assert.equal(await metric(server, 'sluice_published_total', { protocol: 'room' }), 0);
});

test('commits, log, store and turns are told as they are', async ({ start }) => {
  const args = ['--retention-bytes', '50M', '--retention-age', '90s', '--retention-events', '100000'];
  const server = await start({ args });
  const client = await server.broker();
  const before = await readMetrics(server);
  for (const index of numbers(0, 20)) {
    await client.publish('news', { index }, { durable: true });
  }
  const metrics = await until(
    async () => {
      const now = await readMetrics(server);
      // What the writer tells of the log follows its commit.
      return sumOf(now, 'sluice_log_operations') === sumOf(now, 'sluice_log_last_seq') && now;
    },
    { what: 'the log to be told' },
  );
  const { log } = await server.health();
  assert.equal(sumOf(metrics, 'sluice_log_last_seq'), log.last_seq);
  assert.equal(sumOf(metrics, 'sluice_log_first_seq'), log.first_seq);
  assert.equal(sumOf(metrics, 'sluice_log_committed_seq'), log.last_seq);
  // Each commit of operations once, and each operation in one.
  assert.equal(moved(before, metrics, 'sluice_commit_operations_sum'), 20);
  const commits = moved(before, metrics, 'sluice_commit_operations_count');
  assert.ok(commits > 0 && commits <= 20, `${commits} commits`);
  assert.equal(moved(before, metrics, 'sluice_commit_seconds_count'), commits);
  assert.equal(sumOf(metrics, 'sluice_commits_failed_total'), 0);
  assert.ok(sumOf(metrics, 'sluice_log_bytes') > 1000);
  assert.equal(sumOf(metrics, 'sluice_retention_bytes'), 50 * 1024 * 1024);
  assert.equal(sumOf(metrics, 'sluice_retention_seconds'), 90);
  assert.equal(sumOf(metrics, 'sluice_retention_operations'), 100_000);
  const used = sumOf(metrics, 'sluice_store_used_bytes');
  assert.ok(used > 4096 && used < sumOf(metrics, 'sluice_store_map_bytes'));
  assert.ok(sumOf(metrics, 'sluice_disk_free_bytes') > 0);
  assert.equal(sumOf(metrics, 'sluice_ring_bytes'), 4 * 1024 * 1024);
  assert.equal(sumOf(metrics, 'sluice_ring_uncommitted_bytes'), 0);
  assert.equal(sumOf(metrics, 'sluice_workers'), 2);
  const version = metrics.get('sluice_build_info').samples[0].labels.version;
  assert.equal(version, (await server.health()).version);
  assert.ok(moved(before, metrics, 'sluice_uptime_seconds') > 0);
  for (const name of ['commit_seconds', 'commit_operations', 'loop_turn_seconds', 'write_ranges']) {
    assertHistogram(metrics, `sluice_${name}`);
    assert.ok(sumOf(metrics, `sluice_${name}_count`) > 0, name);
  }
  for (const worker of ['0', '1']) {
    assertHistogram(metrics, 'sluice_worker_loop_turn_seconds', { worker });
  }
  assertHistogram(metrics, 'sluice_delivery_seconds'); // nobody is subscribed: all zero
});

test('processor time and memory are told for each process', async ({ start }) => {
  const server = await start();
  const processes = ['master', 'store writer', 'worker 0', 'worker 1'];
  const metrics = await until(
    async () => {
      const now = await readMetrics(server);
      const memory = (process) => sumOf(now, 'sluice_process_resident_memory_bytes', { process });
      return processes.every((process) => memory(process) > 1024 * 1024) && now;
    },
    { what: 'the memory of all processes' },
  );
  for (const name of ['cpu_seconds_total', 'resident_memory_bytes', 'starts_total']) {
    const { samples } = metrics.get(`sluice_process_${name}`);
    assert.deepEqual(samples.map(({ labels }) => labels.process), processes);
  }
  for (const process of processes) {
    assert.equal(sumOf(metrics, 'sluice_process_starts_total', { process }), 1, process);
  }
  await until(async () => (await metric(server, 'sluice_process_cpu_seconds_total')) > 0);
});

test('a reader that lags is told while it does, and what it is fed with', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--max-queue', '16K'], ring: '1M' });
  const [slow, publisher] = [await server.broker(), await server.broker()];
  await slow.subscribe('news');
  slow.socket.pause();
  let count = 0;
  const lagging = () => metric(server, 'sluice_lagging_subscriptions');
  while ((await lagging()) === 0) {
    for (let i = 0; i < 50; i++) {
      await publisher.publish('news', { index: count++, filler: 'x'.repeat(20_000) });
    }
  }
  // So much more that the ring no longer has it.
  for (let i = 0; i < 100; i++) {
    await publisher.publish('news', { index: count++, filler: 'x'.repeat(20_000) });
  }
  const during = await readMetrics(server);
  assert.equal(sumOf(during, 'sluice_became_lagging_total'), 1);
  assert.equal(sumOf(during, 'sluice_subscriptions'), 1);
  assert.ok(sumOf(during, 'sluice_queued_bytes') > 0);

  slow.socket.resume();
  for (const index of numbers(0, count)) {
    assert.equal((await slow.next({ type: 'message' })).data.index, index);
  }
  await until(async () => (await lagging()) === 0, { what: 'it to have caught up' });
  const after = await readMetrics(server);
  const replayed = sumOf(after, 'sluice_replayed_total');
  assert.ok(replayed >= 100 && replayed < count, `${replayed} of ${count} replayed`);
  assert.ok(sumOf(after, 'sluice_replay_reads_total') > 0);
  assert.equal(sumOf(after, 'sluice_messages_delivered_total', { protocol: 'broker' }), count);
  assert.equal(sumOf(after, 'sluice_queued_bytes'), 0);
});

test('what is refused is counted', async ({ start }) => {
  const args = ['--max-connections', '3', '--max-rate', '5', '--retention-bytes', '64K'];
  const server = await start({ workers: 1, ring: '64K', args });
  const client = await server.broker();
  const before = await readMetrics(server);

  const large = await client.publish('news', 'x'.repeat(20_000)); // over a quarter of the ring
  assert.equal(large.code, 'too_large');
  await Promise.all(numbers(0, 10).map(() => client.ping())); // one after the other may not be too many
  const binary = await server.room('bob');
  binary.send(Buffer.from('not text'));
  assert.equal(await binary.closeCode(), 1003);
  const others = [await server.broker(), await server.broker()];
  const late = await server.socket('/broker');
  assert.equal(await late.closeCode(), 1013);
  await Promise.all(others.map((other) => other.close()));

  const after = await until(() => readMetrics(server), { what: 'room for a request' });
  assert.equal(moved(before, after, 'sluice_publish_refused_total'), 1);
  assert.ok(moved(before, after, 'sluice_rate_limited_total') > 0);
  assert.equal(moved(before, after, 'sluice_protocol_errors_total'), 1);
  assert.equal(sumOf(after, 'sluice_clients_closed_total', { reason: 'protocol_error' }), 1);
  assert.ok(moved(before, after, 'sluice_connections_refused_total') > 0);
  assert.ok(moved(before, after, 'sluice_connections_accepted_total') >= 4);
});

test('HTTP/2: connections, streams and how they end are counted', async ({ start }) => {
  const server = await start({ workers: 1 });
  const counted = async () => {
    const now = await readMetrics(server);
    return Object.fromEntries(
      ['connections', 'connections_opened_total', 'streams', 'streams_opened_total',
        'streams_refused_total', 'streams_reset_total', 'floods_total'].map((name) => [
        name.replace('_total', ''), sumOf(now, `sluice_http2_${name}`),
      ]),
    );
  };
  const begin = { connections: 0, connections_opened: 0, streams: 0, streams_opened: 0, streams_refused: 0, streams_reset: 0, floods: 0 };
  assert.deepEqual(await counted(), begin);

  const session = await connect2(server);
  const room = await room2(server, session);
  const events = events2(session, '/topics/news');
  await events.next(/id: /);
  assert.equal((await ask2(session, 'GET', '/health/live')).status, 200);
  const open = { ...begin, connections: 1, connections_opened: 1, streams: 2, streams_opened: 3 };
  assert.deepEqual(await counted(), open);
  assert.equal(await metric(server, 'sluice_worker_http2_streams', { worker: '0' }), 2);
  events.stream.close(8); // CANCEL
  await room.close();
  const shut = { ...open, streams: 0, streams_reset: 1 };
  await until(async () => (await metric(server, 'sluice_http2_streams')) === 0);
  assert.deepEqual(await counted(), shut);

  const flooding = new RawHttp2(server);
  for (let i = 0; i < 3000; i++) {
    flooding.write(frame2(TYPE.PING, 0, 0, Buffer.alloc(8)));
  }
  await flooding.ended;
  await until(async () => (await metric(server, 'sluice_http2_connections')) === 1);
  assert.deepEqual(await counted(), { ...shut, connections_opened: 2, floods: 1 });
  session.close();
  await until(async () => (await metric(server, 'sluice_http2_connections')) === 0);
});

test('permessage-deflate: who agreed to it, and what it makes of messages', async ({ start }) => {
  const server = await start({ workers: 1 });
  const plain = await server.broker();
  const clients = [];
  for (let i = 0; i < 3; i++) {
    const client = await DeflateClient.open(server, { path: '/broker' });
    client.send(OPCODE.TEXT, JSON.stringify({ action: 'subscribe', topic: 'news' }));
    assert.match((await client.next()).data.toString(), /"subscribed"/);
    clients.push(client);
  }
  const before = await readMetrics(server);
  assert.equal(sumOf(before, 'sluice_deflate_clients'), 3);
  assert.equal(sumOf(before, 'sluice_deflate_clients_opened_total'), 3);
  assert.equal(sumOf(before, 'sluice_deflate_inflated_total'), 3);
  assert.equal(sumOf(before, 'sluice_deflate_compressed_total'), 0);

  await plain.publish('news', 'x'.repeat(10)); // too short
  await plain.publish('news', 'x'.repeat(10_000)); // compressed once, for three
  for (const client of clients) {
    assert.equal((await client.next()).isCompressed, false);
    assert.equal((await client.next()).isCompressed, true);
  }
  clients[0].send(OPCODE.TEXT, JSON.stringify({ action: 'publish', topic: 'other', message: 'y'.repeat(5000) }));
  assert.match((await clients[0].next()).data.toString(), /"published"/);
  const after = await readMetrics(server);
  const grown = (name) => moved(before, after, `sluice_deflate_${name}_total`);
  assert.equal(grown('compressed'), 1);
  assert.ok(grown('compressed_input_bytes') > 10_000 && grown('compressed_input_bytes') < 10_300);
  assert.ok(grown('compressed_output_bytes') > 20 && grown('compressed_output_bytes') < 500);
  assert.equal(grown('inflated'), 1);
  assert.ok(grown('inflated_input_bytes') > 20 && grown('inflated_input_bytes') < 500);
  assert.ok(grown('inflated_output_bytes') > 5000 && grown('inflated_output_bytes') < 5100);
  clients.forEach(({ frames }) => frames.terminate());
  await until(async () => (await metric(server, 'sluice_deflate_clients')) === 0);
});

test('gaps, and what retention trims, are counted', async ({ start }) => {
  const server = await start({ workers: 1, args: ['--retention-bytes', '64K'] });
  const client = await server.broker();
  for (const index of numbers(0, 40)) {
    await client.publish('news', { index, filler: 'x'.repeat(20_000) }, { durable: true });
  }
  await until(async () => (await metric(server, 'sluice_trimmed_operations_total')) > 20, {
    what: 'something to be trimmed',
  });
  assert.equal((await client.subscribe('news', { since: 1 })).recovered, false);
  assert.equal(await metric(server, 'sluice_gaps_total'), 1);
  assert.ok((await metric(server, 'sluice_log_first_seq')) > 20);
});

test('waits for room in the ring are counted, and what is in it is told', async ({ start }) => {
  const server = await start({ workers: 1, ring: '64K' });
  const client = await server.broker();
  const writer = server.writer();
  kill(writer, 'SIGSTOP');
  try {
    for (const index of numbers(0, 100)) {
      client.send({ action: 'publish', topic: 'news', message: 'x'.repeat(2000), id: index });
    }
    const full = await until(
      async () => {
        const now = await readMetrics(server);
        return sumOf(now, 'sluice_ring_waits_total') > 0 && now;
      },
      { what: 'publishing to wait' },
    );
    const waiting = sumOf(full, 'sluice_ring_uncommitted_bytes');
    assert.ok(waiting > 32 * 1024 && waiting <= 64 * 1024, `${waiting} bytes wait`);
    assert.ok(sumOf(full, 'sluice_log_last_seq') > sumOf(full, 'sluice_log_committed_seq'));
  } finally {
    kill(writer, 'SIGCONT');
  }
  await client.next({ id: 99 });
});

test('counters never go back when a process dies; gauges of the dead are gone', async ({ start }) => {
  const busy = await startBusy(start);
  const { server } = busy;
  await beBusy(busy);
  const rooms = await server.onEachWorker(() => server.room());
  const before = await readMetrics(server);
  for (const victim of [server.workers()[0], server.writer()]) {
    kill(victim);
    await until(
      () => server.remember().some(({ title, pid }) => title === victim.title && pid !== victim.pid),
      { what: `another ${victim.title}` },
    );
  }
  await until(async () => (await metric(server, 'sluice_workers')) === 2, { what: 'two workers' });
  const survivor = rooms[1];
  await survivor.say('still here');
  const after = await readMetrics(server);

  assertConsistent(after);
  for (const [name, { type, samples }] of before) {
    for (const { name: sample, labels, value } of type === 'gauge' ? [] : samples) {
      const now = sumOf(after, sample, labels);
      assert.ok(now >= value, `${sample} ${JSON.stringify(labels)} was ${value}, is ${now}: ${name}`);
    }
  }
  for (const process of ['worker 0', 'store writer']) {
    assert.equal(sumOf(after, 'sluice_process_starts_total', { process }), 2);
  }
  assert.equal(sumOf(after, 'sluice_process_starts_total', { process: 'worker 1' }), 1);
  assert.equal(sumOf(after, 'sluice_worker_clients', { worker: '0' }), 0);
  assert.ok(sumOf(after, 'sluice_worker_clients', { worker: '1' }) > 0);
});

test('a server that drains still tells, how long it may, too', async ({ start }) => {
  const server = await start();
  const client = await server.broker();
  assert.equal(await metric(server, 'sluice_draining'), 0);
  server.signal('SIGTERM');
  await client.next({ type: 'shutdown' });
  const metrics = await until(
    async () => {
      const now = await readMetrics(server);
      return sumOf(now, 'sluice_draining') === 1 && now;
    },
    { what: 'the drain to be told' },
  );
  const remaining = sumOf(metrics, 'sluice_drain_remaining_seconds');
  assert.ok(remaining > 1700 && remaining <= 1800);
  assert.equal(sumOf(metrics, 'sluice_clients'), 1);
});

// --- what is made of it

/** Every expression of a dashboard, as Prometheus gets it: Grafana's variables filled in. */
function expressionsOf(dashboard) {
  const panels = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  return panels
    .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    .map((expr) => expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|instance)/g, '.*'));
}

/** Names of metrics in a text, without those of a histogram's parts. */
function namesIn(text, families) {
  const names = new Set(text.match(/\bsluice_\w+/g));
  return [...names].filter((name) => !families.has(name.replace(/_(bucket|sum|count)$/, '')));
}

test('alert rules are valid, fire when they should and only then', async () => {
  const cwd = path.join(tools, 'prometheus');
  await promtool(['check', 'rules', 'alerts.yml'], { cwd });
  await promtool(['check', 'config', 'prometheus.yml'], { cwd });
  await promtool(['test', 'rules', 'alerts_test.yml'], { cwd });
  const rules = fs.readFileSync(path.join(cwd, 'alerts.yml'), 'utf8');
  const cases = fs.readFileSync(path.join(cwd, 'alerts_test.yml'), 'utf8');
  for (const [, name] of rules.matchAll(/- alert: (\w+)/g)) {
    const own = cases.split('- alertname: ').filter((text) => text.startsWith(`${name}\n`));
    assert.ok(own.some((text) => text.includes('exp_labels')), `no case in which ${name} fires`);
    assert.ok(own.some((text) => text.includes('exp_alerts: []')), `nor one in which it does not`);
  }
});

test('the manual has a row for everything that is told', async ({ start }) => {
  const families = await readMetrics(await start());
  const program = path.join(path.dirname(binary), 'sluice-tables'); // tools/manual is made of it
  const rows = execFileSync(program, { encoding: 'utf8' }).split('\n').map((row) => row.split('\t'));
  const told = [...families].filter(([name]) => !name.startsWith('sluice_worker_'));
  assert.deepEqual(
    rows.filter(([kind]) => kind === 'metric').map((columns) => columns.slice(1)),
    told.map(([name, { type, help, samples }]) => [
      name.replace('sluice_', ''),
      type,
      families.has(name.replace('sluice_', 'sluice_worker_')) ? 'worker' : '',
      Object.keys(samples[0].labels)
        .filter((label) => label !== 'le')
        .join(', '),
      help,
    ]),
  );
});

test('dashboard and alerts ask for what there is', async ({ start, cleanup }) => {
  const families = await readMetrics(await start());
  const rules = fs.readFileSync(path.join(tools, 'prometheus/alerts.yml'), 'utf8');
  const cases = fs.readFileSync(path.join(tools, 'prometheus/alerts_test.yml'), 'utf8');
  assert.deepEqual(namesIn(rules, families), []);
  assert.deepEqual(namesIn(cases, families), []);

  const text = fs.readFileSync(path.join(tools, 'grafana/sluice.json'), 'utf8');
  const dashboard = JSON.parse(text);
  assert.deepEqual(namesIn(text, families), []);
  assert.equal(typeof dashboard.schemaVersion, 'number');
  assert.deepEqual(
    dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title),
    ['Clients', 'Throughput', 'Latency', 'Log and store', 'Processes'],
  );
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const panel of dashboard.panels.filter(({ type }) => type !== 'row')) {
    assert.equal(panel.datasource.uid, '${datasource}', panel.title);
    assert.ok(panel.targets.length > 0, panel.title);
  }
  // Everything that is told is on it, per worker or in all.
  const shown = expressionsOf(dashboard).join('\n');
  const isShown = (name) => new RegExp(`\\b${name}(_bucket|_sum|_count)?\\b`).test(shown);
  const unseen = [...families.keys()].filter((name) => {
    const whole = name.replace('sluice_worker_', 'sluice_');
    return !isShown(name) && !isShown(whole);
  });
  const others = ['build_info', 'drain_remaining_seconds', 'workers', 'retention_seconds'];
  assert.deepEqual(unseen, others.map((name) => `sluice_${name}`));

  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-e2e-'));
  cleanup(() => fs.rmSync(directory, { recursive: true }));
  const records = expressionsOf(dashboard).map((expr, i) => ({ record: `panel_${i}`, expr }));
  const file = path.join(directory, 'panels.yml'); // JSON is YAML
  fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules: records }] }));
  await promtool(['check', 'rules', file]);
});

test('Prometheus itself, with the sample configuration, scrapes it', async ({ start, cleanup }) => {
  const server = await start();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-e2e-'));
  const port = await freePort();
  const config = fs
    .readFileSync(path.join(tools, 'prometheus/prometheus.yml'), 'utf8')
    .replace('127.0.0.1:8000', `127.0.0.1:${server.port}`)
    .replaceAll('15s', '1s');
  fs.writeFileSync(path.join(directory, 'prometheus.yml'), config);
  fs.copyFileSync(path.join(tools, 'prometheus/alerts.yml'), path.join(directory, 'alerts.yml'));
  const prometheus = spawn(
    toolPath('prometheus'),
    [
      `--config.file=${directory}/prometheus.yml`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => prometheus.once('close', resolve));
  cleanup(async () => {
    prometheus.kill('SIGKILL');
    await ended;
    fs.rmSync(directory, { recursive: true });
  });
  const ask = async (query) => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
    return (await (await fetch(url)).json()).data.result;
  };
  const { version } = await server.health();
  // Both of one moment: a scrape that takes longer than its second is none, and takes back what there was.
  await until(async () => {
    const [up] = await ask('up{job="sluice"}');
    const [build] = await ask('sluice_build_info');
    return up.value[1] === '1' && build.metric.version === version;
  }, { what: 'a scrape' });
  const alerts = await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json();
  assert.ok(alerts.data.groups[0].rules.length > 10);
});
