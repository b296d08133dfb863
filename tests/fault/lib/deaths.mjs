// What dies: kill -9 of one process of a server, of several, or of all of them at once.
import { kill } from '../../e2e/lib/processes.mjs';
import { until } from '../../e2e/lib/until.mjs';

/** below(n): a random number from 0 to n - 1. */
function shuffle(items, below) {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return shuffled;
}

const someOf = (workers, below) => shuffle(workers, below).slice(0, 2 + below(workers.length - 1));

/** Whom a death takes, of a server with two workers at least, in the order in which it does. */
const VICTIMS = {
  'a worker': ({ workers }, below) => [workers[below(workers.length)]],
  'several workers': ({ workers }, below) => someOf(workers, below),
  'the writer': ({ writer }) => [writer],
  'the writer and a worker': ({ workers, writer }, below) =>
    shuffle([workers[below(workers.length)], writer], below),
  'the master': ({ master }) => [master],
  'everything': ({ master, workers, writer }, below) => shuffle([master, ...workers, writer], below),
  'everything but the master': ({ workers, writer }, below) => shuffle([...workers, writer], below),
};

const WAYS = ['killed', 'stopped for a while', 'stopped and killed'];

/**
 * Every death once: {who, way, victims(processes)}; processes: {master, workers, writer}. In a random order,
 * but for the ends of masters, which come at equal distances: a new one knows nothing of its children's
 * deaths, so that no child has to rest for long.
 */
export function shuffledDeaths(below) {
  const all = Object.entries(VICTIMS).flatMap(([who, choose]) =>
    WAYS.map((way) => ({ who, way, victims: (processes) => choose(processes, below) })),
  );
  const isMastersEnd = ({ who, way }) =>
    ['the master', 'everything'].includes(who) && way !== 'stopped for a while';
  const ends = shuffle(all.filter(isMastersEnd), below);
  const others = shuffle(all.filter((death) => !isMastersEnd(death)), below);
  const between = Math.ceil(others.length / ends.length);
  return ends.flatMap((end, i) => [...others.slice(i * between, (i + 1) * between), end]);
}

/** kill -9 of one, or of everything and a new start: for tests that have something else to do meanwhile. */
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
    shuffle(server.family.values(), below).forEach((process) => kill(process));
    await server.end();
    await server.restart();
  },
});
