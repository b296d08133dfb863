// The system calls of some processes, as strace tells them, and which of them may wait.
//
// tools/blocking.txt lists what a worker calls, by its sources; this is the same from outside, and what
// sanitizers, the allocator and the libraries do is in it. MAY_BE_CALLED says what each call has to be
// like so as not to wait, or not for long.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onLines } from '../../e2e/lib/lines.mjs';
import { until, within } from '../../e2e/lib/until.mjs';

const SLEEP_MS_MAX = 1000; // server/worker.c
const LOG_MS_MAX = 100; // server/log.c

const SOCKET = /^\d+<(TCP|UNIX|socket|TCPv6|UNIX-STREAM)[:\]]/;
const EVENTFD = /^\d+<anon_inode:\[eventfd\]>/;

const always = () => true;
const waitsAtMost = (ms) => (args) => {
  const timeout = Number(args.split(', ').at(-1));
  return timeout >= 0 && timeout <= ms;
};
/** A regular expression for what its arguments have to be like, or a function that judges them. */
const MAY_BE_CALLED = {
  // Waiting.
  epoll_wait: waitsAtMost(SLEEP_MS_MAX),
  poll: (args) => /^\[\{fd=2</.test(args) && waitsAtMost(LOG_MS_MAX)(args),
  futex: (args) => /FUTEX_WAKE|FUTEX_UNLOCK/.test(args) || !/, NULL/.test(args), // else with an end
  restart_syscall: always, // of these, by whom strace came upon
  // Descriptors: that they do not wait is seen to by descriptorsThatWait.
  accept4: /SOCK_NONBLOCK/,
  recvfrom: SOCKET,
  sendmsg: SOCKET,
  sendto: /^2<.*MSG_DONTWAIT/, // the log
  read: EVENTFD,
  write: (args) => EVENTFD.test(args) || /^(2|\d+)<(\/dev\/|pipe:|\/)/.test(args),
  pread64: /^\d+<\/proc\/\d+\/statm>/,
  openat: /"\/dev\/null"|"\/proc\/self\/statm"/,
  ioctl: /SIOCOUTQ|FIONREAD|TIOCOUTQ/,
  close: always, // no socket has SO_LINGER: tools/blocking.txt
  shutdown: SOCKET,
  // What only looks at or changes the kernel's own numbers.
  ...Object.fromEntries(
    ['epoll_ctl', 'getsockopt', 'setsockopt', 'getsockname', 'getpeername', 'getrandom', 'getrusage',
      'getpid', 'gettid', 'clock_gettime', 'sysinfo', 'sched_yield', 'sigaltstack', 'rt_sigprocmask',
      'kill'].map((name) => [name, always]),
  ),
  // Memory.
  ...Object.fromEntries(
    ['madvise', 'mmap', 'munmap', 'mremap', 'mprotect', 'brk'].map((name) => [name, always]),
  ),
};

const CALL = /^(\d+) +(\w+)\((.*)\) += (.*?)(?: <([\d.]+)>)?$/;

/** Why strace's lines tell of something that a worker should not do: [problem, …]. */
export function judgeCalls(lines) {
  const problems = new Map(); // one of each call
  const longest = {};
  let count = 0;
  const open = new Map(); // begun, by process
  for (const line of lines) {
    let whole = line;
    const begun = /^(\d+) +(.*) <unfinished \.\.\.>$/.exec(line);
    if (begun) {
      open.set(begun[1], begun[2]);
      continue;
    }
    const resumed = /^(\d+) +<\.\.\. \w+ resumed>(.*)$/.exec(line);
    if (resumed && open.has(resumed[1])) {
      whole = `${resumed[1]} ${open.get(resumed[1])}${resumed[2]}`;
      open.delete(resumed[1]);
    }
    const [, , name, args, , seconds] = CALL.exec(whole) ?? [];
    if (name === undefined) {
      if (!/ (---|\+\+\+) /.test(line) && !/ <detached \.\.\.>$/.test(line)) {
        problems.set(line, `cannot be read: ${line}`);
      }
      continue;
    }
    count++;
    longest[name] = Math.max(longest[name] ?? 0, Number(seconds ?? 0));
    const rule = MAY_BE_CALLED[name];
    const isGood = rule instanceof RegExp ? rule.test(args) : rule?.(args);
    if (!isGood) {
      problems.set(name, `a worker must not wait in ${whole}`);
    }
  }
  return { problems: [...problems.values()], count, longest };
}

const O_NONBLOCK = 0o4000;

const targetsOf = (pid) =>
  fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return null; // closed since the folder was read
    }
  });

/**
 * Descriptors of a process in which it would wait for somebody: sockets, pipes, eventfds. What whoever
 * runs the test has left open to all its programs is none of the server's.
 */
export function descriptorsThatWait(pid) {
  const found = [];
  const foreign = targetsOf('self');
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    try {
      const target = fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
      const info = fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
      const flags = parseInt(/^flags:\s*(\d+)/m.exec(info)[1], 8);
      const isStandard = Number(fd) <= 2; // shared with whoever started the server
      if (/^(socket|pipe|anon_inode):/.test(target) && !/eventpoll/.test(target) && !isStandard &&
        !foreign.includes(target) && (flags & O_NONBLOCK) === 0) {
        found.push(`${fd} -> ${target}`);
      }
    } catch (error) {
      if (error.code !== 'ENOENT') {
        throw error; // else it was closed since the folder was read
      }
    }
  }
  return found;
}

/** Follows processes until stop(), which gives strace's lines. */
export class Calls {
  #directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-calls-'));

  /** Throws if it may not: `cannot` says why then. */
  static async of(pids) {
    const calls = new Calls();
    calls.file = path.join(calls.#directory, 'calls');
    const args = ['-f', '-y', '-T', '-s', '32', '-o', calls.file, ...pids.flatMap((pid) => ['-p', String(pid)])];
    calls.child = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    process.once('exit', () => calls.child.kill('SIGKILL'));
    let text = '';
    onLines(calls.child.stderr, (line) => (text += `${line}\n`));
    calls.ended = new Promise((resolve) => {
      calls.child.once('error', (error) => resolve(error.message));
      calls.child.once('close', () => resolve(text));
    });
    const isAttached = () => pids.every((pid) => text.includes(`Process ${pid} attached`));
    let end = null;
    calls.ended.then((reason) => (end = reason));
    await until(() => isAttached() || end !== null, { what: 'strace to attach' });
    if (end !== null) {
      throw new Error(`strace: ${end}`);
    }
    return calls;
  }

  /** Once more is no harm: it gives nothing then. */
  async stop() {
    this.child.kill('SIGINT');
    await within(this.ended, 'the end of strace');
    const text = fs.existsSync(this.file) ? fs.readFileSync(this.file, 'utf8') : '';
    fs.rmSync(this.#directory, { recursive: true, force: true });
    return text.split('\n').filter((line) => line !== '');
  }
}
