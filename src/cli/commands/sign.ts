// narrow sign: adds signatures to paths that a store has.

import type { Command } from 'commander';
import { closureOf } from '../../closure/walk.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { openWritable } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { addNewSignatures, newSignatures } from '../../transfer/sign.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { pathArguments, repeat, resolvePaths, storeOption } from '../options.ts';
import { count } from '../output/human.ts';
import { readSecretKey } from '../secret-keys.ts';

interface SignOptions {
  readonly store: string;
  readonly key: readonly string[];
  readonly recursive?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command.description('Sign paths with a secret key. Contents are not read: what the store says of a path is signed.');
  storeOption(pathArguments(command))
    .requiredOption('--key <file>', 'the secret key (repeatable)', repeat)
    .option('-r, --recursive', 'with all they refer to')
    .option('--dry-run', 'say what would be signed and stop')
    .option('--json', 'print a JSON object: what was signed, and the signatures')
    .addHelpText('after', examples)
    .action((paths: string[], options: SignOptions) => runSign(paths, options, context));
}

const examples = `
Examples:
  narrow sign --key cache.sec -r ./result
  narrow sign --key cache.sec --store file:///srv/cache -r /nix/store/…-system`;

async function runSign(given: readonly string[], options: SignOptions, context: Context): Promise<void> {
  const { signal } = context;
  const keys = await Promise.all(options.key.map(readSecretKey));
  await using store = await openWritable(options.store, openContext(context));
  const paths = await resolvePaths(store, given, options.stdin);
  const infos = await infosOf(store, paths, options.recursive ?? false, signal);
  const added = newSignatures(store, infos.values(), keys);
  if (!options.dryRun) for await (const _ of addNewSignatures(store, added, signal));
  const names = keys.map((key) => key.name).join(', ');
  if (options.json) {
    const signed = added.map(({ info, signatures }) => ({
      path: printStorePath(store.storeDir, info.path),
      signatures,
    }));
    await context.out(
      JSON.stringify({ dryRun: options.dryRun ?? false, signed, unchanged: infos.size - added.length }),
    );
  } else {
    const verb = options.dryRun ? 'would sign' : 'signed';
    context.say(
      `${verb} ${count(added.length, 'path')} with ${names}, ${infos.size - added.length} had the signature already`,
    );
  }
}

/** Throws `missing`. */
export async function infosOf(
  store: Store,
  paths: readonly StorePath[],
  recursive: boolean,
  signal: AbortSignal,
): Promise<Map<StorePath, PathInfo>> {
  if (recursive) return closureOf(closureQuery(store, { signal }), paths, store.url);
  const infos = await store.pathInfos(paths, { signal });
  const missing = paths.filter((path) => !infos.has(path));
  if (missing.length === 0) return infos;
  throw new NarrowError('missing', `${store.url} does not have ${missing.join(', ')}`, { data: { missing } });
}
