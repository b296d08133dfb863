// Looks into /proc: whose child is who, what it calls itself, which socket it holds.
import fs from 'node:fs';

/** {pid, ppid, state, startTime, title}, or null when there is no such process (or a zombie). */
export function lookAt(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in parentheses that may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') {
      return null;
    }
    const title = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '');
    return {
      pid,
      ppid: Number(fields[1]),
      state: fields[0],
      startTime: fields[19],
      title: title.replaceAll('\0', ' ').trim(),
    };
  } catch {
    return null;
  }
}

/** Still the same process, not another one with its number. */
export function isAlive(process) {
  return lookAt(process.pid)?.startTime === process.startTime;
}

export function childrenOf(pid) {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => lookAt(Number(name)))
    .filter((process) => process?.ppid === pid);
}

export function kill(process, signal = 'SIGKILL') {
  if (isAlive(process)) {
    globalThis.process.kill(process.pid, signal);
  }
}

/** A number of /proc/PID/status: fieldOf(pid, 'Uid') is the real user. */
export function fieldOf(pid, name) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)[1]);
}

/** The inode of the server's end of a TCP connection over 127.0.0.1, or undefined. */
function inodeOf(serverPort, clientPort) {
  const end = (port) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of fs.readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === end(serverPort) && fields[2] === end(clientPort)) {
      return fields[9];
    }
  }
  return undefined;
}

/** Which of the processes holds the server's end of that connection. */
export function holderOf(processes, serverPort, clientPort) {
  const wanted = `socket:[${inodeOf(serverPort, clientPort)}]`;
  return processes.find(({ pid }) =>
    fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === wanted;
      } catch {
        return false; // closed since the folder was read
      }
    }),
  );
}
