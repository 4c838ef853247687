// Reading bundles as copies do: many paths at once, some of them given up.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBundle } from '../../../src/bundle/create.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { BundleStore } from '../../../src/store/bundle/bundle-store.ts';
import { Bundle } from '../../../src/store/bundle/bundle.ts';
import { openStore } from '../../../src/store/open.ts';
import { testContext } from '../../contract/context.ts';
import { closure } from '../../lab/closures.ts';
import { tempDir } from '../../lab/temp.ts';

/** In many segments. */
async function openBundle(): Promise<BundleStore> {
  const { root, top } = await closure('basic');
  await using source = await openStore(`local?root=${root}`, testContext());
  const file = join(tempDir('segments'), 'a.bundle');
  const roots = [parseStorePath(source.storeDir, top)];
  await createBundle({ source, roots, file, level: 'fast', segmentSize: 30_000, by: 'test' });
  return new BundleStore(await Bundle.open([file]));
}

async function expectSound(store: BundleStore, info: PathInfo): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of (await store.open(info)).bytes) hash.update(chunk);
  assert.deepEqual(hash.digest(), Buffer.from(info.narHash.bytes), info.path);
}

/** Counts the windows that are held at the same time. */
function watchWindows({ bundle: { rebuilding } }: BundleStore): { most: number } {
  const seen = { most: 0 };
  let held = 0;
  const decode = rebuilding.decode.bind(rebuilding);
  rebuilding.decode = (...args) => {
    seen.most = Math.max(seen.most, ++held);
    const decoded = decode(...args);
    const dispose = decoded[Symbol.asyncDispose].bind(decoded);
    let disposed = false;
    decoded[Symbol.asyncDispose] = async () => {
      await dispose();
      if (!disposed) held--;
      disposed = true;
    };
    return decoded;
  };
  return seen;
}

test('one window at a time, however many paths are read at once', async () => {
  await using store = await openBundle();
  assert.ok(store.bundle.segments.length > 5, `${store.bundle.segments.length} segments`);
  const windows = watchWindows(store);
  store.expect(store.bundle.infos);
  await Promise.all(store.bundle.infos.map((info) => expectSound(store, info)));
  assert.equal(windows.most, 1);
});

test('who gives up keeps nobody waiting', async () => {
  await using store = await openBundle();
  store.expect(store.bundle.infos);
  for (const [number, info] of store.bundle.infos.entries()) {
    if (number % 3 === 0) continue; // never opened
    if (number % 3 === 1) await expectSound(store, info);
    else for await (const _ of (await store.open(info)).bytes) break;
  }
});
