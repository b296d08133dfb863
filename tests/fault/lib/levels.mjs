// What processes have at moments at which nobody is connected, held against each other: memory may not
// grow from one such moment to the next, descriptors and threads are always the same.
import fs from 'node:fs';
import { fieldOf } from '../../e2e/lib/processes.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Growth over all of the time that is no leak: caches and the heap's fragments settle. */
export const ALLOWED_SHARE = 0.05;
export const ALLOWED_BYTES = MIB;
/** Moments that a slope is made of, at least, after those of the warm-up. */
export const MOMENTS_MIN = 4;

/** Descriptors by what they are: {'socket': 4, '/dev/null': 1, …}. */
function descriptorsOf(pid) {
  const kinds = {};
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    let target;
    try {
      target = fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      continue; // closed since the folder was read
    }
    const kind = target.replace(/:\[\d+\]$/, '');
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

/** {seconds, anon, shared (bytes), threads, descriptors} of a process, now. */
export function measure(pid, seconds) {
  return {
    seconds,
    anon: fieldOf(pid, 'RssAnon') * KIB,
    shared: fieldOf(pid, 'RssShmem') * KIB,
    threads: fieldOf(pid, 'Threads'),
    descriptors: descriptorsOf(pid),
  };
}

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** What the least-squares line through the samples' memory gains from the first one to the last. */
export function growthOf(samples) {
  const [times, bytes] = [samples.map(({ seconds }) => seconds), samples.map(({ anon }) => anon)];
  const [middle, level] = [mean(times), mean(bytes)];
  const spread = mean(times.map((time) => (time - middle) ** 2));
  const common = mean(times.map((time, i) => (time - middle) * (bytes[i] - level)));
  return spread === 0 ? 0 : (common / spread) * (times.at(-1) - times[0]);
}

const textOf = (kinds) => JSON.stringify(Object.fromEntries(Object.entries(kinds).sort()));

/** Every process's moments, in the order in which they came. */
export class Levels {
  #processes = new Map(); // pid -> {name, samples}

  add(pid, name, sample) {
    const process = this.#processes.get(pid) ?? { pid, name, samples: [] };
    this.#processes.set(pid, process);
    process.samples.push(sample);
  }

  get processes() {
    return [...this.#processes.values()];
  }

  /** Those whose memory can be judged: {pid, name, samples behind the warm-up, growth, allowed}. */
  slopes(warmup) {
    return this.processes
      .map((process) => ({ ...process, samples: process.samples.slice(warmup) }))
      .filter(({ samples }) => samples.length >= MOMENTS_MIN)
      .map((process) => {
        const level = mean(process.samples.map(({ anon }) => anon));
        const allowed = level * ALLOWED_SHARE + ALLOWED_BYTES;
        return { ...process, level, allowed, growth: growthOf(process.samples) };
      });
  }

  /** Memory that grows; nothing if there was no process to judge would prove nothing. */
  memoryProblems(warmup) {
    const slopes = this.slopes(warmup);
    const problems = slopes
      .filter(({ growth, allowed }) => growth > allowed)
      .map(({ pid, name, growth, allowed, samples }) => {
        const minutes = (samples.at(-1).seconds - samples[0].seconds) / 60;
        return `${name} (${pid}) has grown by ${mib(growth)} in ${minutes.toFixed(1)} minutes, ` +
          `${mib(allowed)} would do`;
      });
    return slopes.length > 0 ? problems : ['no process lived long enough to be judged'];
  }

  /** Every moment is like the process's first one; one thread. */
  descriptorProblems() {
    const problems = [];
    for (const { pid, name, samples } of this.processes) {
      const base = textOf(samples[0].descriptors);
      const other = samples.find(({ descriptors }) => textOf(descriptors) !== base);
      if (other) {
        problems.push(`${name} (${pid}) had ${base} open, then ${textOf(other.descriptors)}`);
      }
      if (samples.some(({ threads }) => threads !== 1)) {
        problems.push(`${name} (${pid}) has threads`);
      }
    }
    return problems;
  }
}

export const mib = (bytes) => `${(bytes / MIB).toFixed(2)} MiB`;
export const countOf = (kinds) => Object.values(kinds).reduce((sum, count) => sum + count, 0);
