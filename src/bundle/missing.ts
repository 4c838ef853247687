// What has to be sent again, or beside it, before a bundle can be applied: found out where it is to be applied.

import { isNarrowError } from '../errors.ts';
import type { NarrowError } from '../errors.ts';
import type { TrustedKeys } from '../model/signature.ts';
import { Bundle } from '../store/bundle/bundle.ts';
import type { Damage } from '../store/bundle/volume-file.ts';
import { VolumeSet } from '../store/bundle/volume-set.ts';
import type { Store, WritableStore } from '../store/store.ts';
import { broughtBy } from './brought.ts';
import type { BundleRequest, NeededPath } from './request.ts';
import { takeInventory } from './take-inventory.ts';
import type { Obstacle } from './verify.ts';
import { verifyAgainstStore } from './verify.ts';

export interface MissingRequest {
  readonly files: readonly string[];
  readonly destination: WritableStore;
  /** Those of this machine. */
  readonly trustedKeys: TrustedKeys;
  /** Opens the caches that a bundle names. */
  readonly openCache?: ((url: string) => Promise<Store>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Lack extends BundleRequest {
  readonly damages: readonly Damage[];
  /** What is wrong with files that are no volumes any more. */
  readonly unreadable: readonly NarrowError[];
  /** What keeps the bundle from being applied and cannot be sent: signatures, room. */
  readonly others: readonly Obstacle[];
  /** Undefined: whether paths are missing cannot be told before the volumes are there. */
  readonly checkedPaths: boolean;
}

/** Throws `format` for volumes of several bundles. */
export async function findLack(request: MissingRequest): Promise<Lack> {
  const { id: bundle, absent, after, unreadable } = await VolumeSet.survey(request.files);
  if (absent.length > 0 || after !== undefined)
    return { bundle, volumes: absent, after, unreadable, paths: [], damages: [], ...unchecked };
  const damages = await damagesOf(request);
  const volumes = [...new Set(damages.map(({ volume }) => volume))];
  const lack = { bundle, volumes, after: undefined, unreadable, damages };
  return { ...lack, ...(await lackOfPaths(request)) };
}

const unchecked = { there: undefined, others: [], checkedPaths: false };

async function damagesOf({ files, signal }: MissingRequest): Promise<Damage[]> {
  await using volumes = await VolumeSet.open(files);
  const damages: Damage[] = [];
  for await (const damage of volumes.damages(undefined, signal)) damages.push(damage);
  return damages;
}

async function lackOfPaths(
  request: MissingRequest,
): Promise<Pick<Lack, 'paths' | 'there' | 'others' | 'checkedPaths'>> {
  const { files, destination, trustedKeys, openCache, signal } = request;
  // its beginning may be among what is damaged
  await using bundle = await Bundle.open(files, { openCache, signal }).catch((error: unknown) => {
    if (isNarrowError(error, 'integrity')) return undefined;
    throw error;
  });
  if (!bundle) return { paths: [], ...unchecked };
  const { obstacles } = await verifyAgainstStore(broughtBy(bundle), destination, { checkSignatures: false, signal });
  const paths = obstacles.flatMap((one) => neededPath(bundle, one));
  const others = obstacles.filter(({ kind }) => kind === 'space' || kind === 'refused');
  const there =
    paths.length > 0 ? await takeInventory({ store: destination, paths: [], trustedKeys, signal }) : undefined;
  return { paths, there, others, checkedPaths: true };
}

function neededPath(bundle: Bundle, { kind, path }: Obstacle): NeededPath[] {
  if (path === undefined || (kind !== 'missing' && kind !== 'base')) return [];
  const { infos, needs } = bundle;
  const made = infos.filter((_, number) => bundle.basesOf(number).includes(path));
  const narHash = Buffer.from(needs.infos[needs.numberOf(path)]!.narHash).toString('hex');
  return [{ path, narHash, differs: kind === 'base', baseOf: made.map((info) => info.path) }];
}
