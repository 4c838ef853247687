// The reader of fresh contents that this machine is best at.

import type { Place } from '../errors.ts';
import { hasLibzstd } from '../format/compression/zstd-native.ts';
import type { SolidDecoder } from './solid-decoder.ts';
import { LibrarySolidDecoder } from './solid-library.ts';
import { StreamSolidDecoder } from './solid-stream.ts';

/** Nothing is loaded before there are contents. */
export function openSolid(): SolidDecoder {
  let decoder: SolidDecoder | undefined;
  const opened = (): SolidDecoder => (decoder ??= hasLibzstd() ? new LibrarySolidDecoder() : new StreamSolidDecoder());
  return {
    feed: (bytes) => (bytes.length === 0 ? undefined : opened().feed(bytes)),
    read: (size: number, place: Place) => opened().read(size, place),
    drained: async () => decoder === undefined || decoder.drained(),
    [Symbol.dispose]: () => decoder?.[Symbol.dispose](),
  };
}
