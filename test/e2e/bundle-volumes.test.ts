// Bundles in several files.

import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { freshStore } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { apply, create, expectWhole, local, validCount } from './bundles.ts';
import { fails } from './narrow.ts';

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
