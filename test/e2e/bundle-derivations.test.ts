// Bundles of derivations.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { freshStore } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { apply, create, expectWhole, local } from './bundles.ts';
import { narrow } from './narrow.ts';

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

test('realisations come with the outputs that they are about', async () => {
  const ca = await closure('ca');
  const [island, dir] = [await freshStore(), tempDir('realised')];
  const file = join(dir, 'ca.bundle');
  await create(ca.root, '-o', file, ...ca.paths);
  await apply(island, file);
  const count = async (root: string): Promise<string> => {
    const question = 'select count(*) from Realisations join ValidPaths v on v.id = outputPath where v.ca is not null';
    return (await run(['sqlite3', join(root, 'nix/var/nix/db/db.sqlite'), question])).stdout.trim();
  };
  assert.notEqual(await count(ca.root), '0');
  assert.equal(await count(island), await count(ca.root));
  await expectWhole(island, ca);
});
