// What Nix on this machine remembers of caches: it does not ask again for an hour after a path was missing. One database for
// each layout of its tables, `binary-cache-v6.sqlite` (2.3 to 2.30) and later; read, never written.

import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isHashPart } from '../../model/store-path.ts';

/** A path that a cache lacked when it was asked. */
export interface RememberedMiss {
  readonly hashPart: string;
  /** Seconds since 1970. */
  readonly asked: number;
  /** The database that says so. */
  readonly file: string;
}

/**
 * The newest misses of the cache at `url`, at most `limit`, that were asked for after `since` (seconds since 1970). Databases that
 * cannot be read count as empty: they are a memory, nothing depends on them.
 */
export function rememberedMisses(
  url: string,
  since: number,
  limit: number,
  env: NodeJS.ProcessEnv = process.env,
): RememberedMiss[] {
  const directory = join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'nix');
  const place = url.replace(/\?.*$/, '').replace(/\/+$/, '');
  return databases(directory)
    .flatMap((file) => missesIn(file, place, since, limit))
    .sort((a, b) => b.asked - a.asked)
    .slice(0, limit);
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

const query = `select n.hashPart, n.timestamp from BinaryCaches c join NARs n on n.cache = c.id
  where rtrim(c.url, '/') = ? and n.present = 0 and n.timestamp > ? order by n.timestamp desc limit ?`;

function missesIn(file: string, url: string, since: number, limit: number): RememberedMiss[] {
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 200 });
    try {
      return database
        .prepare(query)
        .all(url, since, limit)
        .flatMap((row): RememberedMiss[] => {
          const { hashPart, timestamp } = row;
          return typeof hashPart === 'string' && isHashPart(hashPart)
            ? [{ hashPart, asked: Number(timestamp), file }]
            : [];
        });
    } finally {
      database.close();
    }
  } catch {
    return [];
  }
}
