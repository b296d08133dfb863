/*
 * Where the engine differs from graphql-js on purpose. Each has a line in server/graphql/README.md,
 * "Differences from graphql-js", which `readme` is the beginning of; differences.test.mjs fails when that
 * is not there, or when an example does not differ any more, or differs for another reason.
 *
 * explains() gets { kind, request, judged, ours }, of which judged and ours are not equal.
 */

const sameText = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const messages = (answer) => (answer.errors ?? []).map(({ message }) => message);
const withMessages = (errors, change) =>
  errors.map((error) => ({ ...error, message: change(error.message) }));
const isFailure = ({ errors, data }) => errors?.length > 0 && data === undefined;

// With which a resolver gives "0x10" for { a } of type Int.
const SEED_OF_HEXADECIMAL = 3939;

const NESTED = 'type Query { q: Query a: Int }';
// A query, and F0 to the one before F<count>, with what `body` gives for each.
const fragments = (count, query, body) =>
  Array.from({ length: count }, (_, i) => `fragment F${i} on Query { ${body(i)} }`).join('\n') +
  ` { ${query} }`;

export const DIFFERENCES = [
  {
    name: 'a wrong escape is quoted with whole characters',
    readme: 'A message that quotes a wrong escape never cuts a character in half',
    examples: [
      { kind: 'parse', document: '{ a(b: "\\😀") }' },
      { kind: 'parse', document: '{ a(b: "\\u{😀}") }' },
    ],
    explains({ judged, ours }) {
      const halved = (text) => text.replace(/[\u{10000}-\u{10FFFF}]/gu, ([c]) => c.charAt(0));
      const halves = ours.errors && withMessages(ours.errors, halved);
      return isFailure(judged) && isFailure(ours) && sameText(halves, judged.errors);
    },
  },
  {
    name: 'U+0000 ends what is quoted',
    readme: 'A message that quotes a wrong escape never cuts a character in half',
    examples: [{ kind: 'parse', document: '{ a(b: "\\\u0000") }' }],
    explains({ judged, ours }) {
      const cut =
        judged.errors && withMessages(judged.errors, (text) => text.replace(/\0[^"]*/, ''));
      return isFailure(judged) && isFailure(ours) && sameText(cut, ours.errors);
    },
  },
  {
    name: 'nesting is limited',
    readme: 'Nesting is limited',
    examples: [
      { kind: 'parse', document: '{a'.repeat(300) + '}'.repeat(300) },
      { kind: 'value', document: '['.repeat(300) + ']'.repeat(300) },
    ],
    explains: ({ ours }) => /Document is nested more than \d+ levels deep/.test(messages(ours)[0]),
  },
  {
    name: 'there is no @oneOf',
    readme: 'What graphql-js parses only when an option asks for it',
    examples: [{ kind: 'schema', document: 'type Query { a: Int } input I @oneOf { a: Int }' }],
    explains: ({ ours }) => messages(ours).includes('Unknown directive "@oneOf".'),
  },
  {
    name: 'a schema has at most 100 errors',
    readme: '`buildSchema` stops after the rules for the text',
    examples: [{ kind: 'schema', document: `type Query { ${'a: X '.repeat(120)} }` }],
    explains: ({ kind, judged, ours }) =>
      kind === 'schema' &&
      ours.errors?.length === 101 &&
      sameText(ours.errors.slice(0, 100), judged.errors?.slice(0, 100)) &&
      messages(ours)[100].startsWith('Too many validation errors'),
  },
  {
    name: 'directives of SDL must fit their definitions',
    readme: 'Defaults and arguments of directives in SDL must fit their types',
    examples: [
      { kind: 'schema', document: 'type Query { a: Int @deprecated(reason: 1) }' },
      { kind: 'schema', document: 'type Query { a: Int } scalar S @specifiedBy(url: null)' },
    ],
    explains: ({ judged, ours }) =>
      /^Argument "(reason|url)" /.test(judged.throws) &&
      /^(String cannot represent|Expected value of type "String!")/.test(messages(ours)[0]),
  },
  {
    name: 'a default that does not fit is a default',
    readme: 'Defaults and arguments of directives in SDL must fit their types',
    examples: [
      { kind: 'schema', document: 'type Query { a(b: Int! = "x" @deprecated): Int }' },
      {
        kind: 'schema',
        document: 'interface I { a: Int } type Query implements I { a(b: Int! = "x"): Int }',
      },
    ],
    explains({ kind, judged, ours }) {
      const isOfDropped = ({ message }) =>
        /^Required .* cannot be deprecated\.$| required argument .* missing from /.test(message);
      return (
        kind === 'schema' &&
        ours.errors?.length > 0 &&
        sameText(
          judged.errors?.filter((error) => !isOfDropped(error)),
          ours.errors,
        )
      );
    },
  },
  {
    name: '@deprecated and @specifiedBy may be defined anew',
    readme: 'SDL may define `@deprecated` and `@specifiedBy` anew',
    examples: [
      {
        kind: 'schema',
        document:
          'directive @deprecated(reason: Int) on FIELD_DEFINITION ' +
          'type Query { a: Int @deprecated(reason: 1) }',
      },
    ],
    explains: ({ request, judged, ours }) =>
      /^Argument "(reason|url)" /.test(judged.throws) &&
      /directive @(deprecated|specifiedBy)/.test(request.document) &&
      ours.print !== undefined,
  },
  {
    name: 'a default that fills in itself',
    readme: 'A default that fills in itself',
    examples: [{ kind: 'schema', document: 'type Query { a: Int } input I { i: I = {} }' }],
    explains: ({ judged, ours }) =>
      judged.throws === 'Maximum call stack size exceeded' &&
      /^Invalid circular reference\. The default value /.test(messages(ours)[0]),
  },
  {
    name: 'a schema is no place for operations',
    readme: 'Operations and fragments in SDL are errors',
    examples: [
      { kind: 'schema', document: 'type Query { a: Int } query A { a }' },
      { kind: 'schema', document: 'type Query { a: Int } fragment F on Query { a }' },
    ],
    explains: ({ ours }) =>
      messages(ours).includes('Operations and fragments cannot be part of a schema.'),
  },
  {
    name: 'fields of extended inputs are no arguments',
    readme: 'A field in `extend input` is at `INPUT_FIELD_DEFINITION`',
    examples: ['ARGUMENT_DEFINITION', 'INPUT_FIELD_DEFINITION'].map((location) => ({
      kind: 'schema',
      document:
        `directive @d on ${location} type Query { a: Int } ` +
        'input I { a: Int } extend input I { b: Int @d }',
    })),
    explains: ({ request, judged, ours }) =>
      /extend input/.test(request.document) &&
      [...messages(judged), ...messages(ours)].some((message) =>
        /may not be used on (ARGUMENT|INPUT_FIELD)_DEFINITION\.$/.test(message),
      ),
  },
  {
    name: 'a long cycle is told in part',
    readme: 'A cycle of more than 100 fragments',
    examples: [
      {
        kind: 'validate',
        document: fragments(150, '...F0', (i) => `...F${(i + 1) % 150}`),
        sdl: NESTED,
      },
    ],
    explains({ judged, ours }) {
      const [told, whole] = [messages(ours)[0], messages(judged)[0]];
      return told?.endsWith(', ….') && whole?.startsWith(told.slice(0, -', ….'.length));
    },
  },
  {
    name: 'overlapping fields have a depth',
    readme: 'Fields that overlap more than 500 deep',
    examples: [
      {
        kind: 'validate',
        // The even ones lead 600 fields deep, and so do the odd ones.
        document: fragments(1200, '...F0 ...F1', (i) => (i > 1197 ? 'a' : `q { ...F${i + 2} }`)),
        sdl: NESTED,
      },
    ],
    explains: ({ judged, ours }) =>
      judged.errors?.length === 0 && sameText(messages(ours), ['Validation aborted.']),
  },
  {
    name: 'errors end in one way',
    readme: 'Behind 100 errors a spent budget is told',
    examples: [
      {
        kind: 'validate',
        document: `query A { ${Array.from({ length: 100 }, (_, i) => `x${i}`).join(' ')} }
          query B { ${'a '.repeat(1000)} }`,
        sdl: NESTED,
      },
    ],
    explains: ({ judged, ours }) =>
      messages(judged)[100] === 'Validation aborted.' &&
      messages(ours)[100] === 'Too many errors, error limit reached.',
  },
  {
    name: 'no Float is infinite',
    readme: 'A Float literal beyond the range of doubles',
    examples: [{ kind: 'schema', document: 'type Query { a(b: Float = 1e400): Int }' }],
    explains({ judged, ours }) {
      const isInfinite = (text) => {
        const [, number] = /^Float cannot represent non numeric value: (\S+)$/.exec(text) ?? [];
        return Math.abs(Number(number)) === Infinity;
      };
      const others = ours.errors?.filter(({ message }) => !isInfinite(message));
      return (
        messages(ours).some(isInfinite) &&
        (isInfinite(judged.throws ?? '') ||
          judged.data !== undefined ||
          sameText(others, judged.errors))
      );
    },
  },
  {
    name: 'defaults of custom scalars can be lists and objects',
    readme: 'Defaults of custom scalars that are lists or objects',
    examples: [
      { kind: 'schema', document: 'type Query { a(s: S = {a: [1]}): Int } scalar S' },
      { kind: 'schema', document: 'type Query { a(s: S = 123456789012345678901): Int } scalar S' },
    ],
    explains: ({ kind, judged, ours }) =>
      kind === 'schema' &&
      ours.print !== undefined &&
      (/^Cannot convert value to AST: /.test(judged.throws) || /= -?\d{16,}\b/.test(ours.print)),
  },
  {
    name: 'a printed schema names its roots',
    readme: 'A printed schema names its roots also where',
    examples: [
      {
        kind: 'schema',
        document: 'schema { query: Query } type Query { a: Int } type Mutation { b: Int }',
      },
    ],
    explains: ({ judged, ours }) =>
      /^schema \{\n[^}]*\}\n\n/.test(ours.print) &&
      ours.print.replace(/^schema \{\n[^}]*\}\n\n/, '') === judged.print,
  },
  {
    name: 'an argument of no input type may have a default',
    readme: 'An argument that has a default and no input type',
    examples: [{ kind: 'schema', document: 'type Query { a(b: Query = 1): Int }' }],
    explains: ({ judged, ours }) =>
      /^Unexpected input type: /.test(judged.throws) &&
      messages(ours).some((message) => / must be Input Type but got: /.test(message)),
  },
  {
    name: 'a subscription whose root fields cannot be counted',
    readme: '`@skip` and `@include` at the root of a subscription whose argument',
    examples: ['$x', '[]', 'null'].map((condition) => ({
      kind: 'validate',
      sdl: 'type Query { a: Int } type Subscription { a: Int }',
      document: `subscription ($x: Boolean!) { a @skip(if: ${condition}) b: a @include(if: $x) }`,
    })),
    explains: ({ request, judged, ours }) =>
      /^Argument "if" /.test(judged.throws) &&
      /subscription/.test(request.document) &&
      ours.errors?.length > 0,
  },
  {
    name: 'long values in messages are cut',
    readme: 'Messages show at most 1,000 bytes',
    examples: [
      {
        kind: 'execute',
        document: 'query ($v: Float) { a(b: $v) }',
        variables: { v: 'é'.repeat(999) },
      },
    ],
    explains({ judged, ours }) {
      const theirs = messages(judged);
      const isCut = (text, i) => {
        const pieces = text.split('…').map((piece) => theirs[i]?.indexOf(piece) ?? -1);
        return pieces.length > 1 && pieces[0] === 0 && !pieces.includes(-1) && text.length > 500;
      };
      const own = messages(ours);
      return own.some(isCut) && own.every((text, i) => text === theirs[i] || isCut(text, i));
    },
  },
  {
    name: 'half a surrogate pair is no String',
    readme: 'Messages show at most 1,000 bytes',
    examples: [
      {
        kind: 'execute',
        sdl: 'type Query { a(b: String): Int }',
        document: 'query ($v: String) { a(b: $v) }',
        variables: { v: '\uD83D' },
      },
    ],
    explains: ({ request, judged, ours }) =>
      /\\ud[89a-f]/.test(JSON.stringify(request.variables)) &&
      !isFailure(judged) &&
      isFailure(ours),
  },
  {
    name: 'a response has at most 100 field errors',
    readme: 'At most 100 field errors',
    examples: [
      {
        kind: 'execute',
        sdl: 'type Query { a(b: Float): ID }',
        seed: 1,
        document: `{ ${Array.from({ length: 8000 }, (_, i) => `k${i}: a(b: ${i})`).join(' ')} }`,
      },
    ],
    explains: ({ judged, ours }) =>
      ours.errors?.length === 101 &&
      messages(ours)[100] === 'Too many errors, error limit reached.' &&
      sameText(ours.errors.slice(0, 100), judged.errors?.slice(0, 100)) &&
      sameText(ours.data, judged.data),
  },
  {
    name: 'hexadecimal strings are no numbers',
    readme: 'Strings that are no decimal numbers',
    examples: [{ kind: 'execute', seed: SEED_OF_HEXADECIMAL, document: '{ a }' }],
    explains: ({ ours }) =>
      messages(ours).some((message) => / cannot represent non.* value: "0x10"$/.test(message)),
  },
  {
    name: 'a query without a name is printed so that it is no body of a type',
    readme: 'A query without a name that stands behind',
    examples: [{ kind: 'parse', document: 'type A query { a }' }],
    explains: ({ kind, judged, ours }) =>
      kind === 'parse' && judged.print === ours.print?.replace(/^query \{$/gm, '{'),
  },
];
