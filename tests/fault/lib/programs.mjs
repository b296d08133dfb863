// The C programs that the fault tests run beside the server: what they print is JSON.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { binary } from '../../e2e/lib/server.mjs';

/** Where this build's programs are. */
export const build = process.env.SLUICE_BUILD ?? path.resolve(binary, '../..');

// Whatever ends a test ends its programs.
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A program of the build directory. onLine gets each object that it prints, `done` the last one. */
class Program {
  last = null;

  constructor(name, args, onLine = () => {}) {
    this.name = name;
    this.child = spawn(path.join(build, name), args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.pid = this.child.pid;
    let partial = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (partial + text).split('\n');
      partial = lines.pop();
      for (const line of lines) {
        this.last = JSON.parse(line);
        onLine(this.last);
      }
    });
    this.done = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        this.status = code ?? signal;
        if (this.last === null) {
          reject(new Error(`${name} ended with ${this.status}, without a word`));
        }
        resolve(this.last);
      });
    });
    this.done.catch(() => {});
    running.add(this.child);
    this.child.once('close', () => running.delete(this.child));
  }
}

/** A program that says by itself what it finds; its exit status. */
export function runProgram(name, args) {
  const child = spawn(path.join(build, name), args, { stdio: ['ignore', 'inherit', 'inherit'] });
  running.add(child);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    });
  });
}

/** sluice-bench against this server. `done` is its report; it checks losses, doubles and order. */
export function startBench(server, options) {
  const all = { url: `ws://127.0.0.1:${server.port}`, protocol: 'broker', ...options };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return new Program('tools/sluice-bench', [...args, '--json']);
}

/** What is wrong with a report of sluice-bench: something was lost, came twice or out of order. */
export function troubleIn(report) {
  const { delivered, acknowledged, published, lost, duplicates, order_errors: disorder } = report;
  const isGood = delivered > 0 && acknowledged === published && lost + duplicates + disorder === 0;
  return isGood ? [] : [`sluice-bench: ${JSON.stringify(report)}`];
}

/** The hostile load. `open` resolves when all its connections stand; end() returns its counts. */
export function startHostile(server, options) {
  let onOpen;
  const open = new Promise((resolve) => (onOpen = resolve));
  const all = { port: server.port, ...options };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const program = new Program('tests/fault/hostile_load', args, onOpen);
  program.open = Promise.race([
    open,
    program.done.then(() => Promise.reject(new Error('hostile_load has ended'))),
  ]);
  program.open.catch(() => {});
  program.end = () => {
    program.child.kill('SIGTERM');
    return program.done;
  };
  return program;
}

/** Processor time that a process has used, in seconds; 0 when it is gone. */
export function cpuSeconds(pid) {
  try {
    return Number(fs.readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return 0;
  }
}
