// What Nix on this machine remembers of caches: it does not ask again for an hour after a path was missing, and for 30 days after
// it was there. One database for each layout of its tables, `binary-cache-v6.sqlite` (2.3 to 2.30) and later; read, never written.

import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isHashPart } from '../../model/store-path.ts';

/** What a cache answered when it was asked for a path. */
export interface RememberedAnswer {
  readonly hashPart: string;
  /** What follows the hash part, of what was there. */
  readonly name: string | undefined;
  /** Seconds since 1970. */
  readonly asked: number;
  /** The database that says so. */
  readonly file: string;
}

/**
 * Answers of the cache at `url` that were given after `since` (seconds since 1970), the newest first: what was there, or what was
 * missing. Databases that cannot be read count as empty: they are a memory, nothing depends on them.
 */
export function rememberedAnswers(
  url: string,
  which: 'there' | 'missing',
  since: number,
  env: NodeJS.ProcessEnv = process.env,
): RememberedAnswer[] {
  const directory = join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'nix');
  const place = url.replace(/\?.*$/, '').replace(/\/+$/, '');
  return databases(directory)
    .flatMap((file) => answersIn(file, place, which === 'there' ? 1 : 0, since))
    .sort((a, b) => b.asked - a.asked);
}

function databases(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^binary-cache-v\d+\.sqlite$/.test(name))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

const query = `select n.hashPart, n.namePart, n.timestamp from BinaryCaches c join NARs n on n.cache = c.id
  where rtrim(c.url, '/') = ? and n.present = ? and n.timestamp > ?`;

function answersIn(file: string, url: string, present: 0 | 1, since: number): RememberedAnswer[] {
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 200 });
    try {
      return database
        .prepare(query)
        .all(url, present, since)
        .flatMap(({ hashPart, namePart, timestamp }): RememberedAnswer[] => {
          if (typeof hashPart !== 'string' || !isHashPart(hashPart)) return [];
          const name = typeof namePart === 'string' && namePart !== '' ? namePart : undefined;
          return [{ hashPart, name, asked: Number(timestamp), file }];
        });
    } finally {
      database.close();
    }
  } catch {
    return [];
  }
}
