// Calls of a server's processes that fail when a test says so: tests/fault/broken_calls.c.
import fs from 'node:fs';
import path from 'node:path';
import { binary, makeDirectory } from '../../e2e/lib/server.mjs';

const build = process.env.SLUICE_BUILD ?? path.resolve(binary, '../..');
const asanOptions = process.env.ASAN_OPTIONS ?? '';

export const CALL = {
  write: 1,
  head: 2,
  restore: 4,
  dataSync: 8,
  sync: 16,
  size: 32,
  open: 64,
  rename: 128,
  unlink: 256,
  allocate: 512,
};
export const ERRNO = { EIO: 5, ENOMEM: 12, ENOSPC: 28 };

/** Then its allocations are the sanitizer's, and none of them can fail here. */
export const isSanitized = fs.readFileSync(binary).includes('__asan_init');

const WORDS = 7; // struct control
const HITS = 6;
const FOR_EVER = 0xffffffff;

export class BrokenCalls {
  /** root: the directory whose files are meant. */
  constructor(root) {
    this.directory = makeDirectory();
    this.file = path.join(this.directory, 'control');
    fs.writeFileSync(this.file, Buffer.alloc(WORDS * 4));
    this.env = {
      LD_PRELOAD: path.join(build, `tests/fault/broken_${isSanitized ? 'calls' : 'memory'}.so`),
      BROKEN_CALLS_CONTROL: this.file,
      BROKEN_CALLS_ROOT: root,
      ASAN_OPTIONS: `${asanOptions}:verify_asan_link_order=0`, // the library comes before ASan's
    };
  }

  #write(words) {
    const bytes = Buffer.alloc(4 * words.length);
    words.forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 * i));
    const fd = fs.openSync(this.file, 'r+');
    fs.writeSync(fd, bytes, 0, bytes.length, 0);
    fs.closeSync(fd);
  }

  /** From now on: after `skip` of these calls, `count` fail. calls, done: or-ed; pid: one process only. */
  fail({ calls, error = ERRNO.EIO, pid = 0, skip = 0, count = FOR_EVER, done = 0 }) {
    this.repair();
    this.#write([0, error, pid, skip, count, done, 0]);
    this.#write([calls]);
  }

  repair() {
    this.#write([0]);
  }

  get hits() {
    return fs.readFileSync(this.file).readUInt32LE(4 * HITS);
  }
}
