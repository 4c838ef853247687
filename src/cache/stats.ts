// What fills a cache: sizes by package, what shared NARs spare, and how it grew.

import { pathName } from '../model/store-path.ts';
import { splitVersion } from '../model/version.ts';
import { deltasDirectory } from '../store/cache/delta-list.ts';
import type { Inventory } from './inventory.ts';

export interface PackageSize {
  readonly name: string;
  readonly paths: number;
  readonly versions: number;
  readonly narSize: number;
  /** Bytes of its files; a file that several paths share counts for the first of them. */
  readonly fileSize: number;
}

export interface CacheStats {
  readonly paths: number;
  readonly narSize: number;
  /** Bytes of NAR files. */
  readonly fileSize: number;
  /** Bytes that would lie there more if no paths shared a file. */
  readonly shared: number;
  /** Bytes of deltas, their lists and what these need. */
  readonly deltaSize: number;
  /** The largest first. */
  readonly packages: readonly PackageSize[];
  /** What was added in each month (`2026-11`), of what is still there. */
  readonly months: readonly { readonly month: string; readonly paths: number; readonly fileSize: number }[];
}

export function cacheStats({ rows, narinfos, narOf, nars, others }: Inventory): CacheStats {
  const packages = new Map<string, { paths: number; versions: Set<string>; narSize: number; fileSize: number }>();
  const months = new Map<string, { paths: number; fileSize: number }>();
  const seen = new Uint8Array(nars.length);
  const total = { narSize: 0, fileSize: 0, shared: 0 };
  for (const [row, { path, narSize, fileSize }] of rows.entries()) {
    const nar = narOf[row]!;
    const size = nars[nar]!.file?.size ?? fileSize;
    const own = seen[nar] ? 0 : size;
    seen[nar] = 1;
    total.narSize += narSize;
    total.fileSize += own;
    total.shared += size - own;
    const { name, version } = splitVersion(pathName(path));
    const one = packages.get(name) ?? { paths: 0, versions: new Set(), narSize: 0, fileSize: 0 };
    one.paths++;
    one.versions.add(version);
    one.narSize += narSize;
    one.fileSize += own;
    packages.set(name, one);
    const month = new Date(narinfos[row]!.modified).toISOString().slice(0, 7);
    const grown = months.get(month) ?? { paths: 0, fileSize: 0 };
    months.set(month, { paths: grown.paths + 1, fileSize: grown.fileSize + own });
  }
  return {
    paths: rows.length,
    ...total,
    deltaSize: others.reduce((sum, file) => sum + (isOfDeltas(file.reference) ? file.size : 0), 0),
    packages: [...packages]
      .map(([name, { versions, ...rest }]) => ({ name, ...rest, versions: versions.size }))
      .sort((a, b) => b.fileSize - a.fileSize || (a.name < b.name ? -1 : 1)),
    months: [...months].map(([month, rest]) => ({ month, ...rest })).sort((a, b) => (a.month < b.month ? -1 : 1)),
  };
}

function isOfDeltas(reference: string): boolean {
  return reference.startsWith(`${deltasDirectory}/`);
}
