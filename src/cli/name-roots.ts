// `name:NAME` as a path of a copy: what a static cache among the sources has under that name.

import { join } from 'node:path';
import { isNameReference, rememberGeneration, resolveName } from '../cache/resolve-name.ts';
import { NarrowError, isNarrowError } from '../errors.ts';
import { stateDirectory } from '../fs/state-directory.ts';
import { printStorePath } from '../model/store-path.ts';
import { isCache } from '../store/open-cache.ts';
import { openStore } from '../store/open.ts';
import type { OpenContext } from '../store/open-context.ts';

export interface NameOptions {
  /** The sources, the first that has the name counts. */
  readonly from: readonly string[];
  /** False when the user vouches for the sources. */
  readonly checkSigs: boolean;
  readonly dryRun: boolean;
  readonly say: (text: string) => void;
}

/** The arguments with full paths in place of names. */
export async function resolveNames(
  given: readonly string[],
  options: NameOptions,
  open: OpenContext,
): Promise<readonly string[]> {
  if (!given.some(isNameReference)) return given;
  const resolved: string[] = [];
  for (const text of given) resolved.push(...(isNameReference(text) ? await lookUp(text, options, open) : [text]));
  return resolved;
}

async function lookUp(text: string, options: NameOptions, open: OpenContext): Promise<string[]> {
  const memory = join(stateDirectory(), 'names');
  let missing: NarrowError | undefined;
  for (const url of options.from) {
    await using store = await openStore(url, open);
    if (!isCache(store)) continue;
    const trustedKeys = options.checkSigs && !store.abilities.trusted ? open.trustedKeys : undefined;
    try {
      const found = await resolveName(store, text, { trustedKeys, memory, signal: open.signal });
      if (!options.dryRun) await rememberGeneration(store, found, memory);
      const date = new Date(found.time * 1000).toISOString().slice(0, 16).replace('T', ' ');
      options.say(`${found.name}: generation ${found.generation} of ${date} at ${store.url}`);
      return found.paths.map((path) => printStorePath(store.storeDir, path));
    } catch (error) {
      if (!isNarrowError(error, 'missing')) throw error;
      missing ??= error;
    }
  }
  throw (
    missing ??
    new NarrowError('usage', `${text} is a name in a static cache, and no source is one`, {
      hint: 'say which: --from https://cache.example.org',
    })
  );
}
