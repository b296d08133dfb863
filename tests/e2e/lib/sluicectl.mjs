// sluicectl beside the server under test: run to its end, or followed line by line.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { Inbox } from './client.mjs';
import { onLines } from './lines.mjs';
import { binary } from './server.mjs';
import { within } from './until.mjs';

export const sluicectl = path.join(path.dirname(binary), '../tools/sluicectl');

const TROUBLE = /AddressSanitizer|LeakSanitizer|runtime error:|check failed/;

// Nothing of whoever runs the tests says which server is meant.
export const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(SLUICE_DATA|STATE_DIRECTORY)$/.test(name)),
);

/** {code, signal, stdout, stderr}. input: for its standard input. */
export async function ctl(args, { env = {}, cwd, input, program = sluicectl } = {}) {
  const child = spawn(program, args, { cwd, env: { ...environment, ...env } });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  }
  child.stdin.on('error', () => {}); // who does not read it
  child.stdin.end(input ?? '');
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  try {
    const exit = await within(ended, () => `the end of sluicectl ${args.join(' ')}`);
    if (TROUBLE.test(output.stderr)) {
      throw new Error(output.stderr);
    }
    return { ...exit, ...output };
  } finally {
    child.kill('SIGKILL');
  }
}

class Lines extends Inbox {
  next(pattern = /^/, options) {
    return super.next(pattern, options);
  }
}

/** One that goes on until it is told to end; its lines wait in `lines`, its errors' in `notes`. */
export class RunningCtl {
  lines = new Lines();
  notes = new Lines();

  constructor(args, cleanup) {
    this.child = spawn(sluicectl, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    onLines(this.child.stdout, (line) => this.lines.push(line));
    onLines(this.child.stderr, (line) => this.notes.push(line));
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.lines.end(`sluicectl ended with ${code ?? signal}`);
        this.notes.end(`sluicectl ended with ${code ?? signal}`);
        resolve(code ?? signal);
      });
    });
    cleanup(() => this.child.kill('SIGKILL'));
  }

  /** Ctrl-C, and the exit status. */
  async stop(signal = 'SIGINT') {
    this.child.kill(signal);
    return within(this.exited, 'the end of sluicectl');
  }
}

/** sluicectl about that server. */
export const onServer = (server) => ({
  run: (...args) => ctl(['-d', server.data, ...args]),
  /** What it prints, if it ends well. */
  async text(...args) {
    const result = await ctl(['-d', server.data, ...args]);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stderr, '');
    return result.stdout;
  },
  async json(...args) {
    return JSON.parse(await this.text(...args, '--json'));
  },
  follow: (cleanup, ...args) => new RunningCtl(['-d', server.data, ...args], cleanup),
});
