// Numbers of paths out of a list, in any order: how far to go on (zigzag-coded), how many follow each other, and so on, as
// LEB128 varints. All of a list are a few bytes, whatever its length.

import { formatError } from '../../errors.ts';
import type { Codec } from '../codec/codec.ts';
import { blob, mapped } from '../codec/codec.ts';

/** No closure has more paths. */
const mostPaths = 1 << 24;

export const indices: Codec<readonly number[]> = mapped(blob, unpackIndices, packIndices);

export function packIndices(numbers: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  let next = 0;
  for (let at = 0; at < numbers.length;) {
    const first = numbers[at]!;
    let end = at + 1;
    while (end < numbers.length && numbers[end] === numbers[end - 1]! + 1) end++;
    varint(bytes, first < next ? 2 * (next - first) - 1 : 2 * (first - next));
    varint(bytes, end - at);
    next = first + end - at;
    at = end;
  }
  return Uint8Array.from(bytes);
}

/** Throws `format`. */
export function unpackIndices(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let next = 0;
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw formatError('numbers of paths', { offset: at }, { expected: 'a number below 2^28', got: 'another' });
  };
  while (at < bytes.length) {
    const step = read();
    next += step % 2 === 0 ? step / 2 : -(step + 1) / 2;
    const run = read();
    if (next < 0 || next + run > mostPaths || numbers.length + run > mostPaths) {
      throw formatError(
        'numbers of paths',
        { offset: at },
        { expected: `numbers below ${mostPaths}`, got: `${next + run}` },
      );
    }
    for (let i = 0; i < run; i++) numbers.push(next++);
  }
  return numbers;
}

function varint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
}
