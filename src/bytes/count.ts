// A pass-through that counts what went through it, for progress and for sizes that must agree with a promise.

import type { ByteSource } from './source.ts';

/** A source whose `size` tells how many bytes have passed so far. */
export interface CountedSource extends AsyncIterable<Uint8Array> {
  readonly size: number;
}

/** Counts the bytes of `source`; `onBytes` is told the length of each chunk as it passes. */
export function counted(source: ByteSource, onBytes?: (bytes: number) => void): CountedSource {
  let size = 0;
  return {
    get size(): number {
      return size;
    },
    async *[Symbol.asyncIterator]() {
      for await (const chunk of source) {
        size += chunk.length;
        onBytes?.(chunk.length);
        yield chunk;
      }
    },
  };
}
