// Published JSON is passed through as it was written: no number, key or escape is changed.
import { numbers } from './lib/shapes.mjs';
import { assert, test } from './lib/test.mjs';

const VALUES = [
  '12345678901234567890123456789',
  '-0',
  '1.10',
  '1E+400',
  '0.1e-7',
  '{"a":1,"a":2,"a":{"a":3}}',
  '{"z":1,"a":2,"10":3,"2":4}',
  '"\\u0041\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00"',
  '"\\ud800"',
  '"\\udc00 lone"',
  '"ä€😀\u2028\u2029\u007f"',
  '"\\u0000"',
  '"</script>&amp;"',
  '{"":""}',
  '{"__proto__":{"x":1},"constructor":null}',
  '[]',
  '{}',
  '[[[[[[]]]]],{},"",0,true,false,null]',
  'true',
  'null',
  `"${'x'.repeat(5000)}"`,
  '[' + '1,'.repeat(500) + '1]',
  '['.repeat(400) + ']'.repeat(400),
];

// White space between tokens is the only thing that goes.
const SPACED = [
  [' \t\r\n{ "a" :\n[ 1 ,\t2 ] , "b c" : " d  e " } ', '{"a":[1,2],"b c":" d  e "}'],
  ['[ ]', '[]'],
  ['{ }', '{}'],
  [' "  " ', '"  "'],
  ['\n-0.0 ', '-0.0'],
];

/** The text of data in a message or an event of history. */
function dataIn(text) {
  return /"data":(.*?)(?:,"seq":\d+,"time":"[^"]*"\}|\}\],"last_seq")/s.exec(text)[1];
}

test('through the broker, to the last byte', async ({ start }) => {
  const server = await start({ workers: 2 });
  const readers = await server.onEachWorker(() => server.socket('/broker', { isRaw: true }));
  for (const reader of readers) {
    reader.send('{"action":"subscribe","topic":"raw"}');
    assert.match(await reader.next(/"status"/), /"subscribed"/);
  }
  const pairs = [...VALUES.map((value) => [value, value]), ...SPACED];
  for (const [sent, expected] of pairs) {
    readers[0].send(`{"action":"publish","topic":"raw","message":${sent}}`);
    for (const reader of readers) {
      const text = await reader.next(/"type":"message"/);
      assert.equal(dataIn(text), expected);
    }
    assert.match(await readers[0].next(/"status"/), /"published"/);
  }
});

test('through HTTP: POST, history and event stream', async ({ start }) => {
  const server = await start();
  const stream = await server.events('/topics/raw');
  const pairs = [...VALUES.map((value) => [value, value]), ...SPACED];
  for (const [sent, expected] of pairs) {
    const answer = await server.post('raw', sent);
    assert.equal(answer.status, 201, `${sent}: ${answer.text}`);
    const since = answer.json.seq - 1;
    const page = await server.request('GET', `/topics/raw?since=${since}`);
    assert.equal(dataIn(page.text), expected);
    const block = await stream.next((candidate) => candidate.data !== undefined);
    assert.equal(dataIn(block.data), expected);
  }
});

test('out of the store as out of the ring', async ({ start }) => {
  // A ring of 64 KiB has forgotten the values long before they are asked for.
  const server = await start({ ring: '64K' });
  for (const value of VALUES) {
    await server.post('raw', value);
  }
  for (const index of numbers(0, 40)) {
    await server.post('filler', JSON.stringify('x'.repeat(8000) + index));
  }
  const reader = await server.socket('/broker', { isRaw: true });
  reader.send('{"action":"subscribe","topic":"raw","since":0}');
  for (const value of VALUES) {
    assert.equal(dataIn(await reader.next(/"type":"message"/)), value);
  }
});

test('text of the room comes back as a string of the same characters', async ({ start }) => {
  const server = await start();
  const client = await server.room();
  for (const value of VALUES) {
    assert.equal((await client.say(value)).data, value);
  }
});
