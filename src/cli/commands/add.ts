// narrow add: a file or directory becomes a store path. As `nix store add` and `nix-store --add[-fixed]`.

import { realpathSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { NarrowError, ioError } from '../../errors.ts';
import { formatContentAddress } from '../../model/content-address.ts';
import { formatSri } from '../../model/hash.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { defaultStoreDir, printStorePath } from '../../model/store-path.ts';
import { openStore, openWritable } from '../../store/open.ts';
import type { Outcome } from '../../store/store.ts';
import { addTree, describeTree } from '../../transfer/add.ts';
import type { AddRequest, Addition } from '../../transfer/add.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { hashType } from '../hash-format.ts';
import { resolveStorePath } from '../installable.ts';
import { repeat } from '../options.ts';
import { treeArgument } from '../tree-argument.ts';

interface AddCommandOptions {
  readonly store?: string;
  readonly name?: string;
  readonly nar?: boolean;
  readonly flat?: boolean;
  readonly text?: boolean;
  readonly hashAlgo: string;
  readonly reference?: readonly string[];
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description('Add a file or directory to a store, under the path that its contents have. Prints the path.')
    .argument('<path>')
    .option('--store <url>', 'the store (default: "auto")')
    .option('--name <name>', 'what the path is called (default: as the file)')
    .option('--nar', 'hash the NAR: anything can be added (the default; as nix-store --add)')
    .option('--flat', 'hash the contents of the file (as nix-store --add-fixed and downloads)')
    .option('--text', 'hash the contents of the file as a text, such as a derivation (as builtins.toFile)')
    .option('--hash-algo <algorithm>', 'hash function: md5, sha1, sha256, sha512', 'sha256')
    .option('--reference <path>', 'a store path that the contents refer to (repeatable)', repeat)
    .option('--dry-run', 'print the path and add nothing')
    .option('--json', 'print a JSON object')
    .addHelpText('after', examples)
    .action((path: string, options: AddCommandOptions) => runAdd(path, options, context));
}

const examples = `
Examples:
  narrow add ./config
  narrow add --flat --name source.tar.gz ~/Downloads/v1.2.tar.gz
  narrow add --dry-run ./config`;

async function runAdd(path: string, options: AddCommandOptions, context: Context): Promise<void> {
  if (options.dryRun) {
    const storeDir = await dryStoreDir(options, context);
    return print(storeDir, describe(storeDir, path, options, context), undefined, options, context);
  }
  await using store = await openWritable(options.store ?? 'auto', openContext(context));
  const addition = describe(store.storeDir, path, options, context);
  const outcome = await addTree(store, addition, context.signal);
  await print(store.storeDir, addition, outcome, options, context);
}

/** What a path would be depends on the store directory alone: no store is needed to tell. */
async function dryStoreDir({ store: url }: AddCommandOptions, context: Context): Promise<StoreDir> {
  if (url === undefined) return process.env['NIX_STORE_DIR'] || defaultStoreDir;
  await using store = await openStore(url, openContext(context));
  return store.storeDir;
}

function describe(storeDir: StoreDir, path: string, options: AddCommandOptions, context: Context): Addition {
  const request: AddRequest = {
    name: options.name ?? basename(resolve(path)),
    method: methodOf(options),
    algo: hashType(options.hashAlgo),
    references: (options.reference ?? []).map((reference) => resolveStorePath(storeDir, reference)),
  };
  // a flat file is what a link leads to, as with Nix; a NAR holds the link itself
  const file = request.method === 'nar' ? path : followed(path);
  return describeTree(storeDir, treeArgument(file), request, context.signal);
}

function methodOf(options: AddCommandOptions): AddRequest['method'] {
  const methods = (['nar', 'flat', 'text'] as const).filter((method) => options[method]);
  if (methods.length > 1) throw new NarrowError('usage', `--${methods[0]} and --${methods[1]} exclude each other`);
  return methods[0] ?? 'nar';
}

function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw ioError('read', path, error);
  }
}

async function print(
  storeDir: StoreDir,
  { info }: Addition,
  outcome: Outcome | undefined,
  options: AddCommandOptions,
  context: Context,
): Promise<void> {
  const path = printStorePath(storeDir, info.path);
  if (!options.json) return context.out(path);
  await context.out(
    JSON.stringify({
      path,
      ca: info.ca && formatContentAddress(info.ca),
      narHash: formatSri(info.narHash),
      narSize: info.narSize,
      references: info.references.map((reference) => printStorePath(storeDir, reference)),
      dryRun: outcome === undefined,
      status: outcome?.status,
    }),
  );
}
