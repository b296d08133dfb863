// The independent checker of mutations: what was asked for and answered, held against the rows and the
// events that the server shows afterwards. It executes the events again, on tables of its own.
import { isDeepStrictEqual } from 'node:util';
import { dataOf } from '../../e2e/lib/graphql.mjs';

const MESSAGE = 'id authorId title content metadata stats createdAt updatedAt';
const COMMENT =
  'id messageId authorId parentCommentId content metadata reactions createdAt updatedAt';
const PAGE = 1000;

/** All events of a topic: {seq, data}. */
async function eventsOf(server, topic) {
  const events = [];
  for (let more = true; more; ) {
    const since = events.at(-1)?.seq ?? 0;
    const page = await server.history(encodeURIComponent(topic), `?since=${since}&limit=${PAGE}`);
    events.push(...page.events);
    more = page.more;
  }
  return events;
}

/** All rows of a list, by pages. */
async function rowsOf(server, field, fields, variables = '') {
  const rows = [];
  for (;;) {
    const page = `(${variables}limit: ${PAGE}, offset: ${rows.length})`;
    const { found } = await dataOf(server, `{ found: ${field}${page} { ${fields} } }`);
    rows.push(...found);
    if (found.length < PAGE) {
      return rows;
    }
  }
}

export class RowLedger {
  // Mark -> {kind, state, row, seq}: what a mutation was to do. A mark stands in what it writes, once.
  #sent = new Map();
  #delivered = new Map(); // topic -> Map of seq -> data
  problems = [];
  answered = 0;
  refused = 0;

  #problem(text) {
    this.problems.push(text);
  }

  send(mark, kind, id = null) {
    this.#sent.set(mark, { kind, id, state: 'sent', row: null });
  }

  /** The mutation's result came: the row after it, an Event, or null if there was no such row. */
  answer(mark, row) {
    this.answered++;
    Object.assign(this.#sent.get(mark), { state: row === null ? 'absent' : 'answered', row });
  }

  /** It was answered by an error. UNAVAILABLE decides nothing: it may be executed all the same. */
  refuse(mark, code) {
    this.refused++;
    Object.assign(this.#sent.get(mark), { state: code === 'UNAVAILABLE' ? 'unknown' : 'refused' });
  }

  /** Whose answers will not come any more: their connection is gone. */
  lose(marks) {
    for (const mark of marks) {
      const sent = this.#sent.get(mark);
      sent.state = sent.state === 'sent' ? 'unknown' : sent.state;
    }
  }

  /** A subscriber of the topic was given this. */
  deliver(topic, seq, data) {
    const ofTopic = this.#delivered.get(topic) ?? new Map();
    this.#delivered.set(topic, ofTopic);
    if (ofTopic.has(seq) && !isDeepStrictEqual(ofTopic.get(seq), data)) {
      this.#problem(`${topic}: seq ${seq} delivered with two payloads`);
    }
    ofTopic.set(seq, data);
  }

  /** What was delivered is what the log has. */
  #sameDelivered(events) {
    for (const [topic, ofTopic] of this.#delivered) {
      const logged = new Map(events[topic].map(({ seq, data }) => [seq, data]));
      for (const [seq, data] of ofTopic) {
        if (!isDeepStrictEqual(logged.get(seq), data)) {
          this.#problem(`${topic}: seq ${seq} was delivered as ${JSON.stringify(data)}, ` +
            `but the log has ${JSON.stringify(logged.get(seq))}`);
        }
      }
    }
  }

  /** Executes one table's events in their order; calls onEvent for each, returns the rows by id. */
  #execute(name, events, onEvent) {
    const rows = new Map();
    let lastId = 0;
    for (const { kind, seq, data } of events) {
      const before = rows.get(data.id);
      if (kind === 'create') {
        if (data.id !== ++lastId) {
          this.#problem(`${name}: id ${data.id} instead of ${lastId} at seq ${seq}`);
          lastId = data.id;
        }
        rows.set(data.id, data);
      } else if (!before) {
        this.#problem(`${name} ${data.id}: ${kind} at seq ${seq}, but there is no such row`);
      } else if (kind === 'update') {
        rows.set(data.id, data);
        const { title, updatedAt } = data;
        if (!isDeepStrictEqual({ ...before, title, updatedAt }, data)) {
          this.#problem(`${name} ${data.id}: changed more than it should at seq ${seq}`);
        }
      } else {
        rows.delete(data.id);
        if (!isDeepStrictEqual(before, data)) {
          this.#problem(`${name} ${data.id}: deleted another row than there was at seq ${seq}`);
        }
      }
      onEvent(kind, seq, data);
    }
    return rows;
  }

  #sameRows(name, executed, stored) {
    const expected = [...executed.values()].sort((a, b) => a.id - b.id);
    if (expected.length !== stored.length) {
      this.#problem(`${name}: ${stored.length} rows, by the events ${expected.length}`);
    }
    for (const [i, row] of expected.entries()) {
      if (!isDeepStrictEqual({ ...stored[i] }, row)) {
        this.#problem(`${name}: ${JSON.stringify(stored[i])}, by the events ${JSON.stringify(row)}`);
        return;
      }
    }
  }

  /** The events of `topic:all` and of each `topic:{id}` are the same ones. */
  async #sameByRow(server, topic, all) {
    const { topics } = (await server.request('GET', `/topics?prefix=${topic}:&limit=1000`)).json;
    const byRow = [];
    for (const { topic: name } of topics.filter(({ topic: name }) => name !== `${topic}:all`)) {
      for (const event of await eventsOf(server, name)) {
        if (name !== `${topic}:${event.data.id}`) {
          this.#problem(`seq ${event.seq}: row ${event.data.id} on ${name}`);
        }
        byRow.push(event);
      }
    }
    byRow.sort((a, b) => a.seq - b.seq);
    if (!isDeepStrictEqual(byRow, all)) {
      this.#problem(`${topic}: ${all.length} events for all, ${byRow.length} for single rows`);
    }
  }

  /** Marks of events, each once, as they were answered. */
  #claim(mark, kind, seq, data, seen) {
    const sent = this.#sent.get(mark);
    if (sent === undefined || sent.kind !== kind) {
      this.#problem(`seq ${seq}: ${kind} of ${mark}, which nobody asked for`);
      return;
    }
    if (seen.has(mark)) {
      this.#problem(`twice: ${kind} of ${mark}, as seq ${seen.get(mark)} and ${seq}`);
    }
    seen.set(mark, seq);
    if (sent.state === 'refused' || sent.state === 'absent') {
      this.#problem(`${sent.state}, but executed at seq ${seq}: ${kind} of ${mark}`);
    }
    if (sent.row && sent.row.id !== undefined && sent.row.id !== data.id) {
      this.#problem(`answered with id ${sent.row.id}, but at seq ${seq} it is ${data.id}: ${mark}`);
    }
    if (sent.row?.seq !== undefined && Number(sent.row.seq) !== seq) {
      this.#problem(`answered with seq ${sent.row.seq}, but it is ${seq}: ${mark}`);
    }
  }

  /** Reads all there is and judges it. Returns the events by their kind, and the seqs of all of them. */
  async check(server) {
    const seen = new Map();
    const seqs = new Set();
    const claim = (kind, seq, data) => {
      if (seqs.has(seq)) {
        this.#problem(`seq ${seq} is there twice`);
      }
      seqs.add(seq);
      // A deleted row's mark is its creation's: a delete goes by the row that was asked for.
      const mark = { create: data.content, update: data.title, delete: `delete ${data.id}` }[kind];
      this.#claim(mark, kind, seq, data, seen);
    };
    const of = async (kind, topic) =>
      (await eventsOf(server, topic)).map(({ seq, data }) => ({ kind, seq, data }));
    const created = await of('create', 'messages');
    const updated = await of('update', 'message_updates:all');
    const deleted = await of('delete', 'message_deletes:all');
    const bySeq = (a, b) => a.seq - b.seq;
    const messages = [...created, ...updated, ...deleted].sort(bySeq);
    this.#sameRows(
      'message',
      this.#execute('message', messages, claim),
      await rowsOf(server, 'messages', MESSAGE),
    );
    await this.#sameByRow(server, 'message_updates', await eventsOf(server, 'message_updates:all'));

    const comments = [];
    const stored = [];
    const { topics } = (await server.request('GET', '/topics?prefix=comments:&limit=1000')).json;
    for (const { topic } of topics) {
      const id = Number(topic.slice('comments:'.length));
      const events = await of('create', topic);
      if (events.some(({ data }) => data.messageId !== id)) {
        this.#problem(`a comment of another message on ${topic}`);
      }
      comments.push(...events);
      stored.push(...(await rowsOf(server, 'comments', COMMENT, `messageId: ${id}, `)));
    }
    comments.sort(bySeq);
    stored.sort((a, b) => a.id - b.id);
    this.#sameRows('comment', this.#execute('comment', comments, claim), stored);

    const plain = await eventsOf(server, 'plain');
    for (const { seq, data } of plain) {
      seqs.add(seq);
      this.#claim(data, 'publish', seq, { seq: String(seq) }, seen);
    }
    this.#sameDelivered({ messages: created, 'message_updates:all': updated, plain });
    for (const [mark, { state, kind }] of this.#sent) {
      if (state === 'answered' && !seen.has(mark)) {
        this.#problem(`answered, but it is not there: ${kind} of ${mark}`);
      }
    }
    return { created, updated, comments, plain, seqs };
  }
}
