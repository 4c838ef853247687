// narrow shared: what closures, or whole machines, have in common, and what is each one's own.

import type { Command } from 'commander';
import { NarrowError } from '../../errors.ts';
import { shareOfMembers } from '../../closure/shared.ts';
import type { Member, Share } from '../../closure/shared.ts';
import { closureOf } from '../../closure/walk.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { pathName, printStorePath } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import type { OpenContext } from '../../store/open-context.ts';
import { openStore } from '../../store/open.ts';
import { presentSystem } from '../../store/present-system.ts';
import { isListed } from '../../store/store.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';

interface SharedOptions {
  readonly store: string;
  readonly stdin?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly list?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description(
    'Show which paths the closures of several paths, or whole stores, have in common, and which are of one alone: what ' +
      'machines that stand side by side could give each other.',
  );
  storeOption(pathArguments(command))
    .option('--all', 'of stores that are arguments, everything, and not the system that their machine runs')
    .option('-l, --list', 'list the paths of each group')
    .option('--json', 'print a JSON array of groups: roots, narSize, paths')
    .addHelpText('after', examples)
    .action((given: string[], options: SharedOptions) => runShared(given, options, context));
}

const examples = `
An argument may be the URL of a store: it means the system that the machine runs, or, where there is none, all of its paths.

Examples:
  narrow shared ./result-pi1 ./result-pi2 ./result-pi3
  narrow shared ssh://pi1 ssh://pi2
  narrow shared ./result ssh://pi1`;

/** Members and what is known of their paths. */
interface Gathered {
  readonly members: Member<string>[];
  readonly infos: Map<StorePath, PathInfo>;
  storeDir: StoreDir | undefined;
}

async function runShared(given: readonly string[], options: SharedOptions, context: Context): Promise<void> {
  const open = openContext(context);
  const gathered: Gathered = { members: [], infos: new Map(), storeDir: undefined };
  const paths = given.filter((one) => !isStoreUrl(one));
  if (paths.length > 0 || options.stdin || given.length === 0) await addPaths(gathered, paths, options, context, open);
  for (const url of new Set(given.filter(isStoreUrl))) await addStore(gathered, url, options, context, open);
  await print(shareOfMembers(gathered.infos, gathered.members), gathered, options, context);
}

/** A directory is a path, though it could be a store: `local?root=DIR` is one. */
function isStoreUrl(text: string): boolean {
  return /^(?:[a-z][a-z0-9+-]*:\/\/|(?:auto|daemon|local)(?:\?|$))/.test(text);
}

async function addPaths(
  gathered: Gathered,
  paths: readonly string[],
  options: SharedOptions,
  context: Context,
  open: OpenContext,
): Promise<void> {
  await using store = await openStore(options.store, open);
  const roots = await resolvePaths(store, paths, options.stdin);
  await addInfos(gathered, store, roots, context);
  for (const root of roots) gathered.members.push({ name: printStorePath(store.storeDir, root), roots: [root] });
}

async function addStore(
  gathered: Gathered,
  url: string,
  options: SharedOptions,
  context: Context,
  open: OpenContext,
): Promise<void> {
  await using store = await openStore(url, open);
  const system = options.all ? undefined : await presentSystem(store);
  const roots = system === undefined ? await everything(store) : [system];
  context.say(`${url}: ${system === undefined ? `all ${count(roots.length, 'path')}` : pathName(system)}`);
  await addInfos(gathered, store, roots, context);
  gathered.members.push({ name: url, roots });
}

async function everything(store: Store): Promise<readonly StorePath[]> {
  if (isListed(store)) return store.allPaths();
  throw new NarrowError('unsupported', `${store.url} cannot say what it has`, {
    hint: `name the paths that are meant: narrow shared --store ${store.url} PATH…`,
  });
}

async function addInfos(
  gathered: Gathered,
  store: Store,
  roots: readonly StorePath[],
  { signal }: Context,
): Promise<void> {
  gathered.storeDir ??= store.storeDir;
  if (gathered.storeDir !== store.storeDir)
    throw new NarrowError('refused', `${store.url} has paths of ${store.storeDir}, others of ${gathered.storeDir}`);
  const infos = await closureOf(closureQuery(store, { signal }), roots, store.url);
  for (const [path, info] of infos) if (!gathered.infos.has(path)) gathered.infos.set(path, info);
}

async function print(
  groups: readonly Share<string>[],
  { members, storeDir = '' }: Gathered,
  options: SharedOptions,
  context: Context,
): Promise<void> {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  if (options.json) {
    const json = groups.map(({ roots, narSize, paths }) => ({
      roots,
      narSize,
      paths: paths.map((info) => ({ path: full(info.path), narSize: info.narSize })),
    }));
    return context.out(JSON.stringify(json));
  }
  for (const group of groups) {
    await context.out(groupTitle(group, members.length));
    const paths = [...group.paths].sort((a, b) => b.narSize - a.narSize);
    if (options.list)
      for (const info of paths) await context.out(`  ${formatBytes(info.narSize).padStart(9)}  ${full(info.path)}`);
  }
}

function groupTitle({ roots, paths, narSize }: Share<string>, all: number): string {
  const what = `${count(paths.length, 'path')}, ${formatBytes(narSize)}`;
  if (roots.length === all) return all === 1 ? `${what}: ${roots[0]!}` : `${what}: in all ${all}`;
  if (roots.length === 1) return `${what}: only ${roots[0]!}`;
  return `${what}: in ${roots.length} of ${all}: ${roots.join(', ')}`;
}
