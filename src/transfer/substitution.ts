// What the destination can fetch from caches of its own is not sent. Caches that are down, refuse, or say nothing any more
// are given up, and what is still missing then is sent after all.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import type { QueryOptions, WritableStore } from '../store/store.ts';
import type { SubstitutingStore } from '../store/substituting.ts';
import { isSubstituting } from '../store/substituting.ts';
import type { OnEvent } from './events.ts';
import { copiedPath } from './nix-lines.ts';

export interface SubstitutionRequest {
  readonly destination: WritableStore;
  /** Not there. */
  readonly missing: readonly PathInfo[];
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long caches may say nothing, in milliseconds. */
  readonly patience?: number;
}

/** Nix itself tries a cache that does not answer a few times before it says so. */
const defaultPatience = 40_000;
/** Where only the beginning of a download is told: slower than this (bytes a millisecond) is given up. */
const leastRate = 250;

/** True when caches were asked, whatever came of it: then it is to be asked again what is missing. */
export async function substitute(request: SubstitutionRequest): Promise<boolean> {
  const { missing, onEvent, signal } = request;
  const destination = missing.length === 0 ? undefined : withCaches(request);
  if (!destination) return false;
  onEvent?.({ type: 'phase', text: `${destination.url} asks its caches` });
  using patience = new Patience(request.patience ?? defaultPatience);
  const sizes = new Map(missing.map((info) => [info.path, info.narSize]));
  const begun = new Set<StorePath>();
  const onLine = (line: string): void => {
    const path = copiedPath(line, destination.storeDir);
    const size = (path !== undefined && sizes.get(path)) || 0;
    patience.sign(destination.tellsProgress ? 0 : size / leastRate);
    if (path === undefined) return sayProblem(line, destination.url, onEvent);
    begun.add(path);
    onEvent?.({ type: 'phase', text: `${destination.url} fetches ${path} from its caches (${begun.size})` });
  };
  try {
    await destination.fetchSubstitutes([...sizes.keys()], {
      onLine,
      onProgress: () => patience.sign(0),
      signal: signal ? AbortSignal.any([signal, patience.signal]) : patience.signal,
    });
  } catch (error) {
    signal?.throwIfAborted();
    onEvent?.({ type: 'warning', text: `${(error as Error).message}; what its caches did not give is copied` });
  }
  return true;
}

/** What caches would be asked for, without asking for it: undefined when nobody can tell before. */
export async function substitutable(
  request: SubstitutionRequest,
  options: QueryOptions,
): Promise<readonly StorePath[] | undefined> {
  const { missing, onEvent } = request;
  const destination = missing.length === 0 ? undefined : withCaches(request);
  if (!destination) return [];
  try {
    return await destination.substitutable(
      missing.map(({ path }) => path),
      options,
    );
  } catch (error) {
    options.signal?.throwIfAborted();
    onEvent?.({ type: 'warning', text: `${(error as Error).message}; its caches cannot be asked` });
    return [];
  }
}

/** The destination, if it has caches; else that is said. */
function withCaches({ destination, onEvent }: SubstitutionRequest): SubstitutingStore | undefined {
  if (isSubstituting(destination)) return destination;
  onEvent?.({ type: 'warning', text: `${destination.url} has no caches of its own to ask: everything is copied` });
  return undefined;
}

/** Errors and warnings are for the user, who sees what is copied and why; the rest is Nix's chatter. */
function sayProblem(line: string, url: string, onEvent: OnEvent | undefined): void {
  const problem = /^(?:warning|error): ?(.*)$/.exec(line);
  if (problem) onEvent?.({ type: 'said', who: url, text: problem[1]! });
}

/** Gives up when there is no sign of life for too long. */
class Patience implements Disposable {
  readonly #abort = new AbortController();
  readonly #base: number;
  #until = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(base: number) {
    this.#base = base;
    this.sign(0);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something happened; what was begun may take `more` milliseconds. */
  sign(more: number): void {
    this.#until = Math.max(this.#until, performance.now() + this.#base + more);
    this.#timer ??= setTimeout(() => this.#look(), this.#until - performance.now());
  }

  #look(): void {
    this.#timer = undefined;
    const left = this.#until - performance.now();
    if (left > 0) this.#timer = setTimeout(() => this.#look(), left);
    else this.#abort.abort(new NarrowError('unavailable', 'the caches of the destination say nothing any more'));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
