// Small graphs of path infos for tests: node n is named by `name(n)` and refers to the nodes given.

import { hashBytes } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { parseBaseName } from '../../src/model/store-path.ts';

export const path = (n: number, name = `p${n}`): StorePath => parseBaseName(`${String(n).padStart(32, '0')}-${name}`);

export const info = (n: number, references: readonly StorePath[] = [], name?: string): PathInfo => ({
  path: path(n, name),
  narHash: hashBytes(String(n)),
  narSize: 10 ** n,
  references,
  signatures: [],
});

export const infosOf = (...infos: PathInfo[]): Map<StorePath, PathInfo> => new Map(infos.map((one) => [one.path, one]));
