// narrow cache pin, unpin and ls: what a cache keeps.

import type { Command } from 'commander';
import { listedDeltas } from '../../cache/deltas/survey.ts';
import { checkRootName, pinsDirectory } from '../../cache/layout.ts';
import { addPin, pinName, readRoots } from '../../cache/roots.ts';
import type { Roots } from '../../cache/roots.ts';
import { NarrowError } from '../../errors.ts';
import { printStorePath, tryBaseName } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import type { ListedDelta } from '../../store/cache/delta-list.ts';
import { openCacheStore } from '../../store/open-cache.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { resolvePaths } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';

interface PinOptions {
  readonly as?: string;
  readonly json?: boolean;
}

export function definePins(cache: Command, context: Context): void {
  cache
    .command('pin')
    .description('Keep paths of a cache, and all they need, whatever is collected.')
    .argument('<cache>')
    .argument('<paths...>')
    .option('--as <name>', 'the name of the pin, replacing one of that name (default: that of the path)')
    .option('--json', 'print a JSON object')
    .addHelpText('after', '\nExample:\n  narrow cache pin /srv/cache --as rescue /nix/store/…-nixos-system-fnord')
    .action((url: string, paths: string[], options: PinOptions) => runPin(url, paths, options, context));
  cache
    .command('unpin')
    .description('Take pins away. The paths stay until they are collected.')
    .argument('<cache>')
    .argument('<pins...>', 'names of pins, or paths')
    .option('--json', 'print a JSON object')
    .action((url: string, pins: string[], options: PinOptions) => runUnpin(url, pins, options, context));
  cache
    .command('ls')
    .description('List the generations of each name with the deltas that lead to them, and pins.')
    .argument('<cache>')
    .option('--json', 'print a JSON object')
    .action((url: string, options: PinOptions) => runList(url, options, context));
}

async function runPin(url: string, given: readonly string[], options: PinOptions, context: Context): Promise<void> {
  const { signal } = context;
  await using store = await openCacheStore(url, openContext(context), 'write');
  const paths = await resolvePaths(store, given);
  await using _hold = await store.hold(paths);
  const there = await store.pathInfos(paths, { signal });
  const missing = paths.filter((path) => !there.has(path));
  if (missing.length > 0)
    throw new NarrowError('missing', `${store.url} does not have ${missing.join(', ')}`, { data: { missing } });
  const pins =
    options.as === undefined ? paths.map((path) => [pinName(path), [path]] as const) : [[options.as, paths] as const];
  for (const [name, all] of pins) await addPin(store, name, all, { signal });
  if (options.json)
    return await context.out(JSON.stringify({ pins: pins.map(([name, all]) => ({ name, paths: full(store, all) })) }));
  context.say(`pinned ${count(paths.length, 'path')} as ${pins.map(([name]) => name).join(', ')}`);
}

async function runUnpin(url: string, given: readonly string[], options: PinOptions, context: Context): Promise<void> {
  const { signal } = context;
  await using store = await openCacheStore(url, openContext(context), 'write');
  const names = given.map((text) => {
    const path = tryBaseName(text.startsWith(`${store.storeDir}/`) ? text.slice(store.storeDir.length + 1) : text);
    return path === undefined ? checkRootName(text) : pinName(path);
  });
  for (const name of names)
    if (!(await store.files.stat(`${pinsDirectory}/${name}`, { signal })))
      throw new NarrowError('missing', `${store.url} has no pin ${name}`, {
        hint: 'narrow cache ls shows those there are',
      });
  for (const name of names) await store.files.remove(`${pinsDirectory}/${name}`, { signal });
  if (options.json) return await context.out(JSON.stringify({ unpinned: names }));
  context.say(`took ${count(names.length, 'pin')} away; the paths stay until they are collected`);
}

async function runList(url: string, options: PinOptions, context: Context): Promise<void> {
  await using store = await openCacheStore(url, openContext(context), 'read');
  const { signal } = context;
  const roots = await readRoots(store, { signal });
  const deltas = await listedDeltas(store, { signal });
  if (options.json)
    return await context.out(JSON.stringify({ ...rootsJson(store, roots), deltas: deltasJson(store, deltas) }));
  for (const [name, generations] of roots.names)
    for (const { generation, time, paths, signatures } of generations) {
      const signers = signatures.map((text) => text.slice(0, text.indexOf(':'))).join(', ') || 'nobody';
      await context.out(
        `name:${name}@${generation}  ${date(time)}  signed by ${signers}  ${full(store, paths).join(' ')}`,
      );
      for (const { from, fileSize } of deltas.filter(({ to }) => to.join() === paths.join()))
        await context.out(`  delta of ${formatBytes(fileSize)} from ${full(store, from).join(' ')}`);
    }
  for (const { name, time, paths } of roots.pins)
    await context.out(`pin ${name}  ${date(time)}  ${full(store, paths).join(' ')}`);
  for (const { reference, message } of roots.damaged) context.say(`warning: ${reference}: ${message}`);
}

function deltasJson(store: CacheStore, deltas: readonly ListedDelta[]): Record<string, unknown>[] {
  return deltas.map(({ from, to, fileSize, paths, narSize }) => ({
    from: full(store, from),
    to: full(store, to),
    paths,
    fileSize,
    narSize,
  }));
}

/** Members of `cache ls` and `cache info`. */
export function rootsJson(store: CacheStore, { names, pins, damaged }: Roots): Record<string, unknown> {
  return {
    names: [...names].map(([name, generations]) => ({
      name,
      generations: generations.map(({ generation, time, paths, signatures }) => ({
        generation,
        time,
        paths: full(store, paths),
        signatures,
      })),
    })),
    pins: pins.map(({ name, time, paths }) => ({ name, time, paths: full(store, paths) })),
    damaged: damaged.map(({ reference, message }) => ({ file: reference, message })),
  };
}

function full({ storeDir }: CacheStore, paths: readonly StorePath[]): string[] {
  return paths.map((path) => printStorePath(storeDir, path));
}

function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ');
}
