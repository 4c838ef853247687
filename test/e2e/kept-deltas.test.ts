// Deltas in a cache that is kept: they go with either of their ends, and a cache can have nothing but them.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { age, expectWhole, narinfos } from '../cache/small-caches.ts';
import { copyOfStore } from '../lab/closures.ts';
import { freshStore } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';
import {
  basic,
  builder,
  cacheWithDelta,
  deltaFiles,
  expectThere,
  fetch,
  publicKey,
  push,
  rebuilt,
  updated,
} from './pushed-deltas.ts';

test('a delta goes with either end, and not before', async () => {
  const cache = await cacheWithDelta();
  await push(cache, updated, '--deltas');
  assert.equal(deltaFiles(cache).length, 2);
  assert.match((await narrow(['cache', 'ls', cache])).stdout, new RegExp(`delta of .* from ${rebuilt.top}`));
  age(cache, 2 * 24 * 3_600_000);
  await narrow(['cache', 'gc', cache, '--keep-generations', '2']);
  assert.deepEqual(
    readdirSync(join(cache, 'narrow/deltas')).filter((name) => name.length === 32),
    [updated.top.slice(11, 43)],
  );
  assert.equal(deltaFiles(cache).length + deltaFiles(cache, '.bases').length, 2);
  const root = await copyOfStore(basic.root);
  assert.doesNotMatch(await fetch(cache, root, rebuilt.top), /by a delta/);
  assert.match(await fetch(cache, root), /by a delta that lies there/);
  await narrow(['cache', 'gc', cache, '--keep-generations', '1']);
  assert.deepEqual(readdirSync(join(cache, 'narrow/deltas')), []);
  expectWhole(cache, 'collected');
  assert.equal((await narrow(['cache', 'verify', cache, '--trusted-public-key', publicKey])).status, 0);
});

test('layout=deltas: after the first generation nothing but deltas, each from one that is there in full', async () => {
  const cache = join(tempDir('only'), 'cache');
  const url = `${cache}?layout=deltas&compression=zstd`;
  const said = await push(url, basic);
  assert.match(said, /in full, since it is the first of its name/);
  assert.doesNotMatch(said, /warning/);
  assert.match(readFileSync(join(cache, 'nix-cache-info'), 'utf8'), /^NarrowLayout: deltas$/m);
  const count = narinfos(cache).length;
  assert.match(await push(url, rebuilt), /as deltas alone, from .*: for narrow only, Nix does not see these paths/);
  await push(url, updated);
  assert.equal(narinfos(cache).length, count);
  assert.match(await push(url, updated), /nothing to push/);
  assert.equal((await narrow(['cache', 'verify', cache, '--trusted-public-key', publicKey])).status, 0);
  const root = await copyOfStore(basic.root);
  assert.match(await fetch(cache, root), new RegExp(`by a delta that lies there, .* from ${basic.top}`));
  await expectThere(root, updated);
  age(cache, 2 * 24 * 3_600_000);
  await narrow(['cache', 'gc', cache, '--keep-generations', '1']);
  expectWhole(cache, 'collected');
  const empty = `local?root=${await freshStore()}`;
  const trust = ['--trusted-public-key', publicKey];
  const refused = await fails(1, ['copy', '--from', `file://${cache}`, '--to', empty, ...trust, 'name:fnord']);
  assert.match(refused, new RegExp(`only as deltas, .*\n.*narrow copy --from .* ${basic.top}`));
  await narrow(['copy', '--from', `file://${cache}`, '--to', empty, ...trust, basic.top]);
  assert.match(
    (await narrow(['copy', '--from', `file://${cache}`, '--to', empty, ...trust, 'name:fnord'])).stderr,
    /by a delta/,
  );
  await fails(2, ['copy', '--no-check-sigs', '--from', `local?root=${builder}`, '--to', `file://${url}`, basic.top]);
});
