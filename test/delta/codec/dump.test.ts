import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { originOf } from '../../../src/delta/codec/dump.ts';
import { throughCodec } from './through-codec.ts';

const page = 4096;

/** Objects of four words: a pointer to a kind, two to other objects, a number. `base`: the address behind the first page. */
function dump(names: readonly number[], base: number): Buffer {
  const bytes = Buffer.alloc(page + names.length * 32);
  const places = new Map(names.map((name, i) => [name, base + i * 32]));
  const placeOf = (name: number): number => places.get(name) ?? base;
  for (const [i, name] of names.entries()) {
    const at = page + i * 32;
    bytes.writeBigUInt64LE(BigInt(placeOf(names[name % 7]!)), at);
    bytes.writeBigUInt64LE(BigInt(placeOf(Math.imul(name, 31) >>> 16)), at + 8);
    bytes.writeBigUInt64LE(BigInt(placeOf(name ^ 5)), at + 16);
    bytes.writeUInt32LE(Math.imul(name, 0x9e3779b1) >>> 0, at + 24);
  }
  return bytes;
}

const names = Array.from({ length: 4000 }, (_, i) => i);

test('the address of the first byte is found', () => {
  for (const base of [0x800000000, 0x7f1234567000]) assert.equal(originOf(dump(names, base)), base - page);
  assert.equal(originOf(Buffer.alloc(100_000)), undefined);
  assert.equal(originOf(Buffer.from('text '.repeat(20_000))), undefined);
});

test('pointers to what moved cost nothing', () => {
  const old = dump(names, 0x800000000);
  const fresh = dump([...names.slice(0, 100), 9000, ...names.slice(100)], 0x900000000);
  const { bytes, size } = throughCodec(old, fresh, { window: 40_000, cut: true });
  assert.ok(bytes.equals(fresh));
  assert.ok(size < 300, `${size} bytes`);
});

test('any dump against any other comes back', () => {
  fc.assert(
    fc.property(
      fc.nat(3000),
      fc.nat(50),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 30 }),
      (at, gone, changes) => {
        const fresh = dump([...names.slice(0, at), ...names.slice(at + gone)], 0x800000000 + gone * page);
        for (const [place, byte] of changes) fresh[place % fresh.length] = byte;
        assert.ok(throughCodec(dump(names, 0x800000000), fresh).bytes.equals(fresh));
      },
    ),
    { numRuns: 20 },
  );
});
