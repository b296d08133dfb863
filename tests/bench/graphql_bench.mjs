#!/usr/bin/env node
// One GraphQL request beside graphql-js, in operations per second of CPU time, values in memory:
// parse + validate + execute, and execute with the document at hand.
//
//   node tests/bench/graphql_bench.mjs BUILD_DIR/tests/bench/graphql_bench [SECONDS]
//
// The two take turns, ROUNDS times SECONDS (2) each; the best of each counts, for other work on the
// machine only takes away. Prints one line of JSON per program and measure, and one with the ratios
// and the goal; exit status 1 when it is missed. graphql-js comes from tests/graphql/node_modules.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

process.env.NODE_ENV = 'production'; // graphql-js checks less then
const require = createRequire(new URL('../graphql/package.json', import.meta.url));
const { buildSchema, execute, parse, validate, version } = require('graphql');

const GOAL = 30;
const ROUNDS = 3;
const WARM_UP_SECONDS = 1;
const BATCH = 100;
const PARSED = 'parse + validate + execute';
const CACHED = 'cached document + execute';
const query = '{ message(id: 1) { id title content author { name } comments { id content } } }';

const [program, seconds = '2'] = process.argv.slice(2);
if (program === undefined || !(Number(seconds) >= 1)) {
  console.error('usage: graphql_bench.mjs PROGRAM [SECONDS]');
  process.exit(2);
}

const schemaFile = fileURLToPath(new URL('graphql_bench.graphql', import.meta.url));
const schema = buildSchema(readFileSync(schemaFile, 'utf8'));
const message = {
  id: 1,
  title: 'Hello',
  content: 'The first message.',
  author: { name: 'Ada' },
  comments: [1, 2, 3].map((id) => ({ id, content: `Comment ${id}` })),
};
const rootValue = { message: ({ id }) => (id === message.id ? message : null) };
const document = parse(query);

// As a server does it: the result is text.
const measures = {
  [PARSED]() {
    const tree = parse(query);
    if (validate(schema, tree).length > 0) throw new Error('the query is not valid');
    return JSON.stringify(execute({ schema, document: tree, rootValue }));
  },
  [CACHED]() {
    return JSON.stringify(execute({ schema, document, rootValue }));
  },
};

function run(request, duration) {
  const before = process.cpuUsage();
  let used = 0;
  let operations = 0;
  while (used < duration) {
    for (let i = 0; i < BATCH; i++) request();
    operations += BATCH;
    const { user, system } = process.cpuUsage(before);
    used = (user + system) / 1e6;
  }
  return { operations, cpu_seconds: used, operations_per_cpu_second: Math.round(operations / used) };
}

const best = new Map();
function note(line) {
  const key = `${line.program} ${line.measure}`;
  const known = best.get(key);
  if (!known || known.operations_per_cpu_second < line.operations_per_cpu_second)
    best.set(key, line);
}

for (const request of Object.values(measures)) run(request, WARM_UP_SECONDS);
for (let round = 0; round < ROUNDS; round++) {
  for (const [measure, request] of Object.entries(measures))
    note({ bench: 'graphql', program: 'graphql-js', measure, ...run(request, Number(seconds)), version });
  const output = execFileSync(program, [schemaFile, seconds], { encoding: 'utf8' });
  for (const line of output.trim().split('\n')) note(JSON.parse(line));
}

const ratio = (measure) =>
  best.get(`sluice ${measure}`).operations_per_cpu_second /
  best.get(`graphql-js ${measure}`).operations_per_cpu_second;
for (const line of best.values()) console.log(JSON.stringify(line));
const reached = Number(ratio(PARSED).toFixed(1));
console.log(JSON.stringify({ bench: 'graphql', ratio: reached, ratio_cached: Number(ratio(CACHED).toFixed(1)), goal: GOAL }));
process.exit(reached >= GOAL ? 0 : 1);
