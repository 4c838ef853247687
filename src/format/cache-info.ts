// `nix-cache-info`, the file by which a binary cache says which store directory it serves and how eagerly to ask it.

import type { Place } from '../errors.ts';
import { formatError } from '../errors.ts';
import type { StoreDir } from '../model/store-path.ts';

export interface CacheInfo {
  /** Absent: the cache does not say, and Nix does not check. */
  readonly storeDir?: StoreDir | undefined;
  /** May be asked about thousands of paths at once. Absent means no. */
  readonly wantMassQuery?: boolean | undefined;
  /** Lower is asked first. Absent means 0 since Nix 2.4, that is before cache.nixos.org, which has 40. */
  readonly priority?: number | undefined;
  /** `deltas`: what was pushed last is there as deltas alone, which narrow can use and Nix cannot. Nix passes it over. */
  readonly layout?: string | undefined;
}

/** Longest file that is read, in bytes; anything longer is an error page or an attack. */
const maxSize = 65_536;

/**
 * Reads `Name: value` lines. Unknown names and lines without a colon are ignored, as Nix does, which is why any text is
 * a cache info; a number that is none is refused. Throws `format` with the line.
 */
export function parseCacheInfo(text: string | Uint8Array, place: Place = {}): CacheInfo {
  if (text.length > maxSize) {
    throw formatError('bad nix-cache-info', place, { expected: `at most ${maxSize} bytes`, got: `${text.length}` });
  }
  const input = typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
  const info: { storeDir?: StoreDir; wantMassQuery?: boolean; priority?: number; layout?: string } = {};
  for (const [index, line] of input.split('\n').entries()) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const value = line.slice(colon + 1).trim();
    const name = line.slice(0, colon);
    if (name === 'StoreDir') info.storeDir = value;
    else if (name === 'WantMassQuery') info.wantMassQuery = value === '1';
    else if (name === 'NarrowLayout') info.layout = value;
    else if (name === 'Priority') {
      info.priority = /^[+-]?[0-9]{1,9}$/.test(value) ? Number(value) : NaN;
      if (!Number.isInteger(info.priority)) {
        const got = `'${value.slice(0, 60)}'`;
        throw formatError(
          'bad Priority of nix-cache-info',
          { ...place, line: index + 1 },
          { expected: 'a number', got },
        );
      }
    }
  }
  return info;
}

/** Prints the lines that are known, in the order that caches have them. */
export function formatCacheInfo(info: CacheInfo): string {
  const { storeDir, wantMassQuery, priority, layout } = info;
  return (
    (storeDir === undefined ? '' : `StoreDir: ${storeDir}\n`) +
    (wantMassQuery === undefined ? '' : `WantMassQuery: ${wantMassQuery ? 1 : 0}\n`) +
    (priority === undefined ? '' : `Priority: ${priority}\n`) +
    (layout === undefined ? '' : `NarrowLayout: ${layout}\n`)
  );
}
