// Bundles: a system that is carried in a file, with every Nix on the far side.

import assert from 'node:assert/strict';
import { readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, copyOfStore } from '../lab/closures.ts';
import { freshStore, nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { apply, create, expectWhole, local, validCount, workshopRoot } from './bundles.ts';
import { fails, narrow } from './narrow.ts';

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
  const [link, linked] = [join(dir, 'result'), join(dir, 'linked')];
  symlinkSync(basic.top, link);
  await create(work, '-o', linked, '--for', link, rebuilt.top);
  assert.equal(statSync(linked).size, statSync(bundle).size);
  await apply(island, bundle);
  await expectWhole(island, rebuilt);
});

test('inventories of several places are one', async () => {
  const [basic, rebuilt, dir] = [await closure('basic'), await closure('rebuilt'), tempDir('merged')];
  const [first, second, all] = ['first', 'second', 'all'].map((name) => join(dir, name)) as [string, string, string];
  await narrow(['inventory', '--store', local(basic.root), '-o', first, basic.top]);
  await narrow(['inventory', '--store', local(rebuilt.root), '-o', second, rebuilt.top]);
  await narrow(['inventory', 'merge', '-o', all, first, second]);
  const { paths, stores } = JSON.parse((await narrow(['inventory', 'show', '--json', all])).stdout) as {
    paths: { path: string }[];
    stores: string[];
  };
  assert.deepEqual(paths.map(({ path }) => path).sort(), [...new Set([...basic.paths, ...rebuilt.paths])].sort());
  assert.equal(stores.length, 2);
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
