// /metrics, read as strictly as Prometheus reads its text format 0.0.4, and some more.
import assert from 'node:assert/strict';

const HELP = /^# HELP (\w+) (\S.*)$/;
const TYPE = /^# TYPE (\w+) (counter|gauge|histogram)$/;
const SAMPLE = /^(\w+)(?:\{((?:\w+="[^"\\\n]*",?)+)\})? (\d+(?:\.\d+)?)$/;

function parseLabels(text = '') {
  return Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
}

/** The families by name: {help, type, samples: [{name, labels, value}]}, in their order. */
export function parseMetrics(text) {
  assert.ok(text.endsWith('\n'));
  const families = new Map();
  let family;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helped, help] = HELP.exec(line) ?? [];
    const [, typed, type] = TYPE.exec(line) ?? [];
    const [, name, labels, value] = SAMPLE.exec(line) ?? [];
    if (helped) {
      assert.ok(!families.has(helped), `${helped} comes twice`);
      family = { name: helped, help, samples: [] };
      families.set(helped, family);
    } else if (typed) {
      assert.equal(typed, family.name);
      family.type = type;
    } else {
      assert.ok(name, `not a line of /metrics: ${line}`);
      const base = family.type === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') : name;
      assert.equal(base, family.name, line);
      family.samples.push({ name, labels: parseLabels(labels), value: Number(value) });
    }
  }
  return families;
}

export async function readMetrics(server) {
  const { status, text } = await server.request('GET', '/metrics');
  assert.equal(status, 200);
  return parseMetrics(text);
}

/** The samples of that name which have (at least) these labels, added up; there must be some. */
export function sumOf(families, name, labels = {}) {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  assert.ok(family, `there is no ${name} in /metrics`);
  const samples = family.samples.filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  assert.ok(samples.length > 0, `${name} has no sample with ${JSON.stringify(labels)}`);
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** What a counter or gauge has come to, over all processes. */
export async function metric(server, name, labels) {
  return sumOf(await readMetrics(server), name, labels);
}
