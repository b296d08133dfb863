// Well-behaved clients, one of each protocol, beside the hostile ones. Each complains at once when it is
// not served as promised. Their topic's name is too long a word for a mutation to invent.
import http from 'node:http';
import net from 'node:net';
import { TIMEOUT_MS, until, within } from '../../e2e/lib/until.mjs';

const TOPIC = 'canary-7c8e4f1d0b6a4e0f9d3c2b1a5968f7e6';
const PUBLISH_INTERVAL_MS = 20;
const ASK_INTERVAL_MS = 250;

/**
 * come() gives somebody who has been served. Who is held up for a second before he says anything is cut off
 * by this server, rightly, and comes again.
 */
const arrive = (come, what) => until(come, { what });

/** Sees the publisher's numbers 1, 2, 3 … each once, with rising seqs. */
class Follower {
  constructor(name, complain) {
    this.name = name;
    this.complain = complain;
    this.last = 0;
    this.lastSeq = 0;
  }

  take({ data, seq, topic }) {
    if (topic !== TOPIC || data !== this.last + 1 || seq <= this.lastSeq) {
      this.complain(`${this.name} got ${data} with seq ${seq} on ${topic} after ${this.last} ` +
        `with seq ${this.lastSeq}`);
    }
    this.last = data;
    this.lastSeq = seq;
  }

  takeObject(object) {
    if (object.type === 'message') {
      this.take(object);
    } else if (object.status !== 'subscribed' && object.status !== 'pong') {
      this.complain(`${this.name} got ${JSON.stringify(object)}`);
    }
  }
}

export class Canaries {
  count = 0; // of connections that the server counts as clients
  asked = 0; // answers of /health
  #isOver = false;
  #timers = [];
  #followers = [];

  /** complain(text): something is wrong. */
  constructor(server, brokerPort, complain) {
    this.server = server;
    this.brokerPort = brokerPort;
    this.complain = (text) => this.#isOver || complain(text);
  }

  async start() {
    this.pids = this.server.workers().map(({ pid }) => pid);
    await this.#followByBroker();
    await this.#followByEvents();
    await this.#followByLines();
    await this.#enterRoom();
    await this.#publish();
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    // Its connection has to say something soon, and this process is about to be busy.
    await arrive(() => this.#askHealth(), 'the monitor');
    this.#repeat(ASK_INTERVAL_MS, () => this.#askHealth());
  }

  #repeat(interval, fn) {
    const again = async () => {
      try {
        await fn();
      } catch (error) {
        this.complain(error.stack);
      }
      if (!this.#isOver) {
        this.#timers.push(setTimeout(again, interval));
        this.#timers.splice(0, this.#timers.length - 8);
      }
    };
    again();
  }

  #follower(name) {
    const follower = new Follower(name, this.complain);
    this.#followers.push(follower);
    this.count++;
    return follower;
  }

  async #followByBroker() {
    const follower = this.#follower('the broker subscriber');
    const client = await arrive(() => this.server.broker(), follower.name);
    await client.subscribe(TOPIC);
    client.ws.removeAllListeners('message');
    client.ws.on('message', (data) => follower.takeObject(JSON.parse(data)));
    client.ws.on('close', (code) => this.complain(`the broker subscriber was closed with ${code}`));
  }

  async #followByEvents() {
    const follower = this.#follower('the event stream');
    const stream = await arrive(() => this.server.events(`/topics/${TOPIC}`), follower.name);
    this.#repeat(0, async () => {
      const block = await stream.next({}, { timeout: 2 ** 30 });
      if (block.message) {
        follower.take(block.message);
      }
    });
  }

  async #followByLines() {
    const follower = this.#follower('the line subscriber');
    const socket = await arrive(() => this.#subscribeByLines(follower), follower.name);
    socket.on('close', () => this.complain('the line subscriber was closed'));
    this.#repeat(ASK_INTERVAL_MS, () => socket.write('{"action":"ping"}\n'));
  }

  /** A connection whose subscription has been answered. */
  async #subscribeByLines(follower) {
    const socket = net.connect({ host: '127.0.0.1', port: this.brokerPort });
    this.server.clients.add({ terminate: () => socket.destroy() });
    let text = '';
    socket.setEncoding('utf8').on('data', (more) => {
      const lines = (text + more).split('\n');
      text = lines.pop();
      lines.forEach((line) => follower.takeObject(JSON.parse(line)));
    });
    socket.write(`${JSON.stringify({ action: 'subscribe', topic: TOPIC })}\n`);
    const answered = new Promise((resolve, reject) => {
      socket.once('data', resolve);
      socket.on('error', reject); // behind the answer 'close' follows, which is complained of
      socket.once('close', () => reject(new Error('closed before the first line')));
    });
    await within(answered, 'the first line');
    return socket;
  }

  /** Says something, and hears it before it says the next thing. */
  async #enterRoom() {
    const name = `canary-${Math.random().toString(36).slice(2)}`;
    const room = await arrive(() => this.server.room(name), 'the room client');
    this.count++;
    let number = 0;
    room.ws.on('close', (code) => this.complain(`the room client was closed with ${code}`));
    this.#repeat(ASK_INTERVAL_MS, async () => {
      room.send(`${name} ${++number}`);
      const heard = await room.upTo({ type: 'message', data: `${name} ${number}` });
      const own = heard.filter(({ from }) => from === name);
      if (own.length !== 1) {
        this.complain(`the room client heard itself ${own.length} times: ${JSON.stringify(own)}`);
      }
    });
  }

  /** A refusal for want of room is told, and then tried again; nothing else is expected. */
  async #publish() {
    const client = await arrive(() => this.server.broker(), 'the publisher');
    this.count++;
    this.published = 0;
    client.ws.on('close', (code) => this.complain(`the publisher was closed with ${code}`));
    this.#repeat(PUBLISH_INTERVAL_MS, async () => {
      const answer = await client.publish(TOPIC, this.published + 1);
      if (answer.status === 'published') {
        this.published++;
      } else if (answer.code !== 'unavailable') {
        this.complain(`the publisher got ${JSON.stringify(answer)}`);
      }
    });
  }

  /** On a kept connection, as a monitor does; how often it has been answered. */
  async #askHealth() {
    const answer = new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.server.port, path: '/health', agent: this.agent };
      http.get(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (more) => (text += more));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      }).on('error', reject);
    });
    const { status, text } = await within(answer, 'an answer of /health');
    const pids = JSON.parse(text).workers.map(({ pid }) => pid);
    if (status !== 200 || pids.join() !== this.pids.join()) {
      this.complain(`/health: ${status} ${text}; the workers were ${this.pids}`);
    }
    return ++this.asked;
  }

  /** Everybody has got all that was published; then only they are connected. */
  async settle() {
    const isUpToDate = () => {
      const wanted = this.published;
      return this.#followers.every(({ last }) => last >= wanted);
    };
    await until(isUpToDate, { what: () => `all events: ${this.published} published, got ` +
      this.#followers.map(({ name, last }) => `${last} by ${name}`).join(', ') });
    await until(async () => (await this.server.health()).active_connections === this.count, {
      timeout: 2 * TIMEOUT_MS,
      what: `only the ${this.count} canaries are connected`,
    });
  }

  stop() {
    this.#isOver = true;
    this.#timers.forEach(clearTimeout);
    this.agent?.destroy(); // and a request that is under way
    this.server.terminateClients();
  }
}
