// What resolvers answer, for graphql-js: probe_resolve.c computes the same, table for table.
import {
  GraphQLError,
  GraphQLScalarType,
  Kind,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isSpecifiedScalarType,
  print,
} from 'graphql';

const PICK = { mishap: 0, value: 1, count: 2, type: 3, echo: 4, item: 5 };
const MISHAP_RANGE = 64;
const MISHAP_NULLS = 6;
const MISHAP_ERROR = 8;
const MISHAP_WRONG = 9;
const ITEM_COUNT_RANGE = 4;

const LEAVES = [
  true,
  false,
  0,
  1,
  -1,
  2147483647,
  -2147483648,
  2147483648,
  -2147483649,
  9007199254740991,
  1.5,
  3,
  -0,
  1e21,
  1e-7,
  5e-324,
  Number.MAX_VALUE,
  2147483648,
  NaN,
  Infinity,
  '',
  'abc',
  '12',
  '1.5',
  ' ',
  'ünïcödé 😀',
  '\u2028\u0001"\\\n\u007F',
  'true',
  '0x10',
  [],
];

// The first of LEAVES that fit a type, and how many.
const FITTING = { Int: [2, 5], Float: [2, 16], String: [20, 9], Boolean: [0, 2], ID: [20, 7] };

const CUSTOM = [{ a: [1, 2, { b: null }], c: 'd' }, [], 'text', 1.5e300, true, -7, {}];

const encoder = new TextEncoder();

function mix(hash) {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function hashText(hash, text) {
  for (const byte of encoder.encode(text)) {
    hash = Math.imul(hash ^ byte, 16777619);
  }
  return hash >>> 0;
}

const pick = (id, what, range) => mix((id + Math.imul(what + 1, 0x9e3779b9)) >>> 0) % range;

/** A literal of a custom scalar: compact JSON with its numbers as they were written. */
class RawLiteral {
  constructor(text) {
    this.text = text;
  }
}

function literalText(node, variables) {
  switch (node.kind) {
    case Kind.VARIABLE:
      return valueText(variables?.[node.name.value] ?? null);
    case Kind.STRING:
    case Kind.ENUM:
      return JSON.stringify(node.value);
    case Kind.LIST:
      return `[${node.values.map((item) => literalText(item, variables)).join()}]`;
    case Kind.OBJECT:
      return `{${node.fields
        .filter(
          ({ value }) => value.kind !== Kind.VARIABLE || value.name.value in (variables ?? {}),
        )
        .map(({ name, value }) => `${JSON.stringify(name.value)}:${literalText(value, variables)}`)
        .join()}}`;
    default:
      return print(node);
  }
}

/** A coerced value as JSON text. */
function valueText(value) {
  if (value instanceof RawLiteral) {
    return value.text;
  }
  if (Array.isArray(value)) {
    return `[${value.map(valueText).join()}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${valueText(member)}`).join()}}`;
  }
  return JSON.stringify(value);
}

/** Custom scalars of a built schema take literals as they were written. */
export function takeLiteralsAsTheyAre(schema) {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type instanceof GraphQLScalarType && !isSpecifiedScalarType(type)) {
      type.parseLiteral = (node, variables) => new RawLiteral(literalText(node, variables));
    }
  }
}

function makeObject(type, id, isWrong, info) {
  if (!isAbstractType(type)) {
    return { id };
  }
  const possible = info.schema.getPossibleTypes(type);
  if (!isWrong && possible.length > 0) {
    return { id, type: possible[pick(id, PICK.type, possible.length)].name };
  }
  return { id, type: pick(id, PICK.type, 2) === 0 ? info.schema.getQueryType().name : undefined };
}

function makeLeaf(type, id) {
  if (isEnumType(type)) {
    const values = type.getValues();
    return values[pick(id, PICK.value, values.length)].name;
  }
  if (!isSpecifiedScalarType(type)) {
    return CUSTOM[pick(id, PICK.value, CUSTOM.length)];
  }
  const [first, count] = FITTING[type.name];
  return LEAVES[first + pick(id, PICK.value, count)];
}

// Anything is right for a custom scalar; what an object really is nobody can tell.
const canBeWrong = (type) =>
  isListType(type) || isEnumType(type) || (isLeafType(type) && isSpecifiedScalarType(type));

function make(fullType, id, hasMishaps, info) {
  const mishap = pick(id, PICK.mishap, MISHAP_RANGE);
  const isWrong = hasMishaps && mishap === MISHAP_WRONG;
  const type = getNullableType(fullType);

  if (isNonNullType(fullType) ? hasMishaps && mishap === 0 : mishap < MISHAP_NULLS) {
    return null;
  }
  if (hasMishaps && mishap === MISHAP_ERROR) {
    return new GraphQLError('A résolver\'s "mishap".', { extensions: { code: 'NOT_FOUND' } });
  }
  if (isWrong && canBeWrong(type)) {
    return LEAVES[pick(id, PICK.value, LEAVES.length)];
  }
  if (isListType(type)) {
    const count = pick(id, PICK.count, ITEM_COUNT_RANGE);
    return Array.from({ length: count }, (_, i) =>
      make(type.ofType, pick(id, PICK.item + i, 0xffffffff), hasMishaps, info),
    );
  }
  return isCompositeType(type) ? makeObject(type, id, isWrong, info) : makeLeaf(type, id);
}

/** The resolvers of an execution; its root value is { id: seed }. */
export function resolversFor(seed) {
  const hasMishaps = seed % 4 !== 0;

  return {
    rootValue: { id: seed },
    fieldResolver(parent, given, context, info) {
      const type = getNullableType(info.returnType);
      const text = valueText(given);
      const id = mix(hashText(hashText(parent.id, info.fieldName), text));
      const field = info.parentType.getFields()[info.fieldName];

      if (field.args.length > 0 && type.name === 'String' && pick(id, PICK.echo, 2) === 0) {
        return text;
      }
      return make(info.returnType, id, hasMishaps, info);
    },
    typeResolver: (object) => object.type,
  };
}
