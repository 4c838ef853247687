// Pushes, pins, signatures and collections at random, several at once, some of which die at a file operation: at no moment has a narinfo lost
// its NAR or what it refers to, and what is pinned or the newest of its name is never lost.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { planGc, runGc } from '../../src/cache/gc.ts';
import type { GcRequest } from '../../src/cache/gc-survey.ts';
import { newestGeneration } from '../../src/cache/generations.ts';
import { push } from '../../src/cache/push.ts';
import { addPin, readRoots } from '../../src/cache/roots.ts';
import { signCache } from '../../src/cache/sign.ts';
import { generateKey, TrustedKeys } from '../../src/model/signature.ts';
import { DirectoryFiles } from '../../src/store/cache/directory-files.ts';
import type { CacheFiles } from '../../src/store/cache/files.ts';
import type { Store } from '../../src/store/store.ts';
import type { Sample } from '../contract/sample.ts';
import { tempDir } from '../lab/temp.ts';
import { isDeath, mortalFiles } from './mortal-files.ts';
import {
  age,
  cacheOver,
  closureIn,
  expectWhole,
  has,
  narinfos,
  randomOf,
  someSamples,
  storeOf,
} from './small-caches.ts';

const hour = 3_600_000;

interface World {
  readonly dir: string;
  readonly random: (below: number) => number;
  readonly samples: readonly Sample[];
  readonly source: Store;
}

/** Most live long, and all are overtaken by others. */
function filesOf({ dir, random }: World): CacheFiles {
  const pause = async (): Promise<void> => {
    for (let n = random(9); n > 0; n--) await turn();
  };
  return mortalFiles(dir, { lives: random(3) === 0 ? random(12) : 1e9, pause });
}

const names = ['fnord', 'pi'];

async function pushSome(world: World): Promise<void> {
  const { random, samples, source } = world;
  await using cache = await cacheOver(filesOf(world));
  const roots = Array.from({ length: 1 + random(2) }, () => samples[random(samples.length)]!.info.path);
  const name = names[random(names.length + 2)];
  const secrets = { patterns: [], allowed: new Set<string>(), ownKeys: new Set<string>() };
  const rest = { upstreams: [], trustedKeys: new TrustedKeys(), secrets };
  await push({ source, cache, roots: [...new Set(roots)], name, ...rest });
}

async function pinOne(world: World): Promise<void> {
  const { random, samples } = world;
  await using cache = await cacheOver(filesOf(world));
  const { path } = samples[random(samples.length)]!.info;
  await using _hold = await cache.hold([path]);
  if ((await cache.pathInfos([path])).has(path)) await addPin(cache, `pin${random(3)}`, [path]);
}

async function signAll(world: World): Promise<void> {
  await using store = await cacheOver(filesOf(world));
  await signCache({ store, keys: [generateKey(`key-${world.random(2)}`)] });
}

async function collect(world: World): Promise<void> {
  const { random } = world;
  await using store = await cacheOver(filesOf(world));
  const policies: Pick<GcRequest, 'olderThan' | 'maxSize'>[] = [
    {},
    { olderThan: hour * (1 + random(6)) },
    { maxSize: random(20_000) },
    { olderThan: 4 * hour, maxSize: random(20_000) },
  ];
  const request: GcRequest = { store, keepGenerations: 1 + random(2), grace: hour, ...policies[random(4)]! };
  if (random(4) === 0) await planGc(request);
  await runGc(request);
}

/** What has to be there whatever was collected. */
async function expectRoots({ dir, samples }: World): Promise<void> {
  const store = { files: new DirectoryFiles(dir), storeDir: '/nix/store' };
  const { pins } = await readRoots(store);
  const newest = await Promise.all(names.map((name) => newestGeneration(store, name)));
  for (const path of [...pins, ...newest.filter((one) => one !== undefined)].flatMap(({ paths }) => paths))
    for (const needed of closureIn(samples, path))
      assert.ok(
        has(
          dir,
          samples.find(({ info }) => info.path === needed)!,
        ),
        `${path} has lost ${needed}`,
      );
}

/** One may die, or find another collecting; everything else is a fault. */
async function settle(action: Promise<void>): Promise<'done' | 'died' | 'busy'> {
  try {
    await action;
    return 'done';
  } catch (error) {
    if (isDeath(error)) return 'died';
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      if (/is being collected already/.test(cause.message)) return 'busy';
    throw error;
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`thirty rounds from seed ${seed}`, async () => {
    const random = randomOf(seed);
    const samples = await someSamples(24, random);
    const world: World = { dir: join(tempDir('model'), 'cache'), random, samples, source: await storeOf(samples) };
    const seen = { done: 0, died: 0, busy: 0 };
    let most = 0;
    let removed = 0;
    for (let round = 0; round < 30; round++) {
      const before = narinfos(world.dir).length;
      const actions = [pushSome, collect, pushSome, collect, pinOne, signAll].filter(() => random(3) > 0);
      const ends = await Promise.all(actions.map((action) => settle(action(world))));
      for (const end of ends) seen[end]++;
      if (!existsSync(world.dir)) continue;
      expectWhole(world.dir, `round ${round}`);
      await expectRoots(world);
      age(world.dir, random(3 * hour));
      most = Math.max(most, narinfos(world.dir).length);
      removed += Math.max(0, before - narinfos(world.dir).length);
    }
    assert.ok(seen.done > 20 && seen.died > 1 && most > 10 && removed > 0, JSON.stringify({ seen, most, removed }));
  });
}
