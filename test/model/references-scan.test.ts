// Scanning for hash parts, against the simplest thing that could work.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HashPartScanner, scanReferences } from '../../src/model/references-scan.ts';
import { hashPart } from '../../src/model/store-path.ts';
import * as arbitrary from '../property/arbitraries.ts';

/** Cuts `bytes` at random into chunks that share one buffer, which is overwritten each time. */
function* scribbled(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  const buffer = new Uint8Array(100);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const n = Math.min(lengths[i % lengths.length] ?? 1, bytes.length - at);
    buffer.set(bytes.subarray(at, at + n));
    yield buffer.subarray(0, n);
    buffer.fill(0x30);
    at += n;
  }
}

const chunkLengths = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 });

test('every occurrence is found, wherever chunks end', () => {
  const parts = fc.uniqueArray(arbitrary.storePath.map(hashPart), { minLength: 1, maxLength: 4 });
  const filler = fc.oneof(fc.string({ maxLength: 70 }), fc.string({ unit: fc.constantFrom('0', 'z'), maxLength: 70 }));
  const input = parts.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.array(fc.oneof(filler, fc.constantFrom(...all), fc.constant('0'.repeat(32))), { maxLength: 8 }),
    ),
  );
  fc.assert(
    fc.property(input, chunkLengths, ([all, pieces], lengths) => {
      const bytes = Buffer.from(pieces.join(''));
      const wanted = [...all, '0'.repeat(32)];
      const got: string[] = [];
      const scanner = new HashPartScanner(wanted, (part, offset) => got.push(`${offset} ${part}`));
      for (const chunk of scribbled(bytes, lengths)) scanner.update(chunk);
      const expected: string[] = [];
      for (let at = 0; at + 32 <= bytes.length; at++) {
        const part = bytes.toString('latin1', at, at + 32);
        if (wanted.includes(part)) expected.push(`${at} ${part}`);
      }
      assert.deepEqual(got, expected);
      assert.deepEqual(scanner.found, new Set(expected.map((e) => e.split(' ')[1])));
    }),
    { numRuns: 300 },
  );
});

test('references come in the order of the candidates; others are not seen', async () => {
  const [a, b, c] = fc.sample(arbitrary.storePath, { numRuns: 3, seed: 1 });
  assert.ok(a && b && c);
  const text = Buffer.from(`x/nix/store/${c}\0${hashPart(a)}`);
  assert.deepEqual(await scanReferences([text.subarray(0, 30), text.subarray(30)], [a, b, c]), [a, c]);
  assert.throws(() => new HashPartScanner(['short']), RangeError);
});
