// How fast do closures go from a store into a cache, from cache to cache, and from a cache into a store?

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nixes } from '../test/lab/nix.ts';
import type { Nix } from '../test/lab/nix.ts';
import type { Corpus } from './corpus.ts';
import { corpus, remove, scratch } from './corpus.ts';
import type { Contestant } from './harness.ts';
import { measure, report } from './harness.ts';

export async function run(narrow: string, rounds: number): Promise<void> {
  const medium = await corpus('medium');
  const dir = scratch('cache');
  for (const compression of ['none', 'zstd']) await intoCache(narrow, medium, dir, compression, rounds);
  await intoCache(narrow, await corpus('small'), dir, 'xz', 1);
  const cache = join(dir, 'source');
  await measure(
    [
      {
        name: 'make',
        argv: [narrow, 'copy', '--from', medium.storeUrl, '--to', `file://${cache}?compression=zstd`, medium.top],
      },
    ],
    1,
  );
  await cacheToCache(narrow, medium, dir, cache, rounds);
  await cacheToStore(narrow, medium, dir, cache, rounds);
  remove(dir);
}

const nixCopy = (nix: Nix, ...args: string[]): string[] => [join(nix.bin, 'nix'), 'copy', '--no-check-sigs', ...args];

/** Debian's 2.26 is left out where the oldest and the newest say enough. */
const contestants = (): Nix[] => [nixes()[0]!, nixes().at(-1)!];

async function intoCache(
  narrow: string,
  source: Corpus,
  dir: string,
  compression: string,
  rounds: number,
): Promise<void> {
  const target = (name: string): string => join(dir, `${name}-${compression}`);
  const from = source.root ?? 'auto';
  const all: Contestant[] = [
    {
      name: 'narrow',
      argv: [
        narrow,
        'copy',
        '--from',
        source.storeUrl,
        '--to',
        `file://${target('narrow')}?compression=${compression}`,
        source.top,
      ],
      prepare: () => remove(target('narrow')),
    },
    ...contestants().map((nix) => ({
      name: `nix ${nix.label}`,
      argv: nixCopy(nix, '--from', from, '--to', `file://${target(nix.label)}?compression=${compression}`, source.top),
      env: nix.env(),
      prepare: () => remove(target(nix.label)),
    })),
  ];
  report(`${source.label} into a file cache with ${compression}`, await measure(all, rounds), 'narrow', source.narSize);
  for (const name of ['narrow', ...contestants().map((nix) => nix.label)])
    console.log(`    ${name.padEnd(20)} ${(cacheSize(target(name)) / 1e6).toFixed(1)} MB on disk`);
  for (const name of ['narrow', ...contestants().map((nix) => nix.label)]) remove(target(name));
}

function cacheSize(dir: string): number {
  return readdirSync(join(dir, 'nar')).reduce((sum, name) => sum + statSync(join(dir, 'nar', name)).size, 0);
}

async function cacheToCache(narrow: string, source: Corpus, dir: string, cache: string, rounds: number): Promise<void> {
  const target = join(dir, 'target');
  const prepare = (): void => remove(target);
  const all: Contestant[] = [
    {
      name: 'narrow',
      argv: [narrow, 'copy', '--from', `file://${cache}`, '--to', `file://${target}`, source.top],
      prepare,
    },
    ...contestants().map((nix) => ({
      name: `nix ${nix.label} zstd`,
      argv: nixCopy(nix, '--from', `file://${cache}`, '--to', `file://${target}?compression=zstd`, source.top),
      env: nix.env(),
      prepare,
    })),
  ];
  report(`${source.label} from cache to cache (zstd)`, await measure(all, rounds), 'narrow', source.narSize);
  const small = await corpus('small');
  const recoding: Contestant[] = [
    {
      name: 'narrow',
      argv: [narrow, 'copy', '--from', `file://${cache}`, '--to', `file://${target}`, small.top],
      prepare,
    },
    ...contestants().map((nix) => ({
      name: `nix ${nix.label} default`,
      argv: nixCopy(nix, '--from', `file://${cache}`, '--to', `file://${target}`, small.top),
      env: nix.env(),
      prepare,
    })),
  ];
  await measure(
    [
      {
        name: 'fill',
        argv: [narrow, 'copy', '--from', small.storeUrl, '--to', `file://${cache}?compression=zstd`, small.top],
      },
    ],
    1,
  );
  report(
    `${small.label} from cache to cache, each tool's default (nix recodes to xz)`,
    await measure(recoding, 1),
    'narrow',
    small.narSize,
  );
}

async function cacheToStore(narrow: string, source: Corpus, dir: string, cache: string, rounds: number): Promise<void> {
  const store = join(dir, 'store');
  const prepare = (): void => remove(store);
  const all: Contestant[] = [
    {
      name: 'narrow',
      argv: [narrow, 'copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', `local?root=${store}`, source.top],
      prepare,
    },
    ...contestants().map((nix) => ({
      name: `nix ${nix.label}`,
      argv: nixCopy(nix, '--from', `file://${cache}`, '--to', store, source.top),
      env: nix.env(),
      prepare,
    })),
  ];
  report(`${source.label} from a zstd cache into an empty store`, await measure(all, rounds), 'narrow', source.narSize);
}
