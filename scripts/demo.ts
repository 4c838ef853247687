// `make demo`: the main job on any machine, with or without Nix. A real closure, out of a store, into a signed cache,
// over HTTP, into a second store; each step is the command a user would type, printed before it runs.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { buildClosure } from './demo/closure.ts';
import { serveFiles } from './demo/static-server.ts';
import { projectDir } from './project.ts';

const started = performance.now();
const directory = mkdtempSync(join(tmpdir(), 'narrow-demo-'));
/** Nothing of this machine's Nix: no settings, no store, no keys. */
const env = {
  PATH: process.env['PATH'] ?? '',
  TERM: process.env['TERM'],
  HOME: join(directory, 'home'),
  NIX_CONF_DIR: join(directory, 'home'),
  XDG_STATE_HOME: join(directory, 'home'),
};

process.on('exit', () => {
  // the directories of a store are read-only, which stops anybody but root
  spawnSync('chmod', ['-R', 'u+w', directory]);
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

function say(text: string): void {
  console.log(`\n\x1b[1m${text}\x1b[0m`.replaceAll(process.stdout.isTTY ? '' : /\x1b\[\d+m/g, ''));
}

/** Prints a command as it would be typed and runs it. Returns standard output. */
async function run(program: string, ...args: string[]): Promise<string> {
  const { status, output, typed } = await start(program, args, 'inherit');
  if (status !== 0) throw new Error(`${typed}: exit status ${status}\n${output}`);
  return output;
}

/** The same for a command that has to fail; what it says is shown shortened. */
async function runRefused(program: string, ...args: string[]): Promise<void> {
  const { status, output, typed } = await start(program, args, 'pipe');
  if (status !== 1) throw new Error(`${typed}: expected exit status 1, got ${status}\n${output}`);
  const lines = output.split('\n').slice(output.split('\n').findIndex((line) => line.startsWith('narrow: ')));
  console.log([...lines.slice(0, 2), `  … (${lines.length - 3} lines more)`, ...lines.slice(-1)].join('\n'));
}

async function start(
  program: string,
  args: readonly string[],
  stderr: 'inherit' | 'pipe',
): Promise<{ status: number; output: string; typed: string }> {
  const typed = [program === narrow ? './narrow' : program, ...args.map(quoted)].join(' ');
  console.log(`$ ${typed}`);
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', stderr] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (output += text));
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve(code ?? -1));
  });
  return { status, output: output.trimEnd(), typed };
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text}'`;
}

const narrow = join(projectDir, 'narrow');

async function demo(): Promise<void> {
  mkdirSync(env.HOME);
  // else Nix, asked at the end, warns that it cannot build here
  writeFileSync(join(env.NIX_CONF_DIR, 'nix.conf'), 'build-users-group =\n');
  say('A closure of real files: what is installed here, each package a store path that names those it needs.');
  const { root, file, paths } = await buildClosure(directory);
  console.log(`${paths} store paths, the root is ${root}`);
  await run(narrow, 'import', '--store', 'local?root=A', '--no-check-sigs', file);
  console.log(await run(narrow, 'info', '--store', 'local?root=A', '--recursive', '--size', root));

  say('Into a cache in a directory: zstd, signed. First the plan alone.');
  const key = await run(narrow, 'key', 'generate', 'demo-1', '--out', 'demo.sec');
  const toCache = ['copy', '--from', 'local?root=A', '--to', 'file://C?compression=zstd&secret-key=demo.sec'];
  await run(narrow, ...toCache, '--dry-run', root);
  await run(narrow, ...toCache, root);

  await using server = await serveFiles(join(directory, 'C'));
  say(`The directory is now served at ${server.url}. A second store takes it, but not from just anybody:`);
  const toStore = ['copy', '--from', server.url, '--to', 'local?root=B'];
  await runRefused(narrow, ...toStore, root);
  say('With the public key trusted:');
  const trusting = ['--trusted-public-key', key];
  await run(narrow, ...toStore, ...trusting, '--out-link', 'result', root);
  console.log(`(the web server sent ${(server.sent() / 1e6).toFixed(1)} MB)`);
  say('Once more: nothing is left to do.');
  await run(narrow, ...toStore, ...trusting, root);

  say('Every file of the second store read again, and every signature checked:');
  console.log(await run(narrow, 'verify', '--store', 'local?root=B', '--recursive', ...trusting, root));
  await askNix(root, paths);
}

/** Stock Nix, where it is, finds nothing to complain about. */
async function askNix(root: string, paths: number): Promise<void> {
  const here = env.PATH.split(delimiter).some((folder) => existsSync(join(folder, 'nix-store')));
  if (!here) return console.log('\n(nix-store is not on the PATH: not asked)');
  say('And what does Nix say?');
  const store = ['--store', join(directory, 'B')];
  await run('nix-store', ...store, '--verify', '--check-contents');
  const closure = (await run('nix-store', ...store, '--query', '--requisites', root)).split('\n');
  if (closure.length !== paths) throw new Error(`Nix finds ${closure.length} paths, expected ${paths}`);
  console.log(`${closure.length} paths, all as Nix wants them`);
}

try {
  await demo();
  say(`Done in ${((performance.now() - started) / 1000).toFixed(1)} s; ${directory} is removed.`);
} catch (error) {
  console.error(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
