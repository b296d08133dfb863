// What an operation asks for, added up as server/graphql/limits.h says and in the simplest way: every
// fragment is read again wherever it is spread.
import {
  GraphQLInt,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  getNamedType,
  getNullableType,
  isListType,
} from 'graphql';

const ITEMS_UNKNOWN = 10;
const META_FIELDS = [SchemaMetaFieldDef, TypeMetaFieldDef, TypeNameMetaFieldDef];

const isBuiltIn = (type) => type.name.startsWith('__');
const fieldOf = (type, name) =>
  META_FIELDS.find((field) => field.name === name) ?? type.getFields()[name];
const isInt32 = (number) => number >= -2147483648 && number <= 2147483647;

class Sum {
  constructor(schema, document, operation, variables) {
    this.schema = schema;
    this.variables = variables;
    this.types = new Map(
      operation.variableDefinitions.map(({ variable, type }) => [variable.name.value, type]),
    );
    this.fragments = new Map(
      document.definitions
        .filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
        .map((fragment) => [fragment.name.value, fragment]),
    );
    this.aliases = 0;
    this.roots = 0;
    this.depth = 0;
  }

  isLeftOut({ directives }) {
    const says = (name) => {
      const value = directives.find((directive) => directive.name.value === name)?.arguments[0]
        .value;
      return value?.kind === Kind.VARIABLE ? this.variables[value.name.value] : value?.value;
    };
    return says('skip') === true || says('include') === false;
  }

  // Of the type Int!, or a literal that is a whole number.
  limitOf(field, node) {
    const value = node.arguments.find((argument) => argument.name.value === 'limit')?.value;
    if (value?.kind === Kind.INT && isInt32(Number(value.value))) {
      return Number(value.value);
    }
    if (value?.kind === Kind.VARIABLE) {
      let type = this.types.get(value.name.value);
      type = type.kind === Kind.NON_NULL_TYPE ? type.type : type;
      const number = this.variables[value.name.value];
      if (type.name?.value === 'Int' && typeof number === 'number') {
        return number;
      }
    }
    const argument = field.args.find(({ name }) => name === 'limit');
    const isInt = argument && getNullableType(argument.type) === GraphQLInt;
    return isInt && typeof argument.defaultValue === 'number'
      ? argument.defaultValue
      : ITEMS_UNKNOWN;
  }

  itemsOf(field, node) {
    if (!isListType(getNullableType(field.type)) || isBuiltIn(getNamedType(field.type))) {
      return 1;
    }
    const hasLimit = field.args.some(({ name }) => name === 'limit');
    return Math.max(1, hasLimit ? this.limitOf(field, node) : ITEMS_UNKNOWN);
  }

  /** The complexity of a set, whose fields are so many deep. */
  add({ selections }, type, depth, isRoot) {
    let complexity = 0n;
    for (const node of selections.filter((selection) => !this.isLeftOut(selection))) {
      if (node.kind !== Kind.FIELD) {
        const fragment = node.name ? this.fragments.get(node.name.value) : node;
        const condition = fragment.typeCondition?.name.value;
        const inner = condition ? this.schema.getType(condition) : type;
        complexity += this.add(fragment.selectionSet, inner, depth, isRoot);
        continue;
      }
      const field = fieldOf(type, node.name.value);
      const below = depth + (isBuiltIn(type) ? 0 : 1);
      complexity += 1n;
      this.aliases += node.alias ? 1 : 0;
      this.roots += isRoot ? 1 : 0;
      this.depth = Math.max(this.depth, below);
      if (node.selectionSet) {
        const inner = this.add(node.selectionSet, getNamedType(field.type), below, false);
        complexity += BigInt(this.itemsOf(field, node)) * inner;
      }
    }
    return complexity;
  }
}

/** { depth, complexity, aliases, roots } of an operation of a valid document. */
export function limitsOf(schema, document, operation, variables) {
  const sum = new Sum(schema, document, operation, variables);
  const root = schema.getRootType(operation.operation);
  const complexity = sum.add(operation.selectionSet, root, 0, true);
  return { depth: sum.depth, complexity, aliases: sum.aliases, roots: sum.roots };
}
