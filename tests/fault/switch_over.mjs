// Live and lagging, and how a subscription goes from one to the other: model-checked.
//
//   node tests/fault/switch_over.mjs [--short] [--seed N] [--games N] [--steps N] [--seconds N] [--only PART]
//   node tests/fault/switch_over.mjs --replay GAME|SCENARIO:ACTIONS
//
// switch_over.c drives server/topics over a real ring and a real store: random games of everything that
// clients, other workers and the writer can do, between two turns of the worker and inside one; and every
// order of a few actions, as deep as the seconds allow. A model judges each line that a client is given.
// What it claims to reach it counts, and fails if it never did. It ends with "N passed, N failed".
import { runProgram } from './lib/programs.mjs';

const status = await runProgram('tests/fault/switch_over', process.argv.slice(2));
if (typeof status === 'string') {
  console.log(`switch_over was ended by ${status}\n0 passed, 1 failed`);
}
process.exitCode = status === 0 ? 0 : 1;
