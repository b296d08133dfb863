// kill -9 of every process at once, under load, again and again on the same data: no acknowledged
// publish may be lost, none may be there twice, and what was delivered must be in the log.
//
//   node tests/fault/kill_all.mjs [--short] [--rounds N] [--seed N]
//
// It ends with "N passed, N failed": a round passes when the log after it holds all that was promised.
import { Server } from '../e2e/lib/server.mjs';
import { kill } from '../e2e/lib/processes.mjs';
import { Ledger, randomFrom } from './lib/ledger.mjs';

const option = (name, otherwise) => {
  const index = process.argv.indexOf(name);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
};
const isShort = process.argv.includes('--short');
const rounds = option('--rounds', isShort ? 5 : 100);
const seed = option('--seed', 1);
const random = randomFrom(seed);

const TOPICS = ['alpha', 'beta', 'gamma', 'delta'];
const PUBLISHERS = 6;
const WINDOW = 64; // publishes of one connection that wait for their answer
const ACKNOWLEDGED_MAX = 4000; // in a round: then the processes die in any case

const ledger = new Ledger();
let counter = 0;

/** Publishes until its connection dies. Answers come with the id that was sent. */
async function publish(server, onAcknowledged, onProblem) {
  const client = await server.broker();
  const waiting = new Map(); // request id -> message
  const sendOne = () => {
    const topic = TOPICS[Math.floor(random() * TOPICS.length)];
    const message = `${++counter}:${'x'.repeat(Math.floor(random() ** 4 * 2000))}`;
    ledger.send(message, topic);
    waiting.set(counter, message);
    client.ws.send(JSON.stringify({
      action: 'publish',
      topic,
      message,
      id: counter,
      ...(random() < 0.05 && { durable: true }),
    }));
  };
  client.ws.on('message', (data) => {
    const answer = JSON.parse(data);
    if (answer.status !== 'published') {
      onProblem(new Error(`instead of an acknowledgement: ${data}`));
      return;
    }
    ledger.acknowledge(waiting.get(answer.id), answer.topic, answer.seq);
    waiting.delete(answer.id);
    onAcknowledged();
    sendOne();
  });
  for (let i = 0; i < WINDOW; i++) {
    sendOne();
  }
}

async function subscribe(server) {
  const client = await server.broker();
  client.ws.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.type === 'message') {
      ledger.deliver(message.data, message.topic, message.seq);
    }
  });
  for (const topic of TOPICS) {
    client.send({ action: 'subscribe', topic });
  }
}

/** Load until a random number of acknowledgements has come; then everybody dies at once. */
async function oneRound(server) {
  const enough = 1 + Math.floor(random() * ACKNOWLEDGED_MAX);
  let acknowledged = 0;
  const loaded = new Promise((resolve, reject) => {
    const count = () => ++acknowledged === enough && resolve();
    for (let i = 0; i < PUBLISHERS; i++) {
      publish(server, count, reject).catch(() => {}); // dies with the server
    }
  });
  await subscribe(server);
  await loaded;

  server.remember();
  const processes = [...server.family.values()];
  for (let i = processes.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [processes[i], processes[j]] = [processes[j], processes[i]];
  }
  processes.forEach((process) => kill(process));
  await server.end();
  await server.restart();
  await ledger.readLog(TOPICS, (topic, query) => server.history(topic, query));
  return ledger.check();
}

const server = new Server({ workers: 2, args: ['--tick', '0'] });
let passed = 0;
try {
  await server.start();
  const { log } = await server.health();
  for (let round = 1; round <= rounds && ledger.problems.length === 0; round++) {
    const isGood = await oneRound(server);
    const after = (await server.health()).log;
    if (after.epoch !== log.epoch) {
      ledger.problems.push(`a new epoch after round ${round}, though the ring was intact`);
    }
    passed += isGood && after.epoch === log.epoch;
    console.log(`round ${round}: ${ledger.acknowledged.size} acknowledged, ` +
      `${ledger.delivered.size} delivered, ${ledger.logged.size} in the log`);
  }
  ledger.forgetLog();
  await ledger.readLog(TOPICS, (topic, query) => server.history(topic, query));
  ledger.check();
} catch (error) {
  ledger.problems.push(error.stack);
} finally {
  await server.dispose().catch((error) => ledger.problems.push(error.stack));
}
ledger.problems.slice(0, 20).forEach((problem) => console.log(problem));
console.log(`seed ${seed}: ${ledger.acknowledged.size} acknowledged, ` +
  `${ledger.acknowledged.size === 0 ? 'nothing checked' : `${ledger.problems.length} problems`}`);
const failed = ledger.problems.length > 0 || passed < rounds ? Math.max(1, rounds - passed) : 0;
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
