// Caches with deltas, pushed by the command, and stores that fetch from them.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { closure, copyOfStore } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { narrow } from './narrow.ts';

export const keyFile: string = join(tempDir('static-deltas'), 'home.sec');
await narrow(['key', 'generate', 'home-1', '--out', keyFile]);
export const publicKey: string = (await narrow(['key', 'public', keyFile])).stdout.trim();
export const basic: Closure = await closure('basic');
export const rebuilt: Closure = await closure('rebuilt');
export const updated: Closure = await closure('updated');
/** One store that has them all, as that of the machine that pushes. */
export const builder: string = await copyOfStore(basic.root);
for (const { root, top } of [rebuilt, updated])
  await narrow(['copy', '--no-check-sigs', '--from', `local?root=${root}`, '--to', `local?root=${builder}`, top]);

export const deltaFiles = (cache: string, end = '.delta'): string[] =>
  existsSync(join(cache, 'narrow/deltas'))
    ? readdirSync(join(cache, 'narrow/deltas'))
        .filter((name) => name.endsWith(end))
        .map((name) => join(cache, 'narrow/deltas', name))
    : [];

export async function push(cache: string, { top }: Closure, ...more: string[]): Promise<string> {
  const url = cache.includes('?') ? cache : `${cache}?compression=zstd`;
  const from = `local?root=${builder}`;
  return (await narrow(['push', '--from', from, '--key', keyFile, '--name', 'fnord', ...more, url, top])).stderr;
}

/** A cache with `basic`, and deltas from it to `rebuilt`. */
export async function cacheWithDelta(): Promise<string> {
  const cache = join(tempDir('cache'), 'cache');
  await push(cache, basic);
  await push(cache, rebuilt, '--deltas');
  return cache;
}

export async function fetch(place: string, root: string, what = 'name:fnord', ...more: string[]): Promise<string> {
  const url = place.startsWith('/') ? `file://${place}` : place;
  const to = `local?root=${root}`;
  return (await narrow(['copy', '--from', url, '--to', to, '--trusted-public-key', publicKey, what, ...more])).stderr;
}

export async function expectThere(root: string, { top, paths }: Closure): Promise<void> {
  for (const nix of nixes()) {
    assert.equal(await nix.complaints(root), undefined, nix.label);
    assert.deepEqual((await nix.store(root, '-qR', top)).split('\n').sort(), [...paths].sort());
  }
  await narrow(['verify', '--store', `local?root=${root}`, '--trusted-public-key', publicKey, '-r', top]);
}
