// narrow as a Nix package: what nix/package.nix and flake.nix come to, with every Nix of the lab. There is no nixpkgs here:
// test/interop/nixpkgs stands in for as much of it as is asked for.

import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freshStore, nixes } from '../lab/nix.ts';
import type { Nix } from '../lab/nix.ts';
import { projectDir, tempDir } from '../lab/temp.ts';
import { packageIn, standIn } from './nixpkgs/stand-in.ts';

const read = (name: string): unknown => JSON.parse(readFileSync(join(projectDir, name), 'utf8'));
const manifest = read('package.json') as { version: string; description: string };
const lock = read('package-lock.json') as { packages: Record<string, { version: string; integrity: string }> };
const nixpkgs = standIn();

/** The npm packages that a build on this system starts from, with the hash that Nix asks of each. */
async function tarballs(one: Nix, system: string): Promise<Map<string, string>> {
  const root = await freshStore();
  const [drv] = (await one.run('nix-instantiate', ['-E', packageIn(nixpkgs, system)], { store: root })).stdout.split(
    '\n',
  );
  const all = (await one.store(root, '-qR', drv!)).split('\n').filter((path) => path.endsWith('.tgz.drv'));
  const entries = all.map(async (path): Promise<[string, string]> => [
    /^.{44}(.*)\.tgz\.drv$/.exec(path)![1]!,
    await one.store(root, '-q', '--binding', 'outputHash', path),
  ]);
  return new Map((await Promise.all(entries)).sort(byName));
}

function locked(...names: string[]): Map<string, string> {
  const entries = names.map((name): [string, string] => {
    const { version, integrity } = lock.packages[`node_modules/${name}`]!;
    return [`${name.split('/').at(-1)!}-${version}`, integrity];
  });
  return new Map(entries.sort(byName));
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

/** Why the package cannot be evaluated. */
async function refusal(one: Nix, expression: string): Promise<string> {
  const args = ['--eval', '--expr', `(${expression}).outPath`];
  return (await one.run('nix-instantiate', args, { store: await freshStore(), mayFail: true })).stderr;
}

/** Our flake as it is in a clean checkout. */
function flake(): string {
  const dir = tempDir('flake');
  const names = ['LICENSE', 'bin.js', 'flake.nix', 'nix', 'package-lock.json', 'package.json', 'scripts', 'src'];
  for (const name of [...names, 'tsconfig.build.json', 'tsconfig.json'])
    cpSync(join(projectDir, name), join(dir, name), { recursive: true });
  return `path:${dir}`;
}

interface Shown {
  readonly packages: Record<string, Record<string, { readonly name: string }>>;
  readonly apps: Record<string, Record<string, { readonly type: string }>>;
}

for (const one of nixes()) {
  test(`Nix ${one.label} takes the npm packages that the lock file names, for either kind of machine`, async () => {
    const common = ['commander', 'koffi', 'undici', 'esbuild', 'typescript', '@types/node', 'undici-types'];
    const names = Object.keys(lock.packages).map((key) => key.replace('node_modules/', ''));
    const sdk = [...names.filter((name) => /^@(aws|aws-sdk|smithy)\//.test(name)), 'bowser', 'tslib'];
    const own = ['@koromix/koffi-linux-', '@esbuild/linux-', '@typescript/typescript-linux-'];
    for (const [system, cpu] of [
      ['x86_64-linux', 'x64'],
      ['aarch64-linux', 'arm64'],
    ] as const) {
      const expected = locked(...common, ...sdk, ...own.map((name) => name + cpu));
      assert.deepEqual([...(await tarballs(one, system))], [...expected]);
    }
  });

  test(`Nix ${one.label} refuses a Node that is too old, and machines that nobody tried`, async () => {
    const old = packageIn(standIn('22.1.0'), 'x86_64-linux');
    assert.match(await refusal(one, old), /needs Node 24\.15.*has 22\.1\.0/s);
    assert.match(await refusal(one, packageIn(nixpkgs, 'riscv64-linux')), /not packaged for riscv64-linux/);
  });

  test(`Nix ${one.label} finds packages and an app in the flake`, async () => {
    const ours = flake();
    const inputs = ['--override-input', 'nixpkgs', `path:${nixpkgs}`, '--no-write-lock-file'];
    const options = { store: await freshStore(), conf: 'experimental-features = nix-command flakes\n' };
    // without it newer ones leave other systems out; 2.8 shows all
    const all = one.label === '2.8' ? [] : ['--all-systems'];
    const show = await one.run('nix', ['flake', 'show', '--json', ...all, ours, ...inputs], options);
    const { packages, apps } = JSON.parse(show.stdout) as Shown;
    for (const system of ['x86_64-linux', 'aarch64-linux']) {
      assert.equal(packages[system]?.['narrow']?.name, `narrow-${manifest.version}`);
      assert.deepEqual(packages[system]['default'], packages[system]['narrow']);
      assert.equal(apps[system]?.['default']?.type, 'app');
    }
    const program = `${ours}#apps.x86_64-linux.default.program`;
    const { stdout } = await one.run('nix', ['eval', '--raw', program, ...inputs], options);
    assert.match(stdout, /^\/nix\/store\/\w{32}-narrow-[\d.]+\/bin\/narrow$/);
  });
}

test('the flake says of narrow what package.json says', () => {
  const text = readFileSync(join(projectDir, 'flake.nix'), 'utf8');
  assert.ok(text.includes(`description = ${JSON.stringify(manifest.description)};`));
});
