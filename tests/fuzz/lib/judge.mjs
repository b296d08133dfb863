// Whether what the server answered makes sense, whatever was sent. Each function returns what is
// wrong with it, in words, or null. Connections end anywhere: what is cut off is no mistake.
import { isHttp2, judgeHttp2 } from './judge_http2.mjs';

const STATUSES = new Set([
  100, 101, 200, 201, 204, 304, 400, 403, 404, 405, 406, 408, 413, 414, 415, 417, 426, 429, 431, 501,
  503, 505, 507,
]);
const BROKER_WORDS = new Set([
  'subscribed', 'unsubscribed', 'published', 'pong', 'error', 'message', 'gap', 'shutdown',
  'greeting', 'tick',
]);
const CLOSE_CODES = new Set([
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 1010,
]);

/** What has been answered how often: a fuzzer that is always refused at the door finds nothing. */
export const tally = new Map();

function count(what) {
  tally.set(what, (tally.get(what) ?? 0) + 1);
}

const show = (bytes) => JSON.stringify(bytes.subarray(0, 200).toString('latin1'));

// --- the broker's objects

function judgeObject(text) {
  let object;
  try {
    object = JSON.parse(text);
  } catch {
    return `no JSON: ${text.slice(0, 300)}`;
  }
  const word = object?.status ?? object?.type;
  count(object?.code ?? word);
  return BROKER_WORDS.has(word) ? null : `no status or type that is known: ${text.slice(0, 300)}`;
}

/** Raw TCP. */
export function judgeLines(bytes) {
  const lines = bytes.toString().split('\n');
  lines.pop(); // cut off, or empty
  for (const line of lines) {
    const problem = judgeObject(line);
    if (problem) {
      return problem;
    }
  }
  return null;
}

// --- event streams

function judgeEvents(bytes) {
  const lines = bytes.toString().split('\n');
  lines.pop(); // cut off, or empty
  for (const line of lines) {
    const field = /^(id|data|event|retry): (.*)$/.exec(line);
    const problem = line !== '' && !field ? `no line of an event stream: ${line.slice(0, 300)}`
      : field?.[1] === 'data' ? judgeObject(field[2]) : null;
    if (problem) {
      return problem;
    }
  }
  return null;
}

// --- WebSocket

function judgeClose(payload) {
  if (payload.length === 0) {
    return null;
  }
  const code = payload.length < 2 ? 0 : payload.readUInt16BE(0);
  count(`close ${code}`);
  return CLOSE_CODES.has(code) || (code >= 3000 && code <= 4999) ? null : `closed with ${code}`;
}

/** The length of a frame's head and payload; null: not all of it is there. */
function frameLengths(bytes, at) {
  if (bytes.length - at < 2) {
    return null;
  }
  let size = bytes[at + 1] & 127;
  let head = 2;
  if (size === 126) {
    head = 4;
    size = bytes.length - at < head ? Infinity : bytes.readUInt16BE(at + 2);
  } else if (size === 127) {
    head = 10;
    size = bytes.length - at < head ? Infinity : Number(bytes.readBigUInt64BE(at + 2));
  }
  return at + head + size <= bytes.length ? { head, size } : null;
}

function judgeFrames(bytes, isEcho) {
  let hasClosed = false;
  let lengths;
  for (let at = 0; (lengths = frameLengths(bytes, at)); at += lengths.head + lengths.size) {
    const opcode = bytes[at] & 15;
    const payload = bytes.subarray(at + lengths.head, at + lengths.head + lengths.size);
    if (hasClosed) {
      return 'a frame behind the close frame';
    }
    if (![1, 2, 8, 9, 10].includes(opcode) || (bytes[at] & 0xb0) !== 0x80 || bytes[at + 1] & 0x80) {
      return `a strange frame: ${bytes.subarray(at, at + 4).toString('hex')}`;
    }
    hasClosed = opcode === 8;
    const isPlainText = opcode === 1 && !(bytes[at] & 0x40);
    const problem = hasClosed ? judgeClose(payload)
      : isPlainText && !isEcho ? judgeObject(payload.toString()) : null;
    if (problem) {
      return problem;
    }
  }
  return null;
}

// --- HTTP

function judgeBody(head, body) {
  if (!/^content-type: application\/json/im.test(head.text)) {
    return null;
  }
  try {
    const value = JSON.parse(body);
    const isError = head.status >= 400;
    return isError && !(value.error?.code && value.error?.message) && value.status === undefined
      ? `no error object: ${body}` : null;
  } catch {
    return `no JSON in the body: ${show(body)}`;
  }
}

const FIELDS = /^(?:[!#$%&'*+.^_`|~\w-]+: [^\r\n]*\r\n)*$/;

function readHead(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) {
    return null;
  }
  const text = bytes.subarray(0, end + 2).toString('latin1');
  const first = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(text);
  const length = /^content-length: (\d+)\r\n/im.exec(text);
  return {
    text,
    isGood: first !== null && FIELDS.test(text.slice(first[0].length)),
    status: first && Number(first[1]),
    length: length && Number(length[1]),
    isLast: /^connection: close\r\n/im.test(text),
    bytes: end + 4,
  };
}

/**
 * Answers one behind the other, up to the end, an upgrade or an event stream. hasHead: there was a
 * HEAD among the requests, so a body may be missing.
 */
export function judgeHttp(bytes, { hasHead, isEcho }) {
  while (bytes.length > 0) {
    const head = readHead(bytes);
    if (head === null) {
      return 'HTTP/1.1 '.startsWith(bytes.subarray(0, 9).toString('latin1')) ||
        bytes.subarray(0, 9).toString() === 'HTTP/1.1 ' ? null : `no HTTP: ${show(bytes)}`;
    }
    if (!head.isGood) {
      return `a malformed head: ${show(bytes)}`;
    }
    if (!STATUSES.has(head.status)) {
      return `status ${head.status}: ${show(bytes)}`;
    }
    count(head.status);
    bytes = bytes.subarray(head.bytes);
    if (head.status === 101) {
      return judgeFrames(bytes, isEcho);
    }
    const isToHead =
      hasHead && (bytes.length === 0 || bytes.subarray(0, 9).toString() === 'HTTP/1.1 ');
    if (/^content-type: text\/event-stream/im.test(head.text) && !isToHead) {
      return judgeEvents(bytes);
    }
    const hasNoBody = head.length === null || head.length === 0 || isToHead;
    if (!hasNoBody) {
      if (bytes.length < head.length) {
        return null;
      }
      const problem = judgeBody(head, bytes.subarray(0, head.length));
      if (problem) {
        return problem;
      }
      bytes = bytes.subarray(head.length);
    }
    if (head.isLast && bytes.length > 0) {
      return `something behind the last answer: ${show(bytes)}`;
    }
  }
  return null;
}

/** Of whatever stream. */
export function judge(stream, received) {
  if (stream.port === 'broker') {
    return judgeLines(received);
  }
  const sent = Buffer.concat(stream.writes.map((write) => write.bytes));
  if (isHttp2(sent)) {
    return judgeHttp2(received, count);
  }
  return judgeHttp(received, { hasHead: sent.includes('HEAD'), isEcho: sent.includes('/echo') });
}
