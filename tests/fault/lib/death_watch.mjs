// Who may die, whose clients may be cut off, and whether the server is whole again: what each death is
// judged by.
import fs from 'node:fs';
import { holdersOfFiles, isAlive } from '../../e2e/lib/processes.mjs';
import { until } from '../../e2e/lib/until.mjs';

const WHOLE_MS = 60_000; // a child that died often rests for 10 s
const ENDED = /^\S+ \w+ master: .* \(pid (\d+)\) (?:was ended by signal (\d+)|ended with status (\d+))/;
const AGAIN = /started again in (\d+) ms$/;
const SILENT = /\(pid (\d+)\) has not turned for \d+ s: killed$/;

/** Of one end of a connection: a client may have one port for connections to two of the server's. */
const placeOf = (isLine, port) => `${isLine ? 'line' : 'http'} ${port}`;

/** Where a worker's clients come from, and its pid. */
async function clientsOf(server, index) {
  const { json } = await server.control(index, 'GET', '/control/clients?limit=1000');
  const portOf = (peer) => peer.slice(peer.lastIndexOf(':') + 1);
  return json.clients.map(({ protocol, peer }) => [
    placeOf(protocol === 'broker-tcp', portOf(peer)),
    json.pid,
  ]);
}

/** Open descriptors of a process. */
const descriptorsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

export class DeathWatch {
  restarts = 0;
  longestRestMs = 0;
  spared = 0; // connections that had to survive a death, and did
  #dead = new Set(); // pids that we have killed
  #silent = new Set(); // pids that the master may have killed
  #bystanders = []; // {client, place, pid}: who was connected to whom before the last death
  #before = null; // pids

  constructor(server, problems) {
    Object.assign(this, { server, problems });
    this.workerCount = server.options.workers;
  }

  /** All of them, as they are now. */
  processes() {
    const { server } = this;
    return { master: server.master, workers: server.workers(), writer: server.writer() };
  }

  #pids() {
    const { master, workers, writer } = this.processes();
    return [master, ...workers, writer].map(({ pid }) => pid);
  }

  async begin() {
    this.epoch = (await this.server.health()).log.epoch;
    this.#beginLife();
  }

  /** Of a master. */
  #beginLife() {
    this.logged = 0; // lines of its log that have been judged
    this.reaped = new Set();
    this.killed = new Set();
    this.descriptors = descriptorsOf(this.server.pid);
  }

  /** Before a death: who is connected to whom. */
  async takeNote(victims) {
    const { server } = this;
    const indexes = Array.from({ length: this.workerCount }, (_, index) => index);
    const pidOf = new Map((await Promise.all(indexes.map((i) => clientsOf(server, i)))).flat());
    this.#before = this.#pids();
    this.#bystanders = [...server.clients]
      .filter(({ socket, isLeaving }) => socket && !socket.destroyed && !isLeaving)
      .map((client) => {
        const { localPort, remotePort } = client.socket;
        const place = placeOf(remotePort === server.linePort, localPort);
        return { client, place, pid: pidOf.get(place) };
      })
      .filter(({ pid }) => pid !== undefined);
    this.condemn(victims);
  }

  /** They die by our hand; isByMaster: or because they stand still for so long that their master ends them. */
  condemn(victims, { isByMaster = false } = {}) {
    for (const { pid } of victims) {
      this.#dead.add(pid);
      this.killed.add(pid);
      if (isByMaster) {
        this.#silent.add(pid);
      }
    }
  }

  /** These were not replaced after all. */
  excuse(processes) {
    for (const { pid } of processes) {
      this.#dead.delete(pid);
      this.killed.delete(pid);
    }
  }

  /** All children are there and turn, under the epoch that there was. */
  async #isWhole() {
    const { workers, writer } = this.processes();
    const isThere = (process) => process && process.state !== 'T' && !this.#dead.has(process.pid);
    if (workers.length !== this.workerCount || ![...workers, writer].every(isThere)) {
      return false;
    }
    const { status, log, workers: told } = await this.server.health();
    if (log.epoch !== this.epoch) {
      this.problems.push(`epoch ${log.epoch} after ${this.epoch}, though the ring was intact`);
    }
    return status === 'healthy' && told.every(({ pid }, i) => pid === workers[i].pid);
  }

  /** After a death. isMastersEnd: everybody's, of course. */
  async judge({ isMastersEnd }) {
    const { server, problems } = this;
    const what = () => `a whole server; ${JSON.stringify(this.processes())}; ${server.recentLog()}`;
    await until(() => this.#isWhole(), { timeout: WHOLE_MS, interval: 5, what });
    if (isMastersEnd) {
      this.#beginLife();
      return;
    }
    const isLogged = () => {
      this.judgeLog();
      return [...this.killed].every((pid) => this.reaped.has(pid));
    };
    await until(isLogged, { what: () => `a word about each death; ${server.recentLog()}` });
    const now = new Set(this.#pids());
    for (const pid of this.#before.filter((one) => !now.has(one) && !this.#dead.has(one))) {
      problems.push(`pid ${pid} has gone, though nobody killed it`);
    }
    for (const { client, place, pid } of this.#bystanders) {
      if (client.socket.destroyed && !client.isLeaving && !this.#dead.has(pid)) {
        problems.push(`the client ${place} was cut off, but its worker (pid ${pid}) did not die`);
      }
      this.spared += !client.socket.destroyed;
    }
    if (descriptorsOf(server.pid) > this.descriptors) {
      problems.push(`the master has ${descriptorsOf(server.pid)} descriptors, and had ${this.descriptors}`);
    }
  }

  /** What the master says about its children: nobody has died but by our hand, or its own for a reason. */
  judgeLog() {
    const { allLines } = this.server;
    for (const line of allLines.slice(this.logged)) {
      const [, pid, signal] = ENDED.exec(line) ?? [];
      const [, silent] = SILENT.exec(line) ?? [];
      if (pid !== undefined) {
        this.#judgeEnd(line, Number(pid), Number(signal));
      } else if (silent !== undefined && !this.#silent.has(Number(silent))) {
        this.problems.push(`replaced without a reason: ${line}`);
      }
    }
    this.logged = allLines.length;
  }

  #judgeEnd(line, pid, signal) {
    const [, restMs] = AGAIN.exec(line) ?? [];
    if (!this.#dead.has(pid) || signal !== 9 || this.reaped.has(pid)) {
      this.problems.push(`not by our hand: ${line}`);
    }
    this.reaped.add(pid);
    this.restarts += restMs !== undefined;
    this.longestRestMs = Math.max(this.longestRestMs, Number(restMs ?? 0));
  }

  /** After the last drain: no process of this server is left, whether anybody had seen it or not. */
  judgeLeftovers() {
    const { server, problems } = this;
    const known = [...server.family.values()].filter(isAlive);
    const unknown = holdersOfFiles([server.data, server.runDir]);
    for (const { pid, title } of [...known, ...unknown]) {
      problems.push(`left behind: ${title} (pid ${pid})`);
    }
  }
}
