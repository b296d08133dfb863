// What systemd is to a service: a notify socket, sockets that it has opened, the limits of a unit.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Inbox } from './client.mjs';
import { onLines } from './lines.mjs';
import { binary, makeDirectory } from './server.mjs';
import { within } from './until.mjs';

const helper = (name) => path.join(path.dirname(fileURLToPath(import.meta.url)), `${name}.py`);

/** A notify socket. next(pattern) gives the next message that matches, as {READY: '1', pid, …}. */
export class Manager {
  #inbox = new Inbox();

  constructor(name) {
    this.directory = makeDirectory();
    this.name = name ?? path.join(this.directory, 'notify');
    this.child = spawn('python3', [helper('notify_socket'), this.name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.opened = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => reject(new Error(`the notify socket ended with ${code}`)));
      onLines(this.child.stdout, (line) => {
        const message = JSON.parse(line);
        if (message === 'ready') {
          resolve();
        } else {
          this.#inbox.push(this.#parse(message));
        }
      });
    });
    this.opened.catch(() => {});
  }

  #parse([pid, text]) {
    const lines = text.split('\n').filter((line) => line !== '');
    const assignments = lines.map((line) => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1)];
    });
    return { pid, ...Object.fromEntries(assignments) };
  }

  get env() {
    return { NOTIFY_SOCKET: this.name };
  }

  /** All that came and was not asked for. */
  get queue() {
    return this.#inbox.items;
  }

  next(pattern, options) {
    return this.#inbox.next(pattern, options);
  }

  upTo(pattern, options) {
    return this.#inbox.upTo(pattern, options);
  }

  dispose() {
    this.child.kill('SIGKILL');
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function startManager(cleanup, name) {
  const manager = new Manager(name);
  cleanup(() => manager.dispose());
  await within(manager.opened, 'the notify socket');
  return manager;
}

/** A server's prefix: it gets these sockets, each `name=kind:address` (passed_sockets.py). */
export const passing = (...specs) => ['python3', helper('passed_sockets'), ...specs, '--'];

/** Likewise: it may make the system calls that this unit allows. */
export const filtering = (unit, analyze) => ['python3', helper('unit_filter'), unit, analyze];

/** The units as they were built, in a directory of their own, with this build's program in them. */
export function copyUnits(directory) {
  const build = process.env.SLUICE_BUILD ?? path.join(path.dirname(binary), '..');
  const source = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../systemd');
  const service = fs
    .readFileSync(path.join(build, 'systemd/sluice.service'), 'utf8')
    .replace(/^ExecStart=\S+/m, `ExecStart=${path.resolve(binary)}`);
  fs.writeFileSync(path.join(directory, 'sluice.service'), service);
  for (const name of ['sluice.socket', 'sluice-broker.socket']) {
    fs.copyFileSync(path.join(source, name), path.join(directory, name));
  }
  return ['sluice.service', 'sluice.socket', 'sluice-broker.socket'].map((name) =>
    path.join(directory, name),
  );
}
