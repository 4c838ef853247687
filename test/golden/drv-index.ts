// The golden derivations and what Nix 2.8 says of them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Derivation } from '../../src/model/derivation.ts';
import { derivationName } from '../../src/model/derivation.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import { parseDrv } from '../../src/format/drv.ts';

export interface GoldenDrv {
  readonly file: string;
  readonly name: string;
  readonly references: readonly string[];
  readonly kind: 'fixed' | 'deferred' | 'floating-ca' | 'impure' | 'input-addressed';
  readonly outputs?: Readonly<Record<string, string>>;
  readonly hashModuloMasked?: string;
  readonly hashModuloAsInput?: string | Readonly<Record<string, string>>;
  readonly showDerivation280: unknown;
}

const dir = join(import.meta.dirname, 'drv');

export const goldenDrvs: readonly GoldenDrv[] = JSON.parse(readFileSync(join(dir, 'INDEX.json'), 'utf8')) as GoldenDrv[];

export function goldenText(file: string): Buffer {
  return readFileSync(join(dir, file));
}

/** Reads one of them by its path. */
export function goldenDrv(path: StorePath): Derivation {
  return parseDrv(goldenText(path), derivationName(path), '/nix/store');
}

export function goldenPath({ file }: GoldenDrv): StorePath {
  return parseBaseName(file);
}
