// Bundles: a system that is carried in a file, with every Nix on the far side.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Closure, ClosureName } from '../lab/closures.ts';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const local = (root: string): string => `local?root=${root}`;

let workshop: Promise<string> | undefined;

/** One store with the closures of three generations. */
function workshopRoot(): Promise<string> {
  return (workshop ??= (async () => {
    const root = await copyOfStore((await closure('basic')).root);
    for (const name of ['rebuilt', 'updated'] satisfies ClosureName[]) {
      const { root: from, top } = await closure(name);
      await narrow(['copy', '--no-check-sigs', '--from', local(from), '--to', local(root), top]);
    }
    return root;
  })());
}

async function expectWhole(root: string, { top, paths }: Closure): Promise<void> {
  for (const which of nixes()) assert.equal(await which.complaints(root), undefined, which.label);
  assert.equal((await nix('2.8').store(root, '-qR', top)).split('\n').length, paths.length);
}

async function validCount(root: string): Promise<number> {
  return (await nix('2.8').nix('path-info', '--all', '--store', root)).length;
}

const create = (root: string, ...args: string[]): ReturnType<typeof narrow> =>
  narrow(['bundle', 'create', '--store', local(root), ...args]);
const apply = (root: string, ...args: string[]): ReturnType<typeof narrow> =>
  narrow(['bundle', 'apply', '--no-check-sigs', '--to', local(root), ...args]);

test('inventory out, bundle in, next update after the first', async () => {
  const [basic, rebuilt, updated] = [await closure('basic'), await closure('rebuilt'), await closure('updated')];
  const [work, island, dir] = [await workshopRoot(), await copyOfStore(basic.root), tempDir('story')];
  const [inventory, first, second] = ['site.inventory', 'first.bundle', 'second.bundle'].map((name) => join(dir, name));
  await narrow(['inventory', '--store', local(island), '-o', inventory!]);
  await create(work, '-o', first!, '--for', inventory!, rebuilt.top);
  assert.ok(statSync(first!).size < 20_000, `${statSync(first!).size} bytes`);
  await create(work, '-o', second!, '--for', inventory!, '--since', first!, updated.top);

  const shown = JSON.parse((await narrow(['bundle', 'show', '--json', second!])).stdout) as Record<string, string[]>;
  const before = JSON.parse((await narrow(['bundle', 'show', '--json', first!])).stdout) as Record<string, string>;
  assert.deepEqual(shown['roots'], [updated.top]);
  assert.deepEqual(shown['since'], [before['bundle']]);

  const against = ['bundle', 'verify', '--no-check-sigs', '--against'];
  assert.match((await narrow([...against, inventory!, first!])).stderr, /will apply completely/);
  assert.match((await narrow([...against, local(island), first!])).stderr, /will apply completely/);
  const link = join(dir, 'result');
  await apply(island, first!, '--out-link', link);
  assert.equal(readlinkSync(link), rebuilt.top);
  await expectWhole(island, rebuilt);
  assert.match((await apply(island, first!)).stderr, /nothing to add/);
  await apply(island, second!);
  await expectWhole(island, updated);
});

test('both bundles at once, and nothing is known of the other side', async () => {
  const [rebuilt, updated] = [await closure('rebuilt'), await closure('updated')];
  const [work, island, dir] = [await workshopRoot(), await freshStore(), tempDir('both')];
  const [first, second] = [join(dir, 'first'), join(dir, 'second')];
  await create(work, '-o', first, rebuilt.top);
  await create(work, '-o', second, '--since', first, updated.top);
  const said = await fails(1, ['bundle', 'apply', '--no-check-sigs', '--to', local(island), second]);
  assert.match(said, /does not have .*\n(.*does not have .*\n)+/, 'all that is missing, not the first');
  assert.equal(await validCount(island), 0);
  await apply(island, first, second);
  await expectWhole(island, rebuilt);
  await expectWhole(island, updated);
});

test('the roots on one line do for a creator who knows them', async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const [work, island, dir] = [await workshopRoot(), await copyOfStore(basic.root), tempDir('roots')];
  const line = (await narrow(['inventory', '--store', local(island), '--roots', basic.top])).stdout;
  assert.equal(line, `${basic.top}\n`);
  const [file, bundle] = [join(dir, 'roots'), join(dir, 'bundle')];
  writeFileSync(file, line);
  await create(work, '-o', bundle, '--for', file, rebuilt.top);
  await apply(island, bundle);
  await expectWhole(island, rebuilt);
});

test('derivations need no signature', async () => {
  const basic = await closure('basic');
  const [island, dir] = [await freshStore(), tempDir('drvs')];
  const file = join(dir, 'drvs.bundle');
  await create(basic.root, '-o', file, '--derivation', '--level', 'best', basic.top);
  await narrow(['bundle', 'apply', '--to', local(island), file]);
  await expectWhole(island, { ...basic, top: basic.drv, paths: basic.drvs });
});

test('derivations that cannot be computed go with the others', async () => {
  const ca = await closure('ca');
  const [island, dir] = [await freshStore(), tempDir('ca')];
  const file = join(dir, 'ca.bundle');
  await create(ca.root, '-o', file, ca.drv);
  await narrow(['bundle', 'apply', '--to', local(island), file]);
  await expectWhole(island, { ...ca, top: ca.drv, paths: ca.drvs });
});

test('signatures: of paths they count, of the bundle they are told', async () => {
  const signed = await closure('signed');
  const [first, second] = [await keyPair('lab-1'), await keyPair('lab-2')];
  const [island, dir] = [await freshStore(), tempDir('signed')];
  const file = join(dir, 'signed.bundle');
  await create(signed.root, '-o', file, '--sign', second.secretFile, signed.top);
  const trust = ['--trusted-public-key', second.publicKey];
  assert.match((await narrow(['bundle', 'show', '--json', file])).stdout, /"name":"lab-2","standing":"unknown"/);
  // the bundle's signature makes no path acceptable: all but two are signed by another key
  const refused = await fails(1, ['bundle', 'apply', '--to', local(island), ...trust, file]);
  assert.match(refused, /signed by lab-2 \(trusted\)/);
  assert.match(refused, /lacks a valid signature by a trusted key[^]*more paths in the same way/);
  assert.equal(await validCount(island), 0);
  await narrow(['bundle', 'apply', '--to', local(island), '--trusted-public-key', first.publicKey, file]);
  await expectWhole(island, signed);
});

test('a base that was collected meanwhile, and one with other contents, are told before anything is written', async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const [work, island, dir] = [await workshopRoot(), await copyOfStore(basic.root), tempDir('collected')];
  const [inventory, bundle] = [join(dir, 'inventory'), join(dir, 'bundle')];
  await narrow(['inventory', '--store', local(island), '-o', inventory]);
  await create(work, '-o', bundle, '--for', inventory, rebuilt.top);
  await nix('2.8').store(island, '--delete', '--ignore-liveness', basic.top);
  const said = await fails(3, ['bundle', 'verify', '--no-check-sigs', '--against', local(island), bundle]);
  assert.ok(said.includes(`does not have ${basic.top.slice('/nix/store/'.length)}`), said);
  await fails(1, ['bundle', 'apply', '--no-check-sigs', '--to', local(island), bundle]);
  assert.equal(await nix('2.8').complaints(island), undefined);
  const next = join(dir, 'next');
  await narrow(['inventory', '--store', local(island), '-o', inventory]);
  await create(work, '-o', next, '--for', inventory, rebuilt.top);
  await apply(island, next);
  await expectWhole(island, rebuilt);
});

test('a base that is damaged there spoils only what is made from it', async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const [work, island, dir] = [await workshopRoot(), await copyOfStore(basic.root), tempDir('damaged')];
  const bundle = join(dir, 'bundle');
  await create(work, '-o', bundle, '--for', basic.top, rebuilt.top);
  const file = join(island, basic.named['hello']!, 'bin/hello');
  const sound = readFileSync(file);
  chmodSync(file, 0o755);
  appendFileSync(file, 'x');
  const said = await fails(1, ['bundle', 'apply', '--no-check-sigs', '--to', local(island), bundle]);
  assert.ok(said.includes('-hello'), said);
  writeFileSync(file, sound);
  chmodSync(file, 0o555);
  // Nix has one time for all files
  await nix('2.8').store(island, '--verify', '--check-contents', '--repair');
  await apply(island, bundle);
  assert.equal((await nix('2.8').store(island, '-qR', rebuilt.top)).split('\n').length, rebuilt.paths.length);
});

test('what is damaged here goes into no bundle', async () => {
  const basic = await closure('basic');
  const [work, dir] = [await copyOfStore(basic.root), tempDir('unsound')];
  const file = join(work, basic.named['hello']!, 'bin/hello');
  chmodSync(file, 0o755);
  appendFileSync(file, 'x');
  const args = ['bundle', 'create', '--store', local(work), '-o', join(dir, 'bundle'), basic.top];
  assert.match(await fails(1, args), /-hello\S* is damaged/);
  assert.deepEqual(readdirSync(dir), []);
});

test('volumes: each is checked alone, in any order, and the one that is missing or damaged is named', async () => {
  const [basic, island, dir] = [await closure('basic'), await freshStore(), tempDir('volumes')];
  const stem = join(dir, 'big.bundle');
  await create(basic.root, '-o', stem, '--volume-size', '600k', basic.top);
  const names = readdirSync(dir).sort();
  assert.ok(names.length > 2, names.join());
  for (const name of names) assert.ok(statSync(join(dir, name)).size <= 600_000);
  for (const name of names) {
    const file = join(dir, name);
    const sound = readFileSync(file);
    const at = Math.floor(sound.length / 2);
    const broken = Buffer.from(sound);
    broken[at]! ^= 1;
    writeFileSync(file, broken);
    const said = await fails(3, ['bundle', 'verify', stem]).catch(() => fails(1, ['bundle', 'verify', stem]));
    assert.ok(said.includes(name) && /offset/.test(said), said);
    await fails(1, ['bundle', 'apply', '--no-check-sigs', '--to', local(island), stem]);
    writeFileSync(file, sound);
  }
  const [, second] = names;
  copyFileSync(join(dir, second!), join(dir, 'aside'));
  rmSync(join(dir, second!));
  assert.match(await fails(1, ['bundle', 'show', stem]), /volumes of the bundle of .* are not there: 2/);
  copyFileSync(join(dir, 'aside'), join(dir, second!));
  assert.equal(await validCount(island), 0);
  const files = names.map((name) => join(dir, name)).reverse();
  await apply(island, ...files);
  await expectWhole(island, basic);
});

test('a bundle is a store', async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const [work, dir] = [await workshopRoot(), tempDir('store')];
  const file = join(dir, 'a.bundle');
  await create(work, '-o', file, '--for', basic.top, rebuilt.top);
  const url = `bundle:${file}`;
  const lost = await fails(1, ['export', '--store', `${url}?base=${dir}`, rebuilt.named['hello']!]);
  assert.match(lost, /is a change of .* does not have it/);
  const based = `${url}?base=${encodeURIComponent(local(basic.root))}`;
  assert.match((await narrow(['info', '--store', based, rebuilt.top])).stdout, /NarHash/);
  await narrow(['copy', '--no-check-sigs', '--from', based, '--to', `file://${dir}/cache`, rebuilt.top]);
  const island = await copyOfStore(basic.root);
  await narrow(['copy', '--no-check-sigs', '--from', url, '--to', local(island), rebuilt.top]);
  await expectWhole(island, rebuilt);
  const stream = (await narrow(['export', '--store', based, '-r', rebuilt.top])).bytes;
  const other = await freshStore();
  await nix('current').run('nix-store', ['--import'], { store: other, input: stream });
  await expectWhole(other, rebuilt);
  const verified = await narrow(['verify', '--store', based, '--no-trust', rebuilt.named['hello']!]);
  assert.equal(verified.status, 0);
});
