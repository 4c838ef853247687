// Paths that a bundle need not bring, since the other side can fetch them from a cache.

import type { BaseClosure } from '../delta/base-closure.ts';
import { NarrowError } from '../errors.ts';
import { equalHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Substitutable } from '../store/bundle/body.ts';
import { cacheUrl } from '../store/bundle/body.ts';
import type { Store } from '../store/store.ts';
import type { TrustPolicy } from '../store/trust.ts';
import { pathRefusal } from '../store/trust.ts';

export interface ElsewhereRequest {
  readonly caches: readonly Store[];
  /** All that the other side is to have, references first. */
  readonly closure: ReadonlyMap<StorePath, PathInfo>;
  /** What it has. */
  readonly there: BaseClosure;
  /** What it takes; undefined: not known, and any signature is taken for one that it trusts. */
  readonly policy: TrustPolicy | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * For each path that a cache holds signed, with the same contents as here, the URL of the first one; only such as refer to
 * nothing that the bundle has to bring, since they are fetched before. Throws `usage` for what is no cache on the web or in a
 * directory, and `unavailable`.
 */
export async function heldElsewhere(request: ElsewhereRequest): Promise<ReadonlyMap<StorePath, string>> {
  const { caches, closure, there, policy, signal } = request;
  const found = new Map<StorePath, string>();
  for (const cache of caches) {
    expectCache(cache.url);
    const wanted = [...closure.keys()].filter((path) => there.numberOf(path) < 0 && !found.has(path));
    for (const [path, info] of await cache.pathInfos(wanted, { signal }))
      if (equalHash(info.narHash, closure.get(path)!.narHash) && isAcceptable(cache, info, policy))
        found.set(path, cache.url);
  }
  const whole = new Map<StorePath, string>();
  for (const { path, references } of closure.values()) {
    const url = found.get(path);
    const complete = references.every((one) => one === path || there.numberOf(one) >= 0 || whole.has(one));
    if (url !== undefined && complete) whole.set(path, url);
  }
  return whole;
}

function isAcceptable({ storeDir }: Store, info: PathInfo, policy: TrustPolicy | undefined): boolean {
  if (policy) return pathRefusal(policy, info, true) === undefined;
  return info.signatures.length > 0 || isContentAddressed(storeDir, info);
}

function expectCache(url: string): void {
  if (cacheUrl.test(url)) return;
  throw new NarrowError('usage', `${url} cannot be named in a bundle`, {
    hint: '--substitutable takes caches: https://…, http://…, file://…, without user and password',
  });
}

/** What is needed and elsewhere, as a bundle tells it. What these refer to follows. */
export function substitutable({
  needs,
  elsewhere,
}: {
  needs: BaseClosure;
  elsewhere: ReadonlyMap<StorePath, string>;
}): Substitutable[] {
  const byUrl = new Map<string, number[]>();
  for (const [number, { path }] of needs.infos.entries()) {
    const url = elsewhere.get(path);
    if (url !== undefined) byUrl.set(url, [...(byUrl.get(url) ?? []), number]);
  }
  return [...byUrl].map(([url, numbers]) => ({ url, needs: numbers }));
}
