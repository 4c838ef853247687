// The outputs of a derivation as its text has them: three strings (path, method and algorithm, hash) for five kinds.

import { NarrowError } from '../errors.ts';
import type { IngestionMethod } from '../model/content-address.ts';
import type { DerivationOutput } from '../model/derivation.ts';
import { fixedOutputPath } from '../model/derivation.ts';
import type { HashAlgo } from '../model/hash.ts';
import { hashSizes, isHashAlgo, parseHash } from '../model/hash.ts';
import type { StoreDir } from '../model/store-path.ts';
import { parseStorePath } from '../model/store-path.ts';

const prefixes: Readonly<Record<IngestionMethod, string>> = { nar: 'r:', git: 'git:', text: 'text:', flat: '' };

/** `r:sha256`, `git:sha1`, `text:sha256`, or `sha256` alone for flat files. */
export function formatMethodAlgo(method: IngestionMethod, algo: HashAlgo): string {
  return prefixes[method] + algo;
}

/** Reads what {@link formatMethodAlgo} prints. Throws `format`. */
export function parseMethodAlgo(text: string): { readonly method: IngestionMethod; readonly algo: HashAlgo } {
  const method = (['nar', 'git', 'text', 'flat'] as const).find((m) => text.startsWith(prefixes[m])) ?? 'flat';
  const algo = text.slice(prefixes[method].length);
  if (!isHashAlgo(algo)) {
    const expected = `[r:|git:|text:] and one of ${Object.keys(hashSizes).join(' ')}`;
    throw new NarrowError('format', `bad hash algorithm: expected ${expected}, got '${text.slice(0, 40)}'`);
  }
  return { method, algo };
}

/** Which output of which derivation is being read. */
export interface OutputPlace {
  readonly storeDir: StoreDir;
  readonly drvName: string;
  readonly output: string;
}

/** Makes an output of its three strings. The path of a fixed one has to follow from its hash. Throws `format`. */
export function parseDrvOutput(place: OutputPlace, path: string, algoText: string, hashText: string): DerivationOutput {
  const { storeDir } = place;
  if (algoText === '') {
    if (hashText !== '') throw new NarrowError('format', `expected no hash without an algorithm, got '${hashText}'`);
    if (path === '') return { kind: 'deferred' };
    return { kind: 'input-addressed', path: parseStorePath(storeDir, path) };
  }
  const { method, algo } = parseMethodAlgo(algoText);
  if (hashText === '' || hashText === 'impure') {
    const kind = hashText === '' ? 'floating' : 'impure';
    if (path !== '') throw new NarrowError('format', `expected no path of the ${kind} output, got '${path}'`);
    return { kind, method, algo };
  }
  if (/[:-]/.test(hashText)) throw new NarrowError('format', `expected a bare hash, got '${hashText.slice(0, 80)}'`);
  return fixedOutput(place, method, parseHash(hashText, algo), path);
}

/** A fixed output; `path` is checked unless undefined. */
export function fixedOutput(
  { storeDir, drvName, output }: OutputPlace,
  method: IngestionMethod,
  hash: ReturnType<typeof parseHash>,
  path: string | undefined,
): DerivationOutput {
  const ca = { method, hash };
  if (method === 'text' && hash.algo !== 'sha256') {
    throw new NarrowError('format', `expected sha256 for text, got ${hash.algo}`);
  }
  const own = fixedOutputPath(storeDir, ca, drvName, output);
  if (path !== undefined && parseStorePath(storeDir, path) !== own) {
    throw new NarrowError('format', `expected the path ${storeDir}/${own} of its hash, got '${path}'`);
  }
  return { kind: 'fixed', path: own, ca };
}
