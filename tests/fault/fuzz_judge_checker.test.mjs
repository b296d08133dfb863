// The judge of tests/fuzz/streams.mjs finds what it is there for.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fields2, FLAG, frame2, numbers2, PREFACE, settings2, TYPE, windowUpdate2 } from '../e2e/lib/http2.mjs';
import { frame } from '../e2e/lib/frames.mjs';
import { conversation } from '../fuzz/lib/conversations.mjs';
import { Chance } from '../fuzz/lib/chance.mjs';
import { judge } from '../fuzz/lib/judge.mjs';

const sent = (text, port = 'http') => ({ port, writes: [{ bytes: Buffer.from(text) }] });
const GET = sent('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
const json = (status, body) =>
  `HTTP/1.1 ${status} S\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const error = json(404, '{"error":{"code":"not_found","message":"m"}}');
const upgraded = (...frames) => Buffer.concat([Buffer.from('HTTP/1.1 101 S\r\n\r\n'), ...frames]);
const said = (object, options) => frame(1, JSON.stringify(object), { mask: null, ...options });
const events = (text) => `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${text}`;

const cases = (name, stream, { good, bad }) => {
  for (const [what, bytes] of Object.entries(good)) {
    test(`${name}: ${what} is no problem, wherever it is cut`, () => {
      const received = Buffer.from(bytes);
      for (let size = 0; size <= received.length; size++) {
        assert.equal(judge(stream, received.subarray(0, size)), null, `cut at ${size}`);
      }
    });
  }
  for (const [what, bytes] of Object.entries(bad)) {
    test(`${name}: ${what} is found`, () => assert.notEqual(judge(stream, Buffer.from(bytes)), null));
  }
};

cases('HTTP', GET, {
  good: {
    'answers one behind the other': json(200, '{"status":"ok"}') + error,
    'a WebSocket': upgraded(said({ type: 'greeting' }), frame(8, Buffer.from([3, 232]), { mask: null })),
    'an event stream': events('id: x-1\ndata: {"type":"message"}\n\n'),
  },
  bad: {
    'what is no HTTP': 'hello, this is no HTTP\r\n\r\n',
    'HTTP/2 that nobody has spoken': Buffer.concat([frame2(TYPE.SETTINGS, 0, 0), Buffer.alloc(20)]),
    'a malformed head': 'HTTP/1.1 200 OK\r\nServer : x\r\n\r\n',
    'status 500': json(500, '{"error":{"code":"x","message":"m"}}'),
    'a body that is no JSON': json(200, '{"status":'),
    'an error without its object': json(404, '{}'),
    'something behind the last answer': `${json(200, '{}').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}x`,
    'a masked frame': upgraded(frame(1, '{"type":"tick"}')),
    'a frame behind the close frame': upgraded(frame(8, '', { mask: null }), said({ type: 'tick' })),
    'a close code that nobody may send': upgraded(frame(8, Buffer.from([3, 237]), { mask: null })),
    'an object of no known type': upgraded(said({ type: 'dance' })),
    'a line of no event stream': events('what: x\n\n'),
  },
});

cases('raw TCP', sent('{"action":"ping"}\n', 'broker'), {
  good: { 'an object a line': '{"status":"pong"}\n{"type":"tick"}\n' },
  bad: { 'a line that is no JSON': '{"status":"pong"\n', 'an unknown word': '{"status":"what"}\n' },
});

const settings = settings2([[3, 100]]);
const head = (id, flags = FLAG.END_HEADERS, block = fields2({ ':status': '200' })) =>
  frame2(TYPE.HEADERS, flags, id, block);
const end = (id) => frame2(TYPE.DATA, FLAG.END_STREAM, id, 'x');
const goaway = (last, code) => frame2(TYPE.GOAWAY, 0, 0, numbers2(last, code));
const reset = (id, code) => frame2(TYPE.RST_STREAM, 0, id, numbers2(code));
const all = (...frames) => Buffer.concat([settings, ...frames]);

cases('HTTP/2', sent(PREFACE), {
  good: {
    'an answer among others': all(frame2(TYPE.SETTINGS, FLAG.ACK, 0), head(1), head(3), end(3), end(1)),
    'a header block in pieces': all(head(1, 0), frame2(TYPE.CONTINUATION, FLAG.END_HEADERS, 1), end(1)),
    'trailers': all(head(1), frame2(TYPE.DATA, 0, 1), head(1, FLAG.END_HEADERS | FLAG.END_STREAM)),
    'the end in two steps': all(goaway(127, 0), goaway(1, 0), head(1), reset(1, 8)),
  },
  bad: {
    'an answer in HTTP/1.1': error,
    'an end before the SETTINGS': goaway(0, 1),
    'SETTINGS that are cut short': frame2(TYPE.SETTINGS, 0, 0, 'abc'),
    'a frame that is too large': all(head(1), frame2(TYPE.DATA, 0, 1, Buffer.alloc(16385))),
    'a stream that is the server\'s': all(head(2)),
    'a frame that only clients send': all(frame2(TYPE.PRIORITY, 0, 1, Buffer.alloc(5))),
    'a promise': all(frame2(5, 0, 1, Buffer.alloc(4))),
    'DATA before its HEADERS': all(end(1)),
    'DATA behind the end': all(head(1), end(1), end(1)),
    'HEADERS behind a reset': all(head(1), reset(1, 8), head(1)),
    'two resets': all(reset(1, 8), reset(1, 8)),
    'a frame in a header block': all(head(1, 0), frame2(TYPE.PING, 0, 0, Buffer.alloc(8))),
    'a CONTINUATION outside of one': all(head(1), frame2(TYPE.CONTINUATION, FLAG.END_HEADERS, 1)),
    'a window that does not grow': all(windowUpdate2(0, 0)),
    'status 500': all(head(1, FLAG.END_HEADERS, Buffer.from([0x8e]))),
    'INTERNAL_ERROR': all(goaway(0, 2)),
    'an error that nobody knows': all(head(1), reset(1, 99)),
    'an end that is taken back': all(goaway(1, 0), goaway(3, 0)),
  },
});

test('conversations of every kind are made, the same for the same seed', () => {
  const kinds = new Set();
  for (let seed = 0; seed < 200; seed++) {
    const { port, parts } = conversation(new Chance(seed));
    assert.deepEqual(conversation(new Chance(seed)).parts, parts);
    kinds.add(port === 'broker' ? port : /^PRI|upgrade: websocket|event-stream/i.exec(parts[0])?.[0] ?? 'request');
  }
  assert.deepEqual([...kinds].sort(), ['PRI', 'Upgrade: websocket', 'broker', 'event-stream', 'request']);
});
