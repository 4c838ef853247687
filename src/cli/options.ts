// Options that several commands share, so that they read and behave alike.

import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { NarrowError, isNarrowError } from '../errors.ts';
import { parseInstallable } from '../model/output-spec.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Store } from '../store/store.ts';
import { outputPaths } from '../transfer/outputs.ts';
import { isBareHashPart, resolveStorePath } from './installable.ts';

/** Collects a repeatable option. */
export function repeat(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

export function storeOption(command: Command): Command {
  return command.option('--store <url>', 'the store', 'auto');
}

export function trustOptions(command: Command): Command {
  return command
    .option('--no-check-sigs', 'accept paths without a trusted signature: you vouch for the source')
    .option('--trusted-public-key <key>', 'trust this key, too (repeatable)', repeat);
}

export function pathArguments(command: Command): Command {
  return command
    .argument('[paths...]', 'store paths, links (./result), files in them, 32-digit hash parts, outputs (X.drv^out)')
    .option('--stdin', 'read paths from standard input, too, one a line');
}

/** The store paths that the arguments mean in `store`; at least one. */
export async function resolvePaths(store: Store, given: readonly string[], stdin = false): Promise<StorePath[]> {
  const lines = stdin ? (await text(process.stdin)).split('\n').map((line) => line.trim()) : [];
  const all = [...given, ...lines.filter((line) => line !== '')];
  if (all.length === 0 && !stdin)
    throw new NarrowError('usage', 'no path was given', { hint: 'for example: ./result' });
  const resolved = await Promise.all([...new Set(all)].map((one) => resolveOne(store, one)));
  return [...new Set(resolved.flat())];
}

/** For commands that answer a question: a path that is not there is the answer "no", not a failure to answer. */
export function answerNo(error: unknown): never {
  if (!isNarrowError(error, 'missing')) throw error;
  throw new NarrowError('no', error.message, { cause: error, hint: error.hint, data: error.data });
}

async function resolveOne(store: Store, text: string): Promise<StorePath[]> {
  const { base, outputs } = parseInstallable(text);
  const path = isBareHashPart(base) ? await store.pathByHashPart(base) : resolveStorePath(store.storeDir, base);
  if (!path) throw new NarrowError('missing', `${store.url} has no path with the hash part ${base}`);
  return outputs === undefined ? [path] : outputPaths(store, path, outputs);
}
