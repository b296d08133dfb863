// What the benchmarks that let candidates take turns have in common.
import path from 'node:path';

/**
 * Rounds, of the command line `BENCH BUILD_DIR [ROUNDS]`. From then on e2e/lib/server.mjs starts the server of that
 * build, wherefore it is to be imported behind this.
 */
export function takeRounds() {
  const [bench, build, rounds = '5'] = process.argv.slice(1);
  if (build === undefined || !(Number(rounds) >= 1)) {
    console.error(`usage: ${path.basename(bench)} BUILD_DIR [ROUNDS]`);
    process.exit(2);
  }
  process.env.SLUICE_BIN = path.join(path.resolve(build), 'server/sluice');
  return Number(rounds);
}

export const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
