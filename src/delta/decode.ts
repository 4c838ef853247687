// The receiver's side of the delta stream: bytes in, one NAR after the other out. What fails in one path, a damaged base above
// all, does not disturb the others. Nothing that comes out is to be trusted before its hash has been checked.

import { ByteReader } from '../bytes/reader.ts';
import { limited } from '../bytes/limit.ts';
import type { ByteSource } from '../bytes/source.ts';
import { formatError } from '../errors.ts';
import { PACK_BUFFER, packNar } from '../format/nar/pack.ts';
import type { PackBuffers } from '../format/nar/pack.ts';
import type { SyncFileTree } from '../format/nar/tree.ts';
import { absentError } from './batch.ts';
import { decodeTree } from './decode-tree.ts';
import { unit } from './layout.ts';
import { PathInput } from './path-input.ts';
import { Tally } from './report.ts';
import type { PathReport } from './report.ts';
import { UnitSource } from './unit-source.ts';

/** A path to receive. */
export interface DeltaTarget {
  /** For errors and reports. */
  readonly name: string;
  /** Bytes of its NAR as announced; never a byte more comes out. */
  readonly narSize: number;
  /** Translated, in the encoder's order. */
  readonly bases: readonly SyncFileTree[];
}

/** A path as it comes. */
export interface DecodedPath<T extends DeltaTarget = DeltaTarget> {
  readonly target: T;
  /**
   * Its NAR, to be read once, borrowed. Fails for this path alone with what was wrong with its recipe or its bases;
   * `unavailable` where the sender could not read it.
   */
  readonly nar: ByteSource;
  /** What it cost; complete when `nar` has been read. */
  report(): PathReport;
}

export interface DecodeDeltaOptions {
  /** What the stream is called in errors. */
  readonly name?: string;
  readonly signal?: AbortSignal;
}

/**
 * Reads the delta of exactly `targets`, which are pulled one at a time. The NAR of a path is read before the next path is
 * asked for; what is left of it then is passed over. Errors of the stream itself end it.
 */
export async function* decodeDelta<T extends DeltaTarget>(
  source: ByteSource,
  targets: AsyncIterable<T> | Iterable<T>,
  { name = 'the delta', signal }: DecodeDeltaOptions = {},
): AsyncGenerator<DecodedPath<T>, void> {
  await using reader = new ByteReader(source, name);
  using units = new UnitSource(reader, name);
  const buffer = Buffer.allocUnsafeSlow(PACK_BUFFER);
  for await (const target of targets) {
    signal?.throwIfAborted();
    const head = await units.next();
    const tally = new Tally(target.name, target.bases.length > 0);
    const report = (): PathReport => tally.report();
    if (head.kind === unit.same) {
      tally.same = true;
      yield {
        target,
        nar: bounded(
          sameNar(target, () => buffer),
          target,
        ),
        report,
      };
    } else if (head.kind === unit.absent) {
      tally.absent = true;
      yield { target, nar: failing(() => absentError(target.name)), report };
    } else {
      const input = new PathInput(units, head, target, tally);
      yield { target, nar: bounded(decodeTree(input), target), report };
      await input.skip();
    }
  }
  await units.end();
}

function bounded(nar: ByteSource, { narSize, name }: DeltaTarget): ByteSource {
  return limited(nar, narSize, `the NAR of ${name}`, { exact: true });
}

function sameNar({ bases, name }: DeltaTarget, buffers: PackBuffers): ByteSource {
  const [base] = bases;
  if (base !== undefined) return packNar(base, [], buffers);
  return failing(() =>
    formatError(`${name} is said to be the same as a base`, {}, { expected: 'a base', got: 'none' }),
  );
}

// eslint-disable-next-line require-yield
function* failing(error: () => Error): Generator<Uint8Array, void> {
  throw error();
}
