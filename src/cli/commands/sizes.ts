// narrow sizes: how large the paths of a closure are, alone, with all they need, and what only they keep.

import type { Command } from 'commander';
import { reachable, sizesOf, sumSizes } from '../../closure/sizes.ts';
import type { PathSizes } from '../../closure/sizes.ts';
import { closureOf } from '../../closure/walk.ts';
import { NarrowError } from '../../errors.ts';
import { printStorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { openStore } from '../../store/open.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';

interface SizesOptions {
  readonly store: string;
  readonly stdin?: boolean;
  readonly json?: boolean;
  readonly sort: string;
  readonly top: string;
}

const orders = ['own', 'closure', 'added'] as const;
type Order = (typeof orders)[number];

export function define(command: Command, context: Context): void {
  command.description(
    'Show the largest paths of a closure: own size, size with all they need, and added size: what would go if nothing needed them.',
  );
  storeOption(pathArguments(command))
    .option('--sort <size>', 'own, closure or added', 'own')
    .option('--top <n>', 'show this many; 0 for all', '20')
    .option('--json', 'print a JSON object: narSize of all, and all paths with own, closure and added')
    .addHelpText('after', '\nExample:\n  narrow sizes --sort added ./result')
    .action((paths: string[], options: SizesOptions) => runSizes(paths, options, context));
}

async function runSizes(given: readonly string[], options: SizesOptions, context: Context): Promise<void> {
  const order = orders.find((one) => one === options.sort);
  if (!order)
    throw new NarrowError('usage', `bad --sort '${options.sort}'`, { hint: `it is one of ${orders.join(', ')}` });
  if (!/^\d+$/.test(options.top)) throw new NarrowError('usage', `bad --top '${options.top}': expected a number`);
  await using store = await openStore(options.store, openContext(context));
  const roots = await resolvePaths(store, given, options.stdin);
  const infos = await closureOf(closureQuery(store, { signal: context.signal }), roots, store.url);
  const total = sumSizes(infos, reachable(infos, roots));
  const top = options.json || Number(options.top) === 0 ? infos.size : Number(options.top);
  // each closure and added size costs a walk: those that are not shown are worked out only where the order needs them
  const bySize = [...infos.values()].sort((a, b) => b.narSize - a.narSize).map((info) => info.path);
  const candidates = order === 'own' ? bySize.slice(0, top) : bySize;
  const sizes = sizesOf(infos, roots, candidates)
    .sort((a, b) => b[order] - a[order])
    .slice(0, top);
  const full = (one: PathSizes): string => printStorePath(store.storeDir, one.path);
  if (options.json)
    return await context.out(
      JSON.stringify({ narSize: total, paths: sizes.map((one) => ({ ...one, path: full(one) })) }),
    );
  const rows = sizes.map((one) => [...orders.map((key: Order) => formatBytes(one[key])), full(one)]);
  for (const line of formatTable([[...orders, 'path'], ...rows], [true, true, true])) await context.out(line);
  const hidden = infos.size - sizes.length;
  await context.out(
    `${formatBytes(total)} in ${count(infos.size, 'path')}${hidden > 0 ? `, ${hidden} not shown` : ''}`,
  );
}
