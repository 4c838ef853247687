import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFields } from '../../../src/delta/elf/fields.ts';
import { label } from '../../../src/delta/elf/labels.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';
import { buildElf, hex, words } from './elf-builder.ts';
import { code, imageOf } from './found.ts';

/** Two functions, the first of which calls the second, with `gap` bytes before and `between` them. */
function program(gap: number, between: number, body: string): Buffer {
  const call = Buffer.concat([hex('e8'), words(11 + between), hex('c3'), Buffer.alloc(10 + between, 0xcc)]);
  return buildElf({ gap, sections: [code(Buffer.concat([call, hex(body), Buffer.alloc(64, 0x90)]))] }).bytes;
}

function labelsOf(bytes: Buffer): { readonly at: number; readonly copy: Buffer } {
  const image = imageOf(bytes);
  const fields = findFields(inMemory(bytes), image);
  assert.equal(fields[0]!.kind[0], 1);
  const copy = Buffer.from(bytes);
  label(copy, fields, image);
  return { at: fields[0]!.offset[0]!, copy };
}

const body = '554889e5b80100000031c0c9c3';

test('a call looks the same wherever it and its target are', () => {
  const [one, other] = [labelsOf(program(0, 0, body)), labelsOf(program(160, 48, body))];
  assert.deepEqual(one.copy.subarray(one.at, one.at + 4), other.copy.subarray(other.at, other.at + 4));
});

test('a call to something else looks different', () => {
  const [one, other] = [labelsOf(program(0, 0, body)), labelsOf(program(0, 0, '4157415641554154' + body))];
  assert.notDeepEqual(one.copy.subarray(one.at, one.at + 4), other.copy.subarray(other.at, other.at + 4));
});

test('what is no field stays as it is', () => {
  const bytes = program(0, 0, body);
  const { at, copy } = labelsOf(bytes);
  assert.deepEqual(copy.subarray(0, at), bytes.subarray(0, at));
  assert.deepEqual(copy.subarray(at + 4, at + 40), bytes.subarray(at + 4, at + 40));
});
