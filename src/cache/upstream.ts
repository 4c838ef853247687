// Caches that clients ask anyway: what they have, and a trusted key signed, need not lie in ours.

import { equalHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import { mediaTypes } from '../store/cache/files.ts';
import type { FileOptions } from '../store/cache/files.ts';
import type { Store } from '../store/store.ts';
import { upstreamsName } from './layout.ts';

const maxList = 1 << 20;

/** Those of `infos` that one of the caches has with the same contents, signed by a trusted key. */
export async function signedUpstream(
  upstreams: readonly Store[],
  infos: readonly PathInfo[],
  trustedKeys: TrustedKeys,
  options: FileOptions = {},
): Promise<Set<StorePath>> {
  const there = new Set<StorePath>();
  for (const upstream of upstreams) {
    const wanted = infos.filter(({ path }) => !there.has(path));
    const known = await upstream.pathInfos(
      wanted.map(({ path }) => path),
      options,
    );
    for (const info of wanted) {
      const theirs = known.get(info.path);
      const same = theirs && equalHash(theirs.narHash, info.narHash);
      if (same && trustedKeys.validSignatures(upstream.storeDir, theirs).length > 0) there.add(info.path);
    }
  }
  return there;
}

/** URLs of the caches that this one leaves paths to. */
export async function readUpstreams(
  { files }: Pick<CacheStore, 'files'>,
  options: FileOptions = {},
): Promise<string[]> {
  const text = (await files.read(upstreamsName, maxList, options))?.toString('utf8') ?? '';
  return text.split('\n').filter((line) => line !== '');
}

/** Notes them, so that who checks the cache knows where the rest is. */
export async function noteUpstreams(
  store: Pick<CacheStore, 'files'>,
  urls: readonly string[],
  options: FileOptions = {},
): Promise<void> {
  const known = await readUpstreams(store, options);
  const all = [...new Set([...known, ...urls])];
  if (all.length === known.length) return;
  await store.files.write(upstreamsName, Buffer.from(`${all.join('\n')}\n`), mediaTypes.text, options);
}
