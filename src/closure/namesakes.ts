// Which paths of a store are likely to be earlier versions of others: those of the same package.

import { splitVersion } from '../model/version.ts';
import { isDerivationPath, pathName } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';

/** What a path's name says beside its version: `git`, `nixos-system-pi1`, `openssl.drv`. */
function familyOf(path: StorePath): string {
  const name = pathName(path);
  const kind = isDerivationPath(path) ? '.drv' : '';
  return splitVersion(kind === '' ? name : name.slice(0, -kind.length)).name + kind;
}

/** Those of `paths` that carry the package name of one of `wanted`, for each of these in the order of `paths`. */
export function namesakes(paths: Iterable<StorePath>, wanted: readonly StorePath[]): Map<StorePath, StorePath[]> {
  const found = new Map(wanted.map((path) => [path, [] as StorePath[]]));
  const byPackage = Map.groupBy(wanted, familyOf);
  for (const path of paths) for (const root of byPackage.get(familyOf(path)) ?? []) found.get(root)!.push(path);
  return found;
}
