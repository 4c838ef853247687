// Caches that are damaged in every way that a check knows, mended from others.

import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repairCache } from '../../src/cache/repair.ts';
import type { CacheRepaired, RepairRequest } from '../../src/cache/repair.ts';
import { addPin } from '../../src/cache/roots.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { isNarrowError } from '../../src/errors.ts';
import { generateKey, signPathInfo, TrustedKeys } from '../../src/model/signature.ts';
import { hashPart } from '../../src/model/store-path.ts';
import type { Store } from '../../src/store/store.ts';
import { directory, file, itemOf, later, sample } from '../contract/sample.ts';
import type { Sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { cacheIn, expectWhole, has, randomOf, someSamples, storeOf } from './small-caches.ts';

async function filled(samples: readonly Sample[]): Promise<string> {
  const dir = join(tempDir('repair'), 'cache');
  await using cache = await cacheIn(dir);
  for await (const outcome of cache.add(later(samples.map((one) => itemOf(one))))) assert.ok(!('error' in outcome));
  return dir;
}

/** lib <- app <- top; other stands alone. */
async function graph(): Promise<{ lib: Sample; app: Sample; top: Sample; other: Sample }> {
  const lib = await sample('lib-1', directory({ lib: file('lib') }));
  const app = await sample('app-1', directory({ app: file('app') }), [lib.info.path]);
  const top = await sample('top-1', directory({ top: file('top') }), [app.info.path]);
  return { lib, app, top, other: await sample('other-1', directory({ other: file('other') })) };
}

type Options = Partial<Pick<RepairRequest, 'remove' | 'dryRun' | 'trustedKeys' | 'contents' | 'upstreams'>>;

async function repair(dir: string, sources: readonly Store[], options: Options = {}): Promise<CacheRepaired> {
  await using store = await cacheIn(dir);
  const rest = { upstreams: [], contents: true, trustedKeys: undefined, remove: false };
  return await repairCache({ store, sources, ...rest, ...options });
}

async function problems(dir: string, trustedKeys?: TrustedKeys): Promise<string[]> {
  await using store = await cacheIn(dir);
  const found: string[] = [];
  const onProblem = ({ kind }: { kind: string }): void => void found.push(kind);
  await verifyCache({ store, upstreams: [], contents: true, trustedKeys, onProblem });
  return found.sort();
}

const narinfo = (dir: string, { info }: Sample): string => join(dir, `${hashPart(info.path)}.narinfo`);
const nar = (dir: string, one: Sample): string =>
  join(dir, /^URL: (.*)$/m.exec(readFileSync(narinfo(dir, one), 'utf8'))![1]!);

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 20]! ^= 1;
  writeFileSync(path, bytes);
}

const damage: Record<string, (dir: string, one: Sample) => void> = {
  'a NAR that is gone': (dir, one) => rmSync(nar(dir, one)),
  'a NAR that was cut off': (dir, one) => truncateSync(nar(dir, one), 50),
  'a NAR that has grown': (dir, one) => appendFileSync(nar(dir, one), 'x'),
  'a NAR of the same size with another byte': (dir, one) => flip(nar(dir, one)),
  'a narinfo that is gone': (dir, one) => rmSync(narinfo(dir, one)),
  'a narinfo that cannot be read': (dir, one) => writeFileSync(narinfo(dir, one), 'nonsense\n'),
};

for (const [name, harm] of Object.entries(damage))
  test(`${name} comes back`, async () => {
    const { lib, app, top, other } = await graph();
    const dir = await filled([lib, app, top, other]);
    await using source = await storeOf([lib, app, top]);
    harm(dir, app);
    const plan = await repair(dir, [source], { dryRun: true });
    assert.deepEqual([plan.mended.length, plan.unmended.length], [plan.problems, 0]);
    assert.ok((await problems(dir)).length > 0, 'a dry run changes nothing');
    const { unmended, mended } = await repair(dir, [source]);
    assert.deepEqual(unmended, []);
    assert.ok(mended.every(({ path, from }) => path === app.info.path && from === source.url));
    assert.deepEqual(await problems(dir), []);
    expectWhole(dir, name);
  });

test('everything at once, from several stores, each of which has some', async () => {
  const samples = await someSamples(24, randomOf(5));
  const dir = await filled(samples);
  for (const [i, one] of samples.entries()) Object.values(damage)[i % 7]?.(dir, one);
  const parts = [0, 1].map((half) => samples.filter((_, i) => i % 2 === half || half === 0));
  await using first = await cacheIn(await filled(samples));
  await using second = await storeOf(parts[0]!);
  assert.ok((await problems(dir)).length > 10);
  const { unmended } = await repair(dir, [second, first]);
  assert.deepEqual(unmended, []);
  assert.deepEqual(await problems(dir), []);
});

test('what nobody has is named, and stays; or goes with all that needs it', async () => {
  const { lib, app, top, other } = await graph();
  const dir = await filled([lib, app, top, other]);
  flip(nar(dir, app));
  writeFileSync(narinfo(dir, other), 'nonsense\n');
  {
    await using store = await cacheIn(dir);
    await addPin(store, 'top', [top.info.path]);
  }
  await using source = await storeOf([lib]);
  const { mended, unmended } = await repair(dir, [source]);
  assert.deepEqual(mended, []);
  assert.deepEqual(unmended.map(({ why }) => why).sort(), ['no source has a path of that name', 'no source has it']);
  const { removed } = await repair(dir, [source], { remove: true });
  assert.equal(removed?.plan.steps.flat().length, 2);
  assert.deepEqual(
    [lib, app, top, other].map((one) => has(dir, one)),
    [true, false, false, false],
  );
  assert.deepEqual(await problems(dir), ['record'], 'the pin names what is gone');
  expectWhole(dir, 'removed');
});

test('nothing is removed from under a running push', async () => {
  const { lib, app } = await graph();
  const dir = await filled([lib, app]);
  flip(nar(dir, lib));
  await using pusher = await cacheIn(dir);
  await using _held = await pusher.hold([lib.info.path]);
  await assert.rejects(repair(dir, [], { remove: true }), (error) => isNarrowError(error, 'unavailable'));
  assert.ok(has(dir, app));
});

test('other contents under the same name mend nothing, unless they alone are signed', async () => {
  const key = generateKey('home-1');
  const trustedKeys = new TrustedKeys([key.publicKey]);
  const ours = await sample('lib-1', file('one build'));
  const other = await sample('lib-1', file('another build'));
  const theirs = { ...other, info: signPathInfo('/nix/store', other.info, [key]) };
  const dir = await filled([ours]);
  rmSync(nar(dir, ours));
  await using unsigned = await storeOf([other]);
  const { unmended } = await repair(dir, [unsigned], { trustedKeys });
  assert.match(unmended[0]!.why, /has other contents under this name/);
  await using signed = await storeOf([theirs]);
  await repair(dir, [signed], { trustedKeys });
  assert.deepEqual(await problems(dir, trustedKeys), []);
});

test('signatures that another store knows are added', async () => {
  const key = generateKey('home-1');
  const trustedKeys = new TrustedKeys([key.publicKey]);
  const { lib, other } = await graph();
  const dir = await filled([lib, other]);
  await using source = await storeOf([{ ...lib, info: signPathInfo('/nix/store', lib.info, [key]) }]);
  const { mended, unmended } = await repair(dir, [source], { trustedKeys });
  assert.deepEqual(
    mended.map(({ path }) => path),
    [lib.info.path],
  );
  assert.match(unmended[0]!.why, /narrow cache sign/);
  assert.deepEqual(await problems(dir, trustedKeys), ['signatures']);
});

test('what comes from elsewhere with a wrong hash is not taken', async () => {
  const { lib } = await graph();
  const dir = await filled([lib]);
  rmSync(nar(dir, lib));
  await using liar = await cacheIn(await filled([lib]));
  const place = new URL(liar.url).pathname;
  flip(nar(place, lib));
  const { unmended } = await repair(dir, [liar]);
  assert.equal(unmended.length, 1);
  assert.ok(!existsSync(nar(dir, lib)));
});
