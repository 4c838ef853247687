// A line that is cut anywhere: one error, nothing half done, and the next run goes on from there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NarrowError } from '../../../src/errors.ts';
import { fingerprint } from '../../../src/model/path-info.ts';
import { defaultStoreDir } from '../../../src/model/store-path.ts';
import type { Store } from '../../../src/store/store.ts';
import { copyClosure } from '../../../src/transfer/copy.ts';
import { joined, storeOf, system } from './joined.ts';
import type { Bend } from './joined.ts';

const [old, fresh] = await Promise.all([system('one', 1), system('two', 2)]);
const roots = [fresh.at(-1)!.info.path];
const has = await storeOf([...old, ...fresh]);

type Lacking = Awaited<ReturnType<typeof storeOf>>;

/** Copies the new system between `has` and a side that has the old one; bytes either way, and what went wrong. */
async function copy(
  direction: 'to' | 'from',
  lacks: Lacking,
  bend?: Bend,
): Promise<{ bytes: { up: number; down: number }; error: unknown }> {
  const line = joined(direction === 'to' ? lacks : has, bend);
  await using there = line.there;
  const ends = direction === 'to' ? { source: has, destination: there } : { source: there, destination: lacks };
  const error: unknown = await copyClosure({ ...ends, roots }).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { bytes: line.bytes, error };
}

/** How many of the new paths are there: each as it was signed, with all that it refers to. */
async function expectWhole(store: Store): Promise<number> {
  const infos = await store.pathInfos(fresh.map(({ info }) => info.path));
  for (const { info } of fresh) {
    const there = infos.get(info.path);
    if (!there) continue;
    assert.equal(fingerprint(defaultStoreDir, there), fingerprint(defaultStoreDir, info));
    for (const reference of there.references) assert.ok(infos.has(reference), `${info.path} without ${reference}`);
  }
  return infos.size;
}

for (const direction of ['to', 'from'] as const)
  for (const side of ['up', 'down'] as const)
    test(`a line that is cut on its way ${side} while copying ${direction} a far narrow`, async () => {
      const { bytes } = await copy(direction, await storeOf(old));
      const step = Math.max(1, Math.floor(bytes[side] / 16));
      for (let at = 0; at < bytes[side]; at += step) {
        const lacks = await storeOf(old);
        let passed = 0;
        const { error } = await copy(direction, lacks, (way, chunk) => {
          if (way !== side) return undefined;
          passed += chunk.length;
          return passed > at ? at - (passed - chunk.length) : undefined;
        });
        const what = `cut after ${at} of ${bytes[side]} bytes: ${error instanceof Error ? error.stack : 'no error'}`;
        const came = await expectWhole(lacks);
        // of the last bytes not all are waited for
        assert.ok(error instanceof NarrowError || (error === undefined && came === fresh.length), what);
        assert.equal((await copy(direction, lacks)).error, undefined, what);
        assert.equal(await expectWhole(lacks), fresh.length);
      }
    });
