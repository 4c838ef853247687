import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildElf, sectionFlags, sectionTypes } from '../elf/elf-builder.ts';
import { noise, throughCodec } from './through-codec.ts';

/** A function: its number, by which others call it, and whom it calls. */
interface Routine {
  readonly name: number;
  readonly calls: readonly number[];
}

/** A program of these functions, one behind the other; calls of functions that are not there go to the first. */
function program(routines: readonly Routine[]): Buffer {
  const starts = new Map<number, number>();
  let size = 0;
  for (const { name, calls } of routines) {
    starts.set(name, size);
    size += 16 + 10 * calls.length;
  }
  const text = Buffer.alloc(size, 0x90);
  let at = 0;
  for (const { name, calls } of routines) {
    text.set([0x55, 0x48, 0x89, 0xe5, 0xb8], at);
    text.writeUInt32LE(Math.imul(name, 0x9e3779b1) >>> 0, at + 5);
    at += 9;
    for (const callee of calls) {
      text[at] = 0xb8;
      text.writeUInt32LE(callee, at + 1);
      text[at + 5] = 0xe8;
      text.writeInt32LE((starts.get(callee) ?? 0) - (at + 10), at + 6);
      at += 10;
    }
    text.set([0x5d, 0xc3], at);
    at += 7;
  }
  const pointers = Buffer.alloc(routines.length * 8);
  const plan = (addresses: Buffer): Parameters<typeof buildElf>[0] => ({
    type: 2,
    base: 0x400000,
    sections: [
      { name: '.text', type: sectionTypes.code, flags: sectionFlags.code, bytes: text },
      { name: '.data', type: sectionTypes.data, flags: sectionFlags.data, bytes: addresses },
    ],
  });
  const start = buildElf(plan(pointers)).at.get('.text')!;
  for (const [i, { name }] of routines.entries())
    pointers.writeBigUInt64LE(BigInt(0x400000 + start + starts.get(name)!), i * 8);
  return buildElf(plan(pointers)).bytes;
}

const routines = fc.array(
  fc.record({
    name: fc.integer({ min: 1, max: 60 }),
    calls: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }),
  }),
  { maxLength: 40 },
);

test('any program against any other comes back', () => {
  const level = fc.constantFrom<'fast' | 'best'>('fast', 'best');
  fc.assert(
    fc.property(
      routines,
      routines,
      level,
      fc.integer({ min: 1, max: 2000 }),
      fc.boolean(),
      (a, b, how, window, cut) => {
        const [old, fresh] = [program(a), program([...a.slice(0, a.length >> 1), ...b, ...a.slice(a.length >> 1)])];
        assert.ok(throughCodec(old, fresh, { level: how, window, cut }).bytes.equals(fresh));
      },
    ),
    { numRuns: 150 },
  );
});

test('addresses cost nothing where all code moves by a new function', () => {
  const many = Array.from({ length: 3000 }, (_, i) => ({
    name: i + 1,
    calls: [((i * 7919) % 3000) + 1, ((i * 104729) % 3000) + 1, ((i * 31) % 3000) + 1],
  }));
  const old = program(many);
  const fresh = program([...many.slice(0, 900), { name: 4000, calls: [5, 17] }, ...many.slice(900)]);
  const { bytes, size } = throughCodec(old, fresh);
  assert.ok(bytes.equals(fresh));
  assert.ok(size < 200, `${size} bytes`);
  const fast = throughCodec(old, fresh, { level: 'fast' });
  assert.ok(fast.bytes.equals(fresh));
  assert.ok(fast.size < 6000, `${fast.size} bytes`);
});

/** A library that exports functions of these names, 32 bytes each. */
function library(names: readonly string[]): Buffer {
  const strings = Buffer.from(`\0${names.join('\0')}\0`, 'latin1');
  const text = Buffer.concat(names.map((name) => createHash('sha256').update(name).digest()));
  const symbols = Buffer.alloc((names.length + 1) * 24);
  const sections: Parameters<typeof buildElf>[0]['sections'] = [
    { name: '.dynsym', type: sectionTypes.symbols, bytes: symbols, link: '.dynstr' },
    { name: '.dynstr', type: sectionTypes.strings, flags: sectionFlags.constants, bytes: strings },
    { name: '.text', type: sectionTypes.code, flags: sectionFlags.code, bytes: text },
  ];
  const start = buildElf({ sections }).at.get('.text')!;
  let name = 1;
  for (const [i, { length }] of names.entries()) {
    const at = (i + 1) * 24;
    symbols.writeUInt32LE(name, at);
    symbols.set([0x12, 0, 3, 0], at + 4);
    symbols.writeUInt32LE(start + i * 32, at + 8);
    symbols.writeUInt32LE(32, at + 16);
    name += length + 1;
  }
  return buildElf({ sections }).bytes;
}

test('at fast, too, entries of tables are found by what they name', () => {
  const names = Array.from({ length: 3000 }, (_, i) => `function_${Math.imul(i + 1, 0x9e3779b1) >>> 0}`);
  const fresh = [...names.slice(0, 1000), 'one_more', ...names.slice(1000, 2000), 'and_another', ...names.slice(2000)];
  const [old, made] = [library(names), library(fresh)];
  const { bytes, size } = throughCodec(old, made, { level: 'fast' });
  assert.ok(bytes.equals(made));
  assert.ok(size < 2000, `${size} bytes`);
});

test('real programs against each other, cut and damaged, come back', () => {
  const [shell, tool] = [readFileSync('/bin/sh'), readFileSync('/bin/cat')];
  const damaged = Buffer.from(shell);
  noise(400, 5).copy(damaged, 20_000);
  const cut = shell.subarray(0, 70_001);
  const headers = Buffer.concat([shell.subarray(0, 600), noise(5000, 9)]);
  for (const [old, fresh] of [
    [shell, tool],
    [tool, shell],
    [shell, damaged],
    [shell, cut],
    [cut, shell],
    [headers, shell],
    [shell, headers],
    [shell, Buffer.alloc(0)],
  ] as const)
    assert.ok(throughCodec(old, fresh, { window: 50_000, cut: true }).bytes.equals(fresh));
});
