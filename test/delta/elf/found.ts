// What is found in a file, in a form that tests can compare.

import assert from 'node:assert/strict';

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

/** The fields of one section, by offset within it. */
export function fieldsIn(elf: BuiltElf, section: SectionPlan): FoundField[] {
  const image = imageOf(elf.bytes);
  const fields = findFields(elf.bytes, image);
  const start = elf.at.get(section.name)!;
  const found: FoundField[] = [];
  for (let i = 0; i < fields.count; i++) {
    const at = fields.offset[i]! - start;
    if (at < 0 || at >= section.bytes.length) continue;
    const base = fields.bases[fields.base[i]!]!;
    found.push({ at, kind: kindNames.get(fields.kind[i]!)!, target: fields.target[i]!, base });
  }
  return found;
}

export function code(bytes: Uint8Array, name = '.text'): SectionPlan {
  return { name, type: 1, flags: sectionFlags.code, bytes };
}
