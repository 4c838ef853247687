// narrow why: a shortest chain of references from one path to another. Exit status 3 when there is none.

import type { Command } from 'commander';
import { walkClosure } from '../../closure/walk.ts';
import { whyDepends } from '../../closure/why.ts';
import { NarrowError } from '../../errors.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { resolvePaths, storeOption } from '../options.ts';

interface WhyOptions {
  readonly store: string;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Show why one path needs another: a shortest chain of references.')
    .argument('<path>', 'a path, or a link to one')
    .argument('<needed>', 'the path it may need');
  storeOption(command)
    .option('--json', 'print a JSON array of paths, or null when there is no chain')
    .addHelpText(
      'after',
      '\nExit status 3 when it does not.\n\nExample:\n  narrow why ./result /nix/store/…-glibc-2.40',
    )
    .action((path: string, needed: string, options: WhyOptions) => runWhy(path, needed, options, context));
}

async function runWhy(path: string, needed: string, options: WhyOptions, context: Context): Promise<void> {
  await using store = await openStore(options.store, openContext(context));
  const [from, to] = [(await resolvePaths(store, [path]))[0]!, (await resolvePaths(store, [needed]))[0]!];
  const { infos } = await walkClosure(closureQuery(store, { signal: context.signal }), [from]);
  const found = whyDepends(infos, from, to);
  if (!found) await expectThere(store, [from, to], context);
  const chain = found?.map((one) => printStorePath(store.storeDir, one));
  if (options.json) await context.out(JSON.stringify(chain ?? null));
  else if (chain)
    for (const [depth, one] of chain.entries())
      await context.out(depth === 0 ? one : `${'  '.repeat(depth - 1)}└─ ${one}`);
  else context.say(`narrow: ${from} does not need ${to}`);
  if (!chain) context.status = 3;
}

/** What is not there is no answer to the question. Throws `missing`. */
async function expectThere(store: Store, paths: readonly StorePath[], { signal }: Context): Promise<void> {
  const known = await store.pathInfos(paths, { signal });
  const absent = paths.find((path) => !known.has(path));
  if (absent === undefined) return;
  const path = printStorePath(store.storeDir, absent);
  throw new NarrowError('missing', `${store.url} does not have ${path}`, { data: { path } });
}
