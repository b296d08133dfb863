// test(name, fn): fn gets {start, cleanup}; what it starts is ended and judged after it.
import { test as nodeTest } from 'node:test';
import { Server } from './server.mjs';

const TIMEOUT_MS = 120_000; // of one test, when something hangs

export { default as assert } from 'node:assert/strict';

export function test(name, options, fn) {
  if (typeof options === 'function') {
    [options, fn] = [{}, options];
  }
  nodeTest(name, { timeout: TIMEOUT_MS, ...options }, async (t) => {
    const disposals = [];
    const cleanup = (dispose) => disposals.push(dispose);

    /** A server that is not started yet. */
    const prepare = (serverOptions) => {
      const server = new Server(serverOptions);
      cleanup(() => server.dispose());
      return server;
    };
    const start = (serverOptions) => prepare(serverOptions).start();

    const errors = [];
    try {
      await fn({ start, prepare, cleanup, t });
    } catch (error) {
      errors.push(error);
    }
    for (const dispose of disposals.reverse()) {
      try {
        await dispose();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) {
      throw errors[0];
    }
    if (errors.length > 1) {
      throw new Error(errors.map((error) => error.stack).join('\n\nand then:\n'));
    }
  });
}
