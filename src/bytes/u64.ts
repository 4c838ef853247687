// Unsigned 64-bit little-endian integers, the only number that NAR, export streams and the protocols know. They are read as
// two 32-bit halves into a JavaScript number: exact up to 2^53-1, which every caller's limit is below.

import { formatError } from '../errors.ts';
import type { Place } from '../errors.ts';

const TWO_32 = 0x1_0000_0000;

/** Where {@link u64At} stops being exact: numbers from here on have lost their low bits. */
export const U64_EXACT: number = Number.MAX_SAFE_INTEGER;

/** The integer at `at` as a number, rounded when it is above {@link U64_EXACT}; compare with a limit before use. */
export function u64At(bytes: Uint8Array, at: number): number {
  return low(bytes, at) + low(bytes, at + 4) * TWO_32;
}

function low(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Writes `value`, a whole number from 0 to 2^53-1, at `at`. */
export function putU64(bytes: Uint8Array, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${value} is no unsigned 64-bit integer that can be written`);
  let rest = value % TWO_32;
  for (let i = 0; i < 4; i++, rest >>>= 8) bytes[at + i] = rest & 0xff;
  rest = (value - (value % TWO_32)) / TWO_32;
  for (let i = 4; i < 8; i++, rest >>>= 8) bytes[at + i] = rest & 0xff;
}

/** The exact text of the integer at `at`, for error messages. */
export function u64Text(bytes: Uint8Array, at: number): string {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0, true).toString();
}

/** How many zero bytes follow a string of `length` bytes: strings are padded to a multiple of eight. */
export function padding(length: number): number {
  return (8 - (length % 8)) % 8;
}

/** Fails unless the bytes from `start` to `end` are zero; `position` is the offset of `start` in the input. */
export function checkPadding(bytes: Uint8Array, start: number, end: number, position: number, place: Place = {}): void {
  for (let i = start; i < end; i++) {
    if (bytes[i] === 0) continue;
    const offset = position + i - start;
    const got = `byte 0x${bytes[i]!.toString(16).padStart(2, '0')}`;
    throw formatError('non-zero padding', { ...place, offset }, { expected: 'a zero byte', got });
  }
}
