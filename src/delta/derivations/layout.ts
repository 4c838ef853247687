// Derivations as columns: what follows from the rest (paths of outputs, of inputs, of the derivations themselves) is left
// out. Described in docs/formats/bundle.md.

import type { ByteString } from '../../bytes/byte-string.ts';
import type { ContentAddress } from '../../model/content-address.ts';
import type { Derivation } from '../../model/derivation.ts';
import { encodeHash } from '../../model/hash.ts';
import type { HashAlgo, HashEncoding } from '../../model/hash.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';

export const column = {
  /** Counts, and numbers of inputs. */
  number: 0,
  /** Names of derivations and outputs, systems, builders: each ended by NUL. */
  name: 1,
  /** Names of variables. */
  variable: 2,
  /** Arguments and values, with marks. */
  text: 3,
  /** Which path each mark stands for. */
  mark: 4,
  /** Of fixed outputs their digests. */
  digest: 5,
} as const;
export const drvColumns = 6;

/** A derivation is `computed`, or fixed: 1 + place of the method + 4 times that of the algorithm. */
export const computed = 0;
export const methods: readonly ['text', 'flat', 'nar', 'git'] = ['text', 'flat', 'nar', 'git'];
export const algos: readonly HashAlgo[] = ['sha256', 'sha1', 'md5', 'sha512'];

/** In a text: a path that can be named by number. */
export const pathMark = '\x01';
/** In a text: the digest of the fixed output, in the form of the number behind it. */
export const digestMark = '\x02';
export const digestForms: readonly HashEncoding[] = ['base16', 'base32', 'base64'];

/** A derivation that is used; `drv` where it is in these columns, too. */
export interface Input {
  readonly path: StorePath;
  readonly drv: Derivation | undefined;
  /** Its outputs that are used. */
  readonly names: readonly string[];
}

/** What the texts of a derivation can name: what its inputs make, its sources, its inputs. */
export function namedPaths(inputs: readonly Input[], sources: readonly StorePath[]): StorePath[] {
  const made = inputs.flatMap(({ drv, names }) =>
    names.flatMap((name) => {
      const output = drv?.outputs.get(name);
      return output?.kind === 'fixed' || output?.kind === 'input-addressed' ? [output.path] : [];
    }),
  );
  return [...new Set([...made, ...sources, ...inputs.map(({ path }) => path)])];
}

export function digestText({ hash }: ContentAddress, form: number): string | undefined {
  const encoding = digestForms[form];
  return encoding && encodeHash(hash, encoding);
}

/** The texts with what takes the place of the own paths, which are blank while they are not known. */
export function withOwnPaths(drv: Derivation, storeDir: StoreDir, fill: boolean): Map<ByteString, ByteString> {
  const env = new Map(drv.env);
  for (const [name, output] of drv.outputs) {
    if (!env.has(name as ByteString)) continue;
    const path = output.kind === 'fixed' || output.kind === 'input-addressed' ? output.path : undefined;
    env.set(name as ByteString, (fill && path ? printStorePath(storeDir, path) : '') as ByteString);
  }
  return env;
}
