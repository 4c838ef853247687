// Says whether what a file brings will apply: to a store, or to what an inventory says of one. Everything that speaks against it at
// once, not the first.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import { TrustedKeys, parsePublicKey } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { isBase } from '../store/bundle/bases.ts';
import { isInspectable } from '../store/facts.ts';
import type { WritableStore } from '../store/store.ts';
import { pathRefusal } from '../store/trust.ts';
import type { Brought } from './brought.ts';
import type { Fetchable } from './fetchable.ts';
import type { Inventory } from './inventory.ts';

export interface Obstacle {
  /** `base`: there is something else under a path that others are made from. */
  readonly kind: 'missing' | 'base' | 'refused' | 'space';
  readonly path?: StorePath | undefined;
  readonly why: string;
}

export interface Applicability {
  readonly obstacles: readonly Obstacle[];
  /** How many of the paths that it brings are there. */
  readonly valid: number;
  /** How many others come from caches. */
  readonly fetched: number;
  /** Bytes of the NARs of what is not there. */
  readonly narSize: number;
}

/** What a place says of paths. */
interface Place {
  readonly url: string;
  has(path: StorePath): { readonly same: (info: PathInfo) => boolean } | undefined;
  /** Why a path that is not there is not taken. */
  refusal(info: PathInfo): string | undefined;
  readonly free: number | undefined;
  /** What comes from caches. */
  readonly fetch: Fetchable;
  mayFetch(path: StorePath): boolean;
}

const nothing: Fetchable = { infos: new Map(), failed: new Map() };

export interface AgainstOptions {
  readonly checkSignatures?: boolean;
  /** Brought by bundles that are applied before. */
  readonly before?: ReadonlySet<StorePath>;
  readonly signal?: AbortSignal | undefined;
}

export async function verifyAgainstStore(
  brought: Brought,
  store: WritableStore,
  options: AgainstOptions = {},
): Promise<Applicability> {
  const { checkSignatures = true, signal } = options;
  expectSameDir(brought, store.storeDir, store.url);
  const bases = await store.pathInfos(brought.needs, { signal });
  const fetch = brought.substitutable.size > 0 ? await brought.fetchable(store, signal) : nothing;
  const verdicts = await store.check([...brought.infos, ...fetch.infos.values()], { checkSignatures, signal });
  const told = isInspectable(store) ? await store.inspect({ signal, quick: true }) : undefined;
  return applicability(
    brought,
    {
      url: store.url,
      has(path) {
        const info = bases.get(path);
        if (info) return { same: (other) => Buffer.from(other.narHash.bytes).equals(info.narHash.bytes) };
        const status = verdicts.get(path)?.status;
        return status === 'valid' || status === 'differs' ? { same: () => status === 'valid' } : undefined;
      },
      refusal(info) {
        const verdict = verdicts.get(info.path);
        return verdict?.status === 'refused' ? verdict.why : undefined;
      },
      free: told?.space?.exact === true ? told.space.free : undefined,
      fetch,
      mayFetch: (path) => fetch.infos.has(path),
    },
    options,
    (path) => isBase(brought.base(path), bases.get(path)!),
  );
}

export function verifyAgainstInventory(
  brought: Brought,
  { facts, closure }: Inventory,
  options: AgainstOptions = {},
): Applicability {
  const { checkSignatures = true } = options;
  const { storeDir, trustedKeys, requireSignatures = true } = facts;
  const url = facts.stores.join(', ');
  const { substitutable } = brought;
  expectSameDir(brought, storeDir, url);
  const keys = new TrustedKeys((trustedKeys ?? []).map(parsePublicKey));
  const policy = { storeDir, requireSignatures, trustedKeys: keys };
  const infoOf = (path: StorePath): (typeof closure.infos)[number] | undefined => closure.infos[closure.numberOf(path)];
  return applicability(
    brought,
    {
      url,
      has(path) {
        const info = infoOf(path);
        return info && { same: (other) => isBase(info, other) };
      },
      refusal: (info) => (trustedKeys ? pathRefusal(policy, info, checkSignatures)?.message : undefined),
      free: facts.free,
      // what caches have there can only be told there
      fetch: nothing,
      mayFetch: (path) => substitutable.has(path),
    },
    options,
    (path) => Buffer.from(infoOf(path)!.narHash).equals(brought.base(path).narHash),
  );
}

function applicability(
  brought: Brought,
  place: Place,
  { before = new Set() }: AgainstOptions,
  isSameBase: (path: StorePath) => boolean,
): Applicability {
  const { fetch } = place;
  const obstacles: Obstacle[] = [];
  const fresh = brought.infos.filter(({ path }) => !place.has(path) && !before.has(path));
  const bases = new Set(fresh.flatMap(({ path }) => brought.basesOf(path)));
  const needed = new Set([...fresh.flatMap(({ references }) => references), ...bases]);
  for (const path of brought.needs) {
    if (!needed.has(path) || before.has(path) || (!place.has(path) && place.mayFetch(path))) continue;
    const what = bases.has(path) ? 'paths are made from it' : 'paths refer to it';
    if (!place.has(path)) obstacles.push({ kind: 'missing', path, why: lackText(place, path, what) });
    else if (bases.has(path) && !isSameBase(path))
      obstacles.push({ kind: 'base', path, why: `${place.url} has other contents under ${path}, and ${what}` });
  }
  const coming = [...fresh, ...fetch.infos.values()];
  for (const info of coming) {
    const why = place.refusal(info);
    if (why !== undefined) obstacles.push({ kind: 'refused', path: info.path, why });
  }
  const narSize = coming.reduce((sum, info) => sum + info.narSize, 0);
  if (place.free !== undefined && narSize > place.free)
    obstacles.push({ kind: 'space', why: `${narSize} bytes are needed, and ${place.free} are free in ${place.url}` });
  const fetched = fetch.infos.size;
  return { obstacles, valid: brought.infos.length - fresh.length, fetched, narSize };
}

function lackText({ url, fetch }: Place, path: StorePath, what: string): string {
  const why = fetch.failed.get(path);
  return `${url} does not have ${path}, and ${what}${why === undefined ? '' : `; it was to be fetched, but ${why}`}`;
}

function expectSameDir(brought: Brought, storeDir: string, url: string): void {
  if (brought.storeDir === storeDir) return;
  throw new NarrowError('refused', `the bundle holds paths of ${brought.storeDir}, ${url} of ${storeDir}`);
}

/** At most so many paths that would be refused are named: it is the same with all of them. */
const shownRefusals = 3;

/** All that is missing, and what would be refused in short. */
export function obstacleLines(obstacles: readonly Obstacle[]): string[] {
  const refused = obstacles.filter(({ kind }) => kind === 'refused');
  const others = obstacles.filter(({ kind }) => kind !== 'refused');
  const more = refused.length - shownRefusals;
  return [
    ...others.map(({ why }) => why),
    ...refused.slice(0, shownRefusals).map(({ why }) => why),
    ...(more > 0 ? [`and ${more} more paths in the same way`] : []),
  ];
}
