// Bundles of derivations.

import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { freshStore } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { create, expectWhole, local } from './bundles.ts';
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
