// narrow bundle create.

import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import type { Command } from 'commander';
import { createBundle } from '../../bundle/create.ts';
import type { BundlePlan, CreatedBundle } from '../../bundle/create.ts';
import { inventoryAfter } from '../../bundle/inventory-after.ts';
import { isInventory, mergeInventories, parseInventory } from '../../bundle/inventory.ts';
import type { Inventory } from '../../bundle/inventory.ts';
import { walkClosure } from '../../closure/walk.ts';
import { BaseClosure } from '../../delta/base-closure.ts';
import { NarrowError, ioError } from '../../errors.ts';
import { parseInstallable } from '../../model/output-spec.ts';
import { parseSecretKey } from '../../model/signature.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { Bundle } from '../../store/bundle/bundle.ts';
import { leastVolume } from '../../store/bundle/volume-writer.ts';
import { volumesNamed } from '../../store/bundle/volume-names.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { derivationRoots } from '../../transfer/derivation-closure.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, repeat, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';
import { startProgress } from '../output/progress.ts';
import { version } from '../version.ts';

interface CreateOptions {
  readonly out: string;
  readonly store: string;
  readonly for?: readonly string[];
  readonly since?: readonly string[];
  readonly derivation?: boolean;
  readonly sign?: readonly string[];
  readonly level: 'fast' | 'best';
  readonly volumeSize?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function defineCreate(command: Command, context: Context): void {
  command.description(
    'Write a bundle: what the paths need and the other side lacks, as changes of what it has. Signatures of paths go with them.',
  );
  storeOption(pathArguments(command))
    .requiredOption('-o, --out <file>', 'the bundle')
    .option(
      '--for <inventory>',
      'what the other side has: a file of narrow inventory, or roots it has (repeatable)',
      repeat,
    )
    .option('--since <bundle>', 'a bundle that is applied there before this one (repeatable)', repeat)
    .option('--derivation', 'the derivations that the paths were built by, in place of the paths')
    .option(
      '--sign <key>',
      'sign the bundle as a whole with this secret key; paths keep their own (repeatable)',
      repeat,
    )
    .addOption(new Option('--level <level>', 'how much work for few bytes').choices(['fast', 'best']).default('fast'))
    .option('--volume-size <size>', 'several files of at most this size, such as 4G: FILE.001, FILE.002 …')
    .option('--dry-run', 'say what would be in it and stop')
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', examples)
    .action((paths: string[], options: CreateOptions) => runCreate(paths, options, context));
}

const examples = `
Examples:
  narrow bundle create -o first.bundle --sign home.sec ./result
  narrow bundle create -o next.bundle --for island.inventory ./result
  narrow bundle create -o third.bundle --for island.inventory --since next.bundle ./result
  narrow bundle create -o drvs.bundle --derivation ./result`;

async function runCreate(given: readonly string[], options: CreateOptions, context: Context): Promise<void> {
  const { signal } = context;
  const volumeSize = options.volumeSize === undefined ? undefined : parseSize(options.volumeSize);
  const keys = await Promise.all((options.sign ?? []).map(async (file) => parseSecretKey(await readText(file), file)));
  const open = openContext(context);
  const progress = startProgress(context);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => progress.stop());
  await using source = await openStore(options.store, open);
  const roots = await rootsOf(source, given, options, context);
  const { there, since } = await otherSide(source, options, context);
  const started = performance.now();
  progress.event({ type: 'phase', text: 'finding out what is needed' });
  const made = await createBundle({
    source,
    roots,
    there,
    since,
    file: options.out,
    keys,
    level: options.level,
    volumeSize,
    by: `narrow ${version()}`,
    dryRun: options.dryRun,
    onPlan(plan) {
      for (const line of planLines(plan, there)) context.say(line);
      progress.event({ type: 'phase', text: `writing ${options.out}` });
    },
    onPath: (info) => progress.read(info.narSize),
    signal,
  });
  progress.stop();
  const seconds = (performance.now() - started) / 1000;
  if (options.json) return context.out(JSON.stringify(createdJson(made, source, options.dryRun ?? false, seconds)));
  if (options.dryRun) return;
  const files = made.files.length === 1 ? made.files[0]! : `${made.files[0]!} to ${made.files.at(-1)!}`;
  context.say(`${files}: ${count(made.fresh.size, 'path')} in ${formatBytes(made.size)}, ${seconds.toFixed(1)} s`);
}

async function rootsOf(
  source: Store,
  given: readonly string[],
  { derivation, stdin }: CreateOptions,
  { signal }: Context,
): Promise<StorePath[]> {
  const named = derivation ? given.map((one) => parseInstallable(one).base) : given;
  const roots = await resolvePaths(source, named, stdin);
  return derivation ? derivationRoots(source, roots, signal) : roots;
}

/** What the other side has, of all that is said of it. */
async function otherSide(
  source: Store,
  options: CreateOptions,
  context: Context,
): Promise<{ there: Inventory | undefined; since: string[] }> {
  const since: string[] = [];
  const all: Inventory[] = [];
  for (const one of options.for ?? []) all.push(await inventoryFrom(source, one, context));
  for (const file of options.since ?? []) {
    await using bundle = await Bundle.open(volumesNamed(file));
    all.push(inventoryAfter(bundle));
    since.push(bundle.volumes.id);
  }
  if (all.length === 0) return { there: undefined, since };
  const there = mergeInventories(all);
  for (const path of there.differing)
    context.say(`warning: ${path} has other contents in each of what is said of the other side; it is sent`);
  return { there, since };
}

/** A file of narrow inventory, a file with the line that `--roots` prints, or that line itself. */
async function inventoryFrom(source: Store, text: string, context: Context): Promise<Inventory> {
  const isPath = text.startsWith(`${source.storeDir}/`);
  const bytes = isPath ? Buffer.from(text) : await readBytes(text);
  if (isInventory(bytes)) return parseInventory(bytes, text);
  const words = bytes
    .toString('utf8')
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0 || !words.every((word) => word.startsWith(`${source.storeDir}/`))) parseInventory(bytes, text); // which says what is wrong with it
  const roots = await resolvePaths(source, words);
  const { infos } = await walkClosure((paths) => source.pathInfos(paths, { signal: context.signal }), roots);
  const unknown = roots.filter((root) => !infos.has(root));
  if (unknown.length > 0)
    throw new NarrowError('missing', `what ${unknown.join(', ')} needs is not known here`, {
      hint: 'have the other side write an inventory: narrow inventory -o FILE',
    });
  const facts = {
    storeDir: source.storeDir,
    stores: roots.map((root) => printStorePath(source.storeDir, root)),
    made: Date.now(),
  };
  return { facts, closure: new BaseClosure(infos.values()) };
}

function planLines(plan: BundlePlan, there: Inventory | undefined): string[] {
  const { closure, fresh, pairs, narSize, differing, withoutBase, refused } = plan;
  const changed = [...pairs.values()].filter((bases) => bases.length > 0).length;
  const lines = [
    `${count(fresh.size, 'path')} of ${closure.size} to bring, ${formatBytes(narSize)} of NARs: ${changed} as changes of what is there, ${fresh.size - changed} in full`,
  ];
  if (!there)
    lines.push('nothing is known of the other side: name its inventory with --for, and less has to be carried');
  if (withoutBase.length > 0)
    lines.push(`${count(withoutBase.length, 'path')} in full because what the other side has of them is not here`);
  if (differing.length > 0)
    lines.push(
      `${count(differing.length, 'path')} left out that the other side has with other contents: ${differing[0]!} …`,
    );
  if (refused.length > 0)
    lines.push(
      `warning: ${count(refused.length, 'path')} without a signature that the other side trusts (${refused[0]!} …): sign them first (narrow sign), or it needs --no-check-sigs`,
    );
  return lines;
}

function createdJson(
  made: CreatedBundle,
  { storeDir }: Store,
  dryRun: boolean,
  seconds: number,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  const { files, size, fresh, pairs, closure, narSize, needs, differing, withoutBase, refused } = made;
  return {
    dryRun,
    files,
    size: dryRun ? undefined : size,
    total: closure.size,
    paths: [...fresh.values()].map((info) => ({
      path: full(info.path),
      narSize: info.narSize,
      bases: (pairs.get(info.path) ?? []).map(full),
      bytes: dryRun ? undefined : Math.round(made.reports.get(info.path)?.bytes ?? 0),
    })),
    narSize,
    needs: needs.infos.map(({ path }) => full(path)),
    differing: differing.map(full),
    withoutBase: withoutBase.map(full),
    refused: refused.map(full),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}

const units: Readonly<Record<string, number>> = { '': 1, k: 1000, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kKMGT]?)$/.exec(text) ?? [];
  if (number === undefined)
    throw new NarrowError('usage', `--volume-size '${text}' is no size`, { hint: 'for example: 4G, 650M' });
  // FAT32 takes no file of 4 GiB, which is what people mean by 4G
  const size = Math.min(Math.floor(Number(number) * units[unit]!), text === '4G' ? 2 ** 32 - 1 : Infinity);
  if (size >= leastVolume) return size;
  throw new NarrowError('usage', `--volume-size ${text} is too small: volumes have at least ${leastVolume} bytes`);
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw ioError('read', file, error);
  }
}

async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString('utf8');
}
