// What a bundle holds: what it is for, the paths that must be there already, the paths it brings, and their deltas. Described
// in docs/formats/bundle.md.

import { collect } from '../../bytes/source.ts';
import { inventoryColumns, readInventory } from '../../delta/base-closure.ts';
import type { BaseClosure } from '../../delta/base-closure.ts';
import { NarrowError, formatError } from '../../errors.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { tryBaseName } from '../../model/store-path.ts';
import { unpackColumns } from '../narrow/packed-columns.ts';
import type { Segment } from './volume.ts';
import type { VolumeSet } from './volume-set.ts';

/** What is told beside paths; what is absent is not known. */
export interface About {
  readonly storeDir: StoreDir;
  /** What the bundle is made for. */
  readonly roots: readonly StorePath[];
  /** When, in milliseconds since 1970. */
  readonly made: number;
  /** The program. */
  readonly by: string;
  /** For whom: the stores of inventories, the bundles that came before. */
  readonly for: readonly string[];
  /** Ids of the bundles that have to be applied before. */
  readonly since: readonly string[];
  /** Paths for which the other side has a base that the maker had not: they go in full. */
  readonly withoutBase: number;
  /** Needed paths that are to be fetched from caches, with all they refer to, where they are not there. */
  readonly substitutable?: readonly Substitutable[];
  /** Realisations of paths that are brought, each as Nix writes it. */
  readonly realisations?: readonly string[];
  /** The digest of the needs in hexadecimal, where these are not told: who reads it has to know them. */
  readonly base?: string | undefined;
}

export interface Substitutable {
  /** Of a cache, without parameters. */
  readonly url: string;
  /** Numbers in the needs. */
  readonly needs: readonly number[];
}

/** A bundle is not to start programs, log in anywhere, or switch off that signatures are checked. */
export const cacheUrl: RegExp = /^(?:https?|file):\/\/[^?#@\s]+$/;

/** The parts before the deltas. */
export interface BundleHead {
  readonly about: About;
  /** The paths that must be there, in this order: bases, and what new paths refer to. */
  readonly needs: BaseClosure;
  /** Infos of the paths that are brought, packed. */
  readonly infos: Uint8Array;
  /** Derivations that are brought without infos and deltas, packed. */
  readonly derivations: Uint8Array;
}

/** A segment with its place. */
export interface PlacedSegment extends Segment {
  /** Number of its first path. */
  readonly first: number;
  /** In the bundle. */
  readonly offset: number;
}

const aboutLimit = 16 * 1024 * 1024;
const columnsLimit = 512 * 1024 * 1024;

/** The parts as bytes, each behind its length: needs, infos, derivations. */
export function formatHead(about: About, ...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    [Buffer.from(JSON.stringify(about)), ...parts].flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(part.length);
      return [length, part];
    }),
  );
}

/**
 * Reads what {@link formatHead} wrote; `end` is where the deltas begin. `known`: the needs, for a bundle that tells only their
 * digest. Throws `format`, `integrity`, `io`, and `missing` when other needs are meant, or none are known.
 */
export async function readHead(
  volumes: VolumeSet,
  known: BaseClosure | undefined,
): Promise<BundleHead & { readonly end: number }> {
  const about = await readPart(volumes, 0, aboutLimit);
  const needs = await readPart(volumes, about.end, columnsLimit);
  const infos = await readPart(volumes, needs.end, columnsLimit);
  const derivations = await readPart(volumes, infos.end, columnsLimit);
  const source = volumes.name;
  const told = parseAbout(about.bytes, source);
  const listed = (): BaseClosure =>
    readInventory(unpackColumns(needs.bytes, inventoryColumns, `list of needed paths of ${source}`));
  return {
    about: told,
    needs: told.base === undefined ? listed() : knownNeeds(told.base, known, source),
    infos: infos.bytes,
    derivations: derivations.bytes,
    end: derivations.end,
  };
}

function knownNeeds(digest: string, known: BaseClosure | undefined, source: string): BaseClosure {
  if (known && Buffer.from(known.digest()).toString('hex') === digest) return known;
  throw new NarrowError('missing', `${source} is a delta of a cache: what it needs is told there, and not in it`, {
    hint: 'copy from the cache: narrow copy --from URL PATH',
  });
}

async function readPart(volumes: VolumeSet, at: number, limit: number): Promise<{ bytes: Buffer; end: number }> {
  const place = { source: volumes.name, offset: at };
  const begin = at + 4;
  if (begin > volumes.size) throw formatError('a bundle that is too short', place);
  const length = (await collect(volumes.range(at, 4))).readUInt32LE(0);
  if (length > Math.min(limit, volumes.size - begin))
    throw formatError('a part of a bundle that is too long', place, { got: `${length} bytes` });
  return { bytes: await collect(volumes.range(begin, length)), end: begin + length };
}

/** Where each segment lies. Throws `format` unless they take up all that is left, and have `paths` paths. */
export function placeSegments({ segments, size, name }: VolumeSet, from: number, paths: number): PlacedSegment[] {
  let first = 0;
  let offset = from;
  const placed = segments.map((segment) => {
    const one = { ...segment, first, offset };
    first += segment.paths;
    offset += segment.size;
    return one;
  });
  if (first === paths && offset === size) return placed;
  const expected = `${paths} paths in ${size - from} bytes`;
  throw formatError('segments that do not fit', { source: name }, { expected, got: `${first} in ${offset - from}` });
}

function parseAbout(bytes: Buffer, source: string): About {
  const place = { source, offset: 4 };
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw formatError('bad beginning of a bundle', place, { cause, expected: 'JSON' });
  }
  const about = value as Partial<About> | null;
  const texts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((one) => typeof one === 'string');
  const ok =
    typeof about?.storeDir === 'string' &&
    about.storeDir.startsWith('/') &&
    texts(about.roots) &&
    about.roots.every((root) => tryBaseName(root) !== undefined) &&
    Number.isSafeInteger(about.made) &&
    typeof about.by === 'string' &&
    texts(about.for) &&
    texts(about.since) &&
    Number.isSafeInteger(about.withoutBase) &&
    (about.realisations === undefined || texts(about.realisations)) &&
    (about.substitutable === undefined || areSubstitutable(about.substitutable)) &&
    (about.base === undefined || (typeof about.base === 'string' && /^[0-9a-f]{16}$/.test(about.base)));
  if (ok) return about as About;
  throw formatError('bad beginning of a bundle', place, { expected: 'that of version 1' });
}

function areSubstitutable(list: unknown): boolean {
  if (!Array.isArray(list)) return false;
  return list.every((one: Partial<Substitutable> | null) => {
    const numbers = Array.isArray(one?.needs) && one.needs.every((number) => Number.isSafeInteger(number));
    return typeof one?.url === 'string' && cacheUrl.test(one.url) && numbers;
  });
}
