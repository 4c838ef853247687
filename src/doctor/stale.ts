// Paths that Nix here takes for missing from a cache, though the cache has them by now: uploaded within the last hour.

import { openStore } from '../store/open.ts';
import type { OpenContext } from '../store/open-context.ts';
import { rememberedMisses } from '../store/cache/client-memory.ts';
import type { Finding } from '../transfer/preflight.ts';

/** Misses that are looked up, newest first. */
const most = 50;
/** Seconds that Nix remembers a miss, unless nix.conf says otherwise. */
const defaultTtl = 3600;

/** Asks the cache again for what it lacked. Undefined when Nix's memory is right. */
export async function staleMemory(url: string, context: OpenContext): Promise<Finding | undefined> {
  const ttl = Number(context.settings.get('narinfo-cache-negative-ttl') ?? defaultTtl);
  const now = Date.now() / 1000;
  const misses = rememberedMisses(url, now - ttl, most);
  if (misses.length === 0) return undefined;
  await using cache = await openStore(url, context);
  const there = await Promise.all(misses.map((miss) => cache.pathByHashPart(miss.hashPart, context)));
  const stale = misses.filter((_, i) => there[i] !== undefined);
  const [newest] = stale;
  if (!newest) return undefined;
  const first = there.find((path) => path !== undefined);
  const paths = stale.length === 1 ? `${first}, which is` : `${stale.length} paths (${first} …), which are`;
  const minutes = Math.max(1, Math.ceil((newest.asked + ttl - now) / 60));
  return {
    level: 'warning',
    subject: 'memory',
    what: `Nix here remembers that ${url} lacks ${paths} there by now, for up to ${minutes} more minutes`,
    hint: `give nix --refresh, or remove ${newest.file}`,
  };
}
