// The sender's side of the delta stream: paths in, bytes out, batch by batch. While one batch is being compressed on the
// thread pool the next one is gathered.

import type { Level } from './codec/file.ts';
import { NarrowError, isNarrowError } from '../errors.ts';
import type { SyncFileTree } from '../format/nar/tree.ts';
import { BatchWriter } from './batch.ts';
import { BlockPool } from './blocks.ts';
import { encodeTree } from './encode-tree.ts';
import { DescribedFiles, TreeFiles } from './files.ts';
import type { BaseDigests, DigestedFiles } from './files.ts';
import { baseLimit, unit } from './layout.ts';
import { Tally } from './report.ts';
import type { PathReport } from './report.ts';
import { SolidEncoder } from './solid.ts';
import { UnitWriter } from './unit.ts';
import { streamMagic } from './unit-source.ts';

/** What a receiver has, translated: the tree itself, or digests of its files. */
export type DeltaBase = SyncFileTree | BaseDigests;

/** A path to send. */
export interface DeltaItem {
  /** For errors and reports. */
  readonly name: string;
  readonly fresh: SyncFileTree;
  /** The first is what the path is laid beside; further ones are places where files may be found. At most 16 count. */
  readonly bases: readonly DeltaBase[];
}

export interface EncodeDeltaOptions {
  /** How much work for few bytes; asked before each path. `fast` by default. */
  readonly level?: Level | (() => Level);
  /** Level of zstd for the stream of fresh contents; by default 12, and 19 where the level is `best` at the start. */
  readonly freshLevel?: number;
  /** Most paths have bases: their files are held, too, so fresh contents are compressed in less memory at `fast`. */
  readonly lean?: boolean;
  /** What the receiver can pack with: compressed files are opened only for these. None by default. */
  readonly tools?: ReadonlySet<string>;
  /** Told of each path, in order, when the bytes it took have been handed out. */
  readonly onPath?: (report: PathReport) => void;
  readonly signal?: AbortSignal;
}

/** Batches begin small, so that the other side can begin, and grow to this, in bytes before compression. */
const batchSize = 4 * 1024 * 1024;
const firstBatchSize = 128 * 1024;
/** A batch is sent when its paths have so many bytes, even if little of them travels: the other side has work with them. */
const workSize = 16 * 1024 * 1024;
const firstWorkSize = 2 * 1024 * 1024;
/** Batches up to this size are compressed at once: what comes after them may take long. */
const quickSize = 64 * 1024;

const none = Buffer.alloc(0);

const freshLevels: Readonly<Record<Level, number>> = { fast: 12, best: 19 };

/**
 * The delta of `items`, which are pulled one at a time. The other side must be told of the same paths and bases in the same
 * order. A path whose tree cannot be read is marked as absent, and the others go on. Chunks are the caller's own.
 */
export async function* encodeDelta(
  items: AsyncIterable<DeltaItem> | Iterable<DeltaItem>,
  options: EncodeDeltaOptions = {},
): AsyncGenerator<Uint8Array, void> {
  using encoder = new DeltaEncoder(options);
  for await (const item of items) yield* encoder.path(item);
  yield* encoder.end();
}

/** Bytes under way, and the paths that end in them. */
interface Flight {
  readonly bytes: Promise<Buffer>;
  readonly tallies: readonly Tally[];
}

class DeltaEncoder implements Disposable {
  readonly #options: EncodeDeltaOptions;
  readonly #solid: SolidEncoder;
  readonly #pool = new BlockPool();
  readonly #batch = new BatchWriter(this.#pool);
  readonly #contents = new UnitWriter(this.#pool);
  #limit = firstBatchSize;
  #work = 0;
  #workLimit = firstWorkSize;
  /** The beginning of the stream, until it goes out with the first batch. */
  #head: Buffer = streamMagic;
  #tallies: Tally[] = [];
  #flight: Flight | undefined;

  constructor(options: EncodeDeltaOptions) {
    this.#options = options;
    this.#solid = new SolidEncoder(options.freshLevel ?? freshLevels[this.#level()], options.lean);
  }

  [Symbol.dispose](): void {
    this.#flight?.bytes.catch(() => {});
    this.#solid[Symbol.dispose]();
  }

  async *path(item: DeltaItem): AsyncGenerator<Uint8Array, void> {
    this.#options.signal?.throwIfAborted();
    const tally = new Tally(item.name, item.bases.length > 0);
    const contents = this.#contents;
    contents.drop();
    try {
      const fresh = new TreeFiles(item.fresh);
      for (const { size } of fresh.index) this.#work += size;
      const bases = item.bases.slice(0, baseLimit).map(filesOf);
      const encoding = encodeTree(fresh, bases, contents, { level: this.#level(), tally, tools: this.#options.tools });
      let step = encoding.next();
      for (; step.done !== true; step = encoding.next()) {
        if (contents.size === 0 || contents.size + this.#batch.size < this.#limit) continue;
        this.#batch.unit(unit.part, contents, tally);
        yield* this.#cut();
      }
      tally.same = step.value;
    } catch (error) {
      if (!(error instanceof NarrowError)) throw error;
      tally.absent = true;
      tally.failure = error;
    }
    this.#tallies.push(tally);
    if (tally.absent) this.#batch.absent();
    else if (tally.same) this.#batch.same();
    else this.#batch.unit(unit.last, contents, tally);
    if (this.#batch.size >= this.#limit || this.#work >= this.#workLimit) yield* this.#cut();
  }

  async *end(): AsyncGenerator<Uint8Array, void> {
    if (!this.#batch.empty) yield* this.#cut();
    yield* this.#land();
    this.#report(this.#tallies);
    yield this.#headed(Buffer.of(0));
  }

  #level(): Level {
    const { level = 'fast' } = this.#options;
    return typeof level === 'string' ? level : level();
  }

  /** Sends the batch on its way; hands out the one before. */
  async *#cut(): AsyncGenerator<Uint8Array, void> {
    this.#options.signal?.throwIfAborted();
    yield* this.#land();
    const quick = this.#batch.size <= quickSize;
    const bytes = this.#batch.take(this.#solid, this.#level());
    // it may fail before anybody waits for it
    bytes.catch(() => {});
    this.#flight = { bytes, tallies: this.#tallies };
    this.#tallies = [];
    this.#limit = Math.min(batchSize, this.#limit * 2);
    this.#workLimit = Math.min(workSize, this.#workLimit * 2);
    this.#work = 0;
    if (quick) yield* this.#land();
  }

  async *#land(): AsyncGenerator<Uint8Array, void> {
    const flight = this.#flight;
    if (flight === undefined) return;
    this.#flight = undefined;
    yield this.#headed(await flight.bytes);
    this.#report(flight.tallies);
  }

  #headed(bytes: Buffer): Buffer {
    const head = this.#head;
    this.#head = none;
    return head.length === 0 ? bytes : Buffer.concat([head, bytes]);
  }

  #report(tallies: readonly Tally[]): void {
    for (const tally of tallies) this.#options.onPath?.(tally.report());
  }
}

/** A base that cannot be listed, or whose names collide, is none. */
function filesOf(base: DeltaBase): DigestedFiles | undefined {
  if ('digests' in base) return base.index.length === 0 ? undefined : new DescribedFiles(base);
  try {
    return new TreeFiles(base);
  } catch (error) {
    if (isNarrowError(error)) return undefined;
    throw error;
  }
}
