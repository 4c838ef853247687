import assert from 'node:assert/strict';
import { test } from 'node:test';

import { buildElf, hex, sectionFlags } from './elf-builder.ts';
import { code, fieldsIn } from './found.ts';

// Numbers relative to the instruction are -16, so they point into the nops before.
const nops = '90'.repeat(64);

/** Instruction, then kind and offset of each field in it. */
const cases: readonly (readonly [name: string, bytes: string, ...fields: (readonly [string, number])[]])[] = [
  ['call', 'e8 f0ffffff', ['relative', 1]],
  ['jmp', 'e9 f0ffffff', ['relative', 1]],
  ['jne', '0f85 f0ffffff', ['relative', 2]],
  ['jmp with a prefix for branch tracking', 'f2e9 f0ffffff', ['relative', 2]],
  ['short jump', 'eb10'],
  ['mov rax,[rip]', '488b05 f0ffffff', ['relative', 3]],
  ['mov eax,[rip]', '8b05 f0ffffff', ['relative', 2]],
  ['lea rdi,[rip]', '488d3d f0ffffff', ['relative', 3]],
  ['cmp byte [rip],1', '803d f0ffffff 01', ['relative1', 2]],
  ['mov dword [rip],7', 'c705 f0ffffff 07000000', ['relative4', 2]],
  ['mov qword [rip],7', '48c705 f0ffffff 07000000', ['relative4', 3]],
  ['mov word [rip],7', '66c705 f0ffffff 0700', ['relative2', 3]],
  ['test byte [rip],1', 'f605 f0ffffff 01', ['relative1', 2]],
  ['test dword [rip],1', 'f705 f0ffffff 01000000', ['relative4', 2]],
  ['not dword [rip]', 'f715 f0ffffff', ['relative', 2]],
  ['movaps xmm0,[rip]', '0f2805 f0ffffff', ['relative', 3]],
  ['movsd xmm0,[rip]', 'f20f1005 f0ffffff', ['relative', 4]],
  ['movdqa xmm8,[rip]', '66440f6f05 f0ffffff', ['relative', 5]],
  ['pshufb xmm0,[rip]', '660f380005 f0ffffff', ['relative', 5]],
  ['palignr xmm0,[rip],4', '660f3a0f05 f0ffffff 04', ['relative1', 5]],
  ['vmovaps ymm0,[rip]', 'c5fc2805 f0ffffff', ['relative', 4]],
  ['vpermq ymm0,[rip],1', 'c4e3fd0005 f0ffffff 01', ['relative1', 5]],
  ['vmovups zmm0,[rip]', '62f17c481005 f0ffffff', ['relative', 6]],
  ['jmp [rip]', 'ff25 f0ffffff', ['relative', 2]],
  ['mov rax,imm64', '48b8 f0fffffff0ffffff'],
  ['mov r9d,imm32', '41b9 f0ffffff'],
  ['mov ax,imm16', '66b8 1000'],
  ['movabs al,[moffs]', 'a0 f0fffffff0ffffff'],
  ['enter', 'c8 100000'],
  ['mov eax,[rsp+rcx*4+16]', '8b848c f0ffffff'],
  ['mov eax,[rcx*4+disp32]', '8b048d f0ffffff'],
  ['mov eax,[rbp-4]', '8b45fc'],
  ['long nop', '66660f1f840000000000'],
  ['nop with segment prefix', '662e0f1f840000000000'],
  ['lock cmpxchg [rip],ecx', 'f00fb10d f0ffffff', ['relative', 4]],
];

for (const [name, bytes, ...fields] of cases)
  for (const [where, behind] of [
    ['', nops],
    [' at the end of the code', ''],
  ] as const)
    test(`${name}${where}`, () => {
      // With a call behind, which is missed when the instruction's length is told wrong.
      const section = code(hex(`${nops}${bytes}e8f0ffffff${behind}`));
      const length = hex(bytes).length;
      const expected = [
        ...fields.map(([kind, at]) => ({ kind, at: 64 + at })),
        { kind: 'relative', at: 64 + length + 1 },
      ];
      const found = fieldsIn(buildElf({ sections: [section] }), section);
      assert.deepEqual(
        found.map(({ kind, at }) => ({ kind, at })),
        expected,
      );
    });

test('targets are counted from the end of the instruction', () => {
  const section = code(hex(`${nops} 803d f0ffffff 01 ${nops}`));
  const elf = buildElf({ sections: [section] });
  const end = elf.at.get('.text')! + 64 + 7;
  assert.deepEqual(fieldsIn(elf, section), [{ at: 66, kind: 'relative1', target: end - 16, base: 0 }]);
});

test('targets outside of the image are no fields', () => {
  const section = code(hex(`e8 00000010 488b05 00000010 ${nops}`));
  assert.deepEqual(fieldsIn(buildElf({ sections: [section] }), section), []);
});

test('numbers are addresses only in images that are not moved', () => {
  // mov edi,0x400080; mov eax,[rcx*8+0x400080]; mov eax,[rdi+0x400080]; push 0x400080
  const section = code(hex(`bf80004000 8b04cd80004000 8b8780004000 6880004000 ${nops}`));
  const fixed = fieldsIn(buildElf({ type: 2, base: 0x400000, sections: [section] }), section);
  assert.deepEqual(
    fixed.map(({ at, kind, target }) => [at, kind, target]),
    [1, 8, 14, 19].map((at) => [at, 'absolute32', 0x400080]),
  );
  assert.deepEqual(fieldsIn(buildElf({ base: 0x400000, sections: [section] }), section), []);
});

test('stubs push the numbers of their relocations', () => {
  const stub = hex('ff25 f0ffffff 68 03000000 e9 f0ffffff');
  const plt = { name: '.plt', type: 1, flags: sectionFlags.code, bytes: stub };
  const relocations = { name: '.rela.plt', type: 4, bytes: Buffer.alloc(96) };
  const elf = buildElf({ sections: [relocations, plt, code(hex(nops))] });
  const table = elf.at.get('.rela.plt')!;
  assert.deepEqual(fieldsIn(elf, plt)[1], { at: 7, kind: 'entry24', target: table + 72, base: table });
});
