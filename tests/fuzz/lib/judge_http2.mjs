// Whether what the server says is HTTP/2: frames that RFC 9113 allows, in an order that it allows. The
// header blocks are judged by tests/fuzz/fuzz_http2.c.
import { FLAG, frame2At, PREFACE, TYPE } from '../../e2e/lib/http2.mjs';

const FRAME_MAX = 16384; // section 4.2; larger ones are for clients that ask for them, and none need be
const ERROR_MAX = 13; // section 7
const INTERNAL_ERROR = 2;
const STATUS_500 = 0x8e; // RFC 7541 appendix A
const NAMES = Object.fromEntries(Object.entries(TYPE).map(([name, type]) => [type, name]));
const OF_STREAMS = new Set([TYPE.DATA, TYPE.HEADERS, TYPE.RST_STREAM, TYPE.CONTINUATION]);
const OF_CONNECTION = new Set([TYPE.SETTINGS, TYPE.PING, TYPE.GOAWAY]);

/** Whether the server has to answer so: without TLS, what came first decides (section 3.3). */
export const isHttp2 = (sent) => sent.subarray(0, PREFACE.length).toString('latin1') === PREFACE;

const nameOf = (type) => NAMES[type] ?? `type ${type}`;

function errorProblem(type, code, count) {
  count(`${nameOf(type)} ${code}`);
  return code > ERROR_MAX || code === INTERNAL_ERROR ? `error ${code}` : null;
}

/** What is wrong with a frame by itself. */
function frameProblem({ type, flags, id, payload }, count) {
  if (OF_STREAMS.has(type) && id % 2 !== 1) {
    return 'no stream of the client';
  }
  if (OF_CONNECTION.has(type) && id !== 0) {
    return 'a stream, where none belongs';
  }
  switch (type) {
    case TYPE.SETTINGS:
      return payload.length % 6 !== 0 || (flags & FLAG.ACK && payload.length > 0) ? 'its length' : null;
    case TYPE.PING:
      return payload.length !== 8 ? 'its length' : null;
    case TYPE.WINDOW_UPDATE:
      return payload.length !== 4 || payload.readUInt32BE(0) === 0 ? 'no increment' : null;
    case TYPE.RST_STREAM:
      return payload.length !== 4 ? 'its length' : errorProblem(type, payload.readUInt32BE(0), count);
    case TYPE.GOAWAY:
      return payload.length < 8 ? 'its length' : errorProblem(type, payload.readUInt32BE(4), count);
    case TYPE.HEADERS:
      return payload[0] === STATUS_500 ? 'status 500' : null;
    case TYPE.DATA:
    case TYPE.CONTINUATION:
      return null;
    default:
      return 'a type that a server never sends';
  }
}

/** What is wrong with it behind the others. */
class Order {
  #isFirst = true;
  #open = 0; // the stream whose header block is not at its end
  #lastStream = Infinity; // of GOAWAY
  #states = new Map(); // id -> 'open', 'ended', 'reset'

  problem({ type, flags, id, payload }) {
    if (this.#isFirst && (type !== TYPE.SETTINGS || flags & FLAG.ACK)) {
      return 'the first is no SETTINGS';
    }
    this.#isFirst = false;
    if ((type === TYPE.CONTINUATION) !== (this.#open !== 0) || (this.#open !== 0 && id !== this.#open)) {
      return 'in or outside a header block';
    }
    if (type === TYPE.HEADERS || type === TYPE.CONTINUATION) {
      this.#open = flags & FLAG.END_HEADERS ? 0 : id;
    }
    if (type === TYPE.GOAWAY) {
      const isLater = payload.readUInt32BE(0) > this.#lastStream;
      this.#lastStream = payload.readUInt32BE(0);
      return isLater ? 'a later stream than the GOAWAY before' : null;
    }
    return OF_STREAMS.has(type) ? this.#streamProblem({ type, flags, id }) : null;
  }

  #streamProblem({ type, flags, id }) {
    const state = this.#states.get(id);
    if (type === TYPE.RST_STREAM) {
      this.#states.set(id, 'reset');
      return state === 'reset' ? 'reset twice' : null;
    }
    if (state === 'reset' || (state === 'ended' && type !== TYPE.CONTINUATION)) {
      return `the stream is ${state}`;
    }
    if (type === TYPE.DATA && state === undefined) {
      return 'before its HEADERS';
    }
    if (type !== TYPE.CONTINUATION) {
      this.#states.set(id, flags & FLAG.END_STREAM ? 'ended' : 'open');
    }
    return null;
  }
}

/** As judge's functions; count(what): of whatever has been answered. */
export function judgeHttp2(bytes, count) {
  const order = new Order();
  let frame;
  for (let at = 0; (frame = frame2At(bytes, at)); at = frame.end) {
    if (frame.length > FRAME_MAX) {
      return `${nameOf(frame.type)} of ${frame.length} bytes`;
    }
    if (frame.end > bytes.length) {
      return null;
    }
    const problem = frameProblem(frame, count) ?? order.problem(frame);
    if (problem) {
      return `${nameOf(frame.type)} on stream ${frame.id}: ${problem}`;
    }
  }
  return null;
}
