// A cache on a machine with narrow, `ssh://HOST?remote-store=file:///DIR`: what is pushed travels there as deltas against what the
// cache has. Everything else (leases, pins, names, signatures) needs its files, which are the same directory over SFTP.

import { NarrowError } from '../errors.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import { isInspectable } from '../store/facts.ts';
import type { DeltaDestination, Meeting, Store, WritableStore } from '../store/store.ts';
import { isDeltaDestination, isWritable } from '../store/store.ts';
import { parseStoreUrl } from '../store/url.ts';
import { forward } from '../store/wrap/forward.ts';

/** One cache by two ways. */
export interface FarCache {
  /** To a narrow, if there is one. */
  readonly ssh: string;
  readonly sftp: string;
}

/** What both ways need to log in. */
const login = ['ssh-key', 'base64-ssh-public-host-key', 'compress'];
/** Files of the other machine. */
const keys = ['secret-key', 'secret-keys'];

/** Undefined for what is no machine over ssh. Throws `unsupported` for one without a cache in a directory. */
export function farCache(url: string): FarCache | undefined {
  if (!/^ssh(-ng)?:\/\//.test(url)) return undefined;
  const { place, params } = parseStoreUrl(url);
  const remote = params.get('remote-store') ?? '';
  if (!/^file:\/\/\/[^?]/.test(remote)) throw noCache(place, remote.replace(/\?.*/s, ''));
  const { place: directory, params: files } = parseStoreUrl(remote);
  for (const name of keys) files.delete(name);
  for (const name of login) if (params.has(name)) files.set(name, params.get(name)!);
  const ending = files.size === 0 ? '' : `?${files.toString()}`;
  return {
    ssh: `ssh://${place}?${params.toString()}`,
    sftp: `sftp://${place}${directory.split('/').map(encodeURIComponent).join('/')}${ending}`,
  };
}

function noCache(place: string, remote: string): NarrowError {
  const what = remote === '' ? 'its own store' : remote;
  return new NarrowError('unsupported', `${place} is named with ${what}, which is no static cache`, {
    hint: `name its directory: 'ssh://${place}?remote-store=file:///srv/cache'; into a store: narrow copy --to ssh://${place} PATH`,
  });
}

/**
 * The cache, to which paths are copied by way of the host when there is a narrow; else as they are. The host stays the caller's.
 */
export function byWayOf(host: Store, cache: CacheStore): WritableStore {
  if (!isWritable(host) || !isDeltaDestination(host)) return cache;
  let to: WritableStore = cache;
  const ours: Partial<DeltaDestination> & { readonly inspect: CacheStore['inspect'] } = {
    async meetSource(met) {
      const meeting = await meetOrTell(host, met);
      if (meeting.kind === 'narrow') to = host;
      return meeting;
    },
    hold: (paths) => to.hold(paths),
    check: (infos, options) => to.check(infos, options),
    add: (items, options) => to.add(items, options),
    addSignatures: (path, narHash, signatures) => to.addSignatures(path, narHash, signatures),
    realisations: (paths, options) => to.realisations(paths, options),
    inspect: (options) => (isInspectable(to) ? to.inspect(options) : cache.inspect(options)),
    deltaSize: async (infos) => (to === cache ? 0 : host.deltaSize(infos)),
    deltaReports: () => host.deltaReports(),
  };
  return forward<WritableStore>(cache, ours);
}

/** Whoever has SFTP alone has neither a narrow nor a Nix, and that is no reason not to push. */
async function meetOrTell(
  host: DeltaDestination,
  met: Parameters<DeltaDestination['meetSource']>[0],
): Promise<Meeting> {
  try {
    return await host.meetSource(met);
  } catch (error) {
    met.signal?.throwIfAborted();
    if (!(error instanceof NarrowError)) throw error;
    return { kind: 'stock', why: `no narrow answers there: ${error.message}` };
  }
}
