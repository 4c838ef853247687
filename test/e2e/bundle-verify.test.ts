// What others write is verified as bundles are: whole or not, which path is damaged, and what keeps it from being applied.

import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { create, local } from './bundles.ts';
import { fails, narrow } from './narrow.ts';

interface Told {
  readonly kind: string;
  readonly ok: boolean;
  readonly problems: readonly { readonly path?: string; readonly message: string }[];
  readonly applies?: boolean;
  readonly obstacles?: readonly { readonly kind: string; readonly path?: string }[];
  readonly narHash?: string;
}

async function verify(status: number, ...args: string[]): Promise<Told> {
  const result = await narrow(['bundle', 'verify', '--json', ...args], { mayFail: true });
  assert.equal(result.status, status, result.stderr);
  return JSON.parse(result.stdout) as Told;
}

/** A file with one bit changed in what `found` gives the place of. */
function damaged(file: string, found: (bytes: Buffer) => number): string {
  const bytes = readFileSync(file);
  bytes[found(bytes)]! ^= 1;
  writeFileSync(`${file}.damaged`, bytes);
  return `${file}.damaged`;
}

function cut(file: string): string {
  copyFileSync(file, `${file}.cut`);
  truncateSync(`${file}.cut`, statSync(file).size - 600);
  return `${file}.cut`;
}

test('export streams', async () => {
  const { root, top, paths, named } = await closure('basic');
  const [dir, island] = [tempDir('export'), await freshStore()];
  const [file, inventory] = [join(dir, 'x.export.zst'), join(dir, 'inventory')];
  await create(root, '--format', 'nix-export', '-o', file, top);
  assert.match((await narrow(['bundle', 'verify', file])).stderr, /is whole: export stream, \d+ paths/);
  const short = await verify(3, cut(file));
  assert.match(short.problems[0]!.message, /ends too early/);

  const refused = await verify(3, '--against', local(island), file);
  assert.equal(refused.ok, true);
  assert.equal(refused.applies, false);
  assert.ok(refused.obstacles!.length > 0 && refused.obstacles!.every(({ kind }) => kind === 'refused'));
  assert.equal((await verify(0, '--no-check-sigs', '--against', local(island), file)).applies, true);
  await narrow(['inventory', '--store', local(island), '-o', inventory]);
  assert.match(
    (await narrow(['bundle', 'verify', '--no-check-sigs', '--against', inventory, file])).stderr,
    /will apply completely/,
  );

  const alone = join(dir, 'alone');
  await run(['sh', '-c', 'nix-store --store "$1" --export "$2" > "$0"', alone, root, named['hello']!], {
    env: nix('2.8').env(),
  });
  const lacking = await verify(3, '--no-check-sigs', '--against', inventory, alone);
  assert.ok(lacking.obstacles!.length > 0 && lacking.obstacles!.every(({ kind }) => kind === 'missing'));
  assert.ok(lacking.obstacles!.every(({ path }) => paths.includes(path!)));
});

test('static caches in tar archives, alone and behind a script', async () => {
  const { root, top, named } = await closure('signed');
  const dir = tempDir('tar');
  const [tar, script] = [join(dir, 'x.tar'), join(dir, 'x.sh')];
  await create(root, '--format', 'cache-tar', '-o', tar, top);
  await create(root, '--self-extract', '-o', script, top);
  assert.equal((await verify(0, tar)).kind, 'tar');
  assert.equal((await verify(0, script)).kind, 'script');
  const info = await narrow(['info', '--json', '--store', `bundle:${tar}`, named['libc']!]);
  const { url } = Object.values(JSON.parse(info.stdout) as Record<string, { url: string }>)[0]!;
  const insideNar = (bytes: Buffer): number => bytes.indexOf(url) + 2000;

  const inTar = await verify(3, damaged(tar, insideNar));
  assert.deepEqual(
    inTar.problems.map(({ path }) => path),
    [named['libc']],
  );
  const inScript = await verify(3, damaged(script, insideNar));
  assert.deepEqual(
    inScript.problems.map(({ path }) => path),
    [undefined, named['libc']],
  );
  assert.match((await verify(3, cut(script))).problems[0]!.message, /end of the input/);
  appendFileSync(script, 'x');
  assert.match((await verify(3, script)).problems[0]!.message, /something was added behind it/);
});

test('a NAR alone, which does not say of which path it is', async () => {
  const { root, named } = await closure('basic');
  const file = join(tempDir('nar'), 'x.nar');
  await run(['sh', '-c', 'nix-store --dump "$1" > "$0"', file, join(root, named['hello']!)], {
    env: nix('2.8').env(),
  });
  const { stdout } = await narrow(['nar', 'hash', '--json', join(root, named['hello']!)]);
  assert.equal((await verify(0, file)).narHash, (JSON.parse(stdout) as { narHash: string }).narHash);
  assert.match((await verify(3, cut(file))).problems[0]!.message, /unexpected end|ends/);
  assert.match(await fails(2, ['bundle', 'verify', '--against', 'daemon', file]), /narrow import/);
});

test('derivations that are not those of their names', async () => {
  const { root, drv } = await closure('basic');
  const file = join(tempDir('drv'), 'x.json');
  writeFileSync(file, (await narrow(['drv', 'show', '--shape', 'new', '--store', local(root), drv])).stdout);
  assert.equal((await verify(0, file)).ok, true);
  const forged = damaged(file, (bytes) => bytes.indexOf('"builder":"/') + 13);
  assert.match((await verify(3, forged)).problems[0]!.message, /whose path is/);
});
