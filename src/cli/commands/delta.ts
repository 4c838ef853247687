// narrow delta explain: what a path or a closure would cost as a delta, and why.

import type { Command } from 'commander';
import { closureOf } from '../../closure/walk.ts';
import { NarrowError } from '../../errors.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { explainDelta } from '../../store/narrow/explaining.ts';
import type { ClosureOf, Explanation, FileCost } from '../../store/narrow/explaining.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { resolvePaths, storeOption } from '../options.ts';
import { explainJson, fileLines, pathLines } from '../output/explanation.ts';

interface ExplainOptions {
  readonly store: string;
  readonly recursive?: boolean;
  readonly level: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Look into deltas: what moves between two narrows, or in a bundle.');
  const explain = command.command('explain');
  explain
    .description(
      'Show what NEW costs where OLD is, file by file, or path by path with -r, and why. Nothing is sent: both are in one store.',
    )
    .argument('<old>', 'a path, or a link to one')
    .argument('<new>', 'the other');
  storeOption(explain)
    .option('-r, --recursive', 'the closures of both, path by path')
    .option('--level <level>', 'how much work for few bytes: fast or best', 'fast')
    .option('--all', 'also what costs nothing')
    .option('--json', 'print a JSON object')
    .addHelpText('after', examples)
    .action((old: string, fresh: string, options: ExplainOptions) => runExplain([old, fresh], options, context));
}

const examples = `
Examples:
  narrow delta explain -r /run/current-system ./result
  narrow delta explain /nix/store/…-git-2.47.1 /nix/store/…-git-2.47.2`;

async function runExplain(given: readonly [string, string], options: ExplainOptions, context: Context): Promise<void> {
  const level = (['fast', 'best'] as const).find((known) => known === options.level);
  if (!level) throw new NarrowError('usage', `--level ${options.level}: expected fast or best`);
  await using store = await openStore(options.store, openContext(context));
  const { signal } = context;
  // the old closure in any case: what hashes mean is known by what paths refer to
  const old = await load(store, given[0], false, context);
  const fresh = await load(store, given[1], !options.recursive, context);
  const root = fresh.roots[0]!;
  const pairs = options.recursive ? undefined : new Map([[root, old.roots]]);
  const explanation = await explainDelta({ store, old, fresh, pairs, level, signal });
  const files = options.recursive || explanation.paths.length === 0 ? undefined : await explanation.files(root);
  if (options.json) {
    const full = (path: StorePath): string => printStorePath(store.storeDir, path);
    await context.out(JSON.stringify(explainJson(explanation, files, full)));
  } else for (const line of linesOf(explanation, files, options)) await context.out(line);
}

function linesOf(explanation: Explanation, files: readonly FileCost[] | undefined, { all }: ExplainOptions): string[] {
  return files ? fileLines(explanation, files, all) : pathLines(explanation, all);
}

/** A closure; `alone` just its root, which then is one path. */
async function load(store: Store, text: string, alone: boolean, context: Context): Promise<ClosureOf> {
  const { signal } = context;
  const roots = await resolvePaths(store, [text]);
  const infos = await closureOf(closureQuery(store, { signal }), roots, store.url);
  if (!alone) return { roots, infos };
  const [root] = roots as [StorePath];
  if (roots.length > 1) throw new NarrowError('usage', `'${text}' means ${roots.length} paths: name one, or use -r`);
  return { roots, infos: new Map([[root, infos.get(root)!]]) };
}
