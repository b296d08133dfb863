// A publisher and a subscriber in a thread of their own, so that what they see is the server's doing and
// not that of a test that is busy with other clients: each event is published when the one before it has
// been delivered. workerData: {port, linePort, topic, seed, counts}; counts, shared: [delivered, isOver].
// It ends with a message {acknowledged, problems}.
import { parentPort, workerData } from 'node:worker_threads';
import { openReader } from './readers.mjs';
import { Follower, makePayloads, Stream } from './streams.mjs';

const { topic, seed, counts } = workerData;
const server = { ...workerData, clients: new Set() };
const problems = [];
const stream = new Stream(topic, makePayloads(200, seed), problems);
const follower = new Follower(stream, 'live', { next: 0 });

function publishNext() {
  const message = stream.payloadOf(stream.sent++);
  publisher.socket.write(`${JSON.stringify({ action: 'publish', topic, message })}\n`);
}

/** All that was sent has been answered and delivered: the next, or the end. */
function goOn() {
  if (stream.acknowledged < stream.sent || follower.next < stream.sent) {
    return;
  }
  if (problems.length === 0 && Atomics.load(counts, 1) === 0) {
    publishNext();
    return;
  }
  server.clients.forEach((client) => client.terminate());
  parentPort.postMessage({ acknowledged: stream.acknowledged, problems });
}

const publisher = openReader('line', server, [], {
  onItem({ message }) {
    if (message.status === 'published') {
      stream.acknowledge(message.seq);
    } else {
      stream.problem(`instead of an acknowledgement: ${JSON.stringify(message)}`);
      stream.acknowledged++;
    }
    goOn();
  },
});
openReader('broker', server, [topic], {
  onItem(item) {
    if (item.type === 'event') {
      follower.event(item.seq, item.data);
      Atomics.store(counts, 0, follower.taken);
    } else if (item.type !== 'start') {
      stream.problem(`live: ${JSON.stringify(item)}`);
    }
    goOn();
  },
});
