// graphql-js has no limits: lib/limits.mjs adds up what an operation asks for. A limit of just that lets it
// pass, one less does not.
import assert from 'node:assert';
import { test } from 'node:test';
import { parse } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import { Comparison } from './lib/compare.mjs';
import { limitsOf } from './lib/limits.mjs';
import { Random } from './lib/random.mjs';
import { randomRequest } from './lib/random_document.mjs';
import { randomSchema } from './lib/random_schema.mjs';

const SCHEMA_COUNT = 20;
const REQUEST_COUNT = 15;
const COMPLEXITY_MAX = 2n ** 53n; // what JSON numbers of JavaScript can say
const WORDS = {
  depth: 'depth',
  complexity: 'complexity',
  aliases: 'number of aliases',
  roots: 'number of root fields',
};

const comparison = new Comparison();

async function ask(request, limits) {
  const response = await comparison.probe.ask({ command: 'execute', ...request, ...limits });
  const { message, extensions } = response.errors?.[0] ?? {};
  return extensions?.code === 'LIMIT_EXCEEDED' ? message : '';
}

async function checkLimit(request, name, found) {
  const text = `${name} ${found}\n${JSON.stringify(request.variables)}\n${request.document}`;
  assert.strictEqual(await ask(request, { [name]: Number(found) }), '', text);
  if (found > 1) {
    const max = Number(found) - 1;
    const refusal = await ask(request, { [name]: max });
    const says = new RegExp(
      `^The operation's ${WORDS[name]} is at least (\\d+); the limit is ${max}\\.$`,
    ).exec(refusal);
    assert.ok(says, `${refusal}\n${text}`);
    assert.ok(BigInt(says[1]) > max && BigInt(says[1]) <= found, text);
  }
}

function operationOf(document, name) {
  const operations = document.definitions.filter(({ operation }) => operation !== undefined);
  return name ? operations.find((operation) => operation.name?.value === name) : operations[0];
}

for (const name of Object.keys(WORDS)) {
  test(`${name}: as much as is asked for is allowed, and less is not`, async (t) => {
    let count = 0;
    for (let seed = 0; seed < SCHEMA_COUNT; seed++) {
      const random = new Random(seed);
      const schema = await comparison.schema(randomSchema(random));
      for (let i = 0; i < REQUEST_COUNT; i++) {
        const request = { ...randomRequest(random, schema, {}), schema: 0 };
        const response = await comparison.probe.ask({ command: 'execute', ...request });
        if (response.data === undefined) {
          continue; // not valid after all
        }
        const document = parse(request.document);
        const operation = operationOf(document, request.operation);
        const { coerced } = getVariableValues(
          schema,
          operation.variableDefinitions,
          request.variables,
        );
        const found = BigInt(limitsOf(schema, document, operation, coerced)[name]);
        if (found > 0n && found < COMPLEXITY_MAX) {
          await checkLimit(request, name, found);
          count++;
        }
      }
    }
    assert.ok(count > SCHEMA_COUNT);
    t.diagnostic(`${count} checked`);
  });
}
