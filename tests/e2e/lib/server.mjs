// A real server with processes, port and directories of its own, and its clients.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BrokerClient, Client, Inbox, RoomClient } from './client.mjs';
import { EventStream, RawConnection, request } from './http.mjs';
import { onLines } from './lines.mjs';
import { childrenOf, holdersOf, isAlive, kill, lookAt } from './processes.mjs';
import { TIMEOUT_MS, until, within } from './until.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const binary = process.env.SLUICE_BIN ?? path.join(root, 'build-test/server/sluice');

// Nothing of whoever runs the tests decides anything; sanitizers' options pass.
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(SLUICE_|NOTIFY_SOCKET|WATCHDOG_|LISTEN_|(STATE|RUNTIME|CONFIGURATION)_DIRECTORY)/.test(name),
  ),
);

// Whatever ends the tests, a signal too, ends the servers with them.
const running = new Set();
process.once('exit', () => running.forEach((server) => server.destroy()));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.once(signal, () => process.exit(1));
}

const TROUBLE = /AddressSanitizer|LeakSanitizer|runtime error:|check failed|stack smashing/;

// The system gives ports from 32768 on to whoever names none: to every end of a client, too. Below that nobody is
// given the port of a server that is about to start, or is started again; nor is a client that tries again and again
// while there is no server connected to itself.
const PORTS = { first: 11_000, end: 32_000 }; // no browser refuses one of these

function listenOn(port, host) {
  const listener = net.createServer();
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, host, () => resolve(listener));
  });
}

/**
 * A port of 127.0.0.1 that nobody has. For as long as this process lives no other that runs tests beside it is given
 * the same: whoever takes a port listens to it on an address at which nobody calls.
 */
export async function freePort() {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = randomInt(PORTS.first, PORTS.end);
    try {
      const reservation = await listenOn(port, '127.255.255.254');
      reservation.unref();
      const probe = await listenOn(port, '127.0.0.1');
      await new Promise((resolve) => probe.close(resolve));
      return port;
    } catch (error) {
      if (error.code !== 'EADDRINUSE') {
        throw error;
      }
    }
  }
  throw new Error('no port is free');
}

/** Runs the binary to its end: {code, signal, stdout, stderr}. */
export async function runSluice(args, { env = {}, cwd, timeout, prefix = [] } = {}) {
  const [program, ...words] = [...prefix, binary, ...args];
  const child = spawn(program, words, {
    cwd,
    env: { ...environment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  }
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  try {
    const what = () => `the end of sluice ${args.join(' ')}; it said:\n${output.stderr}`;
    const { code, signal } = await within(ended, what, timeout);
    return { code, signal, ...output };
  } finally {
    child.kill('SIGKILL');
  }
}

export function makeDirectory(parent = os.tmpdir()) {
  return fs.mkdtempSync(path.join(parent, 'sluice-e2e-'));
}

/** One that goes with its test. */
export function temporary(cleanup) {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export class Server {
  /**
   * workers, args, env, tick (none unless asked for) as they say; ring: --ring-size, small, because
   * /dev/shm often is; data: a directory to use instead of a new one; files: RLIMIT_NOFILE; prefix: a
   * command, with its arguments, that becomes the one that stands behind it; listen: false leaves out
   * --listen, so that what listens on the port is the test's affair; program: another build of sluice.
   */
  constructor({ workers = 2, args = [], env = {}, ring = '4M', tick = '0', data, port, ...more } = {}) {
    const { files, prefix = [], listen = true, program = binary } = more;
    this.options = { workers, args, env, ring, tick, files, prefix, listen, program };
    this.port = port;
    this.ownDirectories = [];
    this.runDir = this.#ownDirectory(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir());
    this.data = data ?? path.join(this.#ownDirectory(os.tmpdir()), 'data');
    this.stderr = '';
    this.clients = new Set();
    this.family = new Map(); // every process seen, by pid: none may outlive a test
    running.add(this);
  }

  #ownDirectory(parent) {
    const directory = makeDirectory(parent);
    this.ownDirectories.push(directory);
    return directory;
  }

  get arguments() {
    const { workers, args, ring, tick, listen } = this.options;
    return [
      ...(listen ? ['--listen', `127.0.0.1:${this.port}`] : []),
      ...['--workers', String(workers)],
      ...['--data', this.data],
      ...['--run-dir', this.runDir],
      ...['--ring-size', ring],
      ...['--tick', tick],
      ...args,
    ];
  }

  /** Starts the processes and waits for the line that says that clients may come. */
  async start() {
    const isPortOurs = this.port !== undefined;
    for (let attempt = 0; ; attempt++) {
      this.port ??= await freePort();
      const error = await this.launch().then(
        () => null,
        (reason) => reason,
      );
      if (!error) {
        return this;
      }
      // Another program was quicker to take the port that was free a moment ago.
      if (isPortOurs || attempt === 3 || !/in use/i.test(this.stderr)) {
        throw error;
      }
      this.port = undefined;
      this.stderr = '';
    }
  }

  /** Starts without choosing a port; rejects if the server ends before it is ready. */
  async launch() {
    this.lines = new Inbox();
    this.allLines = [];
    const { files, prefix, program } = this.options;
    const limiter = files ? ['prlimit', `--nofile=${files}:${files}`] : []; // becomes the server
    const [command, ...args] = [...limiter, ...prefix, program, ...this.arguments];
    this.child = spawn(command, args, {
      env: { ...environment, ...this.options.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.pid = this.child.pid;
    this.#listen();
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.exit = { code, signal };
        this.lines.end(`server ended with ${code ?? signal}`);
        resolve(this.exit);
      });
    });
    this.exit = null;
    await new Promise((resolve, reject) => {
      this.child.once('spawn', resolve);
      this.child.once('error', reject);
    });
    this.master = lookAt(this.pid);
    this.readyLine = await this.logged(/ ready: /);
    this.remember();
    return this;
  }

  #listen() {
    this.child.stderr.on('data', (text) => {
      this.stderr += text;
    });
    onLines(this.child.stderr, (line) => {
      this.allLines.push(line);
      this.lines.push(line);
    });
  }

  /** The first line of the log, since the start or the last one asked for, that matches. */
  async logged(pattern, options) {
    try {
      return (await this.lines.upTo(pattern, options)).at(-1);
    } catch (error) {
      error.message += `\n${this.recentLog()}`;
      throw error;
    }
  }

  recentLog() {
    return `the server's log:\n${this.stderr.slice(-4000)}`;
  }

  // --- processes

  /** Takes note of all processes, so that none is forgotten at the end. Returns the children. */
  remember() {
    const children = childrenOf(this.pid);
    for (const process of [this.master, ...children]) {
      if (process) {
        this.family.set(process.pid, process);
      }
    }
    return children;
  }

  /** The workers as {pid, title, …} in the order of their numbers. */
  workers() {
    return this.remember()
      .filter(({ title }) => /^sluice: worker \d+$/.test(title))
      .sort((a, b) => a.title.localeCompare(b.title, undefined, { numeric: true }));
  }

  writer() {
    return this.remember().find(({ title }) => title === 'sluice: store writer');
  }

  /** The worker (a number) that serves this client; without one, that of the only connection. */
  async workerOf(client) {
    const holder = await until(
      () => {
        // Looked up each time: one that has just begun may be who takes it.
        const found = holdersOf(this.workers(), this.port, client?.socket.localPort);
        return found.length === 1 && found[0];
      },
      { what: 'one worker that holds the connection' },
    );
    return Number(/\d+$/.exec(holder.title)[0]);
  }

  signal(name) {
    process.kill(this.pid, name);
  }

  /** Waits for the end of the master and of all its children; returns the exit status. */
  async end() {
    const exit = await within(this.exited, () => `the server's end; ${this.recentLog()}`);
    await until(() => ![...this.family.values()].some(isAlive), {
      what: 'the end of all processes',
    });
    return exit.code ?? exit.signal;
  }

  /** SIGTERM, and the exit status. */
  async stop() {
    this.remember();
    this.child.kill('SIGTERM'); // no error if it has ended by itself, and its output not yet
    return this.end();
  }

  /** What a machine's sudden death is to a process: the master is killed, the others follow. */
  async kill() {
    this.remember();
    this.signal('SIGKILL');
    await this.end();
  }

  /** Starts again on the same data, port and ring. */
  async restart(more = {}) {
    this.terminateClients();
    Object.assign(this.options, more);
    await this.launch();
    return this;
  }

  // --- clients

  #own(client) {
    this.clients.add(client);
    return client;
  }

  url(target) {
    return `ws://127.0.0.1:${this.port}${target}`;
  }

  async #open(client) {
    this.#own(client);
    await within(client.opened, 'a WebSocket to open');
    return client;
  }

  socket(target, options) {
    return this.#open(new Client(this.url(target), options));
  }

  /** A room client that has been greeted. */
  async room(id = '', query = '') {
    const target = (id === '' ? '/ws' : `/ws/${id}`) + query;
    const client = await this.#open(new RoomClient(this.url(target)));
    client.greeted = await client.greeting();
    return client;
  }

  broker(options) {
    return this.#open(new BrokerClient(this.url('/broker'), options));
  }

  /** A client on that worker. open() makes one; those that came to others are closed again. */
  async onWorker(index, open) {
    const elsewhere = []; // kept until then: the workers share clients evenly
    const client = await this.#comeUntil(open, (newcomer, at) => {
      if (at === index) {
        return newcomer;
      }
      elsewhere.push(newcomer);
    }, `a client on worker ${index}`);
    elsewhere.forEach((other) => other.terminate());
    return client;
  }

  /** One client on each worker, in the order of the workers. open() makes one; all stay. */
  async onEachWorker(open) {
    const found = [];
    return this.#comeUntil(open, (newcomer, at) => {
      found[at] ??= newcomer;
      return Object.keys(found).length === this.options.workers && found;
    }, 'a client on each worker');
  }

  /** Clients come, each a little later than the last: a worker that stands still takes none until it goes on. */
  async #comeUntil(open, judge, what) {
    const deadline = Date.now() + TIMEOUT_MS;
    for (let count = 1; ; count++) {
      const client = await open();
      const result = judge(client, await this.workerOf(client));
      if (result) {
        return result;
      }
      assert.ok(Date.now() < deadline, `not within ${TIMEOUT_MS} ms: ${what}; ${count} have come`);
      await pause(count);
    }
  }

  request(method, target, options) {
    return request(this.port, method, target, options);
  }

  /** The worker's control socket, by a path that is short however long the directory's is. */
  controlPath(index) {
    this.dataDescriptor ??= fs.openSync(this.data, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    return `/proc/self/fd/${this.dataDescriptor}/control/${index}`;
  }

  /** A request to a worker by its control socket. */
  control(index, method, target, options) {
    return request(this.controlPath(index), method, target, options);
  }

  async post(topic, body, type = 'application/json', query = '') {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.request('POST', `/topics/${topic}${query}`, {
      headers: { 'content-type': type },
      body: text,
    });
  }

  async history(topic, query = '') {
    const answer = await this.request('GET', `/topics/${topic}${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  async health() {
    return (await this.request('GET', '/health')).json;
  }

  async raw(options) {
    const connection = this.#own(new RawConnection(this.port, options));
    await within(connection.opened, 'a connection');
    return connection;
  }

  async events(target, headers, body) {
    const stream = this.#own(new EventStream(this.port, target, headers, body));
    await within(stream.opened, `an event stream of ${target}`);
    return stream;
  }

  terminateClients() {
    for (const client of this.clients) {
      client.terminate();
    }
    this.clients.clear();
  }

  // --- the end

  /** Without ceremony: no process and no file stays. */
  destroy() {
    running.delete(this);
    if (this.dataDescriptor !== undefined) {
      fs.closeSync(this.dataDescriptor);
      this.dataDescriptor = undefined;
    }
    if (this.exit === null) {
      this.remember();
    }
    for (const process of this.family.values()) {
      kill(process);
    }
    for (const directory of this.ownDirectories) {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Ends whatever is left; fails when something was left behind or the log shows trouble. */
  async dispose() {
    try {
      this.terminateClients();
      if (this.child?.pid && this.exit === null) {
        // Whom a test has stopped; nobody else: LeakSanitizer stops a process that ends, and a
        // SIGCONT in that moment leaves it hanging.
        for (const process of this.remember().filter(({ state }) => state === 'T')) {
          kill(process, 'SIGCONT');
        }
        assert.equal(await this.stop(), 0, `exit status after the test; ${this.recentLog()}`);
      }
    } finally {
      this.destroy();
    }
    if (TROUBLE.test(this.stderr)) {
      throw new Error(`the server's log shows trouble:\n${this.stderr.slice(0, 12_000)}`);
    }
  }
}
