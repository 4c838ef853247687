// What is found in a file, in a form that tests can compare.

import assert from 'node:assert/strict';

import { baseOf, targetOf } from '../../../src/delta/elf/field-list.ts';
import { findFields } from '../../../src/delta/elf/fields.ts';
import { parseElf } from '../../../src/delta/elf/image.ts';
import type { ElfImage } from '../../../src/delta/elf/image.ts';
import { kinds } from '../../../src/delta/elf/kinds.ts';
import { inMemory } from '../../../src/delta/random-bytes.ts';
import { sectionFlags } from './elf-builder.ts';
import type { BuiltElf, SectionPlan } from './elf-builder.ts';

export interface FoundField {
  readonly at: number;
  readonly kind: string;
  readonly target: number;
  readonly base: number;
}

const kindNames = new Map<number, string>(Object.entries(kinds).map(([name, kind]) => [kind, name]));

/** The image of a file that must be one. */
export function imageOf(bytes: Uint8Array): ElfImage {
  const image = parseElf(inMemory(bytes));
  assert.ok(image !== undefined, 'not taken for an ELF file');
  return image;
}

/** A field with all that is known of it. */
export interface Row {
  readonly at: number;
  readonly kind: number;
  /** Its own address. */
  readonly place: number;
  readonly target: number;
  readonly base: number;
}

/** The fields of a file, in its order. */
export function rowsOf(bytes: Uint8Array, image: ElfImage): Row[] {
  return findFields(inMemory(bytes), image).flatMap((part) =>
    Array.from({ length: part.count }, (_, row) => {
      const [at, kind] = [part.offset[row]!, part.kind[row]!];
      const place = at + part.section.address - part.section.offset;
      return { at, kind, place, target: targetOf(part, row, bytes, at, image), base: baseOf(part, row, image) };
    }),
  );
}

/** The fields of one section, by offset within it; the base of those that have one. */
export function fieldsIn(elf: BuiltElf, section: SectionPlan): FoundField[] {
  const start = elf.at.get(section.name)!;
  return rowsOf(elf.bytes, imageOf(elf.bytes))
    .filter(({ at }) => at >= start && at < start + section.bytes.length)
    .map(({ at, kind, target, base }) => ({
      at: at - start,
      kind: kindNames.get(kind)!,
      target,
      base: kind === kinds.based || kind === kinds.entry24 ? base : 0,
    }));
}

export function code(bytes: Uint8Array, name = '.text'): SectionPlan {
  return { name, type: 1, flags: sectionFlags.code, bytes };
}
