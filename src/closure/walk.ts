// Closures: everything a set of paths needs, found level by level so that each level is one question to the store.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';

/** Answers for many paths at once; misses are absent. */
export type InfoQuery = (paths: readonly StorePath[]) => Promise<ReadonlyMap<StorePath, PathInfo>>;

/** A path that something refers to and that the store does not have. */
export interface MissingReference {
  readonly path: StorePath;
  /** Undefined for a root. */
  readonly referrer: StorePath | undefined;
}

export interface Closure {
  /** References before referrers. */
  readonly infos: ReadonlyMap<StorePath, PathInfo>;
  readonly missing: readonly MissingReference[];
}

/** Infos of `roots` and of all they refer to, with what is missing told, not thrown. */
export async function walkClosure(query: InfoQuery, roots: Iterable<StorePath>): Promise<Closure> {
  const infos = new Map<StorePath, PathInfo>();
  const missing: MissingReference[] = [];
  let level = new Map<StorePath, StorePath | undefined>([...roots].map((root) => [root, undefined]));
  while (level.size > 0) {
    const found = await query([...level.keys()]);
    for (const [path, referrer] of level) {
      const info = found.get(path);
      if (info) infos.set(path, info);
      else missing.push({ path, referrer });
    }
    level = nextLevel(found, level, infos);
  }
  return { infos: inOrder(infos), missing };
}

function nextLevel(
  found: ReadonlyMap<StorePath, PathInfo>,
  asked: ReadonlyMap<StorePath, unknown>,
  infos: ReadonlyMap<StorePath, PathInfo>,
): Map<StorePath, StorePath> {
  const next = new Map<StorePath, StorePath>();
  for (const info of found.values()) {
    for (const reference of info.references) {
      if (!infos.has(reference) && !asked.has(reference)) next.set(reference, info.path);
    }
  }
  return next;
}

/** Like {@link walkClosure}, but every path must be there. Throws `missing`, naming up to ten and who needs them. */
export async function closureOf(
  query: InfoQuery,
  roots: Iterable<StorePath>,
  where: string,
): Promise<Map<StorePath, PathInfo>> {
  const { infos, missing } = await walkClosure(query, roots);
  if (missing.length === 0) return new Map(infos);
  const shown = missing.slice(0, 10).map(({ path, referrer }) => (referrer ? `${path} (needed by ${referrer})` : path));
  const more = missing.length > 10 ? ` and ${missing.length - 10} more` : '';
  throw new NarrowError('missing', `${where} does not have ${shown.join(', ')}${more}`, {
    data: { missing: missing.map((m) => m.path) },
  });
}

/**
 * The infos with references before referrers, otherwise in the order given. References outside the map are ignored,
 * a path's reference to itself too. Throws `format` on a cycle, which no real store has. Iterative: closures of
 * derivations are thousands deep.
 */
export function inOrder(infos: ReadonlyMap<StorePath, PathInfo>): Map<StorePath, PathInfo> {
  const ordered = new Map<StorePath, PathInfo>();
  const open = new Set<StorePath>();
  for (const root of infos.values()) {
    const stack = ordered.has(root.path) ? [] : [{ info: root, next: 0 }];
    if (stack.length > 0) open.add(root.path);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const reference = top.info.references[top.next++];
      if (reference === undefined) {
        stack.pop();
        open.delete(top.info.path);
        ordered.set(top.info.path, top.info);
        continue;
      }
      const info = reference === top.info.path || ordered.has(reference) ? undefined : infos.get(reference);
      if (!info) continue;
      if (open.has(reference)) {
        throw new NarrowError('format', `the references of ${reference} lead back to itself through ${top.info.path}`);
      }
      open.add(reference);
      stack.push({ info, next: 0 });
    }
  }
  return ordered;
}
