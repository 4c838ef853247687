// Broken and hostile files: nothing throws, fields never overlap or leave the bytes, and each is read and written back as it
// was found.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import fc from 'fast-check';

import { findFields } from '../../../src/delta/elf/fields.ts';
import { anchors, parseElf } from '../../../src/delta/elf/image.ts';
import { putField, readTarget, widthOf } from '../../../src/delta/elf/kinds.ts';
import { label } from '../../../src/delta/elf/labels.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';
import { imageOf, rowsOf } from './found.ts';

const real = readFileSync('/bin/cat');
const realImage = imageOf(real);

/** All there is to do with a file. */
function examine(bytes: Uint8Array): void {
  const image = parseElf(inMemory(bytes));
  if (image === undefined) return;
  anchors(realImage, image);
  const copy = Buffer.from(bytes);
  let free = 0;
  for (const { at, kind, place, target, base } of rowsOf(bytes, image)) {
    assert.ok(at >= free && at + widthOf(kind) <= bytes.length, `field at ${at}`);
    free = at + widthOf(kind);
    assert.equal(readTarget(bytes, at, kind, place, image, base, target), target, `kind ${kind}`);
    assert.ok(putField(copy, at, kind, place, target, image, base), `kind ${kind}`);
  }
  assert.ok(copy.equals(bytes));
  label(copy, findFields(inMemory(bytes), image), image);
}

const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 40 });

/** A copy with some bytes changed, all within one part of the file. */
function damaged(part: { offset: number; size: number }, list: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.from(real);
  for (const [at, value] of list) bytes[part.offset + (at % part.size)] = value;
  return bytes;
}

const parts = [{ role: 'headers', offset: 0, size: realImage.headersEnd }, ...realImage.sections];

for (const part of parts)
  test(`damage in ${part.role} at ${part.offset}`, () => {
    fc.assert(
      fc.property(changes, (list) => {
        examine(damaged(part, list));
      }),
      { numRuns: 40 },
    );
  });

test('files that are cut', () => {
  fc.assert(
    fc.property(fc.nat({ max: real.length }), (length) => {
      examine(real.subarray(0, length));
    }),
    { numRuns: 60 },
  );
});

test('headers of a real file, then anything', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), fc.boolean(), (noise, arm) => {
      const bytes = Buffer.concat([real.subarray(0, realImage.headersEnd), noise]);
      if (arm) bytes.writeUInt16LE(183, 18);
      examine(bytes);
    }),
    { numRuns: 100 },
  );
});

test('aarch64 by name, x86-64 by its bytes', () => {
  const bytes = Buffer.from(real);
  bytes.writeUInt16LE(183, 18);
  examine(bytes);
});
