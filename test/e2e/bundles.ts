// Bundles between stores of tests: one place that has every generation, and islands.

import assert from 'node:assert/strict';
import type { Closure, ClosureName } from '../lab/closures.ts';
import { closure, copyOfStore } from '../lab/closures.ts';
import { nix, nixes } from '../lab/nix.ts';
import { narrow } from './narrow.ts';

export const local = (root: string): string => `local?root=${root}`;

let workshop: Promise<string> | undefined;

/** One store with the closures of three generations. */
export function workshopRoot(): Promise<string> {
  return (workshop ??= (async () => {
    const root = await copyOfStore((await closure('basic')).root);
    for (const name of ['rebuilt', 'updated'] satisfies ClosureName[]) {
      const { root: from, top } = await closure(name);
      await narrow(['copy', '--no-check-sigs', '--from', local(from), '--to', local(root), top]);
    }
    return root;
  })());
}

/** Every Nix finds all of a closure whole. */
export async function expectWhole(root: string, { top, paths }: Closure): Promise<void> {
  for (const which of nixes()) assert.equal(await which.complaints(root), undefined, which.label);
  assert.equal((await nix('2.8').store(root, '-qR', top)).split('\n').length, paths.length);
}

/** How many paths are valid. */
export async function validCount(root: string): Promise<number> {
  return (await nix('2.8').nix('path-info', '--all', '--store', root)).length;
}

export const create = (root: string, ...args: string[]): ReturnType<typeof narrow> =>
  narrow(['bundle', 'create', '--store', local(root), ...args]);
export const apply = (root: string, ...args: string[]): ReturnType<typeof narrow> =>
  narrow(['bundle', 'apply', '--no-check-sigs', '--to', local(root), ...args]);
