// The schema as the server starts with it: files, what is wrong with them, and how one becomes
// another over the rows that are there.
import fs from 'node:fs';
import path from 'node:path';
import { ask, codeOf, dataOf, onlyCode } from './lib/graphql.mjs';
import { makeDirectory, runSluice } from './lib/server.mjs';
import { assert, test } from './lib/test.mjs';

const DIRECTIVES = `
  scalar DateTime
  scalar JSON
  enum On { CREATE WRITE }
  directive @table on OBJECT
  directive @now(on: On!) on FIELD_DEFINITION
  directive @default(json: String!) on FIELD_DEFINITION
  directive @unique on FIELD_DEFINITION
  directive @references(type: String!) on FIELD_DEFINITION
  directive @value(json: String!) on FIELD_DEFINITION
  directive @get(where: JSON) on FIELD_DEFINITION
  directive @list(where: JSON, orderBy: String = "id", desc: Boolean = false) on FIELD_DEFINITION
  directive @create(topics: [String!]! = []) on FIELD_DEFINITION
  directive @update(topics: [String!]! = [], if: JSON) on FIELD_DEFINITION
  directive @subscribe(topic: String!, where: JSON) on FIELD_DEFINITION
`;

/** A shop: columns of Item beside its id and name, arguments of createItem beside its name. */
function shop({ columns = '', args = '', queries = '', types = '' } = {}) {
  return `${DIRECTIVES}
    ${types}
    type Item @table { id: Int! name: String! ${columns} }
    type Query {
      hello: String! @value(json: "\\"hello\\"")
      item(id: Int!): Item @get
      items(limit: Int = 50): [Item!]! @list
      ${queries}
    }
    type Mutation { createItem(name: String!, ${args}): Item! @create(topics: ["items"]) }
    type Subscription { itemAdded: Item! @subscribe(topic: "items") }
  `;
}

/** Writes schemas into files of one directory: write(text) is the path. */
function schemaFiles(cleanup) {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  let count = 0;
  return (text) => {
    const file = path.join(directory, `${++count}.graphql`);
    fs.writeFileSync(file, text);
    return file;
  };
}

const serving = (file) => ({ args: ['--schema', file] });
const createItem = (server, fields, selection = 'id name') =>
  dataOf(server, `mutation { createItem(${fields}) { ${selection} } }`).then((d) => d.createItem);
const seqOf = async (server) => (await server.health()).log.last_seq;

/** A start that has to fail: the status is 2, and what it said is returned. */
async function assertRefused(server, more) {
  Object.assign(server.options, more);
  await assert.rejects(server.launch());
  assert.equal(server.exit.code, 2, server.stderr);
  const said = server.stderr;
  server.stderr = '';
  return said;
}

test('a schema that is wrong ends the start with 2, each mistake with its place', async ({
  prepare,
  cleanup,
}) => {
  const write = schemaFiles(cleanup);
  // Each with where its mistakes stand, by the text there, and what is said of them.
  const cases = [
    [`${DIRECTIVES}type Query { hello: String!`, [['', /./]]],
    [`${DIRECTIVES}type T { hello: String! }`, [[DIRECTIVES[0], /Query root type/]]],
    [`${DIRECTIVES}type Query { hello: String! }`, [['hello', /Query\.hello/]]],
    [shop({ columns: 'price: Money!' }), [['Money', /Money/]]],
    [
      shop({ columns: 'a: Int @nonsense\n b: Int @default(jsom: "1")' }),
      [['@nonsense', /@nonsense/], ['jsom', /jsom/]],
    ],
    [shop({ columns: 'price: Int!' }), [['createItem', /price/]]],
  ];
  for (const [text, mistakes] of cases) {
    const file = write(text);
    const checked = await runSluice(['--check-config', '--schema', file]);
    assert.equal(checked.code, 2, checked.stderr);
    assert.equal(checked.stdout, '');
    for (const [place, message] of mistakes) {
      const before = text.slice(0, place === '' ? text.length : text.indexOf(place));
      const line = before.split('\n').length;
      assert.match(checked.stderr, new RegExp(`^${file}:${line}:\\d+: .*${message.source}`, 'm'));
    }
    // A start says the same, and leaves nothing behind.
    const server = prepare(serving(file));
    server.port = 1;
    assert.equal(await assertRefused(server), checked.stderr);
    assert.equal(fs.existsSync(server.data), false);
  }
});

test('a schema that cannot be read is named', async ({ cleanup }) => {
  const write = schemaFiles(cleanup);
  for (const file of ['/nowhere/a.graphql', path.dirname(write(''))]) {
    const { code, stderr } = await runSluice(['--check-config', '--schema', file]);
    assert.equal(code, 2);
    assert.ok(stderr.includes(`--schema: ${file} cannot be read: `), stderr);
  }
  const good = await runSluice(['--check-config', '--schema', write(shop())]);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /the configuration is good/);
});

test('a schema is one operation of the log, and a restart with the same none', async ({ start, cleanup }) => {
  const write = schemaFiles(cleanup);
  const first = write(shop());
  const server = await start(serving(first));
  assert.equal(await seqOf(server), 1);
  assert.equal((await createItem(server, 'name: "a"')).id, 1);
  assert.equal(await seqOf(server), 2);

  for (const end of ['stop', 'kill']) {
    await server[end]();
    await server.restart();
    assert.equal(await seqOf(server), 2, end);
  }
  // Another place with the same text is the same; other words of it are not.
  await server.stop();
  await server.restart(serving(write(shop())));
  assert.equal(await seqOf(server), 2);
  await server.stop();
  await server.restart(serving(write(`# for people\n${shop()}`)));
  assert.equal(await seqOf(server), 3);
  assert.deepEqual(await dataOf(server, '{ items { id name } }'), { items: [{ id: 1, name: 'a' }] });
});

test('the built-in schema is served when no file is given, also over a store that had another', async ({
  start,
  cleanup,
}) => {
  const server = await start(serving(schemaFiles(cleanup)(shop())));
  await createItem(server, 'name: "a"');
  await server.stop();
  await server.restart({ args: [] });
  assert.deepEqual(await dataOf(server, '{ hello messages { id } }'), {
    hello: 'Hello, GraphQL!',
    messages: [],
  });
  assert.equal(onlyCode((await ask(server, '{ items { id } }')).errors), 'GRAPHQL_VALIDATION_FAILED');
});

test('what a schema adds is there for the rows that were before it', async ({ start, cleanup }) => {
  const write = schemaFiles(cleanup);
  const before = write(shop());
  const after = write(
    shop({
      types: 'enum State { NEW USED } type Shelf @table { id: ID! label: String! @unique }',
      columns: `
        note: String
        price: Int! @default(json: "5")
        tags: JSON @default(json: "[]")
        state: State! @default(json: "\\"USED\\"")`,
      args: 'note: String, price: Int, state: State',
      queries: `
        byPrice(price: Int!): [Item!]! @list(where: { price: "price" })
        cheapest(limit: Int = 10): [Item!]! @list(orderBy: "price")`,
    }).replace('type Mutation {', 'type Mutation { createShelf(label: String!): Shelf! @create '),
  );
  const server = await start(serving(before));
  for (const name of ['a', 'b']) {
    await createItem(server, `name: "${name}"`);
  }
  await server.stop();
  await server.restart(serving(after));

  const fields = 'id name note price tags state';
  const old = (id, name) => ({ id, name, note: null, price: 5, tags: [], state: 'USED' });
  assert.deepEqual((await dataOf(server, `{ items { ${fields} } }`)).items, [old(1, 'a'), old(2, 'b')]);
  const created = await createItem(server, 'name: "c", price: 3, note: "n", state: NEW', fields);
  assert.deepEqual(created, { id: 3, name: 'c', note: 'n', price: 3, tags: [], state: 'NEW' });
  // The new index has the old rows too.
  const ids = async (query) => Object.values(await dataOf(server, query))[0].map(({ id }) => id);
  assert.deepEqual(await ids('{ byPrice(price: 5) { id } }'), [1, 2]);
  assert.deepEqual(await ids('{ cheapest { id } }'), [3, 1, 2]);
  assert.deepEqual(await dataOf(server, 'mutation { createShelf(label: "x") { id } }'), {
    createShelf: { id: '1' },
  });

  // The way back drops what was added; the way there again finds what is still true.
  await server.stop();
  await server.restart(serving(before));
  assert.deepEqual(await ids('{ items { id } }'), [1, 2, 3]);
  assert.equal((await createItem(server, 'name: "d"')).id, 4);
});

test('what does not fit the rows is refused by name, and nothing has changed', async ({
  start,
  cleanup,
}) => {
  const write = schemaFiles(cleanup);
  const before = write(
    shop({ columns: 'price: Int code: String', args: 'price: Int, code: String' }),
  );
  const server = await start(serving(before));
  await createItem(server, 'name: "a", price: 1, code: "x"');
  await createItem(server, 'name: "b", code: "x"');
  const seq = await seqOf(server);
  const epochOf = async () => (await server.request('GET', '/health')).json.log.epoch;
  const epoch = await epochOf();
  await server.stop();

  const refused = [
    [{ columns: 'price: String code: String', args: 'price: String, code: String' }, /Item\.price/],
    [{ columns: 'price: Int! code: String', args: 'price: Int!, code: String' }, /Item\.price/],
    [{ columns: 'price: Int code: String @unique', args: 'price: Int, code: String' }, /Item\.code/],
    [
      { columns: 'price: Int code: String size: Int!', args: 'price: Int, code: String, size: Int!' },
      /Item\.size/,
    ],
  ];
  for (const [parts, name] of refused) {
    const said = await assertRefused(server, serving(write(shop(parts))));
    assert.match(said, name);
    assert.match(said, /nothing has changed/);
  }
  await server.restart(serving(before));
  assert.equal(await seqOf(server), seq);
  assert.equal(await epochOf(), epoch);
  assert.deepEqual((await dataOf(server, '{ items { id price code } }')).items, [
    { id: 1, price: 1, code: 'x' },
    { id: 2, price: null, code: 'x' },
  ]);
});

test('a schema longer than the ring takes is refused with what to do', async ({ prepare, cleanup }) => {
  const file = schemaFiles(cleanup)(`${shop()}\n# ${'x'.repeat(40_000)}`);
  const server = prepare({ ...serving(file), ring: '64K' });
  await assert.rejects(server.start());
  assert.equal(server.exit.code, 1);
  assert.match(server.stderr, /longer than a quarter of the ring \(--ring-size\)/);
});

test('operations are judged by depth, complexity and length as configured', async ({ start }) => {
  const limits = { depth: 2, complexity: 5, document: 1024 };
  const server = await start({
    args: Object.entries(limits).flatMap(([name, value]) => [`--graphql-${name}`, `${value}`]),
  });
  const padded = (bytes) => '{ hello }'.padEnd(bytes);
  for (const query of ['{ messages(limit: 2) { id content } }', padded(limits.document)]) {
    await dataOf(server, query);
  }
  for (const query of [
    '{ messages(limit: 1) { author { id } } }', // 3 deep
    '{ messages(limit: 2) { id content title } }', // 1 + 2 * 3
    '{ messages { id } }', // 1 + 50, its default
    padded(limits.document + 1),
  ]) {
    assert.equal(await codeOf(server, query), 'LIMIT_EXCEEDED', query);
  }
});

test('--introspection off hides the schema and nothing else', async ({ start }) => {
  const server = await start({ args: ['--introspection', 'off'] });
  assert.deepEqual(await dataOf(server, '{ __typename hello }'), {
    __typename: 'Query',
    hello: 'Hello, GraphQL!',
  });
  for (const query of ['{ __schema { queryType { name } } }', '{ __type(name: "Message") { name } }']) {
    const { data, errors } = await ask(server, query);
    assert.equal(data, undefined);
    // one per field of an introspection type, as graphql-js's rule has it
    for (const error of errors) assert.equal(error.extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    assert.ok(errors.length > 0);
  }
});
