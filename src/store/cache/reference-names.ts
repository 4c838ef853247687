// From a reference to names below the cache's root: what a narinfo says never leads out of it.

import type { NarrowError } from '../../errors.ts';
import { formatError } from '../../errors.ts';

/** `source` is the cache, for errors. Throws `format` for what names no file below its root. */
export function namesOfReference(reference: string, source: string): string[] {
  const bare = reference.replace(/[?#].*$/s, '');
  const fail = (why: string): NarrowError => {
    const got = `'${reference.slice(0, 200)}', ${why}`;
    return formatError('bad URL of a file in a cache', { source }, { got });
  };
  if (/^[a-z][a-z0-9+.-]*:/i.test(bare)) throw fail('and only http and https are followed');
  if (bare.startsWith('/')) throw fail('which is not relative to the cache');
  const names = decode(bare)
    ?.split('/')
    .filter((name) => name !== '' && name !== '.');
  if (!names || names.length === 0) throw fail('which names no file');
  if (names.includes('..')) throw fail('which leads out of the cache');
  if (names.some((name) => name.includes('\0'))) throw fail('which has a NUL in it');
  return names;
}

/** The file is on another host. */
export function isElsewhere(reference: string): boolean {
  return /^https?:\/\//i.test(reference);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
