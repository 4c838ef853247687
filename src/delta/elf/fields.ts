// Finds the fields of an ELF file that hold addresses. A guess may be wrong, that costs bytes and no more; but the same bytes
// give the same fields on every machine, because both sides of a delta look at the old file.

import { sweepPairs } from './aarch64.ts';
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
import * as linking from './linking.ts';
import { sweepCode } from './x86-64.ts';

export type { Fields } from './field-list.ts';

/** Finders in the order they must run: code, relocations and frames mark what tables and pointers are read by. */
const finders: readonly (readonly [Role, (search: Search, section: Section) => void])[] = [
  ['code', findInCode],
  ['procedureLinkage', findInCode],
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
  ['versionNeeds', (search, section): void => linking.findVersions(search, section, 'versionNeeds')],
  ['versionDefinitions', (search, section): void => linking.findVersions(search, section, 'versionDefinitions')],
  ['sectionHeaders', linking.findSectionHeaders],
];

/** The fields in `bytes`, which are the file of the image from offset `from` on: all of it or a window. Never throws. */
export function findFields(bytes: Uint8Array, image: ElfImage, from = 0): Fields {
  const sections = image.sections.filter(({ offset, size }) => offset < from + bytes.length && offset + size > from);
  const list = new FieldList((bytes.length >>> 4) + 64);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables = new Marks(sections.filter(({ role }) => role === 'constants' || role === 'exceptTable'));
  const words = new Marks(sections.filter(({ role }) => role === 'data'));
  const search: Search = { bytes, view, from, image, list, tables, words };
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
  const { bytes, image, list, tables } = search;
  const { start, end, shift } = clip(search, section, 1);
  const relocations = section.role === 'procedureLinkage' ? section.linked : 0;
  const part = { from: start, to: end, shift, relocations };
  if (image.machine === 'x86-64') sweepCode(bytes, part, image, list, tables);
  else sweepPairs(bytes, part, image, list, tables);
}

function findInConstants(search: Search, section: Section): void {
  if (search.image.fixed) findPlainPointers(search, section);
  else findJumpTables(search, section);
}
