// How large are bundles, what do making and applying them take beside a cache that Nix writes and reads, and in how much
// memory? `SIZES=medium` and `LEVELS='fast best'` take minutes.

import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nix, nixes } from '../test/lab/nix.ts';
import { corpus, remove, scratch } from './corpus.ts';
import type { Corpus, Size } from './corpus.ts';
import { measure, report } from './harness.ts';

const sizes = (process.env['SIZES'] ?? 'small').split(' ') as Size[];
const levels = (process.env['LEVELS'] ?? 'fast').split(' ');
const newest = nixes().at(-1)!;

export async function run(narrow: string, rounds: number): Promise<void> {
  const dir = scratch('bundle');
  for (const size of sizes) {
    const old = await corpus(size);
    await create(narrow, old, dir, rounds);
    await apply(narrow, old, dir, rounds);
    await rebuild(narrow, old, await corpus(size, 'gen2-rebuild'), dir);
  }
  await derivations(narrow, await corpus('large'), dir);
  remove(dir);
}

const bundleOf = (dir: string, level: string): string => join(dir, `${level}.bundle`);
const cacheIn = (dir: string): string => join(dir, 'cache');

/** Of everything, for who has nothing, beside a cache in Nix's own default compression. */
async function create(narrow: string, source: Corpus, dir: string, rounds: number): Promise<void> {
  const { storeUrl, root = 'auto', top, label, paths, narSize } = source;
  const cache = cacheIn(dir);
  const bundles = levels.map((level) => {
    const file = bundleOf(dir, level);
    const argv = [narrow, 'bundle', 'create', '--store', storeUrl, '--level', level, '-o', file, top];
    return { name: level, file, argv, prepare: () => remove(file) };
  });
  const copy = [join(newest.bin, 'nix'), 'copy', '--no-check-sigs', '--from', root];
  const theirs = {
    name: `nix ${newest.label}, xz`,
    argv: [...copy, '--to', `file://${cache}?compression=xz`, top],
    env: newest.env(),
    prepare: () => remove(cache),
  };
  const measured = await measure([...bundles, theirs], rounds);
  report(`${label} (${paths.length} paths) made into a bundle`, measured, bundles[0]!.name, narSize);
  const cpu = measured.at(-1)!.cpuSeconds / measured[0]!.cpuSeconds;
  console.log(`    processor time: ${cpu.toFixed(2)} times less than Nix`);
  const nars = readdirSync(join(cache, 'nar')).map((name) => statSync(join(cache, 'nar', name)).size);
  const sum = nars.reduce((all, size) => all + size, 0);
  for (const { name, file } of bundles) tellBytes(`${name} bundle`, statSync(file).size, 'nar.xz', sum);
}

/** Into an empty store, beside Nix that takes the same from its cache. */
async function apply(narrow: string, { top, label, narSize }: Corpus, dir: string, rounds: number): Promise<void> {
  const store = join(dir, 'store');
  const [level = 'fast'] = levels;
  const prepare = (): void => remove(store);
  const all = [
    { name: 'narrow', argv: applyArgv(narrow, store, bundleOf(dir, level)), prepare },
    {
      name: `nix ${newest.label}, from xz`,
      argv: [
        join(newest.bin, 'nix'),
        'copy',
        '--no-check-sigs',
        '--from',
        `file://${cacheIn(dir)}`,
        '--to',
        store,
        top,
      ],
      env: newest.env(),
      prepare,
    },
  ];
  report(`${label} applied to an empty store`, await measure(all, rounds), 'narrow', narSize);
}

/** The same system from another libc, for who has the first; the inventory of its top is all that is known of them. */
async function rebuild(narrow: string, old: Corpus, next: Corpus, dir: string): Promise<void> {
  const [file, inventory, store] = ['next.bundle', 'inventory', 'store'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  remove(store);
  execFileSync(narrow, applyArgv(narrow, store, bundleOf(dir, levels[0]!)).slice(1), { stdio: 'ignore' });
  execFileSync(narrow, ['inventory', '--store', `local?root=${store}`, '-o', inventory, old.top], { stdio: 'ignore' });
  const from = storeWithBoth(narrow, old, next, dir);
  const create = [narrow, 'bundle', 'create', '--store', from, '--for', inventory, '-o', file, next.top];
  const made = await measure([{ name: 'create', argv: create }], 1);
  report(`${next.label} made into a bundle for who has ${old.label}`, made, 'create', next.narSize);
  tellBytes('bundle', statSync(file).size, 'target', 150e3);
  const applied = await measure([{ name: 'apply', argv: applyArgv(narrow, store, file) }], 1);
  report('and applied there', applied, 'apply', next.narSize);
}

function applyArgv(narrow: string, store: string, file: string): string[] {
  return [narrow, 'bundle', 'apply', '--no-check-sigs', '--to', `local?root=${store}`, file];
}

/** Bases have to be where the bundle is made: closures with stores of their own are brought together. */
function storeWithBoth(narrow: string, old: Corpus, next: Corpus, dir: string): string {
  if (old.storeUrl === next.storeUrl) return old.storeUrl;
  const url = `local?root=${join(dir, 'both')}`;
  for (const { storeUrl, top } of [old, next])
    execFileSync(narrow, ['copy', '--no-check-sigs', '--from', storeUrl, '--to', url, top], { stdio: 'ignore' });
  return url;
}

/** What a system is built from, beside the stream that is sent today. */
async function derivations(narrow: string, { root, storeUrl, label, top }: Corpus, dir: string): Promise<void> {
  const [file, stream] = [join(dir, 'drvs.bundle'), join(dir, 'drvs.xz')];
  const create = [narrow, 'bundle', 'create', '--store', storeUrl, '--derivation', '--level', 'best', '-o', file, top];
  const at = root === undefined ? '' : `--store ${root}`;
  const drv = `$(nix-store ${at} -q --deriver ${top})`;
  const all = [
    { name: 'bundle', argv: create, prepare: () => remove(file) },
    {
      name: 'export, xz -9',
      argv: ['sh', '-c', `nix-store ${at} --export $(nix-store ${at} -qR ${drv}) | xz -9 > ${stream}`],
      env: nix('2.8').env(),
    },
  ];
  report(`derivations of ${label}`, await measure(all, 1), 'bundle');
  tellBytes('bundle', statSync(file).size, 'nix-store --export | xz -9', statSync(stream).size);
}

function tellBytes(name: string, size: number, otherName: string, other: number): void {
  console.log(`    ${name}: ${size} bytes; ${otherName}: ${other}, ${(other / size).toFixed(2)} times that`);
}
