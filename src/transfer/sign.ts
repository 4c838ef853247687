// Signatures for paths that a store has: made from the infos alone, contents are not read.

import type { PathInfo } from '../model/path-info.ts';
import { fingerprint } from '../model/path-info.ts';
import type { SecretKey } from '../model/signature.ts';
import { signText } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Store, WritableStore } from '../store/store.ts';

/** Signatures that a path lacks. */
export interface NewSignatures {
  readonly info: PathInfo;
  readonly signatures: readonly string[];
}

/** What signing with `keys` would add: only paths that lack a signature. The same key signs the same text alike. */
export function newSignatures(store: Store, infos: Iterable<PathInfo>, keys: readonly SecretKey[]): NewSignatures[] {
  const all = Array.from(infos, (info) => {
    const text = fingerprint(store.storeDir, info);
    return { info, signatures: keys.map((key) => signText(key, text)).filter((s) => !info.signatures.includes(s)) };
  });
  return all.filter(({ signatures }) => signatures.length > 0);
}

/** Adds them, one after the other: a store may be able to write only once at a time. Tells each path when it has its own. */
export async function* addNewSignatures(
  store: WritableStore,
  added: readonly NewSignatures[],
  signal?: AbortSignal,
): AsyncGenerator<StorePath, void, undefined> {
  await using _hold = await store.hold(added.map(({ info }) => info.path));
  for (const { info, signatures } of added) {
    signal?.throwIfAborted();
    await store.addSignatures(info.path, info.narHash, signatures);
    yield info.path;
  }
}
