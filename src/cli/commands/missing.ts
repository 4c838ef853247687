// narrow missing: what a cache lacks. Exit status 3 when something is missing.

import type { Command } from 'commander';
import { printStorePath } from '../../model/store-path.ts';
import { openStore } from '../../store/open.ts';
import { findMissing } from '../../transfer/missing.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, resolvePaths } from '../options.ts';
import { count } from '../output/human.ts';

interface MissingOptions {
  readonly from: string;
  readonly store: string;
  readonly stdin?: boolean;
  readonly recursive?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('List what a store or cache lacks of the closures of paths, or of the outputs of derivations.');
  pathArguments(command)
    .requiredOption('--store <url>', 'the store or cache that is asked')
    .option('--from <url>', 'the store that knows the closures', 'auto')
    .option('-r, --recursive', 'for derivations: the outputs of all they need to be built, too')
    .option('--json', 'print a JSON object: total, and missing paths with derivation and narSize where known')
    .addHelpText(
      'after',
      '\nExit status 3 when something is missing.\n\nExample:\n  narrow missing --store https://cache.nixos.org -r /nix/store/…-nixos-system.drv',
    )
    .action((paths: string[], options: MissingOptions) => runMissing(paths, options, context));
}

async function runMissing(given: readonly string[], options: MissingOptions, context: Context): Promise<void> {
  const open = openContext(context);
  await using source = await openStore(options.from, open);
  await using cache = await openStore(options.store, open);
  const roots = await resolvePaths(source, given, options.stdin);
  const { total, missing } = await findMissing(source, cache, roots, options.recursive ?? false, context.signal);
  const rows = missing.map((one) => ({
    ...one,
    path: printStorePath(source.storeDir, one.path),
    derivation: one.derivation && printStorePath(source.storeDir, one.derivation),
  }));
  if (options.json) await context.out(JSON.stringify({ total, missing: rows }));
  else {
    for (const { path } of rows) await context.out(path);
    context.say(`${cache.url} has ${total - missing.length} of ${count(total, 'path')}`);
  }
  if (missing.length > 0) context.status = 3;
}
