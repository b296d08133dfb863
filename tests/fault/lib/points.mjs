// The named points of sluice-points (bus/test_point.h), the situations in which a server passes them, and
// the cases that come of both.
import { spawnSync } from 'node:child_process';

/** Every point as the program itself lists them: {name, roles}. */
export function listPoints(program) {
  const { stdout, status } = spawnSync(program, { env: { SLUICE_POINTS: 'list' }, encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${program} does not list its points`);
  }
  return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

/**
 * How a server gets there (death_points.mjs plays them):
 *
 *   fresh   a new store, and then load          again   a start after everything was killed under load
 *   trim    the same, with little retention     lost    a start without the ring, which a power cut took
 *   drain   SIGTERM under load                  clean   a start after a drain
 *   schema  a start with another schema         end     the last commits of a drain
 */
const STARTS = ['fresh', 'again', 'lost', 'clean'];

const byName = (table, name) => table[name] ?? table[name.slice(0, name.indexOf('_'))];

/** By the first part of a point's name. */
const SITUATIONS = {
  ANNOUNCE: ['fresh', 'end'],
  APPEND: ['fresh'],
  APPLY: ['fresh'],
  BIRTH: ['fresh', 'again'],
  BURIAL: ['fresh'],
  CALL: ['fresh'],
  CLEAN: ['clean'],
  COMMIT: ['fresh', 'end'],
  DRAIN: ['drain'],
  MAKE: ['fresh'],
  POISON: ['fresh'],
  RECOVER: ['again', 'lost'],
  REJOIN: ['fresh'],
  REPAIR: ['fresh'],
  SCHEMA: ['schema'],
  START: ['fresh', 'again'],
  TAKE: STARTS,
  TRIM: ['trim'],
  URGE: ['fresh'],
  WAKE: ['fresh'],
  WIPE: ['lost'],
};

/** Where the first part does not say it. */
const SITUATIONS_OF = {
  START_EPOCH_COMMITTED: ['fresh', 'lost'],
};

/** Passed only after these, in the same life of the master: pass 0 is a random one. */
const BEFORE = {
  BURIAL: ['APPEND_UNLOCKED:worker:0:die'],
  POISON_COUNTED: ['APPLY_BEGUN:writer:0:die'],
  POISON_FORGOTTEN: ['APPLY_BEGUN:writer:0:die'],
  POISON_REFUSED: ['APPLY_BEGUN:writer:0:die', 'APPLY_BEGUN:writer:1:die'],
  REJOIN: ['COMMIT_DONE:writer:0:die'],
  REPAIR: ['APPEND_COPYING:worker:0:die'],
};

/** In the situation `end`: these are passed by the clean mark's commit, if there is nothing else to commit. */
const IN_ANY_COMMIT = /^COMMIT_(BEGUN|META_PUT|WRITTEN|SYNCED|DONE)$/;

function beforeOf(name, situation) {
  if (situation === 'end') {
    return [`${IN_ANY_COMMIT.test(name) ? 'DRAIN_STOPPING' : 'DRAIN_BEGUN'}:master:1:pass`];
  }
  return byName(BEFORE, name) ?? [];
}

/** The last pass that is tried; 20 where load goes by. 1: a start passes it once, or a few times. */
const PASSES = {
  ...{ APPLY_ROW_DELETED: 3, TRIM_TOPIC_NOTED: 3, TRIM_TOPIC_GONE: 3, TRIM_ENTRY: 5 },
  ...{ BIRTH: 1, BIRTH_SLOT: 3, BIRTH_FORKED: 3, BIRTH_NAMED: 3, BURIAL: 1, CALL: 2, CLEAN: 1, DRAIN: 1 },
  ...{ MAKE: 1, POISON: 1, RECOVER: 1, REJOIN: 1, REPAIR: 1, SCHEMA: 1, SCHEMA_UNINDEXED: 5, START: 1 },
  ...{ TAKE: 1, TAKE_STATING: 2, WIPE: 5000 },
};
const PASSES_UNDER_LOAD = 20;

/** Deaths twice: the first under load, by a writer or a worker, and then at any step of what follows it. */
const FIRST_DEATHS = /^(APPEND|COMMIT|ANNOUNCE|APPLY)_/;
const UNDER_LOAD = 'START_PHASE_SET:master:1:pass';
const SECOND_OF_WRITER = [
  'START_STORE_OPEN', 'REJOIN_COMMITTED', 'ANNOUNCE_POS', 'ANNOUNCE_SEQ', 'ANNOUNCE_FIRST',
  'RECOVER_ANNOUNCED', 'START_READY', 'COMMIT_BEGUN', 'COMMIT_DONE',
].map((name) => [name, 'writer']);
const SECOND_OF_ALL = [
  ...['START_LOCKED', 'START_RING_LOCKED', 'START_RING_CLEARED', 'START_RING_OPEN', 'START_PHASE_SET']
    .map((name) => [name, 'master']),
  ...['START_STORE_OPEN', 'RECOVER_WALKED', 'TAKE_CLAIMED', 'TAKE_IDENTIFIED', 'TAKE_STATING', 'TAKE_STATED',
    'TAKE_COMMITTED', 'TAKE_EPOCH', 'TAKE_DONE', 'RECOVER_ANNOUNCED', 'RECOVER_REPLAYED', 'START_READY']
    .map((name) => [name, 'writer']),
];

const ACTIONS = ['die', 'stop', 'all'];

/** A writer appends but once, its schema, at a start. */
const isOnce = (name, role) => role === 'writer' && name.startsWith('APPEND_');

function passesOf({ name, role, situation }, below) {
  const last = isOnce(name, role) || situation === 'end' ? 1 : byName(PASSES, name) ?? PASSES_UNDER_LOAD;
  return last === 1 ? [1] : [1, 2 + below(last - 1)];
}

const withPasses = (plan, below) => plan.map((fate) => fate.replace(':0:', `:${5 + below(15)}:`));

/**
 * A case is {name, situation, acts}, an act {plan, point, role, action}: a plan of fates (points.c), the
 * last of which is what it is about. A second act is for the start after the first one.
 */
function single({ name, role, situation, pass, action }, below) {
  const before = withPasses(beforeOf(name, situation), below);
  const plan = [...before, `${name}:${role}:${pass}:${action}`];
  return {
    name: `${situation} ${plan.join(' ')}`,
    situation,
    isSequential: name.startsWith('POISON'), // so that the same COMMAND comes again
    acts: [{ plan, point: name, role, action }],
  };
}

/** Each point, by each role that passes it, in each situation, at two passes, in each way. */
export function singleCases(points, below) {
  const cases = [];
  for (const { name, roles } of points) {
    const situations = SITUATIONS_OF[name] ?? byName(SITUATIONS, name);
    if (situations === undefined) {
      throw new Error(`nobody knows when ${name} is passed: tests/fault/lib/points.mjs`);
    }
    for (const role of roles) {
      for (const situation of situations) {
        for (const pass of passesOf({ name, role, situation }, below)) {
          for (const action of ACTIONS) {
            cases.push(single({ name, role, situation, pass, action }, below));
          }
        }
      }
    }
  }
  return cases;
}

/** Death at each step of a recovery from death at each step of an append, an execution and a commit. */
export function doubleCases(points, below) {
  const cases = [];
  for (const { name, roles } of points.filter((point) => FIRST_DEATHS.test(point.name))) {
    const role = roles.includes('worker') ? 'worker' : 'writer';
    const fate = (of, by, pass, action) => `${of}:${by}:${pass}:${action}`;
    const pass = 1 + below(byName(PASSES, name) ?? PASSES_UNDER_LOAD);
    for (const [second, by] of role === 'writer' ? SECOND_OF_WRITER : []) {
      const plan = [UNDER_LOAD, fate(name, role, pass, 'die'), fate(second, by, 1, 'die')];
      const act = { plan, point: second, role: by, action: 'die' };
      cases.push({ name: `fresh ${plan.join(' ')}`, situation: 'fresh', acts: [act] });
    }
    for (const [second, by] of SECOND_OF_ALL) {
      const action = below(2) === 0 ? 'die' : 'all';
      const plans = [[UNDER_LOAD, fate(name, role, pass, 'all')], [fate(second, by, 1, action)]];
      const acts = [
        { plan: plans[0], point: name, role, action: 'all' },
        { plan: plans[1], point: second, role: by, action },
      ];
      cases.push({ name: `fresh ${plans.map((plan) => plan.join(' ')).join(', then ')}`, situation: 'fresh', acts });
    }
  }
  return cases;
}
