// Writes a bundle: what it is for and needs, infos, derivations, and the deltas in segments. What goes in is for others to
// decide; docs/formats/bundle.md describes what comes out.

import type { BaseClosure } from '../../delta/base-closure.ts';
import { inventoryColumns, writeInventory } from '../../delta/base-closure.ts';
import type { Level } from '../../delta/codec/file.ts';
import { ColumnWriter } from '../../delta/columns.ts';
import type { PathReport } from '../../delta/stream.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { SecretKey } from '../../model/signature.ts';
import type { StorePath } from '../../model/store-path.ts';
import { packColumns } from '../narrow/packed-columns.ts';
import { Packing } from '../narrow/packing.ts';
import type { Store } from '../store.ts';
import { formatHead } from './body.ts';
import type { About } from './body.ts';
import { BodyWriter, headOf } from './body-writer.ts';
import type { Head } from './body-writer.ts';
import { checkedTrees } from './checked-trees.ts';
import { chooseDerivations } from './choose-derivations.ts';
import type { ChosenDerivations } from './choose-derivations.ts';
import { dropPartial, isSound, readPartial } from './partial.ts';
import type { Partial } from './partial.ts';

export interface BundleContents {
  /** Has what comes and what it is made from. */
  readonly source: Store;
  /** Of which `base` says that the needs are told by their digest alone. */
  readonly about: About;
  /** What comes, references first. */
  readonly fresh: ReadonlyMap<StorePath, PathInfo>;
  /** For each, paths of `needs` that it can be made from, the best first. */
  readonly pairs: ReadonlyMap<StorePath, readonly StorePath[]>;
  readonly needs: BaseClosure;
  /** What the other side can pack compressed files with. */
  readonly tools?: ReadonlySet<string> | undefined;
  readonly file: string;
  readonly keys?: readonly SecretKey[];
  readonly level: Level;
  readonly volumeSize?: number | undefined;
  readonly segmentSize?: number | undefined;
  /** Ended anywhere, another call with the same contents goes on after the last segment that was finished. */
  readonly resumable?: boolean | undefined;
  readonly onPath?: ((info: PathInfo, report: PathReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenBundle {
  readonly files: readonly string[];
  /** Bytes of all files. */
  readonly size: number;
  readonly reports: ReadonlyMap<StorePath, PathReport>;
}

/** About so many bytes go into a segment, before compression, if not said. */
const usualSegment = 256 * 1024 * 1024;
/** What a path with a base counts for: most of it does not travel. */
const deltaShare = 1 / 16;
/** What every narrow packs alike. */
const commonTools: ReadonlySet<string> = new Set(['gzip/1']);

/** Throws `integrity` for a path that is damaged at the source, `io`. */
export async function writeBundle(contents: BundleContents): Promise<WrittenBundle> {
  const { source, about, fresh, pairs, needs, file, keys = [], volumeSize, level, signal, onPath } = contents;
  const trees = checkedTrees(source);
  const derivations = await chooseDerivations(trees, contents, signal);
  const packing = new Packing({
    source: trees,
    roots: about.roots,
    closure: new Map([...fresh].filter(([path]) => !derivations.paths.includes(path))),
    base: needs,
    baseRoots: [],
    pairs,
    signal,
  });
  await packing.unknownBases([...packing.fresh.list.keys()]);
  const parts = segmentsOf(packing, contents.segmentSize ?? usualSegment);
  const { tools = commonTools } = contents;
  const how = `${level} ${[...tools].sort().join()}`;
  const headAt = async (made: number): Promise<Head> =>
    headOf(await headFor({ ...contents, about: { ...about, made } }, packing, derivations), made);
  const partial = contents.resumable ? await usablePartial(file, how, parts, headAt) : undefined;
  const head = await headAt(partial?.made ?? about.made);
  const written = { keys, volumeSize, head, how: contents.resumable ? how : undefined };
  await using out = await BodyWriter.begin(file, written, partial);
  const reports = new Map<StorePath, PathReport>();
  for (const [number, part] of parts.entries()) {
    if (number < out.segments.length) continue;
    const told = (path: StorePath, report: PathReport): void => {
      reports.set(path, report);
      onPath?.(fresh.get(path)!, report);
    };
    await out.segment(part.length, packing.delta(part, { tools, level, onPath: told }), number === parts.length - 1);
    expectRead(reports);
  }
  return { ...(await out.finish()), reports };
}

/** What an earlier run left of the same bundle. What is of another, or not what it was, is removed. */
async function usablePartial(
  file: string,
  how: string,
  parts: readonly (readonly number[])[],
  headAt: (made: number) => Promise<Head>,
): Promise<Partial | undefined> {
  const partial = await readPartial(file);
  if (!partial) return undefined;
  const fits =
    partial.how === how &&
    partial.segments.every(({ paths }, i) => paths === parts[i]?.length) &&
    (await headAt(partial.made)).bundle === partial.bundle &&
    (await isSound(partial));
  if (fits) return partial;
  await dropPartial(file, partial);
  return undefined;
}

async function headFor(
  { about, needs }: BundleContents,
  packing: Packing,
  derivations: ChosenDerivations,
): Promise<Buffer> {
  const told = new ColumnWriter(inventoryColumns);
  writeInventory(needs, told);
  const before = [...needs.infos, ...packing.fresh.list].map(({ path }) => path);
  const packed = await packColumns(derivations.write(before));
  const known = about.base === undefined ? await packColumns(told) : new Uint8Array();
  return formatHead(about, known, await packing.infos({ complete: true }), packed);
}

/** Runs of numbers, each of about `segmentSize` bytes. */
function segmentsOf({ fresh: { list } }: Packing, segmentSize: number): number[][] {
  const segments: number[][] = [];
  let room = 0;
  for (const [number, { info, bases }] of list.entries()) {
    if (room <= 0) {
      segments.push([]);
      room = segmentSize;
    }
    segments.at(-1)!.push(number);
    room -= bases.length > 0 ? info.narSize * deltaShare : info.narSize;
  }
  return segments;
}

/** A path that could not be read is only marked in a delta: a bundle without it would be of no use. */
function expectRead(reports: ReadonlyMap<StorePath, PathReport>): void {
  for (const [path, { cause, failure }] of reports) {
    if (cause !== 'absent') continue;
    throw failure ?? new NarrowError('io', `${path} could not be read`);
  }
}
