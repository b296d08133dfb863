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

function allProcesses() {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => lookAt(Number(name)))
    .filter((process) => process !== null);
}

export function childrenOf(pid) {
  return allProcesses().filter(({ ppid }) => ppid === pid);
}

export function kill(process, signal = 'SIGKILL') {
  if (!isAlive(process)) {
    return;
  }
  try {
    globalThis.process.kill(process.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') {
      throw error;
    } // it has gone since
  }
}

/** All of a worker's clients go before it sees the first of them gone: for what is counted by the second. */
export async function leaveAtOnce(worker, clients) {
  kill(worker, 'SIGSTOP');
  clients.forEach((client) => client.terminate());
  await Promise.all(clients.map(({ closed }) => closed));
  kill(worker, 'SIGCONT');
}

/** A number of /proc/PID/status: fieldOf(pid, 'Uid') is the real user. */
export function fieldOf(pid, name) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)[1]);
}

const ESTABLISHED = '01';

/** The system's TCP sockets on 127.0.0.1. waiting: bytes not sent or not read. */
function sockets() {
  const portOf = (address) => parseInt(address.slice(address.indexOf(':') + 1), 16);
  return fs
    .readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local]) => local?.startsWith('0100007F:'))
    .map(([, local, remote, state, queues, , , , , inode]) => ({
      localPort: portOf(local),
      remotePort: portOf(remote),
      state,
      waiting: queues.split(':').reduce((sum, bytes) => sum + parseInt(bytes, 16), 0),
      inode,
    }));
}

/** Inodes of the server's ends of connections to 127.0.0.1: all, or that of one client's port. */
function inodesOf(serverPort, clientPort) {
  return sockets()
    .filter(({ localPort, remotePort, state }) => {
      const isOurs = localPort === serverPort && state === ESTABLISHED;
      return isOurs && (clientPort === undefined || remotePort === clientPort);
    })
    .map(({ inode }) => inode);
}

/** Bytes that the system holds between two ends that have not been read. */
export function bytesBetween(onePort, otherPort) {
  const ports = [onePort, otherPort];
  return sockets()
    .filter(({ localPort, remotePort }) => ports.includes(localPort) && ports.includes(remotePort))
    .reduce((sum, { waiting }) => sum + waiting, 0);
}

/** Whether one of a process's descriptors is of something whose name is wanted. */
function holds({ pid }, isWanted) {
  return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return isWanted(fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false; // closed since the folder was read
    }
  });
}

/** Which of the processes hold the server's ends of these connections. */
export function holdersOf(processes, serverPort, clientPort) {
  const wanted = new Set(inodesOf(serverPort, clientPort).map((inode) => `socket:[${inode}]`));
  return processes.filter((process) => holds(process, (name) => wanted.has(name)));
}

/** Whoever has one of these directories, or something in it, open, but this process. */
export function holdersOfFiles(directories) {
  const isIn = (name) => directories.some((directory) => name.startsWith(directory));
  return allProcesses().filter((process) => {
    try {
      return process.pid !== globalThis.process.pid && holds(process, isIn);
    } catch {
      return false; // gone meanwhile, or not ours to look into
    }
  });
}
