// Tables that the compiler makes: unwinding, exceptions, jumps.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { buildElf, hex, sectionFlags, words } from './elf-builder.ts';
import type { SectionPlan } from './elf-builder.ts';
import { code, fieldsIn } from './found.ts';

const text = code(hex('90'.repeat(256)));

/** Sections whose bytes depend on where sections are: built twice. */
function build(plan: (at: ReadonlyMap<string, number>) => SectionPlan[]): {
  elf: ReturnType<typeof buildElf>;
  sections: SectionPlan[];
} {
  const places = new Map(
    ['.text', '.rodata', '.eh_frame', '.eh_frame_hdr', '.gcc_except_table', '.data'].map((n) => [n, 0]),
  );
  const sections = plan(buildElf({ sections: plan(places) }).at);
  return { elf: buildElf({ sections }), sections };
}

/** A common part with personality, exception table and pointer encodings, and a frame for `begin` with a table. */
function frames(start: number, begin: number, table: number): Buffer {
  const common = Buffer.concat([
    words(28, 0),
    Buffer.from('\x01zPLR\0\x01\x78\x10\x07\x9b', 'latin1'),
    words(table - (start + 19)),
    hex('1b1b'),
    Buffer.alloc(7),
  ]);
  const frame = Buffer.concat([
    words(20, 36, begin - (start + 40), 64),
    hex('04'),
    words(table - (start + 49)),
    hex('000000'),
  ]);
  return Buffer.concat([common, frame, words(0)]);
}

test('frames: personality, common part, function and exception table', () => {
  const { elf, sections } = build((at) => [
    text,
    { name: '.gcc_except_table', type: 1, bytes: Buffer.alloc(16) },
    {
      name: '.eh_frame',
      type: 1,
      bytes: frames(at.get('.eh_frame')!, at.get('.text')! + 32, at.get('.gcc_except_table')!),
    },
  ]);
  const [begin, table, start] = [elf.at.get('.text')! + 32, elf.at.get('.gcc_except_table')!, elf.at.get('.eh_frame')!];
  assert.deepEqual(fieldsIn(elf, sections[2]!), [
    { at: 19, kind: 'relativeSelf', target: table, base: 0 },
    { at: 36, kind: 'back', target: start, base: 0 },
    { at: 40, kind: 'relativeSelf', target: begin, base: 0 },
    { at: 49, kind: 'relativeSelf', target: table, base: 0 },
  ]);
});

test('table of frames: pairs of function and frame', () => {
  const header = (start: number, begin: number): Buffer =>
    Buffer.concat([hex('011b033b'), words(100 - (start + 4), 1, begin - start, 90 - start)]);
  const { elf, sections } = build((at) => [
    text,
    { name: '.eh_frame_hdr', type: 1, bytes: header(at.get('.eh_frame_hdr')!, at.get('.text')! + 8) },
  ]);
  const base = elf.at.get('.eh_frame_hdr')!;
  assert.deepEqual(fieldsIn(elf, sections[1]!), [
    { at: 4, kind: 'relativeSelf', target: 100, base: 0 },
    { at: 12, kind: 'based', target: elf.at.get('.text')! + 8, base },
    { at: 16, kind: 'based', target: 90, base },
  ]);
});

test('exception tables: the list of types, read from its end', () => {
  // No start; encoding of types, the list's end 17 bytes behind 3; call sites in LEB128, 3 bytes; 4 bytes of actions; two types.
  const table = (start: number, data: number): Buffer =>
    Buffer.concat([hex('ff9b 11 01 03 000000 01000100'), words(data - (start + 12), data + 8 - (start + 16))]);
  const { elf, sections } = build((at) => [
    text,
    { name: '.gcc_except_table', type: 1, bytes: table(at.get('.gcc_except_table')!, at.get('.data')!) },
    { name: '.eh_frame', type: 1, bytes: frames(at.get('.eh_frame')!, at.get('.text')!, at.get('.gcc_except_table')!) },
    { name: '.data', type: 1, flags: sectionFlags.data, bytes: Buffer.alloc(16) },
  ]);
  const data = elf.at.get('.data')!;
  assert.deepEqual(fieldsIn(elf, sections[1]!), [
    { at: 12, kind: 'relativeSelf', target: data, base: 0 },
    { at: 16, kind: 'relativeSelf', target: data + 8, base: 0 },
  ]);
});

test('jump tables: distances to code, up to the next table or the first other number', () => {
  const { elf, sections } = build((at) => {
    const [start, table] = [at.get('.text')!, at.get('.rodata')!];
    const lea = (from: number, to: number): Buffer => Buffer.concat([hex('488d05'), words(to - (start + from + 7))]);
    const jumps = [
      start + 20 - table,
      start + 40 - table,
      1 << 20,
      start - table,
      5,
      start + 8 - (table + 16),
      start + 9 - (table + 16),
    ];
    return [
      code(Buffer.concat([lea(0, table), lea(7, table + 16), Buffer.alloc(64, 0x90)])),
      { name: '.rodata', type: 1, bytes: words(...jumps) },
    ];
  });
  const [start, table] = [elf.at.get('.text')!, elf.at.get('.rodata')!];
  assert.deepEqual(fieldsIn(elf, sections[1]!), [
    { at: 0, kind: 'based', target: start + 20, base: table },
    { at: 4, kind: 'based', target: start + 40, base: table },
  ]);
});

test('numbers that code does not name are no jump table', () => {
  const { elf, sections } = build((at) => [
    text,
    {
      name: '.rodata',
      type: 1,
      bytes: words(at.get('.text')! - at.get('.rodata')!, at.get('.text')! - at.get('.rodata')!),
    },
  ]);
  assert.deepEqual(fieldsIn(elf, sections[1]!), []);
});
