// What is asked of a store that builds, with one that only pretends to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NarrowError } from '../../src/errors.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { defaultStoreDir } from '../../src/model/store-path.ts';
import type { BuildOutcome, BuildTarget, BuildingStore } from '../../src/store/building.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { buildWord } from '../../src/store/remote/build.ts';
import type { WritableStore } from '../../src/store/store.ts';
import { mergeTargets, realise } from '../../src/transfer/realise.ts';
import { path } from '../closure/graphs.ts';
import { addOutput, generateDerivations } from './generated-derivations.ts';
import type { GeneratedDerivation } from './generated-derivations.ts';

type Build = (store: WritableStore, targets: readonly BuildTarget[]) => Promise<BuildOutcome[]>;

/** A store in memory that "builds"; `substitutes` makes it one that has to be told to substitute. */
function builder(build: Build, substitutes?: BuildingStore['substitute']): BuildingStore {
  const store = memoryStore();
  const more = substitutes ? { substitute: substitutes } : {};
  return Object.assign(store, {
    tellsOutputs: false,
    buildPaths: (targets: readonly BuildTarget[]) => build(store, targets),
    ...more,
  });
}

const done = (drv: StorePath): BuildOutcome => ({ status: 'done', drv, how: 'built', outputs: new Map() });

/** Adds the output of `one` and says so. */
const builds =
  (one: GeneratedDerivation): Build =>
  async (store) => {
    await addOutput(store, one, []);
    return [done(one.path)];
  };

test('targets of one derivation become one, all outputs swallow some', () => {
  const [a, b] = [path(1, 'a.drv'), path(2, 'b.drv')];
  assert.deepEqual(
    mergeTargets([
      { drv: a, outputs: ['out'] },
      { drv: b, outputs: ['dev'] },
      { drv: a, outputs: ['dev', 'out'] },
      { drv: b, outputs: 'all' },
    ]),
    [
      { drv: a, outputs: ['dev', 'out'] },
      { drv: b, outputs: 'all' },
    ],
  );
  assert.throws(() => mergeTargets([{ drv: path(3), outputs: 'all' }]), { code: 'usage' });
});

test('a target is written so that every Nix reads it as outputs of a derivation', () => {
  const drv = path(1, 'a.drv');
  assert.equal(buildWord(defaultStoreDir, { drv, outputs: 'all' }, true), `/nix/store/${drv}!*`);
  assert.equal(buildWord(defaultStoreDir, { drv, outputs: 'all' }, false), `/nix/store/${drv}`);
  assert.equal(buildWord(defaultStoreDir, { drv, outputs: ['dev', 'out'] }, false), `/nix/store/${drv}!dev,out`);
});

test('derivations are there before they are built, and roots are made when outputs are valid', async () => {
  const { store: source, all } = await generateDerivations(3);
  const top = all[2]!;
  let finished = 0;
  const there = builder(async (store, targets) => {
    assert.equal((await store.pathInfos(all.map((one) => one.path))).size, 3);
    assert.deepEqual(targets, [{ drv: top.path, outputs: ['out'] }]);
    return builds(top)(store, targets);
  });
  const { realised, copy } = await realise({
    source,
    builder: there,
    targets: [{ drv: top.path, outputs: ['out'] }],
    async finish(list) {
      finished++;
      assert.equal((await there.pathInfos([top.output])).size, 1);
      assert.equal(list.length, 1);
    },
  });
  assert.equal(finished, 1);
  assert.deepEqual(realised, [{ drv: top.path, how: 'built', outputs: new Map([['out', top.output]]) }]);
  assert.equal(copy.outcomes.length, 3);
});

test('a dry run builds nothing; lies and failures are errors', async () => {
  const { store: source, all } = await generateDerivations(2);
  const targets: BuildTarget[] = [{ drv: all[1]!.path, outputs: 'all' }];
  const never = builder(() => assert.fail('it was built'));
  assert.deepEqual((await realise({ source, builder: never, targets, dryRun: true })).realised, []);
  const liar = builder(async () => [done(all[1]!.path)]);
  await assert.rejects(realise({ source, builder: liar, targets }), {
    code: 'missing',
    message: /does not have .*-tiny-1$/,
  });
  const error = new NarrowError('refused', 'no good', { data: { status: 'permanent failure' } });
  const failing = builder(async () => [{ status: 'failed', drv: all[1]!.path, error }]);
  await assert.rejects(realise({ source, builder: failing, targets }), error);
  const wrong = [{ drv: all[1]!.path, outputs: ['dev'] }];
  await assert.rejects(realise({ source, builder: never, targets: wrong }), {
    code: 'usage',
    message: /no output 'dev'/,
  });
  await assert.rejects(realise({ source: memoryStore(), builder: never, targets }), { code: 'missing' });
});

test('inputs of what cannot be substituted are asked for, and no others', async () => {
  const { store: source, all } = await generateDerivations(8);
  const top = all[7]!;
  const asked: string[][] = [];
  // inputs of 7 are 6 and 3; those are there
  const here = new Set([all[6]!.output, all[3]!.output]);
  const there = builder(builds(top), async (paths) => {
    asked.push(paths.map((p) => p.slice(33)).sort());
    return new Set(paths.filter((p) => here.has(p)));
  });
  await realise({ source, builder: there, targets: [{ drv: top.path, outputs: 'all' }] });
  assert.deepEqual(asked, [['tiny-7'], ['tiny-3', 'tiny-6']]);
});

test('where substituters have nothing, they are not asked for ever', async () => {
  const { store: source, all } = await generateDerivations(200);
  let questions = 0;
  const there = builder(builds(all[199]!), async () => {
    questions++;
    return new Set();
  });
  await realise({ source, builder: there, targets: [{ drv: all[199]!.path, outputs: 'all' }] });
  assert.equal(questions, 16);
});
