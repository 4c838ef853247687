// Columns compressed one by one: as they are, by zstd, or by Brotli, which is better at what is small; whatever is smallest.

import { promisify } from 'node:util';
import { brotliCompress, brotliDecompressSync, constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import type { Level } from './codec/file.ts';
import { NarrowError, formatError } from '../errors.ts';
import type { Place } from '../errors.ts';

/** How a column is stored. */
export const method = { plain: 0, zstd: 1, brotli: 2 } as const;

export interface Squeezed {
  readonly method: number;
  readonly bytes: Uint8Array;
}

const asyncZstd = promisify(zstdCompress);
const asyncBrotli = promisify(brotliCompress);

/** Every frame of zstd begins with these; they are left out. */
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

interface Effort {
  readonly zstd: number;
  readonly brotli: number;
  /** Columns of more bytes are not tried with Brotli. */
  readonly brotliLimit: number;
}

const efforts: Readonly<Record<Level, Effort>> = {
  fast: { zstd: 17, brotli: 9, brotliLimit: 32 * 1024 },
  best: { zstd: 19, brotli: 11, brotliLimit: 512 * 1024 },
};

/** `bytes` in the smallest form found. */
export async function squeeze(bytes: Uint8Array, level: Level): Promise<Squeezed> {
  const effort = efforts[level];
  const forms: Squeezed[] = [{ method: method.plain, bytes }];
  if (bytes.length > 8) {
    if (bytes.length > effort.brotliLimit || level === 'best') forms.push(await byZstd(bytes, effort.zstd));
    if (bytes.length <= effort.brotliLimit) forms.push(await byBrotli(bytes, effort.brotli));
  }
  return forms.reduce((least, form) => (form.bytes.length < least.bytes.length ? form : least));
}

async function byZstd(bytes: Uint8Array, level: number): Promise<Squeezed> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_contentSizeFlag]: 0 };
  // the size lets zstd choose tables no larger than it takes
  const frame = await asyncZstd(bytes, { params, pledgedSrcSize: bytes.length });
  return { method: method.zstd, bytes: frame.subarray(zstdMagic.length) };
}

async function byBrotli(bytes: Uint8Array, quality: number): Promise<Squeezed> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: quality,
    [constants.BROTLI_PARAM_LGWIN]: 22,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return { method: method.brotli, bytes: await asyncBrotli(bytes, { params }) };
}

/** The `size` bytes that were squeezed; anything else is a `format` error at `place`. Never more is allocated. */
export function unsqueeze(stored: Squeezed, size: number, place: Place): Uint8Array {
  const bytes = expanded(stored, size, place);
  if (bytes.length === size) return bytes;
  throw formatError('a column of another size', place, { expected: `${size} bytes`, got: `${bytes.length}` });
}

function expanded({ method: how, bytes }: Squeezed, size: number, place: Place): Uint8Array {
  const options = { maxOutputLength: Math.max(1, size) };
  try {
    if (how === method.plain) return bytes;
    if (how === method.zstd) return zstdDecompressSync(Buffer.concat([zstdMagic, bytes]), options);
    if (how === method.brotli) return brotliDecompressSync(bytes, options);
  } catch (cause) {
    if (cause instanceof NarrowError) throw cause;
    throw formatError('a column that cannot be decompressed', place, { cause, got: (cause as Error).message });
  }
  throw formatError('an unknown way of storing a column', place, { got: `${how}` });
}
