import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { kinds, putField, readTarget, widthOf } from '../../../src/delta/elf/kinds.ts';
import { buildElf } from './elf-builder.ts';
import { imageOf } from './found.ts';

const image = imageOf(buildElf({ sections: [] }).bytes);
const addresses = fc.oneof(
  fc.nat({ max: 0xffff }),
  fc.nat(),
  fc.maxSafeNat().map((value) => value % 2 ** 51),
);

for (const [name, kind] of Object.entries(kinds)) {
  test(`${name}: what is written is read back, and a refused target leaves the bytes alone`, () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        addresses,
        addresses,
        addresses,
        (old, ...numbers) => {
          const [place, target, base] = numbers;
          const bytes = old.slice();
          if (putField(bytes, 2, kind, place, target, image, base)) {
            assert.equal(readTarget(bytes, 2, kind, place, image, base, target), target);
            assert.deepEqual(bytes.subarray(2 + widthOf(kind)), old.subarray(2 + widthOf(kind)));
            assert.deepEqual(bytes.subarray(0, 2), old.subarray(0, 2));
          } else assert.deepEqual(bytes, old);
        },
      ),
    );
  });

  test(`${name}: what is read is written back to the same bytes`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.nat(), fc.nat(), (old, place, guess) => {
        // Instructions lie at multiples of 4; far pointers of 64 bits are no addresses.
        const from = place - (place % 4);
        const target = readTarget(old, 0, kind, from, image, 4096, guess);
        // An offset that leaves the page is no low part of an address.
        fc.pre(kind < kinds.low12 || Math.floor(target / 4096) === Math.floor(guess / 4096));
        const bytes = old.slice();
        if (putField(bytes, 0, kind, from, target, image, 4096)) assert.deepEqual(bytes, old);
        else assert.ok(widthOf(kind) === 8, `${name} of ${target}`);
      }),
    );
  });
}

test('an unknown kind is read as nothing and never written', () => {
  const bytes = new Uint8Array(8);
  assert.equal(readTarget(bytes, 0, 200, 0, image, 0, 0), -1);
  assert.ok(!putField(bytes, 0, 200, 0, 0, image, 0));
});
