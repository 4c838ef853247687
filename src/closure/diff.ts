// What changes from one closure to another, as people think of it: packages and their versions.

import { compareBytes } from '../bytes/byte-string.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { pathName } from '../model/store-path.ts';
import { compareVersions, splitVersion } from '../model/version.ts';

/** `rebuilt`: the same versions under other hashes. */
export type ChangeKind = 'added' | 'removed' | 'upgraded' | 'downgraded' | 'changed' | 'rebuilt';

export interface Change {
  readonly name: string;
  readonly kind: ChangeKind;
  /** Versions that only the one side has (for `rebuilt`: those of both), in order; empty text for none. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Bytes of NARs, after less before, of the paths that are not in both. */
  readonly sizeDelta: number;
  readonly removed: readonly StorePath[];
  readonly added: readonly StorePath[];
}

type Infos = ReadonlyMap<StorePath, PathInfo>;

/** Changes by package name, sorted. Paths that both closures have count for nothing. */
export function diffClosures(before: Infos, after: Infos): Change[] {
  const removed = byName([...before.values()].filter((info) => !after.has(info.path)));
  const added = byName([...after.values()].filter((info) => !before.has(info.path)));
  const names = [...new Set([...removed.keys(), ...added.keys()])].sort(compareBytes);
  return names.map((name) => changeOf(name, removed.get(name) ?? [], added.get(name) ?? []));
}

function byName(infos: readonly PathInfo[]): Map<string, PathInfo[]> {
  return Map.groupBy(infos, (info) => splitVersion(pathName(info.path)).name);
}

function changeOf(name: string, removed: readonly PathInfo[], added: readonly PathInfo[]): Change {
  const [before, after] = [versions(removed), versions(added)];
  const size = (infos: readonly PathInfo[]): number => infos.reduce((sum, info) => sum + info.narSize, 0);
  return {
    name,
    kind: kindOf(before, after),
    before,
    after,
    sizeDelta: size(added) - size(removed),
    removed: removed.map((info) => info.path),
    added: added.map((info) => info.path),
  };
}

function versions(infos: readonly PathInfo[]): string[] {
  return [...new Set(infos.map((info) => splitVersion(pathName(info.path)).version))].sort(compareVersions);
}

function kindOf(before: readonly string[], after: readonly string[]): ChangeKind {
  if (before.length === 0) return 'added';
  if (after.length === 0) return 'removed';
  if (before.join(' ') === after.join(' ')) return 'rebuilt';
  const order = compareVersions(before.at(-1)!, after.at(-1)!);
  return order < 0 ? 'upgraded' : order > 0 ? 'downgraded' : 'changed';
}
