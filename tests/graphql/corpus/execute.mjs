// What coercion and execution are asked, over one schema. Groups of { document, variables, operation }, or
// a document alone; each is executed with several seeds.

export const SCHEMA = `
scalar Any
enum Color { RED GREEN BLUE @deprecated }
input Point { x: Int! y: Int! = 7 label: String color: Color = GREEN }
input Deep { point: Point points: [Point!] deep: Deep ids: [ID] any: Any matrix: [[Float!]] }
interface Named { name: String }
interface Owned implements Named { name: String owner: Person }
type Person implements Named { name: String age: Int friends: [Person!] pets(first: Int = 2): [Pet] best: Person! }
type Dog implements Named & Owned { name: String owner: Person barks: Boolean! color: Color }
type Cat implements Named & Owned { name: String owner: Person lives: Int! any: Any! }
union Pet = Dog | Cat
union Thing = Dog | Cat | Person
type Query {
  int(a: Int, b: Int!, c: Int = 5): Int
  float(a: Float): Float!
  string(a: String): String
  boolean(a: Boolean): Boolean
  id(a: ID): ID
  color(a: Color): Color
  any(a: Any): Any
  ints(a: [Int]): [Int]
  strict(a: [Int!]!): [Int!]!
  matrix(a: [[Int]]): [[Int!]]!
  point(a: Point): String
  deep(a: Deep, b: [Deep!]): String
  person: Person
  people: [Person!]!
  dog: Dog!
  pet: Pet
  pets: [Pet!]
  thing: Thing
  named: Named
  owned: [Owned]
  query: Query
  everything(i: Int = 1, f: Float = 1.5, s: String = "s", b: Boolean = true, d: ID = 4, c: Color = RED, p: Point = {x: 1}, l: [Int] = [1, null]): String
}
type Mutation { first(a: Int): Int second: Query! third: [Int!]! fourth: Query }
type Subscription { event(a: Int): Int events: Person }
`;

// A field with an argument of a type, and what is asked of it as a literal and as a variable.
const LITERALS = {
  'int(b: 1, a: …)': [
    '0',
    '-0',
    '1',
    '-1',
    '2147483647',
    '-2147483648',
    '2147483648',
    '-2147483649',
    '1.0',
    '1e3',
    '"1"',
    'true',
    'RED',
    'null',
    '[]',
    '[1]',
    '{}',
    '99999999999999999999999',
  ],
  'float(a: …)': [
    '0',
    '-0',
    '0.0',
    '-0.0',
    '1.5',
    '1e3',
    '1E-3',
    '1e21',
    '1e-7',
    '123456789012345680000',
    '0.1',
    '4.9e-324',
    '1e-400',
    '1.7976931348623157e308',
    '"1"',
    'true',
    'RED',
    'null',
    '[1.5]',
    '{}',
  ],
  'string(a: …)': [
    '""',
    '"a"',
    '"\\u00e9\\uD83D\\uDE00\\n\\t\\""',
    '"""\n  block\n    string\n"""',
    '1',
    '1.5',
    'true',
    'RED',
    'null',
    '["a"]',
    '{}',
  ],
  'boolean(a: …)': ['true', 'false', '1', '0', '"true"', 'TRUE', 'null', '[true]', '{}'],
  'id(a: …)': [
    '"a"',
    '""',
    '1',
    '-1',
    '0',
    '-0',
    '99999999999999999999999',
    '1.5',
    'true',
    'RED',
    'null',
    '["a"]',
  ],
  'color(a: …)': [
    'RED',
    'BLUE',
    'red',
    'RE',
    'YELLOW',
    '"RED"',
    '1',
    'true',
    'null',
    '[RED]',
    '{}',
  ],
  'any(a: …)': [
    '1',
    '-1.5',
    '1e3',
    '"s"',
    'true',
    'null',
    'WORD',
    '[]',
    '[1, "a", null, [true]]',
    '{}',
    '{a: {b: [C]}, d: null}',
  ],
  'ints(a: …)': [
    '[]',
    '[1]',
    '[1, 2]',
    '1',
    'null',
    '[null]',
    '[1, null]',
    '["a"]',
    '"a"',
    '[[1]]',
    '[1, "a", 2.5]',
    '{}',
  ],
  'strict(a: …)': ['[]', '[1]', '1', 'null', '[null]', '[1, null]', '[[1]]'],
  'matrix(a: …)': [
    '[]',
    '[[]]',
    '[[1, 2], [3]]',
    '[1]',
    '[1, [2]]',
    '1',
    '[null]',
    '[[null]]',
    'null',
    '[["a"]]',
    '[[[1]]]',
  ],
  'point(a: …)': [
    '{x: 1}',
    '{x: 1, y: 2}',
    '{y: 2}',
    '{}',
    '{x: null}',
    '{x: 1, y: null}',
    '{x: "a"}',
    '{x: 1, z: 2}',
    '{x: 1, lable: "a"}',
    '{x: 1, label: null}',
    '{x: 1, color: null}',
    '{x: 1, color: BLUE}',
    '{x: 1, color: BLU}',
    '{label: "a", color: RED, y: 3, x: 4}',
    '{x: 1, x: 2}',
    'null',
    '1',
    '"x"',
    '[]',
    '[{x: 1}]',
  ],
  'deep(a: …)': [
    '{}',
    '{point: {x: 1}}',
    '{points: {x: 1}}',
    '{points: [{x: 1}, {x: 2, y: 3}]}',
    '{points: [null]}',
    '{deep: {deep: {deep: {point: {x: 1}}}}}',
    '{deep: {deep: {point: {}}}}',
    '{ids: [1, "a", null]}',
    '{ids: 1}',
    '{any: {a: [1]}}',
    '{matrix: 1}',
    '{matrix: [[1.5, 2], []]}',
    '{matrix: [[null]]}',
    '{deep: {points: [{x: 1}, {x: "b"}]}}',
  ],
};

const VARIABLES = {
  Int: [
    'int(b: 1, a: $v)',
    [
      0,
      -0,
      1,
      -1,
      2147483647,
      -2147483648,
      2147483648,
      -2147483649,
      1.5,
      3.0,
      1e300,
      '1',
      '',
      true,
      null,
      [],
      [1],
      {},
    ],
  ],
  'Int!': ['int(b: $v)', [1, null, '1']],
  Float: [
    'float(a: $v)',
    [
      0,
      -0,
      1.5,
      1e21,
      1e-7,
      5e-324,
      1.7976931348623157e308,
      9007199254740993,
      '1',
      true,
      null,
      [1.5],
      {},
    ],
  ],
  String: [
    'string(a: $v)',
    ['', 'a', 'é😀\u0000\u001F"\\\u2028\u007F', 1, 1.5, true, null, ['a'], {}],
  ],
  Boolean: ['boolean(a: $v)', [true, false, 1, 0, 'true', null, [true], {}]],
  ID: ['id(a: $v)', ['a', '', 1, -1, 0, -0, 9007199254740991, 1e21, 1.5, true, null, ['a'], {}]],
  Color: ['color(a: $v)', ['RED', 'BLUE', 'red', 'RE', 'YELLOW', '', 1, true, null, ['RED'], {}]],
  Any: [
    'any(a: $v)',
    [1, -1.5, 's', true, null, [], [1, 'a', null, [true]], {}, { a: { b: ['C'] }, d: null }],
  ],
  '[Int]': [
    'ints(a: $v)',
    [[], [1], [1, 2], 1, null, [null], [1, null], ['a'], 'a', [[1]], [1, 'a', 2.5], {}],
  ],
  '[Int!]!': ['strict(a: $v)', [[], [1], 1, null, [null], [1, null, 2, null], [[1]]]],
  '[[Int]]': [
    'matrix(a: $v)',
    [[], [[]], [[1, 2], [3]], [1], [1, [2]], 1, [null], [[null]], null, [['a']], [[[1]]]],
  ],
  Point: [
    'point(a: $v)',
    [
      { x: 1 },
      { x: 1, y: 2 },
      { y: 2 },
      {},
      { x: null },
      { x: 1, y: null },
      { x: 'a' },
      { x: 1, z: 2 },
      { x: 1, lable: 'a' },
      { x: 1, label: null },
      { x: 1, color: null },
      { x: 1, color: 'BLUE' },
      { x: 1, color: 'BLU' },
      { label: 'a', color: 'RED', y: 3, x: 4 },
      { z: 1, w: 2 },
      null,
      1,
      'x',
      [],
      [{ x: 1 }],
      { x: 1, __proto: 1 },
      { x: [1], y: {}, label: 1, color: [] },
    ],
  ],
  Deep: [
    'deep(a: $v)',
    [
      {},
      { point: { x: 1 } },
      { points: { x: 1 } },
      { points: [{ x: 1 }, { x: 2, y: 3 }] },
      { points: [null] },
      { deep: { deep: { deep: { point: { x: 1 } } } } },
      { deep: { deep: { point: {} } } },
      { ids: [1, 'a', null, 1.5] },
      { ids: 1 },
      { any: { a: [1] } },
      { matrix: 1 },
      { matrix: [[1.5, 2], []] },
      { matrix: [[null], null, 1, 'a'] },
      { deep: { points: [{ x: 1 }, { x: 'b' }], point: 1 } },
    ],
  ],
  '[Deep!]': [
    'deep(b: $v)',
    [{ deep: {} }, [{ deep: {} }, null], [{ points: [{ x: 'a' }, { y: 'b' }] }, { ids: [[]] }]],
  ],
};

export const REQUESTS = {
  ...Object.fromEntries(
    Object.entries(LITERALS).map(([field, literals]) => [
      `literals for ${field}`,
      literals.map((literal) => `{ ${field.replace('…', literal)} }`),
    ]),
  ),

  ...Object.fromEntries(
    Object.entries(VARIABLES).map(([type, [field, values]]) => [
      `variables of type ${type}`,
      [
        ...values.map((v) => ({ document: `query ($v: ${type}) { ${field} }`, variables: { v } })),
        { document: `query ($v: ${type}) { ${field} }`, variables: {} },
        { document: `query ($v: ${type}) { ${field} }` },
        { document: `query ($v: ${type}) { ${field} }`, variables: { w: 1 } },
      ],
    ]),
  ),

  'defaults, null and what is absent': [
    '{ everything }',
    '{ everything(i: null, f: null, s: null, b: null, d: null, c: null, p: null, l: null) }',
    '{ everything(l: 2, i: 3) }',
    ...[{}, { i: null }, { i: 4 }].flatMap((variables) => [
      { document: 'query ($i: Int) { everything(i: $i) }', variables },
      { document: 'query ($i: Int = 9) { everything(i: $i) }', variables },
      { document: 'query ($i: Int! = 9) { everything(i: $i) }', variables },
      { document: 'query ($i: Int) { int(b: 1, c: $i) }', variables },
      { document: 'query ($i: Int = 9) { int(b: $i) }', variables },
      { document: 'query ($i: Int!) { int(b: $i) }', variables },
      { document: 'query ($i: Int) { ints(a: [1, $i]) }', variables },
      {
        document: 'query ($i: Int) { point(a: {x: 1, y: 2, label: "l"}) any(a: {i: $i, l: [$i]}) }',
        variables,
      },
      {
        document: 'query ($i: Int! = 3) { point(a: {x: $i}) strict(a: [$i]) s2: strict(a: $i) }',
        variables,
      },
    ]),
    ...[{}, { s: null }, { s: 'x' }].flatMap((variables) => [
      { document: 'query ($s: String) { point(a: {x: 1, label: $s}) }', variables },
      {
        document: 'query ($s: String = "d") { point(a: {x: 1, label: $s}) deep(a: {ids: [1]}) }',
        variables,
      },
      { document: 'query ($s: ID) { deep(a: {ids: [$s]}) d2: deep(a: {ids: $s}) }', variables },
    ]),
    { document: 'query ($p: Point = {x: 1}) { point(a: $p) }' },
    {
      document: 'query ($p: Point = {x: 1, y: 2, color: RED}) { point(a: $p) }',
      variables: { p: null },
    },
    { document: 'query ($p: [Point!] = {x: 1}) { deep(a: {points: $p}) }' },
    {
      document: 'query ($a: Int, $b: Int!, $c: Int!) { int(a: $a, b: $b, c: $c) }',
      variables: { a: 'x' },
    },
    { document: 'query ($c: Color = BLUE) { color(a: $c) }' },
    { document: 'query ($a: Any = {b: [1, C]}) { any(a: $a) }' },
    {
      document: 'query ($a: Int) { int(b: 1, a: $a) }',
      variables: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a${i}`, i])),
    },
    {
      document: 'query ($a: [Int!]) { ints(a: $a) }',
      variables: { a: Array.from({ length: 80 }, () => 'x') },
    },
  ],

  'which operation': [
    { document: '{ id }', operation: 'A' },
    { document: 'query A { id }', operation: 'A' },
    { document: 'query A { id }', operation: 'B' },
    { document: 'query A { id }' },
    { document: 'query A { id } query B { string }' },
    { document: 'query A { id } query B { string }', operation: 'B' },
    { document: 'query A { id } mutation B { first }', operation: 'B' },
    { document: 'query A { id } mutation B { first }', operation: 'é' },
    'fragment F on Query { id }',
    'mutation { first second { id } third }',
    'mutation { a: first(a: 1) b: first(a: 2) c: first(a: 3) }',
    'subscription { event(a: 1) }',
    'subscription { events { name } }',
  ],

  'skip and include': [
    '{ id @skip(if: true) string @skip(if: false) boolean @include(if: true) color @include(if: false) }',
    '{ id @skip(if: true) @include(if: true) string @skip(if: false) @include(if: false) }',
    '{ id @skip(if: true) }',
    '{ ... @skip(if: true) { id } ... @include(if: true) { string } ...F @include(if: false) } fragment F on Query { color }',
    '{ ...F @skip(if: true) ...F } fragment F on Query { id }',
    '{ ...F ...F @skip(if: true) } fragment F on Query { id }',
    '{ id @skip(if: true) id }',
    '{ person { name @skip(if: true) } person { age } }',
    ...[{}, { v: true }, { v: false }, { v: null }, { v: 'x' }].flatMap((variables) => [
      { document: 'query ($v: Boolean!) { id @skip(if: $v) string @include(if: $v) }', variables },
      {
        document: 'query ($v: Boolean = true) { id @skip(if: $v) string @include(if: $v) }',
        variables,
      },
    ]),
  ],

  'merging and order': [
    '{ b: id a: id }',
    '{ person { name } id person { age name } }',
    '{ ...F id ...G } fragment F on Query { string id } fragment G on Query { color string ...F }',
    '{ person { ...P friends { name } } ...Q } fragment P on Person { age friends { age } } fragment Q on Query { person { name friends { best { age } } } }',
    '{ people { best { best { best { name } } } best { age best { name } } } }',
    '{ pets { ... on Dog { name barks } ... on Cat { lives name } __typename } }',
    '{ named { __typename name ... on Owned { owner { name } } ... on Person { age } } }',
    '{ thing { ... on Named { name } ... on Owned { owner { age } } ... on Dog { owner { name } } } }',
    '{ owned { name ... on Cat { n: name lives any } ... on Dog { n: name c: color } } }',
    '{ __typename a: __typename query { __typename query { __typename id } } }',
    '{ query { query { query { query { id string people { name pets { __typename } } } } } } }',
    '{ dog { name owner { best { friends { pets(first: 3) { ... on Cat { lives } } } } } } }',
    '{ matrix m2: matrix(a: [[1]]) m3: matrix(a: 5) ints strict(a: []) s2: strict(a: 1) }',
    '{ float f2: float(a: 1.5) f3: float(a: 2) query { float } }',
    '{ any a2: any(a: 1) a3: any(a: {b: 2}) owned { ... on Cat { any } } }',
    'query ($p: Int) { a: string(a: "x") b: point(a: {x: 1}) c: deep(b: [{}]) everything(i: $p) }',
    '{ person { pets { ... on Dog { owner { pets { ... on Cat { owner { name } } } } } } friends { friends { friends { name } } } } }',
  ],

  introspection: [
    '{ __schema { queryType { name } mutationType { name fields { name } } subscriptionType { name } types { name kind } } }',
    '{ __type(name: "Point") { kind name inputFields { name type { kind name ofType { kind name } } defaultValue } } }',
    '{ __type(name: "Nope") { name } a: __type(name: "") { name } b: __type(name: "Int") { name specifiedByURL description } }',
    '{ __type(name: "Color") { enumValues { name } all: enumValues(includeDeprecated: true) { name isDeprecated deprecationReason } } }',
    '{ __type(name: "Query") { fields { name args { name type { name } defaultValue } type { name kind ofType { name kind ofType { name kind ofType { name } } } } } } }',
    '{ __type(name: "Owned") { name interfaces { name } possibleTypes { name } fields { name } } b: __type(name: "Pet") { possibleTypes { name } fields { name } } }',
    '{ __schema { directives { name locations isRepeatable args { name type { name kind ofType { name } } defaultValue } } description __typename } }',
    'query ($n: String!) { __type(name: $n) { name __typename fields(includeDeprecated: null) { name } } }',
    { document: 'query ($n: String!) { __type(name: $n) { name } }', variables: { n: 'Dog' } },
    'mutation { __typename first }',
    'mutation { __schema { types { name } } }',
    '{ person { __schema { types { name } } } }',
  ],
};
