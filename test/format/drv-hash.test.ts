// Paths of derivations and of their outputs, against what Nix 2.8 computed.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { DerivationHasher, derivationPath } from '../../src/format/drv-hash.ts';
import type { Derivation } from '../../src/model/derivation.ts';
import { dynamicPlaceholder, outputPlaceholder, upstreamPlaceholder } from '../../src/model/derivation.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import { goldenDrv, goldenDrvs, goldenPath } from '../golden/drv-index.ts';

suite('golden derivations', () => {
  const hasher = new DerivationHasher('/nix/store', goldenDrv);
  for (const golden of goldenDrvs) {
    const path = goldenPath(golden);
    test(golden.file, async () => {
      const drv = goldenDrv(path);
      assert.equal(derivationPath(drv, '/nix/store'), path);
      const paths = [...(await hasher.outputPaths(drv))].filter(([, p]) => p !== undefined);
      assert.deepEqual(Object.fromEntries(paths.map(([o, p]) => [o, `/nix/store/${p}`])), golden.outputs ?? {});
      if (golden.hashModuloMasked !== undefined) {
        assert.equal((await hasher.masked(drv)).hash, golden.hashModuloMasked);
      }
      const asInput = golden.hashModuloAsInput;
      const { hash, deferred, fixed } = await hasher.modulo(path);
      if (asInput !== undefined) assert.equal(hash, typeof asInput === 'string' ? asInput : asInput['out']);
      assert.equal(deferred, !['fixed', 'input-addressed'].includes(golden.kind));
      assert.equal(fixed, golden.kind === 'fixed');
    });
  }
});

test("the id of a realisation is the masked hash of Nix's own .doi file", async () => {
  const dir = join(import.meta.dirname, '../golden/cache-ca/realisations');
  const hasher = new DerivationHasher('/nix/store', goldenDrv);
  const { hash } = await hasher.masked(goldenDrv(parseBaseName('acv89lp0dai7g7xsx8ajkshyfp8axk1m-caf2.drv')));
  assert.deepEqual(readdirSync(dir), [`sha256:${hash}!out.doi`]);
});

const leaf = goldenDrv(parseBaseName('sinxa9h1zjjj6c3fvnqzwjr2mvnv97ig-dep-1.0.drv'));
const pathOf = (n: number): StorePath => parseBaseName(`${String(n).padStart(32, '0')}-n${n}.drv`);
const using = (...inputs: readonly number[]): Derivation => ({
  ...leaf,
  inputDrvs: new Map(inputs.map((n) => [pathOf(n), { outputs: ['out'], dynamic: new Map() }])),
});

test('a chain of 20,000 derivations, each loaded once', async () => {
  let loads = 0;
  const hasher = new DerivationHasher('/nix/store', (path) => {
    loads++;
    const n = Number(path.slice(34, -4));
    return n === 0 ? leaf : using(n - 1, n > 1 ? n - 2 : n - 1);
  });
  assert.match((await hasher.modulo(pathOf(20_000))).hash ?? '', /^[0-9a-f]{64}$/);
  assert.equal(loads, 20_001);
  await hasher.modulo(pathOf(10_000));
  assert.equal(loads, 20_001);
});

test('a circle is an error, not a hang', async () => {
  const hasher = new DerivationHasher('/nix/store', (path) => using(path === pathOf(1) ? 2 : 1));
  await assert.rejects(hasher.modulo(pathOf(1)), /depends on itself/);
});

test('inputs of fixed outputs are not loaded; only `out` is theirs', async () => {
  const fixed = goldenDrv(parseBaseName('4xrr54y6y4rbh6m3fj6xnxxz7xz0pky0-src.drv'));
  const hasher = new DerivationHasher('/nix/store', (path) => {
    if (path !== pathOf(1)) throw new Error(`asked for ${path}`);
    return { ...fixed, inputDrvs: using(7).inputDrvs };
  });
  assert.equal((await hasher.modulo(pathOf(1))).fixed, true);
  const wrong = { ...leaf, inputDrvs: new Map([[pathOf(1), { outputs: ['dev'], dynamic: new Map() }]]) };
  await assert.rejects(hasher.outputPaths(wrong), /has no output 'dev'/);
});

test('an input that another derivation makes leaves the outputs open', async () => {
  const node = { outputs: [], dynamic: new Map([['out', { outputs: ['out'], dynamic: new Map() }]]) };
  const hasher = new DerivationHasher('/nix/store', () => leaf);
  const drv = { ...leaf, inputDrvs: new Map([[pathOf(1), node]]) };
  assert.deepEqual(await hasher.outputPaths(drv), new Map([['out', undefined]]));
});

test('placeholders', () => {
  const caf = parseBaseName('xmn4989k89px8qdlhqzj5yq9m1dib7mk-caf.drv');
  assert.equal(outputPlaceholder('out'), '/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9');
  assert.equal(outputPlaceholder('lib'), '/0sra2y18lr3h6j58qjm0w46yv36h1wjmilb09n8aimdpivdymscx');
  assert.equal(upstreamPlaceholder(caf, 'out'), '/067wid8p6j8jkjphpy3innw611jz8jhmqwbmnbjama7f5d4lc1br');
  assert.equal(dynamicPlaceholder(caf, 'out'), upstreamPlaceholder(caf, 'out'));
  // the value in Nix's own test of it
  const drv = parseBaseName('g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo.drv.drv');
  assert.equal(dynamicPlaceholder(drv, 'out', 'out'), '/0gn6agqxjyyalf0dpihgyf49xq5hqxgw100f0wydnj6yqrhqsb3w');
});
