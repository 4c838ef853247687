// What Nix here remembers of a cache and is no longer so: paths that it takes for missing, uploaded within the last hour, and paths
// that it takes for there, though they were collected within the last 30 days.

import type { NixSettings } from '../config/nix-conf.ts';
import { openStore } from '../store/open.ts';
import type { OpenContext } from '../store/open-context.ts';
import { rememberedAnswers } from '../store/cache/client-memory.ts';
import type { RememberedAnswer } from '../store/cache/client-memory.ts';
import type { Store } from '../store/store.ts';
import type { Finding } from '../transfer/preflight.ts';

/** Misses that are looked up, newest first. */
const mostMisses = 50;
/** Hits that are looked up, from the newest to the oldest: collections take the oldest. */
const mostHits = 200;
/** Seconds that Nix remembers, unless nix.conf says otherwise. */
const defaultTtls = { 'narinfo-cache-negative-ttl': 3600, 'narinfo-cache-positive-ttl': 30 * 86_400 } as const;

/** Asks the cache again for what Nix remembers. Nothing when Nix's memory is right. */
export async function staleMemory(url: string, context: OpenContext): Promise<Finding[]> {
  const now = Date.now() / 1000;
  const missTtl = ttlOf(context.settings, 'narinfo-cache-negative-ttl');
  const hitTtl = ttlOf(context.settings, 'narinfo-cache-positive-ttl');
  const misses = rememberedAnswers(url, 'missing', now - missTtl).slice(0, mostMisses);
  const hits = spread(rememberedAnswers(url, 'there', now - hitTtl), mostHits);
  if (misses.length + hits.length === 0) return [];
  await using cache = await openStore(url, context);
  const found = [
    await arrived(cache, misses, { url, until: missTtl - now, context }),
    await gone(cache, hits, { url, until: hitTtl - now, context }),
  ];
  return found.filter((finding) => finding !== undefined);
}

function ttlOf(settings: NixSettings, name: keyof typeof defaultTtls): number {
  return Number(settings.get(name) ?? defaultTtls[name]);
}

/** Some of all, evenly. */
function spread<T>(all: readonly T[], most: number): T[] {
  const step = Math.max(1, all.length / most);
  return Array.from({ length: Math.min(most, all.length) }, (_, i) => all[Math.floor(i * step)]!);
}

interface Asking {
  readonly url: string;
  /** Added to the time of an answer: the seconds for which it is still remembered. */
  readonly until: number;
  readonly context: OpenContext;
}

async function arrived(
  cache: Store,
  misses: readonly RememberedAnswer[],
  { url, until, context }: Asking,
): Promise<Finding | undefined> {
  const there = await Promise.all(misses.map((miss) => cache.pathByHashPart(miss.hashPart, context)));
  const stale = misses.filter((_, i) => there[i] !== undefined);
  const [newest] = stale;
  if (!newest) return undefined;
  const first = there.find((path) => path !== undefined);
  const paths = stale.length === 1 ? `${first}, which is` : `${stale.length} paths (${first} …), which are`;
  const minutes = Math.max(1, Math.ceil((newest.asked + until) / 60));
  return {
    level: 'warning',
    subject: 'memory',
    what: `Nix here remembers that ${url} lacks ${paths} there by now, for up to ${minutes} more minutes`,
    hint: `give nix --refresh, or remove ${newest.file}`,
  };
}

async function gone(
  cache: Store,
  hits: readonly RememberedAnswer[],
  { url, until, context }: Asking,
): Promise<Finding | undefined> {
  const there = await Promise.all(hits.map((hit) => cache.pathByHashPart(hit.hashPart, context)));
  const stale = hits.filter((_, i) => there[i] === undefined);
  const [newest] = stale;
  if (!newest) return undefined;
  const first = `${newest.hashPart}${newest.name === undefined ? '' : `-${newest.name}`}`;
  const paths =
    stale.length === 1 ? `${first}, which is` : `${stale.length} of ${hits.length} paths (${first} …), which are`;
  const days = Math.max(1, Math.ceil((newest.asked + until) / 86_400));
  return {
    level: 'warning',
    subject: 'memory',
    what: `Nix here remembers that ${url} has ${paths} gone by now, for up to ${days} more days`,
    hint: `give nix --refresh, or --option narinfo-cache-positive-ttl 0, or remove ${newest.file}`,
  };
}
