// graphql-js, and what it says to the requests of probe.h, in the same form.
import {
  __Directive,
  __DirectiveLocation,
  __Schema,
  __Type,
  GraphQLDeprecatedDirective,
  GraphQLSchema,
  Kind,
  TypeInfo,
  ValidationContext,
  ValuesOfCorrectTypeRule,
  buildASTSchema,
  execute,
  getNamedType,
  isInputType,
  parse,
  parseValue,
  print,
  printSchema,
  typeFromAST,
  validate,
  validateSchema,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { validateSDL } from 'graphql/validation/validate.js';
import { resolversFor, takeLiteralsAsTheyAre } from './values.mjs';

/*
 * Introspection as it was in October 2021: what has come since is taken out, so that it is found in
 * no answer and in no "Did you mean …?".
 */
for (const [type, later] of [
  [__Type, ['isOneOf']],
  [__Directive, ['isDeprecated', 'deprecationReason']],
]) {
  for (const name of later) {
    delete type.getFields()[name];
  }
}
__Schema.getFields().directives.args.length = 0;
for (const list of [__DirectiveLocation.getValues(), GraphQLDeprecatedDirective.locations]) {
  const at = list.findIndex((location) => (location.name ?? location) === 'DIRECTIVE_DEFINITION');
  list.splice(at, 1);
}

const withoutOneOf = (schema) =>
  new GraphQLSchema({
    ...schema.toConfig(),
    directives: schema.getDirectives().filter(({ name }) => name !== 'oneOf'),
  });

const toErrors = (errors) => ({ errors: errors.map((error) => error.toJSON()) });

/** { document } or { errors }. */
function parseDocument(text) {
  try {
    return { document: parse(text) };
  } catch (error) {
    return toErrors([error]);
  }
}

// An operation and the fragments that it uses; what cannot change a result is left out.
function normalForm(document, operation) {
  const fragments = new Map();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION && !fragments.has(definition.name.value)) {
      fragments.set(definition.name.value, definition);
    }
  }
  const used = new Set();
  function use(definition) {
    visit(definition, {
      FragmentSpread({ name }) {
        if (fragments.has(name.value) && !used.has(name.value)) {
          used.add(name.value);
          use(fragments.get(name.value));
        }
      },
    });
  }
  use(operation);
  const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const definitions = [
    { ...operation, name: undefined },
    ...[...used].sort(byBytes).map((name) => fragments.get(name)),
  ];
  return print(
    visit(
      { kind: Kind.DOCUMENT, definitions },
      {
        VariableDefinition: (node) => ({ ...node, description: undefined }),
        OperationDefinition: (node) => ({ ...node, description: undefined }),
        FragmentDefinition: (node) => ({ ...node, description: undefined }),
        StringValue: (node) => ({ ...node, block: false }),
        Field: (node) =>
          node.alias?.value === node.name.value ? { ...node, alias: undefined } : undefined,
      },
    ),
  );
}

/** The normal forms are printed here; ours are to be parsed and printed before they are compared. */
export function judgeParse({ document: text }) {
  const { document, errors } = parseDocument(text);
  if (errors) {
    return { errors };
  }
  const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  return {
    print: print(document),
    normal: operations.map((operation) => normalForm(document, operation)),
  };
}

export function judgeValue({ document }) {
  try {
    return { print: print(parseValue(document)) };
  } catch (error) {
    return toErrors([error]);
  }
}

// Do the literals of an SDL document fit their types? graphql-js has the rule, but does not ask.
function literalErrors(schema, document) {
  const errors = [];
  const judge = (node, typeInfo) => {
    const context = new ValidationContext(schema, document, typeInfo, (e) => errors.push(e));
    visit(node, visitWithTypeInfo(typeInfo, ValuesOfCorrectTypeRule(context)));
  };
  visit(document, {
    Directive: (node) => judge(node, new TypeInfo(schema)),
    InputValueDefinition({ type: typeNode, defaultValue }) {
      const type = typeFromAST(schema, typeNode);
      if (defaultValue && type && isInputType(getNamedType(type))) {
        judge(defaultValue, new TypeInfo(schema, type));
      }
    },
  });
  return toErrors(errors).errors;
}

function judgeTypes(document) {
  const schema = withoutOneOf(buildASTSchema(document, { assumeValidSDL: true }));
  const schemaErrors = toErrors(validateSchema(schema)).errors;
  const literals = literalErrors(schema, document);
  if (schemaErrors.length + literals.length > 0) {
    return { errors: schemaErrors, literals, stage: 'schema' };
  }
  const printed = printSchema(schema);
  takeLiteralsAsTheyAre(schema);
  return { print: printed, schema };
}

/**
 * { print, schema }, or { errors, stage } of the text ("parse", "text") or of the types ("schema"), these
 * with { literals }: mistakes that graphql-js does not look for; or { throws }, if it cannot take it.
 */
export function judgeSchema({ document: text }) {
  const { document, errors } = parseDocument(text);
  if (errors) {
    return { errors, stage: 'parse' };
  }
  const textErrors = validateSDL(document);
  if (textErrors.length > 0) {
    return { ...toErrors(textErrors), stage: 'text' };
  }
  try {
    return judgeTypes(document);
  } catch (error) {
    return { throws: error.message };
  }
}

/** { errors }, none if it is valid; or { throws }. */
export function judgeValidate(schema, { document: text }) {
  const { document, errors } = parseDocument(text);
  if (errors) {
    return { errors };
  }
  try {
    return toErrors(validate(schema, document));
  } catch (error) {
    return { throws: error.message };
  }
}

export function judgeExecute(schema, { document: text, variables, operation, seed }) {
  const { document, errors } = parseDocument(text);
  if (errors) {
    return { errors };
  }
  const mistakes = judgeValidate(schema, { document: text });
  if (mistakes.throws || mistakes.errors.length > 0) {
    return mistakes;
  }
  const result = execute({
    schema,
    document,
    variableValues: variables,
    operationName: operation || undefined,
    ...resolversFor(seed),
  });
  return JSON.parse(JSON.stringify(result));
}
