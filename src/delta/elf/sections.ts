// The parts of an ELF file that hold addresses, each with the role that says how to read it: from the section headers, or
// from the program headers and the dynamic table where there are none. Only ever read of a file that is whole.

import type { RandomBytes } from '../random-bytes.ts';
import type { Role, Section } from './section.ts';
import type { AddressMap, Segment } from './segments.ts';
import { sectionsOfSegments } from './stripped-sections.ts';

const sectionHeaderSize = 64;
const maxSections = 512;
const maxNames = 64 * 1024;

const types = {
  programBits: 1,
  symbols: 2,
  relocations: 4,
  hash: 5,
  dynamic: 6,
  noBits: 8,
  dynamicSymbols: 11,
  initArray: 14,
  finiArray: 15,
  preinitArray: 16,
  relativeRelocations: 19,
  gnuHash: 0x6ffffff6,
  versionDefinitions: 0x6ffffffd,
  versionNeeds: 0x6ffffffe,
  unwind: 0x70000001,
} as const;
const flags = { write: 1, allocate: 2, execute: 4 } as const;

/** Sections with a role, in the order of the file; one that overlaps an earlier one or leaves the file is left out. */
export function findSections(
  file: RandomBytes,
  header: DataView,
  segments: readonly Segment[],
  map: AddressMap,
): Section[] {
  const found = readSections(file, header, map);
  const all = found.length > 0 ? found : sectionsOfSegments(file, segments, map);
  return withoutOverlaps(all, file.size, map);
}

function withoutOverlaps(sections: Section[], size: number, map: AddressMap): Section[] {
  let end = 0;
  return sections
    .sort((a, b) => a.offset - b.offset || a.size - b.size)
    .filter((section) => {
      const sectionEnd = section.offset + section.size;
      if (section.offset < end || section.size === 0 || sectionEnd > size) return false;
      // A section over the end of a segment would be at two places at once.
      if (map.addressOf(sectionEnd - 1) !== section.address + section.size - 1) return false;
      end = sectionEnd;
      return true;
    });
}

interface RawSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function readSections(file: RandomBytes, header: DataView, map: AddressMap): Section[] {
  const at = header.getUint32(40, true) + header.getUint32(44, true) * 2 ** 32;
  const count = header.getUint16(60, true);
  const size = count * sectionHeaderSize;
  if (header.getUint16(58, true) !== sectionHeaderSize || count > maxSections || size === 0) return [];
  if (at + size > file.size) return [];
  const raw = readHeaders(file, at, count, header.getUint16(62, true));
  const addressOf = (index: number): number => {
    const offset = raw[index]?.offset ?? Infinity;
    return index > 0 && offset < file.size ? map.addressOf(offset) : 0;
  };
  const jumps = raw.findIndex(({ name }) => name === '.rela.plt');
  const sections: Section[] = [];
  for (const section of raw) {
    const role = roleOf(section);
    if (role === undefined) continue;
    const linked = role === 'procedureLinkage' ? addressOf(jumps) : addressOf(section.link);
    sections.push({ role, offset: section.offset, size: section.size, address: map.addressOf(section.offset), linked });
  }
  if (sections.length > 0)
    sections.push({ role: 'sectionHeaders', offset: at, size, address: map.addressOf(at), linked: 0 });
  return sections;
}

function readHeaders(file: RandomBytes, at: number, count: number, nameIndex: number): RawSection[] {
  const bytes = new Uint8Array(file.read(at, count * sectionHeaderSize));
  const headers = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const field = (index: number, offset: number): number => headers.getUint32(index * sectionHeaderSize + offset, true);
  const long = (index: number, offset: number): number => field(index, offset) + field(index, offset + 4) * 2 ** 32;
  const nameSize = nameIndex < count ? Math.min(long(nameIndex, 32), maxNames) : 0;
  const nameAt = nameIndex < count ? long(nameIndex, 24) : 0;
  const names = nameAt + nameSize <= file.size ? Buffer.from(file.read(nameAt, nameSize)) : Buffer.alloc(0);
  return Array.from({ length: count }, (_, i) => ({
    name: nameIn(names, field(i, 0)),
    type: field(i, 4),
    flags: field(i, 8),
    offset: long(i, 24),
    size: long(i, 32),
    link: field(i, 40),
  }));
}

function nameIn(names: Buffer, at: number): string {
  const end = names.indexOf(0, at);
  return at < names.length && end >= 0 && end - at < 64 ? names.toString('latin1', at, end) : '';
}

const rolesByType: ReadonlyMap<number, Role> = new Map([
  [types.symbols, 'symbols'],
  [types.dynamicSymbols, 'symbols'],
  [types.relocations, 'relocations'],
  [types.relativeRelocations, 'relativeRelocations'],
  [types.dynamic, 'dynamic'],
  [types.hash, 'hash'],
  [types.gnuHash, 'gnuHash'],
  [types.versionNeeds, 'versionNeeds'],
  [types.versionDefinitions, 'versionDefinitions'],
  [types.initArray, 'data'],
  [types.finiArray, 'data'],
  [types.preinitArray, 'data'],
]);

const rolesByName: ReadonlyMap<string, Role> = new Map([
  ['.eh_frame', 'ehFrame'],
  ['.eh_frame_hdr', 'ehFrameHeader'],
  ['.gcc_except_table', 'exceptTable'],
  ['.plt', 'procedureLinkage'],
]);

function roleOf(section: RawSection): Role | undefined {
  const byType = rolesByType.get(section.type);
  if (byType !== undefined) return byType;
  if (section.type !== types.programBits && section.type !== types.unwind) return undefined;
  if ((section.flags & flags.allocate) === 0) return undefined;
  const byName = rolesByName.get(section.name);
  if (byName !== undefined) return byName;
  if ((section.flags & flags.execute) !== 0) return 'code';
  return (section.flags & flags.write) !== 0 ? 'data' : 'constants';
}
