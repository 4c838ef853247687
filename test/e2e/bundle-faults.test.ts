// Bundles that cannot be applied as they are, or not be made: what is told, and that nothing is half done.

import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { apply, create, expectWhole, local, validCount, workshopRoot } from './bundles.ts';
import { fails, narrow } from './narrow.ts';

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

test('a place that no file can be made at is told before anything else', async () => {
  const dir = tempDir('place');
  const none = join(dir, 'none');
  const made = (out: string): Promise<string> =>
    fails(1, ['bundle', 'create', '--store', local(none), '-o', out, '/nix/store/00000000000000000000000000000000-x']);
  assert.match(await made(dir), /^narrow: cannot write \S+: it is a directory$/m);
  assert.match(await made(join(none, 'x')), /^narrow: cannot write into \S+none: no such file or directory$/m);
  assert.deepEqual(readdirSync(dir), []);
});
