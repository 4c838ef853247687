import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandBitstream } from '../../../../src/delta/codec/bitcode/expand.ts';
import { packBitstream } from '../../../../src/delta/codec/bitcode/pack.ts';
import { throughCodec } from '../through-codec.ts';
import { BitWriter } from './bit-writer.ts';

const value = fc.oneof(fc.bigInt(0n, 100n), fc.bigInt(0n, 2n ** 64n - 1n));
const record = fc.record({ code: fc.nat(70), values: fc.array(value, { maxLength: 8 }) });
const entry = fc.record({
  flag: fc.nat(1),
  word: fc.nat(0xffffffff),
  number: value,
  letters: fc.array(fc.nat(63), { maxLength: 10 }),
  blob: fc.uint8Array({ maxLength: 9 }),
});
type Rows = readonly { readonly code: number; readonly values: readonly bigint[] }[];
type Entries = readonly {
  readonly flag: number;
  readonly word: number;
  readonly number: bigint;
  readonly letters: readonly number[];
  readonly blob: Uint8Array;
}[];

/** A stream with abbreviations in the info block and in the block itself, of all encodings. */
function stream(rows: Rows, entries: Entries): Buffer {
  const out = new BitWriter();
  out.fixed(0xdec04342, 32);
  out.block(0, 2, 3, () => {
    out.record(3, 1, [8n]);
    // Fixed 1, fixed 32, variable 6, array of char6.
    out.fixed(2, 3);
    out.variable(5n, 5);
    for (const [encoding, width] of [
      [1, 1],
      [1, 32],
      [2, 6],
      [3, 0],
      [4, 0],
    ] as const) {
      out.fixed(0, 1);
      out.fixed(encoding, 3);
      if (width > 0) out.variable(BigInt(width), 5);
    }
  });
  out.block(8, 2, 4, () => {
    // A literal and a blob.
    out.fixed(2, 4);
    out.variable(2n, 5);
    out.fixed(1, 1);
    out.variable(77n, 8);
    out.fixed(0, 1);
    out.fixed(5, 3);
    for (const { code, values } of rows) out.record(4, code, values);
    for (const { flag, word, number, letters, blob } of entries) {
      out.fixed(4, 4);
      out.fixed(flag, 1);
      out.fixed(word, 32);
      out.variable(number, 6);
      out.variable(BigInt(letters.length), 6);
      for (const letter of letters) out.fixed(letter, 6);
      out.fixed(5, 4);
      out.variable(BigInt(blob.length), 6);
      out.align();
      for (const byte of blob) out.fixed(byte, 8);
      out.align();
    }
    out.block(9, 4, 5, () => out.record(5, 1, [3n]));
  });
  return out.bytes();
}

const rows = fc.array(record, { maxLength: 20 });
const entries = fc.array(entry, { maxLength: 6 });

test('a bitstream comes back from its values', () => {
  fc.assert(
    fc.property(rows, entries, (some, more) => {
      const bits = stream(some, more);
      assert.ok(packBitstream(expandBitstream(bits)!, bits.length)!.equals(bits));
    }),
  );
});

test('broken bitstreams and values are none, or come back', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(rows, entries, fc.array(change, { minLength: 1, maxLength: 6 }), (some, more, changes) => {
      const bits = stream(some, more);
      const values = expandBitstream(bits)!;
      const broken = Buffer.from(bits);
      for (const [at, byte] of changes) {
        broken[4 + (at % (bits.length - 4))] = byte;
        values[4 + (at % (values.length - 4))] = byte;
      }
      expandBitstream(broken);
      const packed = packBitstream(values, bits.length);
      if (packed !== undefined) assert.equal(packed.length, bits.length);
      assert.ok(throughCodec(bits, broken).bytes.equals(broken));
    }),
    { numRuns: 400 },
  );
});

test('a record that is inserted moves nothing', () => {
  const many = Array.from({ length: 800 }, (_, i) => ({ code: i % 50, values: [BigInt(i) * 7919n, BigInt(i) ** 6n] }));
  const old = stream(many, []);
  const fresh = stream([...many.slice(0, 300), { code: 5, values: [1n, 2n] }, ...many.slice(300)], []);
  const { bytes, size } = throughCodec(old, fresh);
  assert.ok(bytes.equals(fresh));
  assert.ok(size < 40, `${size} bytes`);
});
