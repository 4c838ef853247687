// Files and edits for the codec's property tests: few different words, so that much is found in many places.

import fc from 'fast-check';

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  fc.record({ byte: fc.nat(255), count: fc.nat(300) }).map(({ byte, count }) => Buffer.alloc(count, byte)),
  fc
    .record({ word: fc.uint8Array({ minLength: 1, maxLength: 24 }), count: fc.nat(20) })
    .map(({ word, count }) => Buffer.concat(Array.from({ length: count }, () => Buffer.from(word)))),
);

/** A file of up to some thousands of bytes. */
export const words: fc.Arbitrary<Buffer> = fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.concat(pieces));

type Edit = (bytes: Buffer) => Buffer;

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ at: fc.nat(), bytes: piece }).map(
    ({ at, bytes }): Edit =>
      (file) =>
        splice(file, at, 0, bytes),
  ),
  fc.record({ at: fc.nat(), count: fc.nat(200) }).map(
    ({ at, count }): Edit =>
      (file) =>
        splice(file, at, count),
  ),
  fc.record({ from: fc.nat(), count: fc.nat(300), to: fc.nat() }).map(({ from, count, to }): Edit => (file) => {
    const start = from % (file.length + 1);
    return splice(file, to, 0, file.subarray(start, start + count));
  }),
  fc
    .record({ from: fc.nat(), step: fc.integer({ min: 1, max: 90 }), add: fc.nat(255) })
    .map(({ from, step, add }): Edit => (file) => {
      const copy = Buffer.from(file);
      for (let at = from % (file.length + 1); at < file.length; at += step) copy[at]! += add;
      return copy;
    }),
  words.map(
    (other): Edit =>
      () =>
        other,
  ),
);

/** Up to ten edits, one after the other. */
export const edited: fc.Arbitrary<Edit> = fc
  .array(edit, { maxLength: 10 })
  .map((edits) => (file) => edits.reduce((bytes, one) => one(bytes), file));

function splice(file: Buffer, at: number, count: number, bytes: Buffer = Buffer.alloc(0)): Buffer {
  const start = at % (file.length + 1);
  return Buffer.concat([file.subarray(0, start), bytes, file.subarray(Math.min(file.length, start + count))]);
}
