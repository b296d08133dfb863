// The engine in C behind a pipe: probe.h says what it understands.
import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const BUILD = process.env.SLUICE_BUILD ?? `${ROOT}/build-test`;
const PROGRAM = `${BUILD}/tests/graphql/graphql_probe`;
// So many requests may wait for their answers: enough to keep both sides busy.
const OUTSTANDING_MAX = 64;

/** Starts one; when the file's tests are over it must end well, which is: without a leak. */
export function startProbe() {
  const child = spawn(PROGRAM, { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = [];
  let stderr = '';

  child.stderr.on('data', (data) => {
    stderr += data;
  });
  child.stdin.on('error', () => {}); // it has ended: `exit` says why
  const ended = once(child, 'close').then(([status, signal]) => {
    for (const { reject, request } of waiting.splice(0)) {
      reject(new Error(`the probe ended (${signal ?? status}) over\n${request}\n${stderr}`));
    }
    return status;
  });
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    waiting.shift().resolve(JSON.parse(line));
  });

  after(async () => {
    child.stdin.end();
    assert.strictEqual(await ended, 0, stderr);
    assert.strictEqual(stderr, '');
  });

  return {
    isBusy: () => waiting.length >= OUTSTANDING_MAX,
    ask(request) {
      const line = JSON.stringify(request);
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject, request: line });
        child.stdin.write(`${line}\n`);
      });
    },
  };
}
