// What a compression method is to the rest of the program, and the pieces all of them share.

import { formatError } from '../../errors.ts';
import type { NarrowError } from '../../errors.ts';
import type { ByteSource } from '../../bytes/source.ts';

export interface DecodeOptions {
  readonly signal?: AbortSignal | undefined;
  /** What is being read, for messages: a URL, a file name. */
  readonly source?: string | undefined;
}

export interface EncodeOptions {
  readonly signal?: AbortSignal | undefined;
  /** The method's own preset; default as in Nix: 6 for xz, 3 for zstd. */
  readonly level?: number | undefined;
  /** Threads for this one stream; default 1. The output then depends on it for xz (blocks), never what it decodes to. */
  readonly threads?: number | undefined;
  /** Bytes that `source` will give, where known: smaller contexts for small inputs. Must be exact. */
  readonly size?: number | undefined;
}

export interface Codec {
  /** As `Compression:` spells it. */
  readonly name: string;
  readonly suffix: string;
  decode(source: ByteSource, options: DecodeOptions): ByteSource;
  encode?(source: ByteSource, options: EncodeOptions): ByteSource;
  /** Least and greatest level of `encode`. */
  readonly levels?: readonly [number, number];
}

/** Makes the errors of one stream; offsets are those of the compressed bytes. */
export interface Faults {
  corrupt(offset: number, why: string): NarrowError;
  truncated(offset: number): NarrowError;
  trailing(offset: number): NarrowError;
}

export function faultsOf(encoding: string, source: string | undefined): Faults {
  const hint = 'the file is damaged or was cut short; take it, or the path, from another source';
  return {
    corrupt: (offset, got) => formatError(`bad ${encoding} data`, { source, offset }, { got, hint }),
    truncated: (offset) =>
      formatError(`${encoding} data ends too early`, { source, offset }, { expected: 'more bytes', hint }),
    trailing: (offset) => formatError(`bytes after the end of ${encoding} data`, { source, offset }, { hint }),
  };
}

/** Bytes handed to a compressor at a time: large enough that the way to another thread and back does not matter. */
const stageSize = 256 * 1024;

/**
 * Gathers borrowed chunks into buffers of its own, which stay untouched while the next one is filled: a compressor may
 * still read one while the source is already asked for more.
 */
export async function* staged(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  const buffers = [Buffer.allocUnsafeSlow(stageSize)];
  let turn = 0;
  let filled = 0;
  for await (const chunk of source) {
    signal?.throwIfAborted();
    for (let at = 0; at < chunk.length;) {
      const buffer = (buffers[turn] ??= Buffer.allocUnsafeSlow(stageSize));
      const part = chunk.subarray(at, at + stageSize - filled);
      buffer.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < stageSize) continue;
      yield buffer;
      turn = 1 - turn;
      filled = 0;
    }
  }
  if (filled > 0) yield buffers[turn]!.subarray(0, filled);
}
