// A program in a terminal of its own, made by util-linux's `script`: what it shows, keys, sizes.
import { execFileSync, spawn } from 'node:child_process';
import { childrenOf, kill, lookAt } from './processes.mjs';
import { terminalCommand } from './mounts.mjs';
import { environment } from './sluicectl.mjs';
import { until } from './until.mjs';

/** Of a process that is still there, all that descend from it. */
function descendantsOf(pid) {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child.pid)]);
}

export class Terminal {
  text = '';

  /** command: for a shell. */
  constructor(command, cleanup, env = {}) {
    const script = ['script', '--quiet', '--return', '--command', command, '/dev/null'];
    const [program, ...args] = [...terminalCommand(), ...script];
    this.child = spawn(program, args, {
      env: { ...environment, SHELL: '/bin/bash', TERM: 'xterm', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdin.on('error', () => {}); // it has ended
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.text += text));
    this.exited = new Promise((resolve) => this.child.once('close', resolve));
    cleanup(() => {
      for (const process of [...descendantsOf(this.child.pid), lookAt(this.child.pid)]) {
        process && kill(process);
      }
    });
  }

  type(keys) {
    this.child.stdin.write(keys);
  }

  clear() {
    this.text = '';
  }

  /** Waits until all that has been shown matches. */
  shows(pattern) {
    const matches = () =>
      typeof pattern === 'function' ? pattern(this.text) : pattern.test(this.text);
    return until(matches, {
      what: () => `${pattern} in the terminal, which shows ${JSON.stringify(this.text.slice(-3000))}`,
    });
  }

  /** The process in it whose program has that name. */
  process(name) {
    const isIt = ({ title }) => title.split(' ')[0].endsWith(name);
    return until(() => descendantsOf(this.child.pid).find(isIt), { what: `${name} in the terminal` });
  }

  /** As when a window is resized: whoever runs in it is told by SIGWINCH. */
  resize(process, rows, columns) {
    const tty = `/proc/${process.pid}/fd/1`;
    execFileSync('stty', ['-F', tty, 'rows', String(rows), 'cols', String(columns)]);
  }
}
