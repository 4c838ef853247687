// Realisations: which output path a content-addressed derivation's output was built to. Nix up to 2.34 names the
// output by the derivation's hash modulo, newer Nix by the derivation's path; both kinds are kept as what they are.

import type { StorePath } from './store-path.ts';

export interface HashedRealisation {
  readonly kind: 'hashed';
  /** `sha256:<base16>!<output>`. */
  readonly id: string;
  readonly outPath: StorePath;
  readonly signatures: readonly string[];
  /** Ids of other realisations -> their output path. */
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

/** One text that names the output: `sha256:…!out` or `….drv^out`. */
export function realisationId(realisation: Realisation): string {
  return realisation.kind === 'hashed' ? realisation.id : `${realisation.drvPath}^${realisation.output}`;
}
