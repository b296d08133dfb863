// Schemas made up by chance, as SDL: valid by construction.
import { buildSchema, parseType, typeFromAST } from 'graphql';
import { literalFor } from './random_values.mjs';

// Near to one another, so that there is something that one could have meant.
const TYPE_NAMES = [
  'User',
  'Users',
  'Usr',
  'Post',
  'Posts',
  'Node',
  'Nod',
  'Item',
  'Items',
  'Page',
];
const FIELD_NAMES = ['id', 'ids', 'name', 'names', 'nam', 'title', 'item', 'items', 'node', 'post'];
const ARGUMENT_NAMES = ['first', 'firs', 'after', 'filter', 'filters', 'id', 'where', 'limit'];
const VALUE_NAMES = ['RED', 'REDS', 'GREEN', 'GREN', 'BLUE', 'red', 'Blue'];
const DIRECTIVE_NAMES = ['cached', 'cache', 'auth', 'tag'];
// Between the quotes of a string, and of a block string.
const { raw } = String;
const TEXTS = ['plain', raw`with \"quotes\" and \\`, 'ünïcödé 😀', '', raw`a\nb`, raw`tab\there`];
const BLOCKS = [
  'one line',
  '\n  two\n    lines\n',
  raw`has a \""" `,
  ' leading',
  '\n\n  x\n\n',
  'back\\ ',
];
const EXECUTABLE_LOCATIONS = [
  'QUERY',
  'MUTATION',
  'SUBSCRIPTION',
  'FIELD',
  'FRAGMENT_DEFINITION',
  'FRAGMENT_SPREAD',
  'INLINE_FRAGMENT',
  'VARIABLE_DEFINITION',
];
const TYPE_LOCATIONS = [
  'SCHEMA',
  'SCALAR',
  'OBJECT',
  'FIELD_DEFINITION',
  'ARGUMENT_DEFINITION',
  'INTERFACE',
  'UNION',
  'ENUM',
  'ENUM_VALUE',
  'INPUT_OBJECT',
  'INPUT_FIELD_DEFINITION',
];

class Maker {
  constructor(random) {
    this.random = random;
    const names = random.shuffled(TYPE_NAMES.flatMap((name) => [name, `${name}Kind`, `My${name}`]));
    const take = (low, high) => names.splice(0, random.between(low, high));
    this.scalars = take(0, 2);
    this.enums = take(1, 2);
    this.inputs = take(0, 3);
    this.interfaces = take(0, 3);
    this.objects = take(2, 5);
    this.unions = take(0, 2);
    this.directives = random.some(DIRECTIVE_NAMES, 2);
    this.applicable = []; // directives with an argument that is not required
    this.leaves = ['Int', 'Float', 'String', 'Boolean', 'ID', ...this.scalars, ...this.enums];
  }

  description(indent) {
    if (!this.random.once(4)) {
      return '';
    }
    const text = this.random.once(2)
      ? `"${this.random.of(TEXTS)}"`
      : `"""${this.random.of(BLOCKS)}${this.random.of(['', '\n'])}"""`;
    return `${indent}${text}\n`;
  }

  deprecation() {
    return this.random.once(8) ? ` @deprecated${this.random.of(['', '(reason: "old")'])}` : '';
  }

  applied(location) {
    const usable = this.applicable.filter((directive) => directive.locations.includes(location));
    return this.random
      .some(usable, 3)
      .map(({ use }) => ` ${use}`)
      .join('');
  }

  wrapped(name) {
    const wrap = ['', '!', '[]', '[]!', '[!]', '[!]!', '[[]]'];
    switch (this.random.once(2) ? '' : this.random.of(wrap)) {
      case '!':
        return `${name}!`;
      case '[]':
        return `[${name}]`;
      case '[]!':
        return `[${name}]!`;
      case '[!]':
        return `[${name}!]`;
      case '[!]!':
        return `[${name}!]!`;
      case '[[]]':
        return `[[${name}!]]`;
      default:
        return name;
    }
  }

  // Defaults need the types: they are written as @DEFAULT:Type@ and filled in at the end.
  inputValue(name, type, indent, location, canHaveDefault = true) {
    const hasDefault = canHaveDefault && this.random.once(3);
    const isRequired = type.endsWith('!') && !hasDefault;
    return (
      this.description(indent) +
      `${indent}${name}: ${type}` +
      (hasDefault ? ` = @DEFAULT:${type}@` : '') +
      (isRequired ? '' : this.deprecation()) +
      this.applied(location)
    );
  }

  arguments() {
    if (!this.random.once(3)) {
      return [];
    }
    return this.random.some(ARGUMENT_NAMES, 4).map((name) => ({
      name,
      type: this.wrapped(this.random.of([...this.leaves, ...this.inputs])),
    }));
  }

  field(name) {
    const composites = [...this.objects, ...this.interfaces, ...this.unions];
    const type = this.random.once(3) ? this.random.of(composites) : this.random.of(this.leaves);
    return { name, type: this.wrapped(type), arguments: this.arguments() };
  }

  // What an interface's field may become in a type that has it.
  narrowed(field) {
    const narrow = this.random.once(4) && !field.type.endsWith('!');
    const isOptional = ({ name }) => !field.arguments.some((argument) => argument.name === name);
    return {
      ...field,
      type: narrow ? `${field.type}!` : field.type,
      arguments: [
        ...field.arguments,
        ...this.random
          .some(ARGUMENT_NAMES, 12)
          .map((name) => ({ name, type: 'Int' }))
          .filter(isOptional),
      ],
    };
  }

  // The fields of types with their interfaces: { name, interfaces, fields }
  withFields(name, parents) {
    const interfaces = parents.flatMap((parent) => [...parent.interfaces, parent.name]);
    const fields = new Map();
    for (const parent of parents) {
      for (const field of parent.fields.values()) {
        if (!fields.has(field.name)) {
          fields.set(field.name, this.narrowed(field));
        }
      }
    }
    for (const fieldName of this.random.some(FIELD_NAMES, 2)) {
      if (!this.shared.has(fieldName) && !fields.has(fieldName)) {
        fields.set(fieldName, this.field(fieldName));
      }
    }
    fields.set('own', fields.get('own') ?? { name: 'own', type: 'Int', arguments: [] });
    return { name, interfaces: [...new Set(interfaces)], fields };
  }

  // All interfaces take their fields from `shared`, so that no two of them disagree.
  makeInterfaces() {
    const sharedNames = this.random.some(FIELD_NAMES, 3);
    this.shared = new Map(sharedNames.map((name) => [name, this.field(name)]));
    this.made = [];
    for (const name of this.interfaces) {
      const parents = this.random.some(this.made, 3);
      const interfaces = [...new Set(parents.flatMap((p) => [...p.interfaces, p.name]))];
      const fields = new Map(parents.flatMap((parent) => [...parent.fields]));
      for (const shared of this.random.some(sharedNames, 2)) {
        fields.set(shared, this.shared.get(shared));
      }
      fields.set('own', { name: 'own', type: 'Int', arguments: [] });
      this.made.push({ name, interfaces, fields });
    }
  }

  printFields({ fields }) {
    return this.random
      .shuffled([...fields.values()])
      .map((field) => {
        const inside = field.arguments
          .map(({ name, type }) => this.inputValue(name, type, '    ', 'ARGUMENT_DEFINITION'))
          .join(this.random.of([',\n', '\n']));
        return (
          this.description('  ') +
          `  ${field.name}${inside ? `(\n${inside}\n  )` : ''}: ${field.type}` +
          this.deprecation() +
          this.applied('FIELD_DEFINITION')
        );
      })
      .join('\n');
  }

  printComposite(keyword, location, type) {
    const separator = this.random.of([' & ', ' & ', ' &\n    ']);
    const implemented = this.random.shuffled(type.interfaces).join(separator);
    return (
      this.description('') +
      `${keyword} ${type.name}${implemented ? ` implements ${implemented}` : ''}` +
      `${this.applied(location)} {\n${this.printFields(type)}\n}`
    );
  }

  printDirective(name) {
    const locations = this.random.some([...EXECUTABLE_LOCATIONS, ...TYPE_LOCATIONS], 2);
    const text = this.random.of(['x', 'é "y"']);
    const where = locations.length > 0 ? locations : ['FIELD'];
    this.applicable.push({
      locations: where,
      use: this.random.of([
        `@${name}`,
        `@${name}(text: ${JSON.stringify(text)})`,
        `@${name}(n: 3)`,
      ]),
    });
    return (
      this.description('') +
      `directive @${name}(text: String = "d", n: [Int!])${this.random.of(['', ' repeatable'])}` +
      ` on ${this.random.of(['', '| '])}${where.join(this.random.of([' | ', '\n  | ']))}`
    );
  }

  printLeafTypes() {
    return [
      ...this.scalars.map(
        (name) =>
          `${this.description('')}scalar ${name}${this.applied('SCALAR')}` +
          this.random.of(['', ' @specifiedBy(url: "https://example.com/é")']),
      ),
      ...this.enums.map((name) => {
        const values = this.random.some(VALUE_NAMES, 2);
        const lines = (values.length > 0 ? values : ['ONLY']).map(
          (value) =>
            `${this.description('  ')}  ${value}${this.deprecation()}${this.applied('ENUM_VALUE')}`,
        );
        return `${this.description('')}enum ${name}${this.applied('ENUM')} {\n${lines.join('\n')}\n}`;
      }),
    ];
  }

  // A field may lead to its own type and to later ones, but only where it can be left out.
  printInputs() {
    return this.inputs.map((name, index) => {
      const names = [...new Set(this.random.some(ARGUMENT_NAMES, 2).concat('own'))];
      const fields = names.map((field) => {
        const isNested = this.random.once(4);
        const type = isNested
          ? this.random.of([this.random.of(this.inputs), `[${this.random.of(this.inputs)}!]`])
          : this.wrapped(this.random.of([...this.leaves, ...this.inputs.slice(0, index)]));
        const isOfInputs = this.inputs.some((input) => type.includes(input)); // no circles
        return this.inputValue(field, type, '  ', 'INPUT_FIELD_DEFINITION', !isOfInputs);
      });
      return (
        this.description('') +
        `input ${name}${this.applied('INPUT_OBJECT')} {\n${fields.join('\n')}\n}`
      );
    });
  }

  printUnions() {
    return this.unions.map((name) => {
      const members = this.random.some(this.objects, 2);
      const list = (members.length > 0 ? members : this.objects.slice(0, 1)).join(' | ');
      return (
        this.description('') +
        `union ${name}${this.applied('UNION')} = ${this.random.of(['', '| '])}${list}`
      );
    });
  }

  printRoots() {
    const named = this.random.once(3);
    const roots = [named ? 'TheQuery' : 'Query'];
    roots.push(...this.random.some([named ? 'TheMutation' : 'Mutation'], 2));
    roots.push(...this.random.some([named ? 'TheSubscription' : 'Subscription'], 3));
    const definitions = roots.map((name) => {
      const type = this.withFields(name, this.random.some(this.made, 4));
      return this.printComposite('type', 'OBJECT', type);
    });
    if (named) {
      const lines = roots.map((name) => `  ${name.slice(3).toLowerCase()}: ${name}`);
      definitions.push(
        `${this.description('')}schema${this.applied('SCHEMA')} {\n${lines.join('\n')}\n}`,
      );
    }
    return definitions;
  }

  printExtensions() {
    const { random } = this;
    return [
      ...random.some(this.objects, 4).map((name) => `extend type ${name} { extra: Int }`),
      ...random.some(this.unions, 4).map((name) => `extend union ${name} = Extra`),
      ...random.some(this.enums, 4).map((name) => `extend enum ${name} { EXTRA }`),
      ...random.some(this.inputs, 4).map((name) => `extend input ${name} { extra: Int = 1 }`),
      'type Extra { extra: String }',
    ];
  }

  print() {
    const directives = this.directives.map((name) => this.printDirective(name));
    this.makeInterfaces();
    const definitions = [
      ...directives,
      ...this.printLeafTypes(),
      ...this.printInputs(),
      ...this.made.map((type) => this.printComposite('interface', 'INTERFACE', type)),
      ...this.objects.map((name) =>
        this.printComposite(
          'type',
          'OBJECT',
          this.withFields(name, this.random.some(this.made, 2)),
        ),
      ),
      ...this.printUnions(),
      ...this.printRoots(),
      ...this.printExtensions(),
    ];
    const order = this.random.once(3) ? definitions : this.random.shuffled(definitions);
    return order.join(this.random.of(['\n\n', '\n', '\n# a comment\n', '\r\n\r\n']));
  }
}

/** The SDL of a schema. */
export function randomSchema(random) {
  const sdl = new Maker(random).print();
  const schema = buildSchema(sdl.replace(/ = @DEFAULT:[^@]*@/g, ''));
  return sdl.replace(/@DEFAULT:([^@]*)@/g, (_, type) =>
    literalFor(random, typeFromAST(schema, parseType(type)), { isDefault: true }),
  );
}
