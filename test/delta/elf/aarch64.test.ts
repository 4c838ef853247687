import assert from 'node:assert/strict';
import { test } from 'node:test';

import { buildElf, words } from './elf-builder.ts';
import type { BuiltElf } from './elf-builder.ts';
import { code, fieldsIn } from './found.ts';
import type { FoundField } from './found.ts';

const nop = 0xd503201f;
const nops = Array.from({ length: 16 }, () => nop);

/** Fields of instructions among nops; offsets from the first one. */
function found(...instructions: number[]): { readonly elf: BuiltElf; readonly fields: FoundField[] } {
  const section = code(words(...nops, ...instructions, ...nops));
  const elf = buildElf({ machine: 183, sections: [section], blank: 65536 });
  return { elf, fields: fieldsIn(elf, section).map((field) => ({ ...field, at: field.at - 64 })) };
}

const branches = [
  ['bl', 0x97fffffc, 'branch26'],
  ['b', 0x17fffffc, 'branch26'],
  ['b.ne', 0x54ffff81, 'branch19'],
  ['cbz x1', 0xb4ffff81, 'branch19'],
  ['tbnz w2, 3', 0x371fff82, 'branch14'],
  ['ldr x1, literal', 0x58ffff81, 'branch19'],
  ['adr x1', 0x10ffff81, 'adr'],
] as const;

for (const [name, word, kind] of branches)
  test(`${name} to 16 bytes before`, () => {
    const { elf, fields } = found(word);
    assert.deepEqual(fields, [{ at: 0, kind, target: elf.at.get('.text')! + 48, base: 0 }]);
  });

test('a page and its low bits make one address', () => {
  // adrp x0, 1 page on; add x0, x0, 0x123
  const { fields } = found(0xb0000000, 0x91048c00);
  assert.deepEqual(fields, [
    { at: 0, kind: 'adrp', target: 0x1123, base: 0 },
    { at: 4, kind: 'low12', target: 0x1123, base: 0 },
  ]);
});

test('loads count their offset in units of their size', () => {
  // adrp x0, 1 page on; then ldrb w1, ldrh w1, ldr w1, ldr x1, ldr q1, all [x0, 3 units]
  const { fields } = found(0xb0000000, 0x39400c01, 0x79400c01, 0xb9400c01, 0xf9400c01, 0x3dc00c01);
  assert.deepEqual(
    fields.map(({ kind, target }) => [kind, target - 0x1000]),
    [
      ['adrp', 3],
      ['low12', 3],
      ['low12x2', 6],
      ['low12x4', 12],
      ['low12x8', 24],
      ['low12x16', 48],
    ],
  );
});

test('a register that was written, a call or a return ends the pair', () => {
  const [page, load] = [0xb0000000, 0xf9400c01];
  // mov x0, x2; bl; ret; and an offset beyond the page
  for (const between of [[0xaa0203e0], [0x97fffffc], [0xd65f03c0]]) {
    const kinds = found(page, ...between, load).fields.map(({ kind }) => kind);
    assert.ok(!kinds.includes('low12x8'), kinds.join());
  }
  assert.deepEqual(
    found(page, 0xf97ffc01).fields.map(({ kind }) => kind),
    ['adrp'],
  );
});

test('constants among the code hold no fields', () => {
  const { fields } = found(0x97fffffc, 0x00000001, 0x97fffffc);
  assert.deepEqual(fields, []);
});
