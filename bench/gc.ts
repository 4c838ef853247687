// How long does the plan of a collection take over a cache of 100,000 paths, and how much memory: with and without the index?

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeBigCache } from './big-cache.ts';
import { remove, scratch } from './corpus.ts';
import { measure, report } from './harness.ts';

const paths = 100_000;

export async function run(narrow: string, rounds: number): Promise<void> {
  const dir = scratch('gc');
  const cache = join(dir, 'cache');
  const last = makeBigCache(cache, paths);
  const gc = [narrow, 'cache', 'gc', cache, '--older-than', '1d', '--grace', '0s'];
  const plan = (name: string, prepare: () => void): Parameters<typeof measure>[0][number] => ({
    name,
    argv: [...gc, '--dry-run', '--json'],
    prepare,
  });
  const index = join(cache, 'narrow/index');
  const bare = await measure([plan('without an index', () => rmSync(index, { force: true }))], rounds);
  await measure([{ name: 'pin', argv: [narrow, 'cache', 'pin', cache, `/nix/store/${last}`] }], 1);
  // what is young is in no index
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  await measure([{ name: 'collect', argv: gc }], 1);
  const indexed = await measure([plan('with the index', () => {})], rounds);
  report(`gc plan over ${paths} paths`, [...bare, ...indexed], 'with the index');
  remove(dir);
}
