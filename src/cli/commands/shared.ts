// narrow shared: what closures have in common, and what is each one's own.

import type { Command } from 'commander';
import { shareOf } from '../../closure/shared.ts';
import type { Share } from '../../closure/shared.ts';
import { closureOf } from '../../closure/walk.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { openStore } from '../../store/open.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes } from '../output/human.ts';

interface SharedOptions {
  readonly store: string;
  readonly stdin?: boolean;
  readonly json?: boolean;
  readonly list?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description(
    'Show which paths the closures of several paths have in common, and which are of one alone: what machines that ' +
      'stand side by side could give each other.',
  );
  storeOption(pathArguments(command))
    .option('-l, --list', 'list the paths of each group')
    .option('--json', 'print a JSON array of groups: roots, narSize, paths')
    .addHelpText('after', '\nExample:\n  narrow shared ./result-pi1 ./result-pi2 ./result-pi3')
    .action((paths: string[], options: SharedOptions) => runShared(paths, options, context));
}

async function runShared(given: readonly string[], options: SharedOptions, context: Context): Promise<void> {
  await using store = await openStore(options.store, openContext(context));
  const roots = await resolvePaths(store, given, options.stdin);
  const infos = await closureOf((paths) => store.pathInfos(paths, { signal: context.signal }), roots, store.url);
  const full = (path: StorePath): string => printStorePath(store.storeDir, path);
  const groups = shareOf(infos, roots);
  if (options.json) {
    const json = groups.map((group) => ({
      roots: group.roots.map(full),
      narSize: group.narSize,
      paths: group.paths.map((info) => ({ path: full(info.path), narSize: info.narSize })),
    }));
    return context.out(JSON.stringify(json));
  }
  for (const group of groups) {
    await context.out(groupTitle(group, roots.length, full));
    const paths = [...group.paths].sort((a, b) => b.narSize - a.narSize);
    if (options.list)
      for (const info of paths) await context.out(`  ${formatBytes(info.narSize).padStart(9)}  ${full(info.path)}`);
  }
}

function groupTitle({ roots, paths, narSize }: Share, all: number, full: (path: StorePath) => string): string {
  const what = `${count(paths.length, 'path')}, ${formatBytes(narSize)}`;
  if (roots.length === all) return all === 1 ? `${what}: ${full(roots[0]!)}` : `${what}: in all ${all}`;
  if (roots.length === 1) return `${what}: only ${full(roots[0]!)}`;
  return `${what}: in ${roots.length} of ${all}: ${roots.map(full).join(', ')}`;
}
