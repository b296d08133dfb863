// The checker of graphql.mjs is shown small worlds, each with one thing wrong: it has to find it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowLedger } from './lib/rows.mjs';

const TIME = '2026-01-31T12:00:00.123456Z';

const message = (id, content, title = null) => ({
  ...{ id, authorId: 1, title, content, metadata: null, stats: null },
  ...{ createdAt: TIME, updatedAt: TIME },
});

const comment = (id, messageId, content) => ({
  ...{ id, messageId, authorId: 1, parentCommentId: null, content, metadata: null },
  ...{ reactions: null, createdAt: TIME, updatedAt: TIME },
});

/** Three messages, of which the first was changed and the second deleted; a comment; a plain event. */
const newWorld = () => ({
  topics: {
    messages: [
      { seq: 1, data: message(1, 'a') },
      { seq: 2, data: message(2, 'b') },
      { seq: 6, data: message(3, 'd') },
    ],
    'message_updates:all': [{ seq: 3, data: message(1, 'a', 't') }],
    'message_updates:1': [{ seq: 3, data: message(1, 'a', 't') }],
    'message_deletes:all': [{ seq: 5, data: message(2, 'b') }],
    'comments:1': [{ seq: 4, data: comment(1, 1, 'c') }],
    plain: [{ seq: 7, data: 'p' }],
  },
  messages: [message(1, 'a', 't'), message(3, 'd')],
  comments: { 1: [comment(1, 1, 'c')] },
});

/** As much of a server as the checker asks. */
function serverOf({ topics, messages, comments }) {
  const list = (target) => {
    const prefix = new URL(target, 'http://x').searchParams.get('prefix');
    const names = Object.keys(topics).filter((topic) => topic.startsWith(prefix));
    return { json: { topics: names.map((topic) => ({ topic })) } };
  };
  return {
    history: async (topic) => ({ events: topics[decodeURIComponent(topic)] ?? [], more: false }),
    request: async (method, target, options) => {
      if (target.startsWith('/topics?')) {
        return list(target);
      }
      const [, id] = /messageId: (\d+)/.exec(JSON.parse(options.body).query) ?? [];
      const found = id ? comments[id] ?? [] : messages;
      const headers = { 'content-type': 'application/json' };
      return { status: 200, headers, text: '', json: { data: { found } } };
    },
  };
}

function newLedger() {
  const ledger = new RowLedger();
  for (const [mark, kind, row] of [
    ['a', 'create', { id: 1 }],
    ['b', 'create', { id: 2 }],
    ['t', 'update', { id: 1 }],
    ['c', 'create', { id: 1 }],
    ['delete 2', 'delete', { id: 2 }],
    ['d', 'create', { id: 3 }],
    ['p', 'publish', { seq: '7' }],
  ]) {
    ledger.send(mark, kind);
    ledger.answer(mark, row);
  }
  return ledger;
}

async function problemsOf(change) {
  const world = newWorld();
  const ledger = newLedger();
  change(world, ledger);
  await ledger.check(serverOf(world));
  return ledger.problems.join('\n');
}

test('nothing wrong: nothing is found', async () => {
  assert.equal(await problemsOf(() => {}), '');
});

const WRONGS = {
  'an event is lost': ({ topics }) => topics.messages.pop(),
  'a row is lost': ({ messages }) => messages.pop(),
  'a row is there twice': ({ messages }) => messages.push(message(3, 'd')),
  'an event is there twice': ({ topics }) => topics.messages.push({ seq: 8, data: message(4, 'd') }),
  'ids have a hole': ({ topics, messages }) => {
    topics.messages[2].data = message(4, 'd');
    messages[1] = message(4, 'd');
  },
  'an update is on one topic only': ({ topics }) => topics['message_updates:1'].pop(),
  'a row is not what its events say': ({ messages }) => (messages[0].content = 'z'),
  'a comment is on the topic of another message': ({ topics }) =>
    (topics['comments:1'][0].data.messageId = 2),
  'a published event is lost': ({ topics }) => topics.plain.pop(),
  'a deleted row is still there': ({ messages }) => messages.splice(1, 0, message(2, 'b')),
  'two operations have one seq': ({ topics }) => (topics.messages[2].seq = 4),
  'a row nobody asked for': ({ topics, messages }) => {
    topics.messages.push({ seq: 9, data: message(4, 'x') });
    messages.push(message(4, 'x'));
  },
  'an answered mutation is not there': (world, ledger) => {
    ledger.send('e', 'create');
    ledger.answer('e', { id: 4 });
  },
  'a refused mutation is there': (world, ledger) => ledger.refuse('d', 'INTERNAL'),
  'a mutation was answered with another id': (world, ledger) => ledger.answer('d', { id: 4 }),
  'a publish was answered with another seq': (world, ledger) => ledger.answer('p', { seq: '8' }),
};

for (const [what, change] of Object.entries(WRONGS)) {
  test(`found: ${what}`, async () => {
    assert.notEqual(await problemsOf(change), '');
  });
}
