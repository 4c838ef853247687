// Edits of bytes that a format is likely to stumble over. They know nothing of the format, but that it has varints and names.

import { ColumnWriter } from '../../../src/delta/columns.ts';
import type { Random } from './random.ts';

/** Numbers at which something ends. */
const extremes = [
  0,
  1,
  2,
  3,
  16,
  63,
  64,
  127,
  128,
  255,
  256,
  2 ** 16,
  2 ** 18,
  2 ** 18 + 1,
  2 ** 24,
  2 ** 26,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 33,
  2 ** 48,
  2 ** 52 - 1,
  2 ** 52,
  2 ** 53 - 2,
  2 ** 53 - 1,
];

const numbers: readonly Buffer[] = [
  ...extremes.map((value) => {
    const out = new ColumnWriter(1);
    out.varint(0, value);
    return Buffer.from(out.take()[0]!);
  }),
  // 2^53 and more, and such as never end
  Buffer.from('80808080808080807f', 'hex'),
  Buffer.from('ffffffffffffffffff01', 'hex'),
  Buffer.from('8000', 'hex'),
];

const words: readonly Buffer[] = [
  '..',
  '.',
  '',
  '/',
  'a/b',
  '../x',
  'a',
  'z',
  '\xff',
  'x'.repeat(255),
  'x'.repeat(256),
].map((name) => Buffer.from(`${name}\0`, 'latin1'));

const bytes = [0, 1, 2, 3, 4, 5, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xfe, 0xff];

type Edit = (from: Buffer, random: Random) => Buffer;

const edits: readonly Edit[] = [
  (from, random) => changed(from, random, (byte) => byte ^ (1 << random.below(8))),
  (from, random) => changed(from, random, () => random.pick(bytes)),
  (from, random) => changed(from, random, (byte) => byte + random.pick([-1, 1, -2, 2, 128])),
  (from, random) => changed(from, random, () => random.next()),
  // a number instead of another, or before it
  (from, random) => spliced(from, random, random.below(2), random.pick(numbers)),
  (from, random) => spliced(from, random, random.below(3), random.pick(words)),
  (from, random) => from.subarray(0, random.below(from.length)),
  (from, random) => spliced(from, random, random.few(20), Buffer.alloc(0)),
  // a piece once more, sometimes many times
  (from, random) => {
    const at = random.below(from.length);
    const piece = from.subarray(at, at + random.few(30));
    const count = random.oneIn(20) ? 1 + random.below(2000) : random.few(6);
    return Buffer.concat([from.subarray(0, at), ...Array.from({ length: count }, () => piece), from.subarray(at)]);
  },
  (from, random) => Buffer.concat([from, random.pick(numbers)]),
  (from, random) => Buffer.concat([from, Buffer.alloc(1 + random.below(random.oneIn(10) ? 5000 : 20), random.next())]),
  (from, random) => {
    const [a, b] = [random.below(from.length), random.below(from.length)];
    const copy = Buffer.from(from);
    if (copy.length > 0) [copy[a], copy[b]] = [copy[b]!, copy[a]!];
    return copy;
  },
];

/** `from` after one edit; what is given stays as it is. */
export function edited(from: Uint8Array, random: Random): Buffer {
  return random.pick(edits)(Buffer.from(from.buffer, from.byteOffset, from.length), random);
}

function changed(from: Buffer, random: Random, to: (byte: number) => number): Buffer {
  const copy = Buffer.from(from);
  const at = random.below(copy.length);
  if (copy.length > 0) copy[at] = to(copy[at]!);
  return copy;
}

function spliced(from: Buffer, random: Random, gone: number, added: Buffer): Buffer {
  const at = random.below(from.length + 1);
  return Buffer.concat([from.subarray(0, at), added, from.subarray(at + gone)]);
}
