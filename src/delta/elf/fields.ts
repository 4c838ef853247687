// Finds the fields of an ELF file that hold addresses. A guess may be wrong, that costs bytes and no more; but the same bytes
// give the same fields on every machine, because both sides of a delta look at the old file.

import { findFrames, findFrameTable } from './eh-frame.ts';
import { findTypes } from './except-table.ts';
import { FieldList } from './field-list.ts';
import type { Fields } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { findJumpTables } from './jump-tables.ts';
import { Marks } from './marks.ts';
import { findPlainPointers, findPointers } from './pointers.ts';
import { clip } from './search.ts';
import type { Search } from './search.ts';
import type { Role, Section } from './sections.ts';
import * as tables from './tables.ts';
import { sweepCode } from './x86-64.ts';

export type { Fields } from './field-list.ts';

/** Finders in the order they must run: code, relocations and frames mark what tables and pointers are read by. */
const finders: readonly (readonly [Role, (search: Search, section: Section) => void])[] = [
  ['code', findInCode],
  ['procedureLinkage', findInCode],
  ['relocations', tables.findRelocations],
  ['relativeRelocations', tables.findRelativeRelocations],
  ['ehFrame', findFrames],
  ['ehFrameHeader', findFrameTable],
  ['exceptTable', findTypes],
  ['constants', findInConstants],
  ['data', findPointers],
  ['symbols', tables.findSymbols],
  ['dynamic', tables.findDynamic],
  ['hash', tables.findHash],
  ['gnuHash', tables.findGnuHash],
  ['versionNeeds', (search, section): void => tables.findVersions(search, section, 'versionNeeds')],
  ['versionDefinitions', (search, section): void => tables.findVersions(search, section, 'versionDefinitions')],
  ['sectionHeaders', tables.findSectionHeaders],
];

const markedRoles: ReadonlySet<Role> = new Set(['constants', 'exceptTable', 'data']);

/** The fields in `bytes`, which are the file of the image from offset `from` on: all of it or a window. Never throws. */
export function findFields(bytes: Uint8Array, image: ElfImage, from = 0): Fields {
  const sections = image.sections.filter(({ offset, size }) => offset < from + bytes.length && offset + size > from);
  const list = new FieldList((bytes.length >>> 4) + 64);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const marks = new Marks(sections.filter(({ role }) => markedRoles.has(role)));
  const search: Search = { bytes, view, from, image, list, marks };
  const starts: number[] = [];
  for (const [role, find] of finders)
    for (const section of sections) {
      if (section.role !== role) continue;
      starts.push(list.count);
      find(search, section);
    }
  return list.inOrder(starts);
}

function findInCode(search: Search, section: Section): void {
  const { start, end, shift } = clip(search, section, 1);
  const relocations = section.role === 'procedureLinkage' ? section.linked : 0;
  if (search.image.machine === 'x86-64')
    sweepCode(search.bytes, { from: start, to: end, shift, relocations }, search.image, search.list, search.marks);
}

function findInConstants(search: Search, section: Section): void {
  if (search.image.fixed) findPlainPointers(search, section);
  else findJumpTables(search, section);
}
