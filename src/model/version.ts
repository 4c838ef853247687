// Package names and versions as Nix splits and orders them.

/** What a store path's name says: `openssl-3.0.13-dev` is `openssl` and `3.0.13-dev`. */
export interface NamedVersion {
  readonly name: string;
  /** Empty when the name has none. */
  readonly version: string;
}

/** Splits at the first dash that no letter follows, as `builtins.parseDrvName` does. */
export function splitVersion(text: string): NamedVersion {
  const match = /-(?![A-Za-z]).+$/.exec(text);
  return match
    ? { name: text.slice(0, match.index), version: text.slice(match.index + 1) }
    : { name: text, version: '' };
}

/**
 * Orders two versions as `builtins.compareVersions`: piece by piece, numbers as numbers, `pre` before nothing, letters
 * before digits.
 */
export function compareVersions(a: string, b: string): number {
  const [as, bs] = [pieces(a), pieces(b)];
  for (let i = 0; i < Math.max(as.length, bs.length); i++) {
    const [x, y] = [as[i] ?? '', bs[i] ?? ''];
    if (before(x, y)) return -1;
    if (before(y, x)) return 1;
  }
  return 0;
}

function pieces(version: string): string[] {
  return version.match(/\d+|[^\d.-]+/g) ?? [];
}

function before(a: string, b: string): boolean {
  const [numberA, numberB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (numberA && numberB) return BigInt(a) < BigInt(b);
  if (a === '' && numberB) return true;
  if (a === 'pre' && b !== 'pre') return true;
  if (b === 'pre') return false;
  if (numberB) return true;
  if (numberA) return false;
  return a < b;
}
