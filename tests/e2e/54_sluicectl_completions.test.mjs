// Completion of sluicectl, sluice and sluice-bench, as bash and zsh run it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { binary, makeDirectory } from './lib/server.mjs';
import { ctl, environment, sluicectl } from './lib/sluicectl.mjs';
import { Terminal } from './lib/terminal.mjs';
import { assert, test } from './lib/test.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const completions = path.join(here, '../../tools/completions');

// Nobody at a keyboard would wait so long for what a server says: here a slow one may.
const PATIENT = 'timeout() { command timeout 60 "${@:2}"; }';

// What bash does before it calls the function: words cut at blanks and at COMP_WORDBREAKS.
const DRIVER = `
${PATIENT}
. "$1"; line=$2; shift 2
COMP_LINE=$line COMP_POINT=\${#line} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
function=$(complete -p "\${1##*/}" | sed -E 's/.*-F ([^ ]+) .*/\\1/')
"$function" "$1" "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
[ \${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"
`;

/** What bash offers at the end of a line whose first word is a program's path. */
function complete(line, { env = {}, file = 'sluicectl.bash' } = {}) {
  const words = line.match(/[:=]+|(?:\\.|[^\s:=\\])+/g);
  if (/\s$/.test(line)) {
    words.push('');
  }
  const args = ['--norc', '-c', DRIVER, 'bash', path.join(completions, file), line, ...words];
  const output = execFileSync('bash', args, {
    env: { ...environment, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'], // compopt complains that this is not a completion
  });
  return output.split('\n').filter(Boolean).sort();
}

/** Whatever --help lists: {commands, options}. */
async function helpOf(program) {
  const { stdout } = await ctl(['--help'], { program });
  const all = (pattern) => [...stdout.matchAll(pattern)].map(([, name]) => name);
  return {
    commands: all(/^ {2}([a-z]+)(?: .*)?$/gm),
    options: all(/^ +(?:-\w, )?(--[a-z][a-z-]*)/gm).sort(),
  };
}

test('bash completes every command and option that --help lists, and no other', async () => {
  const { commands, options } = await helpOf(sluicectl);
  assert.ok(commands.length >= 11 && options.length >= 15);
  assert.deepEqual(complete(`${sluicectl} `), [...commands].sort());
  assert.deepEqual(complete(`${sluicectl} --`), options);
  for (const command of commands) {
    const { stdout } = await ctl([command, '--help']);
    const own = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z][a-z-]*)/gm)].map(([, name]) => name);
    assert.deepEqual(complete(`${sluicectl} ${command} --`), own.sort(), command);
  }
});

test('bash completes directories, and from a server topics and clients', async ({
  start,
  cleanup,
}) => {
  const server = await start();
  const at = { env: { SLUICE_DATA: server.data } };
  for (const topic of ['news', 'notes', 'comments:7', 'comments:8', 'a b']) {
    await server.post(encodeURIComponent(topic), '1', 'application/json', '?durable=true');
  }
  assert.deepEqual(complete(`${sluicectl} subscribe n`, at), ['news', 'notes']);
  assert.deepEqual(complete(`${sluicectl} subscribe news comments:`, at), ['7', '8']);
  assert.deepEqual(complete(`${sluicectl} subscribe a`, at), ['a\\ b']);
  assert.deepEqual(complete(`${sluicectl} log --topic ne`, at), ['news']);
  assert.deepEqual(complete(`${sluicectl} log --topic=ne`, at), ['news']);
  assert.deepEqual(complete(`${sluicectl} -d ${server.data} publish ne`), ['news']);
  assert.deepEqual(complete(`${sluicectl} --data=${server.data} topics --prefix no`), ['notes']);
  assert.deepEqual(complete(`${sluicectl} publish news n`, at), []);
  // As late as that: while bash completes nobody here answers the server's pings.
  const client = await server.broker();
  await client.ping();
  assert.match(complete(`${sluicectl} kick `, at).join(), /^\d-\d+$/);

  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  fs.mkdirSync(path.join(directory, 'store'));
  fs.writeFileSync(path.join(directory, 'steady'), '');
  assert.deepEqual(complete(`${sluicectl} -d ${directory}/st`), [`${directory}/store`]);
  assert.deepEqual(complete(`${sluicectl} -d ${directory} subscribe n`), []);
});

test('bash completes the options of sluice and sluice-bench', async () => {
  const file = 'sluice.bash';
  const bench = path.join(path.dirname(sluicectl), 'sluice-bench');
  for (const program of [binary, bench].filter(fs.existsSync)) {
    const { options } = await helpOf(program);
    assert.ok(options.length > 15);
    assert.deepEqual(complete(`${program} --`, { file }), options);
  }
  assert.deepEqual(complete(`${binary} --durability `, { file }), ['buffered', 'committed']);
  assert.deepEqual(complete(`${binary} --durability=c`, { file }), ['committed']);
  assert.ok(complete(`${binary} --schema ${here}/`, { file }).includes(`${here}/package.json`));
  assert.ok(!complete(`${binary} --data ${here}/`, { file }).includes(`${here}/package.json`));
});

test('zsh completes commands, options, topics and values', async ({ start, cleanup }) => {
  const server = await start();
  await server.post('zebra', '"striped"', 'application/json', '?durable=true');
  const directory = makeDirectory();
  cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  const terminal = new Terminal('exec zsh -f', cleanup, {
    SLUICE_DATA: server.data,
    PATH: [path.dirname(sluicectl), path.dirname(binary), environment.PATH].join(':'),
  });
  terminal.type(
    [
      PATIENT,
      "PS1='ready> '; setopt no_beep; zstyle ':completion:*' menu no",
      `fpath=(${completions} $fpath); autoload -Uz compinit; compinit -u -d ${directory}/dump`,
      '',
    ].join('\n'),
  );
  const PROMPT = /ready> (\u001b\[[?\d]*[A-Za-z])*$/;
  await terminal.shows(PROMPT);
  const line = async (typed, pattern) => {
    terminal.clear();
    terminal.type(typed);
    await terminal.shows(pattern);
    await terminal.shows(PROMPT);
  };
  await line('sluicectl hea\t--js\t\n', /"status":"healthy"/);
  await line('sluicectl log --from 1 --lim\t1 --js\t\n', /"kind":"schema"/);
  await line('sluicectl --json log --top\tze\t\n', /"data":"striped"/);
  await line(`sluicectl --data=${server.data} publish ze\tagain\n`, /\n\d+ zebra\r/);
  await line(`sluice --check-c\t--data ${directory} --durab\tcomm\t\n`, /the configuration is good/);
});
