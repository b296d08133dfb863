// Documents made up by chance for a schema: mostly valid by construction, or with a few mistakes.
import {
  __Schema,
  __Type,
  GraphQLNonNull,
  TokenKind,
  Lexer,
  Source,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isInputType,
  isNonNullType,
  isRequiredArgument,
  isUnionType,
} from 'graphql';
import { jsonFor, literalFor } from './random_values.mjs';

const DEPTH_MAX = 5;
const SELECTIONS_MAX = 120; // of a document

class Maker {
  constructor(random, schema, { wrong = 0, clashes = 0 }) {
    this.random = random;
    this.schema = schema;
    this.wrong = wrong;
    this.clashes = clashes;
    this.fragments = [];
    this.keys = new Map(); // response key → what it stands for, so that all can be merged
    this.selectionCount = 0;
    this.composites = Object.values(schema.getTypeMap()).filter(
      (type) => isCompositeType(type) && !type.name.startsWith('__'),
    );
  }

  isWrong() {
    return this.wrong > 0 && this.random.once(this.wrong * 4);
  }

  variable(type) {
    const known = this.variables.filter((variable) => String(variable.type) === String(type));
    if (known.length > 0 && this.random.once(2)) {
      return `$${this.random.of(known).name}`;
    }
    if (this.inFragment || this.variables.length > 8) {
      return undefined; // a fragment may be used by several operations
    }
    const name = `v${this.variables.length}`;
    const isStricter = !isNonNullType(type) && this.random.once(3);
    this.variables.push({ name, type: isStricter ? new GraphQLNonNull(type) : type });
    return `$${name}`;
  }

  literal(type) {
    return literalFor(this.random, type, {
      wrong: this.wrong * 4,
      variable: (wanted) => this.variable(wanted),
    });
  }

  arguments(definitions) {
    const given = definitions.filter(
      (argument) => (isRequiredArgument(argument) && !this.isWrong()) || this.random.once(2),
    );
    const list = this.random
      .shuffled(given)
      .map((argument) => `${argument.name}: ${this.literal(argument.type)}`);
    if (this.isWrong()) {
      list.push(this.random.of(['unknown: 1', 'firs: 1', 'id: "x"', ...list]));
    }
    return list.length > 0 ? `(${list.join(this.random.of([', ', ' ', ',']))})` : '';
  }

  directives(location) {
    const { random } = this;
    if (!random.once(8)) {
      return '';
    }
    const usable = this.schema
      .getDirectives()
      .filter(({ locations }) => locations.includes(location) || this.isWrong());
    const some = random.some(usable, 2);
    if (this.isWrong()) {
      some.push(...some);
    }
    const list = some.map((directive) => `@${directive.name}${this.arguments(directive.args)}`);
    if (this.isWrong()) {
      list.push('@unknown');
    }
    return list.map((directive) => ` ${directive}`).join('');
  }

  key(name, meaning) {
    if (this.clashes > 0 && this.random.once(this.clashes)) {
      return `k${this.random.below(3)}: ${name}`;
    }
    for (let key = this.random.once(5) ? `k${this.random.below(20)}` : name; ;) {
      if ((this.keys.get(key) ?? meaning) === meaning) {
        this.keys.set(key, meaning);
        return key === name ? name : `${key}: ${name}`;
      }
      key = `k${this.random.below(1000)}`;
    }
  }

  introspection(depth) {
    if (this.random.once(2)) {
      return `${this.key('__schema', '__schema')} ${this.selections(__Schema, depth + 1)}`;
    }
    const name = this.random.of([...Object.keys(this.schema.getTypeMap()), 'Nope']);
    const key = this.key('__type', `__type ${name}`);
    return `${key}(name: "${name}") ${this.selections(__Type, depth + 1)}`;
  }

  field(type, depth) {
    if (type === this.schema.getQueryType() && depth < DEPTH_MAX && this.random.once(30)) {
      return this.introspection(depth);
    }
    const fields = isUnionType(type) ? [] : Object.values(type.getFields());
    if (fields.length === 0 || this.random.once(8)) {
      return `${this.key('__typename', '__typename')}${this.directives('FIELD')}`;
    }
    const field = this.random.of(fields);
    const named = getNamedType(field.type);
    const given = this.arguments(field.args);
    // What has other fields below must not be told apart below: the type is part of its meaning.
    const text = this.key(field.name, `${field.name}${given}: ${field.type}`);
    const hasSelections = isCompositeType(named) !== this.isWrong();
    const below = hasSelections
      ? ` ${this.selections(isCompositeType(named) ? named : type, depth + 1)}`
      : '';
    const name = this.isWrong() ? text.replace(/.$/, '') || text : text;
    return `${name}${given}${this.directives('FIELD')}${below}`;
  }

  // A type whose objects some of type's are; or any.
  overlapping(type) {
    if (this.isWrong()) {
      return this.random.of(this.composites);
    }
    const objects = isAbstractType(type) ? this.schema.getPossibleTypes(type) : [type];
    const fitting = this.composites.filter((other) =>
      objects.some(
        (object) =>
          object === other || (isAbstractType(other) && this.schema.isSubType(other, object)),
      ),
    );
    return fitting.length > 0 ? this.random.of(fitting) : type;
  }

  selection(type, depth) {
    const { random } = this;
    this.selectionCount++;
    const what = random.below(12);

    if (what === 0 && depth < DEPTH_MAX) {
      const other = this.overlapping(type);
      const applied = this.directives('INLINE_FRAGMENT');
      return `... on ${other}${applied} ${this.selections(other, depth + 1)}`;
    }
    if (what === 1 && depth < DEPTH_MAX) {
      return `...${this.directives('INLINE_FRAGMENT')} ${this.selections(type, depth + 1)}`;
    }
    if (what === 2) {
      const objects = (t) => (isAbstractType(t) ? this.schema.getPossibleTypes(t) : [t]);
      const usable = this.fragments.filter(
        (fragment) =>
          fragment.isDone &&
          objects(fragment.type).some((object) => objects(type).includes(object)),
      );
      const fragment = this.isWrong()
        ? random.of([...this.fragments, { name: 'Unknown' }])
        : usable.length > 0
          ? random.of(usable)
          : undefined;
      if (fragment) {
        fragment.isUsed = true;
        return `...${fragment.name}${this.directives('FRAGMENT_SPREAD')}`;
      }
    }
    return this.field(type, depth);
  }

  selections(type, depth) {
    const isFull = depth >= DEPTH_MAX || this.selectionCount > SELECTIONS_MAX;
    if (isFull) {
      const leaf = isUnionType(type) ? undefined : type.getFields().own;
      return leaf ? '{ own }' : '{ __typename }';
    }
    const count = this.random.between(1, depth < 2 ? 6 : 3);
    const list = this.random.times(count, () => this.selection(type, depth));
    return `{ ${list.join(this.random.of([' ', ', ', '\n', ' # c\n']))} }`;
  }

  fragment(index) {
    const type = this.overlapping(this.random.of(this.composites));
    const fragment = { name: `F${index}`, type };
    this.fragments.push(fragment);
    this.inFragment = true;
    this.variables = [];
    const head = `fragment ${fragment.name} on ${this.isWrong() ? 'Nowhere' : type}`;
    fragment.text = `${head}${this.directives('FRAGMENT_DEFINITION')} ${this.selections(type, 1)}`;
    fragment.isDone = true;
    this.inFragment = false;
  }

  operation(kind, name) {
    const root = this.schema.getRootType(kind);
    this.variables = [];
    const isSubscription = kind === 'subscription' && !this.isWrong();
    const selections = isSubscription ? `{ ${this.rootField(root)} }` : this.selections(root, 0);
    const applied = this.directives(kind.toUpperCase());
    const variables = this.variables.map((variable) => {
      const required = new GraphQLNonNull(getNullableType(variable.type));
      const hasDefault = this.random.once(4) && isInputType(getNamedType(required));
      const type = this.isWrong()
        ? this.random.of(['String', '[Int!]!', 'Query', 'Nope'])
        : variable.type;
      return (
        `$${variable.name}: ${type}` +
        (hasDefault ? ` = ${literalFor(this.random, required, { wrong: this.wrong * 8 })}` : '') +
        (this.isWrong() ? ' @unlucky' : '')
      );
    });
    if (this.isWrong()) {
      variables.push(this.random.of(['$unused: Int', '$v0: Int', ...variables]));
    }
    const head = `${kind} ${name}${variables.length > 0 ? `(${variables.join(', ')})` : ''}`;
    return {
      name,
      variables: this.variables,
      text:
        name === '' && variables.length === 0 && kind === 'query' && applied === ''
          ? selections
          : `${head}${applied} ${selections}`,
    };
  }

  rootField(root) {
    const skipping = /@(skip|include)\b/; // which a subscription's root must not have
    for (;;) {
      const field = this.field(root, 0);
      if (!skipping.test(field) && !field.includes('__typename')) {
        return field;
      }
    }
  }

  print() {
    const { random } = this;
    const kinds = ['query', 'mutation', 'subscription'].filter((kind) =>
      this.schema.getRootType(kind),
    );
    random.times(random.below(4), (index) => this.fragment(index));
    const count = random.once(4) ? random.between(2, 3) : 1;
    const names = count === 1 && random.once(2) ? [''] : ['A', 'B', this.isWrong() ? 'A' : 'C'];
    const operations = random.times(count, (i) =>
      this.operation(random.once(2) ? 'query' : random.of(kinds), names[i]),
    );
    // What is not used is not there; what an unused one alone uses is not there either.
    const fragments = this.isWrong()
      ? this.fragments
      : this.usedFrom(operations.map(({ text }) => text));
    const texts = [...operations, ...fragments].map(({ text }) => text);
    return {
      text: random.shuffled(texts).join(random.of(['\n', '\n\n', ' '])),
      operations,
    };
  }

  usedFrom(texts) {
    const used = new Set();
    for (const queue = [...texts]; queue.length > 0;) {
      for (const [, name] of queue.pop().matchAll(/\.\.\.(F\d+)\b/g)) {
        const fragment = this.fragments.find((one) => one.name === name);
        if (fragment && !used.has(fragment)) {
          used.add(fragment);
          queue.push(fragment.text);
        }
      }
    }
    return [...used];
  }
}

/**
 * { document, operation, variables } for a built schema: a request for its executor.
 *
 * Of the options each is once in so many times; 0, or left out: never.
 * @param options.wrong something in the document is
 * @param options.clashes a field has an alias that others have, too
 * @param options.wrongVariables a value in the variables does not fit
 */
export function randomRequest(random, schema, options) {
  const { text, operations } = new Maker(random, schema, options).print();
  const chosen = random.of(operations);
  const wrong = options.wrongVariables ?? 0;
  const members = chosen.variables
    .filter(({ type }) => (isNonNullType(type) ? !wrong || !random.once(wrong) : !random.once(4)))
    .map(({ name, type }) => [name, jsonFor(random, type, wrong)]);
  return {
    document: text,
    operation: operations.length > 1 || random.once(4) ? chosen.name : '',
    variables: Object.fromEntries(members),
  };
}

/** All tokens of a text, as { kind, start, end }. */
export function tokensOf(text) {
  const lexer = new Lexer(new Source(text));
  const tokens = [];
  while (lexer.advance().kind !== TokenKind.EOF) {
    tokens.push(lexer.token);
  }
  return tokens;
}

/** The text with one token gone, doubled, or replaced by another of the text, mostly of its kind. */
export function mutated(random, text) {
  const tokens = tokensOf(text);
  const token = random.of(tokens);
  const other = random.of(
    random.once(4) ? tokens : tokens.filter(({ kind }) => kind === token.kind),
  );
  const own = text.slice(token.start, token.end);
  const another = text.slice(other.start, other.end);
  const instead = random.of(['', `${own} ${own}`, another, another, another]);
  return text.slice(0, token.start) + instead + text.slice(token.end);
}
