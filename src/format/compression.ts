// Compression of NAR files, by the names that narinfos give it. Whatever concatenates frames, streams or members is read
// to its last one. Garbage, truncation and damage are `format` errors with the offset in the compressed bytes.

import { NarrowError } from '../errors.ts';
import type { ByteSource } from '../bytes/source.ts';
import { bzip2 } from './compression/bzip2.ts';
import type { Codec, DecodeOptions, EncodeOptions } from './compression/codec.ts';
import { lz4 } from './compression/lz4.ts';
import { lzip, lzma, xz } from './compression/lzma.ts';
import { br, gzip } from './compression/zlib.ts';
import { zstd } from './compression/zstd.ts';

export type { DecodeOptions, EncodeOptions } from './compression/codec.ts';

/** Best for a choice among them first. */
const codecs: ReadonlyMap<string, Codec> = new Map(
  [zstd, xz, bzip2, gzip, br, lzip, lz4, lzma].map((codec) => [codec.name, codec]),
);

/** Every encoding that {@link decode} takes, `none` among them. */
export const decodableEncodings: readonly string[] = ['none', ...codecs.keys()];

/** Every encoding that {@link encode} takes, `none` among them. */
export const encodableEncodings: readonly string[] = [
  'none',
  ...[...codecs.values()].filter((codec) => codec.encode !== undefined).map((codec) => codec.name),
];

export function canDecode(encoding: string): boolean {
  return decodableEncodings.includes(encoding);
}

export function canEncode(encoding: string): boolean {
  return encodableEncodings.includes(encoding);
}

/** What Nix appends to `.nar` for this compression: `.xz`, `.zst`; empty for `none` and what has no suffix of its own. */
export function compressionSuffix(encoding: string): string {
  return codecs.get(encoding)?.suffix ?? '';
}

/** Decodes `source`. Throws `unsupported` at once for an encoding that cannot be read; the stream throws `format`. */
export function decode(encoding: string, source: ByteSource, options: DecodeOptions = {}): ByteSource {
  if (encoding === 'none') return source;
  const codec = codecs.get(encoding);
  if (!codec) throw cannot('read', encoding, decodableEncodings);
  return codec.decode(source, options);
}

/** Encodes `source`. Throws `unsupported` at once for an encoding that cannot be written, `usage` for a wrong level. */
export function encode(encoding: string, source: ByteSource, options: EncodeOptions = {}): ByteSource {
  checkEncoding(encoding, options.level);
  return codecs.get(encoding)?.encode?.(source, options) ?? source;
}

/** Throws what {@link encode} would throw at once. */
export function checkEncoding(encoding: string, level?: number): void {
  if (!canEncode(encoding)) throw cannot('write', encoding, encodableEncodings);
  const range = codecs.get(encoding)?.levels;
  if (level === undefined || !range || (Number.isInteger(level) && level >= range[0] && level <= range[1])) return;
  throw new NarrowError('usage', `bad compression level ${level} for ${encoding}: expected ${range[0]} to ${range[1]}`);
}

function cannot(verb: string, encoding: string, known: readonly string[]): NarrowError {
  return new NarrowError('unsupported', `cannot ${verb} compression '${encoding.slice(0, 40)}'`, {
    hint: `what this version can ${verb}: ${known.join(', ')}`,
    data: { encoding },
  });
}
