// Broken and hostile files: nothing throws, fields never overlap or leave the bytes, and each is read and written back as it
// was found.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import fc from 'fast-check';

import { findFields } from '../../../src/delta/elf/fields.ts';
import { anchors, parseElf } from '../../../src/delta/elf/image.ts';
import { putField, readTarget, widthOf } from '../../../src/delta/elf/kinds.ts';
import { labelled } from '../../../src/delta/elf/labels.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';
import { imageOf } from './found.ts';

const real = readFileSync('/bin/cat');
const realImage = imageOf(real);

/** All there is to do with a file, in the window from `from` to `to`. */
function examine(bytes: Uint8Array, from: number, to: number): void {
  const image = parseElf(inMemory(bytes));
  if (image === undefined) return;
  anchors(realImage, image);
  const window = bytes.subarray(from, to);
  const fields = findFields(window, image, from);
  assert.equal(labelled(window, fields, image, from).length, window.length);
  const copy = window.slice();
  let free = 0;
  for (let i = 0; i < fields.count; i++) {
    const [at, kind, target] = [fields.offset[i]!, fields.kind[i]!, fields.target[i]!];
    const place: number = image.addressOf(from + at);
    const base = fields.bases[fields.base[i]!]!;
    assert.ok(at >= free && at + widthOf(kind) <= window.length, `field ${i} at ${at}`);
    free = at + widthOf(kind);
    assert.equal(readTarget(window, at, kind, place, image, base, target), target, `kind ${kind}`);
    assert.ok(putField(copy, at, kind, place, target, image, base), `kind ${kind}`);
  }
  assert.ok(Buffer.from(copy).equals(window));
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
        examine(damaged(part, list), 0, real.length);
      }),
      { numRuns: 40 },
    );
  });

test('files that are cut', () => {
  fc.assert(
    fc.property(fc.nat({ max: real.length }), (length) => {
      examine(real.subarray(0, length), 0, length);
    }),
    { numRuns: 60 },
  );
});

test('windows of a file', () => {
  fc.assert(
    fc.property(fc.nat({ max: real.length }), fc.nat({ max: real.length }), (a, b) => {
      examine(real, Math.min(a, b), Math.max(a, b));
    }),
    { numRuns: 60 },
  );
});

test('headers of a real file, then anything', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), fc.boolean(), (noise, arm) => {
      const bytes = Buffer.concat([real.subarray(0, realImage.headersEnd), noise]);
      if (arm) bytes.writeUInt16LE(183, 18);
      examine(bytes, 0, bytes.length);
    }),
    { numRuns: 100 },
  );
});

test('aarch64 by name, x86-64 by its bytes', () => {
  const bytes = Buffer.from(real);
  bytes.writeUInt16LE(183, 18);
  examine(bytes, 0, bytes.length);
});

test('a window holds the fields of the whole file, but near its borders', () => {
  const whole = findFields(real, realImage);
  const [from, to] = [Math.floor(real.length / 4), Math.floor(real.length / 2)];
  const window = findFields(real.subarray(from, to), realImage, from);
  const inWindow = new Set(Array.from(window.offset, (at) => at + from));
  const expected = Array.from(whole.offset).filter((at) => at >= from + 64 && at < to - 64);
  const missing = expected.filter((at) => !inWindow.has(at));
  assert.ok(missing.length < expected.length / 10, `${missing.length} of ${expected.length} missing`);
});
