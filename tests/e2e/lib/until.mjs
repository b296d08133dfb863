// Waiting for conditions: no test sleeps for a time that somebody guessed.
import { setTimeout as pause } from 'node:timers/promises';

// Sanitizers on a machine with two cores and much else to do: generous, as only a failure waits so long.
export const TIMEOUT_MS = 60_000;

/**
 * Calls check again and again until it returns something true, and returns that. An error that it
 * throws counts as "not yet", and is the reason given in the end.
 */
export async function until(check, { timeout = TIMEOUT_MS, interval = 20, what = 'condition' } = {}) {
  const deadline = Date.now() + timeout;
  let reason;
  for (;;) {
    try {
      const result = await check();
      if (result) {
        return result;
      }
      reason = undefined;
    } catch (error) {
      reason = error;
    }
    if (Date.now() > deadline) {
      const description = typeof what === 'function' ? what() : what;
      throw new Error(`not within ${timeout} ms: ${description}`, { cause: reason });
    }
    await pause(interval);
  }
}

/** The promise's result, or an error that names what did not come. */
export async function within(promise, what, timeout = TIMEOUT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const description = typeof what === 'function' ? what() : what;
      reject(new Error(`not within ${timeout} ms: ${description}`));
    }, timeout);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
