// What `meson install` puts where, the manual pages, the sample configuration, and the Dockerfile.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { binary, makeDirectory, runSluice } from './lib/server.mjs';
import { assert, test } from './lib/test.mjs';

const run = promisify(execFile);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.SLUICE_BUILD ?? path.resolve(path.dirname(binary), '..');

const PREFIX = 'usr/local'; // meson's own default
const PAGES = {
  sluice: 'man8/sluice.8',
  sluicectl: 'man1/sluicectl.1',
  'sluice-bench': 'man1/sluice-bench.1',
};
const INSTALLED = [
  'bin/sluice',
  'bin/sluicectl',
  'bin/sluice-bench',
  'etc/sluice/sluice.conf',
  'lib/systemd/system/sluice.service',
  'lib/systemd/system/sluice.socket',
  'lib/systemd/system/sluice-broker.socket',
  'lib/sysusers.d/sluice.conf',
  'share/bash-completion/completions/sluice',
  'share/bash-completion/completions/sluicectl',
  'share/doc/sluice/README.md',
  'share/doc/sluice/examples/haproxy.cfg',
  'share/doc/sluice/examples/nginx.conf',
  'share/doc/sluice/examples/orders.graphql',
  'share/doc/sluice/examples/sluice.conf',
  'share/man/man1/sluice-bench.1',
  'share/man/man1/sluicectl.1',
  'share/man/man5/sluice.conf.5',
  'share/man/man8/sluice.8',
  'share/sluice/grafana/sluice.json',
  'share/sluice/prometheus/alerts.yml',
  'share/sluice/prometheus/prometheus.yml',
  'share/zsh/site-functions/_sluice',
  'share/zsh/site-functions/_sluicectl',
];

/** Installs what is built into @destination; nothing is built anew. */
async function install(destination) {
  await run('meson', ['install', '-C', build, '--no-rebuild', '--quiet'], {
    env: { ...process.env, DESTDIR: destination },
  });
  return path.join(destination, PREFIX);
}

function scratch(cleanup) {
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** "--name" of all that a --help text lists. */
function optionsOf(help) {
  return [...new Set([...help.matchAll(/^ +(?:-\w, )?(--[a-z][a-z0-9-]*)/gm)].map((match) => match[1]))];
}

/** A page as people read it, without the overstriking that makes it bold. */
async function render(page) {
  const { stdout, stderr } = await run('man', ['--warnings', '-P', 'cat', '-l', page], {
    env: { ...process.env, MANWIDTH: '200', LC_ALL: 'C.UTF-8', MAN_KEEP_FORMATTING: '' },
    maxBuffer: 16 * 1024 * 1024,
  });
  assert.equal(stderr, '', page);
  // eslint-disable-next-line no-control-regex
  return stdout.replace(/.\x08/gu, '').replace(/\x1b\[[0-9;]*m/g, '').replaceAll('‐', '-');
}

test('everything is installed, the programs start, and a second time changes nothing', async ({
  cleanup,
}) => {
  const destination = scratch(cleanup);
  const prefix = await install(destination);
  for (const name of INSTALLED) {
    assert.ok(fs.statSync(path.join(prefix, name)).size > 0, name);
  }
  for (const name of Object.keys(PAGES)) {
    const { stdout } = await run(path.join(prefix, 'bin', name), ['--version']);
    assert.match(stdout, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\\n$`));
  }

  // What somebody has changed stays; what is the program's is renewed.
  const configuration = path.join(prefix, 'etc/sluice/sluice.conf');
  const sample = path.join(prefix, 'share/doc/sluice/examples/sluice.conf');
  assert.equal(fs.readFileSync(configuration, 'utf8'), fs.readFileSync(sample, 'utf8'));
  fs.writeFileSync(configuration, 'workers = 3\n');
  fs.writeFileSync(sample, 'old\n');
  await install(destination);
  assert.equal(fs.readFileSync(configuration, 'utf8'), 'workers = 3\n');
  assert.match(fs.readFileSync(sample, 'utf8'), /#listen = 127\.0\.0\.1:8000/);
});

test('the manual pages are well-formed and have every option of their program', async ({
  cleanup,
}) => {
  const prefix = await install(scratch(cleanup));
  const page = (name) => path.join(prefix, 'share/man', name);
  for (const name of [...Object.values(PAGES), 'man5/sluice.conf.5']) {
    const { stdout } = await run('mandoc', ['-Tlint', '-Wwarning', page(name)]).catch((error) => {
      throw new Error(`${name}: ${error.stdout}`);
    });
    assert.equal(stdout, '', name);
    assert.match(await render(page(name)), /SEE ALSO/);
  }
  for (const [program, name] of Object.entries(PAGES)) {
    const { stdout } = await run(path.join(prefix, 'bin', program), ['--help']);
    const text = await render(page(name));
    const options = optionsOf(stdout);
    assert.ok(options.length > 3, program);
    for (const option of options) {
      assert.match(text, new RegExp(`${option}(?![\\w-])`), `${program} ${option}`);
    }
  }
});

test('sluice(8) has every event, sluice.conf(5) every key', async ({ cleanup }) => {
  const prefix = await install(scratch(cleanup));
  const { stdout } = await runSluice(['--help']);
  const keys = await render(path.join(prefix, 'share/man/man5/sluice.conf.5'));
  const none = ['--config', '--check-config', '--version', '--help'];
  for (const option of optionsOf(stdout).filter((name) => !none.includes(name))) {
    const key = option.slice(2).replaceAll('-', '_');
    assert.match(keys, new RegExp(`^ +${key} = `, 'm'), key);
  }
  const page = await render(path.join(prefix, 'share/man/man8/sluice.8'));
  const events = fs.readFileSync(path.join(root, 'server/log_events.h'), 'utf8');
  const names = [...events.matchAll(/^ +X\(LOG_(?!FIELD)\w+, +"(\w+)"/gm)].map((match) => match[1]);
  assert.ok(names.length > 20);
  for (const name of [...names, 'sluice_clients', 'sluice_commit_seconds']) {
    assert.match(page, new RegExp(`^ +${name}\\b`, 'm'), name);
  }
});

test('the sample configuration says what would be so without it', async ({ cleanup }) => {
  const directory = scratch(cleanup);
  const sample = path.join(build, 'tools/manual/sluice.conf');
  const all = path.join(directory, 'all.conf');
  const show = async (...args) => {
    const { code, stdout, stderr } = await runSluice([...args, '--check-config'], {
      cwd: directory,
      env: { SLUICE_LOG_LEVEL: 'debug' },
    });
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    return stdout.replace(/ +;.*$/gm, '');
  };
  const text = fs.readFileSync(sample, 'utf8');
  fs.writeFileSync(all, text.replace(/^#(?=[a-z0-9_]+ = )/gm, ''));
  const expected = await show();
  assert.equal(await show('-c', sample), expected);
  assert.equal(await show('-c', all), expected);

  const { stdout: help } = await runSluice(['--help']);
  for (const line of expected.matchAll(/^(?:# )?([a-z0-9_]+) =/gm)) {
    assert.match(text, new RegExp(`^# ?${line[1]} = `, 'm'));
    assert.ok(help.includes(`--${line[1].replaceAll('_', '-')}`));
  }
});

// --- Dockerfile: there may be no engine here to build it with.

/** [instruction, the rest], with continued lines joined. */
function instructionsOf(text) {
  return text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, instruction, rest] = /^([A-Z]+)\s+(.*)$/.exec(line);
      return [instruction, rest.replace(/\s+/g, ' ')];
    });
}

async function librariesOf(program) {
  const { stdout } = await run('objdump', ['-p', program]);
  return [...stdout.matchAll(/NEEDED +(\S+)/g)]
    .map((match) => match[1])
    .filter((name) => !/^(libasan|libubsan|libc|libm|libgcc_s|ld-linux\S*)\.so/.test(name));
}

test('the image is not run by root, knows its health, and has the libraries it needs', async () => {
  const instructions = instructionsOf(fs.readFileSync(path.join(root, 'Dockerfile'), 'utf8'));
  const last = instructions.slice(instructions.map(([name]) => name).lastIndexOf('FROM'));
  const of = (name) => last.filter(([found]) => found === name).map(([, rest]) => rest);
  assert.equal(of('FROM').join(), 'debian:12-slim');
  assert.equal(of('USER').join(), 'sluice');
  assert.equal(of('STOPSIGNAL').join(), 'SIGTERM');
  assert.equal(of('EXPOSE').join(), '8000');
  assert.equal(of('VOLUME').join(), '/var/lib/sluice');
  assert.equal(of('ENTRYPOINT').join(), '["sluice"]');
  const health = JSON.parse(/CMD (\[.*\])$/.exec(of('HEALTHCHECK').join())[1]);
  assert.equal(health[0], 'sluicectl');

  const packages = new Set(of('RUN').join(' ').split(' '));
  const needed = new Set();
  for (const program of [binary, path.join(build, 'tools/sluicectl')]) {
    for (const library of await librariesOf(program)) {
      const { stdout } = await run('dpkg-query', ['--search', `*/${library}`]);
      needed.add(stdout.split(':')[0]);
    }
  }
  assert.ok(needed.size > 5);
  for (const name of needed) {
    assert.ok(packages.has(name), `${name} is not installed in the image`);
  }
  const installed = of('RUN').join(' ').match(/--no-install-recommends (.*?) &&/)[1].split(' ');
  assert.deepEqual(installed.filter((name) => !needed.has(name)), [], 'nobody needs these');
});
