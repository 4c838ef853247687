// What a user may write for a path: a full store path, a link to one, a file inside one, a hash part, and
// `X.drv^out` for an output.

import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { NarrowError, isNarrowError } from '../errors.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { isHashPart, parseBaseName, tryBaseName } from '../model/store-path.ts';

/** As many links as the kernel follows. */
const maxLinks = 40;

/**
 * The store path that `text` means. Links are followed until one lies in the store directory, whether or not that
 * directory exists on this machine (`./result` of a store under another root). Throws `usage`.
 */
export function resolveStorePath(storeDir: StoreDir, text: string): StorePath {
  return resolveInStore(storeDir, text).path;
}

/** The same, with what follows the store path: empty, or the way to a file within, without a slash in front. */
export function resolveInStore(storeDir: StoreDir, text: string): { path: StorePath; inner: string } {
  let file = resolve(text);
  for (let links = 0; links <= maxLinks; links++) {
    const inside = insideStore(storeDir, file);
    if (inside) return inside;
    const link = firstLink(file);
    if (!link) break;
    file = resolve(dirname(link.at), link.target, link.rest);
  }
  const absent = lstatSync(resolve(text), { throwIfNoEntry: false }) ? '' : ': there is no such file';
  throw new NarrowError('usage', `'${text}' is no path in ${storeDir}${absent}`, {
    hint: `give a store path, a link such as ./result, or a file inside a store path`,
  });
}

function insideStore(storeDir: StoreDir, file: string): { path: StorePath; inner: string } | undefined {
  if (!file.startsWith(`${storeDir}/`)) return undefined;
  const [base, ...inner] = file.slice(storeDir.length + 1).split('/');
  return { path: named(base!, file), inner: inner.join('/') };
}

/** What somebody typed is wrong usage, not a malformed file. */
function named(base: string, file: string): StorePath {
  try {
    return parseBaseName(base);
  } catch (error) {
    if (!isNarrowError(error, 'format')) throw error;
    throw new NarrowError('usage', `'${file}' is no store path`, { cause: error, hint: error.message });
  }
}

/** The outermost link on the way to `file`. */
function firstLink(file: string): { at: string; target: string; rest: string } | undefined {
  const parts = file.split('/').slice(1);
  for (let i = 1; i <= parts.length; i++) {
    const at = `/${parts.slice(0, i).join('/')}`;
    try {
      if (lstatSync(at).isSymbolicLink()) return { at, target: readlinkSync(at), rest: parts.slice(i).join('/') };
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** True for 32 digits: the store must be asked for the rest. */
export function isBareHashPart(text: string): boolean {
  return isHashPart(text) && tryBaseName(text) === undefined;
}
