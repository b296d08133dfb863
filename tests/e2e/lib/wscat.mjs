// wscat as a person runs it: lines go in, lines come out.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Inbox } from './client.mjs';
import { onLines } from './lines.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** args: more options for wscat. */
export function wscat(url, cleanup, args = []) {
  const program = path.join(here, '../node_modules/wscat/bin/wscat');
  const child = spawn(process.execPath, [program, '--no-color', ...args, '-c', url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  cleanup(() => child.kill('SIGKILL'));
  const lines = new Inbox();
  onLines(child.stdout, (line) => lines.push(line));
  child.once('close', () => lines.end('wscat ended'));
  return {
    type: (line) => child.stdin.write(`${line}\n`),
    /** The next message that wscat shows and that matches. */
    shown: async (pattern, options) => {
      const line = await lines.next(pattern, options);
      return JSON.parse(line.slice(line.indexOf('{'))); // behind a prompt
    },
  };
}
