// Finds the fields of an ELF file that hold addresses. A guess may be wrong, that costs bytes and no more; but the same bytes
// give the same fields on every machine, because both sides of a delta look at the old file. Sections are read one at a time
// and code piece by piece, so that the file is never held as a whole.

import { giveBack } from '../give-back.ts';
import { copyInto, type RandomBytes } from '../random-bytes.ts';
import { PairSweep } from './aarch64.ts';
import { findFrames, findFrameTable } from './eh-frame.ts';
import { findTypes } from './except-table.ts';
import { FieldList } from './field-list.ts';
import type { Fields } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { findJumpTables } from './jump-tables.ts';
import { Marks } from './marks.ts';
import { findPlainPointers, findPointers } from './pointers.ts';
import type { Search } from './search.ts';
import type { Role, Section } from './section.ts';
import * as linking from './linking.ts';
import { sweepCode } from './x86-64.ts';

export type { Fields } from './field-list.ts';

/** Finders in the order they must run, behind code: relocations and frames mark what tables and pointers are read by. */
const finders: readonly (readonly [Role, (search: Search) => void])[] = [
  ['relocations', linking.findRelocations],
  ['relativeRelocations', linking.findRelativeRelocations],
  ['ehFrame', findFrames],
  ['ehFrameHeader', findFrameTable],
  ['exceptTable', findTypes],
  ['constants', findInConstants],
  ['data', findPointers],
  ['symbols', linking.findSymbols],
  ['dynamic', linking.findDynamic],
  ['hash', linking.findHash],
  ['gnuHash', linking.findGnuHash],
  ['versionNeeds', (search): void => linking.findVersions(search, 'versionNeeds')],
  ['versionDefinitions', (search): void => linking.findVersions(search, 'versionDefinitions')],
  ['sectionHeaders', linking.findSectionHeaders],
];

/** Code is read in pieces of this size. */
const piece = 1 << 20;

/** The fields of the image's file. Never throws. */
export function findFields(file: RandomBytes, image: ElfImage): Fields {
  return findIn(file, image, image.sections);
}

/** Only those of relocations and symbols, which are found without a look at the code. */
export function findTableFields(file: RandomBytes, image: ElfImage): Fields {
  return findIn(
    file,
    image,
    image.sections.filter(({ role }) => role === 'relocations' || role === 'symbols'),
  );
}

function findIn(file: RandomBytes, image: ElfImage, sections: readonly Section[]): Fields {
  const tables = new Marks(sections.filter(({ role }) => role === 'constants' || role === 'exceptTable'));
  const words = new Marks(sections.filter(({ role }) => role === 'data'));
  const lists = sections.filter(isCode).map((section) => findInCode(file, image, section, tables));
  let scratch = Buffer.alloc(0);
  for (const [role, find] of finders)
    for (const section of sections) {
      if (section.role !== role) continue;
      if (scratch.length < section.size) scratch = Buffer.allocUnsafeSlow(section.size);
      const bytes = copyInto(scratch.subarray(0, section.size), file, section.offset);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const list = listOf(section, image);
      find({ image, section, bytes, view, list, tables, words });
      lists.push(list);
    }
  giveBack(scratch);
  return lists.filter(({ count }) => count > 0).sort((a, b) => a.section.offset - b.section.offset);
}

function isCode({ role }: Section): boolean {
  return role === 'code' || role === 'procedureLinkage';
}

/** Values of most tables count from the table they are linked to. */
function listOf(section: Section, image: ElfImage): FieldList {
  const { role, address, linked } = section;
  const base = role === 'ehFrameHeader' ? address : linked;
  return new FieldList(section, image, base, role === 'constants' || (image.machine === 'aarch64' && isCode(section)));
}

function findInCode(file: RandomBytes, image: ElfImage, section: Section, tables: Marks): FieldList {
  const list = listOf(section, image);
  const pairs = new PairSweep(image, list, tables);
  for (let at = 0; at < section.size;) {
    // Borrowed: nothing else is read before the sweep is done.
    const bytes = file.read(section.offset + at, Math.min(piece, section.size - at));
    const part = { bytes, at, isLast: at + bytes.length === section.size };
    at += image.machine === 'x86-64' ? sweepCode(part, image, list, tables) : pairs.sweep(part);
  }
  return list;
}

function findInConstants(search: Search): void {
  if (search.image.fixed) findPlainPointers(search);
  else findJumpTables(search);
}
