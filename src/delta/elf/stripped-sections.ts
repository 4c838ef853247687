// The parts of an ELF file without section headers: what the program headers and the dynamic table name.

import type { RandomBytes } from '../random-bytes.ts';
import { segmentTypes } from './segments.ts';
import type { AddressMap, Segment } from './segments.ts';
import type { Role, Section } from './section.ts';

const tags = { hash: 4, strings: 5, symbols: 6, relocations: 7, relocationSize: 8, jumpSize: 2, jumps: 23 } as const;
const relrTags = { size: 35, table: 36 } as const;
const maxDynamic = 64 * 1024;

/** Tables first; what of each segment they leave free is code or data. */
export function sectionsOfSegments(file: RandomBytes, segments: readonly Segment[], map: AddressMap): Section[] {
  const tables = [...dynamicTables(file, segments, map), ...unwindTables(file, segments, map)]
    .filter(({ offset, size }) => offset >= 0 && size > 0 && offset + size <= file.size)
    .sort((a, b) => a.offset - b.offset);
  const rest: Section[] = [];
  for (const { type, flags, offset, fileSize } of segments) {
    if (type !== segmentTypes.load) continue;
    const end = Math.min(offset + fileSize, file.size);
    const role = (flags & 1) !== 0 ? 'code' : (flags & 2) !== 0 ? 'data' : 'constants';
    let from = offset;
    const add = (to: number): void => {
      if (to > from) rest.push({ role, offset: from, size: to - from, address: map.addressOf(from), linked: 0 });
    };
    for (const table of tables) {
      if (table.offset < from || table.offset >= end) continue;
      add(table.offset);
      from = table.offset + table.size;
    }
    add(end);
  }
  return [...tables, ...rest];
}

function tableAt(map: AddressMap, role: Role, address: number, size: number, linked: number): Section {
  return { role, offset: map.offsetOf(address), size, address, linked };
}

function dynamicTables(file: RandomBytes, segments: readonly Segment[], map: AddressMap): Section[] {
  const dynamic = segments.find(({ type }) => type === segmentTypes.dynamic);
  if (dynamic === undefined || dynamic.offset + dynamic.fileSize > file.size) return [];
  const size = Math.min(dynamic.fileSize - (dynamic.fileSize % 16), maxDynamic);
  const bytes = new Uint8Array(file.read(dynamic.offset, size));
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  const values = new Map<number, number>();
  for (let at = 0; at < size; at += 16)
    if (view.getUint32(at + 4, true) === 0)
      values.set(view.getUint32(at, true), view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 2 ** 32);
  const value = (tag: number): number => values.get(tag) ?? 0;
  const [symbols, strings] = [value(tags.symbols), value(tags.strings)];
  const symbolSize = strings > symbols ? Math.floor((strings - symbols) / 24) * 24 : 0;
  return [
    tableAt(map, 'dynamic', dynamic.address, size, strings),
    tableAt(map, 'relocations', value(tags.relocations), value(tags.relocationSize), symbols),
    tableAt(map, 'relocations', value(tags.jumps), value(tags.jumpSize), symbols),
    tableAt(map, 'relativeRelocations', value(relrTags.table), value(relrTags.size), 0),
    tableAt(map, 'symbols', symbols, symbolSize, strings),
  ];
}

/** The header names the frames; they follow it, up to the segment's end. */
function unwindTables(file: RandomBytes, segments: readonly Segment[], map: AddressMap): Section[] {
  const header = segments.find(({ type }) => type === segmentTypes.ehFrameHeader);
  if (header === undefined || header.fileSize < 8 || header.offset + header.fileSize > file.size) return [];
  const bytes = new Uint8Array(file.read(header.offset, 8));
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const table = tableAt(map, 'ehFrameHeader', header.address, header.fileSize, 0);
  if (bytes[1] !== 0x1b) return [table];
  const address = header.address + 4 + view.getInt32(4, true);
  const load = segments.find(
    ({ type, address: start, fileSize }) =>
      type === segmentTypes.load && address >= start && address < start + fileSize,
  );
  if (load === undefined) return [table];
  return [table, tableAt(map, 'ehFrame', address, load.address + load.fileSize - address, 0)];
}
