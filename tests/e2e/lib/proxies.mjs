// Debian's nginx and HAProxy in front of servers, with the samples of tools/examples.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from './http.mjs';
import { freePort, makeDirectory } from './server.mjs';
import { toolPath } from './tools.mjs';
import { until } from './until.mjs';

const examples = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../tools/examples');

// Whatever ends the tests ends the proxies with them.
const running = new Set();
process.once('exit', () => running.forEach((proxy) => proxy.dispose()));

/** Replaces what must be there, or the sample is not what the test takes it for. */
export function replaced(text, from, to) {
  assert.ok(text.includes(from), `the sample has no ${from}`);
  return text.replaceAll(from, to);
}

/** What clients connect to: it has the parts of a Server that clients and helpers use. */
class Proxy {
  constructor(adapt = (text) => text) {
    this.adapt = adapt;
    this.directory = makeDirectory();
    running.add(this);
  }

  file(name) {
    return path.join(this.directory, name);
  }

  write(name, text) {
    fs.writeFileSync(this.file(name), text);
    return this.file(name);
  }

  url(target) {
    return `ws://127.0.0.1:${this.port}${target}`;
  }

  request(method, target, options) {
    return request(this.port, method, target, options);
  }

  /** Starts it in front of a server (its port), and waits until it answers. */
  async start(serverPort) {
    this.port = await freePort();
    const sample = fs.readFileSync(path.join(examples, this.sample), 'utf8');
    const text = this.adapt(replaced(sample, '127.0.0.1:8000', `127.0.0.1:${serverPort}`));
    const [program, ...args] = this.command(this.write(this.sample, this.bind(text)));
    this.stderr = '';
    this.child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr.setEncoding('utf8').on('data', (part) => (this.stderr += part));
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
    await until(async () => (await this.request('GET', '/health/live')).status === 200, {
      what: () => `an answer through ${this.sample}; it said:\n${this.stderr}`,
    });
    return this;
  }

  /** Waits until newcomers do not come to that server any more, which drains: nginx goes on asking it. */
  async hasLeft() {}

  dispose() {
    running.delete(this);
    this.child?.kill('SIGKILL');
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

class Nginx extends Proxy {
  sample = 'nginx.conf';

  bind(text) {
    return replaced(text, 'listen 80;', `listen 127.0.0.1:${this.port};`);
  }

  /** Around the sample stands what Debian's nginx.conf has, with directories of our own. */
  command(site) {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${this.file(name)};`,
    );
    const main = this.write(
      'main.conf',
      `daemon off;
master_process off;
pid ${this.file('pid')};
error_log stderr warn;
events { worker_connections 512; }
http {
    access_log off;
    default_type application/octet-stream;
    gzip on;
    ${temporary.join('\n    ')}
    include ${site};
}
`,
    );
    return [toolPath('nginx'), '-p', this.directory, '-e', 'stderr', '-c', main];
  }
}

class Haproxy extends Proxy {
  sample = 'haproxy.cfg';

  bind(text) {
    // Unlike the sample's: a server that is held up for a second is still there.
    const patient = replaced(text, 'timeout connect 5s\n', 'timeout connect 5s\n    timeout check 60s\n');
    return replaced(patient, 'bind :80\n', `bind 127.0.0.1:${this.port}\n`);
  }

  command(sample) {
    const admin = this.file('admin');
    const main = this.write(
      'main.cfg',
      `global\n    maxconn 500\n    stats socket ${admin} level admin\n`,
    );
    return [toolPath('haproxy'), '-db', '-f', main, '-f', sample];
  }

  /** What HAProxy thinks of a server: {status: UP, DOWN …, check_code, …}. */
  async statsOf(server) {
    const text = await new Promise((resolve, reject) => {
      const admin = net.connect(this.file('admin'));
      let answer = '';
      admin.setEncoding('utf8').on('data', (part) => (answer += part));
      admin.once('error', reject).once('close', () => resolve(answer));
      admin.write('show stat\n');
    });
    const [head, ...rows] = text.replace(/^# /, '').split('\n').map((line) => line.split(','));
    const row = rows.find(([backend, name]) => backend === 'sluice' && name === server);
    return Object.fromEntries(head.map((name, i) => [name, row[i]]));
  }

  async hasLeft(server) {
    await until(async () => (await this.statsOf(server)).status === 'DOWN', {
      what: `${server} out of its place`,
    });
  }
}

export const kinds = { nginx: Nginx, haproxy: Haproxy };

export async function startProxy(cleanup, kind, server, adapt) {
  const proxy = new kinds[kind](adapt);
  cleanup(() => proxy.dispose());
  return proxy.start(server.port);
}
