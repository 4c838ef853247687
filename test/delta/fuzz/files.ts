// Pairs of files of all the kinds that the file codec knows, small, because a fuzzer decodes them often.

import { buildElf, hex, longs, sectionFlags, sectionTypes } from '../elf/elf-builder.ts';
import { BitWriter } from '../codec/bitcode/bit-writer.ts';
import { noise } from '../codec/through-codec.ts';

export interface FilePair {
  readonly name: string;
  readonly old: Buffer;
  readonly fresh: Buffer;
}

/** Code with calls and references to data, behind a gap that shifts it. */
function program(machine: 62 | 183, gap: number): Buffer {
  const routine =
    machine === 62
      ? hex('554889e5 e8f0ffffff 488d05d0000000 e910000000 0f8420000000 5dc3 9090')
      : hex('fd7bbfa9 f0ffff97 00000090 00100091 80000054 fd7bc1a8 c0035fd6 1f2003d5');
  const text = Buffer.concat(Array.from({ length: 30 }, () => routine));
  const sections = (pointers: Buffer): Parameters<typeof buildElf>[0] => ({
    machine,
    gap,
    type: machine === 62 ? 2 : 3,
    base: machine === 62 ? 0x400000 : 0,
    sections: [
      { name: '.text', type: sectionTypes.code, flags: sectionFlags.code, bytes: text },
      { name: '.rodata', type: sectionTypes.data, flags: sectionFlags.constants, bytes: noise(200, 5) },
      { name: '.data', type: sectionTypes.data, flags: sectionFlags.data, bytes: pointers },
    ],
  });
  const { at } = buildElf(sections(Buffer.alloc(240)));
  const start = at.get('.text')! + (machine === 62 ? 0x400000 : 0);
  return buildElf(sections(longs(...Array.from({ length: 30 }, (_, i) => start + i * routine.length)))).bytes;
}

/** Memory full of pointers into itself. */
function dump(shift: number): Buffer {
  const bytes = Buffer.alloc(70_000);
  for (let at = 4096; at < bytes.length - 8; at += 48)
    bytes.writeBigUInt64LE(0x700000000n + BigInt((((at * 7) & ~15) + shift) % 60_000), at);
  return bytes;
}

function catalogue(texts: readonly string[]): Buffer {
  const head = 28;
  const strings = texts.flatMap((text, i) => [`id ${i}`, text]).map((text) => Buffer.from(`${text}\0`));
  let at = head + strings.length * 8;
  const table = Buffer.alloc(head + strings.length * 8);
  for (const [i, value] of [0x950412de, 0, texts.length, head, head + texts.length * 8].entries())
    table.writeUInt32LE(value, i * 4);
  for (const half of [0, 1])
    for (let i = 0; i < texts.length; i++) {
      const text = strings[i * 2 + half]!;
      table.writeUInt32LE(text.length - 1, head + half * texts.length * 8 + i * 8);
      table.writeUInt32LE(at, head + half * texts.length * 8 + i * 8 + 4);
      at += text.length;
    }
  const ordered = [0, 1].flatMap((half) => texts.map((_, i) => strings[i * 2 + half]!));
  return Buffer.concat([table, ...ordered]);
}

function bitcode(records: number): Buffer {
  const stream = new BitWriter();
  stream.fixed(0xdec04342, 32);
  stream.block(8, 2, 3, () => {
    for (let i = 0; i < records; i++) stream.record(3, i, [BigInt(i) ** 9n, 5n]);
  });
  return stream.bytes();
}

function patched(bytes: Buffer, seed: number): Buffer {
  const half = bytes.length >> 1;
  const copy = Buffer.concat([bytes.subarray(0, half), noise(40, seed), bytes.subarray(half + 7)]);
  for (let at = 90; at < copy.length; at += 397) copy[at]! += 3;
  return copy;
}

const lines = (word: string): Buffer =>
  Buffer.from(Array.from({ length: 60 }, (_, i) => `${word} ${i * 37} of a text\n`).join(''));

export const filePairs: readonly FilePair[] = [
  { name: 'noise', old: noise(2000, 1), fresh: patched(noise(2000, 1), 2) },
  { name: 'text', old: lines('line'), fresh: patched(lines('line'), 3) },
  { name: 'x86-64', old: program(62, 0), fresh: program(62, 100) },
  { name: 'aarch64', old: program(183, 0), fresh: program(183, 64) },
  { name: 'bitcode', old: bitcode(40), fresh: bitcode(41) },
  { name: 'catalogue', old: catalogue(['one', 'two', 'three']), fresh: catalogue(['one', 'two!', 'three', 'four']) },
  { name: 'dump', old: dump(0), fresh: dump(64) },
];
