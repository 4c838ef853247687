// The programs of this machine: their fields can be read and written anew, and are found the same every time.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { findFields } from '../../../src/delta/elf/fields.ts';
import { parseElf } from '../../../src/delta/elf/image.ts';
import { putField, readTarget, widthOf } from '../../../src/delta/elf/kinds.ts';
import { labelled } from '../../../src/delta/elf/labels.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';

for (const file of ['/bin/sh', '/bin/tar', '/bin/bash']) {
  test(`every field of ${file} is read as it was found and written as it was`, () => {
    const bytes = readFileSync(file);
    const image = parseElf(inMemory(bytes))!;
    const fields = findFields(bytes, image);
    assert.ok(fields.count > bytes.length / 200, `only ${fields.count} fields`);
    const copy = Buffer.from(bytes);
    let free = 0;
    for (let i = 0; i < fields.count; i++) {
      const [at, kind, target] = [fields.offset[i]!, fields.kind[i]!, fields.target[i]!];
      const [place, base] = [image.addressOf(at), fields.bases[fields.base[i]!]!];
      assert.ok(at >= free, `field ${i} overlaps the one before`);
      free = at + widthOf(kind);
      assert.equal(readTarget(bytes, at, kind, place, image, base, target), target);
      assert.ok(putField(copy, at, kind, place, target, image, base));
    }
    assert.ok(copy.equals(bytes));
    assert.equal(labelled(bytes, fields, image).length, bytes.length);
  });
}
