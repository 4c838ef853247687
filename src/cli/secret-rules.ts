// What a push looks for before anything leaves, as the command line says it: kinds of secrets, what may hold one, and whose
// signature vouches for nothing.

import { readFile } from 'node:fs/promises';
import type { SecretRules } from '../cache/push.ts';
import { knownSecrets, parsePatterns } from '../cache/secrets/patterns.ts';
import { parseSecretKey } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import type { StoreDir } from '../model/store-path.ts';
import { resolveInStore } from './installable.ts';
import { readText } from './text-file.ts';

export interface SecretOptions {
  /** Paths, or files in them. */
  readonly allowSecret?: readonly string[];
  /** Files of patterns. */
  readonly secretPatterns?: readonly string[];
}

/** Keys that this machine signs with. */
export interface OwnKeys {
  readonly keys: readonly SecretKey[];
  readonly files: readonly string[];
}

/** Throws `io` and `format` for a file of patterns, `usage` for what is no path. */
export async function secretRules(
  storeDir: StoreDir,
  { allowSecret = [], secretPatterns = [] }: SecretOptions,
  { keys, files }: OwnKeys,
): Promise<SecretRules> {
  const more = await Promise.all(
    secretPatterns.map(async (file) => parsePatterns(await readText(file, 'read the patterns'), file)),
  );
  const allowed = allowSecret.map((text) => {
    const { path, inner } = resolveInStore(storeDir, text);
    return inner === '' ? path : `${path}/${inner}`;
  });
  const own = await Promise.all(files.map(keyName));
  const ownKeys = [...keys.map((key) => key.name), ...own.filter((name) => name !== undefined)];
  return { patterns: [...knownSecrets, ...more.flat()], allowed: new Set(allowed), ownKeys: new Set(ownKeys) };
}

/** Of a key that only others may read there is no name, and what it signed is no less trusted for that. */
async function keyName(file: string): Promise<string | undefined> {
  try {
    return parseSecretKey(await readFile(file, 'utf8')).name;
  } catch {
    return undefined;
  }
}
