// What a fault script counts, and how it ends: "N passed, N failed".

const LINES_SHOWN = 30; // of an error

export class Tally {
  passed = 0;
  failed = 0;

  /** What judge() throws is a failure; what it returns is shown. */
  async check(name, judge) {
    try {
      const shown = await judge();
      this.passed++;
      console.log(`ok      ${name}${shown ? `: ${shown}` : ''}`);
    } catch (error) {
      this.failed++;
      const lines = error.stack.split('\n').slice(0, LINES_SHOWN);
      console.log([`FAILED  ${name}`, ...lines].join('\n        '));
    }
  }

  /** Something went wrong besides what is checked. */
  fail(error) {
    this.failed++;
    console.log(error.stack);
  }

  /** Ends the process. Nothing passed is a failure, too. */
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed === 0 && this.passed > 0 ? 0 : 1);
  }
}

/** Runs the parts of these names, each of which is given a list for its problems, and ends the process. */
export async function runParts(parts, names = Object.keys(parts)) {
  const tally = new Tally();
  for (const name of names) {
    const problems = [];
    const startedAt = performance.now();
    await parts[name](problems).catch((error) => problems.push(error.stack));
    problems.slice(0, 10).forEach((problem) => console.log(`  ${problem}`));
    const took = ((performance.now() - startedAt) / 1000).toFixed(1);
    const isGood = problems.length === 0;
    console.log(`${isGood ? 'ok     ' : 'FAILED '} ${name}: ${problems.length} problems, ${took} s`);
    tally.passed += isGood;
    tally.failed += !isGood;
  }
  tally.end();
}
