// About how many bytes something takes on the wire, quickly: to choose between ways of sending a file.

import { constants, zstdCompressSync } from 'node:zlib';

/** Bytes so few are not worth a compression to measure them. */
const tiny = 64;

/** About what `bytes` compress to, among others like them. */
export function estimate(bytes: Uint8Array): number {
  if (bytes.length <= tiny) return bytes.length * 0.8;
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length * 0.85;
}

/** The same for columns, each compressed alone. */
export function estimateColumns(columns: readonly Uint8Array[]): number {
  return columns.reduce((sum, bytes) => sum + estimate(bytes), 0);
}
