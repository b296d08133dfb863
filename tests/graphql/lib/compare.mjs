// Holds the engine's answers against graphql-js's and keeps what differs without a known reason.
import assert from 'node:assert';
import { getIntrospectionQuery, parse, print } from 'graphql';
import { DIFFERENCES } from './differences.mjs';
import { judgeExecute, judgeParse, judgeSchema, judgeValidate, judgeValue } from './judge.mjs';
import { startProbe } from './probe.mjs';

const SHOWN_MAX = 5;
const SHOWN_CHARACTERS_MAX = 1000;
const SHOWN_DOCUMENT_MAX = 4000;

/** Asks a schema for all that it has. */
export const INTROSPECTION = getIntrospectionQuery({
  descriptions: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
});

const byText = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

// Our codes are more than graphql-js has: they are compared where the judge has one, too.
function plainErrors(errors, keepsCodes = false) {
  return errors.map(({ message, locations, path, extensions }) => ({
    message,
    ...(locations && { locations }),
    ...(path && { path }),
    ...(keepsCodes && extensions && { extensions }),
  }));
}

const codesOf = (answer) => [...new Set((answer.errors ?? []).map((e) => e.extensions?.code))];

const asText = (value) => JSON.stringify(value, undefined, 1);

export class Comparison {
  constructor() {
    this.probe = startProbe();
    this.count = 0;
    this.differing = [];
    this.explained = new Map(DIFFERENCES.map(({ name }) => [name, 0]));
    this.outstanding = new Set();
    this.label = ''; // says how to find again what is compared
    this.failures = []; // neither equal nor different: something is broken
  }

  /*
   * Compares { judged, ours } of { kind, request }. An answer is what text, errors or data it has;
   * JSON text, because the order of keys counts.
   */
  settle(kind, request, judged, ours, label) {
    this.count++;
    if (asText(judged) === asText(ours)) {
      return true;
    }
    const found = { kind, request, judged, ours, label };
    const reason = DIFFERENCES.find((difference) => difference.explains(found));
    if (reason) {
      this.explained.set(reason.name, this.explained.get(reason.name) + 1);
    } else {
      this.differing.push(found);
    }
    return false;
  }

  async parse(document, kind = 'parse') {
    const { label } = this;
    const request = { command: kind, document };
    const answer = this.probe.ask(request);
    const judged = kind === 'parse' ? judgeParse(request) : judgeValue(request);
    const ours = await answer;
    if (ours.errors) {
      assert.match(codesOf(ours).join(), /^(GRAPHQL_PARSE_FAILED|LIMIT_EXCEEDED)$/);
      ours.errors = plainErrors(ours.errors);
    }
    if (ours.normal && judged.normal) {
      ours.normal = ours.normal.map((text) => print(parse(text)));
    }
    if (judged.errors) {
      judged.errors = plainErrors(judged.errors);
    }
    return this.settle(kind, request, judged, ours, label);
  }

  value(document) {
    return this.parse(document, 'value');
  }

  /** Kept under that number on both sides; gives graphql-js's, or nothing if they differ. */
  async schema(document, number = 0) {
    const { label } = this;
    const request = { command: 'schema', schema: number, document };
    const answer = this.probe.ask(request);
    const { schema, stage, literals, ...judged } = judgeSchema(request);
    const ours = await answer;
    if (judged.errors) {
      judged.errors = plainErrors(judged.errors);
    }
    if (ours.errors) {
      const isParsed = codesOf(ours).join() === 'GRAPHQL_VALIDATION_FAILED';
      assert.ok(
        isParsed !== (stage === 'parse') || codesOf(ours).includes('LIMIT_EXCEEDED'),
        document,
      );
      ours.errors = plainErrors(ours.errors);
    }
    const known = judged.errors?.length;
    if (stage === 'text' && ours.errors) {
      // graphql-js goes no further than the rules of the text; what we find behind them is our own.
      ours.errors.splice(known);
    } else if (stage === 'schema' && ours.errors) {
      // Literals are no matter of graphql-js's, and so is their order.
      judged.errors.push(...plainErrors(literals).sort(byText));
      ours.errors.push(...ours.errors.splice(known).sort(byText));
    }
    const isSame = this.settle('schema', request, judged, ours, label);
    return isSame ? schema : undefined;
  }

  async validate(schema, document, number = 0) {
    const { label } = this;
    const request = { command: 'validate', schema: number, document };
    const answer = this.probe.ask(request);
    const judged = judgeValidate(schema, request);
    const ours = await answer;
    for (const response of [judged, ours]) {
      if (response.errors) {
        response.errors = plainErrors(response.errors);
      }
    }
    return this.settle('validate', request, judged, ours, label);
  }

  /** @param how { steps, later } of probe.h, which must not change anything */
  async execute(schema, request, how = {}, number = 0) {
    const { label } = this;
    const asked = { seed: 0, variables: {}, operation: '', ...request };
    const answer = this.probe.ask({ command: 'execute', schema: number, ...asked, ...how });
    const judged = judgeExecute(schema, asked);
    const ours = await answer;
    const keepsCodes = (error) => error.extensions?.code === 'NOT_FOUND';
    for (const response of [judged, ours]) {
      if (response.errors) {
        response.errors = response.errors.flatMap((e) => plainErrors([e], keepsCodes(e)));
      }
    }
    const ordered = ({ errors, data, ...rest }) => ({ errors, data, ...rest });
    return this.settle('execute', asked, ordered(judged), ordered(ours), label);
  }

  /** Lets a comparison go on beside others, but not beside too many. */
  async start(promise) {
    const settled = promise
      .catch((error) => this.failures.push(error))
      .finally(() => this.outstanding.delete(settled));
    this.outstanding.add(settled);
    while (this.probe.isBusy()) {
      await Promise.race(this.outstanding);
    }
  }

  /** All of them are equal, and there was something to compare. */
  async finish(test) {
    await Promise.all(this.outstanding);
    const { count, differing, failures } = this;
    this.count = 0;
    this.differing = [];
    this.failures = [];
    for (const failure of failures) {
      throw failure;
    }
    assert.ok(count > 0);
    test.diagnostic(`${count} compared`);
    if (differing.length > 0) {
      const shown = differing.slice(0, SHOWN_MAX).map(describe).join('\n\n');
      assert.fail(`${differing.length} of ${count} differ\n\n${shown}`);
    }
  }
}

// The first place where they are not the same, and what is there.
function firstDifference(judged, ours, path = []) {
  const isPair = [judged, ours].every((value) => typeof value === 'object' && value !== null);
  if (!isPair || Array.isArray(judged) !== Array.isArray(ours)) {
    return { path, judged, ours };
  }
  const keys = [...new Set([...Object.keys(judged), ...Object.keys(ours)])];
  const key = keys.find((one) => asText(judged[one]) !== asText(ours[one]));
  return key === undefined
    ? { path, judged: Object.keys(judged), ours: Object.keys(ours) }
    : firstDifference(judged[key], ours[key], [...path, key]);
}

function describe({ kind, request, judged, ours, label }) {
  const { document, ...rest } = request;
  const first = firstDifference(judged, ours);
  return [
    `${kind}: ${JSON.stringify(rest)} ${label}`,
    document.slice(0, SHOWN_DOCUMENT_MAX),
    `at ${first.path.join('.')}`,
    `graphql-js: ${asText(first.judged)}`,
    `ours:       ${asText(first.ours)}`,
    `graphql-js, all: ${JSON.stringify(judged).slice(0, SHOWN_CHARACTERS_MAX)}`,
    `ours, all:       ${JSON.stringify(ours).slice(0, SHOWN_CHARACTERS_MAX)}`,
  ].join('\n');
}
