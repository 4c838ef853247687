// Writes a bundle: what it is for and needs, infos, derivations, and the deltas in segments. What goes in is for others to
// decide; docs/formats/bundle.md describes what comes out.

import { createHash } from 'node:crypto';
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
import { checkedTrees } from './checked-trees.ts';
import { chooseDerivations } from './choose-derivations.ts';
import type { ChosenDerivations } from './choose-derivations.ts';
import type { Segment } from './volume.ts';
import { VolumeWriter } from './volume-writer.ts';

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
  readonly onPath?: ((info: PathInfo, report: PathReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenBundle {
  readonly files: readonly string[];
  /** Bytes of all files. */
  readonly size: number;
  readonly reports: ReadonlyMap<StorePath, PathReport>;
}

/** About so many bytes go into a segment, before compression. */
const segmentSize = 256 * 1024 * 1024;
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
  const head = await headFor(contents, packing, derivations);
  const bundle = createHash('sha256').update(head).digest('hex').slice(0, 32);
  await using out = new VolumeWriter(file, { bundle, keys, volumeSize });
  await out.write(head);
  const segments: Segment[] = [];
  const reports = new Map<StorePath, PathReport>();
  const { tools = commonTools } = contents;
  for (const part of segmentsOf(packing)) {
    let size = 0;
    const told = (path: StorePath, report: PathReport): void => {
      reports.set(path, report);
      onPath?.(fresh.get(path)!, report);
    };
    for await (const chunk of packing.delta(part, { tools, level, onPath: told })) {
      size += chunk.length;
      await out.write(chunk);
    }
    segments.push({ paths: part.length, size });
  }
  expectRead(reports);
  return { files: await out.finish(segments), size: out.written, reports };
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

/** Runs of numbers, each of about {@link segmentSize}. */
function segmentsOf({ fresh: { list } }: Packing): number[][] {
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
