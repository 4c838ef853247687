// The order in which NARs are written and narinfos appear.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathInfo } from '../../../src/model/path-info.ts';
import { addAll } from '../../../src/store/cache/adding.ts';
import type { Item } from '../../../src/store/store.ts';
import { info, path } from '../../closure/graphs.ts';

const MiB = 1024 * 1024;
const item = (n: number, narSize: number, references: number[] = []): Item => ({
  info: { ...info(n), narSize, references: references.map((r) => path(r)) } satisfies PathInfo,
  open: () => assert.fail('nobody reads here'),
});

async function run(items: readonly Item[]): Promise<{ written: string[]; finished: string[] }> {
  const written: string[] = [];
  const finished: string[] = [];
  const steps = {
    begin: () => Promise.resolve({ status: 'missing' as const }),
    async write({ info: { path: p } }: Item) {
      written.push(p);
      await new Promise(setImmediate);
    },
    has: () => Promise.resolve(false),
    finish({ info: { path: p } }: Item) {
      finished.push(p);
      return Promise.resolve(1);
    },
  };
  const source = (async function* () {
    yield* items;
  })();
  const limits = { writers: 1, askers: 4, stop: new AbortController() };
  const outcomes = await Array.fromAsync(addAll(source, steps, limits));
  assert.ok(outcomes.every((outcome) => outcome.status === 'added'));
  return { written, finished };
}

test('large NARs are written first, the largest of all, the rest as they come', async () => {
  const { written } = await run([item(1, 10), item(2, 20 * MiB), item(3, 5 * MiB), item(4, 40 * MiB), item(5, 1)]);
  assert.deepEqual(
    written,
    [4, 2, 1, 3, 5].map((n) => path(n)),
  );
});

test('a narinfo waits for those of its references, and small paths are whole before the last is begun', async () => {
  const { written, finished } = await run([item(1, 1), item(2, 20 * MiB, [1]), item(3, 1, [1]), item(4, 1, [2, 3])]);
  assert.deepEqual(
    written,
    [2, 1, 3, 4].map((n) => path(n)),
  );
  assert.ok(finished.indexOf(path(1)) < finished.indexOf(path(2)));
  assert.equal(finished.at(-1), path(4));
});
