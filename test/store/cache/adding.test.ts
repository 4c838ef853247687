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

/** Ordered places: what is finished waits for nobody, and is confirmed when the test says so. */
function ordered(items: readonly Item[]) {
  const confirm = new Map<string, PromiseWithResolvers<number>>();
  const finished: string[] = [];
  const withdrawn: string[] = [];
  const steps = {
    begin: () => Promise.resolve({ status: 'missing' as const }),
    write: () => Promise.resolve(),
    has: () => Promise.resolve(false),
    finish({ info: { path: p } }: Item) {
      finished.push(p);
      const answer = Promise.withResolvers<number>();
      confirm.set(p, answer);
      return answer.promise;
    },
    withdraw({ info: { path: p } }: Item) {
      withdrawn.push(p);
      return Promise.resolve();
    },
  };
  const source = (async function* () {
    yield* items;
  })();
  const limits = { writers: 9, askers: 4, ordered: true, stop: new AbortController() };
  const outcomes = Array.fromAsync(addAll(source, steps, limits));
  return { outcomes, finished, withdrawn, confirm: (n: number) => confirm.get(path(n))! };
}

const chain = [item(1, 1), item(2, 1, [1]), item(3, 1, [2]), item(4, 1)];
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('where names appear in order, a narinfo follows its references without waiting for their confirmation', async () => {
  const { outcomes, finished, confirm } = ordered(chain);
  await settle();
  assert.equal(finished.length, 4);
  assert.ok(finished.indexOf(path(1)) < finished.indexOf(path(2)));
  assert.ok(finished.indexOf(path(2)) < finished.indexOf(path(3)));
  // answers need not come in that order
  for (const n of [3, 4, 2, 1]) confirm(n).resolve(7);
  assert.deepEqual(
    (await outcomes).map(({ status, bytes }) => `${status} ${bytes}`),
    Array.from({ length: 4 }, () => 'added 7'),
  );
});

test('and is taken back when one of them fails after all', async () => {
  const { outcomes, withdrawn, confirm } = ordered(chain);
  await settle();
  for (const n of [3, 2, 4]) confirm(n).resolve(7);
  confirm(1).reject(new Error('the disk is full'));
  const by = new Map((await outcomes).map((outcome) => [outcome.path, outcome.status]));
  assert.deepEqual(
    [1, 2, 3, 4].map((n) => by.get(path(n))),
    ['failed', 'refused', 'refused', 'added'],
  );
  assert.deepEqual(
    withdrawn,
    [2, 3].map((n) => path(n)),
  );
});
