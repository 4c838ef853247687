import assert from 'node:assert/strict';
import { test } from 'node:test';

import { anchors, parseElf } from '../../../src/delta/elf/image.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';
import { buildElf, hex, longs, sectionTypes, words } from './elf-builder.ts';
import { code, imageOf } from './found.ts';

const text = code(hex('90'.repeat(100)));

test('loaded bytes have addresses, others pseudo addresses, blank memory no bytes', () => {
  const { bytes, at } = buildElf({ base: 0x10000, sections: [text], blank: 4096 });
  const image = imageOf(bytes);
  const offset = at.get('.text')!;
  assert.equal(image.addressOf(offset), 0x10000 + offset);
  assert.equal(image.offsetOf(0x10000 + offset), offset);
  assert.equal(image.addressOf(bytes.length - 1), 2 ** 50 + bytes.length - 1);
  assert.equal(image.offsetOf(2 ** 50 + bytes.length - 1), bytes.length - 1);
  assert.equal(image.offsetOf(image.addressEnd - 1), -1);
  assert.equal(image.offsetOf(0), -1);
});

test('the headers alone give the same addresses', () => {
  const { bytes } = buildElf({ base: 0x10000, sections: [text] });
  const whole = imageOf(bytes);
  const alone = imageOf(bytes.subarray(0, whole.headersEnd));
  assert.equal(alone.headersEnd, whole.headersEnd);
  for (let offset = 0; offset < bytes.length; offset += 7)
    assert.equal(alone.addressOf(offset), whole.addressOf(offset));
});

test('anchors are the starts of segments of both files', () => {
  const build = (gap: number): ReturnType<typeof buildElf> =>
    buildElf({
      gap,
      sections: [
        { name: '.dynsym', type: sectionTypes.symbols, bytes: Buffer.alloc(48), link: '.dynstr' },
        { name: '.dynstr', type: sectionTypes.strings, bytes: hex('00') },
        { name: '.dynamic', type: sectionTypes.dynamic, bytes: longs(0, 0), link: '.dynstr' },
      ],
    });
  const [old, fresh] = [build(0), build(256)];
  const images = [imageOf(old.bytes), imageOf(fresh.bytes)] as const;
  assert.deepEqual([...anchors(...images)], [0, 0, old.at.get('.dynamic'), fresh.at.get('.dynamic')]);
});

test('without section headers the segments and the dynamic table say what is where', () => {
  const relocations = { name: '.rela.dyn', type: 4, bytes: longs(128, 8, 128) };
  const at = buildElf({
    sections: [relocations, { name: '.dynamic', type: 6, bytes: longs(7, 0, 8, 24, 0, 0) }, text],
  }).at;
  const dynamic = longs(7, at.get('.rela.dyn')!, 8, 24, 0, 0);
  const { bytes } = buildElf({
    withoutSectionHeaders: true,
    sections: [relocations, { name: '.dynamic', type: 6, bytes: dynamic }, text],
  });
  const roles = imageOf(bytes).sections.map(({ role, offset }) => [role, offset]);
  assert.deepEqual(roles, [
    ['code', 0],
    ['relocations', at.get('.rela.dyn')],
    ['code', at.get('.rela.dyn')! + 24],
    ['dynamic', at.get('.dynamic')],
    ['code', at.get('.dynamic')! + 48],
  ]);
});

const damages: readonly (readonly [name: string, damage: (bytes: Buffer) => Uint8Array])[] = [
  ['an empty file', () => new Uint8Array(0)],
  ['a file cut in its header', (bytes) => bytes.subarray(0, 63)],
  ['another magic number', (bytes) => change(bytes, 0, '00')],
  ['32 bits', (bytes) => change(bytes, 4, '01')],
  ['big-endian', (bytes) => change(bytes, 5, '02')],
  ['an object file', (bytes) => change(bytes, 16, '0100')],
  ['another machine', (bytes) => change(bytes, 18, '0800')],
  ['no segments', (bytes) => change(bytes, 56, '0000')],
  ['thousands of segments', (bytes) => change(bytes, 56, 'ffff')],
  ['program headers outside of the file', (bytes) => change(bytes, 32, 'ffffffffffffffff')],
  ['program headers of another size', (bytes) => change(bytes, 54, '2000')],
  ['an address above all', (bytes) => change(bytes, 64 + 16, '0000000000000080')],
  ['more bytes than memory', (bytes) => change(bytes, 64 + 40, '0100000000000000')],
];

function change(bytes: Buffer, at: number, digits: string): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(hex(digits), at);
  return copy;
}

for (const [name, damage] of damages)
  test(`${name} is no image`, () => {
    assert.equal(parseElf(inMemory(damage(buildElf({ sections: [text] }).bytes))), undefined);
  });

test('segments that overlap are no image', () => {
  const { bytes } = buildElf({ sections: [text, { name: '.dynamic', type: 6, bytes: words(0, 0, 0, 0) }] });
  // The second header, of the dynamic table, becomes one more loaded segment.
  assert.equal(parseElf(inMemory(change(bytes, 120, '01'))), undefined);
});
