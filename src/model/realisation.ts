// Realisations: which output path a content-addressed derivation's output was built to. Nix up to 2.34 names the
// output by the derivation's hash modulo, newer Nix by the derivation's path; both kinds are kept as what they are.

import { NarrowError } from '../errors.ts';
import { formatHash, parseHash } from './hash.ts';
import type { StorePath } from './store-path.ts';
import { isDerivationPath, parseBaseName, storeNameFault } from './store-path.ts';

export interface HashedRealisation {
  readonly kind: 'hashed';
  /** `sha256:<base16>!<output>`. */
  readonly id: string;
  readonly outPath: StorePath;
  readonly signatures: readonly string[];
  /** Ids of other realisations -> their output path. Nix ≥ 2.32 leaves this empty. */
  readonly dependentRealisations: Readonly<Record<string, StorePath>>;
}

export interface TracedRealisation {
  readonly kind: 'traced';
  readonly drvPath: StorePath;
  readonly output: string;
  readonly outPath: StorePath;
  readonly signatures: readonly string[];
}

export type Realisation = HashedRealisation | TracedRealisation;

/** What a realisation is about, without the answer. */
export type RealisationKey =
  | Pick<HashedRealisation, 'kind' | 'id'>
  | Pick<TracedRealisation, 'kind' | 'drvPath' | 'output'>;

/** One text that names the output: `sha256:…!out` or `….drv^out`. */
export function realisationId(key: RealisationKey): string {
  return key.kind === 'hashed' ? key.id : `${key.drvPath}^${key.output}`;
}

/** Reads what {@link realisationId} prints; the hash may be in any encoding and is made base 16. Throws `format`. */
export function parseRealisationId(text: string): RealisationKey {
  const mark = text.indexOf('!');
  if (mark >= 0) {
    const hash = formatHash(parseHash(text.slice(0, mark), 'sha256'), 'base16');
    return { kind: 'hashed', id: `${hash}!${outputName(text.slice(mark + 1), text)}` };
  }
  const caret = text.lastIndexOf('^');
  if (caret < 0) throw badId(text, "expected 'sha256:…!output' or '….drv^output'");
  const drvPath = parseBaseName(text.slice(0, caret));
  if (!isDerivationPath(drvPath)) throw badId(text, 'expected a derivation before ^');
  return { kind: 'traced', drvPath, output: outputName(text.slice(caret + 1), text) };
}

/** An output's name becomes part of file names and store paths: nothing else may stand in it. */
function outputName(name: string, text: string): string {
  const fault = storeNameFault(name);
  if (fault !== undefined) throw badId(text, `as an output, ${fault}`);
  return name;
}

function badId(text: string, why: string): NarrowError {
  return new NarrowError('format', `bad realisation id '${text.slice(0, 300)}': ${why}`);
}
