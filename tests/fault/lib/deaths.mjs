// What dies: kill -9 of one process of a server, or of all of them at once.
import { kill } from '../../e2e/lib/processes.mjs';
import { until } from '../../e2e/lib/until.mjs';

/** Whose deaths there are; below(n) is a random number from 0 to n - 1. */
export const deathsOf = (below) => ({
  async worker(server) {
    const workers = server.workers();
    if (workers.length > 0) {
      kill(workers[below(workers.length)]);
    }
  },
  async writer(server) {
    kill(await until(() => server.writer(), { what: 'a writer' }));
  },
  async everything(server) {
    server.remember();
    const processes = [...server.family.values()];
    for (let i = processes.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [processes[i], processes[j]] = [processes[j], processes[i]];
    }
    processes.forEach((process) => kill(process));
    await server.end();
    await server.restart();
  },
});
