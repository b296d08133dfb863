// test(name, fn): fn gets {start, prepare, cleanup}; what it starts is ended and judged after it.
import { test as nodeTest } from 'node:test';
import { Server } from './server.mjs';
import { within } from './until.mjs';

const TIMEOUT_MS = 240_000; // of one test, when something hangs

export { default as assert } from 'node:assert/strict';

let unfinished = 0;
let hasFailed = false;

/** Runs all, one after the other, and returns what they threw. */
async function errorsOf(functions) {
  const errors = [];
  for (const fn of functions) {
    try {
      await fn();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

async function runAndCleanUp(fn, timeout) {
  const disposals = [];
  const cleanup = (dispose) => disposals.unshift(dispose);

  /** A server that is not started yet. */
  const prepare = (serverOptions) => {
    const server = new Server(serverOptions);
    cleanup(() => server.dispose());
    return server;
  };
  const start = (serverOptions) => prepare(serverOptions).start();

  const body = () => within(fn({ start, prepare, cleanup }), 'the end of the test', timeout);
  const errors = [...(await errorsOf([body])), ...(await errorsOf(disposals))];
  if (errors.length === 1) {
    throw errors[0];
  }
  if (errors.length > 1) {
    throw new Error(errors.map((error) => error.stack).join('\n\nand then:\n'));
  }
}

export function test(name, options, fn) {
  if (typeof options === 'function') {
    [options, fn] = [{}, options];
  }
  const { timeout = TIMEOUT_MS, ...others } = options;
  unfinished += others.skip ? 0 : 1;
  nodeTest(name, others, async () => {
    try {
      await runAndCleanUp(fn, timeout);
    } catch (error) {
      hasFailed = true;
      throw error;
    } finally {
      unfinished--;
      if (hasFailed && unfinished === 0) {
        // What a test that hung left running must not keep this process: the reporter's last word,
        // and out.
        setTimeout(() => process.exit(1), 1000);
      }
    }
  });
}
