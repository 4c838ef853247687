// A walk over references through a daemon, whose protocol has no question for a closure: level by level it waits once a level.
// Where another program there tells which paths it will come to, they are asked about at once; what it tells is a hint only.

import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';

/** Tells the closure of valid paths, or rejects; a hint. */
export type ClosureHint = (roots: readonly StorePath[]) => Promise<readonly StorePath[]>;

export interface WalkOptions {
  readonly hint: ClosureHint | undefined;
  /** Resolves when a question is sent without waiting. */
  readonly ready: () => Promise<unknown>;
  readonly ask: (paths: readonly StorePath[]) => Promise<readonly PathInfo[]>;
  /** Walks begin with what is held. */
  readonly held: (path: StorePath) => boolean;
}

/** More roots than these make no command line. */
const mostRoots = 100;
/** How long a hint is waited for beyond the first answer: as long as that one took, and at least so many milliseconds. */
const patience = 100;

export class WalkAhead {
  readonly #options: WalkOptions;
  readonly #ahead = new Map<StorePath, PathInfo>();
  /** Roots whose closure was asked for. */
  readonly #hinted = new Set<StorePath>();

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  async infos(paths: Iterable<StorePath>): Promise<Map<StorePath, PathInfo>> {
    const wanted = [...new Set(paths)];
    const unknown = wanted.filter((path) => !this.#ahead.has(path));
    if (unknown.length > 0) await this.#learn(unknown);
    const found = new Map<StorePath, PathInfo>();
    for (const path of wanted) {
      const info = this.#ahead.get(path);
      if (info) found.set(path, info);
      // told once: whoever asks again wants to know how it is then
      this.#ahead.delete(path);
    }
    return found;
  }

  async #learn(paths: readonly StorePath[]): Promise<void> {
    const began = performance.now();
    const hint = this.#hint(paths);
    if (!hint) return this.#ask(paths);
    await this.#options.ready();
    const early = await settled(hint, 0);
    await this.#ask([...new Set([...paths, ...early])]);
    if (early.length > 0) return;
    const closure = await settled(hint, Math.max(patience, performance.now() - began));
    await this.#ask(closure.filter((path) => !paths.includes(path)));
  }

  async #ask(paths: readonly StorePath[]): Promise<void> {
    if (paths.length === 0) return;
    for (const info of await this.#options.ask(paths)) this.#ahead.set(info.path, info);
  }

  #hint(paths: readonly StorePath[]): Promise<readonly StorePath[]> | undefined {
    const { hint, held } = this.#options;
    const roots = paths.filter((path) => held(path) && !this.#hinted.has(path));
    if (!hint || roots.length < paths.length || roots.length > mostRoots) return undefined;
    for (const root of roots) this.#hinted.add(root);
    return hint(roots).catch(() => []);
  }
}

/** What is told within so many milliseconds, else nothing. */
async function settled(hint: Promise<readonly StorePath[]>, milliseconds: number): Promise<readonly StorePath[]> {
  const { promise, resolve } = Promise.withResolvers<readonly StorePath[]>();
  const timer = setTimeout(() => resolve([]), milliseconds);
  try {
    return await Promise.race([hint, promise]);
  } finally {
    clearTimeout(timer);
  }
}
