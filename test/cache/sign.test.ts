// Signatures that are added to what lies in a cache.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addGeneration, readGeneration } from '../../src/cache/generations.ts';
import { generationText } from '../../src/cache/record.ts';
import { signCache } from '../../src/cache/sign.ts';
import { isNarrowError } from '../../src/errors.ts';
import { hashPart } from '../../src/model/store-path.ts';
import { generateKey, TrustedKeys } from '../../src/model/signature.ts';
import { DirectoryFiles } from '../../src/store/cache/directory-files.ts';
import { itemOf, later, sampleClosure } from '../contract/sample.ts';
import type { Sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { cacheIn, cacheOver, expectWhole } from './small-caches.ts';

const [one, two] = [generateKey('home-1'), generateKey('home-2')];
const trusting = (...keys: (typeof one)[]): TrustedKeys => new TrustedKeys(keys.map((key) => key.publicKey));

async function filled(): Promise<{ dir: string; samples: Sample[] }> {
  const dir = join(tempDir('sign'), 'cache');
  const samples = await sampleClosure();
  await using cache = await cacheIn(dir);
  for await (const outcome of cache.add(later(samples.map((each) => itemOf(each))))) assert.ok(!('error' in outcome));
  return { dir, samples };
}

const narinfo = (dir: string, { info }: Sample): string => join(dir, `${hashPart(info.path)}.narinfo`);

test('everything is signed with each key, generations too, and the next run finds nothing to do', async () => {
  const { dir, samples } = await filled();
  const [a, , c] = samples as [Sample, Sample, Sample];
  await using store = await cacheIn(dir);
  await addGeneration(store, 'n', [c.info.path], [one]);
  const plan = await signCache({ store, keys: [one, two], dryRun: true });
  assert.deepEqual([plan.signed.length, plan.generations.length], [3, 1]);
  assert.ok(!readFileSync(narinfo(dir, a), 'utf8').includes('home-1'));
  await signCache({ store, keys: [one, two] });
  const infos = await store.pathInfos(samples.map(({ info }) => info.path));
  for (const { info } of samples) {
    const signed = infos.get(info.path)!;
    for (const key of [one, two])
      assert.equal(trusting(key).validSignatures('/nix/store', signed).length, 1, `${info.path} by ${key.name}`);
    for (const signature of info.signatures) assert.ok(signed.signatures.includes(signature), 'it keeps its own');
  }
  for (const number of [1, 'latest'] as const) {
    const generation = (await readGeneration(store, 'n', number))!;
    const text = generationText('/nix/store', generation);
    for (const key of [one, two])
      assert.ok(generation.signatures.some((signature) => trusting(key).verifies(text, signature)));
  }
  const before = statSync(narinfo(dir, a));
  const again = await signCache({ store, keys: [one, two] });
  assert.deepEqual([again.signed.length, again.generations.length, again.unchanged], [0, 0, 3]);
  assert.equal(statSync(narinfo(dir, a)).ino, before.ino);
  expectWhole(dir, 'signed');
});

test('what is given is signed, and nothing else', async () => {
  const { dir, samples } = await filled();
  await using store = await cacheIn(dir);
  const [first] = samples as [Sample];
  const infos = await store.pathInfos([first.info.path]);
  const { signed } = await signCache({ store, keys: [one], infos: infos.values() });
  assert.deepEqual(
    signed.map(({ path }) => path),
    [first.info.path],
  );
  assert.deepEqual((await signCache({ store, keys: [one], dryRun: true })).signed.length, 2);
});

test('what cannot be read is told, and the rest signed', async () => {
  const { dir, samples } = await filled();
  const [a, b] = samples as [Sample, Sample];
  writeFileSync(narinfo(dir, b), readFileSync(narinfo(dir, a)));
  writeFileSync(join(dir, `${'0'.repeat(32)}.narinfo`), 'nonsense\n');
  await using store = await cacheIn(dir);
  const result = await signCache({ store, keys: [one] });
  assert.deepEqual(
    result.damaged.map(({ reference }) => reference).sort(),
    [`${'0'.repeat(32)}.narinfo`, `${hashPart(b.info.path)}.narinfo`].sort(),
  );
  assert.equal(result.signed.length, 2);
});

test('what a collector removed meanwhile does not come back', async () => {
  const { dir, samples } = await filled();
  const [, , c] = samples as [Sample, Sample, Sample];
  const files = new DirectoryFiles(dir);
  const removing = new Proxy(files, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        // before the lease is there
        if (key === 'write' && String(args[0]).startsWith('narrow/leases/')) rmSync(narinfo(dir, c), { force: true });
        return Reflect.apply(value, target, args);
      };
    },
  });
  await using store = await cacheOver(removing);
  const { signed } = await signCache({ store, keys: [one] });
  assert.equal(signed.length, 2);
  assert.throws(() => statSync(narinfo(dir, c)));
  const infos = await store.pathInfos([samples[0]!.info.path]);
  rmSync(narinfo(dir, samples[0]!));
  assert.deepEqual((await signCache({ store, keys: [two], infos: infos.values() })).signed, []);
});

test('two who sign with different keys lose at most what the next run adds', async () => {
  const { dir, samples } = await filled();
  const sign = async (key: typeof one): Promise<void> => {
    await using store = await cacheIn(dir);
    await signCache({ store, keys: [key] });
  };
  await Promise.all([sign(one), sign(two)]);
  await sign(one);
  await sign(two);
  await using store = await cacheIn(dir);
  for (const info of (await store.pathInfos(samples.map((s) => s.info.path))).values())
    assert.equal(trusting(one, two).validSignatures('/nix/store', info).length, 2);
});

test('a cache whose files cannot be listed is signed path by path only', async () => {
  const { dir } = await filled();
  const files = Object.assign(new DirectoryFiles(dir), { listAll: () => {} });
  await using store = await cacheOver(files as unknown as DirectoryFiles);
  await assert.rejects(signCache({ store, keys: [one] }), (error) => isNarrowError(error, 'unsupported'));
});
