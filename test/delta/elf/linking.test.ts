import assert from 'node:assert/strict';
import { test } from 'node:test';

import { buildElf, hex, longs, sectionFlags, sectionTypes, words } from './elf-builder.ts';
import type { SectionPlan } from './elf-builder.ts';
import { fieldsIn } from './found.ts';

const strings: SectionPlan = { name: '.dynstr', type: sectionTypes.strings, bytes: Buffer.from('\0one\0two\0') };

/** A symbol's entry: name, kind, section, value, size. */
function symbol(name: number, info: number, section: number, value: number): Buffer {
  return Buffer.concat([words(name), Buffer.from([info, 0, section & 255, section >> 8]), longs(value, 0)]);
}

test('symbols: names, and values that are addresses', () => {
  const threadLocal = 6;
  const absolute = 0xfff1;
  const symbols: SectionPlan = {
    name: '.dynsym',
    type: sectionTypes.symbols,
    link: '.dynstr',
    bytes: Buffer.concat([
      symbol(0, 0, 0, 0),
      symbol(1, 0x12, 1, 200),
      symbol(5, threadLocal, 1, 16),
      symbol(5, 0x11, absolute, 64),
    ]),
  };
  const elf = buildElf({ sections: [symbols, strings] });
  const base = elf.at.get('.dynstr')!;
  assert.deepEqual(fieldsIn(elf, symbols), [
    { at: 24, kind: 'based', target: base + 1, base },
    { at: 32, kind: 'absolute64', target: 200, base: 0 },
    { at: 48, kind: 'based', target: base + 5, base },
    { at: 72, kind: 'based', target: base + 5, base },
  ]);
});

test('relocations: their places, numbers of symbols and addends; the words they name', () => {
  const symbols: SectionPlan = { name: '.dynsym', type: sectionTypes.symbols, bytes: Buffer.alloc(72) };
  const plan = (data: number): SectionPlan[] => [
    symbols,
    {
      name: '.rela.dyn',
      type: sectionTypes.relocations,
      link: '.dynsym',
      bytes: Buffer.concat([longs(data), words(8, 0), longs(150), longs(data + 8), words(6, 2), longs(0)]),
    },
    { name: '.data', type: 1, flags: sectionFlags.data, bytes: longs(150, 0, 150) },
  ];
  const data = buildElf({ sections: plan(0) }).at.get('.data')!;
  const elf = buildElf({ sections: plan(data) });
  const table = elf.at.get('.dynsym')!;
  assert.deepEqual(fieldsIn(elf, plan(data)[1]!), [
    { at: 0, kind: 'word', target: data, base: 0 },
    { at: 16, kind: 'absolute64', target: 150, base: 0 },
    { at: 24, kind: 'word', target: data + 8, base: 0 },
    { at: 36, kind: 'entry24', target: table + 48, base: table },
  ]);
  // The third word looks like an address, but nothing says that it is one.
  assert.deepEqual(fieldsIn(elf, plan(data)[2]!), [{ at: 0, kind: 'absolute64', target: 150, base: 0 }]);
});

test('relative relocations: an address, then bits for the words behind it', () => {
  const plan = (data: number): SectionPlan[] => [
    { name: '.relr.dyn', type: 19, bytes: longs(data, 0b101) },
    { name: '.data', type: 1, flags: sectionFlags.data, bytes: longs(130, 131, 132, 133) },
  ];
  const data = buildElf({ sections: plan(0) }).at.get('.data')!;
  const elf = buildElf({ sections: plan(data) });
  assert.deepEqual(fieldsIn(elf, plan(data)[0]!), [{ at: 0, kind: 'word', target: data, base: 0 }]);
  assert.deepEqual(
    fieldsIn(elf, plan(data)[1]!).map(({ at, target }) => [at, target]),
    [
      [0, 130],
      [16, 132],
    ],
  );
});

test('words of data that look like addresses are, where the image is not moved', () => {
  const data: SectionPlan = {
    name: '.data',
    type: 1,
    flags: sectionFlags.data,
    bytes: longs(0x400080, 7, 0x300000, 0x400090),
  };
  const found = fieldsIn(buildElf({ type: 2, base: 0x400000, sections: [data] }), data);
  assert.deepEqual(
    found.map(({ at, target }) => [at, target]),
    [
      [0, 0x400080],
      [24, 0x400090],
    ],
  );
});

test('dynamic table: addresses and names', () => {
  const dynamic: SectionPlan = {
    name: '.dynamic',
    type: sectionTypes.dynamic,
    link: '.dynstr',
    bytes: longs(1, 5, 12, 160, 5, 170, 10, 9, 0, 0),
  };
  const elf = buildElf({ sections: [dynamic, strings] });
  const base = elf.at.get('.dynstr')!;
  assert.deepEqual(fieldsIn(elf, dynamic), [
    { at: 8, kind: 'based', target: base + 5, base },
    { at: 24, kind: 'absolute64', target: 160, base: 0 },
    { at: 40, kind: 'absolute64', target: 170, base: 0 },
  ]);
});

test('hash tables: numbers of symbols', () => {
  const symbols: SectionPlan = { name: '.dynsym', type: sectionTypes.symbols, bytes: Buffer.alloc(96) };
  const gnu: SectionPlan = {
    name: '.gnu.hash',
    type: sectionTypes.gnuHash,
    link: '.dynsym',
    // Two buckets, first hashed symbol 1, a filter of one word; buckets; hashes.
    bytes: Buffer.concat([words(2, 1, 1, 6), longs(0x1234), words(1, 3), words(10, 11, 12)]),
  };
  const plain: SectionPlan = { name: '.hash', type: 5, link: '.dynsym', bytes: words(1, 2, 3, 0, 2) };
  const elf = buildElf({ sections: [symbols, gnu, plain] });
  const base = elf.at.get('.dynsym')!;
  const numbers = (section: SectionPlan): number[][] =>
    fieldsIn(elf, section).map(({ at, kind, target }) => {
      assert.equal(kind, 'entry24');
      return [at, (target - base) / 24];
    });
  assert.deepEqual(numbers(gnu), [
    [4, 1],
    [24, 1],
    [28, 3],
  ]);
  assert.deepEqual(numbers(plain), [
    [8, 3],
    [16, 2],
  ]);
});

test('versions: names of files and versions', () => {
  const needs: SectionPlan = {
    name: '.gnu.version_r',
    type: 0x6ffffffe,
    link: '.dynstr',
    // One file with two versions, at 16 and 32.
    bytes: Buffer.concat([words(0x00020001, 1, 16, 0), words(99, 0, 5, 16), words(98, 0, 1, 0)]),
  };
  const definitions: SectionPlan = {
    name: '.gnu.version_d',
    type: 0x6ffffffd,
    link: '.dynstr',
    bytes: Buffer.concat([words(0x00010001, 0x00010001, 77, 20, 0), words(5, 0)]),
  };
  const elf = buildElf({ sections: [needs, definitions, strings] });
  const base = elf.at.get('.dynstr')!;
  const names = (section: SectionPlan): number[][] =>
    fieldsIn(elf, section).map(({ at, target }) => [at, target - base]);
  assert.deepEqual(names(needs), [
    [4, 1],
    [24, 5],
    [40, 1],
  ]);
  assert.deepEqual(names(definitions), [[20, 5]]);
});

test('section headers: addresses and offsets', () => {
  const { bytes, at } = buildElf({ base: 0x1000, sections: [strings] });
  const headers = bytes.readUInt32LE(40);
  const section: SectionPlan = { name: 'headers', type: 0, bytes: bytes.subarray(headers) };
  const elf = { bytes, at: new Map([['headers', headers]]) };
  const place = at.get('.dynstr')!;
  assert.deepEqual(fieldsIn({ ...elf, bytes: withData(bytes) }, section).slice(0, 2), [
    { at: 64 + 16, kind: 'absolute64', target: 0x1000 + place, base: 0 },
    { at: 64 + 24, kind: 'fileOffset', target: 0x1000 + place, base: 0 },
  ]);
});

/** Some section must have a role, or the headers are not looked at. */
function withData(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(hex('01'), copy.readUInt32LE(40) + 64 + 4);
  return copy;
}
