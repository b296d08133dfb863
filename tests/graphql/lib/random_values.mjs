// Literals and JSON values for an input type: most of them fit, some at the edge of what does.
import {
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLNonNull,
  GraphQLString,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredInputField,
} from 'graphql';

const INTS = ['0', '1', '-1', '-0', '7', '2147483647', '-2147483648'];
const WRONG_INTS = ['2147483648', '-2147483649', '9007199254740993', '99999999999999999999'];
const FLOATS = [
  '0.0',
  '-0.0',
  '1.5',
  '1e3',
  '-1.25E-7',
  '1e21',
  '123456789.125',
  '4.9e-324',
  '1e-400',
];
const STRINGS = [
  '""',
  '"a"',
  '"\\u00e9\\uD83D\\uDE00"',
  '"\\u{1F600}\\n\\t\\"\\\\\\/"',
  '"ünï 😀"',
  '"""block"""',
  '"""\n    two\n      lines \\""" "\n  """',
  '"true"',
  '"12"',
];
const ANY = [
  'null',
  'true',
  'RED',
  '1',
  '2.5',
  '"s"',
  '[]',
  '[1, "a"]',
  '{}',
  '{a: 1}',
  '$nowhere',
];
const SCALARS = new Map([
  [GraphQLInt, INTS],
  [GraphQLFloat, [...FLOATS, ...INTS]],
  [GraphQLString, STRINGS],
  [GraphQLBoolean, ['true', 'false']],
  [GraphQLID, ['"id"', '""', '4', '-7', '90071992547409930001']],
]);
// Nothing here that graphql-js would write in another way: 1.0, or digits that a double has not; and
// defaults are no lists or objects, which graphql-js cannot print.
const CUSTOM_DEFAULTS = ['1', '-2', '2.5', '"s"', 'true', 'WORD'];
const CUSTOM = [...CUSTOM_DEFAULTS, '[1, [2], null]', '{a: 1, b: {c: [X]}}', '[]', '{}'];

/**
 * @param options.wrong once in so many times something that does not fit (0: never)
 * @param options.isDefault it is for a definition's default
 * @param options.variable a function that gives a variable for a type, or nothing
 */
export function literalFor(random, type, options, depth = 0) {
  const inner = (innerType) => literalFor(random, innerType, options, depth + 1);
  const nullable = getNullableType(type);

  if (options.wrong && random.once(options.wrong)) {
    return random.of([...ANY, ...WRONG_INTS].filter((text) => options.variable || text[0] !== '$'));
  }
  const variable = options.variable && random.once(5) && options.variable(type);
  if (variable) {
    return variable;
  }
  if (!isNonNullType(type) && random.once(8)) {
    return 'null';
  }
  if (isListType(nullable)) {
    if (random.once(4) && !isListType(getNullableType(nullable.ofType))) {
      return inner(new GraphQLNonNull(getNullableType(nullable.ofType))); // a list of one
    }
    const count = depth > 3 ? 0 : random.below(4);
    return `[${random.times(count, () => inner(nullable.ofType)).join(', ')}]`;
  }
  if (isInputObjectType(nullable)) {
    const fields = Object.values(nullable.getFields()).filter(
      (field) => isRequiredInputField(field) || (depth < 3 && random.once(2)),
    );
    const members = random.shuffled(fields).map((field) => `${field.name}: ${inner(field.type)}`);
    return `{${members.join(random.of([', ', ' ']))}}`;
  }
  if (isEnumType(nullable)) {
    return random.of(nullable.getValues()).name;
  }
  return random.of(SCALARS.get(nullable) ?? (options.isDefault ? CUSTOM_DEFAULTS : CUSTOM));
}

const JSON_INTS = [0, 1, -1, 7, 2147483647, -2147483648, 3.0];
const JSON_ANY = [
  null,
  true,
  'RED',
  1,
  2.5,
  's',
  [],
  {},
  { a: 1 },
  [null],
  2147483648,
  1e300,
  -0.5,
  '',
];
const JSON_SCALARS = new Map([
  [GraphQLInt, JSON_INTS],
  [GraphQLFloat, [...JSON_INTS, 1.5, -1e-7, 1e21, 5e-324, Number.MAX_VALUE]],
  [GraphQLString, ['', 'a', 'ünï 😀', '\u0000\u001F"\\\u2028']],
  [GraphQLBoolean, [true, false]],
  [GraphQLID, ['id', '', 4, -7]],
]);

/** The same as JSON, for a variable. */
export function jsonFor(random, type, wrong, depth = 0) {
  const inner = (innerType) => jsonFor(random, innerType, wrong, depth + 1);
  const nullable = getNullableType(type);

  if (wrong && random.once(wrong)) {
    return random.of(JSON_ANY);
  }
  if (!isNonNullType(type) && random.once(8)) {
    return null;
  }
  if (isListType(nullable)) {
    if (random.once(4) && !isListType(getNullableType(nullable.ofType))) {
      return inner(new GraphQLNonNull(getNullableType(nullable.ofType)));
    }
    return random.times(depth > 3 ? 0 : random.below(4), () => inner(nullable.ofType));
  }
  if (isInputObjectType(nullable)) {
    const fields = Object.values(nullable.getFields()).filter(
      (field) => (isRequiredInputField(field) || random.once(2)) && !(wrong && random.once(wrong)),
    );
    const members = random
      .shuffled(fields)
      .filter((field) => depth < 4 || isRequiredInputField(field))
      .map((field) => [field.name, inner(field.type)]);
    if (wrong && random.once(wrong)) {
      members.push([random.of(['unknown', 'nam', 'ids']), 1]);
    }
    return Object.fromEntries(members);
  }
  if (isEnumType(nullable)) {
    return random.of(nullable.getValues()).name;
  }
  return random.of(JSON_SCALARS.get(nullable) ?? [...JSON_ANY, { deep: [1, { er: null }] }]);
}
