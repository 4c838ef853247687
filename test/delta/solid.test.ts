// The stream of fresh contents, as each of its readers reads it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isNarrowError } from '../../src/errors.ts';
import type { SolidDecoder } from '../../src/delta/solid-decoder.ts';
import { LibrarySolidDecoder } from '../../src/delta/solid-library.ts';
import { StreamSolidDecoder } from '../../src/delta/solid-stream.ts';
import { SolidEncoder } from '../../src/delta/solid.ts';

const readers: readonly (() => SolidDecoder)[] = [() => new LibrarySolidDecoder(), () => new StreamSolidDecoder()];
const isFormat = (error: unknown): boolean => isNarrowError(error, 'format');

/** Some of it compresses, some does not. */
function contents(size: number): Buffer {
  const bytes = randomBytes(size);
  bytes.fill(7, 0, size >> 1);
  return bytes;
}

async function compressed(...batches: readonly Buffer[]): Promise<Buffer[]> {
  using encoder = new SolidEncoder(1);
  const packed: Buffer[] = [];
  for (const batch of batches) packed.push(Buffer.from(await encoder.add([batch])));
  return packed;
}

for (const open of readers) {
  const name = open().constructor.name;

  test(`${name} gives what was written, in pieces of any size`, async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 3_000_000 }), { minLength: 1, maxLength: 4 });
    const pieces = fc.array(fc.integer({ min: 0, max: 300_000 }), { minLength: 1, maxLength: 9 });
    const property = fc.asyncProperty(sizes, pieces, async (batchSizes, pieceSizes) => {
      const batches = batchSizes.map(contents);
      using decoder = open();
      for (const [i, packed] of (await compressed(...batches)).entries()) {
        decoder.feed(packed);
        const wanted = batches[i]!;
        for (let at = 0, turn = 0; at < wanted.length; turn++) {
          const size = Math.min(pieceSizes[turn % pieceSizes.length]! + (turn % 9), wanted.length - at);
          const read = await decoder.read(size, {});
          assert.ok(read.equals(wanted.subarray(at, at + size)));
          read.fill(0); // the caller's until the next are read
          at += size;
        }
        assert.equal(await decoder.drained(), true);
      }
    });
    await fc.assert(property, { numRuns: 15 });
  });

  test(`${name} says when there is less than announced, or more`, async () => {
    const [first, second] = await compressed(contents(600_000), contents(10));
    using decoder = open();
    decoder.feed(first!);
    await decoder.read(599_999, {});
    assert.equal(await decoder.drained(), false);
    await assert.rejects(decoder.read(2, {}), isFormat);
    decoder.feed(second!);
    assert.equal((await decoder.read(10, {})).length, 10);
    assert.equal((await decoder.read(0, {})).length, 0);
  });

  test(`${name} refuses what is no such stream`, async () => {
    const whole = zstdCompressSync(contents(1000));
    // the beginning of a frame whose window has 2 to the 27 bytes, and a block of one byte
    const wide = Buffer.from('28b52ffd008808000078', 'hex');
    for (const [bytes, size] of [
      [Buffer.from('not zstd at all'), 1],
      [whole, 1001],
      [wide, 1],
    ] as const) {
      using decoder = open();
      decoder.feed(bytes);
      await assert.rejects(decoder.read(size, {}), isFormat);
    }
  });

  test(`${name} can be given up while it works`, async () => {
    const [packed] = await compressed(contents(4_000_000));
    for (let i = 0; i < 20; i++) {
      using decoder = open();
      decoder.feed(packed!);
      if (i % 2 === 0) await decoder.read(i * 100_000, {});
    }
  });
}

for (const [level, lean, expected] of [
  [12, false, 25],
  [12, true, 24],
  [19, true, 25],
] as const)
  test(`at level ${level}${lean ? ', lean,' : ''} the receiver holds 2^${expected} bytes`, async () => {
    using encoder = new SolidEncoder(level, lean);
    const wanted = contents(100_000);
    const packed = await encoder.add([wanted]);
    // the window descriptor of RFC 8878, behind magic and frame header descriptor
    assert.equal((packed[5]! >> 3) + 10, expected);
    for (const open of readers) {
      using decoder = open();
      decoder.feed(packed);
      assert.ok((await decoder.read(wanted.length, {})).equals(wanted));
    }
  });

test('what comes again far behind is found at every level', async () => {
  const [file, others] = [randomBytes(2 ** 20), randomBytes(12 * 2 ** 20)];
  for (const level of [1, 12]) {
    using encoder = new SolidEncoder(level, false);
    const { length } = await encoder.add([file, others, file]);
    assert.ok(length < file.length + others.length + 10_000, `${length} bytes at level ${level}`);
  }
});

test('a reader that is disposed of while it reads lets the library end first, and reads no more', async () => {
  const [packed] = await compressed(contents(8_000_000));
  for (let turn = 0; turn < 20; turn++) {
    const decoder = new LibrarySolidDecoder();
    decoder.feed(packed!);
    await decoder.read(1000, {});
    const reading = decoder.read(7_000_000, {});
    decoder[Symbol.dispose]();
    if (turn % 2 === 0) decoder[Symbol.dispose]();
    await assert.rejects(reading, isFormat);
    await assert.rejects(decoder.read(1_000_000, {}), isFormat);
  }
});
