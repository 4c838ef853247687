// The programs of this machine: their fields can be read and written anew, and are found the same every time.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { findFields, findTableFields, type Fields } from '../../../src/delta/elf/fields.ts';
import { parseElf } from '../../../src/delta/elf/image.ts';
import { putField, readTarget, widthOf } from '../../../src/delta/elf/kinds.ts';
import { label } from '../../../src/delta/elf/labels.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';
import { buildElf } from './elf-builder.ts';
import { code, imageOf, rowsOf } from './found.ts';

for (const file of ['/bin/sh', '/bin/tar', '/bin/bash']) {
  test(`every field of ${file} is read as it was found and written as it was`, () => {
    const bytes = readFileSync(file);
    const image = imageOf(bytes);
    const rows = rowsOf(bytes, image);
    assert.ok(rows.length > bytes.length / 200, `only ${rows.length} fields`);
    const copy = Buffer.from(bytes);
    let free = 0;
    for (const { at, kind, place, target, base } of rows) {
      assert.ok(at >= free, `a field at ${at} overlaps the one before`);
      free = at + widthOf(kind);
      assert.equal(readTarget(bytes, at, kind, place, image, base, target), target);
      assert.ok(putField(copy, at, kind, place, target, image, base));
    }
    assert.ok(copy.equals(bytes));
    label(copy, findFields(inMemory(bytes), image), image);
    assert.ok(!copy.equals(bytes));
  });
}

test('the fields of tables alone are those that are found among all', () => {
  const file = inMemory(readFileSync('/bin/bash'));
  const image = parseElf(file)!;
  const plain = (fields: Fields): object[] =>
    fields.map(({ section, count, offset, kind }) => ({
      role: section.role,
      offset: offset.slice(0, count),
      kind: kind.slice(0, count),
    }));
  const tables = findFields(file, image).filter(
    ({ section: { role } }) => role === 'relocations' || role === 'symbols',
  );
  assert.ok(tables.length > 1);
  assert.deepEqual(plain(findTableFields(file, image)), plain(tables));
});

test('code that is read piece by piece has the fields it has as a whole', () => {
  // Calls of the first byte at odd distances, so that some lie over the borders of pieces.
  for (const machine of [62, 183] as const) {
    const text = Buffer.alloc(3_000_001, machine === 62 ? 0x90 : 0);
    const calls: number[] = [];
    for (let at = 400; at + 8 <= text.length; at += machine === 62 ? 33 : 36) {
      if (machine === 62) {
        text[at] = 0xe8;
        text.writeInt32LE(-(at + 5), at + 1);
        calls.push(at + 1);
      } else {
        text.writeUInt32LE((0x94000000 | ((-at / 4) & 0x3ffffff)) >>> 0, at);
        calls.push(at);
      }
    }
    const { bytes, at } = buildElf({ machine, sections: [code(text)] });
    const start = at.get('.text')!;
    assert.deepEqual(
      rowsOf(bytes, imageOf(bytes)).flatMap((row) =>
        row.target === start && row.at < start + text.length ? [row.at - start] : [],
      ),
      calls,
    );
  }
});
