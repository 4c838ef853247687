// narrow drv: what derivations say. As `nix derivation show`.

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { closureOf } from '../../closure/walk.ts';
import { NarrowError, ioError, isNarrowError } from '../../errors.ts';
import { formatDrvsJson } from '../../format/drv-json.ts';
import type { DrvJsonShape } from '../../format/drv-json.ts';
import { formatDrv, parseDrv } from '../../format/drv.ts';
import { derivationPath } from '../../format/drv-hash.ts';
import type { Derivation } from '../../model/derivation.ts';
import { derivationReferences } from '../../model/derivation.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { defaultStoreDir, isDerivationPath, pathName, tryBaseName } from '../../model/store-path.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { readDerivations } from '../../transfer/derivations.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { isBareHashPart, resolveStorePath } from '../installable.ts';
import { resolvePaths } from '../options.ts';

interface ShowOptions {
  readonly store?: string;
  readonly recursive?: boolean;
  readonly shape: string;
  readonly aterm?: boolean;
}

const shapes: Readonly<Record<string, DrvJsonShape>> = { old: '2.8', middle: '2.26', new: '4' };

export function define(command: Command, context: Context): void {
  command.description('Look into derivations.');
  command
    .command('show')
    .description('Print derivations as JSON, as nix derivation show does.')
    .argument('<paths...>', 'derivations, by store path or as .drv files; other store paths mean their derivers')
    .option('--store <url>', 'where store paths are looked up (default: "auto")')
    .option('-r, --recursive', 'with all derivations they are made from')
    .option('--shape <shape>', 'of the JSON: old (Nix up to 2.14), middle (as 2.26), new (from 2.33)', 'new')
    .option('--json', 'print JSON, which is what is printed anyway')
    .addOption(
      new Option('--aterm', 'print the text of the derivation instead, as it stands in the store').conflicts('json'),
    )
    .addHelpText('after', examples)
    .action((paths: string[], options: ShowOptions) => show(paths, options, context));
}

const examples = `
Examples:
  narrow drv show ./result
  narrow drv show -r --store https://cache.example.org /nix/store/…-hello.drv
  narrow drv show --shape old ./hello.drv`;

type Found = Map<StorePath, Derivation>;

async function show(given: readonly string[], options: ShowOptions, context: Context): Promise<void> {
  const shape = Object.hasOwn(shapes, options.shape) ? shapes[options.shape] : undefined;
  if (!shape) throw new NarrowError('usage', `unknown shape '${options.shape}'`, { hint: 'old, middle or new' });
  await using stack = new AsyncDisposableStack();
  // files alone need no store
  let store: Store | undefined;
  const opened = async (): Promise<Store> =>
    (store ??= stack.use(await openStore(options.store ?? 'auto', openContext(context))));
  const storeDir =
    options.store === undefined ? process.env['NIX_STORE_DIR'] || defaultStoreDir : (await opened()).storeDir;
  const files = new Map<StorePath, Derivation>();
  const paths: string[] = [];
  for (const text of given) {
    const drv = isStorePath(storeDir, text) ? undefined : await readFileOf(storeDir, text);
    if (drv) files.set(derivationPath(drv, storeDir), drv);
    else paths.push(text);
  }
  const more = options.recursive ? [...files.values()].flatMap(derivationReferences).filter(isDerivationPath) : [];
  const drvs: Found = new Map(files);
  if (paths.length + more.length > 0) {
    const found = await fromStore(await opened(), paths, more, options.recursive ?? false, context.signal);
    for (const [path, drv] of found) drvs.set(path, drv);
  }
  await print(drvs, storeDir, shape, options, context);
}

async function print(
  drvs: Found,
  storeDir: StoreDir,
  shape: DrvJsonShape,
  options: ShowOptions,
  context: Context,
): Promise<void> {
  if (!options.aterm) {
    const json = formatDrvsJson(drvs, storeDir, shape);
    // one long line is for programs
    return context.out(process.stdout.isTTY ? JSON.stringify(JSON.parse(json), null, 2) : json);
  }
  const [drv, another] = drvs.values();
  if (another) throw new NarrowError('usage', `--aterm prints one derivation, got ${drvs.size}`);
  await context.write(formatDrv(drv!, storeDir));
}

function isStorePath(storeDir: StoreDir, text: string): boolean {
  if (isBareHashPart(text)) return true;
  try {
    resolveStorePath(storeDir, text);
    return true;
  } catch (error) {
    if (isNarrowError(error, 'usage')) return false;
    throw error;
  }
}

/** A file outside of a store. Its name tells the derivation's; the hash part in front, if any, does not count. */
async function readFileOf(storeDir: StoreDir, file: string): Promise<Derivation> {
  const base = basename(file);
  const path = tryBaseName(base);
  const name = (path ? pathName(path) : base).replace(/\.drv$/, '');
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (error) {
    throw ioError('read', file, error);
  }
  return parseDrv(text, name, storeDir, { source: file });
}

async function fromStore(
  store: Store,
  given: readonly string[],
  more: readonly StorePath[],
  recursive: boolean,
  signal: AbortSignal,
): Promise<Found> {
  const query = (asked: readonly StorePath[]): Promise<Map<StorePath, PathInfo>> => store.pathInfos(asked, { signal });
  const named = given.length === 0 ? [] : await resolvePaths(store, given);
  const roots = [...(await derivers(store, named, query)), ...more];
  await using _hold = await store.hold(roots);
  const infos = recursive ? await closureOf(query, roots, store.url) : await query(roots);
  for (const root of roots) if (!infos.has(root)) throw absent(store, root);
  return await readDerivations(
    store,
    [...infos.values()].filter((info) => isDerivationPath(info.path)),
    signal,
  );
}

/** Derivations stay; an output means what made it. */
async function derivers(
  store: Store,
  paths: readonly StorePath[],
  query: (paths: readonly StorePath[]) => Promise<Map<StorePath, PathInfo>>,
): Promise<StorePath[]> {
  const outputs = paths.filter((path) => !isDerivationPath(path));
  const infos = outputs.length === 0 ? new Map<StorePath, PathInfo>() : await query(outputs);
  return paths.map((path) => {
    if (isDerivationPath(path)) return path;
    const info = infos.get(path);
    if (!info) throw absent(store, path);
    if (info.deriver) return info.deriver;
    throw new NarrowError('missing', `${store.url} does not know what ${path} was made by`, { data: { path } });
  });
}

function absent(store: Store, path: StorePath): NarrowError {
  return new NarrowError('missing', `${store.url} does not have ${path}`, { data: { path } });
}
