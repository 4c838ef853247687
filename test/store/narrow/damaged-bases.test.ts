// Bases that are not what they were when the copy was planned: just the paths made from them go whole, and are named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NarrowError } from '../../../src/errors.ts';
import { fingerprint } from '../../../src/model/path-info.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { defaultStoreDir } from '../../../src/model/store-path.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { forward } from '../../../src/store/wrap/forward.ts';
import { copyClosure } from '../../../src/transfer/copy.ts';
import { joined, storeOf, system } from './joined.ts';

const [old, fresh] = await Promise.all([system('one', 1), system('two', 2)]);
const roots = [fresh.at(-1)!.info.path];
const has = await storeOf([...old, ...fresh]);

/** Paths called `name`. */
const called = (name: string, of = fresh): StorePath[] =>
  of.map(({ info }) => info.path).filter((path) => path.slice(33) === name);

/** Copies to a side where bases are opened by `instead`; the paths that were sent whole. */
async function sentWhole(instead: (info: PathInfo) => PathInfo): Promise<StorePath[]> {
  const lacks = await storeOf(old);
  const line = joined(forward(lacks, { tree: async (info) => await lacks.tree(instead(info)) }));
  await using there = line.there;
  await copyClosure({ source: has, destination: there, roots });
  const infos = await lacks.pathInfos(fresh.map(({ info }) => info.path));
  for (const { info } of fresh)
    assert.equal(fingerprint(defaultStoreDir, infos.get(info.path)!), fingerprint(defaultStoreDir, info));
  return fresh.map(({ info }) => info.path).filter((path) => line.warnings.some((text) => text.startsWith(path)));
}

test('a base that is gone since it was offered', async () => {
  const [tool] = called('tool-1.0', old);
  const whole = await sentWhole((info) => {
    if (info.path === tool) throw new NarrowError('missing', `${info.path} was collected`);
    return info;
  });
  assert.deepEqual(whole, called('tool-1.0'));
});

test('two bases of the same name, each with what the other should have', async () => {
  const [one, other] = old.filter(({ info }) => info.path.slice(33) === 'env').map(({ info }) => info);
  const swapped = (info: PathInfo): PathInfo =>
    info.path === one!.path ? other! : info.path === other!.path ? one! : info;
  assert.equal(called('env').length, 2);
  assert.deepEqual(await sentWhole(swapped), called('env'));
});

test('bases that are as they should be', async () => {
  assert.deepEqual(await sentWhole((info) => info), []);
});
