// Which of many paths a cache has, guessed from what pushes have noted, and which few have to be looked at to know it: where a path
// is there, so is all that it refers to. So it is enough to look at those on top of what is there, and at the bottom of what is not.

import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { PathHints } from './path-hints.ts';

export interface Guess {
  readonly there: readonly PathInfo[];
  readonly absent: readonly PathInfo[];
  /** With other contents or signatures than were noted: to be looked at. */
  readonly unclear: readonly PathInfo[];
  /** Of those there: what none of the others refers to. If all of these are there, so are the others. */
  readonly top: readonly PathInfo[];
  /** Of those absent: some that refer to none of the others. If they are, nothing was forgotten. */
  readonly bottom: readonly PathInfo[];
}

/** As many of the absent are looked at: a note that was lost costs its path one question later, and not a plan that is wrong. */
const sample = 16;

/** Undefined when nothing is known. */
export function guessFrom(hints: PathHints, infos: readonly PathInfo[]): Guess | undefined {
  if (hints.size === 0) return undefined;
  const groups = Map.groupBy(infos, (info) => hints.expectation(info));
  const { there = [], absent = [], unclear = [] } = Object.fromEntries(groups);
  const below = new Set<StorePath>();
  for (const { path, references } of there) for (const one of references) if (one !== path) below.add(one);
  const open = new Set([...absent, ...unclear].map(({ path }) => path));
  const lowest = absent.filter(({ path, references }) => references.every((one) => one === path || !open.has(one)));
  const step = Math.max(1, Math.ceil(lowest.length / sample));
  return {
    there,
    absent,
    unclear,
    top: there.filter(({ path }) => !below.has(path)),
    bottom: lowest.filter((_, index) => index % step === 0),
  };
}
