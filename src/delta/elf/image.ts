// An ELF file as it lies in memory: which file offset has which address, by the program headers alone, because the receiver
// of a delta has just these of the file it is about to make. 64-bit little-endian files of two machines; layout by the System
// V ABI. Addresses and offsets are numbers; what is not below 2^48 is taken as broken.

import type { RandomBytes } from '../random-bytes.ts';
import { findSections } from './sections.ts';
import type { Section } from './section.ts';
import { addressMap, programHeaderSize, readSegments, unsigned64 } from './segments.ts';
import type { AddressMap, Segment } from './segments.ts';

export interface ElfImage extends AddressMap {
  readonly machine: 'x86-64' | 'aarch64';
  /** The file and program headers lie in the bytes before this offset. */
  readonly headersEnd: number;
  /** Loaded where it says, not moved at run time: code holds addresses as plain numbers. */
  readonly fixed: boolean;
  readonly segments: readonly Segment[];
  /** Addresses around all code; meaningless without sections. */
  readonly codeLow: number;
  readonly codeEnd: number;
  /** In the order of the file, not overlapping. Empty where they cannot be read. */
  readonly sections: readonly Section[];
}

const headerSize = 64;
const maxSegments = 64;
const maxHeadersEnd = 64 * 1024;

/** Reads an ELF file's headers; undefined for every file whose addresses are not predicted, never throws. */
export function parseElf(file: RandomBytes): ElfImage | undefined {
  if (file.size < headerSize) return undefined;
  const header = view(file, 0, headerSize);
  if (header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201) return undefined;
  const type = header.getUint16(16, true);
  const machine = machines.get(header.getUint16(18, true));
  const count = header.getUint16(56, true);
  const at = unsigned64(header, 32);
  const end = at + count * programHeaderSize;
  if (machine === undefined || (type !== 2 && type !== 3)) return undefined;
  if (header.getUint16(54, true) !== programHeaderSize || count === 0 || count > maxSegments) return undefined;
  if (end > Math.min(file.size, maxHeadersEnd)) return undefined;
  const segments = readSegments(view(file, at, end - at), count);
  const map = addressMap(segments);
  if (map === undefined) return undefined;
  const image = { machine, headersEnd: Math.max(headerSize, end), fixed: type === 2, segments, ...map };
  const sections = findSections(file, header, segments, map);
  return { ...image, sections, ...codeBounds(sections) };
}

function codeBounds(sections: readonly Section[]): { codeLow: number; codeEnd: number } {
  let [codeLow, codeEnd] = [Infinity, 0];
  for (const { role, address, size } of sections) {
    if (role !== 'code' && role !== 'procedureLinkage') continue;
    codeLow = Math.min(codeLow, address);
    codeEnd = Math.max(codeEnd, address + size);
  }
  return { codeLow, codeEnd };
}

const machines: ReadonlyMap<number, 'x86-64' | 'aarch64'> = new Map([
  [62, 'x86-64'],
  [183, 'aarch64'],
]);

/**
 * Addresses that correspond for certain: starts of segments of one kind and the entry of tables that program headers name.
 * Pairs of old and fresh address, flat.
 */
export function anchors(old: ElfImage, fresh: ElfImage): Float64Array {
  const pairs: number[] = [];
  for (const [i, segment] of old.segments.entries()) {
    const rank = rankOf(old.segments, i);
    const other = fresh.segments.find(
      (candidate, j) => alike(candidate, segment) && rankOf(fresh.segments, j) === rank,
    );
    if (other !== undefined && segment.memorySize > 0) pairs.push(segment.address, other.address);
  }
  return Float64Array.from(pairs);
}

function alike(a: Segment, b: Segment): boolean {
  return a.type === b.type && a.flags === b.flags;
}

/** How many segments like this one come before it. */
function rankOf(segments: readonly Segment[], index: number): number {
  return segments.slice(0, index).filter((segment) => alike(segment, segments[index]!)).length;
}

function view(file: RandomBytes, offset: number, length: number): DataView {
  const bytes = new Uint8Array(file.read(offset, length));
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}
