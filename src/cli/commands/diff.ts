// narrow diff: what changes from one closure to another. Exit status 3 when they are not the same.

import type { Command } from 'commander';
import { diffClosures } from '../../closure/diff.ts';
import type { Change } from '../../closure/diff.ts';
import { closureOf } from '../../closure/walk.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { openStore } from '../../store/open.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';

interface DiffOptions {
  readonly store: string;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Show which packages are added, removed, changed or rebuilt from one closure to another.')
    .argument('<before>', 'a path, or a link to one')
    .argument('<after>', 'the other');
  storeOption(command)
    .option('--json', 'print a JSON object: changes by package, and the sizes of both closures')
    .addHelpText(
      'after',
      '\nExit status 3 when anything differs.\n\nExample:\n  narrow diff /run/current-system ./result',
    )
    .action((before: string, after: string, options: DiffOptions) => runDiff([before, after], options, context));
}

async function runDiff(given: readonly [string, string], options: DiffOptions, context: Context): Promise<void> {
  await using store = await openStore(options.store, openContext(context));
  const load = async (text: string): Promise<Map<StorePath, PathInfo>> => {
    const roots = await resolvePaths(store, [text]);
    return closureOf(closureQuery(store, { signal: context.signal }), roots, store.url);
  };
  const [before, after] = [await load(given[0]), await load(given[1])];
  const changes = diffClosures(before, after);
  const full = (path: StorePath): string => printStorePath(store.storeDir, path);
  const sizes = [before, after].map((infos) => [...infos.values()].reduce((sum, info) => sum + info.narSize, 0));
  if (options.json) {
    const json = changes.map((change) => ({
      ...change,
      removed: change.removed.map(full),
      added: change.added.map(full),
    }));
    await context.out(JSON.stringify({ changes: json, narSizeBefore: sizes[0], narSizeAfter: sizes[1] }));
  } else {
    for (const line of formatTable(changes.map(row), [false, false, false, true])) await context.out(line.trimEnd());
    await context.out(
      `${count(changes.length, 'package')} differ, closure size ${formatBytes(sizes[0]!)} -> ${formatBytes(sizes[1]!)}`,
    );
  }
  if (changes.length > 0) context.status = 3;
}

function row({ name, kind, before, after, sizeDelta }: Change): string[] {
  const shown = (versions: readonly string[]): string => versions.map((version) => version || 'no version').join(', ');
  const versions = kind === 'rebuilt' ? shown(after) : [shown(before), shown(after)].filter(Boolean).join(' -> ');
  const size = sizeDelta === 0 ? '' : `${sizeDelta > 0 ? '+' : '-'}${formatBytes(Math.abs(sizeDelta))}`;
  return [kind, name, versions, size];
}
